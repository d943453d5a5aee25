using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>
/// Lets the writes of one process wait for each other here, in the order in which they came, and not at SQLite's lock, which is retried in steps of time. Those that
/// wait together are committed together: a commit costs the same for one as for many.
/// </summary>
/// <remarks>
/// A write that waits for nobody is made at once, by its caller. Each of several is made in a savepoint of its own: one that fails takes nothing of the others with it.
/// They share one connection, which stays open with what was prepared on it.
/// </remarks>
/// <param name="open">Opens a connection.</param>
/// <param name="explain">What an error of SQLite means.</param>
internal sealed class SqliteWriteQueue(Func<SqliteConnection> open, Func<SqliteException, Exception> explain) : IDisposable
{
    // More would let the first of them wait for long.
    private const int MaxTogether = 64;

    private readonly Lock _gate = new();
    private readonly Queue<Write> _waiting = [];
    private bool _isWriting;
    private bool _disposed;

    // Only who writes uses it.
    private SqliteConnection? _connection;

    /// <summary>Makes a write in a transaction that holds the write lock from its start.</summary>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> write, CancellationToken cancellationToken) => EnqueueAsync(new Write<T>(write, explain, isApart: false, cancellationToken));

    /// <summary>Does in its turn what no transaction may hold, as <c>VACUUM</c>: the other writes wait here for as long as it takes.</summary>
    public Task<T> WriteApartAsync<T>(Func<SqliteConnection, T> write, CancellationToken cancellationToken) => EnqueueAsync(new Write<T>(write, explain, isApart: true, cancellationToken));

    /// <summary>Closes the connection, once what is waiting is written.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            if (!_isWriting)
            {
                Close();
            }
        }
    }

    private Task<T> EnqueueAsync<T>(Write<T> item)
    {
        lock (_gate)
        {
            _waiting.Enqueue(item);
            if (_isWriting)
            {
                return item.Task;
            }

            _isWriting = true;
        }

        CommitSome();
        return item.Task;
    }

    private void CommitSome()
    {
        var together = new List<Write>();
        lock (_gate)
        {
            while (together.Count < MaxTogether && _waiting.TryPeek(out var next) && !(next.IsApart && together.Count > 0))
            {
                together.Add(_waiting.Dequeue());
                if (next.IsApart)
                {
                    break;
                }
            }
        }

        Commit(together);
        lock (_gate)
        {
            if (_waiting.Count == 0)
            {
                _isWriting = false;
                if (_disposed)
                {
                    Close();
                }

                return;
            }
        }

        // Who came first has what it asked for, and does not write for the others.
        ThreadPool.UnsafeQueueUserWorkItem(static queue => queue.CommitSome(), this, preferLocal: false);
    }

    private void Commit(List<Write> together)
    {
        try
        {
            var connection = _connection ??= open();
            if (together[0].IsApart)
            {
                together[0].Make(connection);
            }
            else
            {
                CommitTogether(together, connection);
            }
        }
        catch (Exception exception)
        {
            // Nothing was committed, and closing takes back what was done: whatever it was, it is everybody's.
            together.ForEach(w => w.Fail(Explained(exception)));
            Close();
        }

        together.ForEach(w => w.Complete());
    }

    private static void CommitTogether(List<Write> together, SqliteConnection connection)
    {
        SqliteStatements.Of(connection).Execute("begin immediate");
        if (together.Count == 1)
        {
            together[0].Make(connection);
        }
        else
        {
            together.ForEach(w => MakeInSavepoint(w, connection));
        }

        if (together.Exists(w => !w.HasFailed))
        {
            SqliteStatements.Of(connection).Execute("commit");
        }
        else if (IsInTransaction(connection))
        {
            SqliteStatements.Of(connection).Execute("rollback");
        }
    }

    private void Close()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            if (connection.Handle is not null && IsInTransaction(connection))
            {
                // The pool hands the same handle to the next one.
                Execute(connection, "rollback");
            }

            connection.Dispose();
        }
    }

    // A full disk, or a fault of it, rolls back all of a transaction by itself.
    private static bool IsInTransaction(SqliteConnection connection) => raw.sqlite3_get_autocommit(connection.Handle) == 0;

    private static void MakeInSavepoint(Write write, SqliteConnection connection)
    {
        var statements = SqliteStatements.Of(connection);
        statements.Execute("savepoint one");
        write.Make(connection);
        if (!write.HasFailed)
        {
            statements.Execute("release one");
            return;
        }

        if (!IsInTransaction(connection))
        {
            throw write.Failure!;
        }

        statements.Execute("rollback to one; release one");
    }

    private Exception Explained(Exception exception) => exception is SqliteException fault ? explain(fault) : exception;

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are this file's own.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    private abstract class Write(bool isApart)
    {
        /// <summary>Whether it is done alone, and outside a transaction.</summary>
        public bool IsApart => isApart;

        public Exception? Failure { get; private set; }

        public bool HasFailed => Failure is not null;

        public abstract void Make(SqliteConnection connection);

        public abstract void Complete();

        public void Fail(Exception exception) => Failure ??= exception;
    }

    private sealed class Write<T>(Func<SqliteConnection, T> write, Func<SqliteException, Exception> explain, bool isApart, CancellationToken cancellationToken) : Write(isApart)
    {
        private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;

        public Task<T> Task => _source.Task;

        public override void Make(SqliteConnection connection)
        {
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                _result = write(connection);
                cancellationToken.ThrowIfCancellationRequested();
            }
            catch (SqliteException exception)
            {
                Fail(explain(exception));
            }
            catch (Exception exception)
            {
                Fail(exception);
            }
        }

        public override void Complete()
        {
            switch (Failure)
            {
                case null:
                    _source.SetResult(_result);
                    break;
                case OperationCanceledException cancelled:
                    _source.SetCanceled(cancelled.CancellationToken.IsCancellationRequested ? cancelled.CancellationToken : new CancellationToken(canceled: true));
                    break;
                default:
                    _source.SetException(Failure);
                    break;
            }
        }
    }
}
