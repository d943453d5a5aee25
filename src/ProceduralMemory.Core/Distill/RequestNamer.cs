using System.Text.Json;
using System.Text.RegularExpressions;
using ProceduralMemory.Capture;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Distill;

/// <summary>
/// Names what a turn taught by the words of its request that are not values of the task: what stands in an argument or in a mail address, has digits, is quoted, or is written as a name is. Of many
/// words those that the functions have in their names are taken, or the first two of what is asked for. The same turn gets the same name, and no more of its words goes into the description, which
/// models read.
/// </summary>
internal static partial class RequestNamer
{
    private const int MostWords = 4;
    private const int MostFunctions = 8;
    private const int MostLetters = 48;

    // Of longer texts the words are those of any language, and not names of anything.
    private const int LongestName = 200;

    // Words of requests that say nothing of the task.
    private static readonly HashSet<string> Fillers = new(
        ["a", "about", "all", "also", "am", "an", "and", "any", "anyone", "anything", "are", "as", "at", "be", "because", "been", "but", "by", "can", "could", "do", "does", "dont", "for", "from", "get", "give", "go", "had", "has", "have", "he", "hello",
            "help", "her", "hey", "hi", "him", "his", "how", "i", "if", "im", "in", "into", "is", "it", "its", "just", "kindly", "know", "last", "latest", "less", "let", "like", "ll", "lets", "make", "may", "me", "more", "most", "must", "my", "need", "needs", "next", "no", "not", "now", "of", "okay", "on",
            "one", "or", "our", "out", "please", "re", "s", "she", "should", "so", "some", "someone", "something", "t", "tell", "than", "thank", "thanks", "that", "the", "their", "them", "then", "there", "they", "this", "to", "today", "too", "up", "us", "ve", "want", "wants", "was", "we",
            "were", "what", "when", "where", "which", "who", "will", "with", "would", "you", "your", "bitte", "das", "dem", "den", "der", "des", "die", "ein", "eine", "einen", "es", "fur", "ich", "im", "ist", "mir", "mit", "und", "von", "zu", "zur", "zum"],
        StringComparer.Ordinal);

    public static ProcedureNaming Name(TurnReport turn)
    {
        var functions = turn.Calls.Where(c => c.Status is StepStatus.Success).Select(c => c.Action).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        var vocabulary = functions.SelectMany(f => TextAnalyzer.Analyze(f, isName: true)).Select(w => w.Stem).ToHashSet(StringComparer.Ordinal);
        var words = WordsOf(turn);
        var first = words.FirstOrDefault();
        List<AnalyzedWord> chosen = [.. words.Where(w => vocabulary.Contains(w.Stem))];
        if (chosen.Count < 2)
        {
            // What is asked for begins with what is to be done.
            chosen = [.. words.Where(w => w == first || vocabulary.Contains(w.Stem))];
        }

        if (chosen.Count < 2)
        {
            // What a request begins with says what is wanted; further on come the names of those it is for.
            chosen = [.. words.Take(2)];
        }

        if (chosen.Count < 2)
        {
            // What it is done to: the parameters that took words of the request, those of the last call first.
            chosen = [.. chosen, .. ParametersOf(turn).SelectMany(p => TextAnalyzer.Analyze(p, isName: true)).Where(w => IsPlain(w.Surface) && chosen.TrueForAll(c => c.Stem != w.Stem)).DistinctBy(w => w.Stem, StringComparer.Ordinal).Take(2 - chosen.Count)];
        }

        if (chosen.Count < 2)
        {
            // One word tells no skill from another; what was called does.
            var parting = functions[^1].LastIndexOf('.');
            chosen = [.. chosen, .. TextAnalyzer.Analyze($"{functions[^1][(parting + 1)..]} {functions[^1][..Math.Max(parting, 0)]}", isName: true).Where(w => IsPlain(w.Surface) && chosen.TrueForAll(c => c.Stem != w.Stem))];
        }

        var name = string.Join('_', chosen.Take(MostWords).Select(w => w.Surface));
        name = name.Length > MostLetters ? name[..MostLetters].TrimEnd('_') : name;
        var about = string.Join(' ', chosen.Take(MostWords).Select(w => w.Surface));
        var calls = $"Calls {string.Join(", ", functions.Take(MostFunctions))}{(functions.Count > MostFunctions ? " and others" : "")}.";
        return new ProcedureNaming(name.Length == 0 ? "task" : name, about.Length == 0 ? calls : $"{char.ToUpperInvariant(about[0])}{about[1..]}. {calls}");
    }

    /// <summary>The words of the request that are none of its values, each once and in its order.</summary>
    private static List<AnalyzedWord> WordsOf(TurnReport turn)
    {
        if (string.IsNullOrWhiteSpace(turn.Request))
        {
            return [];
        }

        var vocabulary = turn.Calls.SelectMany(c => TextAnalyzer.Analyze(c.Action, isName: true)).Select(w => w.Stem).ToHashSet(StringComparer.Ordinal);
        var values = turn.Calls.SelectMany(c => Texts(c.Arguments).Where(t => t.Length <= turn.Request.Length && RequestText.Mentions(turn.Request, Json.String(t)))).SelectMany(StemsOf).ToHashSet(StringComparer.Ordinal);

        // A part of a value is one as well, such as the first name of a mail address; what the functions are called by is the task's word.
        var parts = turn.Calls.SelectMany(c => Texts(c.Arguments).Concat(c.Result is { } result ? Texts(result).Where(t => t.Contains('@', StringComparison.Ordinal)) : []))
            .Where(t => t.Length <= LongestName).SelectMany(StemsOf).Where(s => !vocabulary.Contains(s));
        values.UnionWith(parts);
        var text = turn.Request.Replace(SecretRedactor.Marker, " ", StringComparison.Ordinal);
        var words = TextAnalyzer.Analyze(text);

        // What leads up to a request comes after it.
        var before = Asking().Match(text) is { Success: true } asking ? Math.Min(TextAnalyzer.Analyze(text[..asking.Index]).Count, words.Count) : 0;
        return
        [
            .. words.Skip(before).Concat(words.Take(before))
                .Where(w => w.Weight == 1 && IsPlain(w.Surface) && !Fillers.Contains(w.Surface) && !values.Contains(w.Stem))
                .DistinctBy(w => w.Stem, StringComparer.Ordinal),
        ];
    }

    private static IEnumerable<string> StemsOf(string text) => TextAnalyzer.Analyze(text, isName: true).Select(w => w.Stem);

    private static IEnumerable<string> ParametersOf(TurnReport turn) => turn.Calls.Reverse()
        .Where(c => c.Status is StepStatus.Success && c.Arguments.ValueKind is JsonValueKind.Object)
        .SelectMany(c => c.Arguments.EnumerateObject())
        .Where(a => RequestText.Mentions(turn.Request, a.Value))
        .Select(a => a.Name)
        .Distinct(StringComparer.Ordinal);

    private static bool IsPlain(string word) => word.Length > 1 && word.All(char.IsAsciiLetterOrDigit);

    private static IEnumerable<string> Texts(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().SelectMany(m => Texts(m.Value)),
        JsonValueKind.Array => value.EnumerateArray().SelectMany(Texts),
        JsonValueKind.String => [value.GetString()!],
        _ => [],
    };

    [GeneratedRegex(@"\b(?:please|kindly|(?:can|could|would|will) you|(?:i|we)(?:'d| would)? (?:need|want|like)(?: you)? to|let'?s|help me)\b", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Asking();
}
