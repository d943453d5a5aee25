using System.Runtime.ExceptionServices;
using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    private const int MaintenanceBatch = 100;

    /// <summary>
    /// The maintenance pass: goes through the procedures of all scopes, makes candidates of what can be improved (<see cref="OptimizeAsync"/>), lets the evidence decide between versions
    /// (<see cref="ReviewVersionsAsync(string, CancellationToken)"/>), and takes away what was kept for long enough. It reads in portions and writes in small transactions, so that it can run beside replays and in
    /// several processes. A second pass without new executions changes nothing. It is for the host.
    /// </summary>
    /// <param name="retention">What is kept, and for how long; <see langword="null"/> for everything.</param>
    /// <param name="forget">Which procedures are put out of use; <see langword="null"/> for none.</param>
    /// <param name="progress">Is told how many procedures it has looked at.</param>
    /// <param name="cancellationToken">Stops between two procedures: what was done by then is done.</param>
    /// <exception cref="ProcedureStoreException">The store cannot be read or written. What was kept for long enough is taken away before that is told, where that can be done.</exception>
    public async Task<ReviseResult> ReviseAsync(RetentionPolicy? retention = null, ForgetPolicy? forget = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
    {
        retention?.Validate();
        forget?.Validate();
        var pass = new MaintenancePass();
        ExceptionDispatchInfo? broken = null;
        try
        {
            foreach (var scope in await Store.ListScopesAsync(cancellationToken).ConfigureAwait(false))
            {
                await ReviseScopeAsync(scope, pass, progress, cancellationToken).ConfigureAwait(false);
            }

            if (forget is not null)
            {
                pass.Changes.AddRange((await ForgetAsync(forget, cancellationToken: cancellationToken).ConfigureAwait(false)).Select(f => new RevisedProcedure(f.Scope, f.Name, $"{Json.Word(RevisionKind.Forgotten)}: {f.Reason}")));
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // What was kept for long enough goes all the same: it is promised to somebody.
            broken = ExceptionDispatchInfo.Capture(exception);
        }

        var retained = retention is null ? null : await ApplyRetentionAsync(retention, cancellationToken).ConfigureAwait(false);
        broken?.Throw();
        return new ReviseResult(pass.Looked, pass.Changes, pass.Faults) { Retention = retained };
    }

    private async Task ReviseScopeAsync(string scope, MaintenancePass pass, IProgress<int>? progress, CancellationToken cancellationToken)
    {
        using var session = BeginSession(new MemoryScope(scope));
        Guid? after = null;
        while (await Store.ListActiveProceduresAsync([scope], after, MaintenanceBatch, cancellationToken).ConfigureAwait(false) is { Count: > 0 } procedures)
        {
            foreach (var procedure in procedures)
            {
                cancellationToken.ThrowIfCancellationRequested();
                try
                {
                    pass.Changes.AddRange((await ReviseOneAsync(procedure, cancellationToken).ConfigureAwait(false)).Select(c => new RevisedProcedure(scope, procedure.Name, c)));
                }
                catch (ProceduralMemoryException exception) when (exception is not ProcedureStoreException)
                {
                    // Changed or erased meanwhile, say: the others are looked at all the same.
                    pass.Faults.Add($"'{procedure.Name}': {exception.Message}");
                }
            }

            pass.Looked += procedures.Count;
            progress?.Report(pass.Looked);
            after = procedures[^1].Id;
        }
    }

    private async Task<IReadOnlyList<string>> ReviseOneAsync(Procedure procedure, CancellationToken cancellationToken)
    {
        var changes = new List<string>();
        if (procedure.QuarantinedAt is not null)
        {
            return changes;
        }

        // Most procedures need nothing, which their own numbers tell without another look at the store.
        if (procedure is { CandidateVersion: null, IsPinned: false } && MayBeImproved(procedure.Version)
            && await OptimizeAsync(procedure.Name, cancellationToken: cancellationToken).ConfigureAwait(false) is { Changes.Count: > 0, Procedure.Version.State: VersionState.Candidate } optimized)
        {
            changes.Add(optimized.Message);
        }

        if ((procedure.CandidateVersion is not null || procedure.Version.Statistics.Failures >= VersionRules.InARow)
            && await ReviewVersionsAsync(procedure.Name, cancellationToken).ConfigureAwait(false) is { } decision)
        {
            changes.Add($"{Json.Word(decision.Kind)}: {decision.Reason}");
        }

        return changes;
    }

    private bool MayBeImproved(ProcedureVersion version) =>
        version.Statistics.Executions >= Options.MinimumExecutionsToOptimize
        && (ProcedureOptimizer.LikelyRepeats(version.Steps, OnlyReads).Count > 0
            || version.StepStatistics.Values.Any(s => s.Repairs > 0)
            || ProcedureOptimizer.Propose(version, new Dictionary<string, ProcedureStep>(), new Dictionary<string, string>(), Options.SlowStepThreshold).Changes.Any(c => c.Kind is not StepChangeKind.Flagged));

    private sealed class MaintenancePass
    {
        public int Looked { get; set; }

        public List<RevisedProcedure> Changes { get; } = [];

        public List<string> Faults { get; } = [];
    }
}
