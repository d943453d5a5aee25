using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>
/// Says how well each candidate fits a request: BM25 (S. E. Robertson and H. Zaragoza, <i>The Probabilistic Relevance Framework: BM25 and Beyond</i>, 2009) over
/// words and pairs of neighbouring words, how much of the actions' names the request says, and, where there are vectors, their cosine. The three are added up,
/// each bounded, which tells more than reciprocal ranks do (S. Bruch, S. Gai and A. Ingber, <i>An Analysis of Fusion Functions for Hybrid Retrieval</i>, 2023).
/// Then the best candidates vote on which actions the request needs, and those that have these gain.
/// </summary>
/// <remarks>The figures were chosen on real requests: see docs/recall.md.</remarks>
internal sealed class CandidateRanker
{
    private const double Saturation = 1.6;
    private const double LengthShare = 0.9;
    private const double ActionShare = 0.2;
    private const double SimilarityShare = 0.35;
    private const double VoteShare = 0.3;
    private const int Voters = 30;

    // In a memory of a few procedures every word is in most of them, which says nothing of the word: it is counted as if there were more.
    private const int LeastDocuments = 100;

    private readonly Dictionary<string, Term> _terms = new(StringComparer.Ordinal);
    private readonly Dictionary<(int, int), Pair> _pairs = [];
    private readonly HashSet<string> _plainWords;
    private readonly long _documents;

    /// <summary>Prepares a request.</summary>
    /// <param name="request">Its words in their order.</param>
    /// <param name="candidates">Those that may fit, with the counts of the words.</param>
    public CandidateRanker(IReadOnlyList<AnalyzedWord> request, SearchCandidates candidates)
    {
        _documents = Math.Max(candidates.Documents, LeastDocuments);
        var previous = -1;
        var previousWeight = 0.0;
        foreach (var word in request)
        {
            if (!_terms.TryGetValue(word.Stem, out var term))
            {
                _terms.Add(word.Stem, term = new Term(_terms.Count, Idf(candidates.WordCounts.GetValueOrDefault(word.Stem))));
            }

            term.Weight = Math.Max(term.Weight, word.Weight);
            if (previous >= 0)
            {
                if (!_pairs.TryGetValue((previous, term.Number), out var pair))
                {
                    _pairs.Add((previous, term.Number), pair = new Pair());
                }

                pair.Weight = Math.Max(pair.Weight, Math.Min(previousWeight, word.Weight));
            }

            previous = term.Number;
            previousWeight = word.Weight;
        }

        _plainWords = request.Where(w => w.Weight >= 1).Select(w => w.Stem).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Ranks the candidates.</summary>
    /// <param name="candidates">The candidates.</param>
    /// <param name="similarities">The cosine of each candidate that has a vector; <see langword="null"/> where there are none.</param>
    /// <returns>How well each fits, best first.</returns>
    public List<RankedCandidate> Rank(IReadOnlyList<SearchCandidate> candidates, IReadOnlyDictionary<Guid, float>? similarities)
    {
        var parsed = candidates.Select(Parse).ToList();
        foreach (var pair in _pairs.Values)
        {
            // How many procedures have two words side by side is not in the index; among the candidates are nearly all that do.
            pair.Idf = Idf(pair.Candidates);
        }

        var lengths = parsed.SelectMany(p => p.Variants).Select(v => v.Length).ToList();
        var meanLength = lengths.Count == 0 ? 1 : Math.Max(lengths.Average(), 1);
        var most = _terms.Values.Sum(t => t.Idf * t.Weight) + _pairs.Values.Sum(p => p.Idf * p.Weight);
        var actions = new ActionProfiles(candidates, _plainWords);
        var ranked = new List<RankedCandidate>(candidates.Count);
        for (var i = 0; i < candidates.Count; i++)
        {
            var words = most == 0 ? 0 : parsed[i].Variants.Max(v => Score(v, meanLength)) / most;
            var similarity = similarities is not null && similarities.TryGetValue(candidates[i].Id, out var cosine) ? cosine : (float?)null;
            ranked.Add(new RankedCandidate(candidates[i])
            {
                Words = words,
                Similarity = similarity,
                Fit = words + (ActionShare * actions.Said(i)) + (SimilarityShare * (similarity ?? 0)),
                Matched = parsed[i].Matched,
            });
        }

        actions.Vote(ranked, VoteShare, Voters);
        ranked.Sort(static (a, b) => a.Fit != b.Fit ? b.Fit.CompareTo(a.Fit) : string.CompareOrdinal(a.Candidate.Name, b.Candidate.Name));
        return ranked;
    }

    private double Idf(long count)
    {
        var n = Math.Min(Math.Max(count, 1), _documents);
        return Math.Log(1 + ((_documents - n + 0.5) / (n + 0.5)));
    }

    private static double Score(Variant variant, double meanLength)
    {
        var norm = Saturation * (1 - LengthShare + (LengthShare * variant.Length / meanLength));
        var sum = 0.0;
        foreach (var (term, frequency) in variant.Terms)
        {
            sum += term.Idf * term.Weight * frequency * (Saturation + 1) / (frequency + norm);
        }

        foreach (var (pair, frequency) in variant.Pairs)
        {
            sum += pair.Idf * pair.Weight * frequency * (Saturation + 1) / (frequency + norm);
        }

        return sum;
    }

    /// <summary>
    /// Each wording of a procedure is a text of its own, together with its name, labels and actions: the best counts. A procedure that was asked for in many ways
    /// is thereby no long text that says everything a little.
    /// </summary>
    private Parsed Parse(SearchCandidate candidate)
    {
        var document = candidate.Document;
        var shared = new Variant();
        Add(shared, document.ActionWords, 1);
        Add(shared, document.Name, 1);
        Add(shared, document.Tags, 1);
        Add(shared, document.InputWords, 0.5);
        var variants = new List<Variant>();
        foreach (var wording in document.Requests.Split('\n').Append(document.Description).Where(w => w.Length > 0).DefaultIfEmpty(""))
        {
            var variant = new Variant(shared);
            Add(variant, wording, 1);
            variants.Add(variant);
        }

        var matched = new HashSet<int>(variants.SelectMany(v => v.Terms.Keys).Select(t => t.Number));
        foreach (var pair in variants.SelectMany(v => v.Pairs.Keys).Distinct())
        {
            pair.Candidates++;
        }

        return new Parsed(variants, matched);
    }

    private void Add(Variant variant, string stored, double fieldWeight)
    {
        var lookup = _terms.GetAlternateLookup<ReadOnlySpan<char>>();
        Term? previous = null;
        var previousWeight = 0.0;
        var isFirst = true;
        foreach (var range in stored.AsSpan().SplitAny(' ', '\n'))
        {
            var word = stored.AsSpan()[range];
            if (word.IsEmpty)
            {
                continue;
            }

            var weight = TextAnalyzer.WeightOf(ref word) * fieldWeight;
            variant.Length += weight + (isFirst ? 0 : Math.Min(weight, previousWeight));
            if (lookup.TryGetValue(word, out var term))
            {
                // A letter of a script without blanks adds nothing to the length of the text, but a request that has it alone means a word.
                variant.Terms[term] = variant.Terms.GetValueOrDefault(term) + (weight == TextAnalyzer.LetterWeight ? fieldWeight : weight);
                if (previous is not null && _pairs.TryGetValue((previous.Number, term.Number), out var pair))
                {
                    variant.Pairs[pair] = variant.Pairs.GetValueOrDefault(pair) + Math.Min(weight, previousWeight);
                }
            }

            previous = term;
            previousWeight = weight;
            isFirst = false;
        }
    }

    private sealed class Term(int number, double idf)
    {
        public int Number { get; } = number;

        public double Idf { get; } = idf;

        public double Weight { get; set; }
    }

    private sealed class Pair
    {
        public double Idf { get; set; }

        public double Weight { get; set; }

        public int Candidates { get; set; }
    }

    private sealed class Variant
    {
        public Variant()
        {
        }

        public Variant(Variant shared)
        {
            Terms = new(shared.Terms);
            Pairs = new(shared.Pairs);
            Length = shared.Length;
        }

        public Dictionary<Term, double> Terms { get; } = [];

        public Dictionary<Pair, double> Pairs { get; } = [];

        public double Length { get; set; }
    }

    private sealed record Parsed(List<Variant> Variants, HashSet<int> Matched);
}

/// <summary>How well a candidate fits.</summary>
internal sealed class RankedCandidate(SearchCandidate candidate)
{
    public SearchCandidate Candidate { get; } = candidate;

    /// <summary>The part that the words play.</summary>
    public double Words { get; init; }

    /// <summary>The cosine of the vectors of request and procedure, where both are there.</summary>
    public float? Similarity { get; init; }

    /// <summary>All together: larger is better, and it has no other meaning.</summary>
    public double Fit { get; set; }

    /// <summary>How many words that say what kind of task it is are others in the request: see <see cref="ReplacedWords"/>. It lowers the score and not the fit.</summary>
    public int Replaced { get; set; }

    /// <summary>The numbers of the request's words that it has, in the order in which they first stand there.</summary>
    public required IReadOnlySet<int> Matched { get; init; }
}
