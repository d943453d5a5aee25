using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>Makes the vectors of many procedures, in portions that shrink where the generator cannot do them in the time it has, down to the one text that it refuses.</summary>
internal sealed class VectorRenewal(EmbeddingCaller caller, IProcedureSearch store)
{
    private const int LargestPortion = 64;

    // So many in a row that are refused one by one: it is not the texts, then.
    private const int GiveUpAfter = 10;

    public async Task<ReembedResult> RunAsync(IReadOnlyList<VectorText> pending, IProgress<ReembedProgress>? progress, CancellationToken cancellationToken)
    {
        var (made, failed, inARow, fault) = (0, 0, 0, (string?)null);
        var size = LargestPortion;
        while (made + failed < pending.Count)
        {
            var portion = pending.Skip(made + failed).Take(size).ToList();
            try
            {
                await store.WriteVectorsAsync(caller.Model, await caller.GenerateAsync(portion, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                made += portion.Count;
                inARow = 0;
                size = Math.Min(LargestPortion, portion.Count * 2);
            }
            catch (Exception exception) when (EmbeddingCaller.IsFault(exception, cancellationToken) && portion.Count > 1)
            {
                size = portion.Count / 2;
                continue;
            }
            catch (Exception exception) when (EmbeddingCaller.IsFault(exception, cancellationToken))
            {
                fault ??= caller.Describe(exception);
                failed++;
                if (++inARow >= GiveUpAfter)
                {
                    return new ReembedResult(made, pending.Count - made, fault);
                }
            }

            progress?.Report(new ReembedProgress(made + failed, pending.Count));
        }

        return new ReembedResult(made, failed, fault);
    }

    /// <summary>The texts of all procedures of a scope. No model has an empty name, so of that one all vectors are missing; those that are there stay until new ones take their place.</summary>
    public async Task<IReadOnlyList<VectorText>> ReadTextsAsync(string scope, CancellationToken cancellationToken)
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
