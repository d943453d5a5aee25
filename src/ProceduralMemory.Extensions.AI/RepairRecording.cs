using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Records what is done between a replay that stopped and its going on, where the calls of functions are recorded by themselves.</summary>
internal static class RepairRecording
{
    /// <summary>Whether the current code is part of a call that a repair records: it does not wait for itself.</summary>
    public static bool IsInsideCall(ProcedureMemory memory, MemorySession? session) => session?.Recorder is null && CallFrames.IsInsideOutright(memory);

    /// <summary>Begins, where a replay stopped halfway.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="session">Whose calls are recorded; <see langword="null"/> for nobody's.</param>
    /// <param name="result">How the replay went.</param>
    /// <param name="fault">Is told that it cannot be recorded: how the replay went is what the caller is to hear.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    public static async Task BeginAsync(ProcedureMemory memory, Func<MemorySession?> session, ReplayResult result, Action<ProceduralMemoryException> fault, CancellationToken cancellationToken)
    {
        if (!result.CanResume)
        {
            return;
        }

        try
        {
            if (session() is { Recorder: null } open)
            {
                await memory.StartRepairAsync(open, result, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (ProceduralMemoryException exception)
        {
            fault(exception);
        }
    }

    /// <summary>Ends the recording of what was done after a replay stopped, once the replay has taken it up.</summary>
    public static async Task EndAsync(ProcedureRecorder? repair, ReplayResult result, Action<ProceduralMemoryException> fault)
    {
        if (repair is null || result.IsTurnedAway)
        {
            return;
        }

        try
        {
            await repair.CompleteRepairAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (ProceduralMemoryException exception)
        {
            fault(exception);
        }
    }
}
