using System.Globalization;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>From a request to the procedures that fit it: candidates by words and vectors, ranked, filtered by what can be used, and explained.</summary>
internal sealed class ProcedureFinder(IProcedureSearch store, ProcedureVectors? vectors)
{
    /// <summary>The most that are named of those that fit and are left out.</summary>
    public const int MaxLeftOut = 10;

    // A score is what the share of right first hits was at that fit, on the public requests of the evaluation: a logistic curve through them. See docs/recall.md.
    private static readonly Calibration ByWords = new(-2.1, 4.6);
    private static readonly Calibration ByWordsAndVectors = new(-2.2, 4.1);

    private const double DefaultMinimum = 0.6;

    // A procedure in which one word that says what it does was replaced is not to come out as a match, however much the rest agrees.
    private const double ReplacedShare = 0.5;

    private const double SuccessShare = 0.25;
    private const int MaxNearMisses = 3;
    private const int LeastCandidates = 100;
    private const int MostCandidates = 1000;

    private static readonly Lazy<IReadOnlySet<string>> CommonStems = new(() =>
        KeywordOverlap.StopWords.SelectMany(w => TextAnalyzer.Analyze(w, isName: true)).Select(w => w.Stem).ToHashSet(StringComparer.Ordinal));

    public async Task<FindResult> FindAsync(string request, MemoryScope scope, FindOptions options, double? minimumScore, CancellationToken cancellationToken)
    {
        var minimum = minimumScore ?? DefaultMinimum;
        var notes = new List<string>();
        if (request.Length > TextAnalyzer.MaxLength)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"Of the request's {request.Length} characters the first {TextAnalyzer.MaxLength} were searched for."));
        }

        var words = TextAnalyzer.Analyze(request);
        var near = vectors is not null && options.Strategy is FindStrategy.Ranked
            ? await vectors.NearestAsync(request, scope.Read, notes, cancellationToken).ConfigureAwait(false)
            : null;
        var wanted = options.Skip + options.Top;
        var query = new SearchQuery
        {
            Scopes = scope.Read,
            Words = [.. words.Select(w => w.Stem).Distinct(StringComparer.Ordinal)],
            CommonWords = CommonStems.Value,
            Tags = options.Tags,
            Also = near?.Ids ?? [],
            Limit = Math.Clamp(wanted * 2, LeastCandidates, MostCandidates),
        };
        var found = await store.SearchAsync(query, cancellationToken).ConfigureAwait(false);
        if (found.Candidates.Count >= query.Limit && query.Limit < MostCandidates && found.Candidates.Count(c => options.States.Contains(c.State)) < wanted)
        {
            // Those that are out of use have taken the places of those that are not.
            found = await store.SearchAsync(query with { Limit = MostCandidates }, cancellationToken).ConfigureAwait(false);
        }

        if (found.IndexWasRebuilt)
        {
            notes.Add("The index of words did not agree with the procedures, and was made anew.");
        }

        if (found.NotIndexed > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{found.NotIndexed} procedures were not searched: they are not in the index yet. The database is read-only, or another process was writing to it all the time."));
        }

        if (found.Unreadable > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{found.Unreadable} procedures were not searched: their stored documents cannot be read. Store them anew, or restore a backup."));
        }

        var similarities = near is null
            ? null
            : found.Candidates.Select(c => (c.Id, Cosine: near.CosineOf(c.Id))).Where(c => c.Cosine is not null).ToDictionary(c => c.Id, c => c.Cosine!.Value);
        var ranked = new CandidateRanker(words, found).Rank(found.Candidates, similarities);
        var replaced = new ReplacedWords(words, CommonStems.Value);
        var surfaces = words.DistinctBy(w => w.Stem, StringComparer.Ordinal).ToList();

        var fitting = new List<(RankedCandidate Ranked, double Score, double Rank)>();
        var nearMisses = new List<(RankedCandidate Ranked, double Score, double Rank)>();
        var leftOut = new List<LeftOutProcedure>();
        foreach (var candidate in ranked.Where(c => c.Candidate.Tags is var tags && options.Tags.All(t => tags.Contains(t, StringComparer.OrdinalIgnoreCase))))
        {
            if (candidate.Candidate.State is VersionState.Active && !options.States.Contains(VersionState.Active))
            {
                // That it can be replayed is no fault to be told of it.
                continue;
            }

            candidate.Replaced = replaced.In(candidate.Candidate.Document);
            var fit = (candidate.Similarity is null ? ByWords : ByWordsAndVectors).Of(candidate.Fit);
            var score = fit * Math.Pow(ReplacedShare, candidate.Replaced);
            if (!candidate.Matched.Any(m => !CommonStems.Value.Contains(surfaces[m].Stem)) && candidate.Similarity is null)
            {
                continue;
            }

            if (WhyNot(candidate.Candidate, scope, found, options) is { } reason)
            {
                if (score >= minimum && leftOut.Count < MaxLeftOut)
                {
                    leftOut.Add(reason);
                }
            }
            else if (score >= minimum)
            {
                var bound = ExecutionStatistics.WilsonBound(candidate.Candidate.Successes, candidate.Candidate.Successes + candidate.Candidate.Failures);
                fitting.Add((candidate, score, fit * (1 - SuccessShare + (SuccessShare * bound))));
            }
            else
            {
                nearMisses.Add((candidate, score, score));
            }
        }

        var ordered = (options.Order is FindOrder.SuccessRate
            ? fitting.OrderByDescending(f => RateOf(f.Ranked.Candidate)).ThenByDescending(f => f.Score)
            : fitting.OrderByDescending(f => f.Rank))
            .ThenByDescending(f => f.Ranked.Candidate.LastExecutedAt)
            .ThenBy(f => f.Ranked.Candidate.Name, StringComparer.Ordinal)
            .ToList();
        nearMisses = [.. nearMisses.OrderByDescending(m => m.Score).Take(MaxNearMisses)];
        var page = ordered.Skip(options.Skip).Take(options.Top).ToList();
        List<Guid> ids = [.. page.Concat(nearMisses).Select(p => p.Ranked.Candidate.Id)];
        var procedures = ids.Count == 0 ? [] : (await store.ReadProceduresAsync(scope.Read, ids, cancellationToken).ConfigureAwait(false)).ToDictionary(p => p.Id);
        if (procedures.Count < ids.Count)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{ids.Count - procedures.Count} procedures are not shown: their stored documents cannot be read. Store them anew, or restore a backup."));
        }

        return new FindResult([.. page.SelectMany((p, i) => Match(p, options.Skip + i == 0 ? null : ordered[options.Skip + i - 1]))], [.. nearMisses.SelectMany(m => Match(m, null))], minimum)
        {
            LeftOut = leftOut,
            Notes = notes,
            UsedVectors = near is not null,
        };

        // What was indexed when its document was whole may be damaged when it is read.
        IEnumerable<ProcedureMatch> Match((RankedCandidate Ranked, double Score, double Rank) hit, (RankedCandidate Ranked, double Score, double Rank)? before)
        {
            if (procedures.TryGetValue(hit.Ranked.Candidate.Id, out var procedure))
            {
                var matched = hit.Ranked.Matched.Order().Select(n => surfaces[n]).Where(w => !CommonStems.Value.Contains(w.Stem)).Select(w => w.Surface).ToList();
                yield return new ProcedureMatch(procedure, hit.Score, matched) { Similarity = hit.Ranked.Similarity, Reason = Explain(hit, before, matched) };
            }
        }
    }

    private static LeftOutProcedure? WhyNot(SearchCandidate candidate, MemoryScope scope, SearchCandidates found, FindOptions options)
    {
        var name = candidate.Name;
        if (options.WhyOutOfUse(name, candidate.State) is { } outOfUse)
        {
            return outOfUse;
        }

        if (found.Namesakes.Count > 0)
        {
            var nearest = NearestScope.Of(scope.Read, found.Namesakes.Where(n => string.Equals(n.Name, name, StringComparison.OrdinalIgnoreCase)), n => n.Scope, n => n.CanBeReplayed);
            if (nearest is not null && nearest.Id != candidate.Id)
            {
                return new(name, LeftOutReason.OtherScope, $"'{name}' stands in a nearer scope as well, and that one is meant by the name.");
            }
        }

        return options.WhyInapplicable(name, candidate.Document.Functions, candidate.Document.RequiredInputs);
    }

    private static double RateOf(SearchCandidate candidate) =>
        candidate.Successes + candidate.Failures == 0 ? 0 : (double)candidate.Successes / (candidate.Successes + candidate.Failures);

    private static string Explain((RankedCandidate Ranked, double Score, double Rank) hit, (RankedCandidate Ranked, double Score, double Rank)? before, List<string> matched)
    {
        var candidate = hit.Ranked.Candidate;
        var parts = new List<string> { matched.Count == 0 ? "no word in common" : $"has {string.Join(", ", matched.Take(8))}" };
        if (hit.Ranked.Replaced > 0)
        {
            parts.Add("the request has another word where it says what it does");
        }

        if (hit.Ranked.Similarity is { } similarity)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"similarity {similarity:0.00}"));
        }

        var judged = candidate.Successes + candidate.Failures;
        parts.Add(judged == 0
            ? "never executed"
            : string.Create(CultureInfo.InvariantCulture, $"{candidate.Successes} of {judged} succeeded (at least {ExecutionStatistics.WilsonBound(candidate.Successes, judged):0.00})"));
        if (before is { } better)
        {
            parts.Add(better.Score - hit.Score > 0.02 ? $"fits less than '{better.Ranked.Candidate.Name}'" : $"fits no better than '{better.Ranked.Candidate.Name}', which is surer to succeed, or ran later");
        }

        return string.Join("; ", parts);
    }

    private sealed record Calibration(double Offset, double Slope)
    {
        public double Of(double fit) => 1 / (1 + Math.Exp(-(Offset + (Slope * fit))));
    }
}
