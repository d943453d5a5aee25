namespace ProceduralMemory.Revise;

/// <summary>Which procedures are forgotten: what nobody has used for long, and what did not do well when it was used. Both must be so. What is pinned, or what another procedure replays or names as its undo, is not forgotten.</summary>
public sealed record ForgetPolicy
{
    /// <summary>How long a procedure was neither executed nor changed: 180 days unless said otherwise.</summary>
    public TimeSpan UnusedFor { get; init; } = TimeSpan.FromDays(180);

    /// <summary>The <see cref="ExecutionStatistics.SuccessBound"/> over all versions from which a procedure is kept however long it is unused, from 0 to 1: .5 unless said otherwise, which four successes of four reach.</summary>
    public double KeepFrom { get; init; } = 0.5;

    internal void Validate()
    {
        if (UnusedFor < TimeSpan.Zero)
        {
            throw new ArgumentException($"{nameof(UnusedFor)} is {UnusedFor}, which is below zero.");
        }

        if (KeepFrom is not (>= 0 and <= 1))
        {
            throw new ArgumentException(FormattableString.Invariant($"{nameof(KeepFrom)} is {KeepFrom}; it goes from 0 to 1."));
        }
    }
}

/// <summary>A procedure that was forgotten, or would be.</summary>
/// <param name="Scope">Its scope.</param>
/// <param name="Name">Its name.</param>
/// <param name="Reason">Why, in a sentence.</param>
public sealed record ForgottenProcedure(string Scope, string Name, string Reason);
