using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>What a replay would do: a dry run, for which nothing was called, written or asked. Secrets are redacted.</summary>
public sealed record ReplayPreview
{
    /// <summary>The procedure.</summary>
    public required string ProcedureName { get; init; }

    /// <summary>The version.</summary>
    public required int Version { get; init; }

    /// <summary>Every step in order, those of loops and of procedures inside included.</summary>
    public IReadOnlyList<PreviewStep> Steps { get; init; } = [];

    /// <summary>What a person would be asked to approve, in order.</summary>
    public IReadOnlyList<PlannedApproval> Approvals { get; init; } = [];

    /// <summary>What stands in the way; the replay would be refused for it.</summary>
    public IReadOnlyList<ReplayProblem> Problems { get; init; } = [];

    /// <summary>How long it takes: the means of its steps, added up; <see langword="null"/> where one that would run never ran before.</summary>
    public TimeSpan? EstimatedDuration { get; init; }

    /// <summary>The preview as text for people: a line for each step (at most 200 are shown), then what would be asked and what stands in the way.</summary>
    public string ToText() => PreviewText.Of(this);

    /// <inheritdoc/>
    public override string ToString() => ToText();
}

/// <summary>A step that a replay would take.</summary>
public sealed record PreviewStep
{
    /// <summary>The step; inside a loop or a procedure, with the outer step before it: <c>deploy/push</c>.</summary>
    public required string StepId { get; init; }

    /// <summary>What it calls.</summary>
    public required string Action { get; init; }

    /// <summary>What the action names.</summary>
    public required StepKind Kind { get; init; }

    /// <summary>The arguments in order.</summary>
    public IReadOnlyList<PreviewArgument> Arguments { get; init; } = [];

    /// <summary>What it does to the world, as the host says today.</summary>
    public StepEffect Effect { get; init; }

    /// <summary>Which approval it needs: of the version (<see cref="ApprovalPolicy.FirstUse"/>), of every call, or none.</summary>
    public ApprovalPolicy Approval { get; init; }

    /// <summary>When it is needed, in words; <see langword="null"/> for always.</summary>
    public string? Condition { get; init; }

    /// <summary>Why it would be left out, where that is known before the replay; else <see langword="null"/>.</summary>
    public string? Skipped { get; init; }

    /// <summary>Of a loop, the expression for the list that it goes through.</summary>
    public string? ForEach { get; init; }

    /// <summary>The mean of its earlier runs that did not fail; <see langword="null"/> when there is none.</summary>
    public TimeSpan? EstimatedDuration { get; init; }

    /// <summary>The steps of a loop, taken for each element, or those of the procedure that it replays.</summary>
    public IReadOnlyList<PreviewStep> Steps { get; init; } = [];
}

/// <summary>An argument of a call that a replay would make.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value, redacted; where it is not known before the replay, its template, which says what it will be made of.</param>
/// <param name="IsKnown">Whether <paramref name="Value"/> is the value.</param>
/// <param name="Origin">Where it comes from.</param>
public sealed record PreviewArgument(string Name, JsonElement Value, bool IsKnown, ArgumentOrigin Origin);

/// <summary>An approval that a replay would ask for.</summary>
/// <param name="Policy"><see cref="ApprovalPolicy.FirstUse"/> for a version, <see cref="ApprovalPolicy.Always"/> for a call.</param>
/// <param name="ProcedureName">The procedure concerned.</param>
/// <param name="Version">Its version.</param>
/// <param name="StepId">The step whose calls are asked for, with those that it stands in; <see langword="null"/> for a version.</param>
/// <param name="Action">What the step calls; <see langword="null"/> for a version.</param>
public sealed record PlannedApproval(ApprovalPolicy Policy, string ProcedureName, int Version, string? StepId = null, string? Action = null);
