using CsCheck;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Revise;

public sealed class StatisticsTests
{
    private const int StepCount = 4;

    /// <summary>How one step of one replay goes.</summary>
    internal enum Act
    {
        Succeed,
        Fail,
        Throw,
        Differ,
        CannotTell,
        Refuse,
        Cancel,
    }

    [Fact]
    public async Task Statistics_agree_with_the_documented_formulas_over_a_thousand_random_histories()
    {
        using var test = TestMemory.InMemory();
        var history = 0;
        await AnyHistory.SampleAsync(
            async (h) =>
            {
                var name = FormattableString.Invariant($"p{history++}");
                var reference = new Reference();
                if (h.Recorded)
                {
                    await RecordAsync(test, name, h.RecordedTimes, reference);
                }
                else
                {
                    await test.Memory.StoreAsync(Given.Definition(name, [.. Enumerable.Range(0, StepCount).Select(i => Given.Step(Action(i)) with { Expectation = Expected })]));
                }

                // What fails often would be stopped.
                await test.Memory.PinAsync(name, by: "Ada");
                foreach (var replay in h.Replays)
                {
                    test.Time.Advance(TimeSpan.FromSeconds(17));
                    await ReplayAsync(test, name, replay, asserted: !h.Recorded, reference);
                }

                reference.Check(await test.Memory.GetAsync(name));
            },
            iter: 1000,
            threads: 1);
    }

    [Fact]
    public async Task An_execution_that_is_counted_late_does_not_take_the_place_of_the_latest()
    {
        using var test = TestMemory.OnFile();
        var procedure = await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", id: "s0")));
        using var store = new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = test.DatabasePath });
        var now = test.Time.GetUtcNow();

        await EndAsync(now, 20);
        await EndAsync(now.AddMinutes(-1), 10);
        var (late, lateStep) = await ReadAsync();
        await EndAsync(now.AddMinutes(1), 30);
        var (latest, latestStep) = await ReadAsync();

        Assert.Equal((2, 20.0, now), (late.Executions, late.LastDuration!.Value.TotalMilliseconds, late.LastExecutedAt));
        Assert.Equal((2, 20.0, now), (lateStep.Runs, lateStep.LastDuration!.Value.TotalMilliseconds, lateStep.LastRunAt));
        Assert.Equal((60.0, 30.0), (latest.TotalDuration.TotalMilliseconds, latest.LastDuration!.Value.TotalMilliseconds));
        Assert.Equal((60.0, 30.0), (latestStep.TotalDuration.TotalMilliseconds, latestStep.LastDuration!.Value.TotalMilliseconds));

        async Task EndAsync(DateTimeOffset at, int ms)
        {
            var id = Guid.CreateVersion7(at);
            var duration = TimeSpan.FromMilliseconds(ms);
            var claim = new ExecutionClaim(id, 1);
            await store.WriteExecutionAsync(new JournalEntry
            {
                Claim = claim,
                ExecutionId = id,
                Begun = new Execution { Id = id, Scope = procedure.Scope, ProcedureId = procedure.Id, ProcedureName = "p", Version = 1, Outcome = ReplayOutcome.Running, StartedAt = at - duration },
            });
            await store.WriteExecutionAsync(new JournalEntry
            {
                Claim = claim,
                ExecutionId = id,
                Ended = new EndedExecution(id, procedure.Id, 1, ReplayOutcome.Completed, null, at, duration, ExecutionVerdict.Success, [new CountedStep("s0", StepVerdict.Success, duration)]),
            });
        }

        async Task<(ExecutionStatistics Procedure, StepStatistics Step)> ReadAsync()
        {
            var version = (await test.Memory.GetAsync("p")).Version;
            return (version.Statistics, version.StepStatistics["s0"]);
        }
    }

    [Fact]
    public async Task Statistics_of_a_procedure_are_those_of_all_its_versions_and_each_version_has_its_own()
    {
        using var test = TestMemory.InMemory();
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        await TimedReplayAsync(test, null, 100);
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")), asNewVersion: true);
        await TimedReplayAsync(test, null, 300);
        await TimedReplayAsync(test, null, null);
        await TimedReplayAsync(test, 1, 200);
        var last = test.Time.GetUtcNow();

        var procedure = await test.Memory.GetAsync("p");
        var versions = await test.Memory.ListVersionsAsync("p");

        Assert.Equal((4L, 3L, 1L, 3L), (procedure.Statistics.Executions, procedure.Statistics.Successes, procedure.Statistics.Failures, procedure.Statistics.Completed));
        Assert.Equal((TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(200), last), (procedure.Statistics.MeanDuration, procedure.Statistics.LastDuration, procedure.Statistics.LastExecutedAt));
        Assert.Equal([(2L, 1.0), (2L, 0.5)], versions.Select(v => (v.Statistics.Executions, v.Statistics.SuccessRate!.Value)));
        Assert.Equal(versions[1].Statistics, procedure.Version.Statistics);
    }

    [Fact]
    public async Task A_replay_that_waited_took_as_long_as_its_attempts_together()
    {
        using var test = TestMemory.InMemory();
        using var asking = test.Open(o => o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.ask"] = ApprovalPolicy.Always });
        await asking.StoreAsync(Given.Definition("p", Given.Step("t.before"), Given.Step("t.ask") with { Id = "s2" }));
        var executor = new ScriptedExecutor().On("t.before", (_, _) => Taking(3)).On("t.ask", (_, _) => Taking(2));
        var waiting = await asking.ReplayAsync(executor, "p");
        test.Time.Advance(TimeSpan.FromHours(1));
        await asking.ApproveCallAsync(waiting.ExecutionId!.Value, "s2", by: "Ada");

        await asking.ResumeAsync(executor, waiting.ExecutionId.Value);

        var statistics = (await asking.GetAsync("p")).Statistics;
        Assert.Equal((TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5)), (statistics.LastDuration, statistics.TotalDuration));
        Assert.InRange(statistics.Durations.Quantile(0.5)!.Value.TotalSeconds, 4.9, 5.1);
        Assert.Equal(TimeSpan.FromSeconds(5), (await asking.GetExecutionAsync(waiting.ExecutionId.Value))!.Duration);

        StepCallResult Taking(int seconds)
        {
            test.Time.Advance(TimeSpan.FromSeconds(seconds));
            return new StepCallResult();
        }
    }

    [Fact]
    public void What_never_ran_has_no_rate_and_no_duration()
    {
        Assert.Null(ExecutionStatistics.None.SuccessRate);
        Assert.Null(ExecutionStatistics.None.MeanDuration);
        Assert.Null(new StepStatistics().SuccessRate);
        Assert.Null(new StepStatistics().MeanDuration);
        Assert.Null(new StepStatistics().With(failed: true, TimeSpan.FromSeconds(1), default).MeanDuration);
        Assert.Null(ExecutionStatistics.None.With(ExecutionVerdict.Unknown, TimeSpan.FromSeconds(1), default).SuccessRate);
    }

    [Fact]
    public void Counting_in_two_parts_and_combining_is_counting_in_one() =>
        Gen.Select(AnyCounts, AnyCounts).Sample((first, second) => Assert.Equal(Count([.. first, .. second], 0), Count(first, 0).Combine(Count(second, first.Length))), iter: 500);

    private static Gen<(ExecutionVerdict Verdict, int Ms)[]> AnyCounts => Gen.Select(Gen.Enum<ExecutionVerdict>(), Gen.Int[0, 1000]).Array[0, 8];

    private static Expectation Expected => new() { Kind = ExpectationKind.Shape, Value = Given.Value("""{"type":"number"}""") };

    private static Gen<ReplayCase> AnyReplay =>
        from acts in Gen.Select(Gen.Frequency((12, Act.Succeed), (2, Act.Fail), (1, Act.Throw), (1, Act.Differ), (1, Act.CannotTell), (1, Act.Refuse), (1, Act.Cancel)), Gen.Int[0, 5000]).Array[StepCount]
        from skip in Gen.Frequency((5, -1), (1, 0), (1, 2))
        from goOn in Gen.Bool
        from refused in Gen.Frequency((9, false), (1, true))
        select new ReplayCase([.. acts.Select(a => (a.Item1, TimeSpan.FromMilliseconds(a.Item2)))], skip, goOn, refused);

    private static Gen<History> AnyHistory => Gen.Select(Gen.Bool, Gen.Int[0, 5000].Array[StepCount], AnyReplay.Array[0, 6], (recorded, times, replays) => new History(recorded, [.. times.Select(t => TimeSpan.FromMilliseconds(t))], replays));

    private static string Action(int index) => FormattableString.Invariant($"t.s{index}");

    private static ExecutionStatistics Count((ExecutionVerdict Verdict, int Ms)[] counts, int offset) => counts
        .Select((c, i) => (c.Verdict, c.Ms, At: DateTimeOffset.UnixEpoch.AddSeconds(offset + i)))
        .Aggregate(ExecutionStatistics.None, (s, c) => s.With(c.Verdict, TimeSpan.FromMilliseconds(c.Ms), c.At));

    private static async Task TimedReplayAsync(TestMemory test, int? version, int? ms)
    {
        test.Time.Advance(TimeSpan.FromSeconds(1));
        await test.Memory.ReplayAsync(new ScriptedExecutor().On("t.a", (_, _) =>
        {
            test.Time.Advance(TimeSpan.FromMilliseconds(ms ?? 9999));
            return new StepCallResult { Failure = ms is null ? new StepFailure("E", "m") : null };
        }), "p", Given.With() with { Version = version });
    }

    private static async Task RecordAsync(TestMemory test, string name, TimeSpan[] times, Reference reference)
    {
        var recorder = await test.Memory.StartRecordingAsync(new RecordingDetails { Name = name });
        var end = test.Time.GetUtcNow();
        for (var i = 0; i < StepCount; i++)
        {
            var call = recorder.BeginStep(Action(i), default)!;
            test.Time.Advance(times[i]);
            end = test.Time.GetUtcNow();
            await recorder.CompleteStepAsync(call, Given.Value("1"));
            reference.Step(i, StepVerdict.Success, null, times[i], end);
            test.Time.Advance(TimeSpan.FromSeconds(3));
        }

        await recorder.FinalizeAsync();
        reference.Execution(true, completed: true, times.Aggregate(TimeSpan.Zero, (sum, t) => sum + t), end);
    }

    /// <summary>Runs a replay, and tells the reference what the rules say of it. A recorded expectation is observed only, and only an asserted one is judged.</summary>
    private static async Task ReplayAsync(TestMemory test, string name, ReplayCase replay, bool asserted, Reference reference)
    {
        using var cancellation = new CancellationTokenSource();
        var executor = new ScriptedExecutor();
        for (var i = 0; i < StepCount; i++)
        {
            var (act, time) = replay.Acts[i];
            executor.On(Action(i), (_, token) =>
            {
                test.Time.Advance(time);
                if (act is Act.Cancel)
                {
                    cancellation.Cancel();
                    token.ThrowIfCancellationRequested();
                }

                return act switch
                {
                    Act.Throw => throw new IOException("broken"),
                    Act.Fail => new StepCallResult { Failure = new StepFailure("E", "m") },
                    Act.Differ => new StepCallResult { Result = Given.Value("\"text\"") },
                    Act.CannotTell => new StepCallResult(),
                    Act.Refuse => new StepCallResult { Refused = true },
                    _ => new StepCallResult { Result = Given.Value("1") },
                };
            });
        }

        if (replay.RefusedBefore)
        {
            executor.Problems.Add(new ReplayProblem(ReplayProblemCodes.MissingFunction, null, "missing"));
        }

        var request = Given.With() with { ContinueOnFailure = replay.GoOn, Skip = replay.Skip < 0 ? [] : [FormattableString.Invariant($"s{replay.Skip}")] };
        try
        {
            await test.Memory.ReplayAsync(executor, name, request, cancellation.Token);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            Assert.Contains(replay.Acts, a => a.Act is Act.Cancel);
        }

        if (replay.RefusedBefore)
        {
            return;
        }

        var ran = new List<(int Step, StepVerdict Verdict, string? ErrorType, TimeSpan Time)>();
        var untold = false;
        for (var i = 0; i < StepCount; i++)
        {
            var (act, time) = replay.Acts[i];
            if (i == replay.Skip)
            {
                ran.Add((i, StepVerdict.Skipped, null, TimeSpan.Zero));
                continue;
            }

            if (act is Act.Refuse or Act.Cancel)
            {
                return;
            }

            var failed = act is Act.Fail or Act.Throw || (asserted && act is Act.Differ);
            untold |= asserted && act is Act.CannotTell;
            var errorType = act switch { Act.Fail => "E", Act.Throw => nameof(IOException), _ when failed => FailureTypes.UnexpectedOutcome, _ => null };
            ran.Add((i, failed ? StepVerdict.Failure : asserted && act is Act.CannotTell ? StepVerdict.Unknown : StepVerdict.Success, errorType, time));
            if (failed && !replay.GoOn)
            {
                break;
            }
        }

        var anyFailed = ran.Exists(r => r.Verdict is StepVerdict.Failure);
        var now = test.Time.GetUtcNow();
        ran.ForEach(r => reference.Step(r.Step, r.Verdict, r.ErrorType, r.Time, now));
        reference.Execution(anyFailed ? false : untold ? null : true, !anyFailed, ran.Aggregate(TimeSpan.Zero, (sum, r) => sum + r.Time), now);
    }

    internal sealed record ReplayCase((Act Act, TimeSpan Time)[] Acts, int Skip, bool GoOn, bool RefusedBefore)
    {
        public override string ToString() => $"[{string.Join(", ", Acts.Select(a => $"{a.Act} {a.Time.TotalMilliseconds}"))}] skip {Skip} go on {GoOn} refused {RefusedBefore}";
    }

    internal sealed record History(bool Recorded, TimeSpan[] RecordedTimes, ReplayCase[] Replays)
    {
        public override string ToString() => $"recorded {Recorded} {string.Join(" ", RecordedTimes.Select(t => t.TotalMilliseconds))}: {string.Join("; ", Replays.Select(r => r.ToString()))}";
    }

    /// <summary>The formulas as they are documented: running means, one execution after the other.</summary>
    private sealed class Reference
    {
        private readonly StepReference[] _steps = [.. Enumerable.Range(0, StepCount).Select(_ => new StepReference())];
        private long _executions;
        private long _judged;
        private double _rate;
        private long _completed;
        private double _meanMs;
        private TimeSpan? _lastDuration;
        private DateTimeOffset? _lastAt;

        public void Execution(bool? success, bool completed, TimeSpan duration, DateTimeOffset at)
        {
            _executions++;
            _lastAt = at;
            if (success is { } judged)
            {
                _judged++;
                _rate += ((judged ? 1 : 0) - _rate) / _judged;
            }

            if (completed)
            {
                _completed++;
                _meanMs += (duration.TotalMilliseconds - _meanMs) / _completed;
                _lastDuration = duration;
            }
        }

        public void Step(int index, StepVerdict verdict, string? errorType, TimeSpan duration, DateTimeOffset at)
        {
            var step = _steps[index];
            step.IsKnown = true;
            if (verdict is StepVerdict.Skipped)
            {
                step.Skipped++;
                return;
            }

            step.Runs++;
            step.LastAt = at;
            if (verdict is StepVerdict.Unknown)
            {
                step.Unknown++;
            }
            else
            {
                step.Judged++;
                step.Rate += ((verdict is StepVerdict.Success ? 1 : 0) - step.Rate) / step.Judged;
            }

            if (verdict is StepVerdict.Failure)
            {
                step.Failures[errorType!] = step.Failures.GetValueOrDefault(errorType!) + 1;
                step.LastFailureAt = at;
                return;
            }

            step.LastSuccessAt = verdict is StepVerdict.Success ? at : step.LastSuccessAt;
            step.Times.Add(duration);
            step.LastDuration = duration;
        }

        public void Check(Procedure procedure)
        {
            var actual = procedure.Version.Statistics;
            Assert.Equal(procedure.Statistics, actual);
            Assert.Equal((_executions, _judged, _completed), (actual.Executions, actual.Successes + actual.Failures, actual.Completed));
            Near(_judged == 0 ? null : _rate, actual.SuccessRate);
            Near(_completed == 0 ? null : _meanMs, actual.MeanDuration?.TotalMilliseconds, 1e-3);
            Assert.Equal((_lastDuration, _lastAt), (actual.LastDuration, actual.LastExecutedAt));
            for (var i = 0; i < StepCount; i++)
            {
                var expected = _steps[i];
                var id = FormattableString.Invariant($"s{i}");
                Assert.Equal(expected.IsKnown, procedure.Version.StepStatistics.ContainsKey(id));
                var step = procedure.Version.StepStatistics.GetValueOrDefault(id) ?? new StepStatistics();
                Assert.Equal((expected.Runs, expected.Failures.Values.Sum(), expected.Unknown, expected.Skipped, 0L), (step.Runs, step.Failures, step.Unknown, step.Skipped, step.Repairs));
                Assert.Equal(expected.Failures.OrderBy(f => f.Key, StringComparer.Ordinal), step.FailuresByType.OrderBy(f => f.Key, StringComparer.Ordinal));
                Near(expected.Judged == 0 ? null : expected.Rate, step.SuccessRate);
                Near(expected.Times.Count == 0 ? null : expected.Times.Average(t => t.TotalMilliseconds), step.MeanDuration?.TotalMilliseconds, 1e-3);
                Assert.Equal((expected.LastDuration, expected.LastAt), (step.LastDuration, step.LastRunAt));
                Assert.Equal((expected.LastSuccessAt, expected.LastFailureAt), (step.LastSuccessAt, step.LastFailureAt));
                Assert.Equal(expected.Times.Count, step.Durations.Count);
                NearRank(expected.Times, step.Durations, 0.5);
                NearRank(expected.Times, step.Durations, 0.95);
            }
        }

        /// <summary>A quantile of a sketch is within 2 % of the duration of that rank.</summary>
        private static void NearRank(List<TimeSpan> times, DurationSketch sketch, double share)
        {
            var expected = times.Count == 0 ? (double?)null : times.Order().ElementAt((int)Math.Ceiling(share * times.Count) - 1).TotalMicroseconds;
            Near(expected, sketch.Quantile(share)?.TotalMicroseconds, ((expected ?? 0) * 0.0201) + 1);
        }

        private static void Near(double? expected, double? actual, double tolerance = 1e-9)
        {
            Assert.Equal(expected is null, actual is null);
            Assert.Equal(expected ?? 0, actual ?? 0, tolerance);
        }

        private sealed class StepReference
        {
            public long Runs { get; set; }

            public bool IsKnown { get; set; }

            public long Judged { get; set; }

            public long Unknown { get; set; }

            public long Skipped { get; set; }

            public double Rate { get; set; }

            public Dictionary<string, long> Failures { get; } = [];

            public List<TimeSpan> Times { get; } = [];

            public DateTimeOffset? LastSuccessAt { get; set; }

            public DateTimeOffset? LastFailureAt { get; set; }

            public TimeSpan? LastDuration { get; set; }

            public DateTimeOffset? LastAt { get; set; }
        }
    }
}
