using System.Globalization;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>Kills processes at random moments of their replays, has others go on, and compares what was done with what was to be done.</summary>
internal sealed class CrashEvaluation
{
    private const int Calibrations = 3, Lanes = 3;

    /// <summary>How often the process that goes on is killed as well.</summary>
    private const double KilledAgain = 0.1;

    private readonly CrashScene _scene;
    private readonly int _kills;
    private readonly int _seed;
    private readonly IReadOnlyList<CrashTally> _tallies = [.. CrashMode.All.Select(m => new CrashTally(m))];
    private CrashMoments _moments = null!;
    private int _hits;
    private int _rounds;

    private CrashEvaluation(CrashScene scene, int kills, int seed) => (_scene, _kills, _seed) = (scene, kills, seed);

    /// <summary>Kills until so many kills have come in the middle of a replay that is then resumed.</summary>
    /// <param name="kills">How many.</param>
    /// <param name="seed">Chooses the moments.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public static async Task<CrashResult> RunAsync(int kills, int seed, CancellationToken cancellationToken = default)
    {
        var started = TimeProvider.System.GetTimestamp();
        await using var scene = await CrashScene.SetAsync(seed, cancellationToken);
        var evaluation = new CrashEvaluation(scene, kills, seed);
        var duration = await evaluation.CalibrateAsync(cancellationToken);
        evaluation._moments = new CrashMoments(seed, duration);
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => evaluation.RunLaneAsync(cancellationToken)));
        return new CrashResult(seed, duration, evaluation._moments.Used, evaluation._tallies, TimeProvider.System.GetElapsedTime(started));
    }

    /// <summary>How long the replay that is resumed later takes in a warm worker, beside the others: the median.</summary>
    private async Task<TimeSpan> CalibrateAsync(CancellationToken cancellationToken)
    {
        var durations = new List<TimeSpan>();
        for (var n = 0; n < Calibrations; n++)
        {
            await using var worker = await _scene.StartWorkerAsync(CrashMode.All.Count, cancellationToken);
            var cases = CasesOf(string.Create(CultureInfo.InvariantCulture, $"calibrate-{n}"));
            var replies = worker.Send([.. cases.Select(c => c.Next)]);
            var begunAt = await _scene.BeginsAsync(worker, Task.WhenAll(replies));
            await replies[0];
            durations.Add(TimeProvider.System.GetElapsedTime(begunAt));
            await Task.WhenAll(replies);
        }

        return durations.Order().ElementAt(Calibrations / 2);
    }

    private async Task RunLaneAsync(CancellationToken cancellationToken)
    {
        await using var resumer = await _scene.StartWorkerAsync(CrashMode.All.Count, cancellationToken);
        var next = _scene.StartWorkerAsync(CrashMode.All.Count, cancellationToken);
        try
        {
            while (Volatile.Read(ref _hits) < _kills)
            {
                var round = Interlocked.Increment(ref _rounds);
                var again = new Random(_seed + round);
                var cases = CasesOf(string.Create(CultureInfo.InvariantCulture, $"order-{round}"));
                do
                {
                    await using var victim = await next;
                    next = _scene.StartWorkerAsync(CrashMode.All.Count, cancellationToken);
                    await KillAsync(victim, cases, cancellationToken);
                }
                while (again.NextDouble() < KilledAgain);

                var left = cases.Where(c => !c.IsOver).ToList();
                var replies = await Task.WhenAll(resumer.Send([.. left.Select(c => c.Next)]));
                await Task.WhenAll(left.Zip(replies, (c, reply) => c.SettleAsync(resumer, reply, cancellationToken)));
            }
        }
        finally
        {
            await (await next).DisposeAsync();
        }
    }

    private async Task KillAsync(WorkerHandle victim, List<CrashCase> cases, CancellationToken cancellationToken)
    {
        var left = cases.Where(c => !c.IsOver).ToList();
        var moment = _moments.Next();
        var replies = victim.Send([.. left.Select(c => c.Next)]);
        await _scene.KillAsync(victim, await _scene.BeginsAsync(victim, Task.WhenAll(replies)), moment, cancellationToken);
        foreach (var (one, reply) in left.Zip(await Task.WhenAll(replies)))
        {
            if (await one.LookAsync(victim, reply, cancellationToken) && one == cases[0])
            {
                Interlocked.Increment(ref _hits);
            }
        }
    }

    private List<CrashCase> CasesOf(string order) => [.. _tallies.Select(t => new CrashCase(_scene, t, string.Create(CultureInfo.InvariantCulture, $"{order}-{t.Mode.Slot}")))];
}

/// <summary>What the kills did.</summary>
/// <param name="Seed">What chose the moments.</param>
/// <param name="ReplayDuration">How long a replay takes that is not killed.</param>
/// <param name="Moments">When the kills came, after the first call of the first replay in the process.</param>
/// <param name="Tallies">What was counted of each way to go on.</param>
/// <param name="Duration">How long all of it took.</param>
internal sealed record CrashResult(int Seed, TimeSpan ReplayDuration, IReadOnlyList<TimeSpan> Moments, IReadOnlyList<CrashTally> Tallies, TimeSpan Duration)
{
    /// <summary>What must not be, and was. Beginning anew doubles effects, which is what it is there to show.</summary>
    public IReadOnlyList<EffectFault> Faults => [.. Tallies.SelectMany(t => t.Faults)];

    public CrashTally Of(CrashMode mode) => Tallies.Single(t => t.Mode == mode);
}
