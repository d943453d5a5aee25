using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// Finds calls that are made once for each element of a list: a group of up to four calls that is repeated as often as a list in an earlier result, or in the caller's
/// inputs, has elements, and has in the i-th repetition a part of the i-th element. What one trace shows, the others must not contradict: wherever there is the list,
/// there are as many repetitions as it has elements, none included. A list of which only some elements were gone through is no loop.
/// </summary>
/// <remarks>For n calls of which the longest repetition has k rounds: O(n · k · lists · fields) comparisons, each of which mostly ends at the first element.</remarks>
internal sealed class LoopFinder
{
    private const int LongestBody = 4;
    private const int MaxFields = 48;
    private const int FieldDepth = 3;
    private const int ArgumentDepth = 4;
    private const int MaxArguments = 32;
    private const int MaxShapes = 64;

    // In bits: where one element is all there is, equality of a short value proves nothing.
    private const double EnoughForOne = 12;

    // More than what tells nothing has, such as a flag.
    private const double EnoughForSeveral = 0.5;

    private readonly IReadOnlyList<Trace> _traces;
    private readonly List<CallLeaves> _leaves;
    private readonly List<LoopShape> _shapes;

    /// <summary>Looks for what the traces suggest, once for all the times that some of it turns out to be no loop.</summary>
    public LoopFinder(IReadOnlyList<Trace> traces, IReadOnlyList<IReadOnlyList<TraceStep>> calls)
    {
        (_traces, _leaves) = (traces, [.. calls.Select(c => new CallLeaves(c))]);
        _shapes = Shapes(traces, _leaves);
    }

    /// <summary>How the loops that all traces agree on went in each trace, but for those that are known to be none.</summary>
    public IReadOnlyList<IReadOnlyList<LoopRun>> Find(IReadOnlySet<string> noLoops)
    {
        var found = _leaves.Select(_ => new List<LoopRun>()).ToList();
        var taken = _leaves.Select(c => new bool[c.Calls.Count]).ToList();
        foreach (var shape in _shapes.Where(s => !noLoops.Contains(s.Key)))
        {
            if (RunsOf(shape, _traces, _leaves, taken) is not { } runs)
            {
                continue;
            }

            for (var t = 0; t < _traces.Count; t++)
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
    private static List<LoopShape> Shapes(IReadOnlyList<Trace> traces, IReadOnlyList<CallLeaves> calls)
    {
        var suggested = new Dictionary<string, (LoopShape Shape, int Rounds, int Start, int Order)>(StringComparer.Ordinal);
        for (var t = 0; t < traces.Count; t++)
        {
            var lists = new ListIndex(traces[t].Inputs, calls[t].Calls);
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

    private static IEnumerable<(LoopShape Shape, int Rounds, int Start)> Suggest(ListIndex lists, CallLeaves leaves, bool alone)
    {
        var calls = leaves.Calls;
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
                        if (place.Call < start && UsesOf(place.Elements, leaves, start, body.Count, null) is { Count: > 0 } uses)
                        {
                            yield return (new LoopShape(place.Source, place.Call < 0, place.Pointer, body) { Uses = uses }, rounds, start);
                        }
                    }
                }
            }
        }
    }

    /// <summary>The runs of a loop in each trace, or <see langword="null"/> where some trace contradicts it, or all of them together prove nothing.</summary>
    private static List<List<LoopRun>>? RunsOf(LoopShape shape, IReadOnlyList<Trace> traces, IReadOnlyList<CallLeaves> calls, List<bool[]> taken)
    {
        var all = new List<List<LoopRun>>();
        var counts = new HashSet<int>();
        var most = 0;
        var madeForNone = false;
        for (var t = 0; t < traces.Count; t++)
        {
            var runs = new List<LoopRun>();
            var (lists, empty) = (0, 0);
            foreach (var (source, at, list) in ListsOf(shape, traces[t], calls[t].Calls))
            {
                lists++;
                var length = list.GetArrayLength();
                if (length == 0)
                {
                    empty++;
                    counts.Add(0);
                    madeForNone = madeForNone || calls[t].Calls.Skip(at + 1).Any(c => shape.Body.Contains(CallKind.Of(c)));
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

    private static LoopRun? FindRun(LoopShape shape, TraceStep? source, int after, JsonElement list, CallLeaves leaves, bool[] taken, List<LoopRun> others)
    {
        var calls = leaves.Calls;
        var elements = new ElementLeaves(list);
        var (rounds, period) = (list.GetArrayLength(), shape.Body.Count);
        for (var start = after + 1; start + (rounds * period) <= calls.Count; start++)
        {
            var free = !taken.AsSpan(start, rounds * period).Contains(true) && !others.Exists(r => start < r.Start + r.Length && r.Start < start + (rounds * period));
            if (free && Enumerable.Range(0, rounds).All(r => IsRound(calls, start + (r * period), shape.Body))
                && UsesOf(elements, leaves, start, period, shape.Uses) is { Count: > 0 })
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
    private static List<ItemUse> UsesOf(ElementLeaves elements, CallLeaves leaves, int start, int period, IReadOnlyList<ItemUse>? known)
    {
        var rounds = elements.Count;
        var uses = new List<ItemUse>();
        for (var call = 0; call < period; call++)
        {
            foreach (var argument in leaves.Of(start + call).All)
            {
                if (argument.Specificity < (rounds == 1 ? EnoughForOne : EnoughForSeveral))
                {
                    continue;
                }

                foreach (var field in elements.Of(0).All)
                {
                    var use = new ItemUse(call, argument.Pointer, field.Pointer);
                    if (field.Equals(argument) && known?.Contains(use) != false && Holds(use, field))
                    {
                        uses.Add(use);
                    }
                }
            }
        }

        return uses;

        bool Holds(ItemUse use, LeafValue first)
        {
            var different = rounds == 1;
            for (var round = 1; round < rounds; round++)
            {
                if (leaves.Of(start + (round * period) + use.Call).At(use.Argument) is not { } value || elements.Of(round).At(use.Field) is not { } part || !value.Equals(part))
                {
                    return false;
                }

                different = different || !part.Equals(first);
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

    /// <summary>The calls of a trace with the parts of their arguments, which are compared with many lists.</summary>
    private sealed class CallLeaves(IReadOnlyList<TraceStep> calls)
    {
        private readonly LeafSet?[] _leaves = new LeafSet?[calls.Count];

        public IReadOnlyList<TraceStep> Calls { get; } = calls;

        public LeafSet Of(int call) => _leaves[call] ??= new LeafSet(Calls[call].Arguments, ArgumentDepth, MaxArguments);
    }

    /// <summary>The elements of a list with their parts, which are compared with many calls.</summary>
    internal sealed class ElementLeaves(JsonElement list)
    {
        private readonly LeafSet?[] _leaves = new LeafSet?[list.GetArrayLength()];

        public int Count => _leaves.Length;

        public LeafSet Of(int index) => _leaves[index] ??= new LeafSet(list[index], FieldDepth, MaxFields);
    }
}

/// <summary>A part of a value that can be compared: of most that differ the hash tells it.</summary>
internal readonly record struct LeafValue(string Pointer, JsonElement Value)
{
    private readonly ulong _hash = JsonBytes.Hash(Value);

    /// <summary>How much it tells, in bits; 0 for what says nothing about where it comes from.</summary>
    public double Specificity { get; } = ValueKey.IsTrivial(Value) ? 0 : ValueKey.Specificity(Value);

    /// <summary>Whether the values are equal, wherever they are.</summary>
    public bool Equals(LeafValue other) => _hash == other._hash && Json.AreEqual(Value, other.Value);

    public override int GetHashCode() => _hash.GetHashCode();
}

/// <summary>The leaves of a value, and what else stands at a place in it.</summary>
internal sealed class LeafSet(JsonElement value, int depth, int most)
{
    public IReadOnlyList<LeafValue> All { get; } = [.. Leaves.Of(value, depth, most).Select(l => new LeafValue(l.Pointer, l.Value))];

    public LeafValue? At(string pointer)
    {
        foreach (var leaf in All)
        {
            if (leaf.Pointer == pointer)
            {
                return leaf;
            }
        }

        return JsonPointer.TryResolve(value, pointer, out var found) ? new LeafValue(pointer, found) : null;
    }
}
