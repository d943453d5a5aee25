using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AgentDemo.Model;

/// <summary>One tool call a model asks for.</summary>
/// <param name="Name">The tool's name as advertised in the request.</param>
/// <param name="ArgumentsJson">The arguments as JSON text, as they go over the wire.</param>
public sealed record ModelToolCall(string Name, string ArgumentsJson);

/// <summary>What a model answers to one request: a text, or tool calls.</summary>
public sealed record ModelTurn
{
    private ModelTurn(string? text, IReadOnlyList<ModelToolCall> toolCalls)
    {
        Text = text;
        ToolCalls = toolCalls;
    }

    /// <summary>The text; null when the turn is one of tool calls.</summary>
    public string? Text { get; }

    /// <summary>The tool calls; empty when the turn is a text.</summary>
    public IReadOnlyList<ModelToolCall> ToolCalls { get; }

    /// <summary>A turn that is a text answer.</summary>
    public static ModelTurn Say(string text) => new(text, []);

    /// <summary>A turn that calls one tool.</summary>
    public static ModelTurn Call(string name, JsonObject arguments) => Call(new ModelToolCall(name, arguments.ToJsonString()));

    /// <summary>A turn that calls several tools at once.</summary>
    public static ModelTurn Call(params ModelToolCall[] toolCalls) => toolCalls.Length > 0
        ? new(null, toolCalls)
        : throw new ArgumentException("A turn of tool calls needs one at least.", nameof(toolCalls));
}

/// <summary>
/// A chat-completions endpoint on the loopback interface, as OpenAI-compatible clients know it (streaming or not), whose model is a function.
/// It refuses what the real service refuses, such as a tool result without its call, so that a client's mistake shows here and not in production.
/// The usage it reports is zero: there are no tokens, and made-up numbers would pass for measured ones.
/// </summary>
public sealed partial class ChatCompletionsServer : IAsyncDisposable
{
    private const string Route = "/v1/chat/completions";

    private readonly Func<JsonObject, ModelTurn> _policy;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly List<string> _accepted = [];
    private int _requestCount;
    private int _refusedCount;
    private long _requestBytes;
    private WebApplication? _app;
    private Uri? _endpoint;

    /// <summary>Makes a server that does not listen yet.</summary>
    /// <param name="policy">The model: the request's body to the next turn. Requests may arrive at once, so it must be thread-safe.</param>
    /// <param name="time">The clock of ids and time stamps.</param>
    public ChatCompletionsServer(Func<JsonObject, ModelTurn> policy, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _policy = policy;
        _time = time ?? TimeProvider.System;
    }

    /// <summary>The address to give to a client; it ends in <c>/v1</c>, to which clients append the rest.</summary>
    public Uri Endpoint => _endpoint ?? throw new InvalidOperationException("The server is not started.");

    /// <summary>How many chat requests came in, refused ones included.</summary>
    public int RequestCount => Read(() => _requestCount);

    /// <summary>How many of them were refused or failed.</summary>
    public int RefusedCount => Read(() => _refusedCount);

    /// <summary>The sum of the request bodies' sizes, refused ones included.</summary>
    public long RequestBytes => Read(() => _requestBytes);

    /// <summary>The bodies of the well-formed requests so far, oldest first. Each read parses copies: a caller may change them, in any thread.</summary>
    public IReadOnlyList<JsonObject> Requests => [.. Read(() => _accepted.ToArray()).Select(text => JsonNode.Parse(text)!.AsObject())];

    /// <summary>Starts to listen on a port the system chooses.</summary>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (_app is not null)
        {
            throw new InvalidOperationException("The server is already started.");
        }

        // The empty builder reads no settings of the host process and has no log provider: nothing reaches the caller's console.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton<IHostLifetime, DetachedLifetime>();
        _app = builder.Build();
        _app.Run(HandleAsync);
        await _app.StartAsync(cancellationToken);
        _endpoint = new Uri(new Uri(_app.Urls.Single()), "/v1");
    }

    /// <summary>Stops listening.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_app is { } app)
        {
            await app.StopAsync();
            await app.DisposeAsync();
        }
    }

    private async Task HandleAsync(HttpContext context)
    {
        if (context.Request.Path != Route)
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, $"Unknown address {context.Request.Path}.");
            return;
        }

        if (!HttpMethods.IsPost(context.Request.Method))
        {
            await RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, "Only POST is allowed.");
            return;
        }

        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        lock (_lock)
        {
            _requestCount++;
            _requestBytes += body.Length;
        }

        JsonObject request;
        string model;
        try
        {
            request = JsonNode.Parse(body.ToArray()) as JsonObject ?? throw new FormatException("The body must be a JSON object.");
            model = Check(request);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or ArgumentException)
        {
            // ArgumentException: System.Text.Json finds a key that occurs twice only when the object is read.
            await RefuseAsync(context, StatusCodes.Status400BadRequest, e.Message);
            return;
        }

        lock (_lock)
        {
            _accepted.Add(Encoding.UTF8.GetString(body.ToArray()));
        }

        ModelTurn turn;
        try
        {
            turn = _policy(request);
        }
#pragma warning disable CA1031 // Whatever the policy throws: the client must get an answer, and the test that asks why must see it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            await RefuseAsync(context, StatusCodes.Status500InternalServerError, $"The policy failed: {e.Message}", "server_error");
            return;
        }

        if (request["stream"] is JsonValue stream && stream.TryGetValue(out bool streaming) && streaming)
        {
            await StreamAsync(context, request, model, turn);
        }
        else
        {
            await AnswerAsync(context, model, turn);
        }
    }

    /// <summary>Checks what the real service checks, as far as a client that keeps a conversation can get it wrong; returns the model's name.</summary>
    private static string Check(JsonObject request)
    {
        var model = Text(request["model"]) ?? throw new FormatException("'model' must be a string.");
        if (request["messages"] is not JsonArray { Count: > 0 } messages)
        {
            throw new FormatException("'messages' must be a list of one message at least.");
        }

        var open = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in messages)
        {
            var message = node as JsonObject ?? throw new FormatException("Each message must be an object.");
            var role = Text(message["role"]);
            if (role is not ("system" or "developer" or "user" or "assistant" or "tool"))
            {
                throw new FormatException($"'{role}' is not the role of a message.");
            }

            if (role == "tool")
            {
                if (Text(message["tool_call_id"]) is not { } id || !open.Remove(id))
                {
                    throw new FormatException("Each tool message must answer a tool call of the assistant message before it, once.");
                }

                continue;
            }

            if (open.Count > 0)
            {
                throw new FormatException($"Tool calls without an answer: {string.Join(", ", open)}.");
            }

            foreach (var call in message["tool_calls"] as JsonArray ?? [])
            {
                if (Text(call?["id"]) is not { Length: > 0 } id || Text(call?["function"]?["name"]) is null || Text(call?["function"]?["arguments"]) is null || !open.Add(id))
                {
                    throw new FormatException("Each tool call must have an id of its own, a function name and arguments as a string.");
                }
            }
        }

        if (open.Count > 0)
        {
            throw new FormatException($"Tool calls without an answer: {string.Join(", ", open)}.");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tool in request["tools"] as JsonArray ?? [])
        {
            var name = Text(tool?["function"]?["name"]);
            if (name is null || !ToolName().IsMatch(name) || !names.Add(name))
            {
                throw new FormatException($"'{name}' is no tool name: it must be unique, 1 to 64 letters, digits, '_' or '-'.");
            }
        }

        return model;
    }

    private async Task AnswerAsync(HttpContext context, string model, ModelTurn turn)
    {
        var message = new JsonObject { ["role"] = "assistant", ["content"] = turn.Text };
        if (turn.ToolCalls.Count > 0)
        {
            message["tool_calls"] = new JsonArray([.. turn.ToolCalls.Select(call => ToolCall(call.Name, call.ArgumentsJson))]);
        }

        var body = Envelope("chat.completion", NewId("chatcmpl"), model, new JsonObject
        {
            ["index"] = 0,
            ["message"] = message,
            ["logprobs"] = null,
            ["finish_reason"] = FinishReason(turn),
        });
        body["usage"] = ZeroUsage();
        await WriteJsonAsync(context, StatusCodes.Status200OK, body);
    }

    private async Task StreamAsync(HttpContext context, JsonObject request, string model, ModelTurn turn)
    {
        context.Response.ContentType = "text/event-stream";
        var id = NewId("chatcmpl");
        var includeUsage = request["stream_options"]?["include_usage"] is JsonValue flag && flag.TryGetValue(out bool wanted) && wanted;

        Task DeltaAsync(JsonObject delta, string? finishReason = null) => EventAsync(Envelope("chat.completion.chunk", id, model, new JsonObject
        {
            ["index"] = 0,
            ["delta"] = delta,
            ["finish_reason"] = finishReason,
        }));

        Task EventAsync(JsonObject chunk) => context.Response.WriteAsync($"data: {chunk.ToJsonString()}\n\n", context.RequestAborted);

        await DeltaAsync(new JsonObject { ["role"] = "assistant", ["content"] = turn.Text is null ? null : "" });

        // Several pieces per text and per arguments: a client that cannot put pieces together must fail here too.
        foreach (var piece in Pieces(turn.Text ?? ""))
        {
            await DeltaAsync(new JsonObject { ["content"] = piece });
        }

        for (var index = 0; index < turn.ToolCalls.Count; index++)
        {
            var first = ToolCall(turn.ToolCalls[index].Name, "");
            first["index"] = index;
            await DeltaAsync(new JsonObject { ["tool_calls"] = new JsonArray(first) });
            foreach (var piece in Pieces(turn.ToolCalls[index].ArgumentsJson))
            {
                var more = new JsonObject { ["index"] = index, ["function"] = new JsonObject { ["arguments"] = piece } };
                await DeltaAsync(new JsonObject { ["tool_calls"] = new JsonArray(more) });
            }
        }

        await DeltaAsync([], FinishReason(turn));
        if (includeUsage)
        {
            var last = Envelope("chat.completion.chunk", id, model, choice: null);
            last["usage"] = ZeroUsage();
            await EventAsync(last);
        }

        await context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);
    }

    private async Task RefuseAsync(HttpContext context, int status, string message, string type = "invalid_request_error")
    {
        lock (_lock)
        {
            _refusedCount++;
        }

        await WriteJsonAsync(context, status, new JsonObject
        {
            ["error"] = new JsonObject { ["message"] = message, ["type"] = type, ["param"] = null, ["code"] = null },
        });
    }

    private static async Task WriteJsonAsync(HttpContext context, int status, JsonObject body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(body.ToJsonString(), context.RequestAborted);
    }

    private JsonObject Envelope(string kind, string id, string model, JsonObject? choice) => new()
    {
        ["id"] = id,
        ["object"] = kind,
        ["created"] = _time.GetUtcNow().ToUnixTimeSeconds(),
        ["model"] = model,
        ["choices"] = choice is null ? new JsonArray() : new JsonArray(choice),
    };

    private JsonObject ToolCall(string name, string arguments) => new()
    {
        ["id"] = NewId("call"),
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = name, ["arguments"] = arguments },
    };

    private static JsonObject ZeroUsage() => new() { ["prompt_tokens"] = 0, ["completion_tokens"] = 0, ["total_tokens"] = 0 };

    private static string FinishReason(ModelTurn turn) => turn.ToolCalls.Count > 0 ? "tool_calls" : "stop";

    private static IEnumerable<string> Pieces(string text)
    {
        // By runes, so that no piece ends inside a surrogate pair.
        var runes = text.EnumerateRunes().Select(rune => rune.ToString());
        return runes.Chunk(16).Select(chunk => string.Concat(chunk));
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private string NewId(string prefix) => $"{prefix}_{Guid.CreateVersion7(_time.GetUtcNow()):N}";

    private T Read<T>(Func<T> value)
    {
        lock (_lock)
        {
            return value();
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex ToolName();

    /// <summary>Keeps the server from taking over Ctrl+C, which belongs to the program it runs in.</summary>
    private sealed class DetachedLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
