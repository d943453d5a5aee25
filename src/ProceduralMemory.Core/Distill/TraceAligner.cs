using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// Finds out which calls of several traces stand for the same step. Traces are cleaned and put into an order that their content gives; loops are taken together; then the
/// sequences are aligned one after the other so that as many calls as possible stand beside one of the same action, of several such ways that with the most similar
/// arguments. Reads that no data flow orders may stand elsewhere. The traces in any order give the same steps.
/// </summary>
/// <remarks>For t traces of n calls: O(t · n · m) time and O(n · m) memory, where m is the number of steps found, at least n.</remarks>
internal static class TraceAligner
{
    private const int WorthOfAction = 1_000;

    /// <summary>Aligns traces, sorted as <see cref="TraceOrder"/> has them.</summary>
    /// <param name="traces">The traces.</param>
    /// <param name="calls">Their cleaned calls.</param>
    /// <param name="options">The options, which know what reads.</param>
    /// <param name="loops">The loops that they suggest, where these are known.</param>
    /// <param name="noLoops">Keys of loops that are none.</param>
    public static List<Column> Align(
        IReadOnlyList<Trace> traces, IReadOnlyList<IReadOnlyList<TraceStep>> calls, ProceduralMemoryOptions options, LoopFinder? loops = null, IReadOnlySet<string>? noLoops = null)
    {
        loops ??= new LoopFinder(traces, calls);
        var refuted = new HashSet<string>(noLoops ?? new HashSet<string>(), StringComparer.Ordinal);
        while (true)
        {
            var units = Fold(calls, loops.Find(refuted));
            var columns = AlignUnits(units);
            if (columns.Find(c => c.First.Run is not null && !HasOneSource(c, columns)) is not { } loop)
            {
                DisplacedReads.Join(columns, units, options);
                return columns;
            }

            // Lists of different steps: what looked like one loop is none.
            refuted.Add(loop.Key);
        }
    }

    private static List<List<TraceUnit>> Fold(IReadOnlyList<IReadOnlyList<TraceStep>> calls, IReadOnlyList<IReadOnlyList<LoopRun>> runs)
    {
        var all = new List<List<TraceUnit>>();
        for (var t = 0; t < calls.Count; t++)
        {
            var units = new List<TraceUnit>();
            for (var i = 0; i < calls[t].Count;)
            {
                var run = runs[t].FirstOrDefault(r => r.Start == i);
                units.Add(run is null ? new TraceUnit(calls[t][i]) : new TraceUnit(run));
                i += run?.Length ?? 1;
            }

            all.Add(units);
        }

        return all;
    }

    /// <summary>Begins with the sequence that most traces have, and lays the others beside what is there so far.</summary>
    internal static List<Column> AlignUnits(List<List<TraceUnit>> units)
    {
        var first = units
            .Select((u, t) => (Keys: string.Join('\n', u.Select(x => x.Key)), Trace: t))
            .GroupBy(s => s.Keys, StringComparer.Ordinal)
            .OrderByDescending(g => g.Count())
            .ThenByDescending(g => units[g.First().Trace].Count)
            .ThenBy(g => g.First().Trace)
            .First().First().Trace;
        var columns = new List<Column>();
        foreach (var trace in Enumerable.Range(0, units.Count).OrderBy(t => t == first ? 0 : 1))
        {
            columns = LayBeside(columns, units[trace], trace, units.Count);
        }

        return columns;
    }

    private static List<Column> LayBeside(List<Column> columns, List<TraceUnit> units, int trace, int traces)
    {
        // best[i, j]: the most that the columns from i on and the units from j on have in common.
        var best = new int[columns.Count + 1, units.Count + 1];
        for (var i = columns.Count - 1; i >= 0; i--)
        {
            for (var j = units.Count - 1; j >= 0; j--)
            {
                best[i, j] = Math.Max(best[i + 1, j], best[i, j + 1]);
                if (columns[i].Key == units[j].Key)
                {
                    best[i, j] = Math.Max(best[i, j], best[i + 1, j + 1] + Worth(columns[i], units[j]));
                }
            }
        }

        var merged = new List<Column>();
        for (int i = 0, j = 0; i < columns.Count || j < units.Count;)
        {
            if (i < columns.Count && j < units.Count && columns[i].Key == units[j].Key && best[i, j] == best[i + 1, j + 1] + Worth(columns[i], units[j]))
            {
                columns[i].Units[trace] = units[j++];
                merged.Add(columns[i++]);
            }
            else if (i < columns.Count && (j == units.Count || best[i, j] == best[i + 1, j]))
            {
                merged.Add(columns[i++]);
            }
            else
            {
                var added = new Column(units[j].Key, traces);
                added.Units[trace] = units[j++];
                merged.Add(added);
            }
        }

        return merged;
    }

    private static int Worth(Column column, TraceUnit unit) => WorthOfAction + column.First.Similarity(unit);

    private static bool HasOneSource(Column loop, List<Column> columns)
    {
        if (loop.First.Run!.Shape.IsInput)
        {
            return true;
        }

        var source = columns.Find(c => c.Units.Any(u => u?.Call is { } call && ReferenceEquals(call, loop.First.Run.Source)));
        for (var t = 0; t < loop.Units.Length; t++)
        {
            // A trace without a round either did not ask for the list, or got an empty one.
            var call = source?.Units[t]?.Call;
            if (loop.Units[t] is { } unit
                ? !ReferenceEquals(unit.Run!.Source, call)
                : call is not null && !(call.Result is { } result && JsonPointer.TryResolve(result, loop.First.Run.Shape.Pointer, out var list) && list.ValueKind is JsonValueKind.Array && list.GetArrayLength() == 0))
            {
                return false;
            }
        }

        return true;
    }
}
