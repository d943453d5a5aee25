using System.Net;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class StepPolicyTests : IDisposable
{
    private static readonly StepRetry Twice = new() { MaxRetries = 2, Delay = TimeSpan.Zero, MaxDelay = TimeSpan.Zero };

    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    public static TheoryData<FailurePolicy, ReplayOutcome, string> Policies => new()
    {
        { FailurePolicy.Stop, ReplayOutcome.Failed, "Failed Pending Pending" },
        { FailurePolicy.Continue, ReplayOutcome.Failed, "Failed Skipped Success" },
        { FailurePolicy.Skip, ReplayOutcome.Completed, "Skipped Skipped Success" },
    };

    [Theory]
    [MemberData(nameof(Policies))]
    public async Task What_a_step_says_of_its_failure_is_done_and_what_needs_it_never_runs(FailurePolicy policy, ReplayOutcome outcome, string statuses)
    {
        await StoreAsync(Given.Step("t.a", id: "a") with { OnFailure = policy }, Given.Step("t.b", """{"x":"$steps.a.outputs"}"""), Given.Step("t.c"));
        _executor.Fails("t.a", "no disk");

        var result = await Memory.ReplayAsync(_executor, "p");

        Assert.Equal((outcome, statuses), (result.Outcome, string.Join(' ', result.Steps.Select(s => s.Status))));
        Assert.Equal("no disk", result.Steps[0].Failure!.Message);
        Assert.DoesNotContain(_executor.Calls, c => c.Action == "t.b");
        if (policy is not FailurePolicy.Stop)
        {
            Assert.Equal("it needs the result of step 'a', which failed", result.Steps[1].Failure!.Message);
        }
    }

    [Fact]
    public async Task A_request_says_it_in_place_of_the_step()
    {
        await StoreAsync(Given.Step("t.a", id: "a"), Given.Step("t.b"));
        _executor.Fails("t.a");

        var result = await Memory.ReplayAsync(_executor, "p", new ReplayRequest { Policies = new Dictionary<string, StepPolicy> { ["a"] = new() { OnFailure = FailurePolicy.Skip } } });

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
    }

    public static TheoryData<string, StepEffect, int> Errors => new()
    {
        // A read is made again after any error that may pass, a write only where nothing was done.
        { "busy", StepEffect.Read, 3 },
        { "busy", StepEffect.Write, 1 },
        { "busy", StepEffect.Unknown, 1 },
        { "busy", StepEffect.IdempotentWrite, 3 },
        { "throttled", StepEffect.Write, 3 },
        { "broken", StepEffect.Read, 3 },
        { "broken", StepEffect.Write, 1 },
        { "broken", StepEffect.IdempotentWrite, 3 },
        { "refused", StepEffect.Write, 3 },
        { "bad", StepEffect.Read, 1 },
        { "said", StepEffect.Read, 1 },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task A_call_is_made_again_after_an_error_that_may_pass_where_that_does_no_harm(string error, StepEffect effect, int calls)
    {
        await StoreAsync(Given.Step("t.a", id: "a") with { Effect = effect, Retry = Twice });
        _executor.On("t.a", (_, _) => error switch
        {
            "busy" => throw new HttpRequestException("busy", null, HttpStatusCode.ServiceUnavailable),
            "throttled" => throw new HttpRequestException("throttled", null, HttpStatusCode.TooManyRequests),
            "broken" => throw new IOException("The connection broke."),
            "refused" => throw new HttpRequestException(HttpRequestError.ConnectionError, "refused"),
            "bad" => throw new HttpRequestException("bad", null, HttpStatusCode.BadRequest),
            _ => new StepCallResult { Result = Given.Value("""{"error":"no such order"}""") },
        });

        var result = await Memory.ReplayAsync(_executor, "p");

        Assert.Equal(ReplayOutcome.Failed, result.Outcome);
        Assert.Equal((calls, calls), (_executor.Calls.Count, result.Steps[0].Attempts));
        Assert.Equal(calls, (await Memory.GetExecutionAsync(result.ExecutionId!.Value))!.Steps[0].Attempts);
        Assert.Equal(error is "broken" or "busy" && effect is not StepEffect.Read ? StepStatus.Unknown : StepStatus.Failed, result.Steps[0].Status);
    }

    [Fact]
    public async Task Each_attempt_is_written_down_before_it_is_made_and_all_carry_one_key()
    {
        var seen = new List<(int Attempt, string Key, int Written)>();
        await StoreAsync(Given.Step("t.a", id: "a") with { Effect = StepEffect.Read, Retry = Twice });
        _executor.On("t.a", (call, _) =>
        {
            var current = ReplayCall.Current!;
            seen.Add((current.Attempt, current.IdempotencyKey, int.Parse(_test.Rows("select attempts from execution_steps").Single(), System.Globalization.CultureInfo.InvariantCulture)));
            return seen.Count < 3 ? throw new IOException("broke") : new StepCallResult();
        });

        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(_executor, "p")).Outcome);

        Assert.Equal([(1, 1), (2, 2), (3, 3)], seen.Select(s => (s.Attempt, s.Written)));
        Assert.Single(seen.Select(s => s.Key).Distinct());
    }

    [Theory]
    [InlineData(StepEffect.Read, StepStatus.Failed)]
    [InlineData(StepEffect.Write, StepStatus.Unknown)]
    public async Task A_call_that_takes_too_long_is_left_even_where_its_function_does_not_listen(StepEffect effect, StepStatus status)
    {
        var executor = new HangingExecutor(_test.Time, TimeSpan.FromSeconds(31));
        await StoreAsync(Given.Step("t.a", id: "a") with { Effect = effect, Timeout = TimeSpan.FromSeconds(30) }, Given.Step("t.b"));

        var result = await Memory.ReplayAsync(executor, "p");

        Assert.Equal((ReplayOutcome.Failed, status, FailureTypes.Timeout), (result.Outcome, result.Steps[0].Status, result.Steps[0].Failure!.ErrorType));
        Assert.Equal(status is StepStatus.Unknown ? [ReplayProblemCodes.OutcomeUnknown] : Array.Empty<string>(), result.Problems.Select(p => p.Code));
        Assert.Contains("30 s", result.Steps[0].Failure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_larger_than_the_limit_fails_its_step_and_says_that_the_call_was_made()
    {
        using var memory = _test.Open(o => o.MaxReplayResultBytes = 1024);
        await StoreAsync(Given.Step("t.a", id: "a"));
        _executor.Returns("t.a", $"\"{new string('x', 2000)}\"");

        var result = await memory.ReplayAsync(_executor, "p");

        Assert.Equal((ReplayOutcome.Failed, FailureTypes.TooLarge), (result.Outcome, result.Steps[0].Failure!.ErrorType));
        Assert.Contains("The call was made", result.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> BadPolicies => new()
    {
        { """{"retry":{"maxRetries":0}}""", "retry.maxRetries" },
        { """{"retry":{"maxRetries":101}}""", "retry.maxRetries" },
        { """{"retry":{"delay":"-00:00:01"}}""", "retry.delay" },
        { """{"retry":{"delay":"00:01:00","maxDelay":"00:00:01"}}""", "retry.maxDelay" },
        { """{"timeout":"00:00:00"}""", "timeout" },
        { """{"timeout":"2.00:00:00"}""", "timeout" },
        { """{"version":1}""", "version" },
        { """{"kind":"procedure","version":0}""", "version" },
        { """{"kind":"procedure","timeout":"00:00:01"}""", "steps[0]" },
    };

    [Theory]
    [MemberData(nameof(BadPolicies))]
    public async Task Policies_out_of_range_are_refused_with_where_they_stand(string step, string path)
    {
        var json = step.Insert(1, "\"action\":\"t.a\",");
        var refusal = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync($$"""{"format":4,"name":"p","steps":[{{json}}]}"""));
        Assert.Contains(refusal.Problems, p => p.Path.EndsWith(path, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_policy_for_a_step_that_is_not_there_is_refused_before_anything()
    {
        await StoreAsync(Given.Step("t.a", id: "a"));
        var result = await Memory.ReplayAsync(_executor, "p", new ReplayRequest { Policies = new Dictionary<string, StepPolicy> { ["b"] = new(), ["a"] = new() { Timeout = TimeSpan.Zero } } });

        Assert.Equal([ReplayProblemCodes.UnknownStep, ReplayProblemCodes.InvalidInput], result.Problems.Select(p => p.Code));
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task A_step_that_replays_a_pinned_version_goes_on_with_it_when_another_is_active()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.one")));
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.two")), asNewVersion: true);
        await StoreAsync(Given.Nested("inner", id: "pinned") with { Version = 1 }, Given.Nested("inner", id: "active"));
        await Memory.StoreAsync(Given.Definition("gone", Given.Nested("inner") with { Version = 3 }));

        var result = await Memory.ReplayAsync(_executor, "p");

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(["t.one", "t.two"], _executor.Calls.Select(c => c.Action));
        Assert.Contains("version 3", (await Memory.ReplayAsync(_executor, "gone")).Problems.Single().Message, StringComparison.Ordinal);
    }

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps));

    /// <summary>Its calls never end; while they hang, time goes by.</summary>
    private sealed class HangingExecutor(Microsoft.Extensions.Time.Testing.FakeTimeProvider time, TimeSpan after) : IStepExecutor
    {
        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

        public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
        {
            time.Advance(after);
            return new TaskCompletionSource<StepCallResult>().Task;
        }
    }
}
