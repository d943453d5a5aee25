using System.Text.Json;

namespace ProceduralMemory.Tests;

public sealed class ProcedureTextTests : IDisposable
{
    private readonly TestMemory _world = TestMemory.InMemory();

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task A_procedure_is_shown_with_the_source_and_effect_of_every_argument()
    {
        var definition = Given.Definition(
            "return_items",
            Given.Step("shop.get_order", """{"id":"#{$inputs.order}"}""") with { Effect = StepEffect.Read },
            new ProcedureStep
            {
                Id = "each",
                Kind = StepKind.Loop,
                Action = "return each item",
                ForEach = "$steps.get_order.outputs#/items",
                Steps = [Given.Step("shop.return_item", """{"item":"$item#/id","reason":"$inputs.reason"}""") with { Effect = StepEffect.Write }],
            },
            Given.Step("shop.notify", """{"text":"costs $5","copies":1}""") with { Condition = new StepCondition { Value = "$inputs.notify", Operand = Given.Value("true") } })
            .Taking(
                Given.Input("order", JsonType.String) with { Examples = [Given.Text("W1")] },
                Given.Input("reason", JsonType.String) with { Unconfirmed = true, Default = Given.Text("damaged") },
                Given.Input("notify", JsonType.Boolean) with { Default = Given.Value("false") });

        var procedure = await _world.Memory.StoreAsync(definition with { Description = "Returns all items\nof an order." });

        Assert.Equal(
            """
            return_items: version 1 (active, stored by user), 0 of 0 executions succeeded
            Returns all items of an order.
            inputs:
              order: string, such as "W1"
              reason: string, unconfirmed constant "damaged": give it, or confirm it
              notify: boolean, default false
            steps:
              get_order: shop.get_order(id: "#{$inputs.order}") [read]
              each: for each $item of $steps.get_order.outputs#/items
                return_item: shop.return_item(item: $item#/id, reason: "damaged"?) [write]
              notify: if $inputs.notify = true shop.notify(text: "costs $5", copies: 1)
            """,
            ProcedureText.Of(procedure),
            ignoreLineEndingDifferences: true);
    }

    [Theory]
    [InlineData("""{"kind":"exact","value":{"ok":true}}""", """result = {"ok":true}""")]
    [InlineData("""{"kind":"subset","at":"/order","value":{"status":"done"}}""", """/order has {"status":"done"}""")]
    [InlineData("""{"kind":"shape","value":{"type":"object","properties":{"id":{"type":"string"},"ok":{"type":"boolean","const":true},"items":{"type":"array","items":{"type":["number","null"]}},"more":{"type":"object"},"any":{}}}}""", "result is {id: string, ok: true, items: [number or null], more: object…")]
    [InlineData("""{"kind":"range","at":"/total","value":{"exclusiveMaximum":10,"minimum":1}}""", "/total is a number ≥ 1 and < 10")]
    [InlineData("""{"kind":"pattern","value":"^order \\d+$"}""", "result matches \"^order \\\\d+$\"")]
    [InlineData("""{"kind":"contains","value":"shipped"}""", "result contains \"shipped\"")]
    [InlineData("""{"kind":"noError","at":"/reply"}""", "/reply is no error")]
    [InlineData("""{"kind":"custom","judge":"polite"}""", "result satisfies the judge 'polite'")]
    [InlineData("""{"kind":"custom","judge":"po\u2028lite","value":"kind words"}""", "result satisfies the judge 'po\u2028lite' (\"kind words\")")]
    public async Task What_was_asserted_of_an_outcome_stands_behind_the_step_and_what_recordings_showed_does_not(string expectation, string shown)
    {
        var step = Given.Step("shop.send") with { Effect = StepEffect.Write, Expectation = JsonSerializer.Deserialize<Expectation>(expectation, Json.Exchanged) };

        var asserted = ProcedureText.Of(await _world.Memory.StoreAsync(Given.Definition("asserted", step)));
        var shownBy = Enum.GetValues<ExpectationStrength>().Except([ExpectationStrength.Asserted]).Select(s => step with { Id = s.ToString(), Expectation = step.Expectation! with { Strength = s } });
        var recorded = ProcedureText.Of(await _world.Memory.StoreAsync(Given.Definition("recorded", [.. shownBy])));

        Assert.Equal($"  send: shop.send() [write], expected: {shown}", asserted.Split('\n')[^1]);
        Assert.Equal(["  Observed: shop.send() [write]", "  Confirmed: shop.send() [write]"], recorded.Split('\n')[^2..]);
    }

    [Fact]
    public async Task Line_breaks_in_names_of_arguments_and_members_make_no_further_lines()
    {
        var procedure = await _world.Memory.StoreAsync(Given.Definition(
            "sly",
            Given.Step("shop.get", """{"a\n  refund: shop.refund(":"x"}"""),
            new ProcedureStep { Id = "each", Kind = StepKind.Loop, Action = "each", ForEach = "$steps.get.outputs#/a\nb", Steps = [Given.Step("shop.b", "{}")] }));

        Assert.Equal(6, ProcedureText.Of(procedure).Split('\n').Length);
    }

    [Fact]
    public async Task A_long_one_stays_within_thirty_lines_and_says_what_is_left_out()
    {
        var inputs = Enumerable.Range(0, 40).Select(i => Given.Input($"input_{i}")).ToList();
        var steps = Enumerable.Range(0, 40).Select(i => Given.Step("a.b", $$"""{"x":"$inputs.input_{{i}}"}""", $"step_{i}")).ToList();

        var text = ProcedureText.Of(await _world.Memory.StoreAsync(Given.Definition("long", steps).Taking(inputs)));

        Assert.Equal(ProcedureText.MaxLines, text.Split('\n').Length);
        Assert.Contains("40 more inputs", text, StringComparison.Ordinal);
        Assert.Matches(@"… \d+ more steps; an export shows all", text);
    }
}
