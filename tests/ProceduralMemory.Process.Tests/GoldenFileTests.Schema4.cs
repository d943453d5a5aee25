using System.Text.Json;
using ProceduralMemory.Replay;
using ProceduralMemory.TestWorker;

namespace ProceduralMemory.ProcessTests;

/// <summary>What came with schema 4: approvals, signatures, and executions that can be resumed.</summary>
public sealed partial class GoldenFileTests
{
    public static TheoryData<string> FilesSinceSchema4 => FilesSince("schema-004.db");

    [Theory]
    [MemberData(nameof(FilesSinceSchema4))]
    public async Task What_persons_decided_holds(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = OpenWayne(database))
        {
            var approved = Assert.Single(await memory.ListApprovalsAsync("refund customer"));
            Assert.Equal((1, ApprovalState.Approved, "Bruce"), (approved.Version, approved.State, approved.By));
            var rejected = Assert.Single(await memory.ListApprovalsAsync("charge customer"));
            Assert.Equal((ApprovalState.Rejected, "Alfred", "Only people charge."), (rejected.State, rejected.By, rejected.Reason));

            var charge = await memory.ReplayAsync(new AnsweringExecutor(_ => "1"), "charge customer");
            Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.ApprovalRejected), (charge.Outcome, Assert.Single(charge.Problems).Code));

            var refund = await memory.GetAsync("refund customer");
            Assert.Equal(("charge customer", 2, TimeSpan.FromMinutes(5)), (refund.Version.Undo, refund.Version.Steps[0].Retry!.MaxRetries, refund.Version.Steps[2].Timeout));
            Assert.Equal("crm.find", Assert.Single(refund.Version.Signatures).Action);
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema4))]
    public async Task A_replay_that_waited_for_an_approval_goes_on_when_it_is_given(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = OpenWayne(database))
        {
            var waiting = Assert.Single((await memory.ListPendingApprovalsAsync()).Calls);
            var execution = (await memory.GetExecutionAsync(waiting.ExecutionId))!;
            Assert.Equal((ReplayOutcome.Waiting, "Ada"), (execution.Outcome, execution.Inputs.GetProperty("name").GetString()));

            await memory.ApproveCallAsync(waiting.ExecutionId, "refund", by: "Bruce");
            var host = new AnsweringExecutor(_ => "1");
            var resumed = await memory.ResumeAsync(host, waiting.ExecutionId);

            Assert.True(resumed.Outcome is ReplayOutcome.Completed, resumed.Message);
            Assert.Equal(["""bank.refund {"amount":7,"customer":"cus_4004"}""", """mail.send {"to":"somebody@example.test"}"""], host.Calls.Select(Describe));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema4))]
    public async Task What_was_cut_off_in_a_write_is_asked_about_and_what_was_mended_says_so(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = OpenWayne(database))
        {
            var mended = (await memory.ListExecutionsAsync("refund customer")).Single(e => e.Attempt == 3);
            var steps = (await memory.GetExecutionAsync(mended.Id))!.Steps;
            Assert.Equal((ReplayOutcome.Completed, true, "by phone"), (mended.Outcome, steps[2].Repaired, steps[2].Result!.Value.GetString()));

            var cutOff = Assert.Single(await memory.ListInterruptedAsync());
            Assert.Equal("pay salaries", cutOff.ProcedureName);
            var host = new AnsweringExecutor(_ => "1");
            var waits = await memory.ResumeAsync(host, cutOff.Id);
            Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.OutcomeUnknown), (waits.Outcome, Assert.Single(waits.Problems).Code));
            Assert.Empty(host.Calls);

            var resumed = await memory.ResumeAsync(host, cutOff.Id, new ResumeRequest { Results = new Dictionary<string, JsonElement> { ["pay"] = JsonElement.Parse("1") } });
            Assert.True(resumed.Outcome is ReplayOutcome.Completed, resumed.Message);
            Assert.Empty(host.Calls);
        }

        AssertIntact(database);
    }

    private static ProcedureMemory OpenWayne(string database) => new(new ProceduralMemoryOptions
    {
        DatabasePath = database,
        FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["bank.refund"] = ApprovalPolicy.Always },
        Scope = () => new MemoryScope("wayne"),
    });
}
