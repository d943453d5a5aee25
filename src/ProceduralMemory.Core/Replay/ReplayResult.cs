using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>How a replay went. A replay that fails is a value, not an exception: what is done, what failed, and what is left.</summary>
public sealed record ReplayResult
{
    private readonly Lazy<JsonElement>? _result;

    /// <summary>The execution in the log; <see langword="null"/> when the replay was refused before its first step.</summary>
    public Guid? ExecutionId { get; init; }

    /// <summary>The procedure.</summary>
    public required string ProcedureName { get; init; }

    /// <summary>The version.</summary>
    public required int Version { get; init; }

    /// <summary>How it ended.</summary>
    public required ReplayOutcome Outcome { get; init; }

    /// <summary>The same in a sentence.</summary>
    public required string Message { get; init; }

    /// <summary>What it says of the procedure; <see langword="null"/> when it does not count.</summary>
    public ExecutionVerdict? Verdict { get; init; }

    /// <summary>Whether the execution can be resumed with <see cref="ProcedureMemory.ResumeAsync"/>: it has begun, is not completed, and nobody else runs it.</summary>
    public bool CanResume => ExecutionId is not null && Outcome is not (ReplayOutcome.Completed or ReplayOutcome.Running) && !Problems.Any(p => p.Code == ReplayProblemCodes.NotResumable);

    /// <summary>What takes secrets out, which knows those that the replay has met; <see langword="null"/> where nothing was begun.</summary>
    internal Capture.ValueCapture? Capture { get; init; }

    /// <summary>Whether it was refused before this attempt of it called anything.</summary>
    internal bool IsTurnedAway { get; init; }

    /// <summary>The procedure that undoes what this one does, where it names one and something is done. Nothing undoes by itself.</summary>
    public string? Undo { get; init; }

    /// <summary>What stood in the way before the first step; or, where it waits, what it waits for.</summary>
    public IReadOnlyList<ReplayProblem> Problems { get; init; } = [];

    /// <summary>
    /// The steps whose functions declare something else than when they were recorded, those of procedures inside included: what does no harm, what was adapted, and, where the
    /// replay was refused, what stood in the way. Empty where nothing changed, or what was declared is not known.
    /// </summary>
    public IReadOnlyList<StepDrift> Drift { get; init; } = [];

    /// <summary>Every step in order: done, failed, skipped, or still <see cref="StepStatus.Pending"/>, which is what is left to do.</summary>
    public IReadOnlyList<StepOutcome> Steps
    {
        get;
        init
        {
            field = value;
            _result = new Lazy<JsonElement>(() => ResultOf(value));
        }
    }
    = [];

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>
    /// The results of the steps that gave one, as an object by step id: what a step that replays this procedure has as its own result. After an execution was resumed, markers stand
    /// for what was secret or too large to be kept.
    /// </summary>
    public JsonElement Result => _result?.Value ?? Json.EmptyObject;

    /// <summary>For those who prefer exceptions.</summary>
    /// <exception cref="ReplayNotCompletedException">The replay did not complete.</exception>
    public void ThrowIfNotCompleted()
    {
        if (Outcome is not ReplayOutcome.Completed)
        {
            throw new ReplayNotCompletedException(this);
        }
    }

    private static JsonElement ResultOf(IReadOnlyList<StepOutcome> steps) => Json.Build(writer =>
    {
        writer.WriteStartObject();
        foreach (var step in steps)
        {
            if (step is { Status: StepStatus.Success, Result: { } result })
            {
                writer.WritePropertyName(step.StepId);
                result.WriteTo(writer);
            }
            else if (step is { Status: StepStatus.Success, DoneBefore: true, Omitted: not null })
            {
                // There is one, and whoever needs it must not take it for none.
                writer.WriteString(step.StepId, TraceStep.OmittedMarker);
            }
        }

        writer.WriteEndObject();
    });
}

/// <summary>How one step of a replay went.</summary>
public sealed record StepOutcome
{
    /// <summary>The step.</summary>
    public required string StepId { get; init; }

    /// <summary>What it called.</summary>
    public required string Action { get; init; }

    /// <summary>How far it got.</summary>
    public required StepStatus Status { get; init; }

    /// <summary>How often it was called.</summary>
    public int Attempts { get; init; }

    /// <summary>The key that its calls carried; <see langword="null"/> when it was not called.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Whether it was done in an earlier attempt of the execution.</summary>
    public bool DoneBefore { get; init; }

    /// <summary>Whether it was done by other means than its own call, and its result told when the execution was resumed.</summary>
    public bool Repaired { get; init; }

    /// <summary>The trace of the calls by which it was done, where they were recorded.</summary>
    internal Guid? RepairTraceId { get; init; }

    /// <summary>What it does to the world, as the host declares it today.</summary>
    public StepEffect Effect { get; init; }

    /// <summary>Of a step that is left, what it is to be called with as far as that is known: an expression stands where a result is missing, and a marker for what is secret.</summary>
    public JsonElement? Left { get; init; }

    /// <summary>The arguments it was called with, as they were sent; <see langword="null"/> when it was not called.</summary>
    public JsonElement? Arguments { get; init; }

    /// <summary>Where each argument came from.</summary>
    public IReadOnlyDictionary<string, ArgumentOrigin> ArgumentOrigins { get; init; } = new Dictionary<string, ArgumentOrigin>();

    /// <summary>What it returned; <see langword="null"/> when it returned nothing.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why what it returned is not there, or <see langword="null"/>.</summary>
    public string? Omitted { get; init; }

    /// <summary>How the result compares with the expectation; <see langword="null"/> when there is none, or no result came.</summary>
    public OutcomeMatch? Match { get; init; }

    /// <summary>
    /// Where the result differs from the expectation: for each place a JSON Pointer, what was found and what was expected, such as <c>/status is "open" (expected "closed")</c>.
    /// Where one cannot tell, why. At most five, each short, without secrets.
    /// </summary>
    public IReadOnlyList<string> Differences { get; init; } = [];

    /// <summary>Why it failed or was skipped.</summary>
    public StepFailure? Failure { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Of a loop, how its steps went for each element that it came to.</summary>
    public IReadOnlyList<ReplayResult> Iterations { get; init; } = [];

    /// <summary>The replay of the procedure that this step is, if it is one.</summary>
    public ReplayResult? Nested { get; init; }
}

/// <summary>Where the value of an argument came from.</summary>
public enum ArgumentOrigin
{
    /// <summary>The template alone: the same at every replay.</summary>
    Constant,

    /// <summary>Inputs.</summary>
    Input,

    /// <summary>Results of earlier steps.</summary>
    Step,

    /// <summary>Inputs and results of earlier steps together.</summary>
    InputAndStep,

    /// <summary>An adapted parameter for the step.</summary>
    StepOverride,

    /// <summary>An adapted parameter for the action.</summary>
    ActionOverride,
}
