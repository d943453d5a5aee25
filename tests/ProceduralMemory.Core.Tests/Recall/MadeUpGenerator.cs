using Microsoft.Extensions.AI;

namespace ProceduralMemory.Tests.Recall;

/// <summary>
/// A generator of vectors that knows a few words of the same meaning. It shows that vectors are made, kept and used; it says nothing of how well real ones serve.
/// </summary>
internal sealed class MadeUpGenerator(int dimensions = 8) : IEmbeddingGenerator<string, Embedding<float>>
{
    private static readonly string[][] Meanings = [["refund", "reimburse", "repay"], ["deploy", "ship", "release"], ["water", "irrigate"], ["order", "purchase"], ["plants", "flowers"]];

    /// <summary>What it was asked for, call by call.</summary>
    public List<IReadOnlyList<string>> Asked { get; } = [];

    /// <summary>The token of the last call.</summary>
    public CancellationToken Token { get; private set; }

    public int Dimensions { get; set; } = dimensions;

    /// <summary>What happens in place of an answer, where it gives one.</summary>
    public Func<IReadOnlyList<string>, Task<GeneratedEmbeddings<Embedding<float>>>?>? Instead { get; set; }

    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var texts = values.ToList();
        lock (Asked)
        {
            // A call that nobody waits for any more may still be under way.
            Asked.Add(texts);
        }

        Token = cancellationToken;
        return Instead?.Invoke(texts) ?? Task.FromResult(Vectors(texts.Select(Vector)));
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose() => Asked.Clear();

    public static GeneratedEmbeddings<Embedding<float>> Vectors(IEnumerable<float[]> vectors) => [.. vectors.Select(v => new Embedding<float>(v))];

    public float[] Vector(string text)
    {
        var vector = new float[Dimensions];
        vector[^1] = 0.3f;
        for (var i = 0; i < Math.Min(Meanings.Length, Dimensions - 1); i++)
        {
            vector[i] = Meanings[i].Count(w => text.Contains(w, StringComparison.OrdinalIgnoreCase));
        }

        return vector;
    }
}
