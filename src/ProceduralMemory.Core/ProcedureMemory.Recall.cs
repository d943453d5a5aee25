using ProceduralMemory.Recall;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>Finds procedures for a request. The answer may be that nothing fits.</summary>
    /// <param name="request">What is to be done, in the user's words.</param>
    /// <param name="options">How to search.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ArgumentException">The request is empty, or an option is out of range.</exception>
    public Task<FindResult> FindAsync(string request, FindOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(request);
        options ??= new FindOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Top, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.Skip, nameof(options));
        if (options.MinimumScore is not (null or (>= 0 and <= 1)))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.MinimumScore, "The minimum score goes from 0 to 1.");
        }

        var minimum = options.MinimumScore ?? Options.MinimumScore;
        return options.Strategy is FindStrategy.KeywordOverlap || _finder is null
            ? FindByOverlapAsync(request, options, minimum ?? KeywordOverlap.DefaultMinimum, cancellationToken)
            : _finder.FindAsync(request, CurrentScope(), options, minimum, cancellationToken);
    }

    /// <summary>
    /// Makes the vectors that procedures of the scopes that are read lack, and drops those of other models than the present one. Searches make the vectors of a few new
    /// procedures by themselves; this is for many at once, after an import or a change of the model.
    /// </summary>
    /// <param name="renewAll">Whether vectors that are there are made anew as well.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Cancels the call; what was made by then is kept.</param>
    /// <exception cref="InvalidOperationException">No <see cref="ProceduralMemoryOptions.EmbeddingGenerator"/> is set.</exception>
    public Task<ReembedResult> ReembedAsync(bool renewAll = false, IProgress<ReembedProgress>? progress = null, CancellationToken cancellationToken = default) => _vectors is null
        ? throw new InvalidOperationException($"There is nothing to make vectors with. Set {nameof(ProceduralMemoryOptions)}.{nameof(ProceduralMemoryOptions.EmbeddingGenerator)}.")
        : _vectors.ReembedAsync(CurrentScope().Read, renewAll, progress, cancellationToken);

    private async Task<FindResult> FindByOverlapAsync(string request, FindOptions options, double threshold, CancellationToken cancellationToken)
    {
        var words = KeywordOverlap.Words(request);
        var leftOut = new List<LeftOutProcedure>();
        var scored = new List<ProcedureMatch>();
        var visible = await ListVisibleAsync(CurrentScope(), includeRetired: options.States.Contains(VersionState.Retired), includeOwn: false, cancellationToken).ConfigureAwait(false);
        foreach (var match in visible.Where(p => HasTags(p, options.Tags)).Select(p => KeywordOverlap.Score(p, words)).Where(m => m.MatchedWords.Count > 0))
        {
            var procedure = match.Procedure;
            var state = procedure.IsRetired ? VersionState.Retired : procedure.ActiveVersion is null ? VersionState.Draft : VersionState.Active;
            var functions = procedure.Version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Function).Select(s => s.Action);
            var why = options.WhyOutOfUse(procedure.Name, state)
                ?? options.WhyInapplicable(procedure.Name, functions, procedure.Version.Inputs.Where(SearchDocument.MustBeGiven).Select(i => i.Name));
            if (why is null)
            {
                scored.Add(match);
            }
            else if (match.Score >= threshold && leftOut.Count < ProcedureFinder.MaxLeftOut)
            {
                leftOut.Add(why);
            }
        }

        scored.Sort((a, b) => b.Score.CompareTo(a.Score));
        var matches = scored.Where(m => m.Score >= threshold);
        matches = options.Order is FindOrder.SuccessRate
            ? matches.OrderByDescending(m => m.Procedure.Version.Statistics.SuccessRate ?? 0).ThenByDescending(m => m.Score).ThenByDescending(m => m.Procedure.Version.Statistics.LastExecutedAt)
            : matches.OrderByDescending(m => m.Score).ThenByDescending(m => m.Procedure.Version.Statistics.SuccessRate ?? 0).ThenByDescending(m => m.Procedure.Version.Statistics.LastExecutedAt);
        return new FindResult([.. matches.Skip(options.Skip).Take(options.Top)], [.. scored.Where(m => m.Score < threshold).Take(3)], threshold) { LeftOut = leftOut };
    }

    /// <summary>What is visible: of a name that several scopes have, what <see cref="NearestScope"/> says, and on request the one of the written scope as well.</summary>
    private async Task<IReadOnlyList<Procedure>> ListVisibleAsync(MemoryScope scope, bool includeRetired, bool includeOwn, CancellationToken cancellationToken)
    {
        var all = await Store.ListProceduresAsync(scope.Read, includeRetired, cancellationToken).ConfigureAwait(false);
        return scope.Read.Count == 1
            ? all
            : [.. all.GroupBy(p => NameKey(p.Name), StringComparer.Ordinal).SelectMany(Shown)];

        IEnumerable<Procedure> Shown(IEnumerable<Procedure> ofOneName)
        {
            var nearest = NearestScope.Of(scope.Read, ofOneName, p => p.Scope, p => p.CanBeReplayed)!;
            return ofOneName.Where(p => includeOwn && p.Scope == scope.Write && p.Id != nearest.Id).Prepend(nearest);
        }
    }
}
