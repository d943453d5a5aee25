using System.Globalization;
using System.Text.Json;
using Moq;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;

namespace ProceduralMemory.Tests.Capture;

/// <summary>Every recording can be ended: by finalizing it, by giving it up, or because it has ended elsewhere. None is finalized with a hole in it.</summary>
public sealed class EndOfRecordingTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile(o => (o.MaxSteps, o.MaxValueBytes) = (3, 1024));

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_recording_that_grows_too_long_takes_no_more_calls_says_why_and_can_be_given_up()
    {
        using var session = Memory.BeginSession();
        var recorder = await StartAsync();
        await CallAsync(recorder, 3);
        Assert.False(recorder.IsIncomplete);

        Assert.Null(recorder.BeginStep("t.late", default));
        Assert.Null(recorder.BeginStep("t.later", default));
        var step = await _test.RefusesAsync<RecordingStateException>(() => recorder.RecordStepAsync(new TraceStep { Action = "t.last" }));
        var end = await _test.RefusesAsync<RecordingStateException>(() => recorder.FinalizeAsync());

        Assert.Equal("more calls were made than MaxSteps (3) allows; record so long a task in parts", recorder.IncompleteBecause);
        Assert.All([step, end], e => Assert.Contains($"because {recorder.IncompleteBecause}. Abandon it", e.Message, StringComparison.Ordinal));
        await IsGivenUpAsync(recorder, session);
    }

    [Fact]
    public async Task A_recording_of_just_as_many_calls_as_are_allowed_is_finalized()
    {
        var recorder = await StartAsync();
        await CallAsync(recorder, 3);

        Assert.Equal(3, (await recorder.FinalizeAsync()).Procedure!.Version.Steps.Count);
    }

    [Fact]
    public async Task A_recording_that_makes_no_valid_procedure_says_what_is_wrong_with_it_and_can_be_given_up()
    {
        var started = await StartAsync();
        await CallAsync(started, 3);
        var strict = _test.Open(o => o.MaxSteps = 2);
        using var session = strict.BeginSession();
        var recorder = await strict.ResumeRecordingAsync(started.TraceId);

        for (var time = 0; time < 2; time++)
        {
            var refusal = await _test.RefusesAsync<RecordingStateException>(() => recorder.FinalizeAsync());

            Assert.Contains("because its steps make no valid procedure: At steps: There are 3 steps; MaxSteps allows 2.", refusal.Message, StringComparison.Ordinal);
            Assert.Contains("Abandon it", refusal.Message, StringComparison.Ordinal);
            Assert.IsType<ProcedureFormatException>(refusal.InnerException);
        }

        await IsGivenUpAsync(recorder, session);
    }

    [Fact]
    public async Task Arguments_that_are_each_within_the_limit_make_a_step_however_large_they_are_together()
    {
        var half = JsonSerializer.Serialize(new string('x', 700));

        var procedure = await Memory.RecordedAsync(new RecordingDetails { Name = "deploy" }, ("t.a", $$"""{"a":{{half}},"b":{{half}}}""", "1"));

        Given.JsonEqual($$"""{"a":{{half}},"b":{{half}}}""", (await Memory.GetTraceAsync(procedure.Version.TraceId!.Value))!.Steps[0].Arguments);
    }

    [Fact]
    public async Task Of_a_member_that_stands_twice_in_a_value_the_last_is_kept_at_every_depth()
    {
        var procedure = await Memory.RecordedAsync(new RecordingDetails { Name = "deploy" }, ("t.a", """{"a":1,"a":{"b":[{"c":2,"d":3,"c":4}]}}""", """{"e":1,"e":2}"""));

        var step = (await Memory.GetTraceAsync(procedure.Version.TraceId!.Value))!.Steps[0];
        Given.JsonEqual("""{"a":{"b":[{"c":4,"d":3}]}}""", step.Arguments);
        Given.JsonEqual("""{"e":2}""", step.Result);
    }

    [Fact]
    public async Task An_ended_recording_says_what_was_learned()
    {
        var recorder = await StartAsync();
        await CallAsync(recorder, 2);
        await recorder.CompleteStepAsync(recorder.BeginStep("t.fails", default)!, null, new StepFailure("x", "It broke."));

        var result = await recorder.FinalizeAsync();

        Assert.Equal($"'{result.Procedure!.Name}' is stored as version 1, with 2 steps; 1 failed call left out. t.fails failed and did not succeed afterwards: if the task needs it, record it again.", result.Message);
        Assert.Equal(["t.fails"], result.FailedCalls);
    }

    [Fact]
    public async Task A_recording_without_calls_and_without_a_session_says_that_no_filter_could_see_it()
    {
        var result = await (await StartAsync()).FinalizeAsync();

        Assert.Null(result.Procedure);
        Assert.Contains("no session was open when the recording started, so no filter saw one", result.Message, StringComparison.Ordinal);
        Assert.Contains("BeginSession", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recording_without_calls_in_a_session_says_that_none_came()
    {
        using var session = Memory.BeginSession();

        var result = await (await StartAsync()).FinalizeAsync();

        Assert.Null(result.Procedure);
        Assert.Contains("no call was recorded. Make the calls between the start and the end", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recording_whose_calls_all_failed_says_so()
    {
        var recorder = await StartAsync();
        await recorder.CompleteStepAsync(recorder.BeginStep("t.fails", default)!, null, new StepFailure("x", "It broke."));

        Assert.Equal("Nothing is stored: of 1 recorded call none is a new step that succeeded.", (await recorder.FinalizeAsync()).Message);
    }

    public static TheoryData<string?, string[]> BadEndings => new()
    {
        { new string('n', 16_385), [] },
        { null, [" "] },
        { null, ["a\nb"] },
        { null, [.. Enumerable.Range(0, 51).Select(i => i.ToString(CultureInfo.InvariantCulture))] },
    };

    [Theory]
    [MemberData(nameof(BadEndings))]
    public async Task Notes_and_tags_that_are_not_valid_are_refused_before_anything_ends_and_the_recording_goes_on(string? notes, string[] tags)
    {
        var recorder = await StartAsync();
        var call = recorder.BeginStep("t.a", default)!;

        var finalizing = _test.RefusesAsync<ProcedureFormatException>(() => recorder.FinalizeAsync(notes, tags));
        Assert.True(finalizing.IsCompleted, "It waits for a call although what it was given cannot be right.");
        await finalizing;

        await recorder.CompleteStepAsync(call, null);
        await recorder.CompleteStepAsync(recorder.BeginStep("t.b", default)!, null);
        Assert.Equal(2, (await recorder.FinalizeAsync("fine", ["fine"])).Procedure!.Version.Steps.Count);
    }

    [Fact]
    public async Task Tags_too_many_for_the_procedure_that_is_there_can_be_left_away()
    {
        await Memory.StoreAsync(Given.Definition("deploy", Given.Step("t.a")) with { Tags = Tags(0) });
        var recorder = await StartAsync();
        await CallAsync(recorder, 1);

        await _test.RefusesAsync<ProcedureFormatException>(() => recorder.FinalizeAsync(tags: Tags(30)));

        Assert.Equal(2, (await recorder.FinalizeAsync()).Procedure!.ActiveVersion);
    }

    [Fact]
    public async Task Tags_given_at_the_start_that_are_too_many_for_the_procedure_that_is_there_leave_only_giving_up()
    {
        await Memory.StoreAsync(Given.Definition("deploy", Given.Step("t.a")) with { Tags = Tags(0) });
        using var session = Memory.BeginSession();
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy", Tags = Tags(30) });
        await CallAsync(recorder, 1);

        Assert.Contains("60 tags", (await _test.RefusesAsync<RecordingStateException>(() => recorder.FinalizeAsync())).Message, StringComparison.Ordinal);
        await IsGivenUpAsync(recorder, session);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_recording_that_another_process_has_ended_leaves_its_session(bool byFinalizing)
    {
        using var session = Memory.BeginSession();
        var recorder = await StartAsync();
        await CallAsync(recorder, 1);
        var elsewhere = await _test.Open().ResumeRecordingAsync(recorder.TraceId);
        await elsewhere.AbandonAsync();

        var refusal = await _test.RefusesAsync<RecordingStateException>(byFinalizing ? () => recorder.FinalizeAsync() : () => recorder.AbandonAsync());

        Assert.Contains("perhaps by another process", refusal.Message, StringComparison.Ordinal);
        Assert.Null(session.Recorder);
        Assert.False(recorder.IsActive);
        Assert.False(Memory.HasActiveRecordings);
        Assert.NotNull(await StartAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_call_that_was_turned_away_by_an_end_that_did_not_come_leaves_a_hole_that_is_known(bool wasBegunBefore)
    {
        using var cancellation = new CancellationTokenSource();
        using var session = Memory.BeginSession();
        var recorder = await StartAsync();
        var stream = recorder.BeginStep("t.stream", default)!;
        recorder.DetachStep(stream);
        var call = recorder.BeginStep("t.a", default)!;

        var finalizing = recorder.FinalizeAsync(cancellationToken: cancellation.Token);
        if (wasBegunBefore)
        {
            await recorder.CompleteStepAsync(stream, null);
        }
        else
        {
            Assert.Null(recorder.BeginStep("t.turned_away", default));
        }

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => finalizing);
        await recorder.CompleteStepAsync(call, null);

        Assert.Contains("a call was made while it was about to end", (await _test.RefusesAsync<RecordingStateException>(() => recorder.FinalizeAsync())).Message, StringComparison.Ordinal);
        await IsGivenUpAsync(recorder, session);
    }

    [Fact]
    public async Task Giving_up_waits_for_no_call_since_it_may_be_one_that_gives_up()
    {
        using var session = Memory.BeginSession();
        var recorder = await StartAsync();
        await CallAsync(recorder, 1);
        var call = recorder.BeginStep("t.gives_up", default)!;

        await IsGivenUpAsync(recorder, session);
        await recorder.CompleteStepAsync(call, Given.Text("given up"));

        Assert.Single((await Memory.GetTraceAsync(recorder.TraceId))!.Steps);
    }

    [Fact]
    public async Task A_call_that_is_on_its_way_to_the_store_when_the_recording_is_given_up_is_left_out_without_a_fault()
    {
        using var real = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" });
        var store = new Mock<IProcedureStore>();
        ProcedureRecorder? recorder = null;
        store.Setup(s => s.InsertTraceAsync(It.IsAny<Trace>(), It.IsAny<CancellationToken>())).Returns(real.InsertTraceAsync);
        store.Setup(s => s.EndTraceAsync(It.IsAny<Guid>(), It.IsAny<TraceStatus>(), It.IsAny<DateTimeOffset>(), It.IsAny<TraceUsage>(), It.IsAny<CancellationToken>())).Returns(real.EndTraceAsync);
        store.Setup(s => s.AppendTraceStepAsync(It.IsAny<Guid>(), It.IsAny<TraceStep>(), It.IsAny<CancellationToken>())).Returns(async (Guid trace, TraceStep step, CancellationToken token) =>
        {
            await recorder!.AbandonAsync(token);
            await real.AppendTraceStepAsync(trace, step, token);
        });
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions(), store.Object);
        recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });

        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);

        Assert.False(recorder.IsIncomplete);
        Assert.False(recorder.IsActive);
    }

    private Task<ProcedureRecorder> StartAsync() => Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });

    private static string[] Tags(int from) => [.. Enumerable.Range(from, 30).Select(i => string.Create(CultureInfo.InvariantCulture, $"tag{i}"))];

    private static async Task CallAsync(ProcedureRecorder recorder, int times)
    {
        for (var i = 0; i < times; i++)
        {
            await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);
        }
    }

    private async Task IsGivenUpAsync(ProcedureRecorder recorder, MemorySession session)
    {
        Assert.Same(recorder, session.Recorder);
        await recorder.AbandonAsync();

        Assert.Null(session.Recorder);
        Assert.Equal(TraceStatus.Abandoned, (await Memory.GetTraceAsync(recorder.TraceId))!.Status);
    }
}
