namespace ProceduralMemory.Revise;

/// <summary>What a maintenance pass did.</summary>
/// <param name="Looked">How many procedures it looked at.</param>
/// <param name="Changes">What it changed.</param>
/// <param name="Faults">What could not be looked at, and why; the others were.</param>
public sealed record ReviseResult(int Looked, IReadOnlyList<RevisedProcedure> Changes, IReadOnlyList<string> Faults)
{
    /// <summary>What retention took away; <see langword="null"/> where nothing was asked for.</summary>
    public RetentionResult? Retention { get; init; }
}

/// <summary>A procedure that a maintenance pass changed.</summary>
/// <param name="Scope">Its scope.</param>
/// <param name="Name">Its name.</param>
/// <param name="Change">What was changed and why, in a sentence.</param>
public sealed record RevisedProcedure(string Scope, string Name, string Change);
