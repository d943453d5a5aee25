using System.Globalization;
using System.Text.Json;
using CsCheck;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Capture;

public sealed class ProcedureRecorderTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_recording_is_in_the_database_from_its_first_moment_and_each_step_from_its_completion()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = " deploy ", Description = "Deploys.", Request = "please deploy", Tags = ["ops"], Notes = "n" });
        var started = await Memory.GetTraceAsync(recorder.TraceId);
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", Given.Value("""{"x":1}"""))!, Given.Value("\"one\""));
        var afterOne = await Memory.GetTraceAsync(recorder.TraceId);

        Assert.Equal(("deploy", "Deploys.", "please deploy", "n"), (started!.Name, started.Description, started.Request, started.Notes));
        Assert.Equal(["ops"], started.Tags);
        Assert.Equal(TraceStatus.Recording, started.Status);
        Assert.Equal(_test.Time.GetUtcNow(), started.StartedAt);
        Assert.Empty(started.Steps);
        var step = Assert.Single(afterOne!.Steps);
        Assert.Equal("t.a", step.Action);
        Given.JsonEqual("""{"x":1}""", step.Arguments);
        Given.JsonEqual("\"one\"", step.Result);
    }

    [Fact]
    public async Task A_step_has_the_time_between_its_begin_and_its_completion()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var begun = _test.Time.GetUtcNow();
        var call = recorder.BeginStep("t.a", default)!;
        _test.Time.Advance(TimeSpan.FromMilliseconds(1234));
        await recorder.CompleteStepAsync(call, null);
        _test.Time.Advance(TimeSpan.FromHours(1));

        var result = await recorder.FinalizeAsync();
        var step = (await Memory.GetTraceAsync(recorder.TraceId))!.Steps[0];

        Assert.Equal((begun, TimeSpan.FromMilliseconds(1234)), (step.StartedAt, step.Duration));
        Assert.Equal(TimeSpan.FromMilliseconds(1234), result.Procedure!.Version.Statistics.LastDuration);
    }

    [Fact]
    public async Task Steps_keep_the_order_in_which_they_began_however_they_end() => await Gen.Int[1, 12].SelectMany(n => Gen.Shuffle(Enumerable.Range(0, n).ToArray())).SampleAsync(
        async order =>
        {
            var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = $"{order.Length} at once" });
            var calls = Enumerable.Range(0, order.Length).Select(i => recorder.BeginStep(Action(i), default)!).ToList();
            foreach (var i in order)
            {
                await recorder.CompleteStepAsync(calls[i], Given.Value(i.ToString(CultureInfo.InvariantCulture)));
            }

            var procedure = (await recorder.FinalizeAsync()).Procedure!;

            Assert.Equal(Enumerable.Range(0, order.Length).Select(Action), procedure.Version.Steps.Select(s => s.Action));
        },
        iter: 100,
        threads: 1);

    [Fact]
    public async Task Calls_that_run_at_once_on_many_threads_are_all_kept_in_the_order_of_their_begin()
    {
        using var test = TestMemory.OnFile();
        var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "parallel" });
        var calls = Enumerable.Range(0, 60).Select(i => recorder.BeginStep(Action(i), default)!).ToList();

        await Parallel.ForEachAsync(calls, async (call, token) => await recorder.CompleteStepAsync(call, null, cancellationToken: token));
        var result = await recorder.FinalizeAsync();

        Assert.Equal(Enumerable.Range(0, 60).Select(Action), result.Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Fact]
    public async Task Calls_that_were_asked_for_in_one_answer_stand_in_the_order_asked_for_where_the_first_of_them_began()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "groups" });
        foreach (var (action, group, index) in new[] { ("t.before", null, 0), ("t.g1", "g", 1), ("t.h2", "h", 2), ("t.g0", "g", 0), ("t.between", null, 0), ("t.h0", "h", 0), ("t.g2", "g", 2), ("t.after", (string?)null, 0) })
        {
            await recorder.CompleteStepAsync(recorder.BeginStep(action, default, callGroup: group, callIndex: index)!, null);
        }

        var procedure = (await recorder.FinalizeAsync()).Procedure!;

        Assert.Equal(["t.before", "t.g0", "t.g1", "t.g2", "t.h0", "t.h2", "t.between", "t.after"], procedure.Version.Steps.Select(s => s.Action));
    }

    [Fact]
    public async Task Only_successful_steps_are_kept_and_the_others_are_counted()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null, new StepFailure("Timeout", "slow"));
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, Given.Value("1"));
        await recorder.RecordStepAsync(new TraceStep { Action = "t.b", Status = StepStatus.Failed, Failure = new StepFailure("Denied", "no") });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.c" });

        var result = await recorder.FinalizeAsync();
        var trace = await Memory.GetTraceAsync(recorder.TraceId);

        Assert.Equal(["t.a", "t.c"], result.Procedure!.Version.Steps.Select(s => s.Action));
        Assert.Equal(2, result.DroppedSteps);
        Assert.Equal([StepStatus.Failed, StepStatus.Success, StepStatus.Failed, StepStatus.Success], trace!.Steps.Select(s => s.Status));
        Assert.Equal(new StepFailure("Timeout", "slow"), trace.Steps[0].Failure);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task A_recording_without_a_successful_step_gives_no_procedure(int failures)
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "empty" });
        for (var i = 0; i < failures; i++)
        {
            await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null, new StepFailure("x", "y"));
        }

        var result = await recorder.FinalizeAsync();

        Assert.Null(result.Procedure);
        Assert.Equal(failures, result.DroppedSteps);
        Assert.Empty(await Memory.ListAsync());
        Assert.Equal(TraceStatus.Abandoned, (await Memory.GetTraceAsync(recorder.TraceId))!.Status);
        Assert.False(Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_recording_that_is_given_up_is_kept_and_teaches_nothing()
    {
        using var session = Memory.BeginSession();
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "given_up" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });

        await recorder.AbandonAsync();

        Assert.Empty(await Memory.ListAsync());
        Assert.Equal(TraceStatus.Abandoned, Assert.Single(await Memory.ListTracesAsync()).Status);
        Assert.Null(session.Recorder);
        await Assert.ThrowsAsync<RecordingStateException>(() => recorder.FinalizeAsync());
    }

    [Fact]
    public async Task A_second_recording_in_a_session_is_refused_and_the_mend_is_named()
    {
        using var session = Memory.BeginSession();
        var first = await Memory.StartRecordingAsync(new RecordingDetails { Name = "first" });

        var refusal = await Assert.ThrowsAsync<RecordingStateException>(() => Memory.StartRecordingAsync(new RecordingDetails { Name = "second" }));

        Assert.Contains("'first'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("BeginSession", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("first", Assert.Single(await Memory.ListTracesAsync()).Name);
        Assert.Same(first, session.Recorder);
        await first.RecordStepAsync(new TraceStep { Action = "t.a" });
        Assert.NotNull((await first.FinalizeAsync()).Procedure);
        Assert.NotNull(await Memory.StartRecordingAsync(new RecordingDetails { Name = "second" }));
    }

    [Fact]
    public async Task What_comes_after_the_end_is_refused()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });
        await recorder.FinalizeAsync();

        Func<Task>[] late = [() => recorder.FinalizeAsync(), () => recorder.AbandonAsync(), () => recorder.RecordStepAsync(new TraceStep { Action = "t.b" }), () => recorder.AnnotateStepAsync("t.a", null, "o", null)];
        foreach (var act in late)
        {
            Assert.Contains("StartRecordingAsync", (await Assert.ThrowsAsync<RecordingStateException>(act)).Message, StringComparison.Ordinal);
        }

        Assert.Null(recorder.BeginStep("t.b", default));
        Assert.False(recorder.IsActive);
        Assert.Single((await Memory.GetAsync("deploy")).Version.Steps);
    }

    [Fact]
    public async Task Finalizing_waits_for_calls_in_flight_and_keeps_them()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var first = recorder.BeginStep("t.a", default)!;
        var second = recorder.BeginStep("t.b", default)!;

        var finalizing = recorder.FinalizeAsync();
        Assert.False(finalizing.IsCompleted);
        Assert.Null(recorder.BeginStep("t.late", default));
        await recorder.CompleteStepAsync(second, null);
        Assert.False(finalizing.IsCompleted);
        await recorder.CompleteStepAsync(first, null);

        Assert.Equal(["t.a", "t.b"], (await finalizing).Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Fact]
    public async Task A_wait_for_calls_in_flight_that_is_cancelled_lets_the_recording_go_on()
    {
        using var cancellation = new CancellationTokenSource();
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var call = recorder.BeginStep("t.a", default)!;

        var finalizing = recorder.FinalizeAsync(cancellationToken: cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => finalizing);
        Assert.True(recorder.IsActive);
        await recorder.CompleteStepAsync(call, null);
        Assert.Single((await recorder.FinalizeAsync()).Procedure!.Version.Steps);
    }

    [Fact]
    public async Task A_completion_that_was_cancelled_leaves_a_hole_so_that_the_recording_cannot_be_finalized()
    {
        using var test = TestMemory.OnFile();
        var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);
        var call = recorder.BeginStep("t.b", default)!;

        await test.RefusesAsync<OperationCanceledException>(() => recorder.CompleteStepAsync(call, null, cancellationToken: new CancellationToken(canceled: true)));

        Assert.Contains("Abandon", (await test.RefusesAsync<RecordingStateException>(() => recorder.FinalizeAsync())).Message, StringComparison.Ordinal);
        await recorder.AbandonAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_call_that_is_completed_twice_does_not_let_the_end_wait_for_ever(bool cancelledFirst)
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var call = recorder.BeginStep("t.a", default)!;

        await Record.ExceptionAsync(() => recorder.CompleteStepAsync(call, null, cancellationToken: new CancellationToken(cancelledFirst)));
        await Record.ExceptionAsync(() => recorder.CompleteStepAsync(call, null));
        var ending = Record.ExceptionAsync(() => recorder.FinalizeAsync());

        Assert.True(ending.IsCompleted, "The end waits for a call in flight, but there is none.");
        await ending;
    }

    [Fact]
    public async Task A_call_whose_end_may_never_come_does_not_hold_up_the_end_and_is_left_out()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var unread = recorder.BeginStep("t.stream", default)!;
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);

        recorder.DetachStep(unread);
        recorder.DetachStep(unread);
        var finalizing = recorder.FinalizeAsync();
        Assert.True(finalizing.IsCompleted);
        await recorder.CompleteStepAsync(unread, null);

        Assert.Equal(["t.a"], (await finalizing).Procedure!.Version.Steps.Select(s => s.Action));
        Assert.Single((await Memory.GetTraceAsync(recorder.TraceId))!.Steps);
    }

    [Fact]
    public async Task A_detached_call_that_ends_in_time_is_kept_in_its_place()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var read = recorder.BeginStep("t.stream", default)!;
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);
        recorder.DetachStep(read);

        await recorder.CompleteStepAsync(read, Given.Value("\"all of it\""));
        var finalizing = recorder.FinalizeAsync();

        Assert.True(finalizing.IsCompleted);
        Assert.Equal(["t.stream", "t.a"], (await finalizing).Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Fact]
    public async Task A_recording_whose_step_was_lost_cannot_be_finalized()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });
        recorder.MarkIncomplete(new IOException("disk full"));

        var refusal = await Assert.ThrowsAsync<RecordingStateException>(() => recorder.FinalizeAsync());

        Assert.Contains("Abandon", refusal.Message, StringComparison.Ordinal);
        Assert.IsType<IOException>(refusal.InnerException);
        Assert.Null(recorder.BeginStep("t.b", default));
        Assert.Empty(await Memory.ListAsync());
        await recorder.AbandonAsync();
    }

    [Fact]
    public async Task Words_go_to_the_call_with_the_same_arguments_else_to_the_latest_that_has_none_else_to_the_latest()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        foreach (var arguments in new[] { """{"n":1}""", """{"n":2}""", """{"n":3}""" })
        {
            await recorder.CompleteStepAsync(recorder.BeginStep("t.a", Given.Value(arguments))!, null);
        }

        await recorder.CompleteStepAsync(recorder.BeginStep("t.b", default)!, null);

        Assert.True(await recorder.AnnotateStepAsync("T.A", Given.Value("""{"n":2.0}"""), "two", "a note"));
        Assert.True(await recorder.AnnotateStepAsync("t.a", Given.Value("""{"n":9}"""), "three", null));
        Assert.True(await recorder.AnnotateStepAsync("t.a", null, "one", null));
        Assert.True(await recorder.AnnotateStepAsync("t.a", null, null, "late note"));
        Assert.False(await recorder.AnnotateStepAsync("t.unknown", null, "x", null));
        var procedure = (await recorder.FinalizeAsync()).Procedure!;

        Assert.Equal(["one", "two", "three", null], procedure.Version.Steps.Select(s => s.Expectation?.Description));
        Assert.Equal([null, "a note", "late note", null], procedure.Version.Steps.Select(s => s.Notes));
    }

    [Fact]
    public async Task A_call_that_the_agent_judges_to_have_failed_does_not_become_a_step()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, Given.Text("error: no such order"));
        await recorder.CompleteStepAsync(recorder.BeginStep("t.b", default)!, Given.Text("fine"));

        await recorder.AnnotateStepAsync("t.a", null, "it found nothing", null, new StepFailure("agent", "no such order, password=hunter2"));
        var result = await recorder.FinalizeAsync();

        Assert.Equal(["t.b"], result.Procedure!.Version.Steps.Select(s => s.Action));
        Assert.Equal(1, result.DroppedSteps);
        var step = (await Memory.GetTraceAsync(recorder.TraceId))!.Steps[0];
        Assert.Equal((StepStatus.Failed, new StepFailure("agent", "no such order, password=[redacted]")), (step.Status, step.Failure!));
    }

    [Fact]
    public async Task An_unfinished_recording_is_resumed_by_another_memory_on_the_file()
    {
        using var test = TestMemory.OnFile();
        var first = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy", Description = "Deploys.", Tags = ["ops"], Request = "deploy now" });
        await first.CompleteStepAsync(first.BeginStep("t.a", default)!, null);
        await first.CompleteStepAsync(first.BeginStep("t.b", default)!, null);
        _ = first.BeginStep("t.lost", default);
        var other = test.Open();

        var unfinished = Assert.Single(await other.ListTracesAsync(TraceStatus.Recording));
        var resumed = await other.ResumeRecordingAsync(unfinished.Id);
        await resumed.CompleteStepAsync(resumed.BeginStep("t.c", default)!, null);
        var procedure = (await resumed.FinalizeAsync()).Procedure!;

        Assert.Equal(["t.a", "t.b", "t.c"], procedure.Version.Steps.Select(s => s.Action));
        Assert.Equal(("deploy", "Deploys.", "deploy now", first.TraceId), (procedure.Name, procedure.Description, procedure.Version.Request, procedure.Version.TraceId));
        Assert.Equal(["ops"], procedure.Tags);
        Assert.Empty(await test.Memory.ListTracesAsync(TraceStatus.Recording));
        await Assert.ThrowsAsync<RecordingStateException>(() => first.RecordStepAsync(new TraceStep { Action = "t.d" }));
        await Assert.ThrowsAsync<RecordingStateException>(() => other.ResumeRecordingAsync(unfinished.Id));
    }

    [Fact]
    public async Task A_resumed_recording_takes_words_for_a_call_of_the_first_process()
    {
        using var test = TestMemory.OnFile();
        var first = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        await first.CompleteStepAsync(first.BeginStep("t.a", default)!, null);

        var resumed = await test.Open().ResumeRecordingAsync(first.TraceId);

        Assert.True(await resumed.AnnotateStepAsync("t.a", null, "done", null));
    }

    [Fact]
    public async Task What_is_not_there_or_not_unfinished_or_of_another_scope_cannot_be_resumed()
    {
        using var test = TestMemory.OnFile();
        var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        var stranger = test.Open(o => o.Scope = () => new MemoryScope("stranger", "default"));

        var unknown = await Assert.ThrowsAsync<RecordingStateException>(() => test.Memory.ResumeRecordingAsync(Guid.Empty));
        await Assert.ThrowsAsync<RecordingStateException>(() => stranger.ResumeRecordingAsync(recorder.TraceId));
        await recorder.AbandonAsync();
        var ended = await Assert.ThrowsAsync<RecordingStateException>(() => test.Memory.ResumeRecordingAsync(recorder.TraceId));

        Assert.Contains("ListTracesAsync", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("has ended", ended.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Recording_the_same_name_again_makes_version_2_and_keeps_version_1()
    {
        var first = await Memory.RecordedAsync(new RecordingDetails { Name = "deploy", Description = "Old words.", Tags = ["a"] }, ("t.a", """{"x":"one"}""", "1"));
        var second = await Memory.RecordedAsync(new RecordingDetails { Name = "DEPLOY", Tags = ["b"] }, ("t.a", """{"x":"two"}""", "1"));

        var versions = await Memory.ListVersionsAsync("deploy");

        Assert.Equal(first.Id, second.Id);
        Assert.Equal(("deploy", "Old words.", 2, 1), (second.Name, second.Description, second.ActiveVersion, second.Version.Parent));
        Assert.Equal(["a", "b"], second.Tags);
        Assert.Equal([(1, VersionState.Retired), (2, VersionState.Active)], versions.Select(v => (v.Number, v.State)));
        Assert.True(Assert.Single(versions[0].Inputs).Unconfirmed);
        Assert.False(Assert.Single(versions[1].Inputs).Unconfirmed);
        Assert.Equal((2L, 1L), (second.Statistics.Executions, second.Version.Statistics.Executions));
    }

    [Fact]
    public async Task What_the_task_cost_is_kept_with_the_trace_and_later_values_count()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy" });
        recorder.ReportUsage(1, 100, 10);
        recorder.ReportUsage(3, null, 5_000_000_000);
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });
        await recorder.FinalizeAsync();

        var trace = await Memory.GetTraceAsync(recorder.TraceId);

        Assert.Equal((3, 100L, 5_000_000_000L), (trace!.ModelCalls, trace.InputTokens, trace.OutputTokens));
        Assert.Equal(TraceStatus.Completed, trace.Status);
    }

    [Fact]
    public async Task Notes_and_tags_that_come_at_the_end_are_the_procedures()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "deploy", Tags = ["ops"], Notes = "old" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });

        var procedure = (await recorder.FinalizeAsync("new, password=hunter2", ["OPS", "web"])).Procedure!;

        Assert.Equal("new, password=[redacted]", procedure.Notes);
        Assert.Equal(["ops", "web"], procedure.Tags);
    }

    [Fact]
    public async Task Secrets_are_nowhere_in_a_trace_or_its_procedure()
    {
        using var test = TestMemory.OnFile();
        var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "login", Description = "uses password: sup3rs3cret", Request = "my api_key=sup3rs3cret", Notes = "token: sup3rs3cret" });
        await recorder.CompleteStepAsync(recorder.BeginStep("crm.login", Given.Value("""{"password":"sup3rs3cret","user":"ann"}"""))!, Given.Value("""{"said":"welcome, sup3rs3cret"}"""));
        await recorder.CompleteStepAsync(recorder.BeginStep("crm.echo", Given.Value("""{"text":"sup3rs3cret"}"""))!, null, new StepFailure("E", "bad sup3rs3cret"));
        await recorder.RecordStepAsync(new TraceStep { Action = "crm.note", Outcome = "saw sup3rs3cret", Notes = "sup3rs3cret" });
        await recorder.AnnotateStepAsync("crm.login", null, "sup3rs3cret", "sup3rs3cret");
        var procedure = (await recorder.FinalizeAsync("sup3rs3cret")).Procedure!;

        Assert.DoesNotContain("sup3rs3cret", test.Dump(), StringComparison.Ordinal);
        var input = Assert.Single(procedure.Version.Inputs, i => i.Secret);
        Assert.Equal(("password", true), (input.Name, input.Required));
        Assert.Equal("$inputs.password", procedure.Version.Steps[0].Arguments.GetProperty("password").GetString());
    }

    [Fact]
    public async Task A_secret_among_the_named_inputs_is_taken_out_of_what_is_said_about_the_task_too()
    {
        var details = new RecordingDetails
        {
            Name = "login",
            Description = "Logs in with c0rrect-horse.",
            Request = "Log in with c0rrect-horse",
            Notes = "It was c0rrect-horse.",
            Inputs = Given.Values(("password", "\"c0rrect-horse\"")),
        };

        using var test = TestMemory.OnFile();

        await test.Memory.RecordedAsync(details, ("t.login", """{"password":"c0rrect-horse"}""", "1"));

        Assert.DoesNotContain("c0rrect-horse", test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recording_of_nothing_but_one_replay_teaches_nothing()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "wrapper" });
        await recorder.RecordStepAsync(new TraceStep { Action = "deploy", Kind = StepKind.Procedure });

        Assert.Null((await recorder.FinalizeAsync()).Procedure);
    }

    private static string Action(int i) => string.Create(CultureInfo.InvariantCulture, $"t.a{i}");
}
