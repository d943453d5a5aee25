using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Persist;

public sealed class ProcedureStoreTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task What_is_stored_is_read_back_by_another_memory_on_the_file()
    {
        var definition = Given.Definition(
            "refund",
            Given.Step("orders.get", """{"id":"$inputs.id"}""", "get") with { Effect = StepEffect.Read, Notes = "first" },
            Given.Nested("notify", """{"text":"Refund of {$steps.get.outputs#/total}"}"""),
            Given.Step("Call the customer") with { Kind = StepKind.Manual, OnFailure = FailurePolicy.Continue, Flags = ["slow"], Expectation = new Expectation { Kind = ExpectationKind.Contains, Value = Given.Text("ok"), Strength = ExpectationStrength.Observed, Description = "fine" } })
            .Taking(new ProcedureInput { Name = "id", Type = JsonType.String, Description = "The order.", Examples = [Given.Text("W1")] }, new ProcedureInput { Name = "limit", Type = JsonType.Number, Required = false, Default = Given.Value("10.5") })
            with
        { Description = "Refunds.", Tags = ["orders", "Money"], Notes = "careful" };

        var stored = await Memory.StoreAsync(definition);
        var read = await _test.Open().GetAsync("refund");

        Assert.Equal(JsonSerializer.Serialize(stored), JsonSerializer.Serialize(read));
        Assert.Equal(("refund", "Refunds.", "careful", ProcedureOrigin.User, 1), (read.Name, read.Description, read.Notes, read.Origin, read.ActiveVersion));
        Assert.Equal(["orders", "Money"], read.Tags);
        Assert.Equal((VersionReason.Stored, VersionState.Active, (int?)null), (read.Version.Reason, read.Version.State, read.Version.Parent));
        Assert.Equal(_test.Time.GetUtcNow(), read.CreatedAt);
        Assert.Equal(["get", "notify", "Call_the_customer"], read.Version.Steps.Select(s => s.Id));
        Assert.Equal([StepKind.Function, StepKind.Procedure, StepKind.Manual], read.Version.Steps.Select(s => s.Kind));
        Assert.Equal((StepEffect.Read, "first"), (read.Version.Steps[0].Effect, read.Version.Steps[0].Notes));
        Given.JsonEqual("""{"text":"Refund of {$steps.get.outputs#/total}"}""", read.Version.Steps[1].Arguments);
        Assert.Equal(FailurePolicy.Continue, read.Version.Steps[2].OnFailure);
        Assert.Equal(["slow"], read.Version.Steps[2].Flags);
        Assert.Equal((ExpectationKind.Contains, ExpectationStrength.Observed, "fine"), (read.Version.Steps[2].Expectation!.Kind, read.Version.Steps[2].Expectation!.Strength, read.Version.Steps[2].Expectation!.Description));
        Assert.Equal([("id", JsonType.String, true), ("limit", JsonType.Number, false)], read.Version.Inputs.Select(i => (i.Name, i.Type, i.Required)));
        Given.JsonEqual("10.5", read.Version.Inputs[1].Default);
        Given.JsonEqual("\"W1\"", read.Version.Inputs[0].Examples[0]);
    }

    [Theory]
    [InlineData("deploy", "DEPLOY")]
    [InlineData("Deploy Service", "deploy service")]
    [InlineData("deploy", "  deploy ")]
    [InlineData("größe", "GRößE")]
    public async Task A_name_is_found_regardless_of_ascii_case_and_of_blanks_around_it(string stored, string asked)
    {
        await Memory.StoreAsync(Given.Definition(stored, Given.Step("t.a")));

        Assert.Equal(stored, (await Memory.GetAsync(asked)).Name);
        await Assert.ThrowsAsync<ProcedureConflictException>(() => Memory.StoreAsync(Given.Definition(asked, Given.Step("t.b"))));
    }

    [Theory]
    [InlineData("'; drop table procedures; --")]
    [InlineData("a' or '1'='1")]
    [InlineData("%")]
    [InlineData("_")]
    [InlineData("100% \"quoted\" \\ [x] {y}")]
    [InlineData("@Name :name $name ?1")]
    [InlineData("${scope} {0} $(env)")]
    [InlineData("null")]
    [InlineData("削除 😀 é")]
    public async Task Names_and_descriptions_made_of_anything_are_data(string text)
    {
        await Memory.StoreAsync(Given.Definition("innocent", Given.Step("t.a")) with { Description = "stays" });
        await Memory.StoreAsync(Given.Definition(text, Given.Step(text)) with { Description = text, Tags = [text], Notes = text });
        await Memory.RecordedAsync(new RecordingDetails { Name = text, Request = text }, (text, $$"""{{{JsonSerializer.Serialize(text)}}:1}""", JsonSerializer.Serialize(text)));

        var read = await Memory.GetAsync(text);

        Assert.Equal((text, text, text, 2), (read.Name, read.Description, read.Notes, read.ActiveVersion));
        Assert.Equal(text, (await Memory.GetTraceAsync(read.Version.TraceId!.Value))!.Request);
        Assert.Equal(text, Assert.Single(await Memory.ListAsync([text])).Name);
        Assert.Equal(2, (await Memory.ListAsync()).Count);
        Assert.Equal("stays", (await Memory.GetAsync("innocent")).Description);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Theory]
    [InlineData("%")]
    [InlineData("deplo_")]
    [InlineData("deploy%")]
    [InlineData("*")]
    public async Task A_name_is_no_pattern(string pattern)
    {
        await Memory.StoreAsync(Given.Definition("deploy", Given.Step("t.a")));

        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.GetAsync(pattern));
        Assert.Empty(await Memory.ListAsync([pattern]));
    }

    [Fact]
    public async Task A_list_goes_by_name_and_by_all_tags_regardless_of_case()
    {
        await Memory.StoreAsync(Given.Definition("b", Given.Step("t.a")) with { Tags = ["Ops", "web"] });
        await Memory.StoreAsync(Given.Definition("C", Given.Step("t.a")) with { Tags = ["ops"] });
        await Memory.StoreAsync(Given.Definition("a", Given.Step("t.a")));

        Assert.Equal(["a", "b", "C"], (await Memory.ListAsync()).Select(p => p.Name));
        Assert.Equal(["b", "C"], (await Memory.ListAsync(["OPS"])).Select(p => p.Name));
        Assert.Equal(["b"], (await Memory.ListAsync(["ops", "WEB"])).Select(p => p.Name));
        Assert.Empty(await Memory.ListAsync(["ops", "nothing"]));
    }

    [Fact]
    public async Task A_version_once_made_never_changes_and_any_can_be_gone_back_to()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")) with { Description = "one" });
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.b")) with { Description = "two" }, asNewVersion: true);
        var before = await Memory.ListVersionsAsync("p");

        var back = await Memory.ActivateVersionAsync("P", 1);
        var third = await Memory.StoreAsync(Given.Definition("p", Given.Step("t.c")), asNewVersion: true);
        var after = await Memory.ListVersionsAsync("p");

        Assert.Equal((1, "t.a"), (back.ActiveVersion, back.Version.Steps[0].Action));
        Assert.Equal((3, 1), (third.Version.Number, third.Version.Parent));
        Assert.Equal([VersionState.Retired, VersionState.Retired, VersionState.Active], after.Select(v => v.State));
        Assert.Equal(
            before.Select(v => JsonSerializer.Serialize(v with { State = VersionState.Retired })),
            after.Take(2).Select(v => JsonSerializer.Serialize(v with { State = VersionState.Retired })));
        Assert.Equal("t.b", (await Memory.GetAsync("p", version: 2)).Version.Steps[0].Action);
        Assert.Equal("two", (await Memory.GetAsync("p")).Description);
    }

    [Theory]
    [InlineData(ProcedureOrigin.User)]
    [InlineData(ProcedureOrigin.Agent)]
    public async Task It_is_kept_who_wrote_a_procedure(ProcedureOrigin origin)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")), origin: origin);

        Assert.Equal((origin, origin), ((await Memory.GetAsync("p")).Origin, (await Memory.GetAsync("p")).Version.Origin));
    }

    [Fact]
    public async Task Activating_the_active_version_changes_nothing_but_the_time()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        var same = await Memory.ActivateVersionAsync("p", 1);

        Assert.Equal((1, VersionState.Active), (same.ActiveVersion, same.Version.State));
        Assert.Single(await Memory.ListVersionsAsync("p"));
    }

    [Fact]
    public async Task A_version_that_is_not_there_is_named()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        foreach (var act in new Func<Task>[] { () => Memory.GetAsync("p", 7), () => Memory.ActivateVersionAsync("p", 7), () => Memory.ExportAsync("p", 7), () => Memory.ReplayAsync(new ScriptedExecutor(), "p", Given.With() with { Version = 7 }) })
        {
            var error = await _test.RefusesAsync<ProcedureNotFoundException>(act);
            Assert.Equal(("p", 7), (error.Name, error.Version));
            Assert.Equal("Procedure 'p' has no version 7. It has version 1 only. ListVersionsAsync tells about them.", error.Message);
        }
    }

    [Fact]
    public async Task A_version_that_is_not_there_is_answered_with_those_that_are()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.b")), asNewVersion: true);

        var error = await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.GetAsync("p", 7));

        Assert.Contains("It has the versions 1 to 2. ListVersionsAsync", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_version_that_a_retired_procedure_has_not_is_named_as_such()
    {
        await Memory.StoreAsync(Given.Definition("kept", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("retired", Given.Step("t.a")));
        await Memory.MergeAsync(["kept", "retired"]);

        var error = await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.GetAsync("retired", 7));

        Assert.Contains("'retired' has no version 7", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tags_of_versions_are_one_set_regardless_of_case_and_stay_within_the_limit()
    {
        string[] Many(string prefix) => [.. Enumerable.Range(0, 40).Select(i => FormattableString.Invariant($"{prefix}{i}"))];
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")) with { Tags = Many("a") });

        var second = await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")) with { Tags = Many("A") }, asNewVersion: true);
        var error = await Assert.ThrowsAsync<ProcedureFormatException>(() => Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")) with { Tags = Many("b") }, asNewVersion: true));

        Assert.Contains("80 tags", error.Message, StringComparison.Ordinal);
        Assert.Equal(40, second.Tags.Count);
        Assert.Equal("p", (await Memory.ImportAsync(await Memory.ExportAsync("p"))).Name);
    }

    [Fact]
    public async Task A_default_of_null_is_a_default()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(new ProcedureInput { Name = "x", Default = Given.Value("null") }));
        var executor = new ScriptedExecutor();

        var result = await Memory.ReplayAsync(executor, "p", Given.With());

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Given.JsonEqual("""{"x":null}""", executor.Calls[0].Arguments);
    }

    public static TheoryData<string> TemplatesWithSecrets => new(
        """{"password":"sup3rs3cret"}""",
        """{"pin":73571357}""",
        """{"body":{"auth":{"api_key":"sup3rs3cret"}}}""",
        """{"list":[{"token":"sup3rs3cret"}]}""",
        """{"passwords":["sup3rs3cret"]}""",
        """{"credentials":{"user":"ann","word":"sup3rs3cret"}}""",
        """{"token":"$$sup3rs3cret"}""",
        """{"note":"use sup3rs3cret","password":"sup3rs3cret","later":["sup3rs3cret"]}""",
        """{"header":"Authorization: Bearer sup3rs3cret"}""");

    [Theory]
    [MemberData(nameof(TemplatesWithSecrets))]
    public async Task A_secret_in_a_written_procedure_is_not_stored(string arguments)
    {
        var definition = Given.Definition("p", Given.Step("t.a", arguments)).Taking(Given.Input("known"));

        await Memory.StoreAsync(definition);
        await Memory.ImportAsync($$"""{"format":1,"name":"q","inputs":[{"name":"known"}],"steps":[{"action":"t.a","arguments":{{arguments}}}]}""");

        Assert.DoesNotContain("sup3rs3cret", _test.Dump(), StringComparison.Ordinal);
        Assert.DoesNotContain("73571357", _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_outside_of_the_arguments_of_a_written_procedure_is_not_stored_either()
    {
        await Memory.StoreAsync(
            Given.Definition("p", Given.Step("t.a", """{"c":"$inputs.config"}""") with
            {
                Notes = "password: sup3rs3cret",
                Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("""{"token":"sup3rs3cret"}"""), Description = "secret=sup3rs3cret" },
            })
            .Taking(new ProcedureInput { Name = "config", Description = "such as password=sup3rs3cret", Default = Given.Value("""{"password":"sup3rs3cret"}"""), Examples = [Given.Value("""{"password":"sup3rs3cret"}""")] })
            with
            { Description = "api_key=sup3rs3cret", Notes = "token: sup3rs3cret" });

        Assert.DoesNotContain("sup3rs3cret", _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_that_a_name_gives_away_is_taken_out_of_every_text_of_a_written_procedure()
    {
        var procedure = await Memory.StoreAsync(
            Given.Definition("p", Given.Step("t.a") with { Notes = "sup3rs3cret" }, Given.Step("t.b", """{"password":"sup3rs3cret"}"""), Given.Step("t.c", """{"same":"sup3rs3cret"}""")) with { Description = "Logs in with sup3rs3cret." });

        Assert.DoesNotContain("sup3rs3cret", _test.Dump(), StringComparison.Ordinal);
        Assert.Equal("Logs in with [redacted].", procedure.Description);
        Assert.Equal("password", Assert.Single(procedure.Version.Inputs).Name);
        Given.JsonEqual("""{"same":"$inputs.password"}""", procedure.Version.Steps[2].Arguments);
    }

    public static TheoryData<string, string> WhatGivesASecretAway => new()
    {
        { "the expectation", """{"expectation":{"kind":"exact","value":{"password":"hunter2hunter2"},"strength":"observed"}}""" },
        { "the default of an input of a secret name", """{"inputs":[{"name":"password","default":"hunter2hunter2"}]}""" },
        { "an example of a secret input", """{"inputs":[{"name":"password","examples":["hunter2hunter2"]}]}""" },
        { "a member of the default of an innocent input", """{"inputs":[{"name":"login","default":{"password":"hunter2hunter2"}}]}""" },
        { "a member of an example of an innocent input", """{"inputs":[{"name":"login","examples":[{"password":"hunter2hunter2"}]}]}""" },
    };

    [Theory]
    [MemberData(nameof(WhatGivesASecretAway))]
    public async Task A_secret_that_only_one_place_gives_away_is_taken_out_of_the_whole_written_procedure(string place, string written)
    {
        var template = Given.Value(written);
        var inputs = template.TryGetProperty("inputs", out var list) ? list.Deserialize<List<ProcedureInput>>(Json.Exchanged)! : [];
        var expectation = template.TryGetProperty("expectation", out var expected) ? expected.Deserialize<Expectation>(Json.Exchanged) : null;

        await Memory.StoreAsync(Given.Definition(
            "p",
            Given.Step("t.first", """{"line":"login -p hunter2hunter2"}"""),
            Given.Step("t.second") with { Expectation = expectation, Notes = "then hunter2hunter2" }).Taking([.. inputs, Given.Input("other") with { Description = "not hunter2hunter2" }]));

        Assert.False(_test.Dump().Contains("hunter2", StringComparison.Ordinal), $"The secret that {place} gives away is stored.");
        var procedure = await Memory.GetAsync("p");
        Assert.Equal("\"$inputs.line\"", procedure.Version.Steps[0].Arguments.GetProperty("line").GetRawText());
        Assert.True(procedure.Version.Inputs.Single(i => i.Name == "line").Secret);
    }

    [Fact]
    public async Task A_secret_constant_becomes_a_secret_input_that_a_replay_must_give()
    {
        var procedure = await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"db-password":"hunter2","user":"ann"}""")));
        var executor = new ScriptedExecutor();

        var without = await Memory.ReplayAsync(executor, "p", Given.With());
        var with = await Memory.ReplayAsync(executor, "p", Given.With(("db_password", "\"other\"")));

        Assert.Equal([("db_password", true, true)], procedure.Version.Inputs.Select(i => (i.Name, i.Secret, i.Required)));
        Assert.Equal(ReplayOutcome.Refused, without.Outcome);
        Assert.Equal(ReplayOutcome.Completed, with.Outcome);
        Given.JsonEqual("""{"db-password":"other","user":"ann"}""", Assert.Single(executor.Calls).Arguments);
    }

    [Theory]
    [InlineData("""{"connection":"Server=db;Password={$inputs.pw};Timeout=5"}""", """{"connection":"Server=db;Password=hunter2;Timeout=5"}""")]
    [InlineData("""{"header":"Authorization: Bearer {$inputs.pw}"}""", """{"header":"Authorization: Bearer hunter2"}""")]
    [InlineData("""{"query":["api_key={$inputs.pw}"]}""", """{"query":["api_key=hunter2"]}""")]
    [InlineData("""{"Authorization":"Bearer {$inputs.pw}"}""", """{"Authorization":"Bearer hunter2"}""")]
    [InlineData("""{"password":"$inputs.pw"}""", """{"password":"hunter2"}""")]
    [InlineData("""{"credentials":{"user":"$inputs.pw"}}""", """{"credentials":{"user":"hunter2"}}""")]
    public async Task A_reference_to_a_secret_input_is_no_secret_and_stays(string arguments, string sent)
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", arguments)).Taking(new ProcedureInput { Name = "pw", Secret = true }));
        var executor = new ScriptedExecutor();

        await Memory.ReplayAsync(executor, "p", Given.With(("pw", "\"hunter2\"")));

        Given.JsonEqual(sent, Assert.Single(executor.Calls).Arguments);
    }
}
