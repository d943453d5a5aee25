using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>A dry run says what a replay would do, and does nothing.</summary>
public sealed class PreviewTests : IDisposable
{
    private readonly ScriptedApprover _approver = new(ApprovalDecision.Approved("Ada"));
    private readonly TestMemory _test;
    private readonly ScriptedExecutor _executor = new();

    public PreviewTests() => _test = TestMemory.OnFile(o => (o.Approval, o.Approver, o.FunctionApproval) = (ApprovalPolicy.FirstUse, _approver, new Dictionary<string, ApprovalPolicy> { ["bank.*"] = ApprovalPolicy.Always }));

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Every_step_is_shown_with_its_arguments_their_origins_effects_and_approvals_and_nothing_happens()
    {
        await StoreAsync();
        var before = _test.Dump();

        var preview = await Memory.PreviewAsync(_executor, "outer", Given.With(("name", "\"Ada\""), ("rows", "[1,2]"), ("code", "\"s3cr3t\"")) with
        {
            Request = "Do it",
            StepOverrides = Given.Values(("send", """{"cc":"Bob"}""")),
            ActionOverrides = Given.Values(("bank.pay", """{"limit":9}""")),
        });

        Assert.Equal(before, _test.Dump());
        Assert.Empty(_executor.Calls);
        Assert.Empty(_approver.Asked);
        Assert.Equal(
            """
            Dry run of 'outer' version 1: nothing was called.
            steps, of unknown duration:
              find: shop.find(name: "Ada" (input), page: 1 (constant)) [read, never timed]
              send: shop.send(to: $steps.find.outputs#/id (result), text: "{$inputs.name}: {$steps.find.outputs}" (input and result), key: "[redacted]" (input), cc: "Bob" (adapted)) [unknown effect, never timed]
              each: for each $item of $inputs.rows [never timed]
                each/note: shop.note(row: $item (result), by: "Ada" (input)) [unknown effect, never timed]
              settle: replays inner(amount: $steps.find.outputs#/total (result), who: "Ada" (input)) [never timed]
                settle/pay: bank.pay(amount: $inputs.amount (input), who: "Ada" (input), to: "nobody" (input), limit: 9 (adapted)) [write, approved call by call, never timed]
              gift: if there is $inputs.gift shop.wrap() [not needed: its condition does not hold]
              late: if there is $steps.find.outputs#/late shop.hurry() [unknown effect, never timed]
            a person would be asked to approve:
              'outer' version 1, before its first use
              every call of bank.pay in step 'settle/pay'
            """,
            preview.ToText());
        Assert.Equal(preview.ToText(), preview.ToString());
        Assert.Empty(preview.Problems);
        var to = preview.Steps[1].Arguments[0];
        Assert.Equal(("to", false, ArgumentOrigin.Step), (to.Name, to.IsKnown, to.Origin));
        Assert.Equal([new PlannedApproval(ApprovalPolicy.FirstUse, "outer", 1), new PlannedApproval(ApprovalPolicy.Always, "inner", 1, "settle/pay", "bank.pay")], preview.Approvals);
    }

    [Fact]
    public async Task What_ran_before_is_timed_and_what_is_approved_is_not_asked()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b", id: "b")));
        foreach (var seconds in (int[])[1, 2])
        {
            await Memory.ReplayAsync(new ScriptedExecutor().On("t.a", (_, _) => Takes(seconds)).On("t.b", (_, _) => Takes(0.25)), "p");
        }

        var preview = await Memory.PreviewAsync(_executor, "p");

        Assert.Equal([TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(0.25)], preview.Steps.Select(s => s.EstimatedDuration));
        Assert.Equal(TimeSpan.FromSeconds(1.75), preview.EstimatedDuration);
        Assert.Empty(preview.Approvals);
        Assert.Contains("steps, about 1.8 s:\n  a: t.a() [unknown effect, about 1.5 s]\n  b: t.b() [unknown effect, about 250 ms]", preview.ToText(), StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromSeconds(0.25), (await Memory.PreviewAsync(_executor, "p", Given.With() with { Skip = ["a"] })).EstimatedDuration);

        StepCallResult Takes(double seconds)
        {
            _test.Time.Advance(TimeSpan.FromSeconds(seconds));
            return new StepCallResult();
        }
    }

    [Fact]
    public async Task What_stands_in_the_way_is_told_without_a_question()
    {
        await StoreAsync();
        _executor.Problems.Add(new ReplayProblem(ReplayProblemCodes.MissingFunction, "find", "There is no shop."));
        var before = _test.Dump();

        var preview = await Memory.PreviewAsync(_executor, "outer", Given.With(("rows", "[]"), ("code", "\"s3cr3t-s3cr3t\""), ("gift", "true")) with { Skip = ["find"] });

        Assert.Equal(before, _test.Dump());
        Assert.Contains(ReplayProblemCodes.MissingInput, preview.Problems.Select(p => p.Code));
        Assert.Contains(ReplayProblemCodes.NeedsSkippedStep, preview.Problems.Select(p => p.Code));
        Assert.Contains("it would be refused:\n", preview.ToText(), StringComparison.Ordinal);
        Assert.Contains("  There is no shop.", preview.ToText(), StringComparison.Ordinal);
        Assert.Contains("find: shop.find(", preview.ToText(), StringComparison.Ordinal);
        Assert.Contains("[left out on request]", preview.ToText(), StringComparison.Ordinal);
        Assert.Contains("gift: if there is $inputs.gift shop.wrap() [unknown effect, never timed]", preview.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rejected_version_would_be_refused_and_an_unconfirmed_constant_is_shown()
    {
        await Memory.RecordedAsync(new() { Name = "send", Request = "Send it" }, ("t.send", """{"carrier":"post by air"}""", "1"));

        Assert.Contains("t.send(carrier: \"post by air\" (constant))", (await Memory.PreviewAsync(_executor, "send")).ToText(), StringComparison.Ordinal);
        await Memory.RejectAsync("send", 1, "Grace");

        Assert.Equal([ReplayProblemCodes.ApprovalRejected], (await Memory.PreviewAsync(_executor, "send")).Problems.Select(p => p.Code));
        Assert.Equal(ReplayOutcome.Refused, (await Memory.ReplayAsync(_executor, "send")).Outcome);
    }

    [Fact]
    public async Task A_giant_or_an_unreadable_replay_is_previewed_as_far_as_it_goes()
    {
        var memory = _test.Open(o => o.MaxReplayCalls = 3);
        await memory.StoreAsync(Given.Definition("inner", Given.Step("t.a"), Given.Step("t.b")));
        await memory.StoreAsync(Given.Definition("outer", Given.Nested("inner", id: "x"), Given.Nested("inner", id: "y")));

        var giant = await memory.PreviewAsync(_executor, "outer");
        Assert.Equal([ReplayProblemCodes.TooManyCalls], giant.Problems.Select(p => p.Code));
        Assert.All(giant.Steps, s => Assert.Empty(s.Steps));

        var unreadable = await memory.PreviewAsync(_executor, "inner", Given.With() with { StepOverrides = Given.Values(("a", $$"""{"x":{{Given.Deep(40)}}}""")) });
        Assert.Equal([ReplayProblemCodes.InvalidInput], unreadable.Problems.Select(p => p.Code));
        Assert.Empty(unreadable.Steps);
    }

    [Fact]
    public async Task A_long_preview_is_cut_and_says_so()
    {
        await Memory.StoreAsync(Given.Definition("p", [.. Enumerable.Range(0, 250).Select(i => Given.Step("t.a", id: $"s{i}"))]));

        var text = (await Memory.PreviewAsync(_executor, "p")).ToText();

        Assert.Contains("  s199: t.a()", text, StringComparison.Ordinal);
        Assert.DoesNotContain("s200", text, StringComparison.Ordinal);
        Assert.Contains("  … 50 more\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public Task What_is_not_there_cannot_be_previewed() => Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.PreviewAsync(_executor, "nothing"));

    private async Task StoreAsync()
    {
        _executor.Declares("shop.find", StepEffect.Read).Declares("bank.pay", StepEffect.Write);
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("bank.pay", """{"amount":"$inputs.amount","who":"$inputs.who","to":"$inputs.to"}"""))
            .Taking(Given.Input("amount"), Given.Input("who"), Given.Input("to") with { Default = Given.Value("\"nobody\"") }));
        await Memory.StoreAsync(Given.Definition(
            "outer",
            Given.Step("shop.find", """{"name":"$inputs.name","page":1}"""),
            Given.Step("shop.send", """{"to":"$steps.find.outputs#/id","text":"{$inputs.name}: {$steps.find.outputs}","key":"$inputs.code"}"""),
            new ProcedureStep { Id = "each", Action = "for each row", Kind = StepKind.Loop, ForEach = "$inputs.rows", Steps = [Given.Step("shop.note", """{"row":"$item","by":"$inputs.name"}""")] },
            Given.Nested("inner", """{"amount":"$steps.find.outputs#/total","who":"$inputs.name"}""", "settle"),
            Given.Step("shop.wrap", id: "gift") with { Condition = new StepCondition { Value = "$inputs.gift", Test = ConditionTest.Present } },
            Given.Step("shop.hurry", id: "late") with { Condition = new StepCondition { Value = "$steps.find.outputs#/late", Test = ConditionTest.Present } })
            .Taking(Given.Input("name"), Given.Input("rows"), Given.Input("code") with { Secret = true }, Given.Input("gift") with { Required = false }));
    }
}
