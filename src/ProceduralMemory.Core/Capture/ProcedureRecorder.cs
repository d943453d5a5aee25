using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Capture;

/// <summary>
/// One recording in progress. Every step is durable when its call returns, so that a process that dies loses nothing it was told is kept.
/// Safe for use from several threads; steps keep the order in which they began.
/// </summary>
public sealed partial class ProcedureRecorder
{
    private readonly ProcedureMemory _memory;
    private readonly MemorySession? _session;
    private readonly ValueCapture _capture;
    private readonly IReadOnlyList<string> _tags;
    private readonly Lock _gate = new();

    // What functions declare is written once, with the first step that tells it.
    private readonly RecordedSignatures _signatures;

    // What a later word of the agent may be about: calls that a filter recorded.
    private readonly List<AnnotatableCall> _annotatable = [];

    // Of a turn, of which nothing is written before it has ended: what it is about, and its steps.
    private readonly Trace? _turn;
    private readonly List<TraceStep> _turnSteps = [];
    private TaskCompletionSource? _idle;
    private int _nextOrdinal;
    private int _inFlight;
    private RecorderState _state = RecorderState.Active;
    private bool _turnedAway;
    private Fault? _fault;
    private int? _modelCalls;
    private long? _inputTokens;
    private long? _outputTokens;

    internal ProcedureRecorder(ProcedureMemory memory, MemorySession? session, Trace trace, int nextOrdinal, ValueCapture? capture = null)
    {
        _memory = memory;
        _session = session;
        _capture = capture ?? ValueCapture.ForRecording(memory.Options);
        _nextOrdinal = nextOrdinal;
        _signatures = new RecordedSignatures(_capture.Plain, memory.Options, trace);
        TraceId = trace.Id;
        RepairOf = trace.RepairOf;
        Name = trace.Name;
        Scope = trace.Scope;
        _tags = trace.Tags;
        _annotatable.AddRange(trace.Steps
            .Where(s => s.Kind is not StepKind.Manual)
            .Select(s => new AnnotatableCall(s.Ordinal, s.Action, s.Arguments) { HasWords = s.Outcome is not null || s.Notes is not null }));
    }

    private ProcedureRecorder(ProcedureMemory memory, Trace turn)
        : this(memory, session: null, turn, nextOrdinal: 0) => _turn = turn;

    private enum RecorderState
    {
        Active,
        Finalizing,
        Abandoning,
        Ended,
    }

    /// <summary>The trace that is being written.</summary>
    public Guid TraceId { get; }

    /// <summary>The execution that the calls may repair, where it was begun for that.</summary>
    internal Guid? RepairOf { get; }

    /// <summary>The functions of the replay that stopped: however long ago that was, their calls may be its steps. <see langword="null"/> where it may call any.</summary>
    internal IReadOnlySet<string>? Mends { get; init; }

    /// <summary>The name that the procedure is to have.</summary>
    public string Name { get; }

    /// <summary>The scope it is written to.</summary>
    public string Scope { get; }

    /// <summary>How many calls were begun.</summary>
    internal int CallCount
    {
        get
        {
            lock (_gate)
            {
                return _nextOrdinal;
            }
        }
    }

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

    /// <summary>Whether a call could not be recorded, or what was recorded makes no valid procedure. Such a recording cannot be finalized, only abandoned.</summary>
    public bool IsIncomplete => IncompleteBecause is not null;

    /// <summary>Why the recording cannot be finalized, as the end of a sentence: "a step could not be stored". <see langword="null"/> when it can.</summary>
    public string? IncompleteBecause
    {
        get
        {
            lock (_gate)
            {
                return _fault?.Reason;
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
    /// <param name="effect">What the function declares to do to the world.</param>
    /// <param name="parameters">What the function declares of its parameters: see <see cref="TraceStep.Parameters"/>.</param>
    /// <returns>The step begun, or <see langword="null"/> when the recording has ended or is incomplete, or the action is one of <see cref="ProceduralMemoryOptions.ExcludedFunctions"/>. The call that would exceed <see cref="ProceduralMemoryOptions.MaxSteps"/> makes it incomplete.</returns>
    public RecordedCall? BeginStep(string action, JsonElement arguments, StepKind kind = StepKind.Function, string? callGroup = null, int callIndex = 0, string? omitted = null, TimeSpan? duration = null, StepEffect effect = StepEffect.Unknown, JsonElement? parameters = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        arguments = Json.OrEmptyObject(arguments);
        if (arguments.ValueKind is not JsonValueKind.Object)
        {
            throw new ArgumentException($"The arguments of {action} are no JSON object. Give them by name, such as {{\"order_id\": \"W123\"}}.", nameof(arguments));
        }

        if (kind is StepKind.Function && _memory.Options.Excludes(action))
        {
            return null;
        }

        int ordinal;
        lock (_gate)
        {
            if (!Admits())
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
                Effect = effect,
                Parameters = parameters,
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

    /// <summary>Writes a step that was begun. When this returns, the step is durable; it is left out where the recording was given up meanwhile.</summary>
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

        if (!Reenter(call))
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
                Failure = _capture.Plain.Failure(failure),
                Duration = duration,
                Parameters = _signatures.New(call.Step),
            };
            await AppendAsync(step, cancellationToken).ConfigureAwait(false);
            _signatures.Stored(step);
            lock (_gate)
            {
                _annotatable.Add(new AnnotatableCall(step.Ordinal, step.Action, step.Arguments));
            }
        }
        catch (RecordingStateException) when (IsGivenUp())
        {
            // It was given up while this was on its way to the store: a trace that teaches nothing does not need it.
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

    /// <summary>Replaces the arguments of a call by the form in which they are kept elsewhere, where more is known to be secret: that is secret here too, from now on.</summary>
    /// <param name="call">What <see cref="BeginStep"/> returned.</param>
    /// <param name="kept">The arguments as they are kept: none that <paramref name="call"/> does not have is taken, and one that is not there is dropped.</param>
    internal void KeepArguments(RecordedCall call, JsonElement kept)
    {
        var given = call.Step.Arguments;
        var taken = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var argument in kept.EnumerateObject())
        {
            if (given.TryGetProperty(argument.Name, out var value))
            {
                taken[argument.Name] = argument.Value;
                if (RedactionMarker.Is(argument.Value))
                {
                    _capture.AddSecret(value);
                    taken[argument.Name] = _capture.MarkerOf(value);
                }
            }
        }

        call.Step = call.Step with { Arguments = _capture.Arguments(call.Step.Action, JsonSerializer.SerializeToElement(taken), out _) };
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
        MarkIncomplete("a step could not be stored", fault);
    }

    /// <summary>Records a step that was done elsewhere. When this returns, the step is durable, unless its action is one of <see cref="ProceduralMemoryOptions.ExcludedFunctions"/>: then it is left out.</summary>
    /// <param name="step">The step. Its <see cref="TraceStep.Ordinal"/> and times are set here where they are missing.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="RecordingStateException">The recording has ended or is incomplete, or the step is one more than <see cref="ProceduralMemoryOptions.MaxSteps"/>, which makes it incomplete.</exception>
    /// <exception cref="ProcedureFormatException">The step names no action, its arguments are no JSON object, or a value is too large or too deep.</exception>
    public async Task RecordStepAsync(TraceStep step, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(step);
        cancellationToken.ThrowIfCancellationRequested();
        var arguments = ProcedureValidator.CheckRecordedStep(step);
        if (step.Kind is StepKind.Function && _memory.Options.Excludes(step.Action))
        {
            return;
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
            if (!Admits())
            {
                ThrowIfIncomplete();
            }

            ordinal = _nextOrdinal++;
            _inFlight++;
        }

        try
        {
            step = step with
            {
                Ordinal = ordinal,
                Arguments = captured,
                Result = result,
                Action = step.Kind is StepKind.Manual ? _capture.Plain.Text(step.Action) : step.Action,
                Failure = _capture.Plain.Failure(step.Failure),
                Outcome = step.Outcome is null ? null : _capture.Plain.Text(step.Outcome),
                Notes = step.Notes is null ? null : _capture.Plain.Text(step.Notes),
                Parameters = _signatures.New(step),
                StartedAt = step.StartedAt == default ? _memory.Time.GetUtcNow() : step.StartedAt,
            };
            await AppendAsync(step, cancellationToken).ConfigureAwait(false);
            _signatures.Stored(step);
        }
        catch (RecordingStateException exception) when (!IsGivenUp())
        {
            // Another recorder writes to the trace: what it holds from here on is not what this one was told.
            MarkIncomplete(exception);
            throw;
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
        ThrowIfOfTurn();
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
                calls.RemoveAll(c => !Json.AreEqual(c.Arguments, failed));
            }

            call = calls.FindLast(c => !c.HasWords && wanted is { } value && Json.AreEqual(c.Arguments, value)) ?? calls.FindLast(c => !c.HasWords) ?? calls.LastOrDefault();
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
                outcome is null ? null : _capture.Plain.Text(outcome),
                notes is null ? null : _capture.Plain.Text(notes),
                _capture.Plain.Failure(failure),
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

    /// <summary>Writes a step; one of a turn is kept until the turn has ended.</summary>
    private Task AppendAsync(TraceStep step, CancellationToken cancellationToken)
    {
        if (_turn is null)
        {
            return _memory.Store.AppendTraceStepAsync(TraceId, step, cancellationToken);
        }

        lock (_gate)
        {
            _turnSteps.Add(step);
        }

        return Task.CompletedTask;
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

    private void MarkIncomplete(string reason, Exception? cause)
    {
        lock (_gate)
        {
            _fault ??= new Fault(reason, cause);
        }
    }

    /// <summary>Whether one more call is recorded; to be asked under the lock. One that is turned away leaves a hole if the recording goes on after it.</summary>
    private bool Admits()
    {
        if (_state is not RecorderState.Active)
        {
            _turnedAway = true;
            return false;
        }

        var most = _memory.Options.MaxSteps;
        if (_fault is null && _nextOrdinal >= most)
        {
            _fault = new Fault(string.Create(CultureInfo.InvariantCulture, $"more calls were made than {nameof(ProceduralMemoryOptions.MaxSteps)} ({most}) allows; record so long a task in parts"), null);
        }

        return _fault is null;
    }

    /// <summary>Whether the end of a call is still recorded. A recording that is being finalized waits for the calls in flight, but for none that is detached.</summary>
    private bool Reenter(RecordedCall call)
    {
        lock (_gate)
        {
            if (_state is RecorderState.Active || (_state is RecorderState.Finalizing && !call.IsDetached))
            {
                _inFlight += call.IsDetached ? 1 : 0;
                return true;
            }

            if (!call.IsDetached)
            {
                LeaveLocked();
            }

            _turnedAway = true;
            return false;
        }
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
            throw new RecordingStateException($"The recording '{Name}' is incomplete, because {fault.Reason}. Abandon it, and record the task again.", fault.Cause);
        }
    }

    /// <summary>Why the recording cannot be finalized.</summary>
    private sealed record Fault(string Reason, Exception? Cause);

    private sealed record AnnotatableCall(int Ordinal, string Action, JsonElement Arguments)
    {
        public bool HasWords { get; set; }
    }
}
