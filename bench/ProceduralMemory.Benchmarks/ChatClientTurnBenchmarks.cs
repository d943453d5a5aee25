using System.Runtime.CompilerServices;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Benchmarks;

/// <summary>The same for a chat client of Microsoft.Extensions.AI with its function invocation, whose model answers at once.</summary>
[MemoryDiagnoser]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public class ChatClientTurnBenchmarks
{
    private const int Procedures = 1000;
    private const int Calls = 10;

    private readonly ChatOptions _options = new() { Tools = [AIFunctionFactory.Create((string orderId, int quantity) => new { order_id = orderId, total = quantity * 19.5 }, "place_order")] };
    private string _folder = "";
    private ProcedureMemory _memory = null!;
    private IChatClient _bare = null!;
    private IChatClient _with = null!;

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("procedural-memory-bench-").FullName;
        _memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = Path.Combine(_folder, "memory.db"), Learning = LearningMode.Automatic, TurnJudge = new Never() });
        for (var i = 0; i < Procedures; i++)
        {
            await _memory.StoreAsync(new ProcedureDefinition { Name = $"task_{i}", Description = $"Do the task number {i} with widget {i % 97} of shelf {i % 31}.", Steps = [new ProcedureStep { Action = "place_order" }] });
        }

        _bare = new Answering().AsBuilder().UseFunctionInvocation().Build();
        _with = new Answering().AsBuilder().UseProceduralMemory(_memory).UseFunctionInvocation().Build();
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _bare.Dispose();
        _with.Dispose();
        _memory.Dispose();
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "no memory")]
    [BenchmarkCategory("a turn without calls")]
    public Task<ChatResponse> BareAsync() => _bare.GetResponseAsync("Good morning! How are you today?", _options);

    [Benchmark(Description = "a memory of 1,000 procedures, searched")]
    [BenchmarkCategory("a turn without calls")]
    public Task<ChatResponse> SearchedAsync() => _with.GetResponseAsync("Good morning! How are you today?", _options);

    [Benchmark(Baseline = true, Description = "no memory")]
    [BenchmarkCategory("a turn with 10 calls")]
    public Task<ChatResponse> BareCallsAsync() => _bare.GetResponseAsync("Call: get it over with", _options);

    [Benchmark(Description = "recorded, and judged to be no task")]
    [BenchmarkCategory("a turn with 10 calls")]
    public Task<ChatResponse> RecordedCallsAsync() => _with.GetResponseAsync("Call: get it over with", _options);

    private sealed class Never : ITurnJudge
    {
        public ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default) => ValueTask.FromResult<bool?>(false);
    }

    /// <summary>A model that answers at once. Asked for calls, it asks for ten first.</summary>
    private sealed class Answering : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var last = messages.Last();
            return Task.FromResult(new ChatResponse(last.Role == ChatRole.User && last.Text.StartsWith("Call", StringComparison.Ordinal)
                ? new ChatMessage(ChatRole.Assistant, [.. Enumerable.Range(0, Calls).Select(i => new FunctionCallContent($"c{i}", "place_order", new Dictionary<string, object?> { ["orderId"] = $"W-{i}", ["quantity"] = 2 }))])
                : new ChatMessage(ChatRole.Assistant, "Done.")));
        }

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            foreach (var update in (await GetResponseAsync(messages, options, cancellationToken).ConfigureAwait(false)).ToChatResponseUpdates())
            {
                yield return update;
            }
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
