namespace ProceduralMemory.Recall;

/// <summary>What a search found.</summary>
/// <param name="Matches">The procedures that fit, best first. Empty when nothing fits.</param>
/// <param name="NearMisses">The procedures that came closest below the threshold, best first; at most three. They are not to be replayed for the request.</param>
/// <param name="MinimumScore">The threshold that was applied.</param>
public sealed record FindResult(IReadOnlyList<ProcedureMatch> Matches, IReadOnlyList<ProcedureMatch> NearMisses, double MinimumScore)
{
    /// <summary>Procedures that fit the request and cannot be used, with the reason; at most ten.</summary>
    public IReadOnlyList<LeftOutProcedure> LeftOut { get; init; } = [];

    /// <summary>What went otherwise than it should, in sentences: a generator of vectors that failed, an index that was made anew, stored documents that cannot be read, a request that was cut.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Whether vectors took part. They do not where no generator is set, or where it failed, which <see cref="Notes"/> then say.</summary>
    public bool UsedVectors { get; init; }
}

/// <summary>A procedure that a search came upon.</summary>
/// <param name="Procedure">The procedure at its active version.</param>
/// <param name="Score">
/// How surely it is what was asked for, from 0 to 1. Of <see cref="FindStrategy.Ranked"/>: the share of first hits with this score that were right on real requests.
/// Of <see cref="FindStrategy.KeywordOverlap"/>: the share of the request's words that it has.
/// </param>
/// <param name="MatchedWords">The words of the request that it has.</param>
public sealed record ProcedureMatch(Procedure Procedure, double Score, IReadOnlyList<string> MatchedWords)
{
    /// <summary>The cosine of the vectors of request and procedure, from -1 to 1; <see langword="null"/> where one is missing.</summary>
    public double? Similarity { get; init; }

    /// <summary>Why it stands where it stands, in a sentence: words, similarity, successes, and what the one before it has ahead of it.</summary>
    public string Reason { get; init; } = "";
}

/// <summary>A procedure that fits a request and was left out.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Reason">Why.</param>
/// <param name="Explanation">Why, in a sentence.</param>
public sealed record LeftOutProcedure(string Name, LeftOutReason Reason, string Explanation);

/// <summary>Why a procedure that fits was left out.</summary>
public enum LeftOutReason
{
    /// <summary>It calls a function that the caller does not have.</summary>
    MissingFunction,

    /// <summary>It needs an input that the caller cannot give.</summary>
    MissingInput,

    /// <summary>It is out of use.</summary>
    Retired,

    /// <summary>It has no active version yet.</summary>
    Draft,

    /// <summary>It is in quarantine.</summary>
    Quarantined,

    /// <summary>It is in use, and only drafts or retired ones were asked for.</summary>
    Active,

    /// <summary>Another scope has a procedure of the same name, which the name stands for: it is nearer, or it alone can be replayed.</summary>
    OtherScope,
}
