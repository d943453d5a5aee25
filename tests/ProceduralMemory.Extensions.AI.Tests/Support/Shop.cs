using System.Collections.Concurrent;
using System.ComponentModel;
using Microsoft.Extensions.AI;

namespace ProceduralMemory.Extensions.AI.Tests;

/// <summary>Tools with an effect that can be looked at.</summary>
internal sealed class Shop
{
    private readonly ConcurrentQueue<string> _calls = new();

    /// <summary>The calls, in order, as <c>name(arguments)</c>.</summary>
    public IReadOnlyList<string> Calls => [.. _calls];

    /// <summary>Is asked before each refund.</summary>
    public Func<string, Task>? BeforeRefund { get; set; }

    public IList<AITool> Tools => [Get, Refund];

    public AIFunction Get => AIFunctionFactory.Create(GetOrder, "get_order");

    public AIFunction Refund => AIFunctionFactory.Create(RefundAsync, "refund");

    [Description("Reads an order"), FunctionEffect(StepEffect.Read)]
    private Order GetOrder([Description("The order, such as W1")] string order_id)
    {
        _calls.Enqueue($"get_order({order_id})");
        return new Order(order_id, $"P-{order_id}");
    }

    [Description("Pays an order back")]
    private async Task<string> RefundAsync([Description("The payment")] string payment)
    {
        await (BeforeRefund?.Invoke(payment) ?? Task.CompletedTask);
        _calls.Enqueue($"refund({payment})");
        return $$"""{"refunded":"{{payment}}"}""";
    }

    internal sealed record Order(string Id, string Payment);
}
