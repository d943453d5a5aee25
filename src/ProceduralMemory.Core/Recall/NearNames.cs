using F23.StringSimilarity;

namespace ProceduralMemory.Recall;

/// <summary>Names that look like another one, for "did you mean".</summary>
internal static class NearNames
{
    // Jaro-Winkler is made for names: it forgives swapped letters and weighs the beginning.
    private static readonly JaroWinkler Similarity = new();

    // Twice what a name may have. A giant is like none, and to compare it takes long.
    private const int MaxLength = 2 * ProcedureValidator.MaxNameLength;

    /// <summary>The most similar of some names.</summary>
    /// <param name="name">The name that was not found.</param>
    /// <param name="candidates">The names there are.</param>
    /// <param name="count">The most to return.</param>
    /// <returns>Those that are similar at all, nearest first.</returns>
    public static IReadOnlyList<string> Of(string name, IEnumerable<string> candidates, int count = 3)
    {
        if (name.Length > MaxLength)
        {
            return [];
        }

        var wanted = Normal(name);
        return [.. candidates
            .Select(c => (Name: c, Score: Similarity.Similarity(wanted, Normal(c))))
            .Where(c => c.Score >= 0.75)
            .OrderByDescending(c => c.Score)
            .ThenBy(c => c.Name, StringComparer.Ordinal)
            .Take(count)
            .Select(c => c.Name)];
    }

    private static string Normal(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();
}
