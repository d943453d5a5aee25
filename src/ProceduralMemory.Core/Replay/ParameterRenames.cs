using F23.StringSimilarity;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Replay;

/// <summary>
/// Which parameters of a function have another name now. Only what can be read in one way is a rename: one parameter that is gone and one that is new, of one type, with
/// names that are alike. Where two come into question there is none.
/// </summary>
internal static class ParameterRenames
{
    // From here on a word is the beginning or another spelling of the other: cust and customer, organisation and organization.
    private const double MinimumLikeness = 0.8;

    // A giant schema is nobody's hand-written function, and comparing all with all takes long.
    private const int MaxPairs = 10_000;

    // Jaro-Winkler is made for names: it forgives swapped letters and weighs the beginning.
    private static readonly JaroWinkler Likeness = new();

    /// <summary>The renames, from the old name to the new one.</summary>
    /// <param name="removed">The names that are gone.</param>
    /// <param name="added">The names that are new.</param>
    /// <param name="fits">Whether what the one took can be given to the other.</param>
    public static IReadOnlyDictionary<string, string> Find(IReadOnlyList<string> removed, IReadOnlyList<string> added, Func<string, string, bool> fits)
    {
        var renames = new Dictionary<string, string>(StringComparer.Ordinal);
        if (removed.Count == 0 || added.Count == 0)
        {
            return renames;
        }

        // Another spelling of the very name is no guess, whatever else is like it.
        TakeOneToOne(removed.Join(added, Letters, Letters, (r, a) => (Old: r, New: a)));
        List<string> left = [.. removed.Where(r => !renames.ContainsKey(r))], free = [.. added.Where(a => !renames.ContainsValue(a))];
        if ((long)left.Count * free.Count <= MaxPairs)
        {
            TakeOneToOne(left.SelectMany(r => free.Where(a => AreAlike(r, a)), (r, a) => (Old: r, New: a)));
        }

        return renames;

        void TakeOneToOne(IEnumerable<(string Old, string New)> pairs)
        {
            var fitting = pairs.Where(p => fits(p.Old, p.New)).ToList();
            foreach (var (old, @new) in fitting.Where(p => fitting.Count(o => o.Old == p.Old) == 1 && fitting.Count(o => o.New == p.New) == 1))
            {
                renames[old] = @new;
            }
        }
    }

    /// <summary>The names that one that is gone may have now, for a message.</summary>
    public static IReadOnlyList<string> Candidates(string removed, IReadOnlyList<string> added, Func<string, string, bool> fits) =>
        added.Count > MaxPairs ? [] : [.. added.Where(a => (Letters(a) == Letters(removed) || AreAlike(removed, a)) && fits(removed, a))];

    /// <summary>
    /// Whether two names can mean the same: one says more of it (amount, amount_cents), or their words are alike one by one (cust_id, customer_id). A word more and another
    /// less is another thing: customer_id is no customer_name.
    /// </summary>
    private static bool AreAlike(string first, string second)
    {
        if (Math.Max(first.Length, second.Length) > ProcedureValidator.MaxNameLength || NumberOf(first) != NumberOf(second))
        {
            return false;
        }

        var (a, b) = (FieldName.Words(first), FieldName.Words(second));
        return a.Count > 0 && b.Count > 0
            && (a.Count == b.Count
                ? a.Zip(b).All(w => w.First == w.Second || Likeness.Similarity(w.First, w.Second) >= MinimumLikeness) || a.Order(StringComparer.Ordinal).SequenceEqual(b.Order(StringComparer.Ordinal))
                : a.Count < b.Count ? a.TrueForAll(b.Contains) : b.TrueForAll(a.Contains));
    }

    private static string Letters(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    // The first and the second line of an address are two.
    private static string NumberOf(string name) => name[name.TrimEnd("0123456789".ToCharArray()).Length..];
}
