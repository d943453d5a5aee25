using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    // Other writers get their turn between two batches.
    private const int RetentionBatch = 200;

    // Outermost ones that have ended. What runs or waits for somebody stays, however old it is.
    private const string ListOldExecutions =
        """
        insert into temp.erased (kind, id)
        select 'execution', id from executions
        where parent_id is null and outcome in ('completed', 'failed', 'refused', 'cancelled') and (@Before is null or started_at < @Before)
        order by started_at
        limit @Limit
        """;

    private const string ListTheirParts =
        """
        insert or ignore into temp.erased (kind, id)
        with recursive gone (id) as (
            select id from temp.erased where kind = 'execution'
            union
            select e.id from executions e join gone g on e.parent_id = g.id)
        select 'execution', id from gone
        """;

    // A version that is in use, or may come into use, is distilled anew from its traces with every further one. Repairs stay as long as their execution does.
    private const string ListOldTraces =
        """
        insert into temp.erased (kind, id)
        select 'trace', t.id from traces t
        where t.status in ('completed', 'abandoned') and t.ended_at < @Before and t.repair_of is null
          and not exists (
              select 1 from version_traces v join procedure_versions p on p.procedure_id = v.procedure_id and p.version = v.version
              where v.trace_id = t.id and p.state <> 'retired')
        limit @Limit
        """;

    private const string DeleteOldTurns = "delete from turns where id in (select id from turns where started_at < @Before limit @Limit)";

    /// <inheritdoc/>
    public async Task<RetentionResult> ApplyRetentionAsync(RetentionPolicy policy, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(policy);
        var (executions, traces) = (0, 0);
        if (policy.Executions is { } keptFor)
        {
            executions += await InBatchesAsync(ListOldExecutions, now - keptFor, cancellationToken).ConfigureAwait(false);
            while (await _database.ExecuteAsync(DeleteOldTurns, new { Before = Text(now - keptFor), Limit = RetentionBatch }, cancellationToken).ConfigureAwait(false) > 0)
            {
                // Other writers get their turn.
            }
        }

        if (policy.Traces is { } tracesKeptFor)
        {
            traces += await InBatchesAsync(ListOldTraces, now - tracesKeptFor, cancellationToken).ConfigureAwait(false);
        }

        if (policy.MaxBytes is { } most)
        {
            var inUse = await BytesInUseAsync(cancellationToken).ConfigureAwait(false);
            while (inUse > most && await BatchAsync(ListOldExecutions, before: null, cancellationToken).ConfigureAwait(false) is > 0 and var erased)
            {
                executions += erased;
                inUse = await BytesInUseAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        return new RetentionResult(executions, traces, await BytesInUseAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public Task<string?> CompactAsync(CancellationToken cancellationToken = default) => _database.CompactAsync(cancellationToken);

    private async Task<int> InBatchesAsync(string list, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var all = 0;
        while (await BatchAsync(list, before, cancellationToken).ConfigureAwait(false) is > 0 and var erased)
        {
            all += erased;
        }

        return all;
    }

    /// <summary>Erases a batch of what is listed, in a transaction of its own.</summary>
    /// <returns>How many of the first kind were erased: parts and repairs are not counted.</returns>
    private Task<int> BatchAsync(string list, DateTimeOffset? before, CancellationToken cancellationToken) => _database.WriteAsync(
        connection =>
        {
            connection.Execute(ListErased);
            var listed = connection.Execute(list, new { Before = Text(before), Limit = RetentionBatch });
            if (listed > 0)
            {
                connection.Execute(ListTheirParts);
                connection.Execute(ListRepairs);
                connection.Execute(EraseListed, new { Scope = (string?)null });
                connection.Execute("delete from temp.erased");
            }

            return listed;
        },
        cancellationToken);

    private Task<long> BytesInUseAsync(CancellationToken cancellationToken) => _database.ReadAsync(
        connection => connection.ExecuteScalar<long>("select (c.page_count - f.freelist_count) * s.page_size from pragma_page_count c, pragma_freelist_count f, pragma_page_size s"),
        cancellationToken);
}
