using System.Globalization;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string InsertMerge =
        """
        insert into merges (kept_id, merged, kept_tags, kept_wordings, at)
        values (@KeptId, @Merged, @KeptTags,
                (select coalesce(json_group_array(json_object('words', words, 'request', request, 'uses', uses, 'at', last_used_at)), '[]') from procedure_wordings where procedure_id = @KeptId),
                @At)
        """;

    // What was used since the merge says something of the procedure that was kept, and stays.
    private const string RestoreWordings =
        """
        delete from procedure_wordings where procedure_id = @KeptId and last_used_at <= @MergedAt;
        insert into procedure_wordings (procedure_id, words, request, uses, last_used_at)
        select @KeptId, value ->> 'words', value ->> 'request', value ->> 'uses', value ->> 'at' from json_each(@Wordings) where true
        on conflict (procedure_id, words) do nothing;
        """;

    private const string SetTags = "update procedures set tags = @Tags, updated_at = @At where id = @Id";

    /// <inheritdoc/>
    public Task MergeAsync(Guid keptId, IReadOnlyList<Guid> mergedIds, DateTimeOffset at, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(mergedIds);
        return ChangeAsync(
            connection =>
            {
                var kept = RowOf(connection, keptId);
                var merged = mergedIds.Select(id => RowOf(connection, id)).ToList();
                List<ProcedureRow> all = [kept, .. merged];
                if (all.Find(r => r.Retired != 0 || r.ActiveVersion is null || r.QuarantinedAt is not null) is { } unusable)
                {
                    throw new ProcedureConflictException(unusable.Name, $"'{unusable.Name}' is {(unusable.Retired != 0 ? "retired" : unusable.ActiveVersion is null ? "a draft" : "in quarantine")}. Release it, or activate a version of it before merging.");
                }

                var tags = all.SelectMany(r => ToTags(r.Tags)).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
                if (tags.Count > ProcedureValidator.MaxTags)
                {
                    throw new ProcedureConflictException(kept.Name, string.Create(CultureInfo.InvariantCulture, $"Together these procedures have {tags.Count} tags; {ProcedureValidator.MaxTags} are the most. Merge fewer at a time."));
                }

                connection.Execute(InsertMerge, new { KeptId = kept.Id, Merged = JsonSerializer.Serialize(merged.Select(r => r.Id), Json.Stored), KeptTags = kept.Tags, At = Text(at) });
                CopyWordingsTo(connection, kept.Id, [.. merged.Select(r => r.Id)]);
                connection.Execute(SetTags, new { kept.Id, Tags = Text(tags), At = Text(at) });
                foreach (var row in merged)
                {
                    connection.Execute("update procedures set retired = 1, merged_into = @KeptId, updated_at = @At where id = @Id", new { row.Id, KeptId = kept.Id, At = Text(at) });
                    AddRevision(connection, row.Id, (int?)row.ActiveVersion, new RevisionNote { Kind = RevisionKind.Merged, Reason = "into another procedure, which does the same more efficiently", Evidence = Naming(kept) }, Text(at));
                    AddRevision(connection, kept.Id, (int?)kept.ActiveVersion, new RevisionNote { Kind = RevisionKind.Merged, Reason = "another procedure into it", Evidence = Naming(row) }, Text(at));
                }

                return merged.Count;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> UnmergeAsync(Guid keptId, Guid? mergedId, DateTimeOffset at, CancellationToken cancellationToken = default) => ChangeAsync<IReadOnlyList<string>>(
        connection => mergedId is null ? UnmergeLast(connection, keptId, at) ?? [] : UnmergeDownTo(connection, keptId, Text(mergedId.Value), at),
        cancellationToken);

    /// <summary>Each merge says how the one that was kept stood before it, so they are taken back in the order in which they were made, the last one first.</summary>
    private static List<string> UnmergeDownTo(SqliteConnection connection, Guid keptId, string mergedId, DateTimeOffset at)
    {
        var back = new List<string>();
        while (connection.ExecuteScalar<long>("select count(*) from merges m, json_each(m.merged) e where m.kept_id = @KeptId and e.value = @MergedId", new { KeptId = Text(keptId), MergedId = mergedId }) > 0)
        {
            back.AddRange(UnmergeLast(connection, keptId, at)!);
        }

        return back;
    }

    private static List<string>? UnmergeLast(SqliteConnection connection, Guid keptId, DateTimeOffset at)
    {
        var last = connection.QueryFirstOrDefault<MergeRow>(
            "select id as Id, merged as Merged, kept_tags as KeptTags, kept_wordings as KeptWordings, at as At from merges where kept_id = @KeptId order by id desc limit 1", new { KeptId = Text(keptId) });
        if (last is null)
        {
            return null;
        }

        var kept = RowOf(connection, keptId);
        var merged = JsonSerializer.Deserialize<List<string>>(last.Merged, Json.Stored)!.Select(id => RowOf(connection, ToId(id))).ToList();

        // Labels that came since the merge stay, too.
        var (before, came) = (ToTags(last.KeptTags), merged.SelectMany(r => ToTags(r.Tags)).ToHashSet(StringComparer.OrdinalIgnoreCase));
        var tags = before.Concat(ToTags(kept.Tags).Where(t => !came.Contains(t))).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        connection.Execute(SetTags, new { kept.Id, Tags = Text(tags), At = Text(at) });
        connection.Execute(RestoreWordings, new { KeptId = kept.Id, MergedAt = last.At, Wordings = last.KeptWordings });
        connection.Execute("delete from merges where id = @Id", new { last.Id });

        // One that was taken back into use since is in use already.
        var back = merged.Where(r => r.Retired != 0 && r.MergedInto == kept.Id).ToList();
        foreach (var row in back)
        {
            connection.Execute("update procedures set retired = 0, merged_into = null, updated_at = @At where id = @Id", new { row.Id, At = Text(at) });
            AddRevision(connection, row.Id, (int?)row.ActiveVersion, new RevisionNote { Kind = RevisionKind.Unmerged, Reason = "out of the other procedure again", Evidence = Naming(kept) }, Text(at));
            AddRevision(connection, kept.Id, (int?)kept.ActiveVersion, new RevisionNote { Kind = RevisionKind.Unmerged, Reason = "the other one is a procedure of its own again", Evidence = Naming(row) }, Text(at));
        }

        return [.. back.Select(r => r.Name)];
    }

    /// <summary>Takes back all merges that some procedures have part in: what one of them has of the other is not to stay when it is erased, nor is one to stay out of use for the sake of what is not there any more.</summary>
    private static void UnmergeAll(SqliteConnection connection, IReadOnlyList<string> ids, DateTimeOffset at)
    {
        foreach (var id in ids)
        {
            while (UnmergeLast(connection, ToId(id), at) is not null)
            {
            }

            foreach (var keptId in connection.Query<string>("select distinct m.kept_id from merges m, json_each(m.merged) e where e.value = @Id", new { Id = id }).ToList())
            {
                UnmergeDownTo(connection, ToId(keptId), id, at);
            }
        }
    }

    // By its identity: a name would outlive what bears it.
    private static JsonElement Naming(ProcedureRow other) => Json.Build(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("procedure", other.Id);
        writer.WriteEndObject();
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<Procedure>> ListMergedAsync(Guid keptId, CancellationToken cancellationToken = default) => _database.ReadAsync<IReadOnlyList<Procedure>>(
        connection => Assemble(connection, connection.Query<ProcedureRow>($"{SelectProcedures} where merged_into = @KeptId order by name", new { KeptId = Text(keptId) }).AsList(), version: null),
        cancellationToken);

    private static ProcedureRow RowOf(SqliteConnection connection, Guid id) => connection.QuerySingleOrDefault<ProcedureRow>($"{SelectProcedures} where id = @Id", new { Id = Text(id) })
        ?? throw new ProcedureNotFoundException(Text(id), []);

    private sealed class MergeRow
    {
        public long Id { get; init; }
        public required string Merged { get; init; }
        public required string KeptTags { get; init; }
        public required string KeptWordings { get; init; }
        public required string At { get; init; }
    }
}
