using System.Text.Json;
using Moq;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class ReplayTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Steps_are_called_in_order_with_inputs_results_and_constants_in_place()
    {
        await Memory.StoreAsync(Given.Definition(
            "refund",
            Given.Step("orders.get", """{"id":"$inputs.id"}""", "get"),
            Given.Step("orders.refund", """{"order":"$steps.get.outputs#/id","line":"$steps.get.outputs#/lines/1","all":"$steps.get.outputs","note":"For {$inputs.id}: {$steps.get.outputs#/total} {$}{$inputs.flag}","deep":{"list":["$inputs.id",1]},"plain":"$$inputs.id","keep":true}"""))
            .Taking(Given.Input("id"), Given.Input("flag")));
        _executor.Returns("orders.get", """{"id":"W1","total":12.50,"lines":[{"a":1},{"b":null}]}""");

        var result = await Memory.ReplayAsync(_executor, "refund", Given.With(("id", "\"W1\""), ("flag", "true"), ("unknown", "1")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(ExecutionVerdict.Success, result.Verdict);
        Assert.Equal(["orders.get", "orders.refund"], _executor.Calls.Select(c => c.Action));
        Given.JsonEqual("""{"id":"W1"}""", _executor.Calls[0].Arguments);
        Given.JsonEqual(
            """{"order":"W1","line":{"b":null},"all":{"id":"W1","total":12.50,"lines":[{"a":1},{"b":null}]},"note":"For W1: 12.50 $true","deep":{"list":["W1",1]},"plain":"inputs.id","keep":true}""",
            _executor.Calls[1].Arguments);
        Assert.All(_executor.Calls, c => Assert.Equal(result.ExecutionId, c.ExecutionId));
        Given.JsonEqual("""{"get":{"id":"W1","total":12.50,"lines":[{"a":1},{"b":null}]},"refund":{"ok":true}}""", result.Result);
        result.ThrowIfNotCompleted();
    }

    [Fact]
    public async Task The_results_are_put_together_once_and_are_those_of_the_steps()
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor, "three", Given.With());

        Assert.True(result.Result.Equals(result.Result), "Two readings are two values.");
        Given.JsonEqual("""{"b":{"ok":true}}""", (result with { Steps = [result.Steps[1]] }).Result);
        Given.JsonEqual("{}", new ReplayResult { ProcedureName = "p", Version = 1, Outcome = ReplayOutcome.Running, Message = "" }.Result);
    }

    [Fact]
    public async Task A_procedure_that_takes_nothing_is_replayed_by_its_name()
    {
        await StoreThreeAsync();

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "three")).Outcome);
    }

    [Fact]
    public async Task It_is_said_of_every_argument_where_it_came_from()
    {
        await Memory.StoreAsync(Given.Definition(
            "p",
            Given.Step("t.a"),
            Given.Step("t.b", """{"c":"x","i":"$inputs.i","s":"$steps.a.outputs","both":{"i":"{$inputs.i}","s":["$steps.a.outputs"]},"step":1,"action":1,"twice":1}"""))
            .Taking(Given.Input("i")));

        var result = await Memory.ReplayAsync(
            _executor,
            "p",
            Given.With(("i", "1")) with { StepOverrides = Given.Values(("b", """{"step":2,"twice":2,"new":2}""")), ActionOverrides = Given.Values(("t.b", """{"action":3,"twice":3}""")) });

        Assert.Equal(
            new Dictionary<string, ArgumentOrigin>
            {
                ["c"] = ArgumentOrigin.Constant,
                ["i"] = ArgumentOrigin.Input,
                ["s"] = ArgumentOrigin.Step,
                ["both"] = ArgumentOrigin.InputAndStep,
                ["step"] = ArgumentOrigin.StepOverride,
                ["action"] = ArgumentOrigin.ActionOverride,
                ["twice"] = ArgumentOrigin.StepOverride,
                ["new"] = ArgumentOrigin.StepOverride,
            },
            result.Steps[1].ArgumentOrigins);
        Given.JsonEqual("""{"c":"x","i":1,"s":{"ok":true},"both":{"i":"1","s":[{"ok":true}]},"action":3,"step":2,"twice":2,"new":2}""", _executor.Calls[1].Arguments);
    }

    [Fact]
    public async Task An_adapted_parameter_is_data_even_where_it_looks_like_an_expression()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"x":1}""")));

        await Memory.ReplayAsync(_executor, "p", Given.With() with { StepOverrides = Given.Values(("a", """{"x":"$inputs.secret","y":"{$steps.a.outputs}","z":"$$"}""")) });

        Given.JsonEqual("""{"x":"$inputs.secret","y":"{$steps.a.outputs}","z":"$$"}""", _executor.Calls[0].Arguments);
    }

    [Fact]
    public async Task An_adapted_parameter_for_an_action_goes_to_every_step_of_it()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"x":1}"""), Given.Step("t.b", """{"x":1}"""), Given.Step("t.a", """{"x":2}""")));

        await Memory.ReplayAsync(_executor, "p", Given.With() with { ActionOverrides = Given.Values(("t.a", """{"x":9}""")) });

        Assert.Equal([9, 1, 9], _executor.Calls.Select(c => c.Arguments.GetProperty("x").GetInt32()));
    }

    [Fact]
    public async Task An_adapted_parameter_takes_the_place_of_a_binding_that_would_lead_nowhere()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs#/gone"}""")));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With() with { StepOverrides = Given.Values(("b", """{"x":1}""")) });

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
    }

    [Fact]
    public async Task A_step_whose_binding_leads_nowhere_fails_before_its_call()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs#/lines/0"}""")));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With());

        Assert.Equal(["t.a"], _executor.Calls.Select(c => c.Action));
        Assert.Equal((ReplayOutcome.Failed, ExecutionVerdict.Failure), (result.Outcome, result.Verdict));
        Assert.Equal((StepStatus.Failed, FailureTypes.UnresolvedBinding), (result.Steps[1].Status, result.Steps[1].Failure!.ErrorType));
        Assert.Contains("$steps.a.outputs#/lines/0", result.Message, StringComparison.Ordinal);
        Assert.Contains("adapted parameter", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_of_nothing_is_null_to_a_later_step()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs","y":"<{$steps.a.outputs}>"}""")));

        await Memory.ReplayAsync(_executor.ReturnsNothing("t.a"), "p", Given.With());

        Given.JsonEqual("""{"x":null,"y":"<>"}""", _executor.Calls[1].Arguments);
    }

    [Fact]
    public async Task A_failed_step_stops_the_replay_and_what_is_left_is_handed_back()
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor.Fails("t.b", "no disk"), "three", Given.With());

        Assert.Equal(["t.a", "t.b"], _executor.Calls.Select(c => c.Action));
        Assert.Equal([StepStatus.Success, StepStatus.Failed, StepStatus.Pending], result.Steps.Select(s => s.Status));
        Assert.Equal(new StepFailure("TestFailure", "no disk"), result.Steps[1].Failure);
        Assert.Contains("step 'b' (t.b) failed: no disk", result.Message, StringComparison.Ordinal);
        Assert.Contains("1 of 3 steps are done, 1 not begun", result.Message, StringComparison.Ordinal);
        var exception = Assert.Throws<ReplayNotCompletedException>(result.ThrowIfNotCompleted);
        Assert.IsAssignableFrom<ProceduralMemoryException>(exception);
        Assert.Equal(result.Message, exception.Message);
        Assert.Same(result, exception.Result);
        Given.JsonEqual("""{"a":{"ok":true}}""", result.Result);
    }

    [Fact]
    public async Task An_exception_of_a_call_is_a_failure_of_its_step()
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor.On("t.a", (_, _) => throw new TimeoutException("too slow")), "three", Given.With());

        Assert.Equal(new StepFailure("TimeoutException", "too slow"), result.Steps[0].Failure);
        Assert.Equal(ReplayOutcome.Failed, result.Outcome);
    }

    [Fact]
    public async Task A_cancellation_that_nobody_asked_for_is_a_failure_like_any_other()
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor.On("t.a", (_, _) => throw new TaskCanceledException("http timeout")), "three", Given.With());

        Assert.Equal((ReplayOutcome.Failed, "TaskCanceledException"), (result.Outcome, result.Steps[0].Failure!.ErrorType));
    }

    [Theory]
    [InlineData(true, FailurePolicy.Stop)]
    [InlineData(false, FailurePolicy.Continue)]
    public async Task Where_it_is_to_go_on_the_steps_that_need_the_failed_one_are_skipped_and_the_cause_is_named(bool onRequest, FailurePolicy policy)
    {
        await Memory.StoreAsync(Given.Definition(
            "p",
            Given.Step("t.a") with { OnFailure = policy },
            Given.Step("t.b", """{"x":["text {$steps.a.outputs#/id}"]}"""),
            Given.Step("t.c", """{"x":"$steps.b.outputs"}"""),
            Given.Step("t.d")));

        var result = await Memory.ReplayAsync(_executor.Fails("t.a"), "p", Given.With() with { ContinueOnFailure = onRequest });

        Assert.Equal(["t.a", "t.d"], _executor.Calls.Select(c => c.Action));
        Assert.Equal([StepStatus.Failed, StepStatus.Skipped, StepStatus.Skipped, StepStatus.Success], result.Steps.Select(s => s.Status));
        Assert.Equal("it needs the result of step 'a', which failed", result.Steps[1].Failure!.Message);
        Assert.Equal("it needs the result of step 'b', which was skipped", result.Steps[2].Failure!.Message);
        Assert.Equal((ReplayOutcome.Failed, ExecutionVerdict.Failure), (result.Outcome, result.Verdict));
        Assert.Contains("'a'", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_may_fail_does_not_let_the_next_one_fail()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { OnFailure = FailurePolicy.Continue }, Given.Step("t.b"), Given.Step("t.c")));

        var result = await Memory.ReplayAsync(_executor.Fails("t.a").Fails("t.b"), "p", Given.With());

        Assert.Equal([StepStatus.Failed, StepStatus.Failed, StepStatus.Pending], result.Steps.Select(s => s.Status));
    }

    [Fact]
    public async Task Steps_that_are_not_needed_are_left_out()
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor, "three", Given.With() with { Skip = ["a", "c"] });

        Assert.Equal(["t.b"], _executor.Calls.Select(c => c.Action));
        Assert.Equal([StepStatus.Skipped, StepStatus.Success, StepStatus.Skipped], result.Steps.Select(s => s.Status));
        Assert.Equal((ReplayOutcome.Completed, ExecutionVerdict.Success), (result.Outcome, result.Verdict));
        Assert.Contains("1 of 3 steps done, 2 skipped", result.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, ReplayRequest, string, string> Impossible => new()
    {
        { "skip of no step", Given.With() with { Skip = ["z"] }, ReplayProblemCodes.UnknownStep, "Its steps are: a, b" },
        { "override of no step", Given.With() with { StepOverrides = Given.Values(("z", "{}")) }, ReplayProblemCodes.UnknownStep, "Its steps are: a, b" },
        { "override of no action", Given.With() with { ActionOverrides = Given.Values(("t.z", "{}")) }, ReplayProblemCodes.UnknownStep, "It calls: t.a, t.b" },
        { "override that is no object", Given.With() with { StepOverrides = Given.Values(("b", "1")) }, ReplayProblemCodes.InvalidInput, "by name" },
        { "action override that is no object", Given.With() with { ActionOverrides = Given.Values(("t.b", "[]")) }, ReplayProblemCodes.InvalidInput, "by name" },
        { "skip of a step that is needed", Given.With() with { Skip = ["a"] }, ReplayProblemCodes.NeedsSkippedStep, "Skip both" },
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public async Task A_request_that_cannot_be_met_is_refused_before_anything_is_called(string what, ReplayRequest request, string code, string mend)
    {
        Assert.NotEmpty(what);
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs"}""")));

        var result = await Memory.ReplayAsync(_executor, "p", request);

        Assert.Equal((ReplayOutcome.Refused, (Guid?)null, (ExecutionVerdict?)null), (result.Outcome, result.ExecutionId, result.Verdict));
        Assert.Equal(code, Assert.Single(result.Problems).Code);
        Assert.Contains(mend, result.Problems[0].Message, StringComparison.Ordinal);
        Assert.Contains(mend, result.Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
        Assert.Empty(await Memory.ListExecutionsAsync());
        Assert.All(result.Steps, s => Assert.Equal(StepStatus.Pending, s.Status));
    }

    [Fact]
    public async Task A_skipped_step_whose_result_is_given_otherwise_is_no_obstacle()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs"}""")));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With() with { Skip = ["a"], StepOverrides = Given.Values(("b", """{"x":1}""")) });

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
    }

    [Fact]
    public async Task What_the_host_finds_missing_prevents_everything()
    {
        await StoreThreeAsync();
        _executor.Problems.Add(new ReplayProblem(ReplayProblemCodes.MissingFunction, "b", "There is no function t.b."));

        var result = await Memory.ReplayAsync(_executor, "three", Given.With() with { Skip = ["c"], ActionOverrides = Given.Values(("t.a", """{"more":1}""")) });

        Assert.Equal(ReplayOutcome.Refused, result.Outcome);
        Assert.Equal(ReplayProblemCodes.MissingFunction, Assert.Single(result.Problems).Code);
        Assert.Empty(_executor.Calls);
        Assert.Equal([("a", "t.a"), ("b", "t.b")], _executor.Planned.Select(c => (c.StepId, c.Action)));
        Assert.Equal(["more", "x"], _executor.Planned[0].ArgumentNames.Order());
    }

    [Fact]
    public async Task A_manual_step_is_not_replayed_until_somebody_says_it_is_done()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("Call the customer", id: "call") with { Kind = StepKind.Manual }, Given.Step("t.b")));

        var refused = await Memory.ReplayAsync(_executor, "p", Given.With());
        Assert.Empty(_executor.Calls);
        var done = await Memory.ReplayAsync(_executor, "p", Given.With() with { Skip = ["call"] });

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.ManualStep, "call"), (refused.Outcome, refused.Problems.Single().Code, refused.Problems.Single().StepId));
        Assert.Contains("list it in skip", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Assert.Equal(["t.b"], _executor.Calls.Select(c => c.Action));
        Assert.DoesNotContain(_executor.Planned, c => c.StepId == "call");
    }

    [Fact]
    public async Task A_retired_procedure_is_not_replayed()
    {
        await Memory.StoreAsync(Given.Definition("kept", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("gone", Given.Step("t.a")));
        await Memory.MergeAsync(["kept", "gone"]);

        foreach (var version in new int?[] { null, 1 })
        {
            var result = await Memory.ReplayAsync(_executor, "gone", Given.With() with { Version = version });
            Assert.Equal(ReplayProblemCodes.NotActive, Assert.Single(result.Problems).Code);
        }

        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task An_earlier_version_is_replayed_when_it_is_named()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.b")), asNewVersion: true);

        var result = await Memory.ReplayAsync(_executor, "p", Given.With() with { Version = 1 });

        Assert.Equal((1, "t.a"), (result.Version, Assert.Single(_executor.Calls).Action));
        Assert.Equal([1L, 0L], (await Memory.ListVersionsAsync("p")).Select(v => v.Statistics.Executions));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(1)]
    public async Task A_procedure_at_a_version_that_is_neither_active_nor_asked_for_is_not_replayed(int? asked)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        var draft = await Memory.ImportAsync("""{"format":1,"name":"p","steps":[{"action":"t.imported"}]}""");

        var refused = await Memory.ReplayProcedureAsync(_executor, draft, new ReplayRequest { Version = asked });

        Assert.Equal((ReplayOutcome.Refused, 2), (refused.Outcome, refused.Version));
        Assert.Equal(ReplayProblemCodes.NotActive, Assert.Single(refused.Problems).Code);
        Assert.Contains("version 2", refused.Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayProcedureAsync(_executor, draft, new ReplayRequest { Version = 2 })).Outcome);
    }

    [Fact]
    public async Task A_call_that_a_gate_does_not_let_through_ends_the_replay_without_counting()
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor.On("t.b", (_, _) => new StepCallResult { Refused = true }), "three", Given.With());

        Assert.Equal((ReplayOutcome.Refused, (ExecutionVerdict?)null), (result.Outcome, result.Verdict));
        Assert.NotNull(result.ExecutionId);
        Assert.Equal([StepStatus.Success, StepStatus.Failed, StepStatus.Pending], result.Steps.Select(s => s.Status));
        Assert.Equal(FailureTypes.Refused, result.Steps[1].Failure!.ErrorType);
        Assert.Contains("not let through", result.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await Memory.GetAsync("three")).Statistics.Executions);
        Assert.Empty((await Memory.GetAsync("three")).Version.StepStatistics);
    }

    [Theory]
    [InlineData("t.a", ReplayOutcome.Refused, 1)]
    [InlineData("t.c", ReplayOutcome.Completed, 3)]
    public async Task A_gate_that_ends_the_turn_ends_the_replay_where_anything_is_left(string action, ReplayOutcome outcome, int calls)
    {
        await StoreThreeAsync();

        var result = await Memory.ReplayAsync(_executor.On(action, (_, _) => new StepCallResult { Result = Given.Value("1"), StopRequested = true }), "three", Given.With());

        Assert.Equal(outcome, result.Outcome);
        Assert.Equal(calls, _executor.Calls.Count);
    }

    [Fact]
    public async Task Every_step_is_reported_when_it_has_ended()
    {
        await StoreThreeAsync();
        var progress = new Reports();

        await Memory.ReplayAsync(_executor, "three", Given.With() with { Skip = ["b"], Progress = progress });

        Assert.Equal([("a", StepStatus.Success), ("b", StepStatus.Skipped), ("c", StepStatus.Success)], progress.Seen.Select(s => (s.StepId, s.Status)));
    }

    [Fact]
    public async Task The_duration_is_the_time_that_the_calls_took()
    {
        await StoreThreeAsync();
        _executor.On("t.b", (_, _) =>
        {
            _test.Time.Advance(TimeSpan.FromMilliseconds(250));
            return new StepCallResult();
        });

        var result = await Memory.ReplayAsync(_executor, "three", Given.With());

        Assert.Equal(TimeSpan.FromMilliseconds(250), result.Duration);
        Assert.Equal([0.0, 250, 0], result.Steps.Select(s => s.Duration.TotalMilliseconds));
    }

    [Fact]
    public async Task A_store_that_fails_before_a_call_prevents_the_call_and_the_fault_surfaces()
    {
        var fault = new ProcedureStoreException(StoreFault.Failed, "disk full");
        using var real = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" });
        var store = new Mock<IProcedureStore>();
        store.Setup(s => s.SaveVersionAsync(It.IsAny<NewVersion>(), It.IsAny<CancellationToken>())).Returns(real.SaveVersionAsync);
        store.Setup(s => s.GetProcedureAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<string>(), It.IsAny<int?>(), It.IsAny<CancellationToken>())).Returns(real.GetProcedureAsync);
        store.Setup(s => s.WriteExecutionAsync(It.Is<JournalEntry>(e => e.Steps.Any(w => w.StepId == "b")), It.IsAny<CancellationToken>())).ThrowsAsync(fault);
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { Approval = ApprovalPolicy.Never }, store.Object);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b")));

        Assert.Same(fault, await Assert.ThrowsAsync<ProcedureStoreException>(() => memory.ReplayAsync(_executor, "p", Given.With())));
        Assert.Equal(["t.a"], _executor.Calls.Select(c => c.Action));
    }

    private Task<Procedure> StoreThreeAsync() => Memory.StoreAsync(Given.Definition("three", Given.Step("t.a", """{"x":1}"""), Given.Step("t.b"), Given.Step("t.c")));

    private sealed class Reports : IProgress<StepOutcome>
    {
        public List<StepOutcome> Seen { get; } = [];

        public void Report(StepOutcome value) => Seen.Add(value);
    }
}
