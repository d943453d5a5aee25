using ProceduralMemory.Persist;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>Replays a procedure: its steps are called one after the other through the executor, without a model. How it went is the result, whether it completed or not.</summary>
    /// <param name="executor">Makes the calls.</param>
    /// <param name="name">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none.</param>
    /// <param name="cancellationToken">Cancels the replay between and within steps; the execution is then in the log as cancelled.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    /// <exception cref="ProcedureStoreException">What happens cannot be written down; nothing more is called then.</exception>
    public async Task<ReplayResult> ReplayAsync(IStepExecutor executor, string name, ReplayRequest? request = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        var procedure = await GetInAsync(CurrentScope(), name, request?.Version, cancellationToken).ConfigureAwait(false);
        return await ReplayProcedureAsync(executor, procedure, request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Replays a procedure that <see cref="GetAsync"/> gave, at the version that it gave, without reading it again. That is the active one, unless the request names it.</summary>
    /// <param name="executor">Makes the calls.</param>
    /// <param name="procedure">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none. A draft or an earlier version is replayed only where <see cref="ReplayRequest.Version"/> names it; otherwise the replay is refused.</param>
    /// <param name="cancellationToken">Cancels the replay between and within steps; the execution is then in the log as cancelled.</param>
    /// <exception cref="ProcedureStoreException">What happens cannot be written down; nothing more is called then.</exception>
    public async Task<ReplayResult> ReplayProcedureAsync(IStepExecutor executor, Procedure procedure, ReplayRequest? request = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        ArgumentNullException.ThrowIfNull(procedure);
        request ??= new ReplayRequest();
        var replayer = NewReplayer(executor, CurrentScope());
        var chosen = await ChooseVersionAsync(procedure, request, executor, cancellationToken).ConfigureAwait(false);
        var result = await replayer.ReplayAsync(chosen, RequestFor(chosen, procedure, request), cancellationToken).ConfigureAwait(false);
        var isRefused = chosen.Version.Number != procedure.Version.Number && result is { Outcome: ReplayOutcome.Refused } && result.Steps.All(s => s.Status is StepStatus.Pending);
        if (isRefused)
        {
            // A candidate that cannot be replayed here is no reason to refuse what can.
            Log.CandidateRefused(_logger, chosen.Name, chosen.Version.Number, result.Message);
            result = await replayer.ReplayAsync(procedure, request, cancellationToken).ConfigureAwait(false);
        }

        CurrentTurn?.Replayed(procedure, result);
        Log.ReplayEnded(_logger, result.ProcedureName, result.Version, result.Outcome, result.ExecutionId);
        await LearnFromAsync(procedure, result, executor, isRefused).ConfigureAwait(false);
        return result;
    }

    /// <summary>Whether the host fills in the secret inputs of replays.</summary>
    internal bool FillsSecrets => _resolver is not null;

    private ProcedureReplayer NewReplayer(IStepExecutor executor, MemoryScope scope) => new(Store, Options, scope, executor, _judging, _approver, new SecretInputs(_resolver, scope.Write, _logger), _logger);

    /// <summary>The candidate is replayed as if it was asked for.</summary>
    private static ReplayRequest RequestFor(Procedure chosen, Procedure given, ReplayRequest request) =>
        chosen.Version.Number == given.Version.Number ? request : request with { Version = chosen.Version.Number };

    /// <summary>Lets the evidence decide where a replay has told something about competing versions: it was a candidate's, or it failed.</summary>
    private async Task LearnFromAsync(Procedure procedure, ReplayResult result, IStepExecutor executor, bool isCandidateRefused)
    {
        if (!Options.ReviewAfterReplay || result.Verdict is null || procedure.Scope != CurrentScope().Write || (procedure.CandidateVersion is null && result.Verdict is not ExecutionVerdict.Failure))
        {
            return;
        }

        try
        {
            // The replay has ended, and so has what its caller can cancel.
            await ReviewVersionsAsync(await GetWritableAsync(procedure.Name, version: null, CancellationToken.None).ConfigureAwait(false), executor, isCandidateRefused, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ProceduralMemoryException exception)
        {
            // How the replay went is what the caller asked for.
            Log.ReviewFailed(_logger, procedure.Name, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }
    }

    /// <summary>
    /// Goes on with a replay that failed, was refused or cancelled halfway, that waits, or whose process died. What is done stays done: steps that succeeded are not called
    /// again, steps that failed are, and so are reads of which it is not known how they ended. A write of which that is not known is called again only where its function
    /// declares that this does no harm, or the request says that it had no effect; otherwise the replay waits, and says so. Of several that resume an execution at once
    /// exactly one does.
    /// </summary>
    /// <param name="executor">Makes the calls.</param>
    /// <param name="executionId">The execution, or one that is part of it: see <see cref="ReplayResult.ExecutionId"/> and <see cref="ListInterruptedAsync"/>.</param>
    /// <param name="request">What is added; <see langword="null"/> for nothing.</param>
    /// <param name="cancellationToken">Cancels the replay, as for <see cref="ReplayAsync"/>.</param>
    /// <returns>How it went. It is refused, with <see cref="ReplayProblemCodes.NotResumable"/>, where the execution has completed or is being run.</returns>
    /// <exception cref="ExecutionNotFoundException">The scope has no execution of that id.</exception>
    /// <exception cref="ProcedureStoreException">What happens cannot be written down; nothing more is called then.</exception>
    /// <exception cref="ExecutionLostException">Another process took it over in the meantime, since this one did not speak up in time.</exception>
    public async Task<ReplayResult> ResumeAsync(IStepExecutor executor, Guid executionId, ResumeRequest? request = null, CancellationToken cancellationToken = default) =>
        (await ResumeProcedureAsync(executor, executionId, request, cancellationToken).ConfigureAwait(false)).Result;

    /// <summary>The same, with the procedure that the execution is of.</summary>
    internal async Task<(Procedure Procedure, ReplayResult Result)> ResumeProcedureAsync(IStepExecutor executor, Guid executionId, ResumeRequest? request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(executor);
        var scope = CurrentScope();
        var tree = await Store.GetExecutionTreeAsync([scope.Write], executionId, cancellationToken).ConfigureAwait(false);
        if (tree.Count == 0)
        {
            throw new ExecutionNotFoundException(executionId);
        }

        // By its identity: the name may stand for another procedure by now, or in a nearer scope.
        Procedure? procedure = null;
        foreach (var one in scope.Read.Where(_ => procedure?.Id != tree[0].ProcedureId))
        {
            procedure = await Store.GetProcedureAsync([one], tree[0].ProcedureName, tree[0].Version, cancellationToken).ConfigureAwait(false);
        }

        if (procedure?.Id != tree[0].ProcedureId)
        {
            throw new ProcedureNotFoundException(tree[0].ProcedureName, [], tree[0].Version);
        }

        var result = await NewReplayer(executor, scope).ResumeAsync(tree, procedure, request ?? new ResumeRequest(), cancellationToken).ConfigureAwait(false);
        CurrentTurn?.Replayed(procedure, result);
        Log.ReplayResumed(_logger, result.ProcedureName, result.Version, result.Outcome, result.ExecutionId);
        await LearnFromAsync(procedure, result, executor, isCandidateRefused: false).ConfigureAwait(false);
        return (procedure, result);
    }

    /// <summary>Whether a replay would ask for the unconfirmed constants of a procedure.</summary>
    internal async Task<bool> AsksForConstantsAsync(IStepExecutor executor, Procedure procedure, CancellationToken cancellationToken) =>
        procedure.Version.Inputs.Any(i => i.Unconfirmed)
        && !await NewReplayer(executor, CurrentScope()).ConfirmsConstantsAsync(procedure, cancellationToken).ConfigureAwait(false);

    /// <summary>Whether a model may be offered to replay a procedure by one call: nothing stands in the way but inputs, nobody has to approve anything who is not there to ask, and no secret is missing that a model would have to give.</summary>
    internal async Task<bool> CanBeOfferedAsync(IStepExecutor executor, Procedure procedure, CancellationToken cancellationToken)
    {
        if (!FillsSecrets && procedure.Version.Inputs.Any(i => i.Secret && i.Required))
        {
            return false;
        }

        var preview = await PreviewProcedureAsync(executor, procedure, request: null, cancellationToken).ConfigureAwait(false);
        return preview.Problems.All(p => p.InputName is not null) && (_approver is not null || preview.Approvals.Count == 0);
    }

    /// <summary>Lists the replays that their process left unfinished: it ended, or has not spoken up in time. A host looks for them when it starts, and resumes them or tells of them.</summary>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The outermost executions of the scope that is written to, without their steps, latest first.</returns>
    public async Task<IReadOnlyList<Execution>> ListInterruptedAsync(int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var now = Time.GetUtcNow();
        var running = await Store.ListExecutionsAsync([CurrentScope().Write], new ExecutionQuery { Outcome = ReplayOutcome.Running, OutermostOnly = true, Limit = int.MaxValue }, cancellationToken).ConfigureAwait(false);
        return [.. running.Where(e => ReplayOwner.HasLeft(e, now)).Take(limit)];
    }

    /// <summary>
    /// Says what a replay would do: every step with its arguments as far as they are known, what would be asked and what stands in the way. Nothing is called, written
    /// or asked; the executor is asked only what it is asked before a replay.
    /// </summary>
    /// <param name="executor">What would make the calls.</param>
    /// <param name="name">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<ReplayPreview> PreviewAsync(IStepExecutor executor, string name, ReplayRequest? request = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        var procedure = await GetInAsync(CurrentScope(), name, request?.Version, cancellationToken).ConfigureAwait(false);
        return await PreviewProcedureAsync(executor, procedure, request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Says what <see cref="ReplayProcedureAsync"/> would do with a procedure that <see cref="GetAsync"/> gave: with the candidate, where it is the candidate's turn. Nothing is called, written or asked.</summary>
    /// <param name="executor">What would make the calls.</param>
    /// <param name="procedure">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<ReplayPreview> PreviewProcedureAsync(IStepExecutor executor, Procedure procedure, ReplayRequest? request = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        ArgumentNullException.ThrowIfNull(procedure);
        request ??= new ReplayRequest();
        var replayer = NewReplayer(executor, CurrentScope());
        var chosen = await ChooseVersionAsync(procedure, request, executor, cancellationToken).ConfigureAwait(false);
        var preview = await replayer.PreviewAsync(chosen, RequestFor(chosen, procedure, request), cancellationToken).ConfigureAwait(false);
        return preview.Problems.Count > 0 && chosen.Version.Number != procedure.Version.Number ? await replayer.PreviewAsync(procedure, request, cancellationToken).ConfigureAwait(false) : preview;
    }

    /// <summary>Reads an execution with its steps and its parts; <see langword="null"/> when the scope has none of that id. <see cref="Execution.ToText"/> shows it to people.</summary>
    /// <param name="executionId">The execution.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<Execution?> GetExecutionAsync(Guid executionId, CancellationToken cancellationToken = default)
    {
        var tree = await Store.GetExecutionTreeAsync(CurrentScope().Read, executionId, cancellationToken).ConfigureAwait(false);
        var parts = tree.Where(e => e.ParentId is not null).ToLookup(e => e.ParentId!.Value);
        return tree.FirstOrDefault(e => e.Id == executionId) is { } execution ? WithParts(execution) : null;

        Execution WithParts(Execution outer) => outer with { Parts = [.. parts[outer.Id].OrderBy(p => p.ParentStep, StringComparer.Ordinal).ThenBy(p => p.ParentIndex).Select(WithParts)] };
    }

    /// <summary>Lists executions without their steps, latest first.</summary>
    /// <param name="procedureName">Those of one procedure only.</param>
    /// <param name="outcome">Those that ended so only.</param>
    /// <param name="since">Those that began at or after this time only.</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no procedure of that name.</exception>
    public async Task<IReadOnlyList<Execution>> ListExecutionsAsync(
        string? procedureName = null, ReplayOutcome? outcome = null, DateTimeOffset? since = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var scope = CurrentScope();
        var procedureId = procedureName is null ? (Guid?)null : (await GetInAsync(scope, procedureName, version: null, cancellationToken).ConfigureAwait(false)).Id;
        return await Store.ListExecutionsAsync(scope.Read, new ExecutionQuery { ProcedureId = procedureId, Outcome = outcome, Since = since, Limit = limit }, cancellationToken).ConfigureAwait(false);
    }
}
