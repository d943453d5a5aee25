using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Makes the calls of a replay through a kernel. Every call passes the gates that it would pass if the model had asked for it: the kernel's
/// auto-function-invocation filters and, inside them, its function-invocation filters. A call that a filter does not let through is refused.
/// </summary>
/// <remarks>
/// Create one for each replay: it takes the kernel's filters as they are then. Each function runs on a clone of the kernel, which shares its services,
/// plugins and filters; what it put into <see cref="Kernel.Data"/> is carried over to the kernel itself, and to the calls that begin afterwards.
/// An auto-function-invocation filter sees a chat history that ends with an assistant message asking for the call: a copy of the conversation that the
/// replay is part of, or an otherwise empty one where the host replays by itself. A procedure inside the procedure passes the same filters as a call of
/// <c>replay_procedure</c>. Where the model itself asked for the replay, functions that its turn does not offer are refused before the first step.
/// </remarks>
public sealed class KernelStepExecutor : IStepExecutor
{
    private readonly Kernel _kernel;
    private readonly Kernel _gated;
    private readonly KernelReplayOptions _options;
    private readonly IReadOnlyList<IAutoFunctionInvocationFilter> _autoFilters;
    private readonly ModelCall? _modelCall;
    private readonly ILogger _logger;
    private int _callCount;

    /// <summary>Creates an executor for one replay.</summary>
    /// <param name="kernel">The kernel whose functions are called.</param>
    /// <param name="options">Which of them may be; <see langword="null"/> for all.</param>
    public KernelStepExecutor(Kernel kernel, KernelReplayOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        _kernel = kernel;
        _options = options ?? new KernelReplayOptions();
        _options.Validate();
        _modelCall = ModelCall.Current;

        // Only the innermost filter knows whether a call came through, and filters nest in order: a clone takes one more without touching the host's list.
        lock (KernelSessions.GateOf(kernel))
        {
            _gated = kernel.Clone();
        }

        _gated.FunctionInvocationFilters.Add(Probe.Filter);
        _logger = kernel.LoggerFactory.CreateLogger("ProceduralMemory.SemanticKernel");
        _autoFilters = [.. _gated.AutoFunctionInvocationFilters.Where(f => !_options.LiveOnlyFilters.Contains(f.GetType()))];
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(calls);
        cancellationToken.ThrowIfCancellationRequested();

        // Only where the model itself asked for the replay: what code of the host calls in the course of a turn is not bound by what the turn offers.
        var offered = _modelCall is { } asked && (KernelActions.IsReplay(asked.Function) || KernelActions.IsResume(asked.Function)) ? asked.OfferedActions() : null;
        return Task.FromResult<IReadOnlyList<ReplayProblem>>([.. calls.SelectMany(c => Check(c, offered))]);
    }

    /// <inheritdoc/>
    public FunctionDescription? Describe(string action) => KernelActions.TryFind(_kernel, action, out var function) ? KernelActions.Describe(function) : null;

    /// <inheritdoc/>
    public async Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        if (!KernelActions.TryFind(_kernel, call.Action, out var function) || KernelActions.IsOurs(function) || !_options.Allows(KernelActions.NameOf(function)))
        {
            // Looked over before the first step, and again here: plugins may have changed since.
            return Refused(Check(new PlannedCall(call.StepId, call.Action, [], call.Effect), offered: null).FirstOrDefault()?.Message ?? $"'{call.Action}' may not be called.");
        }

        KernelArguments arguments;
        try
        {
            arguments = KernelJson.BindArguments(function, call.Arguments);
        }
        catch (Exception exception) when (exception is JsonException or NotSupportedException or InvalidOperationException or FormatException)
        {
            return new StepCallResult { Failure = new StepFailure("invalid_argument", $"An argument of {call.Action} has another type than the function takes: {exception.Message}") };
        }

        return await PassGatesAsync(
            call,
            new Probe(function, arguments),
            async (context, probe) =>
            {
                var value = context.Result.GetValue<object>();
                var result = await StreamTap.DrainAsync(value, function, cancellationToken).ConfigureAwait(false) ?? KernelJson.CaptureResult(value, function, out _);
                if (probe.Reached)
                {
                    return new StepCallResult { Result = result };
                }

                // A filter answered in the function's place. For a read that may be a cache; a write whose function did not run has not happened.
                return call.Effect is StepEffect.Read && result is not null && !context.Terminate ? new StepCallResult { Result = result } : Answered(call, result);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<StepCallResult> ReplayNestedAsync(StepCall call, Func<CancellationToken, Task<StepCallResult>> replay, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        ArgumentNullException.ThrowIfNull(replay);
        var function = _modelCall is { } asked && KernelActions.IsReplayByName(asked.Function) ? asked.Function : _kernel.Plugins.SelectMany(p => p).FirstOrDefault(KernelActions.IsReplayByName);
        if (function is null)
        {
            // No model can replay anything through this kernel, so no filter of it can mean to gate that.
            return await replay(cancellationToken).ConfigureAwait(false);
        }

        // What a model would call. The gates see that call; behind them the replay goes on by itself, in the execution that it belongs to.
        StepCallResult? nested = null;
        var arguments = new KernelArguments { ["name"] = call.Action, ["inputs"] = call.Arguments };
        var probe = new Probe(function, arguments)
        {
            InPlace = async () =>
            {
                nested = await replay(cancellationToken).ConfigureAwait(false);
                return new ReplayReply
                {
                    Status = nested.Refused ? ReplyStatus.Refused : nested.Failure is null ? ReplyStatus.Completed : ReplyStatus.Failed,
                    Message = nested.Failure?.Message ?? $"'{call.Action}' is replayed.",
                };
            },
        };
        return await PassGatesAsync(
            call,
            probe,
            (context, reached) => Task.FromResult(nested ?? (reached.Reached
                ? new StepCallResult { Failure = new StepFailure(FailureTypes.NestedProcedure, $"The replay of '{call.Action}' broke off, and a filter answered in its place: how far it came is not known. Look before doing any of it again.") }
                : Answered(call, KernelJson.CaptureResult(context.Result.GetValue<object>(), function, out var _)))),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a call through both kinds of filters.</summary>
    /// <param name="call">The step.</param>
    /// <param name="probe">The call as it is made, which learns whether it came through.</param>
    /// <param name="read">Reads what came of it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    private async Task<StepCallResult> PassGatesAsync(StepCall call, Probe probe, Func<AutoFunctionInvocationContext, Probe, Task<StepCallResult>> read, CancellationToken cancellationToken)
    {
        var (kernel, before) = CloneForCall();
        if (probe.InPlace is { } inPlace)
        {
            probe.InPlace = () =>
            {
                // What filters around a procedure put there is for the calls in it.
                before = CarryDataOver(kernel, before, call.Action);
                return inPlace();
            };
        }

        var outer = CallFrames.Enter(memory: null);
        Probe.Current.Value = probe;
        AutoFunctionInvocationContext? context = null;
        var passed = false;
        try
        {
            context = AutoContext(kernel, probe, call, cancellationToken);
            await InvokeAutoFiltersAsync(context, kernel, probe, index: 0).ConfigureAwait(false);
            passed = true;
            var result = await read(context, probe).ConfigureAwait(false);
            return result.Refused ? result : result with { StopRequested = result.StopRequested || context.Terminate };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            if (probe.Reached)
            {
                return Thrown(call, probe, passed, exception) with { StopRequested = context?.Terminate is true };
            }

            // How the host can mend it is for the host to read, and not for a model to plead.
            Log.FilterThrew(_logger, exception.GetType().Name, call.Action);
            return Refused($"A filter did not let {call.Action} through: {exception.Message} Only the host can allow it.");
        }
        finally
        {
            CallFrames.Leave(outer);
            Probe.Current.Value = null;
            CarryDataOver(kernel, before, call.Action);
        }
    }

    /// <summary>What an exception tells that came once the function was reached: of the function itself, or of a filter around it.</summary>
    private StepCallResult Thrown(StepCall call, Probe probe, bool passed, Exception exception)
    {
        if (passed || !probe.Returned)
        {
            var result = StepCallResult.Of(exception);
            return result with { IsOutcomeUnknown = result.IsOutcomeUnknown || probe.BrokeOff };
        }

        // The function has done what it does, and only what it returned is lost: a further call would do it twice.
        Log.FilterThrewAfterwards(_logger, exception.GetType().Name, call.Action);
        return new StepCallResult
        {
            Failure = new StepFailure(exception.GetType().Name, $"{call.Action} returned, and then a filter threw: {exception.Message}"),
            IsOutcomeUnknown = probe.InPlace is null,
        };
    }

    private static StepCallResult Refused(string message) => new() { Refused = true, Failure = new StepFailure(FailureTypes.Refused, message) };

    private static StepCallResult Answered(StepCall call, JsonElement? result) =>
        Refused($"A filter answered in place of {call.Action}, and the function was not run{(result is { ValueKind: JsonValueKind.String } words ? $": {words.GetString()}" : ".")}");

    private IEnumerable<ReplayProblem> Check(PlannedCall call, HashSet<string>? offered)
    {
        if (!KernelActions.TryFind(_kernel, call.Action, out var function))
        {
            var near = NearNames.Of(call.Action, KernelActions.All(_kernel));
            yield return new ReplayProblem(ReplayProblemCodes.MissingFunction, call.StepId, $"Step '{call.StepId}' calls {call.Action}, which this kernel does not have{(near.Count > 0 ? $"; nearest {(near.Count == 1 ? "is" : "are")} {string.Join(", ", near)}" : "")}. Add the plugin, or record the task anew.");
            yield break;
        }

        var whyNot = KernelActions.IsOurs(function) ? "it belongs to the procedural memory" : _options.WhyNot(KernelActions.NameOf(function));
        if (whyNot is not null)
        {
            yield return new ReplayProblem(ReplayProblemCodes.NotAllowed, call.StepId, $"Step '{call.StepId}' calls {call.Action}, which may not be replayed: {whyNot}. Only the host can change that.");
            yield break;
        }

        if (offered?.Contains(KernelActions.NameOf(function)) is false)
        {
            yield return new ReplayProblem(ReplayProblemCodes.NotAllowed, call.StepId, $"Step '{call.StepId}' calls {call.Action}, which is not among the functions that you may call in this turn. Do the task with those, or tell the user. Only the host can offer more functions.");
            yield break;
        }

        var parameters = function.Metadata.Parameters;
        foreach (var unknown in call.ArgumentNames.Where(n => !parameters.Any(p => string.Equals(p.Name, n, StringComparison.OrdinalIgnoreCase))))
        {
            yield return new ReplayProblem(ReplayProblemCodes.ParameterMismatch, call.StepId, $"Step '{call.StepId}' gives {call.Action} the argument '{unknown}', which it does not take; it takes {(parameters.Count == 0 ? "none" : string.Join(", ", parameters.Select(p => p.Name)))}. Record the task anew, or store the procedure with the argument renamed.");
        }

        // The parameter that takes the key is the replay's to fill.
        var filledIn = KernelActions.Describe(function).IdempotencyKeyParameter;
        foreach (var missing in parameters.Where(p => p.IsRequired && p.DefaultValue is null && !string.Equals(p.Name, filledIn, StringComparison.OrdinalIgnoreCase) && !call.ArgumentNames.Contains(p.Name, StringComparer.OrdinalIgnoreCase)))
        {
            yield return new ReplayProblem(ReplayProblemCodes.ParameterMismatch, call.StepId, $"Step '{call.StepId}' does not give {call.Action} its required argument '{missing.Name}'. Give it as an adapted parameter, or record the task anew.");
        }
    }

    /// <summary>What an auto-function-invocation filter is shown: the call as if the model had just asked for it.</summary>
    private AutoFunctionInvocationContext AutoContext(Kernel kernel, Probe probe, StepCall call, CancellationToken cancellationToken)
    {
        var (function, arguments) = (probe.Function, probe.Arguments);
        var id = string.Create(CultureInfo.InvariantCulture, $"replay-{call.ExecutionId:N}-{call.StepId}");
        var asked = new ChatMessageContent(AuthorRole.Assistant, [new FunctionCallContent(function.Name, function.PluginName, id, arguments)]);
        var history = _modelCall is null ? new ChatHistory() : new ChatHistory(_modelCall.History);
        history.Add(asked);
        return new AutoFunctionInvocationContext(kernel, function, new FunctionResult(function, culture: kernel.Culture), history, asked)
        {
            Arguments = arguments,
            ToolCallId = id,
            RequestSequenceIndex = (_modelCall?.RequestIndex ?? 0) + Interlocked.Increment(ref _callCount) - 1,
            FunctionSequenceIndex = 0,
            FunctionCount = 1,
            CancellationToken = cancellationToken,
            ExecutionSettings = _modelCall?.ExecutionSettings,
            IsStreaming = _modelCall?.IsStreaming ?? false,
        };
    }

    private async Task InvokeAutoFiltersAsync(AutoFunctionInvocationContext context, Kernel kernel, Probe probe, int index)
    {
        if (index < _autoFilters.Count)
        {
            await _autoFilters[index].OnAutoFunctionInvocationAsync(context, next => InvokeAutoFiltersAsync(next, kernel, probe, index + 1)).ConfigureAwait(false);
            return;
        }

        // As Semantic Kernel does: a turn that a filter has ended before it went on calls nothing more.
        if (context.Terminate)
        {
            return;
        }

        // A filter may have put others in their place.
        (probe.Function, probe.Arguments) = (context.Function, context.Arguments ?? probe.Arguments);
        context.Result = await context.Function.InvokeAsync(kernel, context.Arguments, context.CancellationToken).ConfigureAwait(false);
    }

    /// <summary>A kernel for one call: calls may be made at once, and the data of a kernel is a plain dictionary.</summary>
    private (Kernel Kernel, Dictionary<string, object?> Data) CloneForCall()
    {
        lock (KernelSessions.GateOf(_kernel))
        {
            var kernel = _gated.Clone();
            return (kernel, new Dictionary<string, object?>(kernel.Data));
        }
    }

    /// <summary>Carries over what a call did to the data of its kernel. How the call went does not hang on that.</summary>
    /// <returns>The data as it is then.</returns>
    private Dictionary<string, object?> CarryDataOver(Kernel kernel, Dictionary<string, object?> before, string action)
    {
        Dictionary<string, object?> after;
        try
        {
            after = new Dictionary<string, object?>(kernel.Data);
        }
        catch (Exception exception)
        {
            // A function that went on in the background, or was left behind, writes to it still.
            Log.DataNotCarriedOver(_logger, action, exception.GetType().Name);
            return before;
        }

        lock (KernelSessions.GateOf(_kernel))
        {
            // Only what the call changed: the host, and other calls, may have changed the rest meanwhile.
            foreach (var (key, value) in after.Where(d => !before.TryGetValue(d.Key, out var known) || !ReferenceEquals(known, d.Value)))
            {
                _gated.Data[key] = _kernel.Data[key] = value;
            }

            foreach (var key in before.Keys.Where(k => !after.ContainsKey(k)))
            {
                _gated.Data.Remove(key);
                _kernel.Data.Remove(key);
            }
        }

        return after;
    }

    /// <summary>Tells whether a call came through all filters to its function, and whether that returned.</summary>
    private sealed class Probe(KernelFunction function, KernelArguments arguments)
    {
        public static readonly AsyncLocal<Probe?> Current = new();

        public static readonly IFunctionInvocationFilter Filter = new ProbeFilter();

        public bool Reached { get; private set; }

        /// <summary>Whether the function returned, whatever a filter made of that.</summary>
        public bool Returned { get; private set; }

        /// <summary>Whether the function ended so that nobody knows whether it had its effect, whatever a filter made of that.</summary>
        public bool BrokeOff { get; private set; }

        /// <summary>The function of the call, and below its arguments: by both it is told from calls that filters and functions make in its course.</summary>
        public KernelFunction Function { get; set; } = function;

        /// <summary>The arguments of the call, the very instance.</summary>
        public KernelArguments Arguments { get; set; } = arguments;

        /// <summary>What is done instead of running the function, or <see langword="null"/>.</summary>
        public Func<Task<object>>? InPlace { get; set; }

        private sealed class ProbeFilter : IFunctionInvocationFilter
        {
            public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
            {
                if (Current.Value is not { } probe || probe.Function != context.Function || !ReferenceEquals(probe.Arguments, context.Arguments))
                {
                    await next(context).ConfigureAwait(false);
                    return;
                }

                probe.Reached = true;
                try
                {
                    if (probe.InPlace is { } inPlace)
                    {
                        context.Result = new FunctionResult(context.Function, await inPlace().ConfigureAwait(false));
                    }
                    else
                    {
                        await next(context).ConfigureAwait(false);
                    }

                    probe.Returned = true;
                }
                catch (Exception exception)
                {
                    probe.BrokeOff |= StepCallResult.Of(exception).IsOutcomeUnknown;
                    throw;
                }
            }
        }
    }
}
