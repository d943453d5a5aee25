using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AgentDemo.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>
/// An agent as a host would build it: a kernel with a memory and Semantic Kernel's own OpenAI connector, which talks over HTTP to a model on the
/// loopback interface. The model follows the script of the conversation that a request belongs to, so that conversations may overlap.
/// </summary>
internal sealed class TestAgent : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, ModelTurn[]> _scripts = new();
    private readonly ChatCompletionsServer _server;
    private List<KernelFunction>? _offered;

    private TestAgent() => _server = new ChatCompletionsServer(Decide);

    public Kernel Kernel { get; private set; } = null!;

    public ProcedureMemory Memory => Kernel.Services.GetRequiredService<ProcedureMemory>();

    public IReadOnlyList<JsonObject> Requests => _server.Requests;

    public int RefusedRequests => _server.RefusedCount;

    /// <summary>Whether the model's answers are streamed.</summary>
    public bool Streaming { get; init; }

    /// <summary>How the connector makes the calls that the model asks for.</summary>
    public FunctionChoiceBehaviorOptions? FunctionChoice { get; init; }

    /// <summary>Starts the model, and builds the kernel.</summary>
    /// <param name="agent">The agent's settings.</param>
    /// <param name="configure">Adds to the kernel before the memory is added.</param>
    /// <param name="options">The memory's options; its database is in memory.</param>
    /// <param name="afterwards">Adds to the kernel after the memory.</param>
    /// <param name="streaming">Whether the model's answers are streamed.</param>
    /// <param name="functionChoice">How the connector makes the calls that the model asks for.</param>
    /// <param name="chatAfterwards">Whether the chat service is registered after the memory.</param>
    public static async Task<TestAgent> StartAsync(
        Action<IKernelBuilder>? configure = null,
        Action<ProceduralMemoryKernelOptions>? options = null,
        Action<IKernelBuilder>? afterwards = null,
        bool streaming = false,
        FunctionChoiceBehaviorOptions? functionChoice = null,
        bool chatAfterwards = false)
    {
        var agent = new TestAgent { Streaming = streaming, FunctionChoice = functionChoice };
        await agent._server.StartAsync();
        var builder = Kernel.CreateBuilder();
        if (!chatAfterwards)
        {
            builder.AddOpenAIChatCompletion("scripted", agent._server.Endpoint, apiKey: null);
        }

        configure?.Invoke(builder);
        builder.AddProceduralMemory(o =>
        {
            (o.DatabasePath, o.Approval, o.Learning) = (":memory:", ApprovalPolicy.Never, LearningMode.Explicit);
            options?.Invoke(o);
        });
        if (chatAfterwards)
        {
            builder.AddOpenAIChatCompletion("scripted", agent._server.Endpoint, apiKey: null);
        }

        afterwards?.Invoke(builder);
        agent.Kernel = builder.Build();
        return agent;
    }

    public static Task<TestAgent> StartAsync(KernelPlugin plugin, bool streaming = false, FunctionChoiceBehaviorOptions? functionChoice = null) =>
        StartAsync(b => b.Plugins.Add(plugin), streaming: streaming, functionChoice: functionChoice);

    /// <summary>From now on the model is offered these functions (as plugin-function) and no others; null for all.</summary>
    public void Offer(IReadOnlyCollection<string>? tools) =>
        _offered = tools?.Select(t => Kernel.Plugins.GetFunction(t.Split('-')[0], t.Split('-')[1])).ToList();

    /// <summary>Holds a conversation: the user asks, the model answers with these turns and then says that it is done.</summary>
    public Task<Conversation> AskAsync(string request, params ModelTurn[] turns) => AskAsync(request, CancellationToken.None, turns);

    /// <summary>The same, which can be cancelled.</summary>
    public async Task<Conversation> AskAsync(string request, CancellationToken cancellationToken, params ModelTurn[] turns)
    {
        _scripts[request] = turns;
        var history = new ChatHistory();
        history.AddUserMessage(request);
        return await GoOnAsync(history, request, cancellationToken);
    }

    /// <summary>Goes on with a conversation as hosts do: the answer becomes part of it.</summary>
    public async Task GoOnAsync(ChatHistory history, string request, params ModelTurn[] turns)
    {
        _scripts[request] = turns;
        history.AddUserMessage(request);
        history.Add(await Kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, Settings(), Kernel));
    }

    /// <summary>The same, where the host makes the calls itself that the model asks for.</summary>
    public async Task CallsByHostAsync(ChatHistory history, string request, params ModelTurn[] turns)
    {
        _scripts[request] = turns;
        history.AddUserMessage(request);
        var settings = new OpenAIPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(_offered, autoInvoke: false) };
        while (true)
        {
            var answer = await Kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, settings, Kernel);
            history.Add(answer);
            var calls = FunctionCallContent.GetFunctionCalls(answer).ToList();
            if (calls.Count == 0)
            {
                return;
            }

            foreach (var call in calls)
            {
                history.Add((await call.InvokeAsync(Kernel)).ToChatMessage());
            }
        }
    }

    /// <summary>Begins a streamed conversation, and stops reading at the first words of the answer.</summary>
    public async Task BreakOffAsync(string request, params ModelTurn[] turns)
    {
        _scripts[request] = turns;
        var history = new ChatHistory();
        history.AddUserMessage(request);
        await foreach (var piece in Kernel.GetRequiredService<IChatCompletionService>().GetStreamingChatMessageContentsAsync(history, Settings(), Kernel))
        {
            if (!string.IsNullOrEmpty(piece.Content))
            {
                return;
            }
        }
    }

    /// <summary>The tools that the model was last offered.</summary>
    public IReadOnlyList<JsonNode?> LastTools() => [.. Requests[^1]["tools"]?.AsArray() ?? []];

    /// <summary>The model calls one function, and this is what it is told.</summary>
    public async Task<ToolReply> ModelCallsAsync(string tool, string arguments = "{}") =>
        (await AskAsync($"Please call {tool}.", Model.Calls(tool, arguments))).Replies.Single();

    /// <summary>Holds a conversation as the prompt of a function that belongs to no plugin.</summary>
    public async Task<string?> PromptAsync(string request, params ModelTurn[] turns)
    {
        _scripts[request] = turns;
        return (await Kernel.InvokePromptAsync(request, new KernelArguments(Settings()))).GetValue<string>();
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        if (Kernel?.Services is IAsyncDisposable services)
        {
            await services.DisposeAsync();
        }
    }

    private async Task<Conversation> GoOnAsync(ChatHistory history, string request, CancellationToken cancellationToken)
    {
        var chat = Kernel.GetRequiredService<IChatCompletionService>();
        var answer = new StringBuilder();
        if (Streaming)
        {
            await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(history, Settings(), Kernel, cancellationToken))
            {
                answer.Append(piece.Content);
            }
        }
        else
        {
            answer.Append((await chat.GetChatMessageContentAsync(history, Settings(), Kernel, cancellationToken)).Content);
        }

        var last = Requests.Where(r => UserText(r) == request).MaxBy(r => r["messages"]!.AsArray().Count)!;
        return new Conversation(answer.ToString(), ToolReply.AllIn(last));
    }

    private OpenAIPromptExecutionSettings Settings() => new() { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(_offered, options: FunctionChoice) };

    private ModelTurn Decide(JsonObject request)
    {
        var script = _scripts.GetValueOrDefault(UserText(request)) ?? [];
        var turn = request["messages"]!.AsArray().Reverse().TakeWhile(m => (string?)m!["role"] != "user").Count(m => (string?)m!["role"] == "assistant");
        return turn >= script.Length ? ModelTurn.Say("Done.") : script[turn] is { ToolCalls: { Count: > 0 } calls } ? ModelTurn.Call([.. calls.Select(c => c with { ArgumentsJson = Referring(c.ArgumentsJson, request) })]) : script[turn];
    }

    /// <summary>A model repeats the execution that it was told of last.</summary>
    private static string Referring(string arguments, JsonObject request) => arguments.Contains(Model.LastExecution, StringComparison.Ordinal)
        ? arguments.Replace(Model.LastExecution, ToolReply.AllIn(request).Last(r => r.Text.Contains("\"execution_id\"", StringComparison.Ordinal))["execution_id"].GetString(), StringComparison.Ordinal)
        : arguments;

    private static string UserText(JsonObject request) => (string)request["messages"]!.AsArray().Last(m => (string?)m!["role"] == "user")!["content"]!;
}

/// <summary>What came of a conversation.</summary>
/// <param name="Answer">The model's last words.</param>
/// <param name="Replies">What the model was told by each call that it made, in order.</param>
internal sealed record Conversation(string Answer, IReadOnlyList<ToolReply> Replies);

/// <summary>What a model was told by a call, as it went over the wire.</summary>
internal sealed record ToolReply(string Tool, string Text)
{
    public JsonElement Json => JsonElement.Parse(Text);

    public string Status => Json.GetProperty("status").GetString()!;

    public string Message => Json.GetProperty("message").GetString()!;

    public string? Next => Json.TryGetProperty("next", out var next) ? next.GetString() : null;

    public JsonElement this[string name] => Json.GetProperty(name);

    public bool Has(string name) => Json.TryGetProperty(name, out _);

    public static IReadOnlyList<ToolReply> AllIn(JsonObject request)
    {
        var messages = request["messages"]!.AsArray();
        var names = messages
            .SelectMany(m => m!["tool_calls"] as JsonArray ?? [])
            .ToDictionary(c => (string)c!["id"]!, c => (string)c!["function"]!["name"]!);
        return [.. messages
            .Where(m => (string?)m!["role"] == "tool")
            .Select(m => new ToolReply(names[(string)m!["tool_call_id"]!], (string)m["content"]!))];
    }
}

/// <summary>The turns of a model.</summary>
internal static class Model
{
    /// <summary>Stands in arguments for the execution that the model was told of last.</summary>
    public const string LastExecution = "<the last execution>";

    public static ModelTurn Calls(string tool, string arguments = "{}") => ModelTurn.Call(new ModelToolCall(tool, arguments));

    public static ModelTurn Calls(params (string Tool, string Arguments)[] calls) => ModelTurn.Call([.. calls.Select(c => new ModelToolCall(c.Tool, c.Arguments))]);

    public static ModelTurn StartsRecording(string name = "learned_task", string description = "Does the task.") =>
        Calls("procedures-start_recording", new JsonObject { ["name"] = name, ["description"] = description }.ToJsonString());

    public static ModelTurn Finalizes() => Calls("procedures-finalize");

    public static ModelTurn Resumes(string results = "{}") =>
        Calls("procedures-resume_procedure", $$"""{"executionId":"{{LastExecution}}","results":{{results}}}""");

    public static ModelTurn Replays(string name, string inputs = "{}") =>
        Calls("procedures-replay_procedure", new JsonObject { ["name"] = name, ["inputs"] = JsonNode.Parse(inputs) }.ToJsonString());
}
