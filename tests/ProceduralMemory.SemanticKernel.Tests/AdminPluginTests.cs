using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What an administrator's agent can do over the wire, and what it cannot: approve anything.</summary>
public sealed class AdminPluginTests
{
    private const string Order = """{"orderId":"W-1"}""";

    [Fact]
    public async Task It_lists_procedures_with_their_success_and_by_tag()
    {
        await using var agent = await AdminAgentAsync();
        await agent.Memory.StoredAsync("a", Given.Step("shop.get_order", Order));
        await agent.Memory.StoreAsync(new ProcedureDefinition { Name = "b", Tags = ["Orders"], Steps = [Given.Step("shop.get_order", Order)] });
        await agent.Memory.ReplayAsync(agent.Kernel, "a");

        var all = await agent.ModelCallsAsync("admin-list_procedures");
        var tagged = (await agent.AskAsync("By tag.", Model.Calls("admin-list_procedures", """{"tag":"orders"}"""))).Replies.Single();

        Assert.Equal([("a", "1 of 1"), ("b", "0 of 0")], Items(all).Select(i => (Text(i, "name"), Text(i, "succeeded"))));
        Assert.Equal(["b"], Items(tagged).Select(i => Text(i, "name")));
        Assert.Equal("2 procedures.", all.Message);
    }

    [Fact]
    public async Task It_shows_a_procedure_and_its_versions()
    {
        await using var agent = await AdminAgentAsync();
        await agent.Memory.StoredAsync("a", Given.Step("shop.get_order", """{"orderId":"$inputs.order"}"""));
        await agent.Memory.StoreAsync(new ProcedureDefinition { Name = "a", Steps = [Given.Step("shop.get_order", Order), Given.Step("shop.get_order", Order)] }, asNewVersion: true);

        var conversation = await agent.AskAsync("Show a.", Model.Calls("admin-get_procedure", """{"name":"a"}"""), Model.Calls("admin-get_procedure", """{"name":"a","version":1}"""), Model.Calls("admin-list_versions", """{"name":"a"}"""));

        Assert.Equal([2, 1], conversation.Replies.Take(2).Select(r => r["version"].GetInt32()));
        Given.JsonEqual("""[{"id":"get_order","action":"shop.get_order","arguments":{"orderId":"$inputs.order"}}]""", conversation.Replies[1]["steps"]);
        Assert.Equal("order", Text(conversation.Replies[1]["inputs"][0], "name"));
        Assert.Equal([(1, "retired", 1), (2, "active", 2)], Items(conversation.Replies[2]).Select(v => (v.GetProperty("version").GetInt32(), Text(v, "state"), v.GetProperty("steps").GetInt32())));
    }

    [Fact]
    public async Task It_tells_what_was_learned_compares_versions_and_goes_back()
    {
        await using var agent = await AdminAgentAsync();
        await agent.Memory.StoredAsync("a", Given.Step("shop.get_order", Order));
        await agent.Memory.StoreAsync(new ProcedureDefinition { Name = "a", Steps = [Given.Step("shop.close", """{"why":"x"}""")] }, asNewVersion: true);

        var conversation = await agent.AskAsync(
            "What of a?",
            Model.Calls("admin-compare_versions", """{"name":"a","before":1,"after":2}"""),
            Model.Calls("admin-roll_back_procedure", """{"name":"a"}"""),
            Model.Calls("admin-roll_back_procedure", """{"name":"a"}"""),
            Model.Calls("admin-procedure_history", """{"name":"a"}"""),
            Model.Calls("admin-compare_versions", """{"name":"a","before":1,"after":7}"""));

        Assert.Equal([ReplyStatus.Ok, ReplyStatus.Ok, ReplyStatus.Conflict, ReplyStatus.Ok, ReplyStatus.NotFound], conversation.Replies.Select(r => r.Status));
        Assert.Contains("- step get_order:", conversation.Replies[0].Message, StringComparison.Ordinal);
        Assert.Contains("+ step close:", conversation.Replies[0].Message, StringComparison.Ordinal);
        Assert.Equal("'a' is at version 1 again.", conversation.Replies[1].Message);
        Assert.Contains("rolledBack (version 1): from version 2 back to version 1", conversation.Replies[3].Message, StringComparison.Ordinal);
        Assert.Equal(1, (await agent.Memory.GetAsync("a")).ActiveVersion);
    }

    [Fact]
    public async Task It_lists_executions()
    {
        await using var agent = await AdminAgentAsync();
        await agent.Memory.StoredAsync("a", Given.Step("shop.get_order", Order));
        await agent.Memory.StoredAsync("b", Given.Step("shop.close", """{"why":"x"}"""));
        await agent.Memory.ReplayAsync(agent.Kernel, "a");
        await agent.Memory.ReplayAsync(agent.Kernel, "b");

        var conversation = await agent.AskAsync("List.", Model.Calls("admin-list_executions"), Model.Calls("admin-list_executions", """{"name":"a"}"""), Model.Calls("admin-list_executions", """{"limit":1}"""));

        Assert.Equal([("b", "failed"), ("a", "completed")], Items(conversation.Replies[0]).Select(e => (Text(e, "procedure"), Text(e, "outcome"))));
        Assert.Equal(["a"], Items(conversation.Replies[1]).Select(e => Text(e, "procedure")));
        Assert.Single(Items(conversation.Replies[2]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_stores_a_procedure_that_can_be_replayed(bool asText)
    {
        var shop = new Shop();
        await using var agent = await AdminAgentAsync(shop);
        JsonNode steps = JsonNode.Parse("""[{"id":"get_order","action":"shop.get_order","arguments":{"orderId":"$inputs.order_id"}},{"action":"shop.refund","arguments":{"customerId":"$steps.get_order.outputs#/CustomerId","amount":2}}]""")!;
        JsonNode inputs = JsonNode.Parse("""[{"name":"order_id","type":"string","description":"the order"}]""")!;
        var arguments = new JsonObject { ["name"] = "refund_order", ["description"] = "Refunds an order.", ["steps"] = asText ? steps.ToJsonString() : steps, ["inputs"] = asText ? inputs.ToJsonString() : inputs };

        var stored = await agent.ModelCallsAsync("admin-store_procedure", arguments.ToJsonString());
        var again = (await agent.AskAsync("Again.", Model.Calls("admin-store_procedure", arguments.ToJsonString()))).Replies.Single();
        arguments["asNewVersion"] = true;
        var further = (await agent.AskAsync("As a version.", Model.Calls("admin-store_procedure", arguments.ToJsonString()))).Replies.Single();
        var replayed = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"refund_order","inputs":{"order_id":"W-3"}}""");

        Assert.Equal((ReplyStatus.Stored, ReplyStatus.Conflict, ReplyStatus.Stored), (stored.Status, again.Status, further.Status));
        Assert.EndsWith("with asNewVersion: true.", again.Message, StringComparison.Ordinal);
        Assert.Equal(2, further["version"].GetInt32());
        Assert.All(await agent.Memory.ListVersionsAsync("refund_order"), v => Assert.Equal(ProcedureOrigin.Agent, v.Origin));
        Assert.Equal((ReplyStatus.Completed, "get_order W-3, refund C-7788 2"), (replayed.Status, string.Join(", ", shop.Calls)));
    }

    [Theory]
    [InlineData("""{"name":"x","description":"x","steps":[]}""", "no steps")]
    [InlineData("""{"name":"x","description":"x","steps":[{"action":"shop.get_order","argument":{}}]}""", "'steps' cannot be read")]
    [InlineData("""{"name":"x","description":"x","steps":"[{broken"}""", "no valid JSON")]
    [InlineData("""{"name":"x","description":"x","steps":[{"action":"shop.get_order","arguments":{"orderId":"$inputs.none"}}]}""", "not declared")]
    [InlineData("""{"name":"x","description":"x","steps":[{"action":"shop.get_order","kind":2}]}""", "'steps' cannot be read")]
    public async Task It_stores_nothing_that_is_not_valid_and_says_why(string arguments, string message)
    {
        await using var agent = await AdminAgentAsync();

        var reply = await agent.ModelCallsAsync("admin-store_procedure", arguments);

        Assert.Equal(ReplyStatus.Invalid, reply.Status);
        Assert.Contains(message, reply.Message, StringComparison.Ordinal);
        Assert.Empty(await agent.Memory.ListAsync());
    }

    [Fact]
    public async Task It_optimizes_a_procedure_from_its_statistics()
    {
        await using var agent = await AdminAgentAsync();
        await agent.Memory.StoredAsync("a", Given.Step("shop.close", """{"why":"x"}""") with { OnFailure = FailurePolicy.Continue }, Given.Step("shop.get_order", Order));

        var early = await agent.ModelCallsAsync("admin-optimize_procedure", """{"name":"a"}""");
        for (var run = 0; run < 3; run++)
        {
            await agent.Memory.ReplayAsync(agent.Kernel, "a");
        }

        var late = (await agent.AskAsync("Now.", Model.Calls("admin-optimize_procedure", """{"name":"a"}"""))).Replies.Single();

        Assert.Contains("3 are needed", early.Message, StringComparison.Ordinal);
        Assert.Equal(2, late["version"].GetInt32());
        Assert.Equal(["shop.get_order"], late["steps"].EnumerateArray().Select(s => Text(s, "action")));
    }

    [Fact]
    public async Task It_lists_procedures_that_do_the_same_and_merges_them()
    {
        await using var agent = await AdminAgentAsync();
        foreach (var name in new[] { "get_order", "get_order_again" })
        {
            await agent.Memory.StoreAsync(new ProcedureDefinition { Name = name, Description = "Looks at an order of a customer.", Steps = [Given.Step("shop.get_order", Order)] });
        }

        await agent.Memory.ReplayAsync(agent.Kernel, "get_order_again");

        var similar = await agent.ModelCallsAsync("admin-list_similar_procedures");
        var merged = await agent.ModelCallsAsync("admin-merge_procedures", """{"names":["get_order","get_order_again"]}""");

        Assert.Equal(["get_order", "get_order_again"], Items(similar).Single().EnumerateArray().Select(n => n.GetString()).Order());
        Assert.Equal((ReplyStatus.Ok, "get_order_again"), (merged.Status, merged["name"].GetString()));
        Assert.Equal(["get_order_again"], (await agent.Memory.ListAsync()).Select(p => p.Name));
        Assert.Equal(ReplyStatus.Invalid, (await agent.AskAsync("One.", Model.Calls("admin-merge_procedures", """{"names":["get_order_again"]}"""))).Replies.Single().Status);
    }

    [Fact]
    public async Task It_gives_up_a_recording()
    {
        await using var agent = await AdminAgentAsync();

        var conversation = await agent.AskAsync("Go.", Model.StartsRecording(), Model.Calls("shop-get_order", Order), Model.Calls("admin-abandon_recording"), Model.Calls("admin-abandon_recording"), Model.Finalizes());

        Assert.Equal([ReplyStatus.Ok, ReplyStatus.Conflict, ReplyStatus.Conflict], conversation.Replies.Skip(2).Select(r => r.Status));
        Assert.Equal(TraceStatus.Abandoned, (await agent.Memory.LatestTraceAsync()).Status);
        Assert.Empty(await agent.Memory.ListAsync());
    }

    [Fact]
    public async Task It_gives_up_a_recording_from_inside_of_a_recorded_call()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("outer", async (Kernel k) => (await k.CallAsync("admin.abandon_recording")).GetValue<PluginReply>()!.Status)));
        kernel.Plugins.AddFromObject(new ProcedureAdminPlugin(memory), "admin");
        await kernel.StartRecordingAsync();

        Assert.Equal(ReplyStatus.Ok, (await kernel.CallAsync("t.outer")).GetValue<string>());

        Assert.Equal((TraceStatus.Abandoned, 0), ((await memory.LatestTraceAsync()).Status, (await memory.LatestTraceAsync()).Steps.Count));
        Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync()).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_exports_a_document_that_another_memory_imports_as_a_draft(bool asText)
    {
        var shop = new Shop();
        await using var one = await AdminAgentAsync();
        await using var two = await AdminAgentAsync(shop);
        await one.Memory.StoredAsync("a", Given.Step("shop.get_order", """{"orderId":"$inputs.order"}"""));

        var exported = await one.ModelCallsAsync("admin-export_procedure", """{"name":"a"}""");
        var document = JsonNode.Parse(Items(exported).Single().GetRawText())!;
        var imported = await two.ModelCallsAsync("admin-import_procedure", new JsonObject { ["document"] = asText ? document.ToJsonString() : document }.ToJsonString());
        var replayed = await two.ModelCallsAsync("procedures-replay_procedure", """{"name":"a","inputs":{"order":"W-1"}}""");

        Assert.Equal((ReplyStatus.Stored, 1), (imported.Status, imported["version"].GetInt32()));
        Assert.Contains("A person has to activate it", imported.Message, StringComparison.Ordinal);
        Assert.Equal(ReplyStatus.Refused, replayed.Status);
        Assert.Contains("draft that nobody has activated", replayed.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
        Assert.Equal(ReplyStatus.NothingFits, (await two.ModelCallsAsync("procedures-find_similar_procedure", """{"request":"the task a"}""")).Status);

        // The host's own code can.
        await two.Memory.ActivateVersionAsync("a", 1);
        Assert.Equal(ReplyStatus.Completed, (await two.AskAsync("Now.", Model.Replays("a", """{"order":"W-1"}"""))).Replies.Single().Status);
    }

    [Theory]
    [InlineData("admin-optimize_procedure", """{"name":"draft"}""")]
    [InlineData("admin-merge_procedures", """{"names":["draft","other"]}""")]
    [InlineData("admin-merge_procedures", """{"names":["other","draft"]}""")]
    [InlineData("admin-get_procedure", """{"name":"draft","version":1}""")]
    [InlineData("admin-export_procedure", """{"name":"draft"}""")]
    [InlineData("admin-roll_back_procedure", """{"name":"draft"}""")]
    [InlineData("admin-procedure_history", """{"name":"draft"}""")]
    [InlineData("admin-import_procedure", """{"document":{"format":1,"name":"draft","steps":[{"action":"shop.close","arguments":{"why":"x"}}]}}""")]
    public async Task None_of_its_functions_makes_a_draft_active(string tool, string arguments)
    {
        var shop = new Shop();
        await using var agent = await AdminAgentAsync(shop);
        await agent.Memory.StoredAsync("other", Given.Step("shop.get_order", Order));
        await agent.Memory.ImportAsync("""{"format":1,"name":"draft","steps":[{"action":"shop.get_order","arguments":{"orderId":"W-1"}}]}""");

        await agent.ModelCallsAsync(tool, arguments);

        Assert.Null((await agent.Memory.GetAsync("draft")).ActiveVersion);
        Assert.Equal(ReplayOutcome.Refused, (await agent.Memory.ReplayAsync(agent.Kernel, "draft")).Outcome);
        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task An_import_of_a_name_in_use_leaves_the_active_version_as_it_is()
    {
        var shop = new Shop();
        await using var agent = await AdminAgentAsync(shop);
        await agent.Memory.StoredAsync("a", Given.Step("shop.get_order", Order));

        var reply = await agent.ModelCallsAsync("admin-import_procedure", """{"document":{"format":1,"name":"a","steps":[{"action":"shop.close","arguments":{"why":"x"}}]}}""");

        Assert.Equal(2, reply["version"].GetInt32());
        Assert.Equal(ReplayOutcome.Completed, (await agent.Memory.ReplayAsync(agent.Kernel, "a")).Outcome);
        Assert.Equal(["get_order W-1"], shop.Calls);
    }

    [Fact]
    public async Task A_model_declares_no_effects_and_an_import_brings_them_as_a_draft_only()
    {
        await using var agent = await AdminAgentAsync();
        const string Steps = """[{"action":"shop.refund","arguments":{"customerId":"C-1","amount":1},"effect":"read"}]""";

        await agent.ModelCallsAsync("admin-store_procedure", $$"""{"name":"stored","description":"x","steps":{{Steps}}}""");
        await agent.ModelCallsAsync("admin-import_procedure", $$"""{"document":{"format":1,"name":"imported","steps":{{Steps}} } }""");

        Assert.Equal(StepEffect.Unknown, (await agent.Memory.GetAsync("stored")).Version.Steps.Single().Effect);
        var imported = await agent.Memory.GetAsync("imported");
        Assert.Equal((StepEffect.Read, VersionState.Draft, (int?)null), (imported.Version.Steps.Single().Effect, imported.Version.State, imported.ActiveVersion));
    }

    [Theory]
    [InlineData("admin-get_procedure", """{"name":""}""", "'name' is empty")]
    [InlineData("admin-list_versions", """{"name":" "}""", "'name' is empty")]
    [InlineData("admin-optimize_procedure", """{"name":""}""", "'name' is empty")]
    [InlineData("admin-export_procedure", """{"name":""}""", "'name' is empty")]
    [InlineData("admin-merge_procedures", """{"names":["a","A"]}""", "at least two different procedures")]
    [InlineData("admin-merge_procedures", """{"names":["a",""]}""", "at least two different procedures")]
    public async Task Names_that_make_no_sense_are_invalid(string tool, string arguments, string message)
    {
        await using var agent = await AdminAgentAsync();

        var reply = await agent.ModelCallsAsync(tool, arguments);

        Assert.Equal(ReplyStatus.Invalid, reply.Status);
        Assert.Contains(message, reply.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"document":""}""")]
    [InlineData("""{"document":"{}"}""")]
    [InlineData("""{"document":{"format":99,"name":"a","steps":[]}}""")]
    [InlineData("""{"document":[1]}""")]
    public async Task A_document_that_is_none_is_invalid(string arguments)
    {
        await using var agent = await AdminAgentAsync();

        Assert.Equal(ReplyStatus.Invalid, (await agent.ModelCallsAsync("admin-import_procedure", arguments)).Status);
        Assert.Empty(await agent.Memory.ListAsync());
    }

    [Theory]
    [InlineData("admin-get_procedure", """{"name":"none"}""")]
    [InlineData("admin-get_procedure", """{"name":"a","version":9}""")]
    [InlineData("admin-list_versions", """{"name":"none"}""")]
    [InlineData("admin-list_executions", """{"name":"none"}""")]
    [InlineData("admin-optimize_procedure", """{"name":"none"}""")]
    [InlineData("admin-merge_procedures", """{"names":["a","none"]}""")]
    [InlineData("admin-export_procedure", """{"name":"none"}""")]
    public async Task A_name_that_is_not_there_is_not_found(string tool, string arguments)
    {
        await using var agent = await AdminAgentAsync();
        await agent.Memory.StoredAsync("a", Given.Step("shop.get_order", Order));

        Assert.Equal(ReplyStatus.NotFound, (await agent.ModelCallsAsync(tool, arguments)).Status);
    }

    private static Task<TestAgent> AdminAgentAsync(Shop? shop = null) => TestAgent.StartAsync(b => b.Plugins.Add((shop ?? new Shop()).Plugin()), o => o.AdminPluginName = "admin");

    private static List<JsonElement> Items(ToolReply reply) => [.. reply["items"].EnumerateArray()];

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
