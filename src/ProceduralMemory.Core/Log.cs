using Microsoft.Extensions.Logging;

namespace ProceduralMemory;

/// <summary>What the core logs: names, ids and counts, never arguments, results or requests.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Recording of '{Name}' started as trace {TraceId}.")]
    public static partial void RecordingStarted(ILogger logger, string name, Guid traceId);

    [LoggerMessage(2, LogLevel.Information, "Recording of '{Name}' finalized: version {Version} with {Steps} steps from trace {TraceId}.")]
    public static partial void RecordingFinalized(ILogger logger, string name, int version, int steps, Guid traceId);

    [LoggerMessage(3, LogLevel.Information, "Recording of '{Name}' gave no procedure: no successful step in trace {TraceId}.")]
    public static partial void RecordingEmpty(ILogger logger, string name, Guid traceId);

    [LoggerMessage(4, LogLevel.Information, "Replay of '{Name}' version {Version} ended: {Outcome}, execution {ExecutionId}.")]
    public static partial void ReplayEnded(ILogger logger, string name, int version, ReplayOutcome outcome, Guid? executionId);

    [LoggerMessage(5, LogLevel.Warning, "The progress listener of execution {ExecutionId} failed; the replay goes on. {Fault}")]
    public static partial void ProgressFailed(ILogger logger, Guid executionId, string fault, Exception? exception);

    [LoggerMessage(6, LogLevel.Warning, "The generator of vectors failed with {ExceptionType}; the search goes on by words alone.")]
    public static partial void EmbeddingFailed(ILogger logger, string exceptionType);

    [LoggerMessage(7, LogLevel.Information, "Replay of '{Name}' version {Version} was resumed and ended: {Outcome}, execution {ExecutionId}.")]
    public static partial void ReplayResumed(ILogger logger, string name, int version, ReplayOutcome outcome, Guid? executionId);

    [LoggerMessage(20, LogLevel.Warning, "The judge '{Judge}' of step '{StepId}' failed: whether the outcome is as expected cannot be told. {Fault}")]
    public static partial void JudgeFailed(ILogger logger, string judge, string stepId, string fault, Exception? exception);

    [LoggerMessage(21, LogLevel.Warning, "The judge '{Judge}' of step '{StepId}' did not answer within {Timeout}: whether the outcome is as expected cannot be told.")]
    public static partial void JudgeTooSlow(ILogger logger, string judge, string stepId, TimeSpan timeout);

    [LoggerMessage(11, LogLevel.Information, "The evidence on '{Name}' decided: {Kind}, version {Version}.")]
    public static partial void VersionsDecided(ILogger logger, string name, Revise.RevisionKind kind, int version);

    [LoggerMessage(12, LogLevel.Warning, "The versions of '{Name}' could not be reviewed after a replay; the maintenance pass does it. {Fault}")]
    public static partial void ReviewFailed(ILogger logger, string name, string fault, Exception? exception);

    [LoggerMessage(24, LogLevel.Warning, "The secret input '{Input}' of '{Name}' could not be resolved, so the replay was refused. {Fault}")]
    public static partial void SecretNotResolved(ILogger logger, string name, string input, string fault, Exception? exception);

    [LoggerMessage(22, LogLevel.Warning, "The host's rule for errors (ErrorOf) failed with the result of step '{StepId}': whether that is an error cannot be told. {Fault}")]
    public static partial void ErrorRuleFailed(ILogger logger, string stepId, string fault, Exception? exception);

    [LoggerMessage(8, LogLevel.Warning, "A version of '{Name}' with the new names of parameters could not be proposed from version {Version}. {Fault}")]
    public static partial void ProposalFailed(ILogger logger, string name, int version, string fault, Exception? exception);

    [LoggerMessage(9, LogLevel.Warning, "The approver failed when it was asked about '{Name}', so nobody has approved it. {Fault}")]
    public static partial void ApproverFailed(ILogger logger, string name, string fault, Exception? exception);

    [LoggerMessage(10, LogLevel.Warning, "The stored vectors could not be read or written: {Fault}. The search goes on without them.")]
    public static partial void VectorsUnavailable(ILogger logger, StoreFault fault);

    [LoggerMessage(23, LogLevel.Warning, "Version {Version} of '{Name}', a candidate, cannot be replayed here, so the active version was: {Why}")]
    public static partial void CandidateRefused(ILogger logger, string name, int version, string why);

    [LoggerMessage(25, LogLevel.Warning, "What a turn has cost could not be written down. {Fault}")]
    public static partial void CostNotKept(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(28, LogLevel.Information, "A turn taught '{Name}' version {Version}, {State} (trace {TraceId}).")]
    public static partial void TurnLearned(ILogger logger, string name, int version, VersionState state, Guid traceId);

    [LoggerMessage(29, LogLevel.Debug, "Nothing is learned of a turn. {Because}")]
    public static partial void NothingLearned(ILogger logger, string because);
}
