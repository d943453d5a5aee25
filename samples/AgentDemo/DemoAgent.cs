using System.Text;
using System.Text.Json;
using AgentDemo.World;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;
using OpenAI.Chat;

namespace AgentDemo;

/// <summary>A call of a release tool, by the model or by a replay.</summary>
/// <param name="Function">The tool.</param>
/// <param name="Arguments">Its arguments as JSON.</param>
/// <param name="Error">Why it failed; null when it did not.</param>
/// <param name="Elapsed">Wall-clock time.</param>
public sealed record ToolCall(string Function, string Arguments, string? Error, TimeSpan Elapsed);

/// <summary>What one request of a user took.</summary>
/// <param name="Answer">The agent's final text.</param>
/// <param name="ModelCalls">How many requests went to the chat endpoint.</param>
/// <param name="RequestBytes">The size of their bodies.</param>
/// <param name="ToolCalls">The release tools called, in order of completion.</param>
/// <param name="Elapsed">Wall-clock time.</param>
/// <param name="InputTokens">As the endpoint reported; null when it reported none.</param>
/// <param name="OutputTokens">As the endpoint reported; null when it reported none.</param>
public sealed record DemoRun(
    string Answer,
    int ModelCalls,
    long RequestBytes,
    IReadOnlyList<ToolCall> ToolCalls,
    TimeSpan Elapsed,
    long? InputTokens,
    long? OutputTokens);

/// <summary>
/// A Semantic Kernel agent with the release tools, against any OpenAI-compatible endpoint.
/// It measures at the two places nothing can bypass: model calls where they leave the HTTP client, tool calls where the kernel invokes a function.
/// The numbers therefore mean the same for a real model and for the stand-in, with a memory and without.
/// </summary>
public sealed class DemoAgent : IDisposable
{
    /// <summary>The instructions used when none are given.</summary>
    public const string DefaultInstructions =
        "You are a release engineer. Do what the user asks with the tools you have, one call at a time. "
        + "Take ids, digests, locations and URLs from tool results and never make them up. "
        + "If a tool reports an error, say what failed. At the end say which version of which service runs at which URL.";

    private readonly AsyncLocal<Meter?> _meter = new();
    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly string _instructions;

    /// <summary>Builds the agent and its kernel.</summary>
    /// <param name="endpoint">An OpenAI-compatible endpoint; for most of them the address ends in <c>/v1</c>.</param>
    /// <param name="model">The model's name.</param>
    /// <param name="apiKey">The key; null where none is wanted.</param>
    /// <param name="world">The world the tools act on; the caller disposes it.</param>
    /// <param name="configure">Adds to the kernel, for example a memory.</param>
    /// <param name="instructions">The system prompt; null for <see cref="DefaultInstructions"/>.</param>
    public DemoAgent(Uri endpoint, string model, string? apiKey, ReleaseWorld world, Action<IKernelBuilder>? configure = null, string? instructions = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        _time = world.Time;
        _instructions = instructions ?? DefaultInstructions;

        // Without a limit of its own: how long a model may take is the caller's to say, with a cancellation token.
        _http = new HttpClient(new MeteringHandler(_meter)) { Timeout = Timeout.InfiniteTimeSpan };
        var builder = Kernel.CreateBuilder();
        builder.AddOpenAIChatCompletion(model, endpoint, apiKey, httpClient: _http);
        builder.Plugins.AddFromObject(new ReleaseTools(world), ReleaseTools.PluginName);
        builder.Services.AddSingleton<IFunctionInvocationFilter>(new MeteringFilter(_meter, _time));
        configure?.Invoke(builder);
        Kernel = builder.Build();
    }

    /// <summary>The kernel.</summary>
    public Kernel Kernel { get; }

    /// <summary>Runs one request in a conversation of its own. Runs may overlap; each is metered by itself.</summary>
    /// <param name="request">What the user says.</param>
    /// <param name="streaming">Whether the model's answers are streamed.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task<DemoRun> RunAsync(string request, bool streaming = false, CancellationToken cancellationToken = default)
    {
        var meter = new Meter();
        _meter.Value = meter;
        var started = _time.GetTimestamp();
        var chat = Kernel.GetRequiredService<IChatCompletionService>();
        var settings = new OpenAIPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        var history = new ChatHistory(_instructions);
        history.AddUserMessage(request);

        string answer;
        if (streaming)
        {
            var text = new StringBuilder();
            await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(history, settings, Kernel, cancellationToken))
            {
                text.Append(piece.Content);
                meter.Add(piece.Metadata);
            }

            answer = text.ToString();
        }
        else
        {
            var reply = await chat.GetChatMessageContentAsync(history, settings, Kernel, cancellationToken);
            answer = reply.Content ?? "";
            meter.Add(reply.Metadata);

            // The messages with tool calls that came before the reply were put into the history; each has the usage of its own request.
            foreach (var message in history.Where(m => m.Role == AuthorRole.Assistant && !ReferenceEquals(m, reply)))
            {
                meter.Add(message.Metadata);
            }
        }

        return meter.ToRun(answer, _time.GetElapsedTime(started));
    }

    /// <summary>Closes the connections to the endpoint, and what the kernel's container holds: the memory with its database.</summary>
    public void Dispose()
    {
        (Kernel.Services as IDisposable)?.Dispose();
        _http.Dispose();
    }

    /// <summary>The counts of one run. It travels with the async flow, so overlapping runs on one kernel do not mix.</summary>
    private sealed class Meter
    {
        private readonly Lock _lock = new();
        private readonly List<ToolCall> _toolCalls = [];
        private int _modelCalls;
        private long _requestBytes;
        private long _inputTokens;
        private long _outputTokens;

        public void AddRequest(long bytes)
        {
            lock (_lock)
            {
                _modelCalls++;
                _requestBytes += bytes;
            }
        }

        public void Add(ToolCall call)
        {
            lock (_lock)
            {
                _toolCalls.Add(call);
            }
        }

        public void Add(IReadOnlyDictionary<string, object?>? metadata)
        {
            if (metadata?.GetValueOrDefault("Usage") is ChatTokenUsage usage)
            {
                lock (_lock)
                {
                    _inputTokens += usage.InputTokenCount;
                    _outputTokens += usage.OutputTokenCount;
                }
            }
        }

        public DemoRun ToRun(string answer, TimeSpan elapsed)
        {
            lock (_lock)
            {
                // No request has an empty prompt: zero means that the endpoint did not count, not that it counted nothing.
                var counted = _inputTokens > 0;
                return new DemoRun(answer, _modelCalls, _requestBytes, [.. _toolCalls], elapsed, counted ? _inputTokens : null, counted ? _outputTokens : null);
            }
        }
    }

    private sealed class MeteringHandler(AsyncLocal<Meter?> meter) : DelegatingHandler(new SocketsHttpHandler())
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var bytes = 0L;
            if (request.Content is { } content)
            {
                // A buffered body has a length, whether or not the client library announced one.
                await content.LoadIntoBufferAsync(cancellationToken);
                bytes = content.Headers.ContentLength ?? 0;
            }

            meter.Value?.AddRequest(bytes);
            return await base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class MeteringFilter(AsyncLocal<Meter?> meter, TimeProvider time) : IFunctionInvocationFilter
    {
        public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
        {
            if (context.Function.PluginName != ReleaseTools.PluginName || meter.Value is not { } current)
            {
                await next(context);
                return;
            }

            var arguments = JsonSerializer.Serialize(context.Function.Metadata.Parameters
                .Where(p => context.Arguments.ContainsName(p.Name))
                .ToDictionary(p => p.Name, p => context.Arguments[p.Name]));
            var started = time.GetTimestamp();
            try
            {
                await next(context);
                current.Add(new ToolCall(context.Function.Name, arguments, null, time.GetElapsedTime(started)));
            }
            catch (Exception e)
            {
                current.Add(new ToolCall(context.Function.Name, arguments, e.Message, time.GetElapsedTime(started)));
                throw;
            }
        }
    }
}
