using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What an approver is asked, and what its answer does.</summary>
public sealed class ApproverTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile(o => o.Approval = ApprovalPolicy.FirstUse);
    private readonly ScriptedExecutor _executor = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task It_sees_the_steps_the_unconfirmed_constants_the_inputs_and_the_request()
    {
        var approver = new ScriptedApprover(ApprovalDecision.Approved("Ada"));
        var memory = _test.Open(o => (o.Approver, o.Effects) = (approver, new Dictionary<string, StepEffect> { ["shop.find"] = StepEffect.Read }));
        await memory.RecordedAsync(
            new RecordingDetails { Name = "send", Description = "Sends it.", Request = "Send a lamp to Ada" },
            ("shop.find", """{"name":"Ada"}""", """{"id":"C-1"}"""),
            ("shop.send", """{"to":"C-1","item":"lamp","carrier":"post by air"}""", "1"));

        var result = await memory.ReplayAsync(_executor.Returns("shop.find", """{"id":"C-2"}"""), "send", Given.With(("name", "\"Grace\""), ("item", "\"desk\"")) with { Request = "Send a desk to Grace, password=hunter2-hunter2" });

        Assert.True(result.Outcome is ReplayOutcome.Completed, result.Message);
        var asked = Assert.Single(approver.Asked);
        Assert.Equal(("send", 1, null), (asked.ProcedureName, asked.Version, asked.Call));
        var version = Assert.Single(asked.Versions);
        Assert.Equal(["send"], version.WriteSteps);
        Assert.Equal("post by air", Assert.Single(version.UnconfirmedConstants).Default!.Value.GetString());
        Given.JsonEqual("""{"name":"Grace","item":"desk","carrier":"post by air"}""", asked.Inputs);
        Assert.Equal(
            """
            'send' version 1 is to be replayed, with the inputs {"name":"Grace","item":"desk","carrier":"post by air"}
            for the request "Send a desk to Grace, password=[redacted]"
            send version 1: Sends it.
              find: shop.find(name: $inputs.name)
              send: shop.send(to: $steps.find.outputs#/id, item: $inputs.item, carrier: "post by air"?) [may write]
              recorded once, and from nowhere known; approving confirms them for every replay:
                carrier = "post by air" (shop.send, argument carrier)
            """,
            asked.ToText());
        Assert.Equal(asked.ToText(), asked.ToString());
    }

    [Fact]
    public async Task Approving_confirms_the_unconfirmed_constants_for_later_replays_too()
    {
        await _test.Memory.RecordedAsync(new RecordingDetails { Name = "send", Request = "Send it" }, ("t.send", """{"carrier":"post by air"}""", "1"));
        var pending = await _test.Memory.ReplayAsync(_executor, "send");
        Assert.Equal([ReplayProblemCodes.ApprovalPending], pending.Problems.Select(p => p.Code));
        Assert.Contains("Of its values nobody has confirmed carrier = \"post by air\".", pending.Message, StringComparison.Ordinal);

        await _test.Memory.ApproveAsync("send", 1, "Ada");

        Assert.Equal(ReplayOutcome.Completed, (await _test.Memory.ReplayAsync(_executor, "send")).Outcome);
        Given.JsonEqual("""{"carrier":"post by air"}""", Assert.Single(_executor.Calls).Arguments);
        Assert.Equal(ReplayOutcome.Completed, (await _test.Memory.ReplayAsync(_executor, "send", Given.With(("carrier", "\"rail\"")))).Outcome);
        Given.JsonEqual("""{"carrier":"rail"}""", _executor.Calls[1].Arguments);
    }

    [Fact]
    public async Task It_confirms_them_where_the_policy_would_not_ask_and_inside_other_procedures()
    {
        var memory = _test.Open(o => o.Approval = ApprovalPolicy.Never);
        await memory.RecordedAsync(new RecordingDetails { Name = "inner", Request = "Send it" }, ("t.send", """{"carrier":"post by air"}""", "1"));
        await memory.StoreAsync(Given.Definition("outer", Given.Nested("inner")));
        Assert.Equal(ReplayOutcome.Refused, (await memory.ReplayAsync(_executor, "outer")).Outcome);

        await memory.ApproveAsync("inner", 1, "Ada");

        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(_executor, "outer")).Outcome);
        Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(_executor, "inner")).Outcome);
        Assert.All(_executor.Calls, c => Given.JsonEqual("""{"carrier":"post by air"}""", c.Arguments));
        Assert.Equal(2, _executor.Calls.Count);
    }

    [Fact]
    public async Task Constants_of_a_version_that_waits_or_was_rejected_or_revoked_are_not_confirmed()
    {
        await _test.Memory.RecordedAsync(new RecordingDetails { Name = "send", Request = "Send it" }, ("t.send", """{"carrier":"post by air"}""", "1"));
        await _test.Memory.ReplayAsync(_executor, "send");
        var free = _test.Open(o => o.Approval = ApprovalPolicy.Never);
        Assert.Equal([ReplayProblemCodes.UnconfirmedConstant], (await free.ReplayAsync(_executor, "send")).Problems.Select(p => p.Code));

        await _test.Memory.RejectAsync("send", 1, "Grace");
        Assert.Equal([ReplayProblemCodes.UnconfirmedConstant], (await free.ReplayAsync(_executor, "send")).Problems.Select(p => p.Code));

        await _test.Memory.ApproveAsync("send", 1, "Ada");
        await _test.Memory.RevokeApprovalAsync("send", 1, "Ada");
        Assert.Equal([ReplayProblemCodes.UnconfirmedConstant], (await free.ReplayAsync(_executor, "send")).Problems.Select(p => p.Code));
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task An_approver_that_fails_or_says_nothing_has_not_approved()
    {
        foreach (var approver in (ScriptedApprover[])[new(_ => throw new InvalidOperationException("The window was closed.")), new(_ => null!), new(ApprovalDecision.Pending)])
        {
            var memory = _test.Open(o => o.Approver = approver);
            await memory.StoreAsync(Given.Definition("p", Given.Step("t.a")), asNewVersion: true);

            var result = await memory.ReplayAsync(_executor, "p");

            Assert.Equal([ReplayProblemCodes.ApprovalPending], result.Problems.Select(p => p.Code));
            Assert.DoesNotContain("window", result.Message, StringComparison.Ordinal);
            Assert.Single(approver.Asked);
        }

        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task A_question_that_is_cancelled_leaves_nothing_behind()
    {
        using var cancellation = new CancellationTokenSource();
        var memory = _test.Open(o => o.Approver = new ScriptedApprover(_ =>
        {
            cancellation.Cancel();
            throw new OperationCanceledException(cancellation.Token);
        }));
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        await _test.RefusesAsync<OperationCanceledException>(() => memory.ReplayAsync(_executor, "p", cancellationToken: cancellation.Token));
        Assert.Empty(_executor.Calls);
    }

    [Fact]
    public async Task Secrets_are_neither_shown_nor_kept()
    {
        var approver = new ScriptedApprover(ApprovalDecision.Rejected("Grace", "No, not with password=open-sesame-1 and s3cr3t-s3cr3t!"));
        var memory = _test.Open(o => o.Approver = approver);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"code":"$inputs.code","x":"$inputs.x"}""")).Taking(Given.Input("code") with { Secret = true }, Given.Input("x")));

        var result = await memory.ReplayAsync(_executor, "p", Given.With(("code", "\"s3cr3t-s3cr3t\""), ("x", "\"with s3cr3t-s3cr3t inside\"")) with { Request = "Do it with s3cr3t-s3cr3t" });

        var asked = Assert.Single(approver.Asked);
        Given.JsonEqual("""{"code":"[redacted]","x":"with [redacted] inside"}""", asked.Inputs);
        Assert.Equal("Do it with [redacted]", asked.Request);
        foreach (var text in (string[])[asked.ToText(), result.Message, _test.Dump()])
        {
            Assert.DoesNotContain("s3cr3t", text, StringComparison.Ordinal);
            Assert.DoesNotContain("sesame", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_is_decided_by_is_spelt_out_where_it_would_not_be_seen()
    {
        var approver = new ScriptedApprover(ApprovalDecision.Pending);
        var memory = _test.Open(o => o.Approver = approver);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"to":"ada\u202egnp.exe\u200b","long":"LONG"}""".Replace("LONG", new string('x', 900), StringComparison.Ordinal))) with { Description = "Line\u2028 [may write]\u2029x" });

        await memory.ReplayAsync(_executor, "p");

        var text = Assert.Single(approver.Asked).ToText();
        Assert.Contains("""to: "ada\u202egnp.exe\u200b", long: "xxx""", text, StringComparison.Ordinal);
        Assert.Contains(new string('x', 900), text, StringComparison.Ordinal);
        Assert.Contains("""Line\u2028 [may write]\u2029x""", text, StringComparison.Ordinal);
        Assert.Equal(3, text.Split('\n').Length);
    }
}
