using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Tests.Distill;

/// <summary>Results that are large, deep or full of one value. That these tests end is part of what they say.</summary>
public sealed class DistillingBadInputTests
{
    [Fact]
    public void A_value_is_found_in_a_result_of_ten_thousand_elements()
    {
        var rows = string.Join(',', Enumerable.Range(0, 10_000).Select(i => string.Create(CultureInfo.InvariantCulture, $$"""{"id":"row-{{i:D6}}","name":"thing number {{i}}","size":{{i}}}""")));

        Given.JsonEqual(
            """{"row":"$steps.list.outputs$.rows[?@.name==$inputs.name].id"}""",
            Recorded.LastArguments(Recorded.Task("Delete thing number 7345", ("t.list", "{}", $$"""{"rows":[{{rows}}]}"""), ("t.delete", """{"row":"row-007345"}""", "1"))));
    }

    [Fact]
    public void Fifty_steps_with_much_in_their_results_and_one_value_everywhere_are_distilled()
    {
        var rows = string.Join(',', Enumerable.Range(0, 200).Select(i => string.Create(CultureInfo.InvariantCulture, $$"""{"id":"row-{{i:D6}}","text":"some words about row {{i}} that nobody needs","owner":"everywhere-1"}""")));
        var trace = Recorded.Task("go", [.. Enumerable.Range(0, 50).Select(i => ($"t.s{i}", """{"id":"row-000007","owner":"everywhere-1","note":"for row-000007 of everywhere-1"}""", $"[{rows}]"))]);
        var distilled = Recorded.Distilled(trace, trace with { Request = "go on" });

        Assert.Equal(50, distilled.Definition.Steps.Count);
        Assert.All(distilled.Sources, s => Assert.InRange(s.Alternatives.Count, 0, 4));
    }

    [Fact]
    public void Deep_values_are_distilled() => Given.JsonEqual(
        """{"x":"$steps.a.outputs"}""",
        Recorded.LastArguments(Recorded.Task("go", ("t.a", "{}", Given.Deep(20)), ("t.b", $$"""{"x":{{Given.Deep(20)}}}""", "1"))));

    [Fact]
    public void Texts_that_look_like_expressions_stay_texts()
    {
        var distilled = Recorded.Distilled(Recorded.Task("go", ("t.a", """{"x":"$inputs.a","y":"$$","z":"a {$inputs.b}"}""", "1")));

        Assert.Empty(distilled.Definition.Inputs);
        Given.JsonEqual("""{"x":"$inputs.a","y":"$$","z":"a {$inputs.b}"}""", Recorded.Called(distilled, new Dictionary<string, JsonElement>(), [Given.Value("1")])[0]);
    }
}
