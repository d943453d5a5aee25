namespace ProceduralMemory.Recall;

/// <summary>How to search.</summary>
public sealed record FindOptions
{
    /// <summary>The most matches to return, at least 1.</summary>
    public int Top { get; init; } = 5;

    /// <summary>The score from 0 to 1 below which a procedure does not fit; <see langword="null"/> for <see cref="ProceduralMemoryOptions.MinimumScore"/>.</summary>
    public double? MinimumScore { get; init; }

    /// <summary>Labels that a procedure must all have, regardless of case.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>What comes first among the procedures that fit.</summary>
    public FindOrder Order { get; init; } = FindOrder.Score;
}

/// <summary>What comes first among the procedures that fit.</summary>
public enum FindOrder
{
    /// <summary>The best score, then the best success rate, then the latest execution.</summary>
    Score,

    /// <summary>The best success rate, then the best score, then the latest execution: the order of the seed design.</summary>
    SuccessRate,
}

/// <summary>What a search found.</summary>
/// <param name="Matches">The procedures that fit, best first. Empty when nothing fits.</param>
/// <param name="NearMisses">The procedures that came closest below the threshold, best first; at most three.</param>
/// <param name="MinimumScore">The threshold that was applied.</param>
public sealed record FindResult(IReadOnlyList<ProcedureMatch> Matches, IReadOnlyList<ProcedureMatch> NearMisses, double MinimumScore);

/// <summary>A procedure that a search came upon.</summary>
/// <param name="Procedure">The procedure at its active version.</param>
/// <param name="Score">The share of the request's words that it has, from 0 to 1.</param>
/// <param name="MatchedWords">Those words.</param>
public sealed record ProcedureMatch(Procedure Procedure, double Score, IReadOnlyList<string> MatchedWords);
