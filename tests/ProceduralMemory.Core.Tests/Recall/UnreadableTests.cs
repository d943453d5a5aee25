using System.Globalization;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Recall;

/// <summary>A stored procedure that cannot be read any more is in nobody's way but its own.</summary>
public sealed class UnreadableTests : IDisposable
{
    private const string NotSearched = "1 procedures were not searched: their stored documents cannot be read. Store them anew, or restore a backup.";

    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    public static TheoryData<string> Damages =>
    [
        "update procedure_versions set document = '5' where procedure_id = $",
        "update procedure_versions set document = 'null' where procedure_id = $",
        "update procedure_versions set document = '{\"format\":1,\"steps\":\"none\"}' where procedure_id = $",
        "update procedure_versions set document = '{\"format\":1,\"inputs\":[],\"steps\":[null]}' where procedure_id = $",
        "update procedure_versions set state = 'elsewhere' where procedure_id = $",
        "update procedures set tags = 'null' where id = $",
        "update procedures set created_at = 'yesterday' where id = $",
    ];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task It_stops_no_write_no_replay_and_no_search_in_any_scope_and_is_told_of_in_its_own(string damage)
    {
        await FillAsync();
        var other = _test.Open(o => o.Scope = () => new MemoryScope("other"));
        Damage(damage, "broken", queue: true);

        await other.StoreAsync(Named("elsewhere", "Feed the cat"));
        await Memory.StoreAsync(Named("next", "Bake a cake"));
        var replayed = await Memory.ReplayAsync(new ScriptedExecutor(), "whole", new ReplayRequest { Request = "give the roses something" });

        Assert.Equal(ReplayOutcome.Completed, replayed.Outcome);
        Assert.Equal("whole", Assert.Single((await Memory.FindAsync("give the roses something")).Matches).Procedure.Name);
        var result = await Memory.FindAsync("water the plants of the office");
        Assert.Equal("whole", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal(NotSearched, Assert.Single(result.Notes));
        Assert.Empty((await other.FindAsync("feed the cat")).Notes);
        Assert.Equal("0", _test.Rows("select count(*) from search_queue")[0]);

        // It has its place in the index, so that the next memory takes nothing for damaged.
        using var next = _test.Open();
        Assert.Equal(NotSearched, Assert.Single((await next.FindAsync("bake a cake")).Notes));
    }

    [Fact]
    public async Task One_that_is_stored_anew_is_found_again()
    {
        await FillAsync();
        Damage("update procedure_versions set document = '5' where procedure_id = $", "broken", queue: true);
        Assert.Equal(NotSearched, Assert.Single((await Memory.FindAsync("mow the lawn")).Notes));

        await Memory.StoreAsync(Named("broken", "Mow the lawn"), asNewVersion: true);

        var result = await Memory.FindAsync("mow the lawn");
        Assert.Equal("broken", Assert.Single(result.Matches).Procedure.Name);
        Assert.Empty(result.Notes);
    }

    [Fact]
    public async Task One_that_was_damaged_after_it_was_indexed_is_not_shown_and_that_is_said()
    {
        await FillAsync();
        Assert.Single((await Memory.FindAsync("mow the lawn")).Matches);
        Damage("update procedure_versions set document = '5' where procedure_id = $", "broken", queue: false);

        var result = await Memory.FindAsync("mow the lawn");

        Assert.Empty(result.Matches);
        Assert.Equal("1 procedures are not shown: their stored documents cannot be read. Store them anew, or restore a backup.", Assert.Single(result.Notes));
    }

    [Fact]
    public async Task It_gets_no_vector_and_its_old_one_brings_it_no_more()
    {
        using var generator = new MadeUpGenerator();
        var memory = _test.Open(o => o.EmbeddingGenerator = generator);
        await FillAsync();
        await memory.FindAsync("refund the order");
        Damage("update procedure_versions set document = '5' where procedure_id = $", "whole", queue: true);

        var result = await memory.FindAsync("irrigate the flowers", new FindOptions { MinimumScore = 0 });

        Assert.DoesNotContain(result.Matches.Concat(result.NearMisses), m => m.Procedure.Name == "whole");
        Assert.Equal(NotSearched, Assert.Single(result.Notes));
    }

    private static ProcedureDefinition Named(string name, string description) => Given.Definition(name, Given.Step("t.a")) with { Description = description };

    private async Task FillAsync()
    {
        await Memory.StoreAsync(Named("broken", "Mow the lawn"));
        await Memory.StoreAsync(Named("whole", "Water the plants of the office"));
    }

    private void Damage(string sql, string name, bool queue)
    {
        var id = _test.Rows($"select id from procedures where name = '{name}'")[0];
        _test.Execute(sql.Replace("$", $"'{id}'", StringComparison.Ordinal));
        _test.Execute(string.Create(CultureInfo.InvariantCulture, $"{(queue ? "insert or ignore into" : "delete from")} search_queue {(queue ? $"(procedure_id) values ('{id}')" : "")}"));
    }
}
