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

    /// <summary>Groups of procedures that do the same: the same actions in the same order, described in mostly the same words (Jaccard similarity).</summary>
    public static IReadOnlyList<IReadOnlyList<Procedure>> SimilarGroups(IReadOnlyList<Procedure> procedures, double minimumSimilarity)
    {
        var groups = new List<IReadOnlyList<Procedure>>();
        foreach (var sameActions in procedures.GroupBy(p => string.Join('\n', p.Version.Steps.Select(s => s.Action))).Where(g => g.Count() > 1))
        {
            var left = sameActions.Select(p => (Procedure: p, Words: KeywordOverlap.Words($"{p.Name} {p.Description}"))).ToList();
            while (left.Count > 1)
            {
                var first = left[0];
                var group = left.Where(o => Jaccard(first.Words, o.Words) >= minimumSimilarity).ToList();
                left = [.. left.Except(group)];
                if (group.Count > 1)
                {
                    groups.Add(ByEfficiency(group.Select(g => g.Procedure)));
                }
            }
        }

        return groups;
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
