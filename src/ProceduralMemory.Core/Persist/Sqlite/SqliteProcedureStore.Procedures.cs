using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string SelectProcedures =
        """
        select id as Id, scope as Scope, name as Name, description as Description, tags as Tags, notes as Notes, origin as Origin,
               active_version as ActiveVersion, retired as Retired, pinned as Pinned, quarantined_at as QuarantinedAt, quarantine_reason as QuarantineReason,
               (select max(v.version) from procedure_versions v where v.procedure_id = procedures.id and v.state = 'candidate') as CandidateVersion,
               merged_into as MergedInto, created_at as CreatedAt, updated_at as UpdatedAt
        from procedures
        """;

    internal const string SelectActiveProcedures = $"{SelectProcedures} where id > @After and scope in @Scopes and retired = 0 and active_version is not null order by id limit @Limit";

    private const string SelectVersions =
        """
        select procedure_id as ProcedureId, (select scope from procedures where id = procedure_id) as Scope, version as Version, parent as Parent, reason as Reason, state as State, origin as Origin, request as Request,
               trace_id as TraceId, document as Document, created_at as CreatedAt, executions as Executions, successes as Successes, failures as Failures,
               completed as Completed, total_duration_us as TotalDurationUs, last_duration_us as LastDurationUs, last_executed_at as LastExecutedAt,
               last_success_at as LastSuccessAt, last_failure_at as LastFailureAt, durations as Durations
        from procedure_versions
        """;

    // Of every version but the one that is shown only the counts are wanted: the documents may be many and large.
    private const string SelectVersionCounts =
        """
        select procedure_id as ProcedureId, executions as Executions, successes as Successes, failures as Failures,
               completed as Completed, total_duration_us as TotalDurationUs, last_duration_us as LastDurationUs, last_executed_at as LastExecutedAt,
               last_success_at as LastSuccessAt, last_failure_at as LastFailureAt, durations as Durations
        from procedure_versions
        where procedure_id in @Ids
        order by version
        """;

    private const string WhereShown =
        """
        where (procedure_id, version) in (
            select p.id, coalesce(@Version, p.active_version, (select max(v.version) from procedure_versions v where v.procedure_id = p.id))
            from procedures p
            where p.id in @Ids)
        """;

    private const string SelectStepStatistics =
        """
        select procedure_id as ProcedureId, version as Version, step_id as StepId, runs as Runs, failures as Failures,
               unknown as Unknown, skipped as Skipped, repairs as Repairs, failure_types as FailureTypes, durations as Durations,
               total_duration_us as TotalDurationUs, last_duration_us as LastDurationUs, last_run_at as LastRunAt, last_success_at as LastSuccessAt, last_failure_at as LastFailureAt
        from step_statistics
        """;

    /// <inheritdoc/>
    public Task<Procedure?> GetProcedureAsync(IReadOnlyList<string> scopes, string name, int? version = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(scopes);
        ArgumentNullException.ThrowIfNull(name);
        return _database.ReadAsync(
            connection =>
            {
                // A version that is asked for by its number is one of the nearest procedure that has it, whether it can be replayed or not: a draft is looked at before it is activated.
                var rows = connection.Query<ProcedureRow>(
                    $"""
                    {SelectProcedures}
                    where scope in @Scopes and name = @Name
                      and (@Version is null or exists (select 1 from procedure_versions v where v.procedure_id = procedures.id and v.version = @Version))
                    """,
                    new { Scopes = scopes, Name = name.Trim(), Version = version });
                var nearest = NearestScope.Of(scopes, rows, r => r.Scope, r => version is not null || (r.Retired == 0 && r.ActiveVersion is not null && r.QuarantinedAt is null));
                return nearest is null ? null : Assemble(connection, [nearest], version).SingleOrDefault();
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Procedure>> ListProceduresAsync(IReadOnlyList<string> scopes, bool includeRetired, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Procedure>>(
        connection => Assemble(
            connection,
            connection.Query<ProcedureRow>(
                $"{SelectProcedures} where scope in @Scopes and (@IncludeRetired or retired = 0) order by name, scope",
                new { Scopes = scopes, IncludeRetired = includeRetired }).ToList(),
            version: null),
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Procedure>> ListActiveProceduresAsync(IReadOnlyList<string> scopes, Guid? after, int limit, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Procedure>>(
        connection => Assemble(
            connection,
            connection.Query<ProcedureRow>(
                SelectActiveProcedures,
                new { Scopes = scopes, After = Text(after) ?? "", Limit = limit }).ToList(),
            version: null),
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListNamesAsync(IReadOnlyList<string> scopes, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<string>>(
        connection => [.. connection.Query<string>("select distinct name from procedures where scope in @Scopes order by name", new { Scopes = scopes })],
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListScopesAsync(CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<string>>(
        connection => [.. connection.Query<string>("select scope from procedures union select scope from traces union select scope from executions union select scope from version_approvals union select scope from turns order by scope")],
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ProcedureVersion>> ListVersionsAsync(Guid procedureId, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<ProcedureVersion>>(
        connection =>
        {
            var parameters = new { ProcedureId = Text(procedureId) };
            var statistics = connection.Query<StepStatisticsRow>($"{SelectStepStatistics} where procedure_id = @ProcedureId", parameters).ToLookup(r => r.Version);
            return [.. connection
                .Query<VersionRow>($"{SelectVersions} where procedure_id = @ProcedureId order by version", parameters)
                .Select(r => r.ToVersion(statistics[r.Version]))];
        },
        cancellationToken);

    /// <summary>Reads procedures of any scope, at their active version or else the newest. Those whose stored documents cannot be read are left out.</summary>
    internal static List<Procedure> ReadWhatCanBeRead(SqliteConnection connection, IReadOnlyList<string> ids) =>
        AssembleWhatCanBeRead(connection, connection.Query<ProcedureRow>($"{SelectProcedures} where id in @Ids", new { Ids = ids }).AsList());

    private static List<Procedure> AssembleWhatCanBeRead(SqliteConnection connection, List<ProcedureRow> rows)
    {
        try
        {
            return Assemble(connection, rows, version: null);
        }
        catch (Exception exception) when (IsUnreadable(exception))
        {
            // One is not to cost the others theirs.
            return rows.Count == 1 ? [] : [.. rows.SelectMany(r => AssembleWhatCanBeRead(connection, [r]))];
        }

        static bool IsUnreadable(Exception exception) => exception is not (SqliteException or OperationCanceledException or OutOfMemoryException);
    }

    /// <summary>Changes something that is searched: the index follows in the same transaction.</summary>
    private Task<T> ChangeAsync<T>(Func<SqliteConnection, T> change, CancellationToken cancellationToken) => _database.WriteAsync(
        connection =>
        {
            var result = change(connection);
            SearchIndex.TryDrain(connection);
            return result;
        },
        cancellationToken);

    private static void RetireVersion(SqliteConnection connection, string procedureId, long? version, long exceptVersion)
    {
        if (version is not null && version != exceptVersion)
        {
            connection.Execute(SetVersionState, new { ProcedureId = procedureId, Version = version, State = Text(VersionState.Retired) });
        }
    }

    /// <summary>Reads what belongs to some procedures in three more queries, however many they are.</summary>
    private static List<Procedure> Assemble(SqliteConnection connection, List<ProcedureRow> rows, int? version)
    {
        var result = new List<Procedure>(rows.Count);

        // SQLite takes some 32,000 parameters; a batch stays far below.
        foreach (var batch in rows.Chunk(5000))
        {
            var parameters = new { Ids = batch.Select(r => r.Id), Version = version };
            var shown = connection.Query<VersionRow>($"{SelectVersions} {WhereShown}", parameters).ToDictionary(v => v.ProcedureId);
            var steps = connection.Query<StepStatisticsRow>($"{SelectStepStatistics} {WhereShown}", parameters).ToLookup(r => r.ProcedureId);
            var counts = connection.Query<CountsRow>(SelectVersionCounts, parameters).ToLookup(r => r.ProcedureId);
            result.AddRange(batch
                .Where(r => shown.ContainsKey(r.Id))
                .Select(r => r.ToProcedure(
                    shown[r.Id].ToVersion(steps[r.Id]),
                    counts[r.Id].Aggregate(ExecutionStatistics.None, (sum, c) => sum.Combine(c.ToStatistics())))));
        }

        return result;
    }

    private sealed class ProcedureRow
    {
        public required string Id { get; init; }
        public required string Scope { get; init; }
        public required string Name { get; init; }
        public required string Description { get; init; }
        public required string Tags { get; init; }
        public string? Notes { get; init; }
        public required string Origin { get; init; }
        public long? ActiveVersion { get; init; }
        public long? CandidateVersion { get; init; }
        public long Retired { get; init; }
        public long Pinned { get; init; }
        public string? QuarantinedAt { get; init; }
        public string? QuarantineReason { get; init; }
        public string? MergedInto { get; init; }
        public required string CreatedAt { get; init; }
        public required string UpdatedAt { get; init; }

        public Procedure ToProcedure(ProcedureVersion version, ExecutionStatistics statistics) => new()
        {
            Id = ToId(Id),
            Scope = Scope,
            Name = Name,
            Description = Description,
            Tags = ToTags(Tags),
            Notes = Notes,
            Origin = ToEnum<ProcedureOrigin>(Origin),
            ActiveVersion = (int?)ActiveVersion,
            CandidateVersion = (int?)CandidateVersion,
            IsRetired = Retired != 0,
            IsPinned = Pinned != 0,
            QuarantinedAt = ToTimeOrNull(QuarantinedAt),
            QuarantineReason = QuarantineReason,
            MergedInto = ToIdOrNull(MergedInto),
            Version = version,
            Statistics = statistics,
            CreatedAt = ToTime(CreatedAt),
            UpdatedAt = ToTime(UpdatedAt),
        };
    }

    private class CountsRow
    {
        public required string ProcedureId { get; init; }
        public long Executions { get; init; }
        public long Successes { get; init; }
        public long Failures { get; init; }
        public long Completed { get; init; }
        public long TotalDurationUs { get; init; }
        public long? LastDurationUs { get; init; }
        public string? LastExecutedAt { get; init; }
        public string? LastSuccessAt { get; init; }
        public string? LastFailureAt { get; init; }
        public required string Durations { get; init; }

        public ExecutionStatistics ToStatistics() => new()
        {
            Executions = Executions,
            Successes = Successes,
            Failures = Failures,
            Completed = Completed,
            TotalDuration = ToDuration(TotalDurationUs),
            LastDuration = ToDurationOrNull(LastDurationUs),
            LastExecutedAt = ToTimeOrNull(LastExecutedAt),
            LastSuccessAt = ToTimeOrNull(LastSuccessAt),
            LastFailureAt = ToTimeOrNull(LastFailureAt),
            Durations = DurationSketch.Read(Durations),
        };
    }

    private sealed class VersionRow : CountsRow
    {
        public required string Scope { get; init; }
        public long Version { get; init; }
        public long? Parent { get; init; }
        public required string Reason { get; init; }
        public required string State { get; init; }
        public required string Origin { get; init; }
        public string? Request { get; init; }
        public string? TraceId { get; init; }
        public required string Document { get; init; }
        public required string CreatedAt { get; init; }

        public ProcedureVersion ToVersion(IEnumerable<StepStatisticsRow> steps)
        {
            var document = JsonSerializer.Deserialize<VersionDocument>(Document, Json.Stored)!;
            return new ProcedureVersion
            {
                Number = (int)Version,
                Scope = Scope,
                Parent = (int?)Parent,
                Reason = ToEnum<VersionReason>(Reason),
                State = ToEnum<VersionState>(State),
                Origin = ToEnum<ProcedureOrigin>(Origin),
                Request = Request,
                TraceId = ToIdOrNull(TraceId),
                Inputs = document.Inputs,
                Steps = document.Steps,
                Undo = document.Undo,
                Sources = document.Sources,
                Signatures = document.Signatures,
                Statistics = ToStatistics(),
                StepStatistics = steps.ToDictionary(s => s.StepId, s => s.ToStatistics(), StringComparer.Ordinal),
                CreatedAt = ToTime(CreatedAt),
            };
        }
    }

    private sealed class StepStatisticsRow
    {
        public required string ProcedureId { get; init; }
        public long Version { get; init; }
        public required string StepId { get; init; }
        public long Runs { get; init; }
        public long Failures { get; init; }
        public long TotalDurationUs { get; init; }
        public long? LastDurationUs { get; init; }
        public string? LastRunAt { get; init; }
        public string? LastSuccessAt { get; init; }
        public string? LastFailureAt { get; init; }
        public long Unknown { get; init; }
        public long Skipped { get; init; }
        public long Repairs { get; init; }
        public required string FailureTypes { get; init; }
        public required string Durations { get; init; }

        public StepStatistics ToStatistics() => new()
        {
            Runs = Runs,
            Failures = Failures,
            TotalDuration = ToDuration(TotalDurationUs),
            LastDuration = ToDurationOrNull(LastDurationUs),
            LastRunAt = ToTimeOrNull(LastRunAt),
            LastSuccessAt = ToTimeOrNull(LastSuccessAt),
            LastFailureAt = ToTimeOrNull(LastFailureAt),
            Unknown = Unknown,
            Skipped = Skipped,
            Repairs = Repairs,
            FailuresByType = JsonSerializer.Deserialize<Dictionary<string, long>>(FailureTypes, Json.Stored)!,
            Durations = DurationSketch.Read(Durations),
        };
    }
}
