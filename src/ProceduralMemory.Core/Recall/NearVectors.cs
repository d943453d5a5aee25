namespace ProceduralMemory.Recall;

/// <summary>The vectors of some scopes, as one request sees them. For one search, not for several threads.</summary>
internal sealed class NearVectors(IReadOnlyList<ScopeVectors> scopes, float[] request)
{
    private IReadOnlyList<Func<Guid, float?>> _cosines = [];

    /// <summary>The procedures nearest to the request, of all scopes together.</summary>
    /// <param name="most">How many to name at most.</param>
    /// <param name="isWanted">Which procedures to name; <see langword="null"/> for any.</param>
    /// <param name="cancellationToken">Cancels the scan.</param>
    public IReadOnlyList<Guid> Nearest(int most, Func<Guid, bool>? isWanted, CancellationToken cancellationToken)
    {
        var near = new List<(Guid Id, float Cosine)>();
        var cosines = new List<Func<Guid, float?>>(scopes.Count);
        foreach (var scope in scopes)
        {
            if (scope.Nearest(request, most, isWanted, out var cosineOf, cancellationToken) is { } ofScope)
            {
                near.AddRange(ofScope);
                cosines.Add(cosineOf);
            }
        }

        // What the request was compared with at first stands for all that follows, so that one procedure has one cosine.
        _cosines = _cosines.Count == 0 ? cosines : _cosines;
        return [.. near.OrderByDescending(n => n.Cosine).ThenBy(n => n.Id).Take(most).Select(n => n.Id)];
    }

    /// <summary>The cosine of a procedure, after <see cref="Nearest"/>; <see langword="null"/> where it has no vector.</summary>
    public float? CosineOf(Guid id) => _cosines.Select(c => c(id)).FirstOrDefault(c => c is not null);
}
