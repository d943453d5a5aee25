using System.Globalization;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Improves the active version from its executions: steps that fail more than they succeed, of all runs or of the latest, are replaced where a replacement is given or where agents did something else in their place each
    /// time a replay had stopped there; else removed where they may fail (<see cref="FailurePolicy.Continue"/>) and no other step needs them; reads that repeat an earlier one and gave the same each time are removed. The result is a candidate beside
    /// the active version: it takes a share of replays where it may, and a person can activate it. Slow steps, and others that fail, are told of and left as they are.
    /// </summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="replacements">Steps to put in place of failing ones, by step id.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">It has no active version, or that changed meanwhile.</exception>
    /// <exception cref="ProcedureFormatException">A replacement is no valid step there.</exception>
    public async Task<OptimizeResult> OptimizeAsync(string name, IReadOnlyDictionary<string, ProcedureStep>? replacements = null, CancellationToken cancellationToken = default)
    {
        var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        if (procedure.IsRetired || procedure.ActiveVersion is null)
        {
            throw new ProcedureConflictException(procedure.Name, $"'{procedure.Name}' {(procedure.IsRetired ? "is retired" : "has no active version to optimise")}. Activate one first.");
        }

        var executions = procedure.Version.Statistics.Executions;
        if (executions < Options.MinimumExecutionsToOptimize)
        {
            return new OptimizeResult(procedure, [], string.Create(CultureInfo.InvariantCulture, $"'{procedure.Name}' version {procedure.Version.Number} has {executions} executions; {Options.MinimumExecutionsToOptimize} are needed before it is changed."));
        }

        var repeats = await RepeatsAsync(procedure, cancellationToken).ConfigureAwait(false);
        var latest = procedure.Version.Statistics.Failures == 0 ? null : await LatestAsync(procedure, cancellationToken).ConfigureAwait(false);
        var repairs = await RepairsAsync(procedure, latest, cancellationToken).ConfigureAwait(false);
        var (steps, changes) = ProcedureOptimizer.Propose(procedure.Version, replacements ?? new Dictionary<string, ProcedureStep>(), repeats, Options.SlowStepThreshold, repairs, latest);
        if (changes.Count == 0)
        {
            return new OptimizeResult(procedure, [], $"'{procedure.Name}' needs no change: no step fails more than it succeeds, none is slow, and none is repeated in vain.");
        }

        var found = string.Join("; ", changes.Select(c => $"{c.StepId} {c.Kind.ToString().ToLowerInvariant()}, because {c.Reason}"));
        if (changes.All(c => c.Kind is StepChangeKind.Flagged))
        {
            return new OptimizeResult(procedure, changes, $"'{procedure.Name}' stays as it is: {found}.");
        }

        steps = ProcedureOptimizer.Marked(steps, OnlyReads);
        var used = changes.Where(c => c.Kind is StepChangeKind.Replaced).Select(c => repairs.GetValueOrDefault(c.StepId).Repair).OfType<StepRepair>().ToList();
        var definition = ProcedureValidator.Check(
            new ProcedureDefinition
            {
                Name = procedure.Name,
                Description = procedure.Description,
                Notes = procedure.Notes,
                Inputs = ProcedureOptimizer.UsedInputs([.. procedure.Version.Inputs, .. used.SelectMany(r => r.Inputs).DistinctBy(i => i.Name)], steps),
                Steps = steps,
                Undo = procedure.Version.Undo,
                Signatures = procedure.Version.Signatures,
            },
            Options);
        var known = (await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false)).Select(v => v.Number).DefaultIfEmpty().Max();
        var traces = await Store.ListVersionTracesAsync(procedure.Id, procedure.Version.Number, Options.MaxTracesPerProcedure, cancellationToken).ConfigureAwait(false);
        var ids = steps.SelectMany(s => s.WithInner()).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        var replaced = changes.Where(c => c.Kind is StepChangeKind.Replaced).Select(c => c.StepId).ToHashSet(StringComparer.Ordinal);
        var improved = await Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = procedure.Scope,
                Definition = SecretConstants.Remove(definition, Options),
                Reason = VersionReason.Optimized,
                Origin = procedure.Version.Origin,
                State = VersionState.Candidate,
                Note = new RevisionNote { Kind = RevisionKind.Proposed, Reason = found },
                OnlyOnce = true,
                ExpectedActive = procedure.ActiveVersion,
                Request = procedure.Version.Request,
                Traces = [.. traces.Select(t => t.Id).Concat(used.SelectMany(r => r.Traces)).Distinct()],
                Sources = [.. procedure.Version.Sources.Where(s => ids.Contains(s.StepId) && !replaced.Contains(s.StepId) && !used.Exists(r => r.Arguments.ContainsKey(s.StepId))), .. used.SelectMany(r => r.Sources)],
                At = Time.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);
        return improved.Version.Number > known
            ? new OptimizeResult(improved, changes, $"Version {improved.Version.Number.ToString(CultureInfo.InvariantCulture)} of '{procedure.Name}' is a candidate: {found}.")
            : new OptimizeResult(improved, [], $"Version {improved.Version.Number.ToString(CultureInfo.InvariantCulture)} of '{procedure.Name}' has these changes already ({found}), and is {Json.Word(improved.Version.State)}.");
    }

    private async Task<IReadOnlyDictionary<string, StepTally>> LatestAsync(Procedure procedure, CancellationToken cancellationToken) =>
        await Store.ListLatestStepsAsync(procedure.Id, procedure.Version.Number, VersionRules.Recent, cancellationToken).ConfigureAwait(false);

    /// <summary>What was done in place of the steps that fail, in the procedure's own scope: what others did with it is theirs.</summary>
    private async Task<IReadOnlyDictionary<string, (StepRepair? Repair, string? WhyNot)>> RepairsAsync(Procedure procedure, IReadOnlyDictionary<string, StepTally>? latest, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, (StepRepair?, string?)>(StringComparer.Ordinal);
        foreach (var step in procedure.Version.Steps.Where(s => s.Kind is StepKind.Function && procedure.Version.StepStatistics.GetValueOrDefault(s.Id) is { Repairs: > 0 } && ProcedureOptimizer.Fails(s.Id, procedure.Version, latest)))
        {
            var repairs = new List<(Execution, Trace)>();
            foreach (var execution in await Store.ListRepairedAsync(procedure.Scope, procedure.Id, procedure.Version.Number, step.Id, Options.MaxTracesPerProcedure, cancellationToken).ConfigureAwait(false))
            {
                if (await Store.GetTraceAsync([procedure.Scope], execution.Steps.First(s => s.StepId == step.Id).RepairTraceId!.Value, cancellationToken).ConfigureAwait(false) is { } calls)
                {
                    repairs.Add((execution, calls));
                }
            }

            found.Add(step.Id, RepairDistiller.Of(procedure.Version, step.Id, repairs, Options));
        }

        return found;
    }

    /// <summary>Reads that repeat an earlier one and gave the same in each of the latest executions.</summary>
    private async Task<IReadOnlyDictionary<string, string>> RepeatsAsync(Procedure procedure, CancellationToken cancellationToken)
    {
        var likely = ProcedureOptimizer.LikelyRepeats(procedure.Version.Steps, OnlyReads);
        if (likely.Count == 0)
        {
            return likely;
        }

        var latest = await Store.ListExecutionsAsync(CurrentScope().Read, new ExecutionQuery { ProcedureId = procedure.Id, Outcome = ReplayOutcome.Completed, Limit = 2 * Options.MinimumExecutionsToOptimize }, cancellationToken).ConfigureAwait(false);
        var seen = new List<IReadOnlyDictionary<string, ExecutionStep>>();
        foreach (var execution in latest.Where(e => e.Version == procedure.Version.Number))
        {
            var tree = await Store.GetExecutionTreeAsync(CurrentScope().Read, execution.Id, cancellationToken).ConfigureAwait(false);
            if (tree.FirstOrDefault(e => e.Id == execution.Id) is { } found)
            {
                seen.Add(found.Steps.ToDictionary(s => s.StepId, StringComparer.Ordinal));
            }
        }

        return seen.Count < Options.MinimumExecutionsToOptimize
            ? new Dictionary<string, string>()
            : likely.Where(r => seen.TrueForAll(e => SameResult(e, r.Key, r.Value))).ToDictionary(StringComparer.Ordinal);

        // What was redacted looks the same and may not have been.
        static bool SameResult(IReadOnlyDictionary<string, ExecutionStep> steps, string repeat, string earlier) =>
            steps.GetValueOrDefault(repeat)?.Result is { } second && steps.GetValueOrDefault(earlier)?.Result is { } first && Json.AreEqual(first, second) && !Withheld.IsSecretIn(first);
    }

    /// <summary>Finds procedures of the written scope that do the same: the same actions in the same order, with values from the same places and the same constants, described or asked for in mostly the same words. What inputs and steps are called makes no difference.</summary>
    /// <param name="minimumSimilarity">The share of common words (Jaccard) from which descriptions are alike, from 0 to 1.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Groups of at least two, the most efficient procedure first.</returns>
    public async Task<IReadOnlyList<IReadOnlyList<Procedure>>> ListSimilarAsync(double minimumSimilarity = 0.5, CancellationToken cancellationToken = default)
    {
        if (minimumSimilarity is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(minimumSimilarity), minimumSimilarity, "The similarity goes from 0 to 1.");
        }

        var all = await Store.ListProceduresAsync([CurrentScope().Write], includeRetired: false, cancellationToken).ConfigureAwait(false);
        return ProcedureMerger.SimilarGroups([.. all.Where(p => p.CanBeReplayed)], minimumSimilarity);
    }

    /// <summary>Keeps the most efficient of some procedures (the best <see cref="ExecutionStatistics.SuccessBound"/>, then the shortest mean duration) and retires the others in its favour. Nothing is deleted, and <see cref="UnmergeAsync"/> takes it back.</summary>
    /// <param name="names">At least two procedures of the scope that is written.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ArgumentException">There are fewer than two.</exception>
    /// <exception cref="ProcedureNotFoundException">One does not exist.</exception>
    /// <exception cref="ProcedureConflictException">One is retired or has no active version, or together they have too many tags.</exception>
    public async Task<MergeResult> MergeAsync(IReadOnlyList<string> names, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(names);
        var procedures = new List<Procedure>();
        foreach (var name in names)
        {
            var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
            if (!procedures.Exists(p => p.Id == procedure.Id))
            {
                procedures.Add(procedure);
            }
        }

        if (procedures.Count < 2)
        {
            throw new ArgumentException("A merge takes at least two different procedures.", nameof(names));
        }

        var ordered = ProcedureMerger.ByEfficiency(procedures);
        await Store.MergeAsync(ordered[0].Id, [.. ordered.Skip(1).Select(p => p.Id)], Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);

        // It is done: a cancellation from here on would say that it is not.
        return new MergeResult(await GetWritableAsync(ordered[0].Name, version: null, CancellationToken.None).ConfigureAwait(false), [.. ordered.Skip(1).Select(p => p.Name)]);
    }

    /// <summary>Takes the last merge back, or, by the name of a procedure that was merged, the one that it was merged by with those that came after it: what was merged is in use again, and what was kept has the labels and wordings that it had before, with those that came since.</summary>
    /// <param name="name">The procedure that was kept, or one that was merged into it, in the scope that is written.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The names of the procedures that are in use again.</returns>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">Nothing was merged there that could be taken back.</exception>
    public async Task<IReadOnlyList<string>> UnmergeAsync(string name, CancellationToken cancellationToken = default)
    {
        var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        var back = await Store.UnmergeAsync(procedure.MergedInto ?? procedure.Id, procedure.MergedInto is null ? null : procedure.Id, Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
        return back.Count > 0 ? back : throw new ProcedureConflictException(procedure.Name, $"Nothing that was merged into '{procedure.Name}', or it into another one, waits to be taken back.");
    }
}
