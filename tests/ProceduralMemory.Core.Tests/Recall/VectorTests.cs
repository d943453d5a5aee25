using System.Globalization;
using Microsoft.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

/// <summary>How vectors are made, kept and used, and what happens where they cannot be.</summary>
public sealed class VectorTests : IDisposable
{
    private static readonly FindOptions Low = new() { MinimumScore = 0.2 };

    private readonly MadeUpGenerator _generator = new();
    private readonly TestMemory _test;

    public VectorTests() => _test = TestMemory.OnFile(o => o.EmbeddingGenerator = _generator);

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose()
    {
        _test.Dispose();
        _generator.Dispose();
    }

    [Fact]
    public async Task A_procedure_is_found_by_its_meaning_with_no_word_in_common()
    {
        await FillAsync();

        var result = await Memory.FindAsync("reimburse that purchase", Low);

        Assert.True(result.UsedVectors);
        Assert.Empty(result.Notes);
        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.InRange(result.Matches[0].Similarity!.Value, 0.8, 1.001);
        Assert.StartsWith("no word in common; similarity ", result.Matches[0].Reason, StringComparison.Ordinal);
        Assert.Empty(result.Matches[0].MatchedWords);
        Assert.All(result.Matches.Skip(1), m => Assert.True(m.Similarity < result.Matches[0].Similarity));
    }

    [Theory]
    [InlineData(FindStrategy.Words)]
    [InlineData(FindStrategy.KeywordOverlap)]
    public async Task Who_asks_for_words_alone_asks_no_generator(FindStrategy strategy)
    {
        await FillAsync();

        var result = await Memory.FindAsync("refund the order", new FindOptions { Strategy = strategy });

        Assert.False(result.UsedVectors);
        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.Empty(_generator.Asked);
    }

    [Fact]
    public async Task Storing_asks_no_generator_and_an_empty_memory_does_not_either()
    {
        Assert.Empty((await Memory.FindAsync("refund the order")).Matches);
        await FillAsync();

        Assert.Empty(_generator.Asked);
    }

    public static TheoryData<string> Faults => new(FaultTable.Keys);

    private static Dictionary<string, Func<IReadOnlyList<string>, Task<GeneratedEmbeddings<Embedding<float>>>>> FaultTable { get; } = new()
    {
        ["throws at once"] = _ => throw new HttpRequestException("https://user:hunter2@host refused 'refund'"),
        ["throws later"] = _ => Task.FromException<GeneratedEmbeddings<Embedding<float>>>(new InvalidOperationException("hunter2")),
        ["cancels itself"] = _ => Task.FromCanceled<GeneratedEmbeddings<Embedding<float>>>(new CancellationToken(canceled: true)),
        ["null"] = _ => Task.FromResult<GeneratedEmbeddings<Embedding<float>>>(null!),
        ["none"] = _ => Gives(0, 1),
        ["too few"] = t => Gives(t.Count - 1, 1),
        ["too many"] = t => Gives(t.Count + 1, 1),
        ["NaN"] = t => Gives(t.Count, float.NaN),
        ["infinity"] = t => Gives(t.Count, float.PositiveInfinity),
        ["overflow"] = t => Gives(t.Count, float.MaxValue),
        ["zero"] = t => Gives(t.Count, 0),
        ["empty vectors"] = t => Task.FromResult(MadeUpGenerator.Vectors(t.Select(_ => Array.Empty<float>()))),
        ["lengths that differ"] = t => Task.FromResult(MadeUpGenerator.Vectors(t.Select((_, i) => Enumerable.Repeat(1f, i + 3).ToArray()))),
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Whatever_the_generator_does_the_search_goes_by_words_and_says_so(string fault)
    {
        await FillAsync();
        _generator.Instead = FaultTable[fault];

        var result = await Memory.FindAsync("refund the order");

        // One vector alone has no length to differ from: it is taken, and is of no use beside those that are not there.
        Assert.False(result.UsedVectors);
        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.Null(result.Matches[0].Similarity);
        var note = Assert.Single(result.Notes);
        Assert.StartsWith(fault == "lengths that differ" ? "3 procedures have no vector yet" : "The request was searched by words alone: the generator ", note, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", note, StringComparison.Ordinal);
        Assert.Equal("0", Vectors());

        _generator.Instead = null;
        Assert.True((await Memory.FindAsync("refund the order")).UsedVectors);
    }

    [Fact]
    public async Task A_generator_that_takes_too_long_is_not_waited_for()
    {
        await FillAsync();
        var asked = new TaskCompletionSource();
        _generator.Instead = _ =>
        {
            asked.SetResult();
            return new TaskCompletionSource<GeneratedEmbeddings<Embedding<float>>>().Task;
        };

        var finding = Memory.FindAsync("refund the order");
        await asked.Task;
        Assert.False(finding.IsCompleted);
        _test.Time.Advance(TimeSpan.FromSeconds(5));
        var result = await finding;

        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.Equal("The request was searched by words alone: the generator of vectors took longer than 5 s (EmbeddingTimeout).", Assert.Single(result.Notes));
        Assert.Single(_generator.Asked);
    }

    [Fact]
    public async Task The_generator_is_told_that_nobody_waits_any_more()
    {
        await FillAsync();
        var isCancelled = false;
        var asked = new TaskCompletionSource();
        _generator.Instead = _ =>
        {
            _generator.Token.Register(() => isCancelled = true);
            asked.SetResult();
            return new TaskCompletionSource<GeneratedEmbeddings<Embedding<float>>>().Task;
        };

        var finding = Memory.FindAsync("refund the order");
        await asked.Task;
        _test.Time.Advance(TimeSpan.FromSeconds(5));
        await finding;

        Assert.True(isCancelled);
    }

    [Theory]
    [InlineData("waits")]
    [InlineData("throws its own")]
    [InlineData("throws at once")]
    public async Task Cancellation_by_the_caller_is_rethrown(string generator)
    {
        await FillAsync();
        using var cancellation = new CancellationTokenSource();
        _generator.Instead = _ =>
        {
#pragma warning disable VSTHRD103 // It is to be cancelled before it goes on.
            cancellation.Cancel();
#pragma warning restore VSTHRD103
            return generator switch
            {
                "waits" => new TaskCompletionSource<GeneratedEmbeddings<Embedding<float>>>().Task,
                "throws its own" => Task.FromException<GeneratedEmbeddings<Embedding<float>>>(new HttpRequestException("closed")),
                _ => throw new InvalidOperationException("closed"),
            };
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.FindAsync("refund the order", cancellationToken: cancellation.Token));
    }

    [Fact]
    public async Task A_text_that_the_generator_refuses_costs_no_search_its_vector()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");
        await Memory.StoreAsync(Named("poison", "Repay something with poison."));
        _generator.Instead = Refusing;

        var result = await Memory.FindAsync("reimburse that purchase", Low);

        Assert.True(result.UsedVectors);
        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.Equal("1 procedures have no vector yet and were searched by words alone. ReembedAsync makes them all.", Assert.Single(result.Notes));
        Assert.Equal("3", Vectors());
        Assert.Equal("poison", (await Memory.FindAsync("poison something", Low)).Matches[0].Procedure.Name);
    }

    [Fact]
    public async Task Making_all_vectors_counts_what_the_generator_refuses_and_makes_the_others()
    {
        await FillAsync();
        await Memory.StoreAsync(Named("poison", "Repay something with poison."));
        _generator.Instead = Refusing;

        var result = await Memory.ReembedAsync();

        Assert.Equal(new ReembedResult(3, 1, "the generator of vectors failed with ArgumentException."), result);
        Assert.Equal("3", Vectors());

        _generator.Instead = null;
        Assert.Equal(new ReembedResult(1, 0, null), await Memory.ReembedAsync());
        Assert.Equal(new ReembedResult(0, 0, null), await Memory.ReembedAsync());
    }

    [Fact]
    public async Task Vectors_of_another_model_are_not_used_and_are_dropped_when_they_are_renewed()
    {
        await FillAsync(70);
        Assert.Equal(73, (await Memory.ReembedAsync()).Embedded);
        using var other = new MadeUpGenerator(5);
        var renewed = _test.Open(o => (o.EmbeddingGenerator, o.EmbeddingModel) = (other, "new"));

        var found = await renewed.FindAsync("refund the order");
        Assert.Equal("41 procedures have no vector yet and were searched by words alone. ReembedAsync makes them all.", Assert.Single(found.Notes));
        Assert.Equal("32", Vectors("model = 'new'"));
        Assert.All(found.Matches.Where(m => m.Similarity is not null), m => Assert.InRange(m.Similarity!.Value, -1.001, 1.001));

        var progress = new Reports();
        var result = await renewed.ReembedAsync(progress: progress);

        Assert.Equal(new ReembedResult(41, 0, null), result);
        Assert.Equal([new ReembedProgress(41, 41)], progress.All);
        Assert.Equal(("73", "73"), (Vectors(), Vectors("model = 'new'")));
        Assert.Empty((await renewed.FindAsync("refund the order")).Notes);

        progress.All.Clear();
        Assert.Equal(73, (await renewed.ReembedAsync(renewAll: true, progress)).Embedded);
        Assert.Equal([new ReembedProgress(64, 73), new ReembedProgress(73, 73)], progress.All);
    }

    [Fact]
    public async Task Without_a_name_the_model_is_the_type_of_the_generator()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");

        Assert.Equal("3", Vectors($"model = '{typeof(MadeUpGenerator).FullName}'"));
    }

    [Fact]
    public async Task Renewing_without_a_generator_is_refused()
    {
        var memory = _test.Open(o => o.EmbeddingGenerator = null);

        var error = await _test.RefusesAsync<InvalidOperationException>(() => memory.ReembedAsync());

        Assert.Equal("There is nothing to make vectors with. Set ProceduralMemoryOptions.EmbeddingGenerator.", error.Message);
    }

    [Fact]
    public async Task A_changed_description_makes_a_new_vector_and_a_new_version_alone_does_not()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");

        await Memory.StoreAsync(Named("plants", "Irrigates the plants.", "t.a", "t.a"), asNewVersion: true);
        _generator.Asked.Clear();
        await Memory.FindAsync("ship it");
        Assert.Equal(["ship it", "Irrigates the plants.", "Irrigates the plants. t.a"], _generator.Asked.SelectMany(a => a));

        await Memory.StoreAsync(Named("plants", "Irrigates the plants.", "t.a", "t.a", "t.a"), asNewVersion: true);
        _generator.Asked.Clear();
        await Memory.FindAsync("ship it");
        Assert.Equal(["ship it"], _generator.Asked.SelectMany(a => a));
        Assert.Equal("3", Vectors());
    }

    [Fact]
    public async Task Memories_on_one_file_see_each_others_vectors_and_changes()
    {
        using var others = new MadeUpGenerator();
        var other = _test.Open(o => (o.EmbeddingGenerator, o.EmbeddingModel) = (others, typeof(MadeUpGenerator).FullName));
        await FillAsync();
        await Memory.FindAsync("refund the order");

        Assert.Equal("refund", (await other.FindAsync("reimburse that purchase", Low)).Matches[0].Procedure.Name);
        Assert.Equal(["reimburse that purchase"], others.Asked.SelectMany(a => a));

        await Memory.StoreAsync(Named("plants", "Repays the purchase of plants."), asNewVersion: true);
        await Memory.FindAsync("refund the order");
        var changed = await other.FindAsync("reimburse that purchase", Low);
        Assert.Equal(["plants", "refund"], changed.Matches.Take(2).Select(m => m.Procedure.Name).Order(StringComparer.Ordinal));
        Assert.Equal(2, others.Asked.Count);

        // One that cannot be made anew stays as it was.
        _generator.Instead = texts => texts.Any(t => t.Contains("purchase", StringComparison.Ordinal)) ? throw new ArgumentException("no") : null;
        Assert.Equal(new ReembedResult(2, 1, "the generator of vectors failed with ArgumentException."), await Memory.ReembedAsync(renewAll: true));
        others.Instead = texts => texts.Count > 1 ? throw new ArgumentException("no") : null;
        var left = await other.FindAsync("reimburse that purchase", Low);
        Assert.Empty(left.Notes);
        Assert.Contains(left.Matches.Concat(left.NearMisses), m => m.Procedure.Name == "plants" && m.Similarity is not null);
    }

    [Fact]
    public async Task A_memory_that_holds_vectors_of_the_old_length_takes_those_of_the_new_length_in()
    {
        using var others = new MadeUpGenerator();
        var other = _test.Open(o => (o.EmbeddingGenerator, o.EmbeddingModel) = (others, typeof(MadeUpGenerator).FullName));
        await FillAsync();
        await Memory.FindAsync("refund the order");
        await other.FindAsync("refund the order");

        _generator.Dimensions = others.Dimensions = 6;
        var result = await Memory.FindAsync("refund the order");
        Assert.False(result.UsedVectors);
        Assert.Equal("The model now gives vectors of 6 numbers, and those stored have 8: they were not used. Renew all of them with ReembedAsync.", Assert.Single(result.Notes));
        Assert.Equal("refund", result.Matches[0].Procedure.Name);

        // One that is new is of the new length, and the others are told of.
        await Memory.StoreAsync(Named("orders", "Purchase and repay."));
        result = await Memory.FindAsync("refund the order");
        Assert.True(result.UsedVectors);
        Assert.StartsWith("3 procedures have vectors of another length than the model gives now", Assert.Single(result.Notes), StringComparison.Ordinal);

        await Memory.ReembedAsync(renewAll: true);
        foreach (var memory in new[] { Memory, other, _test.Open() })
        {
            result = await memory.FindAsync("reimburse that purchase", Low);
            Assert.True(result.UsedVectors);
            Assert.Empty(result.Notes);
            Assert.Contains(result.Matches, m => m.Procedure.Name == "refund" && m.Similarity > 0.5);
        }
    }

    [Fact]
    public async Task A_read_only_memory_uses_the_vectors_that_are_there_and_makes_none()
    {
        await FillAsync();
        await Memory.FindAsync("refund the order");
        await Memory.StoreAsync(Named("orders", "Release the purchase."));
        var readOnly = _test.Open(o => o.ReadOnly = true);
        var before = _test.Dump();
        _generator.Asked.Clear();

        var result = await readOnly.FindAsync("reimburse that purchase", Low);

        Assert.True(result.UsedVectors);
        Assert.Equal("refund", result.Matches[0].Procedure.Name);
        Assert.StartsWith("1 procedures have no vector yet", Assert.Single(result.Notes), StringComparison.Ordinal);
        Assert.Equal(["reimburse that purchase"], _generator.Asked.SelectMany(a => a));
        await Assert.ThrowsAsync<ProcedureStoreException>(() => readOnly.ReembedAsync());
        Assert.Equal(before, _test.Dump());
    }

    [Fact]
    public async Task A_search_makes_the_vectors_of_a_few_new_procedures_and_says_how_many_are_left()
    {
        await FillAsync(37);

        Assert.Equal("8 procedures have no vector yet and were searched by words alone. ReembedAsync makes them all.", Assert.Single((await Memory.FindAsync("refund the order")).Notes));
        Assert.Empty((await Memory.FindAsync("refund the order")).Notes);
        Assert.Equal("40", Vectors());
    }

    [Fact]
    public async Task A_request_leaves_for_the_generator_redacted_and_a_long_one_cut_between_characters()
    {
        await FillAsync();

        await Memory.FindAsync("refund with password=hunter2 the order");
        await Memory.FindAsync("x" + string.Concat(Enumerable.Repeat("\ud83d\ude00", 10_000)));

        Assert.Equal("refund with password=[redacted] the order", _generator.Asked[0][0]);
        Assert.Equal(7_999, _generator.Asked[^1][0].Length);
    }

    [Fact]
    public async Task Vectors_do_not_cross_scopes()
    {
        await FillAsync();
        var ann = _test.Open(o => o.Scope = () => new MemoryScope("ann"));
        await ann.StoreAsync(Named("plants", "Waters the plants."));
        await Memory.FindAsync("refund the order");

        var result = await ann.FindAsync("reimburse that purchase", new FindOptions { MinimumScore = 0 });

        Assert.All(result.Matches.Concat(result.NearMisses), m => Assert.Equal("ann", m.Procedure.Scope));
        Assert.Equal("plants", Assert.Single(result.Matches).Procedure.Name);
    }

    private static Task<GeneratedEmbeddings<Embedding<float>>> Gives(int count, float value) =>
        Task.FromResult(MadeUpGenerator.Vectors(Enumerable.Range(0, count).Select(_ => new[] { value, value, value })));

    private static Task<GeneratedEmbeddings<Embedding<float>>>? Refusing(IReadOnlyList<string> texts) =>
        texts.Any(t => t.Contains("with poison", StringComparison.Ordinal)) ? throw new ArgumentException("poison hunter2") : null;

    private static ProcedureDefinition Named(string name, string description, params string[] actions) =>
        Given.Definition(name, [.. actions.DefaultIfEmpty("t.a").Select(a => Given.Step(a))]) with { Description = description };

    private async Task FillAsync(int more = 0)
    {
        await Memory.StoreAsync(Named("refund", "Refunds the order."));
        await Memory.StoreAsync(Named("service", "Deploys a service."));
        await Memory.StoreAsync(Named("plants", "Waters the plants."));
        for (var i = 0; i < more; i++)
        {
            await Memory.StoreAsync(Named(string.Create(CultureInfo.InvariantCulture, $"other {i}"), "Something else."));
        }
    }

    private string Vectors(string where = "true") => _test.Rows($"select count(*) from procedure_vectors where {where}")[0];

    private sealed class Reports : IProgress<ReembedProgress>
    {
        public List<ReembedProgress> All { get; } = [];

        public void Report(ReembedProgress value) => All.Add(value);
    }
}
