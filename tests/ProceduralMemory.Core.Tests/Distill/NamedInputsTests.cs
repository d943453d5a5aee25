namespace ProceduralMemory.Tests.Distill;

/// <summary>Inputs that the caller of a recording knew by name.</summary>
public sealed class NamedInputsTests
{
    [Fact]
    public void A_named_input_keeps_its_name_and_type_and_only_those_in_use_are_declared()
    {
        var distilled = Recorded.Distilled(Recorded.Named("""{"recipient":"ann@x.org","copies":17,"unused":"x-1234"}""", ("mail.send", """{"to":"ann@x.org","count":"17"}""", "1")));

        Given.JsonEqual("""{"to":"$inputs.recipient","count":"$inputs.copies|string"}""", distilled.Definition.Steps[0].Arguments);
        Assert.Equal([("recipient", JsonType.String), ("copies", JsonType.Number)], distilled.Definition.Inputs.Select(i => (i.Name, i.Type)));
        Assert.Equal(["named by the caller"], distilled.SourceOf("send/to").Evidence);
    }

    [Fact]
    public void Of_inputs_of_equal_value_each_is_taken_where_its_name_fits_and_in_their_order()
    {
        var distilled = Recorded.Distilled(Recorded.Named(
            """{"payment":"card_1001","payment_2":"card_1001","item_ids":["I-1001"],"new_item_ids":["I-1001"]}""",
            ("t.a", """{"new_item_ids":["I-1001"],"payment":"card_1001"}""", """{"payment":"card_1001"}"""),
            ("t.b", """{"item_ids":["I-1001"],"payment":"card_1001"}""", "1")));

        Given.JsonEqual("""{"new_item_ids":"$inputs.new_item_ids","payment":"$inputs.payment"}""", distilled.Definition.Steps[0].Arguments);
        Given.JsonEqual("""{"item_ids":"$inputs.item_ids","payment":"$inputs.payment_2"}""", distilled.Definition.Steps[1].Arguments);
    }

    [Fact]
    public void A_value_that_tells_nothing_is_taken_by_its_name_alone() => Given.JsonEqual(
        """{"total_bags":"$inputs.total_bags","free_bags":0,"note":"$inputs.note"}""",
        Recorded.LastArguments(Recorded.Task(null, """{"total_bags":0,"note":""}""", StepEffect.Read, [("t.a", """{"total_bags":0,"free_bags":0,"note":""}""", "1")])));

    [Fact]
    public void What_the_caller_did_not_name_is_no_input_though_the_request_says_it() =>
        Assert.Equal(SourceKind.UnconfirmedConstant, Recorded.Distilled(Recorded.Task("pay by card_1001 to ann@x.org", """{"to":"ann@x.org"}""", StepEffect.Write, [("t.pay", """{"to":"ann@x.org","by":"card_1001"}""", "1")])).SourceOf("pay/by").Kind);

    [Fact]
    public void Parts_of_a_named_object_are_referred_to_and_texts_are_put_together_of_names() => Given.JsonEqual(
        """{"city":"$inputs.address#/city","title":"Ticket {$inputs.ticket}"}""",
        Recorded.LastArguments(Recorded.Named("""{"address":{"city":"Berlin"},"ticket":"T-12345"}""", ("t.a", """{"city":"Berlin","title":"Ticket T-12345"}""", "1"))));

    [Fact]
    public void A_recording_without_names_does_not_contradict_one_with_names() => Given.JsonEqual(
        """{"to":"$inputs.recipient"}""",
        Recorded.LastArguments(Recorded.Named("""{"recipient":"ann@x.org"}""", ("mail.send", """{"to":"ann@x.org"}""", "1")), Recorded.Writing("go", ("mail.send", """{"to":"bob@x.org"}""", "1"))));

    [Fact]
    public void A_secret_keeps_the_name_that_the_caller_gave_it()
    {
        var distilled = Recorded.Distilled(Recorded.Named("""{"api_key":"sk-very-secret-1"}""", ("t.a", """{"apiKey":"sk-very-secret-1"}""", "1")));

        Given.JsonEqual("""{"apiKey":"$inputs.api_key"}""", distilled.Definition.Steps[0].Arguments);
        var input = Assert.Single(distilled.Definition.Inputs);
        Assert.True(input.Secret);
        Assert.Null(input.Default);
        Assert.Empty(input.Examples);
        Assert.DoesNotContain("very-secret", Recorded.Document(distilled), StringComparison.Ordinal);
    }
}
