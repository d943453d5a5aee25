namespace ProceduralMemory.Replay;

/// <summary>When a person must have approved what a replay does.</summary>
public enum ApprovalPolicy
{
    /// <summary>Never: the host has other gates.</summary>
    Never,

    /// <summary>Once for each version of a procedure. A version is never changed, so what was approved is what is replayed; a new version needs a new approval.</summary>
    FirstUse,

    /// <summary>Every single call, with the arguments that it is made with.</summary>
    Always,
}

/// <summary>Says which policy holds for a call.</summary>
internal static class ApprovalRules
{
    /// <summary>
    /// A function that its host marks keeps requiring approval, whatever the memory's options say. Else what is said of the function holds, then what is said of its
    /// plugin, whatever it does; and else the memory's own policy for all that is not known to read only.
    /// </summary>
    public static ApprovalPolicy Of(string action, StepEffect effect, FunctionDescription? description, ProceduralMemoryOptions options) =>
        description is { RequiresApproval: true } ? ApprovalPolicy.Always
        : ForFunction(action, options.FunctionApproval) ?? (StepEffects.Writes(effect) ? options.Approval : ApprovalPolicy.Never);

    /// <summary>Why the options name no functions.</summary>
    public static IEnumerable<string> Faults(IReadOnlyDictionary<string, ApprovalPolicy>? functions)
    {
        foreach (var (pattern, policy) in functions ?? new Dictionary<string, ApprovalPolicy>())
        {
            var parting = pattern.IndexOf('.', StringComparison.Ordinal);
            if (parting < 1 || parting == pattern.Length - 1 || pattern[..parting].Contains('*', StringComparison.Ordinal) || (pattern[(parting + 1)..] is not "*" && pattern.Contains('*', StringComparison.Ordinal)))
            {
                yield return $"'{pattern}' in {nameof(ProceduralMemoryOptions.FunctionApproval)} names no functions. Write plugin.function, or plugin.* for all of a plugin.";
            }

            if (!Enum.IsDefined(policy))
            {
                yield return $"'{policy}' in {nameof(ProceduralMemoryOptions.FunctionApproval)} is no {nameof(ApprovalPolicy)}.";
            }
        }
    }

    private static ApprovalPolicy? ForFunction(string action, IReadOnlyDictionary<string, ApprovalPolicy> functions)
    {
        ApprovalPolicy? ofPlugin = null;
        foreach (var (pattern, policy) in functions)
        {
            if (string.Equals(pattern, action, StringComparison.OrdinalIgnoreCase))
            {
                return policy;
            }

            if (pattern.EndsWith(".*", StringComparison.Ordinal) && action.StartsWith(pattern[..^1], StringComparison.OrdinalIgnoreCase))
            {
                // Of two spellings of one plugin the stricter holds.
                ofPlugin = ofPlugin is { } other && other > policy ? other : policy;
            }
        }

        return ofPlugin;
    }
}
