using System.Text;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Persist;

/// <summary>A file that cannot be used: the fault and the mend are named, and the file is left as it was.</summary>
public sealed class DamagedDatabaseTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnMissingFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData(20)]
    [InlineData(100_000)]
    public async Task A_file_that_is_no_database_is_left_alone(int length)
    {
        var text = string.Concat(Enumerable.Repeat("Dear diary, ", 10_000))[..length];
        await File.WriteAllTextAsync(_test.DatabasePath, text);

        await FaultAsync(Memory, StoreFault.Corrupt, "is no SQLite database");

        Assert.Equal(text, await File.ReadAllTextAsync(_test.DatabasePath));
    }

    [Fact]
    public async Task A_damaged_file_is_named_as_such()
    {
        using (var whole = new ProcedureMemory(_test.DatabasePath))
        {
            await whole.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        }

        var bytes = await File.ReadAllBytesAsync(_test.DatabasePath);
        for (var i = 4096; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(i * 31);
        }

        await File.WriteAllBytesAsync(_test.DatabasePath, bytes);

        var error = await Assert.ThrowsAsync<ProcedureStoreException>(() => Memory.ListAsync());

        Assert.Equal(StoreFault.Corrupt, error.Fault);
        Assert.Contains("Restore a backup", error.Message, StringComparison.Ordinal);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(_test.DatabasePath));
    }

    [Fact]
    public async Task An_empty_file_becomes_a_database()
    {
        await File.WriteAllBytesAsync(_test.DatabasePath, []);

        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task The_database_of_another_application_is_not_taken_over()
    {
        _test.Execute("create table procedures (id integer primary key, body text)");
        _test.Execute("insert into procedures (body) values ('theirs')");
        var before = _test.Dump();

        var error = await Assert.ThrowsAsync<ProcedureStoreException>(() => Memory.ListAsync());

        Assert.Contains(_test.DatabasePath, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, _test.Dump());
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Theory]
    [InlineData("create table customers (id integer primary key)", false)]
    [InlineData("create table customers (id integer primary key)", true)]
    [InlineData("create table orders (id integer); create table schema_info (name text, version text)", false)]
    [InlineData("create view answer as select 42", false)]
    public async Task A_database_of_another_application_gets_no_tables_of_ours(string theirs, bool readOnly)
    {
        _test.Execute(theirs);
        var before = await File.ReadAllBytesAsync(_test.DatabasePath);

        await FaultAsync(_test.Open(o => o.ReadOnly = readOnly), StoreFault.Foreign, $"'{_test.DatabasePath}' is a database of something else", "Name another DatabasePath");

        Assert.Equal(before, await File.ReadAllBytesAsync(_test.DatabasePath));
    }

    [Fact]
    public async Task A_database_without_tables_becomes_ours()
    {
        _test.Execute("create table t (a)");
        _test.Execute("drop table t");

        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));

        Assert.Single(await Memory.ListAsync());
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_named()
    {
        var memory = _test.Open(o => o.DatabasePath = Path.Combine(Path.GetDirectoryName(_test.DatabasePath)!, "missing", "p.db"));

        await FaultAsync(memory, StoreFault.Unreachable, "missing' of the database does not exist. Create it");
        Assert.False(Directory.Exists(Path.GetDirectoryName(memory.Options.DatabasePath)));
    }

    [Fact]
    public async Task A_path_that_is_a_folder_is_named()
    {
        var memory = _test.Open(o => o.DatabasePath = Path.GetDirectoryName(_test.DatabasePath)!);

        await FaultAsync(memory, StoreFault.Unreachable, "is a folder. Name a file in it");
    }

    [Fact]
    public async Task A_fault_that_was_mended_is_no_fault_any_more()
    {
        var folder = Path.Combine(Path.GetDirectoryName(_test.DatabasePath)!, "later");
        var memory = _test.Open(o => o.DatabasePath = Path.Combine(folder, "p.db"));
        await Assert.ThrowsAsync<ProcedureStoreException>(() => memory.ListAsync());

        Directory.CreateDirectory(folder);

        Assert.Empty(await memory.ListAsync());
    }

    [Fact]
    public async Task A_database_that_is_too_new_is_refused_and_left_alone()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        _test.Execute("update schema_info set version = 99, min_reader = 99");
        var newer = _test.Open();
        var before = _test.Dump();

        await FaultAsync(newer, StoreFault.TooNew, "schema 99", "Update the ProceduralMemory packages");

        Assert.Equal(before, _test.Dump());
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_database_that_is_newer_but_still_readable_is_used()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        _test.Execute("update schema_info set version = 99, min_reader = 1");
        _test.Execute("alter table procedures add column colour text");
        _test.Execute("update procedure_versions set document = json_set(document, '$.mood', 'good')");
        var newer = _test.Open();

        await newer.StoreAsync(Given.Definition("q", Given.Step("t.b")));

        Assert.Equal(["p", "q"], (await newer.ListAsync()).Select(p => p.Name));
        Assert.Equal(ReplayOutcome.Completed, (await newer.ReplayAsync(new ScriptedExecutor(), "p", Given.With())).Outcome);
    }

    [Fact]
    public async Task A_database_opened_read_only_is_read_and_never_written()
    {
        await Memory.RecordedAsync(new RecordingDetails { Name = "p" }, ("t.a", "{}", "1"));
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "open" });
        var reader = _test.Open(o => o.ReadOnly = true);
        var executor = new ScriptedExecutor();

        Assert.Equal("p", Assert.Single(await reader.ListAsync()).Name);
        Assert.Single((await reader.FindAsync("p")).Matches);
        Assert.NotEmpty(await reader.ExportAsync("p"));
        Func<Task>[] writes =
        [
            () => reader.StoreAsync(Given.Definition("q", Given.Step("t.a"))),
            () => reader.ImportAsync("""{"format":1,"name":"q","steps":[{"action":"t.a"}]}"""),
            () => reader.ActivateVersionAsync("p", 1),
            () => reader.StartRecordingAsync(new RecordingDetails { Name = "q" }),
            () => reader.ReplayAsync(executor, "p", Given.With()),
            async () => await (await reader.ResumeRecordingAsync(recorder.TraceId)).RecordStepAsync(new TraceStep { Action = "t.a" }),
        ];
        foreach (var write in writes)
        {
            var error = await _test.RefusesAsync<ProcedureStoreException>(write);
            Assert.Equal(StoreFault.ReadOnly, error.Fault);
            Assert.Contains("was opened with ReadOnly", error.Message, StringComparison.Ordinal);
        }

        Assert.Empty(executor.Calls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_file_that_can_only_be_read_is_read_and_nothing_is_left_beside_it(bool isFolderMarked)
    {
        if (OperatingSystem.IsWindows())
        {
            // Neither these marks nor this name exist there.
            return;
        }

        // A name that means something in a URI.
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(_test.DatabasePath)!, "100% sure? #1"));
        var path = Path.Combine(folder.FullName, "p.db");
        using (var writer = new ProcedureMemory(path))
        {
            await writer.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        }

        var marked = isFolderMarked ? folder.FullName : path;
        var mode = File.GetUnixFileMode(marked);
        File.SetUnixFileMode(marked, mode & ~(UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
        try
        {
            var reader = _test.Open(o => (o.DatabasePath, o.ReadOnly) = (path, true));

            Assert.Equal("p", Assert.Single(await reader.ListAsync()).Name);

            Assert.Equal(["p.db"], Directory.GetFiles(folder.FullName).Select(Path.GetFileName));
            Assert.Contains("was opened with ReadOnly", (await Assert.ThrowsAsync<ProcedureStoreException>(() => reader.StoreAsync(Given.Definition("q", Given.Step("t.a"))))).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.SetUnixFileMode(marked, mode);
        }
    }

    [Fact]
    public async Task A_file_that_can_only_be_read_and_is_being_written_by_another_shows_what_was_written()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        Assert.True(File.Exists(_test.DatabasePath + "-wal"), "The test needs a writer that has the file open.");
        File.SetUnixFileMode(_test.DatabasePath, UnixFileMode.UserRead);

        Assert.Equal("p", Assert.Single(await _test.Open(o => o.ReadOnly = true).ListAsync()).Name);
    }

    [Fact]
    public async Task Reading_a_file_that_nobody_else_has_open_leaves_it_as_it_was_and_nothing_beside_it()
    {
        using (var writer = new ProcedureMemory(_test.DatabasePath))
        {
            await writer.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        }

        var before = await File.ReadAllBytesAsync(_test.DatabasePath);
        using (var reader = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, ReadOnly = true }))
        {
            Assert.Single(await reader.ListAsync());
        }

        Assert.Equal([_test.DatabasePath], Directory.GetFileSystemEntries(Path.GetDirectoryName(_test.DatabasePath)!));
        Assert.Equal(before, await File.ReadAllBytesAsync(_test.DatabasePath));
    }

    [Fact]
    public async Task Reading_beside_a_writer_takes_nothing_from_it()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        using (var reader = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, ReadOnly = true }))
        {
            Assert.Single(await reader.ListAsync());
        }

        await Memory.StoreAsync(Given.Definition("q", Given.Step("t.a")));

        Assert.Equal(2, (await Memory.ListAsync()).Count);
        Assert.Equal("ok", _test.IntegrityCheck());
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_not_made_by_reading()
    {
        var reader = _test.Open(o => o.ReadOnly = true);

        await FaultAsync(reader, StoreFault.Unreachable, "Name an existing file");
        Assert.False(File.Exists(_test.DatabasePath));
    }

    [Fact]
    public async Task An_old_database_is_not_migrated_by_reading()
    {
        await File.WriteAllBytesAsync(_test.DatabasePath, []);
        var reader = _test.Open(o => o.ReadOnly = true);

        await FaultAsync(reader, StoreFault.ReadOnly, "Open it for writing once");
        Assert.Empty(await File.ReadAllBytesAsync(_test.DatabasePath));
    }

    [Fact]
    public async Task A_database_in_memory_that_is_only_read_is_refused_by_name()
    {
        var error = await Record.ExceptionAsync(async () =>
        {
            using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:", ReadOnly = true });
            await memory.ListAsync();
        });

        Assert.True(error is ProcedureStoreException or System.ComponentModel.DataAnnotations.ValidationException, error?.ToString());
    }

    [Fact]
    public async Task A_migration_that_sqlite_itself_has_rolled_back_fails_with_what_went_wrong()
    {
        // As a full disk does: the transaction is gone when the fault is reported.
        await Memory.ListAsync();
        _test.Execute(
            """
            drop table version_traces;
            alter table traces drop column inputs;
            alter table trace_steps drop column effect;
            update schema_info set version = 1, min_reader = 1;
            delete from schema_migrations where ScriptName like '%002%';
            """);
        _test.Execute("create trigger full before insert on schema_migrations begin select raise(rollback, 'the disk is full'); end");
        var before = _test.Dump();

        var error = await Assert.ThrowsAsync<ProcedureStoreException>(() => _test.Open().ListAsync());

        Assert.Contains("the disk is full", error.InnerException!.Message, StringComparison.Ordinal);
        Assert.Equal(before, _test.Dump());
    }

    [Fact]
    public async Task A_write_that_sqlite_itself_has_rolled_back_fails_with_what_went_wrong()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        _test.Execute("create trigger full before insert on procedure_versions begin select raise(rollback, 'the disk is full'); end");

        var error = await _test.RefusesAsync<ProcedureStoreException>(() => Memory.StoreAsync(Given.Definition("q", Given.Step("t.a"))));

        Assert.Contains("the disk is full", error.InnerException!.Message, StringComparison.Ordinal);
        Assert.NotEmpty(await Memory.ListAsync());
    }

    [Fact]
    public async Task A_memory_that_was_disposed_says_so()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "n" });
        using var inMemory = new ProcedureMemory(":memory:");
        await inMemory.ListAsync();
        Memory.Dispose();
        Memory.Dispose();
        inMemory.Dispose();

        Func<Task>[] acts = [() => Memory.ListAsync(), () => Memory.StoreAsync(Given.Definition("p", Given.Step("t.a"))), () => recorder.RecordStepAsync(new TraceStep { Action = "t.a" }), () => inMemory.ListAsync()];
        foreach (var act in acts)
        {
            Assert.Contains("was disposed", (await Assert.ThrowsAsync<ObjectDisposedException>(act)).Message, StringComparison.Ordinal);
        }

        Assert.Equal(TraceStatus.Recording, Assert.Single(await _test.Open().ListTracesAsync()).Status);
    }

    [Fact]
    public async Task Messages_of_the_store_hold_nothing_of_what_is_stored()
    {
        await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")) with { Description = "very private" });
        var bytes = Encoding.UTF8.GetBytes("very private");
        await File.WriteAllBytesAsync(_test.DatabasePath + ".copy", [.. bytes, .. new byte[10_000]]);
        var memory = _test.Open(o => o.DatabasePath = _test.DatabasePath + ".copy");

        Assert.DoesNotContain("private", (await Assert.ThrowsAsync<ProcedureStoreException>(() => memory.ListAsync())).ToString(), StringComparison.Ordinal);
    }

    private static async Task FaultAsync(ProcedureMemory memory, StoreFault fault, params IReadOnlyList<string> says)
    {
        Func<Task>[] acts = [() => memory.ListAsync(), () => memory.StoreAsync(Given.Definition("p", Given.Step("t.a"))), () => memory.StartRecordingAsync(new RecordingDetails { Name = "n" })];
        foreach (var act in acts)
        {
            var error = await Assert.ThrowsAsync<ProcedureStoreException>(act);
            Assert.Equal(fault, error.Fault);
            Assert.All(says, s => Assert.Contains(s, error.Message, StringComparison.Ordinal));
        }
    }
}
