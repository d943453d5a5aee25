using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>One execution of the steps of a procedure. A procedure that is replayed inside is a run of its own, and so is a loop for each element of its list.</summary>
internal sealed class ReplayRun(ReplayContext context, ReplayPlan plan, RunFrame frame)
{
    private readonly ReplayRequest _request = context.Request;
    private readonly ReplayJournal _journal = new(context, plan.Procedure, frame);
    private readonly IReadOnlyList<ProcedureStep> _steps = frame.Steps;
    private readonly StepOutcome[] _outcomes = [.. frame.Steps.Select(Pending)];
    private readonly TemplateResolver _resolver = new(frame.Inputs, frame.Item, frame.Around, frame.ConfirmedConstants);

    /// <summary>Whether a gate of the host asked that nothing more be called.</summary>
    public bool StopRequested { get; private set; }

    public static StepOutcome Pending(ProcedureStep step) => new() { StepId = step.Id, Action = step.Action, Status = StepStatus.Pending };

    public async Task<ReplayResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        var started = context.Time.GetTimestamp();
        await _journal.BeginAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var (outcome, message) = await RunStepsAsync(cancellationToken).ConfigureAwait(false);
            return await EndAsync(outcome, message, context.Time.GetElapsedTime(started)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await EndAsync(ReplayOutcome.Cancelled, "The replay was cancelled.", context.Time.GetElapsedTime(started)).ConfigureAwait(false);
            throw;
        }
        catch (Exception exception) when (exception is not ProcedureStoreException)
        {
            // A fault of what the host put in (a redactor, say), not of the procedure: it does not count, and it is the host's to see.
            await EndAsync(ReplayOutcome.Cancelled, $"The replay broke off: {exception.GetType().Name}.", context.Time.GetElapsedTime(started)).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<(ReplayOutcome Outcome, string Message)> RunStepsAsync(CancellationToken cancellationToken)
    {
        StepOutcome? firstFailure = null;
        for (var i = 0; i < _steps.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var step = _steps[i];
            if (SkipReason(step) is { } reason)
            {
                await EndStepAsync(i, _outcomes[i] with { Status = StepStatus.Skipped, Failure = new StepFailure("skipped", reason) }, startedAt: null, arguments: null, cancellationToken).ConfigureAwait(false);
                continue;
            }

            var (outcome, refused, stop) = await RunStepAsync(i, step, cancellationToken).ConfigureAwait(false);
            if (refused)
            {
                return (ReplayOutcome.Refused, $"'{plan.Procedure.Name}' stopped at step '{step.Id}', which was not let through: {outcome.Failure?.Message}");
            }

            if (outcome.Status is StepStatus.Failed)
            {
                // Whatever it failed of, nobody waits for the replay any more: that says nothing of the procedure.
                cancellationToken.ThrowIfCancellationRequested();
                firstFailure ??= outcome;
                if (!_request.ContinueOnFailure && step.OnFailure is FailurePolicy.Stop)
                {
                    break;
                }
            }

            StopRequested |= stop;
            if (stop && i < _steps.Count - 1)
            {
                return (ReplayOutcome.Refused, $"'{plan.Procedure.Name}' stopped after step '{step.Id}': a filter of the host asked to end the turn there.");
            }
        }

        return firstFailure is null
            ? (ReplayOutcome.Completed, Invariant($"'{plan.Procedure.Name}' version {plan.Procedure.Version.Number}: {Count(StepStatus.Success)} of {_steps.Count} steps done{Left(StepStatus.Skipped, "skipped")}."))
            : (ReplayOutcome.Failed, Invariant($"'{plan.Procedure.Name}' version {plan.Procedure.Version.Number}: step '{firstFailure.StepId}' ({firstFailure.Action}) failed: {firstFailure.Failure?.Message} {Count(StepStatus.Success)} of {_steps.Count} steps are done{Left(StepStatus.Pending, "not begun")}{Left(StepStatus.Skipped, "skipped")}."));
    }

    private string? SkipReason(ProcedureStep step)
    {
        // Skipping is asked for by the id of a step, and a nested procedure has ids of its own.
        if (!frame.IsInside && _request.Skip.Contains(step.Id))
        {
            return "left out on request";
        }

        if (step.Condition is { } condition && !_resolver.Holds(condition))
        {
            return $"not needed: its condition ({ProcedureText.Condition(condition)}) does not hold";
        }

        return TemplateResolver.NeededSteps(step, Adapted(step))
            .Where(id => !_resolver.HasResult(id))
            .Select(id => $"it needs the result of step '{id}', which {(_outcomes.Any(o => o.StepId == id && o.Status is StepStatus.Failed) ? "failed" : "was skipped")}")
            .FirstOrDefault();
    }

    private async Task<(StepOutcome Outcome, bool Refused, bool Stop)> RunStepAsync(int index, ProcedureStep step, CancellationToken cancellationToken)
    {
        var startedAt = context.Time.GetUtcNow();
        JsonElement arguments;
        Dictionary<string, ArgumentOrigin> origins;
        IReadOnlyList<JsonElement> elements;
        try
        {
            (arguments, origins) = _resolver.Resolve(step, Adapted(step));
            elements = step.ForEach is { } list ? ElementsOf(step, list) : [];
        }
        catch (UnresolvedBindingException exception)
        {
            var unresolved = _outcomes[index] with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.UnresolvedBinding, exception.Message) };
            return (await EndStepAsync(index, unresolved, startedAt, arguments: null, cancellationToken).ConfigureAwait(false), false, false);
        }

        var journalled = _journal.CaptureArguments(step, arguments);
        var permission = await context.Approvals.RequireAsync(_journal.Id, plan.Procedure, step, arguments, journalled, cancellationToken).ConfigureAwait(false);
        if (!permission.IsGranted)
        {
            var held = _outcomes[index] with { Status = StepStatus.Failed, Failure = permission.Failure };
            return (await EndStepAsync(index, held, startedAt, journalled, cancellationToken).ConfigureAwait(false), true, false);
        }

        // Written before the call: after a crash, what stands as running may or may not have had its effect, and what does not stand there had none.
        await _journal.WriteStepAsync(index, _outcomes[index] with { Status = StepStatus.Running }, startedAt, journalled, duration: null, cancellationToken).ConfigureAwait(false);

        var timestamp = context.Time.GetTimestamp();
        var begun = _outcomes[index] with { Arguments = arguments, ArgumentOrigins = origins };
        StepCallResult result;
        if (step.Kind is StepKind.Loop)
        {
            (result, var iterations) = await LoopAsync(step, elements, cancellationToken).ConfigureAwait(false);
            begun = begun with { Iterations = iterations };
        }
        else
        {
            (result, var nested) = await CallAsync(step, arguments, cancellationToken).ConfigureAwait(false);
            begun = begun with { Nested = nested };
        }

        var outcome = Judge(step, result, begun with { Duration = context.Time.GetElapsedTime(timestamp) });
        if (outcome.Status is StepStatus.Success)
        {
            _resolver.Results[step.Id] = outcome.Result;
        }

        // The effect has happened: what is known of it is written down even when the caller no longer waits.
        outcome = await EndStepAsync(index, outcome, startedAt, journalled, CancellationToken.None).ConfigureAwait(false);
        return (outcome, result.Refused, result.StopRequested);
    }

    private List<JsonElement> ElementsOf(ProcedureStep loop, string list)
    {
        var value = ValueExpression.Parse(list).Evaluate(_resolver);
        if (value.ValueKind is not JsonValueKind.Array)
        {
            throw new UnresolvedBindingException($"{list} is no list but {Json.Word(Json.TypeOf(value))}: the loop '{loop.Id}' has nothing to go through.");
        }

        return (long)value.GetArrayLength() * loop.Steps.Count <= context.Options.MaxReplayCalls
            ? [.. value.EnumerateArray()]
            : throw new UnresolvedBindingException(Invariant($"{list} has {value.GetArrayLength()} elements: with the {loop.Steps.Count} steps of the loop '{loop.Id}' that is more than {nameof(context.Options.MaxReplayCalls)} ({context.Options.MaxReplayCalls}) allows."));
    }

    private async Task<(StepCallResult Result, IReadOnlyList<ReplayResult> Iterations)> LoopAsync(ProcedureStep step, IReadOnlyList<JsonElement> elements, CancellationToken cancellationToken)
    {
        var iterations = new List<ReplayResult>();
        StepFailure? failure = null;
        foreach (var element in elements)
        {
            var run = new ReplayRun(context, plan, frame.ForElement(step, element, _resolver, _journal.Id));
            var iteration = await run.ExecuteAsync(cancellationToken).ConfigureAwait(false);
            iterations.Add(iteration);
            StopRequested |= run.StopRequested;
            if (iteration.Outcome is not ReplayOutcome.Completed)
            {
                failure ??= new StepFailure(FailureTypes.Loop, Invariant($"At element {iterations.Count} of {elements.Count}: {iteration.Message}"));
                if (iteration.Outcome is ReplayOutcome.Refused || run.StopRequested || (!_request.ContinueOnFailure && step.OnFailure is FailurePolicy.Stop))
                {
                    break;
                }
            }
        }

        var results = Json.Build(writer =>
        {
            writer.WriteStartArray();
            iterations.ForEach(i => i.Result.WriteTo(writer));
            writer.WriteEndArray();
        });
        return (new StepCallResult { Result = results, Failure = failure, Refused = iterations is [.., { Outcome: ReplayOutcome.Refused }], StopRequested = StopRequested }, iterations);
    }

    private async Task<(StepCallResult Result, ReplayResult? Nested)> CallAsync(ProcedureStep step, JsonElement arguments, CancellationToken cancellationToken)
    {
        if (step.Kind is StepKind.Procedure)
        {
            return await ReplayInsideAsync(step, plan.Nested[step.Id], arguments, cancellationToken).ConfigureAwait(false);
        }

        StepCallResult result;
        try
        {
            result = await context.Executor.ExecuteAsync(new StepCall(_journal.Id, step.Id, step.Action, arguments, StepEffects.Of(step, plan.Procedure.Version, context.Options, context.Executor)), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            result = new StepCallResult { Failure = new StepFailure(exception.GetType().Name, exception.Message) };
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            throw new OperationCanceledException("The replay was cancelled in the middle of a call.", exception, cancellationToken);
        }

        if (result is { Failure: not null, Refused: false })
        {
            // A call that is cancelled may say so in any way: a broken connection, a timeout. Whether it had its effect is not known then.
            cancellationToken.ThrowIfCancellationRequested();
        }

        return (result, null);
    }

    private async Task<(StepCallResult Result, ReplayResult? Nested)> ReplayInsideAsync(ProcedureStep step, ReplayPlan inner, JsonElement arguments, CancellationToken cancellationToken)
    {
        var problems = new List<ReplayProblem>();
        var given = arguments.EnumerateObject().ToDictionary(a => a.Name, a => a.Value, StringComparer.Ordinal);
        var bound = InputBinder.Bind(inner.Procedure.Name, inner.Procedure.Version.Inputs, given, context.Options, _request.ConfirmConstants || inner.ConfirmsConstants, problems, inside: true);
        if (problems.Count > 0)
        {
            return (new StepCallResult { Failure = new StepFailure(FailureTypes.NestedProcedure, string.Join(" ", problems.Select(p => p.Message))) }, null);
        }

        var inside = RunFrame.Of(inner.Procedure.Version, bound, given) with { Parent = (_journal.Id, step.Id), IsInside = true };
        inside.SecretInputs.UnionWith(bound.Keys.Where(name => step.Arguments.TryGetProperty(name, out var template) && frame.IsMadeOfSecret(template)));
        try
        {
            return await ReplayNestedAsync(
                new ReplayRun(context, inner, inside),
                new StepCall(_journal.Id, step.Id, inner.Procedure.Name, arguments, step.Effect),
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is not ProcedureStoreException)
        {
            // A gate of the host threw.
            return (new StepCallResult { Failure = new StepFailure(exception.GetType().Name, exception.Message) }, null);
        }
    }

    private async Task<(StepCallResult Result, ReplayResult? Nested)> ReplayNestedAsync(ReplayRun run, StepCall call, CancellationToken cancellationToken)
    {
        ReplayResult? nested = null;
        ExceptionDispatchInfo? storeFault = null;
        Task<StepCallResult>? first = null;
        try
        {
            // A gate that goes on twice gets what the first time gave: nothing is done twice.
            var called = await context.Executor.ReplayNestedAsync(call, token => first ??= ReplayOnceAsync(token), cancellationToken).ConfigureAwait(false);
            return (called, nested);
        }
        finally
        {
            // Whatever a gate made of it: what cannot be written down must not go on.
            storeFault?.Throw();
        }

        async Task<StepCallResult> ReplayOnceAsync(CancellationToken token)
        {
            try
            {
                nested = await run.ExecuteAsync(token).ConfigureAwait(false);
            }
            catch (ProcedureStoreException exception)
            {
                storeFault = ExceptionDispatchInfo.Capture(exception);
                throw;
            }

            return new StepCallResult
            {
                Result = nested.Result,
                Failure = nested.Outcome is ReplayOutcome.Completed ? null : new StepFailure(FailureTypes.NestedProcedure, nested.Message),
                Refused = nested.Outcome is ReplayOutcome.Refused,
                StopRequested = run.StopRequested,
            };
        }
    }

    private StepOutcome Judge(ProcedureStep step, StepCallResult called, StepOutcome outcome)
    {
        if (called.Result is { ValueKind: JsonValueKind.Undefined })
        {
            called = called with { Result = null };
        }

        if (called.Result is { } result && Json.Fault(result, Json.MaxDepth - 8) is not null)
        {
            // The call was made and may well have succeeded, but what it gave can be neither compared nor passed on.
            called = called with { Result = null };
            outcome = outcome with { Omitted = "result: it nests too deep, or holds text that is not valid UTF-16" };
        }

        if (called.Failure is { } failure || called.Refused)
        {
            return outcome with { Status = StepStatus.Failed, Result = called.Result, Failure = called.Failure ?? new StepFailure(FailureTypes.Refused, "A filter of the host did not let the call through.") };
        }

        outcome = outcome with { Status = StepStatus.Success, Result = called.Result };
        if (step.Kind is StepKind.Function && called.Result is { } returned && context.Options.ErrorOf(step.Action, returned) is { } said)
        {
            return outcome with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.ErrorResult, $"The function returned an error: {said}") };
        }

        if (step.Expectation is not { } expectation)
        {
            return outcome;
        }

        var (match, differences) = OutcomeComparer.Compare(expectation, called.Result);
        outcome = outcome with { Match = match, Differences = differences };
        return match is OutcomeMatch.Differs && expectation.Strength is not ExpectationStrength.Observed
            ? outcome with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.UnexpectedOutcome, $"The outcome is not as expected: {string.Join("; ", differences)}.") }
            : outcome;
    }

    private async Task<ReplayResult> EndAsync(ReplayOutcome outcome, string message, TimeSpan duration)
    {
        ExecutionVerdict? verdict = outcome switch
        {
            ReplayOutcome.Failed => ExecutionVerdict.Failure,
            ReplayOutcome.Completed => _steps.Zip(_outcomes).Any(p => p.First.Expectation is { Strength: not ExpectationStrength.Observed } && p.Second.Match is OutcomeMatch.CannotTell)
                || _outcomes.Any(o => o.Iterations.Any(i => i.Verdict is ExecutionVerdict.Unknown))
                ? ExecutionVerdict.Unknown
                : ExecutionVerdict.Success,
            _ => null,
        };
        await _journal.EndAsync(outcome, message, duration, verdict, _outcomes).ConfigureAwait(false);
        return new ReplayResult
        {
            ExecutionId = _journal.Id,
            ProcedureName = plan.Procedure.Name,
            Version = plan.Procedure.Version.Number,
            Outcome = outcome,
            Message = message,
            Verdict = verdict,
            Steps = [.. _outcomes],
            Duration = duration,
        };
    }

    private async Task<StepOutcome> EndStepAsync(int index, StepOutcome outcome, DateTimeOffset? startedAt, JsonElement? arguments, CancellationToken cancellationToken)
    {
        _outcomes[index] = outcome;
        await _journal.WriteStepAsync(index, outcome, startedAt, arguments, startedAt is null ? null : outcome.Duration, cancellationToken).ConfigureAwait(false);
        try
        {
            _request.Progress?.Report(outcome);
        }
        catch (Exception exception)
        {
            // Whoever looks on changes nothing.
            Log.ProgressFailed(context.Logger, _journal.Id, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }

        return outcome;
    }

    private AdaptedParameters Adapted(ProcedureStep step) => _request.Adapted(step, frame.IsInside);

    private int Count(StepStatus status) => _outcomes.Count(o => o.Status == status);

    private string Left(StepStatus status, string word) => Count(status) is > 0 and var count ? Invariant($", {count} {word}") : "";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
