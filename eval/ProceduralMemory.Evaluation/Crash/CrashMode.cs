using System.Collections.Concurrent;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>A way to go on after a kill. All are killed in the same process at the same moment.</summary>
/// <param name="Name">What it is called in the table.</param>
/// <param name="Slot">The kernel of the worker that does it.</param>
/// <param name="Procedure">The procedure.</param>
/// <param name="IsNaive">Whether it begins anew instead of resuming.</param>
internal sealed record CrashMode(string Name, int Slot, string Procedure, bool IsNaive = false)
{
    public static CrashMode Resumed { get; } = new("resumed", 0, ShopProcedure.Plain);

    public static CrashMode ResumedWithKeys { get; } = new("resumed, functions with keys", 1, ShopProcedure.WithKeys);

    public static CrashMode Naive { get; } = new("begun anew (naive)", 2, ShopProcedure.Plain, IsNaive: true);

    public static IReadOnlyList<CrashMode> All { get; } = [Resumed, ResumedWithKeys, Naive];
}

/// <summary>What is counted of one way. Lanes add to it side by side.</summary>
internal sealed class CrashTally(CrashMode mode)
{
    private readonly ConcurrentDictionary<EffectFault, bool> _faults = new();
    private int _beforeBegin;
    private int _inRead;
    private int _inWrite;
    private int _between;
    private int _afterEnd;
    private int _completedAlone;
    private int _completedWithHost;
    private int _unknown;
    private int _reported;
    private int _done;
    private int _notDone;
    private int _orders;
    private int _effects;
    private int _doubled;
    private int _ordersDoubled;

    public CrashMode Mode { get; } = mode;

    /// <summary>Kills before the journal had anything; of a naive one, before the service was asked for anything.</summary>
    public int BeforeBegin => _beforeBegin;

    /// <summary>Kills while a read was out.</summary>
    public int InRead => _inRead;

    /// <summary>Kills while a write was out, as the journal knows it.</summary>
    public int InWrite => _inWrite;

    /// <summary>Kills in the middle while no call was out.</summary>
    public int Between => _between;

    /// <summary>Kills in the middle of a replay.</summary>
    public int InTheMiddle => InRead + InWrite + Between;

    /// <summary>Kills after its end.</summary>
    public int AfterEnd => _afterEnd;

    /// <summary>Executions that completed once they were resumed.</summary>
    public int CompletedAlone => _completedAlone;

    /// <summary>Executions that waited, and completed once the host had looked at the counter.</summary>
    public int CompletedWithHost => _completedWithHost;

    /// <summary>Writes that the journal did not know the outcome of.</summary>
    public int Unknown => _unknown;

    /// <summary>Of these, those that resuming reported.</summary>
    public int Reported => _reported;

    /// <summary>Of these, those that had their effect.</summary>
    public int Done => _done;

    /// <summary>Of these, those that had not.</summary>
    public int NotDone => _notDone;

    /// <summary>Orders that are at their end.</summary>
    public int Orders => _orders;

    /// <summary>The effects that the service counted for them.</summary>
    public int Effects => _effects;

    /// <summary>Effects beyond the first of each step.</summary>
    public int Doubled => _doubled;

    /// <summary>Orders with such an effect.</summary>
    public int OrdersDoubled => _ordersDoubled;

    public IReadOnlyCollection<EffectFault> Faults => [.. _faults.Keys];

    public int Of(FaultKind kind) => _faults.Keys.Count(f => f.Kind == kind);

    public void Fault(FaultKind kind, string order, string what) => _faults.TryAdd(new EffectFault(kind, order, what), true);

    public void Fault(IEnumerable<EffectFault> faults)
    {
        foreach (var fault in faults)
        {
            _faults.TryAdd(fault, true);
        }
    }

    public void KilledBeforeBegin() => Interlocked.Increment(ref _beforeBegin);

    public void KilledAfterEnd() => Interlocked.Increment(ref _afterEnd);

    public void KilledInTheMiddle(string? step) =>
        Interlocked.Increment(ref step is null ? ref _between : ref ShopProcedure.Writes.Contains(step) ? ref _inWrite : ref _inRead);

    public void FoundUnknown(int count, int reported)
    {
        Interlocked.Add(ref _unknown, count);
        Interlocked.Add(ref _reported, reported);
    }

    public void HostFound(int done, int notDone)
    {
        Interlocked.Add(ref _done, done);
        Interlocked.Add(ref _notDone, notDone);
    }

    public void Completed(bool withHost) => Interlocked.Increment(ref withHost ? ref _completedWithHost : ref _completedAlone);

    /// <summary>Counts the effects of an order that is at its end.</summary>
    public void Ended(ShopService service, string order)
    {
        var counts = ShopProcedure.Writes.Select(w => service.CountOf(order, w)).ToList();
        var doubled = counts.Sum(c => Math.Max(0, c - 1));
        Interlocked.Increment(ref _orders);
        Interlocked.Add(ref _effects, counts.Sum());
        Interlocked.Add(ref _doubled, doubled);
        Interlocked.Add(ref _ordersDoubled, doubled > 0 ? 1 : 0);
    }
}
