using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>The pass over all procedures of all scopes.</summary>
public sealed class MaintenanceTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task It_improves_decides_and_clears_away_in_every_scope_and_a_second_pass_changes_nothing()
    {
        using (Memory.BeginSession(new MemoryScope("ada")))
        {
            await StoreAsync("improved", Given.Step("t.a"), Given.Step("t.bad") with { OnFailure = FailurePolicy.Continue });
            await StoreAsync("fine", Given.Step("t.a"));
            await ReplayAsync("improved", 3, "t.bad");
            await ReplayAsync("fine", 5, "t.none");
        }

        // Who only reads a scope decides nothing in it: so it is left to the pass.
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await StoreAsync("broken", Given.Step("t.a"));
        }

        using (Memory.BeginSession(new MemoryScope("ada", "team")))
        {
            await ReplayAsync("broken", 5, "t.a");
        }

        _test.Time.Advance(TimeSpan.FromDays(2));
        var told = new List<int>();
        var first = await Memory.ReviseAsync(new() { Executions = TimeSpan.FromDays(1) }, progress: new Collecting(told));
        var state = _test.Dump();
        var second = await Memory.ReviseAsync(new() { Executions = TimeSpan.FromDays(1) });

        Assert.Equal(3, first.Looked);
        Assert.Equal([("ada", "improved"), ("team", "broken")], first.Changes.Select(c => (c.Scope, c.Name)));
        Assert.StartsWith("Version 2 of 'improved' is a candidate: bad removed, because it failed in 3 of 3 runs", first.Changes[0].Change, StringComparison.Ordinal);
        Assert.Equal("quarantined: of the latest 5 executions of version 1 0 succeeded", first.Changes[1].Change);
        Assert.Equal(13, first.Retention!.Executions);
        Assert.Equal([2, 3], told);
        Assert.Empty(first.Faults);
        Assert.Empty(second.Changes);
        Assert.Equal(state, _test.Dump());
    }

    [Fact]
    public async Task One_that_cannot_be_changed_keeps_none_of_the_others_from_it()
    {
        for (var i = 0; i < 3; i++)
        {
            await StoreAsync($"p{i}", Given.Step("t.a"), Given.Step("t.bad") with { OnFailure = FailurePolicy.Continue });
            await ReplayAsync($"p{i}", 3, "t.bad");
        }

        // As when somebody activates another version between the look and the change.
        using var store = new Meddling(new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath }));
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time, Approval = ApprovalPolicy.Never }, store.Proxy);

        var result = await memory.ReviseAsync();

        Assert.Equal((3, 2, 1), (result.Looked, result.Changes.Count, result.Faults.Count));
        Assert.StartsWith("'p1': ", result.Faults[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_kept_for_long_enough_goes_even_where_the_look_at_the_procedures_breaks_off()
    {
        await StoreAsync("broken", Given.Step("t.a"));
        await ReplayAsync("broken", 2, "nothing");
        _test.Time.Advance(TimeSpan.FromDays(2));
        _test.Execute("update procedure_versions set document = '[]'");

        await Assert.ThrowsAsync<System.Text.Json.JsonException>(() => Memory.ReviseAsync(new() { Executions = TimeSpan.FromDays(1) }));

        Assert.Equal(["0"], _test.Rows("select count(*) from executions"));
    }

    [Fact]
    public async Task It_stops_when_it_is_cancelled()
    {
        await StoreAsync("p", Given.Step("t.a"));
        using var source = new CancellationTokenSource();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReviseAsync(cancellationToken: source.Token));
    }

    private Task<Procedure> StoreAsync(string name, params ProcedureStep[] steps) => Memory.StoreAsync(Given.Definition(name, steps));

    private async Task ReplayAsync(string name, int times, string fails)
    {
        for (var i = 0; i < times; i++)
        {
            await Memory.ReplayAsync(new ScriptedExecutor().Fails(fails), name);
        }
    }

    private sealed class Collecting(List<int> told) : IProgress<int>
    {
        public void Report(int value) => told.Add(value);
    }

    /// <summary>A store on which another version of 'p1' is active by the time that something is saved.</summary>
    private sealed class Meddling : IDisposable
    {
        private readonly SqliteProcedureStore _store;

        public Meddling(SqliteProcedureStore store)
        {
            _store = store;
            Proxy = System.Reflection.DispatchProxy.Create<IProcedureStore, MeddlingProxy>();
            ((MeddlingProxy)Proxy).Store = store;
        }

        public IProcedureStore Proxy { get; }

        public void Dispose() => _store.Dispose();
    }

#pragma warning disable CA1852 // A proxy is derived from.
    private class MeddlingProxy : System.Reflection.DispatchProxy
    {
        public IProcedureStore Store { get; set; } = null!;

        protected override object? Invoke(System.Reflection.MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Name == nameof(IProcedureStore.SaveVersionAsync) && args![0] is NewVersion { Definition.Name: "p1" }
                ? Task.FromException<Procedure>(new ProcedureConflictException("p1", "It moved on."))
                : targetMethod.Invoke(Store, args);
    }
#pragma warning restore CA1852
}
