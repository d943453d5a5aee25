namespace ProceduralMemory;

/// <summary>What a counted execution says of the procedure. Refused, cancelled and still running executions are not counted.</summary>
public enum ExecutionVerdict
{
    /// <summary>Every step that was to run did, and no asserted expectation differs.</summary>
    Success,

    /// <summary>A step failed.</summary>
    Failure,

    /// <summary>Every step ran, but an asserted expectation could not be compared.</summary>
    Unknown,
}

/// <summary>
/// Counts and durations of executions. Counts are kept, not means: the running mean of the seed design,
/// <c>rate(n) = rate(n-1) + (outcome - rate(n-1)) / n</c>, equals successes over judged executions and loses nothing to rounding.
/// </summary>
public sealed record ExecutionStatistics
{
    /// <summary>Statistics of what never ran.</summary>
    public static ExecutionStatistics None { get; } = new();

    /// <summary>Counted executions; the recording that made a version is the first of them.</summary>
    public long Executions { get; init; }

    /// <summary>Those that succeeded.</summary>
    public long Successes { get; init; }

    /// <summary>Those that failed. What is left of <see cref="Executions"/> could not be judged.</summary>
    public long Failures { get; init; }

    /// <summary>Executions in which every step that was to run did: only these have a duration that can be compared.</summary>
    public long Completed { get; init; }

    /// <summary>The durations of the completed executions, added up.</summary>
    public TimeSpan TotalDuration { get; init; }

    /// <summary>The duration of the latest completed execution.</summary>
    public TimeSpan? LastDuration { get; init; }

    /// <summary>When the latest counted execution ended (UTC).</summary>
    public DateTimeOffset? LastExecutedAt { get; init; }

    /// <summary>Successes over judged executions, from 0 to 1; <see langword="null"/> while none was judged.</summary>
    public double? SuccessRate => Successes + Failures == 0 ? null : (double)Successes / (Successes + Failures);

    /// <summary>
    /// What the success rate is at least, with 95 % confidence: the lower bound of Wilson's interval, from 0 to 1, and 0 while no execution was judged. One success of one
    /// gives 0.21, 95 of 100 give 0.89 (E. B. Wilson, <i>Probable Inference, the Law of Succession, and Statistical Inference</i>, 1927).
    /// </summary>
    public double SuccessBound => WilsonBound(Successes, Successes + Failures);

    internal static double WilsonBound(long successes, long judged)
    {
        if (judged == 0)
        {
            return 0;
        }

        const double Z = 1.959963984540054;
        var n = (double)judged;
        var rate = successes / n;
        return Math.Max(0, (rate + (Z * Z / (2 * n)) - (Z * Math.Sqrt(((rate * (1 - rate)) + (Z * Z / (4 * n))) / n))) / (1 + (Z * Z / n)));
    }

    /// <summary>The mean duration of completed executions; <see langword="null"/> while none completed.</summary>
    public TimeSpan? MeanDuration => Completed == 0 ? null : TotalDuration / Completed;

    /// <summary>These statistics with one more execution in them.</summary>
    /// <param name="verdict">What the execution says.</param>
    /// <param name="duration">Its duration; counted only when it completed, which is when <paramref name="verdict"/> is not <see cref="ExecutionVerdict.Failure"/>.</param>
    /// <param name="at">When it ended.</param>
    public ExecutionStatistics With(ExecutionVerdict verdict, TimeSpan duration, DateTimeOffset at)
    {
        var completed = verdict is not ExecutionVerdict.Failure;
        return this with
        {
            Executions = Executions + 1,
            Successes = Successes + (verdict is ExecutionVerdict.Success ? 1 : 0),
            Failures = Failures + (verdict is ExecutionVerdict.Failure ? 1 : 0),
            Completed = Completed + (completed ? 1 : 0),
            TotalDuration = TotalDuration + (completed ? duration : TimeSpan.Zero),
            LastDuration = completed ? duration : LastDuration,
            LastExecutedAt = at,
        };
    }

    /// <summary>The statistics of two sets of executions together, as of two versions of one procedure.</summary>
    /// <param name="other">The other set.</param>
    public ExecutionStatistics Combine(ExecutionStatistics other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var otherIsLater = (other.LastExecutedAt ?? DateTimeOffset.MinValue) > (LastExecutedAt ?? DateTimeOffset.MinValue);
        return new ExecutionStatistics
        {
            Executions = Executions + other.Executions,
            Successes = Successes + other.Successes,
            Failures = Failures + other.Failures,
            Completed = Completed + other.Completed,
            TotalDuration = TotalDuration + other.TotalDuration,
            LastDuration = otherIsLater ? other.LastDuration ?? LastDuration : LastDuration ?? other.LastDuration,
            LastExecutedAt = otherIsLater ? other.LastExecutedAt : LastExecutedAt,
        };
    }
}

/// <summary>Counts and durations of one step in counted executions. A step that was skipped did not run.</summary>
public sealed record StepStatistics
{
    /// <summary>How often it ran.</summary>
    public long Runs { get; init; }

    /// <summary>How often it failed.</summary>
    public long Failures { get; init; }

    /// <summary>The durations of the runs that did not fail, added up.</summary>
    public TimeSpan TotalDuration { get; init; }

    /// <summary>The duration of the latest run that did not fail.</summary>
    public TimeSpan? LastDuration { get; init; }

    /// <summary>When it last ran (UTC).</summary>
    public DateTimeOffset? LastRunAt { get; init; }

    /// <summary>Runs that did not fail over runs, from 0 to 1; <see langword="null"/> while it never ran.</summary>
    public double? SuccessRate => Runs == 0 ? null : (double)(Runs - Failures) / Runs;

    /// <summary>The mean duration of the runs that did not fail; <see langword="null"/> while there is none.</summary>
    public TimeSpan? MeanDuration => Runs == Failures ? null : TotalDuration / (Runs - Failures);

    /// <summary>These statistics with one more run in them.</summary>
    /// <param name="failed">Whether the run failed.</param>
    /// <param name="duration">Its duration; counted only when it did not fail.</param>
    /// <param name="at">When it ended.</param>
    public StepStatistics With(bool failed, TimeSpan duration, DateTimeOffset at) => this with
    {
        Runs = Runs + 1,
        Failures = Failures + (failed ? 1 : 0),
        TotalDuration = TotalDuration + (failed ? TimeSpan.Zero : duration),
        LastDuration = failed ? LastDuration : duration,
        LastRunAt = at,
    };
}
