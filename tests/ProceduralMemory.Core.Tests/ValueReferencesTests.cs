using System.Text.Json;
using CsCheck;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests;

public class ValueReferencesTests
{
    private const string Order = """{ "items": [ { "name": "lamp", "id": "I-1", "sizes": ["s"] }, { "name": "desk", "id": "I-2" }, { "name": "desk", "id": "I-2" }, { "name": "rug", "id": "I-3" }, { "name": "rug", "id": "I-4" } ], "count": 12 }""";

    private const string Product = """{ "variants": { "1008292230": { "color": "red", "price": 10 }, "1656367028": { "color": "black", "price": 12 }, "1700000000": { "color": "black", "price": 12 }, "sizes": ["s"] }, "makers": { "M-100": { "name": "Lamp & Co" } }, "tags": ["lamp"], "none": {} }""";

    [Theory]
    [InlineData("$steps.product.outputs$.variants[?@.color=='red']~", "\"1008292230\"")]
    [InlineData("$steps.product.outputs$.variants[?@.color=='red']~|number", "1008292230")]
    [InlineData("$steps.product.outputs$.variants[?@.color=='red'].price", "10")]
    [InlineData("$steps.product.outputs$.variants[?@.color=='black'].price", "12")]
    [InlineData("$steps.product.outputs$.makers[*]~", "\"M-100\"")]
    [InlineData("$steps.product.outputs$.makers[*].name", "\"Lamp & Co\"")]
    [InlineData("$steps.product.outputs$.tags[*]", "\"lamp\"")]
    [InlineData("about {$steps.product.outputs$.makers[*]~}", "\"about M-100\"")]
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
    [InlineData("$steps.order.outputs$.count[?@=='desk']", "there is no list or object but integer")]
    [InlineData("$steps.order.outputs$.items[?@.name=='lamp']~", "there is no object but array")]
    [InlineData("$steps.product.outputs$.tags[*]~", "there is no object but array")]
    [InlineData("$steps.product.outputs$.variants[?@.color=='blue']~", "none of the 4 members that step 'product' returned has that value there. Check 'blue', or give the argument")]
    [InlineData("$steps.product.outputs$.variants[?@.color=='black']~", "is ambiguous: 2 members that step 'product' returned")]
    [InlineData("$steps.product.outputs$.variants[?@.color=='red'].weight", "the member (object) has nothing at /weight")]
    [InlineData("$steps.product.outputs$.variants[*]~", "is ambiguous: step 'product' returned 4 members there, and only one was expected")]
    [InlineData("$steps.product.outputs$.none[*]~", "returned there is empty")]
    [InlineData("$steps.product.outputs$.colors[*]~", "has nothing at /colors")]
    [InlineData("$steps.order.outputs$.items[*].id", "returned 5 elements there")]
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
        resolver.Results["product"] = Given.Value(Product);
        return ValueExpression.Parse(template).Evaluate(resolver);
    }
}
