using ProceduralMemory.TestWorker;

namespace ProceduralMemory.ProcessTests;

/// <summary>What came with schema 6: what turns taught, and what it saved.</summary>
public sealed partial class GoldenFileTests
{
    public static TheoryData<string> FilesSinceSchema6 => FilesSince("schema-006.db");

    [Theory]
    [MemberData(nameof(FilesSinceSchema6))]
    public async Task What_turns_taught_is_there_and_so_is_what_it_saved(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "stark"))
        {
            var learned = await memory.GetAsync("order_stock");
            Assert.Equal(["amount", "item"], learned.Version.Inputs.Select(i => i.Name).Order());
            Assert.Equal("$steps.find.outputs#/sku", learned.Version.Steps[1].Arguments.GetProperty("sku").GetString());

            var savings = await memory.GetSavingsAsync();
            Assert.Equal((1, 1, 0), (savings.Turns, savings.CompletedReplays, savings.TurnsWithoutBaseline));
            Assert.Equal((5d, 2d, 3d), (savings.Baseline.ModelCalls, savings.Used.ModelCalls, savings.Saved.ModelCalls));

            var proposed = Assert.Single(await memory.ListForReviewAsync());
            Assert.Equal(VersionState.Draft, proposed.Version.State);
            Assert.Equal(1, (await memory.AcceptAsync(proposed.Name, proposed.Version.Number, by: "Alice")).ActiveVersion);
        }

        AssertIntact(database);
    }
}
