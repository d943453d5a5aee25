using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;

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
    private readonly ProcedureMemory _memory;
    private readonly ILogger _logger;
    private readonly CallRecording _recording;
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
        _recording = new CallRecording(memory, _logger);
        _uncovered = seesTurns ? new UncoveredTurns(memory, _logger) : null;
    }

    internal ProcedureMemory Memory => _memory;

    /// <summary>Whether the calls of functions of a kernel are recorded for a memory by themselves.</summary>
    internal static bool Covers(ProcedureMemory memory, Kernel kernel) => kernel.FunctionInvocationFilters.OfType<ProcedureRecordingFilter>().Any(f => f.Memory == memory);

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
                await CompleteAsync(call, context, replay, static () => (null, null), failure).ConfigureAwait(false);
            }

            throw;
        }
        finally
        {
            if (context.IsStreaming)
            {
                CallFrames.Suspend(outer);
            }
            else
            {
                CallFrames.Leave(outer);
            }

            if (replay is { MayHaveActed: true })
            {
                turn?.DoNotLearn("A procedure was replayed in it.");
            }
        }

        if (calls.Count > 0 && context.IsStreaming && StreamTap.TryWrap(context, _memory, replay, kind, async (items, failure) =>
            {
                foreach (var call in calls)
                {
                    await CompleteAsync(call, context, replay, () => (items.ToJson(out var lossy), lossy), failure).ConfigureAwait(false);
                }
            }))
        {
            // Nobody may ever read it: the recording does not wait for that.
            calls.ForEach(c => c.Recorder.DetachStep(c.Call));
            return;
        }

        foreach (var call in calls)
        {
            await CompleteAsync(call, context, replay, () => (KernelJson.CaptureResult(context.Result.GetValue<object>(), context.Function, out var lossy), lossy), failure: null).ConfigureAwait(false);
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
                _recording.Fault(recorder, exception);
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
            recorders.AddRange(_recording.RecordersOf(turn, session, KernelActions.IsOurs(context.Function) ? null : KernelActions.NameOf(context.Function)));
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

    private Task CompleteAsync(FilteredCall filtered, FunctionInvocationContext context, ReplayWatch? replay, Func<(JsonElement? Result, string? Lossy)> capture, StepFailure? failure)
    {
        var (recorder, call, _) = filtered;
        if (replay is null)
        {
            return _recording.CompleteAsync(recorder, call, capture, failure);
        }

        var model = ModelCall.Current;
        var asked = new AskedReplay(
            KernelActions.IsResume(context.Function),
            IsGiven("adapt") || IsGiven("skip"),
            model?.Group,
            model?.Index ?? 0,
            action => KernelActions.TryFind(context.Kernel, action, out var function) ? KernelActions.ParametersOf(function) : null,
            "A filter answered in its place.");
        return _recording.CompleteReplayAsync(recorder, call, replay, failure, asked);

        bool IsGiven(string name) => context.Arguments.TryGetValue(name, out var given) && given is not null;
    }

    /// <summary>A call as a step of one recording.</summary>
    private sealed record FilteredCall(ProcedureRecorder Recorder, RecordedCall Call, bool IsOfTurn);
}
