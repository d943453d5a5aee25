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
        var result = await new ProcedureReplayer(Store, Options, CurrentScope(), executor, _approver, _logger).ReplayAsync(procedure, request, cancellationToken).ConfigureAwait(false);
        Log.ReplayEnded(_logger, result.ProcedureName, result.Version, result.Outcome, result.ExecutionId);
        return result;
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

    /// <summary>Says what <see cref="ReplayProcedureAsync"/> would do with a procedure that <see cref="GetAsync"/> gave. Nothing is called, written or asked.</summary>
    /// <param name="executor">What would make the calls.</param>
    /// <param name="procedure">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<ReplayPreview> PreviewProcedureAsync(IStepExecutor executor, Procedure procedure, ReplayRequest? request = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        ArgumentNullException.ThrowIfNull(procedure);
        return new ProcedureReplayer(Store, Options, CurrentScope(), executor, _approver, _logger).PreviewAsync(procedure, request ?? new ReplayRequest(), cancellationToken);
    }

    /// <summary>Reads an execution with its steps; <see langword="null"/> when the scope has none of that id.</summary>
    /// <param name="executionId">The execution.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<Execution?> GetExecutionAsync(Guid executionId, CancellationToken cancellationToken = default) => Store.GetExecutionAsync(CurrentScope().Read, executionId, cancellationToken);

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
