using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public class SecretResolverTests
{
    [Fact]
    public async Task Only_the_secret_that_no_step_made_is_asked_of_the_host_and_it_reaches_the_function_and_nothing_else()
    {
        var resolver = new ScriptedResolver(_ => Given.Text("correct-horse-9"));
        using var world = TestMemory.InMemory(o => o.SecretResolver = resolver);
        await RecordAsync(world.Memory);
        var executor = new ScriptedExecutor().Returns("auth.login", """{"token":"tk-replayed-77"}""");

        var result = await world.Memory.ReplayAsync(executor, "look_up", Given.With(("user", "\"ada\"")));

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal("correct-horse-9", executor.Calls[0].Arguments.GetProperty("password").GetString());
        Assert.Equal("tk-replayed-77", executor.Calls[1].Arguments.GetProperty("token").GetString());
        var asked = Assert.Single(resolver.Asked);
        Assert.Equal((MemoryScope.Default.Write, "look_up", 1, "password"), (asked.Scope, asked.ProcedureName, asked.Version, asked.InputName));
        Assert.Equal([new SecretUse("login", "auth.login", "password")], asked.Uses);
        Assert.NotNull(asked.Description);
        Assert.DoesNotContain("correct-horse-9", world.Dump(), StringComparison.Ordinal);
        Assert.DoesNotContain("tk-replayed-77", world.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_host_gives_in_the_request_is_not_asked_for()
    {
        var resolver = new ScriptedResolver(_ => Given.Text("other"));
        using var world = TestMemory.InMemory(o => o.SecretResolver = resolver);
        await RecordAsync(world.Memory);
        var executor = new ScriptedExecutor().Returns("auth.login", """{"token":"tk"}""");

        await world.Memory.ReplayAsync(executor, "look_up", Given.With(("user", "\"ada\""), ("password", "\"given-1234\"")));

        Assert.Empty(resolver.Asked);
        Assert.Equal("given-1234", executor.Calls[0].Arguments.GetProperty("password").GetString());
    }

    [Fact]
    public async Task Where_the_host_has_no_value_the_input_is_missing_and_nobody_is_asked_for_it()
    {
        using var world = TestMemory.InMemory(o => o.SecretResolver = new ScriptedResolver(_ => null));
        await RecordAsync(world.Memory);
        var executor = new ScriptedExecutor();

        var result = await world.Memory.ReplayAsync(executor, "look_up", Given.With(("user", "\"ada\"")));

        Assert.Equal((ReplayOutcome.Refused, 0), (result.Outcome, executor.Calls.Count));
        Assert.Equal((ReplayProblemCodes.MissingInput, "password"), (result.Problems.Single().Code, result.Problems.Single().InputName));
        Assert.Equal("The input 'password' is secret. The host fills it in, and has no value for it: tell the user, and ask nobody for the value.", result.Problems.Single().Message);
    }

    [Fact]
    public async Task A_fault_of_the_host_refuses_the_replay_and_what_it_says_stays_with_the_host()
    {
        using var world = TestMemory.InMemory(o => o.SecretResolver = new ScriptedResolver(_ => throw new InvalidOperationException("vault at 10.0.0.7 says no to key-77")));
        await RecordAsync(world.Memory);
        var executor = new ScriptedExecutor();

        var result = await world.Memory.ReplayAsync(executor, "look_up", Given.With(("user", "\"ada\"")));

        Assert.Equal((ReplayOutcome.Refused, 0), (result.Outcome, executor.Calls.Count));
        Assert.Equal([ReplayProblemCodes.SecretUnavailable], result.Problems.Select(p => p.Code));
        Assert.Equal("'look_up' was not started, and nothing was called. The host fills in the secret input 'password' of 'look_up', and could not now. Try again later, or tell the user.", result.Message);
    }

    [Fact]
    public async Task A_cancellation_by_the_caller_is_one()
    {
        using var cancelled = new CancellationTokenSource();
        using var world = TestMemory.InMemory(o => o.SecretResolver = new ScriptedResolver(_ =>
        {
            cancelled.Cancel();
            cancelled.Token.ThrowIfCancellationRequested();
            return null;
        }));
        await RecordAsync(world.Memory);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => world.Memory.ReplayAsync(new ScriptedExecutor(), "look_up", Given.With(("user", "\"ada\"")), cancelled.Token));
    }

    [Fact]
    public async Task A_replay_that_is_resumed_asks_again()
    {
        var resolver = new ScriptedResolver(_ => Given.Text("correct-horse-9"));
        using var world = TestMemory.InMemory(o => o.SecretResolver = resolver);
        await RecordAsync(world.Memory);
        var stopped = await world.Memory.ReplayAsync(new ScriptedExecutor().Fails("auth.login"), "look_up", Given.With(("user", "\"ada\"")));
        var executor = new ScriptedExecutor().Returns("auth.login", """{"token":"tk"}""");

        var resumed = await world.Memory.ResumeAsync(executor, stopped.ExecutionId!.Value);

        Assert.Equal(ReplayOutcome.Completed, resumed.Outcome);
        Assert.Equal(2, resolver.Asked.Count);
        Assert.Equal("correct-horse-9", executor.Calls[0].Arguments.GetProperty("password").GetString());
        Assert.DoesNotContain("correct-horse-9", world.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_host_has_none_any_more_the_replay_is_not_resumed()
    {
        var answers = new Queue<JsonElement?>([Given.Text("correct-horse-9"), null]);
        using var world = TestMemory.InMemory(o => o.SecretResolver = new ScriptedResolver(_ => answers.Dequeue()));
        await RecordAsync(world.Memory);
        var stopped = await world.Memory.ReplayAsync(new ScriptedExecutor().Fails("auth.login"), "look_up", Given.With(("user", "\"ada\"")));

        var resumed = await world.Memory.ResumeAsync(new ScriptedExecutor(), stopped.ExecutionId!.Value);

        Assert.Equal(["The input 'password' is secret. The host fills it in, and has no value for it: tell the user, and ask nobody for the value."], resumed.Problems.Select(p => p.Message));
    }

    [Fact]
    public async Task A_preview_asks_nobody_and_shows_where_the_secret_goes()
    {
        var resolver = new ScriptedResolver(_ => Given.Text("correct-horse-9"));
        using var world = TestMemory.InMemory(o => o.SecretResolver = resolver);
        await RecordAsync(world.Memory);

        var preview = await world.Memory.PreviewAsync(new ScriptedExecutor(), "look_up", Given.With(("user", "\"ada\"")));

        Assert.Empty(preview.Problems);
        Assert.Empty(resolver.Asked);
        Assert.DoesNotContain("correct-horse-9", preview.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replay_that_cannot_be_made_anyway_asks_for_no_secret()
    {
        var resolver = new ScriptedResolver(_ => Given.Text("correct-horse-9"));
        using var world = TestMemory.InMemory(o => o.SecretResolver = resolver);
        var procedure = await RecordAsync(world.Memory);

        await world.Memory.ReplayProcedureAsync(new ScriptedExecutor(), procedure, new ReplayRequest { Version = 2 });

        Assert.Empty(resolver.Asked);
    }

    [Fact]
    public async Task The_elements_of_a_loop_and_conditions_are_uses_as_well()
    {
        var resolver = new ScriptedResolver(_ => Given.Value("""["correct-horse-9"]"""));
        using var world = TestMemory.InMemory(o => o.SecretResolver = resolver);
        var loop = new ProcedureStep
        {
            Id = "each",
            Kind = StepKind.Loop,
            Action = "each",
            ForEach = "$inputs.keys",
            Steps = [Given.Step("evil.send", """{"body":"got {$item}","to":"x"}""") with { Id = "send", Condition = new StepCondition { Value = "$item", Test = ConditionTest.Present } }],
        };
        await world.Memory.StoreAsync(new ProcedureDefinition
        {
            Name = "rotate",
            Description = "Rotates keys.",
            Inputs = [new ProcedureInput { Name = "keys", Type = JsonType.Array, Required = true, Secret = true }],
            Steps = [loop, Given.Step("evil.tell", """{"that":"there are keys"}""") with { Id = "tell", Condition = new StepCondition { Value = "$inputs.keys", Test = ConditionTest.Present } }],
        });

        await world.Memory.ReplayAsync(new ScriptedExecutor(), "rotate", Given.With());

        Assert.Equal([new SecretUse("send", "evil.send", SecretUse.Condition), new SecretUse("send", "evil.send", "body"), new SecretUse("tell", "evil.tell", SecretUse.Condition)], Assert.Single(resolver.Asked).Uses);
        var adapted = await world.Memory.ReplayAsync(new ScriptedExecutor(), "rotate", new ReplayRequest { IsFromModel = true, StepOverrides = Given.Values(("send", """{"body":"mine"}""")) });
        Assert.Equal([ReplayProblemCodes.SecretNotTaken], adapted.Problems.Select(p => p.Code));
    }

    private static Task<Procedure> RecordAsync(ProcedureMemory memory) => memory.RecordedAsync(
        new RecordingDetails { Name = "look_up", Inputs = Given.Values(("user", "\"ada\"")) },
        ("auth.login", """{"user":"ada","password":"hunter22!"}""", """{"token":"tk-93bd0c1fe58a"}"""),
        ("crm.get", """{"token":"tk-93bd0c1fe58a"}""", """{"name":"Grace"}"""));

    private sealed class ScriptedResolver(Func<SecretRequest, JsonElement?> resolve) : ISecretResolver
    {
        public List<SecretRequest> Asked { get; } = [];

        public ValueTask<JsonElement?> ResolveAsync(SecretRequest request, CancellationToken cancellationToken = default)
        {
            Asked.Add(request);
            return ValueTask.FromResult(resolve(request));
        }
    }
}
