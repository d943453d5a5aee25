using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Distill;

/// <summary>The user's request as a source of values.</summary>
internal static partial class RequestText
{
    /// <summary>Whether a text names a value: as a whole word, not as part of one. <c>1.4.0</c> is not named by <c>11.4.0</c>, nor <c>12</c> by <c>2012</c>.</summary>
    public static bool Mentions(string? request, JsonElement value, bool inOtherWords = false)
    {
        if (string.IsNullOrEmpty(request))
        {
            return false;
        }

        if (value.ValueKind is JsonValueKind.Number)
        {
            return Number().Matches(request).Any(m => Json.AreEqual(value, JsonElement.Parse(m.Value.Replace(",", "", StringComparison.Ordinal))));
        }

        if (value.ValueKind is not JsonValueKind.String || value.GetString() is not { } text || string.IsNullOrWhiteSpace(text))
        {
            return false;
        }

        return Contains(request, text)
            || (text.Any(char.IsWhiteSpace) && WithBlanks(text) is { Length: > 0 } spaced && Contains(WithBlanks(request), spaced))
            || (inOtherWords && ValueKey.DateOf(text) is { Value: var date } && date.TimeOfDay == TimeSpan.Zero && SpellingsOf(date).Any(s => Contains(request, s)));
    }

    /// <summary>Whether a text names a value, or every element of a list of values.</summary>
    public static bool MentionsAll(string? request, JsonElement value, bool inOtherWords = false) => value.ValueKind is JsonValueKind.Array
        ? value.GetArrayLength() > 0 && value.EnumerateArray().All(i => Mentions(request, i, inOtherWords))
        : Mentions(request, value, inOtherWords);

    /// <summary>Whether a text stands in the request as a whole word, regardless of case.</summary>
    private static bool Contains(string request, string text)
    {
        for (var at = request.IndexOf(text, StringComparison.OrdinalIgnoreCase); at >= 0; at = request.IndexOf(text, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            if (IsBoundary(request, at - 1, text[0], step: -1) && IsBoundary(request, at + text.Length, text[^1], step: 1))
            {
                return true;
            }
        }

        return false;
    }

    // "Front end" is named by "the front-end board", and by text that breaks the line there.
    private static string WithBlanks(string text) => Separators().Replace(text, " ").Trim();

    /// <summary>How people write a date: with the year in any of the known formats, or with the name of the month and no year.</summary>
    private static IEnumerable<string> SpellingsOf(DateTime date)
    {
        var ordinal = date.Day.ToString(CultureInfo.InvariantCulture) + ((date.Day % 10, date.Day) switch
        {
            (_, >= 11 and <= 13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        });
        return ValueConversion.DateFormats.Concat(["MMMM d", "d MMMM", "MMM d", "d MMM"])
            .Select(f => date.ToString(f, CultureInfo.InvariantCulture))
            .Concat(new[] { $"MMMM '{ordinal}'", $"'{ordinal}' 'of' MMMM", $"'{ordinal}' MMMM" }.Select(f => date.ToString(f, CultureInfo.InvariantCulture)));
    }

    /// <summary>Whether the value ends here: outside is no letter or digit, nor a point or dash that continues a number or a compound.</summary>
    private static bool IsBoundary(string request, int outside, char inside, int step)
    {
        if (outside < 0 || outside >= request.Length || !char.IsLetterOrDigit(inside))
        {
            return true;
        }

        var c = request[outside];
        if (char.IsLetterOrDigit(c) || c == '_')
        {
            return false;
        }

        var beyond = outside + step;
        if (c == '-' && step == 1 && char.IsAsciiDigit(inside) && beyond < request.Length && char.IsLetter(request[beyond]) && IsCount(request, outside - 1))
        {
            // "a 4-star hotel", "the 30-minute meeting".
            return true;
        }

        return c is not ('.' or '-' or ',') || beyond < 0 || beyond >= request.Length || !char.IsLetterOrDigit(request[beyond])
            || (c is ',' && !char.IsDigit(request[beyond]));
    }

    // Whole numbers and decimals, with or without thousands' commas, that are not part of a word, a version or a longer number.
    [GeneratedRegex(@"(?<![\p{L}\p{N}_.,-]|[\p{L}\p{N}]-)-?(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)(?:\.[0-9]+)?(?![\p{L}\p{N}_]|[.,-][\p{L}\p{N}])", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    private static bool IsCount(string request, int last)
    {
        while (last >= 0 && char.IsAsciiDigit(request[last]))
        {
            last--;
        }

        return last < 0 || char.IsWhiteSpace(request[last]) || request[last] is '(' or '"' or '\'';
    }

    [GeneratedRegex(@"[\s\-_]+", RegexOptions.CultureInvariant)]
    private static partial Regex Separators();
}
