namespace ProceduralMemory.Evaluation.Crash;

/// <summary>When kills come: uniformly over the time that a replay takes, each at another microsecond.</summary>
internal sealed class CrashMoments(int seed, TimeSpan duration)
{
    private readonly Random _random = new(seed);
    private readonly HashSet<long> _microseconds = [];
    private readonly List<TimeSpan> _moments = [];

    public IReadOnlyList<TimeSpan> Used
    {
        get
        {
            lock (_moments)
            {
                return [.. _moments];
            }
        }
    }

    /// <summary>The next one.</summary>
    public TimeSpan Next()
    {
        lock (_moments)
        {
            long microseconds;
            do
            {
                microseconds = (long)(_random.NextDouble() * duration.TotalMicroseconds);
            }
            while (!_microseconds.Add(microseconds));

            _moments.Add(TimeSpan.FromMicroseconds(microseconds));
            return _moments[^1];
        }
    }
}
