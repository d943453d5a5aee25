using CsCheck;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

public sealed class TextAnalyzerTests
{
    [Theory]
    [InlineData("Refunding the orders", "refund the order")]
    [InlineData("deployWebService", "deploi web servic")]
    [InlineData("HTTPServer", "http server")]
    [InlineData("snake_case-and.dots", "snake case and dot")]
    [InlineData("v1.4.0 x86", "~v ~x")]
    [InlineData("for Alice in Paris", "for ~alic in ~pari")]
    [InlineData("Alice pays. Bob refunds", "alic pai bob refund")]
    [InlineData("play \"Yellow Submarine\" and 'blue moon' now", "plai ~~yellow ~~submarin and ~~blue ~~moon now")]
    [InlineData("don't can't", "don t can t")]
    [InlineData("mail ann@example.test", "mail ~ann ~exampl ~test")]
    [InlineData("Größe CAFÉ naïve Ёлка", "große ~cafe naiv ~елка")]
    [InlineData("ﬁle Ｗｉｄｅ", "file ~wide")]
    [InlineData("退款订单", "退款 款订 订单")]
    [InlineData("退 款", "退 款")]
    [InlineData("退款API订单", "退款 api 订单")]
    [InlineData("がっこう", "がっ っこ こう")]
    [InlineData("환불", "환불")]
    [InlineData("ลูกค้า", "ลู ูก กค ค้ ้า")]
    [InlineData("استرداد الطلب", "استرداد الطلب")]
    [InlineData("12 345 😀 ?!", "")]
    [InlineData("", "")]
    public void A_text_gives_these_words(string text, string stored) => Assert.Equal(stored, TextAnalyzer.Stored(TextAnalyzer.Analyze(text)));

    [Theory]
    [InlineData("Alice 'pays' v2", "alic pai v")]
    [InlineData("GET_ORDER", "get order")]
    public void In_names_nothing_is_a_value(string text, string stored) => Assert.Equal(stored, TextAnalyzer.Stored(TextAnalyzer.Analyze(text, isName: true)));

    [Theory]
    [InlineData("word", "word", 1)]
    [InlineData("~word", "word", 0.5)]
    [InlineData("~~word", "word", 0.3)]
    [InlineData("~", "", 0.5)]
    public void A_stored_word_tells_its_weight(string stored, string word, double weight)
    {
        var span = stored.AsSpan();

        Assert.Equal(weight, TextAnalyzer.WeightOf(ref span));
        Assert.Equal(word, span.ToString());
    }

    [Fact]
    public void A_text_is_looked_at_to_its_limit_and_no_further()
    {
        var text = new string('x', TextAnalyzer.MaxLength) + " beyond";

        Assert.DoesNotContain(TextAnalyzer.Analyze(text), w => w.Surface.Contains("beyond", StringComparison.Ordinal));
    }

    [Fact]
    public void Any_text_is_taken_apart_into_words_without_blanks_and_marks() => IndexTests.AnyRequest.Sample(
        text =>
        {
            foreach (var word in TextAnalyzer.Analyze(text))
            {
                Assert.NotEqual("", word.Stem);
                Assert.All(word.Stem, c => Assert.True(char.IsLetter(c) || char.GetUnicodeCategory(c) is System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.SpacingCombiningMark or System.Globalization.UnicodeCategory.EnclosingMark, word.Stem));
                Assert.Contains(word.Weight, new[] { 1, 0.5, 0.3 });
            }
        },
        iter: 20_000);

    [Fact]
    public void Words_as_they_were_written_give_the_same_words_again() => IndexTests.AnyRequest.Sample(
        text =>
        {
            // Stems are not stemmed again: the stem of a stem may be shorter. What is compared is what was written.
            var words = TextAnalyzer.Analyze(text, isName: true);
            var again = TextAnalyzer.Analyze(string.Join(' ', words.Select(w => w.Surface)), isName: true);

            Assert.Equal(words.Select(w => w.Stem), again.Select(w => w.Stem));
        },
        iter: 20_000);

    [Fact]
    public void Stored_words_have_a_blank_between_them_and_lose_nothing() => IndexTests.AnyRequest.Sample(
        text =>
        {
            var words = TextAnalyzer.Analyze(text);
            var stored = TextAnalyzer.Stored(words).Split(' ', StringSplitOptions.RemoveEmptyEntries);

            Assert.Equal(words.Select(w => (w.Stem, w.Weight)), stored.Select(s =>
            {
                var span = s.AsSpan();
                var weight = TextAnalyzer.WeightOf(ref span);
                return (span.ToString(), weight);
            }));
        },
        iter: 5_000);
}
