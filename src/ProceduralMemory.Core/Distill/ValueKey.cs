using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// A value as text that equal values share, and so do those that one of the <see cref="ValueConversion"/>s makes of each other: <c>5</c> and <c>"5"</c>,
/// <c>#W1</c> and <c>w1</c>, two spellings of a date. It is what values are looked up by; whether they really are equal is asked afterwards.
/// </summary>
internal static class ValueKey
{
    // What is longer is prose or a document: it is looked up as it stands.
    private const int LongestFolded = 256;
    private const int ShortestDate = 8;
    private const int LongestDate = 32;

    /// <summary>The key, or <see langword="null"/> for what cannot be told apart by its value: null, flags, and empty texts, lists and objects.</summary>
    public static string? Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => OfText(value.GetString()!),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.Object or JsonValueKind.Array => IsTrivial(value) ? null : value.GetRawText(),
        _ => null,
    };

    /// <summary>The key of a text.</summary>
    public static string? OfText(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        if (text.Length > LongestFolded)
        {
            return text;
        }

        if (DateOf(text) is { } date)
        {
            return string.Create(CultureInfo.InvariantCulture, $"date {date.Value:O}");
        }

        var folded = text.AsSpan().Trim();
        return (folded.Length > 1 && IsPrefix(folded[0]) ? folded[1..] : folded).ToString().ToLowerInvariant();
    }

    /// <summary>Whether a character is one that some tools put before an id and others leave out.</summary>
    public static bool IsPrefix(char c) => c is '#' or '@' or '$' or '!';

    /// <summary>The date that a text is, and the first of the known formats that reads it.</summary>
    public static (DateTime Value, string Format)? DateOf(string text)
    {
        if (text.Length is < ShortestDate or > LongestDate || !text.AsSpan().ContainsAnyInRange('0', '9'))
        {
            return null;
        }

        foreach (var format in ValueConversion.DateFormats)
        {
            if (DateTime.TryParseExact(text, format, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var date))
            {
                return (date, format);
            }
        }

        return null;
    }

    /// <summary>Whether a value says nothing about where it comes from: null, a flag (also one written as text), and empty texts, lists and objects.</summary>
    public static bool IsTrivial(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString() is var text && (string.IsNullOrWhiteSpace(text) || bool.TryParse(text, out _)),
        JsonValueKind.Number => false,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => true,
    };

    /// <summary>
    /// How much a value tells, in bits: about how unlikely it is that two values of its kind are equal by chance. A flag has one, a digit somewhat more than
    /// three, a word few for its length, an id many.
    /// </summary>
    public static double Specificity(JsonElement value)
    {
        const double most = 64;
        switch (value.ValueKind)
        {
            case JsonValueKind.Number:
                // 100 and 750 are rounder, and so commoner, than 137.
                var digits = value.GetRawText().Where(char.IsAsciiDigit).ToArray();
                var significant = new string(digits).Trim('0').Length;
                return Math.Min(most, Math.Max(1, 3.3 * significant + (digits.Length > significant ? 1 : 0)));
            case JsonValueKind.String:
                var text = value.GetString()!;
                if (IsTrivial(value))
                {
                    return 1;
                }

                // A word is one of some thousands, however long; every character of a code counts.
                var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                return Math.Min(most, words.Sum(w => w.All(char.IsLetter) && w.Length > 2 ? Math.Min(12, 4 + w.Length) : w.Sum(c => char.IsAsciiDigit(c) ? 3.3 : 4)));
            case JsonValueKind.Array:
                return Math.Min(most, 2 + value.EnumerateArray().Take(32).Sum(Specificity));
            case JsonValueKind.Object:
                return Math.Min(most, 2 + value.EnumerateObject().Take(32).Sum(m => 1 + Specificity(m.Value)));
            default:
                return 1;
        }
    }

    /// <summary>Whether a value looks like the name of one thing: a code with digits or in capitals, or an address, but neither prose, a date nor a round number. A list of such names things as well.</summary>
    public static bool IsIdentifier(JsonElement value, string argument)
    {
        const double enough = 16;
        const double enoughWhereNamedSo = 9;
        if (value.ValueKind is JsonValueKind.Array)
        {
            return value.GetArrayLength() > 0 && value.EnumerateArray().All(i => IsIdentifier(i, argument));
        }

        var text = ValueExpression.AsText(value);
        if (value.ValueKind is JsonValueKind.String && (IsCode(text) || IsAddress(text)))
        {
            return true;
        }

        return value.ValueKind is JsonValueKind.String or JsonValueKind.Number && text.AsSpan().ContainsAnyInRange('0', '9') && !text.Any(char.IsWhiteSpace)
            && !text.Contains('.', StringComparison.Ordinal) && DateOf(text) is null
            && Specificity(value) >= (FieldName.NamesIdentity(argument) ? enoughWhereNamedSo : enough);
    }

    // An airport, a currency, a stock.
    private static bool IsCode(string text) => text.Length is 3 or 4 && text.All(char.IsAsciiLetterUpper);

    private static bool IsAddress(string text) => !text.Any(char.IsWhiteSpace) && text.IndexOf('@', StringComparison.Ordinal) is > 0 and var at && at < text.Length - 1;
}
