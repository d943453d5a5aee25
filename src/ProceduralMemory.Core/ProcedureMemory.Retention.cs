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

    /// <summary>Writes the database file anew (<c>VACUUM</c>), which gives back the room of what was deleted. Writers wait meanwhile: for a quiet hour, and never by itself.</summary>
    /// <param name="cancellationToken">Cancels before it begins.</param>
    /// <returns>Why it could not be done as a whole; <see langword="null"/> when it was.</returns>
    public Task<string?> CompactAsync(CancellationToken cancellationToken = default) => Store.CompactAsync(cancellationToken);
}
