using System.Globalization;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Revise;

/// <summary>Finds procedures that do the same, and says which of them is the most efficient.</summary>
internal static class ProcedureMerger
{
    /// <summary>Orders procedures: the most surely successful first (<see cref="ExecutionStatistics.SuccessBound"/>), then the shortest mean duration, then the most executions, then the oldest.</summary>
    public static IReadOnlyList<Procedure> ByEfficiency(IEnumerable<Procedure> procedures) => [.. procedures
        .OrderByDescending(p => p.Version.Statistics.SuccessBound)
        .ThenBy(p => p.Version.Statistics.MeanDuration ?? TimeSpan.MaxValue)
        .ThenByDescending(p => p.Version.Statistics.Executions)
        .ThenBy(p => p.CreatedAt)];

    /// <summary>
    /// Groups of procedures that do the same: the same actions in the same order, with values from the same places and the same constants, and described or asked for in mostly the same words (Jaccard similarity).
    /// What sends a letter to the one and what sends it to the other are two.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<Procedure>> SimilarGroups(IReadOnlyList<Procedure> procedures, double minimumSimilarity)
    {
        var groups = new List<IReadOnlyList<Procedure>>();
        foreach (var sameActions in procedures.GroupBy(p => string.Join('\n', p.Version.Steps.SelectMany(s => s.WithInner()).Select(s => s.Action)), StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1))
        {
            var left = sameActions.Select(p => (Procedure: p, Words: KeywordOverlap.Words($"{p.Name} {p.Description}"), Asked: KeywordOverlap.Words(p.Version.Request ?? ""), Steps: Unnamed(p.Version))).ToList();
            while (left.Count > 1)
            {
                var first = left[0];
                var group = left.Where(o => DoTheSame(first.Steps, o.Steps) && Math.Max(Jaccard(first.Words, o.Words), first.Asked.Count == 0 || o.Asked.Count == 0 ? 0 : Jaccard(first.Asked, o.Asked)) >= minimumSimilarity).ToList();
                left = [.. left.Except(group)];
                if (group.Count > 1)
                {
                    groups.Add(ByEfficiency(group.Select(g => g.Procedure)));
                }
            }
        }

        return groups;
    }

    private static bool DoTheSame(IReadOnlyList<ProcedureStep> steps, IReadOnlyList<ProcedureStep> others) => steps.Zip(others).All(p =>
        p.First.Kind == p.Second.Kind && p.First.ForEach == p.Second.ForEach && p.First.Steps.Count == p.Second.Steps.Count && Json.AreEqual(p.First.Arguments, p.Second.Arguments)
        && p.First.Condition?.Value == p.Second.Condition?.Value && p.First.Condition?.Test == p.Second.Condition?.Test
        && (p.First.Condition?.Operand, p.Second.Condition?.Operand) switch { (null, null) => true, ({ } one, { } other) => Json.AreEqual(one, other), _ => false });

    /// <summary>All steps of a version, those of loops included, with inputs and steps named by when they come: what they are called makes no difference.</summary>
    private static List<ProcedureStep> Unnamed(ProcedureVersion version)
    {
        var all = version.Steps.SelectMany(s => s.WithInner()).ToList();
        var (steps, inputs) = (new Dictionary<string, string>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));
        return all.ConvertAll(s => s.WithRenamedSteps(id => Name(steps, id), name => Name(inputs, name)));

        static string Name(Dictionary<string, string> names, string name)
        {
            names.TryAdd(name, $"n{names.Count.ToString(CultureInfo.InvariantCulture)}");
            return names[name];
        }
    }

    private static double Jaccard(HashSet<string> first, HashSet<string> second)
    {
        var common = first.Count(second.Contains);
        var all = first.Count + second.Count - common;
        return all == 0 ? 1 : (double)common / all;
    }
}

/// <summary>What a merge did.</summary>
/// <param name="Kept">The procedure that stays, the most efficient one.</param>
/// <param name="Merged">The names of those that were retired in its favour; nothing of them is deleted.</param>
public sealed record MergeResult(Procedure Kept, IReadOnlyList<string> Merged);
