using Microsoft.Extensions.Logging;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// What procedures have saved in the scope that is written: model requests, tokens and time of the turns in which they were offered or replayed, against what their tasks cost when they were recorded.
    /// Turns are seen where a chat service or client is covered (<c>AddProceduralMemory</c>, <c>UseProceduralMemory</c>).
    /// </summary>
    /// <param name="since">Turns that began then or later (UTC); <see langword="null"/> for all.</param>
    /// <param name="until">Turns that began before then (UTC); <see langword="null"/> for all.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<SavingsReport> GetSavingsAsync(DateTimeOffset? since = null, DateTimeOffset? until = null, CancellationToken cancellationToken = default) =>
        Store.GetSavingsAsync(CurrentScope().Write, since, until, cancellationToken);

    /// <summary>Writes down what a turn has cost. The turn has ended: a fault is logged, and nothing else comes of it.</summary>
    internal async Task KeepCostAsync(TurnCost cost, CancellationToken cancellationToken)
    {
        if (Options.ReadOnly)
        {
            return;
        }

        try
        {
            TurnTelemetry.Ended(await Store.AddTurnAsync(cost, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception exception)
        {
            Log.CostNotKept(_logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }
    }
}
