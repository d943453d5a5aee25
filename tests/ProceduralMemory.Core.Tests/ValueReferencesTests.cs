using System.Text.Json;
using CsCheck;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests;

public class ValueReferencesTests
{
    private const string Order = """{ "items": [ { "name": "lamp", "id": "I-1", "sizes": ["s"] }, { "name": "desk", "id": "I-2" }, { "name": "desk", "id": "I-2" }, { "name": "rug", "id": "I-3" }, { "name": "rug", "id": "I-4" } ], "count": 12 }""";

    [Theory]
    [InlineData("$steps.order.outputs$.items[?@.name==$inputs.item].id", "\"I-1\"")]
    [InlineData("$steps.order.outputs$.items[?@.name=='lamp'].sizes[0]", "\"s\"")]
    [InlineData("$steps.order.outputs$.items[?@.name=='desk'].id", "\"I-2\"")]
    [InlineData("$steps.order.outputs#/count|string", "\"12\"")]
    [InlineData("$inputs.number|without:%23|number", "42")]
    [InlineData("$inputs.day|date:dd.MM.yyyy>yyyy-MM-dd", "\"2031-05-04\"")]
    [InlineData("$inputs.item|upper", "\"LAMP\"")]
    [InlineData("order {$inputs.number|without:%23} of {$steps.order.outputs#/count}", "\"order 42 of 12\"")]
    [InlineData("$item#/id", "\"E-9\"")]
    public void An_expression_has_the_value(string template, string expected) => Given.JsonEqual(expected, Resolve(template));

    [Theory]
    [InlineData("$steps.order.outputs$.items[?@.name=='sofa'].id", "none of the 5 elements")]
    [InlineData("$steps.order.outputs$.items[?@.name=='rug'].id", "ambiguous")]
    [InlineData("$steps.order.outputs$.items[?@.name=='desk'].sizes", "has nothing at /sizes")]
    [InlineData("$steps.order.outputs$.count[?@=='desk']", "is no list")]
    [InlineData("$inputs.item|number", "cannot be converted by 'number'")]
    [InlineData("$inputs.item|without:x", "cannot be converted")]
    [InlineData("$inputs.item|date:dd.MM.yyyy>yyyy-MM-dd", "cannot be converted")]
    [InlineData("$steps.order.outputs|upper", "cannot be converted")]
    public void What_leads_nowhere_or_to_several_values_is_said_and_not_guessed(string template, string says) =>
        Assert.Contains(says, Assert.Throws<UnresolvedBindingException>(() => Resolve(template)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_number_survives_being_text_and_a_number_again() => Given.AnyNumber.Sample(number =>
    {
        var value = Json.Read(number);
        Given.JsonEqual(value, ValueConversion.ToNumber.Apply(ValueConversion.ToText.Apply(value)!.Value)!.Value);
    });

    [Fact]
    public void A_date_survives_being_written_otherwise_and_back() => Gen.Select(Gen.Date, Gen.OneOf([.. ValueConversion.DateFormats]), Gen.OneOf([.. ValueConversion.DateFormats])).Sample((day, from, to) =>
    {
        var written = Json.String(day.Date.ToString(from, System.Globalization.CultureInfo.InvariantCulture));
        Given.JsonEqual(written, ValueConversion.Date(to, from).Apply(ValueConversion.Date(from, to).Apply(written)!.Value)!.Value);
    });

    [Fact]
    public void Only_the_listed_date_formats_convert() =>
        Assert.Contains("yyyy-MM-dd", Assert.Throws<ArgumentException>(() => ValueConversion.Date("dd.MM.yy", "yyyy-MM-dd")).Message, StringComparison.Ordinal);

    private static JsonElement Resolve(string template)
    {
        var resolver = new TemplateResolver(Given.Values(("item", "\"lamp\""), ("number", "\"#42\""), ("day", "\"04.05.2031\"")), Given.Value("""{"id":"E-9"}"""));
        resolver.Results["order"] = Given.Value(Order);
        return ValueExpression.Parse(template).Evaluate(resolver);
    }
}
