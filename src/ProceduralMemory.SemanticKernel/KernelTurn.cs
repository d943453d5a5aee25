using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>One turn of a chat through a kernel. It may take several requests to the model, where the host makes the calls between them itself.</summary>
internal sealed class KernelTurn
{
    // Turns whose model asked for calls that the host is to make: they go on with the next request of their conversation, and are forgotten with it.
    private static readonly ConditionalWeakTable<ChatHistory, KernelTurn> Waiting = [];

    private readonly ProcedureMemory _memory;
    private readonly Kernel _kernel;
    private readonly ChatHistory _history;
    private readonly ILogger _logger;
    private readonly Turn _turn;
    private readonly HashSet<ChatMessageContent> _before;
    private readonly List<object> _streamedUsage = [];
    private readonly ChatMessageContent? _request;
    private readonly List<ChatMessageContent> _answers = [];
    private List<FunctionCallContent> _leftToHost = [];
    private TurnEnd _end = TurnEnd.BrokenOff;
    private bool _asksForCalls;
    private bool _hasText;
    private bool _isTerminated;

    private KernelTurn(ProcedureMemory memory, Kernel kernel, ChatHistory history, ILogger logger)
    {
        (_memory, _kernel, _history, _logger) = (memory, kernel, history, logger);
        _before = new HashSet<ChatMessageContent>(history, ReferenceEqualityComparer.Instance);
        _request = history.LastOrDefault(m => m.Role == AuthorRole.User);
        _turn = memory.BeginTurn(_request?.Content);
    }

    /// <summary>The turn that a request to a model belongs to: the one that its conversation is in, or a new one; <see langword="null"/> where none can be, as when the host cannot tell the scope.</summary>
    public static async Task<KernelTurn?> OfAsync(ProcedureMemory memory, Kernel kernel, ChatHistory history, ILogger logger)
    {
        try
        {
            return await BeginAsync(memory, kernel, history, logger).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.TurnFaulted(logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return null;
        }
    }

    private static async Task<KernelTurn> BeginAsync(ProcedureMemory memory, Kernel kernel, ChatHistory history, ILogger logger)
    {
        if (Waiting.TryGetValue(history, out var waiting) && waiting._memory == memory)
        {
            Waiting.Remove(history);
            if (waiting._request == history.LastOrDefault(m => m.Role == AuthorRole.User))
            {
                await waiting.TakeCallsOfHostAsync().ConfigureAwait(false);
                return waiting;
            }

            await TurnEnding.EndAsync(waiting._turn, TurnEnd.BrokenOff, memory, logger).ConfigureAwait(false);
            waiting._turn.Dispose();
        }

        return new KernelTurn(memory, kernel, history, logger);
    }

    public IDisposable Enter() => _turn.Enter();

    /// <summary>Offers the procedures that fit the request, where the turn offers functions at all.</summary>
    /// <returns>The settings that offer them.</returns>
    public async Task<PromptExecutionSettings?> OfferAsync(PromptExecutionSettings? settings, ProceduralMemoryKernelOptions options, CancellationToken cancellationToken)
    {
        var plugin = _kernel.Plugins.OfType<LearnedPlugin>().FirstOrDefault(p => p.IsOf(_memory));
        if (plugin is null)
        {
            return settings;
        }

        try
        {
            var offered = OfferedFunctions.Of(settings, _history, _kernel);
            if (!offered.AreOpen)
            {
                return settings;
            }

            var learned = await LearnedFunctions.SelectAsync(
                _memory,
                () => new KernelStepExecutor(_kernel, options.Replay),
                _turn.Request,
                options.MaxLearnedFunctions,
                plugin.Name,
                action => KernelActions.CanBeReplayed(_kernel, action, options.Replay) && offered.Has(action),
                cancellationToken).ConfigureAwait(false);
            if (learned.Count == 0)
            {
                return settings;
            }

            List<KernelFunction> functions = [.. learned.Select(plugin.FunctionOf)];
            _turn.Offer = functions;
            _turn.ReportOffer(learned.Count, learned.Sum(f => f.Bytes));
            return offered.With(functions);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            // The model does without what it would have been offered.
            Log.OfferFaulted(_logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return settings;
        }
    }

    /// <summary>Takes the answers of a chat down.</summary>
    public void Answered(IReadOnlyList<ChatMessageContent> answers)
    {
        _answers.AddRange(answers);
        _leftToHost = [.. answers.SelectMany(a => a.Items).OfType<FunctionCallContent>()];
        _asksForCalls = _leftToHost.Count > 0;
        _hasText = answers.Any(a => a.Role == AuthorRole.Assistant);
        Finished();
    }

    /// <summary>Takes a part of a streamed answer down.</summary>
    public void Saw(StreamingChatMessageContent part)
    {
        if (part.Metadata?.TryGetValue("Usage", out var usage) is true && usage is not null)
        {
            // The last part of each of the model's answers tells what it has cost. Only calls that come after the last of them are left to the host.
            _streamedUsage.Add(usage);
        }

        if (part.Role == AuthorRole.Tool)
        {
            // Where a filter ended the turn, what the function gave is all that comes.
            _isTerminated = true;
            return;
        }

        _isTerminated &= string.IsNullOrEmpty(part.Content);
        _hasText |= !string.IsNullOrEmpty(part.Content);
        _asksForCalls = part.Items.Any(i => i is StreamingFunctionCallUpdateContent) || (_asksForCalls && string.IsNullOrEmpty(part.Content));
    }

    /// <summary>The model has said all. Where it left calls to the host to make, or a filter ended the turn, nobody knows yet what becomes of the task.</summary>
    public void Finished() => _end = _hasText && !_asksForCalls && !_isTerminated ? TurnEnd.Answered : TurnEnd.BrokenOff;

    /// <summary>An exception ended it.</summary>
    public void Failed() => _end = TurnEnd.Failed;

    public async Task EndAsync()
    {
        if (_end is TurnEnd.BrokenOff && _leftToHost.Count > 0 && _turn.IsLearning)
        {
            Waiting.AddOrUpdate(_history, this);
            return;
        }

        try
        {
            _turn.ReportUsage(UsageOf());
        }
        catch (Exception exception)
        {
            // The conversation is the host's, and so are the reports of its connector.
            Log.TurnFaulted(_logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }

        await TurnEnding.EndAsync(_turn, _end, _memory, _logger).ConfigureAwait(false);
        _turn.Dispose();
    }

    /// <summary>Takes the calls down that the model left to the host, with what the host put into the conversation as their results.</summary>
    private async Task TakeCallsOfHostAsync()
    {
        var results = _history.SelectMany(m => m.Items).OfType<FunctionResultContent>().Where(r => r.CallId is not null).ToLookup(r => r.CallId!, StringComparer.Ordinal);
        var group = _leftToHost.Count > 1 ? Guid.CreateVersion7(_memory.Options.TimeProvider.GetUtcNow()).ToString("D") : null;
        foreach (var (index, call) in _leftToHost.Index())
        {
            if (results[call.Id ?? ""].LastOrDefault() is not { } result || !_kernel.Plugins.TryGetFunction(call.PluginName, call.FunctionName, out var function))
            {
                _turn.DoNotLearn($"What became of a call of {call.FunctionName}, which was left to the host, is not in the conversation.");
                continue;
            }

            if (KernelActions.IsOurs(function))
            {
                _turn.DoNotLearn("The host called the memory itself in it.");
                continue;
            }

            try
            {
                var arguments = KernelJson.CaptureArguments(function, call.Arguments ?? [], out var omitted);
                if (_turn.Recorder?.BeginStep(KernelActions.NameOf(function), arguments, StepKind.Function, group, index, omitted, effect: KernelActions.EffectOf(function), parameters: KernelActions.ParametersOf(function)) is { } begun)
                {
                    var failure = result.Result is Exception exception ? new StepFailure(exception.GetType().Name, exception.Message) : null;
                    string? lossy = null;
                    var value = failure is null ? KernelJson.CaptureResult(result.Result, function, out lossy) : null;
                    await _turn.Recorder.CompleteStepAsync(begun, value, failure, lossy).ConfigureAwait(false);
                }
            }
            catch (Exception exception)
            {
                _turn.Recorder?.MarkIncomplete(exception);
                Log.TurnFaulted(_logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            }
        }

        _leftToHost = [];
    }

    /// <summary>What the turn has cost: the answers that the connector put into the history in between, and the last one.</summary>
    private TraceUsage UsageOf()
    {
        var answers = _history.Where(m => m.Role == AuthorRole.Assistant && !_before.Contains(m)).Union(_answers.Where(a => a.Role == AuthorRole.Assistant), ReferenceEqualityComparer.Instance).Cast<ChatMessageContent>().ToList();
        var usage = ModelUsage.Of(answers);
        return _streamedUsage.Count == 0
            ? usage with { ModelCalls = answers.Count + (_answers.Count == 0 && _end is TurnEnd.Answered ? 1 : 0) }
            : ModelUsage.Of(_streamedUsage);
    }
}
