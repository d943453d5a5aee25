using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Whose recording a call belongs to.</summary>
public sealed class SessionTests
{
    [Fact]
    public async Task Conversations_at_once_on_one_kernel_do_not_mix_when_each_has_a_session()
    {
        var meeting = new Meeting(3);
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("meet", async (string name) =>
        {
            // No conversation gets past here before all are in the middle of their recordings.
            await meeting.WaitAsync();
            return name;
        }
        )));

        await Task.WhenAll(new[] { "one", "two", "three" }.Select(async name =>
        {
            using var session = agent.Memory.BeginSession();
            await agent.AskAsync($"Do {name}.", Model.StartsRecording(name), Model.Calls("t-meet", $$"""{"name":"{{name}}-1"}"""), Model.Calls("t-meet", $$"""{"name":"{{name}}-2"}"""), Model.Finalizes());
        }));

        foreach (var name in new[] { "one", "two", "three" })
        {
            var version = (await agent.Memory.GetAsync(name)).Version;
            var trace = await agent.Memory.GetTraceAsync(version.TraceId!.Value);
            Assert.Equal([$"{name}-1", $"{name}-2"], trace!.Steps.Select(s => s.Arguments.GetProperty("name").GetString()));
            Assert.Equal($"Do {name}.", trace.Request);
        }

        Assert.False(agent.Memory.HasActiveRecordings);
    }

    [Fact]
    public async Task A_call_outside_of_the_session_that_records_is_not_recorded()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        using (memory.BeginSession())
        {
            await kernel.StartRecordingAsync();
            using (memory.BeginSession())
            {
                await kernel.CallAsync("shop.get_order", ("orderId", "inner"));
            }

            await kernel.CallAsync("shop.get_order", ("orderId", "outer"));
            await kernel.FinalizeAsync();
        }

        Assert.Equal("""{"orderId":"outer"}""", (await memory.LatestTraceAsync()).Steps.Single().Arguments.GetRawText());
    }

    [Fact]
    public async Task Without_a_session_a_kernel_holds_one_recording()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());

        Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync("first")).Status);
        Assert.Equal(ReplyStatus.Conflict, (await kernel.StartRecordingAsync("second")).Status);
        await kernel.CallAsync("shop.get_order", ("orderId", "W-1"));
        Assert.Equal("first", (await kernel.FinalizeAsync()).Name);
        Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync("second")).Status);
    }

    [Fact]
    public async Task Without_a_session_a_kernel_holds_one_recording_for_each_scope_and_mixes_no_tenants()
    {
        var tenant = new AsyncLocal<string>();
        using var memory = Given.Memory(o => o.Scope = () => new MemoryScope(tenant.Value ?? "nobody"));
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        async Task AsAsync(string scope, Func<Task> act)
        {
            tenant.Value = scope;
            await act();
        }

        await AsAsync("a", async () => Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync("of_a")).Status));
        await AsAsync("b", () => kernel.CallAsync("shop.get_order", ("orderId", "secret of b")));
        await AsAsync("b", async () => Assert.Equal(ReplyStatus.Conflict, (await kernel.AskMemoryAsync("finalize")).Status));
        await AsAsync("b", async () => Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync("of_b")).Status));
        await AsAsync("a", () => kernel.CallAsync("shop.get_order", ("orderId", "of a")));
        await AsAsync("b", () => kernel.CallAsync("shop.get_order", ("orderId", "of b")));
        await AsAsync("a", () => kernel.FinalizeAsync());
        await AsAsync("b", () => kernel.FinalizeAsync());

        foreach (var scope in new[] { "a", "b" })
        {
            await AsAsync(scope, async () => Assert.Equal([$"of {scope}"], (await memory.LatestTraceAsync()).Steps.Select(s => s.Arguments.GetProperty("orderId").GetString())));
        }
    }

    [Fact]
    public async Task A_host_that_cannot_tell_the_scope_of_a_call_breaks_no_call_and_gets_no_procedure_with_a_hole()
    {
        var fails = false;
        using var memory = Given.Memory(o => o.Scope = () => fails ? throw new InvalidOperationException("No request of alice@example.com here.") : MemoryScope.Default);
        using var log = new LogBook();
        var kernel = new Kernel();
        kernel.Plugins.Add(new Shop().Plugin());
        kernel.UseProceduralMemory(memory, loggerFactory: log);
        await kernel.StartRecordingAsync();

        fails = true;
        Assert.Equal("C-7788", (await kernel.CallAsync("shop.get_order", ("orderId", "W-1"))).GetValue<Order>()!.CustomerId);
        fails = false;

        Assert.Contains("is incomplete", (await kernel.AskMemoryAsync("finalize")).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("alice", Assert.Single(log.Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_that_is_dropped_in_the_middle_of_a_recording_does_not_keep_the_others_recording()
    {
        using var memory = Given.Memory();
        var dropped = await StartAndDropAsync();

        for (var i = 0; i < 10 && memory.HasActiveRecordings; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(dropped.IsAlive);
        Assert.False(memory.HasActiveRecordings);
        Assert.Single(await memory.ListTracesAsync(TraceStatus.Recording));

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        async Task<WeakReference> StartAndDropAsync()
        {
            var kernel = Given.Kernel(memory, new Shop().Plugin());
            await kernel.StartRecordingAsync();
            Assert.True(memory.HasActiveRecordings);
            return new WeakReference(kernel);
        }
    }

    [Fact]
    public async Task A_session_that_was_closed_elsewhere_takes_no_recording_and_hides_no_other()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        using var outer = memory.BeginSession();
        var inner = memory.BeginSession();

        // Disposed where its being ambient cannot be taken back, as by a callback of the host.
        await Task.Run(inner.Dispose);
        await kernel.StartRecordingAsync();

        Assert.Same(outer, memory.CurrentSession);
        Assert.NotNull(outer.Recorder);
        Assert.Contains("is closed", (await Assert.ThrowsAsync<RecordingStateException>(() => memory.StartRecordingAsync(new RecordingDetails { Name = "late" }, inner))).Message, StringComparison.Ordinal);
        await outer.Recorder.AbandonAsync();
        Assert.False(memory.HasActiveRecordings);
    }

    [Fact]
    public async Task Replays_at_once_write_to_the_data_of_one_kernel_in_turn()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("note", (Kernel k, string key) => k.Data[key] = key)));
        await memory.StoredAsync("p", Given.Step("t.note", """{"key":"$inputs.key"}"""));

        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
        {
            var replay = await memory.ReplayAsync(kernel, "p", Given.With(("key", $"\"key {i}\"")));
            Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        })));

        Assert.All(Enumerable.Range(0, 40), i => Assert.Equal($"key {i}", kernel.Data[$"key {i}"]));
    }

    [Fact]
    public async Task A_session_may_record_while_the_kernel_itself_does()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());

        await kernel.StartRecordingAsync("of_the_kernel");
        await kernel.CallAsync("shop.get_order", ("orderId", "kernel"));
        using (memory.BeginSession())
        {
            await kernel.StartRecordingAsync("of_the_session");
            await kernel.CallAsync("shop.get_order", ("orderId", "session"));
            Assert.Equal("of_the_session", (await kernel.FinalizeAsync()).Name);
        }

        Assert.Equal("of_the_kernel", (await kernel.FinalizeAsync()).Name);
        Assert.Equal("kernel", (await memory.GetAsync("of_the_kernel")).ConfirmedArguments().Single().GetProperty("orderId").GetString());
        Assert.Equal("session", (await memory.GetAsync("of_the_session")).ConfirmedArguments().Single().GetProperty("orderId").GetString());
    }

    [Fact]
    public async Task Another_kernel_on_the_same_memory_does_not_take_part()
    {
        using var memory = Given.Memory();
        var recording = Given.Kernel(memory, new Shop().Plugin());
        var other = Given.Kernel(memory, new Shop().Plugin());

        var trace = await recording.RecordedAsync(memory, async () =>
        {
            await other.CallAsync("shop.get_order", ("orderId", "other"));
            await recording.CallAsync("shop.get_order", ("orderId", "recording"));
            Assert.Equal(ReplyStatus.Conflict, (await other.AskMemoryAsync("finalize")).Status);
        });

        Assert.Equal("""{"orderId":"recording"}""", trace.Steps.Single().Arguments.GetRawText());
    }

    [Fact]
    public async Task Clones_made_after_the_start_share_the_recording_and_those_made_before_do_not()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        var before = kernel.Clone();
        await kernel.StartRecordingAsync();
        var after = kernel.Clone();

        await before.CallAsync("shop.get_order", ("orderId", "before"));
        await after.CallAsync("shop.get_order", ("orderId", "after"));
        await kernel.CallAsync("shop.get_order", ("orderId", "itself"));
        Assert.Equal(ReplyStatus.Conflict, (await before.AskMemoryAsync("finalize")).Status);
        await after.FinalizeAsync();

        Assert.Equal(["after", "itself"], (await memory.LatestTraceAsync()).Steps.Select(s => s.Arguments.GetProperty("orderId").GetString()));
        Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync("next")).Status);
    }

    [Fact]
    public async Task Two_memories_on_one_kernel_record_apart()
    {
        using var one = Given.Memory();
        using var two = Given.Memory();
        var kernel = Given.Kernel(one, new Shop().Plugin()).UseProceduralMemory(two, "others");

        await kernel.StartRecordingAsync();
        await kernel.CallAsync("shop.get_order", ("orderId", "first"));
        await kernel.CallAsync("others.start_recording", ("name", "x"), ("description", "x"));
        await kernel.CallAsync("shop.get_order", ("orderId", "both"));
        await kernel.FinalizeAsync();
        await kernel.CallAsync("shop.get_order", ("orderId", "last"));
        await kernel.CallAsync("others.finalize");

        Assert.Equal(["first", "both"], (await one.LatestTraceAsync()).Steps.Select(s => s.Arguments.GetProperty("orderId").GetString()));
        Assert.Equal(["both", "last"], (await two.LatestTraceAsync()).Steps.Select(s => s.Arguments.GetProperty("orderId").GetString()));
    }

    [Fact]
    public async Task A_session_brings_its_scope_and_its_request()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());

        using (memory.BeginSession(new MemoryScope("team-a"), "Look at order W-77."))
        {
            await kernel.RecordedAsync(memory, () => kernel.CallAsync("shop.get_order", ("orderId", "W-77")));
            Assert.Equal("Look at order W-77.", (await memory.LatestTraceAsync()).Request);
            Assert.Equal("orderId", (await memory.GetAsync("learned_task")).Version.Inputs.Single().Name);
            Assert.Equal(ReplyStatus.MissingInputs, (await kernel.AskMemoryAsync("replay_procedure", ("name", "learned_task"))).Status);
        }

        Assert.Empty(await memory.ListAsync());
        Assert.Equal(ReplyStatus.NotFound, (await kernel.AskMemoryAsync("replay_procedure", ("name", "learned_task"))).Status);
        Assert.Equal(ReplyStatus.NothingFits, (await kernel.AskMemoryAsync("find_similar_procedure", ("request", "learned task"))).Status);
    }

    [Fact]
    public async Task A_recording_whose_session_was_closed_is_kept_and_can_be_gone_on_with_in_another()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        using (memory.BeginSession())
        {
            await kernel.StartRecordingAsync();
            await kernel.CallAsync("shop.get_order", ("orderId", "first"));
        }

        Assert.False(memory.HasActiveRecordings);
        await kernel.CallAsync("shop.get_order", ("orderId", "between"));
        var left = Assert.Single(await memory.ListTracesAsync(TraceStatus.Recording));
        using (memory.BeginSession())
        {
            await memory.ResumeRecordingAsync(left.Id);
            await kernel.CallAsync("shop.get_order", ("orderId", "last"));
            await kernel.FinalizeAsync();
        }

        Assert.Equal(["first", "last"], (await memory.LatestTraceAsync()).Steps.Select(s => s.Arguments.GetProperty("orderId").GetString()));
    }

    [Fact]
    public async Task The_host_may_record_without_any_model()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());

        using (memory.BeginSession(request: "Look at order W-1."))
        {
            var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "by_hand" });
            await kernel.CallAsync("shop.get_order", ("orderId", "W-1"));
            var recorded = await recorder.FinalizeAsync();
            Assert.Equal(["shop.get_order"], recorded.Procedure!.Actions());
        }

        Assert.Null((await memory.LatestTraceAsync()).ModelCalls);
    }

    /// <summary>Lets nobody on before that many have come.</summary>
    private sealed class Meeting(int size)
    {
        private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _present;

        public Task WaitAsync()
        {
            if (Interlocked.Increment(ref _present) == size)
            {
                _complete.SetResult();
            }

            return _complete.Task;
        }
    }
}
