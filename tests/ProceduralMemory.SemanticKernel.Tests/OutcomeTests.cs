using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Whether an outcome is as expected, asked of functions of a real kernel: each kind of expectation, and each of its three answers.</summary>
public sealed class OutcomeTests
{
    private static readonly JsonSerializerOptions Reading = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };

    /// <summary>An expectation, the function whose result it is about, the answer, and what is told of it.</summary>
    public static TheoryData<string, string, OutcomeMatch, string> Table => new()
    {
        { """{"kind":"exact","value":{"CustomerId":"C-7788","Total":1249.9,"Id":"W-1"}}""", "shop.get_order", OutcomeMatch.Matched, "" },
        { """{"kind":"exact","value":{"CustomerId":"C-7788","Total":1,"Id":"W-1"}}""", "shop.get_order", OutcomeMatch.Differs, "/Total is 1249.90 (expected 1)" },
        { """{"kind":"exact","value":"sent"}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },
        { """{"kind":"exact","at":"/CustomerId","value":"C-7788"}""", "shop.get_order", OutcomeMatch.Matched, "" },
        { """{"kind":"exact","at":"/Customer/Id","value":"C-7788"}""", "shop.get_order", OutcomeMatch.Differs, """/Customer/Id is missing (expected "C-7788")""" },

        { """{"kind":"subset","value":{"CustomerId":"C-7788"}}""", "shop.get_order", OutcomeMatch.Matched, "" },
        { """{"kind":"subset","at":"/parcels","value":[{"weight":2},{"weight":4}]}""", "post.track", OutcomeMatch.Matched, "" },
        { """{"kind":"subset","at":"/parcels","value":[{"weight":4},{"weight":2}]}""", "post.track", OutcomeMatch.Differs, """/parcels is a list of 3 elements (expected an element like {"weight":2}, in the order given)""" },
        { """{"kind":"subset","value":{"CustomerId":"C-1"}}""", "shop.get_order", OutcomeMatch.Differs, """/CustomerId is "C-7788" (expected "C-1")""" },
        { """{"kind":"subset","value":{}}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },

        { """{"kind":"shape","value":{"type":"object","required":["Id"],"properties":{"Total":{"type":"number"}}}}""", "shop.get_order", OutcomeMatch.Matched, "" },
        { """{"kind":"shape","value":{"type":"object","required":["Tax"],"properties":{"Total":{"type":"string"}}}}""", "shop.get_order", OutcomeMatch.Differs, "/Total is 1249.90 (expected string)" },
        { """{"kind":"shape","value":{"type":"string"}}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },

        { """{"kind":"range","at":"/Total","value":{"minimum":1000,"exclusiveMaximum":1249.91}}""", "shop.get_order", OutcomeMatch.Matched, "" },
        { """{"kind":"range","at":"/Total","value":{"maximum":1249.899}}""", "shop.get_order", OutcomeMatch.Differs, "/Total is 1249.90 (expected a number ≤ 1249.899)" },
        { """{"kind":"range","at":"/Id","value":{"minimum":1}}""", "shop.get_order", OutcomeMatch.Differs, """/Id is "W-1" (expected a number ≥ 1)""" },
        { """{"kind":"range","value":{"minimum":1}}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },

        { """{"kind":"pattern","value":"^sent to \\w+$"}""", "post.send", OutcomeMatch.Matched, "" },
        { """{"kind":"pattern","value":"^sent to \\d+$"}""", "post.send", OutcomeMatch.Differs, """the result is "sent to Ada" (expected text that matches ^sent to \d+$)""" },
        { """{"kind":"pattern","value":"."}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },

        { """{"kind":"contains","value":"SENT"}""", "post.send", OutcomeMatch.Matched, "" },
        { """{"kind":"contains","value":"posted"}""", "post.send", OutcomeMatch.CannotTell, "may say the same in others" },

        { """{"kind":"noError"}""", "post.send", OutcomeMatch.Matched, "" },
        { """{"kind":"noError"}""", "post.refuse", OutcomeMatch.Differs, "the result looks like an error: no stamps" },
        { """{"kind":"noError","at":"/parcels/0/label"}""", "post.track", OutcomeMatch.Differs, "/parcels/0/label looks like an error: smudged" },
        { """{"kind":"noError","at":"/parcels/9"}""", "post.track", OutcomeMatch.CannotTell, "/parcels/9 is missing" },
        { """{"kind":"noError"}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },

        { """{"kind":"custom","judge":"first letter","value":"s"}""", "post.send", OutcomeMatch.Matched, "" },
        { """{"kind":"custom","judge":"first letter","value":"x"}""", "post.send", OutcomeMatch.Differs, "the result is not as expected by the judge 'first letter': it begins otherwise" },
        { """{"kind":"custom","judge":"first letter","value":"s"}""", "shop.get_order", OutcomeMatch.CannotTell, "the judge 'first letter' cannot tell: no text" },
        { """{"kind":"custom","judge":"first letter"}""", "post.send", OutcomeMatch.CannotTell, "the judge 'first letter' failed with InvalidOperationException" },
        { """{"kind":"custom","judge":"nobody"}""", "post.send", OutcomeMatch.CannotTell, "this host has no judge 'nobody'" },
        { """{"kind":"custom","judge":"first letter","value":"s"}""", "post.nothing", OutcomeMatch.CannotTell, "there is no result" },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public async Task An_outcome_is_as_expected_or_not_or_cannot_be_told_and_then_it_counts_as_neither(string expectation, string action, OutcomeMatch answer, string told)
    {
        var (memory, kernel) = World();
        using var _ = memory;
        await memory.StoreAsync(Definition(expectation, action));

        var result = await memory.ReplayAsync(kernel, "task");
        var step = result.Steps[0];

        Assert.Equal(answer, step.Match);
        Assert.Equal(answer is OutcomeMatch.Matched, step.Differences.Count == 0);
        Assert.Contains(told, string.Join("; ", step.Differences), StringComparison.Ordinal);
        Assert.Equal(answer is OutcomeMatch.Differs ? (StepStatus.Failed, ReplayOutcome.Failed) : (StepStatus.Success, ReplayOutcome.Completed), (step.Status, result.Outcome));
        var (verdict, successes, failures) = answer switch
        {
            OutcomeMatch.Matched => (ExecutionVerdict.Success, 1, 0),
            OutcomeMatch.Differs => (ExecutionVerdict.Failure, 0, 1),
            _ => (ExecutionVerdict.Unknown, 0, 0),
        };
        var statistics = (await memory.GetAsync("task")).Version.Statistics;
        Assert.Equal(verdict, result.Verdict);
        Assert.Equal((1, successes, failures), (statistics.Executions, statistics.Successes, statistics.Failures));
    }

    [Theory]
    [MemberData(nameof(Table))]
    public async Task What_was_merely_observed_is_reported_and_fails_nothing_but_errors(string expectation, string action, OutcomeMatch answer, string told)
    {
        var (memory, kernel) = World();
        using var _ = memory;
        var definition = Definition(expectation, action);
        await memory.StoreAsync(definition with { Steps = [definition.Steps[0] with { Expectation = definition.Steps[0].Expectation! with { Strength = ExpectationStrength.Observed } }] });

        var result = await memory.ReplayAsync(kernel, "task");

        Assert.Equal(answer, result.Steps[0].Match);
        Assert.Contains(told, string.Join("; ", result.Steps[0].Differences), StringComparison.Ordinal);
        Assert.Equal(action == "post.refuse" ? ExecutionVerdict.Failure : ExecutionVerdict.Success, result.Verdict);
    }

    [Theory]
    [MemberData(nameof(Table))]
    public async Task A_model_can_store_it_and_is_told_what_came_of_it(string expectation, string action, OutcomeMatch answer, string told)
    {
        var (memory, kernel) = World();
        using var _ = memory;
        kernel.Plugins.AddFromObject(new ProcedureAdminPlugin(memory), "admin");

        var stored = (await kernel.CallAsync(
            "admin.store_procedure",
            ("name", "task"),
            ("description", "Does the task."),
            ("steps", $$"""[{"action":"{{action}}","arguments":{{(action == "shop.get_order" ? """{"orderId":"W-1"}""" : "{}")}},"expectation":{{expectation}} }]"""))).GetValue<PluginReply>()!;
        var reply = Assert.IsType<ReplayReply>(await kernel.AskMemoryAsync(ProceduralMemoryPlugin.ReplayProcedure, ("name", "task")));

        Assert.Equal(ReplyStatus.Stored, stored.Status);
        Assert.Equal(answer is OutcomeMatch.Differs ? ReplyStatus.Failed : ReplyStatus.Completed, reply.Status);
        var note = reply.Steps![0].Note;
        switch (answer)
        {
            case OutcomeMatch.Matched:
                Assert.Null(note);
                Assert.Equal("Answer the user from the results.", reply.Next);
                break;
            case OutcomeMatch.CannotTell:
                Assert.StartsWith("could not be checked: ", note, StringComparison.Ordinal);
                Assert.Contains(told, note, StringComparison.Ordinal);
                Assert.Contains("not every outcome could be checked", reply.Next, StringComparison.Ordinal);
                break;
            default:
                Assert.Contains(action == "post.refuse" ? "no stamps" : told, note, StringComparison.Ordinal);
                break;
        }
    }

    [Fact]
    public async Task An_outcome_keeps_its_expectation_through_store_and_exchange()
    {
        var (memory, _) = World();
        using var __ = memory;
        var (other, kernel) = World();
        using var ___ = other;
        foreach (var (row, index) in Table.Select((r, i) => (r, i)))
        {
            var definition = Definition((string)row[0]!, (string)row[1]!) with { Name = $"task {index}" };
            await memory.StoreAsync(definition);
            await other.ImportAsync(await memory.ExportAsync(definition.Name));
            await other.ActivateVersionAsync(definition.Name, 1);

            Assert.Equal((OutcomeMatch)row[2]!, (await other.ReplayAsync(kernel, definition.Name)).Steps[0].Match);
        }
    }

    [Fact]
    public async Task Judges_are_taken_from_services_too_and_may_need_a_kernel_that_has_the_memory()
    {
        var services = new ServiceCollection();
        services.AddKernel().Plugins.Add(Post());
        services.AddProceduralMemory(o => (o.DatabasePath, o.Approval, o.OutcomeJudges) = (":memory:", ApprovalPolicy.Never, [new Says("yes", OutcomeMatch.Matched)]));
        services.AddSingleton<IOutcomeJudge>(new Says("yes", OutcomeMatch.Differs));
        services.AddSingleton<IOutcomeJudge>(new Says("other", OutcomeMatch.Differs));
        services.AddSingleton<IOutcomeJudge>(new Says("other", OutcomeMatch.Matched));
        services.AddSingleton<IOutcomeJudge, AsksKernel>();
        await using var provider = services.BuildServiceProvider();
        var kernel = provider.GetRequiredService<Kernel>();
        var memory = provider.GetRequiredService<ProcedureMemory>();

        async Task<OutcomeMatch?> AskAsync(string judge)
        {
            await memory.StoreAsync(Definition($$"""{"kind":"custom","judge":"{{judge}}"}""", "post.send") with { Name = judge });
            return (await memory.ReplayAsync(kernel, judge)).Steps[0].Match;
        }

        Assert.Equal(OutcomeMatch.Matched, await AskAsync("yes"));
        Assert.Equal(OutcomeMatch.Matched, await AskAsync("OTHER"));
        Assert.Equal(OutcomeMatch.Matched, await AskAsync("kernel"));
    }

    [Fact]
    public async Task A_judge_that_cannot_be_built_costs_the_others_of_the_options_nothing()
    {
        var services = new ServiceCollection();
        services.AddKernel().Plugins.Add(Post());
        services.AddProceduralMemory(o => (o.DatabasePath, o.Approval, o.OutcomeJudges) = (":memory:", ApprovalPolicy.Never, [new Says("yes", OutcomeMatch.Matched)]));
        services.AddSingleton<IOutcomeJudge>(_ => throw new InvalidOperationException("No model."));
        await using var provider = services.BuildServiceProvider();
        var memory = provider.GetRequiredService<ProcedureMemory>();
        await memory.StoreAsync(Definition("""{"kind":"custom","judge":"yes"}""", "post.send"));
        await memory.StoreAsync(Definition("""{"kind":"custom","judge":"model"}""", "post.send") with { Name = "other" });

        Assert.Equal(OutcomeMatch.Matched, (await memory.ReplayAsync(provider.GetRequiredService<Kernel>(), "task")).Steps[0].Match);
        var step = (await memory.ReplayAsync(provider.GetRequiredService<Kernel>(), "other")).Steps[0];
        Assert.Equal((OutcomeMatch.CannotTell, "the judge 'model' failed with InvalidOperationException"), (step.Match!.Value, Assert.Single(step.Differences)));
    }

    private static (ProcedureMemory Memory, Kernel Kernel) World()
    {
        var memory = Given.Memory(o => o.OutcomeJudges = [new FirstLetter()]);
        return (memory, Given.Kernel(memory, new Shop().Plugin(), Post()));
    }

    private static void Nothing()
    {
    }

    private static KernelPlugin Post() => Given.Plugin(
        "post",
        ("send", () => "sent to Ada"),
        ("refuse", () => new { error = "no stamps" }),
        ("nothing", Nothing),
        ("track", () => new { parcels = new object[] { new { weight = 2, label = new { error = "smudged" } }, new { weight = 3 }, new { weight = 4 } } }));

    private static ProcedureDefinition Definition(string expectation, string action) => new()
    {
        Name = "task",
        Steps =
        [
            Given.Step(action, action == "shop.get_order" ? """{"orderId":"W-1"}""" : "{}") with
            {
                Expectation = JsonSerializer.Deserialize<Expectation>(expectation, Reading),
            },
        ],
    };

    private sealed class FirstLetter : IOutcomeJudge
    {
        public string Name => "first letter";

        public Task<OutcomeJudgement> JudgeAsync(OutcomeQuestion question, CancellationToken cancellationToken) => Task.FromResult(
            question.Result.ValueKind is not JsonValueKind.String
                ? new OutcomeJudgement(OutcomeMatch.CannotTell, "no text")
                : question.Result.GetString()!.StartsWith(question.Expectation.Value.GetString()!, StringComparison.Ordinal)
                    ? new OutcomeJudgement(OutcomeMatch.Matched)
                    : new OutcomeJudgement(OutcomeMatch.Differs, "it begins otherwise"));
    }

    private sealed class Says(string name, OutcomeMatch match) : IOutcomeJudge
    {
        public string Name => name;

        public Task<OutcomeJudgement> JudgeAsync(OutcomeQuestion question, CancellationToken cancellationToken) => Task.FromResult(new OutcomeJudgement(match));
    }

    private sealed class AsksKernel(Kernel kernel) : IOutcomeJudge
    {
        public string Name => "kernel";

        public async Task<OutcomeJudgement> JudgeAsync(OutcomeQuestion question, CancellationToken cancellationToken)
        {
            var sent = await kernel.InvokeAsync<string>("post", "send", cancellationToken: cancellationToken);
            return new OutcomeJudgement(sent == question.Result.GetString() ? OutcomeMatch.Matched : OutcomeMatch.Differs);
        }
    }
}
