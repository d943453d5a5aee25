using System.Collections.Concurrent;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>
/// Texts that the generator refused by themselves: they are tried again after a wait that grows, since what failed once may have been the network, and what fails for ever
/// is not to cost every search its time. A text that has changed is another one.
/// </summary>
internal sealed class VectorRetries(TimeProvider time)
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMinutes(1);

    // After a minute, two, four and so on, up to an hour.
    private const int MostDoublings = 6;
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<Guid, Failure> _failures = [];

    /// <summary>Whether a text is to be tried now.</summary>
    public bool IsDue(VectorText text) => !_failures.TryGetValue(text.ProcedureId, out var failure) || failure.Change != text.Change || time.GetUtcNow() >= failure.NotBefore;

    /// <summary>Notes that a text failed.</summary>
    /// <param name="text">The text.</param>
    /// <param name="wasSlow">Whether the generator only took too long. That says more of the generator than of the text, so the wait does not grow.</param>
    public void Failed(VectorText text, bool wasSlow)
    {
        var times = _failures.TryGetValue(text.ProcedureId, out var before) && before.Change == text.Change ? before.Times : 0;
        var wait = FirstWait * (1 << Math.Min(times, MostDoublings));
        _failures[text.ProcedureId] = new Failure(text.Change, wasSlow ? times : times + 1, time.GetUtcNow() + (wasSlow ? FirstWait : wait < LongestWait ? wait : LongestWait));
    }

    /// <summary>Forgets all of it.</summary>
    public void Clear() => _failures.Clear();

    private sealed record Failure(long Change, int Times, DateTimeOffset NotBefore);
}
