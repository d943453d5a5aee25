using System.Globalization;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Improves the active version from its statistics: steps that fail more than they succeed are replaced where a replacement is given, else removed where
    /// they may fail (<see cref="FailurePolicy.Continue"/>) and no other step needs them, else flagged; slow steps are flagged. A change is a new active version; the earlier one is kept, and <see cref="ActivateVersionAsync"/> goes back to it.
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

        var (steps, changes) = ProcedureOptimizer.Propose(procedure.Version, replacements ?? new Dictionary<string, ProcedureStep>(), Options.SlowStepThreshold);
        if (changes.Count == 0)
        {
            return new OptimizeResult(procedure, [], $"'{procedure.Name}' needs no change: no step fails more than it succeeds, and none is newly slow.");
        }

        var definition = ProcedureValidator.Check(
            new ProcedureDefinition
            {
                Name = procedure.Name,
                Description = procedure.Description,
                Notes = procedure.Notes,
                Inputs = ProcedureOptimizer.UsedInputs(procedure.Version.Inputs, steps),
                Steps = steps,
                Undo = procedure.Version.Undo,

                Signatures = procedure.Version.Signatures,
            },
            Options);
        var improved = await Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = procedure.Scope,
                Definition = SecretConstants.Remove(definition, Options),
                Reason = VersionReason.Optimized,
                Origin = procedure.Version.Origin,
                State = VersionState.Active,
                ExpectedActive = procedure.ActiveVersion,
                Request = procedure.Version.Request,
                At = Time.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);
        return new OptimizeResult(improved, changes, $"'{procedure.Name}' is now version {improved.Version.Number.ToString(CultureInfo.InvariantCulture)}: {string.Join("; ", changes.Select(c => $"{c.StepId} {c.Kind.ToString().ToLowerInvariant()}, because {c.Reason}"))}.");
    }

    /// <summary>Finds procedures of the written scope that do the same: the same actions in the same order, described in mostly the same words.</summary>
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
        return ProcedureMerger.SimilarGroups([.. all.Where(p => p.ActiveVersion is not null)], minimumSimilarity);
    }

    /// <summary>Keeps the most efficient of some procedures (the best success rate, then the shortest mean duration) and retires the others in its favour. Nothing is deleted.</summary>
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
}
