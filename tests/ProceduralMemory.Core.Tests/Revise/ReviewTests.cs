using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Revise;

public sealed class ReviewTests
{
    [Fact]
    public async Task What_turns_propose_waits_until_a_person_accepts_it()
    {
        using var given = TestMemory.InMemory(o => o.Approval = ApprovalPolicy.FirstUse);
        await TurnAsync(given.Memory);
        var waiting = Assert.Single(await given.Memory.ListForReviewAsync());
        Assert.Equal(("refund_order", 1, VersionState.Draft), (waiting.Name, waiting.Version.Number, waiting.Version.State));
        Assert.Equal("Refund order W1", waiting.Version.Request);

        var accepted = await given.Memory.AcceptAsync("refund_order", 1, by: "anna");
        Assert.Equal(1, accepted.ActiveVersion);
        Assert.Empty(await given.Memory.ListForReviewAsync());
        Assert.Equal(["approved by anna"], (await given.Memory.ListApprovalsAsync("refund_order")).Select(a => $"{Json.Word(a.State)} by {a.By}"));
        Assert.Equal("anna", (await given.Memory.GetHistoryAsync("refund_order")).Entries.Select(e => e.Decision).Last(d => d is not null)!.Note.By);

        var replay = await given.Memory.ReplayAsync(new TapeStepExecutor([]), "refund_order", new ReplayRequest { Inputs = new Dictionary<string, JsonElement> { ["order_id"] = JsonElement.Parse("\"W9\"") } });
        Assert.DoesNotContain(replay.Problems, p => p.Code == ReplayProblemCodes.ApprovalPending);
    }

    [Fact]
    public async Task What_a_person_rejected_waits_no_longer_and_is_not_proposed_again()
    {
        using var given = TestMemory.InMemory();
        await TurnAsync(given.Memory);
        await given.Memory.RejectAsync("refund_order", 1, by: "anna", reason: "Refunds need a person.");

        Assert.Empty(await given.Memory.ListForReviewAsync());
        Assert.NotNull((await TurnAsync(given.Memory)).Learned!.Unwanted);
        Assert.Single(await given.Memory.ListVersionsAsync("refund_order"));
    }

    [Fact]
    public async Task A_draft_is_corrected_before_it_is_accepted_and_what_was_set_stands()
    {
        using var given = TestMemory.InMemory();
        await TurnAsync(given.Memory);
        var edited = await given.Memory.SetSourceAsync("refund_order", "refund", "reason", JsonElement.Parse("\"$inputs.reason\""));
        Assert.Equal((VersionState.Draft, 2), (edited.Version.State, edited.Version.Number));
        await TurnAsync(given.Memory);

        var waiting = Assert.Single(await given.Memory.ListForReviewAsync());
        Assert.Contains(waiting.Version.Inputs, i => i.Name == "reason");
        Assert.Equal("$inputs.reason", waiting.Version.Steps[1].Arguments.GetProperty("reason").GetString());
    }

    [Fact]
    public async Task What_is_active_and_waits_for_its_first_approval_is_listed_until_it_has_it()
    {
        using var given = TestMemory.InMemory(o => (o.Learning, o.Approval) = (LearningMode.Automatic, ApprovalPolicy.FirstUse));
        await TurnAsync(given.Memory);
        var waiting = Assert.Single(await given.Memory.ListForReviewAsync());
        Assert.Equal((VersionState.Active, 1), (waiting.Version.State, waiting.Version.Number));

        await given.Memory.AcceptAsync("refund_order", 1, by: "anna");
        Assert.Empty(await given.Memory.ListForReviewAsync());
    }

    [Fact]
    public async Task A_draft_gets_another_number_only_where_turns_teach_something_else()
    {
        using var given = TestMemory.InMemory();
        for (var i = 0; i < 4; i++)
        {
            await TurnAsync(given.Memory);
        }

        // The second confirmed that the reason is always the same.
        Assert.Equal(2, Assert.Single(await given.Memory.ListForReviewAsync()).Version.Number);
        Assert.Equal(2, (await given.Memory.ListVersionsAsync("refund_order")).Count);
    }

    [Fact]
    public async Task Accepting_names_a_person_and_what_is_there()
    {
        using var given = TestMemory.InMemory();
        await TurnAsync(given.Memory);

        await Assert.ThrowsAsync<ArgumentException>(() => given.Memory.AcceptAsync("refund_order", 1, by: " "));
        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => given.Memory.AcceptAsync("refund_order", 7, by: "anna"));
        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => given.Memory.AcceptAsync("refunds", 1, by: "anna"));
        Assert.Empty(await given.Memory.ListApprovalsAsync("refund_order"));
    }

    private static async Task<TurnResult> TurnAsync(ProcedureMemory memory)
    {
        using var turn = memory.BeginTurn("Refund order W1");
        foreach (var (action, arguments) in ((string, string)[])[("shop.get_order", """{"order_id":"W1"}"""), ("shop.refund", """{"order_id":"W1","reason":"damaged"}""")])
        {
            await turn.Recorder!.CompleteStepAsync(turn.Recorder.BeginStep(action, JsonElement.Parse(arguments))!, JsonElement.Parse("\"done\""));
        }

        return await turn.EndAsync(TurnEnd.Answered);
    }
}
