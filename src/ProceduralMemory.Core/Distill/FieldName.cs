namespace ProceduralMemory.Distill;

/// <summary>Names of arguments and fields: how alike two are.</summary>
internal static class FieldName
{
    private static readonly HashSet<string> Identities = new(["id", "ids", "key", "token", "number", "no", "nr", "code", "uuid", "guid", "ref", "sku"], StringComparer.Ordinal);

    /// <summary>From 0, nothing in common, to 1, the same words: <c>orderId</c>, <c>order_id</c> and <c>Order-ID</c> are one name. A number at the end (<c>order_id_2</c>) tells two of one name apart and does not count.</summary>
    public static double Similarity(string first, string second)
    {
        var (a, b) = (Words(first), Words(second));
        if (a.Count == 0 || b.Count == 0)
        {
            return 0;
        }

        return a.SequenceEqual(b) ? 1 : (double)a.Intersect(b).Count() / a.Union(b).Count();
    }

    /// <summary>Whether a name is that of an id, a code or a key.</summary>
    public static bool NamesIdentity(string name) => Words(name).Exists(Identities.Contains);

    /// <summary>The words of a name in lower case, without a number at the end.</summary>
    public static List<string> Words(string name)
    {
        var words = new List<string>();
        var start = 0;
        for (var i = 0; i <= name.Length; i++)
        {
            if (i == name.Length || !char.IsLetterOrDigit(name[i]) || (i > start && char.IsUpper(name[i]) && !char.IsUpper(name[i - 1])))
            {
                if (i > start)
                {
                    words.Add(name[start..i].ToLowerInvariant());
                }

                start = i < name.Length && char.IsLetterOrDigit(name[i]) ? i : i + 1;
            }
        }

        if (words.Count > 1 && words[^1].All(char.IsAsciiDigit))
        {
            words.RemoveAt(words.Count - 1);
        }

        return words;
    }
}
