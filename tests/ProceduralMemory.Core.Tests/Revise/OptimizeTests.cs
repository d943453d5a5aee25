using System.Text.Json;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

public sealed class OptimizeTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_candidate_is_marked_with_what_may_be_left_out_and_what_can_be_done_at_once()
    {
        ProcedureStep Read(string id, string arguments = "{}") => Given.Step($"t.{id}", arguments) with { Id = id, Effect = StepEffect.Read };
        await Memory.StoreAsync(Given.Definition(
            "p",
            Read("one"),
            Read("two"),
            Read("of_both", """{"a":"$steps.one.outputs","b":"$steps.two.outputs"}"""),
            Given.Step("t.write") with { Id = "write", Effect = StepEffect.Write },
            Read("after") with { OnFailure = FailurePolicy.Skip },
            MayFail("t.bad")));
        await ReplayAsync(3, "t.bad");

        var steps = (await Memory.OptimizeAsync("p")).Procedure.Version.Steps;

        Assert.Equal(["one:parallel", "two:parallel", "of_both:", "write:", "after:optional"], steps.Select(s => $"{s.Id}:{string.Join(',', s.Flags)}"));
    }

    [Fact]
    public async Task Nothing_changes_before_there_is_enough_to_go_by()
    {
        await StoreAsync(Given.Step("t.a"), Given.Step("t.b"));
        await ReplayAsync(2, "t.a");

        var before = _test.Dump();
        var result = await Memory.OptimizeAsync("p");

        Assert.Empty(result.Changes);
        Assert.Contains("2 executions; 3 are needed", result.Message, StringComparison.Ordinal);
        Assert.Equal(1, result.Procedure.Version.Number);
        Assert.Equal(before, _test.Dump());
    }

    [Fact]
    public async Task How_much_is_enough_is_the_hosts_to_say()
    {
        using var test = TestMemory.InMemory(o => o.MinimumExecutionsToOptimize = 1);
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), MayFail("t.b")));
        await test.Memory.ReplayAsync(new ScriptedExecutor().Fails("t.b"), "p", Given.With());

        Assert.Equal(StepChangeKind.Removed, Assert.Single((await test.Memory.OptimizeAsync("p")).Changes).Kind);
    }

    [Fact]
    public async Task A_step_that_may_fail_and_fails_more_than_it_succeeds_and_is_not_needed_goes_and_the_earlier_version_stays()
    {
        await Memory.StoreAsync(
            Given.Definition("p", Given.Step("t.a", """{"x":"$inputs.used"}"""), MayFail("t.bad", """{"x":"$inputs.gone","y":"$steps.a.outputs"}"""), Given.Step("t.c"))
            .Taking(Given.Input("used"), Given.Input("gone")) with
            { Description = "d", Tags = ["t"], Notes = "n" });
        await ReplayAsync(2, "t.bad");
        await ReplayAsync(1);
        var earlier = await Memory.GetAsync("p");
        _test.Time.Advance(TimeSpan.FromMinutes(1));

        var result = await Memory.OptimizeAsync("p");
        var now = await Memory.GetAsync("p", 2);

        var change = Assert.Single(result.Changes);
        Assert.Equal(("bad", StepChangeKind.Removed), (change.StepId, change.Kind));
        Assert.Contains("failed in 2 of 3 runs", change.Reason, StringComparison.Ordinal);
        Assert.Contains("Version 2", result.Message, StringComparison.Ordinal);
        Assert.Equal(JsonSerializer.Serialize(now), JsonSerializer.Serialize(result.Procedure));
        Assert.Equal((1, 2, 1), (now.ActiveVersion, now.CandidateVersion, now.Version.Parent));
        Assert.Equal((VersionReason.Optimized, VersionState.Candidate, ProcedureOrigin.User), (now.Version.Reason, now.Version.State, now.Version.Origin));
        Assert.Equal(["a", "c"], now.Version.Steps.Select(s => s.Id));
        Assert.Equal(["used"], now.Version.Inputs.Select(i => i.Name));
        Assert.Equal(("d", "n"), (now.Description, now.Notes));
        Assert.Equal(0, now.Version.Statistics.Executions);
        Assert.Equal(
            JsonSerializer.Serialize(earlier.Version),
            JsonSerializer.Serialize((await Memory.ListVersionsAsync("p"))[0]));
        Assert.Equal(2, (await Memory.ActivateVersionAsync("p", 2)).ActiveVersion);
    }

    [Fact]
    public async Task What_was_proposed_once_is_not_proposed_again_whatever_became_of_it()
    {
        await StoreAsync(Given.Step("t.a"), MayFail("t.bad"));
        await ReplayAsync(3, "t.bad");
        await Memory.OptimizeAsync("p");
        await Memory.RejectCandidateAsync("p", by: "Ada");
        var before = _test.Dump();

        var again = await Memory.OptimizeAsync("p");

        Assert.Empty(again.Changes);
        Assert.Contains("Version 2 of 'p' has these changes already", again.Message, StringComparison.Ordinal);
        Assert.Contains("is retired", again.Message, StringComparison.Ordinal);
        Assert.Equal(before, _test.Dump());
    }

    [Theory]
    [InlineData("1", "1", true)]
    [InlineData("1", "2", false)]
    public async Task A_read_that_repeats_an_earlier_one_goes_where_it_gave_the_same_each_time(string first, string second, bool goes)
    {
        var read = Given.Step("t.read", """{"x":"$inputs.used"}""") with { Effect = StepEffect.Read };
        await Memory.StoreAsync(Given.Definition("p", read with { Id = "a" }, read with { Id = "b" }, Given.Step("t.c", """{"y":"{$steps.b.outputs} of {$steps.a.outputs}"}""")).Taking(Given.Input("used")));
        for (var i = 0; i < 3; i++)
        {
            var answers = new Queue<string>([first, second]);
            await Memory.ReplayAsync(new ScriptedExecutor().On("t.read", (_, _) => new StepCallResult { Result = Given.Value(answers.Dequeue()) }), "p", Given.With(("used", "1")));
        }

        var result = await Memory.OptimizeAsync("p");

        Assert.Equal(goes ? [("b", StepChangeKind.Removed)] : [], result.Changes.Select(c => (c.StepId, c.Kind)));
        if (goes)
        {
            Assert.Equal("it is the same read as a, and gave the same each time", result.Changes[0].Reason);
            Given.JsonEqual("""{"y":"{$steps.a.outputs} of {$steps.a.outputs}"}""", result.Procedure.Version.Steps[1].Arguments);
        }
    }

    [Theory]
    [InlineData(StepEffect.Write)]
    [InlineData(StepEffect.Unknown)]
    public async Task What_is_read_again_after_a_write_or_may_be_one_itself_stays(StepEffect effect)
    {
        var read = Given.Step("t.read") with { Effect = StepEffect.Read };
        await StoreAsync(read with { Id = "a" }, Given.Step("t.between") with { Effect = effect }, read with { Id = "b" }, Given.Step("t.c", id: "c"), Given.Step("t.c", id: "d"));
        await ReplayAsync(3);

        Assert.Empty((await Memory.OptimizeAsync("p")).Changes);
    }

    [Fact]
    public async Task A_step_that_fails_as_often_as_it_succeeds_stays()
    {
        await StoreAsync(Given.Step("t.a"), Given.Step("t.b"));
        await ReplayAsync(2, "t.b");
        await ReplayAsync(2);

        var result = await Memory.OptimizeAsync("p");

        Assert.Empty(result.Changes);
        Assert.Contains("no change", result.Message, StringComparison.Ordinal);
        Assert.Single(await Memory.ListVersionsAsync("p"));
    }

    [Fact]
    public async Task A_failing_step_whose_result_is_needed_is_told_of_and_left_as_it_is()
    {
        await StoreAsync(Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs"}"""));
        await ReplayAsync(3, "t.a");
        var before = _test.Dump();

        var result = await Memory.OptimizeAsync("p");

        Assert.Equal(("a", StepChangeKind.Flagged), (Assert.Single(result.Changes).StepId, result.Changes[0].Kind));
        Assert.Contains("b need its result", result.Changes[0].Reason, StringComparison.Ordinal);
        Assert.Equal(before, _test.Dump());
    }

    [Fact]
    public async Task A_candidate_that_is_made_has_what_was_found_of_other_steps_as_flags()
    {
        await StoreAsync(Given.Step("t.a"), MayFail("t.bad"), Given.Step("t.c"));
        for (var i = 0; i < 3; i++)
        {
            await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.bad").Fails("t.c"), "p");
        }

        var candidate = (await Memory.OptimizeAsync("p")).Procedure.Version;

        Assert.Equal([("a", ""), ("c", "failing")], candidate.Steps.Select(s => (s.Id, string.Join(' ', s.Flags))));
    }

    [Theory]
    [InlineData(StepEffect.Unknown)]
    [InlineData(StepEffect.Read)]
    [InlineData(StepEffect.Write)]
    public async Task A_failing_step_that_stops_the_replay_stays_and_is_flagged_since_it_may_be_a_guard(StepEffect effect)
    {
        await StoreAsync(Given.Step("t.verify_approval") with { Effect = effect }, Given.Step("t.refund"));
        await ReplayAsync(3, "t.verify_approval");

        var result = await Memory.OptimizeAsync("p");

        Assert.Equal(("verify_approval", StepChangeKind.Flagged), (Assert.Single(result.Changes).StepId, result.Changes[0].Kind));
        Assert.Equal("it failed in 3 of 3 runs, but a replay stops where it fails, which may be what it is for: mend or replace it, or store it with OnFailure Continue if it is not needed", result.Changes[0].Reason);
        Assert.Equal(["verify_approval", "refund"], result.Procedure.Version.Steps.Select(s => s.Id));
    }

    [Fact]
    public async Task Going_on_after_failures_for_once_does_not_say_that_a_step_may_fail()
    {
        await StoreAsync(Given.Step("t.verify"), Given.Step("t.refund"));
        for (var i = 0; i < 3; i++)
        {
            await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.verify"), "p", Given.With() with { ContinueOnFailure = true });
        }

        Assert.Equal(StepChangeKind.Flagged, Assert.Single((await Memory.OptimizeAsync("p")).Changes).Kind);
    }

    [Fact]
    public async Task The_only_step_is_flagged_however_it_fails()
    {
        await StoreAsync(Given.Step("t.a"));
        await ReplayAsync(3, "t.a");

        Assert.Equal(StepChangeKind.Flagged, Assert.Single((await Memory.OptimizeAsync("p")).Changes).Kind);
    }

    [Fact]
    public async Task A_failing_step_that_only_a_failing_step_needs_goes_with_it()
    {
        await StoreAsync(MayFail("t.a"), MayFail("t.b", """{"x":"$steps.a.outputs"}"""), Given.Step("t.c"));
        await ReplayAsync(1, "t.b");
        await ReplayAsync(1, "t.b");
        await ReplayAsync(1, "t.a");
        await ReplayAsync(1, "t.a");
        await ReplayAsync(1, "t.a");

        var result = await Memory.OptimizeAsync("p");

        Assert.Equal([("a", StepChangeKind.Removed), ("b", StepChangeKind.Removed)], result.Changes.Select(c => (c.StepId, c.Kind)));
        Assert.Equal(["c"], result.Procedure.Version.Steps.Select(s => s.Id));
    }

    [Fact]
    public async Task A_failing_step_is_replaced_under_its_id_where_a_replacement_is_given()
    {
        await StoreAsync(Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs"}"""));
        await ReplayAsync(3, "t.a");

        var result = await Memory.OptimizeAsync("p", new Dictionary<string, ProcedureStep> { ["a"] = Given.Step("t.better", """{"y":1}""", "other"), ["b"] = Given.Step("t.unused") });

        var change = Assert.Single(result.Changes);
        Assert.Equal(("a", StepChangeKind.Replaced), (change.StepId, change.Kind));
        Assert.Contains("t.better takes its place", change.Reason, StringComparison.Ordinal);
        Assert.Equal([("a", "t.better"), ("b", "t.b")], result.Procedure.Version.Steps.Select(s => (s.Id, s.Action)));
    }

    [Fact]
    public async Task A_replacement_that_is_no_valid_step_is_refused()
    {
        await StoreAsync(Given.Step("t.a"), Given.Step("t.b"));
        await ReplayAsync(3, "t.a");

        var error = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.OptimizeAsync("p", new Dictionary<string, ProcedureStep> { ["a"] = Given.Step("t.x", """{"y":"$steps.b.outputs"}""") }));

        Assert.Contains("no earlier step", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5000, true)]
    [InlineData(4999, false)]
    public async Task A_slow_step_is_flagged_from_the_threshold_on(int ms, bool flagged)
    {
        await StoreAsync(Given.Step("t.fast"), Given.Step("t.slow"));

        async Task<OptimizeResult> RunAsync()
        {
            for (var i = 0; i < 3; i++)
            {
                await Memory.ReplayAsync(new ScriptedExecutor().On("t.slow", (_, _) =>
                {
                    _test.Time.Advance(TimeSpan.FromMilliseconds(ms));
                    return new StepCallResult();
                }), "p", Given.With());
            }

            return await Memory.OptimizeAsync("p");
        }

        var result = await RunAsync();

        Assert.Equal(flagged ? [("slow", StepChangeKind.Flagged)] : [], result.Changes.Select(c => (c.StepId, c.Kind)));
        Assert.Equal(1, result.Procedure.Version.Number);
        if (flagged)
        {
            Assert.Equal("it takes 5000 ms on average (95 % within 4985 ms, 100 % of the whole), which is slow", result.Changes[0].Reason);
        }
    }

    [Fact]
    public async Task A_draft_cannot_be_optimised()
    {
        await Memory.ImportAsync("""{"format":1,"name":"draft","steps":[{"action":"t.a"}]}""");

        Assert.Contains("Activate one first", (await _test.RefusesAsync<ProcedureConflictException>(() => Memory.OptimizeAsync("draft"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Optimising_does_not_bring_a_retired_procedure_back_into_use()
    {
        await Memory.StoreAsync(Given.Definition("kept", Given.Step("t.a"), Given.Step("t.b")));
        await Memory.ReplayAsync(new ScriptedExecutor(), "kept", Given.With());
        await StoreAsync(Given.Step("t.a"), Given.Step("t.b"));
        await ReplayAsync(3, "t.b");
        await Memory.MergeAsync(["kept", "p"]);

        await Record.ExceptionAsync(() => Memory.OptimizeAsync("p"));

        Assert.True((await Memory.GetAsync("p")).IsRetired);
    }

    [Fact]
    public async Task Steps_with_secret_inputs_are_optimised_without_losing_them()
    {
        await Memory.StoreAsync(
            Given.Definition("p", Given.Step("t.a", """{"connection":"Server=x;Password={$inputs.pw}"}"""), Given.Step("t.b"))
            .Taking(new ProcedureInput { Name = "pw", Secret = true }));
        await ReplayAsync(3, "t.b");

        var result = await Memory.OptimizeAsync("p");

        Assert.Equal(["pw"], result.Procedure.Version.Inputs.Select(i => i.Name));
        Given.JsonEqual("""{"connection":"Server=x;Password={$inputs.pw}"}""", result.Procedure.Version.Steps[0].Arguments);
    }

    private static ProcedureStep MayFail(string action, string arguments = "{}") => Given.Step(action, arguments) with { OnFailure = FailurePolicy.Continue };

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps));

    private async Task ReplayAsync(int times, string? failing = null)
    {
        for (var i = 0; i < times; i++)
        {
            var executor = failing is null ? new ScriptedExecutor() : new ScriptedExecutor().Fails(failing);
            var result = await Memory.ReplayAsync(executor, "p", Given.With(("used", "1"), ("gone", "1"), ("pw", "\"pw\"")));
            Assert.Equal(failing is null ? ReplayOutcome.Completed : ReplayOutcome.Failed, result.Outcome);
        }
    }
}
