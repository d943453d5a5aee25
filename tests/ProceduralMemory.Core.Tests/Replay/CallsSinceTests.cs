using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>Calls that could be of one step or another, or of none: what may have been done is asked about, and what was not done does not count as done.</summary>
public sealed class CallsSinceTests : StoppedReplays
{
    [Theory]
    [InlineData("1", "1")]
    [InlineData("1", "2")]
    public async Task A_call_that_is_like_one_the_replay_made_itself_does_the_step_that_was_to_come(string first, string second)
    {
        await StoreAsync(Given.Step("t.tick", "{}", "a"), Given.Step("t.x", "{}", "x"), Given.Step("t.tick", "{}", "b"));
        Executor.Returns("t.tick", first).Fails("t.x");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.x", "1");
        await ResumeAsync(stopped, Call("t.tick", "{}", second));
        Assert.Equal(["t.x {}"], Called());
    }

    [Fact]
    public async Task A_result_that_is_told_uses_up_no_call_of_another_step()
    {
        await StoreAsync(Given.Step("t.mail", """{"to":"ada"}""", "a"), Given.Step("t.mail", """{"to":"bob"}""", "b"));
        Executor.Fails("t.mail");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        await RepairAsync(stopped, Call("t.mail", """{"to":"bob"}""", "8"));
        Executor.Calls.Clear();
        Executor.Returns("t.mail", "9");
        await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair, Results = Given.Values(("a", "\"by phone\"")) });
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_call_may_be_of_a_procedure_inside_and_is_not_taken_for_the_failed_step()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.mail", """{"to":"bob"}""")));
        await StoreAsync(Given.Step("t.mail", """{"to":"ada"}""", "a"), Given.Nested("inner", id: "n"));
        Executor.Fails("t.mail");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.mail", "9");
        var resumed = await ResumeAsync(stopped, Call("t.mail", """{"to":"bob"}""", "8"));
        Assert.Equal((ReplayProblemCodes.OutcomeUnknown, "a"), (resumed.Problems.Single().Code, resumed.Problems.Single().StepId));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_later_attempt_knows_what_was_done_before_an_earlier_one()
    {
        await StoreAsync(Write("t.a"), Write("t.b"), Write("t.c"));
        Executor.Fails("t.a").Fails("t.b");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        var repair = session.Repair!;
        await DoAsync(repair, "t.a", "{}", "1");
        await DoAsync(repair, "t.c", "{}", "3");
        var id = stopped.ExecutionId!.Value;
        var again = await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest(), isInsideCall: false, default));
        await repair.CompleteRepairAsync(default);
        await Memory.StartRepairAsync(session, again, CancellationToken.None);
        Executor.Returns("t.b", "2").Returns("t.c", "3");
        Executor.Calls.Clear();
        await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest(), isInsideCall: false, default));
        Assert.Equal(["t.b {}"], Called());
    }

    [Fact]
    public async Task A_trace_that_the_host_names_hides_no_other()
    {
        await StoreAsync(Write("t.a"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        await DoAsync(session.Repair!, "t.a", "{}", "1");
        var own = await Memory.StartRecordingAsync(new RecordingDetails { Name = "own" }, session);
        await DoAsync(own, "t.o", "{}", "1");
        await own.FinalizeAsync();
        Executor.Returns("t.a", "2");
        Executor.Calls.Clear();
        var id = stopped.ExecutionId!.Value;
        await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest { RepairTraceId = own.TraceId }, isInsideCall: false, default));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_call_that_returned_an_error_does_no_failed_step()
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        Executor.Returns("t.a", """{"error":"Port 80 is taken."}""");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Assert.Equal(StepStatus.Failed, stopped.Steps[0].Status);
        Executor.Returns("t.a", "1").Returns("t.b", "1");
        var resumed = await ResumeAsync(stopped, Call("t.a", "{}", """{"error":"Port 80 is taken."}"""));
        Assert.Contains("t.a {}", Called());
    }

    [Fact]
    public async Task Who_waits_for_calls_goes_on_where_the_recording_is_given_up()
    {
        await StoreAsync(Write("t.a"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        var recorder = session.Repair!;
        var slow = recorder.BeginStep("t.look", Given.Value("{}"))!;
        var settled = recorder.SettleCallsAsync(CancellationToken.None);
        await recorder.AbandonAsync();
        await recorder.CompleteStepAsync(slow, Given.Value("1"));
        await settled.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Where_arguments_are_secret_it_is_asked()
    {
        await Memory.StoreAsync(Given.Definition("p", Write("t.x"), Write("t.pay", """{"memo":"$inputs.password"}""")) with { Inputs = [new() { Name = "password", Type = JsonType.String }] });
        Executor.Fails("t.x");
        var stopped = await Memory.ReplayAsync(Executor, "p", ReplayRequest.For(new { password = "tulip4242" }));
        await RepairAsync(stopped, Call("t.x", "{}", "1"), Call("t.pay", """{"memo":"tulip4242"}""", "1"));
        Executor.Returns("t.pay", "2");
        Executor.Calls.Clear();
        var resumed = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair, Inputs = Given.Values(("password", "\"tulip4242\"")) });
        Assert.Empty(Called());
    }

    [Fact]
    public async Task What_was_a_secret_of_the_replay_is_one_in_what_is_done_afterwards()
    {
        await Memory.StoreAsync(Given.Definition("p", Write("t.x"), Write("t.pay", """{"memo":"$inputs.password"}""")) with { Inputs = [new() { Name = "password", Type = JsonType.String }] });
        Executor.Fails("t.x");
        var stopped = await Memory.ReplayAsync(Executor, "p", ReplayRequest.For(new { password = "tulip4242" }));
        Assert.DoesNotContain("tulip4242", Test.Dump());
        await RepairAsync(stopped, Call("t.pay", """{"memo":"tulip4242"}""", "1"));
        Assert.DoesNotContain("tulip4242", Test.Dump());
    }

    [Fact]
    public async Task The_functions_of_loops_that_are_still_to_come_are_recorded_however_late()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.mail")));
        await StoreAsync(Read("t.list"), Write("t.a"), Loop(Write("t.ring", """{"who":"$item"}""")));
        await Memory.StoreAsync(Given.Definition("q", Write("t.a"), Given.Nested("inner", id: "n")));
        Executor.Returns("t.list", "[1,2]").Fails("t.a");
        using var session = Memory.BeginSession();

        await Memory.StartRepairAsync(session, await Memory.ReplayAsync(Executor, "p"), CancellationToken.None);
        Assert.Equal(["for each", "t.a", "t.list", "t.ring"], session.Repair!.Mends!.Order());

        // What a procedure inside calls is not looked up: there everything is recorded.
        await Memory.StartRepairAsync(session, await Memory.ReplayAsync(Executor, "q"), CancellationToken.None);
        Assert.Null(session.Repair!.Mends);
    }

    [Fact]
    public async Task A_call_with_more_arguments_than_a_step_that_is_to_come_is_asked_about()
    {
        await StoreAsync(Write("t.a"), Write("t.mail", """{"to":"ada"}"""));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.mail", "2");
        var resumed = await ResumeAsync(stopped, Call("t.a", "{}", "1"), Call("t.mail", """{"to":"ada","subject":"x"}""", "1"));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task What_was_recorded_and_finalized_since_is_asked_about()
    {
        await StoreAsync(Write("t.a"));
        Executor.Fails("t.a");
        using var session = Memory.BeginSession();
        var own = await Memory.StartRecordingAsync(new RecordingDetails { Name = "own" }, session);
        var stopped = await Memory.ReplayAsync(Executor, "p");
        await DoAsync(own, "t.a", "{}", "1");
        await own.FinalizeAsync();
        Executor.Returns("t.a", "2");
        Executor.Calls.Clear();
        var id = stopped.ExecutionId!.Value;
        await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest(), isInsideCall: false, default));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_recording_of_something_else_does_no_step_with_other_arguments()
    {
        await StoreAsync(Given.Step("t.mail", """{"to":"ada"}""", "a"));
        Executor.Fails("t.mail");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Test.Time.Advance(TimeSpan.FromDays(3));
        using var session = Memory.BeginSession();
        var own = await Memory.StartRecordingAsync(new RecordingDetails { Name = "newsletter" }, session);
        await DoAsync(own, "t.mail", """{"to":"zoe","text":"newsletter"}""", "1");
        Executor.Returns("t.mail", "2");
        Executor.Calls.Clear();
        var id = stopped.ExecutionId!.Value;
        var resumed = await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest(), isInsideCall: false, default));
        Assert.NotEqual(ReplayOutcome.Completed, resumed.Outcome);
    }

    [Fact]
    public async Task Where_calls_are_missing_no_write_that_is_to_come_is_made_unasked()
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.b", "2");
        Executor.Calls.Clear();
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        session.Repair!.MarkIncomplete(new IOException("x"));
        var id = stopped.ExecutionId!.Value;
        await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest { Results = Given.Values(("a", "1")) }, isInsideCall: false, default));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_result_that_is_told_of_a_step_to_come_uses_up_no_call_of_another_step()
    {
        await StoreAsync(Write("t.x"), Given.Step("t.mail", """{"to":"ada"}""", "a"), Given.Step("t.mail", """{"to":"bob"}""", "b"));
        Executor.Fails("t.x");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        await RepairAsync(stopped, Call("t.mail", """{"to":"bob"}""", "8"));
        Executor.Calls.Clear();
        Executor.Returns("t.mail", "9").Returns("t.x", "1");
        await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair, Results = Given.Values(("a", "\"by phone\"")) });
        Assert.Equal(["t.x {}"], Called());
    }

    [Fact]
    public async Task What_was_done_in_another_session_is_known()
    {
        await StoreAsync(Write("t.a"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        await RepairAsync(stopped, Call("t.a", "{}", "1"));
        Executor.Returns("t.a", "2");
        Executor.Calls.Clear();
        using var session = Memory.BeginSession();
        var id = stopped.ExecutionId!.Value;
        await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest(), isInsideCall: false, default));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_function_is_the_same_by_its_name_over_the_wire()
    {
        await StoreAsync(Given.Step("t-a", "{}", "a"));
        Executor.Fails("t-a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t-a", "2");
        await ResumeAsync(stopped, Call("t.a", "{}", "1"));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_result_that_is_told_of_a_step_inside_leaves_it_open_whose_call_was_recorded()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.mail", """{"to":"ada"}""")));
        await StoreAsync(Write("t.x"), Given.Nested("inner", id: "n"), Write("t.y"), Given.Step("t.mail", """{"to":"ada"}""", "m"));
        Executor.Fails("t.x");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        await RepairAsync(stopped, Call("t.mail", """{"to":"ada"}""", "8"));
        Executor.Calls.Clear();
        Executor.Returns("t.mail", "9").Returns("t.x", "1").Returns("t.y", "1");
        var resumed = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair, Results = Given.Values(("n/mail", "8")) });
        Assert.Equal((ReplayProblemCodes.OutcomeUnknown, "m"), (resumed.Problems.Single().Code, resumed.Problems.Single().StepId));
        Assert.Equal(["t.x {}", "t.y {}"], Called());
    }

    [Fact]
    public async Task A_call_with_other_arguments_after_another_replay_is_asked_about()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.start", """{"port":80}""", "a")));
        await Memory.StoreAsync(Given.Definition("q", Write("t.q")));
        Executor.Fails("t.start").Fails("t.q");
        var one = await Memory.ReplayAsync(Executor, "p");
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, one, default);
        var two = await Memory.ReplayAsync(Executor, "q");
        await DoAsync(session.Repair!, "t.z", "{}", "1");
        await Memory.StartRepairAsync(session, two, default);
        await DoAsync(session.Repair!, "t.start", """{"port":81}""", "1");
        Executor.Returns("t.start", "2");
        Executor.Calls.Clear();
        var id = one.ExecutionId!.Value;
        await Memory.ResumeAsync(Executor, id, await ProcedureMemory.WithCallsSinceAsync(session, id, new ResumeRequest(), isInsideCall: false, default));
        Assert.Empty(Called());
    }

    [Fact]
    public async Task A_call_that_returned_an_error_does_no_step_that_is_to_come()
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.a", "1").Returns("t.b", "1");
        var resumed = await ResumeAsync(stopped, Call("t.b", "{}", """{"error":"No."}"""));
        Assert.Equal(["t.a {}", "t.b {}"], Called());
    }

    private static async Task DoAsync(ProcedureRecorder recorder, string action, string arguments, string result) =>
        await recorder.CompleteStepAsync(recorder.BeginStep(action, Given.Value(arguments))!, Given.Value(result));
}
