using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Capture;
using ProceduralMemory.TestWorker;
using Xunit.Abstractions;

namespace ProceduralMemory.ProcessTests;

/// <summary>
/// Processes that are killed (SIGKILL). The moment is chosen by what the process has acknowledged so far and a random number of turns of an empty loop,
/// not by a clock. Most kills fall between two writes; the output says how many fell inside of one, a few in a hundred.
/// </summary>
public sealed class KilledProcessTests(ITestOutputHelper output)
{
    private const int TurnLength = 200;

    [Fact]
    public async Task A_process_killed_at_any_moment_loses_nothing_that_it_acknowledged()
    {
        // Two files side by side: most of the time goes into starting processes.
        const int Files = 2, KillsEach = 50;
        var seed = Seeds.Next();
        output.WriteLine($"seed {seed}");
        var unfinished = await Task.WhenAll(Enumerable.Range(0, Files).Select(n => Task.Run(() => KillAndFinishAsync(new Random(seed + n), KillsEach))));
        Assert.True(unfinished.Sum() > 0, "No kill came within a recording: the moments are chosen badly.");
    }

    [Fact]
    public async Task A_process_that_is_killed_does_no_harm_to_one_that_goes_on()
    {
        var seed = Seeds.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var folder = new TemporaryFolder();
        var database = folder.File("survived.db");
        var survivors = new Ledger();
        var victims = new Ledger();
        var kills = 0;
        await using (var survivor = await WorkerProcess.StartAsync("operate", database, "1000", seed.ToString(CultureInfo.InvariantCulture)))
        {
            await survivor.TellAsync("go");
            var survival = survivor.ReadIntoAsync(survivors);
            do
            {
                await KillOneAsync(database, victims, random, mostLines: 20);
                kills++;
            }
            while (!survival.IsCompleted);

            await survival;
            await survivor.ExpectSuccessAsync();
        }

        output.WriteLine($"{kills} kills beside {survivors.Acknowledgements} acknowledgements of the survivor and {victims.Acknowledgements} of the victims");
        using var connection = DatabaseAudit.Open(database);
        survivors.Add(victims);
        AssertSound(connection, survivors);
        survivors.AssertHoldsAtMostOneMoreForEach(kills, connection);
        DatabaseAudit.AssertStatisticsAddUp(connection);
    }

    [Fact]
    public async Task A_process_killed_while_it_makes_a_database_leaves_one_that_the_next_can_use()
    {
        const int MostKills = 40, EnoughCutShort = 8, WarmUps = 2;
        var seed = Seeds.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var folder = new TemporaryFolder();
        var (missing, unused, recordedIn) = (0, 0, 0);
        var kill = 0;
        for (; kill < MostKills && unused < EnoughCutShort; kill++)
        {
            string NewFile(string name) => folder.File(string.Create(CultureInfo.InvariantCulture, $"{kill}-{name}.db"));
            var ledger = new Ledger();
            await using var worker = await WorkerProcess.StartAsync("open");
            var turns = 0;
            for (var n = 0; n < WarmUps; n++)
            {
                // How many turns a warm worker takes for one file is the measure for the moment of the kill in the next; most of it goes into making the file.
                await worker.TellAsync(NewFile($"warm-{n}"));
                var made = worker.ReadIntoAsync(ledger, lines: 3);
                for (turns = 0; !made.IsCompleted; turns++)
                {
                    Thread.SpinWait(TurnLength);
                }

                await made;
            }

            var database = NewFile("cut");
            await worker.TellAsync(database);
            for (var left = random.Next(1 + (turns / 2)); left > 0; left--)
            {
                Thread.SpinWait(TurnLength);
            }

            await worker.KillAsync();
            var last = new Ledger();
            await worker.ReadIntoAsync(last);

            if (!File.Exists(database))
            {
                missing++;
                continue;
            }

            using (var memory = new ProcedureMemory(database))
            {
                var known = (await memory.ListTracesAsync()).Count;
                var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "opened" });
                await recorder.RecordStepAsync(new TraceStep { Action = "work.step_0", Arguments = JsonElement.Parse("""{"number":0}""") });
                Assert.NotNull((await recorder.FinalizeAsync()).Procedure);
                _ = known == 0 ? unused++ : recordedIn++;
            }

            using var connection = DatabaseAudit.Open(database);
            AssertSound(connection, last);
            Assert.Equal(1, connection.Count("select count(*) from schema_info"));
            Assert.Equal(connection.Count("select version from schema_info"), connection.Count("select count(*) from schema_migrations"));
            Assert.Equal("wal", connection.Rows("pragma journal_mode").Single().Text(0));
        }

        output.WriteLine($"{kill} kills: {missing} before the file was there, {unused} while it was made, {recordedIn} after the first recording had begun");
        Assert.True(unused > 0, "No kill came while a database was made: the moments are chosen badly.");
    }

    /// <summary>Lets a worker record until it is killed, and writes down what it acknowledged, which includes what nobody had read when it died.</summary>
    /// <summary>Kills workers one after the other on one file, and finishes what they left.</summary>
    /// <returns>How many recordings were left unfinished.</returns>
    private async Task<long> KillAndFinishAsync(Random random, int kills)
    {
        using var folder = new TemporaryFolder();
        var database = folder.File("killed.db");
        var ledger = new Ledger();
        var inWrites = 0;
        for (var kill = 0; kill < kills; kill++)
        {
            await KillOneAsync(database, ledger, random, mostLines: 60);
            inWrites += WriteAheadLog.EndsInsideWrite(database) ? 1 : 0;
            if (random.Next(2) == 0)
            {
                // The other half of the time it is the next worker that finds the file as it was left, with the log to recover.
                using var between = DatabaseAudit.Open(database);
                DatabaseAudit.AssertIntact(between);
                DatabaseAudit.AssertNothingIsHalfDone(between);
            }
        }

        using var connection = DatabaseAudit.Open(database);
        AssertSound(connection, ledger);
        var unfinished = connection.Count("select count(*) from traces where status = 'recording'");
        var unacknowledged = ledger.AssertHoldsAtMostOneMoreForEach(kills, connection);
        output.WriteLine($"{kills} kills; acknowledged: {ledger.Started.Count} recordings begun, {ledger.Steps.Count} steps, {ledger.Finalized.Count} finalized; {unfinished} recordings left unfinished; {inWrites} kills between the pages of a write, {unacknowledged} after a write and before saying so");

        await FinishAllAsync(database);
        AssertSound(connection, ledger);
        Assert.Equal(0, connection.Count("select count(*) from traces where status = 'recording'"));
        Assert.Equal(connection.Count("select count(*) from traces"), connection.Count("select count(*) from procedure_versions"));
        DatabaseAudit.AssertStatisticsAddUp(connection);
        return unfinished;
    }

    private static async Task KillOneAsync(string database, Ledger ledger, Random random, int mostLines)
    {
        var seed = random.Next(1_000_000_000).ToString(CultureInfo.InvariantCulture);
        await using var worker = await WorkerProcess.StartAsync("record-forever", database, seed);
        await worker.ReadIntoAsync(ledger, lines: random.Next(1, mostLines));
        Thread.SpinWait(random.Next(20_000));
        await worker.KillAsync();
        await worker.ReadIntoAsync(ledger);
    }

    /// <summary>Resumes every unfinished recording, does the steps that are left of its task, and finalizes it.</summary>
    private static async Task FinishAllAsync(string database)
    {
        using var memory = Work.Open(database);
        foreach (var unfinished in await memory.ListTracesAsync(TraceStatus.Recording, limit: 1000))
        {
            var before = await memory.GetTraceAsync(unfinished.Id);
            var versionsBefore = (await memory.ListAsync()).SingleOrDefault(p => p.Name == unfinished.Name)?.Version.Number ?? 0;
            var recorder = await memory.ResumeRecordingAsync(unfinished.Id);
            var left = Enumerable.Range(before!.Steps.Count, Work.StepsOf(before.Name) - before.Steps.Count).Select(number => Work.Step(number, Work.OrderOf(before))).ToList();
            foreach (var step in left)
            {
                await recorder.RecordStepAsync(step);
            }

            var result = await recorder.FinalizeAsync();

            Assert.Equal(unfinished.Id, result.Procedure!.Version.TraceId);
            Assert.Equal(versionsBefore + 1, result.Procedure.Version.Number);
            Assert.Equal([.. before.Steps.Select(s => s.Action), .. left.Select(s => s.Action)], result.Procedure.Version.Steps.Select(s => s.Action));
        }
    }

    private static void AssertSound(SqliteConnection connection, Ledger ledger)
    {
        DatabaseAudit.AssertIntact(connection);
        ledger.AssertKeptIn(connection);
        DatabaseAudit.AssertNothingIsHalfDone(connection);
        DatabaseAudit.AssertVersionsHaveTheStepsOfTheirTraces(connection);
    }
}
