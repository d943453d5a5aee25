using Dapper;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    // Of a turn whose replays did not all complete no more of the baseline counts than it has cost: what was not done saves nothing.
    private const string SelectSavings =
        """
        with costs as (
            select *,
                   replays > 0 and baseline_duration_us is not null as has_baseline,
                   offered_bytes / 4.0 * coalesce(model_calls, 1) as offered_tokens
            from turns
            where (@Id is null or id = @Id) and (@Scope is null or scope = @Scope) and (@Since is null or started_at >= @Since) and (@Until is null or started_at < @Until)),
        counted as (
            select *,
                   iif(model_calls is null, null, iif(completed = replays, coalesce(baseline_model_calls, model_calls), min(coalesce(baseline_model_calls, model_calls), model_calls))) as counted_model_calls,
                   iif(input_tokens is null, null, iif(completed = replays, coalesce(baseline_input_tokens, input_tokens), min(coalesce(baseline_input_tokens, input_tokens), input_tokens))) as counted_input_tokens,
                   iif(output_tokens is null, null, iif(completed = replays, coalesce(baseline_output_tokens, output_tokens), min(coalesce(baseline_output_tokens, output_tokens), output_tokens))) as counted_output_tokens,
                   iif(completed = replays, baseline_duration_us, min(baseline_duration_us, duration_us)) as counted_duration_us
            from costs)
        select count(*) as Turns,
               total(replays > 0) as ReplayTurns,
               total(replays) as Replays,
               total(completed) as CompletedReplays,
               total(replays > 0 and not has_baseline) as TurnsWithoutBaseline,
               total(model_calls) as UsedModelCalls, total(input_tokens) as UsedInputTokens, total(output_tokens) as UsedOutputTokens, total(duration_us) as UsedDurationUs,
               total(iif(has_baseline, counted_model_calls, 0)) as BaselineModelCalls,
               total(iif(has_baseline, counted_input_tokens, 0)) as BaselineInputTokens,
               total(iif(has_baseline, counted_output_tokens, 0)) as BaselineOutputTokens,
               total(iif(has_baseline, counted_duration_us, 0)) as BaselineDurationUs,
               total(iif(has_baseline, counted_model_calls - model_calls, 0)) as SavedModelCalls,
               total(iif(has_baseline, counted_input_tokens - input_tokens, iif(replays = 0 and input_tokens is not null, -offered_tokens, 0))) as SavedInputTokens,
               total(iif(has_baseline, counted_output_tokens - output_tokens, 0)) as SavedOutputTokens,
               total(iif(has_baseline, counted_duration_us - duration_us, 0)) as SavedDurationUs
        from counted
        """;

    // The mean over the traces of each procedure, as often as it was replayed.
    private const string InsertTurn =
        """
        insert into turns (id, scope, started_at, duration_us, model_calls, input_tokens, output_tokens, offered, offered_bytes, replays, completed,
                           baseline_duration_us, baseline_model_calls, baseline_input_tokens, baseline_output_tokens)
        select @Id, @Scope, @StartedAt, @DurationUs, @ModelCalls, @InputTokens, @OutputTokens, @Offered, @OfferedBytes, @Replays, @Completed,
               sum(b.duration_us), sum(b.model_calls), sum(b.input_tokens), sum(b.output_tokens)
        from json_each(@Procedures) r
        join (
            select procedure_id, avg((julianday(ended_at) - julianday(started_at)) * 86400000000.0) as duration_us, avg(model_calls) as model_calls, avg(input_tokens) as input_tokens, avg(output_tokens) as output_tokens
            from (select distinct v.procedure_id, t.* from version_traces v join traces t on t.id = v.trace_id where v.procedure_id in (select value from json_each(@Procedures)))
            where ended_at is not null and model_calls is not null
            group by procedure_id) b on b.procedure_id = r.value
        """;

    /// <inheritdoc/>
    public Task<SavingsReport> AddTurnAsync(TurnCost cost, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cost);
        var row = new
        {
            Id = Text(cost.Id),
            cost.Scope,
            StartedAt = Text(cost.StartedAt),
            DurationUs = Microseconds(cost.Duration),
            cost.Usage.ModelCalls,
            cost.Usage.InputTokens,
            cost.Usage.OutputTokens,
            cost.Offered,
            cost.OfferedBytes,
            Replays = cost.Replays.Count,
            Completed = cost.Replays.Count(r => r.IsCompleted),
            Procedures = Text(cost.Replays.Select(r => Text(r.ProcedureId)).ToList()),
        };
        return _database.WriteAsync(
            connection =>
            {
                connection.Execute(InsertTurn, row);
                return connection.QuerySingle<SavingsRow>(SelectSavings, new { row.Id, Scope = (string?)null, Since = (string?)null, Until = (string?)null }).ToReport();
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<SavingsReport> GetSavingsAsync(string scope, DateTimeOffset? since, DateTimeOffset? until, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scope);
        return _database.ReadAsync(
            connection => connection.QuerySingle<SavingsRow>(SelectSavings, new { Id = (string?)null, Scope = scope, Since = Text(since), Until = Text(until) }).ToReport(),
            cancellationToken);
    }

    private sealed record SavingsRow
    {
        public long Turns { get; init; }

        public double ReplayTurns { get; init; }

        public double Replays { get; init; }

        public double CompletedReplays { get; init; }

        public double TurnsWithoutBaseline { get; init; }

        public double UsedModelCalls { get; init; }

        public double UsedInputTokens { get; init; }

        public double UsedOutputTokens { get; init; }

        public double UsedDurationUs { get; init; }

        public double BaselineModelCalls { get; init; }

        public double BaselineInputTokens { get; init; }

        public double BaselineOutputTokens { get; init; }

        public double BaselineDurationUs { get; init; }

        public double SavedModelCalls { get; init; }

        public double SavedInputTokens { get; init; }

        public double SavedOutputTokens { get; init; }

        public double SavedDurationUs { get; init; }

        public SavingsReport ToReport() => new()
        {
            Turns = (int)Turns,
            ReplayTurns = (int)ReplayTurns,
            Replays = (int)Replays,
            CompletedReplays = (int)CompletedReplays,
            TurnsWithoutBaseline = (int)TurnsWithoutBaseline,
            Used = new Consumption(UsedModelCalls, UsedInputTokens, UsedOutputTokens, TimeSpan.FromMicroseconds(UsedDurationUs)),
            Baseline = new Consumption(BaselineModelCalls, BaselineInputTokens, BaselineOutputTokens, TimeSpan.FromMicroseconds(BaselineDurationUs)),
            Saved = new Consumption(SavedModelCalls, SavedInputTokens, SavedOutputTokens, TimeSpan.FromMicroseconds(SavedDurationUs)),
        };
    }
}
