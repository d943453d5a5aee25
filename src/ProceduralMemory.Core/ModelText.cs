using System.Text.RegularExpressions;

namespace ProceduralMemory;

/// <summary>Texts that come from users, models and documents, brought to a form that can be kept and shown.</summary>
internal static partial class ModelText
{
    private const string CutMark = " … [cut]";

    /// <summary>Whether a text holds what no name needs and what hides what it says: control characters, ends of lines, or marks that turn the direction of writing round.</summary>
    public static bool HasHidden(string text) => text.AsSpan().ContainsAny(Hidden);

    /// <summary>A stored text as one line of bounded length, without characters that are not seen.</summary>
    public static string Line(string text, int maxLength)
    {
        // Of a text of any length no more is looked at than may be shown.
        var looked = text.Length > 4 * maxLength ? text[..(4 * maxLength)] : text;
        var line = Blanks().Replace(looked, " ").Trim();
        if (line.Length <= maxLength && looked.Length == text.Length)
        {
            return line;
        }

        var end = Math.Min(line.Length, maxLength);
        return string.Concat(line.AsSpan(0, end > 0 && char.IsHighSurrogate(line[end - 1]) ? end - 1 : end), "…");
    }

    /// <summary>A request of any length within what can be kept: what it is about stands at its beginning. The rest is cut off, and a mark says so.</summary>
    public static string? Shortened(string? request)
    {
        if (request is null || request.Length <= ProcedureValidator.MaxTextLength)
        {
            return request;
        }

        var end = ProcedureValidator.MaxTextLength - CutMark.Length;
        return string.Concat(request.AsSpan(0, char.IsHighSurrogate(request[end - 1]) ? end - 1 : end), CutMark);
    }

    private static readonly System.Buffers.SearchValues<char> Hidden = System.Buffers.SearchValues.Create(
        [.. Enumerable.Range(0, char.MaxValue).Select(c => (char)c).Where(c => char.IsControl(c) || c is '\udb40' or '\u2028' or '\u2029' or '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069'))]);

    // Blanks, ends of lines, control characters, marks of direction and of no width, and the tags (U+E0000 and up) that write letters which only a model sees.
    [GeneratedRegex(@"(?:[\s\p{Cc}\p{Cf}\p{Co}\p{Cn}]|\udb40[\udc00-\udfff])+", RegexOptions.CultureInvariant)]
    private static partial Regex Blanks();
}
