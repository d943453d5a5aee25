using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;
using ProceduralMemory.SemanticKernel;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>A process that replays and resumes as it is told, until it is killed or its input ends.</summary>
internal sealed class CrashWorker : IDisposable
{
    /// <summary>What it says when kernels, database and connections are open, and a replay has run.</summary>
    public const string Ready = "ready";

    private readonly ProcedureMemory _memory;
    private readonly List<(Kernel Kernel, HttpClient Http)> _slots = [];
    private readonly StreamWriter _output = new(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true, NewLine = "\n" };

    private CrashWorker(string database, Uri service, string id, int slots)
    {
        _memory = CrashMemory.Open(database);
        for (var n = 0; n < slots; n++)
        {
            // One connection for each, opened in advance: the service knows then when everything that a killed worker sent has come.
            var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1, PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan, PooledConnectionLifetime = Timeout.InfiniteTimeSpan }) { BaseAddress = service };
            http.DefaultRequestHeaders.Add(ShopService.WorkerHeader, id);
            var kernel = new Kernel();
            kernel.Plugins.AddFromObject(new ShopFunctions(http, new Random(n)), ShopFunctions.Plugin);
            kernel.UseProceduralMemory(_memory);
            _slots.Add((kernel, http));
        }
    }

    public static async Task RunAsync(string database, Uri service, string id, int slots, CancellationToken cancellationToken)
    {
        using var worker = new CrashWorker(database, service, id, slots);
        await worker.WarmUpAsync(id, cancellationToken);
        worker.Print(Ready);

        // Read on a thread of its own: the console's reader does not yield.
        var running = new List<Task>();
        while (await Task.Run(Console.In.ReadLine, cancellationToken) is { } line)
        {
            var command = JsonSerializer.Deserialize<WorkerCommand>(line)!;
            running.Add(Task.Run(async () => worker.Print(JsonSerializer.Serialize(await worker.AnswerAsync(command, cancellationToken))), cancellationToken));
        }

        await Task.WhenAll(running);
    }

    public void Dispose()
    {
        _slots.ForEach(s => s.Http.Dispose());
        _memory.Dispose();
        _output.Dispose();
    }

    private async Task WarmUpAsync(string id, CancellationToken cancellationToken)
    {
        foreach (var (_, http) in _slots)
        {
            (await http.GetAsync(new Uri("/hello", UriKind.Relative), cancellationToken)).Dispose();
        }

        await Task.WhenAll(_slots.Select(async (slot, n) =>
        {
            using var session = _memory.BeginSession(new MemoryScope("warm-up", MemoryScope.Default.Write));
            var order = string.Create(CultureInfo.InvariantCulture, $"{ShopService.WarmUp}{id}-{n}");
            (await _memory.ReplayAsync(slot.Kernel, ShopProcedure.Plain, ReplayRequest.For(new { order }), cancellationToken: cancellationToken)).ThrowIfNotCompleted();
        }));
    }

    private async Task<WorkerReply> AnswerAsync(WorkerCommand command, CancellationToken cancellationToken)
    {
        var (kernel, http) = _slots[command.Slot];
        try
        {
            if (command.Gate is { } gate)
            {
                (await http.GetAsync(new Uri($"/gate/{gate}", UriKind.Relative), cancellationToken)).Dispose();
            }

            using var session = _memory.BeginSession(command.Scope is { } scope ? new MemoryScope(scope, MemoryScope.Default.Write) : null);
            var result = command.Execution is { } execution
                ? await _memory.ResumeAsync(new KernelStepExecutor(kernel), execution, new ResumeRequest { Results = command.Results, Repeat = command.Repeat }, cancellationToken)
                : await _memory.ReplayAsync(kernel, command.Procedure, ReplayRequest.For(new { order = command.Order }), cancellationToken: cancellationToken);
            return new WorkerReply(command.Id, result.Outcome, result.Message, result.Problems);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new WorkerReply(command.Id, null, $"{exception.GetType().Name}: {exception.Message}", []);
        }
    }

    /// <summary>One write for a line, so that a killed worker leaves whole ones behind.</summary>
    private void Print(string line)
    {
        lock (_output)
        {
            _output.Write(line + "\n");
        }
    }
}
