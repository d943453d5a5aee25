namespace ProceduralMemory.Replay;

/// <summary>
/// Puts to a person what a replay is about to do. It is the host's: nothing that a model calls reaches it but through a replay, and what it answers is taken for a
/// person's word. It may take its time, and may be called from several threads.
/// </summary>
public interface IReplayApprover
{
    /// <summary>Asks. An exception counts as <see cref="ApprovalDecision.Pending"/>, except for cancellation by the token.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="cancellationToken">Cancels the question, with the replay.</param>
    /// <returns>What was decided, and by whom.</returns>
    Task<ApprovalDecision> DecideAsync(ApprovalRequest request, CancellationToken cancellationToken = default);
}

/// <summary>What was decided.</summary>
public sealed record ApprovalDecision
{
    internal const int MaxNameLength = 200;
    internal const int MaxReasonLength = 1000;

    private ApprovalDecision(ApprovalState state, string? by = null, string? reason = null) => (State, By, Reason) = (state, by, reason);

    /// <summary>Nobody has decided yet: the replay is not let through, and the question stays open.</summary>
    public static ApprovalDecision Pending { get; } = new(ApprovalState.Pending);

    /// <summary>Approved, rejected or pending.</summary>
    public ApprovalState State { get; }

    /// <summary>Who decided; <see langword="null"/> while nobody has.</summary>
    public string? By { get; }

    /// <summary>Why not.</summary>
    public string? Reason { get; }

    /// <summary>It may be done.</summary>
    /// <param name="by">The person who says so, as your records name them: at most 200 characters, without control characters. It is kept.</param>
    /// <exception cref="ArgumentException">No such name is given.</exception>
    public static ApprovalDecision Approved(string by) => new(ApprovalState.Approved, Name(by));

    /// <summary>It is not to be done. The decision stands until somebody approves.</summary>
    /// <param name="by">The person who says so, as your records name them: at most 200 characters, without control characters. It is kept.</param>
    /// <param name="reason">Why; it is kept, redacted and at most 1,000 characters of it, and told to whoever asks for the replay.</param>
    /// <exception cref="ArgumentException">No such name is given.</exception>
    public static ApprovalDecision Rejected(string by, string? reason = null) => new(ApprovalState.Rejected, Name(by), string.IsNullOrWhiteSpace(reason) ? null : ProcedureText.Shortened(reason.Trim(), MaxReasonLength));

    private static string Name(string by)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        by = by.Trim();
        return by.Length <= MaxNameLength && !by.Any(char.IsControl) && Json.IsWellFormed(by)
            ? by
            : throw new ArgumentException(FormattableString.Invariant($"Who decides is named in at most {MaxNameLength} characters, none of them a control character; {by.Length} characters were given."), nameof(by));
    }
}

/// <summary>Where the question for an approval stands.</summary>
public enum ApprovalState
{
    /// <summary>Asked, and nobody has decided.</summary>
    Pending,

    /// <summary>A person approved.</summary>
    Approved,

    /// <summary>A person rejected.</summary>
    Rejected,

    /// <summary>A person took an approval back: it is as if it had never been asked for.</summary>
    Revoked,

    /// <summary>Of a call: approved, and made. It approves no further call.</summary>
    Used,

    /// <summary>Of a call: the step asked for other arguments before anybody decided.</summary>
    Superseded,
}
