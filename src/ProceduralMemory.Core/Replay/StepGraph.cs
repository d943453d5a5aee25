namespace ProceduralMemory.Replay;

/// <summary>Says which step may begin next: what it needs of others decides, and that what writes keeps its place.</summary>
internal sealed class StepGraph
{
    private readonly ProceduralMemoryOptions _options;
    private readonly IReadOnlyList<HashSet<int>> _needs;
    private readonly IReadOnlyList<StepEffect> _effects;

    /// <summary>Reads the graph off some steps.</summary>
    /// <param name="steps">The steps, in order.</param>
    /// <param name="options">How much may run at once.</param>
    /// <param name="neededBy">The ids of the steps whose results a step needs.</param>
    /// <param name="effectOf">What a step does to the world.</param>
    public StepGraph(IReadOnlyList<ProcedureStep> steps, ProceduralMemoryOptions options, Func<ProcedureStep, IEnumerable<string>> neededBy, Func<ProcedureStep, StepEffect> effectOf)
    {
        _options = options;
        if (options.MaxParallelSteps == 1)
        {
            _needs = [];
            _effects = [];
            return;
        }

        var places = steps.Select((s, i) => (s.Id, i)).ToDictionary(p => p.Id, p => p.i, StringComparer.Ordinal);
        _needs = [.. steps.Select(s => neededBy(s)
            .Concat(s.References().OfType<StepReference>().Select(r => r.StepId))
            .Where(places.ContainsKey)
            .Select(id => places[id])
            .ToHashSet())];
        _effects = [.. steps.Select(effectOf)];
    }

    /// <summary>The first step that may begin, or <see langword="null"/> while there is none.</summary>
    public int? Next(IReadOnlyList<StepOutcome> outcomes)
    {
        if (_options.MaxParallelSteps == 1)
        {
            var running = false;
            for (var i = 0; i < outcomes.Count; i++)
            {
                running |= outcomes[i].Status is StepStatus.Running;
                if (outcomes[i].Status is StepStatus.Pending)
                {
                    return running ? null : i;
                }
            }

            return null;
        }

        var open = new List<int>();
        for (var i = 0; i < outcomes.Count; i++)
        {
            if (outcomes[i].Status is StepStatus.Pending && open.TrueForAll(earlier => MayOvertake(i, earlier)))
            {
                return i;
            }

            if (outcomes[i].Status is StepStatus.Pending or StepStatus.Running)
            {
                open.Add(i);
            }
        }

        return null;
    }

    private bool MayOvertake(int step, int earlier) =>
        !_needs[step].Contains(earlier)
        && (_options.AllowParallelWrites || (_effects[step] is StepEffect.Read && _effects[earlier] is StepEffect.Read));
}
