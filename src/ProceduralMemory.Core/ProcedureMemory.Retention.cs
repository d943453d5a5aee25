using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Takes away what was kept for long enough, in small transactions, so that replays beside it wait for none of them for long. It is for the host, and goes through all scopes.
    /// </summary>
    /// <param name="policy">What is kept, and for how long.</param>
    /// <param name="cancellationToken">Stops between two batches: what is gone by then is gone.</param>
    /// <exception cref="ArgumentOutOfRangeException">A time or a size is negative.</exception>
    public Task<RetentionResult> ApplyRetentionAsync(RetentionPolicy policy, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(policy);
        policy.Validate();
        return Store.ApplyRetentionAsync(policy, Time.GetUtcNow(), cancellationToken);
    }

    /// <summary>
    /// Writes the database file anew (<c>VACUUM</c>), which gives back the room of what was deleted. Writes of this memory wait meanwhile; those of others on the same file wait as well, but fail where it
    /// takes longer than their <see cref="ProceduralMemoryOptions.BusyTimeout"/>. So it is for a quiet hour, and never done by itself. Needs as much free room on the disk as the file is large.
    /// </summary>
    /// <param name="cancellationToken">Cancels before it begins.</param>
    /// <returns>Why it could not be done as a whole; <see langword="null"/> when it was.</returns>
    /// <exception cref="ProcedureStoreException">The file cannot be opened for writing, or is none of this library's; it is left as it is.</exception>
    public Task<string?> CompactAsync(CancellationToken cancellationToken = default) => Store.CompactAsync(cancellationToken);
}
