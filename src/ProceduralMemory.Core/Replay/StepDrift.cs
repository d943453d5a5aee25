namespace ProceduralMemory.Replay;

/// <summary>A step whose function declares something else than when it was recorded.</summary>
/// <param name="StepId">The step; of a nested procedure, with the outer step before it: <c>deploy/push</c>.</param>
/// <param name="Action">The function, as <c>plugin.function</c>.</param>
/// <param name="Kind">What it means for the step.</param>
/// <param name="Message">What is otherwise, by the names of the parameters, and where it is in the way how to mend it.</param>
public sealed record StepDrift(string StepId, string Action, DriftKind Kind, string Message)
{
    /// <summary>Where a step that writes would have to be adapted: the draft that has the new names, to be looked at and activated; <see langword="null"/> where none is stored.</summary>
    public int? ProposedVersion { get; init; }
}
