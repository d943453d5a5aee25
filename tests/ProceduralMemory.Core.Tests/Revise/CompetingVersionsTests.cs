using CsCheck;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>Versions compete on a real file: what takes a turn, what wins, and how to go back.</summary>
public sealed class CompetingVersionsTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_candidate_that_only_reads_gets_every_fifth_replay_and_takes_over_when_it_does_as_well()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await StoreAsync(VersionState.Candidate, "t.new");

        var versions = new List<int>();
        for (var i = 0; i < 40 && (await Memory.GetAsync("p")).ActiveVersion == 1; i++)
        {
            versions.Add((await Memory.ReplayAsync(Failing(i % 2 == 0 ? "t.old" : "t.none"), "p")).Version);
        }

        var now = await Memory.GetAsync("p");
        Assert.Equal((2, null), (now.ActiveVersion, now.CandidateVersion));
        Assert.Equal(5, versions.Count(v => v == 2));
        Assert.All(versions.Chunk(5).Where(c => c.Length == 5), c => Assert.Single(c, v => v == 2));
        var decision = (await Memory.GetHistoryAsync("p")).Entries[^1].Decision!;
        Assert.Equal((RevisionKind.Promoted, 2, null), (decision.Note.Kind, decision.Version, decision.Note.By));
        Assert.Equal(5, decision.Note.Evidence.GetProperty("2").GetProperty("successes").GetInt32());
    }

    [Fact]
    public async Task What_took_over_and_breaks_twice_in_a_row_gives_the_place_back()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await StoreAsync(VersionState.Candidate, "t.new");
        for (var i = 0; i < 30; i++)
        {
            await ReplayAsync(1, fails: i % 2 == 0 ? "t.old" : "t.none");
        }

        Assert.Equal(2, (await Memory.GetAsync("p")).ActiveVersion);

        await ReplayAsync(1, fails: "t.new");
        Assert.Equal(2, (await Memory.GetAsync("p")).ActiveVersion);
        await ReplayAsync(1, fails: "t.new");

        Assert.Equal(1, (await Memory.GetAsync("p")).ActiveVersion);
        Assert.Equal(VersionState.Retired, (await Memory.GetAsync("p", 2)).Version.State);
        Assert.Equal(RevisionKind.RolledBack, (await Memory.GetHistoryAsync("p")).Entries[^1].Decision!.Note.Kind);
    }

    [Theory]
    [InlineData(false, false, 0)]
    [InlineData(true, false, 0)]
    [InlineData(true, true, 4)]
    public async Task A_candidate_that_writes_takes_turns_only_where_the_host_allows_it_and_a_person_approved_it(bool allowed, bool approved, int turns)
    {
        using var memory = _test.Open(o => (o.AllowCandidatesWithWrites, o.Approval) = (allowed, ApprovalPolicy.FirstUse));
        await StoreAsync(VersionState.Active, "t.old", StepEffect.Write);
        await StoreAsync(VersionState.Candidate, "t.new", StepEffect.Write);
        await memory.ApproveAsync("p", 1, by: "Ada");
        if (approved)
        {
            await memory.ApproveAsync("p", 2, by: "Ada");
        }

        var versions = new List<int>();
        for (var i = 0; i < 20; i++)
        {
            var replay = await memory.ReplayAsync(_executor, "p");
            Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
            versions.Add(replay.Version);
        }

        Assert.Equal(turns, versions.Count(v => v == 2));
    }

    [Fact]
    public async Task A_procedure_that_fails_more_often_than_not_is_stopped_until_a_person_releases_it_or_activates_another_version()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await ReplayAsync(5, fails: "t.old");

        var stopped = await Memory.GetAsync("p");
        Assert.Equal((VersionState.Quarantined, "of the latest 5 executions of version 1 0 succeeded"), (stopped.Version.State, stopped.QuarantineReason));
        var calls = _executor.Calls.Count;
        var refused = await Memory.ReplayAsync(_executor, "p");
        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.Quarantined, calls), (refused.Outcome, Assert.Single(refused.Problems).Code, _executor.Calls.Count));
        var found = await Memory.FindAsync("p task");
        Assert.Empty(found.Matches);
        Assert.Equal(ProceduralMemory.Recall.LeftOutReason.Quarantined, Assert.Single(found.LeftOut).Reason);

        var released = await Memory.ReleaseAsync("p", by: "Ada");
        Assert.Equal((VersionState.Active, null), (released.Version.State, released.QuarantineReason));
        _executor.Returns("t.old", "1");
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);

        await Memory.QuarantineAsync("p", "It is being looked into.", by: "Ada");
        await StoreAsync(VersionState.Draft, "t.new");
        await Memory.ActivateVersionAsync("p", 2);
        Assert.Equal((2, null), ((await Memory.GetAsync("p")).ActiveVersion, (await Memory.GetAsync("p")).QuarantinedAt));
    }

    [Theory]
    [InlineData(0, StepEffect.Read)]
    [InlineData(0.2, StepEffect.Write)]
    public async Task A_candidate_that_takes_no_turns_keeps_nobody_from_stopping_a_procedure_that_has_broken(double share, StepEffect effect)
    {
        using var memory = _test.Open(o => o.CandidateShare = share);
        await StoreAsync(VersionState.Active, "t.old", effect);
        await StoreAsync(VersionState.Candidate, "t.new", effect);
        for (var i = 0; i < 5; i++)
        {
            await memory.ReplayAsync(Failing("t.old"), "p");
        }

        Assert.Equal((1, 2), ((await memory.GetAsync("p")).ActiveVersion, (await memory.GetAsync("p")).CandidateVersion));
        Assert.NotNull((await memory.GetAsync("p")).QuarantinedAt);
    }

    [Fact]
    public async Task A_host_can_keep_the_evidence_from_deciding_after_replays()
    {
        using var memory = _test.Open(o => o.ReviewAfterReplay = false);
        await StoreAsync(VersionState.Active, "t.old");
        for (var i = 0; i < 6; i++)
        {
            await memory.ReplayAsync(Failing("t.old"), "p");
        }

        Assert.Null((await memory.GetAsync("p")).QuarantinedAt);
        Assert.Equal(RevisionKind.Quarantined, (await memory.ReviewVersionsAsync("p"))!.Kind);
    }

    [Fact]
    public async Task What_is_pinned_stays_whatever_the_evidence_says()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await Memory.PinAsync("p", by: "Ada");
        await StoreAsync(VersionState.Candidate, "t.new");

        await ReplayAsync(10, fails: "t.old");

        var pinned = await Memory.GetAsync("p");
        await Memory.PinAsync("p", by: "Ada");
        Assert.Single((await Memory.GetHistoryAsync("p")).Entries, e => e.Decision?.Note.Kind is RevisionKind.Pinned);
        Assert.Equal((1, 2, true, null), (pinned.ActiveVersion, pinned.CandidateVersion, pinned.IsPinned, pinned.QuarantinedAt));
        Assert.DoesNotContain(_executor.Calls, c => c.Action == "t.new");
        await Memory.UnpinAsync("p", by: "Ada");
        Assert.False((await Memory.GetAsync("p")).IsPinned);
    }

    [Fact]
    public async Task One_candidate_competes_at_a_time_and_a_person_can_give_it_up()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await StoreAsync(VersionState.Candidate, "t.new");
        await StoreAsync(VersionState.Candidate, "t.newer");

        Assert.Equal([VersionState.Active, VersionState.Retired, VersionState.Candidate], (await Memory.ListVersionsAsync("p")).Select(v => v.State));
        Assert.Null((await Memory.RejectCandidateAsync("p", by: "Ada")).CandidateVersion);
        await Assert.ThrowsAsync<ProcedureConflictException>(() => Memory.RejectCandidateAsync("p", by: "Ada"));
        await Assert.ThrowsAsync<ArgumentException>(() => Memory.PinAsync("p", by: " "));
    }

    [Fact]
    public async Task A_procedure_of_another_scope_is_not_decided_about_by_who_only_reads_it()
    {
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await StoreAsync(VersionState.Active, "t.old", scope: "team");
        }

        using (Memory.BeginSession(new MemoryScope("ada", "team")))
        {
            await ReplayAsync(5, fails: "t.old");
        }

        using var session = Memory.BeginSession(new MemoryScope("team"));
        Assert.Null((await Memory.GetAsync("p")).QuarantinedAt);
        Assert.Equal(RevisionKind.Quarantined, (await Memory.ReviewVersionsAsync("p"))!.Kind);
        Assert.Null(await Memory.ReviewVersionsAsync("p"));
    }

    [Fact]
    public async Task Of_several_that_decide_at_once_one_does()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await StoreAsync(VersionState.Active, "t.new");
        using var other = _test.Open();

        var results = await Task.WhenAll(new[] { Memory, other }.Select(m => Task.Run(async () =>
        {
            try
            {
                await m.RollBackAsync("p");
                return 1;
            }
            catch (ProcedureConflictException)
            {
                return 0;
            }
        })));

        // The second finds the first version active, which has none before it; or is too late.
        Assert.Equal(1, results.Sum());
        Assert.Equal(1, (await Memory.GetAsync("p")).ActiveVersion);
    }

    [Fact]
    public async Task Decisions_never_touch_what_a_version_holds_or_its_statistics_and_one_version_at_most_is_active()
    {
        var acts = Gen.Int[0, 6].Array[1, 12];
        var name = 0;
        await acts.SampleAsync(
            async acts =>
            {
                var p = FormattableString.Invariant($"p{name++}");
                await StoreAsync(VersionState.Active, "t.a", name: p);
                await StoreAsync(VersionState.Active, "t.b", name: p);
                await StoreAsync(VersionState.Candidate, "t.c", name: p);
                await Memory.ReplayAsync(_executor, p);
                var before = Rows(p);
                foreach (var act in acts)
                {
                    try
                    {
                        await (act switch
                        {
                            0 => Memory.RollBackAsync(p),
                            1 => Memory.ActivateVersionAsync(p, 3),
                            2 => Memory.PinAsync(p, "Ada"),
                            3 => Memory.QuarantineAsync(p, "why", "Ada"),
                            4 => Memory.ReleaseAsync(p, "Ada"),
                            5 => Memory.RejectCandidateAsync(p, "Ada"),
                            _ => Memory.ActivateVersionAsync(p, 1),
                        });
                    }
                    catch (ProcedureConflictException)
                    {
                        // There is nothing to do it with.
                    }

                    var states = (await Memory.ListVersionsAsync(p)).Select(v => v.State).ToList();
                    Assert.Single(states, s => s is VersionState.Active or VersionState.Quarantined);
                    Assert.InRange(states.Count(s => s is VersionState.Candidate), 0, 1);
                }

                Assert.Equal(before, Rows(p));
            },
            iter: 60,
            threads: 1);

        List<string> Rows(string p) => [.. _test.Rows($"select version, document, executions, successes, failures, durations from procedure_versions where procedure_id = (select id from procedures where name = '{p}') order by version")];
    }

    [Fact]
    public async Task The_history_tells_what_was_learned_and_when()
    {
        await StoreAsync(VersionState.Active, "t.old");
        await ReplayAsync(2, fails: "t.none");
        _test.Time.Advance(TimeSpan.FromDays(1));
        await StoreAsync(VersionState.Active, "t.new");
        _test.Time.Advance(TimeSpan.FromDays(1));
        await Memory.RollBackAsync("p", by: "Ada");

        Assert.Equal(
            """
            p
            2031-05-04 03:02  version 1 (active), stored by user: 1 steps; 2 of 2 executions succeeded, 0 ms on average
            2031-05-05 03:02  version 2 (retired), stored by user: 1 steps; 0 of 0 executions succeeded
                              changed: step x
            2031-05-06 03:02  rolledBack (version 1): from version 2 back to version 1, by Ada
            """.ReplaceLineEndings("\n"),
            (await Memory.GetHistoryAsync("p")).ToString());
        var diff = await Memory.CompareVersionsAsync("p", 1, 2);
        Assert.Equal("""
            version 1 and version 2:
            - step x: {"action":"t.old","arguments":{},"effect":"read"}
            + step x: {"action":"t.new","arguments":{},"effect":"read"}
            """.ReplaceLineEndings("\n"), System.Text.RegularExpressions.Regex.Replace(diff.ToString(), "\"(id|kind|onFailure)\":\"[a-z]*\",?", ""));
    }

    private async Task ReplayAsync(int times, string fails)
    {
        for (var i = 0; i < times; i++)
        {
            await Memory.ReplayAsync(Failing(fails), "p");
        }
    }

    private static ScriptedExecutor Failing(string action) => new ScriptedExecutor().Fails(action);

    private async Task StoreAsync(VersionState state, string action, StepEffect effect = StepEffect.Read, string name = "p", string scope = "default")
    {
        using var store = new ProceduralMemory.Persist.Sqlite.SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath });
        await store.SaveVersionAsync(new NewVersion
        {
            Scope = scope,
            Definition = Given.Definition(name, Given.Step(action, id: "x") with { Effect = effect }) with { Description = "The task p." },
            Reason = VersionReason.Stored,
            Origin = ProcedureOrigin.User,
            State = state,
            At = _test.Time.GetUtcNow(),
        });
    }
}
