using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>
/// The index of words: an FTS5 table over <c>search_documents</c>. Triggers queue what changed, and whoever writes empties the queue in the same transaction.
/// </summary>
internal static class SearchIndex
{
    private const string Columns = "name, description, tags, requests, actions, inputs";

    private const string DeleteWords =
        $"insert into search_index (search_index, rowid, {Columns}) select 'delete', id, {Columns} from search_documents where procedure_id in @Ids";

    private const string UpsertDocument =
        """
        insert into search_documents (procedure_id, scope_id, name, description, tags, requests, actions, inputs, action_names, functions, required_inputs,
                                      vector_text, vector_actions, change)
        values (@ProcedureId, @ScopeId, @Name, @Description, @Tags, @Requests, @Actions, @Inputs, @ActionNames, @Functions, @RequiredInputs,
                @VectorText, @VectorActions, @Change)
        on conflict (procedure_id) do update
        set name = excluded.name, description = excluded.description, tags = excluded.tags, requests = excluded.requests, actions = excluded.actions,
            inputs = excluded.inputs, action_names = excluded.action_names, functions = excluded.functions, required_inputs = excluded.required_inputs,
            change = iif(vector_text = excluded.vector_text and vector_actions = excluded.vector_actions, change, excluded.change),
            vector_text = excluded.vector_text, vector_actions = excluded.vector_actions
        """;

    private const string InsertWords = $"insert into search_index (rowid, {Columns}) select id, {Columns} from search_documents where procedure_id in @Ids";

    // A vector belongs to a text: where the text is another now, the vector goes.
    private const string DeleteStaleVectors =
        """
        delete from procedure_vectors
        where procedure_id in @Ids and text_change <> (select d.change from search_documents d where d.procedure_id = procedure_vectors.procedure_id)
        """;

    /// <summary>The requests that led to each of some procedures, latest first: those of replays, then those that its versions were recorded for.</summary>
    private const string SelectRequests =
        """
        with shown (id, version) as (
            select p.id, coalesce(p.active_version, (select max(v.version) from procedure_versions v where v.procedure_id = p.id)) from procedures p where p.id in @Ids)
        select id, request from (
            select procedure_id as id, request, last_used_at as at, 1 as kind from procedure_wordings where procedure_id in @Ids
            union all
            select s.id, t.request, t.started_at, 0
            from shown s join version_traces v on v.procedure_id = s.id and v.version = s.version join traces t on t.id = v.trace_id
            where t.request is not null
            union all
            select s.id, v.request, v.created_at, 0
            from shown s join procedure_versions v on v.procedure_id = s.id and v.version = s.version
            where v.request is not null and v.trace_id is null)
        order by id, kind desc, at desc
        """;

    private const int MaxRequests = 60;

    /// <summary>Takes what is queued into the index, at most so many procedures.</summary>
    /// <returns>How many were taken.</returns>
    public static int Drain(SqliteConnection connection, int limit = 1000)
    {
        var ids = connection.Query<string>("select procedure_id from search_queue limit @Limit", new { Limit = limit }).AsList();
        if (ids.Count > 0)
        {
            Write(connection, ids);
            connection.Execute("delete from search_queue where procedure_id in @Ids", new { Ids = ids });
        }

        return ids.Count;
    }

    /// <summary>
    /// The same inside a transaction that changes something else. A damaged index is not to keep procedures from being stored: what is queued stays there, and the
    /// next search makes the index anew.
    /// </summary>
    public static void TryDrain(SqliteConnection connection)
    {
        connection.Execute("savepoint drain");
        try
        {
            Drain(connection);
        }
        catch (SqliteException)
        {
            connection.Execute("rollback to drain");
        }

        connection.Execute("release drain");
    }

    /// <summary>Whether the index holds each procedure once, and nothing else. It looks at counts, not at words.</summary>
    public static bool IsComplete(SqliteConnection connection) => connection.QuerySingle<long>(
        """
        select (select count(*) from procedures) = (select count(*) from search_documents) + (select count(*) from search_queue q where not exists (select 1 from search_documents d where d.procedure_id = q.procedure_id))
           and (select count(*) from search_documents) = (select count(*) from search_index_docsize)
           and (select analysis from search_state) = @Analysis
        """,
        new { Analysis = TextAnalyzer.Number }) != 0;

    /// <summary>Queues every procedure and begins the index anew.</summary>
    public static void Clear(SqliteConnection connection)
    {
        connection.Execute(
            """
            update search_documents set name = '', description = '', tags = '', requests = '', actions = '', inputs = '';
            update search_scopes set documents = (select count(*) from search_documents d where d.scope_id = search_scopes.id);
            update search_state set analysis = @Analysis;
            insert into search_index (search_index) values ('rebuild');
            insert or ignore into search_queue (procedure_id) select id from procedures;
            """,
            new { Analysis = TextAnalyzer.Number });
    }

    /// <summary>A word as it stands in the index.</summary>
    public static string Term(long scopeId, string word) => string.Create(CultureInfo.InvariantCulture, $"{scopeId}_{word}");

    /// <summary>Takes numbers for so many changes.</summary>
    /// <returns>The first of them.</returns>
    public static long NextChanges(SqliteConnection connection, int count) =>
        connection.ExecuteScalar<long>("update search_state set change = change + @Count returning change", new { Count = count }) - count + 1;

    /// <summary>Writes what is searched of some procedures, in statements for all of them: of one alone, a statement's preparation costs more than its work.</summary>
    private static void Write(SqliteConnection connection, List<string> ids)
    {
        var procedures = SqliteProcedureStore.Read(connection, ids);
        var requests = connection.Query<(string Id, string Request)>(SelectRequests, new { Ids = ids }).ToLookup(r => r.Id, r => r.Request, StringComparer.Ordinal);
        var known = connection.Query<string>("select procedure_id from search_documents where procedure_id in @Ids", new { Ids = ids }).ToHashSet(StringComparer.Ordinal);
        if (known.Count > 0)
        {
            connection.Execute(DeleteWords, new { Ids = known });
        }

        var change = NextChanges(connection, procedures.Count);
        var scopes = new Dictionary<string, long>(StringComparer.Ordinal);
        var documents = new List<object>(procedures.Count);
        foreach (var ofScope in procedures.GroupBy(p => p.Scope, StringComparer.Ordinal))
        {
            var added = ofScope.Count(p => !known.Contains(SqliteProcedureStore.Text(p.Id)));
            var scopeId = connection.ExecuteScalar<long>(
                "insert into search_scopes (scope, documents) values (@Scope, @Added) on conflict (scope) do update set documents = documents + excluded.documents returning id",
                new { Scope = ofScope.Key, Added = added });
            foreach (var procedure in ofScope)
            {
                var id = SqliteProcedureStore.Text(procedure.Id);
                var document = SearchDocument.Of(procedure, requests[id].Take(MaxRequests));
                documents.Add(new
                {
                    ProcedureId = id,
                    ScopeId = scopeId,
                    Name = Terms(scopeId, document.Name),
                    Description = Terms(scopeId, document.Description),
                    Tags = Terms(scopeId, document.Tags),
                    Requests = Terms(scopeId, document.Requests),
                    Actions = Terms(scopeId, document.ActionWords),
                    Inputs = Terms(scopeId, document.InputWords),
                    ActionNames = JsonSerializer.Serialize(document.Actions, Json.Stored),
                    Functions = JsonSerializer.Serialize(document.Functions, Json.Stored),
                    RequiredInputs = JsonSerializer.Serialize(document.RequiredInputs, Json.Stored),
                    VectorText = procedure.Description.Trim().Length > 0 ? procedure.Description.Trim() : procedure.Name,
                    VectorActions = SearchDocument.SplitActions(document.Actions),
                    Change = change++,
                });
            }
        }

        connection.Execute(UpsertDocument, documents);
        connection.Execute(InsertWords, new { Ids = procedures.Select(p => SqliteProcedureStore.Text(p.Id)) });
        if (known.Count > 0)
        {
            connection.Execute(DeleteStaleVectors, new { Ids = known });
        }
    }

    /// <summary>Stored words with the number of their scope before each; lines stay lines.</summary>
    private static string Terms(long scopeId, string words) => string.Join('\n', words.Split('\n').Select(line =>
        string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(w =>
        {
            var stem = w.TrimStart('~');
            return string.Concat(w.AsSpan(0, w.Length - stem.Length), Term(scopeId, stem));
        }))));

    /// <summary>The words without the number of their scope, which is the same for all of a document.</summary>
    public static string Words(long scopeId, string terms) => terms.Replace(string.Create(CultureInfo.InvariantCulture, $"{scopeId}_"), "", StringComparison.Ordinal);

    public static byte[] ToBlob(ReadOnlySpan<float> vector)
    {
        var blob = new byte[vector.Length * sizeof(float)];
        for (var i = 0; i < vector.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteSingleLittleEndian(blob.AsSpan(i * sizeof(float)), vector[i]);
        }

        return blob;
    }

    public static float[] FromBlob(byte[] blob)
    {
        var vector = new float[blob.Length / sizeof(float)];
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.Cast<byte, float>(blob).CopyTo(vector);
        }
        else
        {
            for (var i = 0; i < vector.Length; i++)
            {
                vector[i] = System.Buffers.Binary.BinaryPrimitives.ReadSingleLittleEndian(blob.AsSpan(i * sizeof(float)));
            }
        }

        return vector;
    }
}
