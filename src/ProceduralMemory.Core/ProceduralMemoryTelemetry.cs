namespace ProceduralMemory;

/// <summary>The name to listen to: <c>tracing.AddSource(ProceduralMemoryTelemetry.Name)</c> and <c>metrics.AddMeter(ProceduralMemoryTelemetry.Name)</c>.</summary>
/// <remarks>Spans: <c>replay</c> for a replay, <c>replay_part</c> for a procedure inside and for each round of a loop, <c>execute_tool</c> for a call. They hold names, ids and outcomes; arguments and results only where <see cref="ProceduralMemoryOptions.ContentInTelemetry"/> is set.</remarks>
public static class ProceduralMemoryTelemetry
{
    /// <summary>The name of the activity source and of the meter.</summary>
    public const string Name = "ProceduralMemory";
}
