using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>A check looks over every active procedure, however many there are, and calls nothing.</summary>
public sealed class CheckTests : IDisposable
{
    private readonly TestMemory _world = TestMemory.InMemory();

    private ProcedureMemory Memory => _world.Memory;

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task Every_active_procedure_of_the_scopes_that_are_read_is_looked_at_once_and_no_other()
    {
        for (var i = 0; i < 401; i++)
        {
            using var session = Memory.BeginSession(new MemoryScope(i % 2 == 0 ? "team" : "global"));
            await Memory.StoreAsync(Given.Definition($"p{i}", Given.Step("t.a")) with { Signatures = [new("t.a", Given.Value("""{"properties":{}}"""))] });
        }

        using (Memory.BeginSession(new MemoryScope("elsewhere")))
        {
            await Memory.StoreAsync(Given.Definition("hidden", Given.Step("t.a")));
        }

        using (Memory.BeginSession(new MemoryScope("team", "global")))
        {
            await Memory.ImportAsync("""{"format":1,"name":"draft","steps":[{"action":"t.a"}]}""");
            await Memory.MergeAsync(["p0", "p2"]);
            var executor = new Counting();

            var report = await Memory.CheckAsync(executor);

            Assert.Equal((400, 400, true), (report.ProcedureCount, executor.Checked, report.IsHealthy));
            Assert.Equal(1, executor.Described);
        }
    }

    [Fact]
    public async Task What_is_nested_and_missing_or_in_a_circle_or_not_let_through_is_a_problem()
    {
        await Memory.StoreAsync(Given.Definition("fine", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("fine"), Given.Nested("gone")));
        await Memory.StoreAsync(Given.Definition("circle", Given.Nested("circle")));
        var executor = new ScriptedExecutor();

        var report = await Memory.CheckAsync(executor);

        Assert.Equal([("circle", ReplayProblemCodes.ProcedureCycle), ("outer", ReplayProblemCodes.NestedProcedure)], report.Findings.Select(f => (f.ProcedureName, Assert.Single(f.Problems).Code)));
        Assert.False(report.IsHealthy);
        Assert.Empty(executor.Calls);
    }

    [Fact]
    public async Task Nothing_stored_begins_a_line_of_the_report()
    {
        var executor = new ScriptedExecutor();
        executor.Problems.Add(new ReplayProblem("x", "a", "One\n::error::two\u2028three"));
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        var report = (await Memory.CheckAsync(executor)).ToString();

        Assert.Equal("1 active procedure checked: 1 cannot be replayed.\nFAIL p, version 1, scope default\n     - One ::error::two three", report);
    }

    [Fact]
    public async Task It_can_be_cancelled()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.CheckAsync(new ScriptedExecutor(), new CancellationToken(canceled: true)));
    }

    private sealed class Counting : IStepExecutor
    {
        public int Checked { get; private set; }

        public int Described { get; private set; }

        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default)
        {
            Checked++;
            return Task.FromResult<IReadOnlyList<ReplayProblem>>([]);
        }

        public FunctionDescription? Describe(string action)
        {
            Described++;
            return null;
        }

        public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default) => throw new InvalidOperationException("A check calls nothing.");
    }
}
