namespace ProceduralMemory.TestWorker;

/// <summary>Opens every database that it is told of, a path a line on its input, and records one procedure in each.</summary>
internal static class OpenCommand
{
    public static async Task RunAsync()
    {
        Acknowledgements.Ready();
        while (await Console.In.ReadLineAsync() is { } path)
        {
            using var memory = new ProcedureMemory(path);
            var recorder = await Work.StartAsync(memory, "opened", "first");
            await Work.RecordStepAsync(recorder, 0, "first");
            await Work.FinalizeAsync(recorder);
        }
    }
}
