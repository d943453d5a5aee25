using System.Globalization;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>Stops executions by kills, and lets two processes resume each of them at once.</summary>
internal sealed class RaceEvaluation(CrashScene scene, int rounds, int seed)
{
    /// <summary>How many executions one kill stops.</summary>
    private const int Slots = 10;

    private readonly List<EffectFault> _faults = [];
    private int _raced;
    private int _kills;
    private int _settled;
    private int _lostAtClaim;
    private int _firstWon;
    private int _secondWon;

    /// <summary>Races until so many executions have been resumed.</summary>
    /// <param name="rounds">How many.</param>
    /// <param name="seed">Chooses the moments of the kills.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public static async Task<RaceResult> RunAsync(int rounds, int seed, CancellationToken cancellationToken = default)
    {
        var started = TimeProvider.System.GetTimestamp();
        await using var scene = await CrashScene.SetAsync(seed, cancellationToken);
        return await new RaceEvaluation(scene, rounds, seed).RunAsync(started, cancellationToken);
    }

    private async Task<RaceResult> RunAsync(long started, CancellationToken cancellationToken)
    {
        await using var first = await scene.StartWorkerAsync(1, cancellationToken);
        await using var second = await scene.StartWorkerAsync(1, cancellationToken);
        var random = new Random(seed);
        var next = scene.StartWorkerAsync(Slots, cancellationToken);
        try
        {
            while (_raced < rounds)
            {
                await using var victim = await next;
                next = scene.StartWorkerAsync(Slots, cancellationToken);
                var orders = OrdersOf(string.Create(CultureInfo.InvariantCulture, $"race-{_kills++}"));

                // In the middle of most of them: after a random one of the requests that they make together.
                var replies = victim.Send(CommandsOf(orders));
                var calls = random.Next(Slots, Slots * (ShopProcedure.Steps.Count - 2));
                await Task.WhenAny(scene.Service.AskedAsync(victim.Id, victim.WarmUpCalls + calls), Task.WhenAll(replies));
                await scene.KillAsync(victim);
                await Task.WhenAll(replies);
                foreach (var order in orders.TakeWhile(_ => _raced < rounds))
                {
                    if (await scene.ExecutionOfAsync(order, cancellationToken) is { Outcome: ReplayOutcome.Running } execution)
                    {
                        _raced++;
                        await RaceAsync(execution, order, first, second, cancellationToken);
                    }
                }
            }
        }
        finally
        {
            await (await next).DisposeAsync();
        }

        return new RaceResult(seed, _raced, _kills, _settled, _firstWon, _secondWon, _lostAtClaim, _faults, TimeProvider.System.GetElapsedTime(started));
    }

    private async Task RaceAsync(Execution execution, string order, WorkerHandle first, WorkerHandle second, CancellationToken cancellationToken)
    {
        // The host has looked at the counter before, so that whoever wins goes on to the end: an execution that waits again could rightly be resumed a second time.
        var unknown = CrashScene.UnknownWrites(execution);
        _settled += unknown.Count > 0 ? 1 : 0;
        var command = scene.Settle(new WorkerCommand(0, 0, ShopProcedure.Plain, order) { Execution = execution.Id, Gate = order }, unknown);
        var before = scene.Service.LogOf(order).Count;
        var replies = await Task.WhenAll(first.Send(command)[0], second.Send(command)[0]);

        var losers = replies.Where(r => r is { Outcome: ReplayOutcome.Refused, Problems: [{ Code: ReplayProblemCodes.NotResumable }] }).ToList();
        var winners = replies.Where(r => r is { Outcome: ReplayOutcome.Completed }).ToList();
        if (winners.Count != 1 || losers.Count != 1)
        {
            Fault(FaultKind.NotOneWinner, string.Join("; ", replies.Select(r => r is null ? "the worker ended" : $"{r.Outcome}: {r.Message}")));
        }

        _firstWon += replies[0]?.Outcome is ReplayOutcome.Completed ? 1 : 0;
        _secondWon += replies[1]?.Outcome is ReplayOutcome.Completed ? 1 : 0;
        _lostAtClaim += losers.Any(l => l!.Message.Contains("in this moment", StringComparison.Ordinal)) ? 1 : 0;

        var ended = (await scene.ExecutionOfAsync(order, cancellationToken))!;
        _faults.AddRange(EffectAudit.Of(ended, scene.Service, order));
        if (ended.Outcome is not ReplayOutcome.Completed || ended.Attempt != execution.Attempt + 1)
        {
            Fault(FaultKind.NotCompleted, string.Create(CultureInfo.InvariantCulture, $"{ended.Outcome} at attempt {ended.Attempt}"));
        }

        // Each step that was left is called once, by the winner; none that was done is, nor is any by the loser.
        var called = scene.Service.LogOf(order).Skip(before).Select(r => r.Step).ToList();
        var left = ShopProcedure.Steps.Except(execution.Steps.Where(s => s.Status is StepStatus.Success).Select(s => s.StepId)).Except(command.Results.Keys);
        if (!called.SequenceEqual(left))
        {
            Fault(FaultKind.CalledAgain, string.Join(", ", called));
        }

        void Fault(FaultKind kind, string what) => _faults.Add(new EffectFault(kind, order, what));
    }

    private static List<string> OrdersOf(string batch) => [.. Enumerable.Range(0, Slots).Select(n => string.Create(CultureInfo.InvariantCulture, $"{batch}-{n}"))];

    private static WorkerCommand[] CommandsOf(IEnumerable<string> orders) => [.. orders.Select((order, slot) => new WorkerCommand(0, slot, ShopProcedure.Plain, order))];
}

/// <summary>How the races went.</summary>
/// <param name="Seed">What chose the moments of the kills.</param>
/// <param name="Rounds">Executions that two processes resumed at once.</param>
/// <param name="Kills">The kills that stopped them.</param>
/// <param name="Settled">Of the executions, those that were stopped in a write, of which the host said how it had ended.</param>
/// <param name="FirstWon">How often the process won that was told first.</param>
/// <param name="SecondWon">How often the other won.</param>
/// <param name="LostAtClaim">How often the loser had found the execution free as well, and lost when it claimed it.</param>
/// <param name="Faults">What must not be, and was.</param>
/// <param name="Duration">How long it took.</param>
internal sealed record RaceResult(int Seed, int Rounds, int Kills, int Settled, int FirstWon, int SecondWon, int LostAtClaim, IReadOnlyList<EffectFault> Faults, TimeSpan Duration)
{
    public int Of(FaultKind kind) => Faults.Count(f => f.Kind == kind);
}
