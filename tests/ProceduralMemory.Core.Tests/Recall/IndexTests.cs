using System.Globalization;
using CsCheck;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Recall;

/// <summary>The index follows what is stored, and is made anew where it does not.</summary>
public sealed class IndexTests : IDisposable
{
    private const string Rebuilt = "The index of words did not agree with the procedures, and was made anew.";

    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task What_is_stored_is_found_at_once_and_a_new_version_by_its_own_words()
    {
        await Memory.StoreAsync(Named("task", "Water the plants", "garden.water"));
        Assert.Single((await Memory.FindAsync("water the plants")).Matches);

        await Memory.StoreAsync(Named("task", "Feed the cat", "kitchen.feed"), asNewVersion: true);

        Assert.Single((await Memory.FindAsync("feed the cat")).Matches);
        Assert.Equal(0, Count("search_words where term like '%plant%' or term like '%garden%'"));
        Assert.Equal(0, Count("search_queue"));
        AssertWhole();
    }

    [Fact]
    public async Task The_version_that_is_active_is_the_one_that_is_searched()
    {
        await Memory.StoreAsync(Named("task", "", "garden.water"));
        await Memory.StoreAsync(Named("task", "", "kitchen.feed"), asNewVersion: true);
        Assert.Empty((await Memory.FindAsync("garden water", new FindOptions { MinimumScore = 0 })).Matches);

        await Memory.ActivateVersionAsync("task", 1);

        Assert.Single((await Memory.FindAsync("garden water")).Matches);
        Assert.Empty((await Memory.FindAsync("kitchen feed", new FindOptions { MinimumScore = 0 })).Matches);
        AssertWhole();
    }

    [Fact]
    public async Task Drafts_that_are_imported_and_procedures_that_are_merged_are_in_it_too()
    {
        await Memory.ImportAsync("""{"format":1,"name":"water plants","steps":[{"action":"t.a"}]}""");
        Assert.Equal(LeftOutReason.Draft, Assert.Single((await Memory.FindAsync("water plants")).LeftOut).Reason);

        await Memory.ActivateVersionAsync("water plants", 1);
        await Memory.StoreAsync(Named("irrigate flowers", "Irrigate the flowers"));
        await Memory.MergeAsync(["water plants", "irrigate flowers"]);

        var result = await Memory.FindAsync("irrigate flowers");
        Assert.Equal("irrigate flowers", Assert.Single(result.LeftOut).Name);
        Assert.Equal("water plants", Assert.Single((await Memory.FindAsync("water plants")).Matches).Procedure.Name);
        AssertWhole();
    }

    [Fact]
    public async Task What_was_written_behind_the_librarys_back_is_taken_in_by_the_next_search()
    {
        await Memory.StoreAsync(Named("task", "Water the plants"));
        Assert.Single((await Memory.FindAsync("water the plants")).Matches);

        _test.Execute("update procedures set description = 'Feed the cat'");

        var result = await Memory.FindAsync("feed the cat");
        Assert.Single(result.Matches);
        Assert.Empty(result.Notes);
        Assert.Empty((await Memory.FindAsync("water the plants", new FindOptions { MinimumScore = 0 })).Matches);
        AssertWhole();
    }

    [Fact]
    public async Task A_memory_without_the_index_leaves_its_work_to_one_that_has_it()
    {
        await FillAsync();
        _test.Execute("insert into search_queue (procedure_id) select id from procedures; delete from search_queue where procedure_id = (select min(id) from procedures)");

        Assert.Single((await Memory.FindAsync("feed the cat")).Matches);
        Assert.Equal(0, Count("search_queue"));
        AssertWhole();
    }

    public static TheoryData<string> Damages =>
    [
        "delete from search_documents",
        "delete from search_documents where name like '%water%'",
        "delete from search_index_data",
        "delete from search_index_data where id > 1",
        "update search_index_data set block = x'00ff00ff00ff' where id > 10",
        "update search_index_data set block = x'ffffffffffffffff' where id = 10",
        "delete from search_index_docsize",
        "delete from search_index_idx",
        "update search_state set analysis = 99",
        "update search_state set analysis = 0",
        "insert into search_index (search_index) values ('delete-all')",
    ];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task An_index_that_is_damaged_is_made_anew_by_the_next_memory_and_that_is_said(string damage)
    {
        await FillAsync();
        _test.Execute(damage);
        using var memory = _test.Open();

        var result = await memory.FindAsync("water the plants");

        Assert.Equal("water", Assert.Single(result.Matches).Procedure.Name);
        if (damage != "delete from search_index_idx")
        {
            Assert.Equal(Rebuilt, Assert.Single(result.Notes));
            AssertWhole();
        }

        result = await memory.FindAsync("feed the cat");
        Assert.Equal("cat", Assert.Single(result.Matches).Procedure.Name);
        Assert.Empty(result.Notes);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Theory]
    [InlineData("delete from search_documents")]
    [InlineData("delete from search_index_data")]
    [InlineData("update search_index_data set block = x'00ff00ff00ff' where id > 10")]
    public async Task An_index_that_is_damaged_under_a_memory_is_made_anew_as_soon_as_it_is_seen(string damage)
    {
        await FillAsync();
        Assert.Single((await Memory.FindAsync("water the plants")).Matches);
        _test.Execute(damage);

        var result = await Memory.FindAsync("water the plants");

        Assert.Equal("water", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal(Rebuilt, Assert.Single(result.Notes));
        Assert.Empty((await Memory.FindAsync("water the plants")).Notes);
        AssertWhole();
    }

    [Theory]
    [InlineData("delete from search_index_data")]
    [InlineData("update search_index_data set block = zeroblob(4000)")]
    public async Task A_damaged_index_keeps_nothing_from_being_stored_and_replayed(string damage)
    {
        await FillAsync();
        Assert.Single((await Memory.FindAsync("water the plants")).Matches);
        _test.Execute(damage);

        await Memory.StoreAsync(Named("water", "Water the flowers"), asNewVersion: true);
        await Memory.StoreAsync(Named("new", "Bake a cake"));
        await Memory.ReplayAsync(new ScriptedExecutor(), "cat", new ReplayRequest { Request = "give the animal something" });

        Assert.Equal("new", Assert.Single((await Memory.FindAsync("bake a cake")).Matches).Procedure.Name);
        Assert.Equal("water", Assert.Single((await Memory.FindAsync("water the flowers")).Matches).Procedure.Name);
        Assert.Equal("cat", Assert.Single((await Memory.FindAsync("give the animal something")).Matches).Procedure.Name);
        AssertWhole();
    }

    [Fact]
    public async Task Where_the_vectors_come_upon_a_damaged_index_first_the_search_says_so_all_the_same()
    {
        await FillAsync();
        _test.Execute("delete from search_documents");
        using var generator = new MadeUpGenerator();
        using var memory = _test.Open(o => o.EmbeddingGenerator = generator);

        var result = await memory.FindAsync("water the plants");

        Assert.True(result.UsedVectors);
        Assert.Equal(Rebuilt, Assert.Single(result.Notes));
        Assert.Equal("water", result.Matches[0].Procedure.Name);
    }

    [Fact]
    public async Task A_read_only_memory_says_what_it_cannot_take_in()
    {
        await FillAsync();
        _test.Execute("update procedures set description = 'Bake a cake' where name = 'cat'");
        using var memory = _test.Open(o => o.ReadOnly = true);
        var before = _test.Dump();

        var result = await memory.FindAsync("water the plants");

        Assert.Equal("water", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal("1 procedures were not searched: they are not in the index yet. The database is read-only, could not be written, or another process was writing to it all the time.", Assert.Single(result.Notes));
        Assert.Equal(before, _test.Dump());
    }

    [Fact]
    public async Task Making_the_index_anew_takes_in_all_procedures_of_all_scopes_and_says_how_many()
    {
        for (var i = 0; i < 450; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"water {i}"), ""));
        }

        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });
        Assert.Equal(450, await store.RebuildIndexAsync());
        Assert.Equal(450, Count("search_documents"));
        Assert.Equal(1, Count("search_scopes where documents = 450"));
        AssertWhole();
    }

    [Fact]
    public async Task Words_are_counted_by_scope()
    {
        await FillAsync();
        var bob = _test.Open(o => o.Scope = () => new MemoryScope("bob"));
        await bob.StoreAsync(Named("water", "Water the plants"));
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });

        var found = await store.SearchAsync(new SearchQuery { Scopes = ["bob"], Words = ["water", "cat", "\"", "a OR b"] });

        Assert.Equal((1L, 0L), (found.WordCounts["water"], found.WordCounts["cat"]));
        Assert.Equal(1, found.Documents);
        Assert.Equal("bob", Assert.Single(found.Candidates).Scope);
        Assert.Empty((await store.SearchAsync(new SearchQuery { Scopes = ["nobody"], Words = ["water"] })).Candidates);
        Assert.Empty((await store.SearchAsync(new SearchQuery { Scopes = [], Words = ["water"] })).Candidates);
        Assert.Empty((await store.SearchAsync(new SearchQuery { Scopes = ["bob"] })).Candidates);
    }

    [Fact]
    public async Task Words_that_many_have_are_looked_up_only_within_the_budget()
    {
        for (var i = 0; i < 30; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"water {i}"), i == 7 ? "Water the roses" : "Water it"));
        }

        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time });
        var query = new SearchQuery { Scopes = [MemoryScope.Default.Write], Words = ["water", "rose"], Limit = 5, Budget = 10 };

        Assert.Equal("water 7", Assert.Single((await store.SearchAsync(query)).Candidates).Name);
        Assert.Equal(["water 25", "water 26", "water 27", "water 28", "water 29"], (await store.SearchAsync(query with { Words = ["water"] })).Candidates.Select(c => c.Name).Order(StringComparer.Ordinal));
        Assert.Empty((await store.SearchAsync(query with { Words = ["water"], CommonWords = new HashSet<string> { "water" } })).Candidates);
    }

    [Fact]
    public async Task Any_queries_find_within_the_scope_only_raise_nothing_and_change_nothing()
    {
        // Shows 3 of the search: 100,000 of them.
        using var test = TestMemory.OnFile();
        var ann = test.Open(o => o.Scope = () => new MemoryScope("ann"));
        var bob = test.Open(o => o.Scope = () => new MemoryScope("bob"));
        foreach (var memory in new[] { ann, bob })
        {
            await memory.StoreAsync(Named("refund order é", "Refund \"the order\" NOT near it", "shop.refundOrder"));
            await memory.StoreAsync(Named("退款订单", "为客户的订单办理退款 คืนเงิน"));
            await memory.StoreAsync(Named("a Z", "ß a* OR b ^ : - AND 😀"));
        }

        var before = test.Dump();
        var found = 0;
        await AnyRequest.SampleAsync(
            async request =>
            {
                if (!string.IsNullOrWhiteSpace(request))
                {
                    var result = await ann.FindAsync(request, new FindOptions { MinimumScore = 0 });
                    Interlocked.Add(ref found, result.Matches.Count);
                    Assert.All(result.Matches, m => Assert.Equal("ann", m.Procedure.Scope));
                    Assert.Empty(result.Notes);
                }
            },
            iter: 100_000,
            threads: 2);

        Assert.NotEqual(0, found);
        Assert.Equal(before, test.Dump());
        Assert.Equal("ok", test.IntegrityCheck());
    }

    /// <summary>Texts of anything: any UTF-16, halves of surrogate pairs included, what means something to FTS5, and words that are stored.</summary>
    internal static Gen<string> AnyRequest { get; } = Gen.Frequency(
            (3, Gen.Char.Select(c => c.ToString())),
            (2, Gen.OneOf("\"", " OR ", " AND ", " NOT ", "NEAR(", ")", "*", "^", ":", "-", "+", "{", "}", "'", ";", "~", "_", "1_", "\0", "\n", "\ud83d", "\ude00", "😀", "\u202e", "\u0301", "\ufeff", "\uffff", " ")),
            (3, Gen.OneOf("refund ", "order", "Refund", "退款", "订单", "々", "〆", "𠮷", "คืน", "เงิน", "ß", "é", "a", "Z", " ")))
        .Array[0, 12].Select(string.Concat);

    private static ProcedureDefinition Named(string name, string description, string action = "t.a") => Given.Definition(name, Given.Step(action)) with { Description = description };

    private async Task FillAsync()
    {
        await Memory.StoreAsync(Named("water", "Water the plants"));
        await Memory.StoreAsync(Named("cat", "Feed the cat"));
        await Memory.StoreAsync(Named("service", "Deploy the service"));
    }

    private long Count(string from) => long.Parse(_test.Rows($"select count(*) from {from}")[0], CultureInfo.InvariantCulture);

    /// <summary>The index has the words that stand in its documents, and each procedure has one.</summary>
    private void AssertWhole()
    {
        _test.Execute("insert into search_index (search_index, rank) values ('integrity-check', 1)");
        Assert.Equal(Count("procedures"), Count("search_documents"));
        Assert.Equal(Count("search_documents"), long.Parse(_test.Rows("select coalesce(sum(documents), 0) from search_scopes")[0], CultureInfo.InvariantCulture));
    }
}
