using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>One execution of the steps of a procedure. A procedure that is replayed inside is a run of its own, and so is a loop for each element of its list.</summary>
/// <remarks>
/// It goes in rounds: what may begin is begun, and what has ended is written down, in one entry of the journal that is durable before the calls that it announces are
/// made; then the first call that ends is waited for.
/// </remarks>
internal sealed partial class ReplayRun
{
    private readonly ReplayContext _context;
    private readonly ReplayPlan _plan;
    private readonly RunFrame _frame;
    private readonly Execution? _past;
    private readonly ReplayRequest _request;
    private readonly ReplayJournal _journal;
    private readonly IReadOnlyList<ProcedureStep> _steps;
    private readonly StepOutcome[] _outcomes;
    private readonly StepStart?[] _starts;
    private readonly KeptResult?[] _kept;
    private readonly TemplateResolver _resolver;
    private readonly StepGraph _graph;

    // The places of the steps that have ended, and are not written down yet.
    private readonly List<int> _ended = [];

    public ReplayRun(ReplayContext context, ReplayPlan plan, RunFrame frame, Execution? past)
    {
        (_context, _plan, _frame, _past) = (context, plan, frame, past);
        _request = context.Request;
        _journal = new ReplayJournal(context, plan.Procedure, frame, past);
        _steps = frame.Steps;
        _resolver = new TemplateResolver(frame.Inputs, frame.Item, frame.Around, frame.ConfirmedConstants);
        _graph = new StepGraph(_steps, context.Options, s => TemplateResolver.NeededSteps(s, Adapted(s)), EffectOf);
        _outcomes = [.. _steps.Select(s => Pending(s) with { Effect = EffectOf(s) })];
        _starts = new StepStart?[_steps.Count];
        _kept = new KeptResult?[_steps.Count];
    }

    /// <summary>Whether a gate of the host asked that nothing more be called.</summary>
    public bool StopRequested { get; private set; }

    public static StepOutcome Pending(ProcedureStep step) => new() { StepId = step.Id, Action = step.Action, Status = StepStatus.Pending };

    /// <summary>How it stands, where it was cancelled.</summary>
    public ReplayResult Cancelled(string message) => Result(ReplayOutcome.Cancelled, message, verdict: null, TimeSpan.Zero, []);

    public async Task<ReplayResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        var started = _context.Time.GetTimestamp();
        using var activity = ReplayTelemetry.StartReplay(_plan.Procedure, _journal.Id, _frame.Parent is null);
        _journal.Begin();
        try
        {
            var problems = Restore();
            if (_past is { Outcome: ReplayOutcome.Completed })
            {
                if (_ended.Count > 0)
                {
                    await WriteAsync([], cancellationToken).ConfigureAwait(false);
                }

                return Result(ReplayOutcome.Completed, _past.Message ?? "", verdict: null, TimeSpan.Zero, problems);
            }

            var end = problems.Count > 0
                ? new RunEnd(ReplayOutcome.Waiting, $"'{_plan.Procedure.Name}' waits. {string.Join(" ", problems.Select(p => p.Message))}", problems)
                : await RunStepsAsync(cancellationToken).ConfigureAwait(false);
            return await EndAsync(end, _context.Time.GetElapsedTime(started), activity).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await EndAsync(new RunEnd(ReplayOutcome.Cancelled, "The replay was cancelled.", []), _context.Time.GetElapsedTime(started), activity).ConfigureAwait(false);
            throw;
        }
        catch (Exception exception) when (exception is not (ProcedureStoreException or ExecutionLostException))
        {
            // A fault of what the host put in (a redactor, say), not of the procedure: it does not count, and it is the host's to see.
            await EndAsync(new RunEnd(ReplayOutcome.Cancelled, $"The replay broke off: {exception.GetType().Name}.", []), _context.Time.GetElapsedTime(started), activity).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<RunEnd> RunStepsAsync(CancellationToken cancellationToken)
    {
        var running = new List<Task<EndedStep>>();
        var begun = new List<int>();
        var progress = new RunProgress();
        try
        {
            while (true)
            {
                while (progress.End is null && !progress.MustStop && !cancellationToken.IsCancellationRequested
                    && running.Count + begun.Count < _context.Options.MaxParallelSteps && _graph.Next(_outcomes) is { } index)
                {
                    if (await BeginStepAsync(index, progress, cancellationToken).ConfigureAwait(false))
                    {
                        begun.Add(index);
                    }
                }

                // The last to end are written down with the end.
                if (begun.Count > 0 || (_ended.Count > 0 && running.Count > 0))
                {
                    // What has happened is written down even when the caller no longer waits.
                    await WriteAsync(begun, _ended.Count > 0 ? CancellationToken.None : cancellationToken).ConfigureAwait(false);
                    running.AddRange(begun.Select(i => RunStepAsync(i, cancellationToken)));
                    begun.Clear();
                }

                if (running.Count == 0)
                {
                    break;
                }

                var first = await Task.WhenAny(running).ConfigureAwait(false);
                running.Remove(first);
                Take(await first.ConfigureAwait(false), progress, cancellationToken);
            }
        }
        catch
        {
            // What was not called by then is not.
            foreach (var index in begun)
            {
                _outcomes[index] = _outcomes[index] with { Status = StepStatus.Pending, Attempts = _outcomes[index].Attempts - 1 };
                _starts[index] = null;
            }

            // Nothing goes on behind the caller's back.
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

            // What has ended meanwhile is known, and is to be written down.
            foreach (var ended in running.Where(r => r.IsCompletedSuccessfully))
            {
                Take(await ended.ConfigureAwait(false), progress, cancellationToken);
            }

            throw;
        }

        if (progress.End is not null)
        {
            // What broke off beside it is to be told as well.
            var unknown = progress.Problems.Except(progress.End.Problems).ToList();
            return progress.End with { Message = string.Join(' ', unknown.Select(p => p.Message).Prepend(progress.End.Message)), Problems = [.. progress.End.Problems, .. unknown] };
        }

        if (_outcomes.Any(o => o.Status is StepStatus.Pending or StepStatus.Unknown or StepStatus.Failed))
        {
            cancellationToken.ThrowIfCancellationRequested();
        }

        return Ended(progress.FirstFailure, progress.Problems);
    }

    private RunEnd Ended(StepOutcome? firstFailure, IReadOnlyList<ReplayProblem> problems)
    {
        var name = Invariant($"'{_plan.Procedure.Name}' version {_plan.Procedure.Version.Number}");
        return firstFailure is null
            ? new RunEnd(ReplayOutcome.Completed, Invariant($"{name}: {Count(StepStatus.Success)} of {_steps.Count} steps done{Left(StepStatus.Skipped, "skipped")}."), [])
            : new RunEnd(ReplayOutcome.Failed, Invariant($"{name}: step '{firstFailure.StepId}' ({firstFailure.Action}) failed: {Sentence(firstFailure.Failure?.Message)} {Count(StepStatus.Success)} of {_steps.Count} steps are done{Left(StepStatus.Pending, "not begun")}{Left(StepStatus.Skipped, "skipped")}.{string.Concat(problems.Select(p => " " + p.Message))}"), problems);
    }

    /// <summary>Makes a step ready to be called.</summary>
    /// <returns>Whether it is to be called; otherwise it has ended.</returns>
    private async Task<bool> BeginStepAsync(int index, RunProgress progress, CancellationToken cancellationToken)
    {
        var step = _steps[index];
        if (WhatIsNotKept(step.Condition, step) is { } undecided)
        {
            progress.End = Waiting(undecided);
            return false;
        }

        if (SkipReason(step) is { } reason)
        {
            End(index, _outcomes[index] with { Status = StepStatus.Skipped, Failure = new StepFailure("skipped", reason) });
            return false;
        }

        var startedAt = _context.Time.GetUtcNow();
        StepStart start;
        try
        {
            var (arguments, origins) = _resolver.Resolve(step, Adapted(step));
            var elements = step.ForEach is { } list ? ElementsOf(step, list) : [];
            start = new StepStart(startedAt, arguments, origins, elements, PolicyOf(step), _context.Executor.Describe(step.Action));
        }
        catch (UnresolvedBindingException) when (_context.Past is not null && WhatIsNotKept(step, arguments: null) is { } missing)
        {
            progress.End = Waiting(missing);
            return false;
        }
        catch (UnresolvedBindingException exception)
        {
            _starts[index] = new StepStart(startedAt, null, new Dictionary<string, ArgumentOrigin>(), [], PolicyOf(step), null);
            Fail(index, _outcomes[index] with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.UnresolvedBinding, exception.Message) }, progress);
            return false;
        }

        var key = _outcomes[index].IdempotencyKey ?? KeyOf(step);
        if (step.Kind is StepKind.Function && start.Function?.IdempotencyKeyParameter is { } parameter)
        {
            start = start with { Arguments = WithMember(start.Arguments!.Value, parameter, Json.String(key)) };
        }

        start = start with { Journalled = _journal.CaptureArguments(step, start.Arguments!.Value) };
        if (_context.Past is not null && (WhatIsNotKept(step, start.Arguments!.Value) ?? ChangedList(step, start.Elements)) is { } problem)
        {
            progress.End = Waiting(problem);
            return false;
        }

        if (IsDoneSince(index, start, progress))
        {
            return false;
        }

        if (!await MayCallAsync(index, start, progress, cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        _starts[index] = start;
        _kept[index] = null;
        _outcomes[index] = _outcomes[index] with
        {
            Status = StepStatus.Running,
            Arguments = start.Arguments,
            ArgumentOrigins = start.Origins,
            Attempts = _outcomes[index].Attempts + 1,
            IdempotencyKey = step.Kind is StepKind.Function ? key : null,
            Failure = null,
            Result = null,
            Omitted = null,
            Match = null,
        };
        return true;
    }

    /// <summary>Asks for an approval where the call needs one.</summary>
    private async Task<bool> MayCallAsync(int index, StepStart start, RunProgress progress, CancellationToken cancellationToken)
    {
        var step = _steps[index];
        if (!_context.Approvals.IsNeeded(_plan.Procedure, step))
        {
            return true;
        }

        // A person may take a long time, and what is asked belongs to an execution that is written down.
        await WriteAsync([], cancellationToken).ConfigureAwait(false);
        var permission = await _context.Approvals.RequireAsync(_journal.Id, _plan.Procedure, step, start.Arguments!.Value, start.Journalled!.Value, cancellationToken).ConfigureAwait(false);
        if (permission.IsGranted)
        {
            return true;
        }

        if (permission.State is ApprovalState.Pending)
        {
            _outcomes[index] = _outcomes[index] with { Failure = permission.Failure };
            progress.End = new RunEnd(
                ReplayOutcome.Waiting,
                $"'{_plan.Procedure.Name}' waits for an approval. {permission.Failure!.Message}",
                [new ReplayProblem(ReplayProblemCodes.ApprovalPending, _frame.Path + step.Id, permission.Failure.Message)]);
        }
        else
        {
            _starts[index] = start;
            End(index, _outcomes[index] with { Status = StepStatus.Failed, Failure = permission.Failure });
            progress.End = new RunEnd(ReplayOutcome.Refused, $"'{_plan.Procedure.Name}' stopped at step '{step.Id}', which was not let through: {permission.Failure?.Message}", []);
        }

        return false;
    }

    /// <summary>Takes note of how a call ended.</summary>
    private void Take(EndedStep ended, RunProgress progress, CancellationToken cancellationToken)
    {
        var (index, outcome) = (ended.Index, ended.Outcome);
        var step = _steps[index];
        StopRequested |= ended.StopRequested;
        if (outcome.Status is StepStatus.Failed or StepStatus.Unknown && ended is { Refused: false, Waits.Count: 0 })
        {
            progress.Problems.AddRange(ended.Unknown);
            Fail(index, outcome, progress, cancellationToken.IsCancellationRequested);
        }
        else
        {
            End(index, outcome);
        }

        if (cancellationToken.IsCancellationRequested && outcome.Status is not StepStatus.Success)
        {
            // Whatever it ended of, nobody waits for the replay any more: that says nothing of the procedure.
            progress.MustStop = true;
        }
        else if (ended.Refused)
        {
            progress.End ??= new RunEnd(ReplayOutcome.Refused, $"'{_plan.Procedure.Name}' stopped at step '{step.Id}', which was not let through: {outcome.Failure?.Message}", []);
        }
        else if (ended.Waits.Count > 0)
        {
            progress.End ??= new RunEnd(ReplayOutcome.Waiting, $"'{_plan.Procedure.Name}' waits at step '{step.Id}'. {string.Join(" ", ended.Waits.Select(w => w.Message))}", ended.Waits);
        }
        else if (ended.StopRequested && _outcomes.Any(o => o.Status is StepStatus.Pending))
        {
            progress.End ??= new RunEnd(ReplayOutcome.Refused, $"'{_plan.Procedure.Name}' stopped after step '{step.Id}': a filter of the host asked to end the turn there.", []);
        }
    }

    private void Fail(int index, StepOutcome outcome, RunProgress progress, bool cancelled = false)
    {
        var policy = _starts[index]!.Policy.OnFailure;
        if (policy is FailurePolicy.Skip && outcome.Status is StepStatus.Failed && !cancelled)
        {
            End(index, outcome with { Status = StepStatus.Skipped });
            return;
        }

        End(index, outcome);
        if (!cancelled)
        {
            progress.FirstFailure ??= outcome;
            progress.MustStop |= policy is FailurePolicy.Stop && !_request.ContinueOnFailure;
        }
    }

    private void End(int index, StepOutcome outcome)
    {
        _outcomes[index] = outcome;
        _kept[index] = _journal.CaptureResult(outcome);
        _ended.Add(index);
        if (outcome.Status is StepStatus.Success)
        {
            _resolver.Results[outcome.StepId] = outcome.Result;
        }
    }

    private string? SkipReason(ProcedureStep step)
    {
        if (IsLeftOut(step))
        {
            return "left out on request";
        }

        if (step.Condition is { } condition && !_resolver.Holds(condition))
        {
            return $"not needed: its condition ({ProcedureText.Condition(condition)}) does not hold";
        }

        return TemplateResolver.NeededSteps(step, Adapted(step))
            .Where(id => !_resolver.HasResult(id))
            .Select(id => $"it needs the result of step '{id}', which {(_outcomes.Any(o => o.StepId == id && o.Failure is not null && o.Attempts > 0) ? "failed" : "was skipped")}")
            .FirstOrDefault();
    }

    /// <summary>Whether a step is to be left out. That is asked for by the id of a step, and a nested procedure has ids of its own.</summary>
    private bool IsLeftOut(ProcedureStep step) => !_frame.IsInside && _request.Skip.Contains(step.Id);

    private List<JsonElement> ElementsOf(ProcedureStep loop, string list)
    {
        var value = ValueExpression.Parse(list).Evaluate(_resolver);
        if (value.ValueKind is not JsonValueKind.Array)
        {
            throw new UnresolvedBindingException($"{list} is no list but {Json.Word(Json.TypeOf(value))}: the loop '{loop.Id}' has nothing to go through.");
        }

        return (long)value.GetArrayLength() * loop.Steps.Count <= _context.Options.MaxReplayCalls
            ? [.. value.EnumerateArray()]
            : throw new UnresolvedBindingException(Invariant($"{list} has {value.GetArrayLength()} elements: with the {loop.Steps.Count} steps of the loop '{loop.Id}' that is more than {nameof(_context.Options.MaxReplayCalls)} ({_context.Options.MaxReplayCalls}) allows."));
    }

    /// <summary>Writes down what has ended and what is begun, and then tells of what has ended.</summary>
    private async Task WriteAsync(List<int> begun, CancellationToken cancellationToken)
    {
        var ended = _ended.ToList();
        await _journal.WriteAsync([.. ended.Concat(begun).Select(Journalled)], cancellationToken).ConfigureAwait(false);
        _ended.Clear();
        Report(ended);
    }

    private JournalledStep Journalled(int index) => new(index, _outcomes[index], _starts[index]?.StartedAt, _starts[index]?.Journalled, _kept[index]);

    private void Report(List<int> ended)
    {
        if (_request.Progress is not { } progress)
        {
            return;
        }

        foreach (var index in ended)
        {
            try
            {
                progress.Report(_outcomes[index]);
            }
            catch (Exception exception)
            {
                // Whoever looks on changes nothing.
                Log.ProgressFailed(_context.Logger, _journal.Id, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            }
        }
    }

    private async Task<ReplayResult> EndAsync(RunEnd end, TimeSpan duration, System.Diagnostics.Activity? activity)
    {
        ExecutionVerdict? verdict = end.Outcome switch
        {
            ReplayOutcome.Failed => ExecutionVerdict.Failure,
            ReplayOutcome.Completed => _steps.Zip(_outcomes).Any(p => p.First.Expectation is not { Strength: ExpectationStrength.Observed } && p.Second.Match is OutcomeMatch.CannotTell)
                || _outcomes.Any(o => o.Nested?.Verdict is ExecutionVerdict.Unknown || o.Iterations.Any(i => i.Verdict is ExecutionVerdict.Unknown))
                ? ExecutionVerdict.Unknown
                : ExecutionVerdict.Success,
            _ => null,
        };
        var ended = _ended.ToList();
        await _journal.EndAsync([.. ended.Select(Journalled)], end.Outcome, end.Message, duration, verdict, _outcomes).ConfigureAwait(false);
        _ended.Clear();
        Report(ended);
        ReplayTelemetry.EndReplay(activity, _plan.Procedure, end.Outcome, duration, _frame.Parent is null);
        return Result(end.Outcome, end.Message, verdict, duration, end.Problems);
    }

    private ReplayResult Result(ReplayOutcome outcome, string message, ExecutionVerdict? verdict, TimeSpan duration, IReadOnlyList<ReplayProblem> problems) => new()
    {
        ExecutionId = _journal.Id,
        ProcedureName = _plan.Procedure.Name,
        Version = _plan.Procedure.Version.Number,
        Outcome = outcome,
        Message = message,
        Verdict = verdict,
        Problems = problems,
        Steps = outcome is ReplayOutcome.Completed ? [.. _outcomes] : [.. _steps.Zip(_outcomes, WithRest)],
        Undo = outcome is not ReplayOutcome.Completed && Count(StepStatus.Success) > 0 ? _plan.Procedure.Version.Undo : null,
        Duration = duration,
    };

    /// <summary>A step that is left, with what it is to be called with as far as that is known.</summary>
    private StepOutcome WithRest(ProcedureStep step, StepOutcome outcome) => outcome.Status is StepStatus.Pending or StepStatus.Failed or StepStatus.Unknown
        ? outcome with
        {
            Left = Json.Build(writer =>
            {
                writer.WriteStartObject();
                foreach (var argument in _resolver.Used(step, Adapted(step)))
                {
                    writer.WritePropertyName(argument.Name);
                    var known = ValueExpression.References(argument.Value).OfType<StepReference>().All(r => _resolver.HasResult(r.StepId));
                    (_frame.IsMadeOfSecret(argument.Value) ? Json.String(Capture.SecretRedactor.Marker) : known && _resolver.TryResolve(argument.Value, out var value) ? value : argument.Value).WriteTo(writer);
                }

                foreach (var (name, value, _) in Adapted(step).All())
                {
                    writer.WritePropertyName(name);
                    value.WriteTo(writer);
                }

                writer.WriteEndObject();
            }),
        }
        : outcome;

    private StepEffect EffectOf(ProcedureStep step) => ReplayEffects.Of(step, _plan, _context);

    private StepPolicy PolicyOf(ProcedureStep step)
    {
        var asked = _frame.IsInside ? null : _request.Policies.GetValueOrDefault(step.Id);
        return new StepPolicy { OnFailure = asked?.OnFailure ?? step.OnFailure, Retry = asked?.Retry ?? step.Retry, Timeout = asked?.Timeout ?? step.Timeout };
    }

    /// <summary>The key of a call: the same for every attempt of it, also when the execution is resumed. What a person approves holds it, too.</summary>
    private string KeyOf(ProcedureStep step) => Invariant($"{_journal.Id:N}-{step.Id}");

    private AdaptedParameters Adapted(ProcedureStep step) => _request.Adapted(step, _frame.IsInside);

    private int Count(StepStatus status) => _outcomes.Count(o => o.Status == status);

    /// <summary>What others say, with a full stop at its end.</summary>
    private static string Sentence(string? text) => (text ?? "").TrimEnd() is { Length: > 0 } said ? said[^1] is '.' or '!' or '?' ? said : said + "." : "";

    private string Left(StepStatus status, string word) => Count(status) is > 0 and var count ? Invariant($", {count} {word}") : "";

    private static JsonElement WithMember(JsonElement members, string name, JsonElement value) => Json.Build(writer =>
    {
        writer.WriteStartObject();
        foreach (var member in members.EnumerateObject().Where(m => m.Name != name))
        {
            member.WriteTo(writer);
        }

        writer.WritePropertyName(name);
        value.WriteTo(writer);
        writer.WriteEndObject();
    });

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>How the run goes.</summary>
    private sealed class RunProgress
    {
        /// <summary>How it ends, where that does not follow from the steps.</summary>
        public RunEnd? End { get; set; }

        public StepOutcome? FirstFailure { get; set; }

        /// <summary>The calls that broke off.</summary>
        public List<ReplayProblem> Problems { get; } = [];

        /// <summary>Whether no further step begins.</summary>
        public bool MustStop { get; set; }
    }

    private sealed record RunEnd(ReplayOutcome Outcome, string Message, IReadOnlyList<ReplayProblem> Problems);

    /// <summary>What a step is called with.</summary>
    private sealed record StepStart(
        DateTimeOffset StartedAt, JsonElement? Arguments, IReadOnlyDictionary<string, ArgumentOrigin> Origins, IReadOnlyList<JsonElement> Elements, StepPolicy Policy, FunctionDescription? Function)
    {
        public JsonElement? Journalled { get; init; }
    }

    /// <summary>How a call ended.</summary>
    private sealed record EndedStep(int Index, StepOutcome Outcome, bool Refused, bool StopRequested)
    {
        /// <summary>What the replay has to wait for.</summary>
        public IReadOnlyList<ReplayProblem> Waits { get; init; } = [];

        /// <summary>The calls in it that broke off.</summary>
        public IReadOnlyList<ReplayProblem> Unknown { get; init; } = [];
    }
}
