using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What the evidence decides: a string of S (success), F (failure) and ? (cannot tell), latest first, stands for the latest executions.</summary>
public sealed class VersionRulesTests
{
    public static TheoryData<string, int, int, string, int, int, string, RevisionKind?> WithCandidate => new()
    {
        // active: successes, failures, latest; candidate: the same; what is decided
        { "SSSSSSSSSS", 95, 5, "SSSS", 4, 0, "too little is known of the candidate", null },
        { "SSSSSSSSSS", 95, 5, "SSSSSSSSSS", 21, 0, "still too little beside 95 %", null },
        { "SSSSSSSSSS", 95, 5, "SSSSSSSSSS", 22, 0, "at least .85, which is no worse than .95 less a tenth", RevisionKind.Promoted },
        { "SSFSSSFSSS", 6, 4, "SSSSS", 5, 0, "better than what stands", RevisionKind.Promoted },
        { "SSSSSSSSSS", 95, 5, "FF", 0, 2, "twice in a row", RevisionKind.Rejected },
        { "SSSSSSSSSS", 95, 5, "F?F", 0, 2, "what cannot be told stands between and says nothing", RevisionKind.Rejected },
        { "SSSSSSSSSS", 95, 5, "SFSFSFSFSF", 10, 10, "it falls behind", RevisionKind.Rejected },
        { "FFFFF", 20, 5, "SS", 2, 0, "the active one has broken, and the candidate has its proof", RevisionKind.Promoted },
        { "FFFFF", 20, 5, "S", 1, 0, "one success is no proof", null },
        { "FFFFF", 20, 5, "SFS", 2, 1, "nor is one with a failure", null },
    };

    [Theory]
    [MemberData(nameof(WithCandidate))]
    public void A_candidate_wins_loses_or_goes_on(string active, int successes, int failures, string candidate, int wins, int losses, string why, RevisionKind? decided)
    {
        var standing = new VersionStanding(Evidence(1, successes, failures, active), Evidence(2, wins, losses, candidate), Before: null);
        var decision = VersionRules.Decide(standing, minimumTrials: 5);
        Assert.True(decision?.Kind == decided, $"{why}: {decision}");
    }

    public static TheoryData<string, int, int, bool, RevisionKind?> Alone => new()
    {
        { "SSSSS", 5, 0, true, null },
        { "FSSSS", 4, 1, true, null },
        { "FF", 3, 2, true, RevisionKind.RolledBack },
        { "FF", 3, 2, false, null },
        { "FFFF", 0, 4, false, null },
        { "FFFFF", 20, 5, false, RevisionKind.Quarantined },
        { "FFFFFFFS", 1, 7, false, RevisionKind.Quarantined },
        { "FFFFS", 1, 4, false, null },
        { "SFSFSFSFSF", 10, 10, true, RevisionKind.RolledBack },
        { "SFSFSFSFSF", 10, 10, false, null },
    };

    [Theory]
    [MemberData(nameof(Alone))]
    public void An_active_version_stays_gives_its_place_back_or_is_stopped(string latest, int successes, int failures, bool tookAnothersPlace, RevisionKind? decided)
    {
        var before = tookAnothersPlace ? Evidence(1, 95, 5, "SSSSSSSSSS") : null;
        Assert.Equal(decided, VersionRules.Decide(new VersionStanding(Evidence(2, successes, failures, latest), Candidate: null, before), minimumTrials: 5)?.Kind);
    }

    [Fact]
    public void A_candidate_that_is_slower_does_not_win()
    {
        var active = Evidence(1, 5, 5, "SFSFSFSFSF");
        Assert.Equal(RevisionKind.Promoted, Decide(TimeSpan.FromMilliseconds(114))?.Kind);
        Assert.Null(Decide(TimeSpan.FromMilliseconds(116)));

        VersionDecision? Decide(TimeSpan mean) =>
            VersionRules.Decide(new VersionStanding(active, Evidence(2, 10, 0, "SSSSSSSSSS", mean), Before: null), minimumTrials: 5);
    }

    private static VersionEvidence Evidence(int number, int successes, int failures, string latest, TimeSpan? mean = null) => new(
        number,
        new ExecutionStatistics
        {
            Executions = successes + failures,
            Successes = successes,
            Failures = failures,
            Completed = successes,
            TotalDuration = (mean ?? TimeSpan.FromMilliseconds(100)) * successes,
        },
        [.. latest.Select(c => c switch { 'S' => ExecutionVerdict.Success, 'F' => ExecutionVerdict.Failure, _ => ExecutionVerdict.Unknown })]);
}
