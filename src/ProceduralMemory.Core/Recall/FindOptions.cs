using ProceduralMemory.Persist;

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

    /// <summary>Labels that a procedure must all have, regardless of case. Empty for any.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The states to search, at least one: those that can be replayed by default. Drafts and retired procedures are shown at their active version, else the newest.</summary>
    public IReadOnlyCollection<VersionState> States { get; init; } = [VersionState.Active];

    /// <summary>Says of an action, as <c>plugin.function</c>, whether the caller has it. A procedure with another one is left out; <see langword="null"/> for no such check.</summary>
    public Func<string, bool>? HasFunction { get; init; }

    /// <summary>The names of the inputs that the caller can give. A procedure that needs another one is left out; <see langword="null"/> for no such check.</summary>
    public IReadOnlyCollection<string>? AvailableInputs { get; init; }

    /// <summary>How procedures are compared with the request.</summary>
    public FindStrategy Strategy { get; init; } = FindStrategy.Ranked;

    /// <summary>What comes first among the procedures that fit.</summary>
    public FindOrder Order { get; init; } = FindOrder.Score;

    /// <summary>Whether words alone are compared, and no generator is asked: for a search that nobody waits for with a request of his own.</summary>
    internal bool WordsOnly { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Top, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(Skip);
        if (!Enum.IsDefined(Strategy))
        {
            throw new ArgumentOutOfRangeException(nameof(Strategy), Strategy, $"There is no such strategy; there are {string.Join(", ", Enum.GetNames<FindStrategy>())}.");
        }

        if (!Enum.IsDefined(Order))
        {
            throw new ArgumentOutOfRangeException(nameof(Order), Order, $"There is no such order; there are {string.Join(", ", Enum.GetNames<FindOrder>())}.");
        }

        if (MinimumScore is not (null or (>= 0 and <= 1)))
        {
            throw new ArgumentOutOfRangeException(nameof(MinimumScore), MinimumScore, "The minimum score goes from 0 to 1.");
        }

        if (Tags is null || Tags.Contains(null!))
        {
            throw new ArgumentException($"{nameof(FindOptions)}.{nameof(Tags)} is null, or has a label that is. Leave it empty for any labels.", nameof(Tags));
        }

        if (States is null || States.Count == 0)
        {
            throw new ArgumentException($"{nameof(FindOptions)}.{nameof(States)} names no state, so nothing could be found. Name at least one.", nameof(States));
        }
    }

    /// <summary>Why a procedure of a state is not to be found; <see langword="null"/> where it is.</summary>
    internal LeftOutProcedure? WhyOutOfUse(string name, VersionState state, string? mergedInto) => States.Contains(state)
        ? null
        : state switch
        {
            VersionState.Retired when mergedInto is not null => new(name, LeftOutReason.Retired, $"'{name}' was merged into '{mergedInto}'. Use that one, or activate a version of this one."),
            VersionState.Retired => new(name, LeftOutReason.Retired, $"'{name}' is out of use. Activate a version of it to use it again."),
            VersionState.Quarantined => new(name, LeftOutReason.Quarantined, $"'{name}' was stopped: it did not do well, or a person stopped it. Release it, or activate another version of it, to use it again."),
            VersionState.Draft => new(name, LeftOutReason.Draft, $"'{name}' is a draft. Activate a version of it to use it."),
            _ => new(name, LeftOutReason.Active, $"'{name}' is in use, and only others were asked for."),
        };

    /// <summary>Why the name of a procedure stands for another one; <see langword="null"/> where it stands for it.</summary>
    /// <param name="scopes">The scopes that are read, nearest first.</param>
    /// <param name="ofOneName">All that have the name, the procedure included. Those whose states are not asked for hide none.</param>
    /// <param name="id">The procedure.</param>
    internal LeftOutProcedure? WhyHidden(IReadOnlyList<string> scopes, IEnumerable<Namesake> ofOneName, Guid id)
    {
        var asked = ofOneName.Where(n => States.Contains(n.State)).ToList();
        if (NearestScope.Of(scopes, asked, n => n.Scope, n => n.State is VersionState.Active) is not { } meant || meant.Id == id || asked.Find(n => n.Id == id) is not { } own)
        {
            return null;
        }

        var isNearer = scopes.TakeWhile(s => s != meant.Scope).Count() < scopes.TakeWhile(s => s != own.Scope).Count();
        return new(own.Name, LeftOutReason.OtherScope, isNearer
            ? $"'{own.Name}' stands in a nearer scope as well, and that one is meant by the name."
            : $"'{own.Name}' stands in another scope as well, where it can be replayed, and that one is meant by the name.");
    }

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
