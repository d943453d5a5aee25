using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.TestWorker;

namespace ProceduralMemory.ProcessTests;

/// <summary>What came with schema 2: in the files that were written with it, and in those that are migrated to it.</summary>
public sealed partial class GoldenFileTests
{
    public static TheoryData<string> FilesSinceSchema2 => FilesSince("schema-002.db");

    [Fact]
    public async Task Versions_of_schema_1_are_those_of_their_one_recording_and_recording_goes_on_from_it()
    {
        using var folder = new TemporaryFolder();
        var database = Copy("schema-001.db", folder);
        using (var memory = Open(database, "acme"))
        {
            var before = await memory.ListVersionsAsync("publish release");
            var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "publish release", Request = "Publish version 3.1.0 of payroll" });
            await RecordAsync(recorder, "git.tag", """{"repository":"payroll","version":"3.1.0"}""", """{"tag":"v3","commit":"feedc0de"}""");
            await RecordAsync(recorder, "ci.build", """{"commit":"feedc0de","options":{"clean":true,"targets":["linux","windows"]}}""", """{"artifact":{"id":90210,"name":"payroll.zip"},"seconds":3.5}""");
            await RecordAsync(recorder, "ci.deploy", """{"artifact":90210,"environment":"production","api_key":"k-of-today"}""", """{"url":"https://example.test/90210","healthy":true}""");
            await RecordAsync(recorder, "chat.post", """{"channel":"#releases","link":"https://example.test/90210","text":"costs $5 {$ and more"}""", "\"ok\"");

            var version = (await recorder.FinalizeAsync()).Procedure!.Version;

            Assert.Equal(3, version.Number);
            Assert.Equal(["repository", "version", "api_key"], version.Inputs.Select(i => i.Name));
            Assert.DoesNotContain(version.Inputs, i => i.Unconfirmed);
            using (var connection = DatabaseAudit.Open(database))
            {
                Assert.Equal(
                    [$"1, {before[0].TraceId}", $"2, {before[1].TraceId}", .. new[] { before[1].TraceId, version.TraceId }.Select(t => $"3, {t}")],
                    connection.Rows(
                        """
                        select t.version, t.trace_id
                        from version_traces t
                        join procedures p on p.id = t.procedure_id and p.scope = 'acme' and p.name = 'publish release'
                        order by t.version, t.trace_id
                        """).Select(r => r.ToString()));
            }

            var host = new AnsweringExecutor(Answer);
            var result = await memory.ReplayAsync(host, "publish release", Request with { ConfirmConstants = false });
            Assert.True(result.Outcome is ReplayOutcome.Completed, result.Message);
            Assert.Equal(ReleaseCalls, host.Calls.Select(Describe));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema2))]
    public async Task What_two_recordings_taught_and_a_person_corrected_is_explained_shown_and_replayed(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "initech"))
        {
            Assert.Equal(["open ticket", "restock shelves", "ship order"], (await memory.ListAsync()).Select(p => p.Name));
            Assert.Equal([VersionReason.Recorded, VersionReason.Recorded, VersionReason.Edited], (await memory.ListVersionsAsync("ship order")).Select(v => v.Reason));

            Assert.Equal(
                [
                    "get/order: Input $inputs.order_number",
                    "send/order: Input $inputs.order_number",
                    "send/carrier: Input $inputs.carrier",
                    "send/customer: Binding $steps.get.outputs#/customer",
                    "tell/customer: Binding $steps.get.outputs#/customer",
                    "tell/channel: Input $inputs.channel, set by a person",
                ],
                (await memory.ExplainAsync("ship order")).Select(s => $"{s.StepId}{s.Argument}: {s.Kind} {s.Source}{(s.IsEdited ? ", set by a person" : "")}"));
            var shown = await memory.ShowAsync("ship order");
            Assert.StartsWith("ship order: version 3 (active, edited by user), 1 of 1 executions succeeded, 3 of 3 over all versions", shown, StringComparison.Ordinal);
            Assert.Contains("order_number: string, such as \"W-1001\"", shown, StringComparison.Ordinal);
            Assert.Contains("mail.tell(customer: $steps.get.outputs#/customer, channel: $inputs.channel)", shown, StringComparison.Ordinal);

            Assert.Equal(ShippingCalls, await CallsOfAsync(memory, "ship order", Shipping));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema2))]
    public async Task What_a_person_corrected_stands_when_recording_goes_on(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "initech"))
        {
            var recorder = await memory.StartRecordingAsync(new RecordingDetails
            {
                Name = "ship order",
                Inputs = new Dictionary<string, JsonElement> { ["order_number"] = JsonElement.Parse("\"W-1004\""), ["carrier"] = JsonElement.Parse("\"gls\"") },
            });
            await RecordAsync(recorder, "orders.get", """{"order":"W-1004"}""", """{"customer":"cus_4004","weight":1}""");
            await RecordAsync(recorder, "parcels.send", """{"order":"W-1004","carrier":"gls","customer":"cus_4004"}""", "\"done\"");
            await RecordAsync(recorder, "mail.tell", """{"customer":"cus_4004","channel":"mail"}""", "\"done\"");

            var result = await recorder.FinalizeAsync();

            Assert.Equal(4, result.Procedure!.Version.Number);
            Assert.Contains(result.Procedure.Version.Sources, s => s is { StepId: "tell", Argument: "/channel", Source: "$inputs.channel", IsEdited: true });
            Assert.Equal(ShippingCalls, await CallsOfAsync(memory, "ship order", Shipping));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema2))]
    public async Task A_stored_loop_and_a_stored_condition_are_shown_and_replayed(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "initech"))
        {
            var shown = await memory.ShowAsync("restock shelves");
            Assert.Contains("each: for each $item of $steps.list.outputs#/shelves", shown, StringComparison.Ordinal);
            Assert.Contains("order: stock.order(sku: $item#/sku, amount: 100) [write]", shown, StringComparison.Ordinal);
            Assert.Contains("report: if there is $inputs.report_to mail.send(", shown, StringComparison.Ordinal);

            string[] ordering = ["stock.list {}", """stock.order {"amount":100,"sku":"glue"}""", """stock.order {"amount":100,"sku":"tape"}"""];
            Assert.Equal(ordering, await CallsOfAsync(memory, "restock shelves", new ReplayRequest()));
            Assert.Equal(
                [.. ordering, """mail.send {"text":"low again","to":"grace@example.test"}"""],
                await CallsOfAsync(memory, "restock shelves", ReplayRequest.For(new { report_to = "grace@example.test" })));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema2))]
    public async Task A_constant_that_nobody_confirmed_is_still_asked_for(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "initech"))
        {
            Assert.Equal(
                [SourceKind.Input, SourceKind.UnconfirmedConstant],
                (await memory.ExplainAsync("open ticket")).Select(s => s.Kind));
            Assert.Contains("queue: string, unconfirmed constant \"tier-2\": give it, or confirm it", await memory.ShowAsync("open ticket"), StringComparison.Ordinal);

            var request = ReplayRequest.For(new { about = "printer 9" });
            var refused = await memory.ReplayAsync(new AnsweringExecutor(Answer), "open ticket", request);
            Assert.Equal(ReplayOutcome.Refused, refused.Outcome);
            Assert.Equal([ReplayProblemCodes.UnconfirmedConstant], refused.Problems.Select(p => p.Code));
            Assert.Equal(
                ["""tickets.open {"about":"printer 9","queue":"tier-2"}"""],
                await CallsOfAsync(memory, "open ticket", request with { ConfirmConstants = true }));
        }

        AssertIntact(database);
    }

    private static readonly ReplayRequest Shipping = ReplayRequest.For(new { order_number = "W-2000", carrier = "dhl", channel = "letter" });

    private static readonly string[] ShippingCalls =
    [
        """orders.get {"order":"W-2000"}""",
        """parcels.send {"carrier":"dhl","customer":"cus_7007","order":"W-2000"}""",
        """mail.tell {"channel":"letter","customer":"cus_7007"}""",
    ];

    private static async Task<IEnumerable<string>> CallsOfAsync(ProcedureMemory memory, string name, ReplayRequest request)
    {
        var host = new AnsweringExecutor(call => call.Action switch
        {
            "orders.get" => """{"customer":"cus_7007","weight":9}""",
            "stock.list" => """{"shelves":[{"sku":"glue","low":true},{"sku":"tape","low":true}],"note":"low again"}""",
            "tickets.open" => """{"ticket":"T-9"}""",
            _ => "\"done\"",
        });
        var result = await memory.ReplayAsync(host, name, request);
        Assert.True(result.Outcome is ReplayOutcome.Completed, result.Message);
        return host.Calls.Select(Describe);
    }

    private static Task RecordAsync(ProcedureRecorder recorder, string action, string arguments, string result) =>
        recorder.RecordStepAsync(new TraceStep { Action = action, Arguments = JsonElement.Parse(arguments), Result = JsonElement.Parse(result) });
}
