using System.Globalization;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Capture;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Persist.Sqlite;

/// <content>How versions come to be stored.</content>
public sealed partial class SqliteProcedureStore
{
    private const string InsertProcedure =
        """
        insert into procedures (id, scope, name, description, tags, notes, origin, active_version, created_at, updated_at)
        values (@Id, @Scope, @Name, @Description, @Tags, @Notes, @Origin, @ActiveVersion, @At, @At)
        """;

    private const string UpdateProcedure =
        """
        update procedures
        set description = @Description, tags = @Tags, notes = @Notes, active_version = @ActiveVersion, retired = @Retired, merged_into = @MergedInto, updated_at = @At,
            quarantined_at = iif(@Activated, null, quarantined_at), quarantine_reason = iif(@Activated, null, quarantine_reason)
        where id = @Id
        """;

    private const string InsertVersion =
        """
        insert into procedure_versions (procedure_id, version, parent, reason, state, origin, request, trace_id, document, created_at,
                                        executions, successes, failures, completed, total_duration_us, last_duration_us, last_executed_at, last_success_at, last_failure_at, durations)
        values (@ProcedureId, @Version, @Parent, @Reason, @State, @Origin, @Request, @TraceId, @Document, @At,
                @Executions, @Successes, @Failures, @Completed, @TotalDurationUs, @LastDurationUs, @LastExecutedAt, @LastSuccessAt, @LastFailureAt, @Durations)
        """;

    private const string InsertStepStatistics =
        """
        insert into step_statistics (procedure_id, version, step_id, runs, failures, total_duration_us, last_duration_us, last_run_at, last_success_at, last_failure_at, durations)
        values (@ProcedureId, @Version, @StepId, @Runs, @Failures, @TotalDurationUs, @LastDurationUs, @LastRunAt, @LastSuccessAt, @LastFailureAt, @Durations)
        """;

    private const string InsertVersionTrace = "insert into version_traces (procedure_id, version, trace_id) values (@ProcedureId, @Version, @TraceId)";

    private const string RetireLearnedDrafts = "update procedure_versions set state = 'retired' where procedure_id = @Id and state = 'draft' and reason in ('recorded', 'edited')";

    private const string SetVersionState = "update procedure_versions set state = @State where procedure_id = @ProcedureId and version = @Version";

    /// <inheritdoc/>
    public Task<Procedure> SaveVersionAsync(NewVersion version, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(version);
        return ChangeAsync(connection => SaveVersion(connection, version), cancellationToken);
    }

    /// <inheritdoc/>
    public Task ConfirmVersionAsync(Guid procedureId, int version, Trace trace, TraceUsage usage, DateTimeOffset at, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentNullException.ThrowIfNull(usage);
        return ChangeAsync(
            connection =>
            {
                var id = Text(procedureId);
                var row = connection.QuerySingleOrDefault<ProcedureRow>(
                    $"{SelectProcedures} where id = @Id and exists (select 1 from procedure_versions v where v.procedure_id = procedures.id and v.version = @Version)", new { Id = id, Version = version })
                    ?? throw new ProcedureConflictException(id, "The version that a trace shows anew was erased in the meantime.");
                Insert(connection, trace);
                connection.Execute(EndTrace, EndTraceParameters(trace.Id, TraceStatus.Completed, trace.EndedAt ?? at, usage));
                connection.Execute(InsertVersionTrace, new { ProcedureId = id, Version = version, TraceId = Text(trace.Id) });

                // Its request is one more that the procedure is found by.
                connection.Execute("insert or ignore into search_queue (procedure_id) values (@Id)", new { Id = id });
                return Assemble(connection, [row], version).Single();
            },
            cancellationToken);
    }

    private static Procedure SaveVersion(SqliteConnection connection, NewVersion version)
    {
        var definition = version.Definition;
        var at = Text(version.At);
        var existing = connection.QuerySingleOrDefault<ProcedureRow>($"{SelectProcedures} where scope = @Scope and name = @Name", new { version.Scope, definition.Name });
        if (existing is not null && version.MustBeNew)
        {
            throw new ProcedureConflictException(definition.Name, $"There is a procedure named '{existing.Name}' already. Choose another name, or store it as a new version of that one, with asNewVersion: true.");
        }

        if (version.ExpectedActive is not null && existing is { Retired: not 0 })
        {
            // To store the change would put it back into use behind the back of who retired it.
            throw new ProcedureConflictException(definition.Name, $"Procedure '{existing.Name}' was retired in the meantime. Change the procedure that it was merged into, or activate a version of this one first.");
        }

        if (version.ExpectedActive is { } expected && existing?.ActiveVersion != expected)
        {
            throw new ProcedureConflictException(definition.Name, $"Procedure '{definition.Name}' is at version {existing?.ActiveVersion}, not {expected}. Load it again and repeat the change.");
        }

        var document = JsonSerializer.Serialize(
            new VersionDocument { Inputs = definition.Inputs, Steps = definition.Steps, Undo = definition.Undo, Sources = version.Sources, Signatures = definition.Signatures }, Json.Stored);
        if (version.OnlyOnce && existing is not null && FindSame(connection, existing.Id, version.Reason, document) is { } same)
        {
            return Assemble(connection, [existing], same).Single();
        }

        if (version is { TraceId: { } traceId, Usage: not null })
        {
            if (version.NewTrace is { } trace)
            {
                Insert(connection, trace);
            }

            ThrowIfNotRecording(connection.Execute(EndTrace, EndTraceParameters(traceId, TraceStatus.Completed, version.NewTrace?.EndedAt ?? version.At, version.Usage)), traceId);
        }

        if (connection.ExecuteScalar<long>("select count(*) from traces where id in @Ids", new { Ids = version.Traces.Select(Text) }) < version.Traces.Distinct().Count())
        {
            // What was made of it would keep what was to go.
            throw new ProcedureConflictException(definition.Name, $"A trace that this version of '{definition.Name}' is made of was erased in the meantime. Load the procedure again and repeat the change.");
        }

        var id = existing?.Id ?? Text(Guid.CreateVersion7(version.At));
        var number = existing is null ? 1 : (int)connection.ExecuteScalar<long>("select coalesce(max(version), 0) + 1 from procedure_versions where procedure_id = @Id", new { Id = id });
        var activates = version.State is VersionState.Active;
        var active = activates ? number : existing?.ActiveVersion;
        if (existing is null)
        {
            connection.Execute(InsertProcedure, new { Id = id, version.Scope, definition.Name, definition.Description, Tags = Text(definition.Tags), definition.Notes, Origin = Text(version.Origin), ActiveVersion = active, At = at });
        }
        else
        {
            // A draft describes nothing anew until it is activated by a person, who sees both.
            var tags = activates ? ToTags(existing.Tags).Union(definition.Tags, StringComparer.OrdinalIgnoreCase).ToList() : ToTags(existing.Tags);
            if (tags.Count > ProcedureValidator.MaxTags)
            {
                throw new ProcedureFormatException("tags", string.Create(CultureInfo.InvariantCulture, $"With those it has, '{existing.Name}' would have {tags.Count} tags; {ProcedureValidator.MaxTags} are the most. Give fewer."));
            }

            connection.Execute(UpdateProcedure, new
            {
                existing.Id,
                Description = activates && definition.Description.Length > 0 ? definition.Description : existing.Description,
                Tags = Text(tags),
                Notes = activates ? definition.Notes ?? existing.Notes : existing.Notes,
                ActiveVersion = active,
                Retired = activates ? 0 : existing.Retired,
                MergedInto = activates ? null : existing.MergedInto,
                Activated = activates ? 1 : 0,
                At = at,
            });
        }

        if (existing is not null && version is { State: VersionState.Draft, Reason: VersionReason.Recorded or VersionReason.Edited })
        {
            // It was made of the draft before it.
            connection.Execute(RetireLearnedDrafts, new { Id = id });
        }

        if (existing is not null && version.State is VersionState.Active or VersionState.Candidate)
        {
            Supersede(connection, existing, by: number, version.State, at);
            RetireVersion(connection, id, activates ? existing.ActiveVersion : null, exceptVersion: number);
        }

        var statistics = version.Statistics;
        connection.Execute(InsertVersion, new
        {
            ProcedureId = id,
            Version = number,
            Parent = existing?.ActiveVersion,
            Reason = Text(version.Reason),
            State = Text(version.State),
            Origin = Text(version.Origin),
            version.Request,
            TraceId = Text(version.TraceId),
            Document = document,
            At = at,
            statistics.Executions,
            statistics.Successes,
            statistics.Failures,
            statistics.Completed,
            TotalDurationUs = Microseconds(statistics.TotalDuration),
            LastDurationUs = statistics.LastDuration is { } last ? Microseconds(last) : (long?)null,
            LastExecutedAt = Text(statistics.LastExecutedAt),
            LastSuccessAt = Text(statistics.LastSuccessAt),
            LastFailureAt = Text(statistics.LastFailureAt),
            Durations = statistics.Durations.Write(),
        });
        connection.Execute(InsertStepStatistics, version.StepStatistics.Select(s => new
        {
            ProcedureId = id,
            Version = number,
            StepId = s.Key,
            s.Value.Runs,
            s.Value.Failures,
            TotalDurationUs = Microseconds(s.Value.TotalDuration),
            LastDurationUs = s.Value.LastDuration is { } stepLast ? Microseconds(stepLast) : (long?)null,
            LastRunAt = Text(s.Value.LastRunAt),
            LastSuccessAt = Text(s.Value.LastSuccessAt),
            LastFailureAt = Text(s.Value.LastFailureAt),
            Durations = s.Value.Durations.Write(),
        }));
        if (version.Note is { } note)
        {
            AddRevision(connection, id, number, note, at);
        }
        else if (activates && existing?.QuarantinedAt is not null)
        {
            AddRevision(connection, id, number, new RevisionNote { Kind = RevisionKind.Released, Reason = string.Create(CultureInfo.InvariantCulture, $"version {number} was made, which is another one than was stopped") }, at);
        }

        connection.Execute(InsertVersionTrace, version.Traces.Select(t => new { ProcedureId = id, Version = number, TraceId = Text(t) }));
        var row = connection.QuerySingle<ProcedureRow>($"{SelectProcedures} where id = @Id", new { Id = id });
        return Assemble(connection, [row], number).Single();
    }

    /// <summary>The latest version that was made for the same reason and is the same but for the remarks on its steps. One that was given up only because another version came in between may be proposed again.</summary>
    private static int? FindSame(SqliteConnection connection, string procedureId, VersionReason reason, string document)
    {
        var wanted = WithoutFlags(document);
        return connection
            .Query<(long Version, string Document)>(
                """
                select v.version, v.document from procedure_versions v
                where v.procedure_id = @ProcedureId and v.reason = @Reason
                  and coalesce((select r.kind from revisions r where r.procedure_id = v.procedure_id and r.version = v.version order by r.id desc limit 1), '') <> 'superseded'
                order by v.version desc
                """,
                new { ProcedureId = procedureId, Reason = Text(reason) })
            .Where(v => WithoutFlags(v.Document) == wanted)
            .Select(v => (int?)v.Version)
            .FirstOrDefault();

        static string WithoutFlags(string document)
        {
            var read = JsonSerializer.Deserialize<VersionDocument>(document, Json.Stored)!;
            return JsonSerializer.Serialize(read with { Steps = Without(read.Steps) }, Json.Stored);
        }

        static IReadOnlyList<ProcedureStep> Without(IReadOnlyList<ProcedureStep> steps) => [.. steps.Select(s => s with { Flags = [], Steps = Without(s.Steps) })];
    }
}
