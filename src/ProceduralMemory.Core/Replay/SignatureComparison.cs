using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>How far what a function declares today is from what it declared when it was recorded.</summary>
public enum DriftKind
{
    /// <summary>It declares the same.</summary>
    Same,

    /// <summary>It declares something else, and takes the step's arguments all the same: an optional parameter more, another description, a wider type.</summary>
    Compatible,

    /// <summary>An argument of the step has another name now, and there is one way only to read that: by type and by likeness of the names.</summary>
    Renamed,

    /// <summary>It does not take the step's arguments any more.</summary>
    Breaking,
}

/// <summary>An argument that a step gives.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Template">Its template. A part of it that refers to nothing is known before the step runs.</param>
internal sealed record GivenArgument(string Name, JsonElement Template)
{
    /// <summary>Whether the caller of the replay gives it, in place of the step: the value is meant for the function as it is today.</summary>
    public bool IsAdapted { get; init; }

    /// <summary>Whether its value must not stand in a message: it is made of inputs, which may be secret.</summary>
    public bool IsPrivate { get; init; }
}

/// <summary>One thing that is otherwise than it was recorded.</summary>
/// <param name="Kind">What it means for the step.</param>
/// <param name="Message">A sentence that names the parameter and, where it is in the way, the mend.</param>
internal sealed record SignatureChange(DriftKind Kind, string Message);

/// <summary>What came of comparing what a function declared with what it declares.</summary>
internal sealed record SignatureComparison
{
    public static SignatureComparison Same { get; } = new();

    /// <summary>What is otherwise, the worst first.</summary>
    public IReadOnlyList<SignatureChange> Changes { get; init; } = [];

    /// <summary>The step's arguments that have another name now, from the old name to the new one. Where the caller gives the new one, this is no reason to refuse a step that writes.</summary>
    public IReadOnlyDictionary<string, string> Renames { get; init; } = new Dictionary<string, string>();

    /// <summary>The arguments that the function does not take any more, which has been said.</summary>
    public IReadOnlyList<string> NotTaken { get; init; } = [];

    /// <summary>The parameters that are missing, which has been said.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>Some arguments as the host is to look them over: under their new names, and without what has been said of them here.</summary>
    public IReadOnlyCollection<string> NamesFor(IEnumerable<string> arguments) =>
        [.. arguments.Except(NotTaken, StringComparer.OrdinalIgnoreCase).Select(n => Renames.GetValueOrDefault(n, n)).Union(Missing, StringComparer.OrdinalIgnoreCase)];

    /// <summary>The worst of the changes.</summary>
    public DriftKind Kind => Changes.Count == 0 ? DriftKind.Same : Changes.Max(c => c.Kind);
}
