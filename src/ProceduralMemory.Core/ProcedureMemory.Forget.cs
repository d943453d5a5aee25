using ProceduralMemory.Persist;
using ProceduralMemory.Revise;
using static System.FormattableString;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Puts procedures out of use that nobody has used for long and that did not do well, in all scopes. Nothing is deleted: <see cref="ActivateVersionAsync"/> with the number of the active version takes one back into use, and so does
    /// recording its task again. It is for the host.
    /// </summary>
    /// <param name="policy">Which procedures; <see langword="null"/> for the defaults.</param>
    /// <param name="dryRun">Whether it is only told which ones would be forgotten.</param>
    /// <param name="cancellationToken">Stops between two procedures: what was done by then is done.</param>
    /// <returns>What was forgotten, or would be.</returns>
    /// <exception cref="ArgumentException">The policy has a value that cannot be.</exception>
    public async Task<IReadOnlyList<ForgottenProcedure>> ForgetAsync(ForgetPolicy? policy = null, bool dryRun = false, CancellationToken cancellationToken = default)
    {
        policy ??= new ForgetPolicy();
        policy.Validate();
        var (candidates, needed) = (new List<Procedure>(), new HashSet<string>(StringComparer.OrdinalIgnoreCase));
        foreach (var scope in await Store.ListScopesAsync(cancellationToken).ConfigureAwait(false))
        {
            Guid? after = null;
            while (await Store.ListActiveProceduresAsync([scope], after, MaintenanceBatch, cancellationToken).ConfigureAwait(false) is { Count: > 0 } procedures)
            {
                cancellationToken.ThrowIfCancellationRequested();

                // Of whatever scope: a procedure is replayed by its name, from the scopes that its caller reads.
                needed.UnionWith(procedures.SelectMany(p => p.Version.Steps).SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Procedure).Select(s => s.Action));
                needed.UnionWith(procedures.Select(p => p.Version.Undo).OfType<string>());
                candidates.AddRange(procedures.Where(p => IsForgettable(p, policy)));
                after = procedures[^1].Id;
            }
        }

        var forgotten = new List<ForgottenProcedure>();
        foreach (var procedure in candidates.Where(c => !needed.Contains(c.Name)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (statistics, unused) = (procedure.Statistics, Time.GetUtcNow() - LastUsed(procedure));
            var reason = Invariant($"it was not used for {unused.TotalDays:0} days, and succeeded in {statistics.Successes} of {statistics.Successes + statistics.Failures} executions");
            var change = new ProcedureChange
            {
                ProcedureId = procedure.Id,
                ExpectedActive = procedure.ActiveVersion,
                Retired = true,
                Note = new RevisionNote { Kind = RevisionKind.Forgotten, Reason = reason },
                At = Time.GetUtcNow(),
            };
            if (dryRun || await Store.ChangeProcedureAsync(change, cancellationToken).ConfigureAwait(false))
            {
                forgotten.Add(new ForgottenProcedure(procedure.Scope, procedure.Name, reason));
            }
        }

        return forgotten;
    }

    private bool IsForgettable(Procedure procedure, ForgetPolicy policy) =>
        !procedure.IsPinned && Time.GetUtcNow() - LastUsed(procedure) >= policy.UnusedFor && procedure.Statistics.SuccessBound < policy.KeepFrom;

    private static DateTimeOffset LastUsed(Procedure procedure) => procedure.Statistics.LastExecutedAt is { } executed && executed > procedure.UpdatedAt ? executed : procedure.UpdatedAt;
}
