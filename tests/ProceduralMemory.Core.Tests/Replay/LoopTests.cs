using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class LoopTests : IDisposable
{
    private readonly TestMemory _world = TestMemory.InMemory();

    private ProcedureMemory Memory => _world.Memory;

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task A_loop_does_its_steps_once_for_each_element_in_order()
    {
        await StoreReturns();
        var shop = Shop("""[{"id":"I1","n":1},{"id":"I2","n":2}]""");

        var result = await Memory.ReplayAsync(shop, "return_items", Given.With(("order", "\"W1\"")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(
            ["""shop.get_order {"id":"W1"}""", """shop.check {"item":"I1"}""", """shop.return {"item":"I1","label":"W1-1","ticket":"T-I1"}""", """shop.check {"item":"I2"}""", """shop.return {"item":"I2","label":"W1-2","ticket":"T-I2"}""", """shop.notify {"last":"I2"}"""],
            shop.Calls.Select(c => $"{c.Action} {c.Arguments.GetRawText()}"));
        Given.JsonEqual("""[{"check":{"ticket":"T-I1"},"return":{"ok":true,"item":"I1"}},{"check":{"ticket":"T-I2"},"return":{"ok":true,"item":"I2"}}]""", result.Steps[1].Result);
        Assert.Equal(2, result.Steps[1].Iterations.Count);
    }

    [Fact]
    public async Task Its_steps_are_in_the_log_under_the_loop_and_in_the_statistics_of_the_procedure()
    {
        await StoreReturns();

        var result = await Memory.ReplayAsync(Shop("""[{"id":"I1","n":1},{"id":"I2","n":2}]"""), "return_items", Given.With(("order", "\"W1\"")));

        var iterations = (await Memory.ListExecutionsAsync()).Where(e => e.ParentId == result.ExecutionId).ToList();
        Assert.All(iterations, i => Assert.Equal("each", i.ParentStep));
        Assert.Equal(2, iterations.Count);
        var version = (await Memory.GetAsync("return_items")).Version;
        Assert.Equal(1, version.Statistics.Executions);
        Assert.Equal(2, version.StepStatistics["check"].Runs);
        Assert.Equal(1, version.StepStatistics["each"].Runs);
    }

    [Fact]
    public async Task An_empty_list_is_done_at_once()
    {
        await Memory.StoreAsync(Definition(new ProcedureStep { Id = "each", Kind = StepKind.Loop, Action = "nothing", ForEach = "$steps.get_order.outputs#/items", Steps = [Given.Step("shop.check", """{"item":"$item"}""")] }));

        var result = await Memory.ReplayAsync(Shop("[]"), "return_items", Given.With(("order", "\"W1\"")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Given.JsonEqual("[]", result.Steps[1].Result);
    }

    [Fact]
    public async Task A_failure_at_one_element_stops_the_loop_and_says_where()
    {
        await StoreReturns();
        var shop = Shop("""[{"id":"I1","n":1},{"id":"I2","n":2},{"id":"I3","n":3}]""");
        shop.On("shop.return", (call, _) => call.Arguments.GetProperty("item").GetString() == "I2" ? new StepCallResult { Failure = new StepFailure("Broken", "It is broken.") } : new StepCallResult());

        var result = await Memory.ReplayAsync(shop, "return_items", Given.With(("order", "\"W1\"")));

        Assert.Equal(ReplayOutcome.Failed, result.Outcome);
        Assert.Contains("At element 2 of 3", result.Message, StringComparison.Ordinal);
        Assert.Contains("It is broken.", result.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(shop.Calls, c => c.Arguments.GetRawText().Contains("I3", StringComparison.Ordinal));
        Assert.Equal(1, (await Memory.GetAsync("return_items")).Version.StepStatistics["return"].Failures);
    }

    [Theory]
    [InlineData("\"I1\"", "is no list but string")]
    [InlineData("null", "is no list but null")]
    public async Task What_is_no_list_fails_the_loop_before_its_first_call(string items, string says)
    {
        await StoreReturns();
        var shop = Shop(items);

        var result = await Memory.ReplayAsync(shop, "return_items", Given.With(("order", "\"W1\"")));

        Assert.Contains(says, result.Message, StringComparison.Ordinal);
        Assert.Equal("shop.get_order", Assert.Single(shop.Calls).Action);
    }

    [Fact]
    public async Task A_list_that_is_too_long_is_not_begun()
    {
        using var world = TestMemory.InMemory(o => o.MaxReplayCalls = 5);
        await world.Memory.StoreAsync(Returns);
        var shop = Shop("""[{"id":"a","n":1},{"id":"b","n":2},{"id":"c","n":3}]""");

        var result = await world.Memory.ReplayAsync(shop, "return_items", Given.With(("order", "\"W1\"")));

        Assert.Contains("MaxReplayCalls (5)", result.Message, StringComparison.Ordinal);
        Assert.Single(shop.Calls);
    }

    [Fact]
    public async Task The_steps_of_a_loop_are_looked_over_skipped_and_adapted_by_their_own_ids()
    {
        await StoreReturns();
        var shop = Shop("""[{"id":"I1","n":1},{"id":"I2","n":2}]""");

        var result = await Memory.ReplayAsync(shop, "return_items", Given.With(("order", "\"W1\"")) with { StepOverrides = Given.Values(("return", """{"label":"mine","ticket":"none"}""")), Skip = ["check"] });

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal("""{"item":"I1","label":"mine","ticket":"none"}""", shop.Calls.First(c => c.Action == "shop.return").Arguments.GetRawText());
        Assert.Contains(shop.Planned, p => p is { StepId: "each/return", Action: "shop.return" });
    }

    [Theory]
    [InlineData("""{"x":"$item"}""", "outside a loop")]
    [InlineData("""{"x":"$steps.check.outputs"}""", "refers to no earlier step")]
    public async Task What_is_known_in_a_loop_only_is_not_referred_to_outside(string arguments, string says)
    {
        var refusal = await _world.RefusesAsync<ProcedureFormatException>(() => Memory.StoreAsync(Returns with { Steps = [.. Returns.Steps, Given.Step("t.a", arguments, "after")] }));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_loop_that_cannot_be_run_is_refused()
    {
        var step = Given.Step("t.a", """{"x":"$item"}""");
        foreach (var (loop, says) in new[]
        {
            (new ProcedureStep { Kind = StepKind.Loop, Action = "x", Steps = [step] }, "needs forEach"),
            (new ProcedureStep { Kind = StepKind.Loop, Action = "x", ForEach = "$inputs.order" }, "needs forEach"),
            (new ProcedureStep { Kind = StepKind.Loop, Action = "x", ForEach = "items", Steps = [step] }, "an expression leads to"),
            (new ProcedureStep { Kind = StepKind.Loop, Action = "x", ForEach = "$inputs.order", Steps = [step], Arguments = Given.Value("""{"a":1}""") }, "takes no arguments"),
            (new ProcedureStep { Kind = StepKind.Loop, Action = "x", ForEach = "$inputs.order", Steps = [new ProcedureStep { Kind = StepKind.Loop, Action = "y", ForEach = "$item", Steps = [step] }] }, "inside a loop"),
            (new ProcedureStep { Action = "t.a", ForEach = "$inputs.order" }, "Only a step of kind 'loop'"),
        })
        {
            var refusal = await _world.RefusesAsync<ProcedureFormatException>(() => Memory.StoreAsync(Given.Definition("p", loop).Taking(Given.Input("order"))));
            Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_procedure_is_replayed_for_each_element()
    {
        await Memory.StoreAsync(Given.Definition("return_one", Given.Step("shop.return", """{"item":"$inputs.item"}""")).Taking(Given.Input("item", JsonType.String)));
        await Memory.StoreAsync(Definition(new ProcedureStep { Id = "each", Kind = StepKind.Loop, Action = "return", ForEach = "$steps.get_order.outputs#/items", Steps = [Given.Nested("return_one", """{"item":"$item#/id"}""")] }));
        var shop = Shop("""[{"id":"I1"},{"id":"I2"}]""");

        var result = await Memory.ReplayAsync(shop, "return_items", Given.With(("order", "\"W1\"")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(["I1", "I2"], shop.Calls.Where(c => c.Action == "shop.return").Select(c => c.Arguments.GetProperty("item").GetString()));
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("false", false)]
    [InlineData(null, false)]
    public async Task A_step_whose_condition_does_not_hold_is_skipped_with_what_needs_it(string? wrap, bool done)
    {
        await Memory.StoreAsync(Given.Definition(
            "ship",
            Given.Step("shop.wrap", """{"paper":"red"}""") with { Condition = new StepCondition { Value = "$inputs.wrap", Operand = Given.Value("true") } },
            Given.Step("shop.tie", """{"parcel":"$steps.wrap.outputs#/ok"}"""),
            Given.Step("shop.send")).Taking(Given.Input("wrap", JsonType.Boolean) with { Required = false }));
        var shop = new ScriptedExecutor();

        var result = await Memory.ReplayAsync(shop, "ship", wrap is null ? Given.With() : Given.With(("wrap", wrap)));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(done ? ["shop.wrap", "shop.tie", "shop.send"] : ["shop.send"], shop.Calls.Select(c => c.Action));
        Assert.Equal(done ? null : "not needed: its condition ($inputs.wrap = true) does not hold", result.Steps[0].Failure?.Message);
    }

    [Theory]
    [InlineData(ConditionTest.Equal, "\"paid\"", "\"paid\"", true)]
    [InlineData(ConditionTest.NotEqual, "\"paid\"", "\"open\"", true)]
    [InlineData(ConditionTest.NotEqual, "\"paid\"", "\"paid\"", false)]
    [InlineData(ConditionTest.Present, null, "[1]", true)]
    [InlineData(ConditionTest.Present, null, "[]", false)]
    [InlineData(ConditionTest.Present, null, "0", true)]
    [InlineData(ConditionTest.Absent, null, "\"\"", true)]
    [InlineData(ConditionTest.Absent, null, "null", true)]
    [InlineData(ConditionTest.Absent, null, "false", true)]
    public async Task A_condition_decides_by_an_earlier_outcome(ConditionTest test, string? operand, string status, bool done)
    {
        await Memory.StoreAsync(Given.Definition(
            "p",
            Given.Step("shop.get"),
            Given.Step("shop.act") with { Condition = new StepCondition { Value = "$steps.get.outputs#/status", Test = test, Operand = operand is null ? null : Given.Value(operand) } }));
        var shop = new ScriptedExecutor().Returns("shop.get", $$"""{"status":{{status}}}""");

        await Memory.ReplayAsync(shop, "p");

        Assert.Equal(done, shop.Calls.Exists(c => c.Action == "shop.act"));
    }

    private static ProcedureDefinition Returns => Definition(
        new ProcedureStep
        {
            Id = "each",
            Kind = StepKind.Loop,
            Action = "return the items",
            ForEach = "$steps.get_order.outputs#/items",
            Steps = [Given.Step("shop.check", """{"item":"$item#/id"}"""), Given.Step("shop.return", """{"item":"$item#/id","label":"{$inputs.order}-{$item#/n}","ticket":"$steps.check.outputs#/ticket"}""")],
        },
        Given.Step("shop.notify", """{"last":"$steps.each.outputs#/1/return/item"}"""));

    private static ProcedureDefinition Definition(params ProcedureStep[] rest) =>
        Given.Definition("return_items", [Given.Step("shop.get_order", """{"id":"$inputs.order"}"""), .. rest]).Taking(Given.Input("order", JsonType.String));

    private Task<Procedure> StoreReturns() => Memory.StoreAsync(Returns);

    private static ScriptedExecutor Shop(string items) => new ScriptedExecutor()
        .Returns("shop.get_order", $$"""{"items":{{items}}}""")
        .On("shop.check", (call, _) => new StepCallResult { Result = Given.Value($$"""{"ticket":"T-{{call.Arguments.GetProperty("item").GetString()}}"}""") })
        .On("shop.return", (call, _) => new StepCallResult { Result = Given.Value($$"""{"ok":true,"item":"{{call.Arguments.GetProperty("item").GetString()}}"}""") });
}
