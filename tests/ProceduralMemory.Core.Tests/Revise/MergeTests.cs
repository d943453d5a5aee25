using System.Text.Json;
using CsCheck;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Revise;

public sealed class MergeTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData("""{"to":"$inputs.person","text":"$steps.x.outputs#/a"}""", true, "inputs and steps that are called otherwise")]
    [InlineData("""{"text":"$steps.x.outputs#/a","to":"$inputs.person"}""", true, "another order of arguments")]
    [InlineData("""{"to":"$inputs.person","text":"$steps.x.outputs#/b"}""", false, "a value from another place")]
    [InlineData("""{"to":"$inputs.person","text":"Hello"}""", false, "a constant in place of a value")]
    [InlineData("""{"to":"$inputs.person","text":"$inputs.person"}""", false, "one input for two values")]
    public async Task Procedures_are_alike_that_take_their_values_from_the_same_places(string arguments, bool alike, string what)
    {
        await Memory.StoreAsync(Given.Definition(
            "mail a person", Given.Step("t.read", """{"of":"$inputs.who"}""") with { Id = "r" }, Given.Step("t.mail", """{"to":"$inputs.who","text":"$steps.r.outputs#/a"}""")).Taking(Given.Input("who")));
        await Memory.StoreAsync(Given.Definition(
            "mail the person", Given.Step("t.read", """{"of":"$inputs.person"}""") with { Id = "x" }, Given.Step("t.mail", arguments)).Taking(Given.Input("person")));

        Assert.True((await Memory.ListSimilarAsync()).Count == (alike ? 1 : 0), what);
    }

    [Fact]
    public async Task What_was_erased_in_the_meantime_is_not_merged()
    {
        var kept = await StoreAsync("kept");

        await _test.RefusesAsync<ProcedureNotFoundException>(() => Memory.Store.MergeAsync(kept.Id, [Guid.CreateVersion7(_test.Time.GetUtcNow())], _test.Time.GetUtcNow()));
    }

    [Fact]
    public async Task Procedures_that_are_asked_for_in_the_same_words_are_alike_whatever_they_are_called()
    {
        foreach (var (name, order) in ((string, string)[])[("refund", "7"), ("give money back", "8")])
        {
            var recorder = await Memory.StartRecordingAsync(new() { Name = name, Request = $"Please refund order {order} for the customer" });
            await recorder.RecordStepAsync(new TraceStep { Action = "t.refund", Arguments = Given.Value($$"""{"order":"{{order}}"}"""), Result = Given.Value("1") });
            await recorder.FinalizeAsync();
        }

        Assert.Equal(["give money back", "refund"], Assert.Single(await Memory.ListSimilarAsync()).Select(p => p.Name).Order());
        var kept = (await Memory.MergeAsync(["refund", "give money back"])).Kept.Name;
        var merged = Assert.Single((await Memory.GetHistoryAsync(kept)).Merged);
        Assert.Equal((1, true), (merged.Statistics.Executions, merged.Name != kept));
        Assert.Contains($"merged into it: {merged.Name}, 1 of 1 executions succeeded", (await Memory.GetHistoryAsync(kept)).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_merge_of_the_one_that_is_named_is_taken_back_with_those_that_came_after_it()
    {
        foreach (var name in (string[])["kept", "b", "d"])
        {
            await Memory.StoreAsync(new() { Name = name, Steps = [Given.Step("t.a") with { Effect = StepEffect.Read }] });
        }

        await Memory.ReplayAsync(new ScriptedExecutor(), "kept");
        await Memory.MergeAsync(["kept", "b"]);
        await Memory.MergeAsync(["kept", "d"]);

        Assert.Equal(["d", "b"], await Memory.UnmergeAsync("b"));
        Assert.False((await Memory.GetAsync("b")).IsRetired);
    }

    [Fact]
    public async Task The_most_efficient_is_kept_the_others_retire_and_tags_are_united()
    {
        await StoreAsync("reliable", "a", "B");
        await StoreAsync("quick", "b", "c");
        await StoreAsync("flaky", "d");
        await ReplayAsync("reliable", 100, true, true);
        await ReplayAsync("quick", 50, true, true);
        await ReplayAsync("flaky", 1, true, false);
        var versions = JsonSerializer.Serialize(await Memory.ListVersionsAsync("flaky"));

        var result = await Memory.MergeAsync(["flaky", "RELIABLE", "quick"]);

        Assert.Equal("quick", result.Kept.Name);
        Assert.Equal(["reliable", "flaky"], result.Merged);
        Assert.Equal(["b", "c", "a", "d"], result.Kept.Tags);
        Assert.Equal(["quick"], (await Memory.ListAsync()).Select(p => p.Name));
        Assert.All((await Memory.ListAsync(includeRetired: true)).Where(p => p.Name != "quick"), p => Assert.Equal((true, result.Kept.Id), (p.IsRetired, p.MergedInto)));
        Assert.Equal(versions, JsonSerializer.Serialize(await Memory.ListVersionsAsync("flaky")));
    }

    [Fact]
    public async Task A_merge_that_is_taken_back_leaves_everything_as_it_was_but_for_what_was_written_down_of_it() =>
        await Gen.Select(Gen.Int[0, 3].Array[2, 4], Gen.Bool).SampleAsync(
            async c =>
            {
                using var test = TestMemory.OnFile();
                foreach (var (requests, n) in c.Item1.Select((r, n) => (r, n)))
                {
                    await test.Memory.StoreAsync(Given.Definition($"p{n}", Given.Step("t.a")) with { Tags = [$"tag{n}", $"tag{n + 1}"] });
                    for (var r = 0; r < requests; r++)
                    {
                        test.Time.Advance(TimeSpan.FromMinutes(1));
                        await test.Memory.ReplayAsync(new ScriptedExecutor(), $"p{n}", new() { Request = $"do the thing number {"abcd"[r]} {"abcd"[n]}" });
                    }
                }

                string[] names = [.. c.Item1.Select((_, n) => $"p{n}")];
                var before = State(test);
                test.Time.Advance(TimeSpan.FromMinutes(1));
                var merged = await test.Memory.MergeAsync(names);
                Assert.NotEqual(before, State(test));

                // By whichever name.
                var back = await test.Memory.UnmergeAsync(c.Item2 ? merged.Kept.Name : merged.Merged[0]);

                Assert.Equal(merged.Merged.Order(StringComparer.Ordinal), back.Order(StringComparer.Ordinal));
                Assert.Equal(before, State(test));
                await Assert.ThrowsAsync<ProcedureConflictException>(() => test.Memory.UnmergeAsync(merged.Kept.Name));
                Assert.Equal("ok", test.IntegrityCheck());
            },
            iter: 30,
            threads: 1);

    [Fact]
    public async Task What_came_since_a_merge_stays_when_it_is_taken_back()
    {
        await StoreAsync("kept", "a");
        await StoreAsync("other", "b");
        await ReplayAsync("kept", 1, true, true);
        await Memory.ReplayAsync(new ScriptedExecutor(), "other", new() { Request = "as the other was asked for" });
        await Memory.MergeAsync(["kept", "other"]);
        _test.Time.Advance(TimeSpan.FromDays(1));
        await Memory.StoreAsync(Given.Definition("kept", Given.Step("t.b")) with { Tags = ["since"] }, asNewVersion: true);
        await Memory.ReplayAsync(new ScriptedExecutor(), "kept", new() { Request = "as it was asked for since" });

        await Memory.UnmergeAsync("kept");

        var kept = await Memory.GetAsync("kept");
        Assert.Equal(2, kept.ActiveVersion);
        Assert.Equal(["a", "since"], kept.Tags);
        Assert.Equal(["as it was asked for since"], _test.Rows("select request from procedure_wordings w join procedures p on p.id = w.procedure_id where p.name = 'kept'"));
    }

    private static string State(TestMemory test) => string.Join('\n', new[]
    {
        "select id, name, tags, retired, merged_into, active_version from procedures",
        "select * from procedure_versions",
        "select * from procedure_wordings",
        "select * from step_statistics",
        "select procedure_id, name, tags, requests, actions from search_documents",
    }.SelectMany(q => test.Rows(q).Order(StringComparer.Ordinal)));

    [Fact]
    public async Task A_better_rate_beats_a_shorter_time_and_what_ran_beats_what_never_did()
    {
        await StoreAsync("fast_but_flaky");
        await StoreAsync("slow_but_sure");
        await StoreAsync("never_ran");
        await ReplayAsync("fast_but_flaky", 1, true, false);
        await ReplayAsync("slow_but_sure", 9000, true);

        Assert.Equal("slow_but_sure", (await Memory.MergeAsync(["never_ran", "fast_but_flaky", "slow_but_sure"])).Kept.Name);
    }

    [Fact]
    public async Task A_merged_procedure_comes_back_when_a_version_of_it_is_activated()
    {
        await StoreAsync("one");
        await StoreAsync("two");
        var merged = (await Memory.MergeAsync(["one", "two"])).Merged.Single();

        var back = await Memory.ActivateVersionAsync(merged, 1);

        Assert.Equal((false, (Guid?)null), (back.IsRetired, back.MergedInto));
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(new ScriptedExecutor(), merged, Given.With())).Outcome);
        Assert.Equal(2, (await Memory.ListAsync()).Count);
    }

    [Theory]
    [InlineData("one")]
    [InlineData("one", "ONE")]
    [InlineData]
    public async Task A_merge_of_fewer_than_two_is_refused(params string[] names)
    {
        await StoreAsync("one");

        Assert.Contains("at least two", (await _test.RefusesAsync<ArgumentException>(() => Memory.MergeAsync(names))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_unknown_retired_or_a_draft_is_not_merged_and_nothing_else_is_either()
    {
        foreach (var name in new[] { "one", "two", "kept", "retired" })
        {
            await StoreAsync(name);
        }

        await ReplayAsync("kept", 1, true);
        await Memory.MergeAsync(["kept", "retired"]);
        await Memory.ImportAsync("""{"format":1,"name":"draft","steps":[{"action":"t.a"}]}""");

        await _test.RefusesAsync<ProcedureNotFoundException>(() => Memory.MergeAsync(["one", "two", "unknown"]));
        Assert.Contains("retired", (await _test.RefusesAsync<ProcedureConflictException>(() => Memory.MergeAsync(["one", "two", "retired"]))).Message, StringComparison.Ordinal);
        Assert.Contains("draft", (await _test.RefusesAsync<ProcedureConflictException>(() => Memory.MergeAsync(["one", "two", "draft"]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_merges_the_other_way_round_the_second_is_refused_and_not_both_retire()
    {
        // What a process does that decided before the other had merged.
        var one = await StoreAsync("one");
        var two = await StoreAsync("two");
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath });
        await store.MergeAsync(one.Id, [two.Id], _test.Time.GetUtcNow());

        Assert.Contains("'two' is retired", (await _test.RefusesAsync<ProcedureConflictException>(() => store.MergeAsync(two.Id, [one.Id], _test.Time.GetUtcNow()))).Message, StringComparison.Ordinal);
        Assert.False((await Memory.GetAsync("one")).IsRetired);
    }

    [Fact]
    public async Task A_merge_takes_the_tags_that_the_procedures_have_when_it_is_written()
    {
        var one = await StoreAsync("one", "a");
        var two = await StoreAsync("two", "b");
        await Memory.StoreAsync(Given.Definition("two", Given.Step("t.b")) with { Tags = ["meanwhile"] }, asNewVersion: true);
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath });

        await store.MergeAsync(one.Id, [two.Id], _test.Time.GetUtcNow());

        Assert.Equal(["a", "b", "meanwhile"], (await Memory.GetAsync("one")).Tags);
    }

    [Fact]
    public async Task Procedures_with_too_many_tags_together_are_not_merged()
    {
        await StoreAsync("one", [.. Enumerable.Range(0, 30).Select(i => $"tag{i}")]);
        await StoreAsync("two", [.. Enumerable.Range(30, 30).Select(i => $"tag{i}")]);

        Assert.Contains("60 tags; 50 are the most", (await _test.RefusesAsync<ProcedureConflictException>(() => Memory.MergeAsync(["one", "two"]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_made_from_a_version_does_not_bring_back_a_procedure_that_was_merged_in_the_meantime()
    {
        var one = await StoreAsync("one");
        var two = await StoreAsync("two");
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath });
        await store.MergeAsync(one.Id, [two.Id], _test.Time.GetUtcNow());
        var change = new NewVersion
        {
            Scope = two.Scope,
            Definition = Given.Definition("two", Given.Step("t.better", id: "better")),
            Reason = VersionReason.Optimized,
            Origin = ProcedureOrigin.Agent,
            State = VersionState.Active,
            ExpectedActive = 1,
            At = _test.Time.GetUtcNow(),
        };

        var refusal = await _test.RefusesAsync<ProcedureConflictException>(() => store.SaveVersionAsync(change));

        Assert.Contains("'two' was retired in the meantime", refusal.Message, StringComparison.Ordinal);
        Assert.False((await store.SaveVersionAsync(change with { ExpectedActive = null })).IsRetired);
    }

    [Fact]
    public async Task Similar_procedures_have_the_same_actions_in_order_and_mostly_the_same_words()
    {
        await DescribeAsync("deploy_web", "Deploys the web service", "t.build", "t.push");
        await DescribeAsync("web_deploy", "Deploys a web service", "t.build", "t.push");
        await DescribeAsync("deploy_web_reversed", "Deploys the web service", "t.push", "t.build");
        await DescribeAsync("refund", "Pays money back", "t.build", "t.push");
        await DescribeAsync("deploy_web_more", "Deploys the web service", "t.build", "t.push", "t.check");
        await ReplayAsync("web_deploy", 1, true);

        Assert.Equal([["web_deploy", "deploy_web"]], (await Memory.ListSimilarAsync()).Select(g => g.Select(p => p.Name)));
        Assert.Equal([["web_deploy", "deploy_web", "refund"]], (await Memory.ListSimilarAsync(0)).Select(g => g.Select(p => p.Name)));
    }

    [Fact]
    public async Task Drafts_and_retired_procedures_are_similar_to_nothing()
    {
        await StoreAsync("deploy web one");
        await StoreAsync("deploy web two");
        await Memory.MergeAsync(["deploy web one", "deploy web two"]);
        await Memory.ImportAsync("""{"format":1,"name":"deploy web three","steps":[{"action":"t.a"}]}""");

        Assert.Empty(await Memory.ListSimilarAsync(0));
    }

    [Theory]
    [InlineData(-0.01)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public async Task A_similarity_that_is_no_share_is_refused(double similarity) => await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Memory.ListSimilarAsync(similarity));

    private Task<Procedure> StoreAsync(string name, params IReadOnlyList<string> tags) => Memory.StoreAsync(Given.Definition(name, Given.Step("t.a")) with { Tags = tags });

    private Task<Procedure> DescribeAsync(string name, string description, params IReadOnlyList<string> actions) => Memory.StoreAsync(Given.Definition(name, [.. actions.Select(a => Given.Step(a))]) with { Description = description });

    private async Task ReplayAsync(string name, int ms, params IReadOnlyList<bool> successes)
    {
        foreach (var success in successes)
        {
            await Memory.ReplayAsync(new ScriptedExecutor().On("t.a", (_, _) =>
            {
                _test.Time.Advance(TimeSpan.FromMilliseconds(ms));
                return new StepCallResult { Failure = success ? null : new StepFailure("E", "m") };
            }), name, Given.With());
        }
    }
}
