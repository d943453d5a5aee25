using System.Text.Json;
using CsCheck;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Capture;

/// <summary>What functions declare of their parameters is kept with what was recorded, without secrets and within limits.</summary>
public sealed class SignatureTests : IDisposable
{
    private const string Find = """{"properties":{"order":{"type":"string","description":"The order's number."}},"required":["order"]}""";

    private readonly TestMemory _world = TestMemory.OnFile(o => o.MaxValueDepth = 16);

    private ProcedureMemory Memory => _world.Memory;

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task It_is_stored_with_the_first_step_that_tells_it_and_once_for_each_function()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p" });

        await CallAsync(recorder, "t.find", """{"order":"W-1"}""", Find);
        await CallAsync(recorder, "T.Find", """{"order":"W-2"}""", """{"properties":{}}""");
        await CallAsync(recorder, "t.other", "{}", parameters: null);
        await recorder.RecordStepAsync(new TraceStep { Action = "t.by_hand", Parameters = Given.Value(Find) });
        await recorder.RecordStepAsync(new TraceStep { Action = "look at it", Kind = StepKind.Manual, Parameters = Given.Value(Find) });

        var steps = (await Memory.GetTraceAsync(recorder.TraceId))!.Steps;
        Assert.Equal([true, true, false, true, false], steps.Select(s => s.Parameters is not null));
        Given.JsonEqual(Find, steps[0].Parameters);
        Given.JsonEqual(Find, steps[1].Parameters);
        Assert.Equal(["t.by_hand", "t.find"], _world.Rows("select action from trace_functions order by action"));
    }

    [Fact]
    public async Task A_call_that_failed_tells_it_too_and_the_latest_recording_goes_before_the_others()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p", Request = "Find W-1" });
        var failed = recorder.BeginStep("t.find", Given.Value("""{"order":"W-0"}"""), parameters: Given.Value(Find))!;
        await recorder.CompleteStepAsync(failed, result: null, new StepFailure("Broken", "It broke."));
        await CallAsync(recorder, "t.find", """{"order":"W-1"}""", Find);
        var first = (await recorder.FinalizeAsync()).Procedure!;
        var later = Find.Replace("The order's", "Its", StringComparison.Ordinal);
        _world.Time.Advance(TimeSpan.FromMinutes(1));
        recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p", Request = "Find W-2" });
        await CallAsync(recorder, "t.find", """{"order":"W-2"}""", later);
        var second = (await recorder.FinalizeAsync()).Procedure!;

        Given.JsonEqual(Find, Assert.Single(first.Version.Signatures).Parameters);
        Given.JsonEqual(later, Assert.Single(second.Version.Signatures).Parameters);
        Assert.Equal("t.find", second.Version.Signatures[0].Action);
    }

    [Fact]
    public async Task A_recording_that_another_process_goes_on_with_has_it_and_describes_its_inputs_by_it()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p", Request = "Find W-1" });
        await CallAsync(recorder, "t.find", """{"order":"W-1"}""", Find);

        using var other = _world.Open();
        var resumed = await other.ResumeRecordingAsync(recorder.TraceId);
        await CallAsync(resumed, "t.find", """{"order":"W-1"}""", """{"properties":{}}""");
        await CallAsync(resumed, "t.note", """{"text":"x"}""", """{"properties":{"text":{"type":"string"}}}""");
        var version = (await resumed.FinalizeAsync()).Procedure!.Version;

        Assert.Equal(["t.find", "t.note"], version.Signatures.Select(s => s.Action));
        Given.JsonEqual(Find, version.Signatures[0].Parameters);
        Assert.StartsWith("The order's number", Assert.Single(version.Inputs, i => i.Name == "order").Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_is_not_stored_leaves_nothing_of_it()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p" });
        using var other = _world.Open();
        var second = await other.ResumeRecordingAsync(recorder.TraceId);
        await CallAsync(recorder, "t.find", "{}", Find);

        await Assert.ThrowsAsync<RecordingStateException>(() => CallAsync(second, "t.other", "{}", Find));

        Assert.Equal(["t.find"], _world.Rows("select action from trace_functions"));
    }

    [Fact]
    public async Task Secrets_are_taken_out_of_it_and_names_of_parameters_are_kept()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p", Inputs = Given.Values(("password", "\"correct-horse\"")) });

        await CallAsync(
            recorder,
            "t.login",
            "{}",
            """
            {"properties":{"password":{"type":"string","default":"hunter2hunter2","examples":["abc"],"description":"Not correct-horse."},
                           "to":{"properties":{"api_key":{"enum":["sk-1"]},"city":{"default":"Rome","examples":["correct-horse"]}}}},
             "required":["password"],"x-internal":{"a":1}}
            """);

        Given.JsonEqual(
            """
            {"properties":{"password":{"type":"string","description":"Not [redacted]."},
                           "to":{"properties":{"api_key":{},"city":{"default":"Rome","examples":["[redacted]"]}}}},
             "required":["password"]}
            """,
            (await Memory.GetTraceAsync(recorder.TraceId))!.Steps[0].Parameters);
        Assert.DoesNotContain("hunter2", _world.Dump(), StringComparison.Ordinal);
        Assert.DoesNotContain("correct-horse", _world.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_too_large_or_too_deep_or_no_schema_is_left_out_and_the_step_is_recorded()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p" });
        var large = new string('x', 60_000);

        await CallAsync(recorder, "t.large", "{}", Describing(large + large));
        await CallAsync(recorder, "t.deep", "{}", Given.Deep(40));
        await CallAsync(recorder, "t.none", "{}", "[]");
        await CallAsync(recorder, "t.not_text", "{}", """{"properties":{"a":{"description":"\ud800"}}}""");
        for (var i = 0; i < 20; i++)
        {
            await CallAsync(recorder, $"t.many_{i}", "{}", Describing(large));
        }

        Assert.Equal(24, (await Memory.GetTraceAsync(recorder.TraceId))!.Steps.Count);
        Assert.Equal([.. Enumerable.Range(0, 17).Select(i => $"t.many_{i}").Order(StringComparer.Ordinal)], _world.Rows("select action from trace_functions order by action"));
        Assert.NotNull((await recorder.FinalizeAsync()).Procedure);
    }

    [Fact]
    public void What_is_kept_of_any_schema_is_kept_again_as_it_is() => Given.AnyObject.Sample(inner =>
    {
        var options = new ProceduralMemoryOptions();
        var schema = JsonSerializer.SerializeToElement(new { properties = inner, items = inner, @enum = new[] { inner } });

        var kept = SignatureCapture.Capture("t.a", schema, new ValueCapture(options), options)!.Value;

        Given.JsonEqual(kept, SignatureCapture.Capture("t.a", kept, new ValueCapture(options), options)!.Value);
        Assert.Equal(DriftKind.Same, SignatureComparer.Compare(kept, kept, []).Kind);
    });

    [Fact]
    public async Task It_stays_when_a_version_is_edited_optimized_exported_and_imported_and_goes_with_the_steps_that_call_it()
    {
        await Memory.StoreAsync(
            Given.Definition("p", Given.Step("t.find", """{"order":"W-1"}"""), Given.Step("t.flaky") with { OnFailure = FailurePolicy.Continue }) with
            {
                Signatures = [new("T.FIND", Given.Value(Find)), new("t.flaky", Given.Value("""{"properties":{}}""")), new("t.unused", Given.Value("{}"))],
            });

        Assert.Equal(["T.FIND", "t.flaky"], (await Memory.GetAsync("p")).Version.Signatures.Select(s => s.Action));
        var edited = await Memory.SetSourceAsync("p", "find", "order", Given.Text("$inputs.order"));
        Assert.Equal(["T.FIND", "t.flaky"], edited.Version.Signatures.Select(s => s.Action));

        var executor = new ScriptedExecutor().Fails("t.flaky");
        for (var i = 0; i < 3; i++)
        {
            await Memory.ReplayAsync(executor, "p", Given.With(("order", "\"W-2\"")));
        }

        var optimized = (await Memory.OptimizeAsync("p")).Procedure.Version;
        Given.JsonEqual(Find, Assert.Single(optimized.Signatures).Parameters);

        var text = await Memory.ExportAsync("p", optimized.Number);
        Given.JsonEqual($$"""[{"action":"T.FIND","parameters":{{Find}}}]""", Given.Value(text).GetProperty("signatures"));
        Given.JsonEqual(Find, Assert.Single((await Memory.ImportAsync(text)).Version.Signatures).Parameters);
    }

    [Theory]
    [InlineData("""[null]""", "signatures[0]")]
    [InlineData("""[{"action":"t.a"}]""", "parameters")]
    [InlineData("""[{"action":"","parameters":{}}]""", "signatures[0]")]
    [InlineData("""[{"action":"t.a","parameters":[]}]""", "signatures[0]")]
    [InlineData("""[{"action":"t.a","parameters":{}},{"action":"T.A","parameters":{}}]""", "more than one signature of 'T.A'")]
    [InlineData("""[{"action":"t.a","parameters":{"properties":{"a":{"description":"\ud800"}}}}]""", "UTF-16")]
    [InlineData("""[{"action":"t.a","parameters":{"a":1,"a":2}}]""", "'a'")]
    [InlineData("""[{"action":"t.a","schema":{}}]""", "schema")]
    public async Task An_import_with_a_signature_that_is_none_is_refused_and_nothing_is_stored(string signatures, string says)
    {
        var refusal = await _world.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync($$"""{"format":4,"name":"p","steps":[{"action":"t.a"}],"signatures":{{signatures}}}"""));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_import_with_signatures_that_are_too_large_is_refused()
    {
        var large = new string('x', 60_000);
        string Document(int functions, string text) => JsonSerializer.Serialize(new
        {
            format = 4,
            name = "p",
            steps = new[] { new { action = "t.a" } },
            signatures = Enumerable.Range(0, functions).Select(i => new { action = $"t.f{i}", parameters = new { description = text } }),
        });

        Assert.Contains("65536 are the most", (await _world.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync(Document(1, large + large)))).Message, StringComparison.Ordinal);
        Assert.Contains("1048576 are the most", (await _world.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync(Document(18, large)))).Message, StringComparison.Ordinal);
        Assert.Empty((await Memory.ImportAsync(Document(17, large))).Version.Signatures);
    }

    [Fact]
    public async Task A_secret_in_an_imported_signature_is_not_stored()
    {
        await Memory.ImportAsync("""{"format":4,"name":"p","steps":[{"action":"t.a"}],"signatures":[{"action":"t.a","parameters":{"properties":{"password":{"default":"hunter2"}}}}]}""");

        Assert.DoesNotContain("hunter2", _world.Dump(), StringComparison.Ordinal);
    }

    private static string Describing(string text) => $$$"""{"properties":{"a":{"description":"{{{text}}}"} } }""";

    private static async Task CallAsync(ProcedureRecorder recorder, string action, string arguments, string? parameters) =>
        await recorder.CompleteStepAsync(recorder.BeginStep(action, Given.Value(arguments), parameters: parameters is null ? null : Given.Value(parameters))!, Given.Value("true"));
}
