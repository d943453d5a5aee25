namespace ProceduralMemory;

/// <summary>Whose memory this is: the scope that is written, and those that are read. It comes from the host, never from an argument that a model fills.</summary>
public sealed record MemoryScope
{
    /// <summary>The scope of a host that keeps everything in one.</summary>
    public static MemoryScope Default { get; } = new("default");

    /// <summary>Creates a scope.</summary>
    /// <param name="write">The scope that is written, and read first: tenant, agent or user. At most 256 characters.</param>
    /// <param name="alsoRead">Further scopes to read, nearest first, for instance a team's and a global one. A name found nearer hides the same name further away, unless only the one further away can be replayed.</param>
    /// <exception cref="ArgumentException">A scope is empty or too long.</exception>
    public MemoryScope(string write, params IReadOnlyList<string> alsoRead)
    {
        ArgumentNullException.ThrowIfNull(alsoRead);
        Read = [Check(write), .. alsoRead.Select(Check).Where(s => !string.Equals(s, write, StringComparison.Ordinal)).Distinct(StringComparer.Ordinal)];
        Write = write;
    }

    /// <summary>The scope that is written.</summary>
    public string Write { get; }

    /// <summary>The scopes that are read, nearest first; <see cref="Write"/> is the first.</summary>
    public IReadOnlyList<string> Read { get; }

    private static string Check(string scope)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(scope);
        return Json.IsWellFormed(scope) && scope.Length <= 256
            ? scope
            : throw new ArgumentException($"A scope has at most 256 characters of valid text; this one has {scope.Length}.", nameof(scope));
    }
}
