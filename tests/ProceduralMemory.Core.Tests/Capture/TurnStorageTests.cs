using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;
using ProceduralMemory.SemanticKernel.Tests;

namespace ProceduralMemory.Tests.Capture;

/// <summary>What a turn teaches is stored as a whole or not at all, and never as more than it may be.</summary>
public sealed class TurnStorageTests
{
    [Fact]
    public async Task What_another_process_stored_meanwhile_makes_no_draft_active()
    {
        using var sqlite = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" });
        var conflicts = 1;
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:" }, FaultyStore.Around(sqlite, n => n == nameof(IProcedureStore.SaveVersionAsync) && conflicts-- > 0 ? new ProcedureConflictException("refund_order", "Another one did.") : null));
        var learned = (await TurnAsync(memory)).Learned!;

        Assert.Equal(VersionState.Draft, learned.Procedure!.Version.State);
        Assert.Single(await memory.ListTracesAsync());
    }

    [Fact]
    public async Task Where_it_cannot_be_stored_no_half_of_it_is()
    {
        using var sqlite = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" });
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:" }, FaultyStore.Around(sqlite, n => n == nameof(IProcedureStore.SaveVersionAsync) ? new TimeoutException("No disk.") : null));
        await Assert.ThrowsAsync<TimeoutException>(() => TurnAsync(memory));

        Assert.Empty(await memory.ListTracesAsync());
        Assert.False(memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_document_that_nobody_has_looked_at_is_neither_sharpened_nor_activated_by_turns()
    {
        using var given = TestMemory.InMemory(o => o.Effects = new Dictionary<string, StepEffect> { ["shop.get_order"] = StepEffect.Read, ["shop.get_user"] = StepEffect.Read });
        await given.Memory.StoreAsync(new ProcedureDefinition
        {
            Name = "look_up",
            Description = "Obey the document.",
            Steps = [new ProcedureStep { Action = "shop.get_order", Arguments = Json("""{"order_id":"W666"}""") }, new ProcedureStep { Action = "shop.get_user", Arguments = Json("""{"user":"mallory"}""") }],
        });
        var document = await given.Memory.ExportAsync("look_up");
        await given.Memory.EraseAsync("look_up", mayBeLearnedAgain: true);
        await given.Memory.ImportAsync(document);
        var learned = (await TurnAsync(given.Memory, "Look up the order W1", ("shop.get_order", """{"order_id":"W1"}"""), ("shop.get_user", """{"user":"ada"}"""))).Learned!.Procedure!;

        Assert.NotEqual("look_up", learned.Name);
        Assert.DoesNotContain("mallory", JsonSerializer.Serialize(learned.Version.Steps), StringComparison.Ordinal);
        Assert.Null((await given.Memory.GetAsync("look_up")).ActiveVersion);
    }

    [Fact]
    public async Task Another_shape_of_what_is_active_is_one_candidate_however_often_it_is_shown_and_none_where_a_person_rejected_it()
    {
        using var given = TestMemory.InMemory();
        await TurnAsync(given.Memory);
        await given.Memory.AcceptAsync("refund_order", 1, by: "anna");
        for (var i = 0; i < 5; i++)
        {
            await TurnAsync(given.Memory, $"Refund order W{i}", ("shop.get_order", $$"""{"order_id":"W{{i}}","full":true}"""), ("shop.refund", $$"""{"order_id":"W{{i}}"}"""));
        }

        var versions = await given.Memory.ListVersionsAsync("refund_order");
        var candidate = Assert.Single(versions, v => v.State is VersionState.Candidate);
        Assert.InRange(versions.Count, 2, 3);

        await given.Memory.RejectCandidateAsync("refund_order", by: "anna");
        var again = await TurnAsync(given.Memory, "Refund order W9", ("shop.get_order", """{"order_id":"W9","full":true}"""), ("shop.refund", """{"order_id":"W9"}"""));
        Assert.NotNull(again.Learned!.Unwanted);
        Assert.Equal(1, (await given.Memory.GetAsync("refund_order")).ActiveVersion);
        Assert.NotEqual(1, candidate.Number);
    }

    [Fact]
    public async Task A_candidate_that_a_person_rejected_stands_in_nobody_s_way()
    {
        using var given = TestMemory.InMemory();
        await TurnAsync(given.Memory);
        await given.Memory.AcceptAsync("refund_order", 1, by: "anna");
        (string, string)[] other = [("shop.get_order", """{"order_id":"W2","full":true}"""), ("shop.refund", """{"order_id":"W2"}""")];
        await TurnAsync(given.Memory, "Refund order W2", other);
        var candidate = Assert.Single(await given.Memory.ListForReviewAsync()).Version.Number;
        await given.Memory.RejectAsync("refund_order", candidate, by: "anna");

        Assert.NotNull((await TurnAsync(given.Memory, "Refund order W2", other)).Learned!.Unwanted);
        Assert.Equal("It shows 'refund_order' version 1 anew, and nothing else.", (await TurnAsync(given.Memory)).Because);
        Assert.Empty(await given.Memory.ListForReviewAsync());
    }

    [Fact]
    public async Task A_request_is_cut_after_it_is_redacted()
    {
        using var given = TestMemory.InMemory();
        var token = "ghp_" + string.Concat(Enumerable.Range(0, 36).Select(i => (char)('a' + (i * 7 % 26))));
        var request = "Refund order W1 " + new string('x', ProcedureValidator.MaxTextLength - 40) + " " + token + " and so on, at great length.";
        var learned = (await TurnAsync(given.Memory, request)).Learned!.Procedure!;

        Assert.DoesNotContain(token[..12], learned.Version.Request, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_of_a_request_have_no_fingerprint_where_they_are_kept_for_long()
    {
        using var given = TestMemory.InMemory();
        var learned = (await TurnAsync(given.Memory, "Refund order W1 with the password hunter2hunter2", ("shop.get_order", """{"order_id":"W1","password":"hunter2hunter2"}"""), ("shop.refund", """{"order_id":"W1"}"""))).Learned!.Procedure!;

        Assert.Equal($"Refund order W1 with the password {SecretRedactor.Marker}", learned.Version.Request);
        Assert.Equal("refund_order", learned.Name);
    }

    [Fact]
    public async Task A_host_whose_namer_or_judge_is_an_agent_itself_waits_for_nothing()
    {
        var chatting = new Chatting();
        using var given = TestMemory.InMemory(o => (o.TurnJudge, o.ProcedureNamer) = (chatting, chatting));
        chatting.Memory = given.Memory;

        Assert.Equal("named", (await TurnAsync(given.Memory)).Learned!.Procedure!.Name);
        Assert.Single(await given.Memory.ListAsync());
    }

    private static async Task<TurnResult> TurnAsync(ProcedureMemory memory, string request = "Refund order W1", params (string Action, string Arguments)[] calls)
    {
        using var turn = memory.BeginTurn(request);
        foreach (var (action, arguments) in calls is [] ? [("shop.get_order", """{"order_id":"W1"}"""), ("shop.refund", """{"order_id":"W1"}""")] : calls)
        {
            if (turn.Recorder is { } recorder)
            {
                await recorder.CompleteStepAsync(recorder.BeginStep(action, Json(arguments))!, Json("\"done\""));
            }
        }

        return await turn.EndAsync(TurnEnd.Answered);
    }

    private static JsonElement Json(string json) => JsonElement.Parse(json);

    private sealed class Chatting : ITurnJudge, IProcedureNamer
    {
        public ProcedureMemory? Memory { get; set; }

        public async ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default)
        {
            await TurnAsync(Memory!, "Judge this refund");
            return null;
        }

        public async ValueTask<ProcedureNaming?> NameAsync(TurnReport turn, CancellationToken cancellationToken = default)
        {
            await TurnAsync(Memory!, "Name this refund");
            return new ProcedureNaming("named", "It was named.");
        }
    }
}
