using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Runs the steps of a procedure through an executor, writes down what happens, and adds it to the statistics.</summary>
internal sealed class ProcedureReplayer(IProcedureStore store, ProceduralMemoryOptions options, MemoryScope scope, IStepExecutor executor, ILogger logger)
{
    private readonly IProcedureStore _store = store;
    private readonly ProceduralMemoryOptions _options = options;
    private readonly IStepExecutor _executor = executor;
    private readonly ILogger _logger = logger;
    private readonly string _writeScope = scope.Write;

    // One for the whole tree of executions: a secret stays one in the procedures that are replayed inside.
    private readonly ValueCapture _capture = new(options);
    private readonly TimeProvider _time = options.TimeProvider;

    public async Task<ReplayResult> ReplayAsync(Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
    {
        var problems = new List<ReplayProblem>();
        if (procedure.IsRetired || (procedure.ActiveVersion is null && request.Version is null))
        {
            problems.Add(new ReplayProblem(ReplayProblemCodes.NotActive, null, procedure.IsRetired
                ? $"'{procedure.Name}' is retired: it was merged into another procedure. Search for the task instead, or activate a version of this one."
                : $"'{procedure.Name}' has no active version: it is a draft that nobody has activated yet."));
        }

        var plan = await ReplayPlan.CreateAsync(procedure, request.Skip, scope.Read, _store, _options, problems, cancellationToken).ConfigureAwait(false);
        var inputs = InputBinder.Bind(procedure.Name, procedure.Version.Inputs, request.Inputs, _options, problems);
        if (plan.CallCount <= _options.MaxReplayCalls)
        {
            var calls = Preflight.Look(plan, request, inputs, _options, problems);
            problems.AddRange(await _executor.CheckAsync(calls, cancellationToken).ConfigureAwait(false));
        }

        if (problems.Count > 0)
        {
            return new ReplayResult
            {
                ProcedureName = procedure.Name,
                Version = procedure.Version.Number,
                Outcome = ReplayOutcome.Refused,
                Message = $"'{procedure.Name}' was not started, and nothing was called. {string.Join(" ", problems.Select(p => p.Message))}",
                Problems = problems,
                Steps = [.. procedure.Version.Steps.Select(Pending)],
            };
        }

        return await new Run(this, plan, request, inputs, SecretNames(procedure.Version), parent: null).ExecuteAsync(cancellationToken).ConfigureAwait(false);
    }

    private static HashSet<string> SecretNames(ProcedureVersion version) => version.Inputs.Where(i => i.Secret).Select(i => i.Name).ToHashSet(StringComparer.Ordinal);

    private static StepOutcome Pending(ProcedureStep step) => new() { StepId = step.Id, Action = step.Action, Status = StepStatus.Pending };

    /// <summary>One execution of one procedure; a nested procedure is a run of its own.</summary>
    private sealed class Run(
        ProcedureReplayer replayer, ReplayPlan plan, ReplayRequest request, Dictionary<string, JsonElement> inputs, HashSet<string> secretInputs, (Guid Id, string StepId)? parent)
    {
        private readonly Guid _id = Guid.CreateVersion7(replayer._time.GetUtcNow());
        private readonly IReadOnlyList<ProcedureStep> _steps = plan.Procedure.Version.Steps;
        private readonly StepOutcome[] _outcomes = [.. plan.Procedure.Version.Steps.Select(Pending)];
        private readonly ValueCapture _capture = replayer._capture;
        private readonly TemplateResolver _resolver = new(inputs);

        /// <summary>Whether a gate of the host asked that nothing more be called.</summary>
        public bool StopRequested { get; private set; }

        public async Task<ReplayResult> ExecuteAsync(CancellationToken cancellationToken)
        {
            var started = replayer._time.GetTimestamp();

            // First, since it learns which values are secret: the request may name them.
            var journalledInputs = CaptureInputs();
            await replayer._store.BeginExecutionAsync(
                new Execution
                {
                    Id = _id,
                    Scope = replayer._writeScope,
                    ProcedureId = plan.Procedure.Id,
                    ProcedureName = plan.Procedure.Name,
                    Version = plan.Procedure.Version.Number,
                    ParentId = parent?.Id,
                    ParentStep = parent?.StepId,
                    Outcome = ReplayOutcome.Running,
                    Request = request.Request is null ? null : _capture.Text(request.Request),
                    Inputs = journalledInputs,
                    StartedAt = replayer._time.GetUtcNow(),
                },
                cancellationToken).ConfigureAwait(false);
            try
            {
                var (outcome, message) = await RunStepsAsync(cancellationToken).ConfigureAwait(false);
                return await EndAsync(outcome, message, replayer._time.GetElapsedTime(started), cancellationToken: CancellationToken.None).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                await EndAsync(ReplayOutcome.Cancelled, "The replay was cancelled.", replayer._time.GetElapsedTime(started), CancellationToken.None).ConfigureAwait(false);
                throw;
            }
            catch (Exception exception) when (exception is not ProcedureStoreException)
            {
                // A fault of what the host put in (a redactor, say), not of the procedure: it does not count, and it is the host's to see.
                await EndAsync(ReplayOutcome.Cancelled, $"The replay broke off: {exception.GetType().Name}.", replayer._time.GetElapsedTime(started), CancellationToken.None).ConfigureAwait(false);
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
                    if (!request.ContinueOnFailure && step.OnFailure is FailurePolicy.Stop)
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
            if (parent is null && request.Skip.Contains(step.Id))
            {
                return "left out on request";
            }

            return TemplateResolver.NeededSteps(step, Adapted(step))
                .Where(id => !_resolver.Results.ContainsKey(id))
                .Select(id => $"it needs the result of step '{id}', which {(_outcomes.Any(o => o.StepId == id && o.Status is StepStatus.Failed) ? "failed" : "was skipped")}")
                .FirstOrDefault();
        }

        private async Task<(StepOutcome Outcome, bool Refused, bool Stop)> RunStepAsync(int index, ProcedureStep step, CancellationToken cancellationToken)
        {
            var startedAt = replayer._time.GetUtcNow();
            JsonElement arguments;
            Dictionary<string, ArgumentOrigin> origins;
            try
            {
                (arguments, origins) = _resolver.Resolve(step, Adapted(step));
            }
            catch (UnresolvedBindingException exception)
            {
                var unresolved = _outcomes[index] with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.UnresolvedBinding, exception.Message) };
                return (await EndStepAsync(index, unresolved, startedAt, arguments: null, cancellationToken).ConfigureAwait(false), false, false);
            }

            var journalled = CaptureArguments(step, arguments);
            // Written before the call: after a crash, what stands as running may or may not have had its effect, and what does not stand there had none.
            await WriteStepAsync(index, _outcomes[index] with { Status = StepStatus.Running }, startedAt, journalled, duration: null, cancellationToken).ConfigureAwait(false);

            var timestamp = replayer._time.GetTimestamp();
            var (result, nested) = await CallAsync(step, arguments, cancellationToken).ConfigureAwait(false);
            var outcome = Judge(step, result, _outcomes[index] with
            {
                Arguments = arguments,
                ArgumentOrigins = origins,
                Duration = replayer._time.GetElapsedTime(timestamp),
                Nested = nested,
            });
            if (outcome.Status is StepStatus.Success)
            {
                _resolver.Results[step.Id] = outcome.Result;
            }

            // The effect has happened: what is known of it is written down even when the caller no longer waits.
            outcome = await EndStepAsync(index, outcome, startedAt, journalled, CancellationToken.None).ConfigureAwait(false);
            return (outcome, result.Refused, result.StopRequested);
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
                result = await replayer._executor.ExecuteAsync(new StepCall(_id, step.Id, step.Action, arguments, step.Effect), cancellationToken).ConfigureAwait(false);
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
            var bound = InputBinder.Bind(inner.Procedure.Name, inner.Procedure.Version.Inputs, arguments.EnumerateObject().ToDictionary(a => a.Name, a => a.Value, StringComparer.Ordinal), replayer._options, problems);
            if (problems.Count > 0)
            {
                return (new StepCallResult { Failure = new StepFailure(FailureTypes.NestedProcedure, string.Join(" ", problems.Select(p => p.Message))) }, null);
            }

            var secrets = SecretNames(inner.Procedure.Version);
            secrets.UnionWith(bound.Keys.Where(name => IsMadeOfSecret(step, name)));
            try
            {
                return await ReplayNestedAsync(
                    new Run(replayer, inner, request, bound, secrets, (_id, step.Id)),
                    new StepCall(_id, step.Id, inner.Procedure.Name, arguments, step.Effect),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is not ProcedureStoreException)
            {
                // A gate of the host threw.
                return (new StepCallResult { Failure = new StepFailure(exception.GetType().Name, exception.Message) }, null);
            }
        }

        private async Task<(StepCallResult Result, ReplayResult? Nested)> ReplayNestedAsync(Run run, StepCall call, CancellationToken cancellationToken)
        {
            ReplayResult? nested = null;
            ExceptionDispatchInfo? storeFault = null;
            try
            {
                var called = await replayer._executor.ReplayNestedAsync(
                    call,
                    async token =>
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
                    },
                    cancellationToken).ConfigureAwait(false);
                return (called, nested);
            }
            finally
            {
                // Whatever a gate made of it: what cannot be written down must not go on.
                storeFault?.Throw();
            }
        }

        private static StepOutcome Judge(ProcedureStep step, StepCallResult called, StepOutcome outcome)
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
            if (step.Expectation is not { } expectation)
            {
                return outcome;
            }

            var (match, differences) = OutcomeComparer.Compare(expectation, called.Result);
            outcome = outcome with { Match = match, Differences = differences };
            return match is OutcomeMatch.Differs && expectation.Strength is ExpectationStrength.Asserted
                ? outcome with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.UnexpectedOutcome, $"The outcome is not as expected: {string.Join("; ", differences)}.") }
                : outcome;
        }

        private async Task<ReplayResult> EndAsync(ReplayOutcome outcome, string message, TimeSpan duration, CancellationToken cancellationToken)
        {
            ExecutionVerdict? verdict = outcome switch
            {
                ReplayOutcome.Failed => ExecutionVerdict.Failure,
                ReplayOutcome.Completed => _steps.Zip(_outcomes).Any(p => p.First.Expectation?.Strength is ExpectationStrength.Asserted && p.Second.Match is OutcomeMatch.CannotTell)
                    ? ExecutionVerdict.Unknown
                    : ExecutionVerdict.Success,
                _ => null,
            };
            await replayer._store.EndExecutionAsync(
                new EndedExecution(
                    _id,
                    plan.Procedure.Id,
                    plan.Procedure.Version.Number,
                    outcome,
                    _capture.Text(message),
                    replayer._time.GetUtcNow(),
                    duration,
                    verdict,
                    verdict is null ? [] : [.. _outcomes.Where(o => o.Status is StepStatus.Success or StepStatus.Failed).Select(o => new CountedStep(o.StepId, o.Status is StepStatus.Failed, o.Duration))]),
                cancellationToken).ConfigureAwait(false);
            return new ReplayResult
            {
                ExecutionId = _id,
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
            await WriteStepAsync(index, outcome, startedAt, arguments, startedAt is null ? null : outcome.Duration, cancellationToken).ConfigureAwait(false);
            try
            {
                request.Progress?.Report(outcome);
            }
            catch (Exception exception)
            {
                // Whoever looks on changes nothing.
                Log.ProgressFailed(replayer._logger, exception, _id);
            }

            return outcome;
        }

        private Task WriteStepAsync(int index, StepOutcome outcome, DateTimeOffset? startedAt, JsonElement? arguments, TimeSpan? duration, CancellationToken cancellationToken)
        {
            var omitted = outcome.Omitted;
            var kept = outcome.Result is { } result ? _capture.Result(outcome.Action, result, out omitted) : null;
            return replayer._store.WriteExecutionStepAsync(
                _id,
                new ExecutionStep
                {
                    Ordinal = index,
                    StepId = outcome.StepId,
                    Action = outcome.Action,
                    Status = outcome.Status,
                    Arguments = arguments,
                    Result = kept,
                    Omitted = omitted,
                    Match = outcome.Match,
                    Failure = _capture.Failure(outcome.Failure),
                    StartedAt = startedAt,
                    Duration = duration,
                },
                cancellationToken);
        }

        private JsonElement CaptureInputs()
        {
            foreach (var name in secretInputs.Where(inputs.ContainsKey))
            {
                _capture.AddSecret(inputs[name]);
            }

            return _capture.Arguments("", Masked(inputs.Select(i => (i.Key, i.Value)), secretInputs.Contains), out _);
        }

        /// <summary>The arguments for the log: those made from a secret input are not written, however short the secret or harmless the argument's name.</summary>
        private JsonElement CaptureArguments(ProcedureStep step, JsonElement arguments)
        {
            var masked = secretInputs.Count == 0
                ? arguments
                : Masked(arguments.EnumerateObject().Select(a => (a.Name, a.Value)), name => IsMadeOfSecret(step, name));
            return _capture.Arguments(step.Action, masked, out _);
        }

        private bool IsMadeOfSecret(ProcedureStep step, string argument) =>
            step.Arguments.TryGetProperty(argument, out var template) && ValueExpression.References(template).OfType<InputReference>().Any(r => secretInputs.Contains(r.Name));

        private static JsonElement Masked(IEnumerable<(string Name, JsonElement Value)> values, Func<string, bool> isSecret) => Json.Build(writer =>
        {
            writer.WriteStartObject();
            foreach (var (name, value) in values)
            {
                writer.WritePropertyName(name);
                if (isSecret(name))
                {
                    writer.WriteStringValue(SecretRedactor.Marker);
                }
                else
                {
                    value.WriteTo(writer);
                }
            }

            writer.WriteEndObject();
        });

        private AdaptedParameters Adapted(ProcedureStep step) => request.Adapted(step, inside: parent is not null);

        private int Count(StepStatus status) => _outcomes.Count(o => o.Status == status);

        private string Left(StepStatus status, string word) => Count(status) is > 0 and var count ? Invariant($", {count} {word}") : "";

        private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }
}
