using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class TapeStepExecutorTests : IDisposable
{
    private readonly TestMemory _world = TestMemory.InMemory();

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task A_procedure_is_replayed_against_a_recorded_task_without_tools()
    {
        await Refund();
        var tape = new TapeStepExecutor([Call("shop.get_order", """{"id":"W2"}""", """{"paid":20}"""), Call("shop.refund", """{"amount":20.0,"id":"W2"}""", "true")]);

        var result = await _world.Memory.ReplayAsync(tape, "refund", Given.With(("id", "\"W2\"")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.True(tape.IsComplete);
        Assert.Empty(tape.Missing);
    }

    [Fact]
    public async Task A_call_that_is_not_on_the_tape_fails_and_says_what_is()
    {
        await Refund();
        var tape = new TapeStepExecutor([Call("shop.get_order", """{"id":"W2"}""", """{"paid":20}"""), Call("shop.refund", """{"id":"W2","amount":15}""", "true")]);

        var result = await _world.Memory.ReplayAsync(tape, "refund", Given.With(("id", "\"W2\"")));

        Assert.Equal(TapeStepExecutor.NotOnTape, result.Steps[1].Failure!.ErrorType);
        Assert.Contains("""{"id":"W2","amount":15}""", result.Message, StringComparison.Ordinal);
        Assert.Equal("shop.refund", Assert.Single(tape.Strays).Action);
        Assert.Equal("shop.refund", Assert.Single(tape.Missing).Action);
        Assert.False(tape.IsComplete);
    }

    [Fact]
    public async Task A_recorded_call_serves_once_and_failed_ones_never()
    {
        var tape = new TapeStepExecutor([Call("a.b", "{}", "1"), Call("a.b", "{}", "2"), Call("a.b", "{}", "3") with { Status = StepStatus.Failed }]);

        var results = new List<string?>();
        for (var i = 0; i < 3; i++)
        {
            results.Add((await tape.ExecuteAsync(new StepCall(Guid.Empty, "s", "A.B", Json.EmptyObject, StepEffect.Unknown))).Result?.GetRawText());
        }

        Assert.Equal(["1", "2", null], results);
    }

    [Fact]
    public async Task Writes_out_of_order_are_not_complete_reads_are()
    {
        foreach (var (effect, complete) in new[] { (StepEffect.Read, true), (StepEffect.Write, false) })
        {
            var tape = new TapeStepExecutor([Call("a.one", "{}", "1") with { Effect = effect }, Call("a.two", "{}", "2") with { Effect = effect }]);
            await tape.ExecuteAsync(new StepCall(Guid.Empty, "s", "a.two", Json.EmptyObject, StepEffect.Unknown));
            await tape.ExecuteAsync(new StepCall(Guid.Empty, "s", "a.one", Json.EmptyObject, StepEffect.Unknown));
            Assert.Equal(complete, tape.IsComplete);
        }
    }

    private static TraceStep Call(string action, string arguments, string result) => new() { Action = action, Arguments = Given.Value(arguments), Result = Given.Value(result) };

    private Task<Procedure> Refund() => _world.Memory.StoreAsync(Given.Definition(
        "refund",
        Given.Step("shop.get_order", """{"id":"$inputs.id"}"""),
        Given.Step("shop.refund", """{"id":"$inputs.id","amount":"$steps.get_order.outputs#/paid"}""")).Taking(Given.Input("id", JsonType.String)));
}
