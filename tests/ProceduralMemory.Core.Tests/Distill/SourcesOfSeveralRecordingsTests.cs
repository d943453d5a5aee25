namespace ProceduralMemory.Tests.Distill;

/// <summary>Where a value comes from when several recordings tell: every source that one contradicts falls.</summary>
public sealed class SourcesOfSeveralRecordingsTests
{
    [Fact]
    public void What_differs_and_is_in_no_result_is_an_input_and_one_for_all_that_differ_together()
    {
        var distilled = Recorded.Distilled(
            Recorded.Writing("go", ("t.a", """{"city":"Berlin","unit":"C"}""", "1"), ("t.b", """{"place":"Berlin"}""", "1")),
            Recorded.Writing("go", ("t.a", """{"city":"Madrid","unit":"C"}""", "1"), ("t.b", """{"place":"Madrid"}""", "1")));

        Given.JsonEqual("""{"city":"$inputs.city","unit":"C"}""", distilled.Definition.Steps[0].Arguments);
        Given.JsonEqual("""{"place":"$inputs.city"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["differs between recordings"], distilled.SourceOf("a/city").Evidence);
        Assert.Equal(["Berlin", "Madrid"], Assert.Single(distilled.Definition.Inputs).Examples.Select(e => e.GetString()));
    }

    [Fact]
    public void A_binding_that_the_second_recording_contradicts_falls() => Given.JsonEqual(
        """{"id":"$steps.a.outputs#/right"}""",
        Recorded.LastArguments(
            Recorded.Task("go", ("t.a", "{}", """{"id":"X-100200","right":"X-100200"}"""), ("t.b", """{"id":"X-100200"}""", "1")),
            Recorded.Task("go", ("t.a", "{}", """{"id":"X-100201","right":"X-777777"}"""), ("t.b", """{"id":"X-777777"}""", "1"))));

    [Fact]
    public void An_unconfirmed_constant_is_settled_by_a_second_recording()
    {
        var first = Recorded.Writing("go", ("t.ship", """{"carrier":"Postal service"}""", "1"));

        Assert.Empty(Recorded.Distilled(first, Recorded.Writing("go on", ("t.ship", """{"carrier":"Postal service"}""", "1"))).Definition.Inputs);
        Assert.False(Assert.Single(Recorded.Distilled(first, Recorded.Writing("go on", ("t.ship", """{"carrier":"Parcel service"}""", "1"))).Definition.Inputs).Unconfirmed);
    }

    [Theory]
    [InlineData("\"A-77231\"", "go", true, "looks like an id")]
    [InlineData("\"LAX\"", "go", true, "looks like an id")]
    [InlineData("\"business\"", "fly business", true, "in every request")]
    [InlineData("\"standard\"", "go", false, "equal in all recordings")]
    [InlineData("\"2031-12-08\"", "go", false, "equal in all recordings")]
    [InlineData("\"Thanks for the update, talk soon.\"", "reply Thanks for the update, talk soon.", false, "equal in all recordings")]
    [InlineData("true", "go", false, "equal in all recordings")]
    public void What_is_equal_every_time_is_a_constant_unless_it_names_one_thing_or_every_request_says_it(string value, string request, bool isInput, string evidence)
    {
        var trace = Recorded.Writing(request, ("t.a", $$"""{"x":{{value}}}""", "1"));
        var distilled = Recorded.Distilled(trace, trace with { Request = request + " again" });

        Assert.Equal(isInput, distilled.Definition.Inputs.Count == 1);
        Assert.Equal(evidence, distilled.SourceOf("a/x").Evidence[0]);
    }

    [Fact]
    public void An_element_that_stood_elsewhere_in_the_list_is_chosen_by_what_both_have_in_common()
    {
        var distilled = Recorded.Distilled(
            Recorded.Task("go", ("t.users", "{}", """[{"role":"owner","id":"u-11111"},{"role":"guest","id":"u-22222"}]"""), ("t.ask", """{"user":"u-11111","role":"owner"}""", "1")),
            Recorded.Task("go", ("t.users", "{}", """[{"role":"guest","id":"u-33333"},{"role":"owner","id":"u-44444"}]"""), ("t.ask", """{"user":"u-44444","role":"owner"}""", "1")));

        Given.JsonEqual("""{"user":"$steps.users.outputs$[?@.role=='owner'].id","role":"owner"}""", distilled.Definition.Steps[1].Arguments);
    }

    [Fact]
    public void Two_recordings_do_not_show_that_a_later_place_in_a_list_is_meant()
    {
        static Trace Watch(string first, string second) => Recorded.Task("go", ("t.list", "{}", $$"""["{{first}}","{{second}}"]"""), ("t.buy", $$"""{"symbol":"{{second}}"}""", "1"));

        Given.JsonEqual("""{"symbol":"$inputs.symbol"}""", Recorded.LastArguments(Watch("N-100", "O-200"), Watch("P-300", "Q-400")));
        Given.JsonEqual("""{"symbol":"$steps.list.outputs#/1"}""", Recorded.LastArguments(Watch("N-100", "O-200"), Watch("P-300", "Q-400"), Watch("R-500", "S-600")));
    }

    [Fact]
    public void Lists_of_different_lengths_and_objects_of_different_members_are_one_input()
    {
        var distilled = Recorded.Distilled(
            Recorded.Writing("go", ("t.a", """{"items":[{"id":"i-1000"}],"to":{"city":"Berlin"}}""", "1")),
            Recorded.Writing("go", ("t.a", """{"items":[{"id":"i-2000"},{"id":"i-3000"}],"to":{"box":"77"}}""", "1")));

        Given.JsonEqual("""{"items":"$inputs.items","to":"$inputs.to"}""", distilled.Definition.Steps[0].Arguments);
        Assert.Equal([JsonType.Array, JsonType.Object], distilled.Definition.Inputs.Select(i => i.Type));
    }

    [Fact]
    public void Objects_are_taken_apart_where_they_have_the_same_members() => Given.JsonEqual(
        """{"to":{"city":"$inputs.city","country":"Utopia","mail":"$steps.who.outputs#/mail"}}""",
        Recorded.LastArguments(
            Recorded.Writing("go", ("t.who", "{}", """{"mail":"ann@x.org"}"""), ("t.a", """{"to":{"city":"Berlin","country":"Utopia","mail":"ann@x.org"}}""", "1")),
            Recorded.Writing("go", ("t.who", "{}", """{"mail":"bob@x.org"}"""), ("t.a", """{"to":{"city":"Madrid","country":"Utopia","mail":"bob@x.org"}}""", "1"))));

    [Fact]
    public void A_text_whose_parts_differ_together_with_known_values_is_put_together_of_them() => Given.JsonEqual(
        """{"order":"$inputs.order","text":"Dear {$steps.who.outputs#/name}, your order {$inputs.order} has left us today and will be with you soon"}""",
        Recorded.LastArguments(
            Recorded.Writing("go", ("t.who", "{}", """{"name":"Ann Lee"}"""), ("t.a", """{"order":"W-1001","text":"Dear Ann Lee, your order W-1001 has left us today and will be with you soon"}""", "1")),
            Recorded.Writing("go", ("t.who", "{}", """{"name":"Bo Chan"}"""), ("t.a", """{"order":"W-2002","text":"Dear Bo Chan, your order W-2002 has left us today and will be with you soon"}""", "1"))));

    [Fact]
    public void An_argument_that_one_recording_did_without_is_an_optional_input()
    {
        var distilled = Recorded.Distilled(Recorded.Writing("go", ("t.a", """{"note":"be quick"}""", "1")), Recorded.Writing("go", ("t.a", "{}", "1")));

        Assert.False(Assert.Single(distilled.Definition.Inputs).Required);
        Given.JsonEqual("{}", Recorded.Called(distilled, Given.Values(), [Given.Value("1")])[0]);
        Given.JsonEqual("""{"note":"x"}""", Recorded.Called(distilled, Given.Values(("note", "\"x\"")), [Given.Value("1")])[0]);
    }
}
