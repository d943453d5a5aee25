using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What a model is shown of stored procedures is what a replay for it may do.</summary>
public sealed class FindReplyTests
{
    private const string Find = "procedures-find_similar_procedure";
    private const string Start = "procedures-start_recording";

    [Theory]
    [InlineData("shop.refund", null)]
    [InlineData("shop.*", null)]
    [InlineData(null, "shop.get_order")]
    public async Task What_calls_a_function_that_replays_may_not_call_is_not_offered(string? denied, string? allowed)
    {
        await using var agent = await ShopAgentAsync(denied, allowed);
        await StoreAsync(agent, "refund_order", "shop.refund");

        var found = await agent.ModelCallsAsync(Find, """{"request":"refund the order"}""");
        var started = await agent.ModelCallsAsync(Start, """{"name":"refund_order","description":"Refund the order"}""");

        Assert.Equal(ReplyStatus.NothingFits, found.Status);
        Assert.Equal("No stored procedure can be used. 'refund_order' calls shop.refund, which cannot be called here.", found.Message);
        Assert.Equal(ReplyStatus.Recording, started.Status);
        Assert.False(started.Has("similar"));
    }

    [Fact]
    public async Task What_calls_this_librarys_own_functions_is_not_offered()
    {
        await using var agent = await ShopAgentAsync();
        await StoreAsync(agent, "refund_order", "procedures.start_recording");

        Assert.Equal(ReplyStatus.NothingFits, (await agent.ModelCallsAsync(Find, """{"request":"refund the order"}""")).Status);
    }

    [Fact]
    public async Task What_calls_functions_that_are_allowed_is_offered()
    {
        await using var agent = await ShopAgentAsync(denied: "shop.close", allowed: "shop.*");
        await StoreAsync(agent, "refund_order", "shop.refund");

        Assert.Equal(ReplyStatus.Found, (await agent.ModelCallsAsync(Find, """{"request":"refund the order"}""")).Status);
    }

    [Theory]
    [InlineData(ApprovalPolicy.Never, true)]
    [InlineData(ApprovalPolicy.FirstUse, false)]
    public async Task A_constant_that_a_person_sees_and_approves_is_not_asked_of_the_model(ApprovalPolicy policy, bool isRequired)
    {
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), o => o.Approval = policy);
        await agent.Memory.StoreAsync(new ProcedureDefinition
        {
            Name = "refund_order",
            Description = "Refund the order",
            Inputs = [new() { Name = "reason", Unconfirmed = true, Default = JsonElement.Parse("\"damaged\"") }],
            Steps = [Given.Step("shop.refund", """{"orderId":"W1","reason":"$inputs.reason"}""")],
        });

        var found = await agent.ModelCallsAsync(Find, """{"request":"refund the order"}""");

        Assert.Equal(isRequired, found["procedures"][0].GetProperty("inputs")[0].GetProperty("required").GetBoolean());
    }

    private static Task<TestAgent> ShopAgentAsync(string? denied = null, string? allowed = null) => TestAgent.StartAsync(
        b => b.Plugins.Add(new Shop().Plugin()),
        o =>
        {
            o.Replay.DeniedFunctions = denied is null ? [] : [denied];
            o.Replay.AllowedFunctions = allowed is null ? null : [allowed];
        });

    private static Task<Procedure> StoreAsync(TestAgent agent, string name, string action) => agent.Memory.StoreAsync(new ProcedureDefinition
    {
        Name = name,
        Description = "Refund the order",
        Steps = [Given.Step(action, "{}")],
    });
}
