using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Whether a call may be made.</summary>
/// <param name="State">Approved, also where nobody has to be asked; pending; or rejected.</param>
/// <param name="Failure">Why the call is not made; <see langword="null"/> when it is.</param>
internal sealed record CallPermission(ApprovalState State, StepFailure? Failure = null)
{
    public static readonly CallPermission Granted = new(ApprovalState.Approved);

    public bool IsGranted => State is ApprovalState.Approved;
}

/// <summary>
/// Sees to it that a call that needs it is not made before a person approved it: this step of this execution with these arguments, once, and before the approval
/// expires.
/// </summary>
internal sealed class CallApprovals(
    IProcedureStore store, ProceduralMemoryOptions options, IReplayApprover? approver, IStepExecutor executor, string writeScope, string? userRequest, ValueCapture capture, ILogger logger)
{
    /// <summary>Whether a step calls a function of which every call needs an approval.</summary>
    public bool IsNeeded(Procedure procedure, ProcedureStep step) =>
        step.Kind is StepKind.Function && ReviewedVersion.PolicyOf(step, procedure.Version, options, executor) is ApprovalPolicy.Always;

    /// <summary>Asked just before a call for which <see cref="IsNeeded"/>. An approval that lets the call through is used up, whether the call is made then or not.</summary>
    /// <param name="executionId">The execution; it is written down already.</param>
    /// <param name="procedure">The procedure that the step is of.</param>
    /// <param name="step">The step, which calls a function.</param>
    /// <param name="arguments">The arguments as they are sent.</param>
    /// <param name="journalled">The arguments as they are written down: what the person sees.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    public async Task<CallPermission> RequireAsync(Guid executionId, Procedure procedure, ProcedureStep step, JsonElement arguments, JsonElement journalled, CancellationToken cancellationToken)
    {
        var hash = HashOf(arguments, journalled);
        var known = await store.UseCallApprovalAsync(executionId, step.Id, hash, options.TimeProvider.GetUtcNow(), cancellationToken).ConfigureAwait(false);
        switch (known?.State)
        {
            case ApprovalState.Used:
                return CallPermission.Granted;
            case ApprovalState.Rejected:
                return Rejected(step, known.By!, known.Reason);
        }

        var effect = StepEffects.Of(step, procedure.Version, options, executor);
        var question = new ApprovalRequest
        {
            ProcedureName = procedure.Name,
            Version = procedure.Version.Number,
            Call = new CallToApprove(executionId, step.Id, step.Action, effect, journalled, hash),
            Request = userRequest is null ? null : capture.Text(userRequest),
        };
        var requested = options.TimeProvider.GetUtcNow();
        var decision = await VersionApprovals.AskAsync(approver, question, logger, cancellationToken).ConfigureAwait(false);
        var decided = options.TimeProvider.GetUtcNow();
        var reason = decision.Reason is { } given ? capture.Text(given) : null;
        await store.AddCallApprovalAsync(
            new CallApproval
            {
                Id = Guid.CreateVersion7(requested),
                Scope = writeScope,
                ExecutionId = executionId,
                StepId = step.Id,
                Action = step.Action,
                Effect = effect,
                Arguments = journalled,
                ArgumentsHash = hash,

                // What the approver says is for the call at hand, which is made now.
                State = decision.State is ApprovalState.Approved ? ApprovalState.Used : decision.State,
                RequestedAt = requested,
                By = decision.By,
                Reason = reason,
                DecidedAt = decision.By is null ? null : decided,
                UsedAt = decision.State is ApprovalState.Approved ? decided : null,
            },
            cancellationToken).ConfigureAwait(false);
        return decision.State switch
        {
            ApprovalState.Approved => CallPermission.Granted,
            ApprovalState.Rejected => Rejected(step, decision.By!, reason),
            _ => new CallPermission(ApprovalState.Pending, new StepFailure(FailureTypes.ApprovalPending, string.Create(
                CultureInfo.InvariantCulture,
                $"Step '{step.Id}' would call {step.Action} with {ProcedureText.Value(journalled, 500)}, and every such call needs a person's approval. It was not made. A person approves it with {nameof(ProcedureMemory.ApproveCallAsync)}(new Guid(\"{executionId}\"), {Json.String(step.Id).GetRawText()}, by: \"…\")."))),
        };
    }

    /// <summary>
    /// SHA-256 of the arguments in one spelling, as they are written down. What was too large to be written down is told apart by a hash of its own; secrets are not
    /// told apart, nor is what the host keeps out and is short, since a hash of a short value gives it away.
    /// </summary>
    public static string HashOf(JsonElement arguments, JsonElement journalled)
    {
        const int ShortestHashed = 64;
        var canonical = Json.Build(writer =>
        {
            writer.WriteStartObject();
            foreach (var argument in journalled.EnumerateObject().OrderBy(a => a.Name, StringComparer.Ordinal))
            {
                writer.WritePropertyName(argument.Name);
                if (argument.Value.ValueKind is JsonValueKind.String && argument.Value.ValueEquals(TraceStep.OmittedMarker) && arguments.TryGetProperty(argument.Name, out var whole) && Json.LengthOf(whole) >= ShortestHashed)
                {
                    writer.WriteStringValue($"{TraceStep.OmittedMarker}{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(whole.GetRawText())))}");
                }
                else
                {
                    WriteCanonical(writer, argument.Value);
                }
            }

            writer.WriteEndObject();
        });
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.GetRawText())));
    }

    private static void WriteCanonical(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in value.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    WriteCanonical(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    WriteCanonical(writer, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                Json.WriteNumber(writer, value);
                break;
            case JsonValueKind.String:
                writer.WriteStringValue(value.GetString());
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    private static CallPermission Rejected(ProcedureStep step, string by, string? reason) => new(
        ApprovalState.Rejected,
        new StepFailure(FailureTypes.ApprovalRejected, $"The call of {step.Action} in step '{step.Id}' was rejected by {by}{(reason is null ? "" : $": {reason.TrimEnd('.')}")}. It was not made."));
}
