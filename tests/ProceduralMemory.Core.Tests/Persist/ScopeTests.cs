using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Persist;

public sealed class ScopeTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    public void Dispose() => _test.Dispose();

    public static TheoryData<string> ReadOperations => new(Operations.Keys);

    private static Dictionary<string, Func<ProcedureMemory, Seen, Task<bool>>> Operations { get; } = new()
    {
        ["Get"] = (m, _) => FoundAsync(() => m.GetAsync("secret_plan")),
        ["GetVersion"] = (m, _) => FoundAsync(() => m.GetAsync("secret_plan", 1)),
        ["List"] = async (m, _) => (await m.ListAsync(includeRetired: true)).Count > 0,
        ["ListVersions"] = (m, _) => FoundAsync(() => m.ListVersionsAsync("secret_plan")),
        ["Export"] = (m, _) => FoundAsync(() => m.ExportAsync("secret_plan")),
        ["Find"] = async (m, _) => await m.FindAsync("secret plan", new() { MinimumScore = 0.5 }) is var r && r.Matches.Count + r.NearMisses.Count > 0,
        ["FindNearMiss"] = async (m, _) => await m.FindAsync("secret other words", new() { MinimumScore = 1 }) is var r && r.Matches.Count + r.NearMisses.Count > 0,
        ["Replay"] = (m, _) => FoundAsync(() => m.ReplayAsync(new ScriptedExecutor(), "secret_plan", Given.With())),
        ["NestedReplay"] = async (m, _) =>
        {
            await m.StoreAsync(Given.Definition("outer", Given.Nested("secret_plan")));
            return (await m.ReplayAsync(new ScriptedExecutor(), "outer", Given.With())).Outcome is ReplayOutcome.Completed;
        },
        ["GetTrace"] = async (m, seen) => await m.GetTraceAsync(seen.Trace) is not null,
        ["ListTraces"] = async (m, _) => (await m.ListTracesAsync()).Count > 0,
        ["GetExecution"] = async (m, seen) => await m.GetExecutionAsync(seen.Execution) is not null,
        ["ListExecutions"] = async (m, _) => (await m.ListExecutionsAsync()).Count > 0,
        ["ListExecutionsOfOne"] = (m, _) => FoundAsync(() => m.ListExecutionsAsync("secret_plan")),
    };

    [Theory]
    [MemberData(nameof(ReadOperations))]
    public async Task Nothing_is_visible_across_scopes(string operation)
    {
        var seen = await SeedAsync();

        Assert.True(await Operations[operation](In("alpha"), seen), "The operation sees nothing in its own scope: it proves nothing.");
        Assert.True(await Operations[operation](In("gamma", "alpha"), seen), "The operation sees nothing in a scope that is read.");
        Assert.False(await Operations[operation](In("beta"), seen));
        Assert.False(await Operations[operation](In("ALPHA"), seen), "Scopes differ by case.");
        Assert.False(await Operations[operation](In("alph_", "%", "alpha "), seen), "A scope is no pattern.");
    }

    [Fact]
    public async Task Similar_procedures_are_sought_in_the_written_scope_alone()
    {
        foreach (var name in new[] { "deploy web service", "deploy the web service" })
        {
            await In("alpha").StoreAsync(Given.Definition(name, Given.Step("t.a")));
        }

        Assert.Single(await In("alpha").ListSimilarAsync());
        Assert.Empty(await In("beta", "alpha").ListSimilarAsync());
    }

    [Fact]
    public async Task Names_of_another_scope_are_not_given_away_as_near_ones()
    {
        await SeedAsync();

        var error = await Assert.ThrowsAsync<ProcedureNotFoundException>(() => In("beta").GetAsync("secret_plann"));

        Assert.Empty(error.NearNames);
        Assert.DoesNotContain("'secret_plan'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_name_that_several_scopes_have_the_nearest_wins()
    {
        await In("global").StoreAsync(Given.Definition("deploy", Given.Step("t.global")));
        await In("team").StoreAsync(Given.Definition("DEPLOY", Given.Step("t.team")));
        var executor = new ScriptedExecutor();

        var ann = In("ann", "team", "global");
        var bob = In("bob", "global", "team");
        await ann.ReplayAsync(executor, "deploy", Given.With());
        await bob.ReplayAsync(executor, "deploy", Given.With());

        Assert.Equal(["t.team", "t.global"], executor.Calls.Select(c => c.Action));
        Assert.Equal("team", Assert.Single(await ann.ListAsync()).Scope);
        Assert.Equal("global", Assert.Single((await bob.FindAsync("deploy")).Matches).Procedure.Scope);

        await ann.StoreAsync(Given.Definition("deploy", Given.Step("t.ann")));
        Assert.Equal("ann", (await ann.GetAsync("deploy")).Scope);
        Assert.Equal("global", (await bob.GetAsync("deploy")).Scope);
    }

    [Theory]
    [InlineData("draft")]
    [InlineData("retired")]
    public async Task What_cannot_be_replayed_hides_nothing_further_away_that_can(string nearest)
    {
        var ann = In("ann", "team", "global");
        await PutOutOfUseAsync(ann, nearest);
        await In("team").StoreAsync(Given.Definition("deploy", Given.Step("t.team")));
        await In("global").StoreAsync(Given.Definition("deploy", Given.Step("t.global")));
        await ann.StoreAsync(Given.Definition("outer", Given.Nested("deploy")));
        var executor = new ScriptedExecutor();

        var found = (await ann.FindAsync("deploy")).Matches.Single(m => m.Procedure.Name == "deploy").Procedure;
        var replayed = await ann.ReplayAsync(executor, found.Name, Given.With());
        var inside = await ann.ReplayAsync(executor, "outer", Given.With());

        Assert.Equal("team", found.Scope);
        Assert.Equal((ReplayOutcome.Completed, ReplayOutcome.Completed), (replayed.Outcome, inside.Outcome));
        Assert.Equal(["t.team", "t.team"], executor.Calls.Select(c => c.Action));
        Assert.Equal("team", (await ann.GetAsync("deploy")).Scope);
        Assert.DoesNotContain(await ann.ListAsync(), p => p.Name == "deploy" && p.Scope != "team");
    }

    [Theory]
    [InlineData("draft", "is a draft")]
    [InlineData("retired", "is retired")]
    public async Task Where_nothing_of_a_name_can_be_replayed_it_is_the_nearest_whose_state_is_told(string nearest, string says)
    {
        var ann = In("ann", "team");
        await PutOutOfUseAsync(ann, nearest);
        await PutOutOfUseAsync(In("team"), nearest == "draft" ? "retired" : "draft");

        var result = await ann.ReplayAsync(new ScriptedExecutor(), "deploy", Given.With());

        Assert.Contains(says, Assert.Single(result.Problems).Message, StringComparison.Ordinal);
        Assert.Equal("ann", (await ann.GetAsync("deploy")).Scope);
        Assert.Equal(nearest == "draft", (await ann.ListAsync()).Any(p => p.Name == "deploy"));
    }

    [Fact]
    public async Task A_version_asked_for_by_number_is_that_of_the_nearest_procedure_that_has_it()
    {
        var ann = In("ann", "team");
        await In("team").StoreAsync(Given.Definition("deploy", Given.Step("t.team1")));
        await In("team").StoreAsync(Given.Definition("deploy", Given.Step("t.team2")), asNewVersion: true);
        await PutOutOfUseAsync(ann, "draft");
        var executor = new ScriptedExecutor();

        await ann.ReplayAsync(executor, "deploy", Given.With() with { Version = 1 });
        await ann.ReplayAsync(executor, "deploy", Given.With() with { Version = 2 });

        Assert.Equal(["t.ann", "t.team2"], executor.Calls.Select(c => c.Action));
        Assert.Equal("ann", (await ann.GetAsync("deploy", 1)).Scope);
        Assert.Equal(3, (await Assert.ThrowsAsync<ProcedureNotFoundException>(() => ann.GetAsync("deploy", 3))).Version);
    }

    [Fact]
    public async Task A_draft_that_a_shared_procedure_stands_before_can_be_found_reviewed_and_activated()
    {
        var ann = In("ann", "team", "global");
        await In("team").StoreAsync(Given.Definition("deploy", Given.Step("t.team1")));
        await In("team").StoreAsync(Given.Definition("deploy", Given.Step("t.team2")), asNewVersion: true);
        await In("global").ImportAsync("""{"format":1,"name":"deploy","steps":[{"action":"t.global"}]}""");
        var draft = await ann.ImportAsync("""{"format":1,"name":"deploy","steps":[{"action":"t.ann"}]}""");

        Assert.Equal(["team"], (await ann.ListAsync()).Select(p => p.Scope));
        Assert.Equal(["team", "ann"], (await ann.ListAsync(includeRetired: true)).Select(p => p.Scope));
        Assert.Equal(
            [("team", 1, VersionState.Retired), ("team", 2, VersionState.Active), ("ann", 1, VersionState.Draft)],
            (await ann.ListVersionsAsync("deploy")).Select(v => (v.Scope, v.Number, v.State)));
        Assert.Equal("t.ann", (await ann.GetAsync("deploy", draft.Version.Number)).Version.Steps[0].Action);

        await ann.ActivateVersionAsync("deploy", draft.Version.Number);

        Assert.Equal("t.ann", (await ann.GetAsync("deploy")).Version.Steps[0].Action);
        Assert.Equal([("ann", 1)], (await ann.ListVersionsAsync("deploy")).Select(v => (v.Scope, v.Number)));
    }

    [Fact]
    public async Task Names_that_differ_beyond_ascii_case_are_two_procedures_in_every_view()
    {
        await In("global").StoreAsync(Given.Definition("ÉTAT", Given.Step("t.a")));
        await In("ann").StoreAsync(Given.Definition("état", Given.Step("t.a")));
        var ann = In("ann", "global");

        Assert.Equal("ÉTAT", (await ann.GetAsync("ÉTAT")).Name);
        Assert.Equal("état", (await ann.GetAsync("état")).Name);
        Assert.Equal(2, (await ann.ListAsync()).Count);
    }

    [Fact]
    public async Task A_write_goes_to_one_scope_and_changes_nothing_in_the_scopes_that_are_read()
    {
        await In("global").StoreAsync(Given.Definition("deploy", Given.Step("t.a")));
        await In("global").StoreAsync(Given.Definition("other", Given.Step("t.a")));
        var ann = In("ann", "global");

        await _test.RefusesAsync<ProcedureNotFoundException>(() => ann.ActivateVersionAsync("deploy", 1));
        await _test.RefusesAsync<ProcedureNotFoundException>(() => ann.OptimizeAsync("deploy"));
        await _test.RefusesAsync<ProcedureNotFoundException>(() => ann.MergeAsync(["deploy", "other"]));
        var stored = await ann.StoreAsync(Given.Definition("deploy", Given.Step("t.b")));
        var recorded = await ann.RecordedAsync(new RecordingDetails { Name = "other" }, ("t.c", "{}", "1"));
        var imported = await ann.ImportAsync("""{"format":1,"name":"deploy","steps":[{"action":"t.d"}]}""");

        Assert.All([stored, recorded, imported], p => Assert.Equal("ann", p.Scope));
        Assert.All(await In("global").ListAsync(), p => Assert.Equal((1, "t.a"), (p.ActiveVersion, p.Version.Steps[0].Action)));
        Assert.Single(await In("global").ListVersionsAsync("deploy"));
    }

    [Fact]
    public async Task A_replay_of_a_shared_procedure_is_logged_where_it_was_asked_for_and_counted_where_the_procedure_is()
    {
        await In("global").StoreAsync(Given.Definition("inner", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));
        await In("global").StoreAsync(Given.Definition("outer", Given.Nested("inner", """{"x":"$inputs.x"}""")).Taking(Given.Input("x")));

        await In("ann", "global").ReplayAsync(new ScriptedExecutor(), "outer", Given.With(("x", "\"private to ann\"")));

        Assert.Empty(await In("global").ListExecutionsAsync());
        Assert.Empty(await In("bob", "global").ListExecutionsAsync());
        Assert.Equal(["ann", "ann"], (await In("ann").ListExecutionsAsync()).Select(e => e.Scope));
        Assert.Equal(1, (await In("global").GetAsync("outer")).Statistics.Executions);
    }

    [Fact]
    public async Task The_scopes_that_hold_anything_are_known_to_the_host()
    {
        await In("alpha").StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await In("beta", "alpha").StartRecordingAsync(new RecordingDetails { Name = "n" });

        await In("delta", "alpha").ReplayAsync(new ScriptedExecutor(), "p", Given.With());

        Assert.Equal(["alpha", "beta", "delta"], await In("gamma").ListScopesAsync());
    }

    [Fact]
    public async Task A_session_has_a_scope_of_its_own()
    {
        using (_test.Memory.BeginSession(new MemoryScope("ann")))
        {
            await _test.Memory.StoreAsync(Given.Definition("deploy", Given.Step("t.a")));
            Assert.Single(await _test.Memory.ListAsync());
        }

        Assert.Empty(await _test.Memory.ListAsync());
        Assert.Single(await In("ann").ListAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(null)]
    public void A_scope_without_a_name_is_refused(string? scope)
    {
        Assert.ThrowsAny<ArgumentException>(() => new MemoryScope(scope!));
        Assert.ThrowsAny<ArgumentException>(() => new MemoryScope("fine", scope!));
    }

    [Fact]
    public void A_scope_reads_what_it_writes_first_and_nothing_twice()
    {
        Assert.Equal(["a", "b", "c"], new MemoryScope("a", "b", "a", "c", "b").Read);
        Assert.Equal(256, new MemoryScope(new string('x', 256)).Write.Length);
        Assert.Throws<ArgumentException>(() => new MemoryScope("\ud800"));
        Assert.Contains("256", Assert.Throws<ArgumentException>(() => new MemoryScope(new string('x', 257))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_names_no_scope_is_told_so()
    {
        var memory = _test.Open(o => o.Scope = () => null!);

        Assert.Contains("MemoryScope.Default", (await Assert.ThrowsAsync<InvalidOperationException>(() => memory.ListAsync())).Message, StringComparison.Ordinal);
    }

    private ProcedureMemory In(string write, params string[] read) => _test.Open(o => o.Scope = () => new MemoryScope(write, read));

    /// <summary>A procedure "deploy" that cannot be replayed.</summary>
    private static async Task PutOutOfUseAsync(ProcedureMemory memory, string state)
    {
        if (state == "draft")
        {
            await memory.ImportAsync("""{"format":1,"name":"deploy","steps":[{"action":"t.ann"}]}""");
            return;
        }

        await memory.StoreAsync(Given.Definition("kept", Given.Step("t.kept")));
        await memory.StoreAsync(Given.Definition("deploy", Given.Step("t.ann")));
        await memory.MergeAsync(["kept", "deploy"]);
    }

    private async Task<Seen> SeedAsync()
    {
        var alpha = In("alpha");
        var procedure = await alpha.RecordedAsync(new RecordingDetails { Name = "secret_plan" }, ("t.a", "{}", "1"));
        var execution = await alpha.ReplayAsync(new ScriptedExecutor(), "secret_plan", Given.With());
        return new Seen(procedure.Version.TraceId!.Value, execution.ExecutionId!.Value);
    }

    private static async Task<bool> FoundAsync(Func<Task> act)
    {
        try
        {
            await act();
            return true;
        }
        catch (ProcedureNotFoundException)
        {
            return false;
        }
    }

    internal sealed record Seen(Guid Trace, Guid Execution);
}
