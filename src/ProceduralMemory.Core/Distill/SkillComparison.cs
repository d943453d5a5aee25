using System.Globalization;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>Whether a trace shows the same skill as the procedure of its name, and all of it.</summary>
internal static class SkillComparison
{
    private const int MaxShownActions = 12;

    /// <summary>Why a trace teaches the procedure nothing, or <see langword="null"/> when it does.</summary>
    /// <param name="standing">The procedure at its active version.</param>
    /// <param name="earlier">The traces that the version was made of; none where a person wrote it.</param>
    /// <param name="trace">The trace.</param>
    /// <param name="options">The options.</param>
    public static SkillConflict? Conflict(Procedure standing, IReadOnlyList<Trace> earlier, Trace trace, ProceduralMemoryOptions options)
    {
        var failed = UnfinishedStep(standing.Version, trace, options);
        var difference = failed is not null
            ? $"Its call of {failed.Action} failed, and none succeeded after it, so the recording is no whole run of the task."
            : (earlier.Count > 0 ? SkillMatch.Compare(earlier, trace, options) : SkillMatch.Compare(standing.Version, trace, options)) ?? MissingWrites(standing.Version, trace, options);
        return difference is null ? null : new SkillConflict(standing.Name, difference, OneLine(trace, options), OneLine(standing.Version)) { FailedCall = failed?.Action };
    }

    /// <summary>The steps of a new version that are optional and were not in the one before, each with its condition in words.</summary>
    public static IReadOnlyList<string> NowOptional(ProcedureVersion before, ProcedureVersion now)
    {
        // Ids may shift, so those that were optional already are told by what they call.
        var known = before.Steps.Where(s => s.Condition is not null).Select(s => (s.Kind, s.Action)).ToList();
        return [.. now.Steps.Where(s => s.Condition is not null && !known.Remove((s.Kind, s.Action))).Select(s => $"'{s.Id}' (done if {ProcedureText.Condition(s.Condition!)})")];
    }

    /// <summary>A failed call that stands for a step which the trace so did without: that it is missing says nothing of whether it is needed.</summary>
    private static TraceStep? UnfinishedStep(ProcedureVersion standing, Trace trace, ProceduralMemoryOptions options)
    {
        var succeeded = TraceCleaner.CallsOf(trace, options).Select(CallKind.Of).ToList();
        return TraceCleaner.FailuresOf(trace, options).Find(failed =>
        {
            var kind = CallKind.Of(failed);
            return standing.Steps.Any(s => s.Steps.Any(i => new CallKind(i.Kind, i.Action) == kind))
                || standing.Steps.Count(s => new CallKind(s.Kind, s.Action) == kind) > succeeded.Count(c => c == kind);
        });
    }

    /// <summary>A task that writes and one that only looks are two, whatever they have in common. Where each step that writes can be left out already, this is such a case.</summary>
    private static string? MissingWrites(ProcedureVersion standing, Trace trace, ProceduralMemoryOptions options)
    {
        var writes = standing.Steps
            .SelectMany(s => s.WithInner().Where(i => i.Kind is not StepKind.Loop).Select(i => (Step: i, IsNeeded: s.Kind is not StepKind.Loop && s.Condition is null)))
            .Where(s => StepEffects.Of(new TraceStep { Kind = s.Step.Kind, Action = s.Step.Action, Effect = s.Step.Effect }, options) is not StepEffect.Read)
            .ToList();
        var made = TraceCleaner.CallsOf(trace, options).Select(CallKind.Of).ToHashSet();
        return writes.Exists(s => s.IsNeeded) && !writes.Exists(s => made.Contains(new CallKind(s.Step.Kind, s.Step.Action)))
            ? $"It made none of the calls that write: {string.Join(", ", writes.Select(s => s.Step.Action).Distinct(StringComparer.Ordinal).Take(MaxShownActions))}."
            : null;
    }

    private static string OneLine(Trace trace, ProceduralMemoryOptions options)
    {
        var failures = TraceCleaner.FailuresOf(trace, options).ToHashSet<TraceStep>(ReferenceEqualityComparer.Instance);
        return OneLine(trace.Steps.Where(s => s.Status is StepStatus.Success || failures.Contains(s)).Select(s => failures.Contains(s) ? $"{s.Action} (failed)" : s.Action));
    }

    private static string OneLine(ProcedureVersion version) => OneLine(version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is not StepKind.Loop).Select(s => s.Action));

    private static string OneLine(IEnumerable<string> actions)
    {
        var all = actions.ToList();
        return string.Join(" → ", all.Take(MaxShownActions)) + (all.Count > MaxShownActions ? string.Create(CultureInfo.InvariantCulture, $" … {all.Count - MaxShownActions} more") : "");
    }
}
