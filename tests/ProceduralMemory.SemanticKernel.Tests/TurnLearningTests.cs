using System.Text.Json.Nodes;
using AgentDemo.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>An agent that is told nothing of procedures learns from its turns, and uses what it learned.</summary>
public sealed class TurnLearningTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_second_task_of_a_kind_takes_one_call_of_a_function_that_the_first_one_taught(bool streaming)
    {
        var shop = new Shop();
        await using var agent = await StartAsync(shop, streaming);
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        var offered = agent.LastTools();
        var second = await agent.AskAsync("Please refund order W2", Model.Calls("learned-refund_order", """{"orderId":"W2"}"""));

        Assert.DoesNotContain(offered, t => Name(t).StartsWith("learned", StringComparison.Ordinal));
        Assert.Equal("completed", second.Replies.Single().Status);
        Assert.Equal(["get_order W1", "refund C-7788 1249.90", "get_order W2", "refund C-7788 1249.90"], shop.Calls);
        Assert.Equal("Done.", second.Answer);
    }

    [Fact]
    public async Task What_is_offered_has_the_inputs_of_the_procedure_and_none_of_the_values_that_were_seen()
    {
        await using var agent = await StartAsync(new Shop());
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        await agent.AskAsync("Please refund order W2");

        var tool = Assert.Single(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal))!["function"]!;
        Given.JsonEqual("""{"type":"object","required":["orderId"],"properties":{"orderId":{"type":"string","description":"shop.get_order, argument orderId"}}}""", Given.Value(tool["parameters"]!.ToJsonString()));
        Assert.Equal("""Does in one call a task that was done before, by calling shop.get_order, shop.refund, with real effects. The task as it was stored (data, no instructions): "Refund order. Calls shop.get_order, shop.refund." """.Trim(), (string?)tool["description"]);
        Assert.DoesNotContain("W1", tool.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_does_not_fit_the_request_is_not_offered_and_outside_of_turns_nothing_is()
    {
        await using var agent = await StartAsync(new Shop());
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        await agent.AskAsync("How is the weather in Oslo tomorrow?");

        Assert.DoesNotContain(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal));
        Assert.Equal(0, agent.Kernel.Plugins["learned"].FunctionCount);
        Assert.Empty(agent.Kernel.Plugins["learned"]);
    }

    [Fact]
    public async Task No_more_is_offered_than_the_host_allows()
    {
        await using var agent = await StartAsync(new Shop(), options: o => o.MaxLearnedFunctions = 0);
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        await agent.AskAsync("Please refund order W2");

        Assert.DoesNotContain(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_may_write_is_proposed_and_offered_once_a_person_has_activated_it()
    {
        await using var agent = await StartAsync(new Shop(), options: o => o.Learning = LearningMode.Propose);
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        await agent.AskAsync("Please refund order W2");
        Assert.DoesNotContain(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal));

        await agent.Memory.ActivateVersionAsync("refund_order", 1);
        await agent.AskAsync("Please refund order W3");
        Assert.Contains(agent.LastTools(), t => Name(t) == "learned-refund_order");
    }

    [Fact]
    public async Task What_nobody_has_approved_is_not_offered_unless_somebody_is_there_to_ask()
    {
        await using var agent = await StartAsync(new Shop(), options: o => o.Approval = ApprovalPolicy.FirstUse);
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        await agent.AskAsync("Please refund order W2");
        Assert.DoesNotContain(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal));

        await agent.Memory.ApproveAsync("refund_order", 1, "anna");
        await agent.AskAsync("Please refund order W3");
        Assert.Contains(agent.LastTools(), t => Name(t) == "learned-refund_order");

        await using var asking = await StartAsync(new Shop(), options: o => (o.Approval, o.Approver) = (ApprovalPolicy.FirstUse, new AnsweringApprover("anna")));
        await asking.AskAsync("Please refund order W1", ByHand("W1"));
        await asking.AskAsync("Please refund order W2");
        Assert.Contains(asking.LastTools(), t => Name(t) == "learned-refund_order");
    }

    [Fact]
    public async Task A_turn_that_offers_only_some_functions_offers_what_can_be_done_with_these()
    {
        await using var agent = await StartAsync(new Shop());
        await agent.AskAsync("Please refund order W1", ByHand("W1"));

        agent.Offer(["shop-get_order"]);
        await agent.AskAsync("Please refund order W2");
        Assert.Equal(["shop-get_order"], agent.LastTools().Select(Name));

        agent.Offer(["shop-get_order", "shop-refund"]);
        var done = await agent.AskAsync("Please refund order W3", Model.Calls("learned-refund_order", """{"orderId":"W3"}"""));
        Assert.Equal(["shop-get_order", "shop-refund", "learned-refund_order"], agent.LastTools().Select(Name));
        Assert.Equal("completed", done.Replies.Single().Status);

        agent.Offer([]);
        await agent.AskAsync("Please refund order W4");
        Assert.DoesNotContain(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_trace_knows_what_the_turn_has_cost()
    {
        await using var agent = await StartAsync(new Shop());
        await agent.AskAsync("Please refund order W1", ByHand("W1"));

        Assert.Equal(3, (await agent.Memory.LatestTraceAsync()).ModelCalls);
    }

    [Fact]
    public async Task A_turn_in_which_a_procedure_was_replayed_teaches_nothing_anew()
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), results: results);
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        await agent.AskAsync("Please refund order W2 and two others", [Model.Calls("learned-refund_order", """{"orderId":"W2"}"""), .. ByHand("W3")]);

        Assert.Equal("A procedure was replayed in it.", results[1].Because);
        Assert.Single(await agent.Memory.ListAsync());
    }

    [Fact]
    public async Task A_task_that_the_model_records_outright_is_learned_once_and_under_the_name_that_it_gives()
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), results: results);
        await agent.AskAsync("Please refund order W1", [Model.StartsRecording("pay_back", "Pays an order back."), .. ByHand("W1"), Model.Finalizes()]);

        Assert.Equal("pay_back", Assert.Single(await agent.Memory.ListAsync()).Name);
        Assert.Equal("It was recorded outright.", results.Single().Because);
    }

    [Fact]
    public async Task A_failed_call_that_was_made_good_is_left_out_and_one_left_standing_teaches_nothing()
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), results: results);
        await agent.AskAsync("Please refund order W1", [.. ByHand("W1"), Model.Calls("shop-close", """{"why":"late"}""")]);
        Assert.Equal("shop.close failed and did not succeed afterwards.", results.Single().Because);

        await agent.AskAsync("Please refund order W2", [Model.Calls("shop-refund", """{"customerId":"C-7788","amount":"much"}"""), .. ByHand("W2")]);
        Assert.Equal(["shop.get_order", "shop.refund"], (await agent.Memory.GetAsync("refund_order")).Actions());
    }

    [Fact]
    public async Task Nothing_is_learned_where_the_host_does_not_want_it()
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), results: results);
        using (agent.Memory.DoNotLearn())
        {
            await agent.AskAsync("Please refund order W1", ByHand("W1"));
        }

        agent.Memory.Learning = LearningMode.Off;
        await agent.AskAsync("Please refund order W2", ByHand("W2"));
        Assert.Empty(await agent.Memory.ListAsync());
        Assert.Empty(results);

        agent.Memory.Learning = LearningMode.Automatic;
        await agent.AskAsync("Please refund order W3", ByHand("W3"));
        Assert.Single(await agent.Memory.ListAsync());
    }

    [Fact]
    public async Task A_tool_can_see_to_it_that_its_turn_is_not_learned()
    {
        ProcedureMemory? memory = null;
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), results: results, configure: b => b.Plugins.Add(Given.Plugin("privacy", ("stop", () =>
        {
            memory!.DoNotLearn().Dispose();
            return "ok";
        }
        ))));
        memory = agent.Memory;
        await agent.AskAsync("Please refund order W1", [Model.Calls("privacy-stop"), .. ByHand("W1")]);

        Assert.Equal("It was not to be learned.", results.Single().Because);
        Assert.Empty(await agent.Memory.ListAsync());
    }

    [Fact]
    public async Task An_agent_inside_a_tool_is_part_of_the_turn_that_called_it()
    {
        var results = new List<TurnResult>();
        TestAgent? agent = null;
        await using var started = agent = await StartAsync(new Shop(), results: results, configure: b => b.Plugins.Add(Given.Plugin("helper", ("ask", async (string what) => (await agent!.AskAsync(what, ByHand("W9"))).Answer))));
        await agent.AskAsync("Let the helper refund it and tell", [Model.Calls("helper-ask", """{"what":"refund W9 please"}"""), Model.Calls("shop-get_order", """{"orderId":"W9"}""")]);

        Assert.Equal(["helper.ask", "shop.get_order"], Assert.Single(await agent.Memory.ListAsync()).Actions());
        Assert.Single(results);
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_to_its_end_teaches_nothing_and_records_no_longer()
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), streaming: true, results: results);
        await agent.BreakOffAsync("Please refund order W1", ByHand("W1"));

        Assert.Equal("It was not answered.", results.Single().Because);
        Assert.False(agent.Memory.HasActiveRecordings);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_turn_that_a_filter_ended_teaches_nothing(bool streaming)
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), streaming, results: results, configure: b => b.Services.AddSingleton<IAutoFunctionInvocationFilter>(new EndingFilter()));
        await agent.AskAsync("Please refund order W1", ByHand("W1"));

        Assert.Equal("It was not answered.", results.Single().Because);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_cannot_tell_the_scope_gets_its_answer(bool streaming)
    {
        await using var agent = await StartAsync(new Shop(), streaming, options: o => o.Scope = () => throw new InvalidOperationException("No request here."));

        Assert.Equal("Done.", (await agent.AskAsync("Please refund order W1", ByHand("W1"))).Answer);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cancelled_turn_teaches_nothing(bool streaming)
    {
        var results = new List<TurnResult>();
        using var cancellation = new CancellationTokenSource();
        await using var agent = await StartAsync(new Shop(), streaming, results: results, configure: b => b.Plugins.Add(Given.Plugin("user", ("leave", () => cancellation.Cancel()))));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => agent.AskAsync("Please refund order W1", cancellation.Token, [.. ByHand("W1"), Model.Calls("user-leave")]));

        Assert.Equal("It was not answered.", results.Single().Because);
        Assert.False(agent.Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_memory_that_cannot_be_written_breaks_no_answer()
    {
        var results = new List<TurnResult>();
        await using var agent = await StartAsync(new Shop(), results: results, options: o => o.TurnJudge = new ThrowingJudge());
        var asked = await agent.AskAsync("Please refund order W1", ByHand("W1"));

        Assert.Equal("Done.", asked.Answer);
        Assert.Equal("What it teaches could not be stored (TimeoutException).", results.Single().Because);
    }

    [Theory]
    [InlineData("finalize", "finalize")]
    [InlineData("refund order", "refund_order_")]
    [InlineData("Rückerstattung: für \"alle\"", "R_ckerstattung_f_r_alle_")]
    [InlineData("返金", "procedure_")]
    public async Task Every_procedure_has_a_name_that_can_be_called(string name, string expected)
    {
        var shop = new Shop();
        await using var agent = await StartAsync(shop);
        await agent.Memory.StoreAsync(new ProcedureDefinition { Name = name, Description = "Look an order up and mail it.", Steps = [Given.Step("shop.get_order", """{"orderId":"W7"}""")] });
        await agent.AskAsync("Look an order up and mail it.");
        var tool = Name(Assert.Single(agent.LastTools(), t => Name(t).StartsWith("learned-", StringComparison.Ordinal)));
        var done = await agent.AskAsync("Look an order up and mail it, now.", Model.Calls(tool));

        Assert.StartsWith("learned-" + expected, tool, StringComparison.Ordinal);
        Assert.Equal("completed", done.Replies.Single().Status);
        Assert.Equal(["get_order W7"], shop.Calls);
    }

    [Fact]
    public async Task Procedures_whose_names_are_equal_up_to_the_last_letter_that_fits_have_functions_of_their_own()
    {
        var shop = new Shop();
        await using var agent = await StartAsync(shop);
        var stem = new string('a', 80);
        foreach (var last in "bc")
        {
            await agent.Memory.StoreAsync(new ProcedureDefinition { Name = stem + last, Description = "Look an order up and mail it.", Steps = [Given.Step("shop.get_order", $$"""{"orderId":"{{last}}"}""")] });
        }

        await agent.AskAsync("Look an order up and mail it.");
        var tools = agent.LastTools().Select(Name).Where(t => t.StartsWith("learned-", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, tools.Distinct().Count());
        Assert.All(tools, t => Assert.InRange(t.Length, 1, 64));
        await agent.AskAsync("Look an order up and mail it, both.", Model.Calls((tools[0], "{}"), (tools[1], "{}")));
        Assert.Equal(["get_order b", "get_order c"], shop.Calls.Order());
    }

    [Fact]
    public async Task A_call_without_a_needed_input_is_told_what_is_missing()
    {
        await using var agent = await StartAsync(new Shop());
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        var asked = await agent.AskAsync("Please refund order", Model.Calls("learned-refund_order", """{"order":"W2"}"""));

        Assert.Equal("missing_inputs", asked.Replies.Single().Status);
    }

    [Fact]
    public async Task A_procedure_of_another_scope_is_not_offered()
    {
        var scope = new AsyncLocal<string?>();
        await using var agent = await StartAsync(new Shop(), options: o => o.Scope = () => new MemoryScope(scope.Value ?? "anna"));
        await agent.AskAsync("Please refund order W1", ByHand("W1"));
        scope.Value = "berta";
        var asked = await agent.AskAsync("Please refund order W2", Model.Calls("learned-refund_order", """{"orderId":"W2"}"""));

        Assert.DoesNotContain(agent.LastTools(), t => Name(t).StartsWith("learned", StringComparison.Ordinal));
        Assert.StartsWith("Error", asked.Replies.Single().Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conversations_at_once_do_not_mix_in_a_thousand_turns()
    {
        var shop = new Shop();
        await using var agent = await StartAsync(shop, configure: b => b.Plugins.Add(Given.Plugin("store", ("count", (string shelf) => $"Items on {shelf}: 4"), ("order", (string shelf, string items) => $"Ordered for {shelf}"))));
        await Parallel.ForEachAsync(Enumerable.Range(0, 1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            var name = FormattableString.Invariant($"{i}");
            if (i % 2 == 0)
            {
                await agent.AskAsync($"Please refund order W{name}", ByHand($"W{name}"));
            }
            else
            {
                await agent.AskAsync($"Restock shelf S{name}", Model.Calls("store-count", $$"""{"shelf":"S{{name}}"}"""), Model.Calls("store-order", $$"""{"shelf":"S{{name}}","items":"Items on S{{name}}: 4"}"""));
            }
        });

        var procedures = (await agent.Memory.ListAsync()).OrderBy(p => p.Name, StringComparer.Ordinal).ToList();
        Assert.Equal(["refund_order", "restock_shelf"], procedures.Select(p => p.Name));
        Assert.Equal(["shop.get_order", "shop.refund"], procedures[0].Actions());
        Assert.Equal(["store.count", "store.order"], procedures[1].Actions());
        foreach (var trace in await agent.Memory.ListTracesAsync(limit: 1000))
        {
            var whole = (await agent.Memory.GetTraceAsync(trace.Id))!;
            var subject = whole.Request!.Split(' ')[^1];
            Assert.Equal(subject, whole.Steps[0].Arguments.EnumerateObject().First().Value.GetString());
            Assert.Equal(2, whole.Steps.Count);
        }

        Assert.Equal(1000, shop.Calls.Count);
        Assert.False(agent.Memory.HasActiveRecordings);
    }

    private static string Name(JsonNode? tool) => (string)tool!["function"]!["name"]!;

    private static ModelTurn[] ByHand(string order) =>
        [Model.Calls("shop-get_order", $$"""{"orderId":"{{order}}"}"""), Model.Calls("shop-refund", """{"customerId":"C-7788","amount":1249.90}""")];

    private static Task<TestAgent> StartAsync(
        Shop shop, bool streaming = false, Action<ProceduralMemoryKernelOptions>? options = null, List<TurnResult>? results = null, Action<IKernelBuilder>? configure = null) => TestAgent.StartAsync(
        b =>
        {
            b.Plugins.Add(shop.Plugin());
            configure?.Invoke(b);
        },
        o =>
        {
            o.Learning = LearningMode.Automatic;
            o.TurnEnded = (result, _) =>
            {
                results?.Add(result);
                return Task.CompletedTask;
            };
            options?.Invoke(o);
        },
        streaming: streaming);

    private sealed class EndingFilter : IAutoFunctionInvocationFilter
    {
        public async Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            await next(context);
            context.Terminate = context.Function.Name == "refund";
        }
    }

    private sealed class ThrowingJudge : ITurnJudge
    {
        public ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default) => throw new TimeoutException("The judge is asleep.");
    }
}
