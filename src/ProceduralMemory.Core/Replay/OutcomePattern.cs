using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Replay;

/// <summary>
/// Regular expressions that came from outside. Without backtracking none of them takes exponential time, and .NET refuses those that would need too large an automaton; the
/// timeout is for the slow ones that are left, on very long results.
/// </summary>
internal static class OutcomePattern
{
    /// <summary>The longest expression, in characters.</summary>
    public const int MaxLength = 1_000;

    private const int MaxKept = 64;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);
    private static readonly ConcurrentDictionary<string, Regex> Kept = new(StringComparer.Ordinal);

    /// <summary>Reads an expression.</summary>
    /// <param name="value">The expression, as a JSON string.</param>
    /// <param name="fault">What is wrong with it, with the mend.</param>
    /// <returns><see langword="null"/> where something is wrong with it.</returns>
    public static Regex? Parse(JsonElement value, out string? fault)
    {
        fault = null;
        if (value.ValueKind is not JsonValueKind.String || value.GetString() is not { Length: > 0 } pattern)
        {
            fault = "An expectation of kind 'pattern' takes a regular expression as a string, such as \"^order \\\\d+ shipped$\".";
            return null;
        }

        if (pattern.Length > MaxLength)
        {
            fault = string.Create(CultureInfo.InvariantCulture, $"The pattern has {pattern.Length} characters; {MaxLength} are the most. Look at a smaller part of the result with 'at', or take the kind 'shape'.");
            return null;
        }

        if (Kept.TryGetValue(pattern, out var known))
        {
            return known;
        }

        try
        {
            var regex = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Timeout);
            if (Kept.Count >= MaxKept)
            {
                Kept.Clear();
            }

            Kept.TryAdd(pattern, regex);
            return regex;
        }
        catch (ArgumentException exception)
        {
            fault = $"The pattern is no regular expression: {exception.Message}";
        }
        catch (NotSupportedException)
        {
            fault = "The pattern uses a look-around, a backreference or an atomic group, or repeats so much that it could take very long. Write it without, or take the kind 'contains' or 'shape'.";
        }

        return null;
    }

    /// <summary>Whether there is a match; <see langword="null"/> where looking takes too long.</summary>
    public static bool? IsMatch(Regex regex, string text)
    {
        try
        {
            return regex.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
    }
}
