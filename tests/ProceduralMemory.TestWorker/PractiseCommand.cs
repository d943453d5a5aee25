using System.Globalization;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>
/// A host beside the maintenance pass: it replays what can be improved (<see cref="Practice"/>), stores another edition of it now and then or when it was stopped, and records tasks and replays them.
/// It begins when a line comes on its input, so that several can be let go at once.
/// </summary>
internal static class PractiseCommand
{
    private const int RecordedNames = 3;

    public static async Task RunAsync(string database, int count, int seed)
    {
        Acknowledgements.Ready();
        await Console.In.ReadLineAsync();

        var started = TimeProvider.System.GetTimestamp();
        var random = new Random(seed);
        var recorded = new Dictionary<string, int>();
        using var memory = Practice.Open(database);
        for (var n = 0; n < count; n++)
        {
            var order = string.Create(CultureInfo.InvariantCulture, $"{seed}-{n}");
            var practised = Practice.Names[random.Next(Practice.Names.Count)];
            switch (random.Next(100))
            {
                case < 15:
                    recorded.TryAdd(await Work.RecordAsync(memory, NameFor(random, seed), order), 0);
                    break;
                case < 16:
                    Acknowledgements.Stored(await Practice.StoreAsync(memory, practised, order));
                    break;
                case < 30 when recorded.Count > 0:
                    await ReplayRecordedAsync(memory, recorded, recorded.Keys.ElementAt(random.Next(recorded.Count)), order);
                    break;
                default:
                    await ReplayAsync(memory, practised, Practice.Host(practised, notes: random.Next(4) == 0), order);
                    break;
            }
        }

        Acknowledgements.Done(count, TimeProvider.System.GetElapsedTime(started));
    }

    private static string NameFor(Random random, int seed) => random.Next(2) == 0
        ? string.Create(CultureInfo.InvariantCulture, $"shared-{random.Next(RecordedNames)}")
        : string.Create(CultureInfo.InvariantCulture, $"own-{seed}-{random.Next(RecordedNames)}");

    /// <summary>Every fourth replay of an own name fails: never so many of one version that the pass would stop it.</summary>
    private static async Task ReplayRecordedAsync(ProcedureMemory memory, Dictionary<string, int> replays, string name, string order)
    {
        var fails = replays[name]++ % 4 == 3 && name.StartsWith("own", StringComparison.Ordinal);
        await ReplayAsync(
            memory,
            name,
            new AnsweringExecutor(call => fails && call.Action == "work.step_1" ? throw new InvalidOperationException("The second step fails on purpose.") : Work.Answer(call)),
            order);
    }

    private static async Task ReplayAsync(ProcedureMemory memory, string name, AnsweringExecutor host, string order)
    {
        var result = await memory.ReplayAsync(host, name, Work.RequestFor(order));
        if (result.Outcome is ReplayOutcome.Refused && result.Problems.All(p => p.Code == ReplayProblemCodes.Quarantined))
        {
            // What a person would do: give it steps that may work.
            Acknowledgements.Refused(name);
            Acknowledgements.Stored(await Practice.StoreAsync(memory, name, order));
            return;
        }

        Acknowledgements.Replayed(result);
        Acknowledgements.Called(result.ExecutionId!.Value, host.Calls.Select(c => Practice.Describe(c.StepId, c.Arguments)));
    }
}
