using System.Runtime.ExceptionServices;
using System.Text.Json;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace ProceduralMemory.Replay;

internal sealed partial class ReplayRun
{
    /// <summary>Calls a step that is written down as begun. Of a call that is cancelled it tells as well: what is known of it is to be written down.</summary>
    private async Task<EndedStep> RunStepAsync(int index, CancellationToken cancellationToken)
    {
        var (step, start) = (_steps[index], _starts[index]!);
        var timestamp = _context.Time.GetTimestamp();
        var outcome = _outcomes[index];
        using var activity = ReplayTelemetry.StartStep(step, _journal.Id, _frame.Path);
        if (_context.Options.ContentInTelemetry)
        {
            ReplayTelemetry.AddContent(activity, "gen_ai.tool.call.arguments", start.Journalled);
        }

        try
        {
            StepCallResult result;
            IReadOnlyList<ReplayResult> inside = [];
            switch (step.Kind)
            {
                case StepKind.Loop:
                    (result, var iterations) = await LoopAsync(step, start, cancellationToken).ConfigureAwait(false);
                    inside = iterations;
                    outcome = outcome with { Iterations = iterations };
                    break;
                case StepKind.Procedure:
                    (result, var nested) = await ReplayInsideAsync(step, _plan.Nested[step.Id], start.Arguments!.Value, cancellationToken).ConfigureAwait(false);
                    inside = nested is null ? [] : [nested];
                    outcome = outcome with { Nested = nested };
                    break;
                default:
                    (result, var attempts) = await CallFunctionAsync(index, cancellationToken).ConfigureAwait(false);
                    outcome = outcome with { Attempts = attempts };
                    break;
            }

            outcome = await JudgeAsync(step, start, result, outcome with { Duration = _context.Time.GetElapsedTime(timestamp) }, cancellationToken).ConfigureAwait(false);
            if (_context.Options.ContentInTelemetry)
            {
                ReplayTelemetry.AddContent(activity, "gen_ai.tool.call.result", _journal.CaptureResult(outcome).Result);
            }

            ReplayTelemetry.EndStep(activity, step, outcome);
            return new EndedStep(index, outcome, result.Refused, result.StopRequested)
            {
                Waits = [.. inside.Where(i => i.Outcome is ReplayOutcome.Waiting).SelectMany(i => i.Problems)],
                Unknown = outcome.Status is StepStatus.Unknown ? [UnknownOutcome(step)] : [.. inside.Where(i => i.Outcome is ReplayOutcome.Failed).SelectMany(i => i.Problems)],
            };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            var cancelled = outcome with
            {
                Status = StepStatus.Unknown,
                Failure = new StepFailure(FailureTypes.OutcomeUnknown, "The replay was cancelled in the middle of the call: whether it had its effect is not known."),
                Duration = _context.Time.GetElapsedTime(timestamp),
            };
            ReplayTelemetry.EndStep(activity, step, cancelled);
            return new EndedStep(index, cancelled, Refused: false, StopRequested: false);
        }
    }

    private async Task<(StepCallResult Result, int Attempts)> CallFunctionAsync(int index, CancellationToken cancellationToken)
    {
        var (step, start) = (_steps[index], _starts[index]!);
        var attempts = _outcomes[index].Attempts;
        if (Json.LengthOf(start.Arguments!.Value) > _context.Options.MaxReplayResultBytes)
        {
            return (new StepCallResult { Failure = new StepFailure(FailureTypes.ArgumentsTooLarge, Invariant($"The arguments have more than {nameof(_context.Options.MaxReplayResultBytes)} ({_context.Options.MaxReplayResultBytes}) bytes. Bind a part of the value.")) }, attempts);
        }

        if (start.Policy is { Retry: null, Timeout: null })
        {
            return (await CallOnceAsync(index, attempts, cancellationToken).ConfigureAwait(false), attempts);
        }

        var first = attempts;
        StepCallResult? last = null;
        try
        {
            last = await PipelineOf(step, start).ExecuteAsync(CallAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && last is not null)
        {
            // Cancelled between two calls: how the earlier one ended is known.
        }

        return (last!, attempts - 1);

        async ValueTask<StepCallResult> CallAsync(CancellationToken token)
        {
            if (attempts > first)
            {
                // Each call is written down before it is made.
                await _journal.WriteAsync([Journalled(index) with { Outcome = _outcomes[index] with { Attempts = attempts } }], cancellationToken).ConfigureAwait(false);
            }

            attempts++;
            last = null;
            return last = await CallInTimeAsync(index, attempts - 1, token, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes a call within the time that its step allows. A function that does not heed its token is left behind: what becomes of it is not known.</summary>
    private async ValueTask<StepCallResult> CallInTimeAsync(int index, int attempt, CancellationToken inTime, CancellationToken cancellationToken)
    {
        if (_starts[index]!.Policy.Timeout is not { } timeout)
        {
            return await CallOnceAsync(index, attempt, cancellationToken).ConfigureAwait(false);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(inTime);
        using var timer = _context.Time.CreateTimer(static l => ((CancellationTokenSource)l!).Cancel(), limit, timeout, System.Threading.Timeout.InfiniteTimeSpan);
        try
        {
            return await CallOnceAsync(index, attempt, limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new StepCallResult { Failure = new StepFailure(FailureTypes.Timeout, Invariant($"The call took longer than the {timeout.TotalSeconds:0.###} s that the step allows.")), MayPass = true, IsOutcomeUnknown = true };
        }
    }

    private async Task<StepCallResult> CallOnceAsync(int index, int attempt, CancellationToken cancellationToken)
    {
        var step = _steps[index];
        var call = new StepCall(_journal.Id, step.Id, step.Action, _starts[index]!.Arguments!.Value, _outcomes[index].Effect);
        StepCallResult result;
        ReplayCall.Current = new ReplayCall(_journal.Id, step.Id, _outcomes[index].IdempotencyKey!, attempt);
        try
        {
            result = await _context.Executor.ExecuteAsync(call, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is not ExecutionLostException)
        {
            result = StepCallResult.Of(exception);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or ExecutionLostException))
        {
            throw new OperationCanceledException("The replay was cancelled in the middle of a call.", exception, cancellationToken);
        }

        if (result is { Failure: not null, Refused: false })
        {
            // A call that is cancelled may say so in any way: a broken connection, a timeout. Whether it had its effect is not known then.
            cancellationToken.ThrowIfCancellationRequested();
        }

        return result;
    }

    private ResiliencePipeline<StepCallResult> PipelineOf(ProcedureStep step, StepStart start)
    {
        var builder = new ResiliencePipelineBuilder<StepCallResult> { TimeProvider = _context.Time };
        if (start.Policy.Retry is { } retry)
        {
            var repeatable = IsRepeatable(step, start.Function);
            builder.AddRetry(new RetryStrategyOptions<StepCallResult>
            {
                MaxRetryAttempts = retry.MaxRetries,
                Delay = retry.Delay,
                MaxDelay = retry.MaxDelay,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Result is { MayPass: true, Refused: false, StopRequested: false } result && (repeatable || !result.IsOutcomeUnknown)),
            });
        }

        return builder.Build();
    }

    /// <summary>Whether a call of which it is not known what became may be made again: it only reads, does no harm when repeated, or its function knows the key.</summary>
    private bool IsRepeatable(ProcedureStep step, FunctionDescription? function) =>
        EffectOf(step) is StepEffect.Read or StepEffect.IdempotentWrite || function is { IdempotencyKeyParameter: not null } or { UsesAmbientIdempotencyKey: true };

    private ReplayProblem UnknownOutcome(ProcedureStep step) => new(
        ReplayProblemCodes.OutcomeUnknown,
        _frame.Path + step.Id,
        $"Whether step '{_frame.Path}{step.Id}' ({step.Action}) had its effect is not known. Look before anything of it is done again. If it had, resume with its result; if not, the host can have it repeated.");

    private async Task<(StepCallResult Result, IReadOnlyList<ReplayResult> Iterations)> LoopAsync(ProcedureStep step, StepStart start, CancellationToken cancellationToken)
    {
        var iterations = new List<ReplayResult>();
        StepFailure? failure = null;
        StepFailure? stopped = null;
        var stop = false;
        var anew = IsReadAnew(step, start.Elements);
        foreach (var element in start.Elements)
        {
            var inner = _frame.ForElement(step, iterations.Count, element, _resolver, _journal.Id);
            inner = inner with { ElementSettings = ReplaySettings.OfElement(inner.IsItemSecret ? null : _journal.Fingerprint(ListAction(step), element), start.Elements.Count) };
            var run = new ReplayRun(_context, _plan, inner, anew ? null : _context.Past?.Of(inner.Parent!.Value));
            var iteration = await run.ExecuteAsync(cancellationToken).ConfigureAwait(false);
            iterations.Add(iteration);
            stop |= run.StopRequested;
            if (iteration.Outcome is not ReplayOutcome.Completed)
            {
                failure ??= new StepFailure(FailureTypes.Loop, Invariant($"At element {iterations.Count} of {start.Elements.Count}: {iteration.Message}"));
                if (iteration.Outcome is ReplayOutcome.Refused or ReplayOutcome.Waiting || stop || (!_request.ContinueOnFailure && start.Policy.OnFailure is FailurePolicy.Stop))
                {
                    break;
                }
            }

            if (stop && iterations.Count < start.Elements.Count)
            {
                stopped = new StepFailure(FailureTypes.Refused, Invariant($"After element {iterations.Count} of {start.Elements.Count}: a filter of the host asked to end the turn there."));
                break;
            }
        }

        var results = Json.Build(writer =>
        {
            writer.WriteStartArray();
            iterations.ForEach(i => i.Result.WriteTo(writer));
            writer.WriteEndArray();
        });
        return (new StepCallResult { Result = results, Failure = failure ?? stopped, Refused = stopped is not null || iterations is [.., { Outcome: ReplayOutcome.Refused }], StopRequested = stop }, iterations);
    }

    private async Task<(StepCallResult Result, ReplayResult? Nested)> ReplayInsideAsync(ProcedureStep step, ReplayPlan inner, JsonElement arguments, CancellationToken cancellationToken)
    {
        var problems = new List<ReplayProblem>();
        var given = arguments.EnumerateObject().ToDictionary(a => a.Name, a => a.Value, StringComparer.Ordinal);
        var bound = InputBinder.Bind(inner.Procedure.Name, inner.Procedure.Version.Inputs, given, _context.Options, _request.ConfirmConstants || inner.ConfirmsConstants, problems, inside: true);
        if (problems.Count > 0)
        {
            return (new StepCallResult { Failure = new StepFailure(FailureTypes.NestedProcedure, string.Join(" ", problems.Select(p => p.Message))) }, null);
        }

        var inside = RunFrame.Of(inner.Procedure.Version, bound, given) with { Parent = (_journal.Id, step.Id, 0), Path = $"{_frame.Path}{step.Id}/", IsInside = true };
        inside.SecretInputs.UnionWith(bound.Keys.Where(name => step.Arguments.TryGetProperty(name, out var template) && _frame.IsMadeOfSecret(template)));
        try
        {
            return await ReplayNestedAsync(
                new ReplayRun(_context, inner, inside, IsReadAnew(step, []) ? null : _context.Past?.Of(inside.Parent.Value)),
                new StepCall(_journal.Id, step.Id, inner.Procedure.Name, arguments, EffectOf(step)),
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is not (ProcedureStoreException or ExecutionLostException))
        {
            // A gate of the host threw.
            return (new StepCallResult { Failure = new StepFailure(exception.GetType().Name, exception.Message) }, null);
        }
    }

    private async Task<(StepCallResult Result, ReplayResult? Nested)> ReplayNestedAsync(ReplayRun run, StepCall call, CancellationToken cancellationToken)
    {
        ReplayResult? nested = null;
        ExceptionDispatchInfo? journalFault = null;
        Task<StepCallResult>? first = null;
        try
        {
            // A gate that goes on twice gets what the first time gave: nothing is done twice.
            var called = await _context.Executor.ReplayNestedAsync(call, token => first ??= ReplayOnceAsync(token), cancellationToken).ConfigureAwait(false);
            return (called, nested);
        }
        finally
        {
            // Whatever a gate made of it: what cannot be written down must not go on.
            journalFault?.Throw();
        }

        async Task<StepCallResult> ReplayOnceAsync(CancellationToken token)
        {
            try
            {
                nested = await run.ExecuteAsync(token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is ProcedureStoreException or ExecutionLostException)
            {
                journalFault = ExceptionDispatchInfo.Capture(exception);
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

    private async Task<StepOutcome> JudgeAsync(ProcedureStep step, StepStart start, StepCallResult called, StepOutcome outcome, CancellationToken cancellationToken)
    {
        if (called.Result is { ValueKind: JsonValueKind.Undefined })
        {
            called = called with { Result = null };
        }

        if (called.Result is { } result && Json.LengthOf(result) is var length && length > _context.Options.MaxReplayResultBytes)
        {
            called = called with { Result = null, Failure = called.Failure ?? new StepFailure(FailureTypes.TooLarge, Invariant($"The result has {length} bytes; {nameof(_context.Options.MaxReplayResultBytes)} allows {_context.Options.MaxReplayResultBytes}. The call was made.")) };
            outcome = outcome with { Omitted = Invariant($"result: {length} bytes") };
        }
        else if (called.Result is { } returned && Json.Fault(returned, Json.MaxDepth - 8) is not null)
        {
            // The call was made and may well have succeeded, but what it gave can be neither compared nor passed on.
            called = called with { Result = null };
            outcome = outcome with { Omitted = "result: it nests too deep, or holds text that is not valid UTF-16" };
        }

        if (called.Failure is { } failure || called.Refused)
        {
            var isUnknown = called is { IsOutcomeUnknown: true, Refused: false } && EffectOf(step) is not StepEffect.Read;
            return outcome with
            {
                Status = isUnknown ? StepStatus.Unknown : StepStatus.Failed,
                Result = called.Result,
                Failure = called.Failure ?? new StepFailure(FailureTypes.Refused, "A filter of the host did not let the call through."),
            };
        }

        return await _context.Judging.JudgeAsync(step, start.Journalled!.Value, outcome with { Status = StepStatus.Success, Result = called.Result }, _context.Capture, cancellationToken).ConfigureAwait(false);
    }
}
