namespace ProceduralMemory.TestWorker;

/// <summary>The maintenance pass, again and again until the input is closed, and then once more. It begins when a line comes on its input.</summary>
internal static class ReviseCommand
{
    public static async Task RunAsync(string database)
    {
        Acknowledgements.Ready();
        await Console.In.ReadLineAsync();

        var told = Task.Run(() => Console.In.ReadToEndAsync());
        using var memory = Practice.Open(database);
        bool isLast;
        do
        {
            isLast = told.IsCompleted;
            Acknowledgements.Revised(await memory.ReviseAsync());
        }
        while (!isLast);
    }
}
