using Microsoft.Extensions.Logging;

namespace ProceduralMemory.Extensions.AI;

/// <summary>What is logged here: names and ids, never arguments or results.</summary>
internal static partial class Log
{
    [LoggerMessage(102, LogLevel.Error, "The function '{Function}' of the procedural memory failed. The model was told so without details. {Fault}")]
    public static partial void PluginFaulted(ILogger logger, string function, string fault, Exception? exception);
}
