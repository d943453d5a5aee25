using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Capture;

public sealed class SavingsTests
{
    [Fact]
    public async Task A_replay_saves_what_its_task_cost_when_it_was_recorded_less_what_its_turn_has_cost()
    {
        using var given = Memory();
        await LearnAsync(given, calls: 5, input: 4000, output: 300, seconds: 20);
        await ReplayAsync(given, calls: 2, input: 1200, output: 90, seconds: 4);

        var report = await given.Memory.GetSavingsAsync();
        Assert.Equal((1, 1, 1, 1, 0), (report.Turns, report.ReplayTurns, report.Replays, report.CompletedReplays, report.TurnsWithoutBaseline));
        AssertNear(new Consumption(2, 1200, 90, TimeSpan.FromSeconds(4)), report.Used);
        AssertNear(new Consumption(5, 4000, 300, TimeSpan.FromSeconds(20)), report.Baseline);
        AssertNear(new Consumption(3, 2800, 210, TimeSpan.FromSeconds(16)), report.Saved);
    }

    [Fact]
    public async Task What_is_offered_in_vain_costs_a_quarter_of_its_bytes_in_tokens()
    {
        using var given = Memory();
        var turn = given.Memory.BeginTurn("How is the weather?");
        turn.ReportOffer(2, bytes: 800);
        turn.ReportUsage(new TraceUsage(2, 900, 50));
        await turn.EndAsync(TurnEnd.Answered);

        AssertNear(new Consumption(0, -400, 0, TimeSpan.Zero), (await given.Memory.GetSavingsAsync()).Saved);
    }

    [Fact]
    public async Task A_replay_that_failed_saves_nothing_and_what_came_of_it_counts_against()
    {
        using var given = Memory();
        await LearnAsync(given, calls: 5, input: 4000, output: 300, seconds: 20);
        await ReplayAsync(given, calls: 7, input: 6000, output: 400, seconds: 25, fails: true);
        AssertNear(new Consumption(-2, -2000, -100, TimeSpan.FromSeconds(-5)), (await given.Memory.GetSavingsAsync()).Saved);

        await ReplayAsync(given, calls: 2, input: 900, output: 40, seconds: 3, fails: true);
        var report = await given.Memory.GetSavingsAsync();
        Assert.Equal((2, 0), (report.Replays, report.CompletedReplays));
        AssertNear(new Consumption(-2, -2000, -100, TimeSpan.FromSeconds(-5)), report.Saved);
    }

    [Fact]
    public async Task Without_a_baseline_nothing_is_claimed()
    {
        using var given = Memory();
        await given.Memory.StoreAsync(new ProcedureDefinition { Name = "refund_order", Steps = [new ProcedureStep { Action = "shop.refund" }] });
        await ReplayAsync(given, calls: 2, input: 900, output: 40, seconds: 3);

        var report = await given.Memory.GetSavingsAsync();
        Assert.Equal((1, 1), (report.ReplayTurns, report.TurnsWithoutBaseline));
        Assert.Equal(Consumption.None, report.Saved);
    }

    [Fact]
    public async Task Savings_are_those_of_a_scope_and_a_period_and_go_with_either()
    {
        using var given = Memory();
        await LearnAsync(given, calls: 5, input: 4000, output: 300, seconds: 20);
        await ReplayAsync(given, calls: 2, input: 1200, output: 90, seconds: 4);
        given.Time.Advance(TimeSpan.FromDays(2));
        var second = given.Time.GetUtcNow();
        await ReplayAsync(given, calls: 2, input: 1200, output: 90, seconds: 4);

        Assert.Equal((1, 1, 2), ((await given.Memory.GetSavingsAsync(since: second)).Turns, (await given.Memory.GetSavingsAsync(until: second)).Turns, (await given.Memory.GetSavingsAsync()).Turns));
        using (given.Memory.BeginSession(new MemoryScope("anna")))
        {
            Assert.Equal(0, (await given.Memory.GetSavingsAsync()).Turns);
        }

        await given.Memory.ApplyRetentionAsync(new RetentionPolicy { Executions = TimeSpan.FromDays(1) });
        Assert.Equal(1, (await given.Memory.GetSavingsAsync()).Turns);
        await given.Memory.EraseScopeAsync("default");
        Assert.Equal(0, (await given.Memory.GetSavingsAsync()).Turns);
    }

    [Fact]
    public async Task A_turn_in_which_nothing_was_offered_or_replayed_is_not_written_down()
    {
        using var given = Memory();
        using (var turn = given.Memory.BeginTurn("Hello"))
        {
            turn.ReportUsage(new TraceUsage(1, 10, 10));
            await turn.EndAsync(TurnEnd.Answered);
        }

        Assert.Equal(0, (await given.Memory.GetSavingsAsync()).Turns);
    }

    private static TestMemory Memory() => TestMemory.InMemory(o => o.Learning = LearningMode.Automatic);

    private static async Task LearnAsync(TestMemory given, int calls, long input, long output, int seconds)
    {
        using var turn = given.Memory.BeginTurn("Refund order W1");
        foreach (var action in (string[])["shop.get_order", "shop.refund"])
        {
            await turn.Recorder!.CompleteStepAsync(turn.Recorder.BeginStep(action, JsonElement.Parse("""{"order_id":"W1"}"""))!, JsonElement.Parse("\"done\""));
        }

        given.Time.Advance(TimeSpan.FromSeconds(seconds));
        turn.ReportUsage(new TraceUsage(calls, input, output));
        Assert.NotNull((await turn.EndAsync(TurnEnd.Answered)).Learned);
    }

    private static async Task ReplayAsync(TestMemory given, int calls, long input, long output, int seconds, bool fails = false)
    {
        using var turn = given.Memory.BeginTurn("Refund order W2");
        using (turn.Enter())
        {
            var result = await given.Memory.ReplayAsync(new Host(fails), "refund_order", new ReplayRequest { Inputs = new Dictionary<string, JsonElement> { ["order_id"] = JsonElement.Parse("\"W2\"") }, ConfirmConstants = true });
            Assert.Equal(fails ? ReplayOutcome.Failed : ReplayOutcome.Completed, result.Outcome);
        }

        given.Time.Advance(TimeSpan.FromSeconds(seconds));
        turn.ReportUsage(new TraceUsage(calls, input, output));
        await turn.EndAsync(TurnEnd.Answered);
    }

    private static void AssertNear(Consumption expected, Consumption actual)
    {
        Assert.Equal((expected.ModelCalls, expected.InputTokens, expected.OutputTokens), (actual.ModelCalls, actual.InputTokens, actual.OutputTokens));

        // The times in the file are read as days with a fraction.
        Assert.Equal(expected.Duration.TotalSeconds, actual.Duration.TotalSeconds, 0.01);
    }

    private sealed class Host(bool fails) : IStepExecutor
    {
        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

        public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default) =>
            Task.FromResult(fails ? new StepCallResult { Failure = new StepFailure("failed", "It broke.") } : new StepCallResult { Result = JsonElement.Parse("\"done\"") });
    }
}
