namespace ProceduralMemory.Recall;

/// <summary>How to search.</summary>
public sealed record FindOptions
{
    /// <summary>The most matches to return, at least 1.</summary>
    public int Top { get; init; } = 5;

    /// <summary>How many of the best matches to leave out: those of the pages before. At least 0.</summary>
    public int Skip { get; init; }

    /// <summary>The score from 0 to 1 below which a procedure does not fit; <see langword="null"/> for <see cref="ProceduralMemoryOptions.MinimumScore"/>.</summary>
    public double? MinimumScore { get; init; }

    /// <summary>Labels that a procedure must all have, regardless of case.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The states to search: those that can be replayed by default. Drafts and retired procedures are shown at their active version, else the newest.</summary>
    public IReadOnlyCollection<VersionState> States { get; init; } = [VersionState.Active];

    /// <summary>Says of an action, as <c>plugin.function</c>, whether the caller has it. A procedure with another one is left out; <see langword="null"/> for no such check.</summary>
    public Func<string, bool>? HasFunction { get; init; }

    /// <summary>The names of the inputs that the caller can give. A procedure that needs another one is left out; <see langword="null"/> for no such check.</summary>
    public IReadOnlyCollection<string>? AvailableInputs { get; init; }

    /// <summary>How procedures are compared with the request.</summary>
    public FindStrategy Strategy { get; init; } = FindStrategy.Ranked;

    /// <summary>What comes first among the procedures that fit.</summary>
    public FindOrder Order { get; init; } = FindOrder.Score;

    /// <summary>Why a procedure of a state is not to be found; <see langword="null"/> where it is.</summary>
    internal LeftOutProcedure? WhyOutOfUse(string name, VersionState state) => States.Contains(state)
        ? null
        : state switch
        {
            VersionState.Retired => new(name, LeftOutReason.Retired, $"'{name}' is out of use. Activate a version of it to use it again."),
            VersionState.Draft => new(name, LeftOutReason.Draft, $"'{name}' is a draft. Activate a version of it to use it."),
            _ => new(name, LeftOutReason.Active, $"'{name}' is in use, and only others were asked for."),
        };

    /// <summary>Why the caller cannot replay a procedure; <see langword="null"/> where it can, as far as is known.</summary>
    internal LeftOutProcedure? WhyInapplicable(string name, IEnumerable<string> functions, IEnumerable<string> requiredInputs)
    {
        if (HasFunction is { } hasFunction && functions.Where(f => !hasFunction(f)).Take(5).ToList() is { Count: > 0 } missing)
        {
            return new(name, LeftOutReason.MissingFunction, $"'{name}' calls {string.Join(", ", missing)}, which cannot be called here.");
        }

        return AvailableInputs is { } inputs && requiredInputs.Except(inputs, StringComparer.Ordinal).Take(5).ToList() is { Count: > 0 } needed
            ? new(name, LeftOutReason.MissingInput, $"'{name}' needs {string.Join(", ", needed)}.")
            : null;
    }
}

/// <summary>How procedures are compared with a request.</summary>
public enum FindStrategy
{
    /// <summary>By an index of words, and by meaning too where <see cref="ProceduralMemoryOptions.EmbeddingGenerator"/> is set.</summary>
    Ranked,

    /// <summary>By the index of words alone.</summary>
    Words,

    /// <summary>
    /// By the share of the request's words that stand in a procedure's name, description, labels or recorded request: the seed design's comparison.
    /// It reads every procedure, and knows neither endings nor meaning.
    /// </summary>
    KeywordOverlap,
}

/// <summary>What comes first among the procedures that fit.</summary>
public enum FindOrder
{
    /// <summary>What fits best and succeeds most surely: the score, of which a quarter counts in so far as <see cref="ExecutionStatistics.SuccessBound"/> does. Then the latest execution.</summary>
    Score,

    /// <summary>The best success rate, then the best score, then the latest execution: the order of the seed design.</summary>
    SuccessRate,
}
