using System.Reflection;
using System.Runtime.ExceptionServices;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

/// <summary>The comparison by keyword overlap tells as much as the ranked search does, and says where it stands in for that.</summary>
public sealed class OverlapTests : IDisposable
{
    private static readonly FindOptions Overlap = new() { Strategy = FindStrategy.KeywordOverlap };

    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Matches_and_near_misses_say_why_they_stand_where_they_stand()
    {
        await StoreAsync("deploy service");
        await StoreAsync("deploy");
        await StoreAsync("deploy water");
        await StoreAsync("water");

        var result = await Memory.FindAsync("deploy service water plants", Overlap);

        Assert.Equal(["has deploy, service; never executed", "has deploy, water; never executed; fits as well as 'deploy service'"], result.Matches.Select(m => m.Reason));
        Assert.Equal(["has deploy; never executed", "has water; never executed"], result.NearMisses.Select(m => m.Reason));
    }

    [Fact]
    public async Task Of_what_is_left_out_the_ten_that_fit_best_are_named_and_none_for_being_in_use()
    {
        for (var i = 0; i < 12; i++)
        {
            await StoreAsync($"a deploy {(char)('a' + i)}");
        }

        await StoreAsync("z deploy service plants");
        await Memory.ImportAsync("""{"format":1,"name":"deploy water","steps":[{"action":"t.a"}]}""");
        _test.Execute("update procedures set retired = 1 where name like '%deploy %' and name <> 'deploy water'");
        await StoreAsync("deploy service");

        var result = await Memory.FindAsync("deploy service plants", Overlap with { MinimumScore = 0.3 });
        Assert.Equal("z deploy service plants", result.LeftOut[0].Name);
        Assert.Equal((10, LeftOutReason.Retired), (result.LeftOut.Count, result.LeftOut[0].Reason));

        var drafts = await Memory.FindAsync("deploy service plants", Overlap with { MinimumScore = 0.3, States = [VersionState.Draft] });
        Assert.Equal("deploy water", Assert.Single(drafts.Matches).Procedure.Name);
        Assert.DoesNotContain(drafts.LeftOut, l => l.Name == "deploy service");
    }

    [Fact]
    public async Task A_store_that_cannot_search_is_said_to_be_one()
    {
        await StoreAsync("deploy service");
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });
        using var generator = new MadeUpGenerator();
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { TimeProvider = _test.Time, EmbeddingGenerator = generator }, PlainStore.Around(store));

        var result = await memory.FindAsync("deploy the service");
        Assert.Equal("deploy service", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal("This store has no index of words: the procedures were compared by keyword overlap.", Assert.Single(result.Notes));
        Assert.Empty((await memory.FindAsync("deploy the service", Overlap)).Notes);

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => memory.ReembedAsync());
        Assert.EndsWith("keeps no vectors: it does not implement IProcedureSearch.", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FindStrategy.Words)]
    [InlineData(FindStrategy.KeywordOverlap)]
    public async Task What_a_name_stands_for_in_several_scopes_is_asked_among_the_states_that_are_asked_for(FindStrategy strategy)
    {
        await In("team").StoreAsync(Given.Definition("Deploy Service", Given.Step("t.a")));
        await In("ann").ImportAsync("""{"format":1,"name":"deploy service","steps":[{"action":"t.a"}]}""");
        var ann = In("ann", "team");
        var options = new FindOptions { Strategy = strategy };

        // The draft that is near hides nothing that works.
        var active = await ann.FindAsync("deploy service", options);
        Assert.Equal("team", Assert.Single(active.Matches).Procedure.Scope);
        Assert.Equal(LeftOutReason.Draft, Assert.Single(active.LeftOut).Reason);

        // What is not asked for hides nothing either.
        Assert.Equal("ann", Assert.Single((await ann.FindAsync("deploy service", options with { States = [VersionState.Draft] })).Matches).Procedure.Scope);

        var both = await ann.FindAsync("deploy service", options with { States = [VersionState.Draft, VersionState.Active] });
        Assert.Equal("team", Assert.Single(both.Matches).Procedure.Scope);
        Assert.Equal(
            new LeftOutProcedure("deploy service", LeftOutReason.OtherScope, "'deploy service' stands in another scope as well, where it can be replayed, and that one is meant by the name."),
            Assert.Single(both.LeftOut));
    }

    private ProcedureMemory In(string write, params string[] read) => _test.Open(o => o.Scope = () => new MemoryScope(write, read));

    private Task<Procedure> StoreAsync(string name) => Memory.StoreAsync(Given.Definition(name, Given.Step("t.a")));
}

/// <summary>A store that does all that a store must, and cannot search.</summary>
#pragma warning disable CA1852 // DispatchProxy derives from it.
internal class PlainStore : DispatchProxy
{
    private SqliteProcedureStore _inner = null!;
#pragma warning restore CA1852

    public static IProcedureStore Around(SqliteProcedureStore inner)
    {
        var store = Create<IProcedureStore, PlainStore>();
        ((PlainStore)(object)store)._inner = inner;
        return store;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        try
        {
            return targetMethod!.Invoke(_inner, args);
        }
        catch (TargetInvocationException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerException!);
            throw;
        }
    }
}
