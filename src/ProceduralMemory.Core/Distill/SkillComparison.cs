using System.Globalization;

namespace ProceduralMemory.Distill;

/// <summary>Whether a trace shows the same skill as the procedure of its name.</summary>
internal static class SkillComparison
{
    private const int MaxShownActions = 12;

    /// <summary>Why it is not the same skill, or <see langword="null"/> when it is.</summary>
    public static string? Difference(ProcedureVersion standing, IReadOnlyList<Trace> earlier, Trace trace, ProceduralMemoryOptions options) =>
        earlier.Count > 0 ? SkillMatch.Compare(earlier, trace, options) : SkillMatch.Compare(standing, trace, options);

    public static string OneLine(Trace trace) => OneLine(trace.Steps.Where(s => s.Status is StepStatus.Success).Select(s => s.Action));

    public static string OneLine(ProcedureVersion version) => OneLine(version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is not StepKind.Loop).Select(s => s.Action));

    private static string OneLine(IEnumerable<string> actions)
    {
        var all = actions.ToList();
        return string.Join(" → ", all.Take(MaxShownActions)) + (all.Count > MaxShownActions ? string.Create(CultureInfo.InvariantCulture, $" … {all.Count - MaxShownActions} more") : "");
    }
}
