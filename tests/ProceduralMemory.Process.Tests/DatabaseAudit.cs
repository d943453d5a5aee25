using Microsoft.Data.Sqlite;

namespace ProceduralMemory.ProcessTests;

/// <summary>What must be true of every database at every moment, seen from outside the library: through SQL alone.</summary>
internal static class DatabaseAudit
{
    /// <summary>Opens a database behind the library's back. Not pooled: nothing stays open after the test.</summary>
    public static SqliteConnection Open(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    /// <summary>Checks the file as SQLite does.</summary>
    /// <remarks>
    /// On a connection of its own: one that has checked before keeps what it knew of a full-text index, does not look whether another process has written since, and
    /// then takes the difference for damage.
    /// </remarks>
    public static void AssertIntact(SqliteConnection connection)
    {
        using var fresh = Open(connection.DataSource);
        Assert.Equal(["ok"], fresh.Rows("pragma integrity_check").Select(r => r.Text(0)));
        Assert.Empty(fresh.Rows("pragma foreign_key_check"));
    }

    /// <summary>Checks that what is written in one transaction is there as a whole or not at all.</summary>
    public static void AssertNothingIsHalfDone(SqliteConnection connection)
    {
        AssertNone(connection, "a completed trace without its version", "select id from traces t where status = 'completed' and not exists (select 1 from procedure_versions v where v.trace_id = t.id) and not exists (select 1 from version_traces v where v.trace_id = t.id)");
        AssertNone(connection, "a version whose trace is not completed, nor was withdrawn since", "select t.id from procedure_versions v join traces t on t.id = v.trace_id where t.status = 'recording' or (t.status = 'abandoned' and v.state = 'active')");
        AssertNone(connection, "a trace with more than one version", "select trace_id from procedure_versions where trace_id is not null group by trace_id having count(*) > 1");
        AssertNone(connection, "a procedure without a version", "select id from procedures p where not exists (select 1 from procedure_versions v where v.procedure_id = p.id)");
        AssertNone(
            connection,
            "a gap in the version numbers",
            "select procedure_id from procedure_versions group by procedure_id having min(version) <> 1 or max(version) <> count(*)");
        AssertNone(
            connection,
            "a procedure whose active version is not the one version in that state, or with two candidates",
            """
            select p.id
            from procedures p
            where p.active_version is not (select max(v.version) from procedure_versions v where v.procedure_id = p.id and v.state = iif(p.quarantined_at is null, 'active', 'quarantined'))
               or (select count(*) from procedure_versions v where v.procedure_id = p.id and v.state in ('active', 'quarantined')) > 1
               or (select count(*) from procedure_versions v where v.procedure_id = p.id and v.state = 'candidate') > 1
            """);
        AssertNone(
            connection,
            "a gap in the steps of a trace",
            "select trace_id from trace_steps group by trace_id having min(ordinal) <> 0 or max(ordinal) <> count(*) - 1");
    }

    /// <summary>Checks that a recorded version has the steps of its trace, for traces in which every step succeeded and none was made in a group.</summary>
    public static void AssertVersionsHaveTheStepsOfTheirTraces(SqliteConnection connection)
    {
        const string Actions =
            """
            select v.trace_id as trace_id,
                   (select group_concat(json_extract(s.value, '$.action')) from json_each(v.document, '$.steps') s) as kept,
                   (select group_concat(action) from (select action from trace_steps t where t.trace_id = v.trace_id order by ordinal)) as recorded,
                   (select count(*) from step_statistics c where c.procedure_id = v.procedure_id and c.version = v.version) as counted,
                   json_array_length(v.document, '$.steps') as steps
            from procedure_versions v
            where v.trace_id is not null
            """;
        AssertNone(connection, "a version that has not the steps of its trace", $"select * from ({Actions}) where kept is not recorded");
        AssertNone(connection, "a version without statistics for each of its steps", $"select * from ({Actions}) where counted <> steps");
    }

    /// <summary>Checks that the counters of every version and step are what the traces and the execution log say.</summary>
    public static void AssertStatisticsAddUp(SqliteConnection connection)
    {
        AssertNone(
            connection,
            "a version whose statistics are not its recording and its executions",
            """
            select v.procedure_id, v.version
            from procedure_versions v
            left join (
                select procedure_id, version, sum(outcome = 'completed') as completed, sum(outcome = 'failed') as failed
                from executions
                group by procedure_id, version) e
              on e.procedure_id = v.procedure_id and e.version = v.version
            where v.executions <> (v.trace_id is not null) + coalesce(e.completed, 0) + coalesce(e.failed, 0)
               or v.successes <> (v.trace_id is not null) + coalesce(e.completed, 0)
               or v.completed <> v.successes
               or v.failures <> coalesce(e.failed, 0)
            """);
        AssertNone(
            connection,
            "a step whose statistics are not its recording and its runs",
            """
            select c.procedure_id, c.version, c.step_id, c.runs, c.failures, r.runs, r.failed
            from step_statistics c
            join procedure_versions v on v.procedure_id = c.procedure_id and v.version = c.version
            left join (
                select e.procedure_id, e.version, s.step_id, count(*) as runs, sum(s.status = 'failed') as failed
                from executions e
                join execution_steps s on s.execution_id = e.id
                where e.outcome in ('completed', 'failed') and s.status in ('success', 'failed')
                group by e.procedure_id, e.version, s.step_id) r
              on r.procedure_id = c.procedure_id and r.version = c.version and r.step_id = c.step_id
            where c.runs <> (v.trace_id is not null) + coalesce(r.runs, 0) or c.failures <> coalesce(r.failed, 0)
            """);
    }

    public static long Count(this SqliteConnection connection, string sql) => connection.Rows(sql).Single().Number(0);

    public static List<Row> Rows(this SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<Row>();
        while (reader.Read())
        {
            var values = new object[reader.FieldCount];
            reader.GetValues(values);
            rows.Add(new Row(values));
        }

        return rows;
    }

    private static void AssertNone(SqliteConnection connection, string fault, string sql)
    {
        var rows = connection.Rows(sql);
        Assert.True(rows.Count == 0, $"The database has {fault}, {rows.Count} times; the first: {rows.FirstOrDefault()}");
    }
}

/// <summary>One row of a query.</summary>
internal sealed class Row(object[] values)
{
    public string Text(int column) => (string)values[column];

    public long Number(int column) => (long)values[column];

    public override string ToString() => string.Join(", ", values);
}
