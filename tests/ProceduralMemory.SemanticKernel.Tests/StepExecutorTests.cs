using System.Collections.Concurrent;
using System.ComponentModel;
using System.Text.Json.Serialization;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>The executor says what does not fit before anything is called, and makes the calls with the values that the functions take.</summary>
public sealed class StepExecutorTests
{
    [Fact]
    public async Task The_parameter_that_takes_the_key_is_filled_by_the_replay_and_not_missed()
    {
        var keys = new List<string>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("bank", ("pay", [FunctionEffect(StepEffect.Write, IdempotencyKeyParameter = "key")] (int amount, string key) => keys.Add($"{amount} {key}"))));
        await memory.StoredAsync("pay", Given.Step("bank.pay", """{"amount":7}"""));

        var replay = await memory.ReplayAsync(kernel, "pay");

        Assert.Equal((ReplayOutcome.Completed, $"7 {replay.Steps[0].IdempotencyKey}"), (replay.Outcome, Assert.Single(keys)));
    }

    [Fact]
    public async Task A_function_that_is_gone_is_reported_with_near_names_before_the_first_step()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.get_orders", """{"orderId":"W-1"}"""));

        var replay = await memory.ReplayAsync(kernel, "p");

        var problem = Assert.Single(replay.Problems);
        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.MissingFunction, "get_orders"), (replay.Outcome, problem.Code, problem.StepId));
        Assert.Contains("; nearest are shop.get_order, ", problem.Message, StringComparison.Ordinal);
        Assert.Contains("nothing was called", replay.Message, StringComparison.Ordinal);
        Assert.Null(replay.ExecutionId);
        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task Near_names_never_point_at_the_memorys_own_functions()
    {
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("procedure.replay_procedures"));

        var replay = await memory.ReplayAsync(Given.Kernel(memory), "p");

        Assert.DoesNotContain("procedures.replay_procedure,", replay.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("nearest", replay.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_problem_of_every_step_is_reported_at_once()
    {
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("shop.nothing_of_the_kind"), Given.Step("shop.get_order", """{"order_number":"W-1"}"""), Given.Step("none.at_all"));

        var replay = await memory.ReplayAsync(Given.Kernel(memory, new Shop().Plugin()), "p");

        Assert.Equal(
            [ReplayProblemCodes.MissingFunction, ReplayProblemCodes.ParameterMismatch, ReplayProblemCodes.ParameterMismatch, ReplayProblemCodes.MissingFunction],
            replay.Problems.Select(p => p.Code));
    }

    [Fact]
    public async Task A_renamed_parameter_is_reported_before_the_first_step_by_its_old_name_and_what_there_is_now()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.refund", """{"customerId":"C-1","amount":1,"remark":"broken"}"""));

        var replay = await memory.ReplayAsync(Given.Kernel(memory, shop.Plugin()), "p");

        var problem = Assert.Single(replay.Problems);
        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.ParameterMismatch, "refund"), (replay.Outcome, problem.Code, problem.StepId));
        Assert.Contains("'remark'", problem.Message, StringComparison.Ordinal);
        Assert.Contains("customerId, amount, reason", problem.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task A_required_argument_that_no_step_gives_is_reported_before_the_first_step_and_an_optional_one_is_not_missed()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.refund", """{"customerId":"C-1"}"""));

        var replay = await memory.ReplayAsync(kernel, "p");

        var problem = Assert.Single(replay.Problems);
        Assert.Equal(ReplayProblemCodes.ParameterMismatch, problem.Code);
        Assert.Contains("required argument 'amount'", problem.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);

        // As the message says, an adapted parameter mends it.
        var adapted = await memory.ReplayAsync(kernel, "p", new ReplayRequest { StepOverrides = Given.With(("refund", """{"amount":7}""")).Inputs });
        Assert.Equal(ReplayOutcome.Completed, adapted.Outcome);
        Assert.Equal(["get_order W-1", "refund C-1 7"], shop.Calls);
    }

    [Fact]
    public async Task A_required_argument_that_an_optional_input_would_give_is_missed_before_the_first_step_where_that_is_not_given()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "p",
            Inputs = [new ProcedureInput { Name = "amount", Required = false }],
            Steps = [Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.refund", """{"customerId":"C-1","amount":"$inputs.amount"}""")],
        });

        var refused = await memory.ReplayAsync(kernel, "p");
        Assert.Empty(shop.Calls);
        var given = await memory.ReplayAsync(kernel, "p", Given.With(("amount", "7")));

        Assert.Equal((ReplayProblemCodes.ParameterMismatch, "refund"), (Assert.Single(refused.Problems).Code, refused.Problems[0].StepId));
        Assert.Contains("required argument 'amount'", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Completed, given.Outcome);
    }

    [Fact]
    public async Task A_parameter_that_a_service_or_the_kernel_fills_is_not_missed()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("work", (Kernel k, CancellationToken c, KernelArguments a, string name) => name)));
        await memory.StoredAsync("p", Given.Step("t.work", """{"name":"x"}"""));

        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(kernel, "p")).Outcome);
    }

    [Fact]
    public async Task A_name_as_it_goes_over_the_wire_is_understood()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("shop-get_order", """{"ORDERID":"W-1"}"""));

        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(Given.Kernel(memory, shop.Plugin()), "p")).Outcome);
        Assert.Equal(["get_order W-1"], shop.Calls);
    }

    [Fact]
    public async Task Inputs_reach_functions_as_the_values_they_take()
    {
        var seen = new ConcurrentQueue<(Wish Wish, DateOnly Day, Priority Priority, string[] Tags, int? Limit, bool Urgent, Guid Id)>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (Wish wish, DateOnly day, Priority priority, string[] tags, int? limit, Guid id, bool urgent = true) => seen.Enqueue((wish, day, priority, tags, limit, urgent, id)))));
        await memory.StoredAsync("p", Given.Step("t.take", """{"wish":"$inputs.wish","day":"$inputs.day","priority":"$inputs.priority","tags":"$inputs.tags","limit":"$inputs.limit","id":"$inputs.id"}"""));

        var replay = await memory.ReplayAsync(kernel, "p", Given.With(
            ("wish", """{"What":"a bicycle","Priority":"High","By":{"Name":"Ada","Born":"2025-12-24"}}"""),
            ("day", "\"2031-05-04\""),
            ("priority", "\"High\""),
            ("tags", """["a","b"]"""),
            ("limit", "null"),
            ("id", "\"0197c5d0-0000-7000-8000-000000000001\"")));

        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[0].Failure?.Message ?? ""));
        var (wish, day, priority, tags, limit, urgent, id) = seen.Single();
        Assert.Equal(new Wish("a bicycle", Priority.High, new Person("Ada", new DateOnly(2025, 12, 24))), wish);
        Assert.Equal((new DateOnly(2031, 5, 4), Priority.High, (int?)null, true, new Guid("0197c5d0-0000-7000-8000-000000000001")), (day, priority, limit, urgent, id));
        Assert.Equal(["a", "b"], tags);
    }

    [Fact]
    public async Task A_result_of_one_type_reaches_a_parameter_of_another_where_both_are_the_same_json()
    {
        var seen = new ConcurrentQueue<object>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin(
            "t",
            ("make", () => new Person("Ada", new DateOnly(2025, 12, 24))),
            ("greet", (Guest guest, string born) => seen.Enqueue((guest, born)))));
        await memory.StoredAsync("p", Given.Step("t.make"), Given.Step("t.greet", """{"guest":"$steps.make.outputs","born":"born {$steps.make.outputs#/Born}"}"""));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[1].Failure?.Message ?? ""));
        Assert.Equal((new Guest("Ada", new DateOnly(2025, 12, 24)), "born 2025-12-24"), seen.Single());
    }

    [Theory]
    [InlineData("n", "\"seven\"")]
    [InlineData("n", "1.5")]
    [InlineData("priority", "\"Sometime\"")]
    [InlineData("day", "\"soon\"")]
    [InlineData("wish", "\"a bicycle\"")]
    [InlineData("tags", "\"a, b\"")]
    public async Task A_value_that_a_parameter_cannot_take_fails_the_step_without_calling_the_function(string argument, string json)
    {
        var called = false;
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (int n = 0, Priority priority = default, DateOnly day = default, Wish? wish = null, string[]? tags = null) => { called = true; })));
        await memory.StoredAsync("p", Given.Step("t.take", $$"""{"{{argument}}":{{json}}}"""));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal((ReplayOutcome.Failed, "invalid_argument"), (replay.Outcome, replay.Steps[0].Failure!.ErrorType));
        Assert.Contains("t.take", replay.Steps[0].Failure!.Message, StringComparison.Ordinal);
        Assert.False(called);
    }

    [Fact]
    public async Task A_function_that_throws_fails_its_step_with_its_own_words_and_the_rest_is_left()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("shop.close", """{"why":"holiday"}"""), Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var replay = await memory.ReplayAsync(Given.Kernel(memory, shop.Plugin()), "p");

        Assert.Equal((ReplayOutcome.Failed, ExecutionVerdict.Failure), (replay.Outcome, replay.Verdict));
        Assert.Equal([StepStatus.Failed, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(new StepFailure(nameof(InvalidOperationException), "The shop never closes."), replay.Steps[0].Failure);
        Assert.Equal(["close holiday"], shop.Calls);
        Assert.Equal(1, (await memory.GetAsync("p")).Version.Statistics.Failures);
    }

    [Fact]
    public async Task The_callers_cancellation_escapes_and_does_not_count()
    {
        using var cancellation = new CancellationTokenSource();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("wait", async (CancellationToken token) =>
        {
            await cancellation.CancelAsync();
            token.ThrowIfCancellationRequested();
        }
        )));
        await memory.StoredAsync("p", Given.Step("t.wait"));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => memory.ReplayAsync(kernel, "p", cancellationToken: cancellation.Token));

        Assert.Equal(ReplayOutcome.Cancelled, Assert.Single(await memory.ListExecutionsAsync()).Outcome);
        Assert.Equal(0, (await memory.GetAsync("p")).Version.Statistics.Executions);
    }

    [Fact]
    public async Task A_functions_own_timeout_is_a_failure_and_of_a_write_nobody_knows_whether_it_was_done()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("fetch", (Func<Task>)(() => throw new TaskCanceledException("The request timed out.", new TimeoutException())))));
        await memory.StoredAsync("p", Given.Step("t.fetch"));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal((ReplayOutcome.Failed, StepStatus.Unknown), (replay.Outcome, replay.Steps[0].Status));
        Assert.Equal(1, (await memory.GetAsync("p")).Version.Statistics.Failures);
    }

    [Fact]
    public async Task A_cancelled_token_calls_nothing()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => memory.ReplayAsync(Given.Kernel(memory, shop.Plugin()), "p", cancellationToken: new CancellationToken(canceled: true)));

        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task A_function_that_replays_a_procedure_itself_may_do_so()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin(), Given.Plugin("t", ("nest", async (Kernel k) => (await memory.ReplayAsync(k, "inner")).Outcome)));
        await memory.StoredAsync("inner", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));
        await memory.StoredAsync("outer", Given.Step("t.nest"), Given.Step("shop.get_order", """{"orderId":"W-2"}"""));

        var replay = await memory.ReplayAsync(kernel, "outer");

        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Given.JsonEqual("\"Completed\"", replay.Steps[0].Result);
        Assert.Equal(["get_order W-1", "get_order W-2"], shop.Calls);
    }

    [Fact]
    public async Task Replays_of_one_kernel_at_once_do_not_mix()
    {
        var both = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var waiting = 0;
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("meet", async (string name) =>
        {
            if (Interlocked.Increment(ref waiting) == 2)
            {
                both.SetResult();
            }

            await both.Task;
            return name;
        }
        )));
        await memory.StoredAsync("p", Given.Step("t.meet", """{"name":"$inputs.name"}"""));

        var replays = await Task.WhenAll(new[] { "\"a\"", "\"b\"" }.Select(name => memory.ReplayAsync(kernel, "p", Given.With(("name", name)))));

        Assert.Equal(["\"a\"", "\"b\""], replays.Select(r => r.Steps[0].Result!.Value.GetRawText()));
        Assert.Equal(2, (await memory.GetAsync("p")).Version.Statistics.Successes);
    }

    [Fact]
    public async Task A_replay_by_the_host_while_recording_is_not_recorded()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await memory.ReplayAsync(kernel, "p");
            await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));
        });

        Assert.Equal("""{"orderId":"W-2"}""", trace.Steps.Single().Arguments.GetRawText());
    }

    public enum Priority
    {
        Low,
        High,
    }

    public sealed record Person(string Name, DateOnly Born);

    public sealed record Guest(string Name, DateOnly Born);

    public sealed record Wish([property: Description("The thing.")] string What, Priority Priority, Person By)
    {
        [JsonIgnore]
        public string Words => $"{What} for {By.Name}";
    }
}
