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

    /// <summary>When the latest one that succeeded ended (UTC).</summary>
    public DateTimeOffset? LastSuccessAt { get; init; }

    /// <summary>When the latest one that failed ended (UTC).</summary>
    public DateTimeOffset? LastFailureAt { get; init; }

    /// <summary>How the durations of the completed executions are spread: <c>Durations.Quantile(0.95)</c> is what 95 % of them did not exceed.</summary>
    public DurationSketch Durations { get; init; } = DurationSketch.Empty;

    /// <summary>Those that could not be judged.</summary>
    public long Unknown => Executions - Successes - Failures;

    /// <summary>Successes over judged executions, from 0 to 1; <see langword="null"/> while none was judged.</summary>
    public double? SuccessRate => Successes + Failures == 0 ? null : (double)Successes / (Successes + Failures);

    /// <summary>
    /// What the success rate is at least, with 95 % confidence: the lower bound of Wilson's interval, from 0 to 1, and 0 while no execution was judged. One success of one
    /// gives 0.21, 95 of 100 give 0.89 (E. B. Wilson, <i>Probable Inference, the Law of Succession, and Statistical Inference</i>, 1927).
    /// </summary>
    public double SuccessBound => WilsonInterval(Successes, Successes + Failures).Lower;

    /// <summary>What the success rate is at most, with 95 % confidence: the upper bound of Wilson's interval, and 1 while no execution was judged.</summary>
    public double SuccessCeiling => WilsonInterval(Successes, Successes + Failures).Upper;

    internal static (double Lower, double Upper) WilsonInterval(long successes, long judged)
    {
        if (judged == 0)
        {
            return (0, 1);
        }

        const double Z = 1.959963984540054;
        var n = (double)judged;
        var rate = successes / n;
        var middle = rate + (Z * Z / (2 * n));
        var half = Z * Math.Sqrt(((rate * (1 - rate)) + (Z * Z / (4 * n))) / n);
        return (Math.Max(0, (middle - half) / (1 + (Z * Z / n))), Math.Min(1, (middle + half) / (1 + (Z * Z / n))));
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
            LastSuccessAt = verdict is ExecutionVerdict.Success ? at : LastSuccessAt,
            LastFailureAt = verdict is ExecutionVerdict.Failure ? at : LastFailureAt,
            Durations = completed ? Durations.With(duration) : Durations,
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
            LastSuccessAt = Later(LastSuccessAt, other.LastSuccessAt),
            LastFailureAt = Later(LastFailureAt, other.LastFailureAt),
            Durations = Durations.Combine(other.Durations),
        };
    }

    private static DateTimeOffset? Later(DateTimeOffset? one, DateTimeOffset? other) => one is null || other > one ? other : one;
}

/// <summary>Counts and durations of one step in counted executions. A step that was skipped did not run, and one that an agent did in place of its own call did not either.</summary>
public sealed record StepStatistics
{
    /// <summary>How often it ran.</summary>
    public long Runs { get; init; }

    /// <summary>How often it failed, or broke off so that it is not known whether it had its effect.</summary>
    public long Failures { get; init; }

    /// <summary>How often it ran, and whether its outcome was as expected could not be told.</summary>
    public long Unknown { get; init; }

    /// <summary>How often it was left out.</summary>
    public long Skipped { get; init; }

    /// <summary>How often somebody did it in place of its own call after a replay had stopped at it. These are counted whether or not the execution is.</summary>
    public long Repairs { get; init; }

    /// <summary>What it failed of: by <see cref="StepFailure.ErrorType"/>, how often. Of more than 20 kinds the rest stand together under <c>other</c>.</summary>
    public IReadOnlyDictionary<string, long> FailuresByType { get; init; } = new Dictionary<string, long>();

    /// <summary>The durations of the runs that did not fail, added up.</summary>
    public TimeSpan TotalDuration { get; init; }

    /// <summary>The duration of the latest run that did not fail.</summary>
    public TimeSpan? LastDuration { get; init; }

    /// <summary>How the durations of the runs that did not fail are spread.</summary>
    public DurationSketch Durations { get; init; } = DurationSketch.Empty;

    /// <summary>When it last ran (UTC).</summary>
    public DateTimeOffset? LastRunAt { get; init; }

    /// <summary>When it last succeeded (UTC).</summary>
    public DateTimeOffset? LastSuccessAt { get; init; }

    /// <summary>When it last failed (UTC).</summary>
    public DateTimeOffset? LastFailureAt { get; init; }

    /// <summary>The runs that succeeded.</summary>
    public long Successes => Runs - Failures - Unknown;

    /// <summary>Successes over judged runs, from 0 to 1; <see langword="null"/> while none was judged.</summary>
    public double? SuccessRate => Successes + Failures == 0 ? null : (double)Successes / (Successes + Failures);

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
        Durations = failed ? Durations : Durations.With(duration),
        LastRunAt = at,
        LastSuccessAt = failed ? LastSuccessAt : at,
        LastFailureAt = failed ? at : LastFailureAt,
    };
}
