using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Puts into a model's words what the memory says.</summary>
internal static class Replies
{
    // A result is shown to the model so that it can answer; a longer one would cost more than the step that it saves.
    private const int MaxShownResultBytes = 4096;

    // What is said of stored procedures is their own word, and bounded.
    private const int MaxDescriptionLength = 300;
    private const int MaxInputDescriptionLength = 200;
    private const int MaxActionLength = 128;
    private const int MaxShownSteps = 40;
    private const int MaxShownInputs = 64;

    public static ReplayReply Planned(ReplayPreview preview) => new()
    {
        Status = ReplyStatus.Planned,
        Message = "Nothing was called; this is what would be done.",
        Next = $"{MemoryFunctions.Replay} without dryRun, if it is what the user wants.",
        Plan = preview.ToText(),
    };

    /// <summary>Says how a replay went.</summary>
    /// <param name="procedure">The procedure.</param>
    /// <param name="result">How it went.</param>
    /// <param name="fillsSecrets">Whether the host fills in secrets, so that nobody else is asked for them.</param>
    /// <param name="options">What takes secrets out of a replay that has met none.</param>
    public static ReplayReply Of(Procedure procedure, ReplayResult result, bool fillsSecrets, ProceduralMemoryOptions options)
    {
        // A function may repeat what it was given, and the model is not to know what only the host does.
        var capture = result.Capture ?? new ValueCapture(options);
        // What only the host can give is not asked of a model, which would ask the user for it.
        var isHosts = result.Problems.Any(p => p.Code == ReplayProblemCodes.SecretUnavailable || (fillsSecrets && p.Code == ReplayProblemCodes.MissingInput && procedure.Version.Inputs.Any(i => i.Name == p.InputName && i.Secret)));
        var isNotTaken = result.Problems.Any(p => p.Code == ReplayProblemCodes.SecretNotTaken);
        var missing = result.Problems.Count > 0 && result.Problems.All(p => p.InputName is not null) && !isHosts && !isNotTaken;
        var resumable = result.Problems.Any(p => p.Code == ReplayProblemCodes.NotResumable);
        var undo = result.Undo is null ? "" : $" To undo what is done: {MemoryFunctions.Replay} of '{result.Undo}', if the user wants that.";
        var (status, next) = result.Outcome switch
        {
            ReplayOutcome.Completed when result.Verdict is ExecutionVerdict.Unknown => (ReplyStatus.Completed, "All steps are done, but not every outcome could be checked: see the notes. Check those yourself if you can, and tell the user."),
            ReplayOutcome.Completed => (ReplyStatus.Completed, "Answer the user from the results."),
            ReplayOutcome.Failed when result.Problems.Count > 0 => (ReplyStatus.Failed, $"Look with other functions whether the step with status unknown was done, before anything of it is done again. If it was, {MemoryFunctions.Resume} with its result in results; if not, tell the user: only the host can have it repeated.{undo}"),
            ReplayOutcome.Failed => (ReplyStatus.Failed, $"Steps with status success are done and must not be repeated. Mend the cause and call {MemoryFunctions.Resume}, which calls the failed step again; or do that step yourself and call {MemoryFunctions.Resume} with its result in results; or tell the user.{undo}"),
            ReplayOutcome.Cancelled => (ReplyStatus.Cancelled, $"Steps with status success are done and must not be repeated. Look with other functions whether a step with status unknown was done: if it was, {MemoryFunctions.Resume} with its result in results; if not, tell the user. Else {MemoryFunctions.Resume} goes on with what is left.{undo}"),
            _ when AwaitsApproval(result) => (ReplyStatus.ApprovalPending, $"Tell the user what waits for approval. Only a person can give it, outside of this conversation: you cannot, and do not try to get around it.{(result.CanResume ? $" When it is given, {MemoryFunctions.Resume}." : "")}"),
            _ when isHosts => (ReplyStatus.Refused, "Tell the user what the host lacks. Ask nobody for the value: it is not given in a conversation."),
            _ when isNotTaken => (ReplyStatus.Invalid, $"{(result.ExecutionId is null ? MemoryFunctions.Replay : MemoryFunctions.Resume)} again, without what the host fills in."),
            ReplayOutcome.Waiting => (ReplyStatus.Waiting, $"Find out what the message asks for, and call {MemoryFunctions.Resume} with it; or tell the user.{undo}"),
            _ when missing => (ReplyStatus.MissingInputs, $"{(result.ExecutionId is null ? MemoryFunctions.Replay : MemoryFunctions.Resume)} again, with all inputs; ask the user for what you do not know."),
            _ when result.Problems.Any(p => p.Code == ReplayProblemCodes.ApprovalRejected) => (ReplyStatus.Refused, "Do not try to get around the refusal. Tell the user that the procedure was rejected."),
            _ when result.CanResume && result.Problems.Any(p => p.Code is ReplayProblemCodes.OutcomeUnknown or ReplayProblemCodes.RedactedResult or ReplayProblemCodes.MissingInput) => (ReplyStatus.Waiting, $"Find out what the message asks for, and call {MemoryFunctions.Resume} with it; or tell the user."),
            _ when resumable => (ReplyStatus.Refused, "Do not repeat what was done. Tell the user how it stands."),
            _ when result.ExecutionId is null => (ReplyStatus.Refused, "Do the task with the other functions, or call again as the message says."),
            _ => (ReplyStatus.Refused, $"Do not try to get around the refusal. Tell the user what is done and what was refused.{undo}"),
        };
        return new ReplayReply
        {
            Status = status,
            Message = capture.Text(result.Message),
            Next = next,
            ExecutionId = result.ExecutionId?.ToString("D", CultureInfo.InvariantCulture),
            Missing = missing ? Inputs(procedure.Version.Inputs.Where(i => result.Problems.Any(p => p.InputName == i.Name))) : null,
            Steps = result.ExecutionId is null || resumable ? null : [.. result.Steps.Select(s => Step(s, capture, procedure.Version.Steps.Any(p => p.Id == s.StepId && p.Expectation is { Strength: not ExpectationStrength.Observed })))],
            Replay = result,
        };
    }

    /// <summary>Whether it waits for a person: the procedure itself, or a call of it.</summary>
    private static bool AwaitsApproval(ReplayResult result) => result.Problems.Any(p => p.Code == ReplayProblemCodes.ApprovalPending);

    /// <param name="step">How it went.</param>
    /// <param name="capture">What takes secrets out of it.</param>
    /// <param name="mustHold">Whether what is expected of it was more than merely observed.</param>
    private static StepReply Step(StepOutcome step, ValueCapture capture, bool mustHold)
    {
        var size = step.Result is { } result ? System.Text.Encoding.UTF8.GetByteCount(result.GetRawText()) : 0;
        var tooLong = size > MaxShownResultBytes;
        var shown = !tooLong && step.Result is { } whole ? capture.Shown(step.Action, whole) : null;
        var note = step.Failure?.Message
            ?? (step.Match is OutcomeMatch.Differs ? $"not as usual: {string.Join("; ", step.Differences)}" : null)
            ?? (mustHold && step.Match is OutcomeMatch.CannotTell ? $"could not be checked: {string.Join("; ", step.Differences)}" : null)
            ?? (step.Result is not null && shown is null ? string.Create(CultureInfo.InvariantCulture, $"the result has {size} bytes and is not shown; later steps had all of it") : null);
        return new StepReply
        {
            Id = step.StepId,
            Action = step.Action,
            Status = JsonNamingPolicy.CamelCase.ConvertName(step.Status.ToString()),
            Result = shown,
            Arguments = step.Left is { } left ? capture.ShownArguments(step.Action, left) : null,
            Note = note is null ? null : capture.Text(note),
        };
    }

    public static ProcedureSummary Summary(Procedure procedure, double? score, bool asksForConstants = true, bool fillsSecrets = false)
    {
        var statistics = procedure.Version.Statistics;
        return new ProcedureSummary
        {
            Name = procedure.Name,
            Description = procedure.Description.Length == 0 ? null : ModelText.Line(procedure.Description, MaxDescriptionLength),
            Score = score is { } value ? Math.Round(value, 2) : null,
            Succeeded = string.Create(CultureInfo.InvariantCulture, $"{statistics.Successes} of {statistics.Successes + statistics.Failures}"),
            Inputs = Inputs(procedure.Version.Inputs.Where(i => !(i.Secret && fillsSecrets)), asksForConstants),
            Steps = [.. procedure.Version.Steps.Take(MaxShownSteps).Select(s => ModelText.Line(s.Action, MaxActionLength)), .. procedure.Version.Steps.Count > MaxShownSteps ? [string.Create(CultureInfo.InvariantCulture, $"… {procedure.Version.Steps.Count - MaxShownSteps} more")] : Array.Empty<string>()],
        };
    }

    // Values that were seen are not among it: another task's are nothing to a model, and this one's it knows.
    public static IReadOnlyList<InputSummary> Inputs(IEnumerable<ProcedureInput> inputs, bool asksForConstants = true) => [.. inputs.Take(MaxShownInputs).Select(i => new InputSummary
    {
        Name = i.Name,
        Type = i.Type is JsonType.Any ? "any" : JsonNamingPolicy.CamelCase.ConvertName(i.Type.ToString()),
        Format = LearnedFunctions.ShownFormat(i.Format),
        AllowedValues = LearnedFunctions.ShownValues(i.AllowedValues) is { Count: > 0 } values ? values : null,
        Required = (i.Unconfirmed && asksForConstants) || (i.Required && i.Default is null),
        Description = i.Description is null ? null : ModelText.Line(i.Description, MaxInputDescriptionLength),
    })];

    public static IReadOnlyList<LearnedStep> Steps(IReadOnlyList<ProcedureStep> steps) => [.. steps.Select(s => new LearnedStep
    {
        Id = s.Id,
        Action = s.Action,
        Arguments = s.Kind is StepKind.Loop ? null : s.Arguments,
        ForEach = s.ForEach,
        Steps = s.Steps.Count == 0 ? null : Steps(s.Steps),
        Condition = s.Condition is { } condition ? ProcedureText.Condition(condition) : null,
    })];
}
