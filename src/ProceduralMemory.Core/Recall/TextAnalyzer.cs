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
    public const int Number = 2;

    /// <summary>How much of a text is looked at, in characters.</summary>
    public const int MaxLength = 16_384;

    // A procedure is a kind of task; a name, an id or a quotation is a value of one task. Values still tell wordings apart, so they count less, not nothing.
    private const double ValueWeight = 0.5;
    private const double QuotedWeight = 0.3;

    /// <summary>The weight of a letter that is stored beside the pairs that it is in: it makes no text longer, and is there for a request that has it alone.</summary>
    public const double LetterWeight = 0;

    // Words that English has and German has not. Where one of them stands, a capital letter is a name's; where none does and every third word has one, it is a noun's.
    private static readonly HashSet<string> EnglishWords = new(
        ["a", "and", "are", "at", "by", "can", "could", "for", "from", "have", "how", "i", "is", "it", "its", "let", "my", "need", "of", "on", "our", "please", "that", "the", "then", "there", "this", "to", "us", "want", "we", "what", "when", "which", "with", "would", "you", "your"],
        StringComparer.OrdinalIgnoreCase);

    private static readonly SearchValues<char> Openings = SearchValues.Create("([{<\"'*_-#");

    private const string Around = "([{<\"'*_-#)]}>.,;:!?";

    /// <summary>The words of a text in its order.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="isName">Whether it is a name or a list of labels, in which capital letters mean nothing.</param>
    /// <param name="withLetters">Whether the letters of scripts without blanks follow, each by itself, as they are stored.</param>
    public static List<AnalyzedWord> Analyze(string text, bool isName = false, bool withLetters = false)
    {
        text = Fold(text.Length > MaxLength ? text[..MaxLength] : text);
        var quoted = isName ? [] : Quotation().Matches(text).Select(m => (m.Index, End: m.Index + m.Length)).ToList();
        var capitalsTell = !isName && CapitalsTell(text);
        var found = new List<(string Surface, double Weight)>();
        var letters = new List<(string Surface, double Weight)>();
        foreach (var chunk in Chunk().EnumerateMatches(text))
        {
            var start = chunk.Index;
            var token = text.AsSpan(start, chunk.Length);
            var isValue = !isName && (token.ContainsAnyInRange('0', '9') || token.Contains('@') || (capitalsTell && StartsWithCapital(token) && !BeginsSentence(text, start)));
            foreach (var word in Word().EnumerateMatches(token))
            {
                var surface = token.Slice(word.Index, word.Length).ToString().ToLowerInvariant();
                var place = start + word.Index;
                var weight = quoted.Exists(q => q.Index <= place && place < q.End) ? QuotedWeight : isValue ? ValueWeight : 1;
                if (!IsUnspaced(surface[0]))
                {
                    found.Add((surface, weight));
                    continue;
                }

                foreach (var run in UnspacedRuns(surface))
                {
                    found.AddRange(run.Count == 1 ? [(run[0], weight)] : run.Zip(run.Skip(1), (first, second) => (first + second, weight)));
                    letters.AddRange(run.Count == 1 ? [] : run.Select(l => (l, LetterWeight)));
                }
            }
        }

        if (withLetters)
        {
            found.AddRange(letters.Distinct());
        }

        var stems = WordStemmer.Stems(found.Select(f => f.Surface).Where(IsEnglish));
        return [.. found.Select(f => new AnalyzedWord(stems.GetValueOrDefault(f.Surface, f.Surface), f.Surface, f.Weight))];
    }

    /// <summary>Words as they are stored: stems with blanks between them, after <c>~</c> for a value, <c>~~</c> for a quotation and <c>~~~</c> for a letter.</summary>
    public static string Stored(IEnumerable<AnalyzedWord> words) =>
        string.Join(' ', words.Select(w => w.Weight switch { ValueWeight => "~" + w.Stem, QuotedWeight => "~~" + w.Stem, LetterWeight => "~~~" + w.Stem, _ => w.Stem }));

    /// <summary>The weight that a stored word has by its marks, and the word without them.</summary>
    public static double WeightOf(ref ReadOnlySpan<char> stored)
    {
        var marks = 0;
        while (marks < 3 && marks < stored.Length && stored[marks] == '~')
        {
            marks++;
        }

        stored = stored[marks..];
        return marks switch { 0 => 1, 1 => ValueWeight, 2 => QuotedWeight, _ => LetterWeight };
    }

    private static bool IsEnglish(string word) => word.Length > 2 && word.All(char.IsAsciiLetterLower);

    private static bool StartsWithCapital(ReadOnlySpan<char> token)
    {
        var letter = token.IndexOfAnyExcept(Openings);
        return letter >= 0 && char.IsUpper(token[letter]) && !token.Contains('_');
    }

    /// <summary>Whether a capital letter where no sentence begins tells a value: not in German, whose nouns all have one.</summary>
    private static bool CapitalsTell(string text)
    {
        var (words, capitals) = (0, 0);
        foreach (var chunk in Chunk().EnumerateMatches(text))
        {
            var token = text.AsSpan(chunk.Index, chunk.Length).Trim(Around);
            if (EnglishWords.GetAlternateLookup<ReadOnlySpan<char>>().Contains(token))
            {
                return true;
            }

            if (token.Length > 0 && char.IsLetter(token[0]) && !BeginsSentence(text, chunk.Index))
            {
                words++;
                capitals += char.IsUpper(token[0]) ? 1 : 0;
            }
        }

        return capitals * 3 < words;
    }

    private static bool BeginsSentence(string text, int index)
    {
        var before = text.AsSpan(0, index).TrimEnd();
        return before.IsEmpty || before[^1] is '.' or '!' or '?' or ':' or ';' || (before[^1] is '-' or '*' or '\u2022' && before[..^1].TrimEnd(" \t") is var line && (line.IsEmpty || line[^1] is '\n' or '\r'));
    }

    /// <summary>The letters of a run of a script without blanks, with their vowel signs and tone marks each by itself. What is no letter, such as an emoji, parts it.</summary>
    private static List<List<string>> UnspacedRuns(string text)
    {
        var runs = new List<List<string>> { new() };
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.IsBmp || Rune.IsLetter(rune))
            {
                runs[^1].Add(rune.ToString());
            }
            else if (runs[^1].Count > 0)
            {
                runs.Add([]);
            }
        }

        runs.RemoveAll(r => r.Count == 0);
        return runs;
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

    /// <summary>
    /// Whether a letter belongs to a script that writes no blanks between words: words with it are pairs of letters. Letters beyond the basic plane, of which half is given,
    /// count as such: most are Han.
    /// </summary>
    public static bool IsUnspaced(char letter) => letter is
        (>= '\u0e00' and <= '\u0eff') or (>= '\u1000' and <= '\u109f') or (>= '\u1780' and <= '\u17ff')
        or (>= '\u3005' and <= '\u3007') or (>= '\u3040' and <= '\u30ff') or (>= '\u3400' and <= '\u9fff') or (>= '\uac00' and <= '\ud7a3') or (>= '\uf900' and <= '\ufaff')
        || char.IsSurrogate(letter);

    [GeneratedRegex(@"\S+", RegexOptions.CultureInvariant)]
    private static partial Regex Chunk();

    private const string Unspaced = @"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff";

    // Runs of one kind: HTTPServer is HTTP and Server, getOrder is get and Order, and a Chinese word beside a Latin one is two. Vowel signs and tone marks of
    // Thai and its like stand inside the run, since they tell its words apart. U+3007, a Han zero, is a number that is written as a letter.
    [GeneratedRegex(
        $@"(?:[{Unspaced}-[^\p{{L}}\p{{M}}\p{{Nl}}]]|[\ud800-\udbff][\udc00-\udfff])+|\p{{Lu}}+(?=\p{{Lu}}[\p{{Ll}}\p{{M}}])|\p{{Lu}}?[\p{{Ll}}\p{{M}}-[{Unspaced}]]+|\p{{Lu}}+|[\p{{Lo}}\p{{Lt}}\p{{Lm}}\p{{M}}-[{Unspaced}]]+",
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
