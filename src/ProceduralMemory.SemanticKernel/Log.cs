using Microsoft.Extensions.Logging;

namespace ProceduralMemory.SemanticKernel;

/// <summary>What the shell logs: names and ids, never arguments or results.</summary>
internal static partial class Log
{
    [LoggerMessage(103, LogLevel.Warning, "A filter threw {ErrorType} before the replayed call of {Action}, which is refused. A filter that guards nothing and cannot work outside a live turn is left out of replays by KernelReplayOptions.LiveOnlyFilters.")]
    public static partial void FilterThrew(ILogger logger, string errorType, string action);

    [LoggerMessage(107, LogLevel.Warning, "A filter threw {ErrorType} after the replayed call of {Action} had returned. What the call returned is lost; a write is not made again by itself.")]
    public static partial void FilterThrewAfterwards(ILogger logger, string errorType, string action);

    [LoggerMessage(108, LogLevel.Warning, "What the replayed call of {Action} put into the data of its kernel is not carried over, since something writes to it still ({ErrorType}).")]
    public static partial void DataNotCarriedOver(ILogger logger, string action, string errorType);

    [LoggerMessage(105, LogLevel.Information, "The maintenance pass looked at {Looked} procedures, changed {Changes} and could not look at {Faults}.")]
    public static partial void Revised(ILogger logger, int looked, int changes, int faults);

    [LoggerMessage(106, LogLevel.Error, "The maintenance pass failed; the next one tries again. {Fault}")]
    public static partial void RevisionFailed(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(104, LogLevel.Error, "The scope of a call of '{Function}' could not be told, so it is not recorded, and no recording of its kernel can be finalized. {Fault}")]
    public static partial void ScopeFaulted(ILogger logger, string function, string fault, Exception? exception);

    [LoggerMessage(109, LogLevel.Error, "What is done after execution {ExecutionId} stopped cannot be recorded, and nothing is learned from it. {Fault}")]
    public static partial void RepairFaulted(ILogger logger, Guid? executionId, string fault, Exception? exception);

    [LoggerMessage(110, LogLevel.Warning, "Procedures could not be offered to a model, which does without them. {Fault}")]
    public static partial void OfferFaulted(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(111, LogLevel.Warning, "The chat service of a turn was registered after AddProceduralMemory. Its turns are learned from when their conversation goes on, and procedures are not offered to its model. Call AddProceduralMemory after it, or once more.")]
    public static partial void ServiceNotCovered(ILogger logger);

    [LoggerMessage(112, LogLevel.Error, "A turn could not be recorded, and nothing is learned from it; its calls go on. {Fault}")]
    public static partial void TurnFaulted(ILogger logger, string fault, Exception? exception);
}
