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
        _turn is not null ? InTurnAsync(arguments, cancellationToken)
        : IsToRecord ? RecordAsync(arguments, cancellationToken)
        : base.InvokeCoreAsync(arguments, cancellationToken);

    private bool IsToRecord => _recording.Memory.HasActiveRecordings && !CallFrames.IsInsideOutright(_recording.Memory) && FunctionActions.OursIn(InnerFunction) is null or { Replays: true };

    private static bool IsRecorded(AIFunction function, ProcedureMemory memory) => function.GetService<RecordingAIFunction>(memory) is not null;

    /// <summary>Makes the call in its turn, also where nothing is recorded: what is used in it, and what is called inside of it, belongs to the turn.</summary>
    private async ValueTask<object?> InTurnAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        using var entered = _turn!.Enter();
        return IsToRecord ? await RecordAsync(arguments, cancellationToken).ConfigureAwait(false) : await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<object?> RecordAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        var memory = _recording.Memory;
        var turn = memory.CurrentTurn;
        var ours = FunctionActions.OursIn(InnerFunction);
        var calls = Begin(arguments, turn, ours, out var asked);
        if (calls.Count == 0 && (ours is null || turn is not { IsLearning: true }))
        {
            return await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
        }

        var watch = ours is null ? null : new ReplayWatch();
        var outer = CallFrames.Enter(memory, watch, calls.Count == 0 ? FrameKind.Watched : calls.Exists(c => !c.IsOfTurn) ? FrameKind.Recorded : FrameKind.OfTurn);
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
            if (watch is { MayHaveActed: true })
            {
                turn?.DoNotLearn("A procedure was replayed in it.");
            }
        }

        await CompleteAsync(calls, watch, asked, () => (FunctionJson.CaptureResult(result, InnerFunction, out var lossy), lossy), failure: null).ConfigureAwait(false);
        return result;
    }

    private List<BegunCall> Begin(AIFunctionArguments arguments, Turn? turn, IMemoryFunction? ours, out AskedReplay? asked)
    {
        asked = null;
        var calls = new List<BegunCall>();
        var memory = _recording.Memory;
        var session = memory.CurrentSession ?? (turn?.Offer as ChatTurn)?.OpenSession;
        foreach (var (recorder, isOfTurn) in _recording.RecordersOf(turn, session, ours is null ? Name : null).ToList())
        {
            try
            {
                var captured = FunctionJson.CaptureArguments(InnerFunction, arguments, out var omitted);
                var (group, index) = PlaceOf(FunctionInvokingChatClient.CurrentContext, memory.Options.TimeProvider);
                var declared = FunctionActions.Describe(InnerFunction);
                RecordedCall? call;
                if (ours is null)
                {
                    call = recorder.BeginStep(Name, captured, StepKind.Function, group, index, omitted, effect: declared.Effect, parameters: declared.Parameters);
                }
                else
                {
                    var (action, inputs) = ours.StepOf(captured, out var adapted);
                    asked = new AskedReplay(ours.Resumes, adapted, group, index, a => _tools.Find(a) is { } function ? FunctionActions.Describe(function).Parameters : null);
                    call = recorder.BeginStep(action, inputs, ours.Resumes ? StepKind.Function : StepKind.Procedure, group, index, omitted);
                }

                if (call is not null)
                {
                    calls.Add(new BegunCall(recorder, call, isOfTurn));
                }
            }
            catch (Exception exception)
            {
                _recording.Fault(recorder, exception);
            }
        }

        return calls;
    }

    private async Task CompleteAsync(List<BegunCall> calls, ReplayWatch? watch, AskedReplay? asked, Func<(JsonElement? Result, string? Lossy)> capture, StepFailure? failure)
    {
        foreach (var (recorder, call, _) in calls)
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

    /// <summary>A call as a step of one recording.</summary>
    private sealed record BegunCall(ProcedureRecorder Recorder, RecordedCall Call, bool IsOfTurn);
}
