using System.Globalization;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string InsertTrace =
        """
        insert into traces (id, scope, name, description, request, inputs, tags, notes, repair_of, status, started_at)
        values (@Id, @Scope, @Name, @Description, @Request, @Inputs, @Tags, @Notes, @RepairOf, @Status, @StartedAt)
        """;

    // Inserts nothing when the trace is not being recorded, or has a step in that place: one statement, so that a step cannot slip in behind a finalize of another process.
    private const string AppendTraceStep =
        """
        insert into trace_steps (trace_id, ordinal, kind, action, effect, arguments, result, omitted, status, error_type, error, outcome, notes,
                                 call_group, call_index, started_at, duration_us)
        select id, @Ordinal, @Kind, @Action, @Effect, @Arguments, @Result, @Omitted, @Status, @ErrorType, @Error, @Outcome, @Notes,
               @CallGroup, @CallIndex, @StartedAt, @DurationUs
        from traces where id = @TraceId and status = 'recording'
        on conflict (trace_id, ordinal) do nothing
        """;

    // The same for nearly every step there is: each parameter costs half a microsecond, and a filter pays it on every call.
    private const string AppendPlainTraceStep =
        """
        insert into trace_steps (trace_id, ordinal, kind, action, arguments, result, status, started_at, duration_us)
        select id, @Ordinal, @Kind, @Action, @Arguments, @Result, @Status, @StartedAt, @DurationUs
        from traces where id = @TraceId and status = 'recording'
        on conflict (trace_id, ordinal) do nothing
        """;

    // What a function declared when it was first recorded stands.
    private const string InsertTraceFunction =
        "insert into trace_functions (trace_id, action, parameters) values (@TraceId, @Action, @Parameters) on conflict (trace_id, action) do nothing";

    private const string SelectTraceFunctions = "select action as Action, parameters as Parameters from trace_functions where trace_id = @TraceId";

    private const string AnnotateTraceStep =
        """
        update trace_steps
        set outcome = coalesce(@Outcome, outcome), notes = coalesce(@Notes, notes),
            status = iif(@ErrorType is null, status, 'failed'), error_type = coalesce(@ErrorType, error_type), error = coalesce(@Error, error)
        where trace_id = @TraceId and ordinal = @Ordinal
          and exists (select 1 from traces where id = @TraceId and status = 'recording')
        """;

    private const string EndTrace =
        """
        update traces
        set status = @Status, ended_at = @EndedAt, model_calls = @ModelCalls, input_tokens = @InputTokens, output_tokens = @OutputTokens
        where id = @TraceId and status = 'recording'
        """;

    private const string SelectTraces =
        """
        select id as Id, scope as Scope, name as Name, description as Description, request as Request, inputs as Inputs, tags as Tags, notes as Notes, repair_of as RepairOf, status as Status,
               started_at as StartedAt, ended_at as EndedAt, model_calls as ModelCalls, input_tokens as InputTokens, output_tokens as OutputTokens
        from traces
        """;

    private const string SelectTraceSteps =
        """
        select ordinal as Ordinal, kind as Kind, action as Action, effect as Effect, arguments as Arguments, result as Result, omitted as Omitted, status as Status,
               error_type as ErrorType, error as Error, outcome as Outcome, notes as Notes, call_group as CallGroup, call_index as CallIndex,
               started_at as StartedAt, duration_us as DurationUs
        from trace_steps
        where trace_id = @TraceId
        order by ordinal
        """;

    /// <inheritdoc/>
    public Task InsertTraceAsync(Trace trace, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(trace);
        return trace.Steps.Count == 0
            ? _database.ExecuteAsync(InsertTrace, RowOf(trace), cancellationToken)
            : _database.WriteAsync(
                connection =>
                {
                    Insert(connection, trace);
                    return trace.Steps.Count;
                },
                cancellationToken);
    }

    private static void Insert(SqliteConnection connection, Trace trace)
    {
        connection.Execute(InsertTrace, RowOf(trace));
        foreach (var step in trace.Steps)
        {
            var (sql, row) = RowOf(trace.Id, step);
            connection.Execute(sql, row);
            if (step.Parameters is { } parameters)
            {
                connection.Execute(InsertTraceFunction, new { TraceId = Text(trace.Id), step.Action, Parameters = parameters.GetRawText() });
            }
        }
    }

    private static object RowOf(Trace trace) => new
    {
        Id = Text(trace.Id),
        trace.Scope,
        trace.Name,
        trace.Description,
        trace.Request,
        Inputs = trace.Inputs.GetRawText(),
        Tags = Text(trace.Tags),
        trace.Notes,
        RepairOf = Text(trace.RepairOf),
        Status = Text(trace.Status),
        StartedAt = Text(trace.StartedAt),
    };

    /// <inheritdoc/>
    public async Task AppendTraceStepAsync(Guid traceId, TraceStep step, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(step);
        var (sql, row) = RowOf(traceId, step);
        var inserted = await (step.Parameters is not { } parameters
            ? _database.ExecuteAsync(sql, row, cancellationToken)
            : _database.WriteAsync(
                connection =>
                {
                    var stored = connection.Execute(sql, row);
                    return stored == 0 ? 0 : stored + connection.Execute(InsertTraceFunction, new { TraceId = Text(traceId), step.Action, Parameters = parameters.GetRawText() });
                },
                cancellationToken)).ConfigureAwait(false);
        if (inserted == 0)
        {
            ThrowIfNotRecording(await CountRecordingsAsync(traceId, cancellationToken).ConfigureAwait(false), traceId);
            throw new RecordingStateException(string.Create(
                CultureInfo.InvariantCulture,
                $"Step {step.Ordinal} of trace {traceId:D} was not stored: another recorder, in this process or another, has written that step. A recording has one recorder at a time: go on with that one, and resume a recording only when its recorder is gone."));
        }
    }

    private static (string Sql, object Row) RowOf(Guid traceId, TraceStep step)
    {
        var isPlain = step is { Effect: StepEffect.Unknown, Omitted: null, Failure: null, Outcome: null, Notes: null, CallGroup: null, CallIndex: 0 };
        return isPlain
            ? (AppendPlainTraceStep, new
            {
                TraceId = Text(traceId),
                step.Ordinal,
                Kind = Text(step.Kind),
                step.Action,
                Arguments = step.Arguments.GetRawText(),
                Result = Text(step.Result),
                Status = Text(step.Status),
                StartedAt = Text(step.StartedAt),
                DurationUs = Microseconds(step.Duration),
            })
            : (AppendTraceStep, new
            {
                TraceId = Text(traceId),
                step.Ordinal,
                Kind = Text(step.Kind),
                step.Action,
                Effect = Text(step.Effect),
                Arguments = step.Arguments.GetRawText(),
                Result = Text(step.Result),
                step.Omitted,
                Status = Text(step.Status),
                step.Failure?.ErrorType,
                Error = step.Failure?.Message,
                step.Outcome,
                step.Notes,
                step.CallGroup,
                step.CallIndex,
                StartedAt = Text(step.StartedAt),
                DurationUs = Microseconds(step.Duration),
            });
    }

    /// <inheritdoc/>
    public async Task AnnotateTraceStepAsync(Guid traceId, int ordinal, string? outcome, string? notes, StepFailure? failure, CancellationToken cancellationToken = default)
    {
        var changed = await _database.ExecuteAsync(
            AnnotateTraceStep,
            new { TraceId = Text(traceId), Ordinal = ordinal, Outcome = outcome, Notes = notes, failure?.ErrorType, Error = failure?.Message },
            cancellationToken).ConfigureAwait(false);
        ThrowIfNotRecording(changed, traceId);
    }

    /// <inheritdoc/>
    public async Task EndTraceAsync(Guid traceId, TraceStatus status, DateTimeOffset endedAt, TraceUsage usage, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(usage);
        var changed = await _database.ExecuteAsync(EndTrace, EndTraceParameters(traceId, status, endedAt, usage), cancellationToken).ConfigureAwait(false);
        ThrowIfNotRecording(changed, traceId);
    }

    /// <inheritdoc/>
    public Task<Trace?> GetTraceAsync(IReadOnlyList<string> scopes, Guid traceId, CancellationToken cancellationToken = default) => _database.ReadAsync(
        connection =>
        {
            var row = connection.QuerySingleOrDefault<TraceRow>($"{SelectTraces} where id = @Id and scope in @Scopes", new { Id = Text(traceId), Scopes = scopes });
            return row is null ? null : row.ToTrace() with { Steps = ReadTraceSteps(connection, traceId) };
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Trace>> ListTracesAsync(IReadOnlyList<string> scopes, TraceStatus? status, int limit, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Trace>>(
        connection => [.. connection
            .Query<TraceRow>(
                $"{SelectTraces} where scope in @Scopes and repair_of is null and (@Status is null or status = @Status) order by started_at desc, id desc limit @Limit",
                new { Scopes = scopes, Status = Text(status), Limit = limit })
            .Select(r => r.ToTrace())],
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Trace>> ListRepairsAsync(IReadOnlyList<string> scopes, Guid executionId, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Trace>>(
        connection => [.. connection
            .Query<TraceRow>($"{SelectTraces} where repair_of = @ExecutionId and scope in @Scopes order by id", new { ExecutionId = Text(executionId), Scopes = scopes })
            .Select(r => r.ToTrace())
            .Select(t => t with { Steps = ReadTraceSteps(connection, t.Id) })],
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Trace>> ListVersionTracesAsync(Guid procedureId, int version, int limit, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Trace>>(
        connection => [.. connection
            .Query<TraceRow>(
                $"{SelectTraces} where status = 'completed' and repair_of is null and id in (select trace_id from version_traces where procedure_id = @ProcedureId and version = @Version) order by started_at desc, id desc limit @Limit",
                new { ProcedureId = Text(procedureId), Version = version, Limit = limit })
            .Select(r => r.ToTrace())
            .Select(t => t with { Steps = ReadTraceSteps(connection, t.Id) })],
        cancellationToken);

    private Task<int> CountRecordingsAsync(Guid traceId, CancellationToken cancellationToken) => _database.ReadAsync(
        connection => (int)connection.ExecuteScalar<long>("select count(*) from traces where id = @TraceId and status = 'recording'", new { TraceId = Text(traceId) }),
        cancellationToken);

    private static object EndTraceParameters(Guid traceId, TraceStatus status, DateTimeOffset endedAt, TraceUsage usage) => new
    {
        TraceId = Text(traceId),
        Status = Text(status),
        EndedAt = Text(endedAt),
        usage.ModelCalls,
        usage.InputTokens,
        usage.OutputTokens,
    };

    private static List<TraceStep> ReadTraceSteps(SqliteConnection connection, Guid traceId)
    {
        var parameters = new { TraceId = Text(traceId) };
        var functions = connection.Query<(string Action, string Parameters)>(SelectTraceFunctions, parameters)
            .ToDictionary(f => f.Action, f => (JsonElement?)Json.Read(f.Parameters), StringComparer.OrdinalIgnoreCase);
        return [.. connection.Query<TraceStepRow>(SelectTraceSteps, parameters).Select(r => r.ToStep()).Select(s => s.Kind is StepKind.Function && functions.TryGetValue(s.Action, out var known) ? s with { Parameters = known } : s)];
    }

    private static void ThrowIfNotRecording(int changed, Guid traceId)
    {
        if (changed == 0)
        {
            throw new RecordingStateException($"Trace {traceId:D} is not being recorded: it was finalized or abandoned, perhaps by another process, or never begun.");
        }
    }

    private sealed class TraceRow
    {
        public required string Id { get; init; }
        public required string Scope { get; init; }
        public required string Name { get; init; }
        public required string Description { get; init; }
        public string? Request { get; init; }
        public required string Inputs { get; init; }
        public required string Tags { get; init; }
        public string? Notes { get; init; }
        public string? RepairOf { get; init; }
        public required string Status { get; init; }
        public required string StartedAt { get; init; }
        public string? EndedAt { get; init; }
        public long? ModelCalls { get; init; }
        public long? InputTokens { get; init; }
        public long? OutputTokens { get; init; }

        public Trace ToTrace() => new()
        {
            Id = ToId(Id),
            Scope = Scope,
            Name = Name,
            Description = Description,
            Request = Request,
            Inputs = Json.Read(Inputs),
            Tags = ToTags(Tags),
            Notes = Notes,
            RepairOf = ToIdOrNull(RepairOf),
            Status = ToEnum<TraceStatus>(Status),
            StartedAt = ToTime(StartedAt),
            EndedAt = ToTimeOrNull(EndedAt),
            ModelCalls = (int?)ModelCalls,
            InputTokens = InputTokens,
            OutputTokens = OutputTokens,
        };
    }

    private sealed class TraceStepRow
    {
        public long Ordinal { get; init; }
        public required string Kind { get; init; }
        public required string Action { get; init; }
        public required string Effect { get; init; }
        public required string Arguments { get; init; }
        public string? Result { get; init; }
        public string? Omitted { get; init; }
        public required string Status { get; init; }
        public string? ErrorType { get; init; }
        public string? Error { get; init; }
        public string? Outcome { get; init; }
        public string? Notes { get; init; }
        public string? CallGroup { get; init; }
        public long CallIndex { get; init; }
        public required string StartedAt { get; init; }
        public long DurationUs { get; init; }

        public TraceStep ToStep() => new()
        {
            Ordinal = (int)Ordinal,
            Kind = ToEnum<StepKind>(Kind),
            Action = Action,
            Effect = ToEnum<StepEffect>(Effect),
            Arguments = Json.Read(Arguments),
            Result = ToValueOrNull(Result),
            Omitted = Omitted,
            Status = ToEnum<StepStatus>(Status),
            Failure = ToFailure(ErrorType, Error),
            Outcome = Outcome,
            Notes = Notes,
            CallGroup = CallGroup,
            CallIndex = (int)CallIndex,
            StartedAt = ToTime(StartedAt),
            Duration = ToDuration(DurationUs),
        };
    }
}
