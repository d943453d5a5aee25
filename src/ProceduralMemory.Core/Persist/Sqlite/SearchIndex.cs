using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;
using SQLitePCL;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>
/// The index of words: an FTS5 table over <c>search_documents</c>. Triggers queue what changed, and whoever writes empties the queue in the same transaction.
/// </summary>
internal static class SearchIndex
{
    /// <summary>
    /// What stands in the index in place of the words of a procedure that cannot be read. It is no word of any text, so nothing finds it, and it is counted like a word.
    /// </summary>
    public const string UnreadableWord = "_";

    // A write takes in what it changed itself and a little more. A whole memory may be queued after a migration: that is the next search's, which does it in portions.
    private const int BesideAWrite = 50;

    /// <summary>Takes what is queued into the index, at most so many procedures.</summary>
    /// <returns>How many were taken.</returns>
    public static int Drain(SqliteConnection connection, int limit)
    {
        var ids = connection.Query<string>("select procedure_id from search_queue limit @Limit", new { Limit = limit }).AsList();
        if (ids.Count > 0)
        {
            SearchIndexWriter.Write(connection, ids);
            connection.Execute("delete from search_queue where procedure_id in @Ids", new { Ids = ids });
        }

        return ids.Count;
    }

    /// <summary>
    /// The same inside a transaction that changes something else. Nothing about the index is to keep a procedure from being stored or a replay from being counted: what is
    /// queued stays there, and the next search takes it in, or makes the index anew.
    /// </summary>
    public static void TryDrain(SqliteConnection connection)
    {
        connection.Execute("savepoint drain");
        try
        {
            Drain(connection, BesideAWrite);
        }
        catch (Exception exception) when (exception is not OperationCanceledException && raw.sqlite3_get_autocommit(connection.Handle) == 0)
        {
            // A fault of the disk may have rolled back all of it by itself; that one is the caller's to know.
            connection.Execute("rollback to drain");
        }

        connection.Execute("release drain");
    }

    /// <summary>Whether the index holds each procedure once, and nothing else. It looks at counts, not at words. An index without documents is of no analysis yet.</summary>
    public static bool IsComplete(SqliteConnection connection) => connection.QuerySingle<long>(
        """
        select (select count(*) from procedures) = (select count(*) from search_documents) + (select count(*) from search_queue q where not exists (select 1 from search_documents d where d.procedure_id = q.procedure_id))
           and (select count(*) from search_documents) = (select count(*) from search_index_docsize)
           and ((select analysis from search_state) = @Analysis or not exists (select 1 from search_documents))
        """,
        new { Analysis = TextAnalyzer.Number }) != 0;

    /// <summary>Queues every procedure and begins the index anew. What belongs to procedures that are not there any more goes, or the index would never agree with them.</summary>
    public static void Clear(SqliteConnection connection)
    {
        connection.Execute(
            """
            -- The trigger on wordings queues procedures that are not there; they leave the queue below.
            pragma defer_foreign_keys = on;
            delete from procedure_vectors where procedure_id not in (select id from procedures);
            delete from procedure_wordings where procedure_id not in (select id from procedures);
            delete from search_documents where procedure_id not in (select id from procedures);
            delete from search_queue where procedure_id not in (select id from procedures);
            update search_documents set name = '', description = '', tags = '', requests = '', actions = '', inputs = '';
            update search_scopes set documents = (select count(*) from search_documents d where d.scope_id = search_scopes.id);
            update search_state set analysis = @Analysis;
            insert into search_index (search_index) values ('rebuild');
            insert or ignore into search_queue (procedure_id) select id from procedures;

            -- Other writes may be committed with this one, and are to fail by themselves.
            pragma defer_foreign_keys = off;
            """,
            new { Analysis = TextAnalyzer.Number });
    }

    /// <summary>A word as it stands in the index.</summary>
    public static string Term(long scopeId, string word) => string.Create(CultureInfo.InvariantCulture, $"{scopeId}_{word}");

    /// <summary>Takes numbers for so many changes.</summary>
    /// <returns>The first of them.</returns>
    public static long NextChanges(SqliteConnection connection, int count) =>
        connection.ExecuteScalar<long>("update search_state set change = change + @Count returning change", new { Count = count }) - count + 1;

    /// <summary>The words without the number of their scope, which is the same for all of a document.</summary>
    public static string Words(long scopeId, string terms) => terms.Replace(string.Create(CultureInfo.InvariantCulture, $"{scopeId}_"), "", StringComparison.Ordinal);
}
