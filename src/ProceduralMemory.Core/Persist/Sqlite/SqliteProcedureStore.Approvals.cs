using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string SelectVersionApprovals =
        """
        select a.scope as Scope, a.procedure_id as ProcedureId, p.name as ProcedureName, a.version as Version, a.state as State,
               a.decided_by as DecidedBy, a.reason as Reason, a.at as At
        from version_approvals a
        join procedures p on p.id = a.procedure_id
        """;

    private const string IsStanding =
        "a.id = (select max(b.id) from version_approvals b where b.scope = a.scope and b.procedure_id = a.procedure_id and b.version = a.version)";

    private const string StandingState =
        """
        select a.state from version_approvals a
        where a.scope = @Scope and a.procedure_id = @ProcedureId and a.version = @Version
        order by a.id desc limit 1
        """;

    private const string InsertVersionApproval =
        """
        insert into version_approvals (scope, procedure_id, version, state, decided_by, reason, at)
        values (@Scope, @ProcedureId, @Version, @State, @DecidedBy, @Reason, @At)
        """;

    private const string SelectCallApprovals =
        """
        select id as Id, scope as Scope, execution_id as ExecutionId, step_id as StepId, action as Action, effect as Effect, arguments as Arguments,
               arguments_hash as ArgumentsHash, state as State, requested_at as RequestedAt, decided_by as DecidedBy, reason as Reason,
               decided_at as DecidedAt, expires_at as ExpiresAt, used_at as UsedAt
        from call_approvals
        """;

    private const string InsertCallApproval =
        """
        insert into call_approvals (id, scope, execution_id, step_id, action, effect, arguments, arguments_hash, state, requested_at, decided_by, reason, decided_at, expires_at, used_at)
        values (@Id, @Scope, @ExecutionId, @StepId, @Action, @Effect, @Arguments, @ArgumentsHash, @State, @RequestedAt, @DecidedBy, @Reason, @DecidedAt, @ExpiresAt, @UsedAt)
        """;

    /// <inheritdoc/>
    public Task<IReadOnlyList<VersionApproval>> ListVersionApprovalsAsync(
        IReadOnlyList<string> scopes, IReadOnlyCollection<Guid>? procedureIds, bool standingOnly, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scopes);
        return _database.ReadAsync<IReadOnlyList<VersionApproval>>(
            connection => [.. connection
                .Query<VersionApprovalRow>(
                    $"{SelectVersionApprovals} where a.scope in @Scopes and (@All or a.procedure_id in @Ids) and (not @StandingOnly or {IsStanding}) order by a.id",
                    new { Scopes = scopes, All = procedureIds is null, Ids = (procedureIds ?? []).Select(Text).ToList(), StandingOnly = standingOnly })
                .Select(r => r.ToApproval())],
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task AddVersionApprovalsAsync(IReadOnlyList<VersionApproval> approvals, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(approvals);
        return _database.WriteAsync(
            connection =>
            {
                foreach (var approval in approvals)
                {
                    var row = new
                    {
                        approval.Scope,
                        ProcedureId = Text(approval.ProcedureId),
                        approval.Version,
                        State = Text(approval.State),
                        DecidedBy = approval.By,
                        approval.Reason,
                        At = Text(approval.At),
                    };

                    // A question asks nothing where it stands already, or where somebody has answered it meanwhile.
                    if (approval.State is ApprovalState.Pending && connection.QuerySingleOrDefault<string>(StandingState, row) is { } standing && standing != Text(ApprovalState.Revoked))
                    {
                        continue;
                    }

                    connection.Execute(InsertVersionApproval, row);
                }

                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<CallApproval?> UseCallApprovalAsync(Guid executionId, string stepId, string argumentsHash, DateTimeOffset at, CancellationToken cancellationToken = default) => _database.WriteAsync(
        connection =>
        {
            // The write lock is held from the start: of two that come at once, the second finds it used.
            var rows = connection.Query<CallApprovalRow>(
                $"{SelectCallApprovals} where execution_id = @ExecutionId and step_id = @StepId and arguments_hash = @ArgumentsHash order by requested_at, rowid",
                new { ExecutionId = Text(executionId), StepId = stepId, ArgumentsHash = argumentsHash }).Select(r => r.ToApproval()).ToList();
            if (rows.Find(r => r.State is ApprovalState.Approved && r.ExpiresAt > at) is { } approved)
            {
                connection.Execute("update call_approvals set state = @State, used_at = @At where id = @Id", new { Id = Text(approved.Id), State = Text(ApprovalState.Used), At = Text(at) });
                return approved with { State = ApprovalState.Used, UsedAt = at };
            }

            return rows.LastOrDefault(r => r.State is ApprovalState.Rejected or ApprovalState.Pending);
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task AddCallApprovalAsync(CallApproval approval, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(approval);
        return _database.WriteAsync(
            connection =>
            {
                var row = Parameters(approval);
                var open = connection.Query<CallApprovalRow>(
                    $"{SelectCallApprovals} where execution_id = @ExecutionId and step_id = @StepId and state = 'pending'", row).ToList();
                if (approval.State is ApprovalState.Pending && open.Exists(o => o.ArgumentsHash == approval.ArgumentsHash))
                {
                    return false;
                }

                // A step waits for one call at a time: what it asked for before, nobody is to approve by mistake.
                connection.Execute("update call_approvals set state = @State where id = @Id", open.Select(o => new { o.Id, State = Text(ApprovalState.Superseded) }));
                return connection.Execute(InsertCallApproval, row) > 0;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<CallApproval?> DecideCallApprovalAsync(CallApprovalDecision decision, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(decision);
        return _database.WriteAsync(
            connection =>
            {
                var open = connection.QuerySingleOrDefault<CallApprovalRow>(
                    $"""
                    {SelectCallApprovals}
                    where scope in @Scopes and execution_id = @ExecutionId and step_id = @StepId and state = 'pending' and (@ArgumentsHash is null or arguments_hash = @ArgumentsHash)
                    order by requested_at desc, rowid desc limit 1
                    """,
                    new { decision.Scopes, ExecutionId = Text(decision.ExecutionId), decision.StepId, decision.ArgumentsHash })?.ToApproval();
                if (open is null)
                {
                    return null;
                }

                var decided = open with { State = decision.State, By = decision.By, Reason = decision.Reason, DecidedAt = decision.At, ExpiresAt = decision.ExpiresAt };
                connection.Execute(
                    "update call_approvals set state = @State, decided_by = @DecidedBy, reason = @Reason, decided_at = @DecidedAt, expires_at = @ExpiresAt where id = @Id", Parameters(decided));
                return decided;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<CallApproval>> ListCallApprovalsAsync(IReadOnlyList<string> scopes, Guid? executionId, ApprovalState? state, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scopes);
        return _database.ReadAsync<IReadOnlyList<CallApproval>>(
            connection => [.. connection
                .Query<CallApprovalRow>(
                    $"{SelectCallApprovals} where scope in @Scopes and (@ExecutionId is null or execution_id = @ExecutionId) and (@State is null or state = @State) order by requested_at, rowid",
                    new { Scopes = scopes, ExecutionId = Text(executionId), State = Text(state) })
                .Select(r => r.ToApproval())],
            cancellationToken);
    }

    private static object Parameters(CallApproval approval) => new
    {
        Id = Text(approval.Id),
        approval.Scope,
        ExecutionId = Text(approval.ExecutionId),
        approval.StepId,
        approval.Action,
        Effect = Text(approval.Effect),
        Arguments = approval.Arguments.GetRawText(),
        approval.ArgumentsHash,
        State = Text(approval.State),
        RequestedAt = Text(approval.RequestedAt),
        DecidedBy = approval.By,
        approval.Reason,
        DecidedAt = Text(approval.DecidedAt),
        ExpiresAt = Text(approval.ExpiresAt),
        UsedAt = Text(approval.UsedAt),
    };

    private sealed class VersionApprovalRow
    {
        public required string Scope { get; init; }
        public required string ProcedureId { get; init; }
        public required string ProcedureName { get; init; }
        public long Version { get; init; }
        public required string State { get; init; }
        public string? DecidedBy { get; init; }
        public string? Reason { get; init; }
        public required string At { get; init; }

        public VersionApproval ToApproval() => new()
        {
            Scope = Scope,
            ProcedureId = ToId(ProcedureId),
            ProcedureName = ProcedureName,
            Version = (int)Version,
            State = ToEnum<ApprovalState>(State),
            By = DecidedBy,
            Reason = Reason,
            At = ToTime(At),
        };
    }

    private sealed class CallApprovalRow
    {
        public required string Id { get; init; }
        public required string Scope { get; init; }
        public required string ExecutionId { get; init; }
        public required string StepId { get; init; }
        public required string Action { get; init; }
        public required string Effect { get; init; }
        public required string Arguments { get; init; }
        public required string ArgumentsHash { get; init; }
        public required string State { get; init; }
        public required string RequestedAt { get; init; }
        public string? DecidedBy { get; init; }
        public string? Reason { get; init; }
        public string? DecidedAt { get; init; }
        public string? ExpiresAt { get; init; }
        public string? UsedAt { get; init; }

        public CallApproval ToApproval() => new()
        {
            Id = ToId(Id),
            Scope = Scope,
            ExecutionId = ToId(ExecutionId),
            StepId = StepId,
            Action = Action,
            Effect = ToEnum<StepEffect>(Effect),
            Arguments = Json.Read(Arguments),
            ArgumentsHash = ArgumentsHash,
            State = ToEnum<ApprovalState>(State),
            RequestedAt = ToTime(RequestedAt),
            By = DecidedBy,
            Reason = Reason,
            DecidedAt = ToTimeOrNull(DecidedAt),
            ExpiresAt = ToTimeOrNull(ExpiresAt),
            UsedAt = ToTimeOrNull(UsedAt),
        };
    }
}
