namespace ProceduralMemory.Recall;

/// <summary>
/// The one rule for what a name stands for where several scopes that are read have it: the nearest procedure that can be replayed (it has an active version
/// and is not retired), else the nearest, so that it can be said why it cannot. A draft or a retired procedure hides nothing that works.
/// </summary>
internal static class NearestScope
{
    /// <summary>Which of the procedures of one name it stands for; the default value when there is none.</summary>
    /// <param name="scopes">The scopes that are read, nearest first.</param>
    /// <param name="ofOneName">The procedures, at most one in each scope.</param>
    /// <param name="scopeOf">The scope of one.</param>
    /// <param name="canBeReplayed">Whether one has an active version and is not retired.</param>
    public static T? Of<T>(IReadOnlyList<string> scopes, IEnumerable<T> ofOneName, Func<T, string> scopeOf, Func<T, bool> canBeReplayed)
    {
        var near = ofOneName.OrderBy(p => scopes.TakeWhile(s => s != scopeOf(p)).Count()).ToList();
        return near.Where(canBeReplayed).Concat(near).FirstOrDefault();
    }
}
