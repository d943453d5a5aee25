using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>What came with schema 2, in a scope of its own: so all that the tests ask of files of schema 1 they ask of later ones too.</summary>
internal static partial class GoldenCommand
{
    private static async Task WriteSchema2Async(ProcedureMemory memory)
    {
        await RecordShippingAsync(memory, "W-1001", "dhl", "cus_1001");
        await RecordShippingAsync(memory, "W-1002", "ups", "cus_2002");
        await memory.SetSourceAsync("ship order", "tell", "channel", JsonElement.Parse("\"$inputs.channel\""));
        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "ship order", ReplayRequest.For(new { order_number = "W-1003", carrier = "dhl", channel = "letter" }))).ThrowIfNotCompleted();

        await StoreRestockingAsync(memory);
        await RecordTicketAsync(memory);
    }

    /// <summary>Called from a form: the names of the inputs are the form's.</summary>
    private static async Task RecordShippingAsync(ProcedureMemory memory, string order, string carrier, string customer)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails
        {
            Name = "ship order",
            Description = "Send the parcel of an order and tell the customer",
            Inputs = new Dictionary<string, JsonElement>
            {
                ["order_number"] = JsonSerializer.SerializeToElement(order),
                ["carrier"] = JsonSerializer.SerializeToElement(carrier),
            },
        });
        await RecordAsync(recorder, "orders.get", $$"""{"order":"{{order}}"}""", $$"""{"customer":"{{customer}}","weight":3}""");
        await RecordAsync(recorder, "parcels.send", $$"""{"order":"{{order}}","carrier":"{{carrier}}","customer":"{{customer}}"}""", "\"done\"");
        await RecordAsync(recorder, "mail.tell", $$"""{"customer":"{{customer}}","channel":"mail"}""", "\"done\"");
        await recorder.FinalizeAsync();
    }

    private static async Task StoreRestockingAsync(ProcedureMemory memory)
    {
        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "restock shelves",
            Description = "Order what is low, and report where somebody wants to know",
            Inputs = [new ProcedureInput { Name = "report_to", Type = JsonType.String, Required = false }],
            Steps =
            [
                new ProcedureStep { Id = "list", Action = "stock.list", Effect = StepEffect.Read },
                new ProcedureStep
                {
                    Id = "each",
                    Action = "for each shelf",
                    Kind = StepKind.Loop,
                    ForEach = "$steps.list.outputs#/shelves",
                    Steps = [new ProcedureStep { Id = "order", Action = "stock.order", Arguments = JsonElement.Parse("""{"sku":"$item#/sku","amount":100}"""), Effect = StepEffect.Write }],
                },
                new ProcedureStep
                {
                    Id = "report",
                    Action = "mail.send",
                    Condition = new StepCondition { Value = "$inputs.report_to", Test = ConditionTest.Present },
                    Arguments = JsonElement.Parse("""{"to":"$inputs.report_to","text":"$steps.list.outputs#/note"}"""),
                    Effect = StepEffect.Write,
                },
            ],
        });
        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "restock shelves", ReplayRequest.For(new { report_to = "ada@example.test" }))).ThrowIfNotCompleted();
    }

    /// <summary>One recording with a word that came from nowhere.</summary>
    private static async Task RecordTicketAsync(ProcedureMemory memory)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "open ticket", Description = "Open a ticket about a printer", Request = "Open a ticket about printer 7" });
        await RecordAsync(recorder, "tickets.open", """{"about":"printer 7","queue":"tier-2"}""", """{"ticket":"T-1"}""");
        await recorder.FinalizeAsync();
    }
}
