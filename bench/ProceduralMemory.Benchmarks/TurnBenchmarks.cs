using System.Runtime.CompilerServices;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Benchmarks;

/// <summary>What a memory with a thousand procedures adds to a turn of a chat whose model answers at once: without calls, with ten that teach nothing, and with ten that show a known procedure again.</summary>
[MemoryDiagnoser]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public class TurnBenchmarks
{
    private const int Procedures = 1000;
    private const int Calls = 10;

    private readonly PromptExecutionSettings _settings = new() { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
    private string _folder = "";
    private Kernel _bare = null!;
    private Kernel _judging = null!;
    private Kernel _learning = null!;

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("procedural-memory-bench-").FullName;
        _bare = Build(configure: null);
        _judging = Build(o => (o.DatabasePath, o.Learning, o.TurnJudge) = (Path.Combine(_folder, "judging.db"), LearningMode.Automatic, new Never()));
        _learning = Build(o => (o.DatabasePath, o.Learning) = (Path.Combine(_folder, "learning.db"), LearningMode.Automatic));
        foreach (var kernel in (Kernel[])[_judging, _learning])
        {
            var memory = kernel.Services.GetRequiredService<ProcedureMemory>();
            for (var i = 0; i < Procedures; i++)
            {
                await memory.StoreAsync(new ProcedureDefinition { Name = $"task_{i}", Description = $"Do the task number {i} with widget {i % 97} of shelf {i % 31}.", Steps = [new ProcedureStep { Action = "shop.place_order" }] });
            }
        }
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (var kernel in (Kernel[])[_judging, _learning])
        {
            kernel.Services.GetRequiredService<ProcedureMemory>().Dispose();
        }

        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, Description = "no memory")]
    [BenchmarkCategory("a turn without calls")]
    public Task<string?> BareAsync() => AskAsync(_bare, "Good morning! How are you today?");

    [Benchmark(Description = "a memory of 1,000 procedures, searched")]
    [BenchmarkCategory("a turn without calls")]
    public Task<string?> SearchedAsync() => AskAsync(_judging, "Good morning! How are you today?");

    [Benchmark(Baseline = true, Description = "no memory")]
    [BenchmarkCategory("a turn with 10 calls")]
    public Task<string?> BareCallsAsync() => AskAsync(_bare, "Call: get it over with");

    [Benchmark(Description = "recorded, and judged to be no task")]
    [BenchmarkCategory("a turn with 10 calls")]
    public Task<string?> RecordedCallsAsync() => AskAsync(_judging, "Call: get it over with");

    [Benchmark(Description = "recorded, and seen to be a known task")]
    [BenchmarkCategory("a turn with 10 calls")]
    public Task<string?> LearnedCallsAsync() => AskAsync(_learning, "Call: get it over with");

    private static Kernel Build(Action<SemanticKernel.ProceduralMemoryKernelOptions>? configure)
    {
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton<IChatCompletionService>(new Answering());
        builder.Plugins.AddFromFunctions("shop", [KernelFunctionFactory.CreateFromMethod((string orderId, int quantity) => new { order_id = orderId, total = quantity * 19.5 }, "place_order")]);
        if (configure is not null)
        {
            builder.AddProceduralMemory(configure);
        }

        return builder.Build();
    }

    private async Task<string?> AskAsync(Kernel kernel, string request) =>
        (await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(new ChatHistory(request, AuthorRole.User), _settings, kernel)).Content;

    private sealed class Never : ITurnJudge
    {
        public ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default) => ValueTask.FromResult<bool?>(false);
    }

    /// <summary>A model that answers at once. Asked for calls, it has ten made first, as a connector does: through the kernel.</summary>
    private sealed class Answering : IChatCompletionService
    {
        public IReadOnlyDictionary<string, object?> Attributes { get; } = new Dictionary<string, object?>();

        public async Task<IReadOnlyList<ChatMessageContent>> GetChatMessageContentsAsync(
            ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, CancellationToken cancellationToken = default)
        {
            for (var i = 0; i < Calls && chatHistory[^1].Content!.StartsWith("Call", StringComparison.Ordinal); i++)
            {
                await kernel!.InvokeAsync("shop", "place_order", new KernelArguments { ["orderId"] = $"W-{i}", ["quantity"] = "2" }, cancellationToken).ConfigureAwait(false);
            }

            return [new ChatMessageContent(AuthorRole.Assistant, "Done.")];
        }

        public async IAsyncEnumerable<StreamingChatMessageContent> GetStreamingChatMessageContentsAsync(
            ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            var answers = await GetChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken).ConfigureAwait(false);
            yield return new StreamingChatMessageContent(AuthorRole.Assistant, answers[0].Content);
        }
    }
}
