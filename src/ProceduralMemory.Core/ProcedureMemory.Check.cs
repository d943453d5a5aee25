using ProceduralMemory.Replay;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Says of every active procedure of the scopes that are read whether it could be replayed: missing functions, functions that declare something else than when they were
    /// recorded, procedures that steps replay and that are missing. Nothing is called, and nothing is written.
    /// </summary>
    /// <param name="executor">The host that would make the calls.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    public Task<CheckReport> CheckAsync(IStepExecutor executor, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        return new ProcedureChecker(Store, Options, CurrentScope(), executor).CheckAsync(cancellationToken);
    }
}
