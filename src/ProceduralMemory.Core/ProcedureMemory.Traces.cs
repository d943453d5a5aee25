using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;
using static System.FormattableString;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Takes back what a bad recording taught: procedures whose active version was distilled from it get a new one, distilled from their other traces. Where there are none, the latest version that it had no part in becomes active
    /// again, and where there is none either, the procedure is out of use. The trace is kept and teaches nothing any more.
    /// </summary>
    /// <param name="traceId">A finalized trace of the scope that is written.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write of the next procedure.</param>
    /// <exception cref="RecordingStateException">There is no such trace in the scope that is written, or it is still being recorded.</exception>
    /// <exception cref="ProcedureConflictException">A procedure was changed meanwhile. Withdraw the trace again: what was renewed stays so.</exception>
    public async Task<WithdrawResult> WithdrawTraceAsync(Guid traceId, string by, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(by);
        var trace = await GetFinishedTraceAsync(traceId, cancellationToken).ConfigureAwait(false);
        var result = await DistillWithoutAsync(trace, by, cancellationToken).ConfigureAwait(false);

        // Last: a call that is cut short can be made again.
        await Store.WithdrawTraceAsync(traceId, CancellationToken.None).ConfigureAwait(false);
        return result;
    }

    /// <summary>
    /// Erases one trace, as <see cref="EraseScopeAsync"/> erases a scope, with all that was drawn from it: each version that was distilled from it, or made from such a version, with its executions, approvals and counts. Before that, the
    /// procedures whose active version goes get a new one from their other traces, as with <see cref="WithdrawTraceAsync"/>; those that had nothing else are erased. For the host: never call it on a model's word.
    /// </summary>
    /// <param name="traceId">A trace of the scope that is written which is not being recorded.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What was erased: procedures are those that went as a whole.</returns>
    /// <exception cref="RecordingStateException">There is no such trace in the scope that is written, or it is still being recorded.</exception>
    /// <exception cref="ProcedureConflictException">A procedure was changed meanwhile. Erase the trace again.</exception>
    public async Task<EraseResult> EraseTraceAsync(Guid traceId, CancellationToken cancellationToken = default)
    {
        var trace = await GetFinishedTraceAsync(traceId, cancellationToken).ConfigureAwait(false);
        await DistillWithoutAsync(trace, by: null, cancellationToken).ConfigureAwait(false);
        return await Store.EraseTraceAsync(traceId, Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads what is not learned again in the scope that is written, because a person erased it, latest first.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IReadOnlyList<Tombstone>> ListTombstonesAsync(CancellationToken cancellationToken = default) => Store.ListTombstonesAsync(CurrentScope().Write, cancellationToken);

    /// <summary>Lets a skill be learned again that a person had erased.</summary>
    /// <param name="tombstoneId">The tombstone; see <see cref="ListTombstonesAsync"/>.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>Whether there was such a tombstone in the scope that is written.</returns>
    public Task<bool> RemoveTombstoneAsync(Guid tombstoneId, CancellationToken cancellationToken = default) => Store.RemoveTombstoneAsync(CurrentScope().Write, tombstoneId, cancellationToken);

    private async Task<Trace> GetFinishedTraceAsync(Guid traceId, CancellationToken cancellationToken) =>
        await Store.GetTraceAsync([CurrentScope().Write], traceId, cancellationToken).ConfigureAwait(false) switch
        {
            null => throw new RecordingStateException($"There is no trace {traceId:D} in the scope '{CurrentScope().Write}'. List them with ListTracesAsync."),
            { Status: TraceStatus.Recording } => throw new RecordingStateException($"Trace {traceId:D} is still being recorded. Give the recording up with AbandonAsync first."),
            { } trace => trace,
        };

    private async Task<WithdrawResult> DistillWithoutAsync(Trace trace, string? by, CancellationToken cancellationToken)
    {
        var (renewed, restored, retired) = (new List<string>(), new List<string>(), new List<string>());
        foreach (var (name, drawn) in await Store.ListDrawnFromAsync(trace.Id, cancellationToken).ConfigureAwait(false))
        {
            var procedure = await Store.GetProcedureAsync([trace.Scope], name, version: null, cancellationToken).ConfigureAwait(false);
            if (procedure is not { IsRetired: false, ActiveVersion: { } active } || !drawn.Contains(active))
            {
                continue;
            }

            var rest = (await Store.ListVersionTracesAsync(procedure.Id, active, Options.MaxTracesPerProcedure, cancellationToken).ConfigureAwait(false)).Where(t => t.Id != trace.Id).ToList();
            if (rest.Find(t => !ProcedureDistiller.TeachesNothing(t, Options)) is { } latest)
            {
                await RenewAsync(procedure, rest, latest, by, cancellationToken).ConfigureAwait(false);
                renewed.Add(name);
                continue;
            }

            var left = (await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false)).LastOrDefault(v => !drawn.Contains(v.Number) && v.State is VersionState.Retired)?.Number;
            var reason = left is { } number ? Invariant($"back to version {number}, since a trace was withdrawn and no other one teaches it") : "the only trace that taught it was withdrawn";
            var change = new ProcedureChange
            {
                ProcedureId = procedure.Id,
                ExpectedActive = active,
                Activate = left,
                Retired = left is null ? true : null,
                Note = Note(RevisionKind.Withdrawn, reason, by),
                At = Time.GetUtcNow(),
            };
            if (!await Store.ChangeProcedureAsync(change, cancellationToken).ConfigureAwait(false))
            {
                throw new ProcedureConflictException(name, $"Another version of '{name}' was activated in the meantime. Repeat the call.");
            }

            (left is null ? retired : restored).Add(name);
        }

        return new WithdrawResult(renewed, restored, retired);
    }

    /// <summary>Distils a procedure from some of its traces, as its new active version.</summary>
    private async Task RenewAsync(Procedure procedure, List<Trace> traces, Trace latest, string? by, CancellationToken cancellationToken)
    {
        // What agents noted of the steps may be the withdrawn trace's.
        var standing = procedure.Version with { Steps = WithoutNotes(procedure.Version.Steps) };
        latest = latest with { Name = procedure.Name };
        var (distilled, _) = StandingVersion.Keep(ProcedureDistiller.Distill([.. traces.Where(t => t.Id != latest.Id), latest], latest, Options)!, standing, Options);
        await Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = procedure.Scope,
                Definition = ProcedureValidator.Check(distilled.Definition with { Undo = procedure.Version.Undo }, Options),
                Reason = VersionReason.Renewed,
                Origin = procedure.Version.Origin,
                State = VersionState.Active,
                Note = Note(RevisionKind.Withdrawn, Invariant($"distilled anew from {traces.Count} {(traces.Count == 1 ? "trace" : "traces")}, without one that was withdrawn"), by),
                ExpectedActive = procedure.ActiveVersion,
                Request = latest.Request,
                Traces = [.. traces.Select(t => t.Id)],
                Sources = distilled.Sources,
                At = Time.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);

        static IReadOnlyList<ProcedureStep> WithoutNotes(IReadOnlyList<ProcedureStep> steps) => [.. steps.Select(s => s with { Notes = null, Steps = WithoutNotes(s.Steps) })];
    }

    /// <summary>Why what was recorded is not to be learned: a person erased a procedure that calls the same functions, or rejected the one that stands; <see langword="null"/> where it may.</summary>
    private async Task<string?> WhyUnwantedAsync(string scope, IReadOnlyList<ProcedureStep> steps, Procedure? standing, CancellationToken cancellationToken)
    {
        var actions = Tombstone.ActionsOf(steps);
        var isStanding = standing is not null && Tombstone.ActionsOf(standing.Version.Steps).SequenceEqual(actions, StringComparer.Ordinal);
        if (!isStanding && (await Store.ListTombstonesAsync(scope, cancellationToken).ConfigureAwait(false)).FirstOrDefault(t => t.Actions.SequenceEqual(actions, StringComparer.Ordinal)) is { } tombstone)
        {
            return $"A procedure that calls the same functions was erased on {tombstone.At:yyyy-MM-dd}, and is not learned again. ({nameof(RemoveTombstoneAsync)} with {tombstone.Id:D} lets it be.)";
        }

        if (!isStanding)
        {
            return null;
        }

        var decided = await Store.ListVersionApprovalsAsync([scope], [standing!.Id], standingOnly: true, cancellationToken).ConfigureAwait(false);
        return VersionApprovals.Standing(decided.Where(a => a.Version == standing.Version.Number)) is { State: ApprovalState.Rejected }
            ? $"A person rejected '{standing.Name}' version {standing.Version.Number.ToString(System.Globalization.CultureInfo.InvariantCulture)}, which calls the same functions. It is not learned again until that is revoked ({nameof(RevokeApprovalAsync)})."
            : null;
    }
}
