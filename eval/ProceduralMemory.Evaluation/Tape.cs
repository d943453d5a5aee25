using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation;

/// <summary>The library's own tape as the tool server of a replay: the target's recorded calls and what they returned.</summary>
internal static class Tape
{
    public static TapeStepExecutor Of(Episode target) => new(target.Steps.Select(s => new TraceStep
    {
        Action = s.Function,
        Arguments = s.Arguments,
        Result = s.Result,
        Effect = s.Mutates is true ? StepEffect.Write : StepEffect.Read,
    }));

    /// <summary>Makes a call for a baseline.</summary>
    /// <returns>The recorded result, or <see langword="null"/> when the call is not on the tape.</returns>
#pragma warning disable VSTHRD002 // A tape answers at once: its task is complete when it is returned.
    public static JsonElement? Call(this TapeStepExecutor tape, string function, JsonElement arguments) =>
        tape.ExecuteAsync(new StepCall(Guid.Empty, function, function, arguments, StepEffect.Unknown)).GetAwaiter().GetResult() is { Failure: null } called ? called.Result : null;
#pragma warning restore VSTHRD002
}
