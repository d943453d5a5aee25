using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Writes calls down for whoever records them. A fault of its own is logged once for a recording, which then teaches nothing, and the call goes on.</summary>
internal sealed class CallRecording(ProcedureMemory memory, ILogger logger)
{
    /// <summary>The type of the failure of a stream that was not read to its end.</summary>
    public const string IncompleteStream = "incomplete_stream";

    private const int MaxRepairCalls = 20;

    private readonly ConditionalWeakTable<ProcedureRecorder, object> _faulted = [];

    public ProcedureMemory Memory => memory;

    /// <summary>Who records a call: what somebody records outright, or what a stopped replay waits for; and the turn that it is made in.</summary>
    /// <param name="turn">The turn, if any.</param>
    /// <param name="session">The session that it belongs to, if any.</param>
    /// <param name="action">The function; <see langword="null"/> for one of this library.</param>
    public IEnumerable<(ProcedureRecorder Recorder, bool IsOfTurn)> RecordersOf(Turn? turn, MemorySession? session, string? action)
    {
        if (session?.Recorder is not null)
        {
            // Whoever records it says what is to be learned of it.
            turn?.DoNotLearn("It was recorded outright.");
        }

        // After a replay that stopped: a few calls, by which its rest is done or not, and later those of its functions. What it does itself when it goes on is in its own journal.
        var outright = session?.Recorder
            ?? (session?.Repair is { } repair && action is not null && (repair.CallCount < MaxRepairCalls || repair.Mends?.Contains(ReplayRepairs.Canonical(action)) is not false) ? repair : null);
        if (outright is not null && !CallFrames.IsInsideOutright(memory))
        {
            yield return (outright, false);
        }

        if (turn is { IsLearning: true, Recorder: { } learning } && action is not null && !CallFrames.IsInside(memory))
        {
            yield return (learning, true);
        }
    }

    public void Fault(ProcedureRecorder recorder, Exception exception)
    {
        recorder.MarkIncomplete(exception);
        if (_faulted.TryAdd(recorder, recorder))
        {
            Log.CallFaulted(logger, recorder.Name, recorder.TraceId, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }
    }

    public async Task CompleteAsync(ProcedureRecorder recorder, RecordedCall call, Func<(JsonElement? Result, string? Lossy)> capture, StepFailure? failure)
    {
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

    /// <summary>
    /// Writes a replay down as the log of executions has it, and not as the caller gave it or got it: the log knows which inputs and results are secret.
    /// A replay that broke off is no step of the procedure, but what it did is done, and whoever does the rest by hand does only the rest.
    /// </summary>
    /// <param name="recorder">The recording.</param>
    /// <param name="call">The call of the replay.</param>
    /// <param name="watch">What saw it.</param>
    /// <param name="failure">What the caller was thrown; <see langword="null"/> when it was not.</param>
    /// <param name="asked">What the call asks for.</param>
    public async Task CompleteReplayAsync(ProcedureRecorder recorder, RecordedCall call, ReplayWatch watch, StepFailure? failure, AskedReplay asked)
    {
        Execution? logged = null;
        var done = new List<(RecordedCall Call, ExecutionStep Step)>();
        var completed = false;
        try
        {
            // Nobody need read a stream to its end for the replay to be done. But a caller that was thrown at may do again what is done already.
            if (watch.MayHaveActed && (watch.Run is null || failure is { ErrorType: not IncompleteStream }))
            {
                throw new RecordingStateException("A replay broke off, and how far it came is not known, or not to its caller.");
            }

            logged = watch.Run is { } run ? await LoggedAsync(run.Replay!).ConfigureAwait(false) : null;
            recorder.KeepArguments(call, logged?.Inputs ?? Json.EmptyObject);

            // What went on with a replay is no step of its own: what was done before is recorded already, and what it did now is below.
            completed = logged?.Outcome is ReplayOutcome.Completed && !asked.Resumes;
            if (logged is not null && !completed)
            {
                await BeginDoneStepsAsync(recorder, watch.Run!.Replay!, asked, done).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            recorder.KeepArguments(call, Json.EmptyObject);
            Fault(recorder, exception);
        }

        // The words of an exception may hold anything that the replay was given.
        var why = logged?.Message ?? watch.Reply?.Message ?? (failure is null ? asked.Instead : $"It was not let through, or broke off ({failure.ErrorType}).");
        await CompleteAsync(recorder, call, () => logged is null ? (null, null) : ResultOf(logged, asked.Adapted), completed ? null : new StepFailure(FailureTypes.NestedProcedure, why)).ConfigureAwait(false);
        foreach (var (begun, step) in done)
        {
            await CompleteAsync(recorder, begun, () => (step.Result, step.Omitted), failure: null).ConfigureAwait(false);
        }
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
        (replay.ExecutionId is { } id ? await memory.GetExecutionAsync(id).ConfigureAwait(false) : null)
            ?? throw new RecordingStateException($"The execution {replay.ExecutionId:D} is not in the log, so what it did cannot be recorded.");

    /// <summary>Takes the done steps of a replay into the recording, from the log of executions: that knows which values came from secret inputs.</summary>
    private async Task BeginDoneStepsAsync(ProcedureRecorder recorder, ReplayResult replay, AskedReplay asked, List<(RecordedCall Call, ExecutionStep Step)> done)
    {
        var logged = (await LoggedAsync(replay).ConfigureAwait(false)).Steps.ToDictionary(s => s.StepId, StringComparer.Ordinal);
        foreach (var outcome in replay.Steps)
        {
            if (outcome.Nested is { } nested && (outcome.Status is not StepStatus.Success || nested.Steps.Any(s => s.DoneBefore)))
            {
                await BeginDoneStepsAsync(recorder, nested, asked, done).ConfigureAwait(false);
            }
            else if (outcome.Iterations.Count > 0)
            {
                // A loop is found again in its calls.
                foreach (var iteration in outcome.Iterations)
                {
                    await BeginDoneStepsAsync(recorder, iteration, asked, done).ConfigureAwait(false);
                }
            }
            else if (outcome is { Status: StepStatus.Success, DoneBefore: false, Repaired: false })
            {
                var step = logged.GetValueOrDefault(outcome.StepId) ?? throw new RecordingStateException($"Step '{outcome.StepId}' of the execution {replay.ExecutionId:D} is not in the log, so what it did cannot be recorded.");
                var kind = outcome.Nested is null ? StepKind.Function : StepKind.Procedure;
                var parameters = kind is StepKind.Function ? asked.ParametersOf(step.Action) : null;
                var begun = recorder.BeginStep(step.Action, step.Arguments ?? default, kind, asked.Group, asked.Index, omitted: null, step.Duration ?? outcome.Duration, parameters: parameters)
                    ?? throw new RecordingStateException($"The recording '{recorder.Name}' was ended before it had all steps of a replay.");
                done.Add((begun, step));
            }
        }
    }
}

/// <summary>A call that replays, as the model asked for it.</summary>
/// <param name="Resumes">Whether it goes on with a replay that was begun by another call.</param>
/// <param name="Adapted">Whether it has adapted parameters or leaves out steps.</param>
/// <param name="Group">The model's answer that it stands in.</param>
/// <param name="Index">Its place there.</param>
/// <param name="ParametersOf">What functions declare of their parameters, by action.</param>
/// <param name="Instead">What is said where it was answered without being called.</param>
internal sealed record AskedReplay(bool Resumes, bool Adapted, string? Group, int Index, Func<string, JsonElement?> ParametersOf, string Instead = "The host answered in its place.");
