using System.Globalization;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

/// <summary>What cannot be used takes no place of what can, and pages are parts of one list, in memories with more procedures that have the words than are ranked at first.</summary>
public sealed class CandidateTests : IDisposable
{
    private static readonly FindOptions Any = new() { MinimumScore = 0 };

    private readonly MadeUpGenerator _generator = new();
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose()
    {
        _test.Dispose();
        _generator.Dispose();
    }

    [Fact]
    public async Task The_one_whose_functions_are_there_is_found_among_150_whose_functions_are_not()
    {
        await StoreManyAsync(150, "deploy service", "Deploys a service.", "other.x");
        await Memory.StoreAsync(Named("deploy the service of ours", "Deploys a service to the cluster and tells the team that it is done.", "mine.x"));

        var result = await Memory.FindAsync("deploy service", new FindOptions { HasFunction = f => f == "mine.x", MinimumScore = 0.1 });

        Assert.Equal("deploy the service of ours", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal(LeftOutReason.MissingFunction, result.LeftOut[0].Reason);
        Assert.Equal(10, result.LeftOut.Count);
    }

    [Fact]
    public async Task The_one_in_use_is_found_among_1100_out_of_use_and_these_are_told()
    {
        await StoreManyAsync(1_100, "deploy service", "Deploys a service.", "t.a");
        _test.Execute("update procedures set retired = 1");
        await Memory.StoreAsync(Named("deploy the service of ours", "Deploys a service to the cluster and tells the team that it is done."));

        var result = await Memory.FindAsync("deploy service", new FindOptions { MinimumScore = 0.1 });

        Assert.Equal("deploy the service of ours", Assert.Single(result.Matches).Procedure.Name);
        Assert.Equal(10, result.LeftOut.Count(l => l.Reason is LeftOutReason.Retired));
    }

    [Fact]
    public async Task The_nearest_by_meaning_is_one_that_can_be_used_and_has_the_labels()
    {
        var memory = _test.Open(o => o.EmbeddingGenerator = _generator);
        await StoreManyAsync(150, "refund purchase", "Refunds the purchase of somebody.", "t.a");
        await Memory.StoreAsync(Named("repayment", "Repays a purchase.", "t.a") with { Tags = ["shop"] });
        await memory.ReembedAsync();

        var labelled = await memory.FindAsync("reimburse order", Any with { Tags = ["Shop"] });
        _test.Execute("update procedures set retired = 1 where name <> 'repayment'");
        var inUse = await memory.FindAsync("reimburse order", Any);

        Assert.True(labelled.UsedVectors && inUse.UsedVectors);
        Assert.Equal("repayment", Assert.Single(labelled.Matches).Procedure.Name);
        Assert.Equal("repayment", Assert.Single(inUse.Matches).Procedure.Name);
        Assert.True(inUse.Matches[0].Similarity > 0.5);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(5, false)]
    [InlineData(5, true)]
    [InlineData(7, false)]
    [InlineData(60, true)]
    public async Task Pages_are_parts_of_one_list_in_which_each_stands_once(int top, bool withVectors)
    {
        var memory = withVectors ? _test.Open(o => o.EmbeddingGenerator = _generator) : Memory;
        string[] rest = ["and tells the team", "of the shop", "again", "to the cluster, then waits for the shop to come up again", ""];
        for (var i = 0; i < 260; i++)
        {
            await Memory.StoreAsync(Named($"task {Letters(i)}", $"Deploys the service {string.Join(' ', rest.Where((_, n) => (i >> n) % 2 == 1))}.", $"t{i % 7}.deploy{Letters(i % 11)}"));
        }

        if (withVectors)
        {
            await memory.ReembedAsync();
        }

        var all = await NamesAsync(Any with { Top = 1_000 });
        var paged = new List<string>();
        List<string> page;
        do
        {
            page = await NamesAsync(Any with { Skip = paged.Count, Top = top });
            paged.AddRange(page);
        }
        while (page.Count == top && paged.Count < 300);

        Assert.Equal(260, all.Count);
        Assert.Equal(260, all.Distinct().Count());
        Assert.Equal(all, paged);

        async Task<List<string>> NamesAsync(FindOptions options) =>
            [.. (await memory.FindAsync("deploy the service of the shop again and tell the team", options)).Matches.Select(m => m.Procedure.Name)];
    }

    [Fact]
    public async Task No_page_is_too_far_down_to_be_asked_for()
    {
        await StoreManyAsync(110, "deploy service", "Deploys a service.", "t.a");

        Assert.Empty((await Memory.FindAsync("deploy service", new FindOptions { Skip = int.MaxValue, Top = int.MaxValue })).Matches);
        Assert.Equal(110, (await Memory.FindAsync("deploy service", new FindOptions { Top = int.MaxValue })).Matches.Count);
        Assert.Single((await Memory.FindAsync("deploy service", new FindOptions { Skip = 109, Top = int.MaxValue })).Matches);
    }

    /// <summary>A number in letters, since numbers are no words.</summary>
    private static string Letters(int number) => number < 26 ? $"{(char)('a' + number)}" : $"{Letters((number / 26) - 1)}{Letters(number % 26)}";

    private static ProcedureDefinition Named(string name, string description, string action = "t.a") => Given.Definition(name, Given.Step(action)) with { Description = description };

    private async Task StoreManyAsync(int count, string name, string description, string action)
    {
        for (var i = 0; i < count; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"{name} {i}"), description, action));
        }
    }
}
