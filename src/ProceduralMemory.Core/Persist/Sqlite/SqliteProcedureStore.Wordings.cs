using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Persist.Sqlite;

public sealed partial class SqliteProcedureStore
{
    private const string CopyWordings =
        """
        insert into procedure_wordings (procedure_id, words, request, uses, last_used_at)
        select @KeptId, words, request, uses, last_used_at from procedure_wordings where procedure_id in @MergedIds
        on conflict (procedure_id, words) do update set uses = uses + excluded.uses, last_used_at = max(last_used_at, excluded.last_used_at)
        """;

    private const string AddWording =
        "insert into procedure_wordings (procedure_id, words, request, last_used_at) values (@KeptId, @Words, @Request, @At) on conflict (procedure_id, words) do nothing";

    /// <summary>Lets a procedure be found by what others were asked for and recorded for, which are merged into it. These keep theirs, in case they are used again.</summary>
    private static void CopyWordingsTo(SqliteConnection connection, string keptId, IReadOnlyList<string> mergedIds)
    {
        connection.Execute(CopyWordings, new { KeptId = keptId, MergedIds = mergedIds });
        connection.Execute(AddWording, SearchIndexWriter.RecordedRequests(connection, mergedIds)
            .Select(r => (r.Request, r.At, Words: SearchDocument.WordingOf(r.Request)))
            .Where(r => r.Words.Length > 0)
            .Select(r => new { KeptId = keptId, r.Words, r.Request, r.At }));
        connection.Execute(DeleteSurplusWordings, new { ProcedureId = keptId, Most = SearchDocument.MaxWordings });
    }
}
