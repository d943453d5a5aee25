using System.Text.Json;
using CsCheck;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Persist;

public sealed class ExchangeTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task An_export_reads_as_a_document_of_format_4()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"x":"$inputs.x"}""")).Taking(Given.Input("x", JsonType.Integer)) with { Description = "Does é <things>.", Tags = ["t"] });

        var text = await Memory.ExportAsync("P");

        Given.JsonEqual(
            """
            {"format":4,"name":"p","description":"Does é <things>.","tags":["t"],"version":1,
             "inputs":[{"name":"x","type":"integer","required":true}],
             "steps":[{"id":"a","action":"t.a","kind":"function","arguments":{"x":"$inputs.x"},"onFailure":"stop","effect":"unknown"}]}
            """,
            Given.Value(text));
        Assert.Contains("Does é <things>.", text, StringComparison.Ordinal);
        Assert.Contains('\n', text);
    }

    [Theory]
    [InlineData(1, "$steps.a.outputs#/id")]
    [InlineData(2, "$steps.a.outputs$.items[?@.name=='lamp'].id|upper")]
    [InlineData(3, "$steps.a.outputs$.items[?@.name=='lamp']~")]
    [InlineData(3, "$steps.a.outputs$.items[*]~")]
    public async Task Documents_of_this_format_and_of_those_before_are_read(int format, string source)
    {
        await Memory.ImportAsync($$"""{"format":{{format}},"name":"p","steps":[{"action":"t.a"},{"action":"t.b","arguments":{"x":"{{source}}"} }]}""");

        Given.JsonEqual($$"""{"x":"{{source}}"}""", (await Memory.GetAsync("p", 1)).Version.Steps[1].Arguments);
    }

    [Fact]
    public async Task What_is_exported_is_imported_as_it_was() => await Gen.Select(Given.AnyObject, Given.AnyValue, Given.AnyText).SampleAsync(
        async (constants, expected, words) =>
        {
            using var source = TestMemory.InMemory();
            using var target = TestMemory.InMemory();
            var first = await source.Memory.StoreAsync(
                Given.Definition(
                    "p",
                    Given.Step("t.a") with { Arguments = ValueExpression.Escape(constants), Notes = words, Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = expected, Description = words } },
                    Given.Step("t.b", """{"x":"$steps.a.outputs#/x","y":"{$inputs.y}!"}"""))
                .Taking(new ProcedureInput { Name = "y", Default = Given.Value("7"), Required = false, Description = words })
                with
                { Description = words, Notes = words });

            var second = await target.Memory.ImportAsync(await source.Memory.ExportAsync("p"));

            Assert.Equal((first.Description, first.Notes), (second.Description, second.Notes));
            Assert.Equal(JsonSerializer.Serialize(first.Version.Inputs), JsonSerializer.Serialize(second.Version.Inputs));
            Assert.Equal(JsonSerializer.Serialize(first.Version.Steps), JsonSerializer.Serialize(second.Version.Steps));
            Assert.Equal(await source.Memory.ExportAsync("p"), await target.Memory.ExportAsync("p"));
        },
        iter: 40,
        threads: 1);

    [Fact]
    public async Task A_recorded_procedure_is_exported_and_imported_as_it_was_but_for_the_values_that_were_seen()
    {
        using var target = TestMemory.InMemory();
        await Memory.RecordedAsync(
            new RecordingDetails { Name = "p", Request = "log in as ann" },
            ("crm.login", """{"user":"ann","password":"hunter2"}""", """{"token":"abcdefghij","page_token":"p-1234","n":1.50}"""),
            ("crm.list", """{"page":"p-1234"}""", "[]"));

        var text = await Memory.ExportAsync("p");
        await target.Memory.ImportAsync(text);

        var unseen = System.Text.Json.Nodes.JsonNode.Parse(text)!;
        foreach (var input in unseen["inputs"]!.AsArray())
        {
            input!.AsObject().Remove("examples");
        }

        Given.JsonEqual(Given.Value(unseen.ToJsonString()), Given.Value(await target.Memory.ExportAsync("p")));
    }

    [Fact]
    public async Task An_import_is_a_draft_that_is_not_replayed_until_it_is_activated()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        var text = (await Memory.ExportAsync("p")).Replace("\"p\"", "\"q\"", StringComparison.Ordinal);
        var executor = new ScriptedExecutor();

        var draft = await Memory.ImportAsync(text);
        var refused = await Memory.ReplayAsync(executor, "q", Given.With());

        Assert.Equal((ProcedureOrigin.Import, (int?)null), (draft.Origin, draft.ActiveVersion));
        Assert.Equal((VersionReason.Imported, VersionState.Draft, ProcedureOrigin.Import), (draft.Version.Reason, draft.Version.State, draft.Version.Origin));
        Assert.Equal((ReplayOutcome.Refused, "not_active"), (refused.Outcome, Assert.Single(refused.Problems).Code));
        Assert.Null(refused.ExecutionId);
        Assert.Empty(executor.Calls);

        await Memory.ActivateVersionAsync("q", 1);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(executor, "q", Given.With())).Outcome);
    }

    [Fact]
    public async Task A_draft_is_replayed_where_it_is_asked_for_by_its_number()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.active")));
        await Memory.ImportAsync("""{"format":1,"name":"p","steps":[{"action":"t.draft"}]}""");
        var executor = new ScriptedExecutor();

        await Memory.ReplayAsync(executor, "p", Given.With() with { Version = 2 });
        await Memory.ReplayAsync(executor, "p", Given.With());

        Assert.Equal(["t.draft", "t.active"], executor.Calls.Select(c => c.Action));
        Assert.Equal(VersionState.Draft, (await Memory.GetAsync("p", 2)).Version.State);
    }

    [Fact]
    public async Task An_import_of_a_name_in_use_is_a_further_version_that_changes_nothing_until_it_is_activated()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")) with { Description = "mine", Tags = ["mine"] });
        var executor = new ScriptedExecutor();

        var draft = await Memory.ImportAsync("""{"format":1,"name":"P","description":"theirs","tags":["theirs"],"version":99,"steps":[{"action":"t.theirs"}]}""");
        await Memory.ReplayAsync(executor, "p", Given.With());

        Assert.Equal((2, 1, VersionState.Draft), (draft.Version.Number, draft.ActiveVersion, draft.Version.State));
        Assert.Equal("t.a", Assert.Single(executor.Calls).Action);
        var visible = await Memory.GetAsync("p");
        Assert.Equal(("p", "mine", ProcedureOrigin.User), (visible.Name, visible.Description, visible.Origin));
        Assert.Equal(["mine"], visible.Tags);
    }

    [Theory]
    [InlineData("", "cannot be read")]
    [InlineData("not json", "Give a document that ExportAsync wrote")]
    [InlineData("""{"format":1""", "cannot be read")]
    [InlineData("null", "format")]
    [InlineData("[]", "format")]
    [InlineData("""{"name":"p","steps":[{"action":"t.a"}]}""", "format")]
    [InlineData("""{"format":"1","name":"p","steps":[{"action":"t.a"}]}""", "format")]
    [InlineData("""{"format":1.5,"name":"p","steps":[{"action":"t.a"}]}""", "format")]
    [InlineData("""{"format":0,"name":"p","steps":[{"action":"t.a"}]}""", "reads 1 to 4")]
    [InlineData("""{"format":5,"name":"p","steps":[{"action":"t.a"}]}""", "Update the ProceduralMemory packages")]
    [InlineData("""{"format":1,"name":"p","stpes":[],"steps":[{"action":"t.a"}]}""", "stpes")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","argumnets":{}}]}""", "argumnets")]
    [InlineData("""{"format":1,"name":"p","name":"q","steps":[{"action":"t.a"}]}""", "name")]
    [InlineData("""{"format":1,"steps":[{"action":"t.a"}]}""", "name")]
    [InlineData("""{"format":1,"name":"p"}""", "steps")]
    [InlineData("""{"format":1,"name":"p","steps":[]}""", "at least one")]
    [InlineData("""{"format":1,"name":"p","steps":null}""", "at least one")]
    [InlineData("""{"format":1,"name":"p","steps":[null]}""", "steps[0]")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":null}]}""", "steps[0]")]
    [InlineData("""{"format":1,"name":null,"steps":[{"action":"t.a"}]}""", "name")]
    [InlineData("""{"format":1,"name":"p","tags":[null],"steps":[{"action":"t.a"}]}""", "tags")]
    [InlineData("""{"format":1,"name":"p","inputs":[null],"steps":[{"action":"t.a"}]}""", "inputs[0]")]
    [InlineData("""{"format":1,"name":"p","inputs":[{"name":"x","type":"float"}],"steps":[{"action":"t.a"}]}""", "inputs[0].type")]
    [InlineData("""{"format":1,"name":"p","inputs":[{"name":"x","type":1}],"steps":[{"action":"t.a"}]}""", "inputs[0].type")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","kind":"robot"}]}""", "steps[0].kind")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","arguments":[1]}]}""", "steps[0].arguments")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","arguments":{"a":1,"a":2}}]}""", "'a'")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","arguments":{"a":"$inputs.x"}}]}""", "Add 'x' to the inputs")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","arguments":{"a":"$steps.b.outputs"}},{"id":"b","action":"t.b"}]}""", "no earlier step")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","arguments":{"a":"$inputs.!"}}]}""", "write $$ before it")]
    [InlineData("""{"format":1,"name":"p","steps":[{"action":"t.a","arguments":{"a":"\ud800"}}]}""", "UTF-16")]
    [InlineData("""{"format":1,"name":"\ud800","steps":[{"action":"t.a"}]}""", "cannot be read")]
    [InlineData("""{"format":1,"name":"p","steps":[{"id":"a","action":"t.a"},{"id":"a","action":"t.b"}]}""", "more than one step 'a'")]
    public async Task What_is_no_such_document_is_refused_and_nothing_is_stored(string json, string says)
    {
        await Memory.StoreAsync(Given.Definition("other", Given.Step("t.a")));

        var error = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync(json));

        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.NotEmpty(error.Problems);
    }

    [Fact]
    public async Task Everything_that_is_wrong_is_said_at_once()
    {
        var error = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync(
            """{"format":1,"name":"","tags":[""],"inputs":[{"name":"1"},{"name":"x"},{"name":"x"}],"steps":[{"action":""},{"action":"t.a","arguments":1}]}"""));

        Assert.Equal(["name", "tags", "inputs[0]", "inputs[2]", "steps[0]", "steps[1].arguments"], error.Problems.Select(p => p.Path));
    }

    [Fact]
    public async Task What_may_be_stored_may_be_exported_and_imported_at_every_depth_that_the_options_allow()
    {
        using var test = TestMemory.InMemory(o => o.MaxValueDepth = 64);
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Arguments = JsonElement.Parse($$"""{"x":{{Given.Deep(64)}}}""", new JsonDocumentOptions { MaxDepth = 100 }) }));

        var text = await test.Memory.ExportAsync("p");

        Assert.Equal(2, (await test.Memory.ImportAsync(text)).Version.Number);
    }

    [Theory]
    [InlineData("flags")]
    [InlineData("examples")]
    public async Task A_list_that_is_null_in_a_document_is_an_empty_one(string list)
    {
        var json = list == "flags"
            ? """{"format":1,"name":"p","steps":[{"action":"t.a","flags":null}]}"""
            : """{"format":1,"name":"p","inputs":[{"name":"x","required":false,"examples":null}],"steps":[{"action":"t.a","arguments":{"x":"$inputs.x"}}]}""";

        var imported = await Memory.ImportAsync(json);

        Assert.NotNull(imported.Version.Steps[0].Flags);
        Assert.All(imported.Version.Inputs, i => Assert.NotNull(i.Examples));
    }
}
