using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>Writes what is searched of procedures into <c>search_documents</c> and its index of words.</summary>
internal static class SearchIndexWriter
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
        set scope_id = excluded.scope_id, name = excluded.name, description = excluded.description, tags = excluded.tags, requests = excluded.requests, actions = excluded.actions,
            inputs = excluded.inputs, action_names = excluded.action_names, functions = excluded.functions, required_inputs = excluded.required_inputs,
            change = iif(vector_text = excluded.vector_text and vector_actions = excluded.vector_actions and scope_id = excluded.scope_id, change, excluded.change),
            vector_text = excluded.vector_text, vector_actions = excluded.vector_actions
        """;

    private const string InsertWords = $"insert into search_index (rowid, {Columns}) select id, {Columns} from search_documents where procedure_id in @Ids";

    // A vector belongs to a text: where the text is another now, the vector goes.
    private const string DeleteStaleVectors =
        """
        delete from procedure_vectors
        where procedure_id in @Ids and text_change <> (select d.change from search_documents d where d.procedure_id = procedure_vectors.procedure_id)
        """;

    /// <summary>The requests that the versions of some procedures, as they are shown, were recorded for.</summary>
    private const string Recorded =
        """
        with shown (id, version) as (
            select p.id, coalesce(p.active_version, (select max(v.version) from procedure_versions v where v.procedure_id = p.id)) from procedures p where p.id in @Ids),
        recorded (id, request, at) as (
            select s.id, t.request, t.started_at
            from shown s join version_traces v on v.procedure_id = s.id and v.version = s.version join traces t on t.id = v.trace_id
            where t.request is not null
            union all
            select s.id, v.request, v.created_at
            from shown s join procedure_versions v on v.procedure_id = s.id and v.version = s.version
            where v.request is not null and v.trace_id is null)
        """;

    /// <summary>
    /// The requests that led to each of some procedures: the latest that it was recorded for, which stays however many wordings there are, then those of replays, then the
    /// others that it was recorded for.
    /// </summary>
    private const string SelectRequests =
        $"""
        {Recorded}
        select id, request from (
            select procedure_id as id, request, last_used_at as at, 1 as place from procedure_wordings where procedure_id in @Ids
            union all
            select id, request, at, iif(row_number() over (partition by id order by at desc) = 1, 0, 2) from recorded)
        order by id, place, at desc
        """;

    private const int MaxRequests = 60;

    /// <summary>The requests that some procedures were recorded for, and when.</summary>
    public static List<(string Request, string At)> RecordedRequests(SqliteConnection connection, IEnumerable<string> ids) =>
        connection.Query<(string Request, string At)>($"{Recorded} select request, at from recorded", new { Ids = ids }).AsList();

    /// <summary>
    /// Writes what is searched of some procedures, in statements for all of them: of one alone, a statement's preparation costs more than its work. One that cannot be read
    /// gets no words, so that it is in nobody's way.
    /// </summary>
    public static void Write(SqliteConnection connection, IReadOnlyList<string> ids)
    {
        var requests = connection.Query<(string Id, string Request)>(SelectRequests, new { Ids = ids }).ToLookup(r => r.Id, r => r.Request, StringComparer.Ordinal);
        var analysed = SqliteProcedureStore.ReadWhatCanBeRead(connection, ids)
            .Select(p => Analyse(p, requests[SqliteProcedureStore.Text(p.Id)].Take(MaxRequests)))
            .OfType<(Procedure Procedure, SearchDocument Document)>()
            .ToDictionary(a => SqliteProcedureStore.Text(a.Procedure.Id), StringComparer.Ordinal);
        // The words of an empty index are those of the present analysis from now on.
        connection.Execute("update search_state set analysis = @Analysis where analysis <> @Analysis and not exists (select 1 from search_documents)", new { Analysis = TextAnalyzer.Number });
        var known = connection
            .Query<(string Id, string Scope)>("select d.procedure_id, s.scope from search_documents d join search_scopes s on s.id = d.scope_id where d.procedure_id in @Ids", new { Ids = ids })
            .ToDictionary(d => d.Id, d => d.Scope, StringComparer.Ordinal);
        if (known.Count > 0)
        {
            connection.Execute(DeleteWords, new { Ids = known.Keys });
        }

        var there = connection.Query<(string Id, string Scope)>("select id, scope from procedures where id in @Ids", new { Ids = ids }).AsList();
        var change = SearchIndex.NextChanges(connection, there.Count);
        var documents = new List<object>(there.Count);
        foreach (var left in there.Where(p => known.TryGetValue(p.Id, out var before) && before != p.Scope).CountBy(p => known[p.Id], StringComparer.Ordinal))
        {
            connection.Execute("update search_scopes set documents = documents - @Value where scope = @Key", new { left.Key, left.Value });
        }

        foreach (var ofScope in there.GroupBy(p => p.Scope, p => p.Id, StringComparer.Ordinal))
        {
            var added = ofScope.Count(id => known.GetValueOrDefault(id) != ofScope.Key);
            var scopeId = connection.ExecuteScalar<long>(
                "insert into search_scopes (scope, documents) values (@Scope, @Added) on conflict (scope) do update set documents = documents + excluded.documents returning id",
                new { Scope = ofScope.Key, Added = added });
            foreach (var id in ofScope)
            {
                documents.Add(analysed.TryGetValue(id, out var a) ? Row(id, scopeId, change, a.Procedure, a.Document) : UnreadableRow(id, scopeId, change));
                change++;
            }
        }

        connection.Execute(UpsertDocument, documents);
        connection.Execute(InsertWords, new { Ids = there.Select(p => p.Id) });
        if (known.Count > 0)
        {
            connection.Execute(DeleteStaleVectors, new { Ids = known.Keys });
        }
    }

    private static (Procedure Procedure, SearchDocument Document)? Analyse(Procedure procedure, IEnumerable<string> requests)
    {
        try
        {
            return (procedure, SearchDocument.Of(procedure, requests));
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // A document that is JSON and no procedure: a step that is null, say.
            return null;
        }
    }

    private static object Row(string id, long scopeId, long change, Procedure procedure, SearchDocument document) => new
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
        Change = change,
    };

    private static object UnreadableRow(string id, long scopeId, long change) => new
    {
        ProcedureId = id,
        ScopeId = scopeId,
        Name = SearchIndex.Term(scopeId, SearchIndex.UnreadableWord),
        Description = "",
        Tags = "",
        Requests = "",
        Actions = "",
        Inputs = "",
        ActionNames = "[]",
        Functions = "[]",
        RequiredInputs = "[]",
        VectorText = "",
        VectorActions = "",
        Change = change,
    };

    /// <summary>Stored words with the number of their scope before each; lines stay lines.</summary>
    private static string Terms(long scopeId, string words) => string.Join('\n', words.Split('\n').Select(line =>
        string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(w =>
        {
            var stem = w.TrimStart('~');
            return string.Concat(w.AsSpan(0, w.Length - stem.Length), SearchIndex.Term(scopeId, stem));
        }))));
}
