using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>
/// A simple conversion of a value that real tools need between them. The list is closed:
/// <list type="bullet">
/// <item><c>string</c>: a number, <c>true</c> or <c>false</c> as text.</item>
/// <item><c>number</c>: text that is a JSON number, as that number.</item>
/// <item><c>lower</c>, <c>upper</c>, <c>trim</c>: text in lower or upper case (invariant), or without blanks at its ends.</item>
/// <item><c>without:#</c>: text without a beginning that it must have. (One is added by interpolation: <c>#{$inputs.order}</c>.)</item>
/// <item><c>date:dd.MM.yyyy&gt;yyyy-MM-dd</c>: a date in another of the <see cref="DateFormats"/>.</item>
/// </list>
/// </summary>
public sealed record ValueConversion
{
    /// <summary>The names, for messages.</summary>
    internal const string Names = "string, number, lower, upper, trim, without:<beginning> and date:<format>><format>";

    private ValueConversion(string name, string argument = "", string target = "")
    {
        Name = name;
        Argument = argument;
        Target = target;
    }

    /// <summary>A number, <c>true</c> or <c>false</c> as text.</summary>
    public static ValueConversion ToText { get; } = new("string");

    /// <summary>Text that is a JSON number, as that number.</summary>
    public static ValueConversion ToNumber { get; } = new("number");

    /// <summary>Text in lower case.</summary>
    public static ValueConversion ToLower { get; } = new("lower");

    /// <summary>Text in upper case.</summary>
    public static ValueConversion ToUpper { get; } = new("upper");

    /// <summary>Text without blanks at its ends.</summary>
    public static ValueConversion Trim { get; } = new("trim");

    /// <summary>The spellings of dates, as .NET format strings, read and written in the invariant culture.</summary>
    public static IReadOnlyList<string> DateFormats { get; } =
    [
        "yyyy-MM-dd", "yyyy/MM/dd", "yyyyMMdd", "dd.MM.yyyy", "dd/MM/yyyy", "MM/dd/yyyy", "d MMMM yyyy", "MMMM d, yyyy", "MMM d, yyyy",
        "yyyy-MM-ddTHH:mm:ss", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-ddTHH:mm:ssZ",
    ];

    /// <summary>The word that it is written by.</summary>
    public string Name { get; }

    /// <summary>The beginning to take off, or the format of the date that is read.</summary>
    public string Argument { get; }

    /// <summary>The format of the date that is written.</summary>
    public string Target { get; }

    /// <summary>Text without a beginning that it must have.</summary>
    /// <param name="beginning">The beginning; not empty.</param>
    public static ValueConversion Without(string beginning)
    {
        ArgumentException.ThrowIfNullOrEmpty(beginning);
        return new ValueConversion("without", beginning);
    }

    /// <summary>A date in another format.</summary>
    /// <param name="from">The one of <see cref="DateFormats"/> that is read.</param>
    /// <param name="to">The one that is written.</param>
    /// <exception cref="ArgumentException">It is none of them.</exception>
    public static ValueConversion Date(string from, string to) => DateFormats.Contains(from) && DateFormats.Contains(to)
        ? new ValueConversion("date", from, to)
        : throw new ArgumentException($"'{(DateFormats.Contains(from) ? to : from)}' is none of the date formats: {string.Join(", ", DateFormats)}.", DateFormats.Contains(from) ? nameof(to) : nameof(from));

    /// <inheritdoc/>
    public override string ToString() => Name switch
    {
        "without" => $"without:{ValueExpression.Encode(Argument)}",
        "date" => $"date:{Argument}>{Target}",
        _ => Name,
    };

    /// <summary>Reads what <see cref="ToString"/> writes; <see langword="null"/> when it is no conversion.</summary>
    internal static ValueConversion? TryParse(string text)
    {
        if (new[] { ToText, ToNumber, ToLower, ToUpper, Trim }.FirstOrDefault(c => c.Name == text) is { } simple)
        {
            return simple;
        }

        if (text.StartsWith("without:", StringComparison.Ordinal) && Uri.UnescapeDataString(text["without:".Length..]) is { Length: > 0 } beginning)
        {
            return Without(beginning);
        }

        return text.StartsWith("date:", StringComparison.Ordinal) && text["date:".Length..].Split('>') is [var from, var to] && DateFormats.Contains(from) && DateFormats.Contains(to)
            ? Date(from, to)
            : null;
    }

    /// <summary>The converted value, or <see langword="null"/> where it cannot be converted.</summary>
    internal JsonElement? Apply(JsonElement value)
    {
        var text = value.ValueKind is JsonValueKind.String ? value.GetString() : null;
        return Name switch
        {
            "string" => value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False ? Json.String(value.GetRawText()) : text is null ? null : value,
            "number" => value.ValueKind is JsonValueKind.Number ? value : text is null ? null : ParseNumber(text),
            _ when text is null => null,
#pragma warning disable CA1308 // Lower case is what was recorded, not a normal form.
            "lower" => Json.String(text.ToLowerInvariant()),
#pragma warning restore CA1308
            "upper" => Json.String(text.ToUpperInvariant()),
            "trim" => Json.String(text.Trim()),
            "without" => text.StartsWith(Argument, StringComparison.Ordinal) ? Json.String(text[Argument.Length..]) : null,
            _ => DateTime.TryParseExact(text, Argument, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var date)
                ? Json.String(date.ToString(Target, CultureInfo.InvariantCulture))
                : null,
        };
    }

    private static JsonElement? ParseNumber(string text)
    {
        try
        {
            return JsonElement.Parse(text.Trim()) is { ValueKind: JsonValueKind.Number } number ? number : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
