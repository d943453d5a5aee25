using System.Globalization;
using CsCheck;
using ProceduralMemory.Distill;
using static ProceduralMemory.Tests.Distill.GivenTrace;

namespace ProceduralMemory.Tests.Distill;

public sealed class TraceAlignerTests
{
    private static readonly Gen<TraceStep> AnyCall =
        from action in Gen.OneOf("t.a", "t.b", "t.c", "t.d")
        from argument in Gen.OneOf("x", "y", "zeta-77")
        from reads in Gen.Bool
        select Call(action, $$"""{"v":"{{argument}}"}""", $$"""{"from":"{{argument}}-{{action}}"}""", reads ? StepEffect.Read : StepEffect.Write);

    private static readonly Gen<Trace> AnyTrace = AnyCall.Array[1, 7].Select(calls => Of(calls));

    [Fact]
    public void Steps_that_only_some_traces_have_stand_between_the_common_ones() => Assert.Equal(
        ["t.get 1 | 2 | 3", "t.check - | - | 3", "t.act 1 | 2 | 3", "t.mail - | 2 | 3"],
        Align(
            Of(Call("t.get", """{"id":3}"""), Call("t.check", """{"id":3}"""), Call("t.act", """{"id":3}"""), Call("t.mail", """{"id":3}""")),
            Of(Call("t.get", """{"id":1}"""), Call("t.act", """{"id":1}""")),
            Of(Call("t.get", """{"id":2}"""), Call("t.act", """{"id":2}"""), Call("t.mail", """{"id":2}"""))));

    [Fact]
    public void Of_several_calls_of_one_action_those_with_the_most_similar_arguments_stand_together() => Assert.Equal(
        ["t.set - | color,red", "t.set size,XL | size,L"],
        Align(Of(Call("t.set", """{"key":"color","to":"red"}"""), Call("t.set", """{"key":"size","to":"L"}""")), Of(Call("t.set", """{"key":"size","to":"XL"}"""))));

    [Fact]
    public void Reads_that_no_data_flow_orders_are_the_same_steps_in_any_order() => Assert.Equal(
        ["t.user 7 | 7", "t.stock 9 | 9", "t.order  | "],
        Align(
            Of(Read("t.stock", """{"id":9}""", "\"a\""), Read("t.user", """{"id":7}""", "\"c\""), Write("t.order")),
            Of(Read("t.user", """{"id":7}""", "\"a\""), Read("t.stock", """{"id":9}""", "\"d\""), Write("t.order"))).Order(Comparer<string>.Create((a, b) => string.CompareOrdinal(b[..3], a[..3]))));

    [Theory]
    [InlineData(StepEffect.Unknown)]
    [InlineData(StepEffect.Write)]
    public void What_may_write_stays_where_it_is(StepEffect effect) => Assert.Equal(
        3,
        Align(Of(Call("t.a", "{}", null, effect), Call("t.b", "{}", null, effect)), Of(Call("t.b", "{}", null, effect), Call("t.a", "{}", null, effect))).Count);

    [Fact]
    public void A_read_that_uses_what_another_gave_stays_behind_it() => Assert.Equal(
        3,
        Align(
            Of(Read("t.a", "{}", """{"id":"A-1001"}"""), Read("t.b", """{"id":"A-1001"}""", "\"x\"")),
            Of(Read("t.b", "{}", """{"id":"B-1002"}"""), Read("t.a", """{"id":"B-1002"}""", "\"y\""))).Count);

    [Fact]
    public void Calls_asked_for_in_one_answer_have_no_order_even_where_they_declare_nothing() => Assert.Equal(
        2,
        Align(
            Of(Call("t.a") with { CallGroup = "g" }, Call("t.b") with { CallGroup = "g", CallIndex = 1 }),
            Of(Call("t.b") with { CallGroup = "h" }, Call("t.a") with { CallGroup = "h", CallIndex = 1 })).Count);

    [Fact]
    public void A_trace_aligned_with_itself_is_itself() => AnyTrace.Sample(trace =>
    {
        var calls = TraceCleaner.CallsOf(trace, Options);
        var columns = TraceAligner.Align([trace, trace], [calls, calls], Options);

        Assert.Equal(calls, columns.SelectMany(c => c.Units[0]!.Calls));
        Assert.All(columns, c => Assert.Equal(c.Units[0]!.Calls, c.Units[1]!.Calls));
    });

    [Fact]
    public void The_order_of_the_traces_does_not_matter() => AnyTrace.Array[2, 5].SelectMany(traces => Gen.Shuffle(traces).Select(shuffled => (traces, shuffled))).Sample(
        sample => Assert.Equal(Align(sample.traces), Align(sample.shuffled)));

    [Fact]
    public void Every_call_stands_for_one_step_and_calls_that_may_write_keep_their_order() => AnyTrace.Array[2, 4].Sample(traces =>
    {
        var calls = traces.Select(t => (IReadOnlyList<TraceStep>)TraceCleaner.CallsOf(t, Options)).ToList();
        var columns = TraceAligner.Align(traces, calls, Options);
        for (var t = 0; t < traces.Length; t++)
        {
            var aligned = columns.Where(c => c.Units[t] is not null).SelectMany(c => c.Units[t]!.Calls).ToList();

            Assert.Equal(calls[t].OrderBy(c => c.Ordinal), aligned.OrderBy(c => c.Ordinal));
            Assert.Equal(calls[t].Where(c => c.Effect is StepEffect.Write), aligned.Where(c => c.Effect is StepEffect.Write));
        }
    });

    [Fact]
    public void A_call_that_failed_changes_nothing() => Gen.Select(AnyTrace, AnyTrace, AnyCall, Gen.Int[0, 7]).Sample((first, second, noise, at) =>
    {
        var noisy = Of([.. first.Steps.Take(at), noise with { Status = StepStatus.Failed }, .. first.Steps.Skip(at)]);

        Assert.Equal(Align(first, second), Align(noisy, second));
    });

    [Fact]
    public void Long_traces_of_one_action_and_of_many_are_aligned()
    {
        var same = Enumerable.Range(0, 200).Select(i => Call("t.a", Invariant($"{{\"n\":{i}}}"), Invariant($"{{\"id\":{i}}}"))).ToList();
        var many = Enumerable.Range(0, 200).Select(i => Call(Invariant($"t.a{i % 37}"), Invariant($"{{\"n\":{i}}}"))).ToList();

        Assert.Equal(200, Align(Of(same), Of(same[..150]), Of(same[30..])).Count);
        Assert.Equal(200, Align([.. Enumerable.Range(0, 10).Select(i => Of(many[..(200 - i)]))]).Count);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
