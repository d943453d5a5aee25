using System.Runtime.CompilerServices;
using AgentDemo.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>The chat services of a kernel are the same as before, with their turns seen.</summary>
public sealed class ChatServiceTests
{
    [Fact]
    public async Task Services_with_keys_without_and_of_several_models_are_each_covered_and_selected_as_before()
    {
        var builder = Kernel.CreateBuilder();
        builder.Services.AddKeyedSingleton<IChatCompletionService>("small", new Chat("small"));
        builder.Services.AddKeyedSingleton<IChatCompletionService>("large", (_, key) => new Chat((string)key!));
        builder.Services.AddSingleton<IChatCompletionService, DefaultChat>();
        var memory = Added(builder);
        var kernel = builder.Build();

        foreach (var name in (string?[])["small", "large", null])
        {
            var chat = kernel.GetRequiredService<IChatCompletionService>(name);
            Assert.IsAssignableFrom<TurnChatCompletion>(chat);
            Assert.Equal(name ?? "default", chat.Attributes["ModelId"]);
            Assert.Equal($"{name ?? "default"}, in a turn", (await chat.GetChatMessageContentAsync("Hello", kernel: kernel)).Content);
        }

        Assert.Equal("large, in a turn", (await kernel.InvokePromptAsync<string>("Hello", new KernelArguments(new PromptExecutionSettings { ModelId = "large" })))!);
        Assert.Equal("small, in a turn", (await kernel.InvokePromptAsync<string>("Hello", new KernelArguments(new PromptExecutionSettings { ServiceId = "small" })))!);
        Assert.NotNull(memory(kernel));
    }

    [Fact]
    public async Task A_service_that_is_registered_afterwards_is_covered_when_the_memory_is_added_once_more()
    {
        var builder = Kernel.CreateBuilder();
        Added(builder);
        builder.Services.AddSingleton<IChatCompletionService>(new Chat("late"));
        Assert.IsType<Chat>(builder.Build().GetRequiredService<IChatCompletionService>());

        builder.AddProceduralMemory(":memory:");
        builder.AddProceduralMemory(":memory:");
        var kernel = builder.Build();
        var chat = kernel.GetRequiredService<IChatCompletionService>();
        Assert.Equal("late, in a turn", (await chat.GetChatMessageContentAsync("Hello", kernel: kernel)).Content);
        Assert.Equal("late, in a turn", string.Concat(await chat.GetStreamingChatMessageContentsAsync("Hello", kernel: kernel).Select(p => p.Content).ToListAsync()));
    }

    [Fact]
    public async Task Turns_of_a_service_that_was_registered_afterwards_are_learned_from_as_their_conversations_go_on()
    {
        using var log = new LogBook();
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Plugins.Add(new Shop().Plugin());
                b.Services.AddSingleton<ILoggerFactory>(log);
            },
            o => o.Learning = LearningMode.Automatic,
            chatAfterwards: true);
        var chat = agent.Kernel.GetRequiredService<IChatCompletionService>();
        Assert.IsNotType<OwningTurnChatCompletion>(chat);

        var talk = new ChatHistory();
        await agent.GoOnAsync(talk, "Please refund order W1", ByHand("W1"));
        Assert.Empty(await agent.Memory.ListAsync());
        await agent.GoOnAsync(talk, "Please refund order W2", ByHand("W2"));
        Assert.Equal("refund_order", Assert.Single(await agent.Memory.ListAsync()).Name);
        Assert.Single(log.Entries, e => e.Message.Contains("registered after AddProceduralMemory", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Calls_that_the_host_makes_itself_are_taken_from_the_conversation()
    {
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), o => o.Learning = LearningMode.Automatic);
        var talk = new ChatHistory();
        await agent.CallsByHostAsync(talk, "Please refund order W1", ByHand("W1"));

        var learned = Assert.Single(await agent.Memory.ListAsync());
        Assert.Equal(["shop.get_order", "shop.refund"], learned.Actions());
        Assert.Equal("$steps.get_order.outputs#/CustomerId", learned.Version.Steps[1].Arguments.GetProperty("customerId").GetString());
        Assert.Equal(3, (await agent.Memory.LatestTraceAsync()).ModelCalls);

        await agent.CallsByHostAsync(talk, "Please refund order W2", Model.Calls("learned-refund_order", """{"orderId":"W2"}"""));
        Assert.Equal("completed", ((PluginReply)talk[^2].Items.OfType<FunctionResultContent>().Single().Result!).Status);
        Assert.False(agent.Memory.HasActiveRecordings);
    }

    private static ModelTurn[] ByHand(string order) =>
        [Model.Calls("shop-get_order", $$"""{"orderId":"{{order}}"}"""), Model.Calls("shop-refund", """{"customerId":"C-7788","amount":1249.90}""")];

    [Fact]
    public async Task Without_a_kernel_there_are_no_functions_and_no_turn()
    {
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton<IChatCompletionService>(new Chat("alone"));
        Added(builder);

        Assert.Equal("alone, outside", (await builder.Build().GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync("Hello")).Content);
    }

    [Fact]
    public async Task A_service_is_disposed_by_whoever_created_it()
    {
        var (given, made) = (new Chat("given"), new Chat("made"));
        var services = new ServiceCollection();
        services.AddKeyedSingleton<IChatCompletionService>("given", given);
        services.AddKeyedSingleton<IChatCompletionService>("made", (_, _) => made);
        services.AddProceduralMemory(":memory:");
        var provider = services.BuildServiceProvider();
        provider.GetRequiredKeyedService<IChatCompletionService>("given");
        provider.GetRequiredKeyedService<IChatCompletionService>("made");
        await provider.DisposeAsync();

        Assert.Equal((false, true), (given.IsDisposed, made.IsDisposed));
    }

    private static Func<Kernel, ProcedureMemory> Added(IKernelBuilder builder)
    {
        builder.AddProceduralMemory(":memory:");
        return k => k.Services.GetRequiredService<ProcedureMemory>();
    }

    private sealed class DefaultChat() : Chat("default");

    private class Chat(string name) : IChatCompletionService, IDisposable
    {
        public bool IsDisposed { get; private set; }

        public IReadOnlyDictionary<string, object?> Attributes { get; } = new Dictionary<string, object?> { ["ModelId"] = name };

        public Task<IReadOnlyList<ChatMessageContent>> GetChatMessageContentsAsync(
            ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, CancellationToken cancellationToken = default) =>
            Task.FromResult<IReadOnlyList<ChatMessageContent>>([new ChatMessageContent(AuthorRole.Assistant, Answer(kernel))]);

        public async IAsyncEnumerable<StreamingChatMessageContent> GetStreamingChatMessageContentsAsync(
            ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            foreach (var part in Answer(kernel).Split(' ').Select((word, i) => i == 0 ? word : " " + word))
            {
                await Task.Yield();
                yield return new StreamingChatMessageContent(AuthorRole.Assistant, part);
            }
        }

        public void Dispose() => IsDisposed = true;

        private string Answer(Kernel? kernel) => $"{name}, {(kernel?.Services.GetRequiredService<ProcedureMemory>().CurrentTurn is null ? "outside" : "in a turn")}";
    }
}
