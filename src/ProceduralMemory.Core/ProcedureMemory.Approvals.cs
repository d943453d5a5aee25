using System.Globalization;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>
    /// Approves a version of a procedure for a person who has looked at it, as <see cref="GetAsync"/> with this number shows it: from now on it is replayed without a
    /// question (<see cref="ApprovalPolicy.FirstUse"/>), and its unconfirmed constants are confirmed. Procedures that it replays need approvals of their own.
    /// Never call it on a model's word.
    /// </summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version. The approval is for this one: a new version needs a new one.</param>
    /// <param name="by">The person who approves, as your records name them: at most 200 characters, without control characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What was written: it holds for those who read the scope that is written here.</returns>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public Task<VersionApproval> ApproveAsync(string name, int version, string by, CancellationToken cancellationToken = default) =>
        DecideVersionAsync(name, version, ApprovalDecision.Approved(by), cancellationToken);

    /// <summary>Says that a version of a procedure is not to be replayed. That stands in the way of every replay that would need its approval, until somebody approves it here.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version, as <see cref="GetAsync"/> with this number shows it.</param>
    /// <param name="by">The person who rejects, as your records name them: at most 200 characters, without control characters. It is kept with the time.</param>
    /// <param name="reason">Why; it is kept, redacted and at most 1,000 characters of it, and told to whoever asks for a replay.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What was written: it holds for those who read the scope that is written here.</returns>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public Task<VersionApproval> RejectAsync(string name, int version, string by, string? reason = null, CancellationToken cancellationToken = default) =>
        DecideVersionAsync(name, version, ApprovalDecision.Rejected(by, reason), cancellationToken);

    /// <summary>Takes a decision on a version back that was written in the scope that is written here: the next replay asks again. What is running goes on.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version.</param>
    /// <param name="by">The person who takes it back, as your records name them: at most 200 characters, without control characters. It is kept with the time.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    /// <exception cref="ApprovalNotFoundException">Nothing is decided in that scope. A decision of another scope is taken back by those who write that.</exception>
    public async Task<VersionApproval> RevokeApprovalAsync(string name, int version, string by, CancellationToken cancellationToken = default)
    {
        by = ApprovalDecision.Approved(by).By!;
        var scope = CurrentScope();
        var procedure = await GetInAsync(scope, name, version, cancellationToken).ConfigureAwait(false);
        var standing = (await Store.ListVersionApprovalsAsync(scope.Read, [procedure.Id], standingOnly: true, cancellationToken).ConfigureAwait(false))
            .Where(a => a.Version == version && a.State is ApprovalState.Approved or ApprovalState.Rejected)
            .ToList();
        if (!standing.Exists(a => a.Scope == scope.Write))
        {
            throw new ApprovalNotFoundException(string.Create(CultureInfo.InvariantCulture, $"Nothing is decided on '{procedure.Name}' version {version} in the scope '{scope.Write}'{(standing is [var other, ..] ? $"; it was {(other.State is ApprovalState.Approved ? "approved" : "rejected")} in '{other.Scope}', and is taken back there" : "")}."));
        }

        return await WriteDecisionAsync(scope, procedure, ApprovalState.Revoked, by, reason: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lists what waits for a person: versions that somebody wanted to replay, and calls before which a replay stopped.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<PendingApprovals> ListPendingApprovalsAsync(CancellationToken cancellationToken = default)
    {
        var scope = CurrentScope();
        var standing = await Store.ListVersionApprovalsAsync(scope.Read, procedureIds: null, standingOnly: true, cancellationToken).ConfigureAwait(false);
        var versions = standing
            .GroupBy(a => (a.ProcedureId, a.Version))
            .Where(g => VersionApprovals.Standing(g) is null)
            .Select(g => g.FirstOrDefault(a => a.State is ApprovalState.Pending))
            .OfType<VersionApproval>()
            .ToList();
        return new PendingApprovals(versions, await Store.ListCallApprovalsAsync(scope.Read, executionId: null, ApprovalState.Pending, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Lists all that was decided and asked of the versions of a procedure, in the order in which it was: who, when, and what.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public async Task<IReadOnlyList<VersionApproval>> ListApprovalsAsync(string name, CancellationToken cancellationToken = default)
    {
        var scope = CurrentScope();
        var procedure = await GetInAsync(scope, name, version: null, cancellationToken).ConfigureAwait(false);
        return await Store.ListVersionApprovalsAsync(scope.Read, [procedure.Id], standingOnly: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lists all that was decided and asked of the calls of an execution, in the order in which it was asked for. What it replays inside, and each element of a loop, is an execution of its own.</summary>
    /// <param name="executionId">The execution.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IReadOnlyList<CallApproval>> ListCallApprovalsAsync(Guid executionId, CancellationToken cancellationToken = default) =>
        Store.ListCallApprovalsAsync(CurrentScope().Read, executionId, state: null, cancellationToken);

    /// <summary>
    /// Approves one call for a person who has seen its arguments: this step of this execution, with the arguments that it asked for, once, and for as long as
    /// <see cref="ProceduralMemoryOptions.ApprovalLifetime"/>. Never call it on a model's word.
    /// </summary>
    /// <param name="executionId">The execution, as <see cref="ListPendingApprovalsAsync"/> names it.</param>
    /// <param name="stepId">The step.</param>
    /// <param name="by">The person who approves, as your records name them: at most 200 characters, without control characters. It is kept with the time.</param>
    /// <param name="argumentsHash">The <see cref="CallApproval.ArgumentsHash"/> of what the person saw, where the step may ask for something else meanwhile; <see langword="null"/> for what it asks for now.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    /// <exception cref="ApprovalNotFoundException">No such call waits for an approval.</exception>
    public Task<CallApproval> ApproveCallAsync(Guid executionId, string stepId, string by, string? argumentsHash = null, CancellationToken cancellationToken = default) =>
        DecideCallAsync(executionId, stepId, ApprovalDecision.Approved(by), argumentsHash, cancellationToken);

    /// <summary>Says that a call is not to be made: this step of this execution with the arguments that it asked for.</summary>
    /// <param name="executionId">The execution, as <see cref="ListPendingApprovalsAsync"/> names it.</param>
    /// <param name="stepId">The step.</param>
    /// <param name="by">The person who rejects, as your records name them: at most 200 characters, without control characters. It is kept with the time.</param>
    /// <param name="reason">Why; it is kept, redacted and at most 1,000 characters of it, and told to whoever asks for the replay.</param>
    /// <param name="argumentsHash">The <see cref="CallApproval.ArgumentsHash"/> of what the person saw; <see langword="null"/> for what it asks for now.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ArgumentException">Nobody is named.</exception>
    /// <exception cref="ApprovalNotFoundException">No such call waits for an approval.</exception>
    public Task<CallApproval> RejectCallAsync(Guid executionId, string stepId, string by, string? reason = null, string? argumentsHash = null, CancellationToken cancellationToken = default) =>
        DecideCallAsync(executionId, stepId, ApprovalDecision.Rejected(by, reason), argumentsHash, cancellationToken);

    private async Task<VersionApproval> DecideVersionAsync(string name, int version, ApprovalDecision decision, CancellationToken cancellationToken)
    {
        var scope = CurrentScope();
        var procedure = await GetInAsync(scope, name, version, cancellationToken).ConfigureAwait(false);
        return await WriteDecisionAsync(scope, procedure, decision.State, decision.By!, decision.Reason, cancellationToken).ConfigureAwait(false);
    }

    private async Task<VersionApproval> WriteDecisionAsync(MemoryScope scope, Procedure procedure, ApprovalState state, string by, string? reason, CancellationToken cancellationToken)
    {
        var approval = new VersionApproval
        {
            Scope = scope.Write,
            ProcedureId = procedure.Id,
            ProcedureName = procedure.Name,
            Version = procedure.Version.Number,
            State = state,
            By = by,
            Reason = reason is null ? null : new ValueCapture(Options).Text(reason),
            At = Time.GetUtcNow(),
        };
        await Store.AddVersionApprovalsAsync([approval], cancellationToken).ConfigureAwait(false);
        return approval;
    }

    private async Task<CallApproval> DecideCallAsync(Guid executionId, string stepId, ApprovalDecision decision, string? argumentsHash, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(stepId);
        var at = Time.GetUtcNow();
        return await Store.DecideCallApprovalAsync(
            new CallApprovalDecision(
                CurrentScope().Read,
                executionId,
                stepId,
                argumentsHash,
                decision.State,
                decision.By!,
                decision.Reason is null ? null : new ValueCapture(Options).Text(decision.Reason),
                at,
                decision.State is ApprovalState.Approved ? at + Options.ApprovalLifetime : null),
            cancellationToken).ConfigureAwait(false)
            ?? throw new ApprovalNotFoundException($"No call of step '{stepId}' in the execution {executionId} waits for an approval{(argumentsHash is null ? "" : " with these arguments")}. {nameof(ListPendingApprovalsAsync)} lists what does.");
    }
}
