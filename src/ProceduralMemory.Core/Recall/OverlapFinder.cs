using ProceduralMemory.Persist;

namespace ProceduralMemory.Recall;

/// <summary>Finds by <see cref="KeywordOverlap"/>: it reads every procedure, and needs nothing of a store but that.</summary>
internal sealed class OverlapFinder(IProcedureStore store)
{
    /// <summary>What is said where a store cannot search.</summary>
    public const string NoIndex = "This store has no index of words: the procedures were compared by keyword overlap.";

    /// <summary>What is said where an index does not serve.</summary>
    public const string UnusableIndex =
        "The index of words does not agree with the procedures, and the database is read-only: the procedures were compared by keyword overlap. Search it once with write access, which makes the index anew.";

    private const int MaxNearMisses = 3;

    public async Task<FindResult> FindAsync(string request, MemoryScope scope, FindOptions options, double? minimumScore, string? note, CancellationToken cancellationToken)
    {
        var threshold = minimumScore ?? KeywordOverlap.DefaultMinimum;
        var words = KeywordOverlap.Words(request);
        var all = await store.ListProceduresAsync(scope.Read, includeRetired: true, cancellationToken).ConfigureAwait(false);
        var names = all.ToDictionary(p => p.Id, p => p.Name);
        var namesakes = scope.Read.Count == 1 ? null : all.ToLookup(p => ProcedureMemory.NameKey(p.Name), p => new Namesake(p.Id, p.Scope, p.Name, StateOf(p)), StringComparer.Ordinal);
        var scored = new List<ProcedureMatch>();
        var leftOut = new List<(double Score, LeftOutProcedure Why)>();
        foreach (var procedure in all.Where(p => options.Tags.All(t => p.Tags.Contains(t, StringComparer.OrdinalIgnoreCase))))
        {
            var match = KeywordOverlap.Score(procedure, words);
            var state = StateOf(procedure);
            if (match.MatchedWords.Count == 0 || (state is VersionState.Active && !options.States.Contains(state)))
            {
                // That it can be replayed is no fault to be told of it.
                continue;
            }

            var functions = procedure.Version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Function).Select(s => s.Action);
            var whyNot = options.WhyOutOfUse(procedure.Name, state, procedure.MergedInto is { } kept ? names.GetValueOrDefault(kept) : null)
                ?? (namesakes is null ? null : options.WhyHidden(scope.Read, namesakes[ProcedureMemory.NameKey(procedure.Name)], procedure.Id))
                ?? options.WhyInapplicable(procedure.Name, functions, procedure.Version.Inputs.Where(SearchDocument.MustBeGiven).Select(i => i.Name));
            if (whyNot is null)
            {
                scored.Add(match);
            }
            else if (match.Score >= threshold)
            {
                leftOut.Add((match.Score, whyNot));
            }
        }

        var fitting = scored.Where(m => m.Score >= threshold);
        var ordered = (options.Order is FindOrder.SuccessRate
                ? fitting.OrderByDescending(m => m.Procedure.Version.Statistics.SuccessRate ?? 0).ThenByDescending(m => m.Score)
                : fitting.OrderByDescending(m => m.Score).ThenByDescending(m => m.Procedure.Version.Statistics.SuccessRate ?? 0))
            .ThenByDescending(m => m.Procedure.Version.Statistics.LastExecutedAt)
            .ToList();
        return new FindResult(
            [.. ordered.Skip(options.Skip).Take(options.Top).Select((m, i) => Explained(m, options.Skip + i == 0 ? null : ordered[options.Skip + i - 1]))],
            [.. scored.Where(m => m.Score < threshold).OrderByDescending(m => m.Score).Take(MaxNearMisses).Select(m => Explained(m, null))],
            threshold)
        {
            LeftOut = [.. leftOut.OrderByDescending(l => l.Score).Take(ProcedureFinder.MaxLeftOut).Select(l => l.Why)],
            Notes = note is null ? [] : [note],
        };

        ProcedureMatch Explained(ProcedureMatch match, ProcedureMatch? before) =>
            match with { Reason = MatchReason.Of(StandingOf(match), before is null ? null : StandingOf(before), options.Order, match.MatchedWords) };
    }

    private static VersionState StateOf(Procedure procedure) => procedure.IsRetired ? VersionState.Retired : procedure.ActiveVersion is null ? VersionState.Draft : procedure.QuarantinedAt is not null ? VersionState.Quarantined : VersionState.Active;

    private static Standing StandingOf(ProcedureMatch match) => new(
        match.Procedure.Name, match.Score, match.Score, match.Procedure.Version.Statistics.Successes, match.Procedure.Version.Statistics.Failures, match.Procedure.Version.Statistics.LastExecutedAt);
}
