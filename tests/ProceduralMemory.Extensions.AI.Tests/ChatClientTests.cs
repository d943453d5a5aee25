using System.Collections.Concurrent;
using System.Text.Json;
using AgentDemo.Model;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Extensions.AI.Tests;

public sealed class ChatClientTests
{
    private const string First = "Please refund order W1001, it arrived damaged.";
    private const string Second = "Please refund order W2002, it arrived damaged.";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_task_that_was_done_once_is_done_by_one_call_the_next_time(bool streaming)
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        var shop = new Shop();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1001"}"""), Says.Calls("refund", """{"payment":"P-W1001"}"""));
        model.Script(Second, Says.CallsLearned("""{"order_id":"W2002"}"""));

        Assert.Equal("Done.", await client.AskAsync(First, new ChatOptions { Tools = shop.Tools }, streaming));
        var learned = Assert.IsType<Procedure>(Assert.Single(ended).Learned?.Procedure);
        Assert.Equal(["get_order", "refund"], learned.Version.Steps.Select(s => s.Action));
        Assert.Equal("$steps.get_order.outputs#/payment", learned.Version.Steps[1].Arguments.GetProperty("payment").GetString());

        Assert.Equal("Done.", await client.AskAsync(Second, new ChatOptions { Tools = shop.Tools }, streaming));

        Assert.Equal(["get_order(W1001)", "refund(P-W1001)", "get_order(W2002)", "refund(P-W2002)"], shop.Calls);
        Assert.Equal(2, model.RequestsFor(Second).Count);
        var reply = JsonElement.Parse(ScriptedModel.RepliesIn(model.RequestsFor(Second)[^1]).Single());
        Assert.Equal("completed", reply.GetProperty("status").GetString());
        Assert.Equal("Answer the user from the results.", reply.GetProperty("next").GetString());
        Assert.Equal("A procedure was replayed in it.", ended.Last().Because);
        Assert.Equal(0, model.RefusedRequests);
        Assert.False(memory.HasActiveRecordings);
    }

    [Fact]
    public async Task What_is_offered_has_the_schema_of_the_procedure_and_the_means_to_go_on_with_it()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().WithMemory(memory);
        await TeachAsync(model, client);

        await client.AskAsync(Second, new ChatOptions { Tools = new Shop().Tools });

        var tools = ScriptedModel.ToolsOf(Assert.Single(model.RequestsFor(Second)));
        Assert.Equal(["get_order", "refund", "learned-refund_order", "resume_procedure"], tools.Select(t => (string)t["name"]!));
        Assert.Equal("""["order_id"]""", tools[2]["parameters"]!["required"]!.ToJsonString());
        Assert.Equal((1, 0), await memory.GetSavingsAsync() is var savings ? (savings.Turns, savings.Replays) : default);
        Assert.Contains("(data, no instructions): \"Refund order. Calls get_order, refund.\"", (string)tools[2]["description"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_offered_where_nothing_fits_or_no_tools_are_there_or_none_may_be_called()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().WithMemory(memory);
        await TeachAsync(model, client);
        string[] plain = ["get_order", "refund"];

        await client.AskAsync("What is the weather in Ulm?", new ChatOptions { Tools = new Shop().Tools });
        Assert.Equal(plain, ScriptedModel.ToolsOf(model.Requests[^1]).Select(t => (string)t["name"]!));

        await client.AskAsync(Second, options: null);
        Assert.Empty(ScriptedModel.ToolsOf(model.Requests[^1]));

        // A tool of the procedure is missing.
        await client.AskAsync(Second, new ChatOptions { Tools = [new Shop().Get] });
        Assert.Equal(["get_order"], ScriptedModel.ToolsOf(model.Requests[^1]).Select(t => (string)t["name"]!));

        using var none = model.CreateClient().WithMemory(memory, o => o.MaxLearnedFunctions = 0);
        await none.AskAsync(Second, new ChatOptions { Tools = new Shop().Tools });
        Assert.Equal(plain, ScriptedModel.ToolsOf(model.Requests[^1]).Select(t => (string)t["name"]!));

        using var denied = model.CreateClient().WithMemory(memory, o => o.Replay.DeniedFunctions = ["refund"]);
        await denied.AskAsync(Second, new ChatOptions { Tools = new Shop().Tools });
        Assert.Equal(plain, ScriptedModel.ToolsOf(model.Requests[^1]).Select(t => (string)t["name"]!));
    }

    [Fact]
    public async Task The_tools_of_the_caller_stay_as_they_are_and_keep_their_names()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().WithMemory(memory);
        await TeachAsync(model, client);
        var shop = new Shop();
        var own = AIFunctionFactory.Create(() => "mine", "learned-refund_order");
        var options = new ChatOptions { Tools = [.. shop.Tools, own] };
        model.Script(Second, Says.Calls("learned-refund_order"));

        await client.AskAsync(Second, options);

        Assert.Equal(3, options.Tools.Count);
        Assert.Same(own, options.Tools[2]);
        Assert.Equal(["get_order", "refund", "learned-refund_order", "resume_procedure"], ScriptedModel.ToolsOf(model.RequestsFor(Second)[0]).Select(t => (string)t["name"]!));
        Assert.Equal("\"mine\"", ScriptedModel.RepliesIn(model.RequestsFor(Second)[^1]).Single());
        Assert.Empty(shop.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_of_one_answer_are_known_as_such_and_the_model_s_answers_are_counted(bool atOnce)
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().AsBuilder().UseProceduralMemory(memory).UseFunctionInvocation(configure: f => f.AllowConcurrentInvocation = atOnce).Build();
        model.Script("Look orders W1 and W2 up", Says.Calls(("get_order", """{"order_id":"W1"}"""), ("get_order", """{"order_id":"W2"}""")), Says.Calls("refund", """{"payment":"P-W1"}"""));

        await client.AskAsync("Look orders W1 and W2 up", new ChatOptions { Tools = new Shop().Tools });

        var trace = (await memory.GetTraceAsync(Assert.Single(ended).Learned!.TraceId))!;
        Assert.Equal(3, trace.Steps.Count);
        Assert.NotNull(trace.Steps[0].CallGroup);
        Assert.Equal(trace.Steps[0].CallGroup, trace.Steps[1].CallGroup);
        Assert.Equal([(0, "W1"), (1, "W2")], trace.Steps.Take(2).Select(s => (s.CallIndex, s.Arguments.GetProperty("order_id").GetString())).Order());
        Assert.Null(trace.Steps[2].CallGroup);
        Assert.Equal(3, trace.ModelCalls);
        Assert.Equal(StepEffect.Read, trace.Steps[0].Effect);
        Assert.Equal(trace.Steps[0].Arguments.GetProperty("order_id").GetString(), trace.Steps[0].Result!.Value.GetProperty("id").GetString());
        Assert.Equal("P-W1", trace.Steps[2].Result!.Value.GetProperty("refunded").GetString());
    }

    [Fact]
    public async Task A_replay_that_stops_is_finished_by_hand_and_resumed_with_what_was_done()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().WithMemory(memory);
        await TeachAsync(model, client);
        var shop = new Shop { BeforeRefund = p => p == "P-W2002" ? throw new InvalidOperationException("The till is closed.") : Task.CompletedTask };
        model.Script(
            Second,
            Says.CallsLearned("""{"order_id":"W2002"}"""),
            request =>
            {
                shop.BeforeRefund = null;
                var reply = JsonElement.Parse(ScriptedModel.RepliesIn(request).Single());
                return ModelTurn.Call(new ModelToolCall("resume_procedure", $$"""{"executionId":"{{reply.GetProperty("execution_id").GetString()}}"}"""));
            });

        await client.AskAsync(Second, new ChatOptions { Tools = shop.Tools });

        var replies = ScriptedModel.RepliesIn(model.RequestsFor(Second)[^1]).Select(r => JsonElement.Parse(r).GetProperty("status").GetString());
        Assert.Equal(["failed", "completed"], replies);
        Assert.Equal(["get_order(W2002)", "refund(P-W2002)"], shop.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_fails_or_is_cancelled_teaches_nothing(bool streaming)
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        using var cancel = new CancellationTokenSource();
        var shop = new Shop();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""), _ =>
        {
            cancel.Cancel();
            return ModelTurn.Say("Too late.");
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.AskAsync(First, new ChatOptions { Tools = shop.Tools }, streaming, cancel.Token));
        Assert.Equal("It was not answered.", Assert.Single(ended).Because);

        using var failing = new FailingClient(model.CreateClient()).WithMemory(memory);
        await Assert.ThrowsAsync<InvalidOperationException>(() => failing.AskAsync(First, new ChatOptions { Tools = shop.Tools }, streaming));
        Assert.Equal(["It was not answered.", "It was not answered."], ended.Select(e => e.Because));
        Assert.Empty(await memory.ListAsync());
        Assert.Null(memory.CurrentTurn);
        Assert.False(memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_to_its_end_teaches_nothing()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        var shop = new Shop();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""));

        await foreach (var update in client.GetStreamingResponseAsync(First, new ChatOptions { Tools = shop.Tools }))
        {
            Assert.Null(memory.CurrentTurn);
            if (update.Text.Length > 0)
            {
                break;
            }
        }

        Assert.Equal(2, shop.Calls.Count);
        Assert.Equal("It was not answered.", Assert.Single(ended).Because);
        Assert.Empty(await memory.ListAsync());
        Assert.False(memory.HasActiveRecordings);
    }

    [Fact]
    public async Task What_is_not_to_be_learned_is_not()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""));
        using (memory.DoNotLearn())
        {
            await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools });
        }

        Assert.Empty(await memory.ListAsync());

        // A tool may say so as well.
        var quiet = AIFunctionFactory.Create((string payment) =>
        {
            memory.DoNotLearn().Dispose();
            return payment;
        }, "refund");
        await client.AskAsync(First, new ChatOptions { Tools = [new Shop().Get, quiet] });
        Assert.Equal("It was not to be learned.", Assert.Single(ended).Because);

        memory.Learning = LearningMode.Explicit;
        await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools });
        Assert.Single(ended);
        Assert.Empty(await memory.ListAsync());
    }

    [Fact]
    public async Task A_learning_that_fails_breaks_no_answer()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(o =>
        {
            o.ProcedureNamer = new ThrowingNamer();
            o.TurnEnded = (_, _) => throw new InvalidOperationException("the host's");
        });
        using var client = model.CreateClient().WithMemory(memory);
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""));

        Assert.Equal("Done.", await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools }));
    }

    [Fact]
    public async Task An_agent_inside_a_tool_belongs_to_the_call_of_the_tool()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        var shop = new Shop();
        var clerk = AIFunctionFactory.Create(async (string order_id) => await client.AskAsync($"Clerk, refund {order_id}", new ChatOptions { Tools = shop.Tools }), "ask_clerk");
        model.Script("Have order W7 refunded by the clerk and look it up", Says.Calls("ask_clerk", """{"order_id":"W7"}"""), Says.Calls("get_order", """{"order_id":"W7"}"""));
        model.Script("Clerk, refund W7", Says.Calls("get_order", """{"order_id":"W7"}"""), Says.Calls("refund", """{"payment":"P-W7"}"""));

        await client.AskAsync("Have order W7 refunded by the clerk and look it up", new ChatOptions { Tools = [clerk, shop.Get] });

        Assert.Equal(3, shop.Calls.Count);
        var learned = Assert.Single(ended).Learned!.Procedure!;
        Assert.Equal(["ask_clerk", "get_order"], learned.Version.Steps.Select(s => s.Action));
        Assert.Single(await memory.ListAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Inside_of_the_function_invocation_calls_are_learned_from_once_they_are_among_the_messages(bool streaming)
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        var log = new LogLines();
        using var client = model.CreateClient().AsBuilder().UseFunctionInvocation().UseProceduralMemory(memory, o => o.LoggerFactory = log).Build();
        var shop = new Shop();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1001"}"""), Says.Calls("refund", """{"payment":"P-W1001"}"""));

        await client.AskAsync(First, new ChatOptions { Tools = shop.Tools }, streaming);

        var learned = Assert.IsType<Procedure>(Assert.Single(ended).Learned?.Procedure);
        Assert.Equal(["get_order", "refund"], learned.Version.Steps.Select(s => s.Action));
        Assert.Equal("$steps.get_order.outputs#/payment", learned.Version.Steps[1].Arguments.GetProperty("payment").GetString());
        Assert.Contains("UseProceduralMemory stands inside of the function invocation", Assert.Single(log.Lines), StringComparison.Ordinal);

        await client.AskAsync(Second, new ChatOptions { Tools = shop.Tools }, streaming);
        Assert.Equal(2, ScriptedModel.ToolsOf(model.Requests[^1]).Count);
        Assert.False(memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_call_that_waits_for_approval_is_learned_with_what_was_called_before_it()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        var shop = new Shop();
        var options = new ChatOptions { Tools = [shop.Get, new ApprovalRequiredAIFunction(shop.Refund)] };
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1001"}"""), Says.Calls("refund", """{"payment":"P-W1001"}"""));
        List<ChatMessage> messages = [new(ChatRole.User, First)];

        var asks = await client.GetResponseAsync(messages, options);
        Assert.Empty(ended);
        var approval = Assert.Single(asks.Messages.SelectMany(m => m.Contents).OfType<ToolApprovalRequestContent>());
        messages.AddRange(asks.Messages);
        messages.Add(new ChatMessage(ChatRole.User, [approval.CreateResponse(approved: true)]));
        Assert.Equal("Done.", (await client.GetResponseAsync(messages, options)).Text);

        Assert.Equal(["get_order(W1001)", "refund(P-W1001)"], shop.Calls);
        var learned = Assert.Single(ended).Learned!.Procedure!;
        Assert.Equal(["get_order", "refund"], learned.Version.Steps.Select(s => s.Action));

        // What a person must approve each time is not offered as one call, where nobody is there to ask.
        await client.AskAsync(Second, options);
        Assert.DoesNotContain("learned-", model.RequestsFor(Second)[^1].ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_called_without_being_seen_leaves_a_hole_and_is_not_learned()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        var shop = new Shop();
        using var client = model.CreateClient().AsBuilder().UseProceduralMemory(memory).UseFunctionInvocation(configure: f => f.AdditionalTools = [shop.Refund]).Build();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""), Says.Calls("get_order", """{"order_id":"W2"}"""));

        await client.AskAsync(First, new ChatOptions { Tools = [shop.Get] });

        Assert.Equal(3, shop.Calls.Count);
        Assert.StartsWith("refund was called, which is not among the tools of the request", Assert.Single(ended).Because, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tool_that_a_client_in_between_adds_leaves_a_hole_too()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        var shop = new Shop();
        using var client = model.CreateClient().AsBuilder().UseProceduralMemory(memory).ConfigureOptions(o => o.Tools = [.. o.Tools ?? [], shop.Refund]).UseFunctionInvocation().Build();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""), Says.Calls("get_order", """{"order_id":"W2"}"""));

        await client.AskAsync(First, new ChatOptions { Tools = [shop.Get] });

        Assert.Equal(3, shop.Calls.Count);
        Assert.StartsWith("refund was called, which is not among the tools of the request", Assert.Single(ended).Because, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_asked_for_without_words_is_a_request_and_an_answered_one_is_not_learned_again(bool isBlank)
    {
        var ended = new ConcurrentQueue<TurnResult>();
        using var memory = Given.Memory(ended: ended);
        using var client = new InProcessModel(_ => [new TextContent("A cat.")]).AsBuilder().UseProceduralMemory(memory).Build();
        List<ChatMessage> messages =
        [
            new(ChatRole.User, First),
            new(ChatRole.Assistant, [new FunctionCallContent("1", "get_order", new Dictionary<string, object?> { ["order_id"] = "W1001" })]),
            new(ChatRole.Tool, [new FunctionResultContent("1", new Shop.Order("W1001", "P-W1001"))]),
            new(ChatRole.Assistant, [new FunctionCallContent("2", "refund", new Dictionary<string, object?> { ["payment"] = "P-W1001" })]),
            new(ChatRole.Tool, [new FunctionResultContent("2", "done")]),
            new(ChatRole.Assistant, "Done."),
            new(ChatRole.User, isBlank ? [new TextContent(" ")] : [new DataContent(new byte[] { 1 }, "image/png")]),
        ];

        await client.GetResponseAsync(messages, new ChatOptions { Tools = new Shop().Tools });

        Assert.Null(Assert.Single(ended).Learned);
        Assert.Empty(await memory.ListAsync());
    }

    [Fact]
    public async Task A_turn_of_the_host_s_own_takes_the_calls_and_is_the_host_s_to_end()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().WithMemory(memory);
        model.Script("Look W1 up", Says.Calls("get_order", """{"order_id":"W1"}"""));
        model.Script("Pay it back", Says.Calls("refund", """{"payment":"P-W1"}"""));
        using var turn = memory.BeginTurn("Refund order W1");
        using (turn.Enter())
        {
            await client.AskAsync("Look W1 up", new ChatOptions { Tools = new Shop().Tools });
            await client.AskAsync("Pay it back", new ChatOptions { Tools = new Shop().Tools });
        }

        var learned = (await turn.EndAsync(TurnEnd.Answered)).Learned!.Procedure!;
        Assert.Equal(("refund_order", 2), (learned.Name, learned.Version.Steps.Count));
    }

    [Fact]
    public async Task Calls_that_cannot_be_recorded_are_made_all_the_same_and_teach_nothing()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(o => o.Redactor = new ThrowingRedactor(), ended);
        var log = new LogLines();
        using var client = model.CreateClient().WithMemory(memory, o => o.LoggerFactory = log);
        var shop = new Shop();
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1"}"""), Says.Calls("refund", """{"payment":"P-W1"}"""));

        Assert.Equal("Done.", await client.AskAsync(First, new ChatOptions { Tools = shop.Tools }));

        Assert.Equal(2, shop.Calls.Count);
        Assert.Null(Assert.Single(ended).Learned);
        Assert.StartsWith("A step of the recording 'turn' (trace", Assert.Single(log.Lines), StringComparison.Ordinal);
        Assert.DoesNotContain("W1", log.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_makes_calls_itself_is_learned_from_by_its_messages()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        using var memory = Given.Memory(ended: ended);
        using var client = new InProcessModel(_ => [new TextContent("Done.")]).AsBuilder().UseProceduralMemory(memory).Build();
        var shop = new Shop();
        List<ChatMessage> messages =
        [
            new(ChatRole.User, "Refund order W0"),
            new(ChatRole.Assistant, [new FunctionCallContent("0", "refund", new Dictionary<string, object?> { ["payment"] = "P-W0" })]),
            new(ChatRole.Tool, [new FunctionResultContent("0", "old")]),
            new(ChatRole.User, First),
            new(ChatRole.Assistant, [new FunctionCallContent("2", "get_order", new Dictionary<string, object?> { ["order_id"] = "W9" }), new FunctionCallContent("1", "get_order", new Dictionary<string, object?> { ["order_id"] = "W1001" })]),
            new(ChatRole.Tool, [new FunctionResultContent("1", new Shop.Order("W1001", "P-W1001")), new FunctionResultContent("2", "Error: no such order") { Exception = new KeyNotFoundException("W9") }]),
            new(ChatRole.Assistant, [new FunctionCallContent("3", "refund", new Dictionary<string, object?> { ["payment"] = "P-W1001" })]),
            new(ChatRole.Tool, [new FunctionResultContent("3", "done")]),
        ];

        await client.GetResponseAsync(messages, new ChatOptions { Tools = shop.Tools });
        var learned = Assert.Single(ended).Learned!;
        Assert.Equal(["get_order", "refund"], learned.Procedure!.Version.Steps.Select(s => s.Action));
        var trace = (await memory.GetTraceAsync(learned.TraceId))!;
        Assert.Equal([StepStatus.Failed, StepStatus.Success, StepStatus.Success], trace.Steps.Select(s => s.Status));
        Assert.Equal(trace.Steps[0].CallGroup, trace.Steps[1].CallGroup);

        // Whoever has the model go on without a word asks for nothing new.
        messages.Add(new ChatMessage(ChatRole.Assistant, "Done."));
        await client.GetResponseAsync(messages, new ChatOptions { Tools = shop.Tools });
        Assert.Equal("Its request was answered before, and nothing was asked for since.", ended.Last().Because);
        messages.RemoveAt(messages.Count - 1);

        // What the service keeps is not among the messages: a result without its call.
        messages.RemoveAt(4);
        await client.GetResponseAsync(messages, new ChatOptions { Tools = shop.Tools });
        Assert.Equal("Some of its calls were made where they cannot be seen.", ended.Last().Because);
    }

    [Fact]
    public async Task A_host_with_a_loop_of_its_own_records_its_tools()
    {
        using var memory = Given.Memory();
        var shop = new Shop();
        var tools = shop.Tools.RecordedBy(memory).Cast<AIFunction>().ToList();
        using var turn = memory.BeginTurn("Refund order W1");
        using (turn.Enter())
        {
            await tools[0].InvokeAsync(new AIFunctionArguments { ["order_id"] = "W1" });
            await tools[1].InvokeAsync(new AIFunctionArguments { ["payment"] = "P-W1" });
        }

        Assert.Equal(["get_order", "refund"], (await turn.EndAsync(TurnEnd.Answered)).Learned!.Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Fact]
    public async Task What_a_call_has_started_and_left_behind_is_inside_of_it_no_more()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        using var client = model.CreateClient().WithMemory(memory);
        var shop = new Shop();
        var returned = new TaskCompletionSource();
        Task? leftBehind = null;
        var start = AIFunctionFactory.Create(
            () =>
            {
                leftBehind = Task.Run(async () =>
                {
                    await returned.Task;
                    Assert.False(CallFrames.IsInside(memory));
                    await client.AskAsync(Second, new ChatOptions { Tools = shop.Tools });
                });
                Assert.True(CallFrames.IsInside(memory));
                return "started";
            },
            "start");
        model.Script(First, Says.Calls("start"));
        model.Script(Second, Says.Calls("get_order", """{"order_id":"W2"}"""), Says.Calls("refund", """{"payment":"P-W2"}"""));

        await client.AskAsync(First, new ChatOptions { Tools = [start] });
        returned.SetResult();
        await leftBehind!;

        Assert.Equal(["get_order", "refund"], ended.Last().Learned!.Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_throws_at_what_the_memory_asks_is_answered_all_the_same(bool streaming)
    {
        var ended = new ConcurrentQueue<TurnResult>();
        using var memory = Given.Memory(ended: ended);
        using var client = new ProceduralMemoryChatClient(new Secretive(new InProcessModel(_ => [new TextContent("Done.")])), memory);

        Assert.Equal("Done.", await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools }, streaming));
        Assert.Empty(await memory.ListAsync());
    }

    [Fact]
    public async Task A_conversation_that_the_service_keeps_may_have_a_replay_to_go_on_with()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().AsBuilder().UseProceduralMemory(memory).UseFunctionInvocation().ConfigureOptions(o => o.ConversationId = null).Build();

        await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools, ConversationId = "c1" });

        Assert.Equal(["get_order", "refund", "resume_procedure"], ScriptedModel.ToolsOf(model.Requests[^1]).Select(t => (string)t["name"]!));
    }

    [Fact]
    public void A_function_is_found_by_its_very_name_first_and_by_another_only_where_a_plugin_was_recorded()
    {
        var (capital, small, wire) = (AIFunctionFactory.Create(() => 1, "Get"), AIFunctionFactory.Create(() => 2, "get"), AIFunctionFactory.Create(() => 3, "orders_refund"));
        var tools = new ToolSet([capital, small, wire]);

        Assert.Same(small, tools.Find("get"));
        Assert.Same(capital, tools.Find("Get"));
        Assert.Same(capital, tools.Find("GET"));
        Assert.Same(wire, tools.Find("orders.refund"));
        Assert.Null(tools.Find("orders-refund"));
        Assert.Null(tools.Exactly("GET"));
    }

    [Fact]
    public void An_answer_whose_parts_do_not_say_whose_they_are_is_counted_all_the_same()
    {
        var trail = new AnswerTrail();
        foreach (AIContent content in new AIContent[] { new FunctionCallContent("1", "get"), new FunctionResultContent("1", "x"), new TextContent("Do"), new TextContent("ne."), new UsageContent() })
        {
            trail.Add(new ChatResponseUpdate(role: null, [content]));
        }

        Assert.Equal(2, trail.Usage.ModelCalls);
        Assert.False(trail.HasOpenCalls);
    }

    private sealed class Secretive(IChatClient inner) : DelegatingChatClient(inner)
    {
        public override object? GetService(Type serviceType, object? serviceKey = null) => throw new InvalidOperationException("No.");
    }

    [Fact]
    public async Task A_memory_that_is_registered_is_taken_from_the_services()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        using var client = model.CreateClient().AsBuilder().UseProceduralMemory().UseFunctionInvocation().Build(new Services(memory));
        await TeachAsync(model, client);
        Assert.Single(await memory.ListAsync());

        var missing = Assert.Throws<InvalidOperationException>(() => model.CreateClient().AsBuilder().UseProceduralMemory().Build());
        Assert.Equal("No ProcedureMemory is registered. Register one as a singleton, build the chat client with the services, or call UseProceduralMemory with a memory.", missing.Message);
    }

    private static async Task TeachAsync(ScriptedModel model, IChatClient client)
    {
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1001"}"""), Says.Calls("refund", """{"payment":"P-W1001"}"""));
        await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools });
    }

    private sealed class Services(ProcedureMemory memory) : IServiceProvider
    {
        public object? GetService(Type serviceType) => serviceType == typeof(ProcedureMemory) ? memory : null;
    }

    private sealed class ThrowingRedactor : IRedactor
    {
        public bool IsSecret(string action, string name) => name == "payment" && action == "refund" ? throw new InvalidOperationException("No.") : false;

        public string Redact(string text) => text;
    }

    private sealed class ThrowingNamer : IProcedureNamer
    {
        public ValueTask<ProcedureNaming?> NameAsync(TurnReport turn, CancellationToken cancellationToken = default) => throw new InvalidOperationException("no name");
    }

    /// <summary>Fails at its third answer.</summary>
    private sealed class FailingClient(IChatClient inner) : DelegatingChatClient(inner)
    {
        private int _count;

        public override Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            ++_count == 3 ? throw new InvalidOperationException("The model is down.") : base.GetResponseAsync(messages, options, cancellationToken);

        public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            ++_count == 3 ? throw new InvalidOperationException("The model is down.") : base.GetStreamingResponseAsync(messages, options, cancellationToken);
    }
}
