namespace ProceduralMemory.Capture;

/// <summary>What the host wants kept out of its memory, whatever it is: functions, and parameters of functions.</summary>
internal static class Exclusions
{
    /// <summary>Whether calls of a function are not recorded.</summary>
    public static bool Excludes(this ProceduralMemoryOptions options, string action) => options.ExcludedFunctions.Count > 0 && options.ExcludedFunctions.Any(p => FunctionPattern.CoversOffered(p, action));

    /// <summary>Whether the value of a parameter is not kept. What belongs to no action, such as an input, has only a name.</summary>
    public static bool Excludes(this ProceduralMemoryOptions options, string action, string parameter) => options.ExcludedParameters.Count > 0 && options.ExcludedParameters.Any(p =>
    {
        var slash = p.IndexOf('/', StringComparison.Ordinal);
        return parameter.Equals(p[(slash + 1)..], StringComparison.OrdinalIgnoreCase) && (slash < 0 || FunctionPattern.CoversOffered(p[..slash], action));
    });

    /// <summary>What in the options names nothing.</summary>
    public static IEnumerable<string> Faults(ProceduralMemoryOptions options)
    {
        foreach (var fault in (options.ExcludedFunctions ?? []).Select(FaultOf).OfType<string>())
        {
            yield return $"{nameof(options.ExcludedFunctions)}: {fault}";
        }

        foreach (var parameter in options.ExcludedParameters ?? [])
        {
            var slash = parameter?.IndexOf('/', StringComparison.Ordinal) ?? -1;
            if (string.IsNullOrWhiteSpace(parameter) || slash == parameter.Length - 1 || parameter.Any(char.IsWhiteSpace) || (slash >= 0 && FaultOf(parameter[..slash]) is not null))
            {
                yield return $"{nameof(options.ExcludedParameters)}: '{parameter}' names no parameters. Write the name of a parameter, or function/name or plugin.function/name for that of one function.";
            }
        }
    }

    // What has a slash was meant for a parameter.
    private static string? FaultOf(string? pattern) => pattern?.Contains('/', StringComparison.Ordinal) is true
        ? $"'{pattern}' names no functions. Write the name of a function, plugin.function, or plugin.* for all of a plugin."
        : FunctionPattern.FaultOfOffered(pattern);
}
