using ProceduralMemory.Capture;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What was kept for long enough goes, and what was counted and learned from it stays.</summary>
public sealed class RetentionTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnMissingFile(o => o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["t.ask"] = ApprovalPolicy.Always });

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task Old_executions_go_with_their_parts_and_what_was_counted_stays()
    {
        await Memory.StoreAsync(Given.Definition("inner", Given.Step("t.a")));
        await Memory.StoreAsync(Given.Definition("p", new ProcedureStep { Action = "inner", Kind = StepKind.Procedure }));
        await Memory.ReplayAsync(new ScriptedExecutor(), "p");
        await Memory.ReplayAsync(new ScriptedExecutor().Fails("t.a"), "p");
        _test.Time.Advance(TimeSpan.FromDays(10));
        await Memory.ReplayAsync(new ScriptedExecutor(), "p");
        var before = (await Memory.GetAsync("p")).Statistics;

        var result = await Memory.ApplyRetentionAsync(new() { Executions = TimeSpan.FromDays(5) });

        Assert.Equal((2, 0), (result.Executions, result.Traces));
        Assert.Equal(["p", "inner"], (await Memory.ListExecutionsAsync()).OrderByDescending(e => e.ProcedureName).Select(e => e.ProcedureName));
        Assert.Equal(before, (await Memory.GetAsync("p")).Statistics);
        Assert.Equal(0, (await Memory.ApplyRetentionAsync(new() { Executions = TimeSpan.FromDays(5) })).Executions);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task What_waits_for_somebody_or_was_cut_off_is_kept_however_old_it_is()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.ask")));
        var waiting = await Memory.ReplayAsync(new ScriptedExecutor(), "p");
        _test.Execute("update executions set started_at = '2001-01-01T00:00:00.0000000Z'");
        _test.Time.Advance(TimeSpan.FromDays(1000));

        await Memory.ApplyRetentionAsync(new() { Executions = TimeSpan.Zero, MaxBytes = 0 });

        Assert.Equal(ReplayOutcome.Waiting, (await Memory.GetExecutionAsync(waiting.ExecutionId!.Value))!.Outcome);
        Assert.Single((await Memory.ListPendingApprovalsAsync()).Calls);
    }

    [Fact]
    public async Task Traces_go_that_teach_nothing_any_more()
    {
        await RecordAsync("p");
        await RecordAsync("p");
        await RecordAsync("other");
        await Memory.StoreAsync(Given.Definition("other", Given.Step("t.by_hand")), asNewVersion: true);
        var abandoned = await Memory.StartRecordingAsync(new RecordingDetails { Name = "given up" });
        await abandoned.AbandonAsync();
        var open = await Memory.StartRecordingAsync(new RecordingDetails { Name = "goes on" });
        _test.Time.Advance(TimeSpan.FromDays(10));

        var result = await Memory.ApplyRetentionAsync(new() { Traces = TimeSpan.FromDays(5) });

        // That of a version which retired, and the one that was given up. Both of 'p' are what its active version is made of.
        Assert.Equal((0, 2), (result.Executions, result.Traces));
        Assert.Equal(["goes on", "p", "p"], (await Memory.ListTracesAsync()).Select(t => t.Name).Order(StringComparer.Ordinal));
        await open.RecordStepAsync(new TraceStep { Action = "t.a" });
        Assert.Equal(["t.a"], (await RecordAsync("p")).Procedure!.Version.Steps.Select(s => s.Action));
        Assert.Equal([1, 2], (await Memory.ListVersionsAsync("other")).Select(v => v.Number));
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_file_that_is_too_large_loses_its_oldest_executions_first_and_gets_smaller_when_it_is_compacted()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        for (var i = 0; i < 450; i++)
        {
            _test.Time.Advance(TimeSpan.FromMinutes(1));
            await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", $"\"{new string((char)('a' + (i % 26)), 4000)}\""), "p");
        }

        var latest = (await Memory.ListExecutionsAsync(limit: 1))[0].Id;
        var size = new FileInfo(_test.DatabasePath).Length;

        var result = await Memory.ApplyRetentionAsync(new() { MaxBytes = 2_000_000 });

        Assert.Equal(200, result.Executions);
        Assert.InRange(result.BytesInUse, 1, 2_000_000);
        Assert.Equal(latest, (await Memory.ListExecutionsAsync(limit: 1))[0].Id);
        Assert.Equal(250, (await Memory.ListExecutionsAsync(limit: 1000)).Count);
        Assert.Equal(450, (await Memory.GetAsync("p")).Statistics.Executions);
        Assert.Null(await Memory.CompactAsync());
        Assert.True(new FileInfo(_test.DatabasePath).Length < size);
    }

    [Fact]
    public async Task Compacting_waits_for_the_write_in_progress_and_not_for_the_lock_of_the_file()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        using var database = new SqliteDatabase(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, BusyTimeout = TimeSpan.FromSeconds(1) });
        Task<string?> compacting = Task.FromResult<string?>("not begun");
        Task<int> after = Task.FromResult(0);

        await database.WriteAsync(
            connection =>
            {
                compacting = database.CompactAsync(CancellationToken.None);
                after = database.ExecuteAsync("update procedures set description = @Text", new { Text = "after it" }, CancellationToken.None);
                return 0;
            },
            CancellationToken.None);

        Assert.Null(await compacting);
        Assert.Equal(1, await after);
        Assert.Equal("after it", (await Memory.GetAsync("p")).Description);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task The_database_of_another_application_is_not_written_anew()
    {
        _test.Execute("create table theirs (body text)");
        _test.Execute("insert into theirs select 'text' from pragma_function_list");
        _test.Execute("delete from theirs");
        var before = await File.ReadAllBytesAsync(_test.DatabasePath);

        var error = await Assert.ThrowsAsync<ProcedureStoreException>(() => Memory.CompactAsync());

        Assert.Equal(StoreFault.Foreign, error.Fault);
        Assert.Equal(before, await File.ReadAllBytesAsync(_test.DatabasePath));
    }

    [Fact]
    public async Task Compacting_asks_what_every_write_asks()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        Assert.Equal(StoreFault.ReadOnly, (await Assert.ThrowsAsync<ProcedureStoreException>(() => _test.Open(o => o.ReadOnly = true).CompactAsync())).Fault);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Memory.CompactAsync(new CancellationToken(canceled: true)));
        Memory.Dispose();
        Assert.Contains("was disposed", (await Assert.ThrowsAsync<ObjectDisposedException>(() => Memory.CompactAsync())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_meant_is_refused()
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Memory.ApplyRetentionAsync(new() { Executions = TimeSpan.FromSeconds(-1) }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Memory.ApplyRetentionAsync(new() { Traces = TimeSpan.FromSeconds(-1) }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Memory.ApplyRetentionAsync(new() { MaxBytes = -1 }));
        Assert.Equal((0, 0), (await Memory.ApplyRetentionAsync(new RetentionPolicy())) is var nothing ? (nothing.Executions, nothing.Traces) : default);
    }

    private async Task<RecordingResult> RecordAsync(string name)
    {
        _test.Time.Advance(TimeSpan.FromSeconds(1));
        var recording = await Memory.StartRecordingAsync(new RecordingDetails { Name = name });
        await recording.RecordStepAsync(new TraceStep { Action = "t.a" });
        return await recording.FinalizeAsync();
    }
}
