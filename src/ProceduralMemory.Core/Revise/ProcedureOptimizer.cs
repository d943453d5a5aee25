using System.Globalization;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Revise;

/// <summary>
/// What the seed design calls optimising: steps that fail more than they succeed are replaced or removed, slow ones are flagged. Removed is only what the
/// procedure itself says may fail, and whose result nobody needs: any other step ends the replay where it fails, and that may be what it is there for, as
/// with a check or an approval. It is flagged for somebody to look at. What a step does to the world is no licence either: a check only reads.
/// </summary>
internal static class ProcedureOptimizer
{
    public const string SlowFlag = "slow";
    public const string FailingFlag = "failing";

    public const string OptionalFlag = "optional";
    public const string ParallelFlag = "parallel";

    /// <summary>How many of the latest runs tell how a step does now.</summary>
    public const int MinimumLatest = 3;

    /// <summary>Proposes changes; pure.</summary>
    /// <param name="version">The version with its statistics.</param>
    /// <param name="replacements">Steps to put in place of failing ones, by step id.</param>
    /// <param name="repeats">Reads that repeat an earlier one, whose result they have given each time: by the id of the one that repeats, that of the earlier one.</param>
    /// <param name="slowThreshold">The mean duration from which a step is slow.</param>
    /// <param name="repairs">What was done in place of failing steps, or why it makes no steps, by step id.</param>
    /// <param name="latest">How steps did in the latest executions, by step id.</param>
    public static (IReadOnlyList<ProcedureStep> Steps, IReadOnlyList<StepChange> Changes) Propose(
        ProcedureVersion version,
        IReadOnlyDictionary<string, ProcedureStep> replacements,
        IReadOnlyDictionary<string, string> repeats,
        TimeSpan slowThreshold,
        IReadOnlyDictionary<string, (StepRepair? Repair, string? WhyNot)>? repairs = null,
        IReadOnlyDictionary<string, StepTally>? latest = null)
    {
        var changes = new List<StepChange>();
        var steps = WithoutRepeats(version.Steps, repeats);
        changes.AddRange(repeats.OrderByDescending(r => version.Steps.ToList().FindIndex(s => s.Id == r.Key)).Select(r => new StepChange(r.Key, StepChangeKind.Removed, $"it is the same read as {r.Value}, and gave the same each time")));

        // From the end, so that a failing step which only failing steps need can go with them.
        for (var i = steps.Count - 1; i >= 0; i--)
        {
            var step = steps[i];
            var statistics = version.StepStatistics.GetValueOrDefault(step.Id) ?? new StepStatistics();
            if (Fails(step.Id, version, latest))
            {
                var recent = FailsInAll(statistics) ? null : latest!.GetValueOrDefault(step.Id);
                var (repair, whyNot) = repairs?.GetValueOrDefault(step.Id) ?? (null, null);
                var repaired = statistics.Repairs == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", and was done otherwise {statistics.Repairs} times");
                var evidence = string.Create(CultureInfo.InvariantCulture, $"failed in {recent?.Failures ?? statistics.Failures} of {(recent is null ? "" : "the latest ")}{recent?.Runs ?? statistics.Runs} runs{repaired}");
                var dependents = steps.Skip(i + 1).Where(s => Needs(s, step.Id)).Select(s => s.Id).ToList();
                if (replacements.TryGetValue(step.Id, out var replacement))
                {
                    steps[i] = replacement with { Id = step.Id };
                    changes.Add(new StepChange(step.Id, StepChangeKind.Replaced, $"it {evidence}; {replacement.Action} takes its place"));
                }
                else if (repair is not null)
                {
                    steps.RemoveAt(i);
                    steps.InsertRange(i, repair.Steps);
                    for (var later = i + repair.Steps.Count; later < steps.Count; later++)
                    {
                        steps[later] = repair.Arguments.TryGetValue(steps[later].Id, out var arguments) ? steps[later] with { Arguments = arguments } : steps[later];
                    }

                    changes.Add(new StepChange(step.Id, StepChangeKind.Replaced, $"it {evidence}; {string.Join(" and ", repair.Steps.Select(s => s.Action))} takes its place, as it was done"));
                }
                else if (FailsInAll(statistics) && KeepReason(step, dependents, steps.Count) is null)
                {
                    steps.RemoveAt(i);
                    changes.Add(new StepChange(step.Id, StepChangeKind.Removed, $"it {evidence}, may fail ({nameof(step.OnFailure)} is {FailurePolicy.Continue}), and no other step needs its result"));
                }
                else if (Flag(steps, i, FailingFlag))
                {
                    changes.Add(new StepChange(step.Id, StepChangeKind.Flagged, $"it {evidence}, but {whyNot ?? KeepReason(step, dependents, steps.Count) ?? "it did not in most of all its runs"}"));
                }
            }
            else if (statistics.MeanDuration is { } mean && mean >= slowThreshold && Flag(steps, i, SlowFlag))
            {
                var share = version.Statistics.MeanDuration is { Ticks: > 0 } whole ? string.Create(CultureInfo.InvariantCulture, $", {Math.Min(1, mean / whole):0 %} of the whole") : "";
                changes.Add(new StepChange(step.Id, StepChangeKind.Flagged, string.Create(CultureInfo.InvariantCulture, $"it takes {mean.TotalMilliseconds:0} ms on average (95 % within {(statistics.Durations.Quantile(0.95) ?? mean).TotalMilliseconds:0} ms{share}), which is slow")));
            }
        }

        changes.Reverse();
        return (steps, changes);
    }

    /// <summary>
    /// Reads that look like repeats of an earlier one: the same function with the same arguments, both without a condition, and nothing but reads in between. Whether they gave the same is for
    /// the executions to tell: one that waits for something does not.
    /// </summary>
    /// <param name="steps">The steps.</param>
    /// <param name="onlyReads">Whether a step is known to only read.</param>
    /// <returns>By the id of the one that repeats, that of the earlier one.</returns>
    public static IReadOnlyDictionary<string, string> LikelyRepeats(IReadOnlyList<ProcedureStep> steps, Func<ProcedureStep, bool> onlyReads)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var reads = new List<ProcedureStep>();
        foreach (var step in steps)
        {
            if (!onlyReads(step))
            {
                reads.Clear();
                continue;
            }

            if (step is not { Kind: StepKind.Function, Condition: null })
            {
                continue;
            }

            if (reads.Find(r => string.Equals(r.Action, step.Action, StringComparison.OrdinalIgnoreCase) && Json.AreEqual(r.Arguments, step.Arguments)) is { } earlier && !HoldsMore(step, earlier))
            {
                found.Add(step.Id, earlier.Id);
            }
            else
            {
                reads.Add(step);
            }
        }

        return found;

        // What a person expects of the one, and not of the other, is a check that would be lost; so is the stop where the other one lets a failure pass.
        static bool HoldsMore(ProcedureStep step, ProcedureStep earlier) =>
            (earlier.OnFailure is not FailurePolicy.Stop && step.OnFailure != earlier.OnFailure) || !Equals(step.Retry, earlier.Retry) || step.Timeout != earlier.Timeout ||
            step.Expectation is { Strength: ExpectationStrength.Asserted } expected && (earlier.Expectation is not { Strength: ExpectationStrength.Asserted } other || !expected.Equals(other));
    }

    /// <summary>
    /// Whether a step fails more than it succeeds: of all its runs, or of the latest. The latest tell that something broke which did well for long, which all of them together show only after as many failures
    /// as there were successes; a step that did badly once and does well again does not fail.
    /// </summary>
    public static bool Fails(string stepId, ProcedureVersion version, IReadOnlyDictionary<string, StepTally>? latest) =>
        latest?.GetValueOrDefault(stepId) is { Runs: >= MinimumLatest } recent
            ? recent.Failures > recent.Runs - recent.Failures
            : version.StepStatistics.GetValueOrDefault(stepId) is { } all && FailsInAll(all);

    private static bool FailsInAll(StepStatistics statistics) => statistics.Failures > statistics.Runs - statistics.Failures;

    /// <summary>
    /// The steps with remarks on what else is known of them: <see cref="OptionalFlag"/> where a replay can complete without the step, and <see cref="ParallelFlag"/> where it is a read that can be made at the same time as another one
    /// (<see cref="ProceduralMemoryOptions.MaxParallelSteps"/> says how many are). Remarks decide nothing.
    /// </summary>
    public static IReadOnlyList<ProcedureStep> Marked(IReadOnlyList<ProcedureStep> steps, Func<ProcedureStep, bool> onlyReads)
    {
        var parallel = new HashSet<string>(StringComparer.Ordinal);
        var reads = new List<(ProcedureStep Step, HashSet<string> Needs)>();
        foreach (var step in steps)
        {
            if (!onlyReads(step))
            {
                // What writes keeps its place: reads before it and after it are never made at once.
                reads.Clear();
                continue;
            }

            var needs = step.References().OfType<StepReference>().Select(r => r.StepId).ToHashSet(StringComparer.Ordinal);
            needs.UnionWith(reads.Where(r => needs.Contains(r.Step.Id)).SelectMany(r => r.Needs).ToList());
            foreach (var (other, _) in reads.Where(r => !needs.Contains(r.Step.Id)))
            {
                parallel.Add(other.Id);
                parallel.Add(step.Id);
            }

            reads.Add((step, needs));
        }

        return [.. steps.Select(s => s with
        {
            Flags = [
                .. s.Flags.Where(f => f is not (OptionalFlag or ParallelFlag)),
                .. s.Condition is not null || s.OnFailure is FailurePolicy.Skip ? [OptionalFlag] : Array.Empty<string>(),
                .. parallel.Contains(s.Id) ? [ParallelFlag] : Array.Empty<string>(),
            ],
        })];
    }

    /// <summary>The inputs that some step still uses.</summary>
    public static IReadOnlyList<ProcedureInput> UsedInputs(IReadOnlyList<ProcedureInput> inputs, IReadOnlyList<ProcedureStep> steps)
    {
        var used = steps.SelectMany(s => s.References()).OfType<InputReference>().Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        return [.. inputs.Where(i => used.Contains(i.Name))];
    }

    /// <summary>Why a failing step stays, or <see langword="null"/>.</summary>
    private static string? KeepReason(ProcedureStep step, List<string> dependents, int stepCount) =>
        dependents.Count > 0 ? $"{string.Join(", ", dependents)} need its result"
        : stepCount == 1 ? "it is the only step"
        : step.OnFailure is not FailurePolicy.Continue ? $"a replay stops where it fails, which may be what it is for: mend or replace it, or store it with {nameof(step.OnFailure)} {FailurePolicy.Continue} if it is not needed"
        : null;

    /// <summary>The steps without some that repeat others, whose results are taken in their place.</summary>
    private static List<ProcedureStep> WithoutRepeats(IReadOnlyList<ProcedureStep> steps, IReadOnlyDictionary<string, string> repeats) =>
        repeats.Count == 0 ? [.. steps] : [.. steps.Where(s => !repeats.ContainsKey(s.Id)).Select(s => s.WithRenamedSteps(id => repeats.GetValueOrDefault(id, id)))];

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
/// <param name="Procedure">The procedure: at the candidate where steps changed, else as it is.</param>
/// <param name="Changes">What was found and why. Where all of it is <see cref="StepChangeKind.Flagged"/>, or nothing was found, there is no new version.</param>
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

    /// <summary>It stands as it was: it is slow, or fails and cannot be mended without knowing more. A candidate that is made for other changes has it as a flag (<see cref="ProcedureStep.Flags"/>).</summary>
    Flagged,
}
