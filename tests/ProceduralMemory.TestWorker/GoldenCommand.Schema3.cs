using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>What came with schema 3, in a scope of its own: another wording of a procedure, and vectors.</summary>
internal static partial class GoldenCommand
{
    /// <summary>The name under which the vectors are kept.</summary>
    private const string EmbeddingModel = "golden-4";

    /// <summary>The vector of any text: there are no others in the file.</summary>
    private static float[] VectorOf(string text) => text.Contains("invoice", StringComparison.OrdinalIgnoreCase) ? [0.6f, 0, 0, 0.8f] : [0, 1, 0, 0];

    private static async Task WriteSchema3Async(ProcedureMemory memory)
    {
        await memory.StoreAsync(new ProcedureDefinition
        {
            Name = "pay invoice",
            Description = "Pay the invoice of a supplier",
            Tags = ["books"],
            Inputs = [new ProcedureInput { Name = "invoice", Type = JsonType.String }],
            Steps = [new ProcedureStep { Id = "pay", Action = "bank.transfer", Arguments = JsonElement.Parse("""{"invoice":"$inputs.invoice"}"""), Effect = StepEffect.Write }],
        });
        await memory.StoreAsync(new ProcedureDefinition { Name = "给植物浇水", Description = "给办公室的植物浇水", Steps = [new ProcedureStep { Action = "garden.water" }] });
        (await memory.ReplayAsync(new AnsweringExecutor(Answer), "pay invoice", ReplayRequest.For(new { invoice = "I-77" }) with { Request = "Settle what we owe the printers, I-77" })).ThrowIfNotCompleted();
        await memory.ReembedAsync();
    }

    private sealed class GoldenGenerator : IEmbeddingGenerator<string, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default) =>
            Task.FromResult<GeneratedEmbeddings<Embedding<float>>>([.. values.Select(v => new Embedding<float>(VectorOf(v)))]);

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
