using Moq;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class CompositionTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_step_replays_a_procedure_with_its_arguments_as_inputs_and_its_results_as_result()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.double", """{"n":"$inputs.n"}"""), Given.Step("t.log", """{"text":"{$inputs.who}"}"""))
            .Taking(Given.Input("n", JsonType.Integer), new ProcedureInput { Name = "who", Default = Given.Text("nobody") }));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("INNER", """{"n":"{$inputs.n}"}""", "first"), Given.Step("t.after", """{"x":"$steps.first.outputs#/double/value"}""")).Taking(Given.Input("n")));
        _executor.Returns("t.double", """{"value":14}""");

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With(("n", "7")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(["""{"n":7}""", """{"text":"nobody"}""", """{"x":14}"""], _executor.Calls.Select(c => c.Arguments.GetRawText()));
        Assert.Equal("inner", result.Steps[0].Nested!.ProcedureName);
        Assert.Equal(["first/double", "first/log", "after"], _executor.Planned.Select(c => c.StepId));
        Given.JsonEqual("""{"first":{"double":{"value":14},"log":{"ok":true}},"after":{"ok":true}}""", result.Result);
    }

    [Fact]
    public async Task The_inner_replay_is_an_execution_of_its_own_that_knows_its_parent_and_counts()
    {
        await StoreAsync("inner", Given.Step("t.a"));
        await StoreAsync("outer", Given.Nested("inner", id: "call"));

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With());
        var inner = Assert.Single(await Memory.ListExecutionsAsync("inner"));

        Assert.Equal((result.ExecutionId, "call", ReplayOutcome.Completed), (inner.ParentId, inner.ParentStep, inner.Outcome));
        Assert.Equal(inner.Id, result.Steps[0].Nested!.ExecutionId);
        Assert.Equal(1, (await Memory.GetAsync("inner")).Statistics.Successes);
        Assert.Equal(1, (await Memory.GetAsync("outer")).Statistics.Successes);
        Assert.Equal(inner.Id, Assert.Single(_executor.Calls).ExecutionId);
    }

    [Fact]
    public async Task A_failure_inside_fails_the_step_and_says_why()
    {
        await StoreAsync("inner", Given.Step("t.a"), Given.Step("t.b"));
        await StoreAsync("outer", Given.Nested("inner"), Given.Step("t.c"));

        var result = await Memory.ReplayAsync(_executor.Fails("t.a", "no disk"), "outer", Given.With());

        Assert.Equal((ReplayOutcome.Failed, FailureTypes.NestedProcedure), (result.Outcome, result.Steps[0].Failure!.ErrorType));
        Assert.Contains("no disk", result.Message, StringComparison.Ordinal);
        Assert.Single(_executor.Calls);
        Assert.Equal((1L, 1L), ((await Memory.GetAsync("inner")).Statistics.Failures, (await Memory.GetAsync("outer")).Statistics.Failures));
    }

    [Fact]
    public async Task A_refusal_inside_is_a_refusal_outside_and_neither_counts()
    {
        await StoreAsync("inner", Given.Step("t.a"));
        await StoreAsync("outer", Given.Nested("inner"), Given.Step("t.c"));

        var result = await Memory.ReplayAsync(_executor.On("t.a", (_, _) => new StepCallResult { Refused = true }), "outer", Given.With() with { ContinueOnFailure = true });

        Assert.Equal(ReplayOutcome.Refused, result.Outcome);
        Assert.Single(_executor.Calls);
        Assert.Equal((0L, 0L), ((await Memory.GetAsync("inner")).Statistics.Executions, (await Memory.GetAsync("outer")).Statistics.Executions));
    }

    [Fact]
    public async Task Ids_of_the_outer_procedure_mean_nothing_inside()
    {
        await StoreAsync("inner", Given.Step("t.a", """{"x":1}""", "same"));
        await StoreAsync("outer", Given.Step("t.a", """{"x":1}""", "same"), Given.Nested("inner", id: "call"));

        await Memory.ReplayAsync(_executor, "outer", Given.With() with { StepOverrides = Given.Values(("same", """{"x":2}""")) });
        await Memory.ReplayAsync(_executor, "outer", Given.With() with { Skip = ["same"] });
        await Memory.ReplayAsync(_executor, "outer", Given.With() with { ActionOverrides = Given.Values(("t.a", """{"x":3}""")) });

        Assert.Equal([2, 1, 1, 3, 3], _executor.Calls.Select(c => c.Arguments.GetProperty("x").GetInt32()));
    }

    [Fact]
    public async Task Procedures_that_replay_each_other_in_a_circle_are_refused_and_the_circle_is_named()
    {
        await StoreAsync("a", Given.Nested("b"));
        await StoreAsync("b", Given.Step("t.x"), Given.Nested("c"));
        await StoreAsync("c", Given.Nested("A", id: "again"));
        await StoreAsync("self", Given.Nested("self"));

        var circle = await Memory.ReplayAsync(_executor, "a", Given.With());
        var self = await Memory.ReplayAsync(_executor, "self", Given.With());

        Assert.Equal((ReplayProblemCodes.ProcedureCycle, "b/c/again"), (circle.Problems.Single().Code, circle.Problems.Single().StepId));
        Assert.Contains("a → b → c → a", circle.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayProblemCodes.ProcedureCycle, self.Problems.Single().Code);
        Assert.Empty(_executor.Calls);
    }

    [Theory]
    [InlineData(3, ReplayOutcome.Completed)]
    [InlineData(2, ReplayOutcome.Refused)]
    public async Task Procedures_replay_procedures_only_so_deep(int allowed, ReplayOutcome outcome)
    {
        using var test = TestMemory.InMemory(o => o.MaxProcedureDepth = allowed);
        await test.Memory.StoreAsync(Given.Definition("l3", Given.Step("t.x")));
        await test.Memory.StoreAsync(Given.Definition("l2", Given.Nested("l3")));
        await test.Memory.StoreAsync(Given.Definition("l1", Given.Nested("l2")));

        var result = await test.Memory.ReplayAsync(_executor, "l1", Given.With());

        Assert.Equal(outcome, result.Outcome);
        Assert.Equal(outcome is ReplayOutcome.Refused, result.Message.Contains("MaxProcedureDepth", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_procedure_may_be_replayed_twice_in_one_that_is_no_circle()
    {
        await StoreAsync("inner", Given.Step("t.a"));
        await StoreAsync("outer", Given.Nested("inner"), Given.Nested("inner"));

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "outer", Given.With())).Outcome);
        Assert.Equal(2, _executor.Calls.Count);
    }

    [Fact]
    public async Task However_often_a_procedure_is_replayed_inside_it_is_loaded_once()
    {
        using var real = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" });
        var store = new Mock<IProcedureStore>();
        store.Setup(s => s.SaveVersionAsync(It.IsAny<NewVersion>(), It.IsAny<CancellationToken>())).Returns(real.SaveVersionAsync);
        store.Setup(s => s.GetProcedureAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<string>(), It.IsAny<int?>(), It.IsAny<CancellationToken>())).Returns(real.GetProcedureAsync);
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { Approval = ApprovalPolicy.Never }, store.Object);
        await memory.StoreAsync(Given.Definition("l4", Given.Step("t.x")));
        foreach (var (outer, inner) in new[] { ("l3", "l4"), ("l2", "l3"), ("l1", "l2") })
        {
            await memory.StoreAsync(Given.Definition(outer, Given.Nested(inner), Given.Nested(inner)));
        }

        _executor.Problems.Add(new ReplayProblem("busy", null, "Not now."));
        await memory.ReplayAsync(_executor, "l1", Given.With());

        Assert.Equal(8, _executor.Planned.Count);
        store.Verify(s => s.GetProcedureAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<string>(), It.IsAny<int?>(), It.IsAny<CancellationToken>()), Times.Exactly(4));
    }

    [Fact]
    public async Task Procedures_that_multiply_are_refused_without_being_unrolled()
    {
        await StoreAsync("l7", Given.Step("t.x"));
        for (var level = 6; level >= 0; level--)
        {
            var inner = FormattableString.Invariant($"l{level + 1}");
            await StoreAsync(FormattableString.Invariant($"l{level}"), [.. Enumerable.Range(0, 500).Select(_ => Given.Nested(inner))]);
        }

        var result = await Memory.ReplayAsync(_executor, "l0", Given.With());

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.TooManyCalls), (result.Outcome, result.Problems.Single().Code));
        Assert.Empty(_executor.Planned);
    }

    [Theory]
    [InlineData(4, ReplayOutcome.Completed)]
    [InlineData(3, ReplayOutcome.Refused)]
    public async Task One_replay_makes_only_so_many_calls_and_what_is_skipped_is_none(int allowed, ReplayOutcome outcome)
    {
        using var test = TestMemory.InMemory(o => o.MaxReplayCalls = allowed);
        await test.Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a"), Given.Step("t.b")));
        await test.Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner"), Given.Nested("inner"), Given.Nested("inner", id: "left_out")));

        var result = await test.Memory.ReplayAsync(_executor, "outer", Given.With() with { Skip = ["left_out"] });

        Assert.Equal(outcome, result.Outcome);
        Assert.Equal(outcome is ReplayOutcome.Refused, result.Message.Contains("at least 4 calls, those of the procedures inside included; MaxReplayCalls allows 3", StringComparison.Ordinal));
        Assert.Equal(outcome is ReplayOutcome.Refused ? 0 : 4, _executor.Calls.Count);
    }

    [Fact]
    public async Task How_deep_a_procedure_stands_is_judged_wherever_it_stands()
    {
        using var test = TestMemory.InMemory(o => o.MaxProcedureDepth = 3);
        await test.Memory.StoreAsync(Given.Definition("d", Given.Step("t.x")));
        await test.Memory.StoreAsync(Given.Definition("c", Given.Nested("d")));
        await test.Memory.StoreAsync(Given.Definition("b", Given.Nested("c", id: "to_c")));
        await test.Memory.StoreAsync(Given.Definition("a", Given.Nested("c", id: "shallow"), Given.Nested("b", id: "deep")));

        var result = await test.Memory.ReplayAsync(_executor, "a", Given.With());

        Assert.Equal((ReplayProblemCodes.ProcedureCycle, "deep/to_c"), (result.Problems.Single().Code, result.Problems.Single().StepId));
        Assert.Equal(ReplayOutcome.Completed, (await test.Memory.ReplayAsync(_executor, "a", Given.With() with { Skip = ["deep"] })).Outcome);
    }

    [Fact]
    public async Task What_is_wrong_inside_is_found_wherever_it_is_not_skipped()
    {
        await StoreAsync("inner", Given.Nested("missing", id: "gone"));
        await StoreAsync("outer", Given.Nested("inner", id: "first"), Given.Nested("inner", id: "second"));

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With() with { Skip = ["first"] });

        Assert.Equal((ReplayProblemCodes.NestedProcedure, "second/gone"), (result.Problems.Single().Code, result.Problems.Single().StepId));
        Assert.Empty(_executor.Calls);
    }

    [Theory]
    [InlineData("missing", "does not exist")]
    [InlineData("draft", "no active version")]
    [InlineData("retired", "is retired")]
    public async Task A_procedure_that_cannot_be_replayed_inside_is_found_out_before_anything_is_called(string inner, string says)
    {
        await StoreAsync("kept", Given.Step("t.k"));
        await StoreAsync("retired", Given.Step("t.r"));
        await Memory.MergeAsync(["kept", "retired"]);
        await Memory.ImportAsync("""{"format":1,"name":"draft","steps":[{"action":"t.d"}]}""");
        await StoreAsync("outer", Given.Step("t.a"), Given.Nested(inner, id: "call"));

        var refused = await Memory.ReplayAsync(_executor, "outer", Given.With());
        Assert.Empty(_executor.Calls);
        var skipped = await Memory.ReplayAsync(_executor, "outer", Given.With() with { Skip = ["call"] });

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.NestedProcedure, "call"), (refused.Outcome, refused.Problems.Single().Code, refused.Problems.Single().StepId));
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, skipped.Outcome);
    }

    [Fact]
    public async Task An_input_that_the_inner_procedure_lacks_is_found_out_before_anything_is_called_and_the_mend_that_is_named_works()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));
        await StoreAsync("outer", Given.Nested("inner", id: "call"));

        var refused = await Memory.ReplayAsync(_executor, "outer", Given.With());
        var given = await Memory.ReplayAsync(_executor, "outer", Given.With() with { StepOverrides = Given.Values(("call", """{"x":5}""")) });

        Assert.Equal(ReplayProblemCodes.NestedProcedure, refused.Problems.Single().Code);
        Assert.Contains("Give it as an adapted parameter of the step", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, given.Outcome);
        Given.JsonEqual("""{"x":5}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Fact]
    public async Task An_argument_of_another_type_than_the_inner_input_fails_the_step()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x", JsonType.Integer)));
        await StoreAsync("outer", Given.Step("t.get"), Given.Nested("inner", """{"x":"$steps.get.outputs"}"""));

        var result = await Memory.ReplayAsync(_executor.Returns("t.get", "\"seven\""), "outer", Given.With());

        Assert.Equal(FailureTypes.NestedProcedure, result.Steps[1].Failure!.ErrorType);
        Assert.Contains("must be of type integer", result.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[7]", "must be of type string")]
    [InlineData("\"$inputs.number\"", "must be of type string")]
    [InlineData("null", "without its input 'order'")]
    public async Task An_inner_input_that_is_known_and_does_not_fit_is_found_out_before_anything_is_called(string template, string says)
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.b", """{"x":"$inputs.order"}""")).Taking(Given.Input("order", JsonType.String)));
        await Memory.StoreAsync(Given.Definition("outer", Given.Step("t.a"), Given.Nested("inner", $$"""{"order":{{template}}}""", "call")).Taking(Given.Input("number", JsonType.Object)));

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With(("number", "{}")));

        Assert.Equal((ReplayProblemCodes.NestedProcedure, "call", null), (result.Problems.Single().Code, result.Problems.Single().StepId, result.Problems.Single().InputName));
        Assert.Contains(says, result.Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task A_part_that_an_inner_input_will_lack_is_found_out_before_anything_is_called_where_the_input_is_known()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.b", """{"x":"$inputs.order#/id"}""", "use")).Taking(Given.Input("order")));
        await Memory.StoreAsync(Given.Definition("of_input", Given.Step("t.a"), Given.Nested("inner", """{"order":{"copy":"$inputs.order"}}""", "call")).Taking(Given.Input("order")));
        await Memory.StoreAsync(Given.Definition("of_result", Given.Step("t.a"), Given.Nested("inner", """{"order":"$steps.a.outputs"}""", "call")));

        var known = await Memory.ReplayAsync(_executor, "of_input", Given.With(("order", """{"id":1}""")));
        Assert.Empty(_executor.Calls);
        var adapted = await Memory.ReplayAsync(_executor, "of_input", Given.With(("order", """{"id":1}""")) with { StepOverrides = Given.Values(("call", """{"order":{"id":2}}""")) });
        var unknown = await Memory.ReplayAsync(_executor.Returns("t.a", """{"id":3}"""), "of_result", Given.With());

        Assert.Equal((ReplayProblemCodes.InvalidInput, "call/use", null), (known.Problems.Single().Code, known.Problems.Single().StepId, known.Problems.Single().InputName));
        Assert.Contains("the input 'order' (object) has nothing at /id", known.Message, StringComparison.Ordinal);
        Assert.Equal((ReplayOutcome.Completed, ReplayOutcome.Completed), (adapted.Outcome, unknown.Outcome));
    }

    [Fact]
    public async Task An_optional_input_that_is_not_given_is_absent_inside_as_well()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.b", """{"x":"$inputs.order","y":1}""")).Taking(new ProcedureInput { Name = "order", Required = false }));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner", """{"order":"$inputs.order"}""")).Taking(new ProcedureInput { Name = "order", Required = false }));

        await Memory.ReplayAsync(_executor, "outer", Given.With());

        Assert.Equal(["y"], Assert.Single(_executor.Planned).ArgumentNames);
        Given.JsonEqual("""{"y":1}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Fact]
    public async Task A_gate_that_ends_the_turn_inside_ends_it_outside_too()
    {
        await StoreAsync("inner", Given.Step("t.a"));
        await StoreAsync("outer", Given.Nested("inner"), Given.Step("t.b"));

        var result = await Memory.ReplayAsync(_executor.On("t.a", (_, _) => new StepCallResult { StopRequested = true }), "outer", Given.With());

        Assert.Equal(ReplayOutcome.Refused, result.Outcome);
        Assert.Equal([StepStatus.Success, StepStatus.Pending], result.Steps.Select(s => s.Status));
        Assert.Single(_executor.Calls);
    }

    [Fact]
    public async Task A_manual_step_inside_is_not_replayed_either()
    {
        await StoreAsync("inner", Given.Step("Call the customer", id: "phone") with { Kind = StepKind.Manual });
        await StoreAsync("outer", Given.Step("t.a"), Given.Nested("inner", id: "call"));

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With());

        Assert.Equal(ReplayOutcome.Refused, result.Outcome);
        Assert.Equal((ReplayProblemCodes.ManualStep, "call/phone"), (result.Problems.Single().Code, result.Problems.Single().StepId!));
        Assert.Contains("list 'call' in skip", result.Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "outer", Given.With() with { Skip = ["call"] })).Outcome);
    }

    private Task<Procedure> StoreAsync(string name, params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition(name, steps));
}
