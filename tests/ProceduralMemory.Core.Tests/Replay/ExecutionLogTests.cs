using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class ExecutionLogTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();
    private readonly ScriptedExecutor _executor = new();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task An_execution_is_written_down_with_everything_that_happened()
    {
        await StoreAsync(Given.Step("t.a", """{"x":"$inputs.x"}"""), Given.Step("t.skipped"), Given.Step("t.b"), Given.Step("t.never"));
        var started = _test.Time.GetUtcNow();
        _executor.On("t.a", (_, _) =>
        {
            _test.Time.Advance(TimeSpan.FromMilliseconds(40));
            return new StepCallResult { Result = Given.Value("""{"id":1.0}""") };
        }).Fails("t.b", "no disk");

        var result = await Memory.ReplayAsync(_executor, "p", Given.With(("x", "2.50")) with { Skip = ["skipped"], Request = "do it" });
        var log = (await _test.Open().GetExecutionAsync(result.ExecutionId!.Value))!;

        Assert.Equal(("p", 1, ReplayOutcome.Failed, "do it", result.Message), (log.ProcedureName, log.Version, log.Outcome, log.Request, log.Message));
        Assert.Equal((started, TimeSpan.FromMilliseconds(40)), (log.StartedAt, log.Duration));
        Given.JsonEqual("""{"x":2.5}""", log.Inputs);
        Assert.Equal([(0, "a", StepStatus.Success), (1, "skipped", StepStatus.Skipped), (2, "b", StepStatus.Failed)], log.Steps.Select(s => (s.Ordinal, s.StepId, s.Status)));
        Given.JsonEqual("""{"x":2.5}""", log.Steps[0].Arguments);
        Given.JsonEqual("""{"id":1}""", log.Steps[0].Result);
        Assert.Equal((started, TimeSpan.FromMilliseconds(40)), (log.Steps[0].StartedAt, log.Steps[0].Duration));
        Assert.Equal(("left out on request", (DateTimeOffset?)null, (TimeSpan?)null), (log.Steps[1].Failure!.Message, log.Steps[1].StartedAt, log.Steps[1].Duration));
        Assert.Equal(new StepFailure("TestFailure", "no disk"), log.Steps[2].Failure);
    }

    [Fact]
    public async Task A_call_is_written_down_before_it_is_made()
    {
        await StoreAsync(Given.Step("t.a", """{"x":"$inputs.x"}"""), Given.Step("t.b"));
        Execution? during = null;
        _executor.On("t.a", (call, token) =>
        {
            // The store works synchronously, so its answer is there.
            var read = Memory.GetExecutionAsync(call.ExecutionId, token);
            Assert.True(read.IsCompletedSuccessfully);
#pragma warning disable VSTHRD002 // It is complete: nothing is waited for.
            during = read.Result;
#pragma warning restore VSTHRD002
            return new StepCallResult();
        });

        await Memory.ReplayAsync(_executor, "p", Given.With(("x", "1")));

        Assert.Equal((ReplayOutcome.Running, (TimeSpan?)null), (during!.Outcome, during.Duration));
        var step = Assert.Single(during.Steps);
        Assert.Equal((StepStatus.Running, "a"), (step.Status, step.StepId));
        Given.JsonEqual("""{"x":1}""", step.Arguments);
    }

    [Fact]
    public async Task Executions_are_listed_latest_first_by_procedure_outcome_and_time()
    {
        await StoreAsync(Given.Step("t.a", """{"x":"$inputs.x"}"""));
        await Memory.StoreAsync(Given.Definition("other", Given.Step("t.a")));
        var ids = new List<Guid>();
        foreach (var (name, fails) in new[] { ("p", false), ("other", false), ("p", true), ("p", false) })
        {
            _test.Time.Advance(TimeSpan.FromMinutes(1));
            ids.Add((await Memory.ReplayAsync(fails ? new ScriptedExecutor().Fails("t.a") : _executor, name, Given.With(("x", "1")))).ExecutionId!.Value);
        }

        Assert.Equal([ids[3], ids[2], ids[1], ids[0]], (await Memory.ListExecutionsAsync()).Select(e => e.Id));
        Assert.Equal([ids[3], ids[2], ids[0]], (await Memory.ListExecutionsAsync("P")).Select(e => e.Id));
        Assert.Equal([ids[2]], (await Memory.ListExecutionsAsync("p", ReplayOutcome.Failed)).Select(e => e.Id));
        Assert.Equal([ids[3], ids[2]], (await Memory.ListExecutionsAsync(since: _test.Time.GetUtcNow() - TimeSpan.FromMinutes(1))).Select(e => e.Id));
        Assert.Equal([ids[3]], (await Memory.ListExecutionsAsync(limit: 1)).Select(e => e.Id));
        Assert.All(await Memory.ListExecutionsAsync(), e => Assert.Empty(e.Steps));
        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.ListExecutionsAsync("unknown"));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Memory.ListExecutionsAsync(limit: 0));
    }

    [Fact]
    public async Task A_cancellation_during_a_call_escapes_is_written_down_and_does_not_count()
    {
        using var cancellation = new CancellationTokenSource();
        await StoreAsync(Given.Step("t.a", """{"x":"$inputs.x"}"""), Given.Step("t.b"), Given.Step("t.c"));
        _executor.On("t.b", (_, token) =>
        {
            cancellation.Cancel();
            token.ThrowIfCancellationRequested();
            return new StepCallResult();
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReplayAsync(_executor, "p", Given.With(("x", "1")), cancellation.Token));

        var listed = Assert.Single(await Memory.ListExecutionsAsync());
        var log = (await Memory.GetExecutionAsync(listed.Id))!;
        Assert.Equal((ReplayOutcome.Cancelled, "The replay was cancelled."), (log.Outcome, log.Message));
        Assert.Equal([StepStatus.Success, StepStatus.Unknown], log.Steps.Select(s => s.Status));
        Assert.Equal(0, (await Memory.GetAsync("p")).Statistics.Executions);
        Assert.Empty((await Memory.GetAsync("p")).Version.StepStatistics);
    }

    [Fact]
    public async Task A_cancellation_after_an_effect_leaves_the_effect_written_down()
    {
        using var cancellation = new CancellationTokenSource();
        await StoreAsync(Given.Step("t.a", """{"x":"$inputs.x"}"""), Given.Step("t.b"));
        _executor.On("t.a", (_, _) =>
        {
            cancellation.Cancel();
            return new StepCallResult { Result = Given.Value("\"paid\"") };
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReplayAsync(_executor, "p", Given.With(("x", "1")), cancellation.Token));

        var log = (await Memory.GetExecutionAsync((await Memory.ListExecutionsAsync())[0].Id))!;
        Assert.Equal(ReplayOutcome.Cancelled, log.Outcome);
        Assert.Equal((StepStatus.Success, "paid"), (Assert.Single(log.Steps).Status, log.Steps[0].Result!.Value.GetString()));
    }

    [Fact]
    public async Task A_cancellation_inside_a_nested_procedure_cancels_both()
    {
        using var cancellation = new CancellationTokenSource();
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner")));
        _executor.On("t.a", (_, token) =>
        {
            cancellation.Cancel();
            throw new OperationCanceledException(token);
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReplayAsync(_executor, "outer", Given.With(), cancellation.Token));

        Assert.Equal([ReplayOutcome.Cancelled, ReplayOutcome.Cancelled], (await Memory.ListExecutionsAsync()).Select(e => e.Outcome));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_call_that_breaks_because_it_was_cancelled_is_cancelled_however_it_breaks_and_not_counted(bool throws)
    {
        using var cancellation = new CancellationTokenSource();
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a") with { OnFailure = FailurePolicy.Continue }));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner", id: "call")));
        _executor.On("t.a", (_, _) =>
        {
            cancellation.Cancel();
            return throws ? throw new IOException("connection reset") : new StepCallResult { Failure = new StepFailure("IOException", "connection reset") };
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReplayAsync(_executor, "outer", Given.With() with { ContinueOnFailure = true }, cancellation.Token));

        foreach (var name in new[] { "inner", "outer" })
        {
            var log = (await Memory.GetExecutionAsync(Assert.Single(await Memory.ListExecutionsAsync(name)).Id))!;
            Assert.Equal((ReplayOutcome.Cancelled, StepStatus.Unknown), (log.Outcome, Assert.Single(log.Steps).Status));
            Assert.Equal(0, (await Memory.GetAsync(name)).Statistics.Executions);
        }
    }

    [Fact]
    public async Task A_step_that_fails_while_nobody_waits_any_more_is_written_down_and_not_counted()
    {
        using var cancellation = new CancellationTokenSource();
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value("1"), Strength = ExpectationStrength.Asserted } }));
        _executor.On("t.a", (_, _) =>
        {
            cancellation.Cancel();
            return new StepCallResult { Result = Given.Value("2") };
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.ReplayAsync(_executor, "p", Given.With(), cancellation.Token));

        var log = (await Memory.GetExecutionAsync((await Memory.ListExecutionsAsync())[0].Id))!;
        Assert.Equal((ReplayOutcome.Cancelled, StepStatus.Failed), (log.Outcome, Assert.Single(log.Steps).Status));
        Assert.Equal(0, (await Memory.GetAsync("p")).Statistics.Executions);
    }

    [Fact]
    public async Task An_error_of_a_progress_listener_changes_nothing_outside_or_inside()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner"), Given.Step("t.b")));

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With() with { Progress = new Broken(new NotSupportedException("listener")) });

        Assert.Equal((ReplayOutcome.Completed, ReplayOutcome.Completed), (result.Outcome, result.Steps[0].Nested!.Outcome));
        Assert.Equal(["t.a", "t.b"], _executor.Calls.Select(c => c.Action));
        Assert.All(await Memory.ListExecutionsAsync(), e => Assert.Equal(ReplayOutcome.Completed, e.Outcome));
        Assert.Equal((1L, 1L), ((await Memory.GetAsync("inner")).Statistics.Successes, (await Memory.GetAsync("outer")).Statistics.Successes));
    }

    public static TheoryData<Exception> Faults =>
    [
        new NotSupportedException("words of a listener"),
        new ReplayNotCompletedException(new ReplayResult { ProcedureName = "p", Version = 1, Outcome = ReplayOutcome.Failed, Message = "words of a listener", Steps = [] }),
    ];

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public async Task An_error_of_a_progress_listener_is_logged_without_its_words_which_may_hold_results(Exception fault)
    {
        using var log = new LogBook();
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time, Approval = ApprovalPolicy.Never }, loggerFactory: log);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        await memory.ReplayAsync(_executor, "p", Given.With() with { Progress = new Broken(fault) });

        var entry = Assert.Single(log.Entries, e => e.Level is LogLevel.Warning);
        Assert.Null(entry.Exception);
        Assert.Contains(fault.GetType().FullName!, entry.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(Broken), entry.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("words of a listener", entry.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("card", "\"4111111111111111\"")]
    [InlineData("card", "4111111111111111")]
    [InlineData("card", """{"number":"4111111111111111"}""")]
    [InlineData("card", """["4111111111111111"]""")]
    public async Task The_value_of_a_secret_input_is_written_nowhere(string name, string json)
    {
        const string Secret = "4111111111111111";
        await Memory.StoreAsync(
            Given.Definition(
                "p",
                Given.Step("t.a", """{"plain":"$inputs.card","text":"pay with {$inputs.card}","inner":{"deep":["$inputs.card"]}}"""),
                Given.Step("t.b"))
            .Taking(new ProcedureInput { Name = name, Secret = true }));
        _executor.On("t.a", (c, _) => new StepCallResult { Result = Given.Text($"charged {Secret}") }).Fails("t.b", $"{Secret} was declined");

        var result = await Memory.ReplayAsync(_executor, "p", Given.With((name, json)) with { Request = $"pay with {Secret}" });

        Assert.Contains(Secret, _executor.Calls[0].Arguments.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(ReplayOutcome.Failed, result.Outcome);
        Assert.DoesNotContain(Secret, _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task However_short_a_secret_is_the_arguments_made_of_it_are_not_written()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"plain":"$inputs.code","text":"<{$inputs.code}>"}""")).Taking(new ProcedureInput { Name = "code", Secret = true }));

        await Memory.ReplayAsync(_executor, "p", Given.With(("code", "\"q7z\"")));

        Assert.DoesNotContain("q7z", _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_that_is_handed_to_a_nested_procedure_is_written_nowhere_either()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a", """{"number":"$inputs.number"}""")).Taking(Given.Input("number")));
        await Memory.StoreAsync(Given.Definition("outer", Given.Nested("inner", """{"number":"$inputs.card"}""")).Taking(new ProcedureInput { Name = "card", Secret = true }));

        await Memory.ReplayAsync(_executor, "outer", Given.With(("card", "\"4111111111111111\"")));

        Assert.Equal("4111111111111111", Assert.Single(_executor.Calls).Arguments.GetProperty("number").GetString());
        Assert.DoesNotContain("4111111111111111", _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task However_short_a_secret_is_a_text_made_of_it_that_an_inner_input_does_not_take_is_not_shown()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.b", """{"number":"$inputs.number"}""")).Taking(Given.Input("number", JsonType.Integer)));
        await Memory.StoreAsync(Given.Definition("outer", Given.Step("t.a"), Given.Nested("inner", """{"number":"{$inputs.code}-{$steps.a.outputs#/ok}"}""")).Taking(new ProcedureInput { Name = "code", Secret = true }));

        var result = await Memory.ReplayAsync(_executor, "outer", Given.With(("code", "\"q7z\"")));

        Assert.Equal(StepStatus.Failed, result.Steps[1].Status);
        Assert.Contains("must be of type integer; string was given", result.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("q7z", _test.Dump(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_by_name_in_adapted_parameters_results_and_requests_are_written_nowhere()
    {
        await StoreAsync(Given.Step("t.a", """{"x":"$inputs.x"}"""), Given.Step("t.b"));
        _executor.Returns("t.a", """{"access_token":"sup3rs3cret","deep":[{"pin":73571357}]}""");

        await Memory.ReplayAsync(
            _executor,
            "p",
            Given.With(("x", """{"password":"sup3rs3cret"}""")) with
            {
                StepOverrides = Given.Values(("a", """{"api_key":"sup3rs3cret"}""")),
                ActionOverrides = Given.Values(("t.b", """{"note":"sup3rs3cret"}""")),
                Request = "log in with password: sup3rs3cret",
            });

        Assert.DoesNotContain("sup3rs3cret", _test.Dump(), StringComparison.Ordinal);
        Assert.DoesNotContain("73571357", _test.Dump(), StringComparison.Ordinal);
    }

    private Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps).Taking(Given.Input("x")));

    private sealed class Broken(Exception fault) : IProgress<StepOutcome>
    {
        public void Report(StepOutcome value) => throw fault;
    }

    private sealed class LogBook : ILoggerFactory, ILogger
    {
        private readonly ConcurrentQueue<(LogLevel Level, string Message, Exception? Exception)> _entries = new();

        public IEnumerable<(LogLevel Level, string Message, Exception? Exception)> Entries => _entries;

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _entries.Enqueue((logLevel, formatter(state, exception), exception));

        public void Dispose()
        {
        }
    }
}
