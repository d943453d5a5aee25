using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>A decision on a version of a procedure, or the open question for one. Decisions are added and never changed: the latest of a scope stands.</summary>
public sealed record VersionApproval
{
    /// <summary>The scope that it was decided or asked in: it holds for those who read that scope.</summary>
    public required string Scope { get; init; }

    /// <summary>The procedure.</summary>
    public required Guid ProcedureId { get; init; }

    /// <summary>Its name at the time of reading.</summary>
    public string ProcedureName { get; init; } = "";

    /// <summary>The version.</summary>
    public required int Version { get; init; }

    /// <summary>What was decided: pending, approved, rejected or revoked.</summary>
    public required ApprovalState State { get; init; }

    /// <summary>Who decided; <see langword="null"/> for an open question.</summary>
    public string? By { get; init; }

    /// <summary>Why not, redacted.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was decided or asked (UTC).</summary>
    public required DateTimeOffset At { get; init; }
}

/// <summary>A decision on one call of a replay, or the open question for one: for this step of this execution, and for these arguments.</summary>
public sealed record CallApproval
{
    /// <summary>The identity of the question.</summary>
    public required Guid Id { get; init; }

    /// <summary>The scope of the execution.</summary>
    public required string Scope { get; init; }

    /// <summary>The execution.</summary>
    public required Guid ExecutionId { get; init; }

    /// <summary>The step in the execution's procedure.</summary>
    public required string StepId { get; init; }

    /// <summary>The function, as <c>plugin.function</c>.</summary>
    public required string Action { get; init; }

    /// <summary>What it does to the world.</summary>
    public required StepEffect Effect { get; init; }

    /// <summary>The arguments, redacted.</summary>
    public required JsonElement Arguments { get; init; }

    /// <summary>SHA-256 of the arguments, in hexadecimal: the call is let through with these, and with no others. Secrets that were redacted are not told apart.</summary>
    public required string ArgumentsHash { get; init; }

    /// <summary>Where it stands.</summary>
    public required ApprovalState State { get; init; }

    /// <summary>When it was asked for (UTC).</summary>
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>Who decided.</summary>
    public string? By { get; init; }

    /// <summary>Why not, redacted.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was decided (UTC).</summary>
    public DateTimeOffset? DecidedAt { get; init; }

    /// <summary>From when on an approval that was not used holds no more (UTC).</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When the call was let through (UTC).</summary>
    public DateTimeOffset? UsedAt { get; init; }
}

/// <summary>What waits for a person.</summary>
/// <param name="Versions">Versions of procedures that somebody wanted to replay, in the order in which they were asked for.</param>
/// <param name="Calls">Calls of replays that stopped before them, in the order in which they were asked for.</param>
public sealed record PendingApprovals(IReadOnlyList<VersionApproval> Versions, IReadOnlyList<CallApproval> Calls);
