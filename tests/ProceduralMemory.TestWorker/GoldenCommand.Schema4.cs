using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>What came with schema 4, in a scope of its own: approvals, signatures, and replays that wait, were mended, or were cut off.</summary>
internal static partial class GoldenCommand
{
    private static async Task WriteSchema4Async(ProcedureMemory memory)
    {
        var request = JsonElement.Parse("""{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}""");
        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "refund customer",
            Description = "Refund a customer and tell them",
            Inputs = [new ProcedureInput { Name = "name", Type = JsonType.String }, new ProcedureInput { Name = "amount", Type = JsonType.Integer }],
            Steps =
            [
                new ProcedureStep { Id = "find", Action = "crm.find", Arguments = JsonElement.Parse("""{"name":"$inputs.name"}"""), Effect = StepEffect.Read, Retry = new StepRetry { MaxRetries = 2 } },
                new ProcedureStep { Id = "refund", Action = "bank.refund", Arguments = JsonElement.Parse("""{"customer":"$steps.find.outputs#/id","amount":"$inputs.amount"}"""), Effect = StepEffect.Write },
                new ProcedureStep { Id = "tell", Action = "mail.send", Arguments = JsonElement.Parse("""{"to":"$steps.find.outputs#/mail"}"""), Effect = StepEffect.Write, Timeout = TimeSpan.FromMinutes(5) },
            ],
            Undo = "charge customer",
            Signatures = [new FunctionSignature("crm.find", request)],
        });
        await memory.StoreAsync(new ProcedureDefinition { Name = "charge customer", Steps = [new ProcedureStep { Action = "bank.charge", Effect = StepEffect.Write }] });
        await memory.StoreAsync(new ProcedureDefinition { Name = "pay salaries", Steps = [new ProcedureStep { Id = "pay", Action = "bank.pay_all", Effect = StepEffect.Write }] });
        await memory.ApproveAsync("refund customer", 1, by: "Bruce");
        await memory.RejectAsync("charge customer", 1, by: "Alfred", "Only people charge.");
        await memory.ApproveAsync("pay salaries", 1, by: "Bruce");

        // One that waits for the approval of its call, one that got it, and one that was mended by hand.
        await RefundAsync(memory, "Ada", 7);
        var approved = await RefundAsync(memory, "Grace", 9);
        await memory.ApproveCallAsync(approved, "refund", by: "Bruce");
        (await memory.ResumeAsync(new AnsweringExecutor(Answer), approved)).ThrowIfNotCompleted();
        var mended = await RefundAsync(memory, "Edsger", 11);
        await memory.ApproveCallAsync(mended, "refund", by: "Bruce");
        await memory.ResumeAsync(new AnsweringExecutor(call => call.Action == "mail.send" ? throw new InvalidOperationException("No such mailbox.") : Answer(call)), mended);
        (await memory.ResumeAsync(new AnsweringExecutor(Answer), mended, new ResumeRequest { Results = new Dictionary<string, JsonElement> { ["tell"] = JsonElement.Parse("\"by phone\"") } })).ThrowIfNotCompleted();

        // And one in the middle of whose write this process ends.
        var isCalled = new TaskCompletionSource();
        _ = Task.Run(() => memory.ReplayAsync(new EndlessExecutor(isCalled), "pay salaries"));
        await isCalled.Task;
    }

    private static async Task<Guid> RefundAsync(ProcedureMemory memory, string name, int amount)
    {
        var replay = await memory.ReplayAsync(new AnsweringExecutor(Answer), "refund customer", ReplayRequest.For(new { name, amount }));
        return replay is { Outcome: ReplayOutcome.Waiting, ExecutionId: { } id } ? id : throw new InvalidOperationException($"The replay was to wait, and is {replay.Outcome}: {replay.Message}");
    }

    /// <summary>A function that never returns.</summary>
    private sealed class EndlessExecutor(TaskCompletionSource isCalled) : IStepExecutor
    {
        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

        public async Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
        {
            isCalled.SetResult();
            await Task.Delay(Timeout.Infinite, CancellationToken.None);
            return new StepCallResult();
        }
    }
}
