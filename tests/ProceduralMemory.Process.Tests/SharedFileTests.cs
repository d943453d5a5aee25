using System.Globalization;
using Xunit.Abstractions;

namespace ProceduralMemory.ProcessTests;

/// <summary>Several processes on one database file.</summary>
public sealed class SharedFileTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Four_processes_that_record_and_replay_in_one_file_lose_nothing_and_double_nothing()
    {
        const int Processes = 4, OperationsEach = 1000;
        var seed = Seeds.Next();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        var database = folder.File("shared.db");
        var ledger = new Ledger();

        var workers = new List<WorkerProcess>();
        try
        {
            for (var n = 0; n < Processes; n++)
            {
                workers.Add(await WorkerProcess.StartAsync("operate", database, Text(OperationsEach), Text(seed + n)));
            }

            await Task.WhenAll(workers.Select(w => w.TellAsync("go")));
            foreach (var own in await Task.WhenAll(workers.Select(ReadToEndAsync)))
            {
                ledger.Add(own);
            }
        }
        finally
        {
            await DisposeAllAsync(workers);
        }

        Assert.Equal(Processes * OperationsEach, ledger.Runs.Sum(r => r.Operations));
        using var connection = DatabaseAudit.Open(database);
        DatabaseAudit.AssertIntact(connection);
        ledger.AssertKeptIn(connection);
        ledger.AssertIsAllThereIsIn(connection);
        DatabaseAudit.AssertNothingIsHalfDone(connection);
        DatabaseAudit.AssertVersionsHaveTheStepsOfTheirTraces(connection);
        DatabaseAudit.AssertStatisticsAddUp(connection);
        AssertEachKindHappened(ledger);
        var slowest = ledger.Runs.Max(r => r.Milliseconds);
        output.WriteLine($"{ledger.Acknowledgements} acknowledgements: {ledger.Started.Count} recordings, {ledger.Steps.Count} steps, {ledger.Replayed.Count} replays; {Processes * OperationsEach} operations in {slowest} ms, {Processes * OperationsEach * 1000L / slowest} per second");
    }

    [Fact]
    public async Task Eight_processes_that_open_a_missing_file_at_once_all_succeed_on_it()
    {
        const int Processes = 8, Files = 12;
        using var folder = new TemporaryFolder();
        var databases = Enumerable.Range(0, Files).Select(n => folder.File($"new-{n}.db")).ToList();
        var workers = new List<WorkerProcess>();
        try
        {
            for (var n = 0; n < Processes; n++)
            {
                workers.Add(await WorkerProcess.StartAsync("open"));
            }

            // Each file is a race of its own, and only the first is run by processes that are still warming up.
            foreach (var database in databases)
            {
                await Task.WhenAll(workers.Select(w => w.TellAsync(database)));
                var ledgers = await Task.WhenAll(workers.Select(async worker =>
                {
                    var own = new Ledger();
                    await worker.ReadIntoAsync(own, lines: 3);
                    if (own.Finalized.Count == 0)
                    {
                        await worker.ExpectSuccessAsync();
                        Assert.Fail("The worker ended before it had recorded.");
                    }

                    return own;
                }));

                var ledger = new Ledger();
                Array.ForEach(ledgers, ledger.Add);
                using var connection = DatabaseAudit.Open(database);
                DatabaseAudit.AssertIntact(connection);
                ledger.AssertKeptIn(connection);
                ledger.AssertIsAllThereIsIn(connection);
                DatabaseAudit.AssertNothingIsHalfDone(connection);
                Assert.Equal(1, connection.Count("select count(*) from schema_info"));
                Assert.Equal(connection.Count("select version from schema_info"), connection.Count("select count(*) from schema_migrations"));
                Assert.Equal("wal", connection.Rows("pragma journal_mode").Single().Text(0));
                Assert.Equal(Processes, connection.Count("select active_version from procedures"));
            }

            foreach (var worker in workers)
            {
                worker.CloseInput();
                await worker.ExpectSuccessAsync();
            }
        }
        finally
        {
            await DisposeAllAsync(workers);
        }
    }

    private static async Task<Ledger> ReadToEndAsync(WorkerProcess worker)
    {
        var ledger = new Ledger();
        await worker.ReadIntoAsync(ledger);
        await worker.ExpectSuccessAsync();
        return ledger;
    }

    private static void AssertEachKindHappened(Ledger ledger)
    {
        foreach (var outcome in new[] { "completed", "failed", "cancelled" })
        {
            Assert.Contains(ledger.Replayed.Values, r => r.Outcome == outcome);
        }

        Assert.Contains(ledger.Finalized.Values, f => f.Procedure.StartsWith("shared", StringComparison.Ordinal));
        Assert.Contains(ledger.Finalized.Values, f => f.Procedure.StartsWith("own", StringComparison.Ordinal));
    }

    private static async Task DisposeAllAsync(List<WorkerProcess> workers)
    {
        foreach (var worker in workers)
        {
            await worker.DisposeAsync();
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
