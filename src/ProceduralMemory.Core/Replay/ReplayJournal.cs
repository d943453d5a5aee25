using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Writes down one run: that it begins, each step before and after its call, and how it ended. Secrets are taken out here.</summary>
/// <remarks>
/// What has ended is written together with what is begun next, in one commit: nothing is called before the entry that says so is durable, and of what was
/// called nothing is acknowledged before its outcome is.
/// </remarks>
internal sealed class ReplayJournal(ReplayContext context, Procedure procedure, RunFrame frame, Execution? past)
{
    private readonly ValueCapture _capture = context.Capture;
    private Execution? _begun;
    private bool _reopened;

    /// <summary>The execution.</summary>
    public Guid Id { get; } = past?.Id ?? (frame.Parent is null ? context.Claim.RootId : Guid.CreateVersion7(context.Time.GetUtcNow()));

    /// <summary>Begins; it is written with the first entry.</summary>
    public void Begin()
    {
        // First, since it learns which values are secret: the request may name them.
        var inputs = CaptureInputs();
        if (past is not null)
        {
            // The outermost one was reopened when it was claimed.
            _reopened = frame.Parent is not null && past.Outcome is not ReplayOutcome.Completed;
            return;
        }

        _begun = new Execution
        {
            Id = Id,
            Scope = context.WriteScope,
            ProcedureId = procedure.Id,
            ProcedureName = procedure.Name,
            Version = procedure.Version.Number,
            ParentId = frame.Parent?.Id,
            ParentStep = frame.Parent?.StepId,
            ParentIndex = frame.Parent?.Index ?? 0,
            RootId = context.Claim.RootId,
            Owner = frame.Parent is null ? ReplayOwner.Current : null,
            LeaseUntil = frame.Parent is null ? context.NextLease() : null,
            Settings = frame.Parent is null ? ReplaySettings.Capture(context.Request, procedure.Version, _capture) : frame.ElementSettings,
            Outcome = ReplayOutcome.Running,
            Request = context.Request.Request is { } request ? _capture.Text(request) : null,
            Inputs = inputs,
            StartedAt = context.Time.GetUtcNow(),
        };
    }

    /// <summary>Writes down steps.</summary>
    public Task WriteAsync(IReadOnlyList<JournalledStep> steps, CancellationToken cancellationToken) => WriteAsync(steps, ended: null, cancellationToken);

    /// <summary>Writes down how it ended. The loops of a procedure are counted with the procedure.</summary>
    public Task EndAsync(IReadOnlyList<JournalledStep> last, ReplayOutcome outcome, string message, TimeSpan duration, ExecutionVerdict? verdict, IReadOnlyList<StepOutcome> steps) => WriteAsync(
        last,
        new EndedExecution(
            Id,
            procedure.Id,
            procedure.Version.Number,
            outcome,
            _capture.Text(message),
            context.Time.GetUtcNow(),
            duration,
            frame.Around is null ? verdict : null,
            frame.Around is null ? [.. All(steps).Select(o => Counted(o, procedure.Version.Steps)).OfType<CountedStep>()] : []),
        CancellationToken.None);

    /// <summary>The arguments for the log: those made from a secret are not written, however short the secret or harmless the argument's name.</summary>
    public JsonElement CaptureArguments(ProcedureStep step, JsonElement arguments)
    {
        var masked = frame.SecretInputs.Count == 0
            ? arguments
            : Masked(arguments.EnumerateObject().Select(a => (a.Name, a.Value)), name => step.Arguments.TryGetProperty(name, out var template) && frame.IsMadeOfSecret(template));
        return _capture.Arguments(step.Action, masked, out _);
    }

    /// <summary>
    /// Tells an element of a list from another one, whether the list comes from the log or was read again; <see langword="null"/> where that would give a secret away.
    /// </summary>
    /// <param name="action">What gave the list.</param>
    /// <param name="element">The element.</param>
    public string? Fingerprint(string action, JsonElement element)
    {
        if (action.Length > 0 && context.Options.Redactor.IsSecret(action, IRedactor.WholeResult))
        {
            return null;
        }

        var wrapped = element.ValueKind is JsonValueKind.Object ? element : Json.Build(writer =>
        {
            writer.WriteStartObject();
            writer.WritePropertyName("element");
            element.WriteTo(writer);
            writer.WriteEndObject();
        });

        // Which secrets are known by their value depends on what was called before, and that may be otherwise when the loop goes on.
        var captured = new ValueCapture(context.Options).Arguments(action, wrapped, out _);
        return _capture.Arguments(action, wrapped, out _).GetRawText() == captured.GetRawText() ? CallApprovals.HashOf(wrapped, captured) : null;
    }

    /// <summary>A result for the log. It is taken as soon as it is there: a secret in it is one in the arguments of the next call.</summary>
    public KeptResult CaptureResult(StepOutcome outcome)
    {
        var omitted = outcome.Omitted;
        var kept = outcome.Result is { } result ? _capture.Result(outcome.Action, result, out omitted) : null;
        return new KeptResult(kept, omitted);
    }

    private async Task WriteAsync(IReadOnlyList<JournalledStep> steps, EndedExecution? ended, CancellationToken cancellationToken)
    {
        var entry = new JournalEntry
        {
            Claim = context.Claim,
            ExecutionId = Id,
            Begun = _begun,
            Reopened = _reopened,
            Steps = [.. steps.Select(Row)],
            Ended = ended,
            LeaseUntil = context.LeaseIfDue(),
        };
        await context.Store.WriteExecutionAsync(entry, cancellationToken).ConfigureAwait(false);
        (_begun, _reopened) = (null, false);
    }

    private ExecutionStep Row(JournalledStep step)
    {
        var outcome = step.Outcome;
        return new ExecutionStep
        {
            Ordinal = step.Ordinal,
            StepId = outcome.StepId,
            Action = outcome.Action,
            Status = outcome.Status,
            Effect = outcome.Effect,
            Attempts = outcome.Attempts,
            IdempotencyKey = outcome.IdempotencyKey,
            Repaired = outcome.Repaired,
            RepairTraceId = outcome.Repaired ? outcome.RepairTraceId : null,
            Arguments = step.Arguments,
            Result = step.Kept?.Result,
            Omitted = step.Kept?.Omitted ?? outcome.Omitted,
            Match = outcome.Match,
            Failure = _capture.Failure(outcome.Failure),
            StartedAt = step.StartedAt,
            Duration = step.StartedAt is null || outcome.Status is StepStatus.Running ? null : outcome.Duration,
        };
    }

    private static IEnumerable<StepOutcome> All(IEnumerable<StepOutcome> steps) => steps.SelectMany(s => All(s.Iterations.SelectMany(i => i.Steps)).Prepend(s));

    /// <summary>What a step's outcome says of it; <see langword="null"/> where it says nothing.</summary>
    private static CountedStep? Counted(StepOutcome outcome, IEnumerable<ProcedureStep> steps) => outcome switch
    {
        { Repaired: true, DoneBefore: true } => null,
        { Repaired: true } => new CountedStep(outcome.StepId, StepVerdict.Repaired, TimeSpan.Zero),
        { Status: StepStatus.Success, Match: OutcomeMatch.CannotTell } when steps.SelectMany(s => s.WithInner()).First(s => s.Id == outcome.StepId).Expectation is { Strength: not ExpectationStrength.Observed } =>
            new CountedStep(outcome.StepId, StepVerdict.Unknown, outcome.Duration),
        { Status: StepStatus.Success } => new CountedStep(outcome.StepId, StepVerdict.Success, outcome.Duration),
        { Status: StepStatus.Failed or StepStatus.Unknown } => new CountedStep(outcome.StepId, StepVerdict.Failure, outcome.Duration, outcome.Failure?.ErrorType),
        { Status: StepStatus.Skipped } => new CountedStep(outcome.StepId, StepVerdict.Skipped, TimeSpan.Zero),
        _ => null,
    };

    private JsonElement CaptureInputs()
    {
        foreach (var name in frame.SecretInputs.Where(frame.Inputs.ContainsKey))
        {
            _capture.AddSecret(frame.Inputs[name]);
        }

        return _capture.Arguments("", Masked(frame.Inputs.Select(i => (i.Key, i.Value)), frame.SecretInputs.Contains), out _);
    }

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
}

/// <summary>A step as it is to be written down.</summary>
/// <param name="Ordinal">Its place.</param>
/// <param name="Outcome">How far it got.</param>
/// <param name="StartedAt">When it began; <see langword="null"/> when it was not called.</param>
/// <param name="Arguments">What it was called with, secrets taken out.</param>
/// <param name="Kept">What it returned, secrets taken out; <see langword="null"/> while it has not ended.</param>
internal readonly record struct JournalledStep(int Ordinal, StepOutcome Outcome, DateTimeOffset? StartedAt, JsonElement? Arguments, KeptResult? Kept);

/// <summary>What is kept of a result.</summary>
/// <param name="Result">The result, secrets taken out.</param>
/// <param name="Omitted">Why it is not kept, or <see langword="null"/>.</param>
internal sealed record KeptResult(JsonElement? Result, string? Omitted);
