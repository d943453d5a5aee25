using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What was done since a replay stopped, in calls that were recorded, is not done again; and for which step a call was made is not guessed.</summary>
public sealed class DoneSinceTests : StoppedReplays
{
    [Fact]
    public async Task Inside_a_nested_procedure_and_in_a_loop_a_step_is_done_that_was_called_with_its_arguments()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.mail", """{"to":"ada"}""")));
        await StoreAsync(Given.Nested("inner", id: "a") with { OnFailure = FailurePolicy.Continue }, Read("t.list"), Loop(Write("t.ring", """{"who":"$item"}""")));
        Executor.Returns("t.list", """["ada","bob"]""").Fails("t.mail").Fails("t.ring");
        var stopped = await Memory.ReplayAsync(Executor, "p");

        var resumed = await ResumeAsync(stopped, Call("t.mail", """{"to":"ada"}""", "7"), Call("t.ring", """{"who":"ada"}""", "8"), Call("t.ring", """{"who":"bob"}""", "9"));

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Empty(Executor.Calls);
        Assert.Equal("""[{"ring":8},{"ring":9}]""", resumed.Steps[2].Result!.Value.GetRawText());
        Assert.True(resumed.Steps[0].Nested!.Steps[0].Repaired);
        Assert.All(resumed.Steps[2].Iterations, i => Assert.True(i.Steps[0].Repaired));
    }

    [Fact]
    public async Task Inside_a_nested_procedure_a_call_with_other_arguments_is_asked_about()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.mail", """{"to":"ada"}""")));
        await StoreAsync(Given.Nested("inner", id: "a"));
        Executor.Fails("t.mail");
        var stopped = await Memory.ReplayAsync(Executor, "p");

        var asked = await ResumeAsync(stopped, Call("t.mail", """{"to":"ada@example.org"}""", "7"));
        var done = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { Results = Given.Values(("a/mail", "7")) });

        Assert.Equal((ReplayProblemCodes.OutcomeUnknown, "a/mail"), (asked.Problems.Single().Code, asked.Problems.Single().StepId));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Assert.Empty(Executor.Calls);
    }

    [Fact]
    public async Task A_step_that_was_still_to_come_is_done_as_well()
    {
        await StoreAsync(Write("t.a"), Write("t.b", """{"x":"$steps.a.outputs","y":1}"""), Write("t.c", """{"x":"$steps.b.outputs"}"""));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");

        var resumed = await ResumeAsync(stopped, Call("t.a", "{}", "7"), Call("t.b", """{"y":1,"x":7,"note":null}""", "8"));

        Assert.Equal((ReplayOutcome.Completed, true), (resumed.Outcome, resumed.Steps[1].Repaired));
        Assert.Equal("""t.c {"x":8}""", Assert.Single(Called()));
    }

    [Fact]
    public async Task A_read_that_was_still_to_come_is_read_again()
    {
        await StoreAsync(Write("t.a"), Read("t.b"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");

        await ResumeAsync(stopped, Call("t.a", "{}", "7"), Call("t.b", "{}", "8"));

        Assert.Equal("t.b {}", Assert.Single(Called()));
    }

    [Fact]
    public async Task Of_steps_with_one_function_a_call_does_the_one_with_its_arguments_and_the_others_are_called()
    {
        await StoreAsync(Given.Step("t.mail", """{"to":"ada"}""", "a"), Given.Step("t.mail", """{"to":"bob"}""", "b"));
        Executor.Fails("t.mail");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.mail", "8");

        var resumed = await ResumeAsync(stopped, Call("t.mail", """{"to":"ada"}""", "7"));

        Assert.Equal([true, false], resumed.Steps.Select(s => s.Repaired));
        Assert.Equal("""t.mail {"to":"bob"}""", Assert.Single(Called()));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Where_a_step_with_that_function_is_still_to_come_a_call_with_other_arguments_is_asked_about(int calls)
    {
        await StoreAsync(Given.Step("t.mail", """{"to":"ada"}""", "a"), Given.Step("t.mail", """{"to":"bob"}""", "b"));
        Executor.Fails("t.mail");
        var stopped = await Memory.ReplayAsync(Executor, "p");

        var asked = await ResumeAsync(stopped, [.. Enumerable.Range(1, calls).Select(n => Call("t.mail", $$"""{"to":"{{n}}"}""", "7"))]);
        var skipped = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair, Skip = ["a", "b"] });

        Assert.Equal((ReplayProblemCodes.OutcomeUnknown, "a"), (asked.Problems.Single().Code, asked.Problems.Single().StepId));
        Assert.Equal((ReplayOutcome.Completed, 0), (skipped.Outcome, Executor.Calls.Count));
    }

    [Fact]
    public async Task A_call_does_one_step_however_often_the_replay_is_resumed()
    {
        using var cancellation = new CancellationTokenSource();
        await StoreAsync(Write("t.z") with { OnFailure = FailurePolicy.Continue }, Given.Step("t.mail", """{"to":"ada"}""", "a") with { OnFailure = FailurePolicy.Continue }, Given.Step("t.mail", """{"to":"bob"}""", "b"));
        Executor.Fails("t.mail").Fails("t.z");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        await RepairAsync(stopped, Call("t.mail", "{}", "7"));
        Executor.Calls.Clear();
        Executor.Returns("t.mail", "8").On("t.z", (_, _) =>
        {
            cancellation.Cancel();
            return new StepCallResult { Result = Given.Value("1") };
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair, Results = Given.Values(("b", "7")) }, cancellation.Token));

        var resumed = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair });

        Assert.Equal([false, false, true], resumed.Steps.Select(s => s.Repaired));
        Assert.Equal(["t.z {}", """t.mail {"to":"ada"}"""], Called());
    }

    [Fact]
    public async Task Where_not_every_call_was_recorded_failed_writes_are_asked_about()
    {
        await StoreAsync(Read("t.look"), Write("t.a"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        session.Repair!.MarkIncomplete(new IOException("The disk is full."));

        var request = await ProcedureMemory.WithCallsSinceAsync(session, stopped.ExecutionId!.Value, new ResumeRequest(), isInsideCall: false, CancellationToken.None);
        var asked = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, request);
        var done = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, request with { Results = Given.Values(("a", "1")) });

        Assert.Equal(ReplayProblemCodes.OutcomeUnknown, asked.Problems.Single().Code);
        Assert.Contains("not every call that was made since the replay stopped was recorded", asked.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        await session.Repair!.CompleteRepairAsync(CancellationToken.None);
        Assert.Null(session.Repair);
    }

    [Fact]
    public async Task Calls_that_end_while_their_recording_is_looked_at_are_waited_for_and_the_recording_goes_on()
    {
        await StoreAsync(Write("t.a"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        var recorder = session.Repair!;
        var slow = recorder.BeginStep("t.look", Given.Value("{}"))!;

        var settled = recorder.SettleCallsAsync(CancellationToken.None);
        var second = recorder.BeginStep("t.a", Given.Value("{}"))!;
        await recorder.CompleteStepAsync(slow, Given.Value("1"));
        Assert.False(settled.IsCompleted);
        await recorder.CompleteStepAsync(second, Given.Value("1"));

        await settled;
        Assert.False(recorder.IsIncomplete);
        Assert.Equal(2, (await Memory.GetTraceAsync(recorder.TraceId))!.Steps.Count);
    }

    [Fact]
    public async Task What_is_left_out_when_it_is_resumed_stays_so_even_where_it_is_not_come_to()
    {
        await StoreAsync(Write("t.a"), Write("t.b"), Write("t.c"));
        Executor.Fails("t.a");
        var stopped = await Memory.ReplayAsync(Executor, "p", new ReplayRequest { Skip = ["c"] });
        await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { Skip = ["b"] });
        Executor.Returns("t.a", "1");

        var resumed = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value);

        Assert.Equal([StepStatus.Success, StepStatus.Skipped, StepStatus.Skipped], resumed.Steps.Select(s => s.Status));
    }

    [Fact]
    public async Task A_condition_is_not_decided_by_what_stands_in_place_of_a_secret()
    {
        await StoreAsync(Write("t.a"), Write("t.b"), Write("t.c") with { Condition = new StepCondition { Value = "$steps.a.outputs#/token", Test = ConditionTest.Equal, Operand = Given.Value("\"abcdefghij\"") } });
        Executor.Returns("t.a", """{"token":"abcdefghij"}""").Fails("t.b");
        var stopped = await Memory.ReplayAsync(Executor, "p");
        Executor.Returns("t.b", "1");

        var asked = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value);
        var done = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { Results = Given.Values(("a", """{"token":"abcdefghij"}""")) });

        Assert.Equal((ReplayProblemCodes.RedactedResult, "a"), (asked.Problems.Single().Code, asked.Problems.Single().StepId));
        Assert.Equal((ReplayOutcome.Completed, StepStatus.Success), (done.Outcome, done.Steps[2].Status));
    }

    [Fact]
    public async Task A_round_that_is_done_keeps_the_results_that_it_has()
    {
        var n = 0;
        await StoreAsync(
            Read("t.list"),
            Loop(Read("t.a"), Write("t.b", """{"x":"$steps.a.outputs#/token"}""") with { Condition = new StepCondition { Value = "$steps.a.outputs#/no", Test = ConditionTest.Present } }, Write("t.c")),
            Write("t.x", """{"x":"$steps.each.outputs#/0/a/id"}"""));
        Executor.Returns("t.list", "[1,2]").Returns("t.a", """{"id":7,"token":"abcdefghij"}""")
            .On("t.c", (_, _) => ++n == 2 ? new StepCallResult { Failure = new StepFailure("F", "no") } : new StepCallResult { Result = Given.Value("1") });
        var stopped = await Memory.ReplayAsync(Executor, "p");

        var resumed = await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value);

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal("""t.x {"x":7}""", Called().Last());
    }

    [Fact]
    public async Task Arguments_that_are_too_large_are_no_call_of_which_nothing_is_known()
    {
        var memory = Test.Open(o => (o.MaxReplayResultBytes, o.MaxValueBytes) = (64 * 1024, 64 * 1024));
        await memory.StoreAsync(Given.Definition("p", Read("t.a"), Write("t.b", """{"x":"$steps.a.outputs","y":"$steps.a.outputs"}""")));
        Executor.Returns("t.a", $"\"{new string('x', 40 * 1024)}\"");

        var stopped = await memory.ReplayAsync(Executor, "p");
        var resumed = await memory.ResumeAsync(Executor, stopped.ExecutionId!.Value);

        Assert.Equal((FailureTypes.ArgumentsTooLarge, ReplayOutcome.Failed), (stopped.Steps[1].Failure!.ErrorType, resumed.Outcome));
        Assert.Equal(["t.a"], Executor.Calls.Select(c => c.Action));
    }

    [Fact]
    public async Task A_write_that_broke_off_is_told_of_also_where_a_filter_ended_the_turn()
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        Executor.On("t.a", (_, _) => new StepCallResult { Failure = new StepFailure("TimeoutException", "too slow"), IsOutcomeUnknown = true, StopRequested = true });

        var stopped = await Memory.ReplayAsync(Executor, "p");

        Assert.Equal(ReplayOutcome.Refused, stopped.Outcome);
        Assert.Equal((ReplayProblemCodes.OutcomeUnknown, "a"), (stopped.Problems.Single().Code, stopped.Problems.Single().StepId));
        Assert.Contains("Whether step 'a' (t.a) had its effect is not known.", stopped.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_was_to_be_called_beside_one_that_waits_for_approval_is_pending_when_the_time_is_up()
    {
        var asked = new TaskCompletionSource();
        var memory = Test.Open(o =>
        {
            (o.Approval, o.MaxParallelSteps, o.AllowParallelWrites) = (ApprovalPolicy.Never, 3, true);
            o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.b"] = ApprovalPolicy.Always };
            o.Approver = new SilentApprover(asked);
            o.MaxReplayDuration = TimeSpan.FromMinutes(1);
        });
        await memory.StoreAsync(Given.Definition("p", Write("t.a"), Write("t.b")));

        var replay = memory.ReplayAsync(Executor, "p");
        await asked.Task;
        Test.Time.Advance(TimeSpan.FromMinutes(2));

        Assert.Equal([(StepStatus.Pending, 0), (StepStatus.Pending, 0)], (await replay).Steps.Select(s => (s.Status, s.Attempts)));
        Assert.Empty(Executor.Calls);
    }

    private sealed class SilentApprover(TaskCompletionSource asked) : IReplayApprover
    {
        public async Task<ApprovalDecision> DecideAsync(ApprovalRequest request, CancellationToken cancellationToken = default)
        {
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return ApprovalDecision.Pending;
        }
    }
}
