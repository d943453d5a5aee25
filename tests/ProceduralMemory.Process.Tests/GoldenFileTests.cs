using System.Text.Json;
using ProceduralMemory.Replay;
using ProceduralMemory.TestWorker;

namespace ProceduralMemory.ProcessTests;

/// <summary>Databases that earlier releases wrote: see tests/Golden/README.md.</summary>
public sealed partial class GoldenFileTests
{
    public static TheoryData<string> Files => FilesSince("schema-001.db");

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_database_of_an_earlier_release_still_lists_what_it_holds(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "acme"))
        {
            var procedures = await memory.ListAsync();
            Assert.Equal(["clear cache", "publish release", "release day", "rotate keys"], procedures.Select(p => p.Name));
            Assert.Equal(["clear cache", "empty cache", "publish release", "release day", "rotate keys"], (await memory.ListAsync(includeRetired: true)).Select(p => p.Name));
            Assert.NotNull((await memory.GetAsync("empty cache")).MergedInto);

            var release = procedures.Single(p => p.Name == "publish release");
            Assert.Equal((2, ProcedureOrigin.Agent, "Second edition."), (release.ActiveVersion, release.Origin, release.Notes));
            Assert.Equal(["release", "größe", "announced"], release.Tags);
            var versions = await memory.ListVersionsAsync("publish release");
            Assert.Equal([VersionState.Retired, VersionState.Active], versions.Select(v => v.State));
            Assert.Equal(["tag", "build", "deploy"], versions[0].Steps.Select(s => s.Id));
            Assert.Equal((3L, 2L, 1L), (versions[0].Statistics.Executions, versions[0].Statistics.Successes, versions[0].Statistics.Failures));
            Assert.Equal((3L, 3L, 0L), (versions[1].Statistics.Executions, versions[1].Statistics.Successes, versions[1].Statistics.Failures));
            Assert.Equal((3L, 1L), (versions[0].StepStatistics["deploy"].Runs, versions[0].StepStatistics["deploy"].Failures));

            var draft = procedures.Single(p => p.Name == "rotate keys");
            Assert.Equal((null, ProcedureOrigin.Import, VersionState.Draft), (draft.ActiveVersion, draft.Origin, draft.Version.State));
            Assert.Equal(ReplayOutcome.Refused, (await memory.ReplayAsync(new AnsweringExecutor(_ => "null"), "rotate keys", new ReplayRequest())).Outcome);

            var executions = await memory.ListExecutionsAsync("publish release");
            Assert.Equal(
                [ReplayOutcome.Completed, ReplayOutcome.Completed, ReplayOutcome.Cancelled, ReplayOutcome.Failed, ReplayOutcome.Completed],
                executions.Select(e => e.Outcome));
            Assert.NotNull(executions[0].ParentId);
            var failed = await memory.GetExecutionAsync(executions[3].Id);
            Assert.Equal([StepStatus.Success, StepStatus.Success, StepStatus.Failed], failed!.Steps.Select(s => s.Status));
            Assert.Equal("Production is frozen.", failed.Steps[2].Failure!.Message);

            // Since schema 3 "release day" remembers that it was replayed for such a request, too.
            Assert.Contains((await memory.FindAsync("publish a release of billing")).Matches, m => m.Procedure.Name == "publish release");
            Assert.Single(await memory.ListTracesAsync(TraceStatus.Abandoned));
        }

        using (var others = Open(database, "globex"))
        {
            var own = Assert.Single(await others.ListAsync());
            Assert.Equal("Another house's way to publish", own.Description);
            Assert.Empty(await others.ListTracesAsync());
            Assert.Superset(new HashSet<string> { "acme", "globex" }, (await others.ListScopesAsync()).ToHashSet());
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_procedure_recorded_by_an_earlier_release_still_replays(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "acme"))
        {
            var before = (await memory.GetAsync("publish release")).Version.Statistics;
            var host = new AnsweringExecutor(Answer);

            var result = await memory.ReplayAsync(host, "publish release", Request);

            Assert.True(result.Outcome is ReplayOutcome.Completed, result.Message);
            Assert.Equal(ReleaseCalls, host.Calls.Select(Describe));
            Assert.Equal(before.Executions + 1, (await memory.GetAsync("publish release")).Version.Statistics.Executions);
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_procedure_of_an_earlier_release_that_replays_another_still_replays(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "acme"))
        {
            var host = new AnsweringExecutor(Answer);

            var result = await memory.ReplayAsync(host, "release day", Request);

            Assert.True(result.Outcome is ReplayOutcome.Completed, result.Message);
            Assert.Equal(
                [
                    "calendar.check {}",
                    // Since schema 3 the last one is asked for, which nobody does here.
                    .. string.CompareOrdinal(file, "schema-003.db") < 0 ? ReleaseCalls : ReleaseCalls[..^1],
                    """mail.send {"link":"https://example.test/90210","subject":"Release 2.0.0 of payroll","to":["all@example.test"]}""",
                ],
                host.Calls.Select(Describe));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_recording_that_an_earlier_release_left_unfinished_still_goes_on(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "acme"))
        {
            var unfinished = Assert.Single(await memory.ListTracesAsync(TraceStatus.Recording));
            var recorder = await memory.ResumeRecordingAsync(unfinished.Id);
            await recorder.RecordStepAsync(new TraceStep { Action = "mail.welcome", Arguments = JsonElement.Parse("""{"account":"acc_5544"}""") });

            var result = await recorder.FinalizeAsync();

            Assert.Equal(("onboard customer", 1), (result.Procedure!.Name, result.Procedure.Version.Number));
            Assert.Equal(
                ["""{"name":"$inputs.name"}""", """{"customer":"$steps.create.outputs#/customer","limit":"$inputs.limit"}""", """{"account":"$steps.open.outputs#/account"}"""],
                result.Procedure.Version.Steps.Select(s => s.Arguments.GetRawText()));
            Assert.Equal(2500.5, result.Procedure.Version.Inputs.Single(i => i.Unconfirmed).Default!.Value.GetDouble());
        }

        AssertIntact(database);
    }

    private static TheoryData<string> FilesSince(string first) =>
    [
        .. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Golden"), "*.db")
            .Select(f => Path.GetFileName(f))
            .Where(f => string.CompareOrdinal(f, first) >= 0)
            .Order(StringComparer.Ordinal),
    ];

    private static readonly string[] ReleaseCalls =
    [
        """git.tag {"repository":"payroll","version":"2.0.0"}""",
        """ci.build {"commit":"feedc0de","options":{"clean":true,"targets":["linux","windows"]}}""",
        """ci.deploy {"api_key":"k-of-today","artifact":90210,"environment":"production"}""",
        """chat.post {"channel":"#releases","link":"https://example.test/90210","text":"costs $5 {$ and more"}""",
    ];

    private static readonly ReplayRequest Request = new()
    {
        // Recordings distilled by schema 2 have literals that nobody has confirmed.
        ConfirmConstants = true,
        Inputs = new Dictionary<string, JsonElement>
        {
            ["repository"] = JsonElement.Parse("\"payroll\""),
            ["version"] = JsonElement.Parse("\"2.0.0\""),
            ["api_key"] = JsonElement.Parse("\"k-of-today\""),

            // A step that one of two recordings has is asked for since schema 3.
            ["post"] = JsonElement.Parse("true"),
        },
    };

    private static string Answer(StepCall call) => call.Action switch
    {
        "git.tag" => """{"tag":"v2","commit":"feedc0de"}""",
        "ci.build" => """{"artifact":{"id":90210,"name":"payroll.zip"},"seconds":3.5}""",
        "ci.deploy" => """{"url":"https://example.test/90210","healthy":true}""",
        _ => "\"done\"",
    };

    /// <summary>A call as text. The order of arguments means nothing, so they stand by name.</summary>
    private static string Describe(StepCall call) =>
        $"{call.Action} {{{string.Join(",", call.Arguments.EnumerateObject().OrderBy(a => a.Name, StringComparer.Ordinal).Select(a => $"\"{a.Name}\":{a.Value.GetRawText()}"))}}}";

    private static ProcedureMemory Open(string database, string scope) => new(new ProceduralMemoryOptions { DatabasePath = database, Approval = ApprovalPolicy.Never, Scope = () => new MemoryScope(scope) });

    private static string Copy(string file, TemporaryFolder folder)
    {
        var copy = folder.File(file);
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Golden", file), copy);
        return copy;
    }

    private static void AssertIntact(string database)
    {
        using var connection = DatabaseAudit.Open(database);
        DatabaseAudit.AssertIntact(connection);
        DatabaseAudit.AssertNothingIsHalfDone(connection);
    }
}
