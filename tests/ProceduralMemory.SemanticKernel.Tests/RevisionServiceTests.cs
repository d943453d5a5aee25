using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Microsoft.SemanticKernel;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>In a host the maintenance pass runs by itself.</summary>
public sealed class RevisionServiceTests
{
    [Fact]
    public async Task It_runs_at_the_interval_that_the_host_sets()
    {
        var time = new FakeTimeProvider();
        await using var provider = new ServiceCollection().AddProceduralMemory(o =>
        {
            o.DatabasePath = ":memory:";
            o.Approval = ApprovalPolicy.Never;
            o.TimeProvider = time;
            o.RevisionInterval = TimeSpan.FromHours(1);
            o.Retention = new() { Executions = TimeSpan.FromDays(1) };
        }).BuildServiceProvider();
        var memory = provider.GetRequiredService<ProcedureMemory>();
        await memory.StoredAsync("task", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        await memory.ReplayAsync(kernel, "task");
        var service = Assert.Single(provider.GetServices<IHostedService>());

        await service.StartAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Single(await memory.ListExecutionsAsync());
        time.Advance(TimeSpan.FromHours(24));

        // The pass is another thread's.
        for (var i = 0; i < 500 && (await memory.ListExecutionsAsync()).Count > 0; i++)
        {
            await Task.Delay(20);
            time.Advance(TimeSpan.FromHours(1));
        }

        Assert.Empty(await memory.ListExecutionsAsync());
        await service.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task A_pass_that_something_but_the_host_cancelled_is_logged_and_the_next_one_runs()
    {
        var time = new FakeTimeProvider();
        using var log = new LogBook();
        var passes = 0;
        await using var provider = new ServiceCollection()
            .AddSingleton<ILoggerFactory>(log)
            .AddSingleton(FaultyStore.Around(
                new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }),
                _ => Interlocked.Increment(ref passes) == 1 ? new OperationCanceledException("A connection of the host was cancelled.") : null))
            .AddProceduralMemory(o => (o.TimeProvider, o.RevisionInterval) = (time, TimeSpan.FromHours(1)))
            .BuildServiceProvider();
        var service = (BackgroundService)Assert.Single(provider.GetServices<IHostedService>());

        await service.StartAsync(CancellationToken.None);

        // The pass is another thread's.
        for (var i = 0; i < 500 && !log.Entries.Any(e => e.Message.Contains("The maintenance pass looked at", StringComparison.Ordinal)); i++)
        {
            time.Advance(TimeSpan.FromHours(1));
            await Task.Delay(20);
        }

        Assert.Contains(log.Errors, e => e.Message.Contains("The maintenance pass failed", StringComparison.Ordinal));
        Assert.Contains(log.Entries, e => e.Message.Contains("The maintenance pass looked at", StringComparison.Ordinal));
        Assert.False(service.ExecuteTask!.IsCompleted);
        await service.StopAsync(CancellationToken.None);
    }

    [Fact]
    public void Without_an_interval_there_is_no_service()
    {
        using var provider = new ServiceCollection().AddProceduralMemory(o => o.DatabasePath = ":memory:").BuildServiceProvider();
        Assert.Empty(provider.GetServices<IHostedService>());
    }
}
