using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>What came with schema 5, in a scope of its own: versions that compete, decisions, merges that can be undone, and what was taken back.</summary>
internal static partial class GoldenCommand
{
    private static async Task WriteSchema5Async(ProcedureMemory memory)
    {
        var list = new ProcedureStep { Id = "list", Action = "stock.list", Effect = StepEffect.Read };
        await memory.StoreAsync(new ProcedureDefinition { Name = "count stock", Description = "Count what is there", Steps = [list] });
        await memory.StoreAsync(new ProcedureDefinition { Name = "count stock", Steps = [list, list with { Id = "again" }] }, asNewVersion: true);
        await memory.RollBackAsync("count stock", by: "Alice");
        await memory.PinAsync("count stock", by: "Alice");

        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "close shop",
            Steps = [list, new ProcedureStep { Id = "wave", Action = "door.wave", Effect = StepEffect.Read, OnFailure = FailurePolicy.Continue }, list with { Id = "last", Action = "door.look" }],
        });
        for (var i = 0; i < 3; i++)
        {
            await memory.ReplayAsync(new AnsweringExecutor(call => call.Action == "door.wave" ? throw new InvalidOperationException("Nobody is there.") : Answer(call)), "close shop");
        }

        if ((await memory.OptimizeAsync("close shop")).Procedure.Version is not { State: VersionState.Candidate })
        {
            throw new InvalidOperationException("There was to be a candidate of 'close shop'.");
        }

        foreach (var name in new[] { "lock doors", "lock all doors" })
        {
            await memory.StoreAsync(new ProcedureDefinition { Name = name, Description = "Lock the doors", Tags = [name], Steps = [new ProcedureStep { Id = "lock", Action = "door.lock", Effect = StepEffect.IdempotentWrite }] });
        }

        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "lock doors", new ReplayRequest { Request = "lock the front door" })).ThrowIfNotCompleted();
        await memory.MergeAsync(["lock doors", "lock all doors"]);

        await memory.StoreAsync(new ProcedureDefinition { Name = "burn papers", Steps = [new ProcedureStep { Id = "burn", Action = "oven.burn", Effect = StepEffect.Write }] });
        await memory.QuarantineAsync("burn papers", "The auditors come.", by: "Alice");

        await GreetAsync(memory, "Ada", shouts: false);
        await GreetAsync(memory, "Grace", shouts: false);
        await memory.WithdrawTraceAsync(await GreetAsync(memory, "Edsger", shouts: true), by: "Alice");

        await memory.StoreAsync(new ProcedureDefinition { Name = "sell data", Steps = [new ProcedureStep { Id = "sell", Action = "data.sell", Effect = StepEffect.Write }] });
        await memory.EraseAsync("sell data");
    }

    private static async Task<Guid> GreetAsync(ProcedureMemory memory, string name, bool shouts)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "greet customer", Description = "Find a customer and greet them", Request = $"Greet {name}" });
        await RecordAsync(recorder, "crm.find", JsonSerializer.Serialize(new { name }), $$"""{"id":"cus_4004","mail":"{{name}}@example.test"}""");
        await RecordAsync(recorder, "mail.send", $$"""{"to":"{{name}}@example.test"}""", "\"ok\"");
        if (shouts)
        {
            await RecordAsync(recorder, "chat.post", """{"channel":"#all"}""", "\"ok\"");
        }

        return (await recorder.FinalizeAsync()).TraceId;
    }
}
