using Microsoft.Extensions.Logging;

namespace ProceduralMemory.Extensions.AI;

/// <summary>What is logged here: names and ids, never arguments or results.</summary>
internal static partial class Log
{
    [LoggerMessage(102, LogLevel.Error, "The function '{Function}' of the procedural memory failed. The model was told so without details. {Fault}")]
    public static partial void PluginFaulted(ILogger logger, string function, string fault, Exception? exception);

    [LoggerMessage(120, LogLevel.Error, "Nothing could be learned from a turn; its answer goes on. {Fault}")]
    public static partial void LearningFaulted(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(121, LogLevel.Warning, "The host's TurnEnded failed; the answer goes on. {Fault}")]
    public static partial void TurnEndedFaulted(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(101, LogLevel.Error, "A step of the recording '{Name}' (trace {TraceId}) could not be recorded. The calls go on; the recording cannot be finalized. {Fault}")]
    public static partial void CallFaulted(ILogger logger, string name, Guid traceId, string fault, Exception? exception);

    [LoggerMessage(123, LogLevel.Error, "A turn could not be begun, so nothing is learned from it and no procedure is offered in it; it goes on. {Fault}")]
    public static partial void TurnFaulted(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(124, LogLevel.Error, "The procedures that fit a request could not be looked for, so none is offered; the turn goes on. {Fault}")]
    public static partial void OfferFaulted(ILogger logger, string fault, Exception? exception);

    [LoggerMessage(125, LogLevel.Warning, "UseProceduralMemory stands inside of the function invocation, or there is none: calls are learned from once they are in the messages, and no procedure is offered as a function, since nobody would invoke it. Write builder.UseProceduralMemory(memory).UseFunctionInvocation(), in this order.")]
    public static partial void InsideOfInvocation(ILogger logger);
}
