using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation;

/// <summary>The system <c>ours</c>: the library, through its public API and nothing else.</summary>
/// <param name="redact">Whether secrets are taken out, as they are by default.</param>
/// <param name="errorsTeach">Whether calls that returned an error are learned as well: the labels of the dataflow measure ask where their values came from too.</param>
internal sealed class Library(bool redact, bool errorsTeach = false) : IDisposable
{
    public const string Name = "ours";

    private const string Procedure = "task";

    private readonly ProcedureMemory _memory = new(new ProceduralMemoryOptions
    {
        DatabasePath = ":memory:",
        Approval = ApprovalPolicy.Never,
        Redactor = redact ? new SecretRedactor() : new NothingIsSecret(),
        ErrorOf = errorsTeach ? static (_, _) => null : new ProceduralMemoryOptions().ErrorOf,
    });

    /// <summary>A task to learn from.</summary>
    /// <param name="Request">What the user said.</param>
    /// <param name="Steps">What was called.</param>
    /// <param name="Inputs">The inputs that the caller knew by name; <see langword="null"/> where it knew none.</param>
    public sealed record Lesson(string Request, IReadOnlyList<RecordedStep> Steps, JsonElement? Inputs = null);

    /// <summary>What was learned, or why nothing was.</summary>
    public sealed record Learned(ProcedureVersion? Procedure, string? Fault);

    /// <summary>
    /// Records each lesson under one name in a scope of its own, and reads what was learned. An exception of the library does not end the evaluation: it
    /// counts as having learned nothing, so that all that depends on it is wrong.
    /// </summary>
    public async Task<Learned> LearnAsync(string scope, IEnumerable<Lesson> lessons, CancellationToken cancellationToken)
    {
        try
        {
            return new Learned((await RecordAsync(scope, lessons, cancellationToken)).Version, null);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new Learned(null, $"learning threw {exception.GetType().Name}: {exception.Message}");
        }
    }

    /// <summary>Replays what was learned in a scope on a tape.</summary>
    public async Task<ReplayResult> ReplayAsync(string scope, IReadOnlyDictionary<string, JsonElement> inputs, TapeStepExecutor tape, CancellationToken cancellationToken)
    {
        using var session = _memory.BeginSession(new MemoryScope(scope));
        // The one place of a replay's settings.
        return await _memory.ReplayAsync(tape, Procedure, new ReplayRequest { Inputs = inputs, ConfirmConstants = true }, cancellationToken);
    }

    public void Dispose() => _memory.Dispose();

    private async Task<Procedure> RecordAsync(string scope, IEnumerable<Lesson> lessons, CancellationToken cancellationToken)
    {
        using var session = _memory.BeginSession(new MemoryScope(scope));
        foreach (var lesson in lessons)
        {
            var recorder = await _memory.StartRecordingAsync(DetailsOf(lesson), cancellationToken: cancellationToken);
            foreach (var step in lesson.Steps)
            {
                await recorder.RecordStepAsync(
                    new TraceStep
                    {
                        Action = step.Function,
                        Arguments = step.Arguments,
                        Result = step.Result.ValueKind is JsonValueKind.Null ? null : step.Result,
                        Effect = step.Mutates switch { true => StepEffect.Write, false => StepEffect.Read, null => StepEffect.Unknown },
                    },
                    cancellationToken);
            }

            await recorder.FinalizeAsync(cancellationToken: cancellationToken);
        }

        return await _memory.GetAsync(Procedure, cancellationToken: cancellationToken);
    }

    /// <summary>The one place of a recording's settings.</summary>
    private static RecordingDetails DetailsOf(Lesson lesson) => new()
    {
        Name = Procedure,
        Request = lesson.Request,
        Inputs = lesson.Inputs?.EnumerateObject().ToDictionary(i => i.Name, i => i.Value, StringComparer.Ordinal) ?? [],
    };

    /// <summary>The data are public and hold no real secrets; with redaction a token could not be followed from a result to an argument.</summary>
    internal sealed class NothingIsSecret : IRedactor
    {
        public bool IsSecret(string action, string name) => false;

        public string Redact(string text) => text;
    }
}
