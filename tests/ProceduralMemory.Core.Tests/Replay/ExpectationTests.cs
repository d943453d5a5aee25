using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class ExpectationTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData(ExpectationKind.Exact, """{"a":1,"b":[true]}""", """{"b":[true],"a":1.0}""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Exact, "1e2", "100", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Exact, "null", "null", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Exact, "1", "2", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Exact, "\"a\"", "\"A\"", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Exact, """{"a":1}""", """{"a":1,"b":2}""", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Exact, "[1,2]", "[2,1]", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Exact, "1", null, OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.Shape, """{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}""", """{"id":"x","more":1}""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":"object","properties":{"id":{"type":"string"}}}""", "{}", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":"array","items":{"type":"number"}}""", "[1,2.5]", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":"array","items":{"type":"number"}}""", "[]", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":["string","null"]}""", "null", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":"integer"}""", "7", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":"integer"}""", "7.0", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, "{}", "\"anything\"", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Shape, """{"type":"integer"}""", "7.5", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Shape, """{"type":"object","required":["id"]}""", "{}", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Shape, """{"type":"object"}""", "[]", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Shape, """{"type":"array","items":{"type":"number"}}""", "[1,\"2\"]", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Shape, """{"type":"boolean"}""", null, OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.Contains, "\"Shipped\"", "\"order shipped today\"", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Contains, "\"shipped\"", """{"state":"SHIPPED"}""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Contains, "\"shipped\"", "\"sent\"", OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.Contains, "\"shipped\"", null, OutcomeMatch.CannotTell)]
    public async Task A_result_is_compared_with_three_answers_and_only_what_was_merely_observed_cannot_fail_the_step(ExpectationKind kind, string expected, string? actual, OutcomeMatch answer)
    {
        foreach (var strength in Enum.GetValues<ExpectationStrength>())
        {
            var name = strength.ToString();
            await Memory.StoreAsync(Given.Definition(name, Given.Step("t.a") with { Expectation = new Expectation { Kind = kind, Value = Given.Value(expected), Strength = strength } }, Given.Step("t.b")));
            var executor = actual is null ? new ScriptedExecutor().ReturnsNothing("t.a") : new ScriptedExecutor().Returns("t.a", actual);

            var result = await Memory.ReplayAsync(executor, name, Given.With());
            var asserted = strength is not ExpectationStrength.Observed;
            var fails = asserted && answer is OutcomeMatch.Differs;

            Assert.Equal(answer, result.Steps[0].Match);
            Assert.Equal(answer is OutcomeMatch.Differs, result.Steps[0].Differences.Count > 0);
            Assert.Equal(fails ? StepStatus.Failed : StepStatus.Success, result.Steps[0].Status);
            Assert.Equal(fails ? FailureTypes.UnexpectedOutcome : null, result.Steps[0].Failure?.ErrorType);
            Assert.Equal(fails ? 1 : 2, executor.Calls.Count);
            Assert.Equal(
                fails ? ExecutionVerdict.Failure : asserted && answer is OutcomeMatch.CannotTell ? ExecutionVerdict.Unknown : ExecutionVerdict.Success,
                result.Verdict);
            Assert.Equal(answer, (await Memory.GetExecutionAsync(result.ExecutionId!.Value))!.Steps[0].Match);
        }
    }

    [Theory]
    [InlineData(ExpectationKind.Exact, """{"a":{"b":[1,2]},"c":"secret text"}""", """{"a":{"b":[1,3]},"c":"other text","d/e":1}""", "/a/b/1 has another value", "/c has another value", "/d~1e is not expected")]
    [InlineData(ExpectationKind.Exact, """{"a":1}""", "{}", "/a is missing")]
    [InlineData(ExpectationKind.Exact, "[1,2]", "[1]", "the result has 1 elements, not 2")]
    [InlineData(ExpectationKind.Exact, "1", "\"1\"", "the result is string, not number")]
    [InlineData(ExpectationKind.Exact, "true", "false", "the result has another value")]
    [InlineData(ExpectationKind.Exact, "[0,0,0,0,0,0,0]", "[1,1,1,1,1,1,1]", "/0 has another value", "/1 has another value", "/2 has another value", "/3 has another value", "/4 has another value")]
    [InlineData(ExpectationKind.Shape, """{"type":"object","required":["a"],"properties":{"b":{"type":"array","items":{"type":"string"}}}}""", """{"b":["x",1]}""", "/a is missing", "/b/1 is number, not string")]
    [InlineData(ExpectationKind.Shape, """{"type":"string"}""", "null", "the result is null, not string")]
    public void A_difference_says_where_it_is_and_gives_no_value_away(ExpectationKind kind, string expected, string actual, params string[] differences)
    {
        var (match, found) = OutcomeComparer.Compare(new Expectation { Kind = kind, Value = Given.Value(expected) }, Given.Value(actual));

        Assert.Equal(OutcomeMatch.Differs, match);
        Assert.Equal(differences, found);
    }

    [Fact]
    public void Every_value_has_the_shape_that_is_made_of_it() => CsCheck.Check.Sample(
        Given.AnyValue,
        value =>
        {
            var (match, differences) = OutcomeComparer.Compare(new Expectation { Kind = ExpectationKind.Shape, Value = OutcomeComparer.ShapeOf(value) }, value);
            Assert.True(match is OutcomeMatch.Matched, string.Join("; ", differences));
        },
        iter: 2000,
        print: v => v.GetRawText());

    [Fact]
    public void Every_value_is_exactly_itself_and_the_shape_of_another_type_differs() => CsCheck.Check.Sample(
        Given.AnyValue,
        value => Assert.Equal(OutcomeMatch.Matched, OutcomeComparer.Compare(new Expectation { Kind = ExpectationKind.Exact, Value = value }, value).Match),
        iter: 1000,
        print: v => v.GetRawText());

    [Fact]
    public async Task A_result_that_is_not_as_asserted_is_not_given_to_later_steps()
    {
        await Memory.StoreAsync(Given.Definition(
            "p",
            Given.Step("t.a") with { OnFailure = FailurePolicy.Continue, Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("1") } },
            Given.Step("t.b", """{"x":"$steps.a.outputs"}""")));
        var executor = new ScriptedExecutor().Returns("t.a", "2");

        var result = await Memory.ReplayAsync(executor, "p", Given.With());

        Assert.Equal([StepStatus.Failed, StepStatus.Skipped], result.Steps.Select(s => s.Status));
        Assert.Single(executor.Calls);
    }

    [Fact]
    public async Task An_asserted_outcome_with_a_secret_field_is_still_met_by_the_result_it_describes()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("""{"token":"abc","ok":true}""") } }));

        var result = await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", """{"token":"abc","ok":true}"""), "p", Given.With());

        Assert.NotEqual(OutcomeMatch.Differs, result.Steps[0].Match);
    }

    [Theory]
    [InlineData(ExpectationKind.Contains, "1", "takes a string")]
    [InlineData(ExpectationKind.Shape, "\"object\"", "JSON Schema")]
    [InlineData(ExpectationKind.Shape, "[]", "JSON Schema")]
    public async Task An_expectation_that_cannot_be_compared_is_refused(ExpectationKind kind, string value, string says)
    {
        var error = await Assert.ThrowsAsync<ProcedureFormatException>(() => Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = kind, Value = Given.Value(value) } })));

        Assert.Equal("steps[0].expectation", Assert.Single(error.Problems).Path);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }
}
