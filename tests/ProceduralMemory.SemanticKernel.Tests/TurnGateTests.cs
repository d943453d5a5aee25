using System.Collections.Concurrent;
using System.Text.Json;
using AgentDemo.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Connectors.OpenAI;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>A replay that the model asks for stays within its turn: the functions that the turn offers, its settings, and the gates around replays.</summary>
public sealed class TurnGateTests
{
    private const string Order = """{"orderId":"W-1"}""";
    private const string Refund = """{"customerId":"C-1","amount":1}""";

    [Fact]
    public async Task A_turns_offer_binds_a_replay_under_another_name()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());
        var plugin = new ProceduralMemoryPlugin(agent.Memory);
        agent.Kernel.Plugins.Add(KernelPluginFactory.CreateFromFunctions("skills", [KernelFunctionFactory.CreateFromMethod(plugin.ReplayAsync, "run_skill")]));
        agent.Offer(["skills-run_skill"]);
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", """{"customerId":"C-1","amount":1}"""));

        Assert.Equal(ReplyStatus.Refused, (await agent.ModelCallsAsync("skills-run_skill", """{"name":"p"}""")).Status);
        Assert.Empty(shop.Calls);
    }

    [Theory]
    [InlineData("shop-get_order procedures-replay_procedure", ReplyStatus.Refused)]
    [InlineData("procedures-replay_procedure", ReplyStatus.Refused)]
    [InlineData("shop-get_order shop-refund procedures-replay_procedure", ReplyStatus.Completed)]
    [InlineData(null, ReplyStatus.Completed)]
    public async Task A_replay_by_the_model_calls_nothing_that_its_turn_does_not_offer(string? offered, string status)
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());
        agent.Offer(offered?.Split(' '));
        await agent.Memory.StoredAsync("inner", Given.Step("shop.refund", Refund));
        await agent.Memory.StoredAsync("outer", Given.Step("shop.get_order", Order), Given.Step("inner") with { Kind = StepKind.Procedure });

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"outer"}""");

        Assert.Equal(status, reply.Status);
        Assert.Equal(status == ReplyStatus.Completed ? ["get_order W-1", "refund C-1 1"] : [], shop.Calls);
        Assert.Equal(status == ReplyStatus.Refused, reply.Message.Contains("calls shop.refund, which is not among the functions that you may call in this turn", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_replay_by_the_host_is_not_bound_by_what_a_turn_offers_neither_outside_of_it_nor_in_a_function_of_the_host()
    {
        var shop = new Shop();
        ProcedureMemory memory = null!;
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(shop.Plugin());
            b.Plugins.Add(Given.Plugin("host", ("settle", async (Kernel kernel) => (await memory.ReplayAsync(kernel, "refund")).Outcome.ToString())));
        });
        memory = agent.Memory;
        agent.Offer(["host-settle"]);
        await memory.StoredAsync("refund", Given.Step("shop.refund", Refund));

        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(agent.Kernel, "refund")).Outcome);
        Assert.Equal("Completed", (await agent.ModelCallsAsync("host-settle")).Text);
        Assert.Equal(2, shop.Calls.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_offer_binds_a_replay_through_a_chat_client_as_well(bool offersAll)
    {
        var shop = new Shop();
        await using var server = new ChatCompletionsServer(request => request["messages"]!.AsArray().Any(m => (string?)m!["role"] == "tool")
            ? ModelTurn.Say("Done.")
            : ModelTurn.Call(new ModelToolCall("procedures_replay_procedure", """{"name":"p"}""")));
        await server.StartAsync();
        var builder = Kernel.CreateBuilder();
        builder.AddOpenAIChatClient("scripted", server.Endpoint, apiKey: "none");
        builder.Plugins.Add(shop.Plugin());
        builder.AddProceduralMemory(o => (o.DatabasePath, o.Approval) = (":memory:", ApprovalPolicy.Never));
        var kernel = builder.Build();
        var memory = kernel.GetRequiredService<ProcedureMemory>();
        await memory.StoredAsync("p", Given.Step("shop.refund", Refund));

        await kernel.InvokePromptAsync("Go.", new KernelArguments(new PromptExecutionSettings
        {
            FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(offersAll ? null : [kernel.Plugins.GetFunction("procedures", "replay_procedure")]),
        }));

        Assert.Equal(offersAll ? ["refund C-1 1"] : [], shop.Calls);
        Assert.Equal(offersAll ? 1 : 0, (await memory.ListExecutionsAsync()).Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replayed_call_carries_the_settings_of_the_turn_and_whether_it_is_streamed(bool streaming)
    {
        var seen = new ConcurrentQueue<(bool, PromptExecutionSettings?)>();
        var gate = new Filters
        {
            OnAuto = (context, next) =>
            {
                seen.Enqueue((context.IsStreaming, context.ExecutionSettings));
                return next(context);
            }
        };
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Plugins.Add(new Shop().Plugin());
                b.Services.AddSingleton<IAutoFunctionInvocationFilter>(gate);
            },
            streaming: streaming);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", Order));

        await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"p"}""");

        Assert.Equal(2, seen.Count);
        var (live, replayed) = (seen.First(), seen.Last());
        Assert.IsType<OpenAIPromptExecutionSettings>(live.Item2);
        Assert.Same(live.Item2, replayed.Item2);
        Assert.Equal((streaming, streaming), (live.Item1, replayed.Item1));
    }

    // ---- a replay inside a replay --------------------------------------------------------------------------------------------------

    public enum Refusal
    {
        FunctionFilterAnswers,
        FunctionFilterThrows,
        AutoFilterAnswers,
        AutoFilterThrows,
        AutoFilterTerminates,
    }

    [Theory]
    [InlineData(Refusal.FunctionFilterAnswers)]
    [InlineData(Refusal.FunctionFilterThrows)]
    [InlineData(Refusal.AutoFilterAnswers)]
    [InlineData(Refusal.AutoFilterThrows)]
    [InlineData(Refusal.AutoFilterTerminates)]
    public async Task A_filter_that_refuses_the_replay_of_a_procedure_refuses_it_inside_of_another_too(Refusal refusal)
    {
        var shop = new Shop();
        await using var agent = await AgentAsync(shop, Refusing("refund", refusal));
        await agent.Memory.StoredAsync("refund", Given.Step("shop.refund", Refund));
        await agent.Memory.StoredAsync("outer", Given.Step("shop.get_order", Order), Given.Step("refund") with { Kind = StepKind.Procedure, Effect = StepEffect.Read }, Given.Step("shop.get_order", Order));

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"outer"}""");
        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "outer");

        Assert.Equal(["get_order W-1", "get_order W-1"], shop.Calls);
        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal([StepStatus.Success, StepStatus.Failed, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(FailureTypes.Refused, replay.Steps[1].Failure!.ErrorType);
        Assert.DoesNotContain(await agent.Memory.ListExecutionsAsync(), e => e.ProcedureName == "refund");
    }

    [Fact]
    public async Task A_replay_inside_of_another_passes_each_filter_once_with_the_name_and_the_inputs_of_the_procedure()
    {
        var seen = new ConcurrentQueue<string>();
        var shop = new Shop();
        void Note(string kind, KernelFunction function, KernelArguments? arguments) =>
            seen.Enqueue(function.Name == "replay_procedure" ? $"{kind} replays {arguments!["name"]} with {JsonSerializer.Serialize(arguments["inputs"])}" : $"{kind} {function.Name}");
        await using var agent = await AgentAsync(shop, new Filters
        {
            OnAuto = (context, next) =>
            {
                Note("auto", context.Function, context.Arguments);
                return next(context);
            },
            OnFunction = (context, next) =>
            {
                Note("function", context.Function, context.Arguments);
                return next(context);
            },
        });
        await agent.Memory.StoredAsync("look_up", Given.Step("shop.get_order", """{"orderId":"$inputs.order"}""", "order"));
        await agent.Memory.StoredAsync(
            "outer",
            Given.Step("look_up", """{"order":"W-7"}""", "found") with { Kind = StepKind.Procedure },
            Given.Step("shop.refund", """{"customerId":"$steps.found.outputs#/order/CustomerId","amount":1}"""));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "outer");

        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[0].Failure?.Message ?? ""));
        Assert.Equal(["get_order W-7", "refund C-7788 1"], shop.Calls);
        Assert.Equal("look_up", replay.Steps[0].Nested!.ProcedureName);
        Assert.Equal(
            [
                """auto replays look_up with {"order":"W-7"}""",
                """function replays look_up with {"order":"W-7"}""",
                "auto get_order",
                "function get_order",
                "auto refund",
                "function refund",
            ],
            seen);
        Assert.Equal(2, (await agent.Memory.ListExecutionsAsync()).Count);
    }

    [Fact]
    public async Task A_filter_that_asks_to_end_the_turn_after_a_replay_inside_of_another_ends_it_there()
    {
        var shop = new Shop();
        await using var agent = await AgentAsync(shop, new Filters
        {
            OnAuto = async (context, next) =>
            {
                await next(context);
                context.Terminate = context.Function.Name == "replay_procedure";
            }
        });
        await agent.Memory.StoredAsync("inner", Given.Step("shop.refund", Refund));
        await agent.Memory.StoredAsync("outer", Given.Step("inner") with { Kind = StepKind.Procedure }, Given.Step("shop.get_order", Order));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "outer");

        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal([StepStatus.Success, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(["refund C-1 1"], shop.Calls);
    }

    [Fact]
    public async Task A_filter_that_swallows_a_fault_of_the_store_inside_of_a_replay_does_not_let_it_go_on()
    {
        var shop = new Shop();
        var writes = 0;
        var fault = new ProcedureStoreException(StoreFault.Busy, "Busy.");
        var gate = new Filters
        {
            OnFunction = async (context, next) =>
            {
                try
                {
                    await next(context);
                }
                catch (ProcedureStoreException)
                {
                    context.Result = new FunctionResult(context.Function, "Never mind.");
                }
            }
        };
        var store = FaultyStore.Around(new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }), o => o == nameof(IProcedureStore.WriteExecutionAsync) && ++writes == 3 ? fault : null);
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { Approval = ApprovalPolicy.Never }, store);
        var kernel = Given.Kernel(memory, shop.Plugin());
        kernel.FunctionInvocationFilters.Add(gate);
        await memory.StoredAsync("inner", Given.Step("shop.refund", Refund));
        await memory.StoredAsync("outer", Given.Step("inner") with { Kind = StepKind.Procedure, OnFailure = FailurePolicy.Continue }, Given.Step("shop.get_order", Order));

        // It is the write after the refund that fails: nobody may go on from a log that does not tell of it.
        Assert.Same(fault, await Assert.ThrowsAsync<ProcedureStoreException>(() => memory.ReplayAsync(kernel, "outer")));
        Assert.Equal(["refund C-1 1"], shop.Calls);
    }

    [Fact]
    public async Task Without_the_memorys_functions_in_the_kernel_a_procedure_inside_of_another_is_replayed_all_the_same()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = new Kernel();
        kernel.Plugins.Add(shop.Plugin());
        await memory.StoredAsync("inner", Given.Step("shop.refund", Refund));
        await memory.StoredAsync("outer", Given.Step("inner") with { Kind = StepKind.Procedure });

        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(kernel, "outer")).Outcome);
        Assert.Equal(["refund C-1 1"], shop.Calls);
    }

    private static Task<TestAgent> AgentAsync(Shop shop, Filters gate) => TestAgent.StartAsync(b =>
    {
        b.Plugins.Add(shop.Plugin());
        b.Services.AddSingleton<IFunctionInvocationFilter>(gate);
        b.Services.AddSingleton<IAutoFunctionInvocationFilter>(gate);
    });

    /// <summary>A gate of the host that lets one procedure not be replayed.</summary>
    private static Filters Refusing(string procedure, Refusal refusal)
    {
        const string Words = "That needs a second pair of eyes.";
        bool IsMeant(KernelFunction function, KernelArguments? arguments) => function.Name == "replay_procedure" && arguments?["name"]?.ToString() == procedure;
        var filters = new Filters();
        if (refusal is Refusal.FunctionFilterAnswers or Refusal.FunctionFilterThrows)
        {
            filters.OnFunction = (context, next) =>
            {
                if (!IsMeant(context.Function, context.Arguments))
                {
                    return next(context);
                }

                context.Result = new FunctionResult(context.Function, Words);
                return refusal is Refusal.FunctionFilterThrows ? throw new UnauthorizedAccessException(Words) : Task.CompletedTask;
            };
        }
        else
        {
            filters.OnAuto = (context, next) =>
            {
                if (!IsMeant(context.Function, context.Arguments))
                {
                    return next(context);
                }

                context.Result = new FunctionResult(context.Function, Words);
                context.Terminate = refusal is Refusal.AutoFilterTerminates;
                return refusal is Refusal.AutoFilterThrows ? throw new UnauthorizedAccessException(Words) : Task.CompletedTask;
            };
        }

        return filters;
    }
}
