using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    // What is to go is listed first, so that each table is asked once and in an order that keeps the references between them.
    private const string ListErased =
        """
        create temp table if not exists erased (kind text not null, id text not null, primary key (kind, id)) without rowid;
        delete from temp.erased;
        """;

    // Whose procedure goes, what others replayed of it goes as well: it holds what the procedure holds. So do the parts of an execution, whatever they replay.
    private const string ListExecutions =
        """
        insert into temp.erased (kind, id)
        with recursive gone (id) as (
            select id from executions where scope = @Scope or procedure_id in (select id from temp.erased where kind = 'procedure')
                or procedure_id || '/' || version in (select id from temp.erased where kind = 'version')
            union
            select e.id from executions e join gone g on e.parent_id = g.id)
        select 'execution', id from gone
        """;

    // What a step that replayed a procedure gave is what that one gave, all the way up; and the reason why the outer execution ended so may be its reason.
    private const string BlankAround =
        """
        with recursive outer_steps (execution_id, step_id) as (
            select parent_id, parent_step from executions where parent_id is not null and id in (select id from temp.erased where kind = 'execution')
            union
            select e.parent_id, e.parent_step from executions e join outer_steps o on e.id = o.execution_id where e.parent_id is not null)
        update execution_steps set arguments = null, result = null, error = null, omitted = 'it was erased' where (execution_id, step_id) in (select execution_id, step_id from outer_steps);

        with recursive outer_executions (id) as (
            select parent_id from executions where parent_id is not null and id in (select id from temp.erased where kind = 'execution')
            union
            select e.parent_id from executions e join outer_executions o on e.id = o.id where e.parent_id is not null)
        update executions set message = null where id in (select id from outer_executions);
        """;

    private const string EraseListed =
        """
        delete from call_approvals where scope = @Scope or execution_id in (select id from temp.erased where kind = 'execution');
        delete from execution_steps where execution_id in (select id from temp.erased where kind = 'execution');
        update execution_steps set repair_trace_id = null where repair_trace_id in (select id from temp.erased where kind = 'trace');
        update traces set repair_of = null where repair_of in (select id from temp.erased where kind = 'execution');
        delete from executions where id in (select id from temp.erased where kind = 'execution');

        delete from version_approvals where scope = @Scope or procedure_id in (select id from temp.erased where kind = 'procedure');
        delete from merges where kept_id in (select id from temp.erased where kind = 'procedure')
            or exists (select 1 from json_each(merged) m join temp.erased e on e.kind = 'procedure' and e.id = m.value);
        delete from revisions where procedure_id in (select id from temp.erased where kind = 'procedure');
        delete from version_traces where procedure_id in (select id from temp.erased where kind = 'procedure') or trace_id in (select id from temp.erased where kind = 'trace');
        delete from step_statistics where procedure_id in (select id from temp.erased where kind = 'procedure');
        delete from version_approvals where procedure_id || '/' || version in (select id from temp.erased where kind = 'version');
        delete from revisions where procedure_id || '/' || version in (select id from temp.erased where kind = 'version');
        delete from version_traces where procedure_id || '/' || version in (select id from temp.erased where kind = 'version');
        delete from step_statistics where procedure_id || '/' || version in (select id from temp.erased where kind = 'version');
        delete from tombstones where scope = @Scope;
        delete from turns where scope = @Scope;

        insert into search_index (search_index, rowid, name, description, tags, requests, actions, inputs)
        select 'delete', id, name, description, tags, requests, actions, inputs from search_documents where procedure_id in (select id from temp.erased where kind = 'procedure');
        update search_scopes set documents = documents - (
            select count(*) from search_documents d where d.scope_id = search_scopes.id and d.procedure_id in (select id from temp.erased where kind = 'procedure'));
        delete from procedure_vectors where procedure_id in (select id from temp.erased where kind = 'procedure');
        delete from procedure_wordings where procedure_id in (select id from temp.erased where kind = 'procedure');
        delete from search_documents where procedure_id in (select id from temp.erased where kind = 'procedure');

        update procedures set merged_into = null where merged_into in (select id from temp.erased where kind = 'procedure');
        update procedure_versions set trace_id = null where trace_id in (select id from temp.erased where kind = 'trace');
        update procedure_versions set parent = null where procedure_id || '/' || parent in (select id from temp.erased where kind = 'version');
        update procedures set active_version = null where id || '/' || active_version in (select id from temp.erased where kind = 'version');
        delete from procedure_versions where procedure_id in (select id from temp.erased where kind = 'procedure') or procedure_id || '/' || version in (select id from temp.erased where kind = 'version');
        delete from search_queue where procedure_id in (select id from temp.erased where kind = 'procedure');
        delete from procedures where id in (select id from temp.erased where kind = 'procedure');

        delete from trace_steps where trace_id in (select id from temp.erased where kind = 'trace');
        delete from trace_functions where trace_id in (select id from temp.erased where kind = 'trace');
        delete from traces where id in (select id from temp.erased where kind = 'trace');
        delete from search_scopes where scope = @Scope and documents = 0;
        """;

    // What is deleted from the index stays in its segments until they are merged.
    private const string MergeIndex = "insert into search_index (search_index) values ('optimize')";

    // The recordings by which executions were mended hold what these held.
    private const string ListRepairs =
        "insert or ignore into temp.erased (kind, id) select 'trace', id from traces where repair_of in (select id from temp.erased where kind = 'execution')";

    /// <inheritdoc/>
    public Task<EraseResult> EraseScopeAsync(string scope, DateTimeOffset at, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(scope);
        return EraseAsync(
            connection =>
            {
                var parameters = new { Scope = scope };
                connection.Execute("insert into temp.erased (kind, id) select 'procedure', id from procedures where scope = @Scope", parameters);
                connection.Execute("insert into temp.erased (kind, id) select 'trace', id from traces where scope = @Scope", parameters);
                return scope;
            },
            at,
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<EraseResult> EraseProcedureAsync(Guid procedureId, Tombstone? tombstone, DateTimeOffset at, CancellationToken cancellationToken = default) => EraseAsync(
        connection =>
        {
            if (tombstone is not null)
            {
                InsertTombstone(connection, tombstone);
            }

            var parameters = new { Id = Text(procedureId) };
            connection.Execute("insert into temp.erased (kind, id) values ('procedure', @Id)", parameters);

            // A trace from which another procedure was distilled as well is that one's too.
            connection.Execute(
                """
                insert into temp.erased (kind, id)
                select distinct 'trace', v.trace_id from version_traces v
                where v.procedure_id = @Id and not exists (select 1 from version_traces o where o.trace_id = v.trace_id and o.procedure_id <> @Id)
                """,
                parameters);
            return null;
        },
        at,
        cancellationToken);

    /// <param name="list">Lists the procedures and traces that go; gives the scope that goes as a whole, if one does.</param>
    /// <param name="at">The time (UTC).</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    private async Task<EraseResult> EraseAsync(Func<SqliteConnection, string?> list, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var (procedures, traces, executions) = await _database.WriteAsync(
            connection =>
            {
                connection.Execute(ListErased);
                var parameters = new { Scope = list(connection) };
                UnmergeAll(connection, [.. connection.Query<string>("select id from temp.erased where kind = 'procedure'")], at);
                connection.Execute(ListExecutions, parameters);
                connection.Execute(ListRepairs);
                connection.Execute(BlankAround);
                connection.Execute(EraseListed, parameters);
                SearchIndex.TryDrain(connection);
                connection.Execute(MergeIndex);
                var counts = connection.Query<(string Kind, long Count)>("select kind, count(*) from temp.erased group by kind").ToDictionary(c => c.Kind, c => (int)c.Count, StringComparer.Ordinal);
                connection.Execute("delete from temp.erased");
                return (counts.GetValueOrDefault("procedure"), counts.GetValueOrDefault("trace"), counts.GetValueOrDefault("execution"));
            },
            cancellationToken).ConfigureAwait(false);

        // It is gone; what is left to do is to leave nothing of it behind in the file.
        return new EraseResult(procedures, traces, executions, await _database.CompactAsync(CancellationToken.None).ConfigureAwait(false));
    }
}
