using ProceduralMemory.Capture;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Recall;

/// <summary>What of earlier requests a procedure is found by, after many replays and after a merge.</summary>
public sealed class WordingTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task The_latest_request_of_a_recording_stays_however_many_wordings_there_are()
    {
        await RecordAsync("refund", "give grandmother her money back");
        for (var i = 0; i < 25; i++)
        {
            await ReplayAsync("refund", $"wording{(char)('a' + i)} number");
        }

        Assert.Equal("refund", Assert.Single((await Memory.FindAsync("give grandmother her money back")).Matches).Procedure.Name);
        Assert.Single((await Memory.FindAsync("wordingy number")).Matches);
    }

    [Fact]
    public async Task What_is_merged_leaves_its_wordings_and_its_recorded_request_to_the_one_that_is_kept()
    {
        await RecordAsync("refund", "refund the order");
        await ReplayAsync("refund", "refund an order");
        await RecordAsync("repay", "give grandmother her money back");
        await ReplayAsync("repay", "pay the uncle back");

        Assert.Equal("refund", (await Memory.MergeAsync(["refund", "repay"])).Kept.Name);

        foreach (var request in new[] { "give grandmother her money back", "pay the uncle back" })
        {
            var result = await Memory.FindAsync(request);
            Assert.Equal("refund", Assert.Single(result.Matches).Procedure.Name);
            Assert.Equal("'repay' was merged into 'refund'. Use that one, or activate a version of this one.", Assert.Single(result.LeftOut).Explanation);
        }
    }

    [Fact]
    public async Task After_a_merge_the_20_wordings_that_were_used_last_are_kept_and_each_is_there_once()
    {
        await RecordAsync("refund", "refund the order");
        await RecordAsync("repay", "repay the order");
        for (var i = 0; i < 15; i++)
        {
            await ReplayAsync("repay", $"wording{(char)('a' + i)} number");
            await ReplayAsync("refund", $"wording{(char)('k' + i)} number");
        }

        await Memory.MergeAsync(["refund", "repay"]);

        var kept = _test.Rows("select request from procedure_wordings where procedure_id = (select id from procedures where name = 'refund') order by last_used_at desc");
        Assert.Equal(20, kept.Count);
        Assert.Equal(20, kept.Distinct().Count());
        Assert.Contains("wordingy number", kept);
        Assert.DoesNotContain("wordinga number", kept);
    }

    private Task<Procedure> RecordAsync(string name, string request)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        return Memory.RecordedAsync(new RecordingDetails { Name = name, Request = request }, ("t.a", "{}", "1"));
    }

    private Task<ReplayResult> ReplayAsync(string name, string request)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        return Memory.ReplayAsync(new ScriptedExecutor(), name, new ReplayRequest { Request = request });
    }
}
