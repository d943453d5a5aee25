using Microsoft.Extensions.AI;
using ProceduralMemory.Recall;

namespace ProceduralMemory.ProcessTests;

/// <summary>What came with schema 3: search by an index of words and by vectors.</summary>
public sealed partial class GoldenFileTests
{
    public static TheoryData<string> FilesSinceSchema3 => FilesSince("schema-003.db");

    [Theory]
    [MemberData(nameof(Files))]
    public async Task What_a_database_of_an_earlier_release_holds_is_found_by_its_words(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "acme"))
        {
            // The index of that release parted words otherwise, and is made anew once.
            var cache = await memory.FindAsync("clearing caches");
            Assert.Equal("clear cache", Assert.Single(cache.Matches).Procedure.Name);
            Assert.Equal(("empty cache", LeftOutReason.Retired), (Assert.Single(cache.LeftOut).Name, cache.LeftOut[0].Reason));
            Assert.Equal(file == "schema-003.db" ? 1 : 0, cache.Notes.Count);
            Assert.Empty((await memory.FindAsync("clearing caches")).Notes);

            // By the request of its recording and by what a label says.
            Assert.Contains((await memory.FindAsync("publish version 9.9.9 of billing")).Matches, m => m.Procedure.Name == "publish release");
            Assert.Equal("publish release", Assert.Single((await memory.FindAsync("publish release", new FindOptions { Tags = ["GRÖßE"] })).Matches).Procedure.Name);
            Assert.Equal("rotate keys", Assert.Single((await memory.FindAsync("rotate the keys", new FindOptions { States = [VersionState.Draft] })).Matches).Procedure.Name);
            Assert.Empty((await memory.FindAsync("water the plants")).Matches);
        }

        using (var others = Open(database, "globex"))
        {
            Assert.Equal("Another house's way to publish", Assert.Single((await others.FindAsync("publish release")).Matches).Procedure.Description);
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema2))]
    public async Task What_was_learned_with_schema_2_is_found_by_its_words(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "initech"))
        {
            Assert.Equal("ship order", (await memory.FindAsync("send the parcel of an order and tell the customer", new FindOptions { MinimumScore = 0 })).Matches[0].Procedure.Name);
            Assert.Equal("restock shelves", (await memory.FindAsync("restock the shelves", new FindOptions { MinimumScore = 0 })).Matches[0].Procedure.Name);
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema3))]
    public async Task Another_wording_and_vectors_are_kept(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using var generator = new CountingGenerator();
        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions
        {
            DatabasePath = database,
            Scope = () => new MemoryScope("hooli"),
            EmbeddingGenerator = generator,
            EmbeddingModel = "golden-4",
        }))
        {
            var wording = await memory.FindAsync("settle what we owe the printers", new FindOptions { Strategy = FindStrategy.Words });
            Assert.Equal("pay invoice", Assert.Single(wording.Matches).Procedure.Name);
            Assert.Equal("给植物浇水", Assert.Single((await memory.FindAsync("植物浇水", new FindOptions { Strategy = FindStrategy.Words })).Matches).Procedure.Name);
            Assert.Empty(generator.Asked);

            var near = await memory.FindAsync("any invoice", new FindOptions { MinimumScore = 0.1 });
            Assert.True(near.UsedVectors);
            Assert.Equal("pay invoice", near.Matches[0].Procedure.Name);
            Assert.InRange(near.Matches[0].Similarity!.Value, 0.9, 1.001);
            Assert.Equal(["any invoice"], generator.Asked);
            Assert.Equal(new ReembedResult(0, 0, null), await memory.ReembedAsync());
        }

        AssertIntact(database);
    }

    /// <summary>Gives the vector that the file has for invoices.</summary>
    private sealed class CountingGenerator : IEmbeddingGenerator<string, Embedding<float>>
    {
        public List<string> Asked { get; } = [];

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            var texts = values.ToList();
            Asked.AddRange(texts);
            return Task.FromResult<GeneratedEmbeddings<Embedding<float>>>([.. texts.Select(_ => new Embedding<float>(new[] { 0.6f, 0, 0, 0.8f }))]);
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose() => Asked.Clear();
    }
}
