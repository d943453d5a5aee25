using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Revise;
using static System.FormattableString;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string InsertRevision =
        """
        insert into revisions (procedure_id, version, kind, reason, evidence, decided_by, at)
        values (@ProcedureId, @Version, @Kind, @Reason, @Evidence, @By, @At)
        """;

    // An active version takes a procedure back into use, and out of quarantine.
    private const string ApplyChange =
        """
        update procedures
        set active_version = coalesce(@Activate, active_version),
            retired = coalesce(@Retired, iif(@Activate is null, retired, 0)),
            merged_into = iif(@Activate is null, merged_into, null),
            pinned = coalesce(@Pinned, pinned),
            quarantined_at = case when @Quarantined = 1 then @At when @Quarantined = 0 or @Activate is not null then null else quarantined_at end,
            quarantine_reason = case when @Quarantined = 1 then @Reason when @Quarantined = 0 or @Activate is not null then null else quarantine_reason end,
            updated_at = @At
        where id = @Id
        """;

    /// <inheritdoc/>
    public Task<bool> ChangeProcedureAsync(ProcedureChange change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        return ChangeAsync(
            connection =>
            {
                var procedure = connection.QuerySingleOrDefault<ProcedureRow>($"{SelectProcedures} where id = @Id", new { Id = Text(change.ProcedureId) });
                if (procedure is null
                    || (change.ExpectedActive is { } expected && procedure.ActiveVersion != expected)
                    || (change.ExpectedCandidate is { } competing && procedure.CandidateVersion != competing)
                    || (change.Retired is true && procedure.Retired != 0)
                    || (change.ByEvidence && (procedure.Retired != 0 || procedure.Pinned != 0 || procedure.QuarantinedAt is not null)))
                {
                    return false;
                }

                if (change.Activate is { } activated)
                {
                    Supersede(connection, procedure, by: activated, VersionState.Active, Text(change.At));
                    SetState(connection, procedure, activated, VersionState.Active);
                    RetireVersion(connection, procedure.Id, procedure.ActiveVersion, exceptVersion: activated);
                }

                foreach (var (version, state) in change.States)
                {
                    SetState(connection, procedure, version, state);
                }

                if (change is { Quarantined: { } quarantined, Activate: null } && procedure.ActiveVersion is { } current)
                {
                    SetState(connection, procedure, (int)current, quarantined ? VersionState.Quarantined : VersionState.Active);
                }

                var at = Text(change.At);
                connection.Execute(ApplyChange, new
                {
                    procedure.Id,
                    change.Activate,
                    Retired = Flag(change.Retired),
                    Pinned = Flag(change.Pinned),
                    Quarantined = Flag(change.Quarantined),
                    change.Note.Reason,
                    At = at,
                });
                AddRevision(connection, procedure.Id, change.Activate ?? change.States.Keys.Cast<int?>().FirstOrDefault() ?? (int?)procedure.ActiveVersion, change.Note, at);
                return true;
            },
            cancellationToken);

        static long? Flag(bool? value) => value is null ? null : value.Value ? 1 : 0;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Revision>> ListRevisionsAsync(Guid procedureId, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Revision>>(
        connection => [.. connection
            .Query<RevisionRow>(
                "select version as Version, kind as Kind, reason as Reason, evidence as Evidence, decided_by as DecidedBy, at as At from revisions where procedure_id = @ProcedureId order by id",
                new { ProcedureId = Text(procedureId) })
            .Select(r => r.ToRevision(procedureId))],
        cancellationToken);

    /// <summary>The candidate was made from the version that was active, and competed with it: with another one it has nothing to do. Nor do two compete at a time: the newer one knows what the older one knew.</summary>
    private static void Supersede(SqliteConnection connection, ProcedureRow procedure, int by, VersionState state, string at)
    {
        if (procedure.CandidateVersion is not { } candidate || candidate == by)
        {
            return;
        }

        RetireVersion(connection, procedure.Id, candidate, exceptVersion: by);
        var reason = state is VersionState.Active ? Invariant($"version {by} took the place of the version that it competed with") : Invariant($"version {by} competes in its place");
        AddRevision(connection, procedure.Id, (int)candidate, new RevisionNote { Kind = RevisionKind.Superseded, Reason = reason }, at);
    }

    private static void SetState(SqliteConnection connection, ProcedureRow procedure, int version, VersionState state)
    {
        if (connection.Execute(SetVersionState, new { ProcedureId = procedure.Id, Version = version, State = Text(state) }) == 0)
        {
            throw new ProcedureNotFoundException(procedure.Name, [], version);
        }
    }

    private static void AddRevision(SqliteConnection connection, string procedureId, int? version, RevisionNote note, string at) =>
        connection.Execute(InsertRevision, new { ProcedureId = procedureId, Version = version, Kind = Text(note.Kind), note.Reason, Evidence = note.Evidence.GetRawText(), note.By, At = at });

    private sealed class RevisionRow
    {
        public long? Version { get; init; }
        public required string Kind { get; init; }
        public required string Reason { get; init; }
        public required string Evidence { get; init; }
        public string? DecidedBy { get; init; }
        public required string At { get; init; }

        public Revision ToRevision(Guid procedureId) => new()
        {
            ProcedureId = procedureId,
            Version = (int?)Version,
            Note = new RevisionNote { Kind = ToEnum<RevisionKind>(Kind), Reason = Reason, Evidence = Json.Read(Evidence), By = DecidedBy },
            At = ToTime(At),
        };
    }
}
