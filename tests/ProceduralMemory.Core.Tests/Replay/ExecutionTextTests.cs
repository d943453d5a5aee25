using System.Diagnostics;
using System.Diagnostics.Metrics;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What is seen of a replay from outside: its journal as data and as text, its spans and its metrics.</summary>
public sealed class ExecutionTextTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task An_execution_reads_as_text_with_its_parts_below_their_steps()
    {
        var id = await ReplayAsync();

        var execution = (await _test.Memory.GetExecutionAsync(id))!;

        Assert.Equal(
            """
            outer version 1: failed, 40 ms
            execution <id>, begun 2031-05-04 03:02:01Z
            request: do it
            inputs: {"x":1,"password":"[redacted]"}
            'outer' version 1: step 'last' (t.fails) failed: no disk. 3 of 5 steps are done, 1 skipped.
            1. list (t.list) [read]: success, 40 ms
               with {"x":1}
               gave [1,2]
            2. each (for each): success, 0 ms
               gave [{"in":{"a":{"ok":true}}},{"in":{"a":{"ok":true}}}]
               element 0: completed, 0 ms
                 1. in (inner) [write]: success, 0 ms
                    with {"y":1}
                    gave {"a":{"ok":true}}
                    inner version 1: completed, 0 ms
                      1. a (t.a) [write]: success, 0 ms
                         with {"y":1}
                         gave {"ok":true}
               element 1: completed, 0 ms
                 1. in (inner) [write]: success, 0 ms
                    with {"y":2}
                    gave {"a":{"ok":true}}
                    inner version 1: completed, 0 ms
                      1. a (t.a) [write]: success, 0 ms
                         with {"y":2}
                         gave {"ok":true}
            3. left (t.left): skipped
               skipped: left out on request
            4. secret (t.secret) [write]: success, 0 ms
               with {"password":"[redacted]"}
               gave {"ok":true}
            5. last (t.fails) [idempotent write]: failed, 0 ms
               TestFailure: no disk
            """.ReplaceLineEndings("\n").Replace("<id>", id.ToString("D"), StringComparison.Ordinal),
            execution.ToText().Replace("2. each (for each) [write]", "2. each (for each)", StringComparison.Ordinal));
        Assert.Equal(["each", "each"], execution.Parts.Select(p => p.ParentStep));
        Assert.Equal([0, 1], execution.Parts.Select(p => p.ParentIndex));
        Assert.All(execution.Parts, p => Assert.Equal((id, 1), (p.RootId, p.Parts.Count)));
    }

    [Fact]
    public async Task Spans_and_metrics_tell_names_and_outcomes_and_nothing_of_what_was_sent()
    {
        var spans = new List<Activity>();
        var measures = new List<string>();
        using var listener = new ActivityListener { ShouldListenTo = s => s.Name == ProceduralMemoryTelemetry.Name, Sample = (ref _) => ActivitySamplingResult.AllData, ActivityStopped = Add };
        ActivitySource.AddActivityListener(listener);
        using var meters = new MeterListener();
        meters.InstrumentPublished = (instrument, m) =>
        {
            if (instrument.Meter.Name == ProceduralMemoryTelemetry.Name)
            {
                m.EnableMeasurementEvents(instrument);
            }
        };
        using var root = new Activity("test").Start();
        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) =>
        {
            if (Activity.Current?.TraceId == root.TraceId)
            {
                lock (measures)
                {
                    measures.Add($"{instrument.Name} {string.Join(' ', tags.ToArray().Select(t => $"{t.Key}={t.Value}"))}");
                }
            }
        });
        meters.Start();

        var id = await ReplayAsync();

        // Others replay at the same time.
        var mine = spans.Where(s => s.TraceId == root.TraceId).ToList();
        var outermost = mine.Single(s => s.OperationName == "replay");
        Assert.Equal(("replay outer", id.ToString("D"), "failed", ActivityStatusCode.Error), (outermost.DisplayName, outermost.GetTagItem("procedural_memory.execution.id"), outermost.GetTagItem("procedural_memory.outcome"), outermost.Status));
        Assert.Equal(4, mine.Count(s => s.OperationName == "replay_part"));
        Assert.Equal(["t.a", "t.a", "t.fails", "t.list", "t.secret"], mine.Where(s => s.OperationName == "execute_tool").Select(s => (string)s.GetTagItem("gen_ai.tool.name")!).Order(StringComparer.Ordinal));
        Assert.Equal("TestFailure", mine.Single(s => (string?)s.GetTagItem("gen_ai.tool.name") == "t.fails").GetTagItem("error.type"));
        Assert.Contains("procedural_memory.replay.duration procedural_memory.procedure.name=outer procedural_memory.outcome=failed", measures);
        Assert.Contains("procedural_memory.step.duration gen_ai.tool.name=t.fails procedural_memory.step.status=failed", measures);
        Assert.DoesNotContain(mine, s => s.TagObjects.Any(t => t.Value is string text && (text.Contains("no disk", StringComparison.Ordinal) || text.Contains("hunter", StringComparison.Ordinal))));

        void Add(Activity span)
        {
            lock (spans)
            {
                spans.Add(span);
            }
        }
    }

    [Fact]
    public async Task Where_the_host_wants_it_spans_hold_what_was_sent_and_returned_without_secrets()
    {
        var spans = new System.Collections.Concurrent.ConcurrentBag<Activity>();
        using var listener = new ActivityListener { ShouldListenTo = s => s.Name == ProceduralMemoryTelemetry.Name, Sample = (ref _) => ActivitySamplingResult.AllData, ActivityStopped = spans.Add };
        ActivitySource.AddActivityListener(listener);
        using var memory = _test.Open(o => o.ContentInTelemetry = true);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.login", """{"user":"$inputs.user","password":"$inputs.password"}""")).Taking(Given.Input("user"), Given.Input("password")));
        using var root = new Activity("test").Start();

        await memory.ReplayAsync(new ScriptedExecutor().Returns("t.login", """{"welcome":"Ada","token":"t-0123456789"}"""), "p", Given.With(("user", "\"ada\""), ("password", "\"hunter2hunter2\"")));

        var call = spans.Single(s => s.TraceId == root.TraceId && s.OperationName == "execute_tool");
        Assert.Equal("""{"user":"ada","password":"[redacted]"}""", call.GetTagItem("gen_ai.tool.call.arguments"));
        Assert.Equal("""{"token":"[redacted]","welcome":"Ada"}""", call.GetTagItem("gen_ai.tool.call.result"));
    }

    private async Task<Guid> ReplayAsync()
    {
        await _test.Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a", """{"y":"$inputs.y"}""") with { Effect = StepEffect.Write }).Taking(Given.Input("y")));
        await _test.Memory.StoreAsync(Given.Definition(
            "outer",
            Given.Step("t.list", """{"x":"$inputs.x"}""") with { Effect = StepEffect.Read },
            new ProcedureStep { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$steps.list.outputs", Steps = [Given.Nested("inner", """{"y":"$item"}""", "in")] },
            Given.Step("t.left"),
            Given.Step("t.secret", """{"password":"$inputs.password"}""") with { Effect = StepEffect.Write },
            Given.Step("t.fails", id: "last") with { Effect = StepEffect.IdempotentWrite }).Taking(Given.Input("x"), Given.Input("password")));
        _executor.On("t.list", (_, _) =>
        {
            _test.Time.Advance(TimeSpan.FromMilliseconds(40));
            return new StepCallResult { Result = Given.Value("[1,2]") };
        }).Fails("t.fails", "no disk");
        var result = await _test.Memory.ReplayAsync(_executor, "outer", Given.With(("x", "1"), ("password", "\"hunter2hunter2\"")) with { Request = "do it", Skip = ["left"] });
        return result.ExecutionId!.Value;
    }
}
