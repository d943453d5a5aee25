using System.Text.Json;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Benchmarks;

/// <summary>What making a procedure of long recordings costs, from reading the traces to the version stored, against reading those traces alone.</summary>
[MemoryDiagnoser]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public class DistillBenchmarks
{
    private const int Steps = 50;
    private const int ResultBytes = 1024 * 1024 / Steps;

    private readonly List<Guid> _one = [];
    private readonly List<Guid> _three = [];
    private string _folder = "";
    private ProcedureMemory _memory = null!;

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("procedural-memory-bench-").FullName;
        _memory = new ProcedureMemory(Path.Combine(_folder, "distill.db"));
        _one.Add(await RecordAsync("one", 0));
        for (var i = 0; i < 3; i++)
        {
            _three.Add(await RecordAsync("three", i));
        }
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _memory.Dispose();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "reading the trace")]
    [BenchmarkCategory("one trace")]
    public Task<int> ReadOneAsync() => ReadAsync(_one);

    [Benchmark(Description = "distilling it")]
    [BenchmarkCategory("one trace")]
    public Task<RecordingResult> DistillOneAsync() => DistillAsync(_one);

    [Benchmark(Baseline = true, Description = "reading the traces")]
    [BenchmarkCategory("three traces of one procedure")]
    public Task<int> ReadThreeAsync() => ReadAsync(_three);

    [Benchmark(Description = "distilling them")]
    [BenchmarkCategory("three traces of one procedure")]
    public Task<RecordingResult> DistillThreeAsync() => DistillAsync(_three);

    private async Task<int> ReadAsync(List<Guid> traces)
    {
        var steps = 0;
        foreach (var trace in traces)
        {
            steps += (await _memory.GetTraceAsync(trace))!.Steps.Count;
        }

        return steps;
    }

    /// <summary>Distils the last trace again, together with those that the standing version is made of: the same ones every time.</summary>
    private async Task<RecordingResult> DistillAsync(List<Guid> traces)
    {
        var result = await _memory.DistillTraceAsync(traces[^1]);
        return result.Procedure?.Version.Steps.Count == Steps ? result : throw new InvalidOperationException("Nothing was distilled, so nothing was measured.");
    }

    /// <summary>A customer's order as it goes through fifty calls. Each takes ids out of the result before it, the request's values, and a constant.</summary>
    private async Task<Guid> RecordAsync(string name, int seed)
    {
        var recorder = await _memory.StartRecordingAsync(new RecordingDetails { Name = name, Description = "Work through an order", Request = $"Work through the order W-{7100 + seed} for Ada{seed} at once" });
        var random = new Random(seed);
        var (next, item) = ("start", "none");
        for (var i = 0; i < Steps; i++)
        {
            var arguments = new { order = $"W-{7100 + seed}", customer = $"Ada{seed}", after = next, item, options = new { page_size = 50, sort = "by_price" } };
            next = $"N-{random.Next(100_000, 999_999)}";
            var items = new List<object>();
            for (var bytes = 0; bytes < ResultBytes; bytes += 190)
            {
                items.Add(new
                {
                    id = $"I-{random.Next(1_000_000, 9_999_999)}",
                    name = $"Article {random.Next(10_000)} of the summer list",
                    price = random.Next(100, 90_000) / 100.0,
                    stock = random.Next(40),
                    available = random.Next(2) == 0,
                    supplier = new { id = $"S-{random.Next(500)}", city = random.Next(2) == 0 ? "Lisbon" : "Ghent" },
                    sku = $"{random.NextInt64(1_000_000_000_000, 9_999_999_999_999)}",
                });
            }

            var result = JsonSerializer.SerializeToElement(new { next, items });
            item = result.GetProperty("items")[random.Next(items.Count)].GetProperty("id").GetString()!;
            await recorder.RecordStepAsync(new TraceStep { Action = $"shop.step_{i}", Arguments = JsonSerializer.SerializeToElement(arguments), Result = result });
        }

        await recorder.FinalizeAsync();
        return recorder.TraceId;
    }
}
