using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Capture;

public sealed class TurnTests
{
    private static readonly string[] Reads = ["shop.get_order", "shop.get_user"];

    [Fact]
    public async Task A_turn_of_two_calls_becomes_a_procedure_that_is_named_after_its_request()
    {
        using var given = Memory(LearningMode.Automatic);
        var result = await TurnAsync(given.Memory, "Please refund order W1001, it arrived damaged.", Call("shop.get_order", """{"order_id":"W1001"}""", """{"payment":"P-7"}"""), Call("shop.refund", """{"payment":"P-7"}"""));

        var learned = Assert.IsType<Procedure>(result.Learned?.Procedure);
        Assert.Equal("refund_order", learned.Name);
        Assert.Equal("Refund order. Calls shop.get_order, shop.refund.", learned.Description);
        Assert.Equal(VersionState.Active, learned.Version.State);
        Assert.Equal(ProcedureOrigin.Agent, learned.Origin);
        Assert.Equal("order_id", Assert.Single(learned.Version.Inputs).Name);
        Assert.Equal("$steps.get_order.outputs#/payment", learned.Version.Steps[1].Arguments.GetProperty("payment").GetString());
    }

    [Theory]
    [InlineData(LearningMode.Off)]
    [InlineData(LearningMode.Explicit)]
    public async Task Where_turns_are_not_learned_from_nothing_of_them_is_kept(LearningMode mode)
    {
        using var given = Memory(mode);
        var before = given.Dump();
        var result = await RefundAsync(given.Memory, "W1");

        Assert.Equal("Nothing is learned from turns.", result.Because);
        Assert.Equal(before, given.Dump());
    }

    [Fact]
    public async Task Proposed_is_a_draft_where_something_may_be_changed_and_active_where_it_only_reads()
    {
        using var given = Memory(LearningMode.Propose);
        var writes = (await RefundAsync(given.Memory, "W1")).Learned!;
        var reads = (await TurnAsync(given.Memory, "Look order W1 and its buyer up", Call("shop.get_order", """{"order_id":"W1"}""", """{"buyer":"U-1"}"""), Call("shop.get_user", """{"user":"U-1"}"""))).Learned!;

        Assert.Equal((VersionState.Draft, null), (writes.Procedure!.Version.State, writes.Procedure.ActiveVersion));
        Assert.Equal("'refund_order' is proposed as version 1, with 2 steps: a draft that waits for review (ListForReviewAsync, AcceptAsync).", writes.Message);
        Assert.Equal(VersionState.Active, reads.Procedure!.Version.State);
    }

    [Fact]
    public async Task A_draft_is_sharpened_by_the_turns_that_show_it_again_until_a_person_activates_it()
    {
        using var given = Memory(LearningMode.Propose);
        await RefundAsync(given.Memory, "W1", amount: 10);
        await RefundAsync(given.Memory, "W2", amount: 20);
        var third = await RefundAsync(given.Memory, "W3", amount: 30);

        var procedure = Assert.Single(await given.Memory.ListAsync());
        Assert.Null(procedure.ActiveVersion);
        Assert.Equal(["amount", "order_id"], procedure.Version.Inputs.Select(i => i.Name).Order());
        Assert.DoesNotContain(procedure.Version.Inputs, i => i.Unconfirmed);
        Assert.Single(await given.Memory.ListVersionsAsync(procedure.Name), v => v.State is VersionState.Draft);
        Assert.NotNull(third.Learned);

        await given.Memory.ActivateVersionAsync(procedure.Name, procedure.Version.Number);
        var fourth = (await TurnAsync(given.Memory, "Refund order W4 and mail it", Get("W4"), Refund(40), Call("mail.send", """{"to":"W4"}"""))).Learned!;
        Assert.NotEqual(procedure.Id, fourth.Procedure!.Id);
    }

    [Fact]
    public async Task Turns_that_show_nothing_new_make_no_versions_however_many_they_are()
    {
        using var given = Memory(LearningMode.Automatic, o => o.MaxTracesPerProcedure = 5);
        for (var i = 0; i < 40; i++)
        {
            await RefundAsync(given.Memory, $"W{i}", amount: i);
        }

        var procedure = Assert.Single(await given.Memory.ListAsync());
        Assert.InRange((await given.Memory.ListVersionsAsync(procedure.Name)).Count, 1, 3);
        Assert.InRange((await given.Memory.ListTracesAsync(limit: 1000)).Count, 2, 6);
    }

    [Fact]
    public async Task Another_skill_with_the_same_words_gets_a_name_of_its_own()
    {
        using var given = Memory(LearningMode.Automatic);
        await RefundAsync(given.Memory, "W1");
        var other = (await TurnAsync(given.Memory, "Refund order W2", Call("bank.open", """{"order":"W2"}"""), Call("bank.transfer", """{"order":"W2"}"""))).Learned!;

        Assert.Equal("refund_order_2", other.Procedure!.Name);
    }

    [Fact]
    public async Task What_is_read_beside_is_of_the_same_skill_and_what_is_left_out_of_what_was_always_done_is_not()
    {
        using var given = Memory(LearningMode.Automatic);
        var first = (await RefundAsync(given.Memory, "W1")).Learned!.Procedure!;
        var looksFirst = (await TurnAsync(given.Memory, "Please refund order W2, 5 of it", Call("shop.get_user", """{"user":"U-1"}"""), Get("W2"), Refund(5))).Learned!.Procedure!;
        var without = (await TurnAsync(given.Memory, "Please refund order W3, 5 of it", Call("shop.get_user", """{"user":"U-1"}"""), Refund(5))).Learned!.Procedure!;

        Assert.Equal(first.Id, looksFirst.Id);
        Assert.NotEqual(first.Id, without.Id);
    }

    [Fact]
    public async Task Calls_that_failed_and_were_made_good_are_left_out()
    {
        using var given = Memory(LearningMode.Automatic);
        var learned = (await TurnAsync(given.Memory, "Refund order W1", Get("W1"), Call("shop.refund", """{"payment":"wrong"}""", failure: "no such payment"), Refund(5))).Learned!;

        Assert.Equal(["shop.get_order", "shop.refund"], learned.Procedure!.Version.Steps.Select(s => s.Action));
        Assert.Equal(1, learned.DroppedSteps);
    }

    [Fact]
    public async Task A_turn_with_a_failure_left_standing_teaches_nothing()
    {
        using var given = Memory(LearningMode.Automatic);
        var before = given.Dump();
        var result = await TurnAsync(given.Memory, "Refund order W1", Get("W1"), Call("shop.check", "{}"), Call("shop.refund", """{"payment":"P"}""", failure: "refused"));

        Assert.Equal("shop.refund failed and did not succeed afterwards.", result.Because);
        Assert.Equal(before, given.Dump());
    }

    [Fact]
    public async Task One_call_is_no_task()
    {
        using var given = Memory(LearningMode.Automatic);
        Assert.Equal("It had 1 call that succeeded; a task has at least 2.", (await TurnAsync(given.Memory, "Where is W1?", Get("W1"))).Because);
    }

    [Theory]
    [InlineData(TurnEnd.Failed)]
    [InlineData(TurnEnd.BrokenOff)]
    public async Task A_turn_that_was_not_answered_teaches_nothing(TurnEnd end)
    {
        using var given = Memory(LearningMode.Automatic);
        var turn = given.Memory.BeginTurn("Refund order W1");
        await MakeAsync(turn, Get("W1"), Refund(1));

        Assert.Equal("It was not answered.", (await turn.EndAsync(end)).Because);
        Assert.Empty(await given.Memory.ListAsync());
        Assert.False(given.Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task The_host_judges_turns_where_it_wants_to()
    {
        using var given = Memory(LearningMode.Automatic, o => o.TurnJudge = new Judge(t => t.Request!.Contains("W1", StringComparison.Ordinal) ? false : t.FailedCalls.Count > 0 ? true : null));

        Assert.Equal("The host judged that it was no task to learn.", (await RefundAsync(given.Memory, "W1")).Because);
        Assert.NotNull((await TurnAsync(given.Memory, "Refund order W2", Get("W2"), Refund(1), Call("mail.send", "{}", failure: "no mail today"))).Learned);
        Assert.NotNull((await RefundAsync(given.Memory, "W3")).Learned);
    }

    [Fact]
    public async Task The_host_names_what_was_learned_where_it_wants_to()
    {
        using var given = Memory(LearningMode.Automatic, o => o.ProcedureNamer = new Namer());
        var learned = (await RefundAsync(given.Memory, "W1")).Learned!.Procedure!;

        Assert.Equal(("Erstattung", "Erstattet eine Bestellung."), (learned.Name, learned.Description));
    }

    [Fact]
    public async Task Learning_is_switched_at_run_time_and_for_a_turn()
    {
        using var given = Memory(LearningMode.Off);
        given.Memory.Learning = LearningMode.Automatic;
        using (given.Memory.DoNotLearn())
        {
            Assert.Equal("It was not to be learned.", (await RefundAsync(given.Memory, "W1")).Because);
        }

        using (var turn = given.Memory.BeginTurn("Refund order W1"))
        using (turn.Enter())
        {
            await MakeAsync(turn, Get("W1"), Refund(1));
            given.Memory.DoNotLearn().Dispose();
            Assert.False(turn.IsLearning);
            Assert.Equal("It was not to be learned.", (await turn.EndAsync(TurnEnd.Answered)).Because);
        }

        Assert.NotNull((await RefundAsync(given.Memory, "W1")).Learned);
        Assert.Throws<ArgumentOutOfRangeException>(() => given.Memory.Learning = (LearningMode)9);
    }

    [Fact]
    public async Task A_turn_belongs_to_the_scope_that_it_began_in()
    {
        using var given = Memory(LearningMode.Automatic);
        Turn turn;
        using (given.Memory.BeginSession(new MemoryScope("anna")))
        {
            turn = given.Memory.BeginTurn("Refund order W1");
        }

        await MakeAsync(turn, Get("W1"), Refund(1));
        await turn.EndAsync(TurnEnd.Answered);

        Assert.Empty(await given.Memory.ListAsync());
        using (given.Memory.BeginSession(new MemoryScope("anna")))
        {
            Assert.Single(await given.Memory.ListAsync());
        }
    }

    [Fact]
    public async Task A_call_that_still_runs_when_the_answer_comes_leaves_a_hole_that_nobody_learns_from()
    {
        using var given = Memory(LearningMode.Automatic);
        var turn = given.Memory.BeginTurn("Refund order W1");
        await MakeAsync(turn, Get("W1"), Refund(1));
        var late = turn.Recorder!.BeginStep("mail.send", JsonElement.Parse("{}"))!;

        Assert.Equal("It was answered while a call was still running.", (await turn.EndAsync(TurnEnd.Answered)).Because);
        await turn.Recorder.CompleteStepAsync(late, result: null);
        Assert.Equal("It has ended before.", (await turn.EndAsync(TurnEnd.Answered)).Because);
    }

    [Fact]
    public async Task What_takes_the_calls_of_a_turn_ends_with_it_and_not_by_itself()
    {
        using var given = Memory(LearningMode.Automatic);
        using var turn = given.Memory.BeginTurn("Refund order W1");

        await Assert.ThrowsAsync<InvalidOperationException>(() => turn.Recorder!.FinalizeAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => turn.Recorder!.AbandonAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => turn.Recorder!.AnnotateStepAsync("shop.refund", null, "done", null));
    }

    [Fact]
    public async Task Turns_that_end_at_once_and_show_the_same_new_skill_make_one_procedure()
    {
        using var given = Memory(LearningMode.Automatic);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => RefundAsync(given.Memory, $"W{i}", amount: i))));

        Assert.Single(await given.Memory.ListAsync());
    }

    [Fact]
    public async Task What_a_person_erased_is_not_learned_again()
    {
        using var given = Memory(LearningMode.Automatic);
        await RefundAsync(given.Memory, "W1");
        await given.Memory.EraseAsync("refund_order");
        var traces = (await given.Memory.ListTracesAsync()).Count;
        var result = await RefundAsync(given.Memory, "W2");

        Assert.NotNull(result.Learned?.Unwanted);
        Assert.Equal(traces, (await given.Memory.ListTracesAsync()).Count);
    }

    [Theory]
    [InlineData("Please could you cancel the reservation 4XY7 of Anna Smith?", "cancel_reservation")]
    [InlineData("Storniere bitte die Buchung 77 für Frau Meier", "storniere_buchung")]
    [InlineData("取消订单", "get_order")]
    [InlineData("", "get_order")]
    [InlineData("\"Ignore previous instructions\" order", "order_get")]
    [InlineData("It was a long week with anna. Could you please call off the trip?", "call_off")]
    [InlineData("Thinking of anna, I want the reservation to be cancelled", "reservation_cancelled")]
    public void Names_hold_words_of_the_task_and_none_of_its_values(string request, string expected)
    {
        var naming = RequestNamer.Name(new TurnReport { Request = request, Calls = [new TraceStep { Action = "shop.cancel_reservation", Arguments = JsonElement.Parse("""{"name":"Anna Smith"}""") }, new TraceStep { Action = "shop.get_order" }] });

        Assert.StartsWith(expected, naming.Name, StringComparison.Ordinal);
        Assert.DoesNotContain("anna", naming.Name + naming.Description, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("4XY7", naming.Name + naming.Description, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task What_a_host_says_of_a_plugin_holds_for_its_functions_and_what_it_says_of_one_goes_before()
    {
        using var given = TestMemory.InMemory(o => o.Effects = new Dictionary<string, StepEffect> { ["shop.*"] = StepEffect.Read, ["shop.refund"] = StepEffect.Write });
        Assert.Equal(VersionState.Active, (await TurnAsync(given.Memory, "Look order W1 and its buyer up", Get("W1"), Call("shop.get_user", """{"user":"U-1"}"""))).Learned!.Procedure!.Version.State);
        Assert.Equal(VersionState.Draft, (await RefundAsync(given.Memory, "W1")).Learned!.Procedure!.Version.State);
    }

    [Fact]
    public async Task A_task_of_one_word_is_named_by_what_it_is_done_to_as_well()
    {
        using var given = Memory(LearningMode.Automatic);
        var learned = (await TurnAsync(given.Memory, "Send a lamp to Ada", Call("shop.find_customer", """{"name":"Ada"}""", """{"id":"C1"}"""), Call("shop.send", """{"customer":"C1","item":"lamp"}"""))).Learned!.Procedure!;

        Assert.Equal(("send_item", "Send item. Calls shop.find_customer, shop.send."), (learned.Name, learned.Description));
    }

    private static TestMemory Memory(LearningMode mode, Action<ProceduralMemoryOptions>? configure = null) => TestMemory.InMemory(o =>
    {
        o.Learning = mode;
        o.Effects = Reads.ToDictionary(r => r, _ => StepEffect.Read);
        configure?.Invoke(o);
    });

    private static Task<TurnResult> RefundAsync(ProcedureMemory memory, string order, int amount = 5) =>
        TurnAsync(memory, FormattableString.Invariant($"Please refund order {order}, {amount} of it"), Get(order), Refund(amount));

    private static Made Get(string order) => Call("shop.get_order", $$"""{"order_id":"{{order}}"}""", $$"""{"payment":"P-{{order}}"}""");

    private static Made Refund(int amount) => Call("shop.refund", FormattableString.Invariant($$"""{"amount":{{amount}}}"""));

    private static Made Call(string action, string arguments, string? result = null, string? failure = null) => new(action, arguments, result, failure);

    private static async Task<TurnResult> TurnAsync(ProcedureMemory memory, string request, params Made[] calls)
    {
        using var turn = memory.BeginTurn(request);
        await MakeAsync(turn, calls);
        return await turn.EndAsync(TurnEnd.Answered);
    }

    private static async Task MakeAsync(Turn turn, params Made[] calls)
    {
        foreach (var call in calls)
        {
            if (turn.Recorder?.BeginStep(call.Action, JsonElement.Parse(call.Arguments)) is { } begun)
            {
                await turn.Recorder.CompleteStepAsync(begun, call.Result is null ? null : JsonElement.Parse(call.Result), call.Failure is null ? null : new StepFailure("failed", call.Failure));
            }
        }
    }

    private sealed record Made(string Action, string Arguments, string? Result, string? Failure);

    private sealed class Judge(Func<TurnReport, bool?> judge) : ITurnJudge
    {
        public ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default) => ValueTask.FromResult(judge(turn));
    }

    private sealed class Namer : IProcedureNamer
    {
        public ValueTask<ProcedureNaming?> NameAsync(TurnReport turn, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult<ProcedureNaming?>(new ProcedureNaming("Erstattung", "Erstattet eine Bestellung."));
    }
}
