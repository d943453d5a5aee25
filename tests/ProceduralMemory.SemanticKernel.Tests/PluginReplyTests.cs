using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What a model reads after it has called one of the functions, as it went over the wire.</summary>
public sealed class PluginReplyTests
{
    private const string Find = "procedures-find_similar_procedure";
    private const string Replay = "procedures-replay_procedure";
    private const string Start = "procedures-start_recording";
    private const string Record = "procedures-record_step";
    private const string Finalize = "procedures-finalize";

    // ---- find_similar_procedure ----------------------------------------------------------------------------------------------------

    [Fact]
    public async Task Find_lists_what_fits_with_what_a_replay_needs_to_know()
    {
        await using var agent = await ShopAgentAsync();
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Find, """{"request":"refund the order W-1"}""");

        Assert.Equal(ReplyStatus.Found, reply.Status);
        Assert.StartsWith("replay_procedure", reply.Next, StringComparison.Ordinal);
        var found = reply["procedures"].EnumerateArray().Single();
        Assert.Equal("refund_order", found.GetProperty("name").GetString());
        Assert.Equal("Refunds an order.", found.GetProperty("description").GetString());
        Assert.InRange(found.GetProperty("score").GetDouble(), 0.5, 1);
        Assert.Equal("0 of 0", found.GetProperty("succeeded").GetString());
        Given.JsonEqual("""["shop.get_order","shop.refund"]""", found.GetProperty("steps"));
        Given.JsonEqual("""
            [{"name":"order","type":"string","required":true,"description":"The order's number."},{"name":"reason","type":"string","required":false}]
            """, found.GetProperty("inputs"));
    }

    [Theory]
    [InlineData("1", 1)]
    [InlineData("\"2\"", 2)]
    [InlineData("0", 1)]
    [InlineData("1000", 3)]
    public async Task Find_takes_the_number_that_a_model_gives_within_reason(string top, int expected)
    {
        await using var agent = await ShopAgentAsync();
        foreach (var name in new[] { "refund_order_a", "refund_order_b", "refund_order_c" })
        {
            await agent.Memory.StoredAsync(name, Given.Step("shop.get_order", """{"orderId":"W-1"}"""));
        }

        var reply = await agent.ModelCallsAsync(Find, $$"""{"request":"refund order","top":{{top}}}""");

        Assert.Equal(expected, reply["procedures"].GetArrayLength());
    }

    [Fact]
    public async Task Find_says_that_nothing_fits_and_what_to_do_then()
    {
        await using var agent = await ShopAgentAsync();
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Find, """{"request":"bake a large chocolate cake with cherries for grandmother and then order coffee"}""");

        Assert.Equal(ReplyStatus.NothingFits, reply.Status);
        Assert.Contains("start_recording", reply.Next, StringComparison.Ordinal);
        Given.JsonEqual("""["refund_order"]""", reply["near_misses"]);
        Assert.False(reply.Has("procedures"));
    }

    [Fact]
    public async Task Find_leaves_out_what_calls_a_function_that_the_kernel_lacks_and_says_so()
    {
        await using var agent = await ShopAgentAsync();
        await agent.Memory.StoreAsync(new ProcedureDefinition
        {
            Name = "cancel_subscription",
            Description = "Cancel the subscription",
            Steps = [new ProcedureStep { Action = "billing.cancel", Arguments = JsonElement.Parse("{}") }],
        });

        var reply = await agent.ModelCallsAsync(Find, """{"request":"cancel the subscription"}""");

        Assert.Equal(ReplyStatus.NothingFits, reply.Status);
        Assert.Equal("No stored procedure can be used. 'cancel_subscription' calls billing.cancel, which cannot be called here.", reply.Message);
        Assert.Contains("start_recording", reply.Next, StringComparison.Ordinal);
        Assert.False(reply.Has("procedures"));
    }

    [Fact]
    public async Task Find_in_an_empty_memory_finds_nothing()
    {
        await using var agent = await ShopAgentAsync();

        var reply = await agent.ModelCallsAsync(Find, """{"request":"refund the order"}""");

        Assert.Equal(ReplyStatus.NothingFits, reply.Status);
        Assert.False(reply.Has("near_misses"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    public async Task Find_without_words_is_invalid(string request)
    {
        await using var agent = await ShopAgentAsync();

        var reply = await agent.ModelCallsAsync(Find, $$"""{"request":"{{request}}"}""");

        Assert.Equal(ReplyStatus.Invalid, reply.Status);
        Assert.Contains("'request' is empty", reply.Message, StringComparison.Ordinal);
    }

    // ---- replay_procedure ----------------------------------------------------------------------------------------------------------

    [Fact]
    public async Task Replay_gives_the_result_of_every_step()
    {
        var shop = new Shop();
        await using var agent = await ShopAgentAsync(shop);
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"refund_order","inputs":{"order":"W-7"}}""");

        Assert.Equal(ReplyStatus.Completed, reply.Status);
        Assert.Equal("Answer the user from the results.", reply.Next);
        Assert.Equal(["get_order W-7", "refund C-1 5"], shop.Calls);
        var steps = reply["steps"].EnumerateArray().ToList();
        Assert.Equal([("look_up", "shop.get_order", "success"), ("refund", "shop.refund", "success")], steps.Select(s => (s.GetProperty("id").GetString()!, s.GetProperty("action").GetString()!, s.GetProperty("status").GetString()!)));
        Assert.Equal("Receipt for C-1", steps[1].GetProperty("result").GetString());
        var execution = await agent.Memory.GetExecutionAsync(Guid.Parse(reply["execution_id"].GetString()!));
        Assert.Equal((ReplayOutcome.Completed, "Please call procedures-replay_procedure."), (execution!.Outcome, execution.Request));
    }

    [Theory]
    [InlineData("""{"order":"W-7"}""", false)]
    [InlineData("""{"order":"W-7"}""", true)]
    [InlineData("""
        "{\"order\":\"W-7\"}"
        """, false)]
    [InlineData("""
        "{\"order\":\"W-7\"}"
        """, true)]
    [InlineData("""
        "\"{\\\"order\\\":\\\"W-7\\\"}\""
        """, false)]
    [InlineData("""
        "\"{\\\"order\\\":\\\"W-7\\\"}\""
        """, true)]
    public async Task Replay_takes_inputs_as_an_object_as_json_text_and_as_text_encoded_twice(string inputs, bool retainTypes)
    {
        var shop = new Shop();
#pragma warning disable SKEXP0001 // The switch is experimental; both ways must do.
        await using var agent = await TestAgent.StartAsync(shop.Plugin(), functionChoice: new() { RetainArgumentTypes = retainTypes });
#pragma warning restore SKEXP0001
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Replay, $$"""{"name":"refund_order","inputs":{{inputs}}}""");

        Assert.Equal((ReplyStatus.Completed, "get_order W-7, refund C-1 5"), (reply.Status, string.Join(", ", shop.Calls)));
    }

    [Fact]
    public async Task Replay_without_its_inputs_says_which_are_missing_and_of_what_type()
    {
        var shop = new Shop();
        await using var agent = await ShopAgentAsync(shop);
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"refund_order"}""");

        Assert.Equal(ReplyStatus.MissingInputs, reply.Status);
        Given.JsonEqual("""[{"name":"order","type":"string","required":true,"description":"The order's number."}]""", reply["missing"]);
        Assert.Contains("'order'", reply.Message, StringComparison.Ordinal);
        Assert.StartsWith("replay_procedure again", reply.Next, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
        Assert.False(reply.Has("execution_id"));
    }

    [Fact]
    public async Task Replay_with_an_input_of_another_type_says_so()
    {
        await using var agent = await ShopAgentAsync();
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"refund_order","inputs":{"order":["W-7"]}}""");

        Assert.Equal(ReplyStatus.MissingInputs, reply.Status);
        Assert.Contains("must be of type string; array was given", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replay_that_fails_says_what_is_done_and_what_is_left()
    {
        await using var agent = await ShopAgentAsync();
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.close", """{"why":"x"}"""), Given.Step("shop.get_order", """{"orderId":"W-2"}"""));

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"p"}""");

        Assert.Equal(ReplyStatus.Failed, reply.Status);
        Assert.Contains("must not be repeated", reply.Next, StringComparison.Ordinal);
        Assert.Contains("The shop never closes.", reply.Message, StringComparison.Ordinal);
        Assert.Equal(["success", "failed", "pending"], reply["steps"].EnumerateArray().Select(s => s.GetProperty("status").GetString()));
        Assert.Equal("The shop never closes.", reply["steps"][1].GetProperty("note").GetString());
    }

    [Fact]
    public async Task Replay_goes_on_after_a_failure_and_leaves_out_steps_and_adapts_arguments_where_the_model_asks_for_it()
    {
        var shop = new Shop();
        await using var agent = await ShopAgentAsync(shop);
        await agent.Memory.StoredAsync("p", Given.Step("shop.close", """{"why":"x"}"""), Given.Step("shop.get_order", """{"orderId":"W-1"}""", "one"), Given.Step("shop.get_order", """{"orderId":"W-2"}""", "two"), Given.Step("shop.refund", """{"customerId":"C-1","amount":1}"""));

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"p","continueOnFailure":true,"skip":["one"],"adapt":{"two":{"orderId":"W-9"},"shop.refund":{"amount":3}}}""");

        Assert.Equal(ReplyStatus.Failed, reply.Status);
        Assert.Equal(["failed", "skipped", "success", "success"], reply["steps"].EnumerateArray().Select(s => s.GetProperty("status").GetString()));
        Assert.Equal(["close x", "get_order W-9", "refund C-1 3"], shop.Calls);
    }

    [Fact]
    public async Task Replay_of_a_name_that_is_not_there_says_which_are_near()
    {
        await using var agent = await ShopAgentAsync();
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"refund_orders"}""");

        Assert.Equal((ReplyStatus.NotFound, "find_similar_procedure"), (reply.Status, reply.Next));
        Assert.Contains("Did you mean 'refund_order'?", reply.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"name":""}""", "'name' is empty")]
    [InlineData("""{"name":"refund_order","inputs":"{\"order\": W-7}"}""", "no valid JSON")]
    [InlineData("""{"name":"refund_order","inputs":"{\"order\":\"a\",\"order\":\"b\"}"}""", "no valid JSON")]
    [InlineData("""{"name":"refund_order","inputs":"W-7"}""", "'inputs' must be a JSON object")]
    [InlineData("""{"name":"refund_order","inputs":["W-7"]}""", "'inputs' must be a JSON object")]
    [InlineData("""{"name":"refund_order","inputs":{"order":"W-7"},"adapt":"no"}""", "'adapt' must be a JSON object")]
    [InlineData("""{"name":"refund_order","inputs":{"order":"W-7"},"skip":{"a":1}}""", "'skip' must be a JSON array")]
    [InlineData("""{"name":"refund_order","inputs":{"order":"W-7"},"skip":[1]}""", "'skip' must be a JSON array")]
    public async Task Replay_with_arguments_that_make_no_sense_is_invalid_and_says_what_is_wanted(string arguments, string message)
    {
        var shop = new Shop();
        await using var agent = await ShopAgentAsync(shop);
        await StoreRefundAsync(agent);

        var reply = await agent.ModelCallsAsync(Replay, arguments);

        Assert.Equal(ReplyStatus.Invalid, reply.Status);
        Assert.Contains(message, reply.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
    }

    [Theory]
    [InlineData("""{"name":"p","skip":["none"]}""", "has no step 'none'")]
    [InlineData("""{"name":"p","adapt":{"shop.none":{"a":1}}}""", "'shop.none'")]
    [InlineData("""{"name":"p","adapt":{"get_order":7}}""", "no JSON object")]
    public async Task Replay_adapted_in_a_way_that_does_not_fit_is_refused_before_the_first_step(string arguments, string message)
    {
        var shop = new Shop();
        await using var agent = await ShopAgentAsync(shop);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var reply = await agent.ModelCallsAsync(Replay, arguments);

        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.Contains(message, reply.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task A_long_result_is_not_shown_and_said_so_while_later_steps_have_all_of_it()
    {
        var taken = 0;
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("give", () => new string('x', 5000)), ("short", () => new string('x', 4000)), ("take", (string text) => { taken = text.Length; })));
        await agent.Memory.StoredAsync("p", Given.Step("t.give"), Given.Step("t.short"), Given.Step("t.take", """{"text":"$steps.give.outputs"}"""));

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"p"}""");

        var steps = reply["steps"].EnumerateArray().ToList();
        Assert.Equal((ReplyStatus.Completed, 5000), (reply.Status, taken));
        Assert.False(steps[0].TryGetProperty("result", out _));
        Assert.Matches("5002 bytes .* not shown", steps[0].GetProperty("note").GetString());
        Assert.Equal(4000, steps[1].GetProperty("result").GetString()!.Length);
        Assert.True(reply.Text.Length < 6000);
    }

    [Fact]
    public async Task The_size_of_a_result_is_that_of_the_json_that_would_be_shown()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("orders", () => Enumerable.Range(1, 90).Select(n => new Order($"W-{n}", "C-1", 1)).ToList())));
        await agent.Memory.StoredAsync("p", Given.Step("t.orders"));

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"p"}""");

        var shown = reply["steps"][0];
        Assert.True(shown.TryGetProperty("result", out var result), shown.GetRawText());
        Assert.Equal(90, result.GetArrayLength());
    }

    [Fact]
    public async Task An_outcome_that_is_not_as_usual_is_noted()
    {
        await using var agent = await ShopAgentAsync();
        var step = Given.Step("shop.get_order", """{"orderId":"W-1"}""");
        var expectation = new Expectation { Kind = ExpectationKind.Shape, Value = Given.Value("""{"type":"string"}"""), Strength = ExpectationStrength.Observed };
        await agent.Memory.StoredAsync("p", step with { Expectation = expectation });

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"p"}""");

        Assert.Equal(ReplyStatus.Completed, reply.Status);
        Assert.StartsWith("not as usual: ", reply["steps"][0].GetProperty("note").GetString(), StringComparison.Ordinal);
    }

    // ---- start_recording -----------------------------------------------------------------------------------------------------------

    [Fact]
    public async Task Starting_a_recording_names_procedures_that_may_do_the_task_already()
    {
        await using var agent = await ShopAgentAsync();
        await StoreRefundAsync(agent);

        var reply = (await agent.AskAsync("Refund order W-7.", Model.StartsRecording("refund_an_order", "Refunds an order."))).Replies.Single();

        Assert.Equal(ReplyStatus.Recording, reply.Status);
        Assert.Equal("refund_order", reply["similar"].EnumerateArray().Single().GetProperty("name").GetString());
        Assert.StartsWith("replay_procedure", reply.Next, StringComparison.Ordinal);
        Assert.Contains("'refund_an_order'", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Starting_a_recording_of_something_new_names_none()
    {
        await using var agent = await ShopAgentAsync();

        var reply = await agent.ModelCallsAsync(Start, """{"name":"refund_order","description":"Refunds an order."}""");

        Assert.Equal((ReplyStatus.Recording, "Do the task, then finalize."), (reply.Status, reply.Next));
        Assert.False(reply.Has("similar"));
        Assert.DoesNotContain("no recording filter", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Starting_a_recording_on_a_kernel_without_the_filter_says_how_to_record_and_how_to_mend_it()
    {
        using var memory = Given.Memory();
        var kernel = new Kernel();
        kernel.Plugins.AddFromObject(new ProceduralMemoryPlugin(memory), "procedures");

        var reply = await kernel.StartRecordingAsync();

        Assert.Equal(ReplyStatus.Recording, reply.Status);
        Assert.Contains("no recording filter", reply.Message, StringComparison.Ordinal);
        Assert.Contains("record_step", reply.Message, StringComparison.Ordinal);
        Assert.Contains("UseProceduralMemory", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Starting_a_second_recording_is_refused_and_says_how_to_have_two()
    {
        await using var agent = await ShopAgentAsync();
        await agent.ModelCallsAsync(Start, """{"name":"first","description":"One."}""");

        var reply = (await agent.AskAsync("Another.", Model.StartsRecording("second"))).Replies.Single();

        Assert.Equal(ReplyStatus.Conflict, reply.Status);
        Assert.Contains("already recording 'first'", reply.Message, StringComparison.Ordinal);
        Assert.Contains("BeginSession", reply.Message, StringComparison.Ordinal);
        Assert.Single(await agent.Memory.ListTracesAsync());
    }

    [Theory]
    [InlineData("""{"name":"","description":"x"}""")]
    [InlineData("""{"name":"a\nb","description":"x"}""")]
    public async Task Starting_a_recording_under_no_name_is_invalid_and_starts_nothing(string arguments)
    {
        await using var agent = await ShopAgentAsync();

        Assert.Equal(ReplyStatus.Invalid, (await agent.ModelCallsAsync(Start, arguments)).Status);
        Assert.Empty(await agent.Memory.ListTracesAsync());
        Assert.Equal(ReplyStatus.Recording, (await agent.AskAsync("Again.", Model.StartsRecording())).Replies.Single().Status);
    }

    [Fact]
    public async Task Starting_a_recording_in_a_very_long_conversation_keeps_the_beginning_of_the_request()
    {
        await using var agent = await ShopAgentAsync();
        var request = "Refund order W-7. " + string.Concat(Enumerable.Repeat("😀", 10_000));

        var conversation = await agent.AskAsync(request, Model.Calls(Find, new JsonObject { ["request"] = request }.ToJsonString()), Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-7"}"""), Model.Finalizes());
        var replayed = (await agent.AskAsync(request + " Again.", Model.Replays("learned_task", """{"orderId":"W-7"}"""))).Replies.Single();

        Assert.Equal([ReplyStatus.NothingFits, ReplyStatus.Recording], conversation.Replies.Take(2).Select(r => r.Status));
        Assert.Equal(ReplyStatus.Completed, replayed.Status);
        foreach (var kept in new[] { (await agent.Memory.LatestTraceAsync()).Request!, (await agent.Memory.ListExecutionsAsync()).Single().Request! })
        {
            Assert.StartsWith("Refund order W-7. 😀", kept, StringComparison.Ordinal);
            Assert.EndsWith("😀 … [cut]", kept, StringComparison.Ordinal);
            Assert.InRange(kept.Length, 16_000, 16_384);
        }
    }

    [Fact]
    public async Task Starting_a_recording_where_the_search_fails_leaves_none_behind()
    {
        var (fault, _) = await Given.FaultWithPathAsync();
        using var log = new LogBook();
        var broken = true;
        await using var agent = await BrokenAgentAsync(log, operation => broken && operation == nameof(IProcedureStore.ListProceduresAsync) ? fault : null);

        var reply = (await agent.AskAsync("Go.", Model.StartsRecording())).Replies.Single();
        broken = false;

        Assert.Equal(ReplyStatus.Unavailable, reply.Status);
        Assert.False(agent.Memory.HasActiveRecordings);
        Assert.Empty(await agent.Memory.ListTracesAsync());
    }

    // ---- record_step ---------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("shop.get_order")]
    [InlineData("shop-get_order")]
    [InlineData("SHOP.Get_Order")]
    public async Task Recording_a_step_that_was_recorded_by_itself_adds_the_models_words_to_it(string action)
    {
        await using var agent = await ShopAgentAsync();

        var conversation = await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Calls(Record, $$"""{"action":"{{action}}","arguments":{"orderId":"W-5"},"outcome":"The order is there.","notes":"Look first."}"""),
            Model.Finalizes());

        Assert.Equal(ReplyStatus.Recorded, conversation.Replies[2].Status);
        var step = (await agent.Memory.LatestTraceAsync()).Steps.Single();
        Assert.Equal(("The order is there.", "Look first."), (step.Outcome, step.Notes));
        Assert.NotNull(step.Result);
        Assert.Equal("Look first.", (await agent.Memory.GetAsync("learned_task")).Version.Steps.Single().Notes);
    }

    [Fact]
    public async Task Recording_a_call_on_a_kernel_without_the_filter_adds_a_step_that_can_be_replayed()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.KernelWithoutFilter(memory, shop.Plugin());
        await kernel.StartRecordingAsync();

        var reply = await kernel.AskMemoryAsync("record_step", ("action", "shop-get_order"), ("arguments", """{"orderId":"W-5"}"""), ("outcome", "C-7788"));
        await kernel.FinalizeAsync();

        Assert.Equal(ReplyStatus.Recorded, reply.Status);
        var step = (await memory.GetAsync("learned_task")).Version.Steps.Single();
        Assert.Equal((StepKind.Function, "shop.get_order"), (step.Kind, step.Action));
        await memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());
        Assert.Equal(["get_order W-5"], shop.Calls);
    }

    [Theory]
    [InlineData("""{"action":"shop.refund","arguments":{"customerId":"C-666","amount":1000000}}""")]
    [InlineData("""{"action":"shop-refund","success":false,"outcome":"It failed."}""")]
    public async Task Recording_a_call_that_was_never_made_is_invalid_and_plants_no_step(string arguments)
    {
        await using var agent = await ShopAgentAsync();

        var conversation = await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Calls(Record, arguments),
            Model.Finalizes());

        Assert.Equal(ReplyStatus.Invalid, conversation.Replies[2].Status);
        Assert.Contains("No such call of shop.refund was recorded", conversation.Replies[2].Message, StringComparison.Ordinal);
        Assert.Contains("in a way that passes no filters", conversation.Replies[2].Message, StringComparison.Ordinal);
        Assert.Contains("Call the function itself", conversation.Replies[2].Message, StringComparison.Ordinal);
        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task A_failure_reported_of_a_call_with_other_arguments_drops_no_call()
    {
        await using var agent = await ShopAgentAsync();

        var conversation = await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Calls(Record, """{"action":"shop.get_order","arguments":{"orderId":"W-6"},"success":false,"outcome":"No such order."}"""),
            Model.Finalizes());

        Assert.Equal(ReplyStatus.Invalid, conversation.Replies[2].Status);
        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task Recording_a_step_that_is_no_function_keeps_it_as_manual_and_names_near_functions()
    {
        await using var agent = await ShopAgentAsync();

        var conversation = await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls(Record, """{"action":"shop.get_orders","arguments":{"orderId":"W-5"}}"""),
            Model.Calls(Record, """{"action":"Rang the customer up"}"""),
            Model.Finalizes());

        Assert.Contains("near names: shop.get_order", conversation.Replies[1].Message, StringComparison.Ordinal);
        Assert.Contains("cannot be replayed", conversation.Replies[2].Message, StringComparison.Ordinal);
        Assert.DoesNotContain("near names", conversation.Replies[2].Message, StringComparison.Ordinal);
        Assert.Equal([StepKind.Manual, StepKind.Manual], (await agent.Memory.GetAsync("learned_task")).Version.Steps.Select(s => s.Kind));
        var replay = await agent.AskAsync("Again.", Model.Calls(Replay, """{"name":"learned_task"}"""));
        Assert.Contains("done by hand", replay.Replies.Single().Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Recording_a_step_that_failed_keeps_it_out_of_the_procedure()
    {
        await using var agent = await ShopAgentAsync();

        await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls(Record, """{"action":"Rang the customer up","success":false,"outcome":"Nobody there."}"""),
            Model.Calls(Record, """{"action":"Wrote to the customer"}"""),
            Model.Finalizes());

        Assert.Equal(new StepFailure("reported", "Nobody there."), (await agent.Memory.LatestTraceAsync()).Steps[0].Failure);
        Assert.Equal(["Wrote to the customer"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task A_call_that_the_model_reports_as_failed_is_not_learned_though_it_threw_nothing()
    {
        await using var agent = await ShopAgentAsync();

        await agent.AskAsync(
            "Look at order W-5.",
            Model.StartsRecording(),
            Model.Calls("shop-get_order", """{"orderId":"W-5"}"""),
            Model.Calls(Record, """{"action":"shop.get_order","success":false,"outcome":"That was the wrong order."}"""),
            Model.Calls("shop-refund", """{"customerId":"C-1","amount":1}"""),
            Model.Finalizes());

        Assert.Equal(["shop.refund"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task Words_about_one_of_several_calls_go_to_the_one_with_the_same_arguments()
    {
        await using var agent = await ShopAgentAsync();

        await agent.AskAsync(
            "Look at them.",
            Model.StartsRecording(),
            Model.Calls(("shop-get_order", """{"orderId":"W-1"}"""), ("shop-get_order", """{"orderId":"W-2"}"""), ("shop-get_order", """{"orderId":"W-3"}""")),
            Model.Calls(Record, """{"action":"shop.get_order","arguments":{"orderId":"W-2"},"success":false,"outcome":"The wrong one."}"""),
            Model.Calls(Record, """{"action":"shop.get_order","arguments":{"orderId":"W-1"},"outcome":"The right one."}"""),
            Model.Finalizes());

        Assert.Equal(["The right one.", "The wrong one.", null], (await agent.Memory.LatestTraceAsync()).Steps.Select(s => s.Outcome));
        Assert.Equal(["W-1", "W-3"], (await agent.Memory.GetAsync("learned_task")).ConfirmedArguments().Select(a => a.GetProperty("orderId").GetString()));
    }

    [Fact]
    public async Task Words_that_could_not_be_stored_do_not_count_as_said()
    {
        using var log = new LogBook();
        var (fault, _) = await Given.FaultWithPathAsync();
        var annotated = 0;
        await using var agent = await BrokenAgentAsync(log, operation => operation == nameof(IProcedureStore.AnnotateTraceStepAsync) && ++annotated == 1 ? fault : null);

        await agent.AskAsync(
            "Look at them.",
            Model.StartsRecording(),
            Model.Calls(("shop-get_order", """{"orderId":"W-1"}"""), ("shop-get_order", """{"orderId":"W-2"}""")),
            Model.Calls(Record, """{"action":"shop.get_order","outcome":"The latest one."}"""),
            Model.Calls(Record, """{"action":"shop.get_order","outcome":"The latest one."}"""),
            Model.Finalizes());

        Assert.Equal([null, "The latest one."], (await agent.Memory.LatestTraceAsync()).Steps.Select(s => s.Outcome));
    }

    [Theory]
    [InlineData("""{"action":""}""", "'action' is empty")]
    [InlineData("""{"action":"procedures.finalize"}""", "belongs to the procedural memory")]
    [InlineData("""{"action":"shop.get_order","arguments":"W-5"}""", "'arguments' must be a JSON object")]
    [InlineData("""{"action":"shop.get_order","arguments":"{broken"}""", "no valid JSON")]
    public async Task Recording_a_step_that_makes_no_sense_is_invalid(string arguments, string message)
    {
        await using var agent = await ShopAgentAsync();

        var reply = (await agent.AskAsync("Go.", Model.StartsRecording(), Model.Calls(Record, arguments))).Replies[^1];

        Assert.Equal(ReplyStatus.Invalid, reply.Status);
        Assert.Contains(message, reply.Message, StringComparison.Ordinal);
        Assert.Empty((await agent.Memory.LatestTraceAsync()).Steps);
    }

    [Fact]
    public async Task Recording_a_step_without_a_recording_says_how_to_start_one()
    {
        await using var agent = await ShopAgentAsync();

        var reply = await agent.ModelCallsAsync(Record, """{"action":"shop.get_order"}""");

        Assert.Equal((ReplyStatus.Conflict, "Nothing is being recorded."), (reply.Status, reply.Message));
        Assert.StartsWith("start_recording", reply.Next, StringComparison.Ordinal);
        Assert.Empty(await agent.Memory.ListTracesAsync());
        Assert.Empty(await agent.Memory.ListAsync());
    }

    // ---- finalize ------------------------------------------------------------------------------------------------------------------

    [Fact]
    public async Task Finalize_shows_what_was_learned()
    {
        await using var agent = await ShopAgentAsync();

        var reply = (await agent.AskAsync(
            "Refund order W-1234, please.",
            Model.StartsRecording("refund_order"),
            Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""),
            Model.Calls(Finalize, """{"notes":"Only within a week."}"""))).Replies[^1];

        Assert.Equal((ReplyStatus.Stored, "refund_order", 1), (reply.Status, reply["name"].GetString(), reply["version"].GetInt32()));
        Assert.Equal("orderId", reply["inputs"].EnumerateArray().Single().GetProperty("name").GetString());
        Given.JsonEqual("""[{"id":"get_order","action":"shop.get_order","arguments":{"orderId":"$inputs.orderId"}}]""", reply["steps"]);
        Assert.Equal("Only within a week.", (await agent.Memory.GetAsync("refund_order")).Notes);
    }

    [Fact]
    public async Task Finalize_of_the_same_task_again_makes_a_further_version()
    {
        await using var agent = await ShopAgentAsync();
        await agent.Memory.StoredAsync("learned_task", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var reply = (await agent.AskAsync("Look.", Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-2"}"""), Model.Finalizes())).Replies[^1];

        Assert.Equal(2, reply["version"].GetInt32());
        Assert.Equal(2, (await agent.Memory.ListVersionsAsync("learned_task")).Count);
    }

    [Fact]
    public async Task Finalize_with_nothing_done_or_nothing_but_failures_stores_nothing_and_the_next_recording_may_start()
    {
        await using var agent = await ShopAgentAsync();

        var nothing = await agent.AskAsync("Nothing.", Model.StartsRecording(), Model.Finalizes());
        var failure = await agent.AskAsync("Failure.", Model.StartsRecording(), Model.Calls("shop-close", """{"why":"x"}"""), Model.Finalizes());

        Assert.Equal([ReplyStatus.NothingRecorded, ReplyStatus.NothingRecorded], [nothing.Replies[^1].Status, failure.Replies[^1].Status]);
        Assert.Empty(await agent.Memory.ListAsync());
        Assert.False(agent.Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task Finalize_twice_or_without_a_start_says_that_nothing_is_being_recorded()
    {
        await using var agent = await ShopAgentAsync();

        var twice = await agent.AskAsync("Go.", Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-1"}"""), Model.Finalizes(), Model.Finalizes());
        var without = await agent.ModelCallsAsync(Finalize);

        Assert.Equal(ReplyStatus.Stored, twice.Replies[^2].Status);
        Assert.Equal((ReplyStatus.Conflict, "Nothing is being recorded."), (twice.Replies[^1].Status, twice.Replies[^1].Message));
        Assert.Equal((ReplyStatus.Conflict, "Nothing is being recorded."), (without.Status, without.Message));
        Assert.Single(await agent.Memory.ListVersionsAsync("learned_task"));
    }

    [Fact]
    public async Task Finalize_inside_a_recorded_call_is_refused_and_works_afterwards()
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("outer", async (Kernel kernel) => (await kernel.AskMemoryAsync("finalize")).Status)));

        var conversation = await agent.AskAsync("Go.", Model.StartsRecording(), Model.Calls("t-outer"), Model.Finalizes());

        Assert.Equal([ReplyStatus.Recording, ReplyStatus.Conflict, ReplyStatus.Stored], [conversation.Replies[0].Status, conversation.Replies[1].Text, conversation.Replies[2].Status]);
    }

    [Fact]
    public async Task Finalize_of_more_steps_than_a_procedure_may_have_says_so_and_gives_the_recording_up()
    {
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), o => o.MaxSteps = 1);

        var reply = (await agent.AskAsync("Go.", Model.StartsRecording(), Model.Calls("shop-get_order", """{"orderId":"W-1"}"""), Model.Calls("shop-get_order", """{"orderId":"W-2"}"""), Model.Finalizes())).Replies[^1];

        Assert.Equal(ReplyStatus.Conflict, reply.Status);
        Assert.Contains("MaxSteps", reply.Message, StringComparison.Ordinal);
        Assert.Equal(TraceStatus.Abandoned, (await agent.Memory.LatestTraceAsync()).Status);
    }

    // ---- all of them ---------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData(Find, """{"request":"refund order"}""")]
    [InlineData(Replay, """{"name":"refund_order"}""")]
    [InlineData(Start, """{"name":"x","description":"x"}""")]
    public async Task A_store_that_cannot_be_used_is_told_without_details_which_go_to_the_log(string tool, string arguments)
    {
        var (fault, folder) = await Given.FaultWithPathAsync();
        using var log = new LogBook();
        await using var agent = await BrokenAgentAsync(log, _ => fault);

        var reply = await agent.ModelCallsAsync(tool, arguments);

        AssertUnavailable(reply, folder);
        var entry = Assert.Single(log.Errors);
        Assert.Same(fault, entry.Exception);
        Assert.DoesNotContain(folder, entry.Message, StringComparison.Ordinal);
        Assert.Contains(tool.Split('-')[1], entry.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Record, """{"action":"Rang the customer up"}""")]
    [InlineData(Finalize, "{}")]
    public async Task A_store_that_breaks_during_a_recording_is_told_without_details(string tool, string arguments)
    {
        var (fault, folder) = await Given.FaultWithPathAsync();
        var broken = false;
        using var log = new LogBook();
        await using var agent = await BrokenAgentAsync(log, _ => broken ? fault : null);
        await agent.AskAsync("Go.", Model.StartsRecording());

        broken = true;
        var reply = await agent.ModelCallsAsync(tool, arguments);

        AssertUnavailable(reply, folder);
        Assert.Same(fault, Assert.Single(log.Errors).Exception);

        // Nothing is lost by it: when the store is back, the recording goes on.
        broken = false;
        var conversation = await agent.AskAsync("Go on.", Model.Calls(Record, """{"action":"Wrote to the customer"}"""), Model.Finalizes());
        Assert.Equal([ReplyStatus.Recorded, ReplyStatus.Stored], conversation.Replies.Select(r => r.Status));
    }

    [Fact]
    public async Task Any_other_fault_of_a_store_is_no_word_for_the_model_either()
    {
        using var log = new LogBook();
        await using var agent = await BrokenAgentAsync(log, _ => new IOException("Disk /dev/sda is on fire."));

        AssertUnavailable(await agent.ModelCallsAsync(Find, """{"request":"refund order"}"""), "/dev/sda");
    }

    [Fact]
    public async Task An_argument_error_that_is_not_the_memorys_own_is_no_word_for_the_model()
    {
        using var log = new LogBook();
        await using var agent = await BrokenAgentAsync(log, _ => new ArgumentException("'hunter2' is no valid value.", "password"));

        AssertUnavailable(await agent.ModelCallsAsync(Find, """{"request":"refund order"}"""), "hunter2");

        var entry = Assert.Single(log.Errors);
        Assert.Null(entry.Exception);
        Assert.Contains(typeof(ArgumentException).FullName!, entry.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", entry.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("find_similar_procedure", "request", "five megabytes", ReplyStatus.NothingFits)]
    [InlineData("find_similar_procedure", "request", "half a surrogate", ReplyStatus.NothingFits)]
    [InlineData("replay_procedure", "name", "five megabytes", ReplyStatus.NotFound)]
    [InlineData("replay_procedure", "name", "half a surrogate", ReplyStatus.NotFound)]
    [InlineData("replay_procedure", "inputs", "five megabytes", ReplyStatus.MissingInputs)]
    [InlineData("replay_procedure", "inputs", "half a surrogate", ReplyStatus.MissingInputs)]
    [InlineData("replay_procedure", "inputs", "deep", ReplyStatus.MissingInputs)]
    [InlineData("replay_procedure", "inputs", "half a surrogate in a name", ReplyStatus.Invalid)]
    [InlineData("replay_procedure", "inputs", "half a surrogate alone", ReplyStatus.Invalid)]
    [InlineData("replay_procedure", "adapt", "deep", ReplyStatus.Refused)]
    [InlineData("replay_procedure", "skip", "half a surrogate alone", ReplyStatus.Invalid)]
    [InlineData("replay_procedure", "skip", "half a surrogate in a list", ReplyStatus.Invalid)]
    [InlineData("start_recording", "name", "five megabytes", ReplyStatus.Invalid)]
    [InlineData("start_recording", "name", "half a surrogate", ReplyStatus.Invalid)]
    [InlineData("start_recording", "description", "five megabytes", ReplyStatus.Invalid)]
    [InlineData("start_recording", "description", "half a surrogate", ReplyStatus.Invalid)]
    [InlineData("record_step", "action", "five megabytes", ReplyStatus.Invalid)]
    [InlineData("record_step", "action", "half a surrogate", ReplyStatus.Invalid)]
    [InlineData("record_step", "arguments", "five megabytes", ReplyStatus.Invalid)]
    [InlineData("record_step", "arguments", "half a surrogate", ReplyStatus.Invalid)]
    [InlineData("record_step", "arguments", "half a surrogate in a name", ReplyStatus.Invalid)]
    [InlineData("record_step", "arguments", "deep", ReplyStatus.Invalid)]
    [InlineData("finalize", "notes", "five megabytes", ReplyStatus.Invalid)]
    [InlineData("finalize", "notes", "half a surrogate", ReplyStatus.Invalid)]
    public async Task What_is_too_large_too_deep_or_no_text_is_answered_in_a_few_words_and_changes_nothing(string function, string argument, string kind, string status)
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("refund_order", Given.Step("shop.get_order", """{"orderId":"$inputs.orderId"}"""));
        var recording = function is "record_step" or "finalize";
        if (recording)
        {
            await kernel.StartRecordingAsync();
        }

        var text = kind switch { "five megabytes" => new string('x', 5_000_000), "deep" => $"{new string('[', 60)}{new string(']', 60)}", _ => "half \ud83d pair" };
        var json = kind switch { "five megabytes" => $"\"{text}\"", "deep" => text, _ => "\"\\ud83d\"" };
        var given = new Dictionary<string, object?> { ["name"] = "refund_order", ["description"] = "x", ["action"] = "Rang the customer up", ["inputs"] = Given.Value("""{"orderId":"W-1"}""") };
        given[argument] = (argument, kind) switch
        {
            (_, "half a surrogate alone") => Given.Value(json),
            (_, "half a surrogate in a list") => Given.Value($"[{json}]"),
            (_, "half a surrogate in a name") => Given.Value($$"""{{{json}}:1}"""),
            ("inputs" or "arguments", _) => Given.Value($$"""{"orderId":{{json}}}"""),
            ("adapt", _) => Given.Value($$$"""{"get_order":{"orderId":{{{json}}}}}"""),
            _ => text,
        };

        var reply = await kernel.AskMemoryAsync(function, [.. kernel.Plugins.GetFunction("procedures", function).Metadata.Parameters.Where(p => given.ContainsKey(p.Name)).Select(p => (p.Name, given[p.Name]))]);

        Assert.Equal((status, true), (reply.Status, reply.Message!.Length > 0));
        Assert.InRange(JsonSerializer.Serialize(reply, reply.GetType()).Length, 1, 1500);
        Assert.Empty(shop.Calls);
        Assert.Equal("refund_order", Assert.Single(await memory.ListAsync()).Name);
        Assert.Empty(await memory.ListExecutionsAsync());
        var traces = await memory.ListTracesAsync();
        Assert.Equal(recording ? [TraceStatus.Recording] : [], traces.Select(t => t.Status));
        if (recording)
        {
            Assert.Empty((await memory.LatestTraceAsync()).Steps);
        }
    }

    [Fact]
    public async Task A_replay_reads_its_procedure_once_and_a_name_that_is_not_there_reads_names_only()
    {
        using var log = new LogBook();
        var reads = new List<string>();
        await using var agent = await BrokenAgentAsync(log, operation =>
        {
            reads.Add(operation);
            return null;
        });
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));
        reads.Clear();

        await agent.ModelCallsAsync(Replay, """{"name":"p"}""");
        Assert.Single(reads, nameof(IProcedureStore.GetProcedureAsync));

        Assert.Contains("Did you mean 'p'?", (await agent.AskAsync("Again.", Model.Replays("pp"))).Replies.Single().Message, StringComparison.Ordinal);
        Assert.DoesNotContain(nameof(IProcedureStore.ListProceduresAsync), reads);
    }

    [Fact]
    public async Task A_store_that_breaks_in_the_middle_of_a_replay_ends_it_there()
    {
        var shop = new Shop();
        var (fault, folder) = await Given.FaultWithPathAsync();
        using var log = new LogBook();
        var writes = 0;
        await using var agent = await BrokenAgentAsync(log, operation => operation == nameof(IProcedureStore.WriteExecutionAsync) && ++writes == 2 ? fault : null, shop);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.get_order", """{"orderId":"W-2"}"""));

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"p"}""");

        Assert.Equal(ReplyStatus.BrokeOff, reply.Status);
        Assert.DoesNotContain(folder, reply.Text, StringComparison.Ordinal);

        // What cannot be written down before it happens does not happen.
        Assert.Equal(["get_order W-1"], shop.Calls);
    }

    [Fact]
    public async Task Every_reply_is_compact_json_that_begins_with_a_status_and_a_message()
    {
        await using var agent = await ShopAgentAsync();
        await StoreRefundAsync(agent);

        var conversation = await agent.AskAsync(
            "Refund the order W-1234, please.",
            Model.Calls(Find, """{"request":"refund the order"}"""),
            Model.Calls(Find, """{"request":"bake a cake"}"""),
            Model.StartsRecording("refund_order_again"),
            Model.Calls(Replay, """{"name":"refund_order"}"""),
            Model.Calls(Replay, """{"name":"refund_order","inputs":{"order":"W-1234"}}"""),
            Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""),
            Model.Calls(Record, """{"action":"shop.get_order","outcome":"größer als erwartet"}"""),
            Model.Finalizes(),
            Model.Finalizes());

        Assert.All(conversation.Replies.Where(r => r.Tool.StartsWith("procedures-", StringComparison.Ordinal)), reply =>
        {
            Assert.DoesNotContain('\n', reply.Text);
            Assert.DoesNotContain("\": ", reply.Text, StringComparison.Ordinal);
            Assert.DoesNotContain(":null", reply.Text, StringComparison.Ordinal);
            // What exists already is said before all else, so that it is not recorded a second time.
            var members = reply.Json.EnumerateObject().Select(m => m.Name).SkipWhile(m => m == "similar").ToList();
            Assert.Equal(["status", "message", "next"], members.Take(3));
            Assert.All(members, m => Assert.Matches("^[a-z_]+$", m));
        });
    }

    [Fact]
    public async Task A_reply_reads_the_same_in_every_culture()
    {
        var before = CultureInfo.CurrentCulture;
        var replies = new List<string>();
        try
        {
            foreach (var culture in new[] { "", "de-DE" })
            {
                CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(culture);
                await using var agent = await ShopAgentAsync();
                await StoreRefundAsync(agent);
                replies.Add((await agent.ModelCallsAsync(Find, """{"request":"refund the order W-1 now now now"}""")).Text);
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        Assert.Equal(replies[0], replies[1]);
    }

    private static Task<TestAgent> ShopAgentAsync(Shop? shop = null) => TestAgent.StartAsync((shop ?? new Shop()).Plugin());

    private static Task<Procedure> StoreRefundAsync(TestAgent agent) => agent.Memory.StoreAsync(new ProcedureDefinition
    {
        Name = "refund_order",
        Description = "Refunds an order.",
        Inputs =
        [
            new ProcedureInput { Name = "order", Type = JsonType.String, Description = "The order's number." },
            new ProcedureInput { Name = "reason", Type = JsonType.String, Required = false },
        ],
        Steps =
        [
            Given.Step("shop.get_order", """{"orderId":"$inputs.order"}""", "look_up"),
            Given.Step("shop.refund", """{"customerId":"C-1","amount":5,"reason":"$inputs.reason"}"""),
        ],
    });

    private static Task<TestAgent> BrokenAgentAsync(LogBook log, Func<string, Exception?> fault, Shop? shop = null) => TestAgent.StartAsync(b =>
    {
        b.Plugins.Add((shop ?? new Shop()).Plugin());
        b.Services.AddSingleton<ILoggerFactory>(log);
        b.Services.AddSingleton(FaultyStore.Around(new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }), fault));
    }, o => o.MaxLearnedFunctions = 0);

    private static void AssertUnavailable(ToolReply reply, string secret)
    {
        Assert.Equal((ReplyStatus.Unavailable, "The procedural memory cannot be used right now."), (reply.Status, reply.Message));
        Assert.NotNull(reply.Next);
        Assert.DoesNotContain(secret, reply.Text, StringComparison.Ordinal);
    }
}
