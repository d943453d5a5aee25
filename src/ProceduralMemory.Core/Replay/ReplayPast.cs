using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>What the journal tells of a replay that is resumed, and what whoever resumes it adds.</summary>
internal sealed class ReplayPast(IReadOnlyList<Execution> tree, ResumeRequest request)
{
    private readonly Dictionary<(Guid, string, int), Execution> _parts = tree
        .Where(e => e.ParentId is not null)
        .GroupBy(e => (e.ParentId!.Value, e.ParentStep!, e.ParentIndex))
        .ToDictionary(g => g.Key, g => g.Last());

    public ResumeRequest Request { get; } = request;

    public Execution Root => tree[0];

    /// <summary>The steps of the outermost execution that are done, and are not called again.</summary>
    public IReadOnlySet<string> Done { get; } = tree[0].Steps
        .Where(s => s is { Status: StepStatus.Success, Omitted: null } && (s.Result is not { } result || !IsRedacted(result)))
        .Select(s => s.StepId)
        .Concat(request.Results.Keys)
        .ToHashSet(StringComparer.Ordinal);

    /// <summary>The versions of the procedures inside that have been begun: they go on with what they began with.</summary>
    public IReadOnlyDictionary<string, int> Versions { get; } = tree
        .Where(e => e.ParentId is not null)
        .GroupBy(e => e.ProcedureName, StringComparer.OrdinalIgnoreCase)
        .ToDictionary(g => g.Key, g => g.First().Version, StringComparer.OrdinalIgnoreCase);

    /// <summary>The execution that was begun for a step, or <see langword="null"/>.</summary>
    public Execution? Of((Guid Id, string StepId, int Index) part) => _parts.GetValueOrDefault(part);

    /// <summary>Whether a value holds something that was taken out before it was written.</summary>
    public static bool IsRedacted(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Any(m => IsRedacted(m.Value)),
        JsonValueKind.Array => value.EnumerateArray().Any(IsRedacted),
        JsonValueKind.String => value.GetString()!.Contains(Capture.SecretRedactor.Marker, StringComparison.Ordinal) || value.ValueEquals(TraceStep.OmittedMarker),
        _ => false,
    };
}
