using System.Net;
using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What may have had its effect is not done again when an execution is resumed, unless somebody says so who knows.</summary>
public sealed class NothingTwiceTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_step_that_failed_and_was_skipped_stays_skipped_since_it_may_have_had_its_effect()
    {
        var optional = Write("t.a") with { OnFailure = FailurePolicy.Skip, Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("1") } };
        await StoreAsync(optional, Write("t.b"));
        _executor.Returns("t.a", "2").Fails("t.b");
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.b", "1");

        var resumed = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value);

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal(["t.a", "t.b", "t.b"], Called());
        Assert.Equal((StepStatus.Skipped, 1, FailureTypes.UnexpectedOutcome), (resumed.Steps[0].Status, resumed.Steps[0].Attempts, resumed.Steps[0].Failure!.ErrorType));
    }

    [Fact]
    public async Task A_step_that_was_skipped_without_being_called_is_looked_at_again()
    {
        await StoreAsync(Write("t.a") with { OnFailure = FailurePolicy.Continue }, Write("t.b", """{"x":"$steps.a.outputs"}"""));
        _executor.Fails("t.a");
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.a", "1");

        var resumed = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value);

        Assert.Equal((StepStatus.Skipped, StepStatus.Success), (failed.Steps[1].Status, resumed.Steps[1].Status));
    }

    [Fact]
    public async Task A_step_whose_outcome_is_not_known_can_be_left_out_and_is_left_out_from_then_on()
    {
        await StoreAsync(Write("t.a"), Write("t.b"));
        _executor.On("t.a", (_, _) => throw new TimeoutException()).Fails("t.b");
        var broken = await Memory.ReplayAsync(_executor, "p");

        var left = await Memory.ResumeAsync(_executor, broken.ExecutionId!.Value, new ResumeRequest { Skip = ["a"] });
        _executor.Returns("t.b", "1");
        var done = await Memory.ResumeAsync(_executor, broken.ExecutionId!.Value);

        Assert.Equal((ReplayOutcome.Failed, ReplayOutcome.Failed, ReplayOutcome.Completed), (broken.Outcome, left.Outcome, done.Outcome));
        Assert.Equal(StepStatus.Skipped, done.Steps[0].Status);
        Assert.Equal(["t.a", "t.b", "t.b"], Called());
    }

    [Fact]
    public async Task A_call_that_was_recorded_since_the_replay_stopped_does_its_failed_step()
    {
        await StoreAsync(Write("t.mail"), Write("t.b", """{"x":"$steps.mail.outputs"}"""));
        _executor.Fails("t.mail");
        var failed = await Memory.ReplayAsync(_executor, "p");
        var repair = await RepairAsync(failed, ("t.mail", "7"));

        var resumed = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { RepairTraceId = repair.Id });

        Assert.Equal((ReplayOutcome.Completed, true), (resumed.Outcome, resumed.Steps[0].Repaired));
        Assert.Equal(["t.mail {}", """t.b {"x":7}"""], _executor.Calls.Select(c => $"{c.Action} {c.Arguments.GetRawText()}"));
    }

    [Fact]
    public async Task A_call_that_was_recorded_for_another_execution_or_for_none_does_no_step()
    {
        await StoreAsync(Write("t.mail"));
        _executor.Fails("t.mail");
        var one = await Memory.ReplayAsync(_executor, "p");
        var other = await Memory.ReplayAsync(_executor, "p");
        var repair = await RepairAsync(other, ("t.mail", "7"));
        var recorder = await Memory.StartRecordingAsync(new() { Name = "something else" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.mail", Given.Value("{}"))!, Given.Value("8"));

        var again = await Memory.ResumeAsync(_executor, one.ExecutionId!.Value, new ResumeRequest { RepairTraceId = repair.Id });
        var andAgain = await Memory.ResumeAsync(_executor, one.ExecutionId!.Value, new ResumeRequest { RepairTraceId = recorder.TraceId });

        Assert.Equal((StepStatus.Failed, StepStatus.Failed), (again.Steps[0].Status, andAgain.Steps[0].Status));
        Assert.Equal(4, _executor.Calls.Count);
    }

    [Fact]
    public async Task For_which_of_several_steps_a_call_was_made_is_asked_and_not_guessed()
    {
        await StoreAsync(Given.Step("t.mail", """{"to":"ada"}""", "a") with { OnFailure = FailurePolicy.Continue }, Given.Step("t.mail", """{"to":"bob"}""", "b"));
        _executor.Fails("t.mail");
        var failed = await Memory.ReplayAsync(_executor, "p");
        var repair = await RepairAsync(failed, ("t.mail", "7"));
        _executor.Calls.Clear();
        _executor.Returns("t.mail", "8");

        var asked = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { RepairTraceId = repair.Id });
        Assert.Empty(_executor.Calls);
        var done = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { RepairTraceId = repair.Id, Results = Given.Values(("b", "7")) });

        Assert.Equal(ReplayProblemCodes.OutcomeUnknown, Assert.Single(asked.Problems).Code);
        Assert.Equal("Steps 'a', 'b' all call t.mail, which was called since the replay stopped: for which of its steps is not known. Resume with the result of each of them that is done, and leave out what is not needed. One that is not done the host can have repeated.", asked.Problems[0].Message);
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Assert.Equal([false, true], done.Steps.Select(s => s.Repaired));
        Given.JsonEqual("""{"to":"ada"}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_recorded_result_that_was_not_kept_is_asked_for_where_a_step_needs_it(bool secret)
    {
        await StoreAsync(Write("t.make"), Write("t.use", """{"x":"$steps.make.outputs#/token"}"""));
        _executor.Fails("t.make");
        var failed = await Memory.ReplayAsync(_executor, "p");
        var value = secret ? """{"token":"abcdefghij"}""" : $$"""{"token":"{{new string('x', Memory.Options.MaxValueBytes)}}"}""";
        var repair = await RepairAsync(failed, ("t.make", value));
        _executor.Calls.Clear();

        var asked = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { RepairTraceId = repair.Id });
        Assert.Empty(_executor.Calls);
        var done = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { Results = Given.Values(("make", """{"token":"klmnopqrst"}""")) });

        Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.RedactedResult, "make"), (asked.Outcome, asked.Problems.Single().Code, asked.Problems.Single().StepId));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Given.JsonEqual("""{"x":"klmnopqrst"}""", Assert.Single(_executor.Calls).Arguments);
    }

    [Theory]
    [InlineData(HttpStatusCode.InternalServerError)]
    [InlineData(HttpStatusCode.BadGateway)]
    [InlineData(HttpStatusCode.ServiceUnavailable)]
    [InlineData(HttpStatusCode.GatewayTimeout)]
    public async Task Of_a_write_whose_service_broke_it_is_not_known_whether_it_was_carried_out(HttpStatusCode status)
    {
        await StoreAsync(Given.Step("t.pay", id: "pay"));
        _executor.On("t.pay", (_, _) => throw new HttpRequestException("It broke.", null, status));
        var broken = await Memory.ReplayAsync(_executor, "p");

        var resumed = await Memory.ResumeAsync(_executor, broken.ExecutionId!.Value);

        Assert.Equal((StepStatus.Unknown, ReplayOutcome.Waiting), (broken.Steps[0].Status, resumed.Outcome));
        Assert.Single(_executor.Calls);
    }

    [Theory]
    [InlineData(HttpStatusCode.InternalServerError)]
    [InlineData(HttpStatusCode.Conflict)]
    public async Task A_function_that_takes_the_key_gets_the_same_one_whatever_its_call_failed_of(HttpStatusCode status)
    {
        await StoreAsync(Write("t.pay"));
        _executor.Describes("t.pay", new FunctionDescription { Effect = StepEffect.Write, IdempotencyKeyParameter = "key" });
        _executor.On("t.pay", (_, _) => throw new HttpRequestException("It failed.", null, status));
        var failed = await Memory.ReplayAsync(_executor, "p");
        _executor.Returns("t.pay", "1");

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value)).Outcome);
        Assert.Equal(2, _executor.Calls.Count);
        Assert.Single(_executor.Calls.Select(c => c.Arguments.GetRawText()).Distinct());
    }

    [Fact]
    public async Task A_call_that_is_known_to_have_failed_stays_so_when_the_wait_for_the_next_one_is_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        await StoreAsync(Write("t.a") with { Retry = new StepRetry { MaxRetries = 2, Delay = TimeSpan.FromMinutes(1), MaxDelay = TimeSpan.FromMinutes(2) } });
        var called = new TaskCompletionSource();
        _executor.On("t.a", (_, _) =>
        {
            called.SetResult();
            return new StepCallResult { Failure = new StepFailure("Refused", "No connection."), MayPass = true };
        });

        // The time stands still, so that the replay waits until it is cancelled.
        var replay = Memory.ReplayAsync(_executor, "p", cancellationToken: cancellation.Token);
        await called.Task;
        Assert.False(replay.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => replay);
        var execution = (await Memory.GetExecutionAsync((await Memory.ListExecutionsAsync()).Single().Id))!;
        _executor.Returns("t.a", "1");
        var resumed = await Memory.ResumeAsync(_executor, execution.Id);

        Assert.Equal((ReplayOutcome.Cancelled, StepStatus.Failed, 1, "No connection."), (execution.Outcome, execution.Steps[0].Status, execution.Steps[0].Attempts, execution.Steps[0].Failure!.Message));
        Assert.Equal((ReplayOutcome.Completed, 2), (resumed.Outcome, _executor.Calls.Count));
    }

    [Fact]
    public async Task What_ended_beside_a_question_that_is_cancelled_is_written_down()
    {
        using var cancellation = new CancellationTokenSource();
        var asked = new TaskCompletionSource();
        var memory = _test.Open(o =>
        {
            (o.Approval, o.MaxParallelSteps, o.AllowParallelWrites) = (ApprovalPolicy.Never, 3, true);
            o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.b"] = ApprovalPolicy.Always };
            o.Approver = new WaitingApprover(asked);
        });
        await StoreAsync(Write("t.a"), Write("t.z"), Write("t.b", """{"x":"$steps.z.outputs"}"""));
        var executor = new SlowExecutor("t.a", asked.Task);

        var replay = memory.ReplayAsync(executor, "p", cancellationToken: cancellation.Token);
        await executor.Ended;
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => replay);

        var execution = (await memory.GetExecutionAsync((await memory.ListExecutionsAsync()).Single().Id))!;
        Assert.Equal([("a", StepStatus.Success), ("z", StepStatus.Success)], execution.Steps.Select(s => (s.StepId, s.Status)));
    }

    [Fact]
    public async Task An_approval_of_a_call_holds_although_its_function_takes_the_key()
    {
        var memory = _test.Open(o => o.Approval = ApprovalPolicy.Always);
        await StoreAsync(Write("t.pay"));
        _executor.Describes("t.pay", new FunctionDescription { Effect = StepEffect.Write, IdempotencyKeyParameter = "key" });
        var waiting = await memory.ReplayAsync(_executor, "p");
        await memory.ApproveCallAsync(waiting.ExecutionId!.Value, "pay", "Ada");

        var done = await memory.ResumeAsync(_executor, waiting.ExecutionId!.Value);

        Assert.Equal((ReplayOutcome.Waiting, ReplayOutcome.Completed), (waiting.Outcome, done.Outcome));
        Assert.Single(_executor.Calls);
    }

    [Fact]
    public async Task A_loop_ends_where_a_filter_asks_to_end_the_turn_and_goes_on_from_there()
    {
        await StoreAsync(Read("t.list"), Loop(Write("t.c", """{"x":"$item"}""")), Write("t.d"));
        _executor.Returns("t.list", "[1,2,3]").On("t.c", (_, _) => new StepCallResult { Result = Given.Value("1"), StopRequested = true });

        var stopped = await Memory.ReplayAsync(_executor, "p");
        var called = _executor.Calls.Count;
        _executor.Returns("t.c", "1");
        var resumed = await Memory.ResumeAsync(_executor, stopped.ExecutionId!.Value);

        Assert.Equal((ReplayOutcome.Refused, 2), (stopped.Outcome, called));
        Assert.Contains("After element 1 of 3: a filter of the host asked to end the turn there.", stopped.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal(["t.list {}", """t.c {"x":1}""", """t.c {"x":2}""", """t.c {"x":3}""", "t.d {}"], _executor.Calls.Select(c => $"{c.Action} {c.Arguments.GetRawText()}"));
    }

    [Fact]
    public async Task A_call_is_not_made_again_where_a_filter_asks_to_end_the_turn()
    {
        await StoreAsync(Write("t.a") with { Retry = new StepRetry { MaxRetries = 2, Delay = TimeSpan.Zero } });
        _executor.On("t.a", (_, _) => new StepCallResult { Failure = new StepFailure("Refused", "No connection."), MayPass = true, StopRequested = true });

        await Memory.ReplayAsync(_executor, "p");

        Assert.Single(_executor.Calls);
    }

    [Fact]
    public async Task A_resumption_that_is_turned_away_says_how_the_steps_stand_and_whether_it_can_be_tried_again()
    {
        await Memory.StoreAsync(Given.Definition("p", Write("t.a"), Write("t.b", """{"x":"$inputs.s"}"""), Write("t.c")).Taking(new ProcedureInput { Name = "s", Secret = true }));
        _executor.Fails("t.b", "no disk");
        var failed = await Memory.ReplayAsync(_executor, "p", Given.With(("s", "\"hunter2hunter2\"")));

        var turnedAway = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value);
        _executor.Returns("t.b", "1");
        await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { Inputs = Given.Values(("s", "\"hunter2hunter2\"")) });
        var completed = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value);

        Assert.Equal((ReplayOutcome.Refused, true, ReplayOutcome.Refused, false), (turnedAway.Outcome, turnedAway.CanResume, completed.Outcome, completed.CanResume));
        Assert.Equal([StepStatus.Success, StepStatus.Failed, StepStatus.Pending], turnedAway.Steps.Select(s => s.Status));
        Assert.Equal((true, "no disk"), (turnedAway.Steps[0].DoneBefore, turnedAway.Steps[1].Failure!.Message));
        Assert.All(completed.Steps, s => Assert.Equal(StepStatus.Success, s.Status));
    }

    /// <summary>Never decides; it says that it was asked.</summary>
    private sealed class WaitingApprover(TaskCompletionSource asked) : IReplayApprover
    {
        public async Task<ApprovalDecision> DecideAsync(ApprovalRequest request, CancellationToken cancellationToken = default)
        {
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return ApprovalDecision.Pending;
        }
    }

    /// <summary>One of its calls ends only after something else has happened.</summary>
    private sealed class SlowExecutor(string slow, Task until) : IStepExecutor
    {
        private readonly TaskCompletionSource _ended = new();

        public Task Ended => _ended.Task;

        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

        public async Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
        {
            if (call.Action == slow)
            {
                await until;
                _ended.SetResult();
            }

            return new StepCallResult { Result = Given.Value("1") };
        }
    }

    private static ProcedureStep Loop(params IReadOnlyList<ProcedureStep> steps) =>
        new() { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$steps.list.outputs", Steps = steps };

    /// <summary>What is recorded after a replay stopped.</summary>
    private async Task<Trace> RepairAsync(ReplayResult stopped, params (string Action, string Result)[] calls)
    {
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        var recorder = session.Repair!;
        foreach (var (action, result) in calls)
        {
            await recorder.CompleteStepAsync(recorder.BeginStep(action, Given.Value("{}"))!, Given.Value(result));
        }

        return (await Memory.GetTraceAsync(recorder.TraceId))!;
    }

    private static ProcedureStep Read(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Read };

    private static ProcedureStep Write(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Write };

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps));

    private IEnumerable<string> Called() => _executor.Calls.Select(c => c.Action);
}
