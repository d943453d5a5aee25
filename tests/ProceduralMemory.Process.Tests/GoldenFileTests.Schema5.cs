using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;
using ProceduralMemory.TestWorker;

namespace ProceduralMemory.ProcessTests;

/// <summary>What came with schema 5: versions that compete, decisions, merges that can be undone, and what was taken back.</summary>
public sealed partial class GoldenFileTests
{
    public static TheoryData<string> FilesSinceSchema5 => FilesSince("schema-005.db");

    [Theory]
    [MemberData(nameof(FilesSinceSchema5))]
    public async Task What_was_decided_about_versions_stands_and_can_be_decided_anew(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "umbrella"))
        {
            var pinned = await memory.GetAsync("count stock");
            Assert.Equal((1, true), (pinned.ActiveVersion, pinned.IsPinned));
            Assert.Equal([RevisionKind.RolledBack, RevisionKind.Pinned], (await memory.GetHistoryAsync("count stock")).Entries.Select(e => e.Decision).OfType<Revision>().Select(d => d.Note.Kind));
            Assert.Equal([VersionState.Active, VersionState.Retired], (await memory.ListVersionsAsync("count stock")).Select(v => v.State));
            Assert.Equal(2, (await memory.ActivateVersionAsync("count stock", 2)).ActiveVersion);

            var competing = await memory.GetAsync("close shop");
            Assert.Equal((1, 2), (competing.ActiveVersion, competing.CandidateVersion));
            Assert.Equal((3L, 3L, 3L), (competing.Version.Statistics.Failures, competing.Version.StepStatistics["wave"].Failures, competing.Version.StepStatistics["list"].Runs));
            Assert.Equal("step wave", Assert.Single((await memory.CompareVersionsAsync("close shop", 1, 2)).Differences, d => d.After is null).Place);
            var host = new AnsweringExecutor(_ => "1");
            Assert.Equal(2, (await memory.ReplayAsync(host, "close shop", new ReplayRequest { Version = 2 })).Version);
            Assert.Equal(["stock.list", "door.look"], host.Calls.Select(c => c.Action));
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema5))]
    public async Task A_merge_is_undone_and_what_was_stopped_is_released(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "umbrella"))
        {
            var kept = await memory.GetAsync("lock doors");
            Assert.Equal(["lock doors", "lock all doors"], kept.Tags);
            Assert.Equal(kept.Id, (await memory.GetAsync("lock all doors")).MergedInto);
            Assert.Equal(["lock all doors"], await memory.UnmergeAsync("lock doors"));
            Assert.Equal(["lock doors"], (await memory.GetAsync("lock doors")).Tags);
            Assert.Null((await memory.GetAsync("lock all doors")).MergedInto);

            var stopped = await memory.ReplayAsync(new AnsweringExecutor(_ => "1"), "burn papers");
            Assert.Equal(ReplayProblemCodes.Quarantined, Assert.Single(stopped.Problems).Code);
            Assert.Contains("The auditors come.", stopped.Message, StringComparison.Ordinal);
            await memory.ReleaseAsync("burn papers", by: "Alice");
            Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(new AnsweringExecutor(_ => "1"), "burn papers")).Outcome);
        }

        AssertIntact(database);
    }

    [Theory]
    [MemberData(nameof(FilesSinceSchema5))]
    public async Task What_was_taken_back_or_erased_is_not_learned(string file)
    {
        using var folder = new TemporaryFolder();
        var database = Copy(file, folder);
        using (var memory = Open(database, "umbrella"))
        {
            var greet = await memory.GetAsync("greet customer");
            Assert.Equal((4, VersionReason.Renewed), (greet.Version.Number, greet.Version.Reason));
            Assert.Equal(["crm.find", "mail.send"], greet.Version.Steps.Select(s => s.Action));
            Assert.Equal("Greet Edsger", Assert.Single(await memory.ListTracesAsync(TraceStatus.Abandoned)).Request);

            Assert.Equal(["data.sell"], Assert.Single(await memory.ListTombstonesAsync()).Actions);
            var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "earn money" });
            await recorder.RecordStepAsync(new TraceStep { Action = "data.sell" });
            Assert.NotNull((await recorder.FinalizeAsync()).Unwanted);
        }

        AssertIntact(database);
    }
}
