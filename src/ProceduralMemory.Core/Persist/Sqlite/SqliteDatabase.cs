using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Dapper;
using DbUp;
using DbUp.Sqlite.Helpers;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>One SQLite file: how it is opened, migrated and locked, and what its faults mean.</summary>
/// <remarks>
/// A connection is opened for each read and comes from the provider's pool: that is cheap, and a connection is not thread-safe. Writes share one.
/// SQLite works synchronously whatever the provider's signatures say, so nothing here pretends otherwise: the token is checked between statements.
/// </remarks>
internal sealed class SqliteDatabase : IDisposable
{
    /// <summary>The number of the newest migration in this assembly.</summary>
    public const int SchemaVersion = 6;

    private const string MigrationsPrefix = "ProceduralMemory.Persist.Sqlite.Migrations.";

    private readonly ProceduralMemoryOptions _options;
    private readonly string _connectionString;
    private readonly string _immutableConnectionString;
    private readonly string _openingPragmas;
    private readonly SqliteConnection? _keepAlive;
    private readonly SqliteWriteQueue _writes;
    // Pooled connections of one file are shared by all memories on it: what each was last set to.
    private static readonly ConditionalWeakTable<sqlite3, string> Prepared = [];

    private readonly Lock _initialization = new();
    private volatile bool _initialized;
    private volatile bool _disposed;

    // Whether the log is there because this reader opened the file.
    private bool _madeLog;

    public SqliteDatabase(ProceduralMemoryOptions options)
    {
        _options = options;
        _writes = new SqliteWriteQueue(Open, Explain);
        InMemory = options.DatabasePath == ":memory:";
        var builder = new SqliteConnectionStringBuilder
        {
            // SQLite's own memory file system: connections of one process share it under its name, with the locking of a file.
            DataSource = InMemory ? $"file:/procedural-memory-{Guid.CreateVersion7(options.TimeProvider.GetUtcNow())}?vfs=memdb" : Path.GetFullPath(options.DatabasePath),
            Mode = options.ReadOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWriteCreate,
            ForeignKeys = true,
            Pooling = true,
            DefaultTimeout = (int)Math.Ceiling(options.BusyTimeout.TotalSeconds),
        };
        _connectionString = builder.ConnectionString;
        builder.DataSource = $"{UriOf(builder.DataSource)}?immutable=1";

        // What is taken to stand still is looked at anew by each operation.
        builder.Pooling = false;
        _immutableConnectionString = builder.ConnectionString;
        // SQLite's own waiting looks for the lock every few milliseconds; the provider's, which comes after it, every 150.
        _openingPragmas = string.Create(
            CultureInfo.InvariantCulture, $"pragma busy_timeout = {(long)options.BusyTimeout.TotalMilliseconds}; pragma synchronous = {(options.FlushEveryCommit ? "full" : "normal")}");
        if (InMemory)
        {
            // The database lives as long as a connection to it is open.
            _keepAlive = new SqliteConnection(_connectionString);
            _keepAlive.Open();
        }
    }

    /// <summary>Whether nothing may be written.</summary>
    public bool IsReadOnly => _options.ReadOnly;

    private bool InMemory { get; }

    /// <summary>
    /// Whether the file is one that this process can only read, and that nobody has open for writing. SQLite would want a <c>-shm</c> file beside it even to
    /// read, which it may not create, or which would be left behind there.
    /// </summary>
    private bool IsImmutable
    {
        get
        {
            if (!_options.ReadOnly || InMemory)
            {
                return false;
            }

            var path = DisplayPath;
            return !File.Exists(path + "-wal")
                && (IsMarkedReadOnly(path) || (!OperatingSystem.IsWindows() && IsMarkedReadOnly(Path.GetDirectoryName(path)!)));
        }
    }

    private string DisplayPath => InMemory ? ":memory:" : Path.GetFullPath(_options.DatabasePath);

    /// <summary>Runs statements that only read, all on one snapshot.</summary>
    public Task<T> ReadAsync<T>(Func<SqliteConnection, T> read, CancellationToken cancellationToken)
    {
        try
        {
            if (WhyNot<T>(writes: false, cancellationToken) is { } refused)
            {
                return refused;
            }

            using var connection = Open();

            // Deferred: a reader takes no lock that a writer would wait for, and sees one state of the file throughout.
            using var transaction = connection.BeginTransaction(deferred: true);
            return Task.FromResult(read(connection));
        }
        catch (OperationCanceledException exception)
        {
            return Task.FromCanceled<T>(exception.CancellationToken.IsCancellationRequested ? exception.CancellationToken : new CancellationToken(canceled: true));
        }
        catch (Exception exception)
        {
            return Task.FromException<T>(exception is SqliteException fault ? Explain(fault) : exception);
        }
    }

    /// <summary>Runs statements in one transaction that holds the write lock from its start, so that what it reads cannot change under it.</summary>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> write, CancellationToken cancellationToken) => EnqueueAsync(write, isApart: false, cancellationToken);

    /// <summary>Runs a single writing statement.</summary>
    public Task<int> ExecuteAsync(string sql, object parameters, CancellationToken cancellationToken) =>
        WriteAsync(connection => connection.Execute(sql, parameters), cancellationToken);

    /// <summary>
    /// Writes the file anew, so that nothing of what was deleted is left in its pages, and empties the write-ahead log. Writes of this process wait for it in the queue; those of others wait at the
    /// file, and no longer than they are allowed to.
    /// </summary>
    /// <returns>Why it could not be done; <see langword="null"/> when it was.</returns>
    public Task<string?> CompactAsync(CancellationToken cancellationToken) => EnqueueAsync(Compact, isApart: true, cancellationToken);

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _writes.Dispose();
        using var connection = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(connection);
        _keepAlive?.Dispose();
        if (_madeLog)
        {
            RemoveEmptyLog();
        }
    }

    /// <summary>Why nothing can be asked of the database; <see langword="null"/> where it can, and then it is open.</summary>
    private Task<T>? WhyNot<T>(bool writes, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellationToken);
        }

        if (_disposed)
        {
            return Task.FromException<T>(new ObjectDisposedException(nameof(ProcedureMemory), $"The memory on the database '{DisplayPath}' was disposed. Keep it for as long as it is used, or open another one on the same file."));
        }

        Initialize();
        return writes && _options.ReadOnly
            ? Task.FromException<T>(new ProcedureStoreException(
                StoreFault.ReadOnly,
                $"The database '{DisplayPath}' was opened with {nameof(ProceduralMemoryOptions.ReadOnly)}, which refuses recording, storing and replaying. Open it without that option to write."))
            : null;
    }

    private Task<T> EnqueueAsync<T>(Func<SqliteConnection, T> write, bool isApart, CancellationToken cancellationToken)
    {
        try
        {
            return WhyNot<T>(writes: true, cancellationToken) ?? (isApart ? _writes.WriteApartAsync(write, cancellationToken) : _writes.WriteAsync(write, cancellationToken));
        }
        catch (Exception exception)
        {
            return Task.FromException<T>(exception is SqliteException fault ? Explain(fault) : exception);
        }
    }

    private string? Compact(SqliteConnection connection)
    {
        if (InMemory)
        {
            return null;
        }

        try
        {
            connection.Execute("vacuum");
            return connection.QuerySingle<(long Busy, long Log, long Done)>("pragma wal_checkpoint(truncate)").Busy == 0
                ? null
                : $"Others were reading the file, so that its write-ahead log is not emptied yet. Call {nameof(ProcedureMemory.CompactAsync)} when they have ended.";
        }
        catch (SqliteException exception)
        {
            return $"The file could not be written anew, as {nameof(ProcedureMemory.CompactAsync)} does it. {Explain(exception).Message}";
        }
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(IsImmutable ? _immutableConnectionString : _connectionString);
        try
        {
            connection.Open();

            // A pooled connection keeps its settings with its handle: they are made once for each.
            if (!Prepared.TryGetValue(connection.Handle!, out var known) || known != _openingPragmas)
            {
                using var command = connection.CreateCommand();
                command.CommandText = _openingPragmas;
                command.ExecuteNonQuery();
                Prepared.AddOrUpdate(connection.Handle!, _openingPragmas);
            }

            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private void Initialize()
    {
        if (_initialized)
        {
            return;
        }

        lock (_initialization)
        {
            if (_initialized)
            {
                return;
            }

            RequireFolder();
            _madeLog |= _options.ReadOnly && !InMemory && !File.Exists(DisplayPath + "-wal");
            using var connection = Open();
            var (version, minReader) = ReadSchema(connection);
            if (version > SchemaVersion && minReader > SchemaVersion)
            {
                throw new ProcedureStoreException(
                    StoreFault.TooNew,
                    string.Create(CultureInfo.InvariantCulture, $"The database has schema {version}, which needs a library that knows schema {minReader}; this one knows {SchemaVersion}. Update the ProceduralMemory packages, or open another file."));
            }

            if (version < SchemaVersion)
            {
                if (_options.ReadOnly)
                {
                    throw new ProcedureStoreException(
                        StoreFault.ReadOnly,
                        string.Create(CultureInfo.InvariantCulture, $"The database has schema {version} and must be migrated to {SchemaVersion}, but it is opened read-only. Open it for writing once."));
                }

                Migrate(connection);
            }

            _initialized = true;
        }
    }

    /// <summary>
    /// SQLite makes the log and its index to read a file, and the last connection that may write removes them, under a lock that tells whether it is the last. So
    /// one is opened and closed. It has nothing to write where the log is empty.
    /// </summary>
    private void RemoveEmptyLog()
    {
        try
        {
            if (new FileInfo(DisplayPath + "-wal") is not { Exists: true, Length: 0 })
            {
                return;
            }

            using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = DisplayPath, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ConnectionString);
            connection.Open();
            connection.ExecuteScalar<long>("select count(*) from sqlite_schema");
        }
        catch (Exception exception) when (exception is SqliteException or IOException or UnauthorizedAccessException)
        {
            // They do no harm where they are.
        }
    }

    private void RequireFolder()
    {
        if (InMemory)
        {
            return;
        }

        if (_options.DatabaseFault() is { } fault)
        {
            throw new ProcedureStoreException(StoreFault.Unreachable, fault);
        }

        var path = DisplayPath;
        if (_options.ReadOnly && !File.Exists(path))
        {
            throw new ProcedureStoreException(StoreFault.Unreachable, $"The database '{path}' does not exist, and is to be opened read-only. Name an existing file.");
        }
    }

    private static bool IsMarkedReadOnly(string path) => new FileInfo(path).Attributes.HasFlag(FileAttributes.ReadOnly);

    /// <summary>A path as SQLite reads it in a URI.</summary>
    private static string UriOf(string path)
    {
        var uri = path.Replace("%", "%25", StringComparison.Ordinal).Replace("?", "%3f", StringComparison.Ordinal).Replace("#", "%23", StringComparison.Ordinal);
        return OperatingSystem.IsWindows() ? $"file:///{uri.Replace('\\', '/')}" : $"file:{uri}";
    }

    private (int Version, int MinReader) ReadSchema(SqliteConnection connection)
    {
        // One statement, so that it sees either nothing or all of what another process migrates meanwhile.
        var (known, theirs) = connection.QuerySingle<(long Known, long Theirs)>(
            """
            select (select count(*) from pragma_table_info('schema_info') where name in ('version', 'min_reader')),
                   (select count(*) from sqlite_schema where type in ('table', 'view') and name not like 'sqlite\_%' escape '\')
            """);
        if (known == 2)
        {
            var row = connection.QuerySingle<(long Version, long MinReader)>("select version, min_reader from schema_info");
            return ((int)row.Version, (int)row.MinReader);
        }

        return theirs == 0
            ? (0, 0)
            : throw new ProcedureStoreException(
                StoreFault.Foreign,
                string.Create(CultureInfo.InvariantCulture, $"The file '{DisplayPath}' is a database of something else, with {theirs} {(theirs == 1 ? "table" : "tables")}, and is left as it is. Name another {nameof(ProceduralMemoryOptions.DatabasePath)}: a file that is not there yet is made."));
    }

    private void Migrate(SqliteConnection connection)
    {
        if (!InMemory)
        {
            // Kept in the file; cannot be changed inside a transaction.
            connection.Execute("pragma journal_mode = wal");
        }

        // The write lock is taken before DbUp looks at what has run, so that of two processes that start at once the second finds the work done.
        connection.Execute("begin immediate");
        try
        {
            using var shared = new SharedConnection(connection);
            var result = DeployChanges.To.SqliteDatabase(shared)
                .WithScriptsEmbeddedInAssembly(Assembly.GetExecutingAssembly(), name => name.StartsWith(MigrationsPrefix, StringComparison.Ordinal))
                .JournalToSqliteTable("schema_migrations")
                .WithVariablesDisabled()
                .WithoutTransaction()
                .LogToNowhere()
                .Build()
                .PerformUpgrade();
            if (!result.Successful)
            {
                throw result.Error as SqliteException as Exception
                    ?? new ProcedureStoreException(StoreFault.Failed, $"The migration '{result.ErrorScript?.Name}' of the database failed; nothing of it was kept.", result.Error);
            }

            connection.Execute("commit");
        }
        catch
        {
            // A full disk or a fault of it may have rolled back by itself: a second time would be an error that hides the first.
            if (raw.sqlite3_get_autocommit(connection.Handle) == 0)
            {
                connection.Execute("rollback");
            }

            throw;
        }
    }

    private ProcedureStoreException Explain(SqliteException exception)
    {
        const int Busy = 5, Locked = 6, ReadOnly = 8, IoError = 10, Corrupt = 11, Full = 13, CannotOpen = 14, NotADatabase = 26;
        var path = DisplayPath;
        return exception.SqliteErrorCode switch
        {
            Busy or Locked => new(StoreFault.Busy, string.Create(CultureInfo.InvariantCulture, $"The database '{path}' was locked by another writer for {_options.BusyTimeout.TotalSeconds} s. Try again, or raise {nameof(ProceduralMemoryOptions.BusyTimeout)}."), exception),
            ReadOnly => new(StoreFault.ReadOnly, $"The database '{path}' cannot be written. Give the process write access to the file and its folder.", exception),
            Corrupt => new(StoreFault.Corrupt, $"The database '{path}' is damaged. Restore a backup; 'pragma integrity_check' tells what is wrong.", exception),
            NotADatabase => new(StoreFault.Corrupt, $"The file '{path}' is no SQLite database. Name another {nameof(ProceduralMemoryOptions.DatabasePath)}, or restore a backup.", exception),
            CannotOpen => new(StoreFault.Unreachable, $"The database '{path}' cannot be opened. See that its folder exists and that the process may read and write there.", exception),
            IoError or Full => new(StoreFault.Failed, $"The database '{path}' could not be written or read by the operating system. See that the disk has room and works.", exception),
            _ => new(StoreFault.Failed, $"The database '{path}' reported an error of SQLite, code {exception.SqliteErrorCode}.", exception),
        };
    }
}
