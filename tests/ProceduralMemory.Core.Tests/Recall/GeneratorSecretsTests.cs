using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Recall;

/// <summary>What makes vectors may be somebody else's service.</summary>
public sealed class GeneratorSecretsTests
{
    [Fact]
    public async Task A_generator_is_given_no_secret_of_a_request()
    {
        using var generator = new Listening();
        using var given = TestMemory.InMemory(o => o.EmbeddingGenerator = generator);
        await given.Memory.StoreAsync(new ProcedureDefinition { Name = "refund_order", Description = "Refund an order.", Steps = [new ProcedureStep { Action = "shop.refund" }] });
        await given.Memory.FindAsync("Refund order W1, my password is hunter2hunter2");

        Assert.Contains(generator.Heard, t => t.StartsWith("Refund order W1", StringComparison.Ordinal));
        Assert.DoesNotContain(generator.Heard, t => t.Contains("hunter2hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_turn_shows_is_looked_for_by_words_alone_so_that_no_answer_waits_for_a_generator()
    {
        using var generator = new Listening();
        using var given = TestMemory.InMemory(o => (o.EmbeddingGenerator, o.Learning) = (generator, LearningMode.Automatic));
        using var turn = given.Memory.BeginTurn("Refund order W1");
        foreach (var action in (string[])["shop.get_order", "shop.refund"])
        {
            await turn.Recorder!.CompleteStepAsync(turn.Recorder.BeginStep(action, JsonElement.Parse("""{"order_id":"W1"}"""))!, JsonElement.Parse("\"done\""));
        }

        Assert.NotNull((await turn.EndAsync(TurnEnd.Answered)).Learned);
        Assert.Empty(generator.Heard);
    }

    private sealed class Listening : IEmbeddingGenerator<string, Embedding<float>>
    {
        public List<string> Heard { get; } = [];

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            var texts = values.ToList();
            Heard.AddRange(texts);
            return Task.FromResult<GeneratedEmbeddings<Embedding<float>>>([.. texts.Select(_ => new Embedding<float>(new float[] { 1, 0 }))]);
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
