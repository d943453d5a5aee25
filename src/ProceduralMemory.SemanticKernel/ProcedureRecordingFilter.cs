using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Records the calls of kernel functions while a recording is active. Register the same instance as both kinds of filter: as
/// <see cref="IFunctionInvocationFilter"/> it records; as <see cref="IAutoFunctionInvocationFilter"/> it learns which request the calls serve, in which
/// order the model asked for them, and what that cost.
/// </summary>
/// <remarks>
/// A call inside a recorded call is not recorded: replaying the outer one makes it again. Functions without a plugin (prompts, ad-hoc functions) are
/// transparent. Of this library's own functions a replay is recorded as one step that replays the procedure; the others are invisible. A replay that breaks
/// off is a failed step, followed by what it had done.
/// Recording never breaks a call: a fault of its own is logged once for a recording, which then cannot be finalized, and the call goes on.
/// </remarks>
public sealed class ProcedureRecordingFilter : IFunctionInvocationFilter, IAutoFunctionInvocationFilter
{
    private const int MaxRepairCalls = 20;

    private readonly ProcedureMemory _memory;
    private readonly ILogger _logger;
    private readonly ConditionalWeakTable<ProcedureRecorder, object> _faulted = [];
    private readonly UncoveredTurns? _uncovered;

    /// <summary>Creates the filter.</summary>
    /// <param name="memory">The memory whose recordings it writes.</param>
    /// <param name="loggerFactory">Where it logs.</param>
    public ProcedureRecordingFilter(ProcedureMemory memory, ILoggerFactory? loggerFactory = null)
        : this(memory, loggerFactory, seesTurns: false)
    {
    }

    /// <summary>Creates the filter.</summary>
    /// <param name="memory">The memory whose recordings it writes.</param>
    /// <param name="loggerFactory">Where it logs.</param>
    /// <param name="seesTurns">Whether turns are learned from, also those of chat services that nothing was put around.</param>
    internal ProcedureRecordingFilter(ProcedureMemory memory, ILoggerFactory? loggerFactory, bool seesTurns)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.SemanticKernel");
        _uncovered = seesTurns ? new UncoveredTurns(memory, _logger) : null;
    }

    internal ProcedureMemory Memory => _memory;

    /// <inheritdoc/>
    public async Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);
        var outer = ModelCall.Current;
        ModelCall.Current = new ModelCall(context, _memory.Options.TimeProvider);
        Capture.Turn? turn = null;
        try
        {
            turn = _uncovered is null ? null : await _uncovered.OfAsync(context).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.TurnFaulted(_logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }

        try
        {
            using var entered = turn?.Enter();
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            ModelCall.Current = outer;
        }
    }

    /// <inheritdoc/>
    public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);

        // The way of nearly every call: one read of a counter, and no state machine.
        return _memory.HasActiveRecordings && !CallFrames.IsInsideOutright(_memory) ? RecordAsync(context, next) : next(context);
    }

    private async Task RecordAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        var isReplay = KernelActions.IsReplay(context.Function) || KernelActions.IsResume(context.Function);
        var turn = isReplay ? _memory.CurrentTurn : null;
        var calls = Begin(context);
        if (calls.Count == 0 && turn is not { IsLearning: true })
        {
            await next(context).ConfigureAwait(false);
            return;
        }

        var replay = isReplay ? new ReplayWatch() : null;
        var kind = calls.Count == 0 ? FrameKind.Watched : calls.Exists(c => !c.IsOfTurn) ? FrameKind.Recorded : FrameKind.OfTurn;
        var outer = CallFrames.Enter(_memory, replay, kind);
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            var failure = new StepFailure(exception.GetType().Name, exception.Message);
            foreach (var call in calls)
            {
                await (replay is null
                    ? CompleteAsync(call, static () => (null, null), failure)
                    : CompleteReplayAsync(call, context, replay, failure)).ConfigureAwait(false);
            }

            throw;
        }
        finally
        {
            CallFrames.Leave(outer);
            if (replay is { MayHaveActed: true })
            {
                turn?.DoNotLearn("A procedure was replayed in it.");
            }
        }

        if (calls.Count > 0 && context.IsStreaming && StreamTap.TryWrap(context, _memory, replay, kind, async (items, failure) =>
            {
                foreach (var call in calls)
                {
                    await (replay is null
                        ? CompleteAsync(
                            call,
                            () =>
                            {
                                var result = items.ToJson(out var lossy);
                                return (result, lossy);
                            },
                            failure)
                        : CompleteReplayAsync(call, context, replay, failure)).ConfigureAwait(false);
                }
            }))
        {
            // Nobody may ever read it: the recording does not wait for that.
            calls.ForEach(c => c.Recorder.DetachStep(c.Call));
            return;
        }

        foreach (var call in calls)
        {
            await (replay is null ? CompleteAsync(call, context) : CompleteReplayAsync(call, context, replay, failure: null)).ConfigureAwait(false);
        }
    }

    /// <summary>Begins a step in everything that records the call: a recording that somebody began, or a repair; and the turn that it is made in.</summary>
    private List<FilteredCall> Begin(FunctionInvocationContext context)
    {
        var function = context.Function;
        var calls = new List<FilteredCall>();
        if (string.IsNullOrEmpty(function.PluginName) || (KernelActions.IsOurs(function) && !KernelActions.IsReplay(function) && !KernelActions.IsResume(function)))
        {
            return calls;
        }

        foreach (var (recorder, isOfTurn) in RecordersOf(context))
        {
            try
            {
                var arguments = KernelJson.CaptureArguments(function, context.Arguments, out var omitted);
                var action = KernelActions.NameOf(function);
                var kind = StepKind.Function;
                if (KernelActions.IsReplay(function))
                {
                    kind = StepKind.Procedure;
                    (action, arguments) = ComposedStep(function, arguments);
                }
                else if (KernelActions.IsResume(function))
                {
                    (action, arguments) = (ProceduralMemoryPlugin.ResumeProcedure, Json.EmptyObject);
                }

                var model = ModelCall.Current;
                if (recorder.BeginStep(action, arguments, kind, model?.Group, model?.Index ?? 0, omitted, effect: KernelActions.EffectOf(function), parameters: kind is StepKind.Function ? KernelActions.ParametersOf(function) : null) is { } call)
                {
                    calls.Add(new FilteredCall(recorder, call, isOfTurn));
                }
            }
            catch (Exception exception)
            {
                Fault(recorder, exception);
            }
        }

        return calls;
    }

    private List<(ProcedureRecorder Recorder, bool IsOfTurn)> RecordersOf(FunctionInvocationContext context)
    {
        var recorders = new List<(ProcedureRecorder, bool)>();
        try
        {
            var session = KernelSessions.Find(_memory, context.Kernel);
            var turn = _memory.CurrentTurn;
            if (session?.Recorder is { } outright)
            {
                // Whoever records it says what is to be learned of it.
                turn?.DoNotLearn("It was recorded outright.");
            }

            // After a replay that stopped: a few calls, by which its rest is done or not, and later those of its functions. What it does itself when it goes on is in its own journal.
            outright = session?.Recorder
                ?? (session?.Repair is { } repair && !KernelActions.IsOurs(context.Function) && (repair.CallCount < MaxRepairCalls || repair.Mends?.Contains(KernelActions.NameOf(context.Function)) is not false) ? repair : null);
            if (outright is not null && !CallFrames.IsInsideOutright(_memory))
            {
                recorders.Add((outright, false));
            }

            if (turn is { IsLearning: true, Recorder: { } taken } && !KernelActions.IsOurs(context.Function) && !CallFrames.IsInside(_memory))
            {
                recorders.Add((taken, true));
            }
        }
        catch (Exception exception)
        {
            // The host could not tell whose call it is, so any of these recordings may lack it now.
            foreach (var recorder in KernelSessions.Recorders(_memory, context.Kernel))
            {
                recorder.MarkIncomplete(exception);
            }

            Log.ScopeFaulted(_logger, KernelActions.NameOf(context.Function), LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }

        return recorders;
    }

    /// <summary>A replay as a step: the action is the procedure, the arguments are its inputs.</summary>
    private static (string Procedure, JsonElement Inputs) ComposedStep(KernelFunction function, JsonElement arguments)
    {
        if (LearnedPlugin.ProcedureOf(function) is { } learned)
        {
            return (learned, arguments);
        }

        var name = arguments.TryGetProperty("name", out var given) && given.ValueKind is JsonValueKind.String && Json.Fault(given, Json.MaxDepth) is null ? given.GetString()!.Trim() : "";
        var inputs = arguments.TryGetProperty("inputs", out var inner) && inner.ValueKind is JsonValueKind.Object ? inner : default;

        // What no procedure can be called is not found, and not kept either.
        return (name.Length is 0 or > ProcedureValidator.MaxNameLength ? ProceduralMemoryPlugin.ReplayProcedure : name, inputs);
    }

    private Task CompleteAsync(FilteredCall call, FunctionInvocationContext context) => CompleteAsync(
        call,
        () =>
        {
            var result = KernelJson.CaptureResult(context.Result.GetValue<object>(), context.Function, out var lossy);
            return (result, lossy);
        },
        failure: null);

    /// <summary>
    /// Writes a replay down as the log of executions has it, and not as the caller gave it or got it: the log knows which inputs and results are secret.
    /// A replay that broke off is no step of the procedure, but what it did is done, and whoever does the rest by hand does only the rest.
    /// </summary>
    private async Task CompleteReplayAsync(FilteredCall filtered, FunctionInvocationContext context, ReplayWatch watch, StepFailure? failure)
    {
        var (recorder, call, _) = filtered;
        Execution? logged = null;
        var done = new List<(RecordedCall Call, ExecutionStep Step)>();
        var completed = false;
        try
        {
            // Nobody need read a stream to its end for the replay to be done. But a caller that was thrown at may do again what is done already.
            if (watch.MayHaveActed && (watch.Run is null || failure is { ErrorType: not StreamTap.IncompleteStream }))
            {
                throw new RecordingStateException("A replay broke off, and how far it came is not known, or not to its caller.");
            }

            logged = watch.Run is { } run ? await LoggedAsync(run.Replay!).ConfigureAwait(false) : null;
            recorder.KeepArguments(call, logged?.Inputs ?? Json.EmptyObject);
            // What went on with a replay is no step of its own: what was done before is recorded already, and what it did now is below.
            completed = logged?.Outcome is ReplayOutcome.Completed && !KernelActions.IsResume(context.Function);
            if (logged is not null && !completed)
            {
                await BeginDoneStepsAsync(recorder, context.Kernel, watch.Run!.Replay!, done).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            recorder.KeepArguments(call, Json.EmptyObject);
            Fault(recorder, exception);
        }

        // The words of an exception may hold anything that the replay was given.
        var why = logged?.Message ?? watch.Reply?.Message ?? (failure is null ? "A filter answered in its place." : $"It was not let through, or broke off ({failure.ErrorType}).");
        await CompleteAsync(
            filtered,
            () => logged is null ? (null, null) : ResultOf(logged, adapted: IsGiven("adapt") || IsGiven("skip")),
            completed ? null : new StepFailure(FailureTypes.NestedProcedure, why)).ConfigureAwait(false);
        foreach (var (begun, step) in done)
        {
            await CompleteAsync(filtered with { Call = begun }, () => (step.Result, step.Omitted), failure: null).ConfigureAwait(false);
        }

        bool IsGiven(string name) => context.Arguments.TryGetValue(name, out var given) && given is not null;
    }

    /// <summary>What a replay of the outer procedure will give for the step: the results by step id.</summary>
    private static (JsonElement? Result, string? Lossy) ResultOf(Execution logged, bool adapted)
    {
        var done = logged.Steps.Where(s => s.Status is StepStatus.Success).ToList();
        List<string> lossy = [.. done.Where(s => s.Omitted is not null).Select(s => $"step '{s.StepId}': {s.Omitted}")];
        if (adapted)
        {
            lossy.Add("the adapted parameters and skipped steps of the replay");
        }

        var results = done.Where(s => s.Result is not null).ToDictionary(s => s.StepId, s => s.Result!.Value, StringComparer.Ordinal);
        return (JsonSerializer.SerializeToElement(results), lossy.Count == 0 ? null : string.Join("; ", lossy));
    }

    private async Task<Execution> LoggedAsync(ReplayResult replay) =>
        (replay.ExecutionId is { } id ? await _memory.GetExecutionAsync(id).ConfigureAwait(false) : null)
            ?? throw new RecordingStateException($"The execution {replay.ExecutionId:D} is not in the log, so what it did cannot be recorded.");

    /// <summary>Takes the done steps of a replay into the recording, from the log of executions: that knows which values came from secret inputs.</summary>
    private async Task BeginDoneStepsAsync(ProcedureRecorder recorder, Kernel kernel, ReplayResult replay, List<(RecordedCall Call, ExecutionStep Step)> done)
    {
        var logged = (await LoggedAsync(replay).ConfigureAwait(false)).Steps.ToDictionary(s => s.StepId, StringComparer.Ordinal);
        foreach (var outcome in replay.Steps)
        {
            if (outcome.Nested is { } nested && (outcome.Status is not StepStatus.Success || nested.Steps.Any(s => s.DoneBefore)))
            {
                await BeginDoneStepsAsync(recorder, kernel, nested, done).ConfigureAwait(false);
            }
            else if (outcome.Iterations.Count > 0)
            {
                // A loop is found again in its calls.
                foreach (var iteration in outcome.Iterations)
                {
                    await BeginDoneStepsAsync(recorder, kernel, iteration, done).ConfigureAwait(false);
                }
            }
            else if (outcome is { Status: StepStatus.Success, DoneBefore: false, Repaired: false })
            {
                var step = logged.GetValueOrDefault(outcome.StepId) ?? throw new RecordingStateException($"Step '{outcome.StepId}' of the execution {replay.ExecutionId:D} is not in the log, so what it did cannot be recorded.");
                var model = ModelCall.Current;
                var kind = outcome.Nested is null ? StepKind.Function : StepKind.Procedure;
                var parameters = kind is StepKind.Function && KernelActions.TryFind(kernel, step.Action, out var function) ? KernelActions.ParametersOf(function) : null;
                var begun = recorder.BeginStep(step.Action, step.Arguments ?? default, kind, model?.Group, model?.Index ?? 0, omitted: null, step.Duration ?? outcome.Duration, parameters: parameters)
                    ?? throw new RecordingStateException($"The recording '{recorder.Name}' was ended before it had all steps of a replay.");
                done.Add((begun, step));
            }
        }
    }

    private async Task CompleteAsync(FilteredCall filtered, Func<(JsonElement? Result, string? Lossy)> capture, StepFailure? failure)
    {
        var (recorder, call, _) = filtered;
        JsonElement? result = null;
        string? lossy = null;
        try
        {
            (result, lossy) = capture();
        }
        catch (Exception exception)
        {
            lossy = $"the result could not be read ({exception.GetType().Name})";
        }

        try
        {
            // Not cancelled with the call: it was made, and whether it is remembered is not for its caller to decide.
            await recorder.CompleteStepAsync(call, result, failure, lossy, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Fault(recorder, exception);
        }
    }

    private void Fault(ProcedureRecorder recorder, Exception exception)
    {
        recorder.MarkIncomplete(exception);
        if (_faulted.TryAdd(recorder, recorder))
        {
            Log.RecordingFaulted(_logger, recorder.Name, recorder.TraceId, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }
    }

    /// <summary>A call as a step of one recording.</summary>
    private sealed record FilteredCall(ProcedureRecorder Recorder, RecordedCall Call, bool IsOfTurn);
}
