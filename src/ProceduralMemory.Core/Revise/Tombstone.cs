namespace ProceduralMemory.Revise;

/// <summary>What is left of a procedure that a person erased: which functions it called, and no values. A recording that calls the same functions teaches nothing in its scope while it stands.</summary>
public sealed record Tombstone
{
    /// <summary>The identity of the tombstone.</summary>
    public required Guid Id { get; init; }

    /// <summary>The scope in which the skill is not learned again.</summary>
    public required string Scope { get; init; }

    /// <summary>The functions that the procedure called, each once, in ordinal order of their names.</summary>
    public required IReadOnlyList<string> Actions { get; init; }

    /// <summary>When the procedure was erased (UTC).</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>
    /// The functions that steps call, as a tombstone names them. How often and in what order is left out: a loop over three elements and one over four are one skill. So is what no function does: it is told in words, and
    /// words may be somebody's.
    /// </summary>
    internal static IReadOnlyList<string> ActionsOf(IEnumerable<ProcedureStep> steps) =>
        [.. steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Function).Select(s => s.Action.ToLowerInvariant()).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}

/// <summary>What became of the procedures that were distilled from a trace which was withdrawn.</summary>
/// <param name="Renewed">Those that have a new active version, distilled from their other traces.</param>
/// <param name="Restored">Those that went back to a version which the trace had no part in, since no other trace teaches them.</param>
/// <param name="Retired">Those that had nothing else, and are out of use.</param>
public sealed record WithdrawResult(IReadOnlyList<string> Renewed, IReadOnlyList<string> Restored, IReadOnlyList<string> Retired);
