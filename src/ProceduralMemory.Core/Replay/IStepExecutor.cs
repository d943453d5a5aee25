using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>The one thing that a host must supply for replay: it makes calls. It knows functions by their action names, and takes and gives JSON.</summary>
public interface IStepExecutor
{
    /// <summary>Looks over the calls that a replay would make, before the first is made: do the functions exist, do they take these arguments, may they be called?</summary>
    /// <param name="calls">The calls, in order.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    /// <returns>What stands in the way; empty when nothing does.</returns>
    Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default);

    /// <summary>What the host says of one of its functions today: it is asked before every replay, and nothing of it is learned.</summary>
    /// <param name="action">The function, as <c>plugin.function</c>.</param>
    /// <returns>What it declares; <see langword="null"/> where the host has no such function, or says nothing of any: the effect that the step itself declares counts then.</returns>
    FunctionDescription? Describe(string action) => null;

    /// <summary>Makes one call. An exception counts as a failure of the step, except for cancellation by the token.</summary>
    /// <param name="call">The call.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default);

    /// <summary>Lets a procedure be replayed inside the one that is replayed. A host that gates replays puts its gates around it; without an implementation there are none.</summary>
    /// <param name="call">The step. Its action is the name of the procedure, and its arguments are the inputs.</param>
    /// <param name="replay">Replays the procedure; its steps come to this executor in their turn. Called again, it gives what the first call gave.</param>
    /// <param name="cancellationToken">Cancels the replay.</param>
    /// <returns>What <paramref name="replay"/> gave, or a refusal where it was not called.</returns>
    Task<StepCallResult> ReplayNestedAsync(StepCall call, Func<CancellationToken, Task<StepCallResult>> replay, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(replay);
        return replay(cancellationToken);
    }
}

/// <summary>What a host declares of a function.</summary>
public sealed record FunctionDescription
{
    /// <summary>What it does to the world; one that declares nothing is <see cref="StepEffect.Unknown"/>, and counts as writing.</summary>
    public StepEffect Effect { get; init; }

    /// <summary>The parameter that takes the idempotency key of a call, so that the function itself sees to it that a repeated call has no second effect; <see langword="null"/> when there is none.</summary>
    public string? IdempotencyKeyParameter { get; init; }

    /// <summary>Whether it takes the key of the call that it is in from <see cref="ReplayCall.Current"/>, to the same end.</summary>
    public bool UsesAmbientIdempotencyKey { get; init; }

    /// <summary>Whether a person must approve every call of it, whatever the policy of the memory says.</summary>
    public bool RequiresApproval { get; init; }

    /// <summary>Its parameters: a JSON Schema object with <c>properties</c> and <c>required</c>; <see langword="null"/> when they are not known.</summary>
    public JsonElement? Parameters { get; init; }
}

/// <summary>The call of a replay in whose course code runs: what a function asks for its idempotency key.</summary>
/// <param name="ExecutionId">The execution.</param>
/// <param name="StepId">The step.</param>
/// <param name="IdempotencyKey">The same for every attempt of this call, after a crash too, and for no other call: at most 128 characters.</param>
/// <param name="Attempt">1 for the first attempt.</param>
public sealed record ReplayCall(Guid ExecutionId, string StepId, string IdempotencyKey, int Attempt)
{
    private static readonly AsyncLocal<ReplayCall?> Ambient = new();

    /// <summary>The call; <see langword="null"/> outside of a replay.</summary>
    public static ReplayCall? Current
    {
        get => Ambient.Value;
        internal set => Ambient.Value = value;
    }
}

/// <summary>A call that a replay would make.</summary>
/// <param name="StepId">The step that makes it; of a nested procedure, with the outer step before it: <c>deploy/push</c>.</param>
/// <param name="Action">The function, as <c>plugin.function</c>.</param>
/// <param name="ArgumentNames">The arguments that it gives.</param>
/// <param name="Effect">What it does to the world.</param>
public sealed record PlannedCall(string StepId, string Action, IReadOnlyCollection<string> ArgumentNames, StepEffect Effect);

/// <summary>A call to make.</summary>
/// <param name="ExecutionId">The execution that it belongs to.</param>
/// <param name="StepId">The step that makes it.</param>
/// <param name="Action">The function, as <c>plugin.function</c>.</param>
/// <param name="Arguments">A JSON object with the arguments by name.</param>
/// <param name="Effect">What it does to the world.</param>
public sealed record StepCall(Guid ExecutionId, string StepId, string Action, JsonElement Arguments, StepEffect Effect);

/// <summary>What a call gave.</summary>
public sealed record StepCallResult
{
    /// <summary>The result as JSON; <see langword="null"/> when there is none.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Why the call failed; <see langword="null"/> when it did not.</summary>
    public StepFailure? Failure { get; init; }

    /// <summary>Whether a gate of the host did not let the call through. The function was then not run.</summary>
    public bool Refused { get; init; }

    /// <summary>Whether a gate of the host asks that nothing more be called after this.</summary>
    public bool StopRequested { get; init; }

    /// <summary>Whether the failure may pass, so that the same call may well succeed later: a broken connection, a service that is busy.</summary>
    public bool MayPass { get; init; }

    /// <summary>Whether the call may have had its effect although it failed: it broke off, and nobody has said what became of it.</summary>
    public bool IsOutcomeUnknown { get; init; }

    /// <summary>A failure as an exception tells it.</summary>
    /// <param name="exception">What the call raised.</param>
    public static StepCallResult Of(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var fault = CallFault.Of(exception);
        return new StepCallResult { Failure = new StepFailure(exception.GetType().Name, exception.Message), MayPass = fault.MayPass, IsOutcomeUnknown = fault.IsOutcomeUnknown };
    }
}

/// <summary>What stands in the way of a replay before it has begun.</summary>
/// <param name="Code">One of <see cref="ReplayProblemCodes"/>, or a host's own word.</param>
/// <param name="StepId">The step concerned, if it is one.</param>
/// <param name="Message">What is wrong and how to mend it.</param>
/// <param name="InputName">The input concerned, if it is one.</param>
public sealed record ReplayProblem(string Code, string? StepId, string Message, string? InputName = null);

/// <summary>The words that this library itself uses as <see cref="ReplayProblem.Code"/>.</summary>
public static class ReplayProblemCodes
{
    /// <summary>A required input is not given; or an input or adapted parameter that was not kept is not given again.</summary>
    public const string MissingInput = "missing_input";

    /// <summary>The host fills in a secret input, and could not.</summary>
    public const string SecretUnavailable = "secret_unavailable";

    /// <summary>A model gave a value for a secret input that the host fills in.</summary>
    public const string SecretNotTaken = "secret_not_taken";

    /// <summary>A literal of the only recording is not confirmed, and not given as an input.</summary>
    public const string UnconfirmedConstant = "unconfirmed_constant";

    /// <summary>An input has another type than declared, or is too large.</summary>
    public const string InvalidInput = "invalid_input";

    /// <summary>The procedure is in quarantine. A person releases it, or activates another version.</summary>
    public const string Quarantined = "quarantined";

    /// <summary>No version is active, or the procedure is retired, or the version at hand is neither the active one nor the one asked for.</summary>
    public const string NotActive = "not_active";

    /// <summary>Adapted parameters or <c>skip</c> name a step or action that the procedure has not.</summary>
    public const string UnknownStep = "unknown_step";

    /// <summary>A step needs the result of one that is to be skipped.</summary>
    public const string NeedsSkippedStep = "needs_skipped_step";

    /// <summary>A step is done by hand.</summary>
    public const string ManualStep = "manual_step";

    /// <summary>A procedure that a step replays is not there, is not active, or lacks inputs.</summary>
    public const string NestedProcedure = "nested_procedure";

    /// <summary>Procedures replay each other in a circle, or too deep.</summary>
    public const string ProcedureCycle = "procedure_cycle";

    /// <summary>The replay would make more calls than <see cref="ProceduralMemoryOptions.MaxReplayCalls"/> allows.</summary>
    public const string TooManyCalls = "too_many_calls";

    /// <summary>A function is not there.</summary>
    public const string MissingFunction = "missing_function";

    /// <summary>A function does not take an argument of that name, or needs one that is not given.</summary>
    public const string ParameterMismatch = "parameter_mismatch";

    /// <summary>The execution cannot be resumed: it has completed, another process runs it, or its journal does not hold what is needed.</summary>
    public const string NotResumable = "not_resumable";

    /// <summary>Whether a step that writes had its effect is not known.</summary>
    public const string OutcomeUnknown = "outcome_unknown";

    /// <summary>A step needs a value that was too secret or too large to be kept, from a step that cannot be repeated.</summary>
    public const string RedactedResult = "redacted_result";

    /// <summary>A function does not take what the step gives any more, or calls it otherwise in a step that writes: see <see cref="ReplayResult.Drift"/>.</summary>
    public const string Drift = "drift";

    /// <summary>The host does not allow a function to be replayed.</summary>
    public const string NotAllowed = "not_allowed";

    /// <summary>A version that writes waits for a person's approval.</summary>
    public const string ApprovalPending = "approval_pending";

    /// <summary>A person did not approve a version.</summary>
    public const string ApprovalRejected = "approval_rejected";
}
