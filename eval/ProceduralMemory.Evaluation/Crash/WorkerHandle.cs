using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>A worker, seen from the process that kills it. Disposing ends it.</summary>
internal sealed class WorkerHandle : IAsyncDisposable
{
    // Nothing waits for this: it turns a hang into a failure.
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static int WorkerCount;

    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<WorkerReply?>> _waiting = new();
    private Task _reading = Task.CompletedTask;
    private int _commands;

    private WorkerHandle(string id, Process process, int slots)
    {
        (Id, _process, WarmUpCalls) = (id, process, slots * ShopProcedure.Steps.Count);
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>By which the service knows it.</summary>
    public string Id { get; }

    /// <summary>How many calls it had made when it was ready.</summary>
    public int WarmUpCalls { get; }

    /// <summary>Starts a worker and waits until it is warm.</summary>
    /// <exception cref="InvalidOperationException">It ended before.</exception>
    public static async Task<WorkerHandle> StartAsync(string database, Uri service, int slots, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref WorkerCount).ToString(CultureInfo.InvariantCulture);
        var program = typeof(WorkerHandle).Assembly.Location;
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        foreach (var argument in new[] { program, CrashCommands.Worker, "--database", database, "--service", service.ToString(), "--id", id, "--slots", slots.ToString(CultureInfo.InvariantCulture) })
        {
            start.ArgumentList.Add(argument);
        }

        // A worker lives for a second: what pays off later only costs it.
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        var worker = new WorkerHandle(id, Process.Start(start)!, slots);
        if (await worker._process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(Patience, cancellationToken) is not CrashWorker.Ready)
        {
            var said = await worker._errors;
            await worker.DisposeAsync();
            throw new InvalidOperationException($"A worker ended before it was ready: {said}");
        }

        worker._reading = worker.ReadAsync();
        return worker;
    }

    /// <summary>Tells the worker what to do, all in one write.</summary>
    /// <param name="command">What to do; its id is set here.</param>
    /// <returns>What it answers; <see langword="null"/> where it was killed first.</returns>
    public IReadOnlyList<Task<WorkerReply?>> Send(params IReadOnlyList<WorkerCommand> command)
    {
        var lines = new StringBuilder();
        var replies = new List<Task<WorkerReply?>>();
        foreach (var one in command)
        {
            var id = ++_commands;
            lines.Append(JsonSerializer.Serialize(one with { Id = id })).Append('\n');
            replies.Add((_waiting[id] = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task.WaitAsync(Patience));
        }

        _process.StandardInput.Write(lines);
        _process.StandardInput.Flush();
        return replies;
    }

    /// <summary>Ends it as <c>kill -9</c> does, and waits until it is gone. What it had said before is read.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        await _reading;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        await _reading;
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (Read(line) is { } reply && _waiting.TryRemove(reply.Id, out var waiting))
            {
                waiting.SetResult(reply);
            }
        }

        foreach (var (_, waiting) in _waiting)
        {
            waiting.TrySetResult(null);
        }
    }

    private static WorkerReply? Read(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<WorkerReply>(line);
        }
        catch (JsonException)
        {
            // It was killed in the middle of the line.
            return null;
        }
    }
}
