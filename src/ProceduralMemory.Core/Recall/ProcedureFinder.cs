using System.Globalization;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>From a request to the procedures that fit it: candidates by words and vectors, ranked, filtered by what can be used, and explained.</summary>
internal sealed class ProcedureFinder(IProcedureSearch store, ProcedureVectors? vectors)
{
    /// <summary>The most that are named of those that fit and are left out.</summary>
    public const int MaxLeftOut = 10;

    private const double DefaultMinimum = 0.6;
    private const int MaxNearMisses = 3;

    /// <summary>How many candidates words bring, and how many vectors do, at first.</summary>
    internal const int FirstCandidates = 100;

    /// <summary>How many at most, where there is a look further.</summary>
    internal const int MostCandidates = 1000;

    // A first page of so many is answered from the first candidates, if these can be used: where fewer fit, hardly any does beyond, and a look further takes six to eleven
    // times as long as the search itself (measured with 10,000 procedures).
    private const int ShortPage = 50;

    private static readonly Lazy<IReadOnlySet<string>> CommonStems = new(() =>
        KeywordOverlap.StopWords.SelectMany(w => TextAnalyzer.Analyze(w, isName: true)).Select(w => w.Stem).ToHashSet(StringComparer.Ordinal));

    /// <returns><see langword="null"/> where the store has no index to search, and may not make one.</returns>
    public async Task<FindResult?> FindAsync(string request, MemoryScope scope, FindOptions options, double? minimumScore, CancellationToken cancellationToken)
    {
        var minimum = minimumScore ?? DefaultMinimum;
        var notes = new List<string>();
        if (request.Length > TextAnalyzer.MaxLength)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"Of the request's {request.Length} characters the first {TextAnalyzer.MaxLength} were searched for."));
        }

        var words = TextAnalyzer.Analyze(request);
        var near = vectors is not null && !options.WordsOnly && options.Strategy is FindStrategy.Ranked
            ? await vectors.NearestAsync(request, scope.Read, notes, cancellationToken).ConfigureAwait(false)
            : null;
        var nearest = near?.Nearest(FirstCandidates, null, cancellationToken) ?? [];
        var query = new SearchQuery
        {
            Scopes = scope.Read,
            Words = [.. words.Select(w => w.Stem).Distinct(StringComparer.Ordinal)],
            CommonWords = CommonStems.Value,
            Tags = options.Tags,
            Also = nearest,
            Limit = FirstCandidates,
        };
        var found = await store.SearchAsync(query, cancellationToken).ConfigureAwait(false);
        if (found.IndexIsUnusable)
        {
            return null;
        }

        Note(found, notes);
        var judge = new CandidateJudge(words, CommonStems.Value, scope, options, minimum);
        var judged = judge.Judge(found, near is null ? null : near.CosineOf);
        var wanted = (long)options.Skip + options.Top;
        var isCut = found.Candidates.Count >= FirstCandidates;

        // Those that cannot be used have taken the places of those that can, or it is a page further down.
        if (isCut && (judged.Usable < wanted || (judged.Fitting.Count < wanted && (options.Skip > 0 || options.Top > ShortPage))))
        {
            if (near is not null && nearest.Count >= FirstCandidates)
            {
                var allowed = await store.ListIdsAsync(scope.Read, options.States, options.Tags, cancellationToken).ConfigureAwait(false);
                nearest = near.Nearest(MostCandidates, allowed.Contains, cancellationToken);
            }

            var more = await store.SearchAsync(query with { Limit = MostCandidates, States = options.States, Also = nearest }, cancellationToken).ConfigureAwait(false);
            judged = judged.FollowedBy(judge.Judge(more, near is null ? null : near.CosineOf));
        }

        var page = judged.Fitting.Skip(options.Skip).Take(options.Top).ToList();
        var nearMisses = judged.NearMisses.Take(MaxNearMisses).ToList();
        List<Guid> ids = [.. page.Concat(nearMisses).Select(p => p.Candidate.Id)];
        var procedures = ids.Count == 0 ? [] : (await store.ReadProceduresAsync(scope.Read, ids, cancellationToken).ConfigureAwait(false)).ToDictionary(p => p.Id);
        if (procedures.Count < ids.Count)
        {
            // What was indexed when its document was whole may be damaged when it is read.
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{ids.Count - procedures.Count} procedures are not shown: their stored documents cannot be read. Store them anew, or restore a backup."));
        }

        return new FindResult([.. page.SelectMany((p, i) => Match(p, options.Skip + i == 0 ? null : judged.Fitting[options.Skip + i - 1]))], [.. nearMisses.SelectMany(m => Match(m, null))], minimum)
        {
            LeftOut = [.. judged.LeftOut.Take(MaxLeftOut).Select(l => l.Why)],
            Notes = notes,
            UsedVectors = near is not null,
        };

        IEnumerable<ProcedureMatch> Match(JudgedCandidate hit, JudgedCandidate? before)
        {
            if (procedures.TryGetValue(hit.Candidate.Id, out var procedure))
            {
                yield return new ProcedureMatch(procedure, hit.Score, hit.Matched) { Similarity = hit.Ranked.Similarity, Reason = MatchReason.Of(hit.Standing, before?.Standing, options.Order, hit.Matched, hit.Ranked.Similarity, hit.Ranked.Replaced > 0) };
            }
        }
    }

    private static void Note(SearchCandidates found, List<string> notes)
    {
        if (found.IndexWasRebuilt)
        {
            notes.Add("The index of words did not agree with the procedures, and was made anew.");
        }

        if (found.NotIndexed > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{found.NotIndexed}{(found.NotIndexed >= SearchCandidates.MostNotIndexed ? " or more" : "")} procedures were not searched: they are not in the index yet. The database is read-only, could not be written, or another process was writing to it all the time."));
        }

        if (found.Unreadable > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{found.Unreadable} procedures were not searched: their stored documents cannot be read. Store them anew, or restore a backup."));
        }
    }
}
