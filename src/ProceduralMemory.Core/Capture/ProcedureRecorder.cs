using System.Text.Json;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Capture;

/// <summary>
/// One recording in progress. Every step is durable when its call returns, so that a process that dies loses nothing it was told is kept.
/// Safe for use from several threads; steps keep the order in which they began.
/// </summary>
public sealed class ProcedureRecorder
{
    private readonly ProcedureMemory _memory;
    private readonly MemorySession? _session;
    private readonly ValueCapture _capture;
    private readonly Lock _gate = new();

    // What a later word of the agent may be about: calls that a filter recorded.
    private readonly List<AnnotatableCall> _annotatable = [];
    private TaskCompletionSource? _idle;
    private int _nextOrdinal;
    private int _inFlight;
    private RecorderState _state = RecorderState.Active;
    private Exception? _fault;
    private int? _modelCalls;
    private long? _inputTokens;
    private long? _outputTokens;

    internal ProcedureRecorder(ProcedureMemory memory, MemorySession? session, Trace trace, int nextOrdinal)
    {
        _memory = memory;
        _session = session;
        _capture = new ValueCapture(memory.Options);
        _nextOrdinal = nextOrdinal;
        TraceId = trace.Id;
        Name = trace.Name;
        Scope = trace.Scope;
        _annotatable.AddRange(trace.Steps
            .Where(s => s.Kind is not StepKind.Manual)
            .Select(s => new AnnotatableCall(s.Ordinal, s.Action, s.Arguments) { HasWords = s.Outcome is not null || s.Notes is not null }));
    }

    private enum RecorderState
    {
        Active,
        Ending,
        Ended,
    }

    /// <summary>The trace that is being written.</summary>
    public Guid TraceId { get; }

    /// <summary>The name that the procedure is to have.</summary>
    public string Name { get; }

    /// <summary>The scope it is written to.</summary>
    public string Scope { get; }

    /// <summary>Whether steps can still be recorded.</summary>
    public bool IsActive
    {
        get
        {
            lock (_gate)
            {
                return _state is RecorderState.Active;
            }
        }
    }

    /// <summary>Whether a call could not be recorded. Such a recording cannot be finalized, only abandoned.</summary>
    public bool IsIncomplete
    {
        get
        {
            lock (_gate)
            {
                return _fault is not null;
            }
        }
    }

    /// <summary>Takes the next place in the order of calls, before the call is made. Complete it with <see cref="CompleteStepAsync"/> whatever happens.</summary>
    /// <param name="action">What is called.</param>
    /// <param name="arguments">The arguments as they are before the call: a function may change what it is given.</param>
    /// <param name="kind">What <paramref name="action"/> names.</param>
    /// <param name="callGroup">Names the model's answer that asked for this call, where several may be asked for at once.</param>
    /// <param name="callIndex">The place among the calls of that answer, from 0.</param>
    /// <param name="omitted">What of the arguments the caller could not write as JSON, and replaced by <see cref="TraceStep.OmittedMarker"/>; <see langword="null"/> when nothing.</param>
    /// <param name="duration">How long the call took, where it was made already; <see langword="null"/> measures it up to <see cref="CompleteStepAsync"/>.</param>
    /// <returns>The step begun, or <see langword="null"/> when the recording has ended.</returns>
    public RecordedCall? BeginStep(string action, JsonElement arguments, StepKind kind = StepKind.Function, string? callGroup = null, int callIndex = 0, string? omitted = null, TimeSpan? duration = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        arguments = Json.OrEmptyObject(arguments);
        if (arguments.ValueKind is not JsonValueKind.Object)
        {
            throw new ArgumentException($"The arguments of {action} are no JSON object. Give them by name, such as {{\"order_id\": \"W123\"}}.", nameof(arguments));
        }

        int ordinal;
        lock (_gate)
        {
            if (_state is not RecorderState.Active || _fault is not null)
            {
                return null;
            }

            ordinal = _nextOrdinal++;
            _inFlight++;
        }

        try
        {
            var captured = _capture.Arguments(action, arguments, out var notKept);
            return new RecordedCall(new TraceStep
            {
                Ordinal = ordinal,
                Kind = kind,
                Action = action,
                Arguments = captured,
                Omitted = Joined(omitted, notKept),
                CallGroup = callGroup,
                CallIndex = callIndex,
                StartedAt = _memory.Time.GetUtcNow(),
            }, _memory.Time.GetTimestamp(), duration);
        }
        catch
        {
            Leave();
            throw;
        }
    }

    /// <summary>Writes a step that was begun. When this returns, the step is durable.</summary>
    /// <param name="call">What <see cref="BeginStep"/> returned.</param>
    /// <param name="result">The result as JSON; <see langword="null"/> when there is none.</param>
    /// <param name="failure">Why the call failed; <see langword="null"/> when it did not.</param>
    /// <param name="omitted">Why the result is missing or not the whole truth, where that is so.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    public async Task CompleteStepAsync(RecordedCall call, JsonElement? result, StepFailure? failure = null, string? omitted = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        if (!call.TryComplete())
        {
            throw new InvalidOperationException($"The call of {call.Step.Action} was completed already.");
        }

        if (call.IsDetached && !Reenter())
        {
            return;
        }

        try
        {
            var duration = call.Duration ?? _memory.Time.GetElapsedTime(call.StartTimestamp);
            string? lost = null;
            var kept = result is { } value ? _capture.Result(call.Step.Action, value, out lost) : null;
            var step = call.Step with
            {
                Result = kept,
                Omitted = Joined(call.Step.Omitted, omitted, lost),
                Status = failure is null ? StepStatus.Success : StepStatus.Failed,
                Failure = _capture.Failure(failure),
                Duration = duration,
            };
            await _memory.Store.AppendTraceStepAsync(TraceId, step, cancellationToken).ConfigureAwait(false);
            lock (_gate)
            {
                _annotatable.Add(new AnnotatableCall(step.Ordinal, step.Action, step.Arguments));
            }
        }
        catch (Exception exception)
        {
            MarkIncomplete(exception);
            throw;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Lets the recording end before this call is complete, for a call whose end may never come: a stream that nobody reads. It is then left out.</summary>
    /// <param name="call">What <see cref="BeginStep"/> returned.</param>
    public void DetachStep(RecordedCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        if (!call.IsDetached)
        {
            call.IsDetached = true;
            Leave();
        }
    }

    /// <summary>Says that a call could not be recorded. The recording takes no more steps and cannot be finalized: a trace with a hole in it would teach a procedure with a hole in it.</summary>
    /// <param name="fault">Why.</param>
    public void MarkIncomplete(Exception fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        lock (_gate)
        {
            _fault ??= fault;
        }
    }

    /// <summary>Records a step that was done elsewhere. When this returns, the step is durable.</summary>
    /// <param name="step">The step. Its <see cref="TraceStep.Ordinal"/> and times are set here where they are missing.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="RecordingStateException">The recording has ended.</exception>
    /// <exception cref="ProcedureFormatException">The step names no action, its arguments are no JSON object, or a value is too large or too deep.</exception>
    public async Task RecordStepAsync(TraceStep step, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(step);
        cancellationToken.ThrowIfCancellationRequested();
        var arguments = ProcedureValidator.CheckRecordedStep(step);
        lock (_gate)
        {
            ThrowIfNotActive();
            ThrowIfIncomplete();
        }

        var captured = _capture.Arguments(step.Action, arguments, out var omittedArguments);
        string? omittedResult = null;
        var result = step.Result is { } value ? _capture.Result(step.Action, value, out omittedResult) : null;
        if ((omittedArguments ?? omittedResult) is { } fault)
        {
            // Who records by hand can mend it; only a filter, which must not break the call, keeps a step with a part left out.
            throw new ProcedureFormatException("", $"Step '{step.Action}' was not recorded: {fault}. Record a reference to the value, or raise the limit in the options.");
        }

        int ordinal;
        lock (_gate)
        {
            ThrowIfNotActive();
            ordinal = _nextOrdinal++;
            _inFlight++;
        }

        try
        {
            await _memory.Store.AppendTraceStepAsync(TraceId, step with
            {
                Ordinal = ordinal,
                Arguments = captured,
                Result = result,
                Action = step.Kind is StepKind.Manual ? _capture.Text(step.Action) : step.Action,
                Failure = _capture.Failure(step.Failure),
                Outcome = step.Outcome is null ? null : _capture.Text(step.Outcome),
                Notes = step.Notes is null ? null : _capture.Text(step.Notes),
                StartedAt = step.StartedAt == default ? _memory.Time.GetUtcNow() : step.StartedAt,
            }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Adds words to a call that was recorded by itself: of the calls of an action the latest with the same arguments, else the latest that has no words yet, else the latest.</summary>
    /// <param name="action">The action, regardless of case.</param>
    /// <param name="arguments">The arguments, where they are known; they need not match, unless the call is said to have failed.</param>
    /// <param name="outcome">The outcome in the agent's words.</param>
    /// <param name="notes">Remarks.</param>
    /// <param name="failure">Why the agent judges that the call failed, although it returned; <see langword="null"/> when it does not. A failed call does not become a step.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>Whether there was such a call.</returns>
    /// <exception cref="ProcedureFormatException">The words are too long, or not valid UTF-16.</exception>
    /// <exception cref="RecordingStateException">The recording has ended.</exception>
    public async Task<bool> AnnotateStepAsync(
        string action, JsonElement? arguments, string? outcome, string? notes, StepFailure? failure = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        cancellationToken.ThrowIfCancellationRequested();
        ProcedureValidator.CheckWords(outcome, notes, failure?.Message);
        var wanted = arguments is { ValueKind: JsonValueKind.Object } given ? _capture.Arguments(action, given, out _) : (JsonElement?)null;
        AnnotatableCall? call;
        bool hadWords;
        lock (_gate)
        {
            ThrowIfNotActive();
            var calls = _annotatable.FindAll(c => string.Equals(c.Action, action, StringComparison.OrdinalIgnoreCase));
            if (failure is not null && wanted is { } failed)
            {
                // A failed call is dropped: words about one that was never made must not drop another.
                calls.RemoveAll(c => !JsonElement.DeepEquals(c.Arguments, failed));
            }

            call = calls.FindLast(c => !c.HasWords && wanted is { } value && JsonElement.DeepEquals(c.Arguments, value)) ?? calls.FindLast(c => !c.HasWords) ?? calls.LastOrDefault();
            if (call is null)
            {
                return false;
            }

            hadWords = call.HasWords;
            call.HasWords = true;
        }

        try
        {
            await _memory.Store.AnnotateTraceStepAsync(
                TraceId,
                call.Ordinal,
                outcome is null ? null : _capture.Text(outcome),
                notes is null ? null : _capture.Text(notes),
                _capture.Failure(failure),
                cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            lock (_gate)
            {
                call.HasWords = hadWords;
            }

            throw;
        }

        return true;
    }

    /// <summary>Tells what the task has cost so far, where the host knows it. Later values replace earlier ones.</summary>
    /// <param name="modelCalls">Model requests made.</param>
    /// <param name="inputTokens">Tokens sent.</param>
    /// <param name="outputTokens">Tokens received.</param>
    public void ReportUsage(int? modelCalls, long? inputTokens, long? outputTokens)
    {
        lock (_gate)
        {
            _modelCalls = modelCalls ?? _modelCalls;
            _inputTokens = inputTokens ?? _inputTokens;
            _outputTokens = outputTokens ?? _outputTokens;
        }
    }

    /// <summary>
    /// Ends the recording and makes a procedure of its successful steps, all in one transaction. Waits for calls in flight.
    /// A recording without a successful step gives no procedure and is abandoned.
    /// </summary>
    /// <param name="notes">Remarks for the procedure.</param>
    /// <param name="tags">Labels to add to those given at the start.</param>
    /// <param name="cancellationToken">Cancels before the write; the recording then goes on.</param>
    /// <exception cref="RecordingStateException">The recording has ended, or a step of it could not be stored.</exception>
    /// <exception cref="ProcedureFormatException">The steps make no valid procedure, for instance because there are too many; the recording then goes on.</exception>
    public async Task<RecordingResult> FinalizeAsync(string? notes = null, IReadOnlyList<string>? tags = null, CancellationToken cancellationToken = default)
    {
        await EndingAsync(cancellationToken).ConfigureAwait(false);
        var ended = false;
        try
        {
            ThrowIfIncomplete();
            var result = await _memory.CompleteRecordingAsync(this, notes is null ? null : _capture.Text(notes), tags, Usage(), cancellationToken).ConfigureAwait(false);
            ended = true;
            return result;
        }
        finally
        {
            Settle(ended);
        }
    }

    /// <summary>Gives the recording up. Its trace is kept, and teaches nothing.</summary>
    /// <param name="cancellationToken">Cancels before the write; the recording then goes on.</param>
    /// <exception cref="RecordingStateException">The recording has ended.</exception>
    public async Task AbandonAsync(CancellationToken cancellationToken = default)
    {
        await EndingAsync(cancellationToken).ConfigureAwait(false);
        var ended = false;
        try
        {
            await _memory.Store.EndTraceAsync(TraceId, TraceStatus.Abandoned, _memory.Time.GetUtcNow(), Usage(), cancellationToken).ConfigureAwait(false);
            ended = true;
        }
        finally
        {
            Settle(ended);
        }
    }

    private static string? Joined(params ReadOnlySpan<string?> reasons)
    {
        string? joined = null;
        foreach (var reason in reasons)
        {
            joined = joined is null ? reason : reason is null ? joined : $"{joined}; {reason}";
        }

        return joined;
    }

    private TraceUsage Usage()
    {
        lock (_gate)
        {
            return new TraceUsage(_modelCalls, _inputTokens, _outputTokens);
        }
    }

    /// <summary>Closes the recording for new steps, and waits for those in flight.</summary>
    private async Task EndingAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource idle;
        lock (_gate)
        {
            ThrowIfNotActive();
            _state = RecorderState.Ending;
            if (_inFlight == 0)
            {
                return;
            }

            idle = _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        try
        {
            await idle.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Settle(ended: false);
            throw;
        }
    }

    private void Settle(bool ended)
    {
        lock (_gate)
        {
            _state = ended ? RecorderState.Ended : RecorderState.Active;
        }

        if (ended)
        {
            _session?.Detach(this);
        }
    }

    private bool Reenter()
    {
        lock (_gate)
        {
            if (_state is not RecorderState.Active)
            {
                return false;
            }

            _inFlight++;
            return true;
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_inFlight > 0 || _state is not RecorderState.Ending)
            {
                return;
            }
        }

        _idle?.TrySetResult();
    }

    private void ThrowIfNotActive()
    {
        if (_state is not RecorderState.Active)
        {
            throw new RecordingStateException($"The recording '{Name}' has ended. Start another with StartRecordingAsync.");
        }
    }

    private void ThrowIfIncomplete()
    {
        if (_fault is { } fault)
        {
            throw new RecordingStateException($"The recording '{Name}' is incomplete, because a step could not be stored. Abandon it, and record the task again.", fault);
        }
    }

    private sealed record AnnotatableCall(int Ordinal, string Action, JsonElement Arguments)
    {
        public bool HasWords { get; set; }
    }
}

/// <summary>A call that has begun and is not written yet.</summary>
public sealed class RecordedCall
{
    private int _completed;

    internal RecordedCall(TraceStep step, long startTimestamp, TimeSpan? duration)
    {
        Step = step;
        StartTimestamp = startTimestamp;
        Duration = duration;
    }

    internal TraceStep Step { get; }

    internal long StartTimestamp { get; }

    /// <summary>Known beforehand for a call that was made already.</summary>
    internal TimeSpan? Duration { get; }

    internal bool IsDetached { get; set; }

    internal bool TryComplete() => Interlocked.Exchange(ref _completed, 1) == 0;
}

/// <summary>What a recorded task cost.</summary>
/// <param name="ModelCalls">Model requests made, where known.</param>
/// <param name="InputTokens">Tokens sent, where known.</param>
/// <param name="OutputTokens">Tokens received, where known.</param>
public sealed record TraceUsage(int? ModelCalls, long? InputTokens, long? OutputTokens);

/// <summary>What a recording is about, given at its start.</summary>
public sealed record RecordingDetails
{
    /// <summary>The name that the procedure is to have, at most 128 characters. A name in use gets a new version.</summary>
    public required string Name { get; init; }

    /// <summary>What the task achieves, in a sentence. It is searched.</summary>
    public string Description { get; init; } = "";

    /// <summary>The user's request; where it is missing, that of the session is taken.</summary>
    public string? Request { get; init; }

    /// <summary>Free labels for the procedure.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Remarks for the procedure.</summary>
    public string? Notes { get; init; }
}

/// <summary>What a finalized recording gave.</summary>
/// <param name="TraceId">The trace.</param>
/// <param name="Procedure">The procedure at its new version, or <see langword="null"/> when no successful step was recorded.</param>
/// <param name="DroppedSteps">How many recorded calls are not in the procedure, because they failed.</param>
public sealed record RecordingResult(Guid TraceId, Procedure? Procedure, int DroppedSteps);
