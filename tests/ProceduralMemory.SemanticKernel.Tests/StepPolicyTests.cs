using System.Net;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Each policy, on the step and in the request, through a real kernel and its filters: <c>b</c> needs what <c>a</c> returns, and <c>c</c> needs nothing.</summary>
public sealed class StepPolicyTests
{
    private static readonly StepRetry Twice = new() { MaxRetries = 2, Delay = TimeSpan.Zero, MaxDelay = TimeSpan.Zero };

    public static TheoryData<string, StepPolicy, StepEffect, ReplayOutcome, string, int> Cases => new()
    {
        { "broken", new(), StepEffect.Write, ReplayOutcome.Failed, "Failed Pending Pending", 1 },
        { "broken", new() { OnFailure = FailurePolicy.Stop }, StepEffect.Write, ReplayOutcome.Failed, "Failed Pending Pending", 1 },
        { "broken", new() { OnFailure = FailurePolicy.Continue }, StepEffect.Write, ReplayOutcome.Failed, "Failed Skipped Success", 1 },
        { "broken", new() { OnFailure = FailurePolicy.Skip }, StepEffect.Write, ReplayOutcome.Completed, "Skipped Skipped Success", 1 },
        { "broken", new() { Retry = Twice }, StepEffect.Read, ReplayOutcome.Failed, "Failed Pending Pending", 1 },
        { "throttled", new() { Retry = Twice }, StepEffect.Write, ReplayOutcome.Completed, "Success Success Success", 3 },
        { "throttled", new(), StepEffect.Write, ReplayOutcome.Failed, "Failed Pending Pending", 1 },
        { "busy", new() { Retry = Twice }, StepEffect.IdempotentWrite, ReplayOutcome.Completed, "Success Success Success", 3 },
        { "busy", new() { Retry = Twice }, StepEffect.Write, ReplayOutcome.Failed, "Unknown Pending Pending", 1 },
        { "cut off", new() { Retry = Twice }, StepEffect.Read, ReplayOutcome.Completed, "Success Success Success", 3 },
        { "cut off", new() { Retry = Twice }, StepEffect.IdempotentWrite, ReplayOutcome.Completed, "Success Success Success", 3 },
        { "cut off", new() { Retry = Twice }, StepEffect.Write, ReplayOutcome.Failed, "Unknown Pending Pending", 1 },
        { "endless", new() { Timeout = TimeSpan.FromMilliseconds(50) }, StepEffect.Read, ReplayOutcome.Failed, "Failed Pending Pending", 1 },
        { "endless", new() { Timeout = TimeSpan.FromMilliseconds(50) }, StepEffect.Write, ReplayOutcome.Failed, "Unknown Pending Pending", 1 },
        { "endless", new() { Timeout = TimeSpan.FromMilliseconds(50), OnFailure = FailurePolicy.Continue }, StepEffect.Read, ReplayOutcome.Failed, "Failed Skipped Success", 1 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_failure_is_dealt_with_as_the_step_or_the_request_says(string fault, StepPolicy policy, StepEffect effect, ReplayOutcome outcome, string statuses, int calls)
    {
        foreach (var isOnStep in (bool[])[true, false])
        {
            var (called, passed) = (0, new List<string>());
            using var memory = Given.Memory(o => o.Effects = new Dictionary<string, StepEffect> { ["host.a"] = effect });
            var kernel = Given.Kernel(memory, Given.Plugin("host", ("a", (CancellationToken token) => FaultyAsync(fault, ++called, token)), ("b", (string x) => x), ("c", () => "c")));
            kernel.FunctionInvocationFilters.Add(new Witness(passed));
            var a = Given.Step("host.a", id: "a");
            await memory.StoredAsync("task", isOnStep ? a with { OnFailure = policy.OnFailure ?? FailurePolicy.Stop, Retry = policy.Retry, Timeout = policy.Timeout } : a, Given.Step("host.b", """{"x":"$steps.a.outputs"}"""), Given.Step("host.c"));

            var replay = await memory.ReplayAsync(kernel, "task", isOnStep ? null : new ReplayRequest { Policies = new Dictionary<string, StepPolicy> { ["a"] = policy } });

            Assert.Equal((outcome, statuses, calls), (replay.Outcome, string.Join(' ', replay.Steps.Select(s => s.Status)), called));

            // Every call has passed the kernel's filters, those that were made again too.
            Assert.Equal(calls, passed.Count(p => p == "a"));
            Assert.Equal(calls, (await memory.GetExecutionAsync(replay.ExecutionId!.Value))!.Steps[0].Attempts);
        }
    }

    private static async Task<string> FaultyAsync(string fault, int call, CancellationToken cancellationToken)
    {
        switch (fault)
        {
            case "broken":
                throw new InvalidOperationException("It is broken.");
            case "busy" when call < 3:
                throw new HttpRequestException("busy", null, HttpStatusCode.ServiceUnavailable);
            case "throttled" when call < 3:
                throw new HttpRequestException("throttled", null, HttpStatusCode.TooManyRequests);
            case "cut off" when call < 3:
                throw new IOException("The connection broke.");
            case "endless":
                await Task.Delay(Timeout.Infinite, cancellationToken);
                break;
        }

        return "a";
    }

    private sealed class Witness(List<string> passed) : IFunctionInvocationFilter
    {
        public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
        {
            passed.Add(context.Function.Name);
            return next(context);
        }
    }
}
