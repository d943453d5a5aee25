using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI.Tests;

public sealed class StepExecutorTests
{
    private enum Colour
    {
        Red,
        Blue,
    }

    [Theory]
    [InlineData("orders_refund", "orders.refund")]
    [InlineData("orders-refund", "orders.refund")]
    [InlineData("orders_refund", "Orders_Refund")]
    public async Task What_another_framework_recorded_is_found_by_its_name_on_the_wire(string tool, string action)
    {
        var executor = new AIFunctionStepExecutor([AIFunctionFactory.Create((string id) => id, tool)]);

        Assert.Empty(await CheckAsync(executor, action, "id"));
        Assert.Equal("W1", (await CallAsync(executor, action, """{"id":"W1"}""")).Result?.GetString());
        Assert.NotNull(executor.Describe(action));
    }

    [Fact]
    public async Task A_function_that_is_not_there_is_told_with_those_that_are_near()
    {
        var executor = new AIFunctionStepExecutor([AIFunctionFactory.Create(() => 1, "get_order"), AIFunctionFactory.Create(() => 1, "send_mail")]);

        var problem = Assert.Single(await CheckAsync(executor, "get_orders"));
        Assert.Equal((ReplayProblemCodes.MissingFunction, "Step 's' calls get_orders, which is not among the tools; nearest is get_order. Add the tool, or record the task anew."), (problem.Code, problem.Message));
        Assert.True((await CallAsync(executor, "get_orders")).Refused);
        Assert.Null(executor.Describe("get_orders"));
    }

    [Fact]
    public async Task Arguments_are_checked_against_the_schema()
    {
        var executor = new AIFunctionStepExecutor([AIFunctionFactory.Create((string id, int amount = 1) => id, "refund")]);

        Assert.Empty(await CheckAsync(executor, "refund", "ID"));
        Assert.Equal("Step 's' gives refund the argument 'colour', which it does not take; it takes id, amount. Record the task anew, or store the procedure with the argument renamed.", Assert.Single(await CheckAsync(executor, "refund", "id", "colour")).Message);
        Assert.Equal("Step 's' does not give refund its required argument 'id'. Give it as an adapted parameter, or record the task anew.", Assert.Single(await CheckAsync(executor, "refund", "amount")).Message);
    }

    [Fact]
    public async Task Allowed_and_denied_functions_go_by_their_name_or_by_their_plugin()
    {
        AIFunction[] tools = [AIFunctionFactory.Create(() => 1, "orders_refund"), AIFunctionFactory.Create(() => 1, "orders_get"), AIFunctionFactory.Create(() => 1, "send_mail")];
        var executor = new AIFunctionStepExecutor(tools, new FunctionReplayOptions { AllowedFunctions = ["orders.*"], DeniedFunctions = ["orders.refund"] });

        Assert.Empty(await CheckAsync(executor, "orders.get"));
        Assert.Equal("Step 's' calls send_mail, which may not be replayed: it is not in FunctionReplayOptions.AllowedFunctions. Only the host can change that.", Assert.Single(await CheckAsync(executor, "send_mail")).Message);
        var denied = Assert.Single(await CheckAsync(executor, "orders_refund"));
        Assert.Equal(ReplayProblemCodes.NotAllowed, denied.Code);
        Assert.Contains("'orders.refund' is in FunctionReplayOptions.DeniedFunctions", denied.Message, StringComparison.Ordinal);
        Assert.True((await CallAsync(executor, "orders_refund")).Refused);

        var fault = Assert.Throws<ValidationException>(() => new AIFunctionStepExecutor(tools, new FunctionReplayOptions { DeniedFunctions = ["or*"] }));
        Assert.Equal("'or*' names no functions. Write the name of a function, plugin.function, or plugin.* for all of a plugin.", fault.Message);
    }

    [Fact]
    public void What_a_function_declares_is_seen_through_what_is_around_it()
    {
        var inner = AIFunctionFactory.Create(Pay, "pay");
        var described = new AIFunctionStepExecutor([new ApprovalRequiredAIFunction(new Around(inner))]).Describe("pay")!;

        Assert.True(described.RequiresApproval);
        Assert.Equal((StepEffect.Write, "key"), (described.Effect, described.IdempotencyKeyParameter));
        Assert.Equal("""["id","key"]""", described.Parameters!.Value.GetProperty("required").GetRawText());
        Assert.False(new AIFunctionStepExecutor([inner]).Describe("pay")!.RequiresApproval);
    }

    [Fact]
    public async Task The_parameter_of_the_key_is_for_the_replay_to_fill() =>
        Assert.Empty(await CheckAsync(new AIFunctionStepExecutor([AIFunctionFactory.Create(Pay, "pay")]), "pay", "id"));

    [Fact]
    public async Task Values_are_bound_as_in_a_live_call_and_results_are_json()
    {
        var function = AIFunctionFactory.Create((Colour colour, int[] numbers, DateOnly day, double? rate = 2, string? note = null) => new { colour, numbers, day, rate, note }, "f");
        var result = await CallAsync(new AIFunctionStepExecutor([function]), "f", """{"COLOUR":"Blue","numbers":[1,2],"day":"2031-05-04","rate":null,"note":null}""");

        Assert.Null(result.Failure);
        Assert.Equal("""{"colour":"Blue","numbers":[1,2],"day":"2031-05-04"}""", JsonSerializer.Serialize(result.Result!.Value));
    }

    [Theory]
    [InlineData("""{"a":1}""", """{"a":1}""")]
    [InlineData(" [1]", "[1]")]
    [InlineData("plain", "\"plain\"")]
    [InlineData("17", "\"17\"")]
    [InlineData(null, "null")]
    public async Task Text_that_holds_json_is_taken_for_that(string? text, string json)
    {
        var result = await CallAsync(new AIFunctionStepExecutor([AIFunctionFactory.Create(() => text, "f")]), "f");
        Assert.Equal(json, result.Result?.GetRawText() ?? "null");
    }

    [Fact]
    public async Task An_exception_is_a_failure_and_cancellation_is_not()
    {
        using var cancel = new CancellationTokenSource();
        var executor = new AIFunctionStepExecutor([
            AIFunctionFactory.Create(new Func<string>(() => throw new TimeoutException("slow")), "times_out"),
            AIFunctionFactory.Create(async (CancellationToken token) =>
            {
                await cancel.CancelAsync();
                token.ThrowIfCancellationRequested();
            }, "is_cancelled"),
        ]);

        var failed = await CallAsync(executor, "times_out");
        Assert.Equal(("TimeoutException", "slow"), (failed.Failure!.ErrorType, failed.Failure.Message));
        Assert.False(failed.Refused);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => executor.ExecuteAsync(Call("is_cancelled", "{}"), cancel.Token));
    }

    [Fact]
    public async Task Calls_pass_the_function_invocation_as_live_ones_do()
    {
        var ran = 0;
        var tool = AIFunctionFactory.Create((string id) =>
        {
            ran++;
            Assert.Equal("refund", FunctionInvokingChatClient.CurrentContext?.CallContent.Name);
            return id;
        }, "refund");
        using var model = new InProcessModel(_ => []);
        using var invoker = new FunctionInvokingChatClient(model)
        {
            FunctionInvoker = async (context, cancellationToken) => context.Arguments["id"]?.ToString() switch
            {
                "W1" => await context.Function.InvokeAsync(context.Arguments, cancellationToken),
                "W2" => "No refunds today.",
                "W3" => throw new UnauthorizedAccessException("Who are you?"),
                _ => await ThenStopAsync(context, cancellationToken),
            },
        };
        var executor = new AIFunctionStepExecutor([tool], invoker: invoker);

        Assert.Equal("W1", (await CallAsync(executor, "refund", """{"id":"W1"}""")).Result?.GetString());
        var answered = await CallAsync(executor, "refund", """{"id":"W2"}""");
        Assert.Equal((true, "The function invocation of the host answered in place of refund, and the function was not run: No refunds today."), (answered.Refused, answered.Failure?.Message));
        var refused = await CallAsync(executor, "refund", """{"id":"W3"}""");
        Assert.Equal((true, "The function invocation of the host did not let refund through: Who are you? Only the host can allow it."), (refused.Refused, refused.Failure?.Message));
        Assert.Equal(1, ran);
        Assert.True((await CallAsync(executor, "refund", """{"id":"W4"}""")).StopRequested);
        Assert.Null(FunctionInvokingChatClient.CurrentContext);

        static async ValueTask<object?> ThenStopAsync(FunctionInvocationContext context, CancellationToken cancellationToken)
        {
            context.Terminate = true;
            return await context.Function.InvokeAsync(context.Arguments, cancellationToken);
        }
    }

    [Fact]
    public async Task A_function_invocation_of_a_derived_class_is_passed_as_well()
    {
        using var model = new InProcessModel(_ => []);
        using var invoker = new Refusing(model);
        var result = await CallAsync(new AIFunctionStepExecutor([AIFunctionFactory.Create(() => 1, "f")], invoker: invoker), "f");
        Assert.True(result.Refused);
    }

    [Fact]
    public async Task Functions_of_the_memory_are_no_steps()
    {
        using var memory = Given.Memory();
        var executor = new AIFunctionStepExecutor(memory.AsAITools([]));
        Assert.Contains("it belongs to the procedural memory", Assert.Single(await CheckAsync(executor, "replay_procedure", "name")).Message, StringComparison.Ordinal);
    }

    [FunctionEffect(StepEffect.Write, IdempotencyKeyParameter = "key"), Description("Pays")]
    private static string Pay(string id, string key) => id + key;

    private static async Task<IReadOnlyList<ReplayProblem>> CheckAsync(AIFunctionStepExecutor executor, string action, params string[] arguments) =>
        await executor.CheckAsync([new PlannedCall("s", action, arguments, StepEffect.Write)]);

    private static StepCall Call(string action, string arguments) => new(Guid.CreateVersion7(), "s", action, JsonElement.Parse(arguments), StepEffect.Write);

    private static Task<StepCallResult> CallAsync(AIFunctionStepExecutor executor, string action, string arguments = "{}") => executor.ExecuteAsync(Call(action, arguments));

    private sealed class Around(AIFunction function) : DelegatingAIFunction(function);

    private sealed class Refusing(IChatClient inner) : FunctionInvokingChatClient(inner)
    {
        protected override ValueTask<object?> InvokeFunctionAsync(FunctionInvocationContext context, CancellationToken cancellationToken) => throw new UnauthorizedAccessException("no");
    }
}
