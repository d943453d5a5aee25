using System.Globalization;

namespace ProceduralMemory.Revise;

/// <summary>What the seed design calls optimising: steps that fail more than they succeed are removed or replaced, slow ones are flagged.</summary>
internal static class ProcedureOptimizer
{
    public const string SlowFlag = "slow";
    public const string FailingFlag = "failing";

    /// <summary>Proposes changes; pure.</summary>
    /// <param name="version">The version with its statistics.</param>
    /// <param name="replacements">Steps to put in place of failing ones, by step id.</param>
    /// <param name="slowThreshold">The mean duration from which a step is slow.</param>
    public static (IReadOnlyList<ProcedureStep> Steps, IReadOnlyList<StepChange> Changes) Propose(
        ProcedureVersion version, IReadOnlyDictionary<string, ProcedureStep> replacements, TimeSpan slowThreshold)
    {
        var changes = new List<StepChange>();
        var steps = version.Steps.ToList();

        // From the end, so that a failing step which only failing steps need can go with them.
        for (var i = steps.Count - 1; i >= 0; i--)
        {
            var step = steps[i];
            var statistics = version.StepStatistics.GetValueOrDefault(step.Id) ?? new StepStatistics();
            if (statistics.Failures > statistics.Runs - statistics.Failures)
            {
                var evidence = string.Create(CultureInfo.InvariantCulture, $"failed in {statistics.Failures} of {statistics.Runs} runs");
                var dependents = steps.Skip(i + 1).Where(s => Needs(s, step.Id)).Select(s => s.Id).ToList();
                if (replacements.TryGetValue(step.Id, out var replacement))
                {
                    steps[i] = replacement with { Id = step.Id };
                    changes.Add(new StepChange(step.Id, StepChangeKind.Replaced, $"it {evidence}; {replacement.Action} takes its place"));
                }
                else if (dependents.Count == 0 && steps.Count > 1)
                {
                    steps.RemoveAt(i);
                    changes.Add(new StepChange(step.Id, StepChangeKind.Removed, $"it {evidence}, and no other step needs its result"));
                }
                else if (Flag(steps, i, FailingFlag))
                {
                    changes.Add(new StepChange(step.Id, StepChangeKind.Flagged, dependents.Count > 0 ? $"it {evidence}, but {string.Join(", ", dependents)} need its result" : $"it {evidence}, but it is the only step"));
                }
            }
            else if (statistics.MeanDuration is { } mean && mean >= slowThreshold && Flag(steps, i, SlowFlag))
            {
                changes.Add(new StepChange(step.Id, StepChangeKind.Flagged, string.Create(CultureInfo.InvariantCulture, $"it takes {mean.TotalMilliseconds:0} ms on average, which is slow")));
            }
        }

        changes.Reverse();
        return (steps, changes);
    }

    /// <summary>The inputs that some step still uses.</summary>
    public static IReadOnlyList<ProcedureInput> UsedInputs(IReadOnlyList<ProcedureInput> inputs, IReadOnlyList<ProcedureStep> steps)
    {
        var used = steps.SelectMany(s => s.References()).OfType<InputReference>().Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        return [.. inputs.Where(i => used.Contains(i.Name))];
    }

    private static bool Needs(ProcedureStep step, string id) => step.References().OfType<StepReference>().Any(r => r.StepId == id);

    private static bool Flag(List<ProcedureStep> steps, int index, string flag)
    {
        if (steps[index].Flags.Contains(flag, StringComparer.Ordinal))
        {
            return false;
        }

        steps[index] = steps[index] with { Flags = [.. steps[index].Flags, flag] };
        return true;
    }
}

/// <summary>What optimising a procedure did.</summary>
/// <param name="Procedure">The procedure: at its new version where something changed, else as it was.</param>
/// <param name="Changes">What changed and why; empty when nothing did, and then there is no new version.</param>
/// <param name="Message">The same in a sentence.</param>
public sealed record OptimizeResult(Procedure Procedure, IReadOnlyList<StepChange> Changes, string Message);

/// <summary>One change that optimising made.</summary>
/// <param name="StepId">The step.</param>
/// <param name="Kind">What happened to it.</param>
/// <param name="Reason">The evidence.</param>
public sealed record StepChange(string StepId, StepChangeKind Kind, string Reason);

/// <summary>What optimising did to a step.</summary>
public enum StepChangeKind
{
    /// <summary>It is gone.</summary>
    Removed,

    /// <summary>Another action takes its place, under its id.</summary>
    Replaced,

    /// <summary>It stands as it was, with a flag.</summary>
    Flagged,
}
