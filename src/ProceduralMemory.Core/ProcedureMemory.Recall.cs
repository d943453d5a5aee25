using ProceduralMemory.Persist;
using ProceduralMemory.Recall;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>Finds procedures for a request. The answer may be that nothing fits.</summary>
    /// <param name="request">What is to be done, in the user's words.</param>
    /// <param name="options">How to search.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ArgumentException">The request is empty, an option is out of range or null, or no state is asked for.</exception>
    public async Task<FindResult> FindAsync(string request, FindOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(request);
        options ??= new FindOptions();
        options.Validate();
        return await FindInAsync(CurrentScope(), request, options, cancellationToken).ConfigureAwait(false);
    }

    private async Task<FindResult> FindInAsync(MemoryScope scope, string request, FindOptions options, CancellationToken cancellationToken)
    {
        var minimum = options.MinimumScore ?? Options.MinimumScore;
        var overlap = new OverlapFinder(Store);
        if (options.Strategy is FindStrategy.KeywordOverlap)
        {
            return (await overlap.FindAsync(request, scope, options, minimum, note: null, cancellationToken).ConfigureAwait(false)).SeenFrom(scope);
        }

        var found = _finder is null
            ? await overlap.FindAsync(request, scope, options, minimum, OverlapFinder.NoIndex, cancellationToken).ConfigureAwait(false)
            : await _finder.FindAsync(request, scope, options, minimum, cancellationToken).ConfigureAwait(false)
                ?? await overlap.FindAsync(request, scope, options, minimum, OverlapFinder.UnusableIndex, cancellationToken).ConfigureAwait(false);
        return found.SeenFrom(scope);
    }

    /// <summary>
    /// Makes the vectors that procedures of the scopes that are read lack, and drops those of other models than the present one. Searches make the vectors of a few new
    /// procedures by themselves; this is for many at once, after an import or a change of the model.
    /// </summary>
    /// <param name="renewAll">Whether vectors that are there are made anew as well.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Cancels the call; what was made by then is kept.</param>
    /// <exception cref="InvalidOperationException">No <see cref="ProceduralMemoryOptions.EmbeddingGenerator"/> is set, or the store keeps no vectors.</exception>
    public Task<ReembedResult> ReembedAsync(bool renewAll = false, IProgress<ReembedProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (_finder is null)
        {
            throw new InvalidOperationException($"The store {Store.GetType().Name} keeps no vectors: it does not implement {nameof(IProcedureSearch)}.");
        }

        return _vectors is null
            ? throw new InvalidOperationException($"There is nothing to make vectors with. Set {nameof(ProceduralMemoryOptions)}.{nameof(ProceduralMemoryOptions.EmbeddingGenerator)}.")
            : _vectors.ReembedAsync(CurrentScope().Read, renewAll, progress, cancellationToken);
    }

    /// <summary>What is visible: of a name that several scopes have, what <see cref="NearestScope"/> says, and on request the one of the written scope as well.</summary>
    private async Task<IReadOnlyList<Procedure>> ListVisibleAsync(MemoryScope scope, bool includeRetired, bool includeOwn, CancellationToken cancellationToken)
    {
        var all = await Store.ListProceduresAsync(scope.Read, includeRetired, cancellationToken).ConfigureAwait(false);
        return scope.Read.Count == 1
            ? [.. all.Select(p => p.SeenFrom(scope))]
            : [.. all.Select(p => p.SeenFrom(scope)).GroupBy(p => NameKey(p.Name), StringComparer.Ordinal).SelectMany(Shown)];

        IEnumerable<Procedure> Shown(IEnumerable<Procedure> ofOneName)
        {
            var nearest = NearestScope.Of(scope.Read, ofOneName, p => p.Scope, p => p.CanBeReplayed)!;
            return ofOneName.Where(p => includeOwn && p.Scope == scope.Write && p.Id != nearest.Id).Prepend(nearest);
        }
    }
}
