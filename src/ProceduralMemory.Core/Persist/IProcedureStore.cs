using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Persist;

/// <summary>
/// Where procedures, traces and executions are kept. Every operation is atomic: it happens as a whole or not at all, and it is durable when its task ends.
/// Implementations are safe for use from several threads, and for several processes on one store. No query crosses the scopes that it is given;
/// an operation that takes an id alone relies on the id having come from such a query.
/// Faults of the store itself are raised as <see cref="ProcedureStoreException"/>.
/// </summary>
public interface IProcedureStore
{
    /// <summary>Begins a trace, with the steps that it has already, if any.</summary>
    Task InsertTraceAsync(Trace trace, CancellationToken cancellationToken = default);

    /// <summary>Adds a step to a trace in progress.</summary>
    /// <exception cref="RecordingStateException">The trace has ended or does not exist, or it has a step in that place already, written by another recorder.</exception>
    Task AppendTraceStepAsync(Guid traceId, TraceStep step, CancellationToken cancellationToken = default);

    /// <summary>Adds words to a step of a trace in progress, or marks it as failed; <see langword="null"/> leaves what is there.</summary>
    Task AnnotateTraceStepAsync(Guid traceId, int ordinal, string? outcome, string? notes, StepFailure? failure, CancellationToken cancellationToken = default);

    /// <summary>Ends a trace without making a procedure of it.</summary>
    /// <exception cref="RecordingStateException">The trace has ended or does not exist.</exception>
    Task EndTraceAsync(Guid traceId, TraceStatus status, DateTimeOffset endedAt, TraceUsage usage, CancellationToken cancellationToken = default);

    /// <summary>Reads a trace with its steps, ordered by <see cref="TraceStep.Ordinal"/>; <see langword="null"/> when the scopes hold none of that id.</summary>
    Task<Trace?> GetTraceAsync(IReadOnlyList<string> scopes, Guid traceId, CancellationToken cancellationToken = default);

    /// <summary>Reads traces of tasks without their steps, latest first; those that repaired an execution (<see cref="Trace.RepairOf"/>) are not among them.</summary>
    Task<IReadOnlyList<Trace>> ListTracesAsync(IReadOnlyList<string> scopes, TraceStatus? status, int limit, CancellationToken cancellationToken = default);

    /// <summary>Adds a version to the procedure of that scope and name, which is created if it is not there. Where the version comes from a trace, that is completed in the same transaction.</summary>
    /// <returns>The procedure at its new version.</returns>
    /// <exception cref="ProcedureConflictException">The name is taken and <see cref="NewVersion.MustBeNew"/> is set, or the active version is not the one that was expected, or the procedure was retired since.</exception>
    /// <exception cref="RecordingStateException">The trace has ended already.</exception>
    Task<Procedure> SaveVersionAsync(NewVersion version, CancellationToken cancellationToken = default);

    /// <summary>
    /// Reads a procedure by name, regardless of ASCII case. Of several scopes that have it the first where it can be replayed (it has an active version and is
    /// not retired), else the first; with <paramref name="version"/> the first that has that version.
    /// </summary>
    /// <param name="scopes">The scopes to look into, nearest first.</param>
    /// <param name="name">The name.</param>
    /// <param name="version">The version to show; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The procedure, or <see langword="null"/> when there is no such procedure or version.</returns>
    Task<Procedure?> GetProcedureAsync(IReadOnlyList<string> scopes, string name, int? version = null, CancellationToken cancellationToken = default);

    /// <summary>Stores a trace that shows a version anew and changes nothing of it, as completed: the version is then one that was distilled from this trace as well.</summary>
    /// <param name="procedureId">The procedure.</param>
    /// <param name="version">The version.</param>
    /// <param name="trace">The trace with its steps, which is not stored yet.</param>
    /// <param name="usage">What the recorded task cost.</param>
    /// <param name="at">The time (UTC).</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureConflictException">There is no such version any more.</exception>
    Task ConfirmVersionAsync(Guid procedureId, int version, Trace trace, TraceUsage usage, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Reads the procedures of some scopes, ordered by name.</summary>
    Task<IReadOnlyList<Procedure>> ListProceduresAsync(IReadOnlyList<string> scopes, bool includeRetired, CancellationToken cancellationToken = default);

    /// <summary>Reads the procedures of some scopes that have an active version and are not retired, at that version, in the order of their ids and a part at a time.</summary>
    /// <param name="scopes">The scopes.</param>
    /// <param name="after">The id of the last one of the part before; <see langword="null"/> for the first part.</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<Procedure>> ListActiveProceduresAsync(IReadOnlyList<string> scopes, Guid? after, int limit, CancellationToken cancellationToken = default);

    /// <summary>Reads the names of the procedures of some scopes, retired ones included, without what they hold.</summary>
    Task<IReadOnlyList<string>> ListNamesAsync(IReadOnlyList<string> scopes, CancellationToken cancellationToken = default);

    /// <summary>Lists the scopes that hold anything, for the host's own tools.</summary>
    Task<IReadOnlyList<string>> ListScopesAsync(CancellationToken cancellationToken = default);

    /// <summary>Reads all versions of a procedure, oldest first.</summary>
    Task<IReadOnlyList<ProcedureVersion>> ListVersionsAsync(Guid procedureId, CancellationToken cancellationToken = default);

    /// <summary>Reads the traces of what was done after an execution stopped, with their steps, earliest first.</summary>
    /// <param name="scopes">The scopes that are read.</param>
    /// <param name="executionId">The execution.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<Trace>> ListRepairsAsync(IReadOnlyList<string> scopes, Guid executionId, CancellationToken cancellationToken = default);

    /// <summary>Reads the traces that a version was distilled from, with their steps, latest first.</summary>
    /// <param name="procedureId">The procedure.</param>
    /// <param name="version">The version.</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<Trace>> ListVersionTracesAsync(Guid procedureId, int version, int limit, CancellationToken cancellationToken = default);

    /// <summary>Changes where a procedure or its versions stand, and writes down why, in one.</summary>
    /// <returns>Whether it was changed: not where <see cref="ProcedureChange.ExpectedActive"/> is not the active version any more.</returns>
    /// <exception cref="ProcedureNotFoundException">There is no such version.</exception>
    Task<bool> ChangeProcedureAsync(ProcedureChange change, CancellationToken cancellationToken = default);

    /// <summary>Reads what was decided about a procedure, in the order in which it was.</summary>
    Task<IReadOnlyList<Revision>> ListRevisionsAsync(Guid procedureId, CancellationToken cancellationToken = default);

    /// <summary>Reads what the latest counted executions of a version say, latest first, of whatever scope they are.</summary>
    /// <param name="procedureId">The procedure.</param>
    /// <param name="version">The version.</param>
    /// <param name="since">Those that began from then on (UTC).</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<ExecutionVerdict>> ListVerdictsAsync(Guid procedureId, int version, DateTimeOffset since, int limit, CancellationToken cancellationToken = default);

    /// <summary>Counts the executions of a version that have begun, whatever became of them, of whatever scope they are.</summary>
    Task<long> CountExecutionsAsync(Guid procedureId, int version, CancellationToken cancellationToken = default);

    /// <summary>Reads how the steps of a version did in its latest counted executions, of whatever scope they are.</summary>
    /// <param name="procedureId">The procedure.</param>
    /// <param name="version">The version.</param>
    /// <param name="executions">How many of the latest executions are looked at.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>By step id; a step that none of them came to is not in it.</returns>
    Task<IReadOnlyDictionary<string, StepTally>> ListLatestStepsAsync(Guid procedureId, int version, int executions, CancellationToken cancellationToken = default);

    /// <summary>Reads executions of a version that completed after one of its steps was done by other means in recorded calls, latest first, with their steps but without parts.</summary>
    /// <param name="scope">The scope of the executions.</param>
    /// <param name="procedureId">The procedure.</param>
    /// <param name="version">The version.</param>
    /// <param name="stepId">The step.</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<Execution>> ListRepairedAsync(string scope, Guid procedureId, int version, string stepId, int limit, CancellationToken cancellationToken = default);

    /// <summary>Puts procedures out of use in favour of another one, which adds their tags to its own.</summary>
    /// <exception cref="ProcedureConflictException">One of them is retired or has no active version, or together they have too many tags.</exception>
    Task MergeAsync(Guid keptId, IReadOnlyList<Guid> mergedIds, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Takes the last merge into a procedure back: what was merged is in use again, and labels and wordings are as before, but for what came since.</summary>
    /// <returns>The names of those that are in use again; empty where there is no merge to take back.</returns>
    Task<IReadOnlyList<string>> UnmergeAsync(Guid keptId, Guid? mergedId, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Erases everything of a scope, and what others replayed of its procedures. Nothing of it can be had back, and nothing is left of it in the store's files.</summary>
    Task<EraseResult> EraseScopeAsync(string scope, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Erases a procedure with all its versions, the traces that it alone was distilled from, and all executions of it, in whatever scope they are. Nothing of it can be had back.</summary>
    /// <param name="procedureId">The procedure.</param>
    /// <param name="tombstone">What is left of it, so that it is not learned again; <see langword="null"/> for nothing.</param>
    /// <param name="at">The time (UTC).</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    Task<EraseResult> EraseProcedureAsync(Guid procedureId, Tombstone? tombstone, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Reads the procedures that were merged into one, by name.</summary>
    Task<IReadOnlyList<Procedure>> ListMergedAsync(Guid keptId, CancellationToken cancellationToken = default);

    /// <summary>Erases a trace and all versions that were distilled from it or made of such, with their executions; procedures that have no other version go as a whole.</summary>
    Task<EraseResult> EraseTraceAsync(Guid traceId, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Marks a finalized trace as one that teaches nothing.</summary>
    Task WithdrawTraceAsync(Guid traceId, CancellationToken cancellationToken = default);

    /// <summary>Reads which versions of which procedures were distilled from a trace, or made of such a version.</summary>
    Task<IReadOnlyList<(string Name, IReadOnlySet<int> Versions)>> ListDrawnFromAsync(Guid traceId, CancellationToken cancellationToken = default);

    /// <summary>Reads the tombstones of a scope, latest first.</summary>
    Task<IReadOnlyList<Tombstone>> ListTombstonesAsync(string scope, CancellationToken cancellationToken = default);

    /// <summary>Removes a tombstone; <see langword="false"/> where the scope has none of that id.</summary>
    Task<bool> RemoveTombstoneAsync(string scope, Guid tombstoneId, CancellationToken cancellationToken = default);

    /// <summary>Writes down what a turn has cost, with what the tasks of the procedures that it replayed cost on average when they were recorded.</summary>
    /// <returns>What the turn has saved.</returns>
    Task<SavingsReport> AddTurnAsync(TurnCost cost, CancellationToken cancellationToken = default);

    /// <summary>Adds up what the turns of a scope have cost and saved that began at or after one time and before another.</summary>
    Task<SavingsReport> GetSavingsAsync(string scope, DateTimeOffset? since, DateTimeOffset? until, CancellationToken cancellationToken = default);

    /// <summary>Takes away executions and traces that were kept for long enough, of all scopes, in transactions of a bounded size.</summary>
    Task<RetentionResult> ApplyRetentionAsync(RetentionPolicy policy, DateTimeOffset now, CancellationToken cancellationToken = default);

    /// <summary>Gives back the room of what was deleted.</summary>
    /// <returns>Why that could not be done as a whole; <see langword="null"/> when it was.</returns>
    Task<string?> CompactAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Writes a part of the journal of an execution: that it begins, steps before and after their calls, how it ended; and where that counts, adds it to the
    /// statistics of its version and steps. All of the entry is written or nothing.
    /// </summary>
    /// <exception cref="ExecutionLostException">The claim is not in force any more: the execution was resumed elsewhere, or has ended.</exception>
    Task WriteExecutionAsync(JournalEntry entry, CancellationToken cancellationToken = default);

    /// <summary>Takes an execution over for a further attempt, in one compare-and-set: of several that try it with the same execution as they read it, one gets it.</summary>
    /// <param name="execution">The outermost execution as it was read, except for <see cref="Execution.Settings"/>: those are written.</param>
    /// <param name="owner">The process that takes it.</param>
    /// <param name="leaseUntil">Up to when it says so (UTC).</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The claim; <see langword="null"/> when the execution has moved on since it was read, or has completed.</returns>
    Task<ExecutionClaim?> ClaimExecutionAsync(Execution execution, string owner, DateTimeOffset leaseUntil, CancellationToken cancellationToken = default);

    /// <summary>Reads an execution with the ones that it is part of and that are part of it, all with their steps, the outermost first; empty when the scopes hold none of that id.</summary>
    Task<IReadOnlyList<Execution>> GetExecutionTreeAsync(IReadOnlyList<string> scopes, Guid executionId, CancellationToken cancellationToken = default);

    /// <summary>Reads executions without their steps, latest first.</summary>
    Task<IReadOnlyList<Execution>> ListExecutionsAsync(IReadOnlyList<string> scopes, ExecutionQuery query, CancellationToken cancellationToken = default);

    /// <summary>Reads decisions on versions, and open questions for them, in the order in which they came.</summary>
    /// <param name="scopes">The scopes that they were decided or asked in.</param>
    /// <param name="procedureIds">Those of these procedures only; <see langword="null"/> for all.</param>
    /// <param name="standingOnly">Only the latest of each scope, procedure and version, which is what holds.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<IReadOnlyList<VersionApproval>> ListVersionApprovalsAsync(IReadOnlyList<string> scopes, IReadOnlyCollection<Guid>? procedureIds, bool standingOnly, CancellationToken cancellationToken = default);

    /// <summary>Adds decisions on versions and open questions, all or none. A question for what is decided, or asked already, adds nothing.</summary>
    Task AddVersionApprovalsAsync(IReadOnlyList<VersionApproval> approvals, CancellationToken cancellationToken = default);

    /// <summary>Takes the approval for a call, which is used up by that: of several who want it at once, one gets it.</summary>
    /// <param name="executionId">The execution.</param>
    /// <param name="stepId">The step.</param>
    /// <param name="argumentsHash">The hash of the arguments.</param>
    /// <param name="at">The time (UTC): what expires at or before it does not hold.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The approval, now <see cref="ApprovalState.Used"/>; where there is none, the rejection or the open question for these arguments; else <see langword="null"/>.</returns>
    Task<CallApproval?> UseCallApprovalAsync(Guid executionId, string stepId, string argumentsHash, DateTimeOffset at, CancellationToken cancellationToken = default);

    /// <summary>Adds a decision on a call, or an open question for one, in place of any question that is open for the step. A question that is open already adds nothing.</summary>
    Task AddCallApprovalAsync(CallApproval approval, CancellationToken cancellationToken = default);

    /// <summary>Decides the open question for a call.</summary>
    /// <returns>What was decided, or <see langword="null"/> when nothing is open there.</returns>
    Task<CallApproval?> DecideCallApprovalAsync(CallApprovalDecision decision, CancellationToken cancellationToken = default);

    /// <summary>Reads decisions on calls and open questions, in the order in which they were asked for.</summary>
    Task<IReadOnlyList<CallApproval>> ListCallApprovalsAsync(IReadOnlyList<string> scopes, Guid? executionId, ApprovalState? state, CancellationToken cancellationToken = default);
}

/// <summary>What a person decided of a call.</summary>
/// <param name="Scopes">The scopes that the execution may be of.</param>
/// <param name="ExecutionId">The execution.</param>
/// <param name="StepId">The step.</param>
/// <param name="ArgumentsHash">The hash of the arguments that the person saw; <see langword="null"/> for whatever is asked for.</param>
/// <param name="State">Approved or rejected.</param>
/// <param name="By">Who decided.</param>
/// <param name="Reason">Why not.</param>
/// <param name="At">When (UTC).</param>
/// <param name="ExpiresAt">From when on an approval holds no more (UTC).</param>
public sealed record CallApprovalDecision(
    IReadOnlyList<string> Scopes,
    Guid ExecutionId,
    string StepId,
    string? ArgumentsHash,
    ApprovalState State,
    string By,
    string? Reason,
    DateTimeOffset At,
    DateTimeOffset? ExpiresAt);

/// <summary>A version to be stored.</summary>
public sealed record NewVersion
{
    /// <summary>The scope it is written to.</summary>
    public required string Scope { get; init; }

    /// <summary>What the version holds, and how the procedure is described. Text of an existing procedure is replaced where it is given.</summary>
    public required ProcedureDefinition Definition { get; init; }

    /// <summary>What made it.</summary>
    public required VersionReason Reason { get; init; }

    /// <summary>Who made it.</summary>
    public required ProcedureOrigin Origin { get; init; }

    /// <summary>Where it stands: active in place of the version that is, a candidate in place of the one that is, or a draft.</summary>
    public required VersionState State { get; init; }

    /// <summary>What is written down of why it was made; <see langword="null"/> for nothing beside <see cref="Reason"/>.</summary>
    public RevisionNote? Note { get; init; }

    /// <summary>Whether the name must not be taken.</summary>
    public bool MustBeNew { get; init; }

    /// <summary>The active version that the change was made from; where it has moved on or was retired since, the save is refused. <see langword="null"/> for no such check.</summary>
    public int? ExpectedActive { get; init; }

    /// <summary>Whether nothing is stored where the procedure has a version of the same <see cref="Reason"/> that holds the same, in whatever state: that one is returned.</summary>
    public bool OnlyOnce { get; init; }

    /// <summary>The request that the recorded task served.</summary>
    public string? Request { get; init; }

    /// <summary>The trace whose recording made the version.</summary>
    public Guid? TraceId { get; init; }

    /// <summary>The trace of <see cref="TraceId"/> with its steps, where it is stored in the same transaction; <see langword="null"/> where it is there already.</summary>
    public Trace? NewTrace { get; init; }

    /// <summary>All traces that the version was distilled from, that of <see cref="TraceId"/> included.</summary>
    public IReadOnlyList<Guid> Traces { get; init; } = [];

    /// <summary>Why the arguments have the sources that they have.</summary>
    public IReadOnlyList<ArgumentSource> Sources { get; init; } = [];

    /// <summary>What the recorded task cost, where the recording is completed in the same transaction; <see langword="null"/> where it has ended before.</summary>
    public TraceUsage? Usage { get; init; }

    /// <summary>The statistics that the version begins with: those of its recording, or none.</summary>
    public ExecutionStatistics Statistics { get; init; } = ExecutionStatistics.None;

    /// <summary>The statistics that its steps begin with, by step id.</summary>
    public IReadOnlyDictionary<string, StepStatistics> StepStatistics { get; init; } = new Dictionary<string, StepStatistics>();

    /// <summary>The time of the change (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>A change of where a procedure and its versions stand. What is <see langword="null"/> or empty stays as it is.</summary>
public sealed record ProcedureChange
{
    /// <summary>The procedure.</summary>
    public required Guid ProcedureId { get; init; }

    /// <summary>The active version that the change was decided for: where it is another one, nothing is changed. <see langword="null"/> for no such check.</summary>
    public int? ExpectedActive { get; init; }

    /// <summary>The candidate that the change was decided for: where it is another one or none, nothing is changed. <see langword="null"/> for no such check.</summary>
    public int? ExpectedCandidate { get; init; }

    /// <summary>Whether the evidence decided it, and no person: then nothing is changed where the procedure was pinned, stopped or put out of use in the meantime.</summary>
    public bool ByEvidence { get; init; }

    /// <summary>The version that becomes the active one; the one that was active retires. A retired procedure comes back into use, and one in quarantine out of it.</summary>
    public int? Activate { get; init; }

    /// <summary>Versions that become something else than active.</summary>
    public IReadOnlyDictionary<int, VersionState> States { get; init; } = new Dictionary<int, VersionState>();

    /// <summary>Whether it is out of use. Not to be set together with <see cref="Activate"/>.</summary>
    public bool? Retired { get; init; }

    /// <summary>Whether it keeps its active version whatever the evidence says.</summary>
    public bool? Pinned { get; init; }

    /// <summary>Whether it is in quarantine, for the reason of <see cref="Note"/>.</summary>
    public bool? Quarantined { get; init; }

    /// <summary>Why.</summary>
    public required RevisionNote Note { get; init; }

    /// <summary>The time of the change (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>The right to write to an execution and to those that are part of it.</summary>
/// <param name="RootId">The outermost execution.</param>
/// <param name="Attempt">Its attempt. Whoever resumes it raises the number, and what was claimed with an earlier one is in force no more.</param>
public sealed record ExecutionClaim(Guid RootId, int Attempt);

/// <summary>What is written to the journal of an execution at once.</summary>
public sealed record JournalEntry
{
    /// <summary>The right to write it.</summary>
    public required ExecutionClaim Claim { get; init; }

    /// <summary>The execution.</summary>
    public required Guid ExecutionId { get; init; }

    /// <summary>The execution itself, where this is its first entry.</summary>
    public Execution? Begun { get; init; }

    /// <summary>Whether an execution that had ended, and is part of one that was resumed, goes on.</summary>
    public bool Reopened { get; init; }

    /// <summary>Steps before their call or after it, or left out.</summary>
    public IReadOnlyList<ExecutionStep> Steps { get; init; } = [];

    /// <summary>How it ended, where this is its last entry.</summary>
    public EndedExecution? Ended { get; init; }

    /// <summary>Up to when its process says that it runs the outermost execution (UTC); <see langword="null"/> leaves what was said.</summary>
    public DateTimeOffset? LeaseUntil { get; init; }
}

/// <summary>How an execution ended.</summary>
/// <param name="ExecutionId">The execution.</param>
/// <param name="ProcedureId">The procedure that ran.</param>
/// <param name="Version">The version that ran.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Message">Why, in a sentence.</param>
/// <param name="EndedAt">When (UTC).</param>
/// <param name="Duration">How long this attempt took.</param>
/// <param name="Verdict">What it says of the procedure; <see langword="null"/> when it does not count.</param>
/// <param name="Steps">What it says of its steps; of one that does not count, only of those that were repaired.</param>
public sealed record EndedExecution(
    Guid ExecutionId,
    Guid ProcedureId,
    int Version,
    ReplayOutcome Outcome,
    string? Message,
    DateTimeOffset EndedAt,
    TimeSpan Duration,
    ExecutionVerdict? Verdict,
    IReadOnlyList<CountedStep> Steps);

/// <summary>What an execution says of a step.</summary>
/// <param name="StepId">The step.</param>
/// <param name="Verdict">What it says.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="ErrorType">What it failed of.</param>
public sealed record CountedStep(string StepId, StepVerdict Verdict, TimeSpan Duration, string? ErrorType = null);

/// <summary>What an execution says of a step.</summary>
public enum StepVerdict
{
    /// <summary>It was done, and is as expected as far as anything is.</summary>
    Success,

    /// <summary>It failed, or broke off.</summary>
    Failure,

    /// <summary>It was done, and whether it is as expected could not be told.</summary>
    Unknown,

    /// <summary>It was left out.</summary>
    Skipped,

    /// <summary>Somebody did it in place of its own call. That is counted once, and whether or not the execution counts.</summary>
    Repaired,
}

/// <summary>Which executions to list.</summary>
public sealed record ExecutionQuery
{
    /// <summary>Those of one procedure only.</summary>
    public Guid? ProcedureId { get; init; }

    /// <summary>Those that ended so only.</summary>
    public ReplayOutcome? Outcome { get; init; }

    /// <summary>Those that are part of no other only.</summary>
    public bool OutermostOnly { get; init; }

    /// <summary>Those that began at or after this time (UTC) only.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>The most to return; the default is 100.</summary>
    public int Limit { get; init; } = 100;
}

/// <summary>How a step did in some executions.</summary>
/// <param name="Runs">In how many it ran.</param>
/// <param name="Failures">In how many it failed, or broke off so that it is not known whether it had its effect. One that somebody did in its place had failed.</param>
public sealed record StepTally(long Runs, long Failures);
