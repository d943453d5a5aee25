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

    /// <summary>
    /// Why a pattern names no functions as they are offered to models: by a name without a plugin, or by <c>plugin.function</c> or <c>plugin.*</c>, which stand for <c>plugin_function</c> and
    /// <c>plugin-function</c> as well; <see langword="null"/> where it does.
    /// </summary>
    public static string? FaultOfOffered(string? pattern) => Offered().IsMatch(pattern ?? "") ? null : $"'{pattern}' names no functions. Write the name of a function, plugin.function, or plugin.* for all of a plugin.";

    /// <summary>Whether a pattern names a function, however dots, hyphens and underscores part the two.</summary>
    public static bool CoversOffered(string pattern, string function) => pattern.EndsWith(".*", StringComparison.Ordinal)
        ? function.IndexOf('.', StringComparison.Ordinal) is > 0 and var parting
            ? string.Equals(Plain(pattern[..^2]), Plain(function[..parting]), StringComparison.OrdinalIgnoreCase)
            : Plain(function).StartsWith(Plain(pattern[..^1]), StringComparison.OrdinalIgnoreCase)
        : string.Equals(Plain(pattern), Plain(function), StringComparison.OrdinalIgnoreCase);

    private static string Plain(string name) => name.Replace('.', '_').Replace('-', '_');

    [GeneratedRegex(@"^[^\s*]+(\.\*)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Offered();

    [GeneratedRegex(@"^[0-9A-Za-z_]+\.(\*|[0-9A-Za-z_-]+)\z", RegexOptions.CultureInvariant)]
    private static partial Regex Names();
}
