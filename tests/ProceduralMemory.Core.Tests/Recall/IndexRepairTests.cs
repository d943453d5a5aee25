using System.Globalization;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Recall;

/// <summary>When the index is made anew and when not, and what a search does where it may not be.</summary>
public sealed class IndexRepairTests : IDisposable
{
    private const string Rebuilt = "The index of words did not agree with the procedures, and was made anew.";
    private const string NotIndexed = "procedures were not searched: they are not in the index yet. The database is read-only, could not be written, or another process was writing to it all the time.";

    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_write_beside_the_making_of_the_index_fails_by_itself_and_not_with_it()
    {
        await FillAsync();
        using var database = new SqliteDatabase(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath });

        await database.WriteAsync(
            connection =>
            {
                SearchIndex.Clear(connection);
                using var command = connection.CreateCommand();
                command.CommandText = "insert into version_traces (procedure_id, version, trace_id) values ('gone', 1, 'gone')";

                // Only where the references are looked at when the statement ends, and not when all of it is committed.
                Assert.Throws<SqliteException>(() => command.ExecuteNonQuery());
                return 0;
            },
            CancellationToken.None);
    }

    [Fact]
    public async Task What_is_left_of_a_procedure_that_was_deleted_by_hand_goes_with_the_first_time_it_is_seen()
    {
        using var generator = new MadeUpGenerator();
        await FillAsync();
        await Memory.ReplayAsync(new ScriptedExecutor(), "cat", new ReplayRequest { Request = "give the animal something" });
        await _test.Open(o => o.EmbeddingGenerator = generator).FindAsync("feed the cat");
        _test.Execute(
            """
            pragma foreign_keys = off;
            delete from step_statistics; delete from execution_steps; delete from executions;
            delete from procedure_versions where procedure_id = (select id from procedures where name = 'cat');
            delete from procedures where name = 'cat';
            insert into search_queue (procedure_id) values ('gone');
            """);

        using (var first = _test.Open())
        {
            Assert.Equal(Rebuilt, Assert.Single((await first.FindAsync("water the plants")).Notes));
        }

        using var second = _test.Open();
        Assert.Empty((await second.FindAsync("water the plants")).Notes);
        Assert.Equal("2|2|0|0", _test.Rows("select (select count(*) from search_documents), (select count(*) from procedure_vectors), (select count(*) from procedure_wordings), (select count(*) from search_queue)")[0]);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_procedure_that_was_moved_to_another_scope_by_hand_is_found_there_when_it_is_indexed()
    {
        await FillAsync();
        var ann = _test.Open(o => o.Scope = () => new MemoryScope("ann"));
        _test.Execute("update procedures set scope = 'ann', description = 'Feed the cat well' where name = 'cat'");

        Assert.Equal("cat", Assert.Single((await ann.FindAsync("feed the cat")).Matches).Procedure.Name);

        Assert.Empty((await Memory.FindAsync("feed the cat", new FindOptions { MinimumScore = 0 })).Matches);
        Assert.Equal(["ann|1", "default|2"], _test.Rows("select scope, documents from search_scopes order by scope"));
    }

    [Fact]
    public async Task A_fault_of_the_disk_is_not_taken_for_a_damaged_index()
    {
        await FillAsync();
        Assert.Single((await Memory.FindAsync("water the plants")).Matches);
        _test.Execute("create trigger full before insert on search_documents begin select raise(abort, 'the disk is full'); end");
        await Memory.StoreAsync(Named("new", "Bake a cake"));

        var result = await Memory.FindAsync("water the plants");

        Assert.Equal("water", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal($"1 {NotIndexed}", Assert.Single(result.Notes));
        _test.Execute("drop trigger full");
        Assert.Empty((await Memory.FindAsync("bake a cake")).Notes);
    }

    [Fact]
    public async Task While_another_process_writes_what_is_in_the_index_is_searched()
    {
        await FillAsync();
        var memory = _test.Open(o => o.BusyTimeout = TimeSpan.FromSeconds(1));
        Assert.Single((await memory.FindAsync("water the plants")).Matches);
        _test.Execute("update procedures set description = 'Feed the dog' where name = 'cat'");
        await using var other = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _test.DatabasePath, Pooling = false }.ConnectionString);
        await other.OpenAsync();
        await using (await other.BeginTransactionAsync())
        {
            var result = await memory.FindAsync("water the plants");

            Assert.Equal("water", Assert.Single(result.Matches).Procedure.Name);
            Assert.Equal($"1 {NotIndexed}", Assert.Single(result.Notes));
        }

        Assert.Single((await memory.FindAsync("feed the dog")).Matches);
    }

    [Theory]
    [InlineData("delete from search_documents where name like '%water%'")]
    [InlineData("delete from search_documents")]
    [InlineData("delete from search_index_data")]
    [InlineData("update search_index_data set block = x'00ff00ff00ff' where id > 10")]
    [InlineData("delete from search_index_docsize")]
    [InlineData("update search_state set analysis = 99")]
    [InlineData("drop table search_documents")]
    public async Task A_read_only_memory_on_a_bad_index_compares_by_overlap_and_says_so(string damage)
    {
        await FillAsync();
        _test.Execute(damage);
        using var generator = new MadeUpGenerator();
        foreach (var withVectors in new[] { false, true })
        {
            using var memory = _test.Open(o => (o.ReadOnly, o.EmbeddingGenerator) = (true, withVectors ? generator : null));

            var result = await memory.FindAsync("water the plants");

            Assert.Equal("water", Assert.Single(result.Matches).Procedure.Name);
            Assert.False(result.UsedVectors);
            Assert.Equal(OverlapFinder.UnusableIndex, Assert.Single(result.Notes));
        }
    }

    [Fact]
    public async Task A_read_only_memory_whose_index_somebody_mends_searches_it_again()
    {
        await FillAsync();
        _test.Execute("delete from search_documents");
        using var readOnly = _test.Open(o => o.ReadOnly = true);
        Assert.Single((await readOnly.FindAsync("water the plants")).Notes);

        using var writer = _test.Open();
        await writer.FindAsync("water the plants");

        Assert.Empty((await readOnly.FindAsync("water the plants")).Notes);
    }

    [Fact]
    public async Task A_row_that_is_missing_is_seen_although_vectors_bring_as_many_others()
    {
        await FillAsync();
        await Memory.FindAsync("water the plants");
        var others = (await Memory.ListAsync()).Where(p => p.Name != "water").Select(p => p.Id).ToList();
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });
        var query = new SearchQuery { Scopes = [MemoryScope.Default.Write], Words = ["water"], Also = others };
        await store.SearchAsync(query);
        _test.Execute("delete from search_documents where name like '%water%'");

        var found = await store.SearchAsync(query);

        Assert.True(found.IndexWasRebuilt);
        Assert.Contains(found.Candidates, c => c.Name == "water");
    }

    [Fact]
    public async Task A_write_takes_a_few_of_a_long_queue_in_and_the_next_search_the_rest()
    {
        for (var i = 0; i < 120; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"task {i}"), "Feed the cat"));
        }

        _test.Execute("insert into search_queue (procedure_id) select id from procedures");
        await Memory.StoreAsync(Named("new", "Bake a cake"));
        Assert.Equal("71", _test.Rows("select count(*) from search_queue")[0]);

        Assert.Equal("new", Assert.Single((await Memory.FindAsync("bake a cake")).Matches).Procedure.Name);
        Assert.Equal("0", _test.Rows("select count(*) from search_queue")[0]);
    }

    [Fact]
    public async Task A_new_index_and_one_of_another_analysis_without_documents_are_no_damaged_ones()
    {
        await Memory.ListAsync();
        _test.Execute("update search_state set analysis = 0");
        await FillAsync();

        using var memory = _test.Open();
        Assert.Empty((await memory.FindAsync("water the plants")).Notes);
        Assert.Equal(TextAnalyzer.Number.ToString(CultureInfo.InvariantCulture), _test.Rows("select analysis from search_state")[0]);
    }

    [Fact]
    public async Task A_thousand_and_more_that_are_not_indexed_are_said_to_be_so_many_or_more()
    {
        await Memory.ListAsync();
        InsertMany(1_100);
        using var memory = _test.Open(o => o.ReadOnly = true);

        Assert.StartsWith("1000 or more procedures were not searched", Assert.Single((await memory.FindAsync("water the plants")).Notes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Vectors_of_more_procedures_than_are_read_at_once_are_all_read()
    {
        using var generator = new MadeUpGenerator(3);
        var memory = _test.Open(o => o.EmbeddingGenerator = generator);
        await memory.ListAsync();
        InsertMany(4_300);
        Assert.Equal(4_300, (await memory.ReembedAsync()).Embedded);
        _test.Execute("update procedures set description = 'Refunds it' where name = 'task 4300'");
        await memory.ReembedAsync();

        using var fresh = _test.Open(o => o.EmbeddingGenerator = generator);
        var result = await fresh.FindAsync("reimburse somebody", new FindOptions { MinimumScore = 0, Top = 1 });

        Assert.Empty(result.Notes);
        Assert.Equal("task 4300", Assert.Single(result.Matches).Procedure.Name);
    }

    [Fact]
    public async Task The_counts_of_words_that_very_many_have_follow_what_is_stored()
    {
        await Memory.ListAsync();
        InsertMany(5_200);
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });
        var query = new SearchQuery { Scopes = [MemoryScope.Default.Write], Words = ["task"] };
        Assert.Equal(5_200, (await store.SearchAsync(query)).WordCounts["task"]);

        await Memory.StoreAsync(Named("task more", ""));
        Assert.InRange((await store.SearchAsync(query)).WordCounts["task"], 5_200, 5_201);

        for (var i = 0; i < 60; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"task more {i}"), ""));
        }

        Assert.InRange((await store.SearchAsync(query)).WordCounts["task"], 5_255, 5_261);
    }

    [Fact]
    public async Task A_search_that_is_cancelled_stops_between_its_statements()
    {
        await FillAsync();
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });
        using var cancellation = new CancellationTokenSource();
        var query = new SearchQuery { Scopes = [MemoryScope.Default.Write], Words = new CancellingWords(cancellation) };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.SearchAsync(query, cancellation.Token));
    }

    private static ProcedureDefinition Named(string name, string description) => Given.Definition(name, Given.Step("t.a")) with { Description = description };

    private async Task FillAsync()
    {
        await Memory.StoreAsync(Named("water", "Water the plants"));
        await Memory.StoreAsync(Named("cat", "Feed the cat"));
        await Memory.StoreAsync(Named("service", "Deploy the service"));
    }

    /// <summary>Many procedures at once, that no search has seen.</summary>
    private void InsertMany(int count) => _test.Execute(string.Create(CultureInfo.InvariantCulture, $$"""
        create temp table numbers as with recursive n (i) as (select 1 union all select i + 1 from n where i < {{count}}) select i, printf('00000000-0000-7000-8000-%012d', i) as id from n;
        insert into procedures (id, scope, name, description, tags, origin, active_version, created_at, updated_at)
        select id, 'default', 'task ' || i, '', '[]', 'user', 1, '2031-05-04T03:02:01.0000000Z', '2031-05-04T03:02:01.0000000Z' from numbers;
        insert into procedure_versions (procedure_id, version, reason, state, origin, document, created_at)
        select id, 1, 'stored', 'active', 'user', '{"format":1,"steps":[{"id":"a","action":"t.a"}]}', '2031-05-04T03:02:01.0000000Z' from numbers;
        """));

    /// <summary>Words of which the second is asked for when the search has been cancelled.</summary>
    private sealed class CancellingWords(CancellationTokenSource cancellation) : IReadOnlyList<string>
    {
        private int _times;

        public int Count => 2;

        public string this[int index] => index == 0 ? "water" : "plant";

        public IEnumerator<string> GetEnumerator()
        {
            yield return "water";
            if (++_times > 1)
            {
                cancellation.Cancel();
            }

            yield return "plant";
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
