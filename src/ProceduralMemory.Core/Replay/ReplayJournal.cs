using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Writes down one run: that it begins, each step before and after its call, and how it ended. Secrets are taken out here.</summary>
internal sealed class ReplayJournal(ReplayContext context, Procedure procedure, RunFrame frame)
{
    private readonly ValueCapture _capture = context.Capture;

    /// <summary>The execution.</summary>
    public Guid Id { get; } = Guid.CreateVersion7(context.Time.GetUtcNow());

    public Task BeginAsync(CancellationToken cancellationToken)
    {
        // First, since it learns which values are secret: the request may name them.
        var inputs = CaptureInputs();
        return context.Store.BeginExecutionAsync(
            new Execution
            {
                Id = Id,
                Scope = context.WriteScope,
                ProcedureId = procedure.Id,
                ProcedureName = procedure.Name,
                Version = procedure.Version.Number,
                ParentId = frame.Parent?.Id,
                ParentStep = frame.Parent?.StepId,
                Outcome = ReplayOutcome.Running,
                Request = context.Request.Request is { } request ? _capture.Text(request) : null,
                Inputs = inputs,
                StartedAt = context.Time.GetUtcNow(),
            },
            cancellationToken);
    }

    public Task WriteStepAsync(int ordinal, StepOutcome outcome, DateTimeOffset? startedAt, JsonElement? arguments, TimeSpan? duration, CancellationToken cancellationToken)
    {
        var omitted = outcome.Omitted;
        var kept = outcome.Result is { } result ? _capture.Result(outcome.Action, result, out omitted) : null;
        return context.Store.WriteExecutionStepAsync(
            Id,
            new ExecutionStep
            {
                Ordinal = ordinal,
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

    /// <summary>Writes down how it ended. The loops of a procedure are counted with the procedure.</summary>
    public Task EndAsync(ReplayOutcome outcome, string message, TimeSpan duration, ExecutionVerdict? verdict, IReadOnlyList<StepOutcome> steps) => context.Store.EndExecutionAsync(
        new EndedExecution(
            Id,
            procedure.Id,
            procedure.Version.Number,
            outcome,
            _capture.Text(message),
            context.Time.GetUtcNow(),
            duration,
            frame.Around is null ? verdict : null,
            frame.Around is null && verdict is not null ? [.. Ran(steps).Select(o => new CountedStep(o.StepId, o.Status is StepStatus.Failed, o.Duration))] : []),
        CancellationToken.None);

    /// <summary>The arguments for the log: those made from a secret are not written, however short the secret or harmless the argument's name.</summary>
    public JsonElement CaptureArguments(ProcedureStep step, JsonElement arguments)
    {
        var masked = frame.SecretInputs.Count == 0
            ? arguments
            : Masked(arguments.EnumerateObject().Select(a => (a.Name, a.Value)), name => step.Arguments.TryGetProperty(name, out var template) && frame.IsMadeOfSecret(template));
        return _capture.Arguments(step.Action, masked, out _);
    }

    private static IEnumerable<StepOutcome> Ran(IEnumerable<StepOutcome> steps) => steps
        .SelectMany(s => Ran(s.Iterations.SelectMany(i => i.Steps)).Prepend(s))
        .Where(s => s.Status is StepStatus.Success or StepStatus.Failed);

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
