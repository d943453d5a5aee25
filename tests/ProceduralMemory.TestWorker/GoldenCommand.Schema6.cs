using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>What came with schema 6, in a scope of its own: what turns taught, and what it saved.</summary>
internal static partial class GoldenCommand
{
    private static async Task WriteSchema6Async(ProcedureMemory memory)
    {
        memory.Learning = LearningMode.Automatic;
        await OrderTurnAsync(memory, "bolts", amount: 20, calls: 4);
        await OrderTurnAsync(memory, "nuts", amount: 35, calls: 6);

        using (var turn = memory.BeginTurn("Order 10 washers"))
        {
            using (turn.Enter())
            {
                var inputs = new Dictionary<string, JsonElement> { ["item"] = JsonElement.Parse("\"washers\""), ["amount"] = JsonElement.Parse("10") };
                (await memory.ReplayAsync(new AnsweringExecutor(Answer), "order_stock", new ReplayRequest { Inputs = inputs })).ThrowIfNotCompleted();
            }

            turn.ReportUsage(new TraceUsage(2, 500, 40));
            await turn.EndAsync(TurnEnd.Answered);
        }

        memory.Learning = LearningMode.Propose;
        using (var turn = memory.BeginTurn("Burn the old papers"))
        {
            await RecordAsync(turn.Recorder!, "papers.list", "{}", """{"old":["p1"]}""");
            await RecordAsync(turn.Recorder!, "oven.burn", """{"paper":"p1"}""", "\"ok\"");
            await turn.EndAsync(TurnEnd.Answered);
        }
    }

    // The tests know the name, however names are made.
    private sealed class StockNamer : IProcedureNamer
    {
        public ValueTask<ProcedureNaming?> NameAsync(TurnReport turn, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult(turn.Request!.StartsWith("Order", StringComparison.Ordinal) ? new ProcedureNaming("order_stock", "Order what is asked for.") : null);
    }

    private static async Task OrderTurnAsync(ProcedureMemory memory, string item, int amount, int calls)
    {
        using var turn = memory.BeginTurn(FormattableString.Invariant($"Order {amount} {item}"));
        await RecordAsync(turn.Recorder!, "stock.find", JsonSerializer.Serialize(new { item }), $$"""{"sku":"sku-{{item}}"}""");
        await RecordAsync(turn.Recorder!, "stock.order", JsonSerializer.Serialize(new { sku = $"sku-{item}", amount }), "\"ordered\"");
        turn.ReportUsage(new TraceUsage(calls, calls * 300, calls * 20));
        if ((await turn.EndAsync(TurnEnd.Answered)).Learned?.Procedure is not { Name: "order_stock" })
        {
            throw new InvalidOperationException("A turn was to teach 'order_stock'.");
        }
    }
}
