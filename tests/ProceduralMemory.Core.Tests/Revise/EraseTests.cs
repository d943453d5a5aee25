using System.Text;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What is erased is gone from every file of the database, byte for byte, and nothing else is.</summary>
public sealed class EraseTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile(o =>
    {
        o.Approval = ApprovalPolicy.FirstUse;
        o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.ask"] = ApprovalPolicy.Always };
        o.EmbeddingGenerator = new Constant();
    });

    private readonly List<string> _planted = [];

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Of_a_scope_no_planted_value_is_left_in_any_file_and_another_scope_is_as_it_was()
    {
        using (Memory.BeginSession(new MemoryScope("bob")))
        {
            await PlantEverywhereAsync("bob", () => "kept");
        }

        var bob = RowsOf("bob");
        using (Memory.BeginSession(new MemoryScope("ada")))
        {
            await PlantEverywhereAsync("ada", Plant);
            while (_planted.Count < 100)
            {
                await Memory.StoreAsync(new() { Name = Plant(), Description = $"{Plant()} {Plant()}", Notes = Plant(), Tags = [Plant()], Steps = [new() { Action = $"t.{Plant()}", Notes = Plant() }] });
            }

            await Memory.FindAsync("anything to have vectors made");
        }

        Assert.True(_planted.Count >= 100);
        Assert.All(_planted, p => Assert.Contains(p, Bytes(), StringComparison.OrdinalIgnoreCase));

        var erased = await Memory.EraseScopeAsync("ada");

        Assert.Null(erased.Remainder);
        Assert.True(erased is { Procedures: > 10, Traces: > 1, Executions: > 2 }, erased.ToString());
        var bytes = Bytes();
        Assert.DoesNotContain(_planted, p => bytes.Contains(p, StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain("ada", await Memory.ListScopesAsync());
        Assert.Equal(bob, RowsOf("bob"));
        Assert.Equal("ok", _test.IntegrityCheck());
        using var session = Memory.BeginSession(new MemoryScope("bob"));
        Assert.NotEmpty((await Memory.FindAsync("kept kept kept", new() { MinimumScore = 0, States = Enum.GetValues<VersionState>() })).Matches);
        Assert.Empty((await Memory.FindAsync("kept")).Notes);
    }

    [Fact]
    public async Task Of_a_procedure_all_goes_that_is_its_own_and_what_others_replayed_of_it()
    {
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await PlantEverywhereAsync("team", Plant);
            await Memory.StoreAsync(new() { Name = "stays", Description = "Another one", Steps = [Given.Step("t.read") with { Effect = StepEffect.Read }] });
            await Memory.StoreAsync(new() { Name = "outer", Steps = [Given.Step("t.read") with { Effect = StepEffect.Read }, new() { Action = "task", Kind = StepKind.Procedure, Effect = StepEffect.Read }] });
        }

        using (Memory.BeginSession(new MemoryScope("ada", "team")))
        {
            await Memory.ReplayAsync(new ScriptedExecutor(), "stays", new() { Request = "of stays" });
        }

        using var session = Memory.BeginSession(new MemoryScope("team"));
        var erased = await Memory.EraseAsync("task");

        Assert.Equal(1, erased.Procedures);
        Assert.Null(erased.Remainder);
        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.GetAsync("task"));
        Assert.DoesNotContain(await Memory.ListExecutionsAsync(), e => e.ProcedureName == "task");
        Assert.Equal(ReplayOutcome.Refused, (await Memory.ReplayAsync(new ScriptedExecutor(), "outer")).Outcome);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(new ScriptedExecutor(), "stays")).Outcome);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task What_others_got_from_an_erased_procedure_inside_of_theirs_goes_as_well()
    {
        var (constant, result, deep) = (Plant(), Plant(), Plant());
        using (Memory.BeginSession(new MemoryScope("team")))
        {
            await Memory.StoreAsync(new() { Name = "inner", Steps = [Given.Step("t.read", $$"""{"a":"{{constant}}"}""") with { Effect = StepEffect.Read }] });
        }

        using (Memory.BeginSession(new MemoryScope("ada", "team")))
        {
            await Memory.StoreAsync(new() { Name = "middle", Steps = [new() { Action = "inner", Kind = StepKind.Procedure, Effect = StepEffect.Read }] });
            await Memory.StoreAsync(new() { Name = "outer", Steps = [new() { Action = "middle", Kind = StepKind.Procedure, Effect = StepEffect.Read }] });
            var done = await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.read", $$"""{"b":"{{result}}"}"""), "outer");
            Assert.True(done.Outcome is ReplayOutcome.Completed, done.Message);
            Assert.Equal(ReplayOutcome.Failed, (await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.read", deep), "outer")).Outcome);
        }

        Assert.All(_planted, p => Assert.Contains(p, Bytes(), StringComparison.OrdinalIgnoreCase));
        Assert.Null((await Memory.EraseScopeAsync("team")).Remainder);

        var bytes = Bytes();
        Assert.DoesNotContain(_planted, p => bytes.Contains(p, StringComparison.OrdinalIgnoreCase));
        using var session = Memory.BeginSession(new MemoryScope("ada"));
        Assert.Equal(2, (await Memory.ListExecutionsAsync()).Count(e => e.ProcedureName == "outer"));
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_merge_gave_to_another_procedure_goes_with_the_one_that_it_came_from(bool eraseMerged)
    {
        var (tag, words) = (Plant(), Plant());
        await Memory.StoreAsync(new() { Name = "kept", Description = "Send", Steps = [Given.Step("t.read") with { Effect = StepEffect.Read }] });
        await Memory.ReplayAsync(new ScriptedExecutor(), "kept");
        var merged = Plant();
        await Memory.StoreAsync(new() { Name = merged, Description = "Send", Tags = [tag], Steps = [Given.Step("t.read") with { Effect = StepEffect.Read }] });
        await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.read"), merged);
        await Memory.ReplayAsync(new ScriptedExecutor(), merged, new() { Request = $"Send {words} out" });
        Assert.Equal("kept", (await Memory.MergeAsync(["kept", merged])).Kept.Name);
        Assert.Contains(tag, (await Memory.GetAsync("kept")).Tags);

        if (eraseMerged)
        {
            await Memory.EraseAsync(merged);
            var bytes = Bytes();
            Assert.DoesNotContain(_planted, p => bytes.Contains(p, StringComparison.OrdinalIgnoreCase));
            Assert.Empty((await Memory.GetAsync("kept")).Tags);
        }
        else
        {
            await Memory.EraseAsync("kept", mayBeLearnedAgain: true);
            Assert.False((await Memory.GetAsync(merged)).IsRetired);
        }
    }

    [Fact]
    public async Task What_is_written_together_with_an_erasure_is_written()
    {
        await Memory.StoreAsync(new() { Name = "task", Steps = [Given.Step("t.a") with { Effect = StepEffect.Read }] });
        var writes = Enumerable.Range(0, 20).Select(i => Memory.StoreAsync(new() { Name = $"other {i}", Steps = [Given.Step("t.a")] })).ToList();
        var replays = Enumerable.Range(0, 20).Select(_ => Task.Run(() => Memory.ReplayAsync(new ScriptedExecutor(), "task"))).ToList();
        var erased = Memory.EraseAsync("task");

        await Task.WhenAll(writes);
        Assert.Equal(1, (await erased).Procedures);
        foreach (var replay in replays)
        {
            // Of a replay that was under way its own writes fail, and those alone.
            await Task.WhenAny(replay);
            Assert.True(replay.IsCompletedSuccessfully || replay.Exception!.InnerException is ProceduralMemoryException, replay.Exception?.ToString());
        }

        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_recording_in_progress_there_cannot_be_finalized_and_says_so()
    {
        using var session = Memory.BeginSession(new MemoryScope("ada"));
        var recording = await Memory.StartRecordingAsync(new() { Name = "task" });
        await recording.RecordStepAsync(new TraceStep { Action = "t.a" });

        await Memory.EraseScopeAsync("ada");

        await Assert.ThrowsAsync<RecordingStateException>(() => recording.RecordStepAsync(new TraceStep { Action = "t.b" }));
        await Assert.ThrowsAsync<RecordingStateException>(() => recording.FinalizeAsync());
        Assert.Empty(await Memory.ListAsync(includeRetired: true));
    }

    [Fact]
    public async Task Where_somebody_reads_the_file_at_that_time_it_is_gone_all_the_same_and_what_is_left_to_do_is_said()
    {
        using (Memory.BeginSession(new MemoryScope("ada")))
        {
            await Memory.StoreAsync(new() { Name = "task", Steps = [Given.Step("t.a")] });
        }

        using var reader = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={_test.DatabasePath};Pooling=False");
        await reader.OpenAsync();
        using var command = reader.CreateCommand();
        command.CommandText = "begin; select count(*) from procedures;";
        await command.ExecuteScalarAsync();
        using var impatient = _test.Open(o => o.BusyTimeout = TimeSpan.FromSeconds(1));

        var erased = await impatient.EraseScopeAsync("ada");

        Assert.Equal(1, erased.Procedures);
        Assert.Contains("Call CompactAsync when they have ended", erased.Remainder, StringComparison.Ordinal);
        Assert.DoesNotContain("ada", await impatient.ListScopesAsync());
        command.CommandText = "rollback";
        await command.ExecuteNonQueryAsync();
        Assert.Null(await impatient.CompactAsync());
        Assert.Null((await impatient.EraseScopeAsync("ada")).Remainder);
    }

    [Fact]
    public async Task A_new_table_is_to_be_thought_of_when_something_is_erased()
    {
        await Memory.ListAsync();
        Assert.Equal(
        [
            "call_approvals", "execution_steps", "executions", "merges", "procedure_vectors", "procedure_versions", "procedure_wordings", "procedures", "revisions", "schema_info", "schema_migrations",
            "search_documents", "search_index", "search_index_config", "search_index_data", "search_index_docsize", "search_index_idx", "search_queue", "search_scopes", "search_state", "search_words",
            "step_statistics", "tombstones", "trace_functions", "trace_steps", "traces", "turns", "version_approvals", "version_traces",
        ],
        _test.Rows("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name"));
    }

    /// <summary>Puts something into every place of a scope that stores text, through the public interface alone.</summary>
    private async Task PlantEverywhereAsync(string scope, Func<string> plant)
    {
        var recording = await Memory.StartRecordingAsync(new()
        {
            Name = "task",
            Description = plant(),
            Request = $"Do {plant()} with {plant()}",
            Tags = [plant()],
            Notes = plant(),
            Inputs = new Dictionary<string, System.Text.Json.JsonElement> { [plant()] = Given.Text(plant()) },
        });
        var call = plant();
        await recording.RecordStepAsync(new TraceStep
        {
            Action = "t.work",
            Arguments = Given.Value($$"""{"constant":"{{plant()}}","{{plant()}}":"{{call}}"}"""),
            Result = Given.Value($$"""{"{{plant()}}":"{{plant()}}"}"""),
            Parameters = System.Text.Json.JsonSerializer.SerializeToElement(new { type = "object", properties = new { constant = new { type = "string", description = plant() } } }),
            Outcome = plant(),
            Notes = plant(),
        });
        await recording.RecordStepAsync(new TraceStep { Action = "t.fails", Status = StepStatus.Failed, Failure = new StepFailure("E", plant()) });
        await recording.RecordStepAsync(new TraceStep { Action = "t.work2", Arguments = Given.Value($$"""{"x":"{{plant()}}"}"""), Result = Given.Text(plant()) });
        await recording.FinalizeAsync();
        await Memory.ApproveAsync("task", 1, by: plant());
        await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.work", $$"""{"{{plant()}}":"{{plant()}}"}"""), "task", new() { Request = $"Another {plant()} of {plant()}", ConfirmConstants = true });
        await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.work", plant()), "task", new() { ConfirmConstants = true });

        // An execution that waits for an approval, decisions of persons, a second version, an abandoned recording, and a quarantine.
        await Memory.StoreAsync(new()
        {
            Name = $"asks of {scope}",
            Undo = plant(),
            Inputs = [new() { Name = "x", Description = plant(), Examples = [Given.Text(plant())] }],
            Steps = [new() { Action = "t.ask", Arguments = Given.Value($$"""{"x":"$inputs.x","y":"{{plant()}}"}"""), Notes = plant(), Flags = [plant()] }],
        });
        await Memory.ApproveAsync($"asks of {scope}", 1, by: plant());
        var waiting = await Memory.ReplayAsync(new ScriptedExecutor(), $"asks of {scope}", Given.With(("x", $"\"{plant()}\"")));
        await Memory.RejectCallAsync(waiting.ExecutionId!.Value, "ask", by: plant(), reason: plant());
        await Memory.RevokeApprovalAsync($"asks of {scope}", 1, by: plant());
        await Memory.RejectAsync($"asks of {scope}", 1, by: plant(), reason: plant());
        await Memory.StoreAsync(new() { Name = $"asks of {scope}", Steps = [new() { Action = $"t.{plant()}" }] }, asNewVersion: true);
        await Memory.QuarantineAsync($"asks of {scope}", plant(), by: plant());
        var given = await Memory.StartRecordingAsync(new() { Name = plant() });
        await given.RecordStepAsync(new TraceStep { Action = $"t.{plant()}" });
        await given.AbandonAsync();
    }

    private string Plant()
    {
        var value = FormattableString.Invariant($"plant{_planted.Count:000}zq");
        _planted.Add(value);
        return value;
    }

    private string Bytes() => string.Concat(Directory.GetFiles(Path.GetDirectoryName(_test.DatabasePath)!).Select(f =>
    {
        using var stream = new FileStream(f, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return reader.ReadToEnd();
    }));

    private string RowsOf(string scope) => string.Join('\n', new[]
    {
        $"select * from procedures where scope = '{scope}'",
        $"select v.* from procedure_versions v join procedures p on p.id = v.procedure_id where p.scope = '{scope}'",
        $"select w.* from procedure_wordings w join procedures p on p.id = w.procedure_id where p.scope = '{scope}'",
        $"select d.* from search_documents d join procedures p on p.id = d.procedure_id where p.scope = '{scope}'",
        $"select r.* from revisions r join procedures p on p.id = r.procedure_id where p.scope = '{scope}'",
        $"select * from traces where scope = '{scope}'",
        $"select s.* from trace_steps s join traces t on t.id = s.trace_id where t.scope = '{scope}'",
        $"select * from executions where scope = '{scope}'",
        $"select s.* from execution_steps s join executions e on e.id = s.execution_id where e.scope = '{scope}'",
        $"select * from version_approvals where scope = '{scope}'",
        $"select * from call_approvals where scope = '{scope}'",
    }.SelectMany(_test.Rows));

    /// <summary>A vector that is the same for any text: what is looked at here is whether it stays.</summary>
    private sealed class Constant : IEmbeddingGenerator<string, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default) =>
            Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(_ => new Embedding<float>(new[] { 0.6f, 0.8f }))));

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
