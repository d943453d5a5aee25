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
    [InlineData(ExpectationKind.Subset, """{"a":{"b":1}}""", """{"a":{"b":1.0,"c":2},"d":3}""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, "{}", """{"a":1}""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, "[1,3]", "[0,1,2,3,4]", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, """[{"id":2}]""", """[{"id":1,"x":0},{"id":2,"x":0}]""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, "[[1],[1,2]]", "[[1,2],[1,2]]", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, "[]", "[1]", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, "\"a\"", "\"a\"", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Subset, """{"a":{"b":1}}""", """{"a":{"c":2}}""", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Subset, """{"a":null}""", "{}", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Subset, "[3,1]", "[1,2,3]", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Subset, "[1,1]", "[1,2]", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Subset, "{}", "[]", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Subset, "1", null, OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.Range, """{"minimum":1,"maximum":10}""", "1", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Range, """{"minimum":1,"maximum":10}""", "10.0", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Range, """{"exclusiveMinimum":0}""", "1e-400", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Range, """{"minimum":1e400}""", "2e400", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Range, """{"maximum":0.1}""", "0.10000000000000000000000000000000001", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"minimum":-1}""", "-1.5", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"exclusiveMinimum":1}""", "1", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"exclusiveMaximum":10}""", "1e1", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"minimum":1}""", "\"5\"", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"minimum":1}""", "\"NaN\"", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"minimum":1}""", "null", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Range, """{"minimum":1}""", null, OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.Pattern, "\"^order \\\\d+ shipped$\"", "\"order 7 shipped\"", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Pattern, "\"(?i)SHIPPED\"", "\"order 7 shipped\"", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Pattern, "\"\\\"ok\\\":true\"", """{ "ok" : true }""", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Pattern, "\"é\"", "[\"\\u00e9\"]", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Pattern, "\"^7$\"", "7", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Pattern, "\"SHIPPED\"", "\"order 7 shipped\"", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Pattern, "\".*\"", "null", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Pattern, "\".*\"", null, OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.NoError, "null", "\"Error: none left\"", OutcomeMatch.Differs, FailureTypes.ErrorResult)]
    [InlineData(ExpectationKind.NoError, "null", "\"sent\"", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.NoError, "null", null, OutcomeMatch.CannotTell)]
    [InlineData(ExpectationKind.Exact, "1e99999999999", "1e99999999999", OutcomeMatch.Matched)]
    [InlineData(ExpectationKind.Exact, "1e99999999999", "1", OutcomeMatch.Differs)]
    [InlineData(ExpectationKind.Shape, """{"const":1e99999999999}""", "1", OutcomeMatch.Differs)]
    public async Task A_result_is_compared_with_three_answers_and_only_what_was_merely_observed_cannot_fail_the_step(
        ExpectationKind kind, string expected, string? actual, OutcomeMatch answer, string failure = FailureTypes.UnexpectedOutcome)
    {
        foreach (var strength in Enum.GetValues<ExpectationStrength>())
        {
            var name = strength.ToString();
            await Memory.StoreAsync(Given.Definition(name, Given.Step("t.a") with { Expectation = new Expectation { Kind = kind, Value = Given.Value(expected), Strength = strength } }, Given.Step("t.b")));
            var executor = actual is null ? new ScriptedExecutor().ReturnsNothing("t.a") : new ScriptedExecutor().Returns("t.a", actual);

            var result = await Memory.ReplayAsync(executor, name, Given.With());
            var asserted = strength is not ExpectationStrength.Observed;

            // What looks like an error fails the step of a function whatever is expected.
            var fails = answer is OutcomeMatch.Differs && (asserted || kind is ExpectationKind.NoError);

            Assert.Equal(answer, result.Steps[0].Match);
            Assert.Equal(answer is not OutcomeMatch.Matched, result.Steps[0].Differences.Count > 0);
            Assert.Equal(fails ? StepStatus.Failed : StepStatus.Success, result.Steps[0].Status);
            Assert.Equal(fails ? failure : null, result.Steps[0].Failure?.ErrorType);
            Assert.Equal(fails ? 1 : 2, executor.Calls.Count);
            Assert.Equal(
                fails ? ExecutionVerdict.Failure : asserted && answer is OutcomeMatch.CannotTell ? ExecutionVerdict.Unknown : ExecutionVerdict.Success,
                result.Verdict);
            Assert.Equal(answer, (await Memory.GetExecutionAsync(result.ExecutionId!.Value))!.Steps[0].Match);
        }
    }

    [Theory]
    [InlineData(ExpectationKind.Exact, """{"a":{"b":[1,2]},"c":"some text"}""", """{"a":{"b":[1,3]},"c":"other text","d/e":1}""", "/a/b/1 is 3 (expected 2)", "/c is \"other text\" (expected \"some text\")", "/d~1e is 1 (not expected)")]
    [InlineData(ExpectationKind.Exact, """{"a":1}""", "{}", "/a is missing (expected 1)")]
    [InlineData(ExpectationKind.Exact, "[1,2]", "[1]", "the result is a list of 1 element (expected a list of 2 elements)")]
    [InlineData(ExpectationKind.Exact, "1", "\"1\"", "the result is \"1\" (expected 1)")]
    [InlineData(ExpectationKind.Exact, "true", "{}", "the result is an object (expected true)")]
    [InlineData(ExpectationKind.Exact, "[0,0,0,0,0,0,0]", "[1,1,1,1,1,1,1]", "/0 is 1 (expected 0)", "/1 is 1 (expected 0)", "/2 is 1 (expected 0)", "/3 is 1 (expected 0)", "/4 is 1 (expected 0)")]
    [InlineData(ExpectationKind.Exact, """{"token":"a1","x":{"password":"b2"},"note":"fine"}""", """{"x":{"password":"c3"},"note":"password: c3","pin":4}""", "/note is \"password: [redacted]\" (expected \"fine\")", "/token is missing", "/pin is not as expected (secret, so not shown)")]
    [InlineData(ExpectationKind.Subset, """{"a":{"b":1}}""", """{"a":{"b":2},"c":3}""", "/a/b is 2 (expected 1)")]
    [InlineData(ExpectationKind.Subset, """[{"id":1},{"id":2}]""", """[{"id":1},{"id":3}]""", "/1/id is 3 (expected 2)")]
    [InlineData(ExpectationKind.Subset, """{"items":[{"id":2},{"id":1}]}""", """{"items":[{"id":1},{"id":2},{"id":3}]}""", "/items is a list of 3 elements (expected an element like {\"id\":1}, in the order given)")]
    [InlineData(ExpectationKind.Shape, """{"type":"object","required":["a"],"properties":{"b":{"type":"array","items":{"type":"string"}}}}""", """{"b":["x",1]}""", "/a is missing", "/b/1 is 1 (expected string)")]
    [InlineData(ExpectationKind.Shape, """{"type":"string"}""", "null", "the result is null (expected string)")]
    [InlineData(ExpectationKind.Shape, """{"properties":{"status":{"type":"string","const":"done"}}}""", """{"status":"open"}""", "/status is \"open\" (expected \"done\")")]
    [InlineData(ExpectationKind.Range, """{"minimum":1,"exclusiveMaximum":10}""", "10", "the result is 10 (expected a number ≥ 1 and < 10)")]
    [InlineData(ExpectationKind.Pattern, "\"^ok\"", "\"line\\nbreak\"", "the result is \"line break\" (expected text that matches ^ok)")]
    public async Task A_difference_says_where_it_is_what_was_found_and_what_was_expected_and_gives_no_secret_away(ExpectationKind kind, string expected, string actual, params string[] differences)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = kind, Value = Given.Value(expected) } }));

        var step = (await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", actual), "p", Given.With())).Steps[0];

        Assert.Equal(OutcomeMatch.Differs, step.Match);
        Assert.Equal(differences, step.Differences);
        Assert.Equal($"The outcome is not as expected: {string.Join("; ", differences)}.", step.Failure!.Message);
    }

    [Theory]
    [InlineData(ExpectationKind.Exact, "1", "/a/b", OutcomeMatch.Matched, OutcomeMatch.Differs, "/a/b is missing (expected 1)")]
    [InlineData(ExpectationKind.Subset, "1", "/a/b", OutcomeMatch.Matched, OutcomeMatch.Differs, "/a/b is missing (expected 1)")]
    [InlineData(ExpectationKind.Shape, """{"type":"number"}""", "/a/b", OutcomeMatch.Matched, OutcomeMatch.Differs, "/a/b is missing")]
    [InlineData(ExpectationKind.Range, """{"minimum":0}""", "/a/b", OutcomeMatch.Matched, OutcomeMatch.Differs, "/a/b is missing")]
    [InlineData(ExpectationKind.Pattern, "\"^1$\"", "/a/b", OutcomeMatch.Matched, OutcomeMatch.Differs, "/a/b is missing")]
    [InlineData(ExpectationKind.Contains, "\"1\"", "/a/b", OutcomeMatch.Matched, OutcomeMatch.CannotTell, "/a/b is missing")]
    [InlineData(ExpectationKind.NoError, "null", "/a/b", OutcomeMatch.Matched, OutcomeMatch.CannotTell, "/a/b is missing")]
    public async Task A_pointer_says_which_part_is_meant_and_one_that_leads_nowhere_tells_a_missing_value_from_a_missing_sign(
        ExpectationKind kind, string expected, string at, OutcomeMatch there, OutcomeMatch nowhere, string says)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = kind, At = at, Value = Given.Value(expected) } }));

        var found = (await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", """{"a":{"b":1,"c":"Error: x"}}"""), "p", Given.With())).Steps[0];
        var lost = (await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", """{"a":["1"]}"""), "p", Given.With())).Steps[0];

        Assert.Equal((there, 0), (found.Match!.Value, found.Differences.Count));
        Assert.Equal((nowhere, says), (lost.Match!.Value, Assert.Single(lost.Differences)));
    }

    [Fact]
    public async Task What_looks_like_an_error_at_a_pointer_fails_the_step_though_the_result_as_a_whole_does_not()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.NoError, At = "/reply" } }));

        var step = (await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", """{"reply":{"error":"out of stock"}}"""), "p", Given.With())).Steps[0];

        Assert.Equal((OutcomeMatch.Differs, FailureTypes.UnexpectedOutcome), (step.Match!.Value, step.Failure!.ErrorType));
        Assert.Equal("/reply looks like an error: out of stock", Assert.Single(step.Differences));
    }

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
    public async Task An_asserted_outcome_with_a_secret_field_cannot_be_told_and_says_why()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("""{"token":"abc","ok":true}""") } }));

        var result = await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", """{"token":"abc","ok":true}"""), "p", Given.With());

        Assert.Equal((OutcomeMatch.CannotTell, StepStatus.Success), (result.Steps[0].Match!.Value, result.Steps[0].Status));
        Assert.Equal("what is expected of /token is secret and was not stored, so not all of it could be compared", Assert.Single(result.Steps[0].Differences));
    }

    [Theory]
    [InlineData(ExpectationKind.Exact, """{"note":"it is hunter2-hunter2","ok":true}""", """{"note":"it is hunter2-hunter2","ok":false}""")]
    [InlineData(ExpectationKind.Subset, """{"list":[{"token":"hunter2-hunter2","ok":true}]}""", """{"list":[{"token":"hunter2-hunter2","ok":false}]}""")]
    [InlineData(ExpectationKind.Shape, """{"properties":{"token":{"const":"hunter2-hunter2"},"ok":{"const":true}}}""", """{"token":"hunter2-hunter2","ok":false}""")]
    public async Task What_was_secret_is_not_compared_and_the_rest_is(ExpectationKind kind, string expected, string other)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"key":"$inputs.key"}""") with { Expectation = new Expectation { Kind = kind, Value = Given.Value(expected) } })
            .Taking(Given.Input("key", JsonType.String) with { Secret = true, Examples = [Given.Text("hunter2-hunter2")] }));

        var same = await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", other.Replace("false", "true", StringComparison.Ordinal)), "p", Given.With(("key", "\"x\"")));
        var differs = await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", other), "p", Given.With(("key", "\"x\"")));

        Assert.Equal((OutcomeMatch.CannotTell, OutcomeMatch.Differs), (same.Steps[0].Match!.Value, differs.Steps[0].Match!.Value));
        Assert.Contains("ok is false (expected true)", Assert.Single(differs.Steps[0].Differences), StringComparison.Ordinal);
    }
}
