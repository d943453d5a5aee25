using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class InputTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData(JsonType.Any, "[1]", "[1]")]
    [InlineData(JsonType.Any, "null", "null")]
    [InlineData(JsonType.String, "\"7\"", "\"7\"")]
    [InlineData(JsonType.String, "7", "\"7\"")]
    [InlineData(JsonType.String, "1.50", "\"1.50\"")]
    [InlineData(JsonType.String, "true", "\"true\"")]
    [InlineData(JsonType.Integer, "7", "7")]
    [InlineData(JsonType.Integer, "\"7\"", "7")]
    [InlineData(JsonType.Integer, "\" -7 \"", "-7")]
    [InlineData(JsonType.Integer, "7.0", "7")]
    [InlineData(JsonType.Integer, "\"7.0\"", "7")]
    [InlineData(JsonType.Integer, "1e3", "1000")]
    [InlineData(JsonType.Integer, "123456789012345678901234567890", "123456789012345678901234567890")]
    [InlineData(JsonType.Number, "7", "7")]
    [InlineData(JsonType.Number, "\"7.25\"", "7.25")]
    [InlineData(JsonType.Boolean, "true", "true")]
    [InlineData(JsonType.Boolean, "\"false\"", "false")]
    [InlineData(JsonType.Object, """{"a":1}""", """{"a":1}""")]
    [InlineData(JsonType.Object, "\"{\\\"a\\\":1}\"", """{"a":1}""")]
    [InlineData(JsonType.Array, "[1]", "[1]")]
    [InlineData(JsonType.Array, "\"[1]\"", "[1]")]
    [InlineData(JsonType.Null, "null", "null")]
    [InlineData(JsonType.Null, "\"null\"", "null")]
    public async Task A_value_that_is_plainly_of_the_declared_type_is_taken_for_it(JsonType type, string given, string sent)
    {
        await StoreAsync(new ProcedureInput { Name = "x", Type = type });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("x", given)));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal($$"""{"x":{{sent}}}""", Assert.Single(_executor.Calls).Arguments.GetRawText());
    }

    [Fact]
    public async Task A_misspelt_input_is_named_beside_the_one_that_is_missing()
    {
        await StoreAsync(new ProcedureInput { Name = "order_id", Type = JsonType.String });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("order_number", "\"W-1\"")));

        Assert.Contains("needs the input 'order_id' (string). You gave 'order_number', which it does not declare.", Assert.Single(result.Problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_input_that_is_not_declared_is_ignored_and_the_message_says_so()
    {
        await StoreAsync(new ProcedureInput { Name = "x" });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("x", "1"), ("y", "2"), ("z", "3")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.EndsWith("You gave 'y', 'z', which it does not declare: that was ignored.", result.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amount", false, "\"seven\"", ", \"seven\". Give a value of that type.")]
    [InlineData("amount", false, "7.5", ", 7.5. Give a value of that type.")]
    [InlineData("amount", true, "\"seven\"", "string was given. Give")]
    [InlineData("api_key", false, "\"seven\"", "string was given. Give")]
    [InlineData("amount", false, """{"password":"seven"}""", "object was given. Give")]
    public async Task A_value_of_another_type_is_shown_unless_it_may_be_secret(string name, bool secret, string given, string says)
    {
        await StoreAsync(new ProcedureInput { Name = name, Type = JsonType.Integer, Secret = secret });

        var problem = Assert.Single((await Memory.ReplayAsync(_executor, "p", Given.With((name, given)))).Problems);

        Assert.Contains(says, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_long_value_of_another_type_is_shown_in_part()
    {
        await StoreAsync(new ProcedureInput { Name = "x", Type = JsonType.Integer });

        var problem = Assert.Single((await Memory.ReplayAsync(_executor, "p", Given.With(("x", $"\"{new string('n', 5000)}\"")))).Problems);

        Assert.InRange(problem.Message.Length, 100, 300);
    }

    [Theory]
    [InlineData(JsonType.String, "[1]", "array")]
    [InlineData(JsonType.String, "{}", "object")]
    [InlineData(JsonType.Integer, "7.5", "number")]
    [InlineData(JsonType.Integer, "\"seven\"", "string")]
    [InlineData(JsonType.Integer, "\"\"", "string")]
    [InlineData(JsonType.Integer, "\"7 8\"", "string")]
    [InlineData(JsonType.Integer, "\"0x7\"", "string")]
    [InlineData(JsonType.Integer, "\"\\\"7\\\"\"", "string")]
    [InlineData(JsonType.Integer, "true", "boolean")]
    [InlineData(JsonType.Number, "\"NaN\"", "string")]
    [InlineData(JsonType.Number, "false", "boolean")]
    [InlineData(JsonType.Boolean, "1", "integer")]
    [InlineData(JsonType.Boolean, "\"yes\"", "string")]
    [InlineData(JsonType.Object, "[]", "array")]
    [InlineData(JsonType.Object, "\"[]\"", "string")]
    [InlineData(JsonType.Object, "\"{\\\"a\\\":1,\\\"a\\\":2}\"", "string")]
    [InlineData(JsonType.Array, "\"a,b\"", "string")]
    [InlineData(JsonType.Null, "0", "integer")]
    public async Task A_value_of_another_type_is_refused_with_both_types_named(JsonType type, string given, string named)
    {
        await StoreAsync(new ProcedureInput { Name = "x", Type = type });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("x", given)));

        var problem = Assert.Single(result.Problems);
        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.InvalidInput, "x"), (result.Outcome, problem.Code, problem.InputName));
        Assert.Contains($"must be of type {JsonNamingPolicy.CamelCase.ConvertName(type.ToString())}; {named} was given", problem.Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("null")]
    public async Task A_required_input_that_is_missing_is_refused_and_described(string? given)
    {
        await StoreAsync(new ProcedureInput { Name = "x", Type = JsonType.String, Description = "The order to cancel" });

        var result = await Memory.ReplayAsync(_executor, "p", given is null ? Given.With() : Given.With(("x", given)));

        var problem = Assert.Single(result.Problems);
        Assert.Equal((ReplayProblemCodes.MissingInput, "x"), (problem.Code, problem.InputName));
        Assert.Contains("'p' needs the input 'x' (string): The order to cancel", problem.Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task Everything_that_is_missing_is_said_at_once()
    {
        await StoreAsync(Given.Input("x"), Given.Input("y", JsonType.Integer), Given.Input("z"));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("y", "\"no\"")));

        Assert.Equal([("missing_input", "x"), ("invalid_input", "y"), ("missing_input", "z")], result.Problems.Select(p => (p.Code, p.InputName!)));
    }

    [Theory]
    [InlineData(null, "5")]
    [InlineData("null", "5")]
    [InlineData("6", "6")]
    public async Task A_default_stands_in_for_what_is_not_given(string? given, string sent)
    {
        await StoreAsync(new ProcedureInput { Name = "x", Type = JsonType.Integer, Default = Given.Value("5") });

        await Memory.ReplayAsync(_executor, "p", given is null ? Given.With() : Given.With(("x", given)));

        Given.JsonEqual($$"""{"x":{{sent}}}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Fact]
    public async Task An_optional_input_that_is_absent_leaves_its_argument_out()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"whole":"$inputs.x","part":"$inputs.x#/id","text":"<{$inputs.x}>","inner":{"x":"$inputs.x"},"other":1}"""))
            .Taking(new ProcedureInput { Name = "x", Required = false }));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With());

        Given.JsonEqual("""{"text":"<>","inner":{"x":null},"other":1}""", Assert.Single(_executor.Calls).Arguments);
        Assert.DoesNotContain("whole", result.Steps[0].ArgumentOrigins.Keys);
    }

    [Fact]
    public async Task The_host_is_asked_about_the_arguments_that_will_be_given_and_no_others()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"amount":"$inputs.amount","note":"<{$inputs.amount}>","wrong":"$inputs.wrong"}"""))
            .Taking(new ProcedureInput { Name = "amount", Required = false }, Given.Input("wrong")));

        await Memory.ReplayAsync(_executor, "p", Given.With());
        await Memory.ReplayAsync(_executor, "p", Given.With(("amount", "1"), ("wrong", "1")));

        // What is reported as missing already is not reported again as an argument that the function lacks.
        Assert.Equal(["note", "wrong"], _executor.Planned[0].ArgumentNames.Order());
        Assert.Equal(["amount", "note", "wrong"], _executor.Planned[1].ArgumentNames.Order());
    }

    [Theory]
    [InlineData("\"$inputs.x#/customer/id\"")]
    [InlineData("\"Hello {$inputs.x#/customer/id}\"")]
    [InlineData("{\"deep\":[\"$inputs.x#/customer/id\"]}")]
    public async Task A_part_that_an_input_lacks_is_found_out_before_anything_is_called_and_the_mends_that_are_named_work(string template)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", $$"""{"id":{{template}}}""")).Taking(Given.Input("x")));

        var refused = await Memory.ReplayAsync(_executor, "p", Given.With(("x", """{"customer":{"name":"Grace"}}""")));
        Assert.Empty(_executor.Calls);
        var given = await Memory.ReplayAsync(_executor, "p", Given.With(("x", """{"customer":{"id":7}}""")));
        var adapted = await Memory.ReplayAsync(_executor, "p", Given.With(("x", "{}")) with { StepOverrides = Given.Values(("b", """{"id":7}""")) });
        var skipped = await Memory.ReplayAsync(_executor, "p", Given.With(("x", "{}")) with { Skip = ["b"] });

        var problem = Assert.Single(refused.Problems);
        Assert.Equal((ReplayProblemCodes.InvalidInput, "b", "x"), (problem.Code, problem.StepId, problem.InputName));
        Assert.Contains("needs $inputs.x#/customer/id for its argument 'id', and the input 'x' (object) has nothing at /customer/id", problem.Message, StringComparison.Ordinal);
        Assert.All([given, adapted, skipped], r => Assert.Equal(ReplayOutcome.Completed, r.Outcome));
    }

    [Fact]
    public async Task A_part_of_an_optional_input_that_a_text_needs_is_missed_before_anything_is_called()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"text":"Hello {$inputs.x#/name}"}""")).Taking(new ProcedureInput { Name = "x", Required = false }));

        var result = await Memory.ReplayAsync(_executor, "p", Given.With());

        Assert.Contains("the input 'x' is not given", Assert.Single(result.Problems).Message, StringComparison.Ordinal);
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task Names_of_inputs_differ_by_case()
    {
        await StoreAsync(Given.Input("x"));

        Assert.Equal(ReplayProblemCodes.MissingInput, Assert.Single((await Memory.ReplayAsync(_executor, "p", Given.With(("X", "1")))).Problems).Code);
    }

    [Fact]
    public async Task A_value_that_is_too_large_is_refused_and_the_limit_is_named()
    {
        using var test = TestMemory.InMemory(o => o.MaxValueBytes = 1024);
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));

        var result = await test.Memory.ReplayAsync(_executor, "p", new ReplayRequest { Inputs = new Dictionary<string, JsonElement> { ["x"] = Given.Text(new string('x', 1023)) } });

        Assert.Equal((ReplayProblemCodes.InvalidInput, "x"), (result.Problems.Single().Code, result.Problems.Single().InputName));
        Assert.Contains("MaxValueBytes (1024", result.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> Unkeepable => new(Given.Deep(33), Given.Deep(90), """["\ud800"]""", """{"\udc00":1}""");

    [Theory]
    [MemberData(nameof(Unkeepable))]
    public async Task An_input_that_cannot_be_kept_is_refused_like_any_other_that_is_not_valid(string json)
    {
        await StoreAsync(Given.Input("x"));

        var result = await Memory.ReplayAsync(_executor, "p", RequestWith(json));

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.InvalidInput), (result.Outcome, result.Problems.Single().Code));
        Assert.Empty(_executor.Calls);
    }

    [Theory]
    [MemberData(nameof(Unkeepable))]
    public async Task An_adapted_parameter_that_cannot_be_kept_is_refused_or_sent_but_never_leaves_the_replay_hanging(string json)
    {
        await StoreAsync(new ProcedureInput { Name = "x", Required = false });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With() with { StepOverrides = new Dictionary<string, JsonElement> { ["a"] = Parse($$"""{"x":{{json}}}""") } });

        Assert.NotEqual(ReplayOutcome.Running, result.Outcome);
        Assert.DoesNotContain(await Memory.ListExecutionsAsync(), e => e.Outcome is ReplayOutcome.Running);
    }

    [Theory]
    [MemberData(nameof(Unkeepable))]
    public async Task A_result_that_cannot_be_kept_never_leaves_the_replay_hanging(string json)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs"}""")));
        _executor.On("t.a", (_, _) => new StepCallResult { Result = Parse(json) });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With());

        Assert.NotEqual(ReplayOutcome.Running, result.Outcome);
        Assert.Equal(StepStatus.Success, result.Steps[0].Status);
        var logged = (await Memory.GetExecutionAsync(result.ExecutionId!.Value))!.Steps[0];
        Assert.Null(logged.Result);
        Assert.StartsWith("result: ", logged.Omitted, StringComparison.Ordinal);
        Assert.DoesNotContain(await Memory.ListExecutionsAsync(), e => e.Outcome is ReplayOutcome.Running);
    }

    [Fact]
    public async Task Values_that_are_fine_apart_and_too_deep_together_fail_the_step_before_its_call()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", $$"""{"x":{{Given.Deep(30).Replace("1", "\"$steps.a.outputs\"", StringComparison.Ordinal)}}}""")));

        var result = await Memory.ReplayAsync(_executor.Returns("t.a", Given.Deep(50)), "p", Given.With());

        Assert.Equal((ReplayOutcome.Failed, FailureTypes.UnresolvedBinding), (result.Outcome, result.Steps[1].Failure!.ErrorType));
        Assert.Contains("nest deeper than 72 levels. Bind a part of the value", result.Message, StringComparison.Ordinal);
        Assert.Single(_executor.Calls);
    }

    [Fact]
    public async Task A_result_without_a_value_is_no_result()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", """{"x":"$steps.a.outputs"}""")));

        var result = await Memory.ReplayAsync(_executor.On("t.a", (_, _) => new StepCallResult { Result = default(JsonElement) }), "p", Given.With());

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Given.JsonEqual("""{"b":{"ok":true}}""", result.Result);
    }

    [Theory]
    [MemberData(nameof(Unkeepable))]
    public async Task The_results_of_a_replay_can_be_read_whatever_the_calls_gave(string json)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        _executor.On("t.a", (_, _) => new StepCallResult { Result = Parse(json) });

        var result = await Memory.ReplayAsync(_executor, "p", Given.With());

        Assert.Equal(JsonValueKind.Object, result.Result.ValueKind);
    }

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureInput> inputs) => Memory.StoreAsync(
        Given.Definition("p", Given.Step("t.a", $"{{{string.Join(',', inputs.Select(i => $"\"{i.Name}\":\"$inputs.{i.Name}\""))}}}")).Taking(inputs));

    private static ReplayRequest RequestWith(string json) => new() { Inputs = new Dictionary<string, JsonElement> { ["x"] = Parse(json) } };

    private static JsonElement Parse(string json) => JsonElement.Parse(json, new JsonDocumentOptions { MaxDepth = 1000 });
}
