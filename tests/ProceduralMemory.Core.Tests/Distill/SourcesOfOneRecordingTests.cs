namespace ProceduralMemory.Tests.Distill;

/// <summary>Where a value comes from, as far as one recording tells.</summary>
public sealed class SourcesOfOneRecordingTests
{
    [Fact]
    public void A_value_comes_from_where_it_first_stood()
    {
        var arguments = Recorded.LastArguments(Recorded.Task(
            "Cancel W1234567",
            ("orders.get", """{"order":"W1234567"}""", """{"id":"W1234567","customer":"C-7788"}"""),
            ("customers.get", """{"customer":"C-7788"}""", """{"customer":"C-7788","mail":"ann@example.com"}"""),
            ("mail.send", """{"to":"ann@example.com","about":"W1234567","customer":"C-7788"}""", "1")));

        // The order is the request's although a result repeats it, and the customer the first result's although a later one repeats it.
        Given.JsonEqual("""{"to":"$steps.get_2.outputs#/mail","about":"$inputs.order","customer":"$steps.get.outputs#/customer"}""", arguments);
    }

    [Fact]
    public void A_result_that_repeats_an_argument_is_no_source_of_it()
    {
        var distilled = Recorded.Distilled(Recorded.Task(
            "Tidy up",
            ("orders.open", """{"order_id":"#W4860251"}""", """{"order_id":"#W4860251"}"""),
            ("orders.close", """{"order_id":"#W4860251"}""", "1")));

        Given.JsonEqual("""{"order_id":"#W4860251"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["same as open/order_id"], distilled.SourceOf("close/order_id").Evidence);
    }

    [Fact]
    public void A_short_number_is_bound_to_a_small_result_and_not_to_a_large_one()
    {
        Given.JsonEqual("""{"number":"$steps.gcd.outputs#/gcd"}""", Recorded.LastArguments(Recorded.Task("Square it", ("math.gcd", "{}", """{"gcd":76}"""), ("math.square", """{"number":76}""", "1"))));

        var many = string.Join(',', Enumerable.Range(0, 500));
        Given.JsonEqual("""{"number":76}""", Recorded.LastArguments(Recorded.Task("Square it", ("math.list", "{}", $"[{many}]"), ("math.square", """{"number":76}""", "1"))));
    }

    [Fact]
    public void Flags_and_empty_values_are_constants_whatever_results_hold() => Given.JsonEqual(
        """{"ok":true,"none":null,"text":"","list":[],"map":{},"flag":"False"}""",
        Recorded.LastArguments(Recorded.Writing(
            "go",
            ("t.a", "{}", """{"ok":true,"none":null,"text":"","list":[],"map":{},"flag":"False"}"""),
            ("t.b", """{"ok":true,"none":null,"text":"","list":[],"map":{},"flag":"False"}""", "1"))));

    [Fact]
    public void Whole_lists_and_objects_are_bound_as_one_value() => Given.JsonEqual(
        """{"texts":"$steps.a.outputs#/headlines","to":"$steps.a.outputs#/address"}""",
        Recorded.LastArguments(Recorded.Task(
            "go",
            ("t.a", "{}", """{"headlines":["one thing","another"],"address":{"city":"Austin","zip":"78712"}}"""),
            ("t.b", """{"texts":["one thing","another"],"to":{"zip":"78712","city":"Austin"}}""", "1"))));

    [Fact]
    public void A_list_that_the_request_names_is_one_input()
    {
        var distilled = Recorded.Distilled(Recorded.Task("Invite ann@x.org and bob@x.org", ("cal.invite", """{"guests":["ann@x.org","bob@x.org"]}""", "1")));

        Given.JsonEqual("""{"guests":"$inputs.guests"}""", distilled.Definition.Steps[0].Arguments);
        Assert.Equal(JsonType.Array, Assert.Single(distilled.Definition.Inputs).Type);
    }

    [Fact]
    public void Elements_of_a_list_have_their_own_sources_where_results_gave_them() => Given.JsonEqual(
        """{"numbers":["$steps.a.outputs#/count","$steps.b.outputs#/count"]}""",
        Recorded.LastArguments(Recorded.Task("go", ("t.a", "{}", """{"count":371}"""), ("t.b", "{}", """{"count":164}"""), ("t.mean", """{"numbers":[371,164]}""", "1"))));

    [Fact]
    public void An_element_is_chosen_by_the_field_that_the_request_names_and_not_by_its_place()
    {
        var distilled = Recorded.Distilled(Recorded.Task(
            "Return the desk lamp of W1234567",
            ("orders.get", """{"id":"W1234567"}""", """{"items":[{"name":"chair","item_id":"11111111"},{"name":"desk lamp","item_id":"22222222"}]}"""),
            ("orders.return", """{"item":"22222222"}""", "1")));

        Given.JsonEqual("""{"item":"$steps.get.outputs$.items[?@.name==$inputs.name].item_id"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["id", "name"], distilled.InputNames());
        var called = Recorded.Called(
            distilled,
            Given.Values(("id", "\"W7\""), ("name", "\"sofa\"")),
            [Given.Value("""{"items":[{"name":"sofa","item_id":"3"},{"name":"chair","item_id":"4"}]}"""), Given.Value("1")]);
        Given.JsonEqual("""{"item":"3"}""", called[1]);
    }

    [Theory]
    [InlineData("\"1250\"", "1250", "$steps.a.outputs#/total|number")]
    [InlineData("1250", "\"1250\"", "$steps.a.outputs#/total|string")]
    [InlineData("\"Desk Lamp\"", "\"desk lamp\"", "$steps.a.outputs#/total|lower")]
    [InlineData("\"desk lamp\"", "\"DESK LAMP\"", "$steps.a.outputs#/total|upper")]
    [InlineData("\" desk lamp \"", "\"desk lamp\"", "$steps.a.outputs#/total|trim")]
    [InlineData("\"#W1234567\"", "\"W1234567\"", "$steps.a.outputs#/total|without:#")]
    [InlineData("\"W1234567\"", "\"#W1234567\"", "#{$steps.a.outputs#/total}")]
    [InlineData("\"24.12.2031\"", "\"2031-12-24\"", "$steps.a.outputs#/total|date:dd.MM.yyyy>yyyy-MM-dd")]
    public void A_value_may_be_a_simple_conversion_of_another(string result, string argument, string template) => Given.JsonEqual(
        $$"""{"x":"{{template}}"}""",
        Recorded.LastArguments(Recorded.Task("go", ("t.a", "{}", $$"""{"total":{{result}}}"""), ("t.b", $$"""{"x":{{argument}}}""", "1"))));

    [Theory]
    [InlineData("Refund for order W1234567", "Refund for order {$inputs.order_id}")]
    [InlineData("https://shop.example/orders/W1234567/refund", "https://shop.example/orders/{$inputs.order_id}/refund")]
    [InlineData("W1234567 of C-778899", "{$inputs.order_id} of {$steps.get.outputs#/customer}")]
    [InlineData("orders w1234567", "orders {$inputs.order_id|lower}")]
    public void A_text_is_put_together_of_values_that_are_known(string text, string template)
    {
        var distilled = Recorded.Distilled(Recorded.Writing("Refund W1234567", ("orders.get", """{"order_id":"W1234567"}""", """{"customer":"C-778899"}"""), ("mail.send", $$"""{"subject":"{{text}}"}""", "1")));

        Given.JsonEqual($$"""{"subject":"{{template}}"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(SourceKind.Composed, distilled.SourceOf("send/subject").Kind);
    }

    [Fact]
    public void Prose_is_not_taken_apart_after_one_recording() => Assert.Equal(
        SourceKind.UnconfirmedConstant,
        Recorded.Distilled(Recorded.Writing(
            "Refund W1234567",
            ("orders.get", """{"order_id":"W1234567"}""", "1"),
            ("mail.send", """{"body":"Hello, we are happy to tell you that order W1234567 will be refunded within a week"}""", "1"))).SourceOf("send/body").Kind);

    [Fact]
    public void A_literal_of_a_step_that_may_write_waits_to_be_confirmed()
    {
        var distilled = Recorded.Distilled(Recorded.Writing("Ship it", ("t.ship", """{"carrier":"UPS","express":true}""", "1")));

        Given.JsonEqual("""{"carrier":"$inputs.carrier","express":true}""", distilled.Definition.Steps[0].Arguments);
        var input = Assert.Single(distilled.Definition.Inputs);
        Assert.True(input.Unconfirmed);
        Given.JsonEqual("\"UPS\"", input.Default);
        Assert.Equal(SourceKind.UnconfirmedConstant, distilled.SourceOf("ship/carrier").Kind);
    }

    [Fact]
    public void A_literal_of_a_step_that_only_reads_is_a_constant_unless_a_later_step_writes_it()
    {
        Given.JsonEqual("""{"carrier":"UPS-2031"}""", Recorded.LastArguments(Recorded.Task("Look", ("t.look", """{"carrier":"UPS-2031"}""", "1"))));

        var trace = Recorded.Writing("Go", ("t.look", """{"carrier":"UPS-2031"}""", "1"), ("t.ship", """{"carrier":"UPS-2031"}""", "1"));
        var distilled = Recorded.Distilled(trace with { Steps = [trace.Steps[0] with { Effect = StepEffect.Read }, trace.Steps[1]] });

        Assert.All(distilled.Definition.Steps, s => Given.JsonEqual("""{"carrier":"$inputs.carrier"}""", s.Arguments));
    }

    [Theory]
    [InlineData("Book a 4-star hotel", "\"4\"")]
    [InlineData("on the front-end board", "\"Front end\"")]
    [InlineData("Fly on August 15", "\"2031-08-15\"")]
    [InlineData("Fly on August 15th, please", "\"2031-08-15\"")]
    [InlineData("Fly on 15.08.2031", "\"2031-08-15\"")]
    [InlineData("Pay $1,250 now", "1250")]
    public void A_request_names_a_value_in_another_spelling(string request, string value) =>
        Assert.Equal(SourceKind.Input, Recorded.Distilled(Recorded.Task(request, ("t.a", $$"""{"x":{{value}}}""", "1"))).SourceOf("a/x").Kind);

    [Fact]
    public void What_else_a_value_could_be_is_kept_with_what_speaks_for_it()
    {
        var source = Recorded.Distilled(Recorded.Task("Cancel W1234567", ("orders.find", "{}", """{"id":"W1234567"}"""), ("orders.cancel", """{"id":"W1234567"}""", "1"))).SourceOf("cancel/id");

        Assert.Equal(("$inputs.id", SourceKind.Input), (source.Source, source.Kind));
        Assert.Equal(["in the request"], source.Evidence);
        var other = Assert.Single(source.Alternatives);
        Assert.Equal(("$steps.find.outputs#/id", SourceKind.Binding), (other.Source, other.Kind));
        Assert.Equal(["result of find", "same name"], other.Evidence);
    }
}
