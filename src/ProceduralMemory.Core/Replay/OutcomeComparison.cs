using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>What comparing said, before it is put into words.</summary>
/// <param name="Match">The answer.</param>
/// <param name="Differences">Where the result differs, or why one cannot tell.</param>
internal sealed record OutcomeComparison(OutcomeMatch Match, IReadOnlyList<OutcomeDifference> Differences)
{
    /// <summary>So many differences are told; one would do to know that there are some.</summary>
    public const int MaxDifferences = 5;

    public static readonly OutcomeComparison Matched = new(OutcomeMatch.Matched, []);

    public static OutcomeComparison Of(IReadOnlyList<OutcomeDifference> differences) => differences.Count == 0 ? Matched : new(OutcomeMatch.Differs, differences);

    public static OutcomeComparison CannotTell(OutcomeDifference reason) => new(OutcomeMatch.CannotTell, [reason]);

    public static OutcomeComparison CannotTell(string reason) => CannotTell(new OutcomeDifference { Words = reason });
}

/// <summary>One place where a result differs. The values are put into words by <see cref="DifferenceText"/> only, which knows what is secret.</summary>
internal sealed record OutcomeDifference
{
    /// <summary>The place in the result, as a JSON Pointer.</summary>
    public string Pointer { get; init; } = "";

    /// <summary>What is there; <see langword="null"/> where nothing is.</summary>
    public JsonElement? Found { get; init; }

    /// <summary>What should be there; <see langword="null"/> where nothing should be.</summary>
    public JsonElement? Expected { get; init; }

    /// <summary>What should be there, in words.</summary>
    public string? ExpectedWords { get; init; }

    /// <summary>What is to be said of the place instead.</summary>
    public string? Says { get; init; }

    /// <summary>All that is to be said, where it is about no place.</summary>
    public string? Words { get; init; }
}

/// <summary>Puts differences into words: short, on one line each, and without secrets, since they are shown to models and kept in the log.</summary>
/// <param name="capture">Knows the secrets of the replay.</param>
/// <param name="redactor">Knows which names are secret.</param>
/// <param name="action">The action whose result it is.</param>
internal sealed class DifferenceText(ValueCapture capture, IRedactor redactor, string action)
{
    private const int MaxValueLength = 60;
    private const int MaxPointerLength = 160;
    private const int MaxWordsLength = 300;
    private const int MaxRedactedLength = 64 * 1024;

    /// <summary>Each difference in words.</summary>
    /// <param name="differences">The differences.</param>
    /// <param name="result">The whole result: a secret that a name in it gives away may stand elsewhere in it as well.</param>
    public IReadOnlyList<string> Of(IReadOnlyList<OutcomeDifference> differences, JsonElement? result)
    {
        if (differences.Count == 0)
        {
            return [];
        }

        if (result is { } whole)
        {
            capture.Result(action, whole, out _);
        }

        return [.. differences.Take(OutcomeComparison.MaxDifferences).Select(Of)];
    }

    /// <summary>A text without secrets, on one line and not too long.</summary>
    public string Safe(string text, int most = MaxWordsLength) =>
        ProcedureText.Shortened(ProcedureText.OneLine(capture.Text(ProcedureText.Shortened(text, MaxRedactedLength))), most);

    private string Of(OutcomeDifference difference)
    {
        if (difference.Words is { } words)
        {
            return Safe(words);
        }

        var place = difference.Pointer.Length == 0 ? "the result" : Safe(difference.Pointer, MaxPointerLength);
        if (redactor.IsSecret(action, IRedactor.WholeResult) || JsonPointer.Tokens(difference.Pointer).Any(name => redactor.IsSecret(action, name)))
        {
            return difference is { Found: null, Says: null } ? $"{place} is missing" : $"{place} is not as expected (secret, so not shown)";
        }

        if (difference.Says is { } says)
        {
            return $"{place} {Safe(says)}";
        }

        var found = difference.Found is { } value ? $"is {Shown(value)}" : "is missing";
        return (difference.Expected, difference.ExpectedWords) switch
        {
            ({ } expected, _) => $"{place} {found} (expected {Shown(expected)})",
            (_, { } expected) => $"{place} {found} (expected {Safe(expected, 2 * MaxValueLength)})",
            _ => difference.Found is null ? $"{place} {found}" : $"{place} {found} (not expected)",
        };
    }

    private string Shown(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => value.GetArrayLength() is var count && count == 1 ? "a list of 1 element" : string.Create(CultureInfo.InvariantCulture, $"a list of {count} elements"),
        JsonValueKind.String => $"\"{Safe(value.GetString()!, MaxValueLength)}\"",
        _ => Safe(value.GetRawText(), MaxValueLength),
    };
}
