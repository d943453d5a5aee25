using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>Says of each candidate whether it fits the request, how surely, and whether it can be used.</summary>
internal sealed class CandidateJudge(IReadOnlyList<AnalyzedWord> words, IReadOnlySet<string> commonStems, MemoryScope scope, FindOptions options, double minimum)
{
    // A score is what the share of right first hits was at that fit, on the public requests of the evaluation: a logistic curve through them. See docs/recall.md.
    private static readonly Calibration ByWords = new(-2.1, 4.6);
    private static readonly Calibration ByWordsAndVectors = new(-2.2, 4.1);

    // A procedure in which one word that says what it does was replaced is not to come out as a match, however much the rest agrees.
    private const double ReplacedShare = 0.5;

    private const double SuccessShare = 0.25;

    private readonly ReplacedWords _replaced = new(words, commonStems);
    private readonly List<AnalyzedWord> _surfaces = [.. words.DistinctBy(w => w.Stem, StringComparer.Ordinal)];

    /// <summary>Judges candidates.</summary>
    /// <param name="found">The candidates, with the counts of the words.</param>
    /// <param name="cosineOf">The cosine of one that has a vector; <see langword="null"/> where no vectors take part.</param>
    public JudgedCandidates Judge(SearchCandidates found, Func<Guid, float?>? cosineOf)
    {
        var similarities = cosineOf is null
            ? null
            : found.Candidates.Select(c => (c.Id, Cosine: cosineOf(c.Id))).Where(c => c.Cosine is not null).ToDictionary(c => c.Id, c => c.Cosine!.Value);
        var fitting = new List<JudgedCandidate>();
        var nearMisses = new List<JudgedCandidate>();
        var leftOut = new List<(Guid, LeftOutProcedure)>();
        var namesakes = found.Namesakes.ToLookup(n => ProcedureMemory.NameKey(n.Name), StringComparer.Ordinal);
        var usable = 0;
        foreach (var ranked in new CandidateRanker(words, found).Rank(found.Candidates, similarities))
        {
            var candidate = ranked.Candidate;
            if (!options.Tags.All(t => candidate.Tags.Contains(t, StringComparer.OrdinalIgnoreCase)))
            {
                continue;
            }

            if (candidate.State is VersionState.Active && !options.States.Contains(VersionState.Active))
            {
                // That it can be replayed is no fault to be told of it.
                continue;
            }

            var whyNot = WhyNot(candidate, namesakes);
            usable += whyNot is null ? 1 : 0;
            var matched = ranked.Matched.Order().Select(n => _surfaces[n]).Where(w => !commonStems.Contains(w.Stem)).Select(w => w.Surface).ToList();
            if (matched.Count == 0 && ranked.Similarity is null)
            {
                continue;
            }

            ranked.Replaced = _replaced.In(candidate.Document);
            var fit = (ranked.Similarity is null ? ByWords : ByWordsAndVectors).Of(ranked.Fit);
            var score = fit * Math.Pow(ReplacedShare, ranked.Replaced);
            var rank = fit * (1 - SuccessShare + (SuccessShare * ExecutionStatistics.WilsonInterval(candidate.Successes, candidate.Successes + candidate.Failures).Lower));
            var judged = new JudgedCandidate(ranked, fit, score, rank, matched);
            if (whyNot is not null)
            {
                if (score >= minimum)
                {
                    leftOut.Add((candidate.Id, whyNot));
                }
            }
            else if (score >= minimum)
            {
                fitting.Add(judged);
            }
            else
            {
                nearMisses.Add(judged);
            }
        }

        var ordered = (options.Order is FindOrder.SuccessRate
            ? fitting.OrderByDescending(f => RateOf(f.Candidate)).ThenByDescending(f => f.Score)
            : fitting.OrderByDescending(f => f.Rank))
            .ThenByDescending(f => f.Candidate.LastExecutedAt)
            .ThenBy(f => f.Candidate.Name, StringComparer.Ordinal)
            .ThenBy(f => f.Candidate.Id);
        return new JudgedCandidates([.. ordered], [.. nearMisses.OrderByDescending(m => m.Score)], leftOut, usable);
    }

    private LeftOutProcedure? WhyNot(SearchCandidate candidate, ILookup<string, Namesake> namesakes) =>
        options.WhyOutOfUse(candidate.Name, candidate.State, candidate.MergedInto)
        ?? options.WhyHidden(scope.Read, namesakes[ProcedureMemory.NameKey(candidate.Name)], candidate.Id)
        ?? options.WhyInapplicable(candidate.Name, candidate.Document.Functions, candidate.Document.RequiredInputs);

    private static double RateOf(SearchCandidate candidate) =>
        candidate.Successes + candidate.Failures == 0 ? 0 : (double)candidate.Successes / (candidate.Successes + candidate.Failures);

    private sealed record Calibration(double Offset, double Slope)
    {
        public double Of(double fit) => 1 / (1 + Math.Exp(-(Offset + (Slope * fit))));
    }
}

/// <summary>A candidate that can be used, and how it fits.</summary>
/// <param name="Ranked">The candidate.</param>
/// <param name="Fit">How surely it would be what was asked for if no word were replaced, from 0 to 1.</param>
/// <param name="Score">How surely it is what was asked for, from 0 to 1.</param>
/// <param name="Rank">What orders those that fit: the fit without the words that were replaced, of which a part counts in so far as it succeeds.</param>
/// <param name="Matched">The words of the request that it has, as they were written.</param>
internal sealed record JudgedCandidate(RankedCandidate Ranked, double Fit, double Score, double Rank, IReadOnlyList<string> Matched)
{
    public SearchCandidate Candidate => Ranked.Candidate;

    /// <summary>Whether it is among those that a look further brought, which come after the first.</summary>
    public bool IsFurther { get; init; }

    public Standing Standing => new(Candidate.Name, Fit, Score, Candidate.Successes, Candidate.Failures, Candidate.LastExecutedAt, IsFurther);
}

/// <summary>Candidates by what became of them.</summary>
/// <param name="Fitting">Those that fit, in their order.</param>
/// <param name="NearMisses">Those below the threshold, best first.</param>
/// <param name="LeftOut">Those that fit and cannot be used, best first.</param>
/// <param name="Usable">How many can be used, whether they fit or not.</param>
internal sealed record JudgedCandidates(
    IReadOnlyList<JudgedCandidate> Fitting,
    IReadOnlyList<JudgedCandidate> NearMisses,
    IReadOnlyList<(Guid Id, LeftOutProcedure Why)> LeftOut,
    int Usable)
{
    /// <summary>
    /// These, and after them what further candidates bring. These keep their order, so that a page is the same whether or not there was a look further: it would change
    /// a little, since candidates are ranked among each other.
    /// </summary>
    public JudgedCandidates FollowedBy(JudgedCandidates more)
    {
        var fitting = Fitting.Select(f => f.Candidate.Id).ToHashSet();
        var nearMisses = NearMisses.Select(f => f.Candidate.Id).ToHashSet();
        var leftOut = LeftOut.Select(l => l.Id).ToHashSet();
        return new(
            [.. Fitting, .. more.Fitting.Where(f => !fitting.Contains(f.Candidate.Id) && !nearMisses.Contains(f.Candidate.Id)).Select(f => f with { IsFurther = true })],
            [.. NearMisses.Concat(more.NearMisses.Where(m => !fitting.Contains(m.Candidate.Id) && !nearMisses.Contains(m.Candidate.Id))).OrderByDescending(m => m.Score)],
            [.. LeftOut, .. more.LeftOut.Where(l => !leftOut.Contains(l.Id))],
            Usable);
    }
}
