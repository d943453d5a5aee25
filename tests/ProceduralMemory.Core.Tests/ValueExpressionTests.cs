using System.Text.Json;
using CsCheck;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests;

public class ValueExpressionTests
{
    public static TheoryData<string, ValueExpression> Examples => new()
    {
        { "", new LiteralText("") },
        { "plain text", new LiteralText("plain text") },
        { "costs $5", new LiteralText("costs $5") },
        { "$", new LiteralText("$") },
        { "$outputs.x", new LiteralText("$outputs.x") },
        { "{inputs.a}", new LiteralText("{inputs.a}") },
        { "$$", new LiteralText("") },
        { "$$inputs.a", new LiteralText("inputs.a") },
        { "$$$inputs.a", new LiteralText("$inputs.a") },
        { "$$Hello {$inputs.a}", new LiteralText("Hello {$inputs.a}") },
        { "$inputs.order_id", new InputReference("order_id") },
        { "$inputs.order-id#/lines/0", new InputReference("order-id", "/lines/0") },
        { "$inputs.a#", new InputReference("a") },
        { "$inputs.a#/b%7Dc%25", new InputReference("a", "/b}c%") },
        { "$inputs.a#/x#y", new InputReference("a", "/x#y") },
        { "$steps.get_order.outputs", new StepReference("get_order") },
        { "$steps.get_order.outputs#/customer/id", new StepReference("get_order", "/customer/id") },
        { "$steps.outputs.outputs", new StepReference("outputs") },
        { "$steps.a.outputs#/a~1b/~0", new StepReference("a", "/a~1b/~0") },
        { "$item", new ItemReference() },
        { "$item#/sku", new ItemReference("/sku") },
        { "$items", new LiteralText("$items") },
        { "$steps.o.outputs$.items[?@.name==$inputs.item].id", new ElementReference("o", "/items", "/name", new InputReference("item"), "/id") },
        { "$steps.o.outputs$[?@.name=='it\\'s'].ids[0]", new ElementReference("o", "", "/name", new LiteralValue(Json.String("it's")), "/ids/0") },
        { "$steps.o.outputs$['a b'][?@==7]", new ElementReference("o", "/a b", "", new LiteralValue(Json.Read("7"))) },
        { "$steps.o.outputs$[?@.k==$steps.p.outputs#/a%255Db].id|upper", new ConvertedValue(new ElementReference("o", "", "/k", new StepReference("p", "/a]b"), "/id"), ValueConversion.ToUpper) },
        { "$steps.o.outputs$.variants[?@.color==$inputs.color]~", new ElementReference("o", "/variants", "/color", new InputReference("color"), TakesName: true) },
        { "$steps.o.outputs$[?@=='a~']~|number", new ConvertedValue(new ElementReference("o", "", "", new LiteralValue(Json.String("a~")), TakesName: true), ValueConversion.ToNumber) },
        { "$steps.o.outputs$['a~'][?@['~']==1]['~']", new ElementReference("o", "/a~0", "/~0", new LiteralValue(Json.Read("1")), "/~0") },
        { "$steps.o.outputs$.accounts[*]~", new OnlyElementReference("o", "/accounts", TakesName: true) },
        { "$steps.o.outputs$[*]", new OnlyElementReference("o", "") },
        { "$steps.o.outputs$['[*]~'][*].iban", new OnlyElementReference("o", "/[*]~0", "/iban") },
        { "About {$steps.o.outputs$.accounts[*]~}", new InterpolatedText([new LiteralText("About "), new OnlyElementReference("o", "/accounts", TakesName: true)]) },
        { "$inputs.id|string", new ConvertedValue(new InputReference("id"), ValueConversion.ToText) },
        { "$inputs.id|without:%23|number", new ConvertedValue(new ConvertedValue(new InputReference("id"), ValueConversion.Without("#")), ValueConversion.ToNumber) },
        { "$inputs.on|date:dd.MM.yyyy>yyyy-MM-dd", new ConvertedValue(new InputReference("on"), ValueConversion.Date("dd.MM.yyyy", "yyyy-MM-dd")) },
        { "#{$inputs.order|trim}", new InterpolatedText([new LiteralText("#"), new ConvertedValue(new InputReference("order"), ValueConversion.Trim)]) },
        { "{$inputs.a}", new InterpolatedText([new InputReference("a")]) },
        { "{{$inputs.a}}", new InterpolatedText([new LiteralText("{"), new InputReference("a"), new LiteralText("}")]) },
        { "Refund {$}{$inputs.amount} for {$steps.get.outputs#/id}.", new InterpolatedText([new LiteralText("Refund $"), new InputReference("amount"), new LiteralText(" for "), new StepReference("get", "/id"), new LiteralText(".")]) },
    };

    [Theory]
    [MemberData(nameof(Examples))]
    public void A_template_reads_as(string template, ValueExpression expected) => Assert.Equal(expected, ValueExpression.Parse(template));

    [Theory]
    [MemberData(nameof(Examples))]
    public void What_was_read_is_written_so_that_it_reads_the_same_again(string template, ValueExpression expected) =>
        Assert.Equal(expected, ValueExpression.Parse(ValueExpression.Parse(template).ToString()));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("costs $5", "costs $5")]
    [InlineData("$5", "$$$5")]
    [InlineData("$inputs.a", "$$$inputs.a")]
    [InlineData("Hello {$inputs.a}", "$$Hello {$inputs.a}")]
    [InlineData("{$}", "$${$}")]
    public void Only_a_literal_that_needs_it_is_escaped(string text, string template) => Assert.Equal(template, ValueExpression.Escape(text));

    [Theory]
    [InlineData("$inputs.", "$inputs.<name>")]
    [InlineData("$inputs.1st", "$inputs.<name>")]
    [InlineData("$inputs.a b", "$inputs.<name>")]
    [InlineData("$inputs.a.b", "$inputs.<name>")]
    [InlineData("$steps.", "$steps.<id>.outputs")]
    [InlineData("$steps.a", "$steps.<id>.outputs")]
    [InlineData("$steps.a.output", "$steps.<id>.outputs")]
    [InlineData("$steps..outputs", "$steps.<id>.outputs")]
    [InlineData("$steps.a.outputs/id", "$steps.<id>.outputs")]
    [InlineData("$steps.a.outputs.id", "$steps.<id>.outputs")]
    [InlineData("$inputs.a|shout", "is no conversion")]
    [InlineData("$inputs.a|date:yyyy>dd", "is no conversion")]
    [InlineData("$inputs.a|without:", "is no conversion")]
    [InlineData("$steps.a.outputs$.items", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x]", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x=='y]", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x=={}]", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x==$name]", "$inputs.<name>")]
    [InlineData("$steps.a.outputs$.items~", "no path")]
    [InlineData("$steps.a.outputs$~", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x==1].id~", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x==1]~.id", "no path")]
    [InlineData("$steps.a.outputs$.items[?@.x==1]~~", "no path")]
    [InlineData("$steps.a.outputs$.items[*].id~", "no path")]
    [InlineData("$steps.a.outputs$.items[*]~.id", "no path")]
    [InlineData("$steps.a.outputs$.items[*][*]", "no path")]
    [InlineData("$steps.a.outputs$.items[*", "no path")]
    [InlineData("$item#sku", "JSON Pointer")]
    [InlineData("$inputs.a#id", "JSON Pointer")]
    [InlineData("$steps.a.outputs#/~2", "JSON Pointer")]
    [InlineData("$inputs.a#/~", "JSON Pointer")]
    [InlineData("Hello {$inputs.a", "not closed")]
    [InlineData("Hello {$name}", "$inputs.<name>")]
    [InlineData("Hello {$inputs.a} and {$steps.b}", "$steps.<id>.outputs")]
    [InlineData("{$inputs.a#b}", "JSON Pointer")]
    public void A_malformed_expression_is_refused_and_the_mend_that_is_named_works(string template, string says)
    {
        var error = Assert.Throws<ProcedureFormatException>(() => ValueExpression.Parse(template));

        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Contains("write $$ before it", error.Message, StringComparison.Ordinal);
        Assert.Equal(new LiteralText(template), ValueExpression.Parse("$$" + template));
    }

    [Fact]
    public void A_long_malformed_expression_is_shortened_in_the_message() =>
        Assert.InRange(Assert.Throws<ProcedureFormatException>(() => ValueExpression.Parse("$inputs.!" + new string('#', 100_000))).Message.Length, 80, 400);

    [Fact]
    public void Every_text_is_a_literal_once_escaped() =>
        Given.AnyText.Sample(text => ValueExpression.Parse(ValueExpression.Escape(text)) == new LiteralText(text), iter: 5000);

    [Fact]
    public void Every_json_value_comes_back_exactly_once_escaped_and_resolved() => Given.AnyValue.Sample(
        value =>
        {
            var step = Given.Step("t.f") with { Arguments = Json.Build(w => { w.WriteStartObject(); w.WritePropertyName("v"); ValueExpression.Escape(value).WriteTo(w); w.WriteEndObject(); }) };
            var (arguments, origins) = new TemplateResolver(new Dictionary<string, JsonElement>()).Resolve(step, default);

            Given.JsonEqual(value, arguments.GetProperty("v"));
            Assert.Equal(ArgumentOrigin.Constant, origins["v"]);
            Assert.Empty(ValueExpression.References(step.Arguments));
        },
        iter: 2000,
        print: v => v.GetRawText());

    [Fact]
    public void Every_reference_reads_back_as_it_was_written() =>
        AnyReference.Sample(reference => Assert.Equal(reference, ValueExpression.Parse(reference.ToString()!)), iter: 5000);

    [Fact]
    public void The_text_of_every_reference_is_a_literal_once_escaped() =>
        AnyReference.Sample(reference => Assert.Equal(new LiteralText(reference.ToString()!), ValueExpression.Parse(ValueExpression.Escape(reference.ToString()!))), iter: 2000);

    [Fact]
    public void Every_interpolation_reads_back_as_it_was_written() => AnyInterpolation.Sample(
        text =>
        {
            Assert.Equal(text, ValueExpression.Parse(text.ToString()));
            Assert.Equal(text.GetHashCode(), ValueExpression.Parse(text.ToString()).GetHashCode());
        },
        iter: 5000);

    [Fact]
    public void References_are_found_at_any_depth_in_document_order()
    {
        var template = Given.Value("""{ "a": "$inputs.one", "b": [1, "text {$steps.two.outputs#/x} and {$inputs.three}", { "c": "$$inputs.not" }], "d": { "e": "$inputs.one" } }""");

        Assert.Equal(
            ["$inputs.one", "$steps.two.outputs#/x", "$inputs.three", "$inputs.one"],
            ValueExpression.References(template).Select(r => r.ToString()));
    }

    [Fact]
    public void A_name_of_a_member_has_no_parts()
    {
        Assert.Contains("nothing at '/id'", Assert.Throws<ArgumentException>(() => new OnlyElementReference("o", "/x", "/id", TakesName: true)).Message, StringComparison.Ordinal);
        Assert.Contains("nothing at '/id'", Assert.Throws<ArgumentException>(() => new ElementReference("o", "/x", "/k", new InputReference("a"), "/id", TakesName: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_are_renamed_in_every_reference() => Given.JsonEqual(
        """["$steps.new.outputs$.a[?@.b==$steps.new.outputs#/c]~","$steps.new.outputs$.a[*].b|number","{$steps.new.outputs$.a[*]~}","$$$steps.old.outputs$.a[*]~"]""",
        ValueExpression.RenameSteps(
            Given.Value("""["$steps.old.outputs$.a[?@.b==$steps.old.outputs#/c]~","$steps.old.outputs$.a[*].b|number","{$steps.old.outputs$.a[*]~}","$$$steps.old.outputs$.a[*]~"]"""),
            id => id == "old" ? "new" : id));

    [Theory]
    [InlineData("a", true)]
    [InlineData("_", true)]
    [InlineData("order-id_2", true)]
    [InlineData("größe", true)]
    [InlineData("", false)]
    [InlineData("2nd", false)]
    [InlineData("-a", false)]
    [InlineData("a.b", false)]
    [InlineData("a b", false)]
    [InlineData("a}", false)]
    public void A_name_is_letters_digits_underscores_and_dashes(string name, bool isName) => Assert.Equal(isName, ValueExpression.IsName(name));

    private static Gen<ValueExpression> AnyPlainReference => Gen.Select(
        Gen.Int[0, 2], Given.AnyName, Given.AnyPointer, (kind, name, pointer) => kind switch
        {
            0 => (ValueExpression)new InputReference(name, pointer),
            1 => new StepReference(name, pointer),
            _ => new ItemReference(pointer),
        });

    private static Gen<ValueExpression> AnyElement => Gen.Select(
        Given.AnyName,
        Given.AnyPointer,
        Given.AnyPointer,
        Gen.OneOf<ValueExpression>(AnyPlainReference, Given.AnyText.Select(t => (ValueExpression)new LiteralValue(Json.String(t))), Gen.OneOf("1", "-2.5", "true", "null").Select(j => (ValueExpression)new LiteralValue(Json.Read(j)))),
        AnyPart,
        (step, list, compared, match, part) => (ValueExpression)new ElementReference(step, list, compared, match, part.Pointer, part.TakesName));

    private static Gen<ValueExpression> AnyOnlyElement => Gen.Select(Given.AnyName, Given.AnyPointer, AnyPart, (step, list, part) => (ValueExpression)new OnlyElementReference(step, list, part.Pointer, part.TakesName));

    private static Gen<(string Pointer, bool TakesName)> AnyPart => Gen.OneOf(Given.AnyPointer.Select(p => (p, false)), Gen.Const(("", true)));

    private static Gen<ValueConversion> AnyConversion => Gen.OneOf(
        Gen.OneOf(ValueConversion.ToText, ValueConversion.ToNumber, ValueConversion.ToLower, ValueConversion.ToUpper, ValueConversion.Trim),
        Given.AnyText.Where(t => t.Length > 0).Select(ValueConversion.Without),
        Gen.Select(Gen.OneOf([.. ValueConversion.DateFormats]), Gen.OneOf([.. ValueConversion.DateFormats]), ValueConversion.Date));

    private static Gen<ValueExpression> AnyReference => Gen.Select(
        Gen.OneOf(AnyPlainReference, AnyElement, AnyOnlyElement), AnyConversion.Array[0, 2], (source, conversions) => conversions.Aggregate(source, (value, conversion) => new ConvertedValue(value, conversion)));

    // In reading, neighbouring literals are one: so references stand in an interpolation with one literal, or none, between them.
    private static Gen<InterpolatedText> AnyInterpolation => Gen.Select(Given.AnyText, Gen.Select(AnyReference, Given.AnyText).Array[1, 4], (first, rest) =>
    {
        var parts = new List<ValueExpression> { new LiteralText(first) };
        parts.AddRange(rest.SelectMany(p => new[] { p.Item1, new LiteralText(p.Item2) }));
        return new InterpolatedText([.. parts.Where(p => p is not LiteralText { Text: "" })]);
    });
}

public class JsonPointerTests
{
    // The examples of RFC 6901, section 5, and what it rules out.
    private const string Document = """{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"~1":9,"01":10}""";

    [Theory]
    [InlineData("/foo", """["bar","baz"]""")]
    [InlineData("/foo/0", "\"bar\"")]
    [InlineData("/foo/1", "\"baz\"")]
    [InlineData("/", "0")]
    [InlineData("/a~1b", "1")]
    [InlineData("/c%d", "2")]
    [InlineData("/e^f", "3")]
    [InlineData("/g|h", "4")]
    [InlineData("/i\\j", "5")]
    [InlineData("/k\"l", "6")]
    [InlineData("/ ", "7")]
    [InlineData("/m~0n", "8")]
    [InlineData("/~01", "9")]
    [InlineData("/01", "10")]
    public void A_pointer_leads_to(string pointer, string expected)
    {
        Assert.True(JsonPointer.TryResolve(Given.Value(Document), pointer, out var value));
        Given.JsonEqual(expected, value);
    }

    [Theory]
    [InlineData("/nothing")]
    [InlineData("/foo/2")]
    [InlineData("/foo/-")]
    [InlineData("/foo/-1")]
    [InlineData("/foo/+1")]
    [InlineData("/foo/00")]
    [InlineData("/foo/01")]
    [InlineData("/foo/ 1")]
    [InlineData("/foo/99999999999999999999")]
    [InlineData("/foo/0/bar")]
    [InlineData("//")]
    [InlineData("/FOO")]
    public void A_pointer_leads_nowhere(string pointer) => Assert.False(JsonPointer.TryResolve(Given.Value(Document), pointer, out _));

    [Fact]
    public void A_pointer_made_of_any_names_leads_to_what_stands_under_them() => Given.AnyText.Array[1, 5].Sample(names =>
    {
        var document = names.Reverse().Aggregate("\"found\"", (inner, name) => $"{{{JsonSerializer.Serialize(name)}:{inner}}}");
        var pointer = names.Aggregate("", JsonPointer.Append);

        Assert.True(JsonPointer.IsValid(pointer));
        Assert.True(JsonPointer.TryResolve(Given.Value(document), pointer, out var value));
        Assert.Equal("found", value.GetString());
    });
}
