using ProceduralMemory.Capture;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

public sealed class KeywordOverlapTests : IDisposable
{
    private static readonly FindOptions Overlap = new() { Strategy = FindStrategy.KeywordOverlap };

    private readonly TestMemory _test = TestMemory.InMemory();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task The_score_is_the_share_of_the_requests_words_and_the_words_are_named()
    {
        await StoreAsync("deploy_service", "Rolls out the web service.");

        var match = Assert.Single((await Memory.FindAsync("Please deploy my web shop", Overlap)).Matches);

        Assert.Equal(2.0 / 3, match.Score, 1e-9);
        Assert.Equal(["deploy", "web"], match.MatchedWords);
    }

    [Theory]
    [InlineData("deployService", "", "deploy the service", 1.0)]
    [InlineData("DEPLOY-SERVICE", "", "Deploy service!", 1.0)]
    [InlineData("x", "refund order", "REFUND, please", 1.0)]
    [InlineData("refund", "", "refund refund refund cancel", 0.5)]
    [InlineData("größe_ändern", "", "Größe ändern", 1.0)]
    [InlineData("HTTPServer", "", "http server", 1.0)]
    public async Task Names_are_taken_apart_and_case_and_repetition_do_not_matter(string name, string description, string request, double score)
    {
        await StoreAsync(name, description);

        Assert.Equal(score, Assert.Single((await Memory.FindAsync(request, new FindOptions { Strategy = FindStrategy.KeywordOverlap, MinimumScore = 0 })).Matches).Score, 1e-9);
    }

    [Fact]
    public async Task Tags_and_the_recorded_request_are_searched_too()
    {
        await Memory.StoreAsync(Given.Definition("a", Given.Step("t.a")) with { Tags = ["billing"] });
        await Memory.RecordedAsync(new RecordingDetails { Name = "b", Request = "send the reminder" }, ("t.a", "{}", "1"));

        Assert.Equal("a", Assert.Single((await Memory.FindAsync("billing", Overlap)).Matches).Procedure.Name);
        Assert.Equal("b", Assert.Single((await Memory.FindAsync("reminder", Overlap)).Matches).Procedure.Name);
    }

    [Fact]
    public async Task Below_the_threshold_nothing_fits_and_what_came_closest_is_named()
    {
        await StoreAsync("one alpha");
        await StoreAsync("two alpha beta");
        await StoreAsync("three alpha beta gamma");
        await StoreAsync("four alpha delta epsilon zeta");
        await StoreAsync("five");

        var result = await Memory.FindAsync("alpha beta gamma delta epsilon", new FindOptions { Strategy = FindStrategy.KeywordOverlap, MinimumScore = 0.61 });

        Assert.Empty(result.Matches);
        Assert.Equal(0.61, result.MinimumScore);
        Assert.Equal(3, result.NearMisses.Count);
        Assert.Equal([0.6, 0.6, 0.4], result.NearMisses.Select(m => Math.Round(m.Score, 9)));
        Assert.DoesNotContain(result.NearMisses, m => m.Procedure.Name is "five" or "one alpha");
    }

    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(0.51, 0)]
    [InlineData(null, 1)]
    public async Task The_threshold_is_where_fitting_begins(double? threshold, int matches)
    {
        using var test = TestMemory.InMemory(o => o.MinimumScore = 0.5);
        await test.Memory.StoreAsync(Given.Definition("alpha", Given.Step("t.a")));

        var result = await test.Memory.FindAsync("alpha beta", new FindOptions { Strategy = FindStrategy.KeywordOverlap, MinimumScore = threshold });

        Assert.Equal(matches, result.Matches.Count);
        Assert.Equal(1 - matches, result.NearMisses.Count);
    }

    [Theory]
    [InlineData("weather on Mars")]
    [InlineData("please do it for me")]
    [InlineData("?!")]
    [InlineData("42 1.4.0")]
    public async Task A_request_that_shares_no_telling_word_finds_nothing_even_without_a_threshold(string request)
    {
        await StoreAsync("please do it for me 42 1.4.0", "deploy");

        var result = await Memory.FindAsync(request, new FindOptions { Strategy = FindStrategy.KeywordOverlap, MinimumScore = 0 });

        Assert.Empty(result.Matches);
        Assert.Empty(result.NearMisses);
    }

    [Fact]
    public async Task The_best_score_comes_first_or_the_best_success_rate_as_is_asked()
    {
        await StoreAsync("alpha beta gamma");
        await StoreAsync("alpha beta");
        await StoreAsync("alpha beta delta");
        await ReplayAsync("alpha beta gamma", false, true);
        await ReplayAsync("alpha beta", true);
        await ReplayAsync("alpha beta delta", true, true, false);

        Assert.Equal(["alpha beta gamma", "alpha beta", "alpha beta delta"], await NamesAsync(FindOrder.Score));
        Assert.Equal(["alpha beta", "alpha beta delta", "alpha beta gamma"], await NamesAsync(FindOrder.SuccessRate));
    }

    [Fact]
    public async Task Among_equals_the_one_that_ran_last_comes_first_and_one_that_never_ran_comes_last()
    {
        await StoreAsync("alpha beta gamma one");
        await StoreAsync("alpha beta gamma two");
        await StoreAsync("alpha beta gamma three");
        await ReplayAsync("alpha beta gamma two", true);
        await ReplayAsync("alpha beta gamma three", true);

        foreach (var order in Enum.GetValues<FindOrder>())
        {
            Assert.Equal(["alpha beta gamma three", "alpha beta gamma two", "alpha beta gamma one"], await NamesAsync(order));
        }
    }

    [Fact]
    public async Task No_more_than_the_top_is_returned()
    {
        foreach (var name in new[] { "alpha a1", "alpha a2", "alpha a3" })
        {
            await StoreAsync(name);
        }

        Assert.Equal(2, (await Memory.FindAsync("alpha", new FindOptions { Strategy = FindStrategy.KeywordOverlap, Top = 2 })).Matches.Count);
    }

    [Fact]
    public async Task Tags_that_are_asked_for_must_all_be_there_regardless_of_case()
    {
        await Memory.StoreAsync(Given.Definition("alpha one", Given.Step("t.a")) with { Tags = ["Ops", "web"] });
        await Memory.StoreAsync(Given.Definition("alpha two", Given.Step("t.a")) with { Tags = ["ops"] });

        Assert.Equal("alpha one", Assert.Single((await Memory.FindAsync("alpha", new FindOptions { Strategy = FindStrategy.KeywordOverlap, Tags = ["OPS", "Web"] })).Matches).Procedure.Name);
        Assert.Empty((await Memory.FindAsync("alpha", new FindOptions { Strategy = FindStrategy.KeywordOverlap, Tags = ["none"], MinimumScore = 1 })).NearMisses);
    }

    [Fact]
    public async Task Drafts_and_retired_procedures_are_neither_matches_nor_near_misses()
    {
        await StoreAsync("kept thing");
        await StoreAsync("alpha retired");
        await Memory.MergeAsync(["kept thing", "alpha retired"]);
        await Memory.ImportAsync("""{"format":1,"name":"alpha draft","steps":[{"action":"t.a"}]}""");

        foreach (var threshold in new[] { 0.0, 1.0 })
        {
            var result = await Memory.FindAsync("alpha retired draft", new FindOptions { Strategy = FindStrategy.KeywordOverlap, MinimumScore = threshold });
            Assert.Empty(result.Matches);
            Assert.Empty(result.NearMisses);
        }
    }

    [Theory]
    [InlineData("", 5, 0.5)]
    [InlineData("  ", 5, 0.5)]
    [InlineData("alpha", 0, 0.5)]
    [InlineData("alpha", -1, 0.5)]
    [InlineData("alpha", 5, -0.1)]
    [InlineData("alpha", 5, 1.1)]
    [InlineData("alpha", 5, double.NaN)]
    public async Task A_search_that_makes_no_sense_is_refused(string request, int top, double threshold) =>
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Memory.FindAsync(request, new FindOptions { Strategy = FindStrategy.KeywordOverlap, Top = top, MinimumScore = threshold }));

    private Task<Procedure> StoreAsync(string name, string description = "") => Memory.StoreAsync(Given.Definition(name, Given.Step("t.a")) with { Description = description });

    private async Task ReplayAsync(string name, params IReadOnlyList<bool> successes)
    {
        foreach (var success in successes)
        {
            _test.Time.Advance(TimeSpan.FromSeconds(1));
            await Memory.ReplayAsync(success ? new ScriptedExecutor() : new ScriptedExecutor().Fails("t.a"), name, Given.With());
        }
    }

    private async Task<IEnumerable<string>> NamesAsync(FindOrder order) =>
        (await Memory.FindAsync("alpha beta gamma", new FindOptions { Strategy = FindStrategy.KeywordOverlap, Order = order })).Matches.Select(m => m.Procedure.Name);
}

public class NearNamesTests
{
    private static readonly string[] Names = ["deploy_service", "deploy_site", "cancel_order", "refund_order"];

    [Theory]
    [InlineData("deploy_servcie", "deploy_service")]
    [InlineData("DeployService", "deploy_service")]
    [InlineData("cancel order", "cancel_order")]
    [InlineData("canel_order", "cancel_order")]
    public void A_misspelt_name_is_near_the_one_that_was_meant(string misspelt, string meant) => Assert.Equal(meant, NearNames.Of(misspelt, Names)[0]);

    [Theory]
    [InlineData("weather")]
    [InlineData("x")]
    [InlineData("")]
    [InlineData("!!!")]
    public void A_name_like_no_other_has_none_near(string name) => Assert.Empty(NearNames.Of(name, Names));

    [Fact]
    public void No_more_than_asked_for_are_returned() => Assert.Single(NearNames.Of("deploy_s", Names, count: 1));
}
