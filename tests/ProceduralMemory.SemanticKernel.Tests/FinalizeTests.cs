using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What the end of a recording leaves open, it says to the model: which values nobody knows the source of, and whose name it would have taken.</summary>
public sealed class FinalizeTests
{
    [Fact]
    public async Task A_value_that_came_from_nowhere_is_named_at_the_end_of_the_recording_and_asked_for_at_each_replay()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());

        var finalized = (await agent.AskAsync(
            "Refund order W-1234.",
            Model.StartsRecording(),
            Model.Calls("shop-get_order", """{"orderId":"W-1234"}"""),
            Model.Calls("shop-refund", """{"customerId":"C-7788","amount":5}"""),
            Model.Finalizes())).Replies[^1];
        var recorded = shop.Calls.Count;
        var without = (await agent.AskAsync("Refund order W-1.", Model.Replays("learned_task", """{"orderId":"W-1"}"""))).Replies.Single();
        Assert.Equal(recorded, shop.Calls.Count);
        var with = (await agent.AskAsync("Refund 5 of order W-1.", Model.Replays("learned_task", """{"orderId":"W-1","amount":5}"""))).Replies.Single();

        Assert.Contains("Where 'amount' came from is not known after one recording", finalized.Message, StringComparison.Ordinal);
        Given.JsonEqual("""[{"name":"amount","type":"number","required":true,"description":"shop.refund, argument amount"}]""", finalized["unconfirmed_constants"]);
        Assert.Equal(["orderId"], finalized["inputs"].EnumerateArray().Select(i => i.GetProperty("name").GetString()));
        Assert.Equal(ReplyStatus.MissingInputs, without.Status);
        Assert.Equal(["amount"], without["missing"].EnumerateArray().Select(i => i.GetProperty("name").GetString()));
        Assert.Equal(ReplyStatus.Completed, with.Status);
        Assert.Equal(["get_order W-1", "refund C-7788 5"], shop.Calls.Skip(recorded));
    }

    [Theory]
    [InlineData("""{"name":"refund"}""", "learned_task: shop.get_order; refund: shop.refund")]
    [InlineData("""{"replace":true}""", "learned_task: shop.refund")]
    public async Task Another_task_under_a_name_in_use_is_a_conflict_that_another_name_or_a_replacement_settles(string settled, string procedures)
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        await agent.Memory.StoredAsync("learned_task", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var replies = (await agent.AskAsync(
            "Refund.",
            Model.StartsRecording(),
            Model.Calls("shop-refund", """{"customerId":"C-1","amount":1}"""),
            Model.Finalizes(),
            Model.Calls("procedures-finalize", settled))).Replies;

        Assert.Equal([ReplyStatus.Conflict, ReplyStatus.Stored], replies.TakeLast(2).Select(r => r.Status));
        Assert.Contains("'learned_task' that does something else", replies[^2].Message, StringComparison.Ordinal);
        Assert.Equal("finalize with another name; or with replace true, if 'learned_task' is to do from now on what was recorded.", replies[^2].Next);
        var stored = (await agent.Memory.ListAsync()).OrderBy(p => p.Name, StringComparer.Ordinal);
        Assert.Equal(procedures, string.Join("; ", stored.Select(p => $"{p.Name}: {string.Join(", ", p.Actions())}")));
    }

    [Fact]
    public async Task A_recording_in_which_a_step_of_the_procedure_failed_leaves_it_as_it_is_and_offers_no_replacement()
    {
        using var memory = Given.Memory();
        var works = true;
        var kernel = Given.Kernel(memory, Given.Plugin("shop", ("find", () => "C-1"), ("send", () => works ? "sent" : throw new InvalidOperationException("The carrier is away."))));
        await RecordAsync();
        works = false;

        var reply = await RecordAsync();

        Assert.Equal(ReplyStatus.Conflict, reply.Status);
        Assert.Equal(
            "'learned_task' stays as it is: shop.find → shop.send. Recorded was: shop.find → shop.send (failed). Its call of shop.send failed, and none succeeded after it, so the recording is no whole run of the task.",
            reply.Message);
        Assert.Equal("Tell the user that shop.send failed. What was recorded can be stored as a task of its own: finalize with another name.", reply.Next);
        Assert.Equal(1, (await memory.GetAsync("learned_task")).Version.Number);

        async Task<PluginReply> RecordAsync()
        {
            await kernel.StartRecordingAsync();
            await kernel.CallAsync("shop.find");
            await Record.ExceptionAsync(() => kernel.CallAsync("shop.send"));
            return await kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize);
        }
    }

    [Fact]
    public async Task A_step_that_becomes_optional_and_a_call_that_failed_are_said_to_the_model()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("shop", ("find", () => "C-1"), ("pack", () => "packed"), ("send", () => "sent"), ("weigh", string () => throw new InvalidOperationException("No scales."))));
        await RecordAsync("find", "pack", "send");

        var reply = await RecordAsync("find", "weigh", "pack");

        Assert.Equal(ReplyStatus.Stored, reply.Status);
        Assert.Contains("shop.weigh failed and did not succeed afterwards: if the task needs it, record it again. Optional from now on: 'send' (done if there is $inputs.send).", reply.Message, StringComparison.Ordinal);

        async Task<PluginReply> RecordAsync(params string[] functions)
        {
            await kernel.StartRecordingAsync();
            foreach (var function in functions)
            {
                await Record.ExceptionAsync(() => kernel.CallAsync($"shop.{function}"));
            }

            return await kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize);
        }
    }
}
