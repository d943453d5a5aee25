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

    [Theory]
    [InlineData("order 1\u0663 or \u0661\u0662", "13")]
    [InlineData("nothing of it", "\"- -\"")]
    [InlineData("nothing of it", "\" _\"")]
    public void Digits_of_other_scripts_in_a_request_and_values_of_dashes_alone_are_named_by_nothing(string request, string value)
    {
        var distilled = Recorded.Distilled(Recorded.Task(request, ("t.a", $$"""{"x":{{value}}}""", "1")));

        Assert.Empty(distilled.Definition.Inputs);
        Given.JsonEqual($$"""{"x":{{value}}}""", distilled.Definition.Steps[0].Arguments);
    }

    [Fact]
    public void A_value_that_one_recording_has_empty_is_not_taken_for_one_with_a_prefix() => Given.JsonEqual(
        """{"y":"$inputs.y"}""",
        Recorded.LastArguments(
            Recorded.Writing("a", ("t.a", """{"x":"first thing"}""", "1"), ("t.b", """{"y":""}""", "1")),
            Recorded.Writing("b", ("t.a", """{"x":"other thing"}""", "1"), ("t.b", """{"y":"other thing"}""", "1"))));

    [Fact]
    public void An_argument_of_thousands_of_values_is_one_value()
    {
        var trace = Recorded.Writing("take 77", ("t.a", $$"""{"x":[{{string.Join(',', Enumerable.Range(0, 10_000))}}]}""", "1"));

        Assert.Equal(["x"], Recorded.Distilled(trace).InputNames());
        Assert.Empty(Recorded.Distilled(trace, trace with { Request = "take 77 again" }).Definition.Inputs);
    }

    [Fact]
    public void Two_hundred_calls_of_one_function_with_many_lists_in_their_results_are_distilled()
    {
        static string Lists(int call) => string.Join(',', Enumerable.Range(1, 12).Select(n => $$"""
            "l{{n}}":[{{string.Join(',', Enumerable.Range(0, n).Select(k => $$"""{"id":"v{{call}}-{{n}}-{{k}}","place":{{k}},"kind":"same"}"""))}}]
            """));
        var trace = Recorded.Writing("go", [.. Enumerable.Range(0, 200).Select(i => ("t.a", $$"""{"kind":"same","n":{{i % 3}}}""", $$"""{{{Lists(i)}}}"""))]);

        Assert.Equal(200, Recorded.Distilled(trace, trace with { Request = "go on" }, trace with { Request = "go once more" }).Definition.Steps.Count);
    }

    [Theory]
    [InlineData("""{"users":[{"role":"admin","password":"hunter2xyz"}]}""", """{"users":[{"role":"admin","password":"$inputs.password"}]}""")]
    [InlineData("""{"auth":{"user":"ann","password":"hunter2xyz"}}""", """{"auth":{"user":"ann","password":"$inputs.password"}}""")]
    public void A_secret_in_a_list_or_an_object_is_an_input_and_its_mark_is_never_sent(string arguments, string template)
    {
        var trace = Recorded.Task("go", ("t.a", arguments, "1"));
        foreach (var distilled in new[] { Recorded.Distilled(trace), Recorded.Distilled(trace, trace with { Request = "go on" }) })
        {
            Given.JsonEqual(template, distilled.Definition.Steps[0].Arguments);
            var input = Assert.Single(distilled.Definition.Inputs);
            Assert.True(input is { Secret: true, Required: true, Default: null, Examples: [] });
        }
    }

    [Fact]
    public void An_input_that_holds_a_secret_is_secret()
    {
        var distilled = Recorded.Distilled(
            Recorded.Writing("go", ("t.a", """{"users":[{"name":"ann","password":"hunter2xyz"}]}""", "1")),
            Recorded.Writing("go", ("t.a", """{"users":[{"name":"ann","password":"hunter2xyz"},{"name":"bob","password":"correcthorse"}]}""", "1")));

        Assert.True(Assert.Single(distilled.Definition.Inputs) is { Name: "users", Type: JsonType.Array, Secret: true, Default: null, Examples: [] });
    }

    [Fact]
    public void Texts_that_look_like_expressions_stay_texts()
    {
        var distilled = Recorded.Distilled(Recorded.Task("go", ("t.a", """{"x":"$inputs.a","y":"$$","z":"a {$inputs.b}"}""", "1")));

        Assert.Empty(distilled.Definition.Inputs);
        Given.JsonEqual("""{"x":"$inputs.a","y":"$$","z":"a {$inputs.b}"}""", Recorded.Called(distilled, new Dictionary<string, JsonElement>(), [Given.Value("1")])[0]);
    }
}
