using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>
/// Writes a database with something of everything that the library stores. Run once for a schema; the file is then kept as it is, for ever:
/// see tests/Golden/README.md. The tests know these names and values.
/// </summary>
internal static partial class GoldenCommand
{
    public static async Task RunAsync(string file)
    {
        if (File.Exists(file))
        {
            throw new IOException($"'{file}' exists. A golden file is written once and never again.");
        }

        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, Approval = ApprovalPolicy.Never, Scope = () => new MemoryScope("acme") }))
        {
            await RecordReleaseAsync(memory, announced: false);
            await ReplayReleaseAsync(memory);
            await RecordReleaseAsync(memory, announced: true);
            (await memory.ReplayAsync(new AnsweringExecutor(Answer), "publish release", ReleaseRequest("1.6.0"))).ThrowIfNotCompleted();
            await StoreReleaseDayAsync(memory);
            await ImportDraftAsync(memory);
            await MergeCacheProceduresAsync(memory);
            await LeaveRecordingUnfinishedAsync(memory);
            await AbandonRecordingAsync(memory);
            using (memory.BeginSession(new MemoryScope("globex"), "Publish the price list"))
            {
                await memory.StoreAsync(new ProcedureDefinition
                {
                    Name = "publish release",
                    Description = "Another house's way to publish",
                    Steps = [new ProcedureStep { Action = "press.print", Arguments = JsonElement.Parse("""{"copies":1000}""") }],
                });
            }
        }

        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, Approval = ApprovalPolicy.Never, Scope = () => new MemoryScope("initech") }))
        {
            await WriteSchema2Async(memory);
        }

        using (var generator = new GoldenGenerator())
        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, Approval = ApprovalPolicy.Never, Scope = () => new MemoryScope("hooli"), EmbeddingGenerator = generator, EmbeddingModel = EmbeddingModel }))
        {
            await WriteSchema3Async(memory);
        }

        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, Approval = ApprovalPolicy.Never, Scope = () => new MemoryScope("umbrella") }))
        {
            await WriteSchema5Async(memory);
        }

        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, Approval = ApprovalPolicy.Never, Scope = () => new MemoryScope("stark"), ProcedureNamer = new StockNamer() }))
        {
            await WriteSchema6Async(memory);
        }

        var asked = new Dictionary<string, ApprovalPolicy> { ["bank.refund"] = ApprovalPolicy.Always };
        using (var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = file, FunctionApproval = asked, ApprovalLifetime = TimeSpan.FromDays(1), Scope = () => new MemoryScope("wayne") }))
        {
            await WriteSchema4Async(memory);
        }

        PackIntoOneFile(file);
    }

    /// <summary>The functions of the imagined host.</summary>
    public static string Answer(StepCall call) => call.Action switch
    {
        "stock.find" => """{"sku":"sku-washers"}""",
        "git.tag" => """{"tag":"v9","commit":"0a1b2c3d"}""",
        "ci.build" => """{"artifact":{"id":77001,"name":"build.zip"},"seconds":12.5}""",
        "ci.deploy" => """{"url":"https://example.test/releases/77001","healthy":true}""",
        "crm.find" => """{"id":"cus_4004","mail":"somebody@example.test"}""",
        "orders.get" => """{"customer":"cus_3003","weight":4}""",
        "stock.list" => """{"shelves":[{"sku":"nails","low":true},{"sku":"screws","low":true}],"note":"two are low"}""",
        _ => "\"done\"",
    };

    private static async Task RecordReleaseAsync(ProcedureMemory memory, bool announced)
    {
        var version = announced ? "1.5.0" : "1.4.0";
        var recorder = await memory.StartRecordingAsync(new RecordingDetails
        {
            Name = "publish release",
            Description = "Tag, build and deploy a release of a repository",
            Request = $"Publish version {version} of billing",
            Tags = ["release", "größe"],
            Notes = announced ? "Announces as well." : null,
        });
        await RecordAsync(recorder, "git.tag", $$"""{"repository":"billing","version":"{{version}}"}""", """{"tag":"v1.x","commit":"9f8e7d6c"}""");
        await recorder.RecordStepAsync(new TraceStep
        {
            Action = "ci.build",
            Arguments = JsonElement.Parse("""{"commit":"main"}"""),
            Status = StepStatus.Failed,
            Failure = new StepFailure("ToolException", "Give a commit, not a branch."),
            Duration = TimeSpan.FromMilliseconds(40),
        });
        await RecordAsync(recorder, "ci.build", """{"commit":"9f8e7d6c","options":{"clean":true,"targets":["linux","windows"]}}""", """{"artifact":{"id":48213,"name":"billing.zip"},"seconds":11.25}""");
        await RecordAsync(recorder, "ci.deploy", """{"artifact":48213,"environment":"production","api_key":"k-not-to-be-kept"}""", """{"url":"https://example.test/releases/48213","healthy":true}""");
        if (announced)
        {
            await RecordAsync(recorder, "chat.post", """{"channel":"#releases","link":"https://example.test/releases/48213","text":"costs $5 {$ and more"}""", "\"ok\"");
        }

        recorder.ReportUsage(modelCalls: 5, inputTokens: 4200, outputTokens: 310);
        await recorder.FinalizeAsync(notes: announced ? "Second edition." : null, tags: announced ? ["announced"] : null);
    }

    private static async Task ReplayReleaseAsync(ProcedureMemory memory)
    {
        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "publish release", ReleaseRequest("1.4.1"))).ThrowIfNotCompleted();
        var failed = await memory.ReplayAsync(new AnsweringExecutor(call => call.Action == "ci.deploy"
            ? throw new InvalidOperationException("Production is frozen.")
            : Answer(call)), "publish release", ReleaseRequest("1.4.2"));
        if (failed.Outcome is not ReplayOutcome.Failed)
        {
            throw new InvalidOperationException($"The replay was to fail, and is {failed.Outcome}: {failed.Message}");
        }

        using var cancellation = new CancellationTokenSource();
        try
        {
            await memory.ReplayAsync(new AnsweringExecutor(call =>
            {
                if (call.Action == "ci.build")
                {
                    cancellation.Cancel();
                }

                return Answer(call);
            }), "publish release", ReleaseRequest("1.4.3"), cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            // As it was meant to end.
        }
    }

    private static async Task StoreReleaseDayAsync(ProcedureMemory memory)
    {
        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "release day",
            Description = "Check the calendar, publish, and tell everybody",
            Tags = ["release"],
            Notes = "Written by hand.",
            Inputs =
            [
                new ProcedureInput { Name = "repository", Type = JsonType.String, Description = "Which repository" },
                new ProcedureInput { Name = "version", Type = JsonType.String },
                new ProcedureInput { Name = "api_key", Secret = true },
                new ProcedureInput { Name = "recipients", Type = JsonType.Array, Required = false, Default = JsonElement.Parse("""["all@example.test"]""") },
            ],
            Steps =
            [
                new ProcedureStep
                {
                    Id = "check",
                    Action = "calendar.check",
                    Effect = StepEffect.Read,
                    OnFailure = FailurePolicy.Continue,
                    Expectation = new Expectation { Kind = ExpectationKind.Contains, Value = JsonElement.Parse("\"done\""), Description = "The day is free" },
                },
                new ProcedureStep
                {
                    Id = "publish",
                    Kind = StepKind.Procedure,
                    Action = "publish release",
                    Arguments = JsonElement.Parse("""{"repository":"$inputs.repository","version":"$inputs.version","api_key":"$inputs.api_key"}"""),
                    Effect = StepEffect.Write,
                },
                new ProcedureStep
                {
                    Id = "tell",
                    Action = "mail.send",
                    Arguments = JsonElement.Parse("""{"to":"$inputs.recipients","subject":"Release {$inputs.version} of {$inputs.repository}","link":"$steps.publish.outputs#/deploy/url"}"""),
                    Effect = StepEffect.Write,
                    Flags = ["slow"],
                    Notes = "The list is long.",
                },
            ],
        });
        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "release day", ReleaseRequest("1.6.1"))).ThrowIfNotCompleted();
    }

    private static async Task ImportDraftAsync(ProcedureMemory memory) => await memory.ImportAsync(
        """
        {
          "format": 1,
          "name": "rotate keys",
          "description": "Make a new key and retire the old one",
          "tags": ["security"],
          "inputs": [ { "name": "service", "type": "string", "required": true } ],
          "steps": [
            { "id": "create", "action": "vault.create", "arguments": { "service": "$inputs.service" } },
            { "id": "review", "kind": "manual", "action": "Look over who still uses the old key" },
            { "id": "retire", "action": "vault.retire", "arguments": { "service": "$inputs.service" }, "effect": "write" }
          ]
        }
        """);

    private static async Task MergeCacheProceduresAsync(ProcedureMemory memory)
    {
        foreach (var name in new[] { "clear cache", "empty cache" })
        {
            await memory.StoreAsync(new ProcedureDefinition { Name = name, Description = "Clear the cache", Steps = [new ProcedureStep { Action = "cache.clear" }] });
        }

        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "clear cache", new ReplayRequest())).ThrowIfNotCompleted();
        await memory.MergeAsync(["clear cache", "empty cache"]);
    }

    private static async Task LeaveRecordingUnfinishedAsync(ProcedureMemory memory)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails
        {
            Name = "onboard customer",
            Description = "Make an account and send the welcome letter",
            Request = "Onboard the customer Initech",
            Tags = ["crm"],
        });
        await RecordAsync(recorder, "crm.create", """{"name":"Initech"}""", """{"customer":"cus_20931"}""");
        await RecordAsync(recorder, "billing.open", """{"customer":"cus_20931","limit":2500.50}""", """{"account":"acc_5544"}""");
    }

    private static async Task AbandonRecordingAsync(ProcedureMemory memory)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "given up" });
        await RecordAsync(recorder, "crm.find", """{"name":"nobody"}""", "null");
        await recorder.AbandonAsync();
    }

    private static Task RecordAsync(ProcedureRecorder recorder, string action, string arguments, string result) => recorder.RecordStepAsync(new TraceStep
    {
        Action = action,
        Arguments = JsonElement.Parse(arguments),
        Result = JsonElement.Parse(result),
        Outcome = $"{action} went well",
        CallGroup = action,
        Duration = TimeSpan.FromMilliseconds(120),
    });

    private static ReplayRequest ReleaseRequest(string version) => new()
    {
        Request = $"Publish version {version} of billing",
        ConfirmConstants = true,
        Inputs = new Dictionary<string, JsonElement>
        {
            ["repository"] = JsonElement.Parse("\"billing\""),
            ["version"] = JsonSerializer.SerializeToElement(version),
            ["api_key"] = JsonElement.Parse("\"k-neither-to-be-kept\""),
        },
    };

    private static void PackIntoOneFile(string file)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ConnectionString);
        connection.Open();
        connection.Execute("vacuum");
        connection.Execute("pragma wal_checkpoint(truncate)");
    }
}
