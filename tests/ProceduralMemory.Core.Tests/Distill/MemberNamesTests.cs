using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

/// <summary>Objects that hold things by their ids: the names of members are values, and what is below such a name is not there the next time.</summary>
public sealed class MemberNamesTests
{
    private const string Lamps = """{"name":"Lamp","variants":{"1008292230":{"color":"silver","price":10},"1656367028":{"color":"black","price":12}}}""";
    private const string Chairs = """{"name":"Chair","variants":{"7700000001":{"color":"green","price":31},"7700000002":{"color":"white","price":32},"7700000003":{"color":"brown","price":33}}}""";

    [Theory]
    [InlineData("""{"1008292230":1,"1656367028":2}""", true)]
    [InlineData("""{"credit_card_8897086":1}""", true)]
    [InlineData("""{"c-371":1,"c-508":2}""", true)]
    [InlineData("""{"LAX":1,"JFK":2}""", true)]
    [InlineData("""{"ann@example.org":1}""", true)]
    [InlineData("""{"2031-05-04":1,"2031-05-05":2}""", true)]
    [InlineData("""{"0192e4a1-7c3b-7a55-b7f0-3f6f2a1d9c11":1}""", true)]
    [InlineData("""{"name":1,"price":2}""", false)]
    [InlineData("""{"address1":1,"address2":2}""", false)]
    [InlineData("""{"id":1,"1008292230":2}""", false)]
    [InlineData("""{"a":1}""", false)]
    [InlineData("""{"1":1,"2":2}""", false)]
    [InlineData("{}", false)]
    [InlineData("""["1008292230"]""", false)]
    [InlineData("\"1008292230\"", false)]
    public void The_names_of_members_are_data_where_all_look_like_ids_or_dates(string value, bool areData) => Assert.Equal(areData, MemberNames.AreData(Given.Value(value)));

    [Fact]
    public void A_name_is_chosen_by_the_field_that_the_request_names()
    {
        var distilled = Recorded.Distilled(Exchange("Get the black lamp of P-1001", "P-1001", Lamps, "\"1656367028\""));

        Given.JsonEqual("""{"item":"$steps.product.outputs$.variants[?@.color==$inputs.color]~"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["result of product", "name of a member", "element chosen by color", "in the request"], distilled.SourceOf("exchange/item").Evidence);
        Assert.Equal(SourceKind.Binding, distilled.SourceOf("exchange/item").Kind);
        Given.JsonEqual("""{"item":"7700000003"}""", Recorded.Called(distilled, Given.Values(("id", "\"P-7\""), ("color", "\"brown\"")), [Given.Value(Chairs), Given.Value("1")])[1]);
    }

    [Fact]
    public void A_short_word_is_enough_to_choose_by_where_the_request_says_it() => Given.JsonEqual(
        """{"item":"$steps.product.outputs$.variants[?@.color==$inputs.color]~"}""",
        Recorded.LastArguments(Exchange("Get the red one of P-1001", "P-1001", Lamps.Replace("silver", "red", StringComparison.Ordinal), "\"1008292230\"")));

    [Fact]
    public void A_name_that_is_given_as_a_number_is_converted() => Given.JsonEqual(
        """{"item":"$steps.product.outputs$.variants[?@.color==$inputs.color]~|number"}""",
        Recorded.LastArguments(Exchange("Get the black lamp of P-1001", "P-1001", Lamps, "1656367028")));

    [Fact]
    public void Several_recordings_agree_on_the_field_that_a_name_is_chosen_by() => Given.JsonEqual(
        """{"item":"$steps.product.outputs$.variants[?@.color==$inputs.color]~"}""",
        Recorded.LastArguments(
            Exchange("The black lamp of P-1001", "P-1001", Lamps, "\"1656367028\""),
            Exchange("The white chair of P-2002", "P-2002", Chairs, "\"7700000002\"")));

    [Fact]
    public void Names_that_look_like_words_are_data_where_recordings_have_different_ones()
    {
        static Trace Call(string people, string city, string who) => Recorded.Writing($"Call the one in {city}", ("t.people", "{}", people), ("t.call", $$"""{"who":"{{who}}"}""", "1"));
        var first = Call("""{"hannah":{"city":"Berlin"},"robert":{"city":"Madrid"}}""", "Madrid", "robert");

        Assert.NotEqual(SourceKind.Binding, Recorded.Distilled(first).SourceOf("call/who").Kind);
        Given.JsonEqual("""{"who":"$steps.people.outputs$[?@.city==$inputs.city]~"}""", Recorded.LastArguments(first, Call("""{"claire":{"city":"Lisbon"},"robert":{"city":"London"},"zoe":{"city":"Oslo"}}""", "Lisbon", "claire")));
    }

    [Fact]
    public void A_value_inside_of_the_member_is_chosen_in_the_same_way()
    {
        static Trace Charge(string request, string product, string result, int price) =>
            Recorded.Writing(request, ("t.product", $$"""{"id":"{{product}}"}""", result), ("t.charge", $$"""{"price":{{price}}}""", "1"));

        Given.JsonEqual("""{"price":"$steps.product.outputs$.variants[?@.color==$inputs.color].price"}""", Recorded.LastArguments(Charge("Get the black lamp of P-1001", "P-1001", Lamps, 12)));
        Given.JsonEqual(
            """{"price":"$steps.product.outputs$.variants[?@.color==$inputs.color].price"}""",
            Recorded.LastArguments(Charge("The black lamp of P-1001", "P-1001", Lamps, 12), Charge("The white chair of P-2002", "P-2002", Chairs, 32)));
    }

    [Fact]
    public void Where_the_field_does_not_tell_members_apart_there_is_no_candidate()
    {
        var distilled = Recorded.Distilled(Exchange("Get the black lamp of P-1001", "P-1001", Lamps.Replace("silver", "black", StringComparison.Ordinal), "\"1656367028\""));

        Assert.Equal(SourceKind.UnconfirmedConstant, distilled.SourceOf("exchange/item").Kind);
        Assert.Empty(distilled.SourceOf("exchange/item").Alternatives);
    }

    [Fact]
    public void A_place_among_several_members_is_no_evidence()
    {
        var distilled = Recorded.Distilled(Exchange("Get the first of P-1001", "P-1001", Lamps, "\"1008292230\""));

        Assert.Equal(SourceKind.UnconfirmedConstant, distilled.SourceOf("exchange/item").Kind);
    }

    [Fact]
    public void The_name_of_the_only_member_is_taken_and_what_is_inside_of_it()
    {
        static Trace Pay(string user, string method) => Recorded.Writing(
            null, ("t.user", "{}", $$"""{"name":"{{user}}","methods":{"{{method}}":{"brand":"brand of {{user}}"} } }"""), ("t.pay", $$"""{"method":"{{method}}","brand":"brand of {{user}}"}""", "1"));
        const string expected = """{"method":"$steps.user.outputs$.methods[*]~","brand":"$steps.user.outputs$.methods[*].brand"}""";
        var distilled = Recorded.Distilled(Pay("ann", "credit_card_8897086"));

        Given.JsonEqual(expected, distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["result of user", "name of a member", "the only one of its object"], distilled.SourceOf("pay/method").Evidence);
        Assert.Equal(["result of user", "same name", "the only one of its object"], distilled.SourceOf("pay/brand").Evidence);
        Given.JsonEqual(expected, Recorded.LastArguments(Pay("ann", "credit_card_8897086"), Pay("bob", "gift_card_7711863")));
        Given.JsonEqual(
            """{"method":"gift_card_1","brand":"b"}""",
            Recorded.Called(distilled, Given.Values(), [Given.Value("""{"methods":{"gift_card_1":{"brand":"b"}}}"""), Given.Value("1")])[1]);
    }

    [Fact]
    public void What_only_one_recording_had_alone_is_not_the_only_one()
    {
        static Trace Pay(string method, string methods) => Recorded.Writing(null, ("t.user", "{}", $$"""{"methods":{{methods}} }"""), ("t.pay", $$"""{"method":"{{method}}"}""", "1"));

        Given.JsonEqual("""{"method":"$inputs.method"}""", Recorded.LastArguments(Pay("gc_1001", """{"gc_1001":{}}"""), Pay("gc_2002", """{"gc_2001":{},"gc_2002":{}}""")));
    }

    [Fact]
    public void What_stands_under_an_id_comes_after_what_stands_in_a_field()
    {
        var source = Recorded.Distilled(Recorded.Writing(
            null,
            ("t.user", "{}", """{"methods":{"gc_1001":{"holder":"H-445566"},"gc_1002":{"holder":"H-778899"}}}"""),
            ("t.order", "{}", """{"paid_by":"H-445566"}"""),
            ("t.pay", """{"to":"H-445566"}""", "1"))).SourceOf("pay/to");

        Assert.Equal("$steps.order.outputs#/paid_by", source.Source);
        var other = Assert.Single(source.Alternatives);
        Assert.Equal("$steps.user.outputs#/methods/gc_1001/holder", other.Source);
        Assert.Contains("under a name that looks like an id", other.Evidence);
    }

    [Fact]
    public void A_value_goes_before_an_equal_name_of_the_same_result() => Given.JsonEqual(
        """{"method":"$steps.user.outputs$.methods[*].id"}""",
        Recorded.LastArguments(Recorded.Writing(null, ("t.user", "{}", """{"methods":{"credit_card_8897086":{"id":"credit_card_8897086"}}}"""), ("t.pay", """{"method":"credit_card_8897086"}""", "1"))));

    [Fact]
    public void In_a_loop_a_name_is_chosen_by_a_field_of_the_element()
    {
        var distilled = Recorded.Distilled(Recorded.Writing(
            "Order what is on list L-1001",
            ("t.list", """{"id":"L-1001"}""", """{"wanted":[{"color":"silver","line":"N-30071"},{"color":"black","line":"N-50072"}]}"""),
            ("t.product", "{}", Lamps),
            ("t.order", """{"color":"silver","line":"N-30071","item":"1008292230"}""", "1"),
            ("t.order", """{"color":"black","line":"N-50072","item":"1656367028"}""", "1")));

        Given.JsonEqual("""{"color":"$item#/color","line":"$item#/line","item":"$steps.product.outputs$.variants[?@.color==$item#/color]~"}""", distilled.Definition.Steps[^1].Steps[0].Arguments);
    }

    [Fact]
    public void What_a_text_holds_is_known_once_an_argument_had_it_whole() => Given.JsonEqual(
        """{"method":"$steps.user.outputs$.methods[*]~","note":"Paid with {$steps.user.outputs$.methods[*]~}."}""",
        Recorded.LastArguments(Recorded.Writing(
            null, ("t.user", "{}", """{"methods":{"credit_card_8897086":{"brand":"x"}}}"""), ("t.pay", """{"method":"credit_card_8897086","note":"Paid with credit_card_8897086."}""", "1"))));

    [Fact]
    public void One_recording_chooses_no_member_of_an_object_that_stands_under_an_id_itself() => Assert.Equal(
        SourceKind.UnconfirmedConstant,
        Recorded.Distilled(Exchange("Get the black lamp of P-1001", "P-1001", $$"""{"P-5001":{{Lamps}},"P-5002":{{Chairs}} }""", "\"1656367028\"")).SourceOf("exchange/item").Kind);

    [Fact]
    public void A_read_is_not_moved_before_the_one_that_has_its_argument_for_a_name()
    {
        var first = Recorded.Task(null, ("t.one", """{"id":"P-1001"}""", """{"token":"T-70001"}"""), ("t.all", """{"token":"T-70001"}""", """{"P-1001":{"n":1},"P-1002":{"n":2}}"""));
        var second = Recorded.Task(null, ("t.all", """{"token":"T-80002"}""", """{"P-2001":{"n":1},"P-2002":{"n":2}}"""), ("t.one", """{"id":"P-2002"}""", """{"token":"T-90003"}"""));

        Assert.Equal(["t.one", "t.all", "t.one"], Recorded.Distilled(first, second).Definition.Steps.Select(s => s.Action));
    }

    private static Trace Exchange(string request, string product, string result, string item) =>
        Recorded.Writing(request, ("t.product", $$"""{"id":"{{product}}"}""", result), ("t.exchange", $$"""{"item":{{item}}}""", "1"));
}
