namespace ProceduralMemory.Tests;

public sealed class ModelTextTests
{
    [Theory]
    [InlineData("refund an order", "refund an order")]
    [InlineData("  a\n\r\tb\u2028c\u202ed\u0007 ", "a b c d")]
    [InlineData("a\u200bb", "a b")]
    [InlineData("a\U000e0049\U000e0047b", "a b")]
    [InlineData("12345678901234567890123", "12345678901234567890…")]
    [InlineData("1234567890123456789\U0001f600", "1234567890123456789…")]
    [InlineData("12345678\U0001f600", "12345678\U0001f600")]
    [InlineData("a                                                                                                    b", "a…")]
    public void A_line_is_one_is_short_and_hides_nothing(string text, string expected) => Assert.Equal(expected, ModelText.Line(text, 20));

    [Theory]
    [InlineData("refund order: für 返金 \U0001f600", false)]
    [InlineData("می\u200cخواهم", false)]
    [InlineData("a\nb", true)]
    [InlineData("a\u202eb", true)]
    [InlineData("a\u2066b", true)]
    [InlineData("a\u2029b", true)]
    [InlineData("a\U000e0049b", true)]
    public void What_hides_is_told(string text, bool hides) => Assert.Equal(hides, ModelText.HasHidden(text));
}
