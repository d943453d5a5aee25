using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Secrets come from the host and not from the model, which is neither asked for them nor told them.</summary>
public sealed class SecretInputTests
{
    private const string Replay = "procedures-replay_procedure";

    [Fact]
    public async Task A_registered_resolver_fills_in_what_the_model_is_not_asked_for()
    {
        var given = new List<string>();
        await using var agent = await AgentAsync(given, _ => JsonSerializer.SerializeToElement("correct-horse-9"));

        var found = await agent.ModelCallsAsync("procedures-find_similar_procedure", """{"request":"log in to the shop"}""");
        var replayed = await agent.ModelCallsAsync(Replay, """{"name":"log_in","inputs":{"user":"ada"}}""");

        Assert.Equal(["user"], found["procedures"][0].GetProperty("inputs").EnumerateArray().Select(i => i.GetProperty("name").GetString()));
        Assert.Equal(ReplyStatus.Completed, replayed.Status);
        Assert.Equal(["ada correct-horse-9"], given);
        Assert.DoesNotContain("correct-horse-9", found.Message + replayed.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"name":"log_in","inputs":{"user":"ada","password":"from-the-model"}}""", "'password' is secret, and the host fills it in: leave it out.")]
    [InlineData("""{"name":"log_in","inputs":{"user":"ada"},"adapt":{"login":{"password":"from-the-model"}}}""", "The argument 'password' of step 'login' is secret, and the host fills it in: do not adapt it.")]
    [InlineData("""{"name":"log_in","inputs":{"user":"ada"},"adapt":{"shop.login":{"password":"from-the-model"}}}""", "The argument 'password' of step 'login' is secret, and the host fills it in: do not adapt it.")]
    public async Task What_a_model_gives_for_a_secret_is_not_taken(string arguments, string message)
    {
        var given = new List<string>();
        await using var agent = await AgentAsync(given, _ => JsonSerializer.SerializeToElement("correct-horse-9"));

        var reply = await agent.ModelCallsAsync(Replay, arguments);

        Assert.Equal(ReplyStatus.Invalid, reply.Status);
        Assert.Equal($"'log_in' was not started, and nothing was called. {message}", reply.Message);
        Assert.Empty(given);
    }

    [Fact]
    public async Task Where_the_host_has_no_value_the_model_is_told_to_ask_nobody()
    {
        await using var agent = await AgentAsync([], _ => null);

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"log_in","inputs":{"user":"ada"}}""");

        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.False(reply.Has("missing"));
        Assert.Contains("ask nobody for the value", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fault_of_the_host_is_not_told_to_the_model()
    {
        await using var agent = await AgentAsync([], _ => throw new InvalidOperationException("the vault at 10.0.0.7"));

        var reply = await agent.ModelCallsAsync(Replay, """{"name":"log_in","inputs":{"user":"ada"}}""");

        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.DoesNotContain("10.0.0.7", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_resolver_the_model_is_asked_as_before()
    {
        var given = new List<string>();
        await using var asked = await AgentAsync(given, resolve: null);
        await using var agent = await AgentAsync(given, resolve: null);

        var missing = await asked.ModelCallsAsync(Replay, """{"name":"log_in","inputs":{"user":"ada"}}""");
        var done = await agent.ModelCallsAsync(Replay, """{"name":"log_in","inputs":{"user":"ada","password":"from-the-user"}}""");

        Assert.Equal(ReplyStatus.MissingInputs, missing.Status);
        Assert.Equal((ReplyStatus.Completed, "ada from-the-user"), (done.Status, given.Single()));
    }

    private static async Task<TestAgent> AgentAsync(List<string> given, Func<SecretRequest, JsonElement?>? resolve)
    {
        var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Plugins.AddFromFunctions("shop", [KernelFunctionFactory.CreateFromMethod((string user, string password) => { given.Add($"{user} {password}"); return "ok"; }, "login")]);
                if (resolve is not null)
                {
                    b.Services.AddSingleton<ISecretResolver>(new Resolver(resolve));
                }
            },
            o => o.Approval = ApprovalPolicy.Never);
        await agent.Memory.StoreAsync(new ProcedureDefinition
        {
            Name = "log_in",
            Description = "Log in to the shop",
            Inputs = [Given.Input("user"), new ProcedureInput { Name = "password", Secret = true }],
            Steps = [Given.Step("shop.login", """{"user":"$inputs.user","password":"$inputs.password"}""")],
        });
        return agent;
    }

    private sealed class Resolver(Func<SecretRequest, JsonElement?> resolve) : ISecretResolver
    {
        public ValueTask<JsonElement?> ResolveAsync(SecretRequest request, CancellationToken cancellationToken = default) => ValueTask.FromResult(resolve(request));
    }
}
