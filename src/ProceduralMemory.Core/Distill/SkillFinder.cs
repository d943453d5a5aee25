using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>
/// Says whether a turn, which nobody named, shows a procedure that is known. Beside being of one skill (<see cref="SkillMatch"/>) the turn calls every function that the procedure always calls, and
/// both must change the same: it calls no other function that writes. Of tasks that only read, the same functions must be called. What a turn calls beside that only reads, and becomes optional.
/// </summary>
internal static class SkillFinder
{
    /// <summary>The first of some procedures that a trace shows, in their order; <see langword="null"/> where it shows none.</summary>
    public static Procedure? Find(IEnumerable<Procedure> known, Trace trace, ProceduralMemoryOptions options)
    {
        var calls = TraceCleaner.CallsOf(trace, options);
        var made = Kinds(calls.Where(c => Writes(c, options)));
        var all = Kinds(calls);
        return known.FirstOrDefault(p => ShowsSame(p.Version) && SkillMatch.Compare(p.Version, trace, options) is null);

        bool ShowsSame(ProcedureVersion version)
        {
            var steps = version.Steps
                .SelectMany(s => s.WithInner().Where(i => i.Kind is not StepKind.Loop).Select(i => (Call: new TraceStep { Kind = i.Kind, Action = i.Action, Effect = i.Effect }, IsNeeded: s.Kind is not StepKind.Loop && s.Condition is null)))
                .ToList();
            var writes = steps.Where(s => Writes(s.Call, options)).ToList();
            return writes.Count == 0
                ? made.Count == 0 && all.SetEquals(Kinds(steps.Select(s => s.Call)))
                : made.Count > 0 && made.IsSubsetOf(Kinds(writes.Select(w => w.Call))) && all.IsSupersetOf(Kinds(steps.Where(s => s.IsNeeded).Select(s => s.Call)));
        }
    }

    /// <summary>Whether a procedure may change anything.</summary>
    public static bool Writes(IEnumerable<ProcedureStep> steps, ProceduralMemoryOptions options) => steps
        .SelectMany(s => s.WithInner())
        .Where(s => s.Kind is not StepKind.Loop)
        .Any(s => Writes(new TraceStep { Kind = s.Kind, Action = s.Action, Effect = s.Effect }, options));

    private static bool Writes(TraceStep call, ProceduralMemoryOptions options) => StepEffects.Writes(StepEffects.Of(call, options));

    private static HashSet<string> Kinds(IEnumerable<TraceStep> calls) => calls.Select(c => $"{c.Kind} {c.Action}").ToHashSet(StringComparer.OrdinalIgnoreCase);
}
