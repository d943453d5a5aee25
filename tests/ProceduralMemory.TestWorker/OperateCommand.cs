using System.Globalization;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>
/// A busy host: it records and finalizes, replays, lists and finds, under names of its own and names that all workers share.
/// It begins when a line comes on its input, so that several can be let go at once.
/// </summary>
internal static class OperateCommand
{
    private const int SharedNames = 3;
    private const int OwnNames = 3;

    public static async Task RunAsync(string database, int count, int seed)
    {
        Acknowledgements.Ready();
        await Console.In.ReadLineAsync();

        var started = TimeProvider.System.GetTimestamp();
        var random = new Random(seed);
        var names = new List<string>();
        using var memory = Work.Open(database);
        for (var n = 0; n < count; n++)
        {
            var order = string.Create(CultureInfo.InvariantCulture, $"{seed}-{n}");
            switch (random.Next(100))
            {
                case < 40:
                case var _ when names.Count == 0:
                    names.Add(await Work.RecordAsync(memory, NameFor(random, seed), order));
                    break;
                case < 85:
                    await ReplayAsync(memory, random, names[random.Next(names.Count)], order);
                    break;
                case < 90:
                    await CancelReplayAsync(memory, names[random.Next(names.Count)], order);
                    break;
                case < 95:
                    Acknowledgements.Listed((await memory.ListAsync()).Count);
                    break;
                default:
                    Acknowledgements.Found((await memory.FindAsync($"work through an order of {names[^1]}")).Matches.Count);
                    break;
            }
        }

        Acknowledgements.Done(count, TimeProvider.System.GetElapsedTime(started));
    }

    private static string NameFor(Random random, int seed) => random.Next(2) == 0
        ? string.Create(CultureInfo.InvariantCulture, $"shared-{random.Next(SharedNames)}")
        : string.Create(CultureInfo.InvariantCulture, $"own-{seed}-{random.Next(OwnNames)}");

    private static async Task ReplayAsync(ProcedureMemory memory, Random random, string name, string order)
    {
        var fails = random.Next(5) == 0;
        var executor = new AnsweringExecutor(call => fails && call.Action == "work.step_1"
            ? throw new InvalidOperationException("The second step fails on purpose.")
            : Work.Answer(call));
        Acknowledgements.Replayed(await memory.ReplayAsync(executor, name, Work.RequestFor(order)));
    }

    private static async Task CancelReplayAsync(ProcedureMemory memory, string name, string order)
    {
        using var cancellation = new CancellationTokenSource();
        var executor = new AnsweringExecutor(call =>
        {
            if (call.Action == "work.step_1")
            {
                cancellation.Cancel();
            }

            return Work.Answer(call);
        });
        try
        {
            await memory.ReplayAsync(executor, name, Work.RequestFor(order), cancellation.Token);
            throw new InvalidOperationException("The replay was cancelled and completed nevertheless.");
        }
        catch (OperationCanceledException)
        {
            Acknowledgements.Cancelled(executor.Calls[0].ExecutionId, name);
        }
    }
}
