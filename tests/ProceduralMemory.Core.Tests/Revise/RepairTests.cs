using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What agents did in place of a step that failed becomes the step: in a candidate, with its values from where they came.</summary>
public sealed class RepairTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_step_that_broke_is_replaced_by_what_was_done_in_its_place_with_arguments_from_the_inputs_and_earlier_results()
    {
        await StoreAsync();
        await ReplayAsync("ORD-1", 2);
        for (var i = 0; i < 3; i++)
        {
            await BreaksAndIsRepairedAsync($"ORD-10{i}", $"CUS-20{i}");
        }

        var result = await Memory.OptimizeAsync("p");

        var change = Assert.Single(result.Changes);
        Assert.Equal(("address", StepChangeKind.Replaced), (change.StepId, change.Kind));
        Assert.Contains("failed in 3 of", change.Reason, StringComparison.Ordinal);
        var candidate = result.Procedure.Version;
        Assert.Equal((2, VersionState.Candidate), (candidate.Number, candidate.State));
        Assert.Equal(["crm.order_read", "crm.customer_read", "crm.letter_read"], candidate.Steps.Select(s => s.Action));
        Assert.Equal("""{"customer":"$steps.order_read.outputs#/customer"}""", candidate.Steps[1].Arguments.GetRawText());
        Assert.Equal("""{"to":"$steps.address.outputs#/place"}""", candidate.Steps[2].Arguments.GetRawText());
        Assert.Equal("address", candidate.Steps[1].Id);
        Assert.Equal(1, (await Memory.GetAsync("p")).ActiveVersion);
    }

    [Fact]
    public async Task A_broken_procedure_that_was_mended_by_hand_goes_on_by_itself_and_is_not_stopped()
    {
        await StoreAsync();
        await ReplayAsync("ORD-1", 20);
        for (var i = 0; i < 12 && (await Memory.GetAsync("p")).CandidateVersion is null; i++)
        {
            await BreaksAndIsRepairedAsync($"ORD-10{i}", $"CUS-20{i}");
        }

        await ReplayAsync("ORD-9", 2);

        var now = await Memory.GetAsync("p");
        Assert.Equal((2, null), (now.ActiveVersion, now.QuarantinedAt));
        Assert.Equal([RevisionKind.Proposed, RevisionKind.Promoted], (await Memory.GetHistoryAsync("p")).Entries.Where(e => e.Decision is not null).Select(e => e.Decision!.Note.Kind));
    }

    [Fact]
    public async Task What_was_done_in_different_ways_makes_no_step_and_is_told()
    {
        await StoreAsync();
        await BreaksAndIsRepairedAsync("ORD-1", "CUS-1", "crm.customer_read");
        await BreaksAndIsRepairedAsync("ORD-2", "CUS-2", "crm.book_read");
        await BreaksAndIsRepairedAsync("ORD-3", "CUS-3", "crm.list_read");

        var change = Assert.Single((await Memory.OptimizeAsync("p")).Changes);

        Assert.Equal(StepChangeKind.Flagged, change.Kind);
        Assert.Contains("different ways", change.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_that_nothing_gives_is_no_reason_to_ask_every_caller_for_it()
    {
        await StoreAsync();
        for (var i = 0; i < 3; i++)
        {
            await BreaksAndIsRepairedAsync($"ORD-1{i}", $"CUS-2{i}", "crm.phone_read", $$"""{"note":"called {{i}} times about Mrs {{(char)('A' + i)}}"}""");
        }

        var change = Assert.Single((await Memory.OptimizeAsync("p")).Changes);

        Assert.Equal(StepChangeKind.Flagged, change.Kind);
        Assert.Contains("a value that neither", change.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_others_did_with_a_shared_procedure_stays_theirs()
    {
        await StoreAsync();
        using (Memory.BeginSession(new MemoryScope("other", "default")))
        {
            for (var i = 0; i < 3; i++)
            {
                await BreaksAndIsRepairedAsync($"ORD-1{i}", $"CUS-2{i}");
            }
        }

        Assert.Equal(StepChangeKind.Flagged, Assert.Single((await Memory.OptimizeAsync("p")).Changes).Kind);
    }

    private Task<Procedure> StoreAsync() => Memory.StoreAsync(Given.Definition(
        "p",
        Read("crm.order_read", """{"order":"$inputs.order"}"""),
        Read("crm.address_read", """{"order":"$inputs.order"}""") with { Id = "address" },
        Read("crm.letter_read", """{"to":"$steps.address.outputs#/city"}""")).Taking(Given.Input("order")));

    private static ProcedureStep Read(string action, string arguments) => Given.Step(action, arguments) with { Effect = StepEffect.Read };

    private async Task ReplayAsync(string order, int times)
    {
        _executor.Returns("crm.order_read", """{"customer":"CUS-0001"}""").Returns("crm.address_read", """{"city":"Bergen"}""").Returns("crm.customer_read", """{"place":"Bergen"}""");
        for (var i = 0; i < times; i++)
        {
            _test.Time.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p", Given.With(("order", $"\"{order}\"")))).Outcome);
        }
    }

    /// <summary>The address fails; somebody looks it up at the customer's, which calls it otherwise, and the replay goes on.</summary>
    private async Task BreaksAndIsRepairedAsync(string order, string customer, string by = "crm.customer_read", string? arguments = null)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        _executor.Returns("crm.order_read", $$"""{"customer":"{{customer}}"}""").Fails("crm.address_read");
        var stopped = await Memory.ReplayAsync(_executor, "p", Given.With(("order", $"\"{order}\"")));
        Assert.Equal(ReplayOutcome.Failed, stopped.Outcome);
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = $"repair {order}" });
        await recorder.RecordStepAsync(new TraceStep
        {
            Action = by,
            Arguments = Given.Value(arguments ?? $$"""{"customer":"{{customer}}"}"""),
            Result = Given.Value($$"""{"place":"City of {{customer}}"}"""),
            Effect = StepEffect.Read,
        });
        await recorder.AbandonAsync();

        var done = await Memory.ResumeAsync(_executor, stopped.ExecutionId!.Value, new ResumeRequest { Results = Given.Values(("address", $$"""{"city":"City of {{customer}}"}""")), RepairTraceId = recorder.TraceId });
        Assert.Equal(ReplayOutcome.Completed, done.Outcome);
    }
}
