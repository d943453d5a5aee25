using System.Text.Json;

namespace ProceduralMemory.Revise;

/// <summary>Something that was decided about a procedure, as it is kept.</summary>
public sealed record Revision
{
    /// <summary>The procedure.</summary>
    public required Guid ProcedureId { get; init; }

    /// <summary>The version that it is about, if it is about one.</summary>
    public int? Version { get; init; }

    /// <summary>What was decided, and why.</summary>
    public required RevisionNote Note { get; init; }

    /// <summary>When (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>What was decided, and why.</summary>
public sealed record RevisionNote
{
    /// <summary>What was decided.</summary>
    public required RevisionKind Kind { get; init; }

    /// <summary>Why, in a sentence, without values.</summary>
    public required string Reason { get; init; }

    /// <summary>The counts and ids that it rests on: a JSON object without values of anybody's.</summary>
    public JsonElement Evidence { get; init; } = Json.EmptyObject;

    /// <summary>The person who decided it; <see langword="null"/> where the evidence did.</summary>
    public string? By { get; init; }
}

/// <summary>What was decided about a procedure.</summary>
public enum RevisionKind
{
    /// <summary>A candidate was made.</summary>
    Proposed,

    /// <summary>A person made a version the active one.</summary>
    Activated,

    /// <summary>A candidate became the active version by its evidence.</summary>
    Promoted,

    /// <summary>A candidate was given up by its evidence, or by a person.</summary>
    Rejected,

    /// <summary>A candidate was given up, because another version was made or activated meanwhile: nothing is said of how good it was.</summary>
    Superseded,

    /// <summary>The version before became active again.</summary>
    RolledBack,

    /// <summary>The active version was pinned.</summary>
    Pinned,

    /// <summary>The pin was taken off.</summary>
    Unpinned,

    /// <summary>The procedure was stopped.</summary>
    Quarantined,

    /// <summary>The procedure may be replayed again.</summary>
    Released,

    /// <summary>Another procedure was merged into it, or it into another one.</summary>
    Merged,

    /// <summary>A merge was taken back.</summary>
    Unmerged,

    /// <summary>What a trace had taught was taken back.</summary>
    Withdrawn,

    /// <summary>It is out of use, because nobody had used it for long and it did not do well.</summary>
    Forgotten,
}
