using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Ends turns on behalf of the adapters of chat frameworks. The agent has answered by then: whatever goes wrong here is logged, and the answer goes on.</summary>
internal static class TurnEnding
{
    /// <summary>Ends a turn, and tells the host what became of it. It is not cancelled with the request: what was done is done.</summary>
    /// <param name="turn">The turn. A further call does nothing where it has ended already.</param>
    /// <param name="end">How it ended.</param>
    /// <param name="memory">The memory that it is a turn of.</param>
    /// <param name="logger">Where faults go.</param>
    public static async Task EndAsync(Turn turn, TurnEnd end, ProcedureMemory memory, ILogger logger)
    {
        TurnResult result;
        try
        {
            result = await turn.EndAsync(end, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.LearningFaulted(logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            result = new TurnResult(null, null, $"What it teaches could not be stored ({exception.GetType().Name}).") { Scope = turn.Scope.Write };
        }

        if (turn.Recorder is null || memory.Options.TurnEnded is not { } ended)
        {
            return;
        }

        try
        {
            using var quiet = memory.Quietly();
            await ended(result, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.TurnEndedFaulted(logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }
    }
}
