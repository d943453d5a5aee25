using System.Globalization;
using System.Text;
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
    [InlineData("Größe CAFÉ naïve Ёлка", "große cafe naiv елка")]
    [InlineData("the ﬁle Ｗｉｄｅ", "the file ~wide")]
    [InlineData("退款订单", "退款 款订 订单")]
    [InlineData("退 款", "退 款")]
    [InlineData("退款API订单", "退款 api 订单")]
    [InlineData("がっこう", "がっ っこ こう")]
    [InlineData("환불", "환불")]
    [InlineData("ลูกค้า", "ลู ูก กค ค้ ้า")]
    [InlineData("استرداد الطلب", "استرداد الطلب")]
    [InlineData("人々 〆切 二〇", "人々 〆切 二〇")]
    [InlineData("人々の佐々木API", "人々 々の の佐 佐々 々木 api")]
    [InlineData("𠮷野家", "𠮷野 野家")]
    [InlineData("𠮷", "𠮷")]
    [InlineData("退😀款🎉", "退 款")]
    [InlineData("Erstelle die Rechnung für den Kunden", "erstel die rechnung fur den kunden")]
    [InlineData("Bitte die Rechnung an Kunden schicken", "bitt die rechnung an kunden schicken")]
    [InlineData("Send the Invoice to Alice", "send the ~invoic to ~alic")]
    [InlineData("commande au nom de Pierre", "command au nom de ~pierr")]
    [InlineData("Do this:\n- Refund it\n * Mail them\nthen\n\u2022 Close it for Bob", "do thi refund it mail them then close it for ~bob")]
    [InlineData("well - Refund it", "well ~refund it")]
    [InlineData("12 345 😀 ?!", "")]
    [InlineData("", "")]
    public void A_text_gives_these_words(string text, string stored) => Assert.Equal(stored, TextAnalyzer.Stored(TextAnalyzer.Analyze(text)));

    [Theory]
    [InlineData("Alice 'pays' v2", "alic pai v")]
    [InlineData("GET_ORDER", "get order")]
    public void In_names_nothing_is_a_value(string text, string stored) => Assert.Equal(stored, TextAnalyzer.Stored(TextAnalyzer.Analyze(text, isName: true)));

    [Fact]
    public void What_is_stored_of_scripts_without_blanks_has_their_letters_after_it() =>
        Assert.Equal("退款 款订 订单 a 人 ~~~退 ~~~款 ~~~订 ~~~单", TextAnalyzer.Stored(TextAnalyzer.Analyze("退款订单 a 人", withLetters: true)));

    [Theory]
    [InlineData("Erstelle die Rechnung", "Erstelle die Faktura", "Erstelle die Quittung")]
    [InlineData("Lösche das Backup der Datenbank", "Lösche das Konto der Kundin", "Lösche das Abo der Zeitung")]
    public void German_nouns_tell_wordings_apart(params string[] requests) =>
        Assert.Equal(requests.Length, requests.Select(SearchDocument.WordingOf).Distinct().Count());

    [Theory]
    [InlineData("word", "word", 1)]
    [InlineData("~~~word", "word", 0)]
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
                Assert.All(word.Stem.EnumerateRunes(), c => Assert.True(Rune.IsLetter(c) || Rune.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark or UnicodeCategory.LetterNumber, word.Stem));
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
