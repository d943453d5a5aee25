using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

public sealed class TraceCleanerTests
{
    private static IEnumerable<string> Cleaned(params IReadOnlyList<TraceStep> calls) =>
        TraceCleaner.CallsOf(GivenTrace.Of(calls), GivenTrace.Options).Select(c => $"{c.Action}{c.Arguments.GetRawText()}");

    [Fact]
    public void Failed_calls_and_those_that_say_so_in_their_result_are_left_out_and_the_corrected_one_stays()
    {
        Assert.Equal(
            ["""t.book{"seat":"13A"}"""],
            Cleaned(
                GivenTrace.Write("t.book", """{"seat":"11A"}""") with { Status = StepStatus.Failed, Failure = new StepFailure("E", "taken") },
                GivenTrace.Write("t.book", """{"seat":"12A"}""", """{"error":"taken"}"""),
                GivenTrace.Write("t.book", """{"seat":"12B"}""", "\"Error: taken\""),
                GivenTrace.Write("t.book", """{"seat":"13A"}""", "\"booked\"")));
    }

    [Fact]
    public void A_read_that_was_repeated_for_the_same_result_is_left_out()
    {
        Assert.Equal(
            ["""t.find{"name":"Ann"}""", "t.other{}", "t.delete{}"],
            Cleaned(GivenTrace.Read("t.find", """{"name":"Ann"}""", "[1]"), GivenTrace.Read("t.other"), GivenTrace.Read("t.find", """{"name":"Ann"}""", "[1]"), GivenTrace.Write("t.delete")));
    }

    [Theory]
    [InlineData("""{"name":"Ann"}""", "[2]", StepEffect.Read)]
    [InlineData("""{"name":"Bob"}""", "[1]", StepEffect.Read)]
    [InlineData("""{"name":"Ann"}""", "[1]", StepEffect.Unknown)]
    [InlineData("""{"name":"Ann"}""", "[1]", StepEffect.IdempotentWrite)]
    [InlineData("""{"name":"Ann"}""", null, StepEffect.Read)]
    public void Another_result_other_arguments_and_what_is_not_declared_to_read_are_no_repetition(string arguments, string? result, StepEffect effect) =>
        Assert.Equal(2, Cleaned(GivenTrace.Call("t.find", """{"name":"Ann"}""", result is null ? null : "[1]", effect), GivenTrace.Call("t.find", arguments, result, effect)).Count());

    [Theory]
    [InlineData(StepEffect.Write)]
    [InlineData(StepEffect.IdempotentWrite)]
    [InlineData(StepEffect.Unknown)]
    public void A_read_after_a_write_is_no_repetition(StepEffect effect) =>
        Assert.Equal(3, Cleaned(GivenTrace.Read("t.find", "{}", "[1]"), GivenTrace.Call("t.do", "{}", "1", effect), GivenTrace.Read("t.find", "{}", "[1]")).Count());

    [Fact]
    public void The_options_say_what_reads_regardless_of_case()
    {
        var options = new ProceduralMemoryOptions { Effects = new Dictionary<string, StepEffect>(StringComparer.Ordinal) { ["T.Find"] = StepEffect.Read } };

        Assert.Single(TraceCleaner.CallsOf(GivenTrace.Of(GivenTrace.Call("t.find", "{}", "[1]"), GivenTrace.Call("t.find", "{}", "[1]")), options));
    }

    [Fact]
    public void Calls_of_one_answer_stand_in_the_order_asked_for()
    {
        var trace = GivenTrace.Of(
            GivenTrace.Call("t.c") with { CallGroup = "g", CallIndex = 1 },
            GivenTrace.Call("t.d"),
            GivenTrace.Call("t.b") with { CallGroup = "g", CallIndex = 0 });

        Assert.Equal(["t.b", "t.c", "t.d"], TraceCleaner.CallsOf(trace, GivenTrace.Options).Select(c => c.Action));
    }
}
