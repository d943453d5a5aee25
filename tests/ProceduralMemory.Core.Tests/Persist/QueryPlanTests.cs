using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;

namespace ProceduralMemory.Tests.Persist;

/// <summary>What the maintenance pass asks of each procedure, or of each part of a scope, costs the same however large the scope is.</summary>
public sealed class QueryPlanTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task A_part_of_the_procedures_of_a_scope_is_read_in_the_order_of_an_index()
    {
        var plan = await PlanAsync(SqliteProcedureStore.SelectActiveProcedures);

        Assert.Contains("SEARCH procedures USING INDEX procedures_by_scope (scope=? AND id>?)", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("TEMP B-TREE", plan, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_latest_executions_of_a_procedure_are_read_by_the_procedure()
    {
        var plan = await PlanAsync(SqliteProcedureStore.SelectExecutionsOf(new ExecutionQuery { ProcedureId = Guid.CreateVersion7(), Limit = 6 }));

        Assert.Contains("SEARCH e USING INDEX executions_by_procedure (procedure_id=?)", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("executions_by_scope", plan, StringComparison.Ordinal);
    }

    /// <summary>How SQLite goes about a query for one scope, as the library makes its file.</summary>
    private async Task<string> PlanAsync(string query)
    {
        await _test.Memory.ListAsync();
        return string.Join('\n', _test.Rows($"explain query plan {query.Replace("@Scopes", "('default')", StringComparison.Ordinal)}"));
    }
}
