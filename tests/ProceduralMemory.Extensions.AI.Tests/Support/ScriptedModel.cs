using System.ClientModel;
using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using AgentDemo.Model;
using Microsoft.Extensions.AI;
using OpenAI;

namespace ProceduralMemory.Extensions.AI.Tests;

/// <summary>
/// A model on the loopback interface, to which the real OpenAI client of Microsoft.Extensions.AI talks over HTTP. It follows the script of the request that the user made last.
/// </summary>
internal sealed class ScriptedModel : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Func<JsonObject, ModelTurn>[]> _scripts = new();
    private readonly ChatCompletionsServer _server;

    private ScriptedModel() => _server = new ChatCompletionsServer(Decide);

    public IReadOnlyList<JsonObject> Requests => _server.Requests;

    public int RefusedRequests => _server.RefusedCount;

    public static async Task<ScriptedModel> StartAsync()
    {
        var model = new ScriptedModel();
        await model._server.StartAsync();
        return model;
    }

    /// <summary>The real client, without anything around it.</summary>
    public IChatClient CreateClient() =>
        new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = _server.Endpoint }).GetChatClient("scripted").AsIChatClient();

    /// <summary>What the model answers to a request, one turn for each of its answers; then it says that it is done.</summary>
    public void Script(string request, params Func<JsonObject, ModelTurn>[] turns) => _scripts[request] = turns;

    /// <summary>The requests that were made for what the user asked for.</summary>
    public IReadOnlyList<JsonObject> RequestsFor(string request) => [.. Requests.Where(r => UserText(r) == request)];

    /// <summary>The tools of a request.</summary>
    public static IReadOnlyList<JsonObject> ToolsOf(JsonObject request) => [.. (request["tools"]?.AsArray() ?? []).Select(t => t!["function"]!.AsObject())];

    /// <summary>What the model was told by its calls, in order.</summary>
    public static IReadOnlyList<string> RepliesIn(JsonObject request) => [.. request["messages"]!.AsArray().Where(m => (string?)m!["role"] == "tool").Select(m => (string)m!["content"]!)];

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private ModelTurn Decide(JsonObject request)
    {
        var script = _scripts.GetValueOrDefault(UserText(request)) ?? [];
        var turn = request["messages"]!.AsArray().Reverse().TakeWhile(m => (string?)m!["role"] != "user").Count(m => (string?)m!["role"] == "assistant");
        return turn >= script.Length ? ModelTurn.Say("Done.") : script[turn](request);
    }

    private static string UserText(JsonObject request)
    {
        var content = request["messages"]!.AsArray().Last(m => (string?)m!["role"] == "user")!["content"]!;
        return content is JsonArray parts ? string.Concat(parts.Select(p => (string?)p!["text"])) : (string)content!;
    }
}

/// <summary>What a model calls.</summary>
internal static class Says
{
    public static Func<JsonObject, ModelTurn> Calls(string tool, string arguments = "{}") => _ => ModelTurn.Call(new ModelToolCall(tool, arguments));

    public static Func<JsonObject, ModelTurn> Calls(params (string Tool, string Arguments)[] calls) => _ => ModelTurn.Call([.. calls.Select(c => new ModelToolCall(c.Tool, c.Arguments))]);

    /// <summary>Calls the learned function that it is offered; says so where it is offered none.</summary>
    public static Func<JsonObject, ModelTurn> CallsLearned(string arguments) => request =>
        ScriptedModel.ToolsOf(request).Select(t => (string)t["name"]!).FirstOrDefault(n => n.StartsWith("learned-", StringComparison.Ordinal)) is { } name
            ? ModelTurn.Call(new ModelToolCall(name, arguments))
            : ModelTurn.Say("There is no learned function.");
}
