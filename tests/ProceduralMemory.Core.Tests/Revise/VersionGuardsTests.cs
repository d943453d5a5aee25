using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What the evidence must not do: stand in the way of what can be replayed, undo what a person decided, or remove a guard.</summary>
public sealed class VersionGuardsTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_candidate_that_is_refused_does_not_stand_in_the_way_of_the_active_version()
    {
        await StoreAsync(VersionState.Active, "t.a", "t.b");
        await StoreAsync(VersionState.Candidate, "t.gone");

        for (var i = 0; i < 12; i++)
        {
            var result = await Memory.ReplayAsync(new HostWithout("t.gone"), "p");
            Assert.True(result is { Outcome: ReplayOutcome.Completed, Version: 1 }, result.Message);
        }

        // Nor does one that lacks a step which the request names.
        for (var i = 0; i < 12; i++)
        {
            Assert.Equal((ReplayOutcome.Completed, 1), await ReplayedAsync(_executor, new ReplayRequest { Skip = ["b"] }));
        }
    }

    [Fact]
    public async Task A_candidate_that_is_refused_keeps_nobody_from_stopping_what_has_broken_unless_it_was_replayed_elsewhere()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await StoreAsync(VersionState.Candidate, "t.gone");
        for (var i = 0; i < 6; i++)
        {
            await ReplayedAsync(new HostWithout("t.gone", failing: "t.a"));
        }

        Assert.NotNull((await Memory.GetAsync("p", 1)).QuarantinedAt);

        await Memory.ReleaseAsync("p", by: "Ada");
        await Memory.ReplayAsync(_executor, "p", new ReplayRequest { Version = 2 });
        for (var i = 0; i < 6; i++)
        {
            await ReplayedAsync(new HostWithout("t.gone", failing: "t.a"));
        }

        Assert.Null((await Memory.GetAsync("p", 1)).QuarantinedAt);
    }

    [Fact]
    public async Task A_dry_run_shows_the_version_that_the_replay_after_it_runs()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await StoreAsync(VersionState.Candidate, "t.c");
        var shown = new List<int>();
        for (var i = 0; i < 8; i++)
        {
            shown.Add((await Memory.PreviewAsync(_executor, "p")).Version);
            Assert.Equal((ReplayOutcome.Completed, shown[^1]), await ReplayedAsync(_executor));
        }

        Assert.Equal([1, 1, 1, 1, 2, 1, 1, 1], shown);

        // In its turn, where it would be refused, the active version is shown, as it is replayed.
        Assert.Equal(1, (await Memory.PreviewAsync(_executor, "p")).Version);
        await ReplayedAsync(_executor);
        Assert.Equal(2, (await Memory.PreviewAsync(_executor, "p")).Version);
        Assert.Equal(1, (await Memory.PreviewAsync(new HostWithout("t.c"), "p")).Version);
        Assert.Equal(1, (await Memory.PreviewAsync(_executor, "p", new ReplayRequest { Version = 1 })).Version);
    }

    [Fact]
    public async Task A_candidate_of_which_the_host_says_that_it_writes_takes_no_turns_and_nobody_is_asked_about_it()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await StoreAsync(VersionState.Candidate, "t.c");
        using var asking = _test.Open(o => (o.Approval, o.ReviewAfterReplay) = (ApprovalPolicy.FirstUse, false));
        var writing = new ScriptedExecutor().Declares("t.c", StepEffect.Write);
        foreach (var memory in (ProcedureMemory[])[asking, Memory])
        {
            for (var i = 0; i < 6; i++)
            {
                Assert.Equal(1, (await memory.ReplayAsync(writing, "p")).Version);
            }
        }

        Assert.Empty((await asking.ListPendingApprovalsAsync()).Versions);
        Assert.DoesNotContain(writing.Calls, c => c.Action == "t.c");

        // Nor does it keep anybody from stopping what has broken.
        writing.Fails("t.a");
        for (var i = 0; i < 15; i++)
        {
            await ReplayedAsync(writing);
        }

        Assert.NotNull((await Memory.GetAsync("p", 1)).QuarantinedAt);
    }

    [Fact]
    public async Task A_turn_that_was_cancelled_is_a_turn()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await StoreAsync(VersionState.Candidate, "t.hangs", "t.after");
        using var source = new CancellationTokenSource();
        _executor.On("t.hangs", (_, _) =>
        {
            source.Cancel();
            return new StepCallResult();
        });

        for (var i = 0; i < 4; i++)
        {
            await ReplayedAsync(_executor);
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReplayedAsync(_executor, cancellationToken: source.Token));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal((ReplayOutcome.Completed, 1), await ReplayedAsync(_executor));
        }
    }

    [Fact]
    public async Task A_new_version_leaves_no_candidate_of_the_old_one_behind_and_the_same_may_be_proposed_again()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await FailingStepAsync(3);
        var proposed = await Memory.OptimizeAsync("p");
        Assert.Equal(VersionState.Candidate, proposed.Procedure.Version.State);

        await StoreAsync(VersionState.Active, "t.other");

        Assert.Null((await Memory.GetAsync("p")).CandidateVersion);
        Assert.Contains((await Memory.GetHistoryAsync("p")).Entries, e => e.Decision is { Note.Kind: RevisionKind.Superseded } d && d.Version == proposed.Procedure.Version.Number);

        await Memory.ActivateVersionAsync("p", 2);
        var again = await Memory.OptimizeAsync("p");
        Assert.Equal(VersionState.Candidate, again.Procedure.Version.State);
        Assert.NotEqual(proposed.Procedure.Version.Number, again.Procedure.Version.Number);

        // What a person gave up is not proposed again, whatever remarks its steps would have by now.
        await Memory.RejectCandidateAsync("p", by: "Ada");
        Assert.Empty((await Memory.OptimizeAsync("p")).Changes);
    }

    [Fact]
    public async Task What_became_of_a_candidate_that_a_newer_one_or_another_version_follows_is_written_down()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await StoreAsync(VersionState.Candidate, "t.b");
        await StoreAsync(VersionState.Candidate, "t.c");
        await StoreAsync(VersionState.Active, "t.d");

        Assert.Equal(
            [(2, "version 3 competes in its place"), (3, "version 4 took the place of the version that it competed with")],
            (await Memory.GetHistoryAsync("p")).Entries.Where(e => e.Decision is not null).Select(e => (e.Decision!.Version!.Value, e.Decision.Note.Reason)));
        Assert.Equal([VersionState.Retired, VersionState.Retired, VersionState.Retired, VersionState.Active], (await Memory.ListVersionsAsync("p")).Select(v => v.State));
    }

    [Fact]
    public async Task A_way_back_leads_to_the_version_that_was_replaced_and_not_to_the_one_it_was_made_from()
    {
        await StoreAsync(VersionState.Active, "t.one");
        await StoreAsync(VersionState.Active, "t.two");
        await StoreAsync(VersionState.Candidate, "t.three");
        for (var i = 0; i < 60 && (await Memory.GetAsync("p")).ActiveVersion != 3; i++)
        {
            await ReplayedAsync(i % 2 == 0 ? new ScriptedExecutor().Fails("t.two") : _executor);
        }

        Assert.Equal(3, (await Memory.GetAsync("p")).ActiveVersion);
        await ReplayedAsync(new ScriptedExecutor().Fails("t.three"));
        await ReplayedAsync(new ScriptedExecutor().Fails("t.three"));
        Assert.Equal(2, (await Memory.GetAsync("p")).ActiveVersion);
    }

    [Fact]
    public async Task What_a_person_released_is_not_stopped_again_for_what_was_known_then()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await BreakAsync(5);
        Assert.NotNull((await Memory.GetAsync("p")).QuarantinedAt);
        _test.Time.Advance(TimeSpan.FromHours(1));

        await Memory.ReleaseAsync("p", by: "Ada");

        Assert.Empty((await Memory.ReviseAsync()).Changes);
        Assert.Null((await Memory.GetAsync("p")).QuarantinedAt);
        await BreakAsync(4);
        Assert.Null((await Memory.GetAsync("p")).QuarantinedAt);
        await BreakAsync(1);
        Assert.NotNull((await Memory.GetAsync("p")).QuarantinedAt);
    }

    [Fact]
    public async Task What_a_person_pinned_or_stopped_a_recording_does_not_set_free_and_what_the_evidence_stopped_it_does()
    {
        await RecordAsync("t.a");
        await Memory.PinAsync("p", by: "Ada");
        var pinned = await RecordAsync("t.a", "t.b");
        Assert.Equal((1, 2), ((await Memory.GetAsync("p")).ActiveVersion, (await Memory.GetAsync("p")).CandidateVersion));
        Assert.Contains("is pinned at version 1", pinned.Message, StringComparison.Ordinal);

        await Memory.UnpinAsync("p", by: "Ada");
        await Memory.QuarantineAsync("p", "it deletes data", by: "Ada");
        var stopped = await RecordAsync("t.a", "t.b");
        Assert.NotNull((await Memory.GetAsync("p", 1)).QuarantinedAt);
        Assert.Contains("is stopped at version 1", stopped.Message, StringComparison.Ordinal);

        await Memory.ReleaseAsync("p", by: "Ada");
        await Memory.RejectCandidateAsync("p", by: "Ada");
        _test.Time.Advance(TimeSpan.FromHours(1));
        _executor.Fails("t.a");
        for (var i = 0; i < 6; i++)
        {
            await ReplayedAsync(_executor);
        }

        Assert.NotNull((await Memory.GetAsync("p", 1)).QuarantinedAt);
        await RecordAsync("t.a", "t.d");
        var now = await Memory.GetAsync("p");
        Assert.Equal((4, null), (now.ActiveVersion, now.QuarantinedAt));
        Assert.Equal(RevisionKind.Released, (await Memory.GetHistoryAsync("p")).Entries[^1].Decision!.Note.Kind);
    }

    [Fact]
    public async Task What_a_person_pinned_is_not_replaced_by_a_recording_of_something_else_either()
    {
        await RecordAsync("t.a");
        var other = await RecordAsync("t.z", "t.y");
        Assert.NotNull(other.Conflict);
        await Memory.PinAsync("p", by: "Ada");

        var replaced = await Memory.DistillTraceAsync(other.TraceId, replace: true);

        Assert.Contains("is pinned at version 1", replaced.Message, StringComparison.Ordinal);
        Assert.Equal((1, 2), ((await Memory.GetAsync("p")).ActiveVersion, (await Memory.GetAsync("p")).CandidateVersion));
    }

    [Fact]
    public async Task That_a_version_which_a_person_stored_ends_a_quarantine_is_written_down()
    {
        await StoreAsync(VersionState.Active, "t.a");
        await Memory.QuarantineAsync("p", "it deletes data", by: "Ada");

        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.b")), asNewVersion: true);

        Assert.Null((await Memory.GetAsync("p")).QuarantinedAt);
        var last = (await Memory.GetHistoryAsync("p")).Entries[^1].Decision!;
        Assert.Equal((RevisionKind.Released, 2, "version 2 was made, which is another one than was stopped"), (last.Note.Kind, last.Version, last.Note.Reason));
    }

    [Fact]
    public async Task What_a_resumed_replay_tells_is_decided_on_at_once()
    {
        using var asking = _test.Open(o => o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.ask"] = ApprovalPolicy.Always });
        await StoreAsync(VersionState.Active, "t.ask", "t.a");
        await BreakAsync(4);
        _executor.Fails("t.a");
        var waiting = await asking.ReplayAsync(_executor, "p");
        Assert.Equal(ReplayOutcome.Waiting, waiting.Outcome);
        await asking.ApproveCallAsync(waiting.ExecutionId!.Value, "ask", by: "Ada");

        await asking.ResumeAsync(_executor, waiting.ExecutionId.Value);

        Assert.NotNull((await Memory.GetAsync("p", 1)).QuarantinedAt);
    }

    [Fact]
    public async Task What_is_made_of_a_trace_that_was_erased_in_the_meantime_is_not_stored()
    {
        var recorded = await RecordAsync("t.a");
        var version = new ProceduralMemory.Persist.NewVersion
        {
            Scope = "default",
            Definition = Given.Definition("q", Given.Step("t.a")),
            Reason = VersionReason.Optimized,
            Origin = ProcedureOrigin.Agent,
            State = VersionState.Candidate,
            Traces = [recorded.TraceId, Guid.CreateVersion7(_test.Time.GetUtcNow())],
            At = _test.Time.GetUtcNow(),
        };

        var error = await _test.RefusesAsync<ProcedureConflictException>(() => Memory.Store.SaveVersionAsync(version));

        Assert.Contains("was erased in the meantime", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_decided_on_the_evidence_is_decided_once_and_not_behind_a_persons_back()
    {
        await StoreAsync(VersionState.Active, "t.a");
        using var other = _test.Open(o => o.ReviewAfterReplay = false);
        for (var i = 0; i < 5; i++)
        {
            await other.ReplayAsync(new ScriptedExecutor().Fails("t.a"), "p");
        }

        var decisions = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => (_test.Open()).ReviewVersionsAsync("p"))));

        Assert.Single(decisions, d => d is not null);
        Assert.Single((await Memory.GetHistoryAsync("p")).Entries, e => e.Decision is not null);
    }

    [Fact]
    public async Task A_read_that_stops_a_replay_is_no_repeat_of_one_that_lets_it_go_on()
    {
        var check = Given.Step("t.check") with { Effect = StepEffect.Read };
        await Memory.StoreAsync(Given.Definition("p", check with { Id = "c1", OnFailure = FailurePolicy.Continue }, check with { Id = "c2" }, Given.Step("t.w") with { Effect = StepEffect.Write }));
        for (var i = 0; i < 6; i++)
        {
            await ReplayedAsync(_executor);
        }

        Assert.Empty((await Memory.OptimizeAsync("p")).Changes);
    }

    [Fact]
    public async Task Results_of_which_a_part_is_not_kept_are_not_known_to_be_the_same()
    {
        var token = Given.Step("t.token") with { Effect = StepEffect.Read };
        await Memory.StoreAsync(Given.Definition("p", token with { Id = "one" }, token with { Id = "two" }));
        var given = 0;
        _executor.On("t.token", (_, _) => new StepCallResult { Result = Given.Value($$"""{"token":"value-{{given++}}-of-a-secret"}""") });
        for (var i = 0; i < 6; i++)
        {
            await ReplayedAsync(_executor);
        }

        Assert.Empty((await Memory.OptimizeAsync("p")).Changes);
    }

    [Fact]
    public async Task What_was_improved_still_knows_the_recordings_that_it_comes_from()
    {
        await RecordAsync("t.check_read", "t.check_read2");
        await Memory.StoreAsync(
            (await Memory.GetAsync("p")).Version is { } v ? Given.Definition("p", [.. v.Steps, Given.Step("t.flaky") with { OnFailure = FailurePolicy.Continue }]) : throw new InvalidOperationException(), asNewVersion: true);
        await RecordAsync("t.check_read", "t.check_read2", "t.flaky");
        for (var i = 0; i < 4; i++)
        {
            await ReplayedAsync(new ScriptedExecutor().Fails("t.flaky"));
        }

        var optimized = await Memory.OptimizeAsync("p");
        Assert.Equal(VersionReason.Optimized, optimized.Procedure.Version.Reason);

        Assert.NotEmpty(_test.Rows($"select trace_id from version_traces where version = {optimized.Procedure.Version.Number}"));
    }

    [Fact]
    public async Task What_is_stopped_is_merged_with_nothing()
    {
        foreach (var name in (string[])["send a letter", "send the letter"])
        {
            await Memory.StoreAsync(new() { Name = name, Description = "Send a letter", Steps = [Given.Step("t.a")] });
        }

        Assert.Single(await Memory.ListSimilarAsync());
        await Memory.QuarantineAsync("send a letter", "wrong", by: "Ada");
        Assert.Empty(await Memory.ListSimilarAsync());
        await _test.RefusesAsync<ProcedureConflictException>(() => Memory.MergeAsync(["send a letter", "send the letter"]));
    }

    [Fact]
    public async Task Versions_are_compared_within_one_procedure()
    {
        await StoreInAsync("team", VersionState.Active, "t.team");
        await StoreInAsync("team", VersionState.Active, "t.team2");
        await StoreInAsync("ada", VersionState.Active, "t.ada");
        using var session = Memory.BeginSession(new MemoryScope("ada", "team"));
        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.CompareVersionsAsync("p", 1, 2));
    }

    private Task StoreAsync(VersionState state, params string[] actions) => StoreInAsync("default", state, actions);

    private async Task StoreInAsync(string scope, VersionState state, params string[] actions)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        var definition = Given.Definition("p", [.. actions.Select(a => Given.Step(a) with { Id = a[2..], Effect = StepEffect.Read })]);
        await Memory.Store.SaveVersionAsync(new ProceduralMemory.Persist.NewVersion { Scope = scope, Definition = definition, Reason = VersionReason.Stored, Origin = ProcedureOrigin.User, State = state, At = _test.Time.GetUtcNow() });
    }

    /// <summary>A version with a step that may fail and does.</summary>
    private async Task FailingStepAsync(int times)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Effect = StepEffect.Read }, Given.Step("t.bad") with { Effect = StepEffect.Read, OnFailure = FailurePolicy.Continue }), asNewVersion: true);
        for (var i = 0; i < times; i++)
        {
            await ReplayedAsync(new ScriptedExecutor().Fails("t.bad"));
        }
    }

    private async Task BreakAsync(int times)
    {
        for (var i = 0; i < times; i++)
        {
            await ReplayedAsync(new ScriptedExecutor().Fails("t.a"));
        }
    }

    private async Task<(ReplayOutcome Outcome, int Version)> ReplayedAsync(IStepExecutor executor, ReplayRequest? request = null, CancellationToken cancellationToken = default)
    {
        _test.Time.Advance(TimeSpan.FromSeconds(1));
        var result = await Memory.ReplayAsync(executor, "p", request, cancellationToken);
        return (result.Outcome, result.Version);
    }

    private async Task<RecordingResult> RecordAsync(params string[] actions)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        var recorder = await Memory.StartRecordingAsync(new() { Name = "p" });
        foreach (var action in actions)
        {
            await recorder.RecordStepAsync(new TraceStep { Action = action, Effect = StepEffect.Read, Result = Given.Value("""{"ok":true}""") });
        }

        return await recorder.FinalizeAsync();
    }

    /// <summary>A host that lacks a function, and where another one fails.</summary>
    private sealed class HostWithout(string missing, string? failing = null) : IStepExecutor
    {
        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>(
            [.. calls.Where(c => c.Action == missing).Select(c => new ReplayProblem(ReplayProblemCodes.MissingFunction, c.StepId, $"There is no {missing}."))]);

        public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default) =>
            Task.FromResult(call.Action == failing ? new StepCallResult { Failure = new StepFailure("TestFailure", "It broke.") } : new StepCallResult { Result = Given.Value("1") });
    }
}
