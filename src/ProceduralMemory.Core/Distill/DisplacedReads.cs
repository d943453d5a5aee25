namespace ProceduralMemory.Distill;

/// <summary>
/// Recognises the same step in another place: of a call that some traces made here and the others there, where nothing orders it. A call may be moved past calls that it
/// has no data from and that have none from it, if all of them only read, or were asked for in the same answer of the model, which so left their order open.
/// </summary>
internal static class DisplacedReads
{
    private const int ArgumentDepth = 8;
    private const int MaxLeaves = 2_000;

    public static void Join(List<Column> columns, List<List<TraceUnit>> units, ProceduralMemoryOptions options)
    {
        for (var i = 0; i < columns.Count; i++)
        {
            for (var j = i + 1; columns[i].Count < columns[i].Units.Length && j < columns.Count; j++)
            {
                if (columns[i].Key == columns[j].Key && columns[i].First.Call is not null && columns[i].Units.Zip(columns[j].Units).All(p => p.First is null || p.Second is null))
                {
                    if (CanMove(columns, units, from: j, to: i, options))
                    {
                        Merge(columns[j], columns[i]);
                        columns.RemoveAt(j--);
                    }
                    else if (CanMove(columns, units, from: i, to: j, options))
                    {
                        Merge(columns[i], columns[j]);
                        columns.RemoveAt(i--);
                        break;
                    }
                }
            }
        }
    }

    private static void Merge(Column from, Column into)
    {
        for (var t = 0; t < from.Units.Length; t++)
        {
            into.Units[t] ??= from.Units[t];
        }
    }

    /// <summary>Whether each trace's call of one column could as well have been made at the place of the other.</summary>
    private static bool CanMove(List<Column> columns, List<List<TraceUnit>> units, int from, int to, ProceduralMemoryOptions options)
    {
        for (var t = 0; t < units.Count; t++)
        {
            if (columns[from].Units[t]?.Call is not { } moved)
            {
                continue;
            }

            var (first, last) = to < from ? (to, from - 1) : (from + 1, to);
            for (var k = first; k <= last; k++)
            {
                if (columns[k].Units[t] is { } passed && !passed.Calls.All(c => AreUnordered(moved, c, options) && !(to < from ? Feeds(c, moved) : Feeds(moved, c))))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static bool AreUnordered(TraceStep a, TraceStep b, ProceduralMemoryOptions options) =>
        (StepEffects.Of(a, options) is StepEffect.Read && StepEffects.Of(b, options) is StepEffect.Read)
        || (a.CallGroup is not null && a.CallGroup == b.CallGroup);

    /// <summary>Whether a later call may have a value from an earlier one's result.</summary>
    private static bool Feeds(TraceStep earlier, TraceStep later)
    {
        if (earlier.Result is not { } result)
        {
            return false;
        }

        var leaves = Leaves.Of(result, ArgumentDepth, MaxLeaves).ToList();
        var given = leaves.Select(l => ValueKey.Of(l.Value)).OfType<string>().ToHashSet(StringComparer.Ordinal);
        given.UnionWith(Leaves.NamesOf(result, ArgumentDepth, MaxLeaves).Where(MemberNames.IsData).Select(ValueKey.OfText).OfType<string>());
        // What is beyond the cap might be what it needs.
        return leaves.Count == MaxLeaves || Leaves.Of(later.Arguments, ArgumentDepth, MaxLeaves).Any(l => !ValueKey.IsTrivial(l.Value) && ValueKey.Of(l.Value) is { } key && given.Contains(key));
    }
}
