using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// Records the calls of a function: for the turn that they belong to, and for what is recorded outright in the current session. A call inside a recorded call is not recorded: replaying the outer one
/// makes it again. Recording never breaks a call.
/// </summary>
internal sealed class RecordingAIFunction : DelegatingAIFunction
{
    // The calls of one answer share the list of messages, and nobody but them has its iteration.
    private static readonly ConditionalWeakTable<object, ConcurrentDictionary<int, string>> Groups = [];

    private readonly CallRecording _recording;
    private readonly ToolSet _tools;
    private readonly Turn? _turn;

    /// <param name="function">The function.</param>
    /// <param name="recording">Where its calls go.</param>
    /// <param name="tools">The functions that a replay among them may have called.</param>
    /// <param name="turn">The turn that its calls belong to; <see langword="null"/> for the ambient one.</param>
    private RecordingAIFunction(AIFunction function, CallRecording recording, ToolSet tools, Turn? turn)
        : base(function) => (_recording, _tools, _turn) = (recording, tools, turn);

    /// <summary>Tools whose calls are recorded. Those that are none of functions, and functions that are recorded already, stay as they are.</summary>
    public static List<AITool> Wrap(IEnumerable<AITool> tools, CallRecording recording, ToolSet all, Turn? turn) =>
        [.. tools.Select(t => t is AIFunction function && !IsRecorded(function, recording.Memory) ? new RecordingAIFunction(function, recording, all, turn) : t)];

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceType == typeof(RecordingAIFunction) && serviceKey is ProcedureMemory memory && memory == _recording.Memory ? this : base.GetService(serviceType, serviceKey);

    /// <inheritdoc/>
    protected override ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken) =>
        _recording.Memory.HasActiveRecordings && !CallFrames.IsInside(_recording.Memory) && FunctionActions.OursIn(InnerFunction) is null or { Replays: true }
            ? RecordAsync(arguments, cancellationToken)
            : base.InvokeCoreAsync(arguments, cancellationToken);

    private static bool IsRecorded(AIFunction function, ProcedureMemory memory) => function.GetService<RecordingAIFunction>(memory) is not null;

    private async ValueTask<object?> RecordAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        using var entered = _turn?.Enter();
        var ours = FunctionActions.OursIn(InnerFunction);
        var calls = Begin(arguments, ours, out var asked);
        if (calls.Count == 0)
        {
            return await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
        }

        var watch = ours is null ? null : new ReplayWatch();
        var outer = CallFrames.Enter(_recording.Memory, watch);
        object? result;
        try
        {
            result = await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            await CompleteAsync(calls, watch, asked, static () => (null, null), new StepFailure(exception.GetType().Name, exception.Message)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            CallFrames.Leave(outer);
        }

        await CompleteAsync(calls, watch, asked, () => (FunctionJson.CaptureResult(result, InnerFunction, out var lossy), lossy), failure: null).ConfigureAwait(false);
        return result;
    }

    private List<(ProcedureRecorder Recorder, RecordedCall Call)> Begin(AIFunctionArguments arguments, IMemoryFunction? ours, out AskedReplay? asked)
    {
        asked = null;
        var calls = new List<(ProcedureRecorder Recorder, RecordedCall Call)>();
        var memory = _recording.Memory;
        var turn = _turn ?? memory.CurrentTurn;
        var session = memory.CurrentSession ?? (turn?.Offer as ChatTurn)?.OpenSession;
        List<ProcedureRecorder> recorders = [.. CallRecording.RecordersOf(turn, session, ours is null ? Name : null)];
        if (recorders.Count == 0)
        {
            return calls;
        }

        try
        {
            var captured = FunctionJson.CaptureArguments(InnerFunction, arguments, out var omitted);
            var (group, index) = PlaceOf(FunctionInvokingChatClient.CurrentContext, memory.Options.TimeProvider);
            var (action, adapted) = (Name, false);
            var kind = StepKind.Function;
            JsonElement? parameters = null;
            var effect = StepEffect.Unknown;
            if (ours is null)
            {
                var declared = FunctionActions.Describe(InnerFunction);
                (effect, parameters) = (declared.Effect, declared.Parameters);
            }
            else
            {
                (action, captured) = ours.StepOf(captured, out adapted);
                kind = ours.Resumes ? StepKind.Function : StepKind.Procedure;
                asked = new AskedReplay(ours.Resumes, adapted, group, index, a => _tools.Find(a) is { } function ? FunctionActions.Describe(function).Parameters : null);
            }

            foreach (var recorder in recorders)
            {
                if (recorder.BeginStep(action, captured, kind, group, index, omitted, effect: effect, parameters: parameters) is { } call)
                {
                    calls.Add((recorder, call));
                }
            }
        }
        catch (Exception exception)
        {
            foreach (var recorder in recorders.Where(r => !calls.Exists(c => c.Recorder == r)))
            {
                _recording.Fault(recorder, exception);
            }
        }

        return calls;
    }

    private async Task CompleteAsync(
        List<(ProcedureRecorder Recorder, RecordedCall Call)> calls, ReplayWatch? watch, AskedReplay? asked, Func<(JsonElement? Result, string? Lossy)> capture, StepFailure? failure)
    {
        foreach (var (recorder, call) in calls)
        {
            await (watch is null || asked is null
                ? _recording.CompleteAsync(recorder, call, capture, failure)
                : _recording.CompleteReplayAsync(recorder, call, watch, failure, asked)).ConfigureAwait(false);
        }
    }

    /// <summary>Which answer of the model asked for a call, where it asked for several, and the place there.</summary>
    private static (string? Group, int Index) PlaceOf(FunctionInvocationContext? context, TimeProvider time) => context is { FunctionCount: > 1 }
        ? (Groups.GetOrCreateValue(context.Messages).GetOrAdd(context.Iteration, static (_, t) => Guid.CreateVersion7(t.GetUtcNow()).ToString("D"), time), context.FunctionCallIndex)
        : (null, 0);
}
