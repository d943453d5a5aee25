namespace ProceduralMemory;

/// <summary>A named skill in a scope, shown at one of its versions.</summary>
public sealed record Procedure
{
    /// <summary>The identity that outlives renames and versions.</summary>
    public required Guid Id { get; init; }

    /// <summary>The isolation key under which it is stored: tenant, agent or user.</summary>
    public required string Scope { get; init; }

    /// <summary>The name, unique in its scope regardless of ASCII case.</summary>
    public required string Name { get; init; }

    /// <summary>What the procedure achieves, in a sentence.</summary>
    public string Description { get; init; } = "";

    /// <summary>Free labels to group and find it by.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Remarks for people and agents; never interpreted.</summary>
    public string? Notes { get; init; }

    /// <summary>Who made its first version.</summary>
    public required ProcedureOrigin Origin { get; init; }

    /// <summary>The version that a replay runs, or <see langword="null"/> while none is active (an import that nobody activated yet).</summary>
    public int? ActiveVersion { get; init; }

    /// <summary>Whether the procedure is out of use: it is kept, but neither found nor replayed.</summary>
    public bool IsRetired { get; init; }

    /// <summary>The version that competes with the active one, if any.</summary>
    public int? CandidateVersion { get; init; }

    /// <summary>Whether it keeps its active version whatever the evidence says.</summary>
    public bool IsPinned { get; init; }

    /// <summary>Why it is neither found nor replayed for now; <see langword="null"/> when it is not in quarantine.</summary>
    public string? QuarantineReason { get; init; }

    /// <summary>Since when it is in quarantine (UTC).</summary>
    public DateTimeOffset? QuarantinedAt { get; init; }

    /// <summary>The procedure that this one was merged into, if any.</summary>
    public Guid? MergedInto { get; init; }

    /// <summary>The version this instance shows: the one asked for, else the active one, else the newest.</summary>
    public required ProcedureVersion Version { get; init; }

    /// <summary>Statistics over all versions.</summary>
    public required ExecutionStatistics Statistics { get; init; }

    /// <summary>When it was first stored (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it last changed (UTC); an execution is no change.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>Whether a replay that names no version can run it.</summary>
    internal bool CanBeReplayed => !IsRetired && ActiveVersion is not null && QuarantinedAt is null;
}

/// <summary>Who made a procedure or a version of it.</summary>
public enum ProcedureOrigin
{
    /// <summary>An agent's recording.</summary>
    Agent,

    /// <summary>A person, or the host's code on a person's behalf.</summary>
    User,

    /// <summary>A document from elsewhere.</summary>
    Import,
}

/// <summary>An immutable list of steps with its inputs. A change makes a new version; only the state of an old one moves.</summary>
public sealed record ProcedureVersion
{
    /// <summary>1 for the first, and one more for each that follows.</summary>
    public required int Number { get; init; }

    /// <summary>The scope of the procedure that this is a version of.</summary>
    public string Scope { get; init; } = "";

    /// <summary>The version that was active when this one was made, or <see langword="null"/> when none was; an optimised version was made from it.</summary>
    public int? Parent { get; init; }

    /// <summary>What made it.</summary>
    public required VersionReason Reason { get; init; }

    /// <summary>Where it stands in its life.</summary>
    public required VersionState State { get; init; }

    /// <summary>Who made it.</summary>
    public required ProcedureOrigin Origin { get; init; }

    /// <summary>The request, redacted, that the recorded task served; <see langword="null"/> when unknown.</summary>
    public string? Request { get; init; }

    /// <summary>The trace it was distilled from; <see langword="null"/> when it was not recorded.</summary>
    public Guid? TraceId { get; init; }

    /// <summary>The parameters that a replay takes.</summary>
    public IReadOnlyList<ProcedureInput> Inputs { get; init; } = [];

    /// <summary>What is done, in order.</summary>
    public required IReadOnlyList<ProcedureStep> Steps { get; init; }

    /// <summary>The procedure that undoes what this one does, by name; <see langword="null"/> when none is known. It is offered where a replay stops halfway, and never replayed by itself.</summary>
    public string? Undo { get; init; }

    /// <summary>For each argument of a distilled version, where its value comes from and why; empty where a person wrote the version.</summary>
    public IReadOnlyList<ArgumentSource> Sources { get; init; } = [];

    /// <summary>What the functions that the steps call declared when they were recorded: a replay compares it with what they declare then. A function without an entry is not compared.</summary>
    public IReadOnlyList<FunctionSignature> Signatures { get; init; } = [];

    /// <summary>Statistics of this version alone.</summary>
    public ExecutionStatistics Statistics { get; init; } = ExecutionStatistics.None;

    /// <summary>Statistics by step id; a step that never ran has no entry.</summary>
    public IReadOnlyDictionary<string, StepStatistics> StepStatistics { get; init; } = new Dictionary<string, StepStatistics>();

    /// <summary>When it was made (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>What made a version.</summary>
public enum VersionReason
{
    /// <summary>Distilled from a recording.</summary>
    Recorded,

    /// <summary>Stored by hand.</summary>
    Stored,

    /// <summary>Improved from the statistics of an earlier version.</summary>
    Optimized,

    /// <summary>Read from an exported document.</summary>
    Imported,

    /// <summary>Corrected by a person.</summary>
    Edited,

    /// <summary>Proposed for functions that call their parameters otherwise since: the same steps with the new names. It is a draft until somebody activates it.</summary>
    Adapted,

    /// <summary>Distilled anew from the other traces after one had been withdrawn or erased.</summary>
    Renewed,
}

/// <summary>Where a version stands in its life.</summary>
public enum VersionState
{
    /// <summary>Made, but not approved for replay.</summary>
    Draft,

    /// <summary>Competes with the active version: it becomes the active one by a person's word, or by its evidence where the host lets it take a share of replays.</summary>
    Candidate,

    /// <summary>The one that a replay runs.</summary>
    Active,

    /// <summary>The active one of a procedure that was stopped: it is neither found nor replayed until it is released, or another version is activated.</summary>
    Quarantined,

    /// <summary>Kept, and out of use.</summary>
    Retired,
}

/// <summary>What <see cref="ProcedureMemory.StoreAsync"/> takes: a procedure written by hand or by code.</summary>
public sealed record ProcedureDefinition
{
    /// <summary>The name, at most 128 characters, without control characters.</summary>
    public required string Name { get; init; }

    /// <summary>What the procedure achieves, in a sentence. It is searched.</summary>
    public string Description { get; init; } = "";

    /// <summary>Free labels to group and find it by.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Remarks for people and agents; never interpreted.</summary>
    public string? Notes { get; init; }

    /// <summary>The parameters that a replay takes; every <c>$inputs.name</c> used in a step must be declared here.</summary>
    public IReadOnlyList<ProcedureInput> Inputs { get; init; } = [];

    /// <summary>The procedure that undoes what this one does, by name, if there is one.</summary>
    public string? Undo { get; init; }

    /// <summary>What is done, in order; at least one.</summary>
    public required IReadOnlyList<ProcedureStep> Steps { get; init; }

    /// <summary>What the functions that the steps call declare of their parameters now, where it is known: see <see cref="ProcedureVersion.Signatures"/>. At most 64 KiB each and 1 MiB together; those of functions that no step calls are left out.</summary>
    public IReadOnlyList<FunctionSignature> Signatures { get; init; } = [];
}
