using System.ComponentModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What a model does through the real connector between start_recording and finalize is recorded as it was.</summary>
public sealed class RecordingOverTheWireTests
{
    private const string Request = "Refund order W-1234, please.";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_task_becomes_a_procedure_whether_the_answers_are_streamed_or_not(bool streaming)
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin(), streaming);

        var conversation = await agent.AskAsync(
            Request,
            Model.StartsRecording("refund_order", "Refunds an order."),
            Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""),
            Model.Calls("shop-refund", """{"customerId":"C-7788","amount":1249.90}"""),
            Model.Finalizes());

        Assert.Equal("Done.", conversation.Answer);
        Assert.Equal([ReplyStatus.Recording, ReplyStatus.Stored], [conversation.Replies[0].Status, conversation.Replies[^1].Status]);
        Assert.Equal(["get_order W-1234", "refund C-7788 1249.90"], shop.Calls);

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(TraceStatus.Completed, trace.Status);
        Assert.Equal(["shop.get_order", "shop.refund"], trace.Actions());
        Assert.All(trace.Steps, s => Assert.Equal(StepStatus.Success, s.Status));
        Assert.Equal("""{"orderId":"W-1234"}""", trace.Steps[0].Arguments.GetRawText());
        Assert.Equal("""{"customerId":"C-7788","amount":1249.9}""", trace.Steps[1].Arguments.GetRawText());
        Given.JsonEqual("""{"Id":"W-1234","CustomerId":"C-7788","Total":1249.90}""", trace.Steps[0].Result);
        Given.JsonEqual("\"Receipt for C-7788\"", trace.Steps[1].Result);

        // What the user named is an input, what an earlier call returned is bound to it.
        var procedure = await agent.Memory.GetAsync("refund_order");
        Assert.Equal("Refunds an order.", procedure.Description);
        Assert.Equal(["shop.get_order", "shop.refund"], procedure.Actions());
        Given.JsonEqual("""{"orderId":"$inputs.orderId"}""", procedure.Version.Steps[0].Arguments);
        Given.JsonEqual("""{"customerId":"$steps.get_order.outputs#/CustomerId","amount":"$steps.get_order.outputs#/Total"}""", procedure.Version.Steps[1].Arguments);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_trace_keeps_the_request_and_counts_the_models_answers_up_to_finalize(bool streaming)
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin(), streaming);

        await agent.AskAsync(Request, Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""), Model.Finalizes());

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(Request, trace.Request);
        Assert.Equal(Request, (await agent.Memory.GetAsync("learned_task")).Version.Request);
        Assert.Equal(3, trace.ModelCalls);
        Assert.Equal(4, agent.Requests.Count);
    }

    [Fact]
    public async Task A_recording_may_go_over_several_turns_of_the_user()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());

        await agent.AskAsync("Begin.", Model.StartsRecording());
        await agent.AskAsync("Look at order W-1.", Model.Calls("shop-get_order", """{"orderId":"W-1"}"""));
        await agent.AskAsync("Look at order W-2.", Model.Calls("shop-get_order", """{"orderId":"W-2"}"""));
        var last = await agent.AskAsync("That is all.", Model.Finalizes());

        Assert.Equal(ReplyStatus.Stored, last.Replies.Single().Status);
        Assert.Equal("Begin.", (await agent.Memory.LatestTraceAsync()).Request);
        Assert.Equal(["shop.get_order", "shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_of_one_answer_stand_in_the_order_asked_for_as_a_group(bool streaming)
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("mark", (string name) => name)), streaming);

        await agent.AskAsync(
            "Mark them.",
            Model.StartsRecording(),
            Model.Calls("t-mark", """{"name":"before"}"""),
            Model.Calls(("t-mark", """{"name":"x"}"""), ("t-mark", """{"name":"y"}"""), ("t-mark", """{"name":"z"}""")),
            Model.Calls(("t-mark", """{"name":"p"}"""), ("t-mark", """{"name":"q"}""")),
            Model.Finalizes());

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(["before", "x", "y", "z", "p", "q"], trace.Steps.Select(NameOf));
        Assert.Equal([0, 0, 1, 2, 0, 1], trace.Steps.Select(s => s.CallIndex));
        Assert.Null(trace.Steps[0].CallGroup);
        Assert.Single(trace.Steps.Skip(1).Take(3).Select(s => Assert.IsType<string>(s.CallGroup)).Distinct());
        Assert.Single(trace.Steps.Skip(4).Select(s => Assert.IsType<string>(s.CallGroup)).Distinct());
        Assert.NotEqual(trace.Steps[1].CallGroup, trace.Steps[4].CallGroup);
        Assert.Equal(["before", "x", "y", "z", "p", "q"], (await agent.Memory.GetAsync("learned_task")).ConfirmedArguments().Select(a => a.GetProperty("name").GetString()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Concurrent_calls_stand_in_the_order_asked_for_though_they_complete_in_reverse(bool streaming)
    {
        var relay = new Relay("x", "y", "z");
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("mark", (string name) => relay.RunAfterNextAsync(name))), streaming, new() { AllowConcurrentInvocation = true });

        await agent.AskAsync(
            "Mark them.",
            Model.StartsRecording(),
            Model.Calls(("t-mark", """{"name":"x"}"""), ("t-mark", """{"name":"y"}"""), ("t-mark", """{"name":"z"}""")),
            Model.Finalizes());

        Assert.Equal(["z", "y", "x"], relay.Order);
        var procedure = await agent.Memory.GetAsync("learned_task");
        Assert.Equal(["x", "y", "z"], procedure.ConfirmedArguments().Select(a => a.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task Concurrent_calls_stand_in_the_order_asked_for_though_they_begin_in_reverse()
    {
        // A gate of the host lets the call that was asked for last go first.
        var relay = new Relay("x", "y", "z");
        var gate = new Filters
        {
            OnAuto = async (context, next) =>
            {
                if (context.Function.Name == "mark")
                {
                    await relay.RunAfterNextAsync((string)context.Arguments!["name"]!, () => next(context));
                }
                else
                {
                    await next(context);
                }
            }
        };
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Services.AddSingleton<IAutoFunctionInvocationFilter>(gate);
                b.Plugins.Add(Given.Plugin("t", ("mark", (string name) => name)));
            },
            functionChoice: new() { AllowConcurrentInvocation = true });

        await agent.AskAsync(
            "Mark them.",
            Model.StartsRecording(),
            Model.Calls(("t-mark", """{"name":"x"}"""), ("t-mark", """{"name":"y"}"""), ("t-mark", """{"name":"z"}""")),
            Model.Finalizes());

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(["z", "y", "x"], trace.Steps.Select(NameOf));
        Assert.Equal([2, 1, 0], trace.Steps.Select(s => s.CallIndex));
        var procedure = await agent.Memory.GetAsync("learned_task");
        Assert.Equal(["x", "y", "z"], procedure.ConfirmedArguments().Select(a => a.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task Finalize_asked_for_together_with_a_call_waits_for_it()
    {
        var finalizing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var watch = new Filters
        {
            OnFunction = (context, next) =>
            {
                var call = next(context);
                if (context.Function.Name == ProceduralMemoryPlugin.Finalize)
                {
                    // It has gone as far as it can without the other call.
                    finalizing.SetResult();
                }

                return call;
            }
        };
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var hold = new Filters
        {
            OnAuto = async (context, next) =>
            {
                if (context.Function.Name == ProceduralMemoryPlugin.Finalize)
                {
                    await begun.Task;
                }

                await next(context);
            }
        };
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Services.AddSingleton<IFunctionInvocationFilter>(watch);
                b.Services.AddSingleton<IAutoFunctionInvocationFilter>(hold);
                b.Plugins.Add(Given.Plugin("t", ("work", async () =>
                {
                    begun.SetResult();
                    await finalizing.Task;
                    return "worked";
                }
                )));
            },
            functionChoice: new() { AllowConcurrentInvocation = true });

        var conversation = await agent.AskAsync("Work.", Model.StartsRecording(), Model.Calls(("t-work", "{}"), ("procedures-finalize", "{}")));

        Assert.Equal(ReplyStatus.Stored, conversation.Replies[^1].Status);
        Given.JsonEqual("\"worked\"", (await agent.Memory.LatestTraceAsync()).Steps.Single().Result);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tool_that_throws_is_recorded_as_failed_is_not_learned_and_does_not_end_the_conversation(bool streaming)
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin(), streaming);

        var conversation = await agent.AskAsync(
            "Close the shop, or look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("shop-close", """{"why":"holiday"}"""),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Finalizes());

        Assert.Contains("The shop never closes.", conversation.Replies[1].Text, StringComparison.Ordinal);
        Assert.Equal("Done.", conversation.Answer);
        Assert.Equal(["close holiday", "get_order W-5"], shop.Calls);
        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(["shop.close", "shop.get_order"], trace.Actions());
        Assert.Equal([StepStatus.Failed, StepStatus.Success], trace.Steps.Select(s => s.Status));
        Assert.Equal(new StepFailure(nameof(InvalidOperationException), "The shop never closes."), trace.Steps[0].Failure);
        Assert.Null(trace.Steps[0].Result);
        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
        Assert.Contains("1 failed or repeated calls were left out", conversation.Replies[^1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_a_filter_refuses_by_throwing_is_recorded_as_failed()
    {
        var gate = new Filters { OnFunction = (context, next) => context.Function.Name == "refund" ? throw new UnauthorizedAccessException("No refunds today.") : next(context) };
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(shop.Plugin()), afterwards: b => b.Services.AddSingleton<IFunctionInvocationFilter>(gate));

        await agent.AskAsync("Refund.", Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-5"}"""), Model.Calls("shop-refund", """{"customerId":"C-1","amount":1}"""), Model.Finalizes());

        Assert.Equal(["get_order W-5"], shop.Calls);
        var refused = (await agent.Memory.LatestTraceAsync()).Steps[1];
        Assert.Equal((StepStatus.Failed, new StepFailure(nameof(UnauthorizedAccessException), "No refunds today.")), (refused.Status, refused.Failure));
        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task A_tool_that_does_not_exist_and_arguments_that_are_no_json_leave_no_step_and_the_recording_goes_on()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());

        var conversation = await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("shop-no_such_tool"),
            Model.Calls("shop-get_order", "{broken"),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Finalizes());

        Assert.Equal(ReplyStatus.Stored, conversation.Replies[^1].Status);
        Assert.Equal(["shop.get_order"], (await agent.Memory.LatestTraceAsync()).Actions());
    }

    [Fact]
    public async Task A_call_that_a_recorded_function_makes_itself_belongs_to_it_and_is_no_step()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin(
            "t",
            ("inner", (int n) => n + 1),
            ("outer", async (Kernel kernel, int n) => (await kernel.CallAsync("t.inner", ("n", n))).GetValue<int>() + (await kernel.CallAsync("t.inner", ("n", 10))).GetValue<int>())));

        await agent.AskAsync("Count.", Model.StartsRecording(), Model.Calls("t-outer", """{"n":1}"""), Model.Calls("t-inner", """{"n":5}"""), Model.Finalizes());

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(["t.outer", "t.inner"], trace.Actions());
        Assert.Equal(["13", "6"], trace.Steps.Select(s => s.Result!.Value.GetRawText()));
        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "learned_task", Given.Confirmed());
        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.Equal(["13", "6"], replay.Steps.Select(s => s.Result!.Value.GetRawText()));
    }

    [Fact]
    public async Task A_failing_call_inside_a_recorded_function_does_not_open_it_up()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin(
            "t",
            ("inner", (Action)(() => throw new InvalidOperationException("inner fault"))),
            ("other", () => "other"),
            ("outer", async (Kernel kernel) =>
            {
                await Assert.ThrowsAsync<InvalidOperationException>(() => kernel.CallAsync("t.inner"));
                return (await kernel.CallAsync("t.other")).GetValue<string>();
            }
        )));

        await agent.AskAsync("Go.", Model.StartsRecording(), Model.Calls("t-outer"), Model.Finalizes());

        Assert.Equal(["t.outer"], (await agent.Memory.LatestTraceAsync()).Actions());
    }

    [Fact]
    public async Task A_prompt_function_without_a_plugin_is_transparent_and_the_tools_that_it_leads_to_are_recorded()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());

        Assert.Equal("Done.", await agent.PromptAsync(Request, Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""), Model.Finalizes()));

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(["shop.get_order"], trace.Actions());
        Assert.Equal(Request, trace.Request);
    }

    [Fact]
    public async Task A_function_that_a_template_calls_is_recorded_with_its_own_arguments_and_not_the_templates_variables()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("greet", (string name) => $"Hello {name}")));

        await agent.AskAsync("Begin.", Model.StartsRecording());
        await agent.Kernel.InvokePromptAsync("{{t.greet name=$who}}, {{$mood}}", new KernelArguments { ["who"] = "Ada", ["mood"] = "glad" });
        await agent.AskAsync("End.", Model.Finalizes());

        var step = (await agent.Memory.LatestTraceAsync()).Steps.Single();
        Assert.Equal("t.greet", step.Action);
        Assert.Equal("""{"name":"Ada"}""", step.Arguments.GetRawText());
    }

    [Fact]
    public async Task An_ad_hoc_function_without_a_plugin_is_transparent()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        var adHoc = KernelFunctionFactory.CreateFromMethod(async (Kernel kernel) =>
        {
            await kernel.CallAsync("shop.get_order", ("orderId", "W-1"));
            await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));
        });

        await agent.Kernel.StartRecordingAsync();
        await adHoc.InvokeAsync(agent.Kernel);
        await agent.Kernel.FinalizeAsync();

        Assert.Equal(["shop.get_order", "shop.get_order"], (await agent.Memory.LatestTraceAsync()).Actions());
    }

    [Fact]
    public async Task The_memorys_own_functions_are_no_steps()
    {
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), o => o.AdminPluginName = "admin");

        await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("procedures-find_similar_procedure", """{"request":"look at an order"}"""),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Calls("procedures-record_step", """{"action":"shop.get_order","outcome":"found it"}"""),
            Model.Calls("admin-list_procedures"),
            Model.Finalizes());

        Assert.Equal(["shop.get_order"], (await agent.Memory.LatestTraceAsync()).Actions());
    }

    [Fact]
    public async Task A_replay_while_recording_is_one_step_that_replays_the_procedure()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());
        await agent.Memory.StoredAsync(
            "look_up",
            Given.Step("shop.get_order", """{"orderId":"$inputs.order"}""", "first"),
            Given.Step("shop.get_order", """{"orderId":"$steps.first.outputs#/CustomerId"}""", "second"));

        var conversation = await agent.AskAsync(
            "Refund order W-7.",
            Model.StartsRecording("refund_order"),
            Model.Replays("look_up", """{"order":"W-7"}"""),
            Model.Calls("shop-refund", """{"customerId":"C-7788","amount":1}"""),
            Model.Finalizes());

        Assert.Equal(ReplyStatus.Stored, conversation.Replies[^1].Status);
        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal([(StepKind.Procedure, "look_up"), (StepKind.Function, "shop.refund")], trace.Steps.Select(s => (s.Kind, s.Action)));
        Assert.Equal("""{"order":"W-7"}""", trace.Steps[0].Arguments.GetRawText());

        var procedure = await agent.Memory.GetAsync("refund_order");
        Assert.Equal([StepKind.Procedure, StepKind.Function], procedure.Version.Steps.Select(s => s.Kind));
        Given.JsonEqual("""{"order":"$inputs.order"}""", procedure.Version.Steps[0].Arguments);

        // And later it replays as such: with its own inputs, and its results where the next step wants them.
        var before = shop.Calls.Count;
        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "refund_order", Given.Confirmed(("order", "\"W-9\"")));
        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.Equal(["get_order W-9", "get_order C-7788", "refund C-7788 1"], shop.Calls.Skip(before));
        Assert.Equal("look_up", replay.Steps[0].Nested!.ProcedureName);
        Assert.Equal(OutcomeMatch.Matched, replay.Steps[0].Match);
    }

    [Fact]
    public async Task A_result_of_a_replay_is_bound_in_the_outer_procedure_where_a_later_call_uses_it()
    {
        var numbers = 0;
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("ticket", () => $"ticket-{++numbers}"), ("use", (string ticket) => ticket)));
        await agent.Memory.StoredAsync("draw", Given.Step("t.ticket"));

        await agent.AskAsync("Draw and use.", Model.StartsRecording("draw_and_use"), Model.Replays("draw"), Model.Calls("t-use", """{"ticket":"ticket-1"}"""), Model.Finalizes());

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "draw_and_use");
        Given.JsonEqual("\"ticket-2\"", replay.Steps[1].Result);
    }

    [Fact]
    public async Task A_recording_of_nothing_but_a_replay_stores_nothing()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        await agent.Memory.StoredAsync("look_up", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var conversation = await agent.AskAsync("Look it up.", Model.StartsRecording("look_up_again"), Model.Replays("look_up"), Model.Finalizes());

        Assert.Equal(ReplyStatus.NothingRecorded, conversation.Replies[^1].Status);
        Assert.Equal(["look_up"], (await agent.Memory.ListAsync()).Select(p => p.Name));
        Assert.Equal(TraceStatus.Abandoned, (await agent.Memory.LatestTraceAsync()).Status);
    }

    [Fact]
    public async Task A_replay_that_fails_is_a_failed_step_and_is_not_learned()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        await agent.Memory.StoredAsync("close_shop", Given.Step("shop.close", """{"why":"holiday"}"""));

        await agent.AskAsync("Close.", Model.StartsRecording(), Model.Replays("close_shop"), Model.Calls("shop-get_order", """{"orderId":"W-1"}"""), Model.Finalizes());

        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal([("close_shop", StepStatus.Failed), ("shop.get_order", StepStatus.Success)], trace.Steps.Select(s => (s.Action, s.Status)));
        Assert.Equal(FailureTypes.NestedProcedure, trace.Steps[0].Failure!.ErrorType);
        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task A_replay_of_a_procedure_that_is_not_there_is_a_failed_step_and_is_not_learned()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());

        await agent.AskAsync("Close.", Model.StartsRecording(), Model.Replays("no_such_procedure"), Model.Calls("shop-get_order", """{"orderId":"W-1"}"""), Model.Finalizes());

        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task Without_a_recording_nothing_is_written_down()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());

        await agent.AskAsync("Look at order W-5.", Model.Calls("shop-get_order", """{"orderId":"W-5"}"""));

        Assert.Empty(await agent.Memory.ListTracesAsync());
        Assert.False(agent.Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task The_arguments_are_those_of_the_moment_of_the_call_though_the_function_changes_them()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("spoil", (KernelArguments arguments, [Description("A name.")] string name) => arguments["name"] = "spoilt")));

        await agent.AskAsync("Spoil.", Model.StartsRecording(), Model.Calls("t-spoil", """{"name":"fresh"}"""), Model.Finalizes());

        Assert.Equal("""{"name":"fresh"}""", (await agent.Memory.LatestTraceAsync()).Steps.Single().Arguments.GetRawText());
    }

    [Fact]
    public async Task Secrets_in_arguments_and_results_are_not_recorded()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("log_in", (string user, string password) => new { user, session = $"opened with {password}" })));

        await agent.AskAsync("Log in.", Model.StartsRecording(), Model.Calls("t-log_in", """{"user":"ada","password":"correct-horse-battery"}"""), Model.Finalizes());

        var step = (await agent.Memory.LatestTraceAsync()).Steps.Single();
        var mark = step.Arguments.GetProperty("password").GetString()!;
        Assert.True(SecretRedactor.IsMarker(mark));
        Given.JsonEqual($$"""{"user":"ada","password":"{{mark}}"}""", step.Arguments);
        Given.JsonEqual($$"""{"user":"ada","session":"opened with {{mark}}"}""", step.Result);
    }

    private static string? NameOf(TraceStep step) => step.Arguments.GetProperty("name").GetString();

    /// <summary>Runners each of whom finishes only after the next one has.</summary>
    private sealed class Relay(params string[] names)
    {
        private readonly Dictionary<string, TaskCompletionSource> _done = names.ToDictionary(n => n, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        private readonly List<string> _order = [];

        public IReadOnlyList<string> Order => _order;

        public Task RunAfterNextAsync(string name) => RunAfterNextAsync(name, () => Task.CompletedTask);

        public async Task RunAfterNextAsync(string name, Func<Task> run)
        {
            var index = Array.IndexOf(names, name);
            if (index < names.Length - 1)
            {
                await _done[names[index + 1]].Task;
            }

            await run();
            _order.Add(name);
            _done[name].SetResult();
        }
    }
}
