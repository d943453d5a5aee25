using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Recall;

/// <summary>
/// Takes a text apart into the words that are searched: names in camelCase and snake_case are split, case, accents and English endings are taken off,
/// numbers are left out. Scripts that write no blanks between words (Han, kana, Hangul, Thai and others) give overlapping pairs of letters.
/// </summary>
internal static partial class TextAnalyzer
{
    /// <summary>Raised when the same text gives other words than before, so that what is stored is analysed anew.</summary>
    public const int Number = 1;

    /// <summary>How much of a text is looked at, in characters.</summary>
    public const int MaxLength = 16_384;

    // A procedure is a kind of task; a name, an id or a quotation is a value of one task. Values still tell wordings apart, so they count less, not nothing.
    private const double ValueWeight = 0.5;
    private const double QuotedWeight = 0.3;

    private static readonly SearchValues<char> Openings = SearchValues.Create("([{<\"'*_-#");

    /// <summary>The words of a text in its order.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="isName">Whether it is a name or a list of labels, in which capital letters mean nothing.</param>
    public static List<AnalyzedWord> Analyze(string text, bool isName = false)
    {
        text = Fold(text.Length > MaxLength ? text[..MaxLength] : text);
        var quoted = isName ? [] : Quotation().Matches(text).Select(m => (m.Index, End: m.Index + m.Length)).ToList();
        var found = new List<(string Surface, double Weight)>();
        foreach (var chunk in Chunk().EnumerateMatches(text))
        {
            var start = chunk.Index;
            var token = text.AsSpan(start, chunk.Length);
            var isValue = !isName && (token.ContainsAnyInRange('0', '9') || token.Contains('@') || (StartsWithCapital(token) && !BeginsSentence(text, start)));
            foreach (var word in Word().EnumerateMatches(token))
            {
                var surface = token.Slice(word.Index, word.Length).ToString().ToLowerInvariant();
                var place = start + word.Index;
                var weight = quoted.Exists(q => q.Index <= place && place < q.End) ? QuotedWeight : isValue ? ValueWeight : 1;
                if (!IsUnspaced(surface[0]) || surface.Length <= 2)
                {
                    found.Add((surface, weight));
                }
                else
                {
                    for (var i = 0; i + 2 <= surface.Length; i++)
                    {
                        found.Add((surface.Substring(i, 2), weight));
                    }
                }
            }
        }

        var stems = WordStemmer.Stems(found.Select(f => f.Surface).Where(IsEnglish));
        return [.. found.Select(f => new AnalyzedWord(stems.GetValueOrDefault(f.Surface, f.Surface), f.Surface, f.Weight))];
    }

    /// <summary>Words as they are stored: stems with blanks between them, after <c>~</c> for a value and <c>~~</c> for a quotation.</summary>
    public static string Stored(IEnumerable<AnalyzedWord> words) =>
        string.Join(' ', words.Select(w => w.Weight switch { ValueWeight => "~" + w.Stem, QuotedWeight => "~~" + w.Stem, _ => w.Stem }));

    /// <summary>The weight that a stored word has by its marks, and the word without them.</summary>
    public static double WeightOf(ref ReadOnlySpan<char> stored)
    {
        var marks = 0;
        while (marks < 2 && marks < stored.Length && stored[marks] == '~')
        {
            marks++;
        }

        stored = stored[marks..];
        return marks switch { 0 => 1, 1 => ValueWeight, _ => QuotedWeight };
    }

    private static bool IsEnglish(string word) => word.Length > 2 && word.All(char.IsAsciiLetterLower);

    private static bool StartsWithCapital(ReadOnlySpan<char> token)
    {
        var letter = token.IndexOfAnyExcept(Openings);
        return letter >= 0 && char.IsUpper(token[letter]) && !token.Contains('_');
    }

    private static bool BeginsSentence(string text, int index)
    {
        var before = text.AsSpan(0, index).TrimEnd();
        return before.IsEmpty || before[^1] is '.' or '!' or '?' or ':' or ';';
    }

    /// <summary>Compatible forms made one, accents of Latin, Greek and Cyrillic letters taken off, halves of surrogate pairs replaced.</summary>
    private static string Fold(string text)
    {
        if (System.Text.Ascii.IsValid(text))
        {
            return text;
        }

        // What no text may hold, halves of surrogate pairs and U+FFFE, cannot be normalised either.
        var whole = string.Concat(text.EnumerateRunes()).Replace('\ufffe', '\ufffd');
        var apart = whole.Normalize(NormalizationForm.FormKD);
        return string.Concat(apart.Where(c => c is < '\u0300' or > '\u036f')).Normalize(NormalizationForm.FormKC);
    }

    /// <summary>Whether a letter belongs to a script that writes no blanks between words: words with it are pairs of letters.</summary>
    public static bool IsUnspaced(char letter) => letter is
        (>= '\u0e00' and <= '\u0eff') or (>= '\u1000' and <= '\u109f') or (>= '\u1780' and <= '\u17ff')
        or (>= '\u3040' and <= '\u30ff') or (>= '\u3400' and <= '\u9fff') or (>= '\uac00' and <= '\ud7a3') or (>= '\uf900' and <= '\ufaff');

    [GeneratedRegex(@"\S+", RegexOptions.CultureInvariant)]
    private static partial Regex Chunk();

    // Runs of one kind: HTTPServer is HTTP and Server, getOrder is get and Order, and a Chinese word beside a Latin one is two. Vowel signs and tone marks of
    // Thai and its like stand inside the run, since they tell its words apart.
    [GeneratedRegex(
        @"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff-[^\p{L}\p{M}]]+|\p{Lu}+(?=\p{Lu}[\p{Ll}\p{M}])|\p{Lu}?[\p{Ll}\p{M}]+|\p{Lu}+|[\p{Lo}\p{Lt}\p{Lm}\p{M}]+",
        RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    [GeneratedRegex("""(?<!\p{L})'[^'\n]{1,120}'(?!\p{L})|"[^"\n]{1,120}"|“[^”\n]{1,120}”|«[^»\n]{1,120}»""", RegexOptions.CultureInvariant)]
    private static partial Regex Quotation();
}

/// <summary>A word of a text.</summary>
/// <param name="Stem">What is compared.</param>
/// <param name="Surface">What was written, in lower case.</param>
/// <param name="Weight">How much it counts, from 0 to 1.</param>
internal readonly record struct AnalyzedWord(string Stem, string Surface, double Weight);
