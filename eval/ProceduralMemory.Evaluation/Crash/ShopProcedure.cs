using System.Text.Json;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>The procedure that is killed: ten steps, of which every second one has an effect, and each needs what the one before returned.</summary>
internal static class ShopProcedure
{
    /// <summary>Its functions know nothing of keys.</summary>
    public const string Plain = "fulfil order";

    /// <summary>The same; its functions pass the idempotency key on.</summary>
    public const string WithKeys = "fulfil order with keys";

    /// <summary>What the first step is given.</summary>
    public const string Nothing = "nothing";

    public static IReadOnlyList<string> Steps { get; } = ["order", "reserve", "address", "ship", "price", "charge", "carrier", "invoice", "balance", "close"];

    public static IReadOnlyList<string> Writes { get; } = [.. Steps.Where((_, i) => IsWrite(i))];

    public static bool IsWrite(int place) => place % 2 == 1;

    /// <summary>The step whose result a step is given; <see langword="null"/> for the first.</summary>
    public static string? Before(string step) => Steps.TakeWhile(s => s != step).LastOrDefault();

    public static async Task StoreAsync(ProcedureMemory memory, CancellationToken cancellationToken)
    {
        await memory.StoreAsync(Definition(Plain, ShopFunctions.CarryOut), cancellationToken: cancellationToken);
        await memory.StoreAsync(Definition(WithKeys, ShopFunctions.CarryOutOnce), cancellationToken: cancellationToken);
    }

    private static ProcedureDefinition Definition(string name, string write) => new()
    {
        Name = name,
        Description = "Look up an order, and reserve, ship, charge, invoice and close it",
        Inputs = [new ProcedureInput { Name = "order", Type = JsonType.String }],
        Steps = [.. Steps.Select((step, place) => new ProcedureStep
        {
            Id = step,
            Action = $"{ShopFunctions.Plugin}.{(IsWrite(place) ? write : ShopFunctions.LookUp)}",
            Arguments = JsonSerializer.SerializeToElement(new
            {
                order = "$inputs.order",
                step,
                given = Before(step) is { } before ? $"$steps.{before}.outputs#/value" : Nothing,
            }),
        })],
    };
}
