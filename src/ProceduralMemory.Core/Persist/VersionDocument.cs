namespace ProceduralMemory.Persist;

/// <summary>What a version holds, as it is stored in one row and exported.</summary>
internal sealed record VersionDocument
{
    /// <summary>Raised when a reader of the number before could misread the document.</summary>
    public const int CurrentFormat = 4;

    public int Format { get; init; } = CurrentFormat;

    public IReadOnlyList<ProcedureInput> Inputs { get; init; } = [];

    public required IReadOnlyList<ProcedureStep> Steps { get; init; }

    /// <summary>The procedure that undoes what this one does.</summary>
    public string? Undo { get; init; }

    /// <summary>Why the arguments have the sources that they have.</summary>
    public IReadOnlyList<ArgumentSource> Sources { get; init; } = [];

    /// <summary>What the functions that the steps call declared when they were recorded. Since format 4; of earlier documents nothing is known.</summary>
    public IReadOnlyList<FunctionSignature> Signatures { get; init; } = [];
}

/// <summary>One procedure as a document for people, version control and other machines.</summary>
internal sealed record ExportDocument
{
    public required int Format { get; init; }

    public required string Name { get; init; }

    public string Description { get; init; } = "";

    public IReadOnlyList<string> Tags { get; init; } = [];

    public string? Notes { get; init; }

    /// <summary>The version that was exported; for people, not taken over by an import.</summary>
    public int? Version { get; init; }

    public IReadOnlyList<ProcedureInput> Inputs { get; init; } = [];

    public required IReadOnlyList<ProcedureStep> Steps { get; init; }

    public string? Undo { get; init; }

    public IReadOnlyList<FunctionSignature> Signatures { get; init; } = [];
}
