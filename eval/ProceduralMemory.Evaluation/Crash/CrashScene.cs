using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>What stays while workers are killed: the service, the database file, and the memory as the host sees it.</summary>
internal sealed class CrashScene : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("procedural-memory-crash-").FullName;

    private CrashScene(ShopService service)
    {
        Service = service;
        Memory = CrashMemory.Open(Database);
    }

    public ShopService Service { get; }

    public ProcedureMemory Memory { get; }

    private string Database => Path.Combine(_folder, "crash.db");

    public static async Task<CrashScene> SetAsync(int seed, CancellationToken cancellationToken)
    {
        var scene = new CrashScene(await ShopService.StartAsync(seed, cancellationToken));
        await ShopProcedure.StoreAsync(scene.Memory, cancellationToken);
        return scene;
    }

    public Task<WorkerHandle> StartWorkerAsync(int slots, CancellationToken cancellationToken) => WorkerHandle.StartAsync(Database, Service.Address, slots, cancellationToken);

    /// <summary>Waits until a worker that was just told something makes its first call, or has nothing to call.</summary>
    /// <returns>When that was, as a timestamp.</returns>
    public async Task<long> BeginsAsync(WorkerHandle worker, Task replies)
    {
        await Task.WhenAny(Service.AskedAsync(worker.Id, worker.WarmUpCalls + 1), replies);
        return TimeProvider.System.GetTimestamp();
    }

    /// <summary>Kills a worker a time after a timestamp, and waits until nothing more can come of it.</summary>
    public async Task KillAsync(WorkerHandle worker, long begunAt, TimeSpan moment, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;

        // A timer alone is late by up to some milliseconds, and then kills would fall in step with the service's own timers.
        if (moment - time.GetElapsedTime(begunAt) - TimeSpan.FromMilliseconds(4) is var far && far > TimeSpan.Zero)
        {
            await Task.Delay(far, time, cancellationToken);
        }

        while (time.GetElapsedTime(begunAt) < moment)
        {
            Thread.Yield();
        }

        await KillAsync(worker);
    }

    /// <summary>Kills a worker, and waits until nothing more can come of it.</summary>
    public async Task KillAsync(WorkerHandle worker)
    {
        await worker.KillAsync();
        await Service.GoneAsync(worker.Id).WaitAsync(WorkerHandle.Patience);
    }

    /// <summary>The execution that was begun for an order; <see langword="null"/> where none was.</summary>
    public async Task<Execution?> ExecutionOfAsync(string order, CancellationToken cancellationToken)
    {
        // Those that were left behind are what a host looks for when it starts.
        var known = (await Memory.ListInterruptedAsync(cancellationToken: cancellationToken)).FirstOrDefault(IsOf)
            ?? (await Memory.ListExecutionsAsync(cancellationToken: cancellationToken)).FirstOrDefault(IsOf);
        return known is null ? null : await Memory.GetExecutionAsync(known.Id, cancellationToken);

        bool IsOf(Execution execution) => execution.Inputs.GetProperty("order").ValueEquals(order);
    }

    /// <summary>What the host answers of the steps whose outcome is not known: it looks at the service's counter.</summary>
    public WorkerCommand Settle(WorkerCommand command, IEnumerable<string> unknown)
    {
        var (done, notDone) = (unknown.Where(s => Service.CountOf(command.Order, s) > 0).ToList(), unknown.Where(s => Service.CountOf(command.Order, s) == 0).ToList());
        return command with { Results = done.ToDictionary(s => s, s => Service.AnswerOf(command.Order, s)), Repeat = notDone };
    }

    /// <summary>The writes of which the journal does not know what became.</summary>
    public static IReadOnlyList<string> UnknownWrites(Execution execution) =>
        [.. execution.Steps.Where(s => s.Status is StepStatus.Running or StepStatus.Unknown && ShopProcedure.Writes.Contains(s.StepId)).Select(s => s.StepId)];

    public async ValueTask DisposeAsync()
    {
        Memory.Dispose();
        await Service.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
