using System.Text.Json;
using CsCheck;
using ProceduralMemory.Distill;
using static ProceduralMemory.Tests.Distill.GivenTrace;

namespace ProceduralMemory.Tests.Distill;

/// <summary>What becomes of aligned traces: one procedure with loops and conditions.</summary>
public sealed class LoopsAndConditionsTests
{
    private static ProcedureDefinition Distilled(params IReadOnlyList<Trace> traces) => ProcedureDistiller.Distill(traces, traces[^1], Options)!.Definition;

    /// <summary>The steps as text, checked as a definition that somebody stores would be.</summary>
    private static IReadOnlyList<string> Steps(params IReadOnlyList<Trace> traces)
    {
        var definition = Distilled(traces);
        return [.. ProcedureValidator.Check(definition, Options).Steps.SelectMany(s => Show(s, ""))];
    }

    private static IEnumerable<string> Show(ProcedureStep step, string indent)
    {
        var condition = step.Condition is { } c ? $" if {c.Value} {c.Test}{(c.Operand is { } o ? " " + ValueExpression.AsText(o) : "")}" : "";
        yield return step.Kind is StepKind.Loop ? $"{indent}{step.Id}: for each {step.ForEach}{condition}" : $"{indent}{step.Action}{step.Arguments.GetRawText()}{condition}";
        foreach (var line in step.Steps.SelectMany(s => Show(s, indent + "  ")))
        {
            yield return line;
        }
    }

    private static Trace Refund(string order, params string[] items) => Of(
    [
        Read("shop.get_order", $$"""{"order_id":"{{order}}"}""", $$"""{"customer":"C-{{order}}","items":[{{string.Join(',', items.Select(i => $$"""{"item_id":"{{i}}","price":{{i.Length}}.5}"""))}}]}"""),
        .. items.Select(i => Write("shop.refund_item", $$"""{"order_id":"{{order}}","item_id":"{{i}}","reason":"broken"}""", "\"ok\"")),
        Write("shop.notify", $$"""{"customer":"C-{{order}}"}""", "\"ok\""),
    ]).Asked($"Refund all of order {order}, it is broken");

    [Fact]
    public void What_is_done_for_each_element_is_a_loop_whose_steps_take_parts_of_the_element() => Assert.Equal(
        [
            """shop.get_order{"order_id":"$inputs.order_id"}""",
            "each_items: for each $steps.get_order.outputs#/items",
            """  shop.refund_item{"order_id":"$inputs.order_id","item_id":"$item#/item_id","reason":"$inputs.reason"}""",
            """shop.notify{"customer":"$steps.get_order.outputs#/customer"}""",
        ],
        Steps(Refund("W1001", "A-7001", "A-7002"), Refund("W1002", "B-8001", "B-8002", "B-8003"), Refund("W1003", "E-9001"), Refund("W1004")));

    [Fact]
    public void One_recording_of_two_rounds_is_enough_for_a_loop() => Assert.Contains("""  shop.refund_item{"order_id":"$inputs.order_id","item_id":"$item#/item_id","reason":"$inputs.reason"}""", Steps(Refund("W1001", "A-7001", "A-7002")));

    [Fact]
    public void A_step_of_a_loop_may_use_what_another_of_the_same_round_returned() => Assert.Equal(
        [
            "t.list{}",
            "each_list: for each $steps.list.outputs",
            """  t.get{"name":"$item"}""",
            """  t.put{"ref":"$steps.get.outputs#/ref"}""",
        ],
        Steps(Of(
            Read("t.list", "{}", """["Annabel","Bobby"]"""),
            Read("t.get", """{"name":"Annabel"}""", """{"ref":"REF-1001"}"""),
            Write("t.put", """{"ref":"REF-1001"}"""),
            Read("t.get", """{"name":"Bobby"}""", """{"ref":"REF-1002"}"""),
            Write("t.put", """{"ref":"REF-1002"}"""))));

    [Fact]
    public void A_list_that_the_caller_named_is_an_input_and_is_gone_through()
    {
        var definition = Distilled(Of(Write("t.cancel", """{"id":"W1001"}"""), Write("t.cancel", """{"id":"W1002"}""")).Naming("""{"orders":["W1001","W1002"]}"""));

        Assert.Equal(("orders", JsonType.Array), (Assert.Single(definition.Inputs).Name, definition.Inputs[0].Type));
        Assert.Equal("$inputs.orders", Assert.Single(definition.Steps).ForEach);
        Given.JsonEqual("""{"id":"$item"}""", definition.Steps[0].Steps[0].Arguments);
    }

    [Fact]
    public void Where_a_value_differs_from_round_to_round_and_comes_from_nowhere_the_calls_stay_single() => Assert.DoesNotContain(
        Steps(Of(
            Read("t.list", "{}", """["Annabel","Bobby"]"""),
            Write("t.put", """{"name":"Annabel","amount":1234}"""),
            Write("t.put", """{"name":"Bobby","amount":9876}"""))),
        s => s.Contains("for each", StringComparison.Ordinal));

    private static Trace Ship(string order, string status, bool gift, bool wrapped, string? inputs = null)
    {
        var trace = Of(
        [
            Read("shop.get_order", $$"""{"order_id":"{{order}}"}""", $$"""{"order_id":"{{order}}","status":"{{status}}","gift":{{(gift ? "true" : "false")}},"parcel":"P-{{order}}"}"""),
            .. wrapped ? (IEnumerable<TraceStep>)[Write("shop.wrap", $$"""{"parcel":"P-{{order}}"}""", $$"""{"box":"BX-{{order}}"}""")] : [],
            Write("shop.ship", $$"""{"parcel":"P-{{order}}"}""", "\"ok\""),
        ]).Asked($"Ship order {order}");
        return inputs is null ? trace : trace.Naming(inputs);
    }

    [Fact]
    public void A_step_that_only_some_did_is_needed_when_the_flag_says_so_that_separates_them() => Assert.Equal(
        [
            """shop.get_order{"order_id":"$inputs.order_id"}""",
            """shop.wrap{"parcel":"$steps.get_order.outputs#/parcel"} if $steps.get_order.outputs#/gift Present""",
            """shop.ship{"parcel":"$steps.get_order.outputs#/parcel"}""",
        ],
        Steps(Ship("W1001", "open", gift: true, wrapped: true), Ship("W1002", "open", gift: false, wrapped: false)));

    [Fact]
    public void A_status_decides_too() => Assert.Contains(
        """shop.wrap{"parcel":"$steps.get_order.outputs#/parcel"} if $steps.get_order.outputs#/status Equal fragile""",
        Steps(Ship("W1001", "fragile", gift: true, wrapped: true), Ship("W1002", "open", gift: true, wrapped: false), Ship("W1003", "open", gift: false, wrapped: false)));

    [Fact]
    public void A_named_input_decides_before_a_result_and_is_declared()
    {
        var definition = Distilled(
            Ship("W1001", "open", gift: true, wrapped: true, """{"order_id":"W1001","wrap":true}"""),
            Ship("W1002", "open", gift: false, wrapped: false, """{"order_id":"W1002","wrap":false}"""));

        Assert.Equal(new StepCondition { Value = "$inputs.wrap", Test = ConditionTest.Present }, definition.Steps[1].Condition);
        Assert.Equal(["order_id", "wrap"], definition.Inputs.Select(i => i.Name));
    }

    [Fact]
    public void Where_nothing_separates_them_the_step_gets_a_flag_of_its_own_with_what_most_did()
    {
        var often = Distilled(Ship("W1001", "open", true, wrapped: true), Ship("W1002", "open", true, wrapped: false), Ship("W1003", "open", true, wrapped: true));
        var seldom = Distilled(Ship("W1001", "open", true, wrapped: true), Ship("W1002", "open", true, wrapped: false));

        Assert.Equal("$inputs.wrap", often.Steps[1].Condition!.Value);
        Assert.Equal(["order_id", "wrap"], often.Inputs.Select(i => i.Name));
        Assert.Equal((JsonType.Boolean, false), (often.Inputs[1].Type, often.Inputs[1].Required));
        Given.JsonEqual("true", often.Inputs[1].Default);
        Given.JsonEqual("false", seldom.Inputs[1].Default);
    }

    [Fact]
    public void What_only_an_optional_step_returns_is_no_source_for_a_step_that_is_always_done()
    {
        static Trace Trace(string order, bool wrapped) => Of(
        [
            .. wrapped ? (IEnumerable<TraceStep>)[Write("shop.wrap", "{}", $$"""{"box":"BX-{{order}}"}""")] : [],
            Write("shop.ship", $$"""{"box":"BX-{{order}}"}""", "\"ok\""),
        ]);

        Assert.Equal(["shop.wrap{} if $inputs.wrap Present", """shop.ship{"box":"$inputs.box"}"""], Steps(Trace("1001", true), Trace("1002", false)));
    }

    [Fact]
    public void An_input_first_used_by_an_optional_step_is_the_same_one_in_the_steps_after_it()
    {
        static Trace Trace(string order, bool checks) => Of(
        [
            .. checks ? (IEnumerable<TraceStep>)[Read("shop.check", $$"""{"order_id":"{{order}}"}""", "1")] : [],
            Write("shop.ship", $$"""{"order_id":"{{order}}"}""", "\"ok\""),
        ]).Asked($"Ship {order}");

        Assert.Equal(
            ["""shop.check{"order_id":"$inputs.order_id"} if $inputs.check Present""", """shop.ship{"order_id":"$inputs.order_id"}"""],
            Steps(Trace("W1001", true), Trace("W1002", false), Trace("W1003", false)));
    }

    [Fact]
    public void The_order_of_the_traces_and_a_failed_call_change_nothing()
    {
        Trace[] traces = [Refund("W1001", "A-7001", "A-7002"), Refund("W1003", "E-9001"), Refund("W1004"), Ship("W1005", "open", true, true), Ship("W1006", "open", false, false)];
        foreach (var group in new[] { traces[..3], traces[3..] })
        {
            var expected = Steps(group);
            Gen.Shuffle(group).Sample(shuffled => Assert.Equal(expected, Steps([.. shuffled])), iter: 20);
            var noise = Write("shop.refund_item", """{"item_id":"zzz"}""", """{"error":"no such item"}""");
            Assert.Equal(expected, Steps([.. group.Select(t => Of([.. t.Steps.Take(1), noise, .. t.Steps.Skip(1)]) with { Request = t.Request })]));
        }
    }

    [Fact]
    public void The_recording_counts_for_the_steps_that_it_did()
    {
        Trace[] traces = [Refund("W1004"), Refund("W1001", "A-7001", "A-7002")];
        var counted = ProcedureDistiller.Distill(traces, traces[1], Options)!.StepStatistics;

        Assert.Equal([("get_order", 1L), ("notify", 1L), ("refund_item", 2L)], counted.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => (s.Key, s.Value.Runs)));
    }

    [Fact]
    public void Two_hundred_steps_and_ten_thousand_elements_are_distilled()
    {
        var list = JsonSerializer.Serialize(Enumerable.Range(0, 10_000).Select(i => new { id = $"X-{i:00000}" }));
        Trace Long(string run) => Of([Read("t.list", $$"""{"run":"{{run}}"}""", list), .. Enumerable.Range(0, 199).Select(i => Write("t.do", JsonSerializer.Serialize(new { id = $"X-{i:00000}", run })))]).Asked($"Do {run}");

        Assert.Equal(200, Distilled(Long("RUN-1001"), Long("RUN-1002"), Long("RUN-1003")).Steps.Count);
    }
}
