using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI.Tests;

public sealed class ToolsTests
{
    private const string First = "Please refund order W1001, it arrived damaged.";

    [Fact]
    public async Task A_model_finds_and_replays_with_the_tools_of_the_memory()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory();
        await TeachAsync(model, memory);
        var shop = new Shop();
        using var client = model.CreateClient().AsBuilder().UseFunctionInvocation().Build();
        model.Script(
            "Do it for W5",
            Says.Calls("find_similar_procedure", """{"request":"refund an order"}"""),
            Says.Calls("replay_procedure", """{"name":"refund_order","inputs":{"order_id":"W5"},"dryRun":true}"""),
            Says.Calls("replay_procedure", """{"name":"refund_order","inputs":"{\"order_id\":\"W5\"}"}"""),
            Says.Calls("replay_procedure", """{"name":"refund_ordr"}"""),
            Says.Calls("resume_procedure", """{"executionId":"nothing"}"""));

        await client.AskAsync("Do it for W5", new ChatOptions { Tools = [.. shop.Tools, .. memory.AsAITools(shop.Tools)] });

        var replies = ScriptedModel.RepliesIn(model.RequestsFor("Do it for W5")[^1]).Select(r => JsonElement.Parse(r)).ToList();
        Assert.Equal(["found", "planned", "completed", "not_found", "invalid"], replies.Select(r => r.GetProperty("status").GetString()));
        Assert.Equal("refund_order", replies[0].GetProperty("procedures")[0].GetProperty("name").GetString());
        Assert.Equal(["get_order(W5)", "refund(P-W5)"], shop.Calls);
    }

    [Fact]
    public async Task A_replay_is_one_step_of_what_is_recorded_outright_and_its_turn_teaches_nothing()
    {
        var ended = new ConcurrentQueue<TurnResult>();
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(ended: ended);
        await TeachAsync(model, memory);
        var mail = AIFunctionFactory.Create((string to) => "sent", "send_mail");
        using var client = model.CreateClient().WithMemory(memory);
        IList<AITool> tools = [.. new Shop().Tools, mail];
        model.Script("Refund order W6 and mail the buyer", Says.CallsLearned("""{"order_id":"W6"}"""), Says.Calls("send_mail", """{"to":"W6"}"""));
        await client.AskAsync("Refund order W6 and mail the buyer", new ChatOptions { Tools = tools });
        Assert.Equal("A procedure was replayed in it.", ended.Last().Because);

        using var session = memory.BeginSession();
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "refund_and_mail" });
        await client.AskAsync("Refund order W6 and mail the buyer", new ChatOptions { Tools = tools });
        var learned = (await recorder.FinalizeAsync()).Procedure!;

        Assert.Equal("It was recorded outright.", ended.Last().Because);
        Assert.Equal([(StepKind.Procedure, "refund_order"), (StepKind.Function, "send_mail")], learned.Version.Steps.Select(s => (s.Kind, s.Action)));
        Assert.Equal("""{"order_id":"W6"}""", JsonSerializer.Serialize((await memory.GetTraceAsync(recorder.TraceId))!.Steps[0].Arguments));
    }

    [Fact]
    public async Task What_is_recorded_outright_needs_no_learning_from_turns()
    {
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(o => o.Learning = LearningMode.Explicit);
        using var session = memory.BeginSession();
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "by_hand" });
        await TeachAsync(model, memory);

        var learned = (await recorder.FinalizeAsync()).Procedure!;
        Assert.Equal(("by_hand", 2), (learned.Name, learned.Version.Steps.Count));
    }

    [Fact]
    public async Task What_a_function_says_of_a_secret_is_not_told_to_the_model()
    {
        const string secret = "correct-horse-9";
        await using var model = await ScriptedModel.StartAsync();
        using var memory = Given.Memory(o => o.SecretResolver = new Vault(secret));
        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "log_in",
            Description = "Log in to the shop",
            Inputs = [new ProcedureInput { Name = "user" }, new ProcedureInput { Name = "password", Secret = true }],
            Steps =
            [
                new ProcedureStep { Id = "greet", Action = "greet", Arguments = JsonElement.Parse("""{"with":"$inputs.password"}""") },
                new ProcedureStep { Id = "login", Action = "login", Arguments = JsonElement.Parse("""{"user":"$inputs.user","password":"$inputs.password","note":"$steps.greet.outputs#/said"}""") },
            ],
        });
        List<AITool> tools =
        [
            AIFunctionFactory.Create((string with) => new { said = $"hello {with}", token = "tk-93bd0c1fe58a", zip = 1.50m, about = "a greeting" }, "greet"),
            AIFunctionFactory.Create(string (string user, string password, string note) => throw new InvalidOperationException($"401 for password {password}"), "login"),
        ];
        using var client = model.CreateClient().AsBuilder().UseFunctionInvocation().Build();
        model.Script("Log ada in", Says.Calls("replay_procedure", """{"name":"log_in","inputs":{"user":"ada"}}"""));

        await client.AskAsync("Log ada in", new ChatOptions { Tools = [.. tools, .. memory.AsAITools(tools)] });

        var told = ScriptedModel.RepliesIn(model.RequestsFor("Log ada in")[^1]).Single();
        Assert.DoesNotContain(secret, told, StringComparison.Ordinal);
        Assert.DoesNotContain("tk-93bd0c1fe58a", told, StringComparison.Ordinal);
        var steps = JsonElement.Parse(told).GetProperty("steps");
        Assert.Equal("hello [redacted]", steps[0].GetProperty("result").GetProperty("said").GetString());
        Assert.Equal("a greeting", steps[0].GetProperty("result").GetProperty("about").GetString());
        Assert.Equal("""{"user":"ada","password":"[redacted]","note":"hello [redacted]"}""", steps[1].GetProperty("arguments").GetRawText());
        Assert.Contains("401 for password [redacted]", steps[1].GetProperty("note").GetString(), StringComparison.Ordinal);
    }

    private sealed class Vault(string secret) : ISecretResolver
    {
        public ValueTask<JsonElement?> ResolveAsync(SecretRequest request, CancellationToken cancellationToken = default) => ValueTask.FromResult<JsonElement?>(JsonSerializer.SerializeToElement(secret));
    }

    private static async Task TeachAsync(ScriptedModel model, ProcedureMemory memory)
    {
        using var client = model.CreateClient().WithMemory(memory);
        model.Script(First, Says.Calls("get_order", """{"order_id":"W1001"}"""), Says.Calls("refund", """{"payment":"P-W1001"}"""));
        await client.AskAsync(First, new ChatOptions { Tools = new Shop().Tools });
    }
}
