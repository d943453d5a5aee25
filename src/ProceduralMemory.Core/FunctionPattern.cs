using System.Text.RegularExpressions;

namespace ProceduralMemory;

/// <summary>Names of functions in options: <c>plugin.function</c>, or <c>plugin.*</c> for all of a plugin, regardless of case.</summary>
internal static partial class FunctionPattern
{
    /// <summary>Why a pattern names no functions; <see langword="null"/> where it does.</summary>
    public static string? Fault(string? pattern) => Names().IsMatch(pattern ?? "") ? null : $"'{pattern}' names no functions. Write plugin.function, or plugin.* for all of a plugin.";

    public static bool Covers(string pattern, string action) => pattern.EndsWith(".*", StringComparison.Ordinal)
        ? action.StartsWith(pattern[..^1], StringComparison.OrdinalIgnoreCase)
        : string.Equals(pattern, action, StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"^[0-9A-Za-z_]+\.(\*|[0-9A-Za-z_-]+)\z", RegexOptions.CultureInvariant)]
    private static partial Regex Names();
}
