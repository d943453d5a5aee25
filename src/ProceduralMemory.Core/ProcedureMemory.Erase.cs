using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Erases everything of a scope, as when a person asks for their data to be deleted: procedures with all versions, traces, executions, requests and wordings, approvals, index and vectors;
    /// and what others replayed of its procedures, since that holds what these hold. A recording in progress there cannot be finalized any more. The file is written anew, so that nothing is left in its pages, nor in
    /// its write-ahead log; with a large file that takes its time. For the host: never call it on a model's word.
    /// </summary>
    /// <param name="scope">The scope, whether it is that of a session or not.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What was erased. <see cref="EraseResult.Remainder"/> tells where others who have the file open stood in the way of writing it anew.</returns>
    /// <exception cref="ArgumentException">The scope is empty.</exception>
    /// <exception cref="ProcedureStoreException">It cannot be written; nothing is erased then.</exception>
    public Task<EraseResult> EraseScopeAsync(string scope, CancellationToken cancellationToken = default) => Store.EraseScopeAsync(new MemoryScope(scope).Write, Time.GetUtcNow(), cancellationToken);

    /// <summary>Erases a procedure as <see cref="EraseScopeAsync"/> erases a scope: all its versions, the traces that it alone was distilled from, and all executions of it, those of others included.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="mayBeLearnedAgain">Whether a later recording may teach it again. Unless it may, a <see cref="Tombstone"/> is left: the names of the functions that it called, and nothing else.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureStoreException">It cannot be written; nothing is erased then.</exception>
    public async Task<EraseResult> EraseAsync(string name, bool mayBeLearnedAgain = false, CancellationToken cancellationToken = default)
    {
        var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        var (actions, now) = (Tombstone.ActionsOf(procedure.Version.Steps), Time.GetUtcNow());
        var tombstone = mayBeLearnedAgain || actions.Count == 0 ? null : new Tombstone { Id = Guid.CreateVersion7(now), Scope = procedure.Scope, Actions = actions, At = now };
        return await Store.EraseProcedureAsync(procedure.Id, tombstone, now, cancellationToken).ConfigureAwait(false);
    }
}
