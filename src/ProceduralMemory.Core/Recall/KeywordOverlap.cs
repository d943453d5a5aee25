using System.Text.RegularExpressions;

namespace ProceduralMemory.Recall;

/// <summary>Scores a procedure by the share of a request's words that it has in its name, description, tags, or the requests it was recorded for.</summary>
internal static partial class KeywordOverlap
{
    /// <summary>The share of the request's words from which a procedure fits, where nothing else is said.</summary>
    public const double DefaultMinimum = 0.34;

    /// <summary>Words that stand in any request.</summary>
    public static readonly HashSet<string> StopWords = new(StringComparer.Ordinal)
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "can", "could", "do", "for", "from", "have", "how", "i", "in", "is", "it", "its", "let", "me", "my", "need", "now", "of", "on", "or",
        "our", "please", "so", "that", "the", "then", "there", "this", "to", "us", "want", "was", "we", "what", "when", "which", "will", "with", "would", "you", "your",
    };

    /// <summary>
    /// The distinct words of a text, lower case, without those that say nothing; names in camelCase and snake_case are taken apart.
    /// Numbers are left out: they are the values of a task (an amount, a version), not its kind.
    /// </summary>
    public static HashSet<string> Words(string text)
    {
        var words = new HashSet<string>(StringComparer.Ordinal);
        foreach (Match match in Word().Matches(text))
        {
            var word = match.Value.ToLowerInvariant();
            if (!StopWords.Contains(word))
            {
                words.Add(word);
            }
        }

        return words;
    }

    public static ProcedureMatch Score(Procedure procedure, HashSet<string> requestWords)
    {
        var text = string.Join(' ', [procedure.Name, procedure.Description, .. procedure.Tags, procedure.Version.Request ?? ""]);
        var matched = Words(text);
        matched.IntersectWith(requestWords);
        return new ProcedureMatch(procedure, requestWords.Count == 0 ? 0 : (double)matched.Count / requestWords.Count, [.. matched.Order(StringComparer.Ordinal)]);
    }

    [GeneratedRegex(@"\p{Lu}+(?=\p{Lu}\p{Ll})|\p{Lu}?[\p{Ll}\p{M}]+|\p{Lu}+|\p{Lo}+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
