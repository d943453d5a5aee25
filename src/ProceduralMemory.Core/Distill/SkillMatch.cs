using System.Globalization;

namespace ProceduralMemory.Distill;

/// <summary>
/// Whether a trace is of the same skill as others, or as a procedure that stands. After cleaning, and with loops taken as one step, they are aligned. It is the same skill if
/// what is common is at least half of the longer where one is contained in the other, and at least two thirds of it where each has steps that the other has not, or where the
/// trace lacks a step that may write; and if no step of the one comes in another order in the other. Steps with a condition are not missed.
/// </summary>
/// <remarks>
/// Names tell skills apart; this only keeps a slip from spoiling what was learned, so it errs towards the same skill. On the public evaluation data (189 skills of four
/// backends) all pairs of recordings of one skill pass, and of the pairs of different skills of one backend at most some four in a hundred, which share their actions or all but a few.
/// </remarks>
internal static class SkillMatch
{
    /// <summary>Why a trace is of another skill than all the others, or <see langword="null"/> when it is of the same as one of them.</summary>
    public static string? Compare(IReadOnlyList<Trace> standing, Trace candidate, ProceduralMemoryOptions options)
    {
        string? difference = null;
        var candidateCalls = TraceCleaner.CallsOf(candidate, options);
        foreach (var (trace, calls) in standing.Select(t => (t, TraceCleaner.CallsOf(t, options))).OrderBy(t => t, Comparer<(Trace Trace, List<TraceStep> Calls)>.Create((a, b) => TraceOrder.Compare(a.Trace, a.Calls, b.Trace, b.Calls))))
        {
            if (Judge(TraceAligner.Align([trace, candidate], [calls, candidateCalls], options), isOptional: _ => false, options) is not { } found)
            {
                return null;
            }

            difference ??= found;
        }

        return difference;
    }

    /// <summary>Why a trace is of another skill than a version that no trace tells of, or <see langword="null"/> when it is of the same.</summary>
    public static string? Compare(ProcedureVersion standing, Trace candidate, ProceduralMemoryOptions options)
    {
        var calls = TraceCleaner.CallsOf(candidate, options);
        var units = new List<List<TraceUnit>> { new(), new() };
        var optional = new HashSet<TraceStep>(ReferenceEqualityComparer.Instance);
        foreach (var step in standing.Steps)
        {
            foreach (var inner in step.Kind is StepKind.Loop ? step.Steps : [step])
            {
                var call = new TraceStep { Kind = inner.Kind, Action = inner.Action, Effect = inner.Effect };
                units[0].Add(new TraceUnit(call));
                if (step.Condition is not null || inner.Condition is not null || step.Kind is StepKind.Loop)
                {
                    // A list may be empty.
                    optional.Add(call);
                }
            }
        }

        var loops = standing.Steps.Where(s => s.Kind is StepKind.Loop).Select(s => s.Steps.Select(i => new CallKind(i.Kind, i.Action)).ToList()).ToList();
        units[1].AddRange(Once(calls, loops).Select(c => new TraceUnit(c)));
        var columns = TraceAligner.AlignUnits(units);
        DisplacedReads.Join(columns, units, options);
        return Judge(columns, unit => unit.Call is { } call && optional.Contains(call), options);
    }

    /// <summary>The calls with rounds of known loops made once.</summary>
    private static IEnumerable<TraceStep> Once(List<TraceStep> calls, List<List<CallKind>> loops)
    {
        for (var i = 0; i < calls.Count;)
        {
            var body = loops.Find(b => b.Count > 0 && IsRound(b, i));
            if (body is null)
            {
                yield return calls[i++];
                continue;
            }

            foreach (var call in calls.GetRange(i, body.Count))
            {
                yield return call;
            }

            while (IsRound(body, i))
            {
                i += body.Count;
            }
        }

        bool IsRound(List<CallKind> body, int at) => at + body.Count <= calls.Count && body.Select((b, k) => b == CallKind.Of(calls[at + k])).All(same => same);
    }

    /// <param name="columns">The alignment of two.</param>
    /// <param name="isOptional">Whether what stands can be missing.</param>
    /// <param name="options">The options, which know what reads.</param>
    private static string? Judge(List<Column> columns, Func<TraceUnit, bool> isOptional, ProceduralMemoryOptions options)
    {
        var common = columns.Count(c => c.Count == 2);
        var onlyStanding = columns.Where(c => c.Units[1] is null && !isOptional(c.Units[0]!)).ToList();
        var onlyCandidate = columns.Where(c => c.Units[0] is null).ToList();
        var displaced = columns.Where(c => c.Units[1] is null).Select(c => c.Key).Intersect(onlyCandidate.Select(c => c.Key), StringComparer.Ordinal).FirstOrDefault();
        var longer = common + Math.Max(onlyStanding.Count, onlyCandidate.Count);
        var missesWrite = onlyStanding.Exists(c => c.Units[0]!.Calls.Any(call => StepEffects.Of(call, options) is not StepEffect.Read));
        var isEnough = onlyStanding.Count == 0 || (onlyCandidate.Count == 0 && !missesWrite) ? common * 2 >= longer : common * 3 >= longer * 2;
        if (common > 0 && isEnough && displaced is null)
        {
            return null;
        }

        return displaced is not null && isEnough
            ? $"The order of {displaced} is another, which matters unless it is declared to read."
            : string.Create(CultureInfo.InvariantCulture, $"They have {common} of {longer} steps in common.");
    }
}
