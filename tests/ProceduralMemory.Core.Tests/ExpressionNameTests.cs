using CsCheck;

namespace ProceduralMemory.Tests;

public class ExpressionNameTests
{
    [Theory]
    [InlineData("order_id", "order_id")]
    [InlineData("order-id", "order-id")]
    [InlineData("_id", "_id")]
    [InlineData("order id (new)", "order_id__new")]
    [InlineData("2nd", "input_2nd")]
    [InlineData("-x", "input_x")]
    [InlineData("", "input")]
    public void A_name_is_made_of_any_text(string text, string name) => Assert.Equal(name, ExpressionName.Make(text, "input", _ => true));

    [Fact]
    public void Whatever_the_text_what_is_made_of_it_can_stand_in_an_expression_and_is_taken_once()
    {
        Given.AnyText.Sample(text =>
        {
            var taken = new HashSet<string>();
            var made = Enumerable.Range(0, 3).Select(_ => ExpressionName.Make(text, "input", taken.Add)).ToList();

            Assert.Equal(3, made.Distinct().Count());
            Assert.All(made, name => Assert.True(ValueExpression.IsName(name), name));
        });
    }

    [Fact]
    public void A_long_text_makes_a_name_that_can_still_be_read() => Assert.Equal(60, ExpressionName.Make(new string('x', 500), "input", _ => true).Length);
}
