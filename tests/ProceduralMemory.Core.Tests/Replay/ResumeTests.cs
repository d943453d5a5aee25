using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class ResumeTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task What_is_done_stays_done_and_the_failed_step_is_called_again_with_the_same_arguments_and_the_same_key()
    {
        await StoreAsync(Read("t.a"), Write("t.b", """{"id":"$steps.a.outputs#/id","x":"$inputs.x"}"""), Write("t.c", """{"done":"$steps.b.outputs"}"""));
        _executor.Returns("t.a", """{"id":7}""").Fails("t.b", "no disk");
        var failed = await Memory.ReplayAsync(_executor, "p", Given.With(("x", "1")));

        _executor.Returns("t.b", "\"built\"");
        var resumed = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value);

        Assert.True(failed.CanResume);
        Assert.Equal((ReplayOutcome.Completed, failed.ExecutionId, false), (resumed.Outcome, resumed.ExecutionId, resumed.CanResume));
        Assert.Equal(["t.a", "t.b", "t.b", "t.c"], Called());
        Given.JsonEqual("""{"id":7,"x":1}""", _executor.Calls[2].Arguments);
        Given.JsonEqual("""{"done":"built"}""", _executor.Calls[3].Arguments);
        Assert.Equal(failed.Steps[1].IdempotencyKey, resumed.Steps[1].IdempotencyKey);
        Assert.Equal((2, StepStatus.Success), (resumed.Steps[1].Attempts, resumed.Steps[1].Status));
        Given.JsonEqual("""{"id":7}""", resumed.Steps[0].Result);
    }

    [Fact]
    public async Task A_failure_that_was_counted_is_not_counted_again_when_its_execution_is_resumed()
    {
        await StoreAsync(Write("t.a"));
        _executor.Fails("t.a");
        var failed = await Memory.ReplayAsync(_executor, "p");
        await Memory.ResumeAsync(_executor.Returns("t.a", "1"), failed.ExecutionId!.Value);

        var statistics = (await Memory.GetAsync("p")).Version.Statistics;
        Assert.Equal((1, 0, 1), (statistics.Executions, statistics.Successes, statistics.Failures));
    }

    [Theory]
    [InlineData(StepEffect.Read, true)]
    [InlineData(StepEffect.IdempotentWrite, true)]
    [InlineData(StepEffect.Write, false)]
    [InlineData(StepEffect.Unknown, false)]
    public async Task A_call_in_whose_middle_the_process_died_is_repeated_where_that_does_no_harm_and_else_asked_about(StepEffect effect, bool repeats)
    {
        await StoreAsync(Given.Step("t.a", id: "a") with { Effect = effect }, Write("t.b"));
        var id = await DiesInAsync("t.a");

        var resumed = await Memory.ResumeAsync(_executor, id);

        if (repeats)
        {
            Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
            Assert.Equal(["t.a", "t.a", "t.b"], Called());
            return;
        }

        Assert.Equal((ReplayOutcome.Waiting, true), (resumed.Outcome, resumed.CanResume));
        Assert.Equal((ReplayProblemCodes.OutcomeUnknown, "a"), (Assert.Single(resumed.Problems).Code, resumed.Problems[0].StepId));
        Assert.Equal([StepStatus.Unknown, StepStatus.Pending], resumed.Steps.Select(s => s.Status));
        Assert.Equal(["t.a"], Called());
    }

    [Fact]
    public async Task A_write_whose_function_takes_the_key_is_repeated_with_the_key_that_it_had()
    {
        var keys = new List<string>();
        await StoreAsync(Write("t.a", """{"key":"recorded"}"""), Write("t.b"));
        _executor.Describes("t.a", new FunctionDescription { Effect = StepEffect.Write, IdempotencyKeyParameter = "key" });
        var id = await DiesInAsync("t.a", call => keys.Add(call.Arguments.GetProperty("key").GetString()!));

        _executor.On("t.a", (call, _) =>
        {
            keys.Add(call.Arguments.GetProperty("key").GetString()!);
            return new StepCallResult();
        });
        var resumed = await Memory.ResumeAsync(_executor, id);

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal(2, keys.Count);
        Assert.Equal(keys[0], keys[1]);
        Assert.NotEqual("recorded", keys[0]);
        Assert.NotEqual(keys[0], resumed.Steps[1].IdempotencyKey);
    }

    [Fact]
    public async Task A_function_finds_the_key_of_its_call_around_it()
    {
        var keys = new List<ReplayCall?>();
        await StoreAsync(Write("t.a"));
        _executor.Describes("t.a", new FunctionDescription { Effect = StepEffect.Write, UsesAmbientIdempotencyKey = true });
        var id = await DiesInAsync("t.a", _ => keys.Add(ReplayCall.Current));

        _executor.On("t.a", (_, _) =>
        {
            keys.Add(ReplayCall.Current);
            return new StepCallResult();
        });
        var resumed = await Memory.ResumeAsync(_executor, id);

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal((id, "a", keys[1]!.IdempotencyKey), (keys[0]!.ExecutionId, keys[0]!.StepId, keys[0]!.IdempotencyKey));
        Assert.Equal((1, 2), (keys[0]!.Attempt, keys[1]!.Attempt));
        Assert.Null(ReplayCall.Current);
    }

    [Fact]
    public async Task The_host_says_whether_an_unknown_write_is_repeated_or_was_done()
    {
        await StoreAsync(Write("t.a"), Write("t.b", """{"x":"$steps.a.outputs#/n"}"""));
        var notDone = await DiesInAsync("t.a");
        var done = await DiesInAsync("t.a");
        _executor.Returns("t.a", """{"n":1}""");
        _executor.Calls.Clear();

        var repeated = await Memory.ResumeAsync(_executor, notDone, new ResumeRequest { Repeat = ["a"] });
        var told = await Memory.ResumeAsync(_executor, done, new ResumeRequest { Results = Given.Values(("a", """{"n":2}""")) });

        Assert.Equal((ReplayOutcome.Completed, ReplayOutcome.Completed), (repeated.Outcome, told.Outcome));
        Assert.Equal(["""t.a {}""", """t.b {"x":1}""", """t.b {"x":2}"""], _executor.Calls.Select(c => $"{c.Action} {c.Arguments.GetRawText()}"));
        Assert.Equal((false, true), (repeated.Steps[0].Repaired, told.Steps[0].Repaired));
        Assert.True((await Memory.GetExecutionAsync(done))!.Steps[0].Repaired);
    }

    [Fact]
    public async Task A_write_whose_outcome_was_not_as_expected_is_not_repeated_by_itself()
    {
        await StoreAsync(Write("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("1") } });
        _executor.Returns("t.a", "2");
        var failed = await Memory.ReplayAsync(_executor, "p");

        var resumed = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value);
        var accepted = await Memory.ResumeAsync(_executor, failed.ExecutionId!.Value, new ResumeRequest { Results = Given.Values(("a", "2")) });

        Assert.Equal((ReplayOutcome.Failed, ReplayOutcome.Waiting, ReplayOutcome.Completed), (failed.Outcome, resumed.Outcome, accepted.Outcome));
        Assert.Equal(["t.a"], Called());
    }

    [Fact]
    public async Task A_running_execution_of_a_living_process_is_not_resumed_until_its_lease_is_over()
    {
        await StoreAsync(Read("t.a"));
        var id = await DiesInAsync("t.a", move: false);

        var living = await Memory.ResumeAsync(_executor, id);
        Assert.Empty(await Memory.ListInterruptedAsync());
        _test.Time.Advance(Memory.Options.ReplayLease);
        var listed = await Memory.ListInterruptedAsync();
        var left = await Memory.ResumeAsync(_executor, id);

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.NotResumable), (living.Outcome, living.Problems.Single().Code));
        Assert.Equal([id], listed.Select(e => e.Id));
        Assert.Equal(ReplayOutcome.Completed, left.Outcome);
        Assert.Empty(await Memory.ListInterruptedAsync());
    }

    [Fact]
    public async Task While_a_call_takes_long_its_process_says_that_it_is_there()
    {
        using var other = _test.Open();
        ReplayResult? theirs = null;
        await StoreAsync(Read("t.a"));
        _executor.On("t.a", (call, token) =>
        {
            for (var i = 0; i < 10; i++)
            {
                _test.Time.Advance(Memory.Options.ReplayLease / 2);
            }

            var resumed = other.ResumeAsync(_executor, call.ExecutionId, cancellationToken: token);
            Assert.True(resumed.IsCompletedSuccessfully);
#pragma warning disable VSTHRD002 // It is complete: nothing is waited for.
            theirs = resumed.Result;
#pragma warning restore VSTHRD002
            return new StepCallResult();
        });

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);
        Assert.Equal(ReplayOutcome.Refused, theirs!.Outcome);
    }

    [Fact]
    public async Task A_process_of_this_machine_that_has_ended_is_recognised_at_once()
    {
        await StoreAsync(Read("t.a"));
        var id = await DiesInAsync("t.a", move: false);
        _test.Execute($"update executions set owner = replace(owner, '/{Environment.ProcessId}/', '/{int.MaxValue - 1}/')");

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ResumeAsync(_executor, id)).Outcome);
    }

    [Fact]
    public async Task A_process_elsewhere_is_taken_at_its_word_until_its_lease_is_over()
    {
        await StoreAsync(Read("t.a"));
        var id = await DiesInAsync("t.a", move: false);
        _test.Execute($"update executions set owner = 'elsewhere/{int.MaxValue - 1}/0'");

        Assert.Equal(ReplayOutcome.Refused, (await Memory.ResumeAsync(_executor, id)).Outcome);
    }

    [Fact]
    public async Task Who_was_taken_over_writes_and_calls_nothing_more()
    {
        await StoreAsync(Read("t.a"), Write("t.b"));
        using var other = _test.Open();
        ReplayResult? theirs = null;
        _executor.On("t.a", (call, _) =>
        {
            if (theirs is null && _executor.Calls.Count == 1)
            {
                // This process is paused for longer than it said; another one takes over, and finishes.
                _test.Execute("update executions set lease_until = '2001-01-01T00:00:00.0000000Z'");
                var resumed = other.ResumeAsync(_executor, call.ExecutionId, cancellationToken: CancellationToken.None);
                Assert.True(resumed.IsCompletedSuccessfully);
#pragma warning disable VSTHRD002 // It is complete: nothing is waited for.
                theirs = resumed.Result;
#pragma warning restore VSTHRD002
            }

            return new StepCallResult();
        });

        await Assert.ThrowsAsync<ExecutionLostException>(() => Memory.ReplayAsync(_executor, "p"));

        Assert.Equal(ReplayOutcome.Completed, theirs!.Outcome);
        Assert.Equal(["t.a", "t.a", "t.b"], Called());
        Assert.Equal(ReplayOutcome.Completed, (await Memory.GetExecutionAsync(theirs.ExecutionId!.Value))!.Outcome);
    }

    [Fact]
    public async Task A_completed_execution_and_one_of_another_scope_are_not_resumed()
    {
        await StoreAsync(Read("t.a"));
        var done = (await Memory.ReplayAsync(_executor, "p")).ExecutionId!.Value;

        Assert.Equal(ReplayProblemCodes.NotResumable, (await Memory.ResumeAsync(_executor, done)).Problems.Single().Code);
        using var other = _test.Open(o => o.Scope = () => new MemoryScope("other", MemoryScope.Default.Write));
        await Assert.ThrowsAsync<ExecutionNotFoundException>(() => other.ResumeAsync(_executor, done));
        await Assert.ThrowsAsync<ExecutionNotFoundException>(() => Memory.ResumeAsync(_executor, Guid.CreateVersion7()));
        Assert.Equal(["t.a"], Called());
    }

    [Fact]
    public async Task A_read_whose_result_was_secret_is_made_again_and_a_write_is_asked_about()
    {
        await StoreAsync(Read("t.login"), Write("t.make"), Given.Step("t.use", """{"a":"$steps.login.outputs#/token","b":"$steps.make.outputs#/password"}""", "use"));
        _executor.Returns("t.login", """{"token":"abcdefghij"}""").Returns("t.make", """{"password":"klmnopqrst"}""").Fails("t.use");
        var failed = (await Memory.ReplayAsync(_executor, "p")).ExecutionId!.Value;
        _executor.Calls.Clear();
        _executor.Returns("t.use", "1");

        var asked = await Memory.ResumeAsync(_executor, failed);
        var done = await Memory.ResumeAsync(_executor, failed, new ResumeRequest { Results = Given.Values(("make", """{"password":"klmnopqrst"}""")) });

        Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.RedactedResult, "make"), (asked.Outcome, asked.Problems.Single().Code, asked.Problems.Single().StepId));
        Assert.Equal((ReplayOutcome.Completed, false), (done.Outcome, done.Steps[1].Repaired));
        Assert.Equal(["t.login", "t.use"], Called());
        Given.JsonEqual("""{"a":"abcdefghij","b":"klmnopqrst"}""", _executor.Calls[1].Arguments);
        Assert.DoesNotContain("abcdefghij", _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_input_has_to_be_given_again_and_others_are_those_of_the_replay()
    {
        await Memory.StoreAsync(Given.Definition("p", Write("t.a", """{"x":"$inputs.x","password":"$inputs.password"}""")).Taking(Given.Input("x"), Given.Input("password")));
        _executor.Fails("t.a");
        var failed = (await Memory.ReplayAsync(_executor, "p", Given.With(("x", "1"), ("password", "\"hunter2hunter2\"")))).ExecutionId!.Value;
        _executor.Returns("t.a", "1");

        var asked = await Memory.ResumeAsync(_executor, failed);
        var done = await Memory.ResumeAsync(_executor, failed, new ResumeRequest { Inputs = Given.Values(("x", "2"), ("password", "\"hunter2hunter2\"")) });

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.MissingInput, "password"), (asked.Outcome, asked.Problems.Single().Code, asked.Problems.Single().InputName));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Given.JsonEqual("""{"x":1,"password":"hunter2hunter2"}""", _executor.Calls[^1].Arguments);
    }

    [Fact]
    public async Task What_was_asked_of_the_replay_is_asked_of_its_resumption()
    {
        await StoreAsync(Write("t.a"), Write("t.b"), Write("t.c", """{"x":1}"""));
        _executor.Fails("t.a");
        var request = new ReplayRequest { Skip = ["b"], StepOverrides = Given.Values(("c", """{"x":2}""")) };
        var failed = (await Memory.ReplayAsync(_executor, "p", request)).ExecutionId!.Value;

        await Memory.ResumeAsync(_executor.Returns("t.a", "1"), failed);

        Assert.Equal(["t.a", "t.a", "t.c"], Called());
        Given.JsonEqual("""{"x":2}""", _executor.Calls[^1].Arguments);
    }

    [Fact]
    public async Task Inside_procedures_and_loops_what_is_done_stays_done_as_well()
    {
        await Memory.StoreAsync(Given.Definition("inner", Write("t.a", """{"x":"$inputs.x"}"""), Write("t.b", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));
        await StoreAsync(
            Read("t.list"),
            new ProcedureStep
            {
                Id = "each",
                Action = "for each",
                Kind = StepKind.Loop,
                ForEach = "$steps.list.outputs",
                Steps = [Given.Nested("inner", """{"x":"$item"}""", "inner"), Write("t.c", """{"x":"$item"}""")],
            });
        _executor.Returns("t.list", "[1,2]").On("t.b", (call, _) => call.Arguments.GetProperty("x").GetInt32() == 2 ? throw new TimeoutException("gone") : new StepCallResult());
        var broken = await Memory.ReplayAsync(_executor, "p");
        _executor.Calls.Clear();

        var asked = await Memory.ResumeAsync(_executor, broken.ExecutionId!.Value);
        var done = await Memory.ResumeAsync(_executor, broken.ExecutionId!.Value, new ResumeRequest { Results = Given.Values(("each[1]/inner/b", "true")) });

        Assert.Equal((ReplayOutcome.Failed, "each[1]/inner/b"), (broken.Outcome, broken.Problems.Single().StepId));
        Assert.Equal((ReplayOutcome.Waiting, "each[1]/inner/b"), (asked.Outcome, asked.Problems.Single().StepId));
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
        Assert.Equal(["""t.c {"x":2}"""], _executor.Calls.Select(c => $"{c.Action} {c.Arguments.GetRawText()}"));
        Assert.Equal(2, done.Steps[1].Iterations.Count);
    }

    [Fact]
    public async Task A_cancelled_replay_can_be_resumed()
    {
        using var cancellation = new CancellationTokenSource();
        await StoreAsync(Write("t.a"), Write("t.b"));
        _executor.On("t.a", (_, _) =>
        {
            cancellation.Cancel();
            return new StepCallResult();
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReplayAsync(_executor, "p", cancellationToken: cancellation.Token));
        var cancelled = (await Memory.ListExecutionsAsync()).Single();
        var resumed = await Memory.ResumeAsync(_executor, cancelled.Id);

        Assert.Equal((ReplayOutcome.Cancelled, ReplayOutcome.Completed), (cancelled.Outcome, resumed.Outcome));
        Assert.Equal(["t.a", "t.b"], Called());
    }

    [Fact]
    public async Task A_replay_that_takes_too_long_ends_as_cancelled_and_can_be_resumed()
    {
        using var memory = _test.Open(o => o.MaxReplayDuration = TimeSpan.FromMinutes(5));
        await StoreAsync(Write("t.a"), Write("t.b"));
        _executor.On("t.a", (_, _) =>
        {
            _test.Time.Advance(TimeSpan.FromMinutes(6));
            return new StepCallResult();
        });

        var late = await memory.ReplayAsync(_executor, "p");
        var resumed = await memory.ResumeAsync(_executor, late.ExecutionId!.Value);

        Assert.Equal((ReplayOutcome.Cancelled, ReplayOutcome.Completed), (late.Outcome, resumed.Outcome));
        Assert.Contains(nameof(ProceduralMemoryOptions.MaxReplayDuration), late.Message, StringComparison.Ordinal);
        Assert.Equal(["t.a", "t.b"], Called());
    }

    [Fact]
    public async Task What_no_step_is_called_is_refused_before_anything()
    {
        await StoreAsync(Write("t.a"));
        var failed = (await Memory.ReplayAsync(_executor.Fails("t.a"), "p")).ExecutionId!.Value;

        var refused = await Memory.ResumeAsync(_executor, failed, new ResumeRequest { Results = Given.Values(("b", "1")), Repeat = ["c"] });

        Assert.Equal([ReplayProblemCodes.UnknownStep, ReplayProblemCodes.UnknownStep], refused.Problems.Select(p => p.Code));
        Assert.Equal(1, (await Memory.GetExecutionAsync(failed))!.Attempt);
    }

    [Fact]
    public async Task A_replay_that_stops_says_what_is_left_with_what_is_known_and_what_undoes_it()
    {
        await Memory.StoreAsync(Given.Definition("p", Write("t.a"), Write("t.b", """{"x":"$steps.a.outputs#/n","y":"$inputs.y"}"""), Write("t.c", """{"z":"$steps.b.outputs#/m"}""")).Taking(Given.Input("y")) with { Undo = "unmake" });
        _executor.Returns("t.a", """{"n":1}""").Fails("t.b");

        var failed = await Memory.ReplayAsync(_executor, "p", Given.With(("y", "\"ü\"")));

        Assert.Null(failed.Steps[0].Left);
        Given.JsonEqual("""{"x":1,"y":"ü"}""", failed.Steps[1].Left);
        Given.JsonEqual("""{"z":"$steps.b.outputs#/m"}""", failed.Steps[2].Left);
        Assert.Equal("unmake", failed.Undo);
    }

    private static ProcedureStep Read(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Read };

    private static ProcedureStep Write(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Write };

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps).Taking(new ProcedureInput { Name = "x", Required = false }));

    private IEnumerable<string> Called() => _executor.Calls.Select(c => c.Action);

    /// <summary>Replays until a call is made, and leaves the journal as a process would that dies there.</summary>
    private async Task<Guid> DiesInAsync(string action, Action<StepCall>? during = null, bool move = true)
    {
        Guid id = default;
        var memory = _test.Open();
        _executor.On(action, (call, _) =>
        {
            id = call.ExecutionId;
            during?.Invoke(call);
            memory.Dispose();
            return new StepCallResult();
        });
        await Assert.ThrowsAsync<ObjectDisposedException>(() => memory.ReplayAsync(_executor, "p"));
        _executor.ReturnsNothing(action);
        if (move)
        {
            _test.Time.Advance(Memory.Options.ReplayLease);
        }

        return id;
    }
}
