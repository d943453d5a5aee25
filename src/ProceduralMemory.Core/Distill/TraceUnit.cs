using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>What is aligned as one: a call, or all the rounds of a loop.</summary>
internal sealed class TraceUnit
{
    private readonly Dictionary<string, ulong> _arguments = new(StringComparer.Ordinal);

    public TraceUnit(TraceStep call)
    {
        (Key, Call) = (CallKind.Of(call).ToString(), call);
        // Which secret it was cannot be told across recordings.
        foreach (var argument in call.Arguments.EnumerateObject())
        {
            _arguments[argument.Name] = JsonBytes.Hash(RedactionMarker.Plain(argument.Value));
        }
    }

    public TraceUnit(LoopRun run) => (Key, Run) = (run.Shape.Key, run);

    /// <summary>What it does: units that stand for one step have one key.</summary>
    public string Key { get; }

    public TraceStep? Call { get; }

    public LoopRun? Run { get; }

    public IReadOnlyList<TraceStep> Calls => Call is not null ? [Call] : [.. Run!.Iterations.SelectMany(i => i)];

    /// <summary>How alike two units of one key are, from 0 to 100: arguments of the same names count less than equal values.</summary>
    public int Similarity(TraceUnit other)
    {
        var all = _arguments.Count + other._arguments.Count;
        if (all == 0)
        {
            return 100;
        }

        var (names, values) = (0, 0);
        foreach (var (name, value) in _arguments)
        {
            if (other._arguments.TryGetValue(name, out var otherValue))
            {
                names++;
                values += value == otherValue ? 1 : 0;
            }
        }

        return ((60 * names) + (140 * values)) / all;
    }
}

/// <summary>A step in the making, and the unit that stands for it in each trace that did it.</summary>
internal sealed class Column(string key, int traces)
{
    public string Key { get; } = key;

    public TraceUnit?[] Units { get; } = new TraceUnit?[traces];

    public int Count => Units.Count(u => u is not null);

    public TraceUnit First => Units.First(u => u is not null)!;
}
