using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string InsertExecution =
        """
        insert into executions (id, scope, procedure_id, version, parent_id, parent_step, parent_index, root_id, attempt, owner, lease_until, settings, outcome, request, inputs, message, started_at)
        values (@Id, @Scope, @ProcedureId, @Version, @ParentId, @ParentStep, @ParentIndex, @RootId, @Attempt, @Owner, @LeaseUntil, @Settings, @Outcome, @Request, @Inputs, @Message, @StartedAt)
        """;

    private const string UpsertExecutionStep =
        """
        insert into execution_steps (execution_id, ordinal, step_id, action, status, effect, attempts, idempotency_key, arguments, result, omitted, outcome_match, error_type, error, repaired, repair_trace_id, started_at, duration_us)
        values (@ExecutionId, @Ordinal, @StepId, @Action, @Status, @Effect, @Attempts, @IdempotencyKey, @Arguments, @Result, @Omitted, @Match, @ErrorType, @Error, @Repaired, @RepairTraceId, @StartedAt, @DurationUs)
        on conflict (execution_id, ordinal) do update
        set status = excluded.status, effect = excluded.effect, attempts = excluded.attempts, idempotency_key = excluded.idempotency_key, arguments = excluded.arguments,
            result = excluded.result, omitted = excluded.omitted, outcome_match = excluded.outcome_match, error_type = excluded.error_type, error = excluded.error,
            repaired = excluded.repaired, repair_trace_id = excluded.repair_trace_id, started_at = excluded.started_at, duration_us = excluded.duration_us
        """;

    private const string SelectClaim = "select 1 from executions where id = @RootId and attempt = @Attempt and outcome = 'running'";

    private const string RenewLease = "update executions set lease_until = max(lease_until, @LeaseUntil) where id = @RootId";

    private const string ReopenExecution = "update executions set outcome = 'running', message = null where id = @Id and outcome <> 'completed'";

    // What was read of it must still be so: an owner that has just spoken up again keeps it.
    private const string ClaimExecution =
        """
        update executions
        set attempt = attempt + 1, owner = @Owner, lease_until = @LeaseUntil, settings = @Settings, outcome = 'running', message = null
        where id = @Id and attempt = @Attempt and outcome = @Outcome and lease_until is @ReadLease and outcome <> 'completed' and parent_id is null and settings is not null
        """;

    private const string EndExecution =
        """
        update executions
        set outcome = @Outcome, message = @Message, duration_us = coalesce(duration_us, 0) + @DurationUs, verdict = coalesce(verdict, @Verdict)
        where id = @Id and outcome = 'running'
        returning duration_us
        """;

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
            last_executed_at = max(coalesce(last_executed_at, ''), @EndedAt),
            last_success_at = iif(@Success, max(coalesce(last_success_at, ''), @EndedAt), last_success_at),
            last_failure_at = iif(@Failure, max(coalesce(last_failure_at, ''), @EndedAt), last_failure_at),
            durations = iif(@Completed, json_set(durations, @Bucket, coalesce(durations ->> @Bucket, 0) + 1), durations)
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
        insert into step_statistics (procedure_id, version, step_id, runs, failures, unknown, skipped, repairs, total_duration_us, last_duration_us, last_run_at, last_success_at, last_failure_at, failure_types, durations)
        values (@ProcedureId, @Version, @StepId, @Ran, @Failed, @Unknown, @Skipped, @Repaired, coalesce(@DurationUs, 0), @DurationUs, iif(@Ran, @EndedAt, null), iif(@Succeeded, @EndedAt, null), iif(@Failed, @EndedAt, null),
                iif(@Failed, json_set('{}', @ErrorType, 1), '{}'), iif(@DurationUs is null, '{}', json_set('{}', @Bucket, 1)))
        on conflict (procedure_id, version, step_id) do update
        set runs = runs + excluded.runs,
            failures = failures + excluded.failures,
            unknown = unknown + excluded.unknown,
            skipped = skipped + excluded.skipped,
            repairs = repairs + excluded.repairs,
            total_duration_us = total_duration_us + excluded.total_duration_us,
            last_duration_us = iif(excluded.last_duration_us is not null and (last_duration_us is null or excluded.last_run_at >= coalesce(last_run_at, '')), excluded.last_duration_us, last_duration_us),
            last_run_at = iif(@Ran, max(coalesce(last_run_at, ''), @EndedAt), last_run_at),
            last_success_at = iif(@Succeeded, max(coalesce(last_success_at, ''), @EndedAt), last_success_at),
            last_failure_at = iif(@Failed, max(coalesce(last_failure_at, ''), @EndedAt), last_failure_at),
            failure_types = case
                when not @Failed then failure_types
                when failure_types -> @ErrorType is null and (select count(*) from json_each(failure_types)) >= 20 then json_set(failure_types, '$."other"', coalesce(failure_types ->> '$."other"', 0) + 1)
                else json_set(failure_types, @ErrorType, coalesce(failure_types ->> @ErrorType, 0) + 1) end,
            durations = iif(@DurationUs is null, durations, json_set(durations, @Bucket, coalesce(durations ->> @Bucket, 0) + 1))
        """;

    private const string SelectExecutions =
        """
        select e.id as Id, e.scope as Scope, e.procedure_id as ProcedureId, p.name as ProcedureName, e.version as Version, e.parent_id as ParentId,
               e.parent_step as ParentStep, e.parent_index as ParentIndex, e.root_id as RootId, e.attempt as Attempt, e.owner as Owner, e.lease_until as LeaseUntil,
               e.settings as Settings, e.outcome as Outcome, e.verdict as Verdict, e.request as Request, e.inputs as Inputs, e.message as Message,
               e.started_at as StartedAt, e.duration_us as DurationUs
        from executions e
        join procedures p on p.id = e.procedure_id
        """;

    private const string SelectExecutionSteps =
        """
        select execution_id as ExecutionId, ordinal as Ordinal, step_id as StepId, action as Action, status as Status, effect as Effect, attempts as Attempts,
               idempotency_key as IdempotencyKey, repaired as Repaired, repair_trace_id as RepairTraceId, arguments as Arguments, result as Result, omitted as Omitted,
               outcome_match as Match, error_type as ErrorType, error as Error, started_at as StartedAt, duration_us as DurationUs
        from execution_steps
        where execution_id in @ExecutionIds
        order by execution_id, ordinal
        """;

    /// <inheritdoc/>
    public Task WriteExecutionAsync(JournalEntry entry, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return _database.WriteAsync(
            connection =>
            {
                var statements = SqliteStatements.Of(connection);
                var rootId = Text(entry.Claim.RootId);
                if (entry.Begun?.Id != entry.Claim.RootId && statements.Scalar(SelectClaim, ("@RootId", rootId), ("@Attempt", entry.Claim.Attempt)) is null)
                {
                    throw new ExecutionLostException(entry.Claim.RootId);
                }

                if (entry.Begun is { } begun)
                {
                    Insert(connection, begun, entry.Claim);
                }
                else if (entry.Reopened)
                {
                    connection.Execute(ReopenExecution, new { Id = Text(entry.ExecutionId) });
                }

                if (entry.LeaseUntil is { } until)
                {
                    connection.Execute(RenewLease, new { RootId = rootId, LeaseUntil = Text(until) });
                }

                foreach (var step in entry.Steps)
                {
                    Upsert(statements, entry.ExecutionId, step);
                }

                if (entry.Ended is { } ended)
                {
                    End(connection, ended);
                }

                return 0;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExecutionClaim?> ClaimExecutionAsync(Execution execution, string owner, DateTimeOffset leaseUntil, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(execution);
        var parameters = new { Id = Text(execution.Id), execution.Attempt, Owner = owner, LeaseUntil = Text(leaseUntil), Settings = Text(execution.Settings), Outcome = Text(execution.Outcome), ReadLease = Text(execution.LeaseUntil) };
        return await _database.ExecuteAsync(ClaimExecution, parameters, cancellationToken).ConfigureAwait(false) == 1 ? new ExecutionClaim(execution.Id, execution.Attempt + 1) : null;
    }

    private static void Insert(SqliteConnection connection, Execution execution, ExecutionClaim claim) => connection.Execute(
        InsertExecution,
        new
        {
            Id = Text(execution.Id),
            execution.Scope,
            ProcedureId = Text(execution.ProcedureId),
            execution.Version,
            ParentId = Text(execution.ParentId),
            execution.ParentStep,
            execution.ParentIndex,
            RootId = Text(claim.RootId),
            claim.Attempt,
            execution.Owner,
            LeaseUntil = Text(execution.LeaseUntil),
            Settings = Text(execution.Settings),
            Outcome = Text(execution.Outcome),
            execution.Request,
            Inputs = execution.Inputs.GetRawText(),
            execution.Message,
            StartedAt = Text(execution.StartedAt),
        });

    private static void Upsert(SqliteStatements statements, Guid executionId, ExecutionStep step) => statements.Execute(
        UpsertExecutionStep,
        ("@ExecutionId", Text(executionId)),
        ("@Ordinal", step.Ordinal),
        ("@StepId", step.StepId),
        ("@Action", step.Action),
        ("@Status", Text(step.Status)),
        ("@Effect", Text(step.Effect)),
        ("@Attempts", step.Attempts),
        ("@IdempotencyKey", step.IdempotencyKey),
        ("@Arguments", Text(step.Arguments)),
        ("@Result", Text(step.Result)),
        ("@Omitted", step.Omitted),
        ("@Match", Text(step.Match)),
        ("@ErrorType", step.Failure?.ErrorType),
        ("@Error", step.Failure?.Message),
        ("@Repaired", step.Repaired ? 1 : 0),
        ("@RepairTraceId", Text(step.RepairTraceId)),
        ("@StartedAt", Text(step.StartedAt)),
        ("@DurationUs", step.Duration is { } duration ? Microseconds(duration) : null));

    private static void End(SqliteConnection connection, EndedExecution execution)
    {
        var id = new { Id = Text(execution.ExecutionId) };

        // One that failed, was counted and then resumed says nothing new of the version: it needed help.
        var counts = execution.Verdict is not null && connection.ExecuteScalar<string?>("select verdict from executions where id = @Id", id) is null;
        var ended = connection.QuerySingleOrDefault<long?>(
            EndExecution,
            new { id.Id, Outcome = Text(execution.Outcome), execution.Message, DurationUs = Microseconds(execution.Duration), Verdict = Text(execution.Verdict) });
        if (ended is not { } durationUs)
        {
            return;
        }

        var procedureId = Text(execution.ProcedureId);
        var endedAt = Text(execution.EndedAt);
        connection.Execute(CountStep, execution.Steps.Where(s => counts || s.Verdict is StepVerdict.Repaired).Select(s => CountOf(s, procedureId, execution.Version, endedAt)));
        if (!counts || execution.Verdict is not { } verdict)
        {
            return;
        }

        connection.Execute(CountExecution, new
        {
            ProcedureId = procedureId,
            execution.Version,
            Success = verdict is ExecutionVerdict.Success ? 1 : 0,
            Failure = verdict is ExecutionVerdict.Failure ? 1 : 0,
            Completed = verdict is ExecutionVerdict.Failure ? 0 : 1,
            // One that was resumed took as long as all its attempts; while it waited, nothing was done.
            DurationUs = durationUs,
            Bucket = PathOf(DurationSketch.BucketOf(ToDuration(durationUs))),
            EndedAt = endedAt,
        });
        if (verdict is ExecutionVerdict.Success)
        {
            RememberWording(connection, execution);
        }
    }

    private static object CountOf(CountedStep step, string procedureId, int version, string endedAt) => new
    {
        ProcedureId = procedureId,
        Version = version,
        step.StepId,
        Ran = step.Verdict is StepVerdict.Success or StepVerdict.Failure or StepVerdict.Unknown ? 1 : 0,
        Succeeded = step.Verdict is StepVerdict.Success ? 1 : 0,
        Failed = step.Verdict is StepVerdict.Failure ? 1 : 0,
        Unknown = step.Verdict is StepVerdict.Unknown ? 1 : 0,
        Skipped = step.Verdict is StepVerdict.Skipped ? 1 : 0,
        Repaired = step.Verdict is StepVerdict.Repaired ? 1 : 0,
        DurationUs = step.Verdict is StepVerdict.Success or StepVerdict.Unknown ? Microseconds(step.Duration) : (long?)null,
        Bucket = PathOf(DurationSketch.BucketOf(step.Duration)),
        ErrorType = PathOf(step.ErrorType ?? "unknown"),
        EndedAt = endedAt,
    };

    private static string PathOf(int bucket) => string.Create(CultureInfo.InvariantCulture, $"$.\"{bucket}\"");

    /// <summary>The JSON path of a class of errors. It is a word of whoever raised the error, and there are signs that a path cannot hold.</summary>
    private static string PathOf(string errorType) => $"$.\"{string.Concat(errorType.Take(100).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '+' ? c : '_'))}\"";

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
    public Task<IReadOnlyList<Execution>> GetExecutionTreeAsync(IReadOnlyList<string> scopes, Guid executionId, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Execution>>(
        connection =>
        {
            var root = connection.ExecuteScalar<string?>("select root_id from executions where id = @Id and scope in @Scopes", new { Id = Text(executionId), Scopes = scopes });
            return root is null
                ? []
                : WithSteps(connection, connection.Query<ExecutionRow>($"{SelectExecutions} where e.id = @Root or (e.root_id = @Root and e.parent_id is not null) order by e.parent_id is not null, e.started_at, e.id", new { Root = root }));
        },
        cancellationToken);

    private static List<Execution> WithSteps(SqliteConnection connection, IEnumerable<ExecutionRow> rows)
    {
        var executions = rows.ToList();

        // In portions: a statement takes a limited number of parameters.
        var steps = executions.Select(e => e.Id).Chunk(500)
            .SelectMany(ids => connection.Query<ExecutionStepRow>(SelectExecutionSteps, new { ExecutionIds = ids }))
            .ToLookup(s => s.ExecutionId, s => s.ToStep(), StringComparer.Ordinal);
        return [.. executions.Select(e => e.ToExecution() with { Steps = [.. steps[e.Id]] })];
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Execution>> ListExecutionsAsync(IReadOnlyList<string> scopes, ExecutionQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return _database.ReadAsync<IReadOnlyList<Execution>>(
            connection => [.. connection
                .Query<ExecutionRow>(
                    SelectExecutionsOf(query),
                    new { Scopes = scopes, ProcedureId = Text(query.ProcedureId), Outcome = Text(query.Outcome), Since = Text(query.Since), query.OutermostOnly, query.Limit })
                .Select(r => r.ToExecution())],
            cancellationToken);
    }

    /// <summary>Those of one procedure are read by its own index. With one text for both cases, or with the scope as the better index, all executions of the scope would be read for the few.</summary>
    internal static string SelectExecutionsOf(ExecutionQuery query) =>
        $"""
        {SelectExecutions}
        where {(query.ProcedureId is null ? "e.scope in @Scopes" : "e.procedure_id = @ProcedureId and +e.scope in @Scopes")}
          and (@Outcome is null or e.outcome = @Outcome)
          and (@Since is null or e.started_at >= @Since)
          and (not @OutermostOnly or e.parent_id is null)
        order by e.started_at desc, e.id desc
        limit @Limit
        """;

    /// <inheritdoc/>
    public Task<IReadOnlyList<ExecutionVerdict>> ListVerdictsAsync(Guid procedureId, int version, DateTimeOffset since, int limit, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<ExecutionVerdict>>(
        connection => [.. connection
            .Query<string>(
                "select verdict from executions where procedure_id = @ProcedureId and version = @Version and verdict is not null and started_at >= @Since order by started_at desc, rowid desc limit @Limit",
                new { ProcedureId = Text(procedureId), Version = version, Since = Text(since), Limit = limit })
            .Select(ToEnum<ExecutionVerdict>)],
        cancellationToken);

    /// <inheritdoc/>
    public Task<long> CountExecutionsAsync(Guid procedureId, int version, CancellationToken cancellationToken = default) => _database.ReadAsync(
        connection => connection.ExecuteScalar<long>("select count(*) from executions where procedure_id = @ProcedureId and version = @Version and parent_id is null", new { ProcedureId = Text(procedureId), Version = version }),
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyDictionary<string, StepTally>> ListLatestStepsAsync(Guid procedureId, int version, int executions, CancellationToken cancellationToken = default) =>
        _database.ReadAsync<IReadOnlyDictionary<string, StepTally>>(
            connection => connection
                .Query<(string StepId, long Runs, long Failures)>(
                    """
                    select s.step_id, count(*), sum(s.repaired or s.status <> 'success')
                    from (select id from executions where procedure_id = @ProcedureId and version = @Version and verdict is not null order by started_at desc, rowid desc limit @Limit) latest
                    join execution_steps s on s.execution_id = latest.id
                    where s.status in ('success', 'failed', 'unknown')
                    group by s.step_id
                    """,
                    new { ProcedureId = Text(procedureId), Version = version, Limit = executions })
                .ToDictionary(s => s.StepId, s => new StepTally(s.Runs, s.Failures), StringComparer.Ordinal),
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Execution>> ListRepairedAsync(string scope, Guid procedureId, int version, string stepId, int limit, CancellationToken cancellationToken = default) =>
        _database.ReadAsync<IReadOnlyList<Execution>>(
            connection => WithSteps(connection, connection.Query<ExecutionRow>(
                $"""
                {SelectExecutions}
                where e.scope = @Scope and e.procedure_id = @ProcedureId and e.version = @Version and e.outcome = 'completed'
                  and exists (select 1 from execution_steps s where s.execution_id = e.id and s.step_id = @StepId and s.repaired and s.repair_trace_id is not null)
                order by e.started_at desc, e.id desc
                limit @Limit
                """,
                new { Scope = scope, ProcedureId = Text(procedureId), Version = version, StepId = stepId, Limit = limit })),
            cancellationToken);

    private sealed class ExecutionRow
    {
        public required string Id { get; init; }
        public required string Scope { get; init; }
        public required string ProcedureId { get; init; }
        public required string ProcedureName { get; init; }
        public long Version { get; init; }
        public string? ParentId { get; init; }
        public string? ParentStep { get; init; }
        public long ParentIndex { get; init; }
        public required string RootId { get; init; }
        public long Attempt { get; init; }
        public string? Owner { get; init; }
        public string? LeaseUntil { get; init; }
        public string? Settings { get; init; }
        public required string Outcome { get; init; }
        public string? Verdict { get; init; }
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
            ParentIndex = (int)ParentIndex,
            RootId = ToId(RootId),
            Attempt = (int)Attempt,
            Owner = Owner,
            LeaseUntil = ToTimeOrNull(LeaseUntil),
            Settings = ToValueOrNull(Settings),
            Outcome = ToEnum<ReplayOutcome>(Outcome),
            Verdict = Verdict is null ? null : ToEnum<ExecutionVerdict>(Verdict),
            Request = Request,
            Inputs = Json.Read(Inputs),
            Message = Message,
            StartedAt = ToTime(StartedAt),
            Duration = ToDurationOrNull(DurationUs),
        };
    }

    private sealed class ExecutionStepRow
    {
        public required string ExecutionId { get; init; }
        public long Ordinal { get; init; }
        public required string StepId { get; init; }
        public required string Action { get; init; }
        public required string Status { get; init; }
        public required string Effect { get; init; }
        public long Attempts { get; init; }
        public string? IdempotencyKey { get; init; }
        public long Repaired { get; init; }
        public string? RepairTraceId { get; init; }
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
            Effect = ToEnum<StepEffect>(Effect),
            Attempts = (int)Attempts,
            IdempotencyKey = IdempotencyKey,
            Repaired = Repaired != 0,
            RepairTraceId = ToIdOrNull(RepairTraceId),
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
