using System.Globalization;

namespace ProceduralMemory.TestWorker;

/// <summary>Records and finalizes until it is killed.</summary>
internal static class RecordForeverCommand
{
    private const int Names = 3;
    private const int LargePayload = 12_000;

    public static async Task RunAsync(string database, int seed)
    {
        // A parent that dies closes the pipe: the worker does not outlive it.
        _ = Task.Run(async () =>
        {
            await Console.In.ReadToEndAsync();
            Environment.Exit(3);
        });

        Acknowledgements.Ready();
        var random = new Random(seed);
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = database, BusyTimeout = Work.BusyTimeout });
        for (var n = 0; ; n++)
        {
            var order = string.Create(CultureInfo.InvariantCulture, $"{seed}-{n}");
            var name = string.Create(CultureInfo.InvariantCulture, $"forever-{random.Next(Names)}");
            var recorder = await Work.StartAsync(memory, name, order);
            for (var number = 0; number < Work.StepsOf(name); number++)
            {
                // Now and then a value of several pages, so that a commit is more than one page and the log is checkpointed.
                await Work.RecordStepAsync(recorder, number, order, random.Next(4) == 0 ? random.Next(LargePayload) : 0);
            }

            await Work.FinalizeAsync(recorder);
        }
    }
}
