namespace ProceduralMemory;

/// <summary>How far a step got.</summary>
public enum StepStatus
{
    /// <summary>Not begun.</summary>
    Pending,

    /// <summary>Begun, and its outcome is not known (yet).</summary>
    Running,

    /// <summary>Done.</summary>
    Success,

    /// <summary>Its action failed, or its outcome differs from an expectation that is asserted or confirmed.</summary>
    Failed,

    /// <summary>Left out: by request, or because it needs a result that is not there.</summary>
    Skipped,

    /// <summary>Called, and whether it had its effect is not known: its call broke off, or its process died. A write is not called again unless that does no harm, or the host says that it was not done.</summary>
    Unknown,
}

/// <summary>Why a step failed, in a form that can be stored.</summary>
/// <param name="ErrorType">A stable word for the kind, for instance an exception's type name or one of <see cref="FailureTypes"/>.</param>
/// <param name="Message">What happened, redacted.</param>
public sealed record StepFailure(string ErrorType, string Message);

/// <summary>The words that this library itself uses as <see cref="StepFailure.ErrorType"/>.</summary>
public static class FailureTypes
{
    /// <summary>The result differs from an asserted expectation.</summary>
    public const string UnexpectedOutcome = "unexpected_outcome";

    /// <summary>The function returned an error as text or as data instead of failing.</summary>
    public const string ErrorResult = "error_result";

    /// <summary>A loop did not complete for all elements of its list.</summary>
    public const string Loop = "loop";

    /// <summary>An expression found no value: a path is not in the result it points into.</summary>
    public const string UnresolvedBinding = "unresolved_binding";

    /// <summary>A filter of the host did not let the call through.</summary>
    public const string Refused = "refused";

    /// <summary>The call broke off, and whether it had its effect is not known.</summary>
    public const string OutcomeUnknown = "outcome_unknown";

    /// <summary>The call took longer than its step allows.</summary>
    public const string Timeout = "timeout";

    /// <summary>The result is larger than the limits allow. The call was made.</summary>
    public const string TooLarge = "too_large";

    /// <summary>The arguments are larger than the limits allow, and the call was not made.</summary>
    public const string ArgumentsTooLarge = "arguments_too_large";

    /// <summary>The replay took longer than <see cref="ProceduralMemoryOptions.MaxReplayDuration"/> allows.</summary>
    public const string ReplayTimeout = "replay_timeout";

    /// <summary>A replayed procedure inside this one did not complete.</summary>
    public const string NestedProcedure = "nested_procedure";

    /// <summary>The call waits for a person's approval, and was not made.</summary>
    public const string ApprovalPending = "approval_pending";

    /// <summary>A person did not approve the call, and it was not made.</summary>
    public const string ApprovalRejected = "approval_rejected";
}
