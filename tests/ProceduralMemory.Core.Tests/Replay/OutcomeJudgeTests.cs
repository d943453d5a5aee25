using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>Judges of the host: what they are asked, what comes of their answers, and that they can break nothing.</summary>
public sealed class OutcomeJudgeTests
{
    private static readonly Func<OutcomeQuestion, CancellationToken, Task<OutcomeJudgement>> Fine = (_, _) => Task.FromResult(new OutcomeJudgement(OutcomeMatch.Matched));

    [Theory]
    [InlineData(OutcomeMatch.Matched, "kind words", null, ExecutionVerdict.Success)]
    [InlineData(OutcomeMatch.Differs, "too\nrude", "/reply is not as expected by the judge 'polite': too rude", ExecutionVerdict.Failure)]
    [InlineData(OutcomeMatch.Differs, null, "/reply is not as expected by the judge 'polite'", ExecutionVerdict.Failure)]
    [InlineData(OutcomeMatch.CannotTell, "no words at all", "the judge 'polite' cannot tell: no words at all", ExecutionVerdict.Unknown)]
    [InlineData((OutcomeMatch)42, null, "the judge 'polite' cannot tell", ExecutionVerdict.Unknown)]
    public async Task What_a_judge_says_is_the_answer(OutcomeMatch answer, string? reason, string? told, ExecutionVerdict verdict)
    {
        var (result, questions) = await ReplayAsync((_, _) => Task.FromResult(new OutcomeJudgement(answer, reason)));

        Assert.Equal(Enum.IsDefined(answer) ? answer : OutcomeMatch.CannotTell, result.Steps[0].Match);
        Assert.Equal(told is null ? [] : [told], result.Steps[0].Differences);
        Assert.Equal(verdict, result.Verdict);
        var question = Assert.Single(questions);
        Assert.Equal(("a", "t.a", "polite"), (question.StepId, question.Action, question.Expectation.Judge));
        Given.JsonEqual("\"Thank you.\"", question.Result);
        Given.JsonEqual("""{"criteria":"no rude words"}""", question.Expectation.Value);
    }

    [Fact]
    public async Task Secrets_are_shown_to_no_judge_and_told_by_none()
    {
        var (result, questions) = await ReplayAsync(
            (q, _) => Task.FromResult(new OutcomeJudgement(OutcomeMatch.Differs, "it says hunter2-hunter2")),
            expectation: new Expectation { Kind = ExpectationKind.Custom, Judge = "POLITE" },
            returns: """{"password":"hunter2-hunter2","reply":"my password is hunter2-hunter2"}""");

        Given.JsonEqual("""{"password":"[redacted]","reply":"my password is [redacted]"}""", questions[0].Result);
        Given.JsonEqual("""{"key":"[redacted]","order":"W-1"}""", questions[0].Arguments);
        Assert.Equal("the result is not as expected by the judge 'POLITE': it says [redacted]", Assert.Single(result.Steps[0].Differences));
    }

    [Theory]
    [InlineData("/password", """{"password":"hunter2-hunter2"}""", "the judge 'polite' was not asked: /password is secret")]
    [InlineData("/reply", """{"other":1}""", "/reply is missing")]
    [InlineData("/reply", null, "there is no result to look at")]
    public async Task A_judge_is_not_asked_where_there_is_nothing_to_show(string at, string? returns, string told)
    {
        var (result, questions) = await ReplayAsync(Fine, new Expectation { Kind = ExpectationKind.Custom, Judge = "polite", At = at }, returns);

        Assert.Empty(questions);
        Assert.Equal((OutcomeMatch.CannotTell, told), (result.Steps[0].Match!.Value, Assert.Single(result.Steps[0].Differences)));
    }

    [Fact]
    public async Task A_result_too_large_to_be_kept_is_shown_to_no_judge()
    {
        var (result, questions) = await ReplayAsync(Fine, returns: $$"""{"reply":"{{new string('x', 2 * 1024 * 1024)}}"}""");

        Assert.Empty(questions);
        Assert.Contains("MaxValueBytes", Assert.Single(result.Steps[0].Differences), StringComparison.Ordinal);
        Assert.Equal((OutcomeMatch.CannotTell, ExecutionVerdict.Unknown), (result.Steps[0].Match!.Value, result.Verdict!.Value));
    }

    public static TheoryData<string, Func<OutcomeQuestion, CancellationToken, Task<OutcomeJudgement>>> Broken => new()
    {
        { "InvalidOperationException", (_, _) => throw new InvalidOperationException("hunter2") },
        { "InvalidOperationException", async (_, _) => { await Task.Yield(); throw new InvalidOperationException("hunter2"); } },
        { "TimeoutException", (_, _) => throw new TimeoutException("its own") },
        { "OperationCanceledException", (_, _) => throw new OperationCanceledException("its own") },
#pragma warning disable VSTHRD114 // What a judge should not do is what is tried.
        { "TaskCanceledException", (_, _) => null! },
#pragma warning restore VSTHRD114
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task A_judge_that_fails_says_nothing_and_is_logged(string says, Func<OutcomeQuestion, CancellationToken, Task<OutcomeJudgement>> judge)
    {
        var log = new LogLines();
        var (result, _) = await ReplayAsync(judge, log: log);

        Assert.Equal((OutcomeMatch.CannotTell, StepStatus.Success, ExecutionVerdict.Unknown), (result.Steps[0].Match!.Value, result.Steps[0].Status, result.Verdict!.Value));
        Assert.Equal($"the judge 'polite' failed with {says}", Assert.Single(result.Steps[0].Differences));
        var line = Assert.Single(log.Lines, l => l.Contains("judge", StringComparison.Ordinal));
        Assert.Contains("'polite'", line, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_judge_that_says_nothing_cannot_tell()
    {
        var (result, _) = await ReplayAsync((_, _) => Task.FromResult<OutcomeJudgement>(null!));

        Assert.Equal("the judge 'polite' cannot tell", Assert.Single(result.Steps[0].Differences));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_judge_that_takes_too_long_is_not_waited_for_even_where_it_blocks(bool blocks)
    {
        var log = new LogLines();
        using var asked = new SemaphoreSlim(0);
        using var over = new ManualResetEventSlim();
        var cancelled = new TaskCompletionSource();
        var judge = new Judge("polite", async (_, token) =>
        {
            token.Register(cancelled.SetResult);
            asked.Release();
            if (blocks)
            {
                over.Wait(CancellationToken.None);
            }

            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            return new OutcomeJudgement(OutcomeMatch.Matched);
        });
        var time = new FakeTimeProvider();
        using var memory = new ProcedureMemory(
            new ProceduralMemoryOptions { DatabasePath = ":memory:", Approval = ApprovalPolicy.Never, TimeProvider = time, OutcomeJudgeTimeout = TimeSpan.FromSeconds(7), OutcomeJudges = [judge] }, loggerFactory: log);
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Custom, Judge = "polite" } }));

        var replay = memory.ReplayAsync(new ScriptedExecutor(), "p", Given.With());
        await asked.WaitAsync();
        time.Advance(TimeSpan.FromSeconds(8));
        var result = await replay;
        await cancelled.Task;
        over.Set();

        Assert.Equal((OutcomeMatch.CannotTell, ExecutionVerdict.Unknown), (result.Steps[0].Match!.Value, result.Verdict!.Value));
        Assert.Equal("the judge 'polite' did not answer within 7 s (OutcomeJudgeTimeout)", Assert.Single(result.Steps[0].Differences));
        Assert.Single(log.Lines, l => l.Contains("did not answer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_judge_that_this_host_does_not_have_cannot_tell_and_the_procedure_is_stored_all_the_same()
    {
        var (result, questions) = await ReplayAsync(Fine, new Expectation { Kind = ExpectationKind.Custom, Judge = "elsewhere" });

        Assert.Empty(questions);
        Assert.Equal((OutcomeMatch.CannotTell, ExecutionVerdict.Unknown), (result.Steps[0].Match!.Value, result.Verdict!.Value));
        Assert.Equal("this host has no judge 'elsewhere'. Add it to OutcomeJudges, or register it as a service", Assert.Single(result.Steps[0].Differences));
    }

    [Fact]
    public async Task A_replay_that_is_cancelled_while_a_judge_thinks_knows_that_the_call_was_made()
    {
        using var cancel = new CancellationTokenSource();
        using var test = TestMemory.InMemory(o => o.OutcomeJudges = [new Judge("polite", async (_, token) =>
        {
            await cancel.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            return new OutcomeJudgement(OutcomeMatch.Matched);
        })]);
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = new Expectation { Kind = ExpectationKind.Custom, Judge = "polite" } }, Given.Step("t.b")));
        var executor = new ScriptedExecutor();
        var seen = new Seen();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => test.Memory.ReplayAsync(executor, "p", Given.With() with { Progress = seen }, cancel.Token));

        var execution = (await test.Memory.GetExecutionAsync((await test.Memory.ListExecutionsAsync()).Single().Id))!;
        Assert.Equal(ReplayOutcome.Cancelled, execution.Outcome);
        Assert.Equal((StepStatus.Success, OutcomeMatch.CannotTell), (execution.Steps[0].Status, execution.Steps[0].Match!.Value));
        Assert.Single(executor.Calls);
        Assert.Equal("the replay was cancelled before the judge 'polite' answered", Assert.Single(Assert.Single(seen.Outcomes).Differences));
    }

    [Fact]
    public void Judges_without_a_name_or_with_the_same_are_refused()
    {
        var error = Assert.Throws<ValidationException>(() => TestMemory.InMemory(o => o.OutcomeJudges = [new Judge("polite", Fine), new Judge("Polite", Fine), new Judge("", Fine), null!]));

        Assert.Contains("two judges named 'Polite'", error.Message, StringComparison.Ordinal);
        Assert.Contains("a judge without a name", error.Message, StringComparison.Ordinal);
    }

    private static async Task<(ReplayResult Result, IReadOnlyList<OutcomeQuestion> Questions)> ReplayAsync(
        Func<OutcomeQuestion, CancellationToken, Task<OutcomeJudgement>> judge, Expectation? expectation = null, string? returns = """{"reply":"Thank you."}""", LogLines? log = null)
    {
        var questions = new List<OutcomeQuestion>();
        var asked = new Judge("polite", (question, token) =>
        {
            questions.Add(question);
            return judge(question, token);
        });
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:", Approval = ApprovalPolicy.Never, OutcomeJudges = [asked] }, loggerFactory: log);
        expectation ??= new Expectation { Kind = ExpectationKind.Custom, Judge = "polite", At = "/reply", Value = Given.Value("""{"criteria":"no rude words"}""") };
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a", """{"key":"$inputs.key","order":"W-1"}""") with { Expectation = expectation })
            .Taking(Given.Input("key", JsonType.String) with { Secret = true }));
        var executor = returns is null ? new ScriptedExecutor().ReturnsNothing("t.a") : new ScriptedExecutor().Returns("t.a", returns);
        return (await memory.ReplayAsync(executor, "p", Given.With(("key", "\"short\""))), questions);
    }

    private sealed class Judge(string name, Func<OutcomeQuestion, CancellationToken, Task<OutcomeJudgement>> judge) : IOutcomeJudge
    {
        public string Name => name;

        public Task<OutcomeJudgement> JudgeAsync(OutcomeQuestion question, CancellationToken cancellationToken) => judge(question, cancellationToken);
    }

    private sealed class Seen : IProgress<StepOutcome>
    {
        public List<StepOutcome> Outcomes { get; } = [];

        public void Report(StepOutcome value) => Outcomes.Add(value);
    }

    private sealed class LogLines : ILoggerFactory, ILogger
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IReadOnlyList<string> Lines => [.. _lines];

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
