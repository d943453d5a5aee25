using System.Collections.Concurrent;
using System.Globalization;
using System.Numerics.Tensors;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>
/// Makes vectors of requests and procedures with the host's generator, and keeps those of procedures in the store and in memory. A procedure gets its vector when the
/// next search asks the generator anyway; whatever goes wrong with it costs a search its vectors, and nothing else.
/// </summary>
internal sealed class ProcedureVectors(ProceduralMemoryOptions options, IEmbeddingGenerator<string, Embedding<float>> generator, IProcedureSearch store, ILogger logger)
{
    // So many procedures get their vector beside a request; more are ReembedAsync's to make.
    private const int PerSearch = 32;
    private const int PerBatch = 64;
    private const int GiveUpAfter = 10;
    private const int MaxScopes = 256;
    private const int MaxTextLength = 8_000;

    private readonly ConcurrentDictionary<string, ScopeVectors> _scopes = new(StringComparer.Ordinal);

    // Texts that the model refused by themselves, as they were then: they are not tried again before they change, or the process starts anew.
    private readonly ConcurrentDictionary<Guid, long> _refused = [];
    private int _batch = PerSearch;
    private long _uses;

    private string Model { get; } = !string.IsNullOrWhiteSpace(options.EmbeddingModel)
        ? options.EmbeddingModel
        : (generator.GetService(typeof(EmbeddingGeneratorMetadata)) as EmbeddingGeneratorMetadata)?.DefaultModelId ?? generator.GetType().FullName!;

    /// <summary>The vectors of some scopes, as a request sees them.</summary>
    /// <param name="request">The request.</param>
    /// <param name="scopes">The scopes to look into.</param>
    /// <param name="notes">Takes what went wrong.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns><see langword="null"/> where there are no vectors to go by.</returns>
    public async Task<NearVectors?> NearestAsync(string request, IReadOnlyList<string> scopes, List<string> notes, CancellationToken cancellationToken)
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

        var pending = options.ReadOnly ? [] : all.SelectMany(v => v.Pending()).Where(t => _refused.GetValueOrDefault(t.ProcedureId, -1) != t.Change).Take(Math.Max(1, _batch)).ToList();
        if (pending.Count > 0 && await EmbedAsync(pending, cancellationToken).ConfigureAwait(false))
        {
            foreach (var scope in scopes)
            {
                await RefreshAsync(scope, cancellationToken).ConfigureAwait(false);
            }
        }

        var left = all.Sum(v => v.PendingCount);
        if (left > 0)
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
            else if (vectors.Unlike > 0)
            {
                notes.Add(string.Create(CultureInfo.InvariantCulture, $"{vectors.Unlike} procedures have vectors of another length than the model gives now, and were searched by words alone. Renew all of them with {nameof(ProcedureMemory.ReembedAsync)}."));
            }
        }

        return usable.Exists(v => v.Dimensions == vector.Length) ? new NearVectors(usable, vector) : null;
    }

    /// <summary>Makes the vectors that are missing, or all of them, and drops those of other models.</summary>
    public async Task<ReembedResult> ReembedAsync(IReadOnlyList<string> scopes, bool renewAll, IProgress<ReembedProgress>? progress, CancellationToken cancellationToken)
    {
        var pending = new List<VectorText>();
        foreach (var scope in scopes)
        {
            pending.AddRange(renewAll ? await ReadTextsAsync(scope, cancellationToken).ConfigureAwait(false) : (await RefreshAsync(scope, cancellationToken).ConfigureAwait(false)).Pending());
        }

        _refused.Clear();
        var (made, failed, fault) = (0, 0, (string?)null);
        foreach (var batch in pending.Chunk(PerBatch))
        {
            var (madeBefore, failedBefore) = (made, failed);
            try
            {
                await WriteAsync(batch, await GenerateAsync([.. batch.SelectMany(Texts)], cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                made += batch.Length;
            }
            catch (Exception exception) when (IsFaultOfGenerator(exception, cancellationToken))
            {
                // One text that the model refuses is not to cost the others theirs.
                foreach (var text in batch)
                {
                    try
                    {
                        await WriteAsync([text], await GenerateAsync([.. Texts(text)], cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                        made++;
                    }
                    catch (Exception single) when (IsFaultOfGenerator(single, cancellationToken))
                    {
                        fault ??= Describe(single);
                        failed++;
                        if (made == madeBefore && failed - failedBefore >= GiveUpAfter)
                        {
                            // It is not the texts, then.
                            return new ReembedResult(made, pending.Count - made, fault);
                        }
                    }
                }
            }

            progress?.Report(new ReembedProgress(made + failed, pending.Count));
        }

        if (failed == 0)
        {
            await store.DeleteVectorsExceptAsync(scopes, Model, cancellationToken).ConfigureAwait(false);
        }

        return new ReembedResult(made, failed, fault);
    }

    /// <summary>The texts of all procedures of a scope. No model has an empty name, so of that one all vectors are missing; those that are there stay until new ones take their place.</summary>
    private async Task<List<VectorText>> ReadTextsAsync(string scope, CancellationToken cancellationToken)
    {
        var texts = new List<VectorText>();
        VectorChanges changes;
        long since = 0;
        do
        {
            changes = await store.ReadVectorsAsync(scope, model: "", since, cancellationToken).ConfigureAwait(false);
            texts.AddRange(changes.WithoutVector);
            since = changes.Change;
        }
        while (changes.HasMore);
        return texts;
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
        await vectors.RefreshAsync(store, scope, Model, cancellationToken).ConfigureAwait(false);
        return vectors;
    }

    /// <summary>The vector of a request.</summary>
    private async Task<float[]?> EmbedAsync(string request, List<string> notes, CancellationToken cancellationToken)
    {
        try
        {
            return (await GenerateAsync([Redacted(request)], cancellationToken).ConfigureAwait(false))[0];
        }
        catch (Exception exception) when (IsFaultOfGenerator(exception, cancellationToken))
        {
            Log.EmbeddingFailed(logger, exception.GetType().FullName ?? "");
            notes.Add($"The request was searched by words alone: {Describe(exception)}");
            return null;
        }
    }

    /// <summary>Makes the vectors of some procedures beside a search. What the generator cannot do at once it gets in smaller portions the next time, down to the one text that it refuses.</summary>
    /// <returns>Whether there are new ones.</returns>
    private async Task<bool> EmbedAsync(List<VectorText> pending, CancellationToken cancellationToken)
    {
        try
        {
            await WriteAsync(pending, await GenerateAsync([.. pending.SelectMany(Texts)], cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            _batch = Math.Min(PerSearch, pending.Count * 2);
            return true;
        }
        catch (ProcedureStoreException exception) when (exception.Fault is StoreFault.Busy or StoreFault.ReadOnly)
        {
            // The next search makes them.
            return false;
        }
        catch (Exception exception) when (IsFaultOfGenerator(exception, cancellationToken))
        {
            Log.EmbeddingFailed(logger, exception.GetType().FullName ?? "");
            if (pending.Count == 1)
            {
                _refused[pending[0].ProcedureId] = pending[0].Change;
            }

            _batch = pending.Count / 2;
            return false;
        }
    }

    /// <summary>Asks the generator. What it gives is checked, since it goes into the store.</summary>
    private async Task<List<float[]>> GenerateAsync(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        GeneratedEmbeddings<Embedding<float>> generated;
        try
        {
            generated = await generator
                .GenerateAsync([.. texts.Select(Cut)], cancellationToken: timeout.Token)
                .WaitAsync(options.EmbeddingTimeout, options.TimeProvider, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Nobody waits for it any more.
            await timeout.CancelAsync().ConfigureAwait(false);
            throw;
        }
        catch (Exception exception) when (exception is not OperationCanceledException && cancellationToken.IsCancellationRequested)
        {
            // What a generator raises when it is cancelled is its own affair.
            throw new OperationCanceledException(cancellationToken);
        }

        if (generated.Count != texts.Count)
        {
            throw new EmbeddingException(string.Create(CultureInfo.InvariantCulture, $"the generator gave {generated.Count} vectors for {texts.Count} texts."));
        }

        var vectors = new List<float[]>(texts.Count);
        foreach (var embedding in generated)
        {
            var vector = embedding.Vector.ToArray();
            var length = TensorPrimitives.Norm<float>(vector);
            if (vector.Length == 0 || !float.IsFinite(length) || length == 0 || (vectors.Count > 0 && vectors[0].Length != vector.Length))
            {
                throw new EmbeddingException(string.Create(CultureInfo.InvariantCulture, $"the generator gave a vector of {vector.Length} numbers that is empty, 0, not finite, or of another length than its others."));
            }

            TensorPrimitives.Divide(vector, length, vector);
            vectors.Add(vector);
        }

        return vectors;
    }

    private Task WriteAsync(IReadOnlyList<VectorText> texts, List<float[]> vectors, CancellationToken cancellationToken)
    {
        var from = 0;
        var written = new List<ProcedureVector>(texts.Count);
        foreach (var text in texts)
        {
            // The mean of what it says and what it says and does.
            var sum = vectors[from++];
            if (text.Actions.Length > 0)
            {
                TensorPrimitives.Add(sum, vectors[from++], sum);
                var length = TensorPrimitives.Norm<float>(sum);
                if (length > 0)
                {
                    TensorPrimitives.Divide(sum, length, sum);
                }
            }

            written.Add(new ProcedureVector(text.ProcedureId, text.Change, sum));
        }

        return written.Count == 0 ? Task.CompletedTask : store.WriteVectorsAsync(Model, written, cancellationToken);
    }

    private static IEnumerable<string> Texts(VectorText text) => text.Actions.Length > 0 ? [text.Description, $"{text.Description} {text.Actions}"] : [text.Description];

    /// <summary>As much of a text as models read, with no half of a surrogate pair at its end.</summary>
    private static string Cut(string text) => text.Length <= MaxTextLength ? text : text[..(MaxTextLength - (char.IsHighSurrogate(text[MaxTextLength - 1]) ? 1 : 0))];

    /// <summary>A request as it may leave the process: the generator may be a service.</summary>
    private string Redacted(string request) => new ValueCapture(options).Text(request);

    private static bool IsFaultOfGenerator(Exception exception, CancellationToken cancellationToken) => !cancellationToken.IsCancellationRequested && exception is not ProcedureStoreException;

    // What a generator's exception says may hold what was sent to it, or an address with a key.
    private string Describe(Exception exception) => exception switch
    {
        EmbeddingException => exception.Message,
        TimeoutException => string.Create(CultureInfo.InvariantCulture, $"the generator of vectors took longer than {options.EmbeddingTimeout.TotalSeconds} s ({nameof(ProceduralMemoryOptions.EmbeddingTimeout)})."),
        _ => $"the generator of vectors failed with {exception.GetType().Name}.",
    };

    private sealed class EmbeddingException(string message) : Exception(message);
}

/// <summary>How far <see cref="ProcedureMemory.ReembedAsync"/> has come.</summary>
/// <param name="Done">Procedures that were dealt with.</param>
/// <param name="Total">Procedures to deal with.</param>
public sealed record ReembedProgress(int Done, int Total);

/// <summary>What <see cref="ProcedureMemory.ReembedAsync"/> did.</summary>
/// <param name="Embedded">Procedures that have a new vector.</param>
/// <param name="Failed">Procedures that the generator made none for. They are searched by words, and tried again the next time.</param>
/// <param name="Fault">What went wrong with the first of these, in words that hold no content.</param>
public sealed record ReembedResult(int Embedded, int Failed, string? Fault);
