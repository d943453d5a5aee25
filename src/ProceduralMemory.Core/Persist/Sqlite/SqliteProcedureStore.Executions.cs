using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string InsertExecution =
        """
        insert into executions (id, scope, procedure_id, version, parent_id, parent_step, outcome, request, inputs, message, started_at)
        values (@Id, @Scope, @ProcedureId, @Version, @ParentId, @ParentStep, @Outcome, @Request, @Inputs, @Message, @StartedAt)
        """;

    private const string UpsertExecutionStep =
        """
        insert into execution_steps (execution_id, ordinal, step_id, action, status, arguments, result, omitted, outcome_match, error_type, error, started_at, duration_us)
        values (@ExecutionId, @Ordinal, @StepId, @Action, @Status, @Arguments, @Result, @Omitted, @Match, @ErrorType, @Error, @StartedAt, @DurationUs)
        on conflict (execution_id, ordinal) do update
        set status = excluded.status, result = excluded.result, omitted = excluded.omitted, outcome_match = excluded.outcome_match,
            error_type = excluded.error_type, error = excluded.error, duration_us = excluded.duration_us
        """;

    private const string EndExecution =
        "update executions set outcome = @Outcome, message = @Message, duration_us = @DurationUs where id = @Id and outcome = 'running'";

    // Counters are added to in one statement, so that no other process's counting is lost. A late ending does not turn back what came after it.
    private const string CountExecution =
        """
        update procedure_versions
        set executions = executions + 1,
            successes = successes + @Success,
            failures = failures + @Failure,
            completed = completed + @Completed,
            total_duration_us = total_duration_us + @Completed * @DurationUs,
            last_duration_us = iif(@Completed and (last_duration_us is null or @EndedAt >= coalesce(last_executed_at, '')), @DurationUs, last_duration_us),
            last_executed_at = max(coalesce(last_executed_at, ''), @EndedAt)
        where procedure_id = @ProcedureId and version = @Version
        """;

    // The wordings that were used longest ago go.
    private const string DeleteSurplusWordings =
        """
        delete from procedure_wordings
        where procedure_id = @ProcedureId
          and words not in (select words from procedure_wordings where procedure_id = @ProcedureId order by last_used_at desc, words limit @Most)
        """;

    private const string UpsertWording =
        """
        insert into procedure_wordings (procedure_id, words, request, last_used_at) values (@ProcedureId, @Words, @Request, @At)
        on conflict (procedure_id, words) do update set uses = uses + 1, last_used_at = max(last_used_at, excluded.last_used_at)
        """;

    private const string CountStep =
        """
        insert into step_statistics (procedure_id, version, step_id, runs, failures, total_duration_us, last_duration_us, last_run_at)
        values (@ProcedureId, @Version, @StepId, 1, @Failed, (1 - @Failed) * @DurationUs, iif(@Failed, null, @DurationUs), @EndedAt)
        on conflict (procedure_id, version, step_id) do update
        set runs = runs + 1,
            failures = failures + excluded.failures,
            total_duration_us = total_duration_us + excluded.total_duration_us,
            last_duration_us = iif(excluded.last_duration_us is not null and (last_duration_us is null or excluded.last_run_at >= coalesce(last_run_at, '')), excluded.last_duration_us, last_duration_us),
            last_run_at = max(coalesce(last_run_at, ''), excluded.last_run_at)
        """;

    private const string SelectExecutions =
        """
        select e.id as Id, e.scope as Scope, e.procedure_id as ProcedureId, p.name as ProcedureName, e.version as Version, e.parent_id as ParentId,
               e.parent_step as ParentStep, e.outcome as Outcome, e.request as Request, e.inputs as Inputs, e.message as Message,
               e.started_at as StartedAt, e.duration_us as DurationUs
        from executions e
        join procedures p on p.id = e.procedure_id
        """;

    private const string SelectExecutionSteps =
        """
        select ordinal as Ordinal, step_id as StepId, action as Action, status as Status, arguments as Arguments, result as Result, omitted as Omitted,
               outcome_match as Match, error_type as ErrorType, error as Error, started_at as StartedAt, duration_us as DurationUs
        from execution_steps
        where execution_id = @ExecutionId
        order by ordinal
        """;

    /// <inheritdoc/>
    public Task BeginExecutionAsync(Execution execution, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(execution);
        return _database.ExecuteAsync(
            InsertExecution,
            new
            {
                Id = Text(execution.Id),
                execution.Scope,
                ProcedureId = Text(execution.ProcedureId),
                execution.Version,
                ParentId = Text(execution.ParentId),
                execution.ParentStep,
                Outcome = Text(execution.Outcome),
                execution.Request,
                Inputs = execution.Inputs.GetRawText(),
                execution.Message,
                StartedAt = Text(execution.StartedAt),
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task WriteExecutionStepAsync(Guid executionId, ExecutionStep step, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(step);
        return _database.ExecuteAsync(
            UpsertExecutionStep,
            new
            {
                ExecutionId = Text(executionId),
                step.Ordinal,
                step.StepId,
                step.Action,
                Status = Text(step.Status),
                Arguments = Text(step.Arguments),
                Result = Text(step.Result),
                step.Omitted,
                Match = Text(step.Match),
                step.Failure?.ErrorType,
                Error = step.Failure?.Message,
                StartedAt = Text(step.StartedAt),
                DurationUs = step.Duration is { } duration ? Microseconds(duration) : (long?)null,
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task EndExecutionAsync(EndedExecution execution, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(execution);
        return _database.WriteAsync(
            connection =>
            {
                var ended = connection.Execute(EndExecution, new { Id = Text(execution.ExecutionId), Outcome = Text(execution.Outcome), execution.Message, DurationUs = Microseconds(execution.Duration) });
                if (ended == 0 || execution.Verdict is not { } verdict)
                {
                    return 0;
                }

                var procedureId = Text(execution.ProcedureId);
                var endedAt = Text(execution.EndedAt);
                connection.Execute(CountExecution, new
                {
                    ProcedureId = procedureId,
                    execution.Version,
                    Success = verdict is ExecutionVerdict.Success ? 1 : 0,
                    Failure = verdict is ExecutionVerdict.Failure ? 1 : 0,
                    Completed = verdict is ExecutionVerdict.Failure ? 0 : 1,
                    DurationUs = Microseconds(execution.Duration),
                    EndedAt = endedAt,
                });
                if (verdict is ExecutionVerdict.Success)
                {
                    RememberWording(connection, execution);
                }

                return connection.Execute(CountStep, execution.Steps.Select(s => new
                {
                    ProcedureId = procedureId,
                    execution.Version,
                    s.StepId,
                    Failed = s.Failed ? 1 : 0,
                    DurationUs = Microseconds(s.Duration),
                    EndedAt = endedAt,
                }));
            },
            cancellationToken);
    }

    /// <summary>Keeps the request of a replay that succeeded as another wording of what the procedure does, so that it is found by it.</summary>
    private static void RememberWording(SqliteConnection connection, EndedExecution execution)
    {
        // Of a replay inside another one the request is the outer one's. What was asked in another scope than the procedure's own stays there: whoever shares the
        // procedure is not to find what others said.
        var request = connection.ExecuteScalar<string?>(
            "select request from executions where id = @Id and parent_id is null and scope = (select scope from procedures where id = procedure_id)", new { Id = Text(execution.ExecutionId) });
        var words = request is null ? "" : SearchDocument.WordingOf(request);
        if (words.Length == 0)
        {
            return;
        }

        var parameters = new { ProcedureId = Text(execution.ProcedureId), Words = words, Request = request, At = Text(execution.EndedAt), Most = SearchDocument.MaxWordings };
        connection.Execute(UpsertWording, parameters);
        connection.Execute(DeleteSurplusWordings, parameters);
        SearchIndex.TryDrain(connection);
    }

    /// <inheritdoc/>
    public Task<Execution?> GetExecutionAsync(IReadOnlyList<string> scopes, Guid executionId, CancellationToken cancellationToken = default) => _database.ReadAsync(
        connection =>
        {
            var id = Text(executionId);
            var row = connection.QuerySingleOrDefault<ExecutionRow>($"{SelectExecutions} where e.id = @Id and e.scope in @Scopes", new { Id = id, Scopes = scopes });
            return row is null
                ? null
                : row.ToExecution() with { Steps = [.. connection.Query<ExecutionStepRow>(SelectExecutionSteps, new { ExecutionId = id }).Select(r => r.ToStep())] };
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Execution>> ListExecutionsAsync(IReadOnlyList<string> scopes, ExecutionQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return _database.ReadAsync<IReadOnlyList<Execution>>(
            connection => [.. connection
                .Query<ExecutionRow>(
                    $"""
                    {SelectExecutions}
                    where e.scope in @Scopes
                      and (@ProcedureId is null or e.procedure_id = @ProcedureId)
                      and (@Outcome is null or e.outcome = @Outcome)
                      and (@Since is null or e.started_at >= @Since)
                    order by e.started_at desc, e.id desc
                    limit @Limit
                    """,
                    new { Scopes = scopes, ProcedureId = Text(query.ProcedureId), Outcome = Text(query.Outcome), Since = Text(query.Since), query.Limit })
                .Select(r => r.ToExecution())],
            cancellationToken);
    }

    private sealed class ExecutionRow
    {
        public required string Id { get; init; }
        public required string Scope { get; init; }
        public required string ProcedureId { get; init; }
        public required string ProcedureName { get; init; }
        public long Version { get; init; }
        public string? ParentId { get; init; }
        public string? ParentStep { get; init; }
        public required string Outcome { get; init; }
        public string? Request { get; init; }
        public required string Inputs { get; init; }
        public string? Message { get; init; }
        public required string StartedAt { get; init; }
        public long? DurationUs { get; init; }

        public Execution ToExecution() => new()
        {
            Id = ToId(Id),
            Scope = Scope,
            ProcedureId = ToId(ProcedureId),
            ProcedureName = ProcedureName,
            Version = (int)Version,
            ParentId = ToIdOrNull(ParentId),
            ParentStep = ParentStep,
            Outcome = ToEnum<ReplayOutcome>(Outcome),
            Request = Request,
            Inputs = Json.Read(Inputs),
            Message = Message,
            StartedAt = ToTime(StartedAt),
            Duration = ToDurationOrNull(DurationUs),
        };
    }

    private sealed class ExecutionStepRow
    {
        public long Ordinal { get; init; }
        public required string StepId { get; init; }
        public required string Action { get; init; }
        public required string Status { get; init; }
        public string? Arguments { get; init; }
        public string? Result { get; init; }
        public string? Omitted { get; init; }
        public string? Match { get; init; }
        public string? ErrorType { get; init; }
        public string? Error { get; init; }
        public string? StartedAt { get; init; }
        public long? DurationUs { get; init; }

        public ExecutionStep ToStep() => new()
        {
            Ordinal = (int)Ordinal,
            StepId = StepId,
            Action = Action,
            Status = ToEnum<StepStatus>(Status),
            Arguments = ToValueOrNull(Arguments),
            Result = ToValueOrNull(Result),
            Omitted = Omitted,
            Match = Match is null ? null : ToEnum<OutcomeMatch>(Match),
            Failure = ToFailure(ErrorType, Error),
            StartedAt = ToTimeOrNull(StartedAt),
            Duration = ToDurationOrNull(DurationUs),
        };
    }
}
