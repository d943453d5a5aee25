using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AgentDemo.Model;

/// <summary>
/// Stands in for a language model where none can be reached: a pure function from one chat request to the next turn.
/// It keeps no state and counts no turns. Each time it works out anew, from the conversation and the tools advertised, what the user wants,
/// what is known, and which tool it can call next, so another order of tools, a failure half-way or a missing memory change what it does.
/// It is no language model: it understands requests to release a version of a service, and little else.
/// </summary>
public static partial class StandInPolicy
{
    private const string MemoryPlugin = "procedures";
    private const string WorkPlugin = "release";
    private const string LearnedPlugin = "learned";

    /// <summary>Decides the next turn.</summary>
    /// <param name="request">The body of a chat-completions request.</param>
    public static ModelTurn Decide(JsonObject request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var situation = Situation.Read(request);
        return DoInOneCall(situation) ?? Remember(situation) ?? Work(situation);
    }

    /// <summary>
    /// What does the whole task in one call, where such a tool is offered: its description speaks of a deployment, and its parameters take what the user asked for. Null where none does, and where
    /// the work has begun otherwise.
    /// </summary>
    private static ModelTurn? DoInOneCall(Situation now)
    {
        if (now.Results.LastOrDefault(r => r.Plugin == LearnedPlugin) is { } done)
        {
            return AfterReplay(now, done);
        }

        if (now.Wish.Kind != WishKind.Deploy || now.Results.Count > 0)
        {
            return null;
        }

        foreach (var tool in now.Tools.Where(t => t.Plugin == LearnedPlugin && Wish.IsFor(t.Description)))
        {
            if (FillArguments(tool, now) is { } arguments && new[] { now.Wish.Service, now.Wish.Version }.All(asked => arguments.Any(a => Text(a.Value) == asked)))
            {
                return ModelTurn.Call(tool.Name, arguments);
            }
        }

        return null;
    }

    /// <summary>What a procedural memory can do before the work itself, for a model that was told to look there; null when it is time for the work.</summary>
    private static ModelTurn? Remember(Situation now)
    {
        if (now.Tool(MemoryPlugin, "find_similar_procedure") is not { } find)
        {
            return null;
        }

        if (now.Result(MemoryPlugin, "find_similar_procedure") is not { } found)
        {
            // To a model that nobody told of procedures, these functions are no part of a deployment.
            return now.IsToldOfProcedures ? ModelTurn.Call(find.Name, new JsonObject { ["request"] = now.UserText }) : null;
        }

        // A memory that fails, or knows something for a mere question, does not keep an agent from its work.
        if (now.Wish.Kind != WishKind.Deploy || found.Failed)
        {
            return null;
        }

        if (now.Result(MemoryPlugin, "replay_procedure") is { } replayed)
        {
            return AfterReplay(now, replayed);
        }

        switch (found.Status)
        {
            case "found" when now.Tool(MemoryPlugin, "replay_procedure") is { } replay
                && found["procedures"] is JsonArray { Count: > 0 } known && known[0] is JsonObject best && Text(best["name"]) is { } name:
                var inputs = new JsonObject();
                foreach (var input in best["inputs"] as JsonArray ?? [])
                {
                    if (Text(input?["name"]) is { } inputName && now.ValueFor(inputName) is { } value)
                    {
                        inputs[inputName] = value;
                    }
                }

                return ModelTurn.Call(replay.Name, new JsonObject { ["name"] = name, ["inputs"] = inputs });

            case "nothing_fits" when now.Tool(MemoryPlugin, "start_recording") is { } record && now.Result(MemoryPlugin, "start_recording") is null:
                return ModelTurn.Call(record.Name, new JsonObject
                {
                    ["name"] = "deploy_service",
                    ["description"] = "Deploy a version of a service: validate its configuration, build and push the artifact, start the service and check its health.",
                });

            default:
                return null;
        }
    }

    /// <summary>What to do when a replay has ended; null where the work is to be done without it.</summary>
    private static ModelTurn? AfterReplay(Situation now, ToolResult replayed)
    {
        if (replayed.Failed)
        {
            // What a call that threw has done is not known, and doing it again might do it twice.
            return ModelTurn.Say($"The replay of a known procedure failed, and I cannot tell how far it came. {replayed.Text}");
        }

        return replayed.Status switch
        {
            "completed" => Conclude(now),
            "failed" => MendAndResume(now, replayed),
            "refused" or "approval_pending" => ModelTurn.Say(replayed.Message),
            _ => null,
        };
    }

    /// <summary>Does the step that a replay stopped at in another way, if there is one, and lets the replay go on; null where the work is to be done without it.</summary>
    private static ModelTurn? MendAndResume(Situation now, ToolResult replayed)
    {
        if (now.Result(MemoryPlugin, "resume_procedure") is { } resumed)
        {
            return resumed is { Failed: false, Status: "completed" } ? Conclude(now) : ModelTurn.Say(resumed.Message);
        }

        var failed = (replayed["steps"] as JsonArray ?? []).OfType<JsonObject>().FirstOrDefault(s => Text(s["status"]) == "failed");
        if (now.Tool(MemoryPlugin, "resume_procedure") is not { } resume || Text(replayed["execution_id"]) is not { } execution
            || Text(failed?["note"])?.Contains("port", StringComparison.OrdinalIgnoreCase) != true
            || now.Tools.FirstOrDefault(t => Text(failed?["action"]) == $"{t.Plugin}.{t.Function}" && t.Parameters.Any(p => p.Name == "port")) is not { } tool)
        {
            return null;
        }

        if (now.Result(tool.Plugin, tool.Function) is { } mended)
        {
            return mended.Failed ? ModelTurn.Say($"The replay stopped, and another port did not help. {mended.Text}") : ModelTurn.Call(resume.Name, new JsonObject { ["executionId"] = execution });
        }

        var arguments = failed!["arguments"]?.DeepClone() as JsonObject ?? [];
        arguments["port"] = 0;
        return ModelTurn.Call(tool.Name, arguments);
    }

    /// <summary>The ordinary way: the next tool whose arguments are known, or an answer.</summary>
    private static ModelTurn Work(Situation now)
    {
        switch (now.Wish.Kind)
        {
            case WishKind.Question:
                return ModelTurn.Say(Explain(now.UserText));
            case WishKind.Unclear:
                return ModelTurn.Say("Tell me which version of which service to deploy, for example: deploy version 1.4.0 of the catalog service.");
        }

        if (now.Results.FirstOrDefault(r => r.Failed && r.Plugin == WorkPlugin) is { } failure)
        {
            return ModelTurn.Say($"I could not deploy {now.Wish.Service} {now.Wish.Version}: {failure.Function} failed. {failure.Text}");
        }

        foreach (var tool in now.Tools.Where(t => t.Plugin == WorkPlugin && !now.Done.Contains(t.Function)))
        {
            if (FillArguments(tool, now) is { } arguments)
            {
                return ModelTurn.Call(tool.Name, arguments);
            }
        }

        // A way that led to an unhealthy service is not worth remembering.
        return now.Tool(MemoryPlugin, "finalize") is { } finalize
            && now.Healthy != false
            && now.Result(MemoryPlugin, "start_recording") is { Failed: false }
            && now.Result(MemoryPlugin, "finalize") is null
                ? ModelTurn.Call(finalize.Name, [])
                : Conclude(now);
    }

    private static JsonObject? FillArguments(AdvertisedTool tool, Situation now)
    {
        var arguments = new JsonObject();
        foreach (var (name, required) in tool.Parameters)
        {
            if (now.ValueFor(name) is { } value)
            {
                arguments[name] = value;
            }
            else if (required)
            {
                return null;
            }
        }

        return arguments;
    }

    private static ModelTurn Conclude(Situation now)
    {
        var (service, version) = (now.Wish.Service, now.Wish.Version);
        var url = Text(now.Fact("url"));
        return ModelTurn.Say((now.Healthy, url) switch
        {
            (true, not null) => $"{service} {version} is deployed and healthy at {url}.",
            (true, null) => $"{service} {version} is deployed and healthy.",
            (false, _) => $"{service} {version} was started{(url is null ? "" : $" at {url}")}, but its health check failed: it serves {Text(now.Fact("served_version")) ?? "another version"}.",
            (null, not null) => $"{service} {version} was started at {url}; its health was not checked.",
            _ => $"I could not deploy {service} {version} with the tools at hand.",
        });
    }

    private static string Explain(string question) =>
        question.Contains("canary", StringComparison.OrdinalIgnoreCase)
            ? "A canary release sends a small share of the traffic to a new version first, and the rest only when that share does well."
        : question.Contains("blue", StringComparison.OrdinalIgnoreCase) && question.Contains("green", StringComparison.OrdinalIgnoreCase)
            ? "In a blue-green deployment two environments exist side by side, and traffic is switched from the old to the new one at once."
        : question.Contains("digest", StringComparison.OrdinalIgnoreCase)
            ? "A digest is a hash of an artifact's bytes: who has it can tell whether the artifact is the one that was built."
        : "I know about releasing services, but I have no answer to that.";

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private enum WishKind
    {
        Question,
        Unclear,
        Deploy,
    }

    /// <summary>What the user wants.</summary>
    private sealed partial record Wish(WishKind Kind, string? Service = null, string? Version = null)
    {
        // Words that stand where a service's name may stand and are none.
        private static readonly HashSet<string> NoNames = new(StringComparer.OrdinalIgnoreCase)
        {
            "a", "an", "the", "this", "that", "our", "my", "your", "new", "latest", "please", "of", "to", "at", "in", "on", "for", "with", "it", "as", "from",
            "version", "versions", "release", "service", "web", "v", "is", "be", "we", "you", "now", "and", "out", "up", "live", "running", "production",
            "deploy", "redeploy", "deployment", "roll", "rollout", "ship", "launch", "publish", "install", "upgrade", "update", "push", "put", "bring",
            "move", "take", "get", "start", "run", "want", "need", "called", "named",
        };

        public static Wish Read(string text)
        {
            if (Asking().IsMatch(text) || Refusing().IsMatch(text) || !Deploying().IsMatch(text))
            {
                return new Wish(WishKind.Question);
            }

            var version = VersionNumber().Match(text) is { Success: true } match ? match.Groups["v"].Value : null;
            var service = new[] { BeforeService(), AfterService(), AfterVersion(), BeforeVersion(), AfterVerb() }
                .SelectMany(pattern => pattern.Matches(text))
                .Select(m => m.Groups["s"].Value)
                .FirstOrDefault(name => !NoNames.Contains(name))?
                .ToLowerInvariant();
            return version is null || service is null ? new Wish(WishKind.Unclear) : new Wish(WishKind.Deploy, service, version);
        }

        /// <summary>Whether a tool that is described so deploys.</summary>
        public static bool IsFor(string description) => Describing().IsMatch(description) && !Refusing().IsMatch(description);

        [GeneratedRegex(@"^\W*(?:what|why|how|who|when|where|which|explain|describe|tell\s+me|is|are|was|does|did|should)\b", RegexOptions.IgnoreCase)]
        private static partial Regex Asking();

        [GeneratedRegex(@"\b(?:do\s+not|don['’]t|never|roll(?:ing)?\s*-?\s*back|undeploy|uninstall|stop|remove|delete)\b", RegexOptions.IgnoreCase)]
        private static partial Regex Refusing();

        [GeneratedRegex(@"\b(?:re)?deploy|\broll(?:ing)?\b.*\bout\b|\b(?:rollout|release|ship|launch|publish|install|upgrade|update|push|put|bring|move|take|get|start|run|live|running|production)\b", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
        private static partial Regex Deploying();

        [GeneratedRegex(@"\b(?:(?:re)?deploy(?:s|ed|ing|ment)?|roll(?:s|ed|ing)?\s+out|rollout)\b", RegexOptions.IgnoreCase)]
        private static partial Regex Describing();

        // In "from 1.4.0 to 1.5.0" the first is the version that goes.
        [GeneratedRegex(@"(?<![\w.]|\bfrom\s+(?:version\s+)?)v?(?<v>\d+\.\d+(?:\.\d+)?)(?![\w]|\.\d)", RegexOptions.IgnoreCase)]
        private static partial Regex VersionNumber();

        [GeneratedRegex(@"\b(?<s>[a-z][\w-]*)\s+service\b", RegexOptions.IgnoreCase)]
        private static partial Regex BeforeService();

        [GeneratedRegex(@"\bservice\s+(?:called\s+|named\s+)?['""]?(?<s>[a-z][\w-]*)", RegexOptions.IgnoreCase)]
        private static partial Regex AfterService();

        [GeneratedRegex(@"\d\.\d+\s+(?:of|for)\s+(?:the\s+|our\s+)?(?<s>[a-z][\w-]*)", RegexOptions.IgnoreCase)]
        private static partial Regex AfterVersion();

        [GeneratedRegex(@"\b(?<s>[a-z][\w-]*),?\s+(?:out\s+)?(?:(?:to|at|in|as|with)\s+)?(?:the\s+)?(?:version\s+)?v?\d+\.\d+", RegexOptions.IgnoreCase)]
        private static partial Regex BeforeVersion();

        [GeneratedRegex(@"\b(?:(?:re)?deploy|roll(?:\s+out)?|release|ship|launch|publish|install|upgrade|update|push|put|bring|move|take|get|start|run)\s+(?:the\s+|our\s+)?(?<s>[a-z][\w-]*)", RegexOptions.IgnoreCase)]
        private static partial Regex AfterVerb();
    }

    /// <summary>A tool of the request. Connectors join plugin and function with '-', other clients with '_'.</summary>
    private sealed record AdvertisedTool(string Name, string Plugin, string Function, string Description, IReadOnlyList<(string Name, bool Required)> Parameters);

    /// <summary>The result of a tool call the assistant has made since the user last spoke.</summary>
    private sealed record ToolResult(string Plugin, string Function, string Text, JsonObject? Json)
    {
        public bool Failed => Text.StartsWith("Error", StringComparison.Ordinal);

        public string? Status => StandInPolicy.Text(this["status"]);

        public string Message => StandInPolicy.Text(this["message"]) ?? Text;

        public JsonNode? this[string property] => Json?[property];
    }

    /// <summary>All that can be known from one request.</summary>
    private sealed class Situation
    {
        private readonly Dictionary<string, JsonNode> _facts = new(StringComparer.Ordinal);

        private Situation(string instructions, string userText, IReadOnlyList<AdvertisedTool> tools, IReadOnlyList<ToolResult> results)
        {
            (UserText, Tools, Results, Wish) = (userText, tools, results, Wish.Read(userText));
            IsToldOfProcedures = instructions.Contains("procedure", StringComparison.OrdinalIgnoreCase);
            foreach (var result in results.Where(r => !r.Failed))
            {
                if (result.Plugin == WorkPlugin)
                {
                    Learn(result.Function, result.Json);
                }
                else if (result.Plugin == LearnedPlugin || result.Function is "replay_procedure" or "resume_procedure")
                {
                    // A replay that stopped half-way has done its first steps: they are as good as own calls.
                    foreach (var step in result["steps"] as JsonArray ?? [])
                    {
                        if (StandInPolicy.Text(step?["status"]) == "success" && StandInPolicy.Text(step?["action"]) is { } action)
                        {
                            Learn(Split(action).Function, AsObject(step?["result"]));
                        }
                    }
                }
            }
        }

        public string UserText { get; }

        /// <summary>Whether the host's instructions speak of procedures.</summary>
        public bool IsToldOfProcedures { get; }

        public Wish Wish { get; }

        public IReadOnlyList<AdvertisedTool> Tools { get; }

        public IReadOnlyList<ToolResult> Results { get; }

        /// <summary>The work tools that have succeeded, called by the assistant or by a replay.</summary>
        public HashSet<string> Done { get; } = new(StringComparer.Ordinal);

        public AdvertisedTool? Tool(string plugin, string function) => Tools.FirstOrDefault(t => t.Plugin == plugin && t.Function == function);

        public ToolResult? Result(string plugin, string function) => Results.LastOrDefault(r => r.Plugin == plugin && r.Function == function);

        /// <summary>What the health check said; null when none was made.</summary>
        public bool? Healthy => Fact("healthy") is JsonValue value && value.TryGetValue(out bool healthy) ? healthy : null;

        public JsonNode? Fact(string name) => _facts.GetValueOrDefault(name);

        /// <summary>The value for a parameter: what the user asked for, else what a tool result holds under that very name.</summary>
        public JsonNode? ValueFor(string parameter) =>
            parameter.EndsWith("_id", StringComparison.Ordinal) ? Fact(parameter)?.DeepClone()
            : parameter.Contains("version", StringComparison.OrdinalIgnoreCase) ? Wish.Version
            : parameter.Contains("service", StringComparison.OrdinalIgnoreCase) ? Wish.Service
            : Fact(parameter)?.DeepClone();

        public static Situation Read(JsonObject request)
        {
            var tools = (request["tools"] as JsonArray ?? []).Select(t => t?["function"]).OfType<JsonObject>().Select(ReadTool).ToList();
            var messages = (request["messages"] as JsonArray ?? []).OfType<JsonObject>().ToList();
            var lastUser = messages.FindLastIndex(m => StandInPolicy.Text(m["role"]) == "user");
            var userText = lastUser < 0 ? "" : Content(messages[lastUser]);
            var instructions = string.Join('\n', messages.Where(m => StandInPolicy.Text(m["role"]) is "system" or "developer").Select(Content));

            var names = new Dictionary<string, string>(StringComparer.Ordinal);
            var results = new List<ToolResult>();
            foreach (var message in messages.Skip(lastUser + 1))
            {
                foreach (var call in message["tool_calls"] as JsonArray ?? [])
                {
                    if (StandInPolicy.Text(call?["id"]) is { } id && StandInPolicy.Text(call?["function"]?["name"]) is { } name)
                    {
                        names[id] = name;
                    }
                }

                if (StandInPolicy.Text(message["role"]) == "tool" && StandInPolicy.Text(message["tool_call_id"]) is { } callId && names.TryGetValue(callId, out var called))
                {
                    var (plugin, function) = Split(called);
                    var text = Content(message);
                    results.Add(new ToolResult(plugin, function, text, AsObject(text)));
                }
            }

            return new Situation(instructions, userText, tools, results);
        }

        private void Learn(string function, JsonObject? result)
        {
            Done.Add(function);
            foreach (var (name, value) in result ?? [])
            {
                if (value is not null)
                {
                    // The version a server says it serves is news; the version asked for is the user's to say.
                    _facts[function == "check_health" && name == "version" ? "served_version" : name] = value;
                }
            }
        }

        private static AdvertisedTool ReadTool(JsonObject function)
        {
            var name = StandInPolicy.Text(function["name"]) ?? "";
            var (plugin, bare) = Split(name);
            var schema = function["parameters"];
            var required = (schema?["required"] as JsonArray ?? []).Select(StandInPolicy.Text).ToHashSet(StringComparer.Ordinal);
            var parameters = (schema?["properties"] as JsonObject ?? []).Select(p => (p.Key, required.Contains(p.Key))).ToList();
            return new AdvertisedTool(name, plugin, bare, StandInPolicy.Text(function["description"]) ?? "", parameters);
        }

        private static (string Plugin, string Function) Split(string name)
        {
            foreach (var plugin in new[] { MemoryPlugin, WorkPlugin, LearnedPlugin })
            {
                if (name.Length > plugin.Length + 1 && name.StartsWith(plugin, StringComparison.Ordinal) && name[plugin.Length] is '-' or '_' or '.')
                {
                    return (plugin, name[(plugin.Length + 1)..]);
                }
            }

            return ("", name);
        }

        private static string Content(JsonObject message) => message["content"] is JsonArray parts
            ? string.Concat(parts.Select(part => StandInPolicy.Text(part?["text"])))
            : StandInPolicy.Text(message["content"]) ?? "";

        private static JsonObject? AsObject(JsonNode? node)
        {
            if (node is JsonObject found)
            {
                return found;
            }

            try
            {
                return StandInPolicy.Text(node) is { } text ? JsonNode.Parse(text) as JsonObject : null;
            }
            catch (JsonException)
            {
                return null;
            }
        }
    }
}
