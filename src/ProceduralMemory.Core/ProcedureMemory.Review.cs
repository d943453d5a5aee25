using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Lists what waits for a person's review in the scope that is written: drafts, such as turns propose and documents bring, candidates, which compete with the active version, and active versions that write and that nobody has approved yet. What a person has rejected is not
    /// among them. <see cref="AcceptAsync"/> and <see cref="RejectAsync"/> decide; <see cref="SetSourceAsync"/> corrects a draft, and <see cref="ShowAsync"/> shows it.
    /// </summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The versions, each with its procedure, in the order of their names.</returns>
    public async Task<IReadOnlyList<Procedure>> ListForReviewAsync(CancellationToken cancellationToken = default)
    {
        var scope = CurrentScope().Write;
        var waiting = new List<Procedure>();
        foreach (var procedure in await Store.ListProceduresAsync([scope], includeRetired: false, cancellationToken).ConfigureAwait(false))
        {
            var versions = await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
            waiting.AddRange(versions.Where(v => v.State is VersionState.Draft or VersionState.Candidate || WaitsForApproval(procedure, v)).Select(v => procedure with { Version = v }));
        }

        var decided = (await Store.ListVersionApprovalsAsync([scope], [.. waiting.Select(p => p.Id)], standingOnly: true, cancellationToken).ConfigureAwait(false)).ToLookup(a => (a.ProcedureId, a.Version));
        return [.. waiting.Where(p => VersionApprovals.Standing(decided[(p.Id, p.Version.Number)]) is not { State: ApprovalState.Rejected } and var decision && (p.Version.State is not VersionState.Active || decision is null))];
    }

    /// <summary>Whether a version is active, and would ask for a first approval. What the functions do is not asked here, since no executor is at hand: what was recorded of them counts.</summary>
    private bool WaitsForApproval(Procedure procedure, ProcedureVersion version) =>
        version.State is VersionState.Active && procedure.QuarantinedAt is null && Options.Approval is ApprovalPolicy.FirstUse && Distill.SkillFinder.Writes(version.Steps, Options);

    /// <summary>Accepts a version for a person who has looked at it: it is approved (<see cref="ApproveAsync"/>) and becomes the active one, so that it is found, offered and replayed. Never call it on a model's word.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="version">The version, as <see cref="ListForReviewAsync"/> gave it.</param>
    /// <param name="by">The person, as your records name them: at most 200 characters, without control characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<Procedure> AcceptAsync(string name, int version, string by, CancellationToken cancellationToken = default)
    {
        var note = Note(RevisionKind.Activated, System.FormattableString.Invariant($"version {version} was accepted"), by);
        var procedure = await GetWritableAsync(name, version, cancellationToken).ConfigureAwait(false);
        await ApproveAsync(name, version, by, cancellationToken).ConfigureAwait(false);
        await Store.ChangeProcedureAsync(new ProcedureChange { ProcedureId = procedure.Id, Activate = version, Note = note, At = Time.GetUtcNow() }, CancellationToken.None).ConfigureAwait(false);
        return await GetWritableAsync(name, version: null, CancellationToken.None).ConfigureAwait(false);
    }
}
