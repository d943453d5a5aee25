using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist;

/// <summary>
/// What a store offers beside <see cref="IProcedureStore"/> where it has an index of words and keeps vectors. In a store without it, requests are compared with
/// every procedure by keyword overlap.
/// </summary>
public interface IProcedureSearch
{
    /// <summary>Finds the procedures that may fit, those that have rare words of the request first; ranking them is the caller's.</summary>
    Task<SearchCandidates> SearchAsync(SearchQuery query, CancellationToken cancellationToken = default);

    /// <summary>
    /// Reads procedures of some scopes by their ids, at their active version or else the newest, in the order of the ids. Those that are not there, or whose documents
    /// cannot be read, are left out.
    /// </summary>
    Task<IReadOnlyList<Procedure>> ReadProceduresAsync(IReadOnlyList<string> scopes, IReadOnlyList<Guid> ids, CancellationToken cancellationToken = default);

    /// <summary>The ids of all procedures of some scopes that are in one of some states and have all of some labels, regardless of case.</summary>
    Task<IReadOnlySet<Guid>> ListIdsAsync(IReadOnlyList<string> scopes, IReadOnlyCollection<VersionState> states, IReadOnlyList<string> tags, CancellationToken cancellationToken = default);

    /// <summary>Analyses every procedure anew. It happens by itself where the index is found to disagree with the procedures.</summary>
    /// <returns>The number of procedures in the index.</returns>
    Task<int> RebuildIndexAsync(CancellationToken cancellationToken = default);

    /// <summary>Reads what changed of a scope's vectors since the last time, oldest first and a part at a time: see <see cref="VectorChanges.HasMore"/>.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="model">The model that made the vectors; those of others are not read.</param>
    /// <param name="sinceChange">The <see cref="VectorChanges.Change"/> of the last time; 0 for everything.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    Task<VectorChanges> ReadVectorsAsync(string scope, string model, long sinceChange, CancellationToken cancellationToken = default);

    /// <summary>Keeps vectors. A vector of a procedure whose text has changed since it was read is left out.</summary>
    Task WriteVectorsAsync(string model, IReadOnlyList<ProcedureVector> vectors, CancellationToken cancellationToken = default);

    /// <summary>Drops the vectors of every other model from some scopes.</summary>
    Task DeleteVectorsExceptAsync(IReadOnlyList<string> scopes, string model, CancellationToken cancellationToken = default);
}

/// <summary>What to look for.</summary>
public sealed record SearchQuery
{
    /// <summary>The scopes to look into.</summary>
    public required IReadOnlyList<string> Scopes { get; init; }

    /// <summary>The stems of the request, each once.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>Stems that are so common in any text that they bring no candidate.</summary>
    public IReadOnlySet<string> CommonWords { get; init; } = new HashSet<string>();

    /// <summary>Labels that a procedure must all have, regardless of case, to be brought by its words.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The states that a procedure must be in to be brought by its words; <see langword="null"/> for any.</summary>
    public IReadOnlyCollection<VersionState>? States { get; init; }

    /// <summary>Procedures that are candidates whatever their words.</summary>
    public IReadOnlyList<Guid> Also { get; init; } = [];

    /// <summary>The most candidates that words may bring.</summary>
    public int Limit { get; init; } = 100;

    /// <summary>About how many entries of the index may be looked at: rare words first, and common ones only while they fit.</summary>
    public int Budget { get; init; } = 20_000;
}

/// <summary>The procedures that may fit a request.</summary>
/// <param name="Candidates">The procedures, in no order that means anything.</param>
/// <param name="Documents">How many procedures the scopes hold.</param>
/// <param name="WordCounts">For each word of the query, how many procedures have it.</param>
/// <param name="Namesakes">Where several scopes were searched: the procedures of all of them that have the name of a candidate.</param>
/// <param name="IndexWasRebuilt">Whether the index was found damaged or incomplete, and was made anew.</param>
/// <param name="NotIndexed">How many procedures are not in the index, since the store could not be written; no more than 1,000 are counted.</param>
public sealed record SearchCandidates(
    IReadOnlyList<SearchCandidate> Candidates,
    long Documents,
    IReadOnlyDictionary<string, long> WordCounts,
    IReadOnlyList<Namesake> Namesakes,
    bool IndexWasRebuilt,
    int NotIndexed)
{
    /// <summary>How far <see cref="NotIndexed"/> is counted.</summary>
    internal const int MostNotIndexed = 1000;

    /// <summary>Whether there is no answer, since the index does not agree with the procedures and may not be made anew: the store is read-only.</summary>
    public bool IndexIsUnusable { get; init; }

    /// <summary>How many procedures of the scopes cannot be searched, since their stored documents cannot be read.</summary>
    public int Unreadable { get; init; }
}

/// <summary>A procedure that may fit.</summary>
public sealed record SearchCandidate
{
    /// <summary>The procedure.</summary>
    public required Guid Id { get; init; }

    /// <summary>Its scope.</summary>
    public required string Scope { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its labels.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Active where it can be replayed, retired where it is out of use, else a draft.</summary>
    public required VersionState State { get; init; }

    /// <summary>The name of the procedure that it was merged into, where it was.</summary>
    public string? MergedInto { get; init; }

    /// <summary>What is searched of it.</summary>
    public required SearchDocument Document { get; init; }

    /// <summary>Successes of the active version.</summary>
    public long Successes { get; init; }

    /// <summary>Failures of the active version.</summary>
    public long Failures { get; init; }

    /// <summary>When the active version was last executed (UTC).</summary>
    public DateTimeOffset? LastExecutedAt { get; init; }
}

/// <summary>A procedure that has the same name as another in a further scope.</summary>
/// <param name="Id">The procedure.</param>
/// <param name="Scope">Its scope.</param>
/// <param name="Name">Its name.</param>
/// <param name="State">Active where it can be replayed, retired where it is out of use, else a draft.</param>
public sealed record Namesake(Guid Id, string Scope, string Name, VersionState State);

/// <summary>A vector of a procedure.</summary>
/// <param name="ProcedureId">The procedure.</param>
/// <param name="Change">The change of the text that it was made from: see <see cref="VectorText.Change"/>.</param>
/// <param name="Vector">The vector, of length 1.</param>
public sealed record ProcedureVector(Guid ProcedureId, long Change, ReadOnlyMemory<float> Vector)
{
    // Rounding of some thousand numbers leaves far less; what differs more was never divided by its length, or is damaged.
    private const float Tolerance = 1e-2f;

    /// <summary>Whether the vector has a length of 1, as one that is NaN or was cut has not.</summary>
    internal bool IsWhole => MathF.Abs(System.Numerics.Tensors.TensorPrimitives.Norm(Vector.Span) - 1) <= Tolerance;
}

/// <summary>What changed of the vectors of a scope.</summary>
/// <param name="Change">The number of the latest change that is in it, to ask with the next time.</param>
/// <param name="Vectors">Vectors that are new. An older one of the same procedure is void.</param>
/// <param name="WithoutVector">Procedures whose text is new and has no vector yet. An older vector of theirs is void.</param>
public sealed record VectorChanges(long Change, IReadOnlyList<ProcedureVector> Vectors, IReadOnlyList<VectorText> WithoutVector)
{
    /// <summary>Whether there are later changes, to be asked for now.</summary>
    public bool HasMore { get; init; }
}

/// <summary>What a vector is made from.</summary>
/// <param name="ProcedureId">The procedure.</param>
/// <param name="Change">The number of the change that made the text what it is.</param>
/// <param name="Description">What the procedure achieves: its description, or its name where it has none.</param>
/// <param name="Actions">The names of its actions, split into words.</param>
public sealed record VectorText(Guid ProcedureId, long Change, string Description, string Actions);
