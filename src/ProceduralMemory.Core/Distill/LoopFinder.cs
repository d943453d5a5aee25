using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// Finds calls that are made once for each element of a list: a group of up to four calls that is repeated as often as a list in an earlier result, or in the caller's
/// inputs, has elements, and has in the i-th repetition a part of the i-th element. What one trace shows, the others must not contradict: wherever there is the list,
/// there are as many repetitions as it has elements, none included. A list of which only some elements were gone through is no loop.
/// </summary>
/// <remarks>For n calls of which the longest repetition has k rounds: O(n · k · lists · fields) comparisons, each of which mostly ends at the first element.</remarks>
internal static class LoopFinder
{
    private const int LongestBody = 4;
    private const int MaxFields = 48;
    private const int FieldDepth = 3;
    private const int ArgumentDepth = 4;
    private const int MaxArguments = 32;
    private const int MaxShapes = 64;

    // In bits: where one element is all there is, equality of a short value proves nothing.
    private const double EnoughForOne = 12;

    /// <summary>How the loops that all traces agree on went in each trace, but for those that are known to be none.</summary>
    public static IReadOnlyList<IReadOnlyList<LoopRun>> Find(IReadOnlyList<Trace> traces, IReadOnlyList<IReadOnlyList<TraceStep>> calls, IReadOnlySet<string> noLoops)
    {
        var found = calls.Select(_ => new List<LoopRun>()).ToList();
        var taken = calls.Select(c => new bool[c.Count]).ToList();
        foreach (var shape in Shapes(traces, calls).Where(s => !noLoops.Contains(s.Key)))
        {
            if (RunsOf(shape, traces, calls, taken) is not { } runs)
            {
                continue;
            }

            for (var t = 0; t < traces.Count; t++)
            {
                foreach (var run in runs[t])
                {
                    found[t].Add(run);
                    taken[t].AsSpan(run.Start, run.Length).Fill(true);
                }
            }
        }

        return found;
    }

    /// <summary>What the traces suggest, the strongest first: several rounds before one, then what explains most arguments, then what begins first.</summary>
    private static List<LoopShape> Shapes(IReadOnlyList<Trace> traces, IReadOnlyList<IReadOnlyList<TraceStep>> calls)
    {
        var suggested = new Dictionary<string, (LoopShape Shape, int Rounds, int Start, int Order)>(StringComparer.Ordinal);
        for (var t = 0; t < traces.Count; t++)
        {
            var lists = new ListIndex(traces[t].Inputs, calls[t]);
            foreach (var (shape, rounds, start) in Suggest(lists, calls[t], alone: traces.Count == 1))
            {
                if (!suggested.TryGetValue(shape.Key, out var known))
                {
                    suggested.Add(shape.Key, (shape, rounds, start, suggested.Count));
                }
                else if (known.Shape.Uses.Intersect(shape.Uses).ToList() is { Count: > 0 } common)
                {
                    suggested[shape.Key] = (shape with { Uses = common }, Math.Max(rounds, known.Rounds), Math.Min(start, known.Start), known.Order);
                }
            }
        }

        return
        [
            .. suggested.Values
                .OrderByDescending(s => s.Rounds > 1)
                .ThenByDescending(s => s.Rounds > 1 ? 0 : s.Shape.Body.Count)
                .ThenBy(s => s.Start)
                .ThenByDescending(s => s.Shape.Uses.Count)
                .ThenByDescending(s => s.Shape.IsInput)
                .ThenBy(s => s.Order)
                .Select(s => s.Shape)
                .Take(MaxShapes),
        ];
    }

    private static IEnumerable<(LoopShape Shape, int Rounds, int Start)> Suggest(ListIndex lists, IReadOnlyList<TraceStep> calls, bool alone)
    {
        for (var start = 0; start < calls.Count; start++)
        {
            for (var period = 1; period <= LongestBody && start + period <= calls.Count; period++)
            {
                var body = Enumerable.Range(start, period).Select(i => CallKind.Of(calls[i])).ToList();
                if (IsRepetition(body))
                {
                    continue;
                }

                var most = 1;
                while (IsRound(calls, start + (most * period), body))
                {
                    most++;
                }

                // One round of one trace is a call like any other.
                for (var rounds = most; rounds >= (alone ? 2 : 1); rounds--)
                {
                    foreach (var place in lists.OfLength(rounds))
                    {
                        if (place.Call < start && UsesOf(place.List, calls, start, body.Count, null) is { Count: > 0 } uses)
                        {
                            yield return (new LoopShape(place.Source, place.Call < 0, place.Pointer, body) { Uses = uses }, rounds, start);
                        }
                    }
                }
            }
        }
    }

    /// <summary>The runs of a loop in each trace, or <see langword="null"/> where some trace contradicts it, or all of them together prove nothing.</summary>
    private static List<List<LoopRun>>? RunsOf(LoopShape shape, IReadOnlyList<Trace> traces, IReadOnlyList<IReadOnlyList<TraceStep>> calls, List<bool[]> taken)
    {
        var all = new List<List<LoopRun>>();
        var counts = new HashSet<int>();
        var most = 0;
        var madeForNone = false;
        for (var t = 0; t < traces.Count; t++)
        {
            var runs = new List<LoopRun>();
            var (lists, empty) = (0, 0);
            foreach (var (source, at, list) in ListsOf(shape, traces[t], calls[t]))
            {
                lists++;
                var length = list.GetArrayLength();
                if (length == 0)
                {
                    empty++;
                    counts.Add(0);
                    madeForNone = madeForNone || calls[t].Skip(at + 1).Any(c => shape.Body.Contains(CallKind.Of(c)));
                }
                else if (FindRun(shape, source, at, list, calls[t], taken[t], runs) is { } run)
                {
                    runs.Add(run);
                    counts.Add(length);
                    most = Math.Max(most, length);
                }
            }

            if (lists > 0 && runs.Count == 0 && empty == 0)
            {
                return null;
            }

            all.Add(runs);
        }

        // With one element, what belongs to the round is what is not done for none.
        return most > 1 || (most == 1 && counts.Count > 1 && !madeForNone) ? all : null;
    }

    private static IEnumerable<(TraceStep? Source, int At, JsonElement List)> ListsOf(LoopShape shape, Trace trace, IReadOnlyList<TraceStep> calls)
    {
        if (shape.IsInput)
        {
            if (trace.Inputs.TryGetProperty(shape.Source, out var input) && JsonPointer.TryResolve(input, shape.Pointer, out var given) && given.ValueKind is JsonValueKind.Array)
            {
                yield return (null, -1, given);
            }

            yield break;
        }

        for (var i = 0; i < calls.Count; i++)
        {
            if (calls[i].Action == shape.Source && calls[i].Result is { } result && JsonPointer.TryResolve(result, shape.Pointer, out var list) && list.ValueKind is JsonValueKind.Array)
            {
                yield return (calls[i], i, list);
            }
        }
    }

    private static LoopRun? FindRun(LoopShape shape, TraceStep? source, int after, JsonElement list, IReadOnlyList<TraceStep> calls, bool[] taken, List<LoopRun> others)
    {
        var (rounds, period) = (list.GetArrayLength(), shape.Body.Count);
        for (var start = after + 1; start + (rounds * period) <= calls.Count; start++)
        {
            var free = !taken.AsSpan(start, rounds * period).Contains(true) && !others.Exists(r => start < r.Start + r.Length && r.Start < start + (rounds * period));
            if (free && Enumerable.Range(0, rounds).All(r => IsRound(calls, start + (r * period), shape.Body))
                && UsesOf(list, calls, start, period, shape.Uses) is { Count: > 0 })
            {
                return new LoopRun(shape, source, list, start)
                {
                    Iterations = [.. Enumerable.Range(0, rounds).Select(r => (IReadOnlyList<TraceStep>)[.. calls.Skip(start + (r * period)).Take(period)])],
                };
            }
        }

        return null;
    }

    /// <summary>The arguments that have, in every round, a part of that round's element; of those known where some are.</summary>
    private static List<ItemUse> UsesOf(JsonElement list, IReadOnlyList<TraceStep> calls, int start, int period, IReadOnlyList<ItemUse>? known)
    {
        var rounds = list.GetArrayLength();
        var uses = new List<ItemUse>();
        var fields = Leaves.Of(list[0], FieldDepth, MaxFields).ToList();
        for (var call = 0; call < period; call++)
        {
            foreach (var (argument, value) in Leaves.Of(calls[start + call].Arguments, ArgumentDepth, MaxArguments))
            {
                if (ValueKey.IsTrivial(value) || (rounds == 1 && ValueKey.Specificity(value) < EnoughForOne))
                {
                    continue;
                }

                foreach (var (field, first) in fields)
                {
                    var use = new ItemUse(call, argument, field);
                    if (JsonElement.DeepEquals(first, value) && known?.Contains(use) != false && Holds(use))
                    {
                        uses.Add(use);
                    }
                }
            }
        }

        return uses;

        bool Holds(ItemUse use)
        {
            var different = rounds == 1;
            for (var round = 1; round < rounds; round++)
            {
                if (!JsonPointer.TryResolve(calls[start + (round * period) + use.Call].Arguments, use.Argument, out var value)
                    || !JsonPointer.TryResolve(list[round], use.Field, out var part)
                    || !JsonElement.DeepEquals(value, part))
                {
                    return false;
                }

                different = different || !JsonElement.DeepEquals(part, JsonPointer.TryResolve(list[0], use.Field, out var first) ? first : default);
            }

            // What all elements have in common does not show that they were gone through.
            return different;
        }
    }

    private static bool IsRound(IReadOnlyList<TraceStep> calls, int start, IReadOnlyList<CallKind> body)
    {
        if (start + body.Count > calls.Count)
        {
            return false;
        }

        for (var i = 0; i < body.Count; i++)
        {
            if (CallKind.Of(calls[start + i]) != body[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether a group is a smaller one repeated.</summary>
    private static bool IsRepetition(List<CallKind> body)
    {
        for (var period = 1; period <= body.Count / 2; period++)
        {
            if (body.Count % period == 0 && Enumerable.Range(period, body.Count - period).All(i => body[i] == body[i - period]))
            {
                return true;
            }
        }

        return false;
    }
}
