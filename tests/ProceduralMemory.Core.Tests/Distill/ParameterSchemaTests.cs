using System.Text.Json;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

/// <summary>What functions declare of their parameters, and what inputs have of it.</summary>
public sealed class ParameterSchemaTests
{
    private const string Booking =
        """
        {
          "properties": {
            "day": {"type": "string", "format": "date", "description": "When to leave."},
            "seats": {"type": "integer", "default": 1},
            "cabin": {"type": ["string", "null"], "enum": ["economy", "business", "first", null]},
            "payer": {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}, "required": ["mail"]},
            "tags": {"type": "array", "items": {"type": "string", "description": "A word."}},
            "password": {"type": "string", "default": "hunter2xyz", "enum": ["hunter2xyz"]}
          },
          "required": ["day"]
        }
        """;

    [Fact]
    public void Inputs_are_described_by_what_their_function_declares()
    {
        var inputs = Distilled(Book("2031-05-04", 2, "economy", "ann@x.org"), Book("2031-06-07", 3, "business", "bob@x.org")).Definition.Inputs.ToDictionary(i => i.Name);

        Assert.True(inputs["day"] is { Type: JsonType.String, Format: "date", Required: true, Default: null, Description: "When to leave (t.book, argument day)" });
        Assert.Equal(JsonType.Integer, inputs["seats"].Type);
        Given.JsonEqual("1", inputs["seats"].Default);
        Assert.Equal(["economy", "business", "first"], inputs["cabin"].AllowedValues.Select(v => v.GetString()));
        Assert.Equal("email", inputs["mail"].Format);
    }

    [Fact]
    public void What_a_recording_contradicts_is_out_of_date_and_counts_for_nothing()
    {
        var inputs = Distilled(Book("2031-05-04", 2, "economy", "ann@x.org"), Book("2031-06-07", 2.5, "sleeper", "bob@x.org")).Definition.Inputs.ToDictionary(i => i.Name);

        Assert.True(inputs["seats"] is { Type: JsonType.Number, Default: null });
        Assert.Empty(inputs["cabin"].AllowedValues);
        Assert.Equal("date", inputs["day"].Format);
    }

    [Fact]
    public void A_constant_that_nobody_confirmed_keeps_the_recorded_value_as_its_default()
    {
        var seats = Assert.Single(Distilled(Recorded.Writing("go", ("t.book", """{"seats":4}""", "1"))).Definition.Inputs);

        Assert.True(seats.Unconfirmed);
        Given.JsonEqual("4", seats.Default);
    }

    [Fact]
    public void A_secret_has_neither_default_nor_values_whatever_is_declared()
    {
        var distilled = Distilled(Recorded.Writing("go", ("t.book", """{"password":"hunter2xyz"}""", "1")));

        Assert.True(Assert.Single(distilled.Definition.Inputs) is { Secret: true, Default: null, AllowedValues: [], Type: JsonType.String });
        Assert.DoesNotContain("hunter2xyz", Recorded.Document(distilled), StringComparison.Ordinal);
    }

    [Fact]
    public void One_of_three_words_that_a_function_takes_is_not_bound_to_a_result_that_has_it_by_chance()
    {
        var trace = Recorded.Task("go", ("t.a", "{}", """{"segment":"business"}"""), ("t.book", """{"cabin":"business"}""", "1"));

        Given.JsonEqual("""{"cabin":"$steps.a.outputs#/segment"}""", Recorded.LastArguments(trace));
        Given.JsonEqual("""{"cabin":"business"}""", Distilled(trace).Definition.Steps[^1].Arguments);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""{"properties":[]}""")]
    [InlineData("""{"properties":{"seats":true},"required":"seats"}""")]
    [InlineData("""{"properties":{"seats":{"type":7,"enum":{},"format":1,"description":" ","default":null}},"required":[1]}""")]
    public void A_schema_that_is_none_says_nothing(string schema)
    {
        var trace = Recorded.Writing("go", ("t.book", """{"seats":4}""", "1"));

        Assert.Equal(Recorded.Document(Recorded.Distilled(trace)), Recorded.Document(Distilled(Given.Value(schema), trace)));
    }

    [Fact]
    public async Task The_host_says_it_by_an_option()
    {
        using var world = TestMemory.InMemory(o => o.ParametersOf = action => action == "t.book" ? Given.Value(Booking) : null);

        await world.Memory.RecordedAsync(new() { Name = "book", Request = "Leave on 2031-05-04" }, ("t.book", """{"day":"2031-05-04"}""", "1"));

        Assert.Equal("date", Assert.Single((await world.Memory.GetAsync("book")).Version.Inputs).Format);
        Assert.Contains("day: string, date, such as", await world.Memory.ShowAsync("book"), StringComparison.Ordinal);
    }

    private static Trace Book(string day, double seats, string cabin, string mail) => Recorded.Writing(
        "go",
        ("t.book", $$"""{"payer":{"mail":"{{mail}}"},"day":"{{day}}","seats":{{JsonSerializer.Serialize(seats)}},"cabin":"{{cabin}}"}""", "1"));

    private static DistilledTrace Distilled(params IReadOnlyList<Trace> traces) => Distilled(Given.Value(Booking), traces);

    private static DistilledTrace Distilled(JsonElement schema, params IReadOnlyList<Trace> traces) =>
        ProcedureDistiller.Distill(traces, traces[^1], new ProceduralMemoryOptions { ParametersOf = action => action == "t.book" ? schema : null })!;
}
