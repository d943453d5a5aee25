using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>
/// Lets the writes of one process wait for each other here, in the order in which they came, and not at SQLite's lock, which is retried in steps of time. Those that
/// wait together are committed together: a commit costs the same for one as for many.
/// </summary>
/// <remarks>
/// A write that waits for nobody is made at once, by its caller. Each of several is made in a savepoint of its own: one that fails takes nothing of the others with it.
/// </remarks>
/// <param name="open">Opens a connection.</param>
/// <param name="explain">What an error of SQLite means.</param>
internal sealed class SqliteWriteQueue(Func<SqliteConnection> open, Func<SqliteException, Exception> explain)
{
    // More would let the first of them wait for long.
    private const int MaxTogether = 64;

    private readonly Lock _gate = new();
    private readonly Queue<Write> _waiting = [];
    private bool _isWriting;

    /// <summary>Makes a write in a transaction that holds the write lock from its start.</summary>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> write, CancellationToken cancellationToken)
    {
        var item = new Write<T>(write, explain, cancellationToken);
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
            while (together.Count < MaxTogether && _waiting.TryDequeue(out var next))
            {
                together.Add(next);
            }
        }

        Commit(together);
        lock (_gate)
        {
            if (_waiting.Count == 0)
            {
                _isWriting = false;
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
            using var connection = open();
            using var transaction = connection.BeginTransaction();
            if (together.Count == 1)
            {
                together[0].Make(connection);
            }
            else
            {
                together.ForEach(w => MakeApart(w, connection));
            }

            if (together.Exists(w => !w.HasFailed))
            {
                transaction.Commit();
            }
        }
        catch (Exception exception)
        {
            // Nothing was committed: whatever it was, it is everybody's.
            together.ForEach(w => w.Fail(Explained(exception)));
        }

        together.ForEach(w => w.Complete());
    }

    private static void MakeApart(Write write, SqliteConnection connection)
    {
        Execute(connection, "savepoint apart");
        write.Make(connection);
        if (!write.HasFailed)
        {
            Execute(connection, "release apart");
            return;
        }

        // A full disk, or a fault of it, has rolled back all of the transaction by itself.
        if (raw.sqlite3_get_autocommit(connection.Handle) != 0)
        {
            throw write.Failure!;
        }

        Execute(connection, "rollback to apart; release apart");
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

    private abstract class Write
    {
        public Exception? Failure { get; private set; }

        public bool HasFailed => Failure is not null;

        public abstract void Make(SqliteConnection connection);

        public abstract void Complete();

        public void Fail(Exception exception) => Failure ??= exception;
    }

    private sealed class Write<T>(Func<SqliteConnection, T> write, Func<SqliteException, Exception> explain, CancellationToken cancellationToken) : Write
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
