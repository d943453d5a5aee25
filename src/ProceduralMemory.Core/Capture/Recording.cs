using System.Text.Json;

namespace ProceduralMemory.Capture;

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

    internal TraceStep Step { get; set; }

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

    /// <summary>The inputs of the task that the caller knows by name, as from a form or a ticket. The procedure keeps the names of those that its steps use.</summary>
    public IReadOnlyDictionary<string, JsonElement> Inputs { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Free labels for the procedure.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Remarks for the procedure.</summary>
    public string? Notes { get; init; }
}

/// <summary>What a finalized recording gave.</summary>
/// <param name="TraceId">The trace.</param>
/// <param name="Procedure">The procedure at its new version, or <see langword="null"/> when no successful step was recorded.</param>
/// <param name="DroppedSteps">How many recorded calls are not in the procedure, because they failed.</param>
public sealed record RecordingResult(Guid TraceId, Procedure? Procedure, int DroppedSteps)
{
    /// <summary>Where there is a procedure of that name which does something else, or of which a step failed here: nothing is stored, the trace is kept, and <see cref="ProcedureMemory.DistillTraceAsync"/> makes a procedure of it under another name, or as a replacement.</summary>
    public SkillConflict? Conflict { get; init; }

    /// <summary>Why what was recorded is not learned: a person erased such a procedure, or rejected it. The trace teaches nothing then. <see langword="null"/> where it is no such thing.</summary>
    public string? Unwanted { get; init; }

    /// <summary>Where the recording says something else than a person set; what the person set stands.</summary>
    public IReadOnlyList<string> Contradictions { get; init; } = [];

    /// <summary>The actions whose calls failed and did not succeed afterwards. What was learned does not call them, unless an earlier recording did.</summary>
    public IReadOnlyList<string> FailedCalls { get; init; } = [];

    /// <summary>The steps that the procedure does only if a condition holds from this version on, each with its condition in words: this recording did without them, or added them.</summary>
    public IReadOnlyList<string> NowOptional { get; init; } = [];

    /// <summary>In a sentence or two: what was learned, or why nothing was, with the mend.</summary>
    public string Message
    {
        get => field ?? Describe();
        init;
    }

    private string Describe() => this switch
    {
        { Conflict: { FailedCall: not null } conflict } => $"Nothing is stored, and '{conflict.ProcedureName}' is as it was. {conflict.Difference} Record the task again when that call succeeds. The trace is kept; {nameof(ProcedureMemory.DistillTraceAsync)} makes a procedure of it under another name, or as a replacement.",
        { Conflict: { } conflict } => $"Nothing is stored: '{conflict.ProcedureName}' does something else. {conflict.Difference} The trace is kept; {nameof(ProcedureMemory.DistillTraceAsync)} makes a procedure of it under another name, or as a replacement.",
        { Unwanted: { } unwanted } => $"Nothing is stored. {unwanted}",
        { Procedure: { Version.State: VersionState.Draft } draft } => FormattableString.Invariant($"'{draft.Name}' is proposed as version {draft.Version.Number}, with {Counted(draft.Version.Steps.Count, "step")}: a draft that waits for review ({nameof(ProcedureMemory.ListForReviewAsync)}, {nameof(ProcedureMemory.AcceptAsync)})."),
        { Procedure: { Version.State: VersionState.Candidate, IsPinned: false, QuarantinedAt: null } proposed } => FormattableString.Invariant($"'{proposed.Name}' goes on at version {proposed.ActiveVersion}: what was learned is stored as version {proposed.Version.Number}, a candidate that a person can activate."),
        { Procedure: { Version.State: VersionState.Candidate } held } => FormattableString.Invariant($"'{held.Name}' is {(held.IsPinned ? "pinned" : "stopped")} at version {held.ActiveVersion}: what was recorded is stored as version {held.Version.Number}, a candidate that a person can activate.{Doubts}"),
        { Procedure: { } procedure } => FormattableString.Invariant($"'{procedure.Name}' is stored as version {procedure.Version.Number}, with {Counted(procedure.Version.Steps.Count, "step")}{(DroppedSteps > 0 ? $"; {Counted(DroppedSteps, "failed call")} left out" : "")}.{Doubts}"),
        { DroppedSteps: > 0 } => $"Nothing is stored: of {Counted(DroppedSteps, "recorded call")} none is a new step that succeeded.",
        _ => "Nothing is stored, since no call was recorded. Make the calls between the start and the end of the recording and through what records them, such as a filter; or record them by hand.",
    };

    /// <summary>What of the recording may not be meant to be learned; empty, or sentences with a blank before.</summary>
    internal string Doubts =>
        (FailedCalls.Count > 0 ? $" {string.Join(", ", FailedCalls)} failed and did not succeed afterwards: if the task needs {(FailedCalls.Count == 1 ? "it" : "them")}, record it again." : "")
        + (NowOptional.Count > 0 ? $" Optional from now on: {string.Join(", ", NowOptional)}." : "");

    private static string Counted(int count, string what) => FormattableString.Invariant($"{count} {what}{(count == 1 ? "" : "s")}");
}

/// <summary>Two tasks that are not of one kind, under one name; or one that the recording shows less of than the procedure does, because a call failed.</summary>
/// <param name="ProcedureName">The procedure that has the name.</param>
/// <param name="Difference">Why the recording does not belong to it, in a sentence.</param>
/// <param name="Recorded">What was recorded, in a line, with the calls that failed for good.</param>
/// <param name="Standing">What the procedure does, in a line.</param>
public sealed record SkillConflict(string ProcedureName, string Difference, string Recorded, string Standing)
{
    /// <summary>Where a step of the procedure failed in the recording and did not succeed afterwards: its action. The recording then teaches nothing of whether the step is needed.</summary>
    public string? FailedCall { get; init; }
}
