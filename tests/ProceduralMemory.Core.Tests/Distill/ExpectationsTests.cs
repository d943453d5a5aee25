using System.Text.Json;
using ProceduralMemory.Distill;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Distill;

public class ExpectationsTests
{
    [Fact]
    public void One_recording_expects_the_shape_and_fails_nothing()
    {
        var expectation = Of("""{"id":"R1","status":"cancelled"}""");

        Assert.Equal(ExpectationStrength.Observed, expectation.Strength);
        Assert.Equal(OutcomeMatch.Matched, Compare(expectation, """{"id":"R2","status":"pending"}"""));
        Assert.Equal(OutcomeMatch.Differs, Compare(expectation, """{"status":"cancelled"}"""));
    }

    [Theory]
    [InlineData("""{"id":"R3","status":"cancelled","items":[7],"seen":{}}""", OutcomeMatch.Matched)]
    [InlineData("""{"id":"R3","status":"pending","items":[],"seen":{}}""", OutcomeMatch.Differs)]
    [InlineData("""{"id":3,"status":"cancelled","items":[],"seen":{}}""", OutcomeMatch.Differs)]
    [InlineData("""{"status":"cancelled","items":[],"seen":{}}""", OutcomeMatch.Differs)]
    public void Two_recordings_confirm_types_and_the_outcome_and_leave_data_open(string result, OutcomeMatch expected)
    {
        var expectation = Of(
            """{"id":"R1","status":"cancelled","items":["a"],"seen":{"2031-05-04":1}}""",
            """{"id":"R2","status":"cancelled","items":["b"],"seen":{"2031-05-04":1}}""");

        Assert.Equal(ExpectationStrength.Confirmed, expectation.Strength);
        Assert.Equal(expected, Compare(expectation, result));
    }

    [Theory]
    [InlineData("ok", true)]
    [InlineData("isSuccess", true)]
    [InlineData("order_status", true)]
    [InlineData("book", false)]
    [InlineData("state", false)]
    [InlineData("name", false)]
    public void Only_what_is_named_as_an_outcome_is_held_to_its_value(string name, bool held)
    {
        var expectation = Of($$"""{"{{name}}":"same"}""", $$"""{"{{name}}":"same"}""");

        Assert.Equal(held ? OutcomeMatch.Differs : OutcomeMatch.Matched, Compare(expectation, $$"""{"{{name}}":"other"}"""));
    }

    [Theory]
    [InlineData(StepEffect.Write, OutcomeMatch.Differs, OutcomeMatch.Differs)]
    [InlineData(StepEffect.Unknown, OutcomeMatch.Matched, OutcomeMatch.Differs)]
    [InlineData(StepEffect.Read, OutcomeMatch.Matched, OutcomeMatch.Matched)]
    public void The_status_that_a_read_returns_is_the_state_of_the_world(StepEffect effect, OutcomeMatch status, OutcomeMatch flag)
    {
        var expectation = Of(effect, """{"status":"open","ok":true}""", """{"status":"open","ok":true}""");

        Assert.Equal(status, Compare(expectation, """{"status":"shipped","ok":true}"""));
        Assert.Equal(flag, Compare(expectation, """{"status":"open","ok":false}"""));
    }

    private static Expectation Of(params string[] results) => Of(StepEffect.Write, results);

    private static Expectation Of(StepEffect effect, params string[] results) => Expectations.Of([.. results.Select(r => new TraceStep { Action = "a.b", Result = Given.Value(r) })], effect)!;

    private static OutcomeMatch Compare(Expectation expectation, string result) => OutcomeComparer.Compare(expectation, (JsonElement?)Given.Value(result)).Match;
}
