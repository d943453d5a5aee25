using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>What a worker is told to do: a line of JSON on its input.</summary>
/// <param name="Id">By which the answer is known.</param>
/// <param name="Slot">Which of its kernels does it.</param>
/// <param name="Procedure">The procedure to replay from the start; not looked at where an execution is named.</param>
/// <param name="Order">The order to replay it for.</param>
internal sealed record WorkerCommand(int Id, int Slot, string Procedure, string Order)
{
    /// <summary>The scope in which it is done; <see langword="null"/> for the usual one.</summary>
    public string? Scope { get; init; }

    /// <summary>The execution to resume.</summary>
    public Guid? Execution { get; init; }

    /// <summary>Of steps that the host found done, the results.</summary>
    public Dictionary<string, JsonElement> Results { get; init; } = [];

    /// <summary>Steps that the host found not done.</summary>
    public List<string> Repeat { get; init; } = [];

    /// <summary>The gate of the service to pass first, where two processes are to begin at once.</summary>
    public string? Gate { get; init; }
}

/// <summary>What came of it: a line of JSON on a worker's output.</summary>
/// <param name="Id">The command.</param>
/// <param name="Outcome">How the replay ended; <see langword="null"/> where it threw.</param>
/// <param name="Message">The same in a sentence.</param>
/// <param name="Problems">What stood in the way, or is waited for.</param>
internal sealed record WorkerReply(int Id, ReplayOutcome? Outcome, string Message, IReadOnlyList<ReplayProblem> Problems);
