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
}
