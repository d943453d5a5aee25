using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>What the journal tells of a replay that is resumed, and what whoever resumes it adds.</summary>
/// <param name="tree">The execution and its parts.</param>
/// <param name="request">What it is resumed with.</param>
/// <param name="repairs">The recorded calls by which steps were done since.</param>
internal sealed class ReplayPast(IReadOnlyList<Execution> tree, ResumeRequest request, ReplayRepairs repairs)
{
    private readonly Dictionary<(Guid, string, int), Execution> _parts = tree
        .Where(e => e.ParentId is not null)
        .GroupBy(e => (e.ParentId!.Value, e.ParentStep!, e.ParentIndex))
        .ToDictionary(g => g.Key, g => g.Last());

    private readonly ILookup<Guid?, Execution> _inside = tree
        .Where(e => e.ParentId is not null)
        .GroupBy(e => (e.ParentId, e.ParentStep, e.ParentIndex))
        .Select(g => g.Last())
        .ToLookup(e => e.ParentId);

    public ResumeRequest Request { get; } = request;

    public Execution Root => tree[0];

    /// <summary>The recorded calls by which steps were done since it stopped.</summary>
    public ReplayRepairs Repairs { get; } = repairs;

    /// <summary>The steps of the outermost execution that are done, and are not called again.</summary>
    public IReadOnlySet<string> Done { get; } = tree[0].Steps
        .Where(s => s.Status is StepStatus.Success && IsKept(s))
        .Select(s => s.StepId)
        .Concat(request.Results.Keys)
        .Concat(repairs.Steps.Where(r => IsKept(r.Value.Step)).Select(r => r.Key))
        .ToHashSet(StringComparer.Ordinal);

    /// <summary>The versions of the procedures inside that have been begun, by the step with the steps that it stands in before it, loops left out: they go on with what they began with.</summary>
    public IReadOnlyDictionary<string, int> Versions { get; } = VersionsOf(tree);

    /// <summary>The execution that was begun for a step, or <see langword="null"/>.</summary>
    public Execution? Of((Guid Id, string StepId, int Index) part) => _parts.GetValueOrDefault(part);

    /// <summary>The executions that were begun for a step.</summary>
    public IEnumerable<Execution> PartsOf(Guid executionId, string stepId) => _inside[executionId].Where(p => p.ParentStep == stepId);

    /// <summary>What was kept of the elements of a loop that was begun: the place of each, what tells it, and how many the list had.</summary>
    public IEnumerable<(int Index, string? Element, int Count)> ElementsOf(Guid executionId, string loop)
    {
        foreach (var part in PartsOf(executionId, loop))
        {
            // Earlier versions of this library kept nothing of it.
            if (part.Settings is { } settings && settings.TryGetProperty("count", out var count))
            {
                yield return (part.ParentIndex, settings.TryGetProperty("element", out var element) ? element.GetString() : null, count.GetInt32());
            }
        }
    }

    /// <summary>Whether the results of an execution, and of all that is part of it, are there as a whole.</summary>
    public bool IsKept(Execution execution) => execution.Steps.All(s => s.Status is not StepStatus.Success || IsKept(s)) && _inside[execution.Id].All(IsKept);

    /// <summary>Whether the result of a step is there as a whole.</summary>
    public static bool IsKept(ExecutionStep step) => step.Omitted is null && (step.Result is not { } result || !IsRedacted(result));

    private static Dictionary<string, int> VersionsOf(IReadOnlyList<Execution> tree)
    {
        var byId = tree.ToDictionary(e => e.Id);
        var versions = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var part in tree.Where(e => e.ParentId is { } parent && byId[parent].ProcedureId != e.ProcedureId))
        {
            versions.TryAdd(PathOf(part), part.Version);
        }

        return versions;

        // No procedure replays itself: what is of the same one as what it stands in is a round of a loop.
        string PathOf(Execution part)
        {
            if (part.ParentId is not { } id)
            {
                return "";
            }

            var outer = PathOf(byId[id]);
            return byId[id].ProcedureId == part.ProcedureId ? outer : outer.Length == 0 ? part.ParentStep! : $"{outer}/{part.ParentStep}";
        }
    }

    /// <summary>How a step stands as the journal has it.</summary>
    public static StepOutcome OutcomeOf(ExecutionStep row) => new()
    {
        StepId = row.StepId,
        Action = row.Action,
        Status = row.Status,
        Effect = row.Effect,
        Arguments = row.Arguments,
        Result = row.Result,
        Omitted = row.Omitted,
        Match = row.Match,
        Attempts = row.Attempts,
        IdempotencyKey = row.IdempotencyKey,
        Repaired = row.Repaired,
        RepairTraceId = row.RepairTraceId,
        DoneBefore = row.Status is StepStatus.Success or StepStatus.Skipped,
        Failure = row.Failure,
        Duration = row.Duration ?? TimeSpan.Zero,
    };

    /// <summary>Whether the result of a recorded call is there as a whole.</summary>
    public static bool IsKept(TraceStep call) => call.Result is { } result ? !IsRedacted(result) : call.Omitted is null;

    /// <summary>Whether a value holds something that was taken out before it was written.</summary>
    public static bool IsRedacted(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Any(m => IsRedacted(m.Value)),
        JsonValueKind.Array => value.EnumerateArray().Any(IsRedacted),
        JsonValueKind.String => Capture.RedactionMarker.IsIn(value) || value.ValueEquals(TraceStep.OmittedMarker),
        _ => false,
    };
}
