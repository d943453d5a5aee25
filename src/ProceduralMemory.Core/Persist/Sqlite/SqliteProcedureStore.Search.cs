using System.Collections.Concurrent;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore : IProcedureSearch
{
    // FTS5 takes words in any number, but each costs; the rarest tell the most.
    private const int MaxTerms = 64;

    private const string WhereMatches = "from search_index where search_index match @Match and (@Among is null or rowid in (select value from json_each(@Among)))";

    private const string StateOfProcedure = "case when p.retired then 'retired' when p.active_version is null then 'draft' when p.quarantined_at is not null then 'quarantined' else 'active' end";

    private const string AndHasState =
        $"and exists (select 1 from search_documents d join procedures p on p.id = d.procedure_id where d.id = search_index.rowid and {StateOfProcedure} in @States)";

    // The order of the columns of the index. It only chooses candidates, which are then ranked with more care.
    private const string OrderBest = "order by bm25(search_index, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5), rowid limit @Limit";

    private const string OrderNewest = "order by rowid desc limit @Limit";

    private const string SelectCandidates =
        """
        select d.id as Row, p.id as Id, p.scope as Scope, p.name as Name, p.tags as Tags, p.active_version as ActiveVersion, p.retired as Retired, p.quarantined_at as QuarantinedAt, d.scope_id as ScopeId,
               d.name as NameWords, d.description as DescriptionWords, d.tags as TagWords, d.requests as Requests, d.actions as ActionWords, d.inputs as InputWords,
               d.action_names as Actions, d.functions as Functions, d.required_inputs as RequiredInputs,
               v.successes as Successes, v.failures as Failures, v.last_executed_at as LastExecutedAt, m.name as MergedInto
        from search_documents d
        join procedures p on p.id = d.procedure_id
        left join procedures m on m.id = p.merged_into
        left join procedure_versions v on v.procedure_id = p.id and v.version = p.active_version
        """;

    private const int VectorsInPart = 4096;

    private const string SelectEndOfPart =
        """
        select min(
            coalesce((select change from procedure_vectors where scope_id = @ScopeId and model = @Model and change > @Since order by change limit 1 offset @VectorsInPart), @Latest),
            coalesce((select change from search_documents where scope_id = @ScopeId and change > @Since order by change limit 1 offset @VectorsInPart), @Latest))
        """;

    private const string SelectVectors =
        "select procedure_id, text_change, dimensions, vector from procedure_vectors where scope_id = @ScopeId and model = @Model and change > @Since and change <= @Change order by change";

    private const string SelectTexts = "select d.procedure_id as Id, d.change as Change, d.vector_text as Text, d.vector_actions as Actions from search_documents d";

    private const string SelectTextsWithoutVector =
        $"""
        {SelectTexts}
        where d.scope_id = @ScopeId and d.change > @Since and d.change <= @Change and d.vector_text <> ''
          and not exists (select 1 from procedure_vectors v where v.procedure_id = d.procedure_id and v.model = @Model)
        """;

    // SQLite counts a word by going through all that have it: 45 ns each. The counts of common words are remembered while no more than a hundredth of them can have changed,
    // which moves the logarithm that is taken of them by a hundredth at most.
    private const long LeastToRemember = 5_000;

    private readonly ConcurrentDictionary<string, (long Count, long Change)> _commonTerms = new(StringComparer.Ordinal);
    private volatile bool _indexIsChecked;

    // Whether it was made anew and no search has said so yet: it may be the vectors that come upon it.
    private volatile bool _indexWasRebuilt;

    /// <inheritdoc/>
    public async Task<SearchCandidates> SearchAsync(SearchQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        var state = await BringIndexUpAsync(cancellationToken).ConfigureAwait(false);
        if (state is IndexState.Unusable)
        {
            return Unusable();
        }

        SearchCandidates? found = null;
        try
        {
            found = await _database.ReadAsync(connection => Search(connection, query, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (ProcedureStoreException exception) when (IsDamage(exception) && state is not IndexState.Rebuilt)
        {
            // What is damaged may be the index alone, and that can be made anew. Where it is more than that, this fails as well.
        }

        if (found is null)
        {
            if (_database.IsReadOnly)
            {
                return Unusable();
            }

            await RebuildIndexAsync(cancellationToken).ConfigureAwait(false);
            _indexWasRebuilt = true;
            found = await _database.ReadAsync(connection => Search(connection, query, cancellationToken), cancellationToken).ConfigureAwait(false)
                ?? throw new ProcedureStoreException(StoreFault.Corrupt, "The index of words does not agree with the procedures, though it was made anew. Restore a backup; 'pragma integrity_check' tells what is wrong.");
        }

        var said = _indexWasRebuilt;
        _indexWasRebuilt = false;
        return found with { IndexWasRebuilt = said };

        static SearchCandidates Unusable() => new([], 0, new Dictionary<string, long>(), [], IndexWasRebuilt: false, NotIndexed: 0) { IndexIsUnusable = true };
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Procedure>> ReadProceduresAsync(IReadOnlyList<string> scopes, IReadOnlyList<Guid> ids, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Procedure>>(
        connection =>
        {
            // The plus keeps SQLite from going through whole scopes in order to find a few procedures by their ids.
            var rows = connection.Query<ProcedureRow>($"{SelectProcedures} where id in @Ids and +scope in @Scopes", new { Ids = ids.Select(Text), Scopes = scopes }).ToDictionary(r => r.Id, StringComparer.Ordinal);
            return AssembleWhatCanBeRead(connection, [.. ids.Select(Text).Where(rows.ContainsKey).Select(id => rows[id])]);
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlySet<Guid>> ListIdsAsync(IReadOnlyList<string> scopes, IReadOnlyCollection<VersionState> states, IReadOnlyList<string> tags, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlySet<Guid>>(
        connection => connection
            .Query<(string Id, string Tags)>($"select p.id, p.tags from procedures p where p.scope in @Scopes and {StateOfProcedure} in @States", new { Scopes = scopes, States = states.Select(Text) }, buffered: false)
            .Where(p => tags.Count == 0 || HasAll(p.Tags, tags))
            .Select(p => ToId(p.Id))
            .ToHashSet(),
        cancellationToken);

    /// <inheritdoc/>
    public async Task<int> RebuildIndexAsync(CancellationToken cancellationToken = default)
    {
        await _database.WriteAsync(
            connection =>
            {
                SearchIndex.Clear(connection);
                return 0;
            },
            cancellationToken).ConfigureAwait(false);
        return await DrainAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<VectorChanges> ReadVectorsAsync(string scope, string model, long sinceChange, CancellationToken cancellationToken = default)
    {
        await BringIndexUpAsync(cancellationToken).ConfigureAwait(false);
        return await _database.ReadAsync(
            connection =>
            {
                var latest = connection.ExecuteScalar<long>("select change from search_state");
                if (latest == sinceChange || connection.QuerySingleOrDefault<long?>("select id from search_scopes where scope = @Scope", new { Scope = scope }) is not { } scopeId)
                {
                    return new VectorChanges(latest, [], []);
                }

                // No more is held at once than a part, beside what the caller keeps of the parts before.
                var change = connection.ExecuteScalar<long>(SelectEndOfPart, new { ScopeId = scopeId, Model = model, Since = sinceChange, Latest = latest, VectorsInPart });
                var parameters = new { ScopeId = scopeId, Model = model, Since = sinceChange, Change = change };
                var whole = new List<ProcedureVector>();
                var broken = new List<string>();
                foreach (var (id, textChange, dimensions, blob) in connection.Query<(string Id, long TextChange, long Dimensions, byte[] Vector)>(SelectVectors, parameters, buffered: false))
                {
                    var vector = new ProcedureVector(ToId(id), textChange, VectorBlob.Read(blob));
                    if (blob.Length == dimensions * sizeof(float) && vector.IsWhole)
                    {
                        whole.Add(vector);
                    }
                    else
                    {
                        broken.Add(id);
                    }
                }

                var texts = connection.Query<TextRow>(SelectTextsWithoutVector, parameters)
                    .Concat(broken.Count == 0 ? [] : connection.Query<TextRow>($"{SelectTexts} where d.procedure_id in @Ids and d.vector_text <> ''", new { Ids = broken }));
                return new VectorChanges(change, whole, [.. texts.Select(t => new VectorText(ToId(t.Id), t.Change, t.Text, t.Actions))])
                {
                    HasMore = change < latest,
                };
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task WriteVectorsAsync(string model, IReadOnlyList<ProcedureVector> vectors, CancellationToken cancellationToken = default) => _database.WriteAsync(
        connection =>
        {
            var change = SearchIndex.NextChanges(connection, vectors.Count);
            return connection.Execute(
                """
                insert into procedure_vectors (procedure_id, model, scope_id, dimensions, vector, text_change, change)
                select procedure_id, @Model, scope_id, @Dimensions, @Vector, change, @Change from search_documents where procedure_id = @ProcedureId and change = @TextChange
                on conflict (procedure_id, model) do update
                set dimensions = excluded.dimensions, vector = excluded.vector, text_change = excluded.text_change, change = excluded.change
                """,
                vectors.Select(v => new
                {
                    ProcedureId = Text(v.ProcedureId),
                    Model = model,
                    Dimensions = v.Vector.Length,
                    Vector = VectorBlob.Of(v.Vector.Span),
                    TextChange = v.Change,
                    Change = change++,
                }));
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task DeleteVectorsExceptAsync(IReadOnlyList<string> scopes, string model, CancellationToken cancellationToken = default) => _database.WriteAsync(
        connection => connection.Execute(
            "delete from procedure_vectors where model <> @Model and scope_id in (select id from search_scopes where scope in @Scopes)", new { Model = model, Scopes = scopes }),
        cancellationToken);

    /// <summary>Takes what is queued into the index; once for each store, sees whether it is whole, and makes it anew where it is not.</summary>
    private async Task<IndexState> BringIndexUpAsync(CancellationToken cancellationToken)
    {
        var isChecked = _indexIsChecked;
        if (isChecked && _database.IsReadOnly)
        {
            return IndexState.Whole;
        }

        var (isQueued, isComplete) = (false, false);
        try
        {
            (isQueued, isComplete) = await _database.ReadAsync(
                connection => (connection.ExecuteScalar<long>("select exists (select 1 from search_queue)") != 0, isChecked || SearchIndex.IsComplete(connection)), cancellationToken).ConfigureAwait(false);
        }
        catch (ProcedureStoreException exception) when (IsDamage(exception))
        {
            // Nor is it complete, then.
        }

        if (_database.IsReadOnly)
        {
            _indexIsChecked = isComplete;
            return isComplete ? IndexState.Whole : IndexState.Unusable;
        }

        if (isComplete && isQueued)
        {
            try
            {
                await DrainAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (ProcedureStoreException exception) when (IsDamage(exception))
            {
                isComplete = false;
            }
            catch (ProcedureStoreException)
            {
                // What is in the index can be searched; what is not is counted and said.
            }
        }

        if (!isComplete)
        {
            await RebuildIndexAsync(cancellationToken).ConfigureAwait(false);
            _indexWasRebuilt = true;
        }

        _indexIsChecked = true;
        return isComplete ? IndexState.Whole : IndexState.Rebuilt;
    }

    /// <summary>Whether a fault may be one of the index, which can be made anew. A disk that is full or fails is none, and writing more would not mend it.</summary>
    private static bool IsDamage(ProcedureStoreException exception)
    {
        const int Error = 1, Schema = 17;
        return exception.Fault is StoreFault.Corrupt || (exception.Fault is StoreFault.Failed && exception.InnerException is SqliteException { SqliteErrorCode: Error or Schema });
    }

    private async Task<int> DrainAsync(CancellationToken cancellationToken)
    {
        // A batch at a time, so that other writers are not kept waiting.
        const int Batch = 500;
        var total = 0;
        int taken;
        do
        {
            taken = await _database.WriteAsync(connection => SearchIndex.Drain(connection, Batch), cancellationToken).ConfigureAwait(false);
            total += taken;
        }
        while (taken == Batch);
        return total;
    }

    /// <returns><see langword="null"/> where the index names rows that are not there.</returns>
    private SearchCandidates? Search(SqliteConnection connection, SearchQuery query, CancellationToken cancellationToken)
    {
        var scopes = connection.Query<(long Id, long Documents)>("select id, documents from search_scopes where scope in @Scopes", new { query.Scopes }).AsList();
        var counts = query.Words.ToDictionary(w => w, _ => 0L, StringComparer.Ordinal);
        var terms = new List<(string Term, long Count, bool IsCommon)>();
        foreach (var (term, word, count) in CountTerms(connection, query, scopes.Select(s => s.Id)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            counts[word] += count;
            terms.Add((term, count, query.CommonWords.Contains(word)));
        }

        var rows = SelectRows(connection, query, terms, RowsWithTags(connection, query, scopes.Select(s => s.Id)));

        cancellationToken.ThrowIfCancellationRequested();

        // The plus keeps SQLite from going through whole scopes here too.
        var found = connection
            .Query<CandidateRow>($"{SelectCandidates} where d.id in @Rows or (d.procedure_id in @Also and +d.scope_id in @ScopeIds and d.vector_text <> '')", new { Rows = rows, Also = query.Also.Select(Text), ScopeIds = scopes.Select(s => s.Id) })
            .AsList();
        cancellationToken.ThrowIfCancellationRequested();
        var brought = rows.ToHashSet();
        if (found.Count(r => brought.Contains(r.Row)) < brought.Count)
        {
            return null;
        }

        var candidates = found.ConvertAll(r => r.ToCandidate());
        IEnumerable<Namesake> namesakes = query.Scopes.Count < 2
            ? []
            : connection
                .Query<(string Id, string Scope, string Name, string State)>(
                    $"select p.id, p.scope, p.name, {StateOfProcedure} from procedures p where p.scope in @Scopes and p.name in @Names",
                    new { query.Scopes, Names = candidates.Select(c => c.Name).Distinct(StringComparer.Ordinal) })
                .Select(n => new Namesake(ToId(n.Id), n.Scope, n.Name, ToEnum<VersionState>(n.State)));

        // From the queue, which is short or empty, to the procedures: left to choose, SQLite goes through all procedures.
        var notIndexed = connection.ExecuteScalar<long>("select count(*) from (select 1 from search_queue q cross join procedures p on p.id = q.procedure_id where p.scope in @Scopes limit @Most)", new { query.Scopes, Most = SearchCandidates.MostNotIndexed });
        var unreadable = scopes.Sum(s => connection.ExecuteScalar<long>("select doc from search_words where term = @Term", new { Term = SearchIndex.Term(s.Id, SearchIndex.UnreadableWord) }));
        return new SearchCandidates(candidates, scopes.Sum(s => s.Documents), counts, [.. namesakes], IndexWasRebuilt: false, (int)notIndexed) { Unreadable = (int)unreadable };
    }

    /// <summary>How many procedures have each word of the request, of those words that any has.</summary>
    private IEnumerable<(string Term, string Word, long Count)> CountTerms(SqliteConnection connection, SearchQuery query, IEnumerable<long> scopeIds)
    {
        var change = connection.ExecuteScalar<long>("select change from search_state");
        using var command = connection.CreateCommand();
        command.CommandText = "select doc from search_words where term = @Term";
        var parameter = command.Parameters.Add("@Term", SqliteType.Text);
        foreach (var scopeId in scopeIds)
        {
            foreach (var word in query.Words.Where(w => w != SearchIndex.UnreadableWord))
            {
                var term = SearchIndex.Term(scopeId, word);
                if (_commonTerms.TryGetValue(term, out var known) && change >= known.Change && change - known.Change <= known.Count / 100)
                {
                    yield return (term, word, known.Count);
                    continue;
                }

                parameter.Value = term;
                if (command.ExecuteScalar() is long count)
                {
                    if (count >= LeastToRemember)
                    {
                        _commonTerms[term] = (count, change);
                    }

                    yield return (term, word, count);
                }
            }
        }
    }

    /// <summary>The rows that have words of the request. Reading an entry of the index takes about a microsecond, so common words are looked up only while they fit the budget.</summary>
    private static List<long> SelectRows(SqliteConnection connection, SearchQuery query, List<(string Term, long Count, bool IsCommon)> terms, string? among)
    {
        terms.RemoveAll(t => t.IsCommon);
        terms.Sort((a, b) => a.Count != b.Count ? a.Count.CompareTo(b.Count) : string.CompareOrdinal(a.Term, b.Term));
        long spent = 0;
        var rare = terms.TakeWhile(t => (spent += t.Count) <= query.Budget).Take(MaxTerms).Select(t => t.Term).ToList();
        var rows = rare.Count == 0 ? [] : Rows(OrderBest, string.Join(" OR ", rare.Select(Quoted)));
        var left = terms.Skip(rare.Count).Select(t => Quoted(t.Term)).ToList();
        if (rows.Count == query.Limit || left.Count == 0)
        {
            return rows;
        }

        // What is rare may be a value, such as a name, and what is asked for may stand in words that are common here: those that have the two rarest of these together
        // are candidates too, and if there are no others at all, the newest that have the rarest.
        if (left.Count > 1)
        {
            rows = [.. rows.Union(Rows(OrderNewest, string.Join(" AND ", left.Take(2)))).Take(query.Limit)];
        }

        return rows.Count > 0 ? rows : Rows(OrderNewest, left[0]);

        List<long> Rows(string order, string match) => connection
            .Query<long>($"select rowid {WhereMatches} {(query.States is null ? "" : AndHasState)} {order}", new { Match = match, query.Limit, Among = among, States = query.States?.Select(Text) })
            .AsList();
    }

    private static string Quoted(string term) => $"\"{term.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>The rows of procedures that have all of some labels, as a JSON list; <see langword="null"/> where none are asked for. Case is compared as everywhere else, which SQLite cannot.</summary>
    private static string? RowsWithTags(SqliteConnection connection, SearchQuery query, IEnumerable<long> scopes) => query.Tags.Count == 0
        ? null
        : JsonSerializer.Serialize(connection
            .Query<(long Row, string Tags)>(
                "select d.id, p.tags from search_documents d join procedures p on p.id = d.procedure_id where d.scope_id in @Scopes and p.tags <> '[]'", new { Scopes = scopes }, buffered: false)
            .Where(p => HasAll(p.Tags, query.Tags))
            .Select(p => p.Row));

    private static bool HasAll(string stored, IReadOnlyList<string> tags) => ToTags(stored) is var present && tags.All(t => present.Contains(t, StringComparer.OrdinalIgnoreCase));

    private enum IndexState
    {
        Whole,
        Rebuilt,

        /// <summary>It does not agree with the procedures, and may not be written.</summary>
        Unusable,
    }

    private sealed class TextRow
    {
        public required string Id { get; init; }
        public long Change { get; init; }
        public required string Text { get; init; }
        public required string Actions { get; init; }
    }

    private sealed class CandidateRow
    {
        public long Row { get; init; }
        public required string Id { get; init; }
        public required string Scope { get; init; }
        public required string Name { get; init; }
        public required string Tags { get; init; }
        public long? ActiveVersion { get; init; }
        public long Retired { get; init; }
        public string? QuarantinedAt { get; init; }
        public string? MergedInto { get; init; }
        public long ScopeId { get; init; }
        public required string NameWords { get; init; }
        public required string DescriptionWords { get; init; }
        public required string TagWords { get; init; }
        public required string Requests { get; init; }
        public required string ActionWords { get; init; }
        public required string InputWords { get; init; }
        public required string Actions { get; init; }
        public required string Functions { get; init; }
        public required string RequiredInputs { get; init; }
        public long? Successes { get; init; }
        public long? Failures { get; init; }
        public string? LastExecutedAt { get; init; }

        public SearchCandidate ToCandidate() => new()
        {
            Id = ToId(Id),
            Scope = Scope,
            Name = Name,
            Tags = ToTags(Tags),
            MergedInto = MergedInto,
            State = Retired != 0 ? VersionState.Retired : ActiveVersion is null ? VersionState.Draft : QuarantinedAt is not null ? VersionState.Quarantined : VersionState.Active,
            Document = new SearchDocument
            {
                Name = SearchIndex.Words(ScopeId, NameWords),
                Description = SearchIndex.Words(ScopeId, DescriptionWords),
                Tags = SearchIndex.Words(ScopeId, TagWords),
                Requests = SearchIndex.Words(ScopeId, Requests),
                ActionWords = SearchIndex.Words(ScopeId, ActionWords),
                InputWords = SearchIndex.Words(ScopeId, InputWords),
                Actions = JsonSerializer.Deserialize<List<string>>(Actions, Json.Stored)!,
                Functions = JsonSerializer.Deserialize<List<string>>(Functions, Json.Stored)!,
                RequiredInputs = JsonSerializer.Deserialize<List<string>>(RequiredInputs, Json.Stored)!,
            },
            Successes = Successes ?? 0,
            Failures = Failures ?? 0,
            LastExecutedAt = ToTimeOrNull(LastExecutedAt),
        };
    }
}
