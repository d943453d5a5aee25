using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Replays through a kernel.</summary>
/// <param name="memory">The memory.</param>
/// <param name="kernel">The kernel.</param>
/// <param name="options">Which functions may be called.</param>
internal sealed class KernelReplayHost(ProcedureMemory memory, Kernel kernel, KernelReplayOptions options) : IReplayHost
{
    public string? Request => ModelCall.Current?.Request ?? memory.CurrentTurn?.Request ?? memory.CurrentSession?.Request;

    public MemorySession? Session => KernelSessions.Find(memory, kernel);

    public bool RecordsCalls => ProcedureRecordingFilter.Covers(memory, kernel);

    public IStepExecutor CreateExecutor() => new KernelStepExecutor(kernel, options);

    public bool CanBeReplayed(string action) => KernelActions.CanBeReplayed(kernel, action, options);

    public MemorySession? GetSession() => KernelSessions.Get(memory, kernel);
}
