using static System.FormattableString;

namespace ProceduralMemory.Revise;

/// <summary>
/// What the evidence says of competing versions. Success rates are compared by the ends of Wilson's interval at 95 % (<see cref="ExecutionStatistics.SuccessBound"/>), so that little evidence
/// decides little; see docs/revising.md. All of it is pure: what is decided is a value.
/// </summary>
internal static class VersionRules
{
    /// <summary>By how much a candidate's success may lie below the active version's for it to count as not worse: with less, ten thousand runs would be needed to tell two good versions apart.</summary>
    public const double Margin = 0.1;

    /// <summary>By how much a candidate may be slower.</summary>
    public const double Slack = 0.1;

    /// <summary>What two means may differ by in any case: a few milliseconds are the machine's and not the version's.</summary>
    public static readonly TimeSpan Noise = TimeSpan.FromMilliseconds(5);

    /// <summary>How many of the latest executions tell whether a version has broken.</summary>
    public const int Recent = 10;

    /// <summary>How many failures without a success between them tell that a version which is on trial has broken.</summary>
    public const int InARow = 2;

    /// <summary>How many of the latest executions there must be to stop a procedure.</summary>
    public const int ToQuarantine = 5;

    /// <summary>What is to be done with a procedure; <see langword="null"/> for nothing.</summary>
    /// <param name="standing">How its versions stand.</param>
    /// <param name="minimumTrials">How many judged executions a candidate needs before it can win.</param>
    public static VersionDecision? Decide(VersionStanding standing, int minimumTrials)
    {
        return (standing.Candidate is { } candidate ? OfCandidate(candidate, standing.Active, minimumTrials) : null) ?? OfActive(standing);
    }

    /// <summary>Whether a version has broken: its latest executions show that it fails more often than not.</summary>
    public static bool IsBroken(VersionEvidence version)
    {
        var (successes, judged) = Judged(version.Latest);
        return judged >= ToQuarantine && ExecutionStatistics.WilsonInterval(successes, judged).Upper < 0.5;
    }

    private static VersionDecision? OfCandidate(VersionEvidence candidate, VersionEvidence active, int minimumTrials)
    {
        var (tried, standing) = (candidate.Statistics, active.Statistics);
        if (FailsInARow(candidate.Latest))
        {
            return new(RevisionKind.Rejected, candidate.Number, Invariant($"version {candidate.Number} failed {InARow} times in a row"));
        }

        if (tried.SuccessCeiling < standing.SuccessBound)
        {
            return new(RevisionKind.Rejected, candidate.Number, Invariant($"version {candidate.Number} succeeds in at most {tried.SuccessCeiling:0.00} of its executions, version {active.Number} in at least {standing.SuccessBound:0.00}"));
        }

        var judged = tried.Successes + tried.Failures;
        if (IsBroken(active))
        {
            // What mends a broken version needs no rival, only its proof.
            return tried is { Successes: >= InARow, Failures: 0 }
                ? new(RevisionKind.Promoted, candidate.Number, Invariant($"version {active.Number} has broken, and version {candidate.Number} succeeded {tried.Successes} times"))
                : null;
        }

        var isSlower = tried.MeanDuration is { } mean && standing.MeanDuration is { } before && mean > (before * (1 + Slack)) + Noise;
        return judged >= minimumTrials && !isSlower && tried.SuccessBound >= (standing.SuccessRate ?? 0) - Margin
            ? new(RevisionKind.Promoted, candidate.Number, Invariant($"version {candidate.Number} succeeded in {tried.Successes} of {judged} executions (at least {tried.SuccessBound:0.00}), version {active.Number} in {standing.Successes} of {standing.Successes + standing.Failures}"))
            : null;
    }

    private static VersionDecision? OfActive(VersionStanding standing)
    {
        var active = standing.Active;
        // One that has broken itself is nothing to go back to.
        if (standing.Before is { } before && !IsBroken(before))
        {
            if (FailsInARow(active.Latest))
            {
                return new(RevisionKind.RolledBack, before.Number, Invariant($"version {active.Number} failed {InARow} times in a row since it took the place of version {before.Number}"));
            }

            if (active.Statistics.SuccessCeiling < before.Statistics.SuccessBound)
            {
                return new(RevisionKind.RolledBack, before.Number, Invariant($"version {active.Number} succeeds in at most {active.Statistics.SuccessCeiling:0.00} of its executions, version {before.Number} did in at least {before.Statistics.SuccessBound:0.00}"));
            }
        }

        if (standing.Candidate is null && (IsBroken(active) || (standing.Before is { } broken && IsBroken(broken) && FailsInARow(active.Latest))))
        {
            var (successes, judged) = Judged(active.Latest);
            return new(RevisionKind.Quarantined, active.Number, Invariant($"of the latest {judged} executions of version {active.Number} {successes} succeeded"));
        }

        return null;
    }

    private static bool FailsInARow(IReadOnlyList<ExecutionVerdict> latest) =>
        latest.Where(v => v is not ExecutionVerdict.Unknown).Take(InARow).ToList() is { Count: InARow } last && last.TrueForAll(v => v is ExecutionVerdict.Failure);

    private static (int Successes, int Judged) Judged(IReadOnlyList<ExecutionVerdict> latest) =>
        (latest.Count(v => v is ExecutionVerdict.Success), latest.Count(v => v is not ExecutionVerdict.Unknown));
}

/// <summary>How the versions of a procedure stand.</summary>
/// <param name="Active">The active one.</param>
/// <param name="Candidate">The one that competes with it.</param>
/// <param name="Before">The one whose place the active one took by its evidence; <see langword="null"/> where a person activated it, or there was none.</param>
internal sealed record VersionStanding(VersionEvidence Active, VersionEvidence? Candidate, VersionEvidence? Before);

/// <summary>What is known of a version.</summary>
/// <param name="Number">The version.</param>
/// <param name="Statistics">All its executions.</param>
/// <param name="Latest">What its latest executions say, latest first.</param>
internal sealed record VersionEvidence(int Number, ExecutionStatistics Statistics, IReadOnlyList<ExecutionVerdict> Latest);

/// <summary>What was decided of the versions of a procedure.</summary>
/// <param name="Kind">Promoted, rejected, rolled back or quarantined.</param>
/// <param name="Version">The version that becomes active, or is rejected, or was stopped.</param>
/// <param name="Reason">The evidence, in a sentence.</param>
public sealed record VersionDecision(RevisionKind Kind, int Version, string Reason);
