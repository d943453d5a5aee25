using CsCheck;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class ParallelStepTests
{
    [Fact]
    public async Task Reads_that_need_nothing_of_each_other_run_at_once_up_to_the_bound()
    {
        var executor = new GatedExecutor(openAt: 3);
        using var test = TestMemory.InMemory(o => o.MaxParallelSteps = 3);
        await test.Memory.StoreAsync(Given.Definition("p", [.. Enumerable.Range(0, 7).Select(i => Step($"t.r{i}", StepEffect.Read))]));

        var result = await test.Memory.ReplayAsync(executor, "p");

        Assert.Equal(ReplayOutcome.Completed, result.Outcome);
        Assert.Equal(3, executor.Most);
    }

    [Fact]
    public async Task What_writes_waits_for_all_before_it_and_all_after_it_wait_for_it()
    {
        var executor = new GatedExecutor(openAt: 2);
        using var test = TestMemory.InMemory(o => o.MaxParallelSteps = 8);
        await test.Memory.StoreAsync(Given.Definition("p", Step("t.r0", StepEffect.Read), Step("t.r1", StepEffect.Read), Step("t.w2", StepEffect.Write), Step("t.w3", StepEffect.Unknown), Step("t.r4", StepEffect.Read), Step("t.r5", StepEffect.Read)));

        await test.Memory.ReplayAsync(executor, "p");

        Assert.Equal(["t.r0", "t.r1", "t.w2", "t.w3", "t.r4", "t.r5"], executor.Begun);
        Assert.All(executor.BesideWrites, beside => Assert.Equal(0, beside));
        Assert.Equal(2, executor.Most);
    }

    [Fact]
    public async Task Where_the_host_allows_it_writes_run_beside_each_other_too()
    {
        var executor = new GatedExecutor(openAt: 2);
        using var test = TestMemory.InMemory(o => (o.MaxParallelSteps, o.AllowParallelWrites) = (2, true));
        await test.Memory.StoreAsync(Given.Definition("p", Step("t.w0", StepEffect.Write), Step("t.w1", StepEffect.Write)));

        Assert.Equal(ReplayOutcome.Completed, (await test.Memory.ReplayAsync(executor, "p")).Outcome);
        Assert.Equal(2, executor.Most);
    }

    [Fact]
    public async Task After_a_failure_nothing_begins_and_what_runs_is_waited_for_and_written_down()
    {
        var executor = new GatedExecutor(openAt: 2) { Failing = "t.r0", Told = new TaskCompletionSource() };
        using var test = TestMemory.InMemory(o => o.MaxParallelSteps = 2);
        await test.Memory.StoreAsync(Given.Definition("p", Step("t.r0", StepEffect.Read), Step("t.r1", StepEffect.Read), Step("t.r2", StepEffect.Read)));

        var result = await test.Memory.ReplayAsync(executor, "p", new ReplayRequest { Progress = executor });

        Assert.Equal(ReplayOutcome.Failed, result.Outcome);
        Assert.Equal([StepStatus.Failed, StepStatus.Success, StepStatus.Pending], result.Steps.Select(s => s.Status));
        Assert.Equal([StepStatus.Failed, StepStatus.Success], (await test.Memory.GetExecutionAsync(result.ExecutionId!.Value))!.Steps.Select(s => s.Status));
    }

    /// <summary>Random procedures of reads and writes with random needs: run in parallel they do what they do one after the other.</summary>
    [Fact]
    public void In_parallel_the_same_is_done_and_each_step_begins_after_what_it_needs()
    {
        Gen.Select(Gen.Bool.Array[1, 12], Gen.Int[0, int.MaxValue], Gen.Int[2, 6], Gen.Bool).Sample((reads, seed, bound, writesToo) =>
        {
            var random = new Random(seed);
            ProcedureStep[] steps = [.. reads.Select((isRead, i) => Given.Step($"t.s{i}", Arguments(i), $"s{i}") with { Effect = isRead ? StepEffect.Read : StepEffect.Write })];
            var executor = new GatedExecutor(openAt: 1);
            using var test = TestMemory.InMemory(o => (o.MaxParallelSteps, o.AllowParallelWrites) = (bound, writesToo));
#pragma warning disable VSTHRD002, xUnit1031 // CsCheck samples are synchronous.
            test.Memory.StoreAsync(Given.Definition("p", steps)).GetAwaiter().GetResult();
            var result = test.Memory.ReplayAsync(executor, "p").GetAwaiter().GetResult();
#pragma warning restore VSTHRD002, xUnit1031
            var begun = executor.Begun.Select((a, i) => (a, i)).ToDictionary(p => p.a, p => p.i);
            return result.Outcome is ReplayOutcome.Completed
                && begun.Count == steps.Length
                && result.Steps.All(s => s.Status is StepStatus.Success)
                && steps.All(s => TemplateResolver.NeededSteps(s, default).All(n => executor.EndedBefore($"t.{n}", s.Action)))
                && (writesToo || steps.Where(s => s.Effect is StepEffect.Write).All(w => steps.All(o => o == w || (begun[o.Action] < begun[w.Action]) == (Array.IndexOf(steps, o) < Array.IndexOf(steps, w)))));

            string Arguments(int i)
            {
                var needed = Enumerable.Range(0, i).Where(_ => random.Next(4) == 0).ToList();
                return $"{{{string.Join(',', needed.Select(n => $"\"a{n}\":\"$steps.s{n}.outputs\""))}}}";
            }
        }, iter: 300);
    }

    private static ProcedureStep Step(string action, StepEffect effect) => Given.Step(action, id: action[2..]) with { Effect = effect };

    /// <summary>Lets the first calls go on only when so many are in progress at once, or nobody else is to come.</summary>
    private sealed class GatedExecutor(int openAt) : IStepExecutor, IProgress<StepOutcome>
    {
        private readonly Lock _gate = new();
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<(string Action, bool Ended)> _events = [];
        private int _running;

        public string? Failing { get; init; }

        /// <summary>Is set when the failure was told; other calls than the failing one end after that.</summary>
        public TaskCompletionSource? Told { get; init; }

        public int Most { get; private set; }

        public List<int> BesideWrites { get; } = [];

        public IEnumerable<string> Begun => _events.Where(e => !e.Ended).Select(e => e.Action);

        public void Report(StepOutcome value) => Told?.TrySetResult();

        public bool EndedBefore(string action, string began) => _events.IndexOf((action, true)) < _events.IndexOf((began, false));

        public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

        public async Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
        {
            lock (_gate)
            {
                _events.Add((call.Action, false));
                if (call.Effect is not StepEffect.Read)
                {
                    BesideWrites.Add(_running);
                }

                Most = Math.Max(Most, ++_running);
                if (_running >= openAt)
                {
                    _open.TrySetResult();
                }
            }

            await _open.Task.WaitAsync(cancellationToken);
            await Task.Yield();
            if (Told is not null && call.Action != Failing)
            {
                await Told.Task.WaitAsync(cancellationToken);
            }

            lock (_gate)
            {
                _running--;
                _events.Add((call.Action, true));
            }

            return call.Action == Failing ? new StepCallResult { Failure = new StepFailure("Test", "broke") } : new StepCallResult { Result = Given.Text(call.Action) };
        }
    }
}
