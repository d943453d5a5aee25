using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>Where it cannot be told whether an outcome is as expected, nothing is counted as a success, however deep it stands.</summary>
public sealed class UntoldOutcomeTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Of_a_procedure_inside_it_is_untold_of_the_outer_one_too()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a") with { Expectation = new() { Kind = ExpectationKind.Exact, Value = Given.Value("1") } }));
        await Memory.StoreAsync(Given.Definition("outer", new ProcedureStep { Action = "inner", Kind = StepKind.Procedure }));

        var replay = await Memory.ReplayAsync(new ScriptedExecutor().On("t.a", (_, _) => new StepCallResult()), "outer");

        Assert.Equal((ReplayOutcome.Completed, ExecutionVerdict.Unknown), (replay.Outcome, replay.Verdict));
        Assert.Equal(ExecutionVerdict.Unknown, replay.Steps[0].Nested!.Verdict);
        var statistics = (await Memory.GetAsync("outer")).Statistics;
        Assert.Equal((1, 0, 0), (statistics.Executions, statistics.Successes, statistics.Failures));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_the_hosts_rule_for_errors_fails_the_call_was_made_and_the_replay_goes_on(bool expectsNoError)
    {
        var expectation = expectsNoError ? new Expectation { Kind = ExpectationKind.NoError, At = "/ok" } : null;
        using var memory = _test.Open(o => o.ErrorOf = static (action, _) => action == "t.a" ? throw new FormatException("mine") : null);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = expectation }, Given.Step("t.b", """{"x":"$steps.a.outputs#/ok"}""")));

        var replay = await memory.ReplayAsync(new ScriptedExecutor(), "p");

        Assert.Equal((ReplayOutcome.Completed, ExecutionVerdict.Unknown), (replay.Outcome, replay.Verdict));
        Assert.Equal([OutcomeMatch.CannotTell, null], replay.Steps.Select(s => s.Match));
        Assert.Contains("ErrorOf failed with FormatException", Assert.Single(replay.Steps[0].Differences), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_condition_on_a_number_that_has_no_room_anywhere_is_compared()
    {
        var condition = new StepCondition { Value = "$steps.a.outputs", Test = ConditionTest.Equal, Operand = Given.Value("1e9999999999") };
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", id: "a"), Given.Step("t.b") with { Condition = condition }));

        var replay = await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", "10e9999999998"), "p");

        Assert.Equal([StepStatus.Success, StepStatus.Success], replay.Steps.Select(s => s.Status));
    }

    [Fact]
    public async Task What_is_resumed_is_the_procedure_that_was_replayed_and_not_a_nearer_one_of_its_name()
    {
        var executor = new ScriptedExecutor().Fails("t.shared");
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await Memory.StoreAsync(Given.Definition("p", Given.Step("t.shared")));
        }

        using var session = Memory.BeginSession(new MemoryScope("ada", "team"));
        var failed = await Memory.ReplayAsync(executor, "p");
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.own", id: "shared")));

        var resumed = await Memory.ResumeAsync(executor.Returns("t.shared", "1"), failed.ExecutionId!.Value);

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal(["t.shared", "t.shared"], executor.Calls.Select(c => c.Action));
    }
}
