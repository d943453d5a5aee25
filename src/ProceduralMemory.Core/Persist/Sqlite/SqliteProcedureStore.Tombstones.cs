using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    // What was made of a version holds what it holds; what was distilled anew does not.
    private const string DrawnFrom =
        """
        with recursive drawn (procedure_id, version) as (
            select procedure_id, version from version_traces where trace_id = @Id
            union
            select v.procedure_id, v.version from procedure_versions v join drawn d on v.procedure_id = d.procedure_id and v.parent = d.version
            where v.reason in ('optimized', 'edited', 'adapted'))
        """;

    private const string ListDrawn =
        $"""
        insert into temp.erased (kind, id) values ('trace', @Id);
        insert into temp.erased (kind, id) {DrawnFrom} select 'version', procedure_id || '/' || version from drawn;
        insert into temp.erased (kind, id)
        select 'procedure', p.id from procedures p
        where p.id in (select procedure_id from version_traces where trace_id = @Id)
          and not exists (select 1 from procedure_versions v where v.procedure_id = p.id and v.procedure_id || '/' || v.version not in (select id from temp.erased where kind = 'version'));
        """;

    // What describes a procedure is that of its latest recording, and its labels are those of all.
    private const string ForgetTraceText =
        """
        update procedures set
            description = iif(procedures.description <> t.description, procedures.description, coalesce(
                (select other.description from version_traces v join traces other on other.id = v.trace_id and other.id <> t.id
                 where v.procedure_id = procedures.id and other.status = 'completed' and other.description <> '' order by other.started_at desc, other.id desc limit 1), '')),
            notes = iif(procedures.notes = t.notes, null, procedures.notes),
            tags = (select json_group_array(l.value) from json_each(procedures.tags) l
                    where l.value not in (select value from json_each(t.tags))
                       or l.value in (select o.value from version_traces v join traces other on other.id = v.trace_id and other.id <> t.id, json_each(other.tags) o where v.procedure_id = procedures.id))
        from traces t
        where t.id = @Id and procedures.id in (select procedure_id from version_traces where trace_id = t.id);
        """;

    /// <inheritdoc/>
    public Task<IReadOnlyList<(string Name, IReadOnlySet<int> Versions)>> ListDrawnFromAsync(Guid traceId, CancellationToken cancellationToken = default) =>
        _database.ReadAsync<IReadOnlyList<(string, IReadOnlySet<int>)>>(
            connection => [.. connection
                .Query<(string Name, long Version)>($"{DrawnFrom} select p.name, d.version from drawn d join procedures p on p.id = d.procedure_id order by p.name, d.version", new { Id = Text(traceId) })
                .GroupBy(d => d.Name, d => (int)d.Version, StringComparer.Ordinal)
                .Select(g => (g.Key, (IReadOnlySet<int>)g.ToHashSet()))],
            cancellationToken);

    /// <inheritdoc/>
    public Task WithdrawTraceAsync(Guid traceId, CancellationToken cancellationToken = default) =>
        _database.ExecuteAsync("update traces set status = 'abandoned' where id = @Id and status = 'completed'", new { Id = Text(traceId) }, cancellationToken);

    /// <inheritdoc/>
    public Task<EraseResult> EraseTraceAsync(Guid traceId, DateTimeOffset at, CancellationToken cancellationToken = default) => EraseAsync(
        connection =>
        {
            var parameters = new { Id = Text(traceId) };
            connection.Execute(ForgetTraceText, parameters);
            connection.Execute(ListDrawn, parameters);
            return null;
        },
        at,
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Tombstone>> ListTombstonesAsync(string scope, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Tombstone>>(
        connection => [.. connection
            .Query<(string Id, string Actions, string At)>("select id, actions, at from tombstones where scope = @Scope order by at desc, id desc", new { Scope = scope })
            .Select(t => new Tombstone { Id = ToId(t.Id), Scope = scope, Actions = ToTags(t.Actions), At = ToTime(t.At) })],
        cancellationToken);

    /// <inheritdoc/>
    public async Task<bool> RemoveTombstoneAsync(string scope, Guid tombstoneId, CancellationToken cancellationToken = default) =>
        await _database.ExecuteAsync("delete from tombstones where scope = @Scope and id = @Id", new { Scope = scope, Id = Text(tombstoneId) }, cancellationToken).ConfigureAwait(false) > 0;

    private static void InsertTombstone(SqliteConnection connection, Tombstone tombstone) => connection.Execute(
        "insert into tombstones (id, scope, actions, at) values (@Id, @Scope, @Actions, @At)",
        new { Id = Text(tombstone.Id), tombstone.Scope, Actions = Text(tombstone.Actions), At = Text(tombstone.At) });
}
