using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>Says of a call that came back whether its outcome is as expected: by comparing, by the host's rule for errors, or by a judge of the host.</summary>
/// <param name="options">The host's rule for errors, and its judges.</param>
/// <param name="logger">Where it logs.</param>
/// <param name="registered">Gives judges from elsewhere; those of the options go before them. It is asked when the first judge is needed: a judge may need a kernel that needs the memory.</param>
internal sealed class OutcomeJudging(ProceduralMemoryOptions options, ILogger logger, Func<IEnumerable<IOutcomeJudge>>? registered = null)
{
    private readonly Dictionary<string, IOutcomeJudge> _own = ByName(options.OutcomeJudges);
    private readonly Lazy<Dictionary<string, IOutcomeJudge>> _registered = new(() => ByName(registered?.Invoke() ?? []), LazyThreadSafetyMode.PublicationOnly);

    /// <summary>The outcome of a step, with its match, its differences, and its failure where it has one. A judge cannot make it throw, nor can the caller who cancels the replay: the call was made.</summary>
    /// <param name="step">The step.</param>
    /// <param name="arguments">What it was called with, without secrets.</param>
    /// <param name="outcome">A success, with the result.</param>
    /// <param name="capture">Takes secrets out of what is told.</param>
    /// <param name="cancellationToken">Cancels the wait for a judge.</param>
    public async Task<StepOutcome> JudgeAsync(ProcedureStep step, JsonElement arguments, StepOutcome outcome, ValueCapture capture, CancellationToken cancellationToken)
    {
        var text = new DifferenceText(capture, options.Redactor, step.Action);
        var (said, fault) = step.Kind is StepKind.Function && outcome.Result is { } returned ? ErrorOf(step, returned) : default;
        if (fault is not null)
        {
            return outcome with { Match = OutcomeMatch.CannotTell, Differences = text.Of([fault], outcome.Result) };
        }

        if (said is not null)
        {
            outcome = outcome with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.ErrorResult, $"The function returned an error: {said}") };
            return step.Expectation is { Kind: ExpectationKind.NoError, At: null or "" }
                ? outcome with { Match = OutcomeMatch.Differs, Differences = text.Of([LooksLikeError("", said)], outcome.Result) }
                : outcome;
        }

        if (step.Expectation is not { } expectation)
        {
            return outcome;
        }

        var comparison = expectation.Kind switch
        {
            ExpectationKind.NoError => NoError(step, expectation, outcome.Result),
            ExpectationKind.Custom => await AskAsync(step, expectation, arguments, outcome.Result, capture, cancellationToken).ConfigureAwait(false),
            _ => OutcomeComparer.Compare(expectation, outcome.Result),
        };
        outcome = outcome with { Match = comparison.Match, Differences = text.Of(comparison.Differences, outcome.Result) };
        return comparison.Match is OutcomeMatch.Differs && expectation.Strength is not ExpectationStrength.Observed
            ? outcome with { Status = StepStatus.Failed, Failure = new StepFailure(FailureTypes.UnexpectedOutcome, $"The outcome is not as expected: {string.Join("; ", outcome.Differences)}.") }
            : outcome;
    }

    private OutcomeComparison NoError(ProcedureStep step, Expectation expectation, JsonElement? result)
    {
        if (OutcomeComparer.Find(expectation, result, out var part) is { } answer)
        {
            return answer;
        }

        var (said, fault) = ErrorOf(step, part);
        return fault is not null ? OutcomeComparison.CannotTell(fault.Says!)
            : said is not null ? OutcomeComparison.Of([LooksLikeError(expectation.At ?? "", said)])
            : OutcomeComparison.Matched;
    }

    /// <summary>What the host's rule says of a result; or, since the rule is the host's and the call was made, that it failed.</summary>
    private (string? Said, OutcomeDifference? Fault) ErrorOf(ProcedureStep step, JsonElement result)
    {
        try
        {
            return (options.ErrorOf(step.Action, result), null);
        }
        catch (Exception exception)
        {
            Log.ErrorRuleFailed(logger, step.Id, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return (null, new OutcomeDifference { Pointer = "", Says = $"could not be looked at for errors: {nameof(ProceduralMemoryOptions.ErrorOf)} failed with {exception.GetType().Name}" });
        }
    }

    private static OutcomeDifference LooksLikeError(string pointer, string said) => new() { Pointer = pointer, Says = $"looks like an error: {said}" };

    private async Task<OutcomeComparison> AskAsync(
        ProcedureStep step, Expectation expectation, JsonElement arguments, JsonElement? result, ValueCapture capture, CancellationToken cancellationToken)
    {
        if (OutcomeComparer.Find(expectation, result, out _) is { } answer)
        {
            return answer;
        }

        var name = expectation.Judge ?? "";
        if (capture.Result(step.Action, result!.Value, out var omitted) is not { } shown)
        {
            return OutcomeComparison.CannotTell($"the judge '{name}' was not asked: {omitted}");
        }

        if (!JsonPointer.TryResolve(shown, expectation.At ?? "", out var part) || RedactionMarker.Is(part))
        {
            return OutcomeComparison.CannotTell($"the judge '{name}' was not asked: {(string.IsNullOrEmpty(expectation.At) ? "the result" : expectation.At)} is secret");
        }

        var question = new OutcomeQuestion { StepId = step.Id, Action = step.Action, Arguments = arguments, Result = part, Expectation = expectation };
        try
        {
            if (!_own.TryGetValue(name, out var judge) && !_registered.Value.TryGetValue(name, out judge))
            {
                return OutcomeComparison.CannotTell($"this host has no judge '{name}'. Add it to {nameof(ProceduralMemoryOptions.OutcomeJudges)}, or register it as a service");
            }

            if (await AnswerAsync(judge, question, cancellationToken).ConfigureAwait(false) is { } said)
            {
                return said;
            }

            Log.JudgeTooSlow(logger, name, step.Id, options.OutcomeJudgeTimeout);
            return OutcomeComparison.CannotTell(string.Create(
                CultureInfo.InvariantCulture, $"the judge '{name}' did not answer within {options.OutcomeJudgeTimeout.TotalSeconds} s ({nameof(ProceduralMemoryOptions.OutcomeJudgeTimeout)})"));
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            return OutcomeComparison.CannotTell($"the replay was cancelled before the judge '{name}' answered");
        }
        catch (Exception exception)
        {
            Log.JudgeFailed(logger, name, step.Id, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return OutcomeComparison.CannotTell($"the judge '{name}' failed with {exception.GetType().Name}");
        }
    }

    private static OutcomeComparison Said(Expectation expectation, OutcomeJudgement? judgement)
    {
        var reason = string.IsNullOrWhiteSpace(judgement?.Reason) ? "" : $": {judgement.Reason.Trim()}";
        return judgement?.Match switch
        {
            OutcomeMatch.Matched => OutcomeComparison.Matched,
            OutcomeMatch.Differs => OutcomeComparison.Of([new OutcomeDifference { Pointer = expectation.At ?? "", Says = $"is not as expected by the judge '{expectation.Judge}'{reason}" }]),
            _ => OutcomeComparison.CannotTell($"the judge '{expectation.Judge}' cannot tell{reason}"),
        };
    }

    /// <summary>What the judge says; <see langword="null"/> where it took too long.</summary>
    private async Task<OutcomeComparison?> AnswerAsync(IOutcomeJudge judge, OutcomeQuestion question, CancellationToken cancellationToken)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var token = source.Token;

        // Elsewhere, since a judge may as well block.
        var asked = Task.Run(() => judge.JudgeAsync(question, token), CancellationToken.None);
        try
        {
            return Said(question.Expectation, await asked.WaitAsync(options.OutcomeJudgeTimeout, options.TimeProvider, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception exception) when (!asked.IsCompleted)
        {
            // Nobody waits for it any more, nor looks at how it ends.
            _ = asked.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            await source.CancelAsync().ConfigureAwait(false);
            if (exception is TimeoutException)
            {
                return null;
            }

            throw;
        }
    }

    private static Dictionary<string, IOutcomeJudge> ByName(IEnumerable<IOutcomeJudge> all)
    {
        var judges = new Dictionary<string, IOutcomeJudge>(StringComparer.OrdinalIgnoreCase);

        // Of services of one name the last counts, as it does everywhere.
        foreach (var judge in all.Where(j => !string.IsNullOrWhiteSpace(j.Name)))
        {
            judges[judge.Name] = judge;
        }

        return judges;
    }
}
