using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>
/// Makes vectors of requests and procedures with the host's generator, and keeps those of procedures in the store and in memory. A procedure gets its vector when the
/// next search asks the generator anyway; whatever goes wrong with it, or with the store beside it, costs a search its vectors, and nothing else.
/// </summary>
internal sealed class ProcedureVectors(ProceduralMemoryOptions options, IEmbeddingGenerator<string, Embedding<float>> generator, IProcedureSearch store, ILogger logger)
{
    // So many procedures get their vector beside a request; more are ReembedAsync's to make.
    private const int PerSearch = 32;

    /// <summary>How many scopes are kept in memory.</summary>
    internal const int MaxScopes = 256;

    private readonly EmbeddingCaller _caller = new(options, generator);
    private readonly ConcurrentDictionary<string, ScopeVectors> _scopes = new(StringComparer.Ordinal);
    private readonly VectorRetries _retries = new(options.TimeProvider);
    private int _portion = PerSearch;
    private long _uses;

    /// <summary>How many scopes are in memory.</summary>
    internal int HeldScopes => _scopes.Count;

    /// <summary>The vectors of some scopes, as a request sees them.</summary>
    /// <param name="request">The request.</param>
    /// <param name="scopes">The scopes to look into.</param>
    /// <param name="notes">Takes what went wrong.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns><see langword="null"/> where there are no vectors to go by.</returns>
    public async Task<NearVectors?> NearestAsync(string request, IReadOnlyList<string> scopes, List<string> notes, CancellationToken cancellationToken)
    {
        try
        {
            // The generator may be somebody else's service.
            return await NearestOfAsync(new ValueCapture(options).Text(request), scopes, notes, cancellationToken).ConfigureAwait(false);
        }
        catch (ProcedureStoreException exception)
        {
            // Where it is more than the vectors, the search by words fails as well.
            Log.VectorsUnavailable(logger, exception.Fault);
            notes.Add($"The request was searched by words alone: the stored vectors could not be read ({nameof(StoreFault)}.{exception.Fault}).");
            return null;
        }
    }

    /// <summary>Makes the vectors that are missing, or all of them, and drops those of other models.</summary>
    public async Task<ReembedResult> ReembedAsync(IReadOnlyList<string> scopes, bool renewAll, IProgress<ReembedProgress>? progress, CancellationToken cancellationToken)
    {
        var renewal = new VectorRenewal(_caller, store);
        var pending = new List<VectorText>();
        foreach (var scope in scopes)
        {
            pending.AddRange(renewAll ? await renewal.ReadTextsAsync(scope, cancellationToken).ConfigureAwait(false) : (await RefreshAsync(scope, cancellationToken).ConfigureAwait(false)).Pending(int.MaxValue, static _ => true));
        }

        _retries.Clear();
        var result = await renewal.RunAsync(pending, progress, cancellationToken).ConfigureAwait(false);
        if (result.Failed == 0)
        {
            await store.DeleteVectorsExceptAsync(scopes, _caller.Model, cancellationToken).ConfigureAwait(false);
        }

        return result;
    }

    private async Task<NearVectors?> NearestOfAsync(string request, IReadOnlyList<string> scopes, List<string> notes, CancellationToken cancellationToken)
    {
        var all = new List<ScopeVectors>(scopes.Count);
        foreach (var scope in scopes)
        {
            all.Add(await RefreshAsync(scope, cancellationToken).ConfigureAwait(false));
        }

        if (all.TrueForAll(v => v.Count == 0 && v.PendingCount == 0))
        {
            return null;
        }

        var vector = await EmbedAsync(request, notes, cancellationToken).ConfigureAwait(false);
        if (vector is null)
        {
            return null;
        }

        var portion = Math.Max(1, _portion);
        var pending = options.ReadOnly ? [] : all.SelectMany(v => v.Pending(portion, _retries.IsDue)).Take(portion).ToList();
        if (pending.Count > 0 && await EmbedAsync(pending, notes, cancellationToken).ConfigureAwait(false))
        {
            foreach (var scope in scopes)
            {
                await RefreshAsync(scope, cancellationToken).ConfigureAwait(false);
            }
        }

        if (all.Sum(v => v.PendingCount) is var left and > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{left} procedures have no vector yet and were searched by words alone. {nameof(ProcedureMemory.ReembedAsync)} makes them all."));
        }

        var usable = all.Where(v => v.Count > 0).ToList();
        foreach (var vectors in usable)
        {
            if (vectors.Dimensions is var stored && stored != vector.Length)
            {
                notes.Add(string.Create(CultureInfo.InvariantCulture, $"The model now gives vectors of {vector.Length} numbers, and those stored have {stored}: they were not used. Renew all of them with {nameof(ProcedureMemory.ReembedAsync)}."));
            }
            else if (vectors.Unlike is var unlike and > 0)
            {
                notes.Add(string.Create(CultureInfo.InvariantCulture, $"{unlike} procedures have vectors of another length than the model gives now, and were searched by words alone. Renew all of them with {nameof(ProcedureMemory.ReembedAsync)}."));
            }
        }

        return usable.Exists(v => v.Dimensions == vector.Length) ? new NearVectors(usable, vector) : null;
    }

    private async Task<ScopeVectors> RefreshAsync(string scope, CancellationToken cancellationToken)
    {
        if (_scopes.Count >= MaxScopes && !_scopes.ContainsKey(scope))
        {
            // A scope for each user may be many: what was not used for longest is read again when it is.
            _scopes.TryRemove(_scopes.MinBy(s => s.Value.LastUsed).Key, out _);
        }

        var vectors = _scopes.GetOrAdd(scope, static _ => new ScopeVectors());
        vectors.LastUsed = Interlocked.Increment(ref _uses);
        await vectors.RefreshAsync(store, scope, _caller.Model, cancellationToken).ConfigureAwait(false);
        return vectors;
    }

    /// <summary>The vector of a request.</summary>
    private async Task<float[]?> EmbedAsync(string request, List<string> notes, CancellationToken cancellationToken)
    {
        try
        {
            return (await _caller.GenerateAsync([Redacted(request)], cancellationToken).ConfigureAwait(false))[0];
        }
        catch (Exception exception) when (EmbeddingCaller.IsFault(exception, cancellationToken))
        {
            Log.EmbeddingFailed(logger, exception.GetType().FullName ?? "");
            notes.Add($"The request was searched by words alone: {_caller.Describe(exception)}");
            return null;
        }
    }

    /// <summary>Makes the vectors of some procedures beside a search. What the generator cannot do at once it gets in smaller portions the next time, down to the one text that it refuses.</summary>
    /// <returns>Whether there are new ones.</returns>
    private async Task<bool> EmbedAsync(List<VectorText> pending, List<string> notes, CancellationToken cancellationToken)
    {
        try
        {
            await store.WriteVectorsAsync(_caller.Model, await _caller.GenerateAsync(pending, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            _portion = Math.Min(PerSearch, pending.Count * 2);
            return true;
        }
        catch (ProcedureStoreException exception)
        {
            // The next search makes them.
            Log.VectorsUnavailable(logger, exception.Fault);
            notes.Add($"The vectors of new procedures could not be kept ({nameof(StoreFault)}.{exception.Fault}).");
            return false;
        }
        catch (Exception exception) when (EmbeddingCaller.IsFault(exception, cancellationToken))
        {
            Log.EmbeddingFailed(logger, exception.GetType().FullName ?? "");
            if (pending.Count == 1)
            {
                _retries.Failed(pending[0], wasSlow: exception is TimeoutException);
            }

            _portion = pending.Count / 2;
            return false;
        }
    }

    /// <summary>A request as it may leave the process: the generator may be a service.</summary>
    private string Redacted(string request) => new ValueCapture(options).Text(request);
}
