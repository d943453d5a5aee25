using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Evaluation;

/// <summary>What a system answers to a request: procedures, best first, and how sure it is of the first.</summary>
internal sealed record Ranking(IReadOnlyList<string> Ids, double Confidence);

/// <summary>How good the answers to a corpus are.</summary>
/// <param name="Requests">Requests that some procedure does.</param>
/// <param name="RecallAt1">The share whose first hit does it.</param>
/// <param name="RecallAt5">The mean share of what does it among the first five.</param>
/// <param name="MrrAt10">The mean of one over the place of the first that does it, 0 beyond the tenth.</param>
internal sealed record RetrievalScore(int Requests, double RecallAt1, double RecallAt5, double MrrAt10);

/// <summary>Answers of all systems to all requests.</summary>
internal sealed class RetrievalResult(IReadOnlyList<RetrievalQuery> queries, IReadOnlyDictionary<string, IReadOnlyList<Ranking>> answers)
{
    public IReadOnlyList<Failure> Failures { get; init; } = [];

    /// <summary>What the data lacked, or <see langword="null"/>.</summary>
    public string? Note { get; init; }

    public IReadOnlyList<string> Systems { get; } = [.. answers.Keys];

    public IReadOnlyList<string> Corpora { get; } = [.. queries.Select(q => q.Corpus).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>The score over one corpus, or over all requests.</summary>
    public RetrievalScore Of(string system, string? corpus)
    {
        var scored = queries.Zip(answers[system]).Where(a => a.First.Relevant.Count > 0 && (corpus is null || a.First.Corpus == corpus)).ToList();
        return scored.Count == 0
            ? new RetrievalScore(0, 0, 0, 0)
            : new RetrievalScore(
                scored.Count,
                scored.Average(a => IsRight(a.First, a.Second) ? 1.0 : 0.0),
                scored.Average(a => (double)a.Second.Ids.Take(5).Count(a.First.Relevant.Contains) / Math.Min(5, a.First.Relevant.Count)),
                scored.Average(a => a.Second.Ids.Take(10).Select((id, i) => a.First.Relevant.Contains(id) ? 1.0 / (i + 1) : 0).FirstOrDefault(r => r > 0)));
    }

    /// <summary>The mean over the corpora that have requests which some procedure does.</summary>
    public RetrievalScore Macro(string system)
    {
        var each = Corpora.Select(c => Of(system, c)).Where(s => s.Requests > 0).ToList();
        return new RetrievalScore(each.Sum(s => s.Requests), each.Average(s => s.RecallAt1), each.Average(s => s.RecallAt5), each.Average(s => s.MrrAt10));
    }

    /// <summary>The share of right first hits among the most confident part of all requests, those that nothing fits included.</summary>
    public double PrecisionAt(string system, double coverage)
    {
        var covered = queries.Zip(answers[system]).OrderByDescending(a => a.Second.Confidence).Take((int)Math.Round(queries.Count * coverage)).ToList();
        return covered.Count == 0 ? 0 : covered.Average(a => IsRight(a.First, a.Second) ? 1.0 : 0.0);
    }

    /// <summary>What answering from some confidence on comes to: how many requests get an answer, how many of these are right, and how many that nothing fits get one.</summary>
    public (double Coverage, double Precision, double NothingFits) AtThreshold(string system, double threshold)
    {
        var all = queries.Zip(answers[system]).ToList();
        var answered = all.Where(a => a.Second.Confidence >= threshold).ToList();
        var nothingFits = all.Where(a => a.First.Relevant.Count == 0).ToList();
        return (
            (double)answered.Count / all.Count,
            answered.Count == 0 ? 0 : answered.Average(a => IsRight(a.First, a.Second) ? 1.0 : 0.0),
            nothingFits.Count == 0 ? 0 : nothingFits.Average(a => a.Second.Confidence >= threshold ? 1.0 : 0.0));
    }

    /// <summary>Confidence and rightness of each first hit, for calibrating.</summary>
    public IEnumerable<(double Confidence, bool IsRight)> FirstHits(string system) => queries.Zip(answers[system]).Select(a => (a.Second.Confidence, IsRight(a.First, a.Second)));

    private static bool IsRight(RetrievalQuery query, Ranking ranking) => ranking.Ids.Count > 0 && query.Relevant.Contains(ranking.Ids[0]);
}

/// <summary>Finds procedures for requests, with the library and with the baselines that the README of the data names.</summary>
internal sealed class RetrievalEvaluation(RetrievalData data)
{
    public const string Hybrid = "ours-hybrid";
    public const string Seed = "seed keyword overlap, sorted";
    public const string Description = "BM25 description";
    public const string DescriptionAndTools = "BM25 description + tools";

    private const int Depth = 10;

    private int _withoutVectors;
    private int _byWordsAlone;

    public async Task<RetrievalResult> RunAsync(CancellationToken cancellationToken)
    {
        var answers = new Dictionary<string, IReadOnlyList<Ranking>>(StringComparer.Ordinal);
        using (var memory = await StoreAsync(generator: null, cancellationToken))
        {
            answers[Library.Name] = await AnswerAsync(memory, new FindOptions { Strategy = FindStrategy.Words }, cancellationToken);
            if (data.Vectors is { } vectors)
            {
                using var hybrid = await StoreAsync(new RecordedVectors(vectors), cancellationToken);
                _withoutVectors = (await hybrid.ReembedAsync(cancellationToken: cancellationToken)).Failed;
                answers[Hybrid] = await AnswerAsync(hybrid, new FindOptions(), cancellationToken);
            }

            answers[Seed] = await AnswerAsync(memory, new FindOptions { Strategy = FindStrategy.KeywordOverlap }, cancellationToken);
        }

        answers[Description] = Answer(new PlainBm25(data.Docs.Select(d => d.Description)));
        answers[DescriptionAndTools] = Answer(new PlainBm25(data.Docs.Select(d => $"{d.Description} {string.Join(' ', d.Tools)}")));
        return new RetrievalResult(data.Queries, answers)
        {
            Failures = [.. Failures(answers[Library.Name])],
            Note = _withoutVectors + _byWordsAlone == 0 ? null : $"'retrieval/embeddings.jsonl' lacks texts: {Hybrid} has {_withoutVectors} of {data.Docs.Count} procedures without a vector, and answered {_byWordsAlone} of {data.Queries.Count} requests by words alone.",
        };
    }

    /// <summary>The library by words alone, with other bounds on the candidates than it sets itself.</summary>
    public async Task<IReadOnlyList<(int Budget, int Limit, RetrievalScore Score, double Answered)>> PruneAsync(CancellationToken cancellationToken)
    {
        var scores = new List<(int, int, RetrievalScore, double)>();
        var all = data.Docs.Count;
        foreach (var (budget, limit) in new[] { (int.MaxValue, all), (int.MaxValue, 100), (20_000, 100), (2_000, 100), (500, 100), (200, 100), (50, 100), (10, 100), (20_000, 30), (20_000, 10) })
        {
            var options = Options(generator: null);
            using var store = new SqliteProcedureStore(options);
            using var memory = await StoreAsync(new ProcedureMemory(options, OtherBounds.Over(store, budget, limit)), cancellationToken);
            var answers = await AnswerAsync(memory, new FindOptions { Strategy = FindStrategy.Words }, cancellationToken);
            var result = new RetrievalResult(data.Queries, new Dictionary<string, IReadOnlyList<Ranking>>(StringComparer.Ordinal) { [Library.Name] = answers });
            scores.Add((budget, limit, result.Macro(Library.Name), result.PrecisionAt(Library.Name, 0.5)));
        }

        return scores;
    }

    private static ProceduralMemoryOptions Options(RecordedVectors? generator) => new() { DatabasePath = ":memory:", EmbeddingGenerator = generator, Redactor = new Library.NothingIsSecret() };

    private Task<ProcedureMemory> StoreAsync(RecordedVectors? generator, CancellationToken cancellationToken) => StoreAsync(new ProcedureMemory(Options(generator)), cancellationToken);

    /// <summary>All documents in one memory, as procedures: what a document calls a tool is a step.</summary>
    private async Task<ProcedureMemory> StoreAsync(ProcedureMemory memory, CancellationToken cancellationToken)
    {
        foreach (var doc in data.Docs)
        {
            // A procedure has a step at least; where the data know of none, it is one that says nothing.
            var steps = doc.Tools.Select(t => new ProcedureStep { Action = t }).DefaultIfEmpty(new ProcedureStep { Action = "-", Kind = StepKind.Manual });
            await memory.StoreAsync(new ProcedureDefinition { Name = doc.Name, Description = doc.Description, Steps = [.. steps] }, cancellationToken: cancellationToken);
        }

        return memory;
    }

    private async Task<IReadOnlyList<Ranking>> AnswerAsync(ProcedureMemory memory, FindOptions options, CancellationToken cancellationToken)
    {
        var ids = data.Docs.ToDictionary(d => d.Name, d => d.Id, StringComparer.OrdinalIgnoreCase);
        var rankings = new List<Ranking>(data.Queries.Count);
        foreach (var query in data.Queries)
        {
            // Ranked down to the last: what the threshold would leave out is seen in the curve.
            var found = await memory.FindAsync(query.Request, options with { Top = Depth, MinimumScore = 0 }, cancellationToken);
            _byWordsAlone += options.Strategy is FindStrategy.Ranked && !found.UsedVectors ? 1 : 0;
            rankings.Add(new Ranking([.. found.Matches.Select(m => ids[m.Procedure.Name])], found.Matches.Count == 0 ? -1 : found.Matches[0].Score));
        }

        return rankings;
    }

    private List<Ranking> Answer(PlainBm25 index) =>
        [.. data.Queries.Select(q => index.Search(q.Request, Depth)).Select(hits => new Ranking([.. hits.Select(h => data.Docs[h.Document].Id)], hits.Count == 0 ? -1 : hits[0].Score))];

    private IEnumerable<Failure> Failures(IReadOnlyList<Ranking> ours)
    {
        var docs = data.Docs.ToDictionary(d => d.Id, StringComparer.Ordinal);
        foreach (var (query, ranking) in data.Queries.Zip(ours))
        {
            var first = ranking.Ids.Count == 0 ? null : docs[ranking.Ids[0]];
            if (query.Relevant.Count > 0 && (first is null || !query.Relevant.Contains(first.Id)))
            {
                yield return new Failure(query.Corpus, query.Id, [
                    $"request:  {Shortened(query.Request)}",
                    first is null ? "found:    nothing" : $"found:    {Shortened(first.Description)} [{string.Join(", ", first.Tools)}] ({Figure.Ratio(ranking.Confidence)})",
                    .. query.Relevant.Select(r => $"relevant: {Shortened(docs[r].Description)} [{string.Join(", ", docs[r].Tools)}]"),
                ]);
            }
        }
    }

    private static string Shortened(string text) => text.Length > 160 ? $"{text[..160]}…" : text;

    /// <summary>A store that passes everything on, and searches with other bounds than it is asked to.</summary>
    [SuppressMessage("Performance", "CA1852", Justification = "The proxy is a subclass, made at run time.")]
    public class OtherBounds : DispatchProxy
    {
        private SqliteProcedureStore _store = null!;
        private int _budget;
        private int _limit;

        internal static IProcedureStore Over(SqliteProcedureStore store, int budget, int limit)
        {
            var proxy = Create<ISearchedStore, OtherBounds>();
            ((OtherBounds)(object)proxy)._store = store;
            ((OtherBounds)(object)proxy)._budget = budget;
            ((OtherBounds)(object)proxy)._limit = limit;
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Invoke(_store, [.. (args ?? []).Select(a => a is SearchQuery query ? query with { Budget = _budget, Limit = _limit } : a)]);

        public interface ISearchedStore : IProcedureStore, IProcedureSearch;
    }

    /// <summary>Gives each text the vector that a real model once made of it.</summary>
    private sealed class RecordedVectors(IReadOnlyDictionary<string, float[]> vectors) : IEmbeddingGenerator<string, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default) =>
            Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(v => new Embedding<float>(vectors[TextVector.Key(v)]))));

        public object? GetService(Type serviceType, object? serviceKey = null) =>
            serviceType == typeof(EmbeddingGeneratorMetadata) ? new EmbeddingGeneratorMetadata("recorded", defaultModelId: "universal-sentence-encoder-lite") : null;

        public void Dispose()
        {
        }
    }
}

/// <summary>BM25 as textbooks have it (k1 = 1.2, b = 0.75), over words in lower case: the baseline.</summary>
internal sealed partial class PlainBm25
{
    private readonly List<Dictionary<string, int>> _documents = [];
    private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);
    private readonly List<int> _lengths = [];

    public PlainBm25(IEnumerable<string> documents)
    {
        foreach (var words in documents.Select(Words))
        {
            var frequencies = words.CountBy(w => w, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
            _documents.Add(frequencies);
            _lengths.Add(words.Count);
            foreach (var word in frequencies.Keys)
            {
                _counts[word] = _counts.GetValueOrDefault(word) + 1;
            }
        }
    }

    public IReadOnlyList<(int Document, double Score)> Search(string request, int top)
    {
        var words = Words(request).Distinct(StringComparer.Ordinal).Where(_counts.ContainsKey).ToList();
        var mean = _lengths.Average();
        return [.. _documents
            .Select((frequencies, i) => (Document: i, Score: words.Where(frequencies.ContainsKey).Sum(w =>
                Math.Log(1 + ((_documents.Count - _counts[w] + 0.5) / (_counts[w] + 0.5))) * frequencies[w] * 2.2 / (frequencies[w] + (1.2 * (0.25 + (0.75 * _lengths[i] / mean)))))))
            .Where(h => h.Score > 0)
            .OrderByDescending(h => h.Score)
            .Take(top)];
    }

    private static List<string> Words(string text) => [.. Word().Matches(text.ToLowerInvariant()).Select(m => m.Value)];

    [GeneratedRegex("[a-z0-9]+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
