using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using ProceduralMemory.TestWorker;
using Xunit.Abstractions;

namespace ProceduralMemory.ProcessTests;

/// <summary>The maintenance pass in one process, beside others that replay and record in the same file.</summary>
public sealed class ReviseBesideReplaysTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Passes_beside_three_processes_that_replay_and_record_lose_nothing_and_no_replay_runs_parts_of_two_versions()
    {
        const int Processes = 3, Operations = 10_000;
        var seed = Seeds.Next();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        var database = folder.File("revised.db");
        var ledger = new Ledger();
        using (var memory = Practice.Open(database))
        {
            foreach (var name in Practice.Names)
            {
                ledger.Add(await Practice.StoreAsync(memory, name, "first"));
            }
        }

        var workers = new List<WorkerProcess>();
        try
        {
            var reviser = await WorkerProcess.StartAsync("revise", database);
            workers.Add(reviser);
            for (var n = 0; n < Processes; n++)
            {
                workers.Add(await WorkerProcess.StartAsync("practise", database, Text((Operations + n) / Processes), Text(seed + n)));
            }

            await Task.WhenAll(workers.Select(w => w.TellAsync("go")));
            var passes = ReadToEndAsync(reviser);
            Array.ForEach(await Task.WhenAll(workers[1..].Select(ReadToEndAsync)), ledger.Add);
            reviser.CloseInput();
            ledger.Add(await passes);
        }
        finally
        {
            foreach (var worker in workers)
            {
                await worker.DisposeAsync();
            }
        }

        Assert.Equal(Operations, ledger.Runs.Sum(r => r.Operations));
        using var connection = DatabaseAudit.Open(database);
        DatabaseAudit.AssertIntact(connection);
        DatabaseAudit.AssertNothingIsHalfDone(connection);
        DatabaseAudit.AssertVersionsHaveTheStepsOfTheirTraces(connection);
        DatabaseAudit.AssertStatisticsAddUp(connection);
        ledger.AssertKeptIn(connection);
        AssertIsAllThereIs(connection, ledger);
        AssertEachReplayRanOneVersion(connection, ledger);

        // It happened while the others were at work, and not in the pass that came after them; and things were decided both ways.
        var decided = connection.Rows("select kind, count(*) from revisions group by kind").ToDictionary(r => r.Text(0), r => r.Number(1));
        Assert.True(ledger.Passes.SkipLast(1).Sum(p => p.Changes) > 0, "No pass changed anything beside the replays.");
        Assert.Superset(new HashSet<string> { "proposed", "promoted", "rejected" }, decided.Keys.ToHashSet());
        Assert.Contains(ledger.Replayed.Values, r => r is { Outcome: "failed" });
        output.WriteLine(
            $"{ledger.Runs.Sum(r => r.Operations)} operations in {ledger.Runs.Max(r => r.Milliseconds)} ms: {ledger.Started.Count} recordings of {ledger.Steps.Count} steps, {ledger.Replayed.Count} replays, {ledger.Refused} refused, {ledger.Stored.Count} editions; "
            + $"{ledger.Passes.Count} passes, {string.Join(", ", decided.Select(d => $"{d.Value} {d.Key}"))}, {ledger.Faults.Count} times something changed in between");
    }

    /// <summary>Checks that every version, decision and execution of the file was acknowledged once by somebody.</summary>
    private static void AssertIsAllThereIs(SqliteConnection connection, Ledger ledger)
    {
        Assert.Equal(ledger.Started.Count, ledger.Finalized.Count);
        Assert.Equal(ledger.Started.Count, connection.Count("select count(*) from traces"));
        Assert.Equal(ledger.Steps.Count, connection.Count("select count(*) from trace_steps"));
        Assert.Equal(ledger.Replayed.Count, connection.Count("select count(*) from executions"));
        Assert.Equal(
            ledger.Stored.OrderBy(s => s.Procedure, StringComparer.Ordinal).ThenBy(s => s.Version),
            connection.Rows("select p.name, v.version from procedure_versions v join procedures p on p.id = v.procedure_id where v.reason = 'stored' order by p.name, v.version").Select(r => (r.Text(0), r.Number(1))));
        Assert.Equal(ledger.Finalized.Count, connection.Count("select count(*) from procedure_versions where reason = 'recorded'"));
        Assert.Equal(connection.Count("select count(*) from procedure_versions where reason = 'optimized'"), connection.Count("select count(*) from revisions where kind = 'proposed'"));
        Assert.Equal(0, connection.Count("select count(*) from procedure_versions where reason not in ('stored', 'recorded', 'optimized')"));

        // Only the passes decide, but for two things: a candidate ends with the version that it competes with, whoever replaces that; and what a pass has stopped is free again when another edition of it is stored.
        Assert.Equal(ledger.Passes.Sum(p => p.Changes), connection.Count("select count(*) from revisions where kind not in ('superseded', 'released')"));
        Assert.True(connection.Count("select count(*) from revisions where kind = 'released'") <= connection.Count("select count(*) from revisions where kind = 'quarantined'"));
        Assert.Equal(0, connection.Count("select count(*) from revisions where kind = 'superseded' and version not in (select v.version from procedure_versions v where v.procedure_id = revisions.procedure_id and v.reason = 'optimized')"));
        Assert.All(ledger.Faults, f => Assert.EndsWith("Load it again and repeat the change.", f, StringComparison.Ordinal));
    }

    /// <summary>Checks what was called, and what the log says was called, against the steps of the version that the replay says it ran.</summary>
    private static void AssertEachReplayRanOneVersion(SqliteConnection connection, Ledger ledger)
    {
        var versions = connection
            .Rows("select p.name, v.version, json_extract(v.document, '$.steps') from procedure_versions v join procedures p on p.id = v.procedure_id")
            .ToDictionary(r => (r.Text(0), r.Number(1)), r => JsonElement.Parse(r.Text(2)).EnumerateArray().Select(s => Practice.Describe(s.GetProperty("id").GetString()!, s.GetProperty("arguments"))).ToList());
        var logged = connection
            .Rows("select execution_id, step_id, arguments from execution_steps where attempts > 0 order by execution_id, ordinal")
            .ToLookup(r => r.Text(0), r => Practice.Describe(r.Text(1), JsonElement.Parse(r.Text(2))));
        Assert.Equal(ledger.Replayed.Count, ledger.Called.Count);
        foreach (var (execution, replay) in ledger.Replayed)
        {
            var steps = versions[(replay.Procedure, replay.Version!.Value)];
            var called = ledger.Called[execution].Split(' ');

            // A recorded task ends where it fails. Those that are practised go on, or fail at the last step.
            Assert.Equal(replay.Outcome == "failed" && !Practice.Names.Contains(replay.Procedure) ? steps.Take(called.Length) : steps, called);
            Assert.Equal(called, logged[execution]);
        }
    }

    private static async Task<Ledger> ReadToEndAsync(WorkerProcess worker)
    {
        var ledger = new Ledger();
        await worker.ReadIntoAsync(ledger);
        await worker.ExpectSuccessAsync();
        return ledger;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
