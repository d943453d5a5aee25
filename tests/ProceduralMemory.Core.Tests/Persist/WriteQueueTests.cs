using Microsoft.Data.Sqlite;
using ProceduralMemory.Persist.Sqlite;
using SQLitePCL;

namespace ProceduralMemory.Tests.Persist;

public sealed class WriteQueueTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("procedural-memory-");
    private readonly SqliteWriteQueue _queue;
    private int _opened;
    private int _commits;

    public WriteQueueTests()
    {
        _queue = new SqliteWriteQueue(Open, e => new InvalidOperationException("explained", e));
        using var connection = Open();
        Run(connection, "create table numbers (n integer primary key) strict");
        (_opened, _commits) = (0, 0);
    }

    public void Dispose()
    {
        _queue.Dispose();
        SqliteConnection.ClearAllPools();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void A_write_that_waits_for_nobody_is_done_when_the_call_returns()
    {
        Assert.True(_queue.WriteAsync(c => Insert(c, 1), CancellationToken.None).IsCompletedSuccessfully);
        Assert.Equal([1], Numbers());
    }

    [Fact]
    public async Task Writes_that_wait_together_are_committed_together_in_their_order()
    {
        var order = new List<int>();
        var tasks = new List<Task<int>>();

        // Made while the first one is: all the others wait for it.
        await _queue.WriteAsync(
            c =>
            {
                tasks.AddRange(Enumerable.Range(2, 10).Select(n => _queue.WriteAsync(
                    inner =>
                    {
                        order.Add(n);
                        return Insert(inner, n);
                    },
                    CancellationToken.None)));
                return Insert(c, 1);
            },
            CancellationToken.None);
        await Task.WhenAll(tasks);

        Assert.Equal(2, _commits);
        Assert.Equal(Enumerable.Range(2, 10), order);
        Assert.Equal(Enumerable.Range(1, 11), Numbers());
    }

    [Fact]
    public async Task One_that_fails_or_is_cancelled_takes_nothing_of_the_others_with_it_and_leaves_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        List<Task<int>> tasks = [];
        await _queue.WriteAsync(
            c =>
            {
                tasks.Add(_queue.WriteAsync(inner => Insert(inner, 2), CancellationToken.None));
                tasks.Add(_queue.WriteAsync(inner => Insert(inner, 3) + Insert(inner, 2), CancellationToken.None));
                tasks.Add(_queue.WriteAsync<int>(inner => Insert(inner, 4) > 0 ? throw new FormatException("mine") : 0, CancellationToken.None));
                tasks.Add(_queue.WriteAsync(
                    inner =>
                    {
                        cancelled.Cancel();
                        return Insert(inner, 5);
                    },
                    cancelled.Token));
                tasks.Add(_queue.WriteAsync(inner => Insert(inner, 6), CancellationToken.None));
                return Insert(c, 1);
            },
            CancellationToken.None);

        await tasks[0];
        Assert.Equal("explained", (await Assert.ThrowsAsync<InvalidOperationException>(() => tasks[1])).Message);
        await Assert.ThrowsAsync<FormatException>(() => tasks[2]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => tasks[3]);
        await tasks[4];
        Assert.Equal([1, 2, 6], Numbers());
    }

    [Fact]
    public async Task What_no_transaction_may_hold_is_done_alone_and_in_its_turn()
    {
        var order = new List<int>();
        List<Task<int>> tasks = [];
        await _queue.WriteAsync(
            c =>
            {
                tasks.Add(_queue.WriteAsync(Noted(2), CancellationToken.None));
                tasks.Add(_queue.WriteApartAsync(
                    inner =>
                    {
                        // Refused in a transaction, and while another one holds the lock.
                        Run(inner, "vacuum");
                        return Noted(3)(inner);
                    },
                    CancellationToken.None));
                tasks.Add(_queue.WriteApartAsync(inner => Noted(2)(inner), CancellationToken.None));
                tasks.Add(_queue.WriteAsync(Noted(4), CancellationToken.None));
                return Noted(1)(c);
            },
            CancellationToken.None);

        await Task.WhenAll(tasks[0], tasks[1], tasks[3]);
        Assert.Equal("explained", (await Assert.ThrowsAsync<InvalidOperationException>(() => tasks[2])).Message);
        Assert.Equal([1, 2, 3, 4], order);
        Assert.Equal([1, 2, 3, 4], Numbers());

        Func<SqliteConnection, int> Noted(int n) => connection =>
        {
            Insert(connection, n);
            order.Add(n);
            return n;
        };
    }

    [Fact]
    public async Task Many_writers_lose_and_double_nothing()
    {
        await Parallel.ForAsync(0, 2000, async (n, token) => await _queue.WriteAsync(c => Insert(c, n), token));

        Assert.Equal(Enumerable.Range(0, 2000), Numbers());
    }

    [Fact]
    public async Task Where_the_transaction_cannot_begin_everybody_is_told()
    {
        using var other = Open();
        Run(other, "begin immediate");
        List<Task<int>> tasks = [];

        // The file is locked by somebody else for longer than is waited.
        tasks.Add(_queue.WriteAsync(c => Insert(c, 1), CancellationToken.None));
        tasks.Add(_queue.WriteAsync(c => Insert(c, 2), CancellationToken.None));

        foreach (var task in tasks)
        {
            Assert.Equal("explained", (await Assert.ThrowsAsync<InvalidOperationException>(() => task)).Message);
        }

        Run(other, "rollback");
        await _queue.WriteAsync(c => Insert(c, 3), CancellationToken.None);
        Assert.Equal([3], Numbers());
    }

    [Fact]
    public async Task Writes_share_a_connection_until_one_of_them_breaks_it()
    {
        await _queue.WriteAsync(c => Insert(c, 1), CancellationToken.None);
        await Assert.ThrowsAsync<FormatException>(() => _queue.WriteAsync<int>(c => Insert(c, 2) > 0 ? throw new FormatException("mine") : 0, CancellationToken.None));
        await _queue.WriteAsync(c => Insert(c, 3), CancellationToken.None);
        Assert.Equal(1, _opened);

        // As a full disk does: the transaction is gone when the write returns.
        await Assert.ThrowsAsync<InvalidOperationException>(() => _queue.WriteAsync(
            c =>
            {
                Run(c, "rollback");
                return 4;
            },
            CancellationToken.None));
        await _queue.WriteAsync(c => Insert(c, 5), CancellationToken.None);

        Assert.Equal(2, _opened);
        Assert.Equal([1, 3, 5], Numbers());
    }

    [Fact]
    public async Task What_waits_when_it_is_disposed_is_written()
    {
        Task<int> waiting = Task.FromResult(0);
        await _queue.WriteAsync(
            c =>
            {
                waiting = _queue.WriteAsync(inner => Insert(inner, 2), CancellationToken.None);
                _queue.Dispose();
                return Insert(c, 1);
            },
            CancellationToken.None);
        await waiting;

        Assert.Equal([1, 2], Numbers());
    }

    private SqliteConnection Open()
    {
        _opened++;
        var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.FullName, "numbers.db")};Default Timeout=1");
        connection.Open();
        raw.sqlite3_commit_hook(
            connection.Handle,
            _ =>
            {
                _commits++;
                return 0;
            },
            null);
        return connection;
    }

    private static int Insert(SqliteConnection connection, int n)
    {
        Run(connection, FormattableString.Invariant($"insert into numbers values ({n})"));
        return n;
    }

    private static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are this file's own.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    private List<int> Numbers()
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = "select n from numbers order by n";
        using var reader = command.ExecuteReader();
        var numbers = new List<int>();
        while (reader.Read())
        {
            numbers.Add(reader.GetInt32(0));
        }

        return numbers;
    }
}
