using System.Globalization;
using CsCheck;
using static ProceduralMemory.Tests.Distill.GivenTrace;

namespace ProceduralMemory.Tests.Distill;

public sealed class LoopFinderTests
{
    /// <summary>An order whose items are refunded one after the other, as far as asked.</summary>
    private static Trace Refunds(string order, int items, int? refunded = null)
    {
        var ids = Enumerable.Range(1, items).Select(i => Invariant($"{order}-{i:000}")).ToList();
        return Of(
        [
            Read("shop.get_order", $$"""{"id":"{{order}}"}""", $$"""{"items":[{{string.Join(',', ids.Select(i => $$"""{"item_id":"{{i}}"}"""))}}]}"""),
            .. ids.Take(refunded ?? items).Select(i => Write("shop.refund", $$"""{"item":"{{i}}"}""", "\"ok\"")),
            Write("shop.notify", $$"""{"order":"{{order}}"}"""),
        ]);
    }

    [Fact]
    public void Calls_made_for_each_element_of_an_earlier_list_are_one_step() => Assert.Equal(
        ["shop.get_order W1", "for each of result shop.get_order#/items: shop.refund [W1-001; W1-002; W1-003]", "shop.notify W1"],
        Align(Refunds("W1", 3)));

    [Fact]
    public void The_loop_of_a_longer_list_and_of_one_element_and_of_none_is_the_same_step() => Assert.Equal(
        [
            "shop.get_order W0 | W1 | W2 | W3",
            "for each of result shop.get_order#/items: shop.refund - | [W1-001] | [W2-001; W2-002] | [W3-001; W3-002; W3-003]",
            "shop.notify W0 | W1 | W2 | W3",
        ],
        Align(Refunds("W1", 1), Refunds("W0", 0), Refunds("W3", 3), Refunds("W2", 2)));

    [Fact]
    public void One_element_and_none_are_evidence_enough() => Assert.Contains("for each of result shop.get_order#/items: shop.refund - | [W1-001]", Align(Refunds("W1", 1), Refunds("W0", 0)));

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    public void One_round_alone_and_a_part_of_a_list_are_no_loop(int items, int refunded) => Assert.DoesNotContain(Align(Refunds("W1", items, refunded)), s => s.StartsWith("for each", StringComparison.Ordinal));

    [Fact]
    public void A_trace_that_took_a_part_of_the_list_contradicts_the_loop_of_another() =>
        Assert.DoesNotContain(Align(Refunds("W1", 2), Refunds("W2", 3, refunded: 2)), s => s.StartsWith("for each", StringComparison.Ordinal));

    [Fact]
    public void Several_calls_may_be_made_for_each_element() => Assert.Equal(
        ["t.list ", "for each of result t.list#: t.get, t.put [Ann Ann,1; Bob Bob,2]", "t.end "],
        Align(Of(
            Read("t.list", "{}", """["Ann","Bob"]"""),
            Read("t.get", """{"name":"Ann"}""", "1"),
            Write("t.put", """{"name":"Ann","n":1}"""),
            Read("t.get", """{"name":"Bob"}""", "2"),
            Write("t.put", """{"name":"Bob","n":2}"""),
            Write("t.end"))));

    [Fact]
    public void All_reads_and_then_all_writes_are_two_loops() => Assert.Equal(
        ["t.list ", "for each of result t.list#: t.get [Ann; Bob]", "for each of result t.list#: t.put [Ann; Bob]"],
        Align(Of(
            Read("t.list", "{}", """["Ann","Bob"]"""),
            Read("t.get", """{"name":"Ann"}""", "1"),
            Read("t.get", """{"name":"Bob"}""", "2"),
            Write("t.put", """{"name":"Ann"}"""),
            Write("t.put", """{"name":"Bob"}"""))));

    [Fact]
    public void The_list_may_be_one_that_the_caller_named() => Assert.Equal(
        ["for each of input orders#: t.cancel [W1; W2] | [W3; W4; W5]"],
        Align(
            Of(Write("t.cancel", """{"id":"W1"}"""), Write("t.cancel", """{"id":"W2"}""")).Naming("""{"orders":["W1","W2"]}"""),
            Of(Write("t.cancel", """{"id":"W3"}"""), Write("t.cancel", """{"id":"W4"}"""), Write("t.cancel", """{"id":"W5"}""")).Naming("""{"orders":["W3","W4","W5"]}""")));

    [Theory]
    [InlineData("""["W2","W1"]""")]
    [InlineData("""["W1","W1"]""")]
    [InlineData("""["W1","W2","W3"]""")]
    [InlineData("""{"a":"W1","b":"W2"}""")]
    public void Other_orders_lengths_and_values_are_no_loop(string list) =>
        Assert.DoesNotContain(Align(Of(Read("t.list", "{}", list), Write("t.do", """{"id":"W1"}"""), Write("t.do", """{"id":"W2"}"""))), s => s.StartsWith("for each", StringComparison.Ordinal));

    [Fact]
    public void What_all_elements_have_in_common_shows_no_loop() => Assert.DoesNotContain(
        Align(Of(Read("t.list", "{}", """[{"currency":"EUR","id":1},{"currency":"EUR","id":2}]"""), Write("t.pay", """{"currency":"EUR","to":"Ann"}"""), Write("t.pay", """{"currency":"EUR","to":"Bob"}"""))),
        s => s.StartsWith("for each", StringComparison.Ordinal));

    [Fact]
    public void An_unrolled_loop_of_n_aligns_with_one_of_m() => Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[2, 9]).Sample((n, m, k) =>
    {
        var steps = Align(Refunds("A", n), Refunds("B", m), Refunds("C", k));

        Assert.Equal(3, steps.Count);
        Assert.StartsWith("for each of result shop.get_order#/items: shop.refund ", steps[1], StringComparison.Ordinal);
    });

    [Fact]
    public void Long_lists_and_long_traces_are_searched()
    {
        var list = $"[{string.Join(',', Enumerable.Range(0, 10_000).Select(i => Invariant($"{{\"id\":\"X-{i:00000}\"}}")))}]";
        var calls = Enumerable.Range(0, 199).Select(i => Write("t.do", Invariant($"{{\"id\":\"X-{i:00000}\"}}"))).ToList();

        Assert.Equal(200, Align(Of([Read("t.list", "{}", list), .. calls])).Count);
        Assert.Equal(2, Align(Of([Read("t.list", "{}", $"[{string.Join(',', Enumerable.Range(0, 199).Select(i => Invariant($"{{\"id\":\"X-{i:00000}\"}}")))}]"), .. calls])).Count);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
