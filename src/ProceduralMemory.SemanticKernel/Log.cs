using Microsoft.Extensions.Logging;

namespace ProceduralMemory.SemanticKernel;

/// <summary>What the shell logs: names and ids, never arguments or results.</summary>
internal static partial class Log
{
    [LoggerMessage(101, LogLevel.Error, "A step of the recording '{Name}' (trace {TraceId}) could not be recorded. The calls go on; the recording cannot be finalized.")]
    public static partial void RecordingFaulted(ILogger logger, string name, Guid traceId, Exception exception);

    [LoggerMessage(102, LogLevel.Error, "The function '{Function}' of the procedural memory failed. The model was told so without details.")]
    public static partial void PluginFaulted(ILogger logger, string function, Exception exception);
}
