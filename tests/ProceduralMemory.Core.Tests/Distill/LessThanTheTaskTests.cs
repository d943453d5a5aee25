using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Distill;

/// <summary>A recording that shows less than the task makes no step that writes optional, unless it is said.</summary>
public sealed class LessThanTheTaskTests : IDisposable
{
    private static readonly (string, string) Find = ("shop.find_customer", "ok");
    private static readonly (string, string) FindAddress = ("shop.find_address", "ok");
    private static readonly (string, string) Send = ("shop.send", "ok");
    private static readonly (string, string) Pack = ("shop.pack", "ok");
    private static readonly (string, string) SendFails = ("shop.send", "fails");
    private static readonly (string, string) SendTellsOfAnError = ("shop.send", "error");

    private readonly TestMemory _test = TestMemory.InMemory(o => o.Effects = new Dictionary<string, StepEffect> { ["shop.find_customer"] = StepEffect.Read, ["shop.find_address"] = StepEffect.Read, ["shop.send"] = StepEffect.Write });

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData("fails")]
    [InlineData("error")]
    public async Task A_step_that_failed_is_not_learned_to_be_optional(string how)
    {
        await RecordAsync(Find, Pack, Send);

        var result = await RecordAsync(Find, Pack, ("shop.send", how));

        Assert.Null(result.Procedure);
        Assert.Equal(
            new SkillConflict("send", "Its call of shop.send failed, and none succeeded after it, so the recording is no whole run of the task.", "shop.find_customer → shop.pack → shop.send (failed)", "shop.find_customer → shop.pack → shop.send") { FailedCall = "shop.send" },
            result.Conflict);
        Assert.Equal(
            "Nothing is stored, and 'send' is as it was. Its call of shop.send failed, and none succeeded after it, so the recording is no whole run of the task. Record the task again when that call succeeds. The trace is kept; DistillTraceAsync makes a procedure of it under another name, or as a replacement.",
            result.Message);
        await StandsAsync(version: 1, "shop.find_customer", "shop.pack", "shop.send");
        Assert.Equal(TraceStatus.Completed, (await Memory.GetTraceAsync(result.TraceId))!.Status);

        // No less when it is asked for once more, and all the more under a name of its own.
        Assert.Equal(result.Conflict, (await Memory.DistillTraceAsync(result.TraceId)).Conflict);
        Assert.Equal(["shop.send"], (await Memory.DistillTraceAsync(result.TraceId, "pack")).FailedCalls);
    }

    [Fact]
    public async Task A_step_that_succeeded_after_it_had_failed_is_a_step()
    {
        await RecordAsync(Find, Send);

        var result = await RecordAsync(Find, SendFails, SendTellsOfAnError, Send);

        Assert.Empty(result.FailedCalls);
        await StandsAsync(version: 2, "shop.find_customer", "shop.send");
        Assert.All((await Memory.GetAsync("send")).Version.Steps, s => Assert.Null(s.Condition));
    }

    [Fact]
    public async Task A_call_that_failed_once_all_the_steps_of_its_kind_were_done_takes_nothing_away()
    {
        await RecordAsync(Find, Send);

        var result = await RecordAsync(Find, Send, SendFails);

        Assert.Null(result.Conflict);
        Assert.Equal(["shop.send"], result.FailedCalls);
        Assert.All((await Memory.GetAsync("send")).Version.Steps, s => Assert.Null(s.Condition));
    }

    [Fact]
    public async Task A_call_that_failed_and_is_no_step_is_left_out()
    {
        await RecordAsync(Find, Send);

        Assert.NotNull((await RecordAsync(("shop.find_supplier", "fails"), Find, Send)).Procedure);
        await StandsAsync(version: 2, "shop.find_customer", "shop.send");
    }

    [Fact]
    public async Task A_first_recording_leaves_out_what_failed_and_says_so()
    {
        var result = await RecordAsync(Find, SendFails);

        Assert.Equal(
            "'send' is stored as version 1, with 1 step; 1 failed call left out. shop.send failed and did not succeed afterwards: if the task needs it, record it again.",
            result.Message);
        await StandsAsync(version: 1, "shop.find_customer");
    }

    [Fact]
    public async Task The_last_round_of_a_loop_that_failed_is_no_shorter_list()
    {
        await RecordAsync(("shop.list", """["a","b"]""", "{}"), ("shop.send", "ok", """{"to":"a"}"""), ("shop.send", "ok", """{"to":"b"}"""));
        Assert.Single((await Memory.GetAsync("send")).Version.Steps, s => s.Kind is StepKind.Loop);

        var result = await RecordAsync(("shop.list", """["c","d"]""", "{}"), ("shop.send", "ok", """{"to":"c"}"""), ("shop.send", "fails", """{"to":"d"}"""));

        Assert.Equal("shop.send", result.Conflict?.FailedCall);
    }

    [Fact]
    public async Task A_recording_that_only_reads_is_of_another_skill_than_one_that_writes()
    {
        await RecordAsync(Find, FindAddress, Send);

        var result = await RecordAsync(Find, FindAddress);

        Assert.Equal(
            "Nothing is stored: 'send' does something else. It made none of the calls that write: shop.send. The trace is kept; DistillTraceAsync makes a procedure of it under another name, or as a replacement.",
            result.Message);
        Assert.Null(result.Conflict!.FailedCall);
        await StandsAsync(version: 1, "shop.find_customer", "shop.find_address", "shop.send");
    }

    [Fact]
    public async Task Half_a_task_is_another_one_where_the_other_half_may_write()
    {
        await RecordAsync(("shop.look", "ok"), ("shop.dispatch", "ok"));

        Assert.Equal("They have 1 of 2 steps in common.", (await RecordAsync(("shop.look", "ok"))).Conflict?.Difference);
    }

    [Fact]
    public async Task Where_all_that_writes_can_be_left_out_already_a_recording_may_do_without()
    {
        await RecordAsync(Find, FindAddress);
        var added = await RecordAsync(Find, FindAddress, Send);

        var without = await RecordAsync(Find, FindAddress);

        Assert.Equal(["'send' (done if there is $inputs.send)"], added.NowOptional);
        Assert.NotNull(without.Procedure);
        Assert.Empty(without.NowOptional);
    }

    [Fact]
    public async Task A_step_that_writes_and_becomes_optional_is_named()
    {
        await RecordAsync(Find, Pack, Send);

        var result = await RecordAsync(Find, Pack);

        Assert.Equal(["'send' (done if there is $inputs.send)"], result.NowOptional);
        Assert.Equal("'send' is stored as version 2, with 3 steps. Optional from now on: 'send' (done if there is $inputs.send).", result.Message);
    }

    private async Task<RecordingResult> RecordAsync(params (string Action, string Result)[] calls) => await RecordAsync([.. calls.Select(c => (c.Action, c.Result, "{}"))]);

    private async Task<RecordingResult> RecordAsync(params (string Action, string Result, string Arguments)[] calls)
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "send" });
        foreach (var (action, result, arguments) in calls)
        {
            var call = recorder.BeginStep(action, Given.Value(arguments))!;
            await (result switch
            {
                "fails" => recorder.CompleteStepAsync(call, null, new StepFailure("HttpRequestException", "503")),
                "error" => recorder.CompleteStepAsync(call, Given.Value("""{"error":"503"}""")),
                "ok" => recorder.CompleteStepAsync(call, Given.Value("true")),
                _ => recorder.CompleteStepAsync(call, Given.Value(result)),
            });
        }

        return await recorder.FinalizeAsync();
    }

    private async Task StandsAsync(int version, params string[] actions)
    {
        var procedure = await Memory.GetAsync("send");
        Assert.Equal(version, procedure.Version.Number);
        Assert.Equal(actions, procedure.Version.Steps.Select(s => s.Action));
    }
}
