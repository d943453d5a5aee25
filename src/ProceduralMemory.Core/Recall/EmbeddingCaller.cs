using System.Globalization;
using System.Numerics.Tensors;
using Microsoft.Extensions.AI;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>Asks the host's generator of vectors, for so long and no longer. What it gives is checked, since it goes into the store.</summary>
internal sealed class EmbeddingCaller(ProceduralMemoryOptions options, IEmbeddingGenerator<string, Embedding<float>> generator)
{
    private const int MaxTextLength = 8_000;

    /// <summary>The name under which vectors are kept.</summary>
    public string Model { get; } = !string.IsNullOrWhiteSpace(options.EmbeddingModel)
        ? options.EmbeddingModel
        : (generator.GetService(typeof(EmbeddingGeneratorMetadata)) as EmbeddingGeneratorMetadata)?.DefaultModelId ?? generator.GetType().FullName!;

    /// <summary>The vectors of some texts, each of length 1.</summary>
    public async Task<List<float[]>> GenerateAsync(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        GeneratedEmbeddings<Embedding<float>> generated;
        try
        {
            // On a thread of its own: a generator may do all its work before it returns a task, and would be waited for without end.
            generated = await Task.Run(() => generator.GenerateAsync([.. texts.Select(Cut)], cancellationToken: timeout.Token), timeout.Token)
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

    /// <summary>Makes the vectors of procedures: of each the mean of what it says, and what it says and does.</summary>
    public async Task<List<ProcedureVector>> GenerateAsync(IReadOnlyList<VectorText> texts, CancellationToken cancellationToken)
    {
        var vectors = await GenerateAsync([.. texts.SelectMany(Texts)], cancellationToken).ConfigureAwait(false);
        var from = 0;
        var made = new List<ProcedureVector>(texts.Count);
        foreach (var text in texts)
        {
            var vector = vectors[from++];
            if (text.Actions.Length > 0)
            {
                var sum = new float[vector.Length];
                TensorPrimitives.Add(vector, vectors[from++], sum);

                // Two that are opposite have no mean; what it says is then all there is.
                if (TensorPrimitives.Norm<float>(sum) is var length and > 1e-3f)
                {
                    TensorPrimitives.Divide(sum, length, vector);
                }
            }

            made.Add(new ProcedureVector(text.ProcedureId, text.Change, vector));
        }

        return made;
    }

    /// <summary>Whether it was the generator that failed, and not the store or the caller who wants no more of it.</summary>
    public static bool IsFault(Exception exception, CancellationToken cancellationToken) => !cancellationToken.IsCancellationRequested && exception is not ProcedureStoreException;

    /// <summary>What went wrong, as the end of a sentence. What a generator's exception says may hold what was sent to it, or an address with a key.</summary>
    public string Describe(Exception exception) => exception switch
    {
        EmbeddingException => exception.Message,
        TimeoutException => string.Create(CultureInfo.InvariantCulture, $"the generator of vectors took longer than {options.EmbeddingTimeout.TotalSeconds} s ({nameof(ProceduralMemoryOptions.EmbeddingTimeout)})."),
        _ => $"the generator of vectors failed with {exception.GetType().Name}.",
    };

    private static IEnumerable<string> Texts(VectorText text) => text.Actions.Length > 0 ? [text.Description, $"{text.Description} {text.Actions}"] : [text.Description];

    /// <summary>As much of a text as models read, with no half of a surrogate pair at its end.</summary>
    private static string Cut(string text) => text.Length <= MaxTextLength ? text : text[..(MaxTextLength - (char.IsHighSurrogate(text[MaxTextLength - 1]) ? 1 : 0))];

    private sealed class EmbeddingException(string message) : Exception(message);
}
