using System.Globalization;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Capture;

public sealed class MemorySessionTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Agents_that_work_at_once_do_not_mix()
    {
        using var test = TestMemory.OnFile();

        async Task AgentAsync(int agent)
        {
            await Task.Yield();
            using var session = test.Memory.BeginSession(new MemoryScope(Name(agent)), request: Name(agent));
            var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "work" });
            for (var i = 0; i < 5; i++)
            {
                await Task.Yield();
                var current = test.Memory.CurrentSession!.Recorder!;
                Assert.Same(recorder, current);
                await current.CompleteStepAsync(current.BeginStep($"{Name(agent)}.step", default)!, null);
            }

            await recorder.FinalizeAsync();
        }

        await Task.WhenAll(Enumerable.Range(0, 12).Select(AgentAsync));

        for (var agent = 0; agent < 12; agent++)
        {
            using var session = test.Memory.BeginSession(new MemoryScope(Name(agent)));
            var procedure = Assert.Single(await test.Memory.ListAsync());
            Assert.Equal(Enumerable.Repeat($"{Name(agent)}.step", 5), procedure.Version.Steps.Select(s => s.Action));
            Assert.Equal(Name(agent), procedure.Version.Request);
        }

        Assert.False(test.Memory.HasActiveRecordings);
    }

    [Fact]
    public void A_session_inside_a_session_holds_until_it_is_closed()
    {
        Assert.Null(Memory.CurrentSession);
        using (var outer = Memory.BeginSession())
        {
            using (var inner = Memory.BeginSession())
            {
                Assert.Same(inner, Memory.CurrentSession);
            }

            Assert.Same(outer, Memory.CurrentSession);
        }

        Assert.Null(Memory.CurrentSession);
    }

    [Fact]
    public void The_session_of_one_memory_is_not_that_of_another()
    {
        using var other = TestMemory.InMemory();
        using var mine = Memory.BeginSession();
        using var theirs = other.Memory.BeginSession();

        Assert.Same(mine, Memory.CurrentSession);
        Assert.Same(theirs, other.Memory.CurrentSession);
    }

    [Fact]
    public async Task A_closed_session_leaves_its_recording_to_be_resumed()
    {
        Guid trace;
        using (Memory.BeginSession())
        {
            trace = (await Memory.StartRecordingAsync(new RecordingDetails { Name = "work" })).TraceId;
            Assert.True(Memory.HasActiveRecordings);
        }

        Assert.False(Memory.HasActiveRecordings);
        using var session = Memory.BeginSession();
        var resumed = await Memory.ResumeRecordingAsync(trace);
        Assert.Same(resumed, session.Recorder);
        Assert.True(Memory.HasActiveRecordings);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_recording_that_is_resumed_while_another_recorder_writes_it_keeps_the_step_that_came_first(bool inTheSameProcess)
    {
        using var test = TestMemory.OnFile();
        var first = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "work" });
        var second = await (inTheSameProcess ? test.Memory : test.Open()).ResumeRecordingAsync(first.TraceId);
        await first.RecordStepAsync(new TraceStep { Action = "t.first", Outcome = "done" });

        var byHand = await test.RefusesAsync<RecordingStateException>(() => second.RecordStepAsync(new TraceStep { Action = "t.second" }));
        var third = await (inTheSameProcess ? test.Memory : test.Open()).ResumeRecordingAsync(first.TraceId);
        await first.RecordStepAsync(new TraceStep { Action = "t.third" });
        var call = third.BeginStep("t.fourth", default)!;
        var byFilter = await test.RefusesAsync<RecordingStateException>(() => third.CompleteStepAsync(call, null));

        // What they were told is not in the trace: neither may make a procedure of it.
        Assert.True(second.IsIncomplete);
        Assert.True(third.IsIncomplete);

        Assert.All([byHand, byFilter], e => Assert.Contains("another recorder, in this process or another, has written that step", e.Message, StringComparison.Ordinal));
        Assert.Equal(["t.first", "t.third"], (await first.FinalizeAsync()).Procedure!.Version.Steps.Select(s => s.Action));
    }

    [Fact]
    public async Task A_session_that_is_not_ambient_holds_a_recording_for_its_owner()
    {
        using var kept = Memory.CreateSession();
        kept.Request = "do the work";

        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "work" }, kept);

        Assert.Null(Memory.CurrentSession);
        Assert.Same(recorder, kept.Recorder);
        Assert.Equal("do the work", (await Memory.GetTraceAsync(recorder.TraceId))!.Request);
        await recorder.AbandonAsync();
        Assert.Null(kept.Recorder);
    }

    [Fact]
    public async Task A_recording_outside_of_any_session_stands_by_itself()
    {
        var first = await Memory.StartRecordingAsync(new RecordingDetails { Name = "one" });
        var second = await Memory.StartRecordingAsync(new RecordingDetails { Name = "two" });

        await first.RecordStepAsync(new TraceStep { Action = "t.one" });
        await second.RecordStepAsync(new TraceStep { Action = "t.two" });

        Assert.Equal("t.one", Assert.Single((await first.FinalizeAsync()).Procedure!.Version.Steps).Action);
        Assert.Equal("t.two", Assert.Single((await second.FinalizeAsync()).Procedure!.Version.Steps).Action);
    }

    [Fact]
    public async Task A_recording_stays_in_the_scope_that_it_began_in()
    {
        var scope = new MemoryScope("first");
        using var test = TestMemory.InMemory(o => o.Scope = () => scope);
        var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = "work" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a" });

        scope = new MemoryScope("second");
        var procedure = (await recorder.FinalizeAsync()).Procedure!;

        Assert.Equal("first", procedure.Scope);
        Assert.Empty(await test.Memory.ListAsync());
    }

    private static string Name(int agent) => string.Create(CultureInfo.InvariantCulture, $"agent{agent}");
}
