using System.Text.Json;

namespace ProceduralMemory;

/// <summary>One replay, as the execution log keeps it.</summary>
public sealed record Execution
{
    /// <summary>The identity of the execution.</summary>
    public required Guid Id { get; init; }

    /// <summary>The scope that its caller writes to, which may be another than that of the procedure: who shares a procedure does not see what others did with it.</summary>
    public required string Scope { get; init; }

    /// <summary>The procedure that ran.</summary>
    public required Guid ProcedureId { get; init; }

    /// <summary>Its name at the time of reading.</summary>
    public required string ProcedureName { get; init; }

    /// <summary>The version that ran.</summary>
    public required int Version { get; init; }

    /// <summary>The execution that this one is a step of, if any.</summary>
    public Guid? ParentId { get; init; }

    /// <summary>The step of the parent that this one is.</summary>
    public string? ParentStep { get; init; }

    /// <summary>Of an execution in a loop, the place of its element in the list, from 0.</summary>
    public int ParentIndex { get; init; }

    /// <summary>The outermost execution that this one is part of: its own id where it is part of none.</summary>
    public Guid RootId { get; init; }

    /// <summary>How often it was begun: 1, and one more each time it was resumed. It is counted of the outermost execution, and tells who may write to it.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>The process that runs it, or ran it last; <see langword="null"/> for one that an earlier version of this library wrote.</summary>
    public string? Owner { get; init; }

    /// <summary>Until when its process has said that it runs it (UTC); it says so again in time for as long as it lives.</summary>
    public DateTimeOffset? LeaseUntil { get; init; }

    /// <summary>What was asked of the replay beside the inputs, redacted: a JSON object, needed to resume it. Of a round of a loop, what tells its element from others. <see langword="null"/> for one that an earlier version of this library wrote, and which cannot be resumed.</summary>
    public JsonElement? Settings { get; init; }

    /// <summary>How it ended.</summary>
    public required ReplayOutcome Outcome { get; init; }

    /// <summary>What it says of its version; <see langword="null"/> when it does not count. One that failed and was resumed says what it said first.</summary>
    public ExecutionVerdict? Verdict { get; init; }

    /// <summary>The request that led to it, redacted.</summary>
    public string? Request { get; init; }

    /// <summary>The inputs by name, a JSON object, redacted.</summary>
    public JsonElement Inputs { get; init; } = Json.EmptyObject;

    /// <summary>Why it ended as it did, in a sentence.</summary>
    public string? Message { get; init; }

    /// <summary>When it began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took, over all its attempts; <see langword="null"/> while it runs, or where its process ended first.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>The steps as they were written down; a step that was never reached has no entry.</summary>
    public IReadOnlyList<ExecutionStep> Steps { get; init; } = [];

    /// <summary>The executions that are part of it: of the procedures that its steps replay, and of its loops for each element. Only <see cref="ProcedureMemory.GetExecutionAsync"/> reads them.</summary>
    public IReadOnlyList<Execution> Parts { get; init; } = [];

    /// <summary>The execution as text for people: each step with its effect, its status, what it was called with and what it gave, those of its parts below it. Redacted as the journal is, and cut where it is long.</summary>
    public string ToText() => ExecutionText.Of(this);
}

/// <summary>One step of an execution, as the execution log keeps it: written before the call, and completed after it.</summary>
public sealed record ExecutionStep
{
    /// <summary>Its place in the procedure, from 0.</summary>
    public required int Ordinal { get; init; }

    /// <summary>The step's id in its version.</summary>
    public required string StepId { get; init; }

    /// <summary>What was called.</summary>
    public required string Action { get; init; }

    /// <summary>How far it got. <see cref="StepStatus.Running"/> in the log of a dead process means: outcome unknown.</summary>
    public required StepStatus Status { get; init; }

    /// <summary>What it does to the world, as the host declared it then.</summary>
    public StepEffect Effect { get; init; }

    /// <summary>How often it was called: each call is written down before it is made. 0 when it was not called.</summary>
    public int Attempts { get; init; }

    /// <summary>The key that its calls carried; <see langword="null"/> when it was not called.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Whether it was done by other means than its own call, and its result told when the execution was resumed.</summary>
    public bool Repaired { get; init; }

    /// <summary>The trace of the calls by which it was repaired, where they were recorded.</summary>
    public Guid? RepairTraceId { get; init; }

    /// <summary>The arguments it was called with, redacted.</summary>
    public JsonElement? Arguments { get; init; }

    /// <summary>What it returned, redacted.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why the result is not kept, or <see langword="null"/>.</summary>
    public string? Omitted { get; init; }

    /// <summary>How the result compares with the expectation; <see langword="null"/> when there is none.</summary>
    public OutcomeMatch? Match { get; init; }

    /// <summary>Why it failed or was skipped.</summary>
    public StepFailure? Failure { get; init; }

    /// <summary>When it began (UTC).</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan? Duration { get; init; }
}

/// <summary>How a replay ended.</summary>
public enum ReplayOutcome
{
    /// <summary>Not ended; or left so by a process that died.</summary>
    Running,

    /// <summary>Every step that was to run did.</summary>
    Completed,

    /// <summary>A step failed. What is left is handed back.</summary>
    Failed,

    /// <summary>It was not let through: before the first step (inputs or functions are missing), or by a filter of the host. Not counted.</summary>
    Refused,

    /// <summary>It was cancelled. Not counted.</summary>
    Cancelled,

    /// <summary>It stopped to ask: whether a call had its effect is not known, a call needs approval, or a value is needed that is not kept. Not counted; it can be resumed.</summary>
    Waiting,
}
