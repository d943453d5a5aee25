using System.Text.Json;
using BenchmarkDotNet.Attributes;
using Microsoft.Data.Sqlite;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Benchmarks;

/// <summary>What a replay costs for each step, against invoking the same functions with the same values directly.</summary>
[MemoryDiagnoser]
public class ReplayBenchmarks
{
    private const int Steps = 10;

    private string _folder = "";
    private ProcedureMemory _file = null!;
    private ProcedureMemory _inMemory = null!;
    private Kernel _kernel = null!;
    private KernelFunction _function = null!;
    private ReplayRequest _request = null!;

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("procedural-memory-bench-").FullName;
        _function = KernelFunctionFactory.CreateFromMethod((string order, int step) => new { order, next = step + 1 }, "advance", "Advances an order.");
        _kernel = new Kernel { Plugins = { KernelPluginFactory.CreateFromFunctions("shop", [_function]) } };
        _function = _kernel.Plugins["shop"]["advance"];
        _request = new ReplayRequest { Inputs = new Dictionary<string, JsonElement> { ["order"] = JsonSerializer.SerializeToElement("W-2378156") } };

        var steps = Enumerable.Range(0, Steps).Select(i => new ProcedureStep
        {
            Id = $"s{i}",
            Action = "shop.advance",
            Arguments = JsonElement.Parse(i == 0 ? """{"order":"$inputs.order","step":0}""" : $$"""{"order":"$inputs.order","step":"$steps.s{{i - 1}}.outputs#/next"}"""),
        });
        var definition = new ProcedureDefinition { Name = "advance", Inputs = [new ProcedureInput { Name = "order", Type = JsonType.String }], Steps = [.. steps] };
        _file = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = Path.Combine(_folder, "replay.db"), Approval = ApprovalPolicy.Never });
        _inMemory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:", Approval = ApprovalPolicy.Never });
        await _file.StoreAsync(definition);
        await _inMemory.StoreAsync(definition);
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _file.Dispose();
        _inMemory.Dispose();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "kernel.InvokeAsync, per call", OperationsPerInvoke = Steps)]
    public async Task DirectAsync()
    {
        for (var i = 0; i < Steps; i++)
        {
            await _kernel.InvokeAsync(_function, new KernelArguments { ["order"] = "W-2378156", ["step"] = i });
        }
    }

    [Benchmark(Description = "replay, database in memory, per step", OperationsPerInvoke = Steps)]
    public async Task ReplayInMemoryAsync() => (await _inMemory.ReplayAsync(_kernel, "advance", _request)).ThrowIfNotCompleted();

    [Benchmark(Description = "replay, database file, per step", OperationsPerInvoke = Steps)]
    public async Task ReplayFileAsync() => (await _file.ReplayAsync(_kernel, "advance", _request)).ThrowIfNotCompleted();
}
