using System.Text;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What one recording taught can be taken back, or erased with all that was drawn from it; what a person did away with is not learned again.</summary>
public sealed class WithdrawnTracesTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile(o => o.Approval = ApprovalPolicy.FirstUse);

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task What_a_bad_recording_taught_is_distilled_anew_from_the_others()
    {
        await RecordAsync("order-1", "ada");
        await RecordAsync("order-2", "bob");
        var good = (await Memory.GetAsync("ship")).Version;
        var bad = await RecordAsync("order-3", "cleo", extra: "mail.spam");
        Assert.Contains((await Memory.GetAsync("ship")).Version.Steps, s => s.Action == "mail.spam");

        var result = await Memory.WithdrawTraceAsync(bad, by: "Ada");

        var now = await Memory.GetAsync("ship");
        Assert.Equal(["ship"], result.Renewed);
        Assert.Equal((4, VersionReason.Renewed, VersionState.Active), (now.Version.Number, now.Version.Reason, now.Version.State));
        Assert.Equal(good.Steps.Select(s => s.Action + s.Arguments.GetRawText()), now.Version.Steps.Select(s => s.Action + s.Arguments.GetRawText()));
        Assert.Equal((RevisionKind.Withdrawn, "Ada"), ((await Memory.GetHistoryAsync("ship")).Entries[^1].Decision!.Note.Kind, (await Memory.GetHistoryAsync("ship")).Entries[^1].Decision!.Note.By));
        Assert.Equal(TraceStatus.Abandoned, (await Memory.GetTraceAsync(bad))!.Status);

        // Nor does it teach when there is a further one, or when a person goes back.
        await RecordAsync("order-4", "dan");
        Assert.DoesNotContain((await Memory.GetAsync("ship")).Version.Steps, s => s.Action == "mail.spam");
        await Memory.ActivateVersionAsync("ship", 3);
        await RecordAsync("order-5", "eve");
        Assert.DoesNotContain((await Memory.GetAsync("ship")).Version.Steps, s => s.Action == "mail.spam");
    }

    [Fact]
    public async Task Where_no_other_trace_teaches_it_the_version_before_comes_back_or_it_is_out_of_use()
    {
        await Memory.StoreAsync(new() { Name = "ship", Steps = [Given.Step("shop.old")] });
        var replaced = await RecordAsync("order-1", "ada", replace: true);
        var only = await RecordAsync("order-1", "ada", name: "other");

        Assert.Equal(["ship"], (await Memory.WithdrawTraceAsync(replaced, by: "Ada")).Restored);
        Assert.Equal(["other"], (await Memory.WithdrawTraceAsync(only, by: "Ada")).Retired);

        Assert.Equal(1, (await Memory.GetAsync("ship")).ActiveVersion);
        Assert.True((await Memory.ListAsync(includeRetired: true)).Single(p => p.Name == "other").IsRetired);
        await Assert.ThrowsAsync<RecordingStateException>(() => Memory.WithdrawTraceAsync(Guid.Empty, by: "Ada"));
    }

    [Fact]
    public async Task Of_an_erased_trace_nothing_is_left_in_any_version_and_what_others_taught_stays()
    {
        await RecordAsync("order-1", "ada", notes: "note one");
        var bad = await RecordAsync("order-zebra", "walrus", notes: "penguin note", tags: ["ostrich"]);
        await RecordAsync("order-3", "cleo");
        var alone = await RecordAsync("order-zebra", "walrus", name: "lemur", notes: "penguin note");
        await Memory.ApproveAsync("ship", 3, by: "Ada");
        var replay = await Memory.ReplayAsync(new ScriptedExecutor().Returns("shop.get", """{"customer":"fay"}"""), "ship", Given.With(("order", "\"order-9\""), ("to", "\"fay\"")) with { Request = "ship order-9" });
        Assert.True(replay.Outcome is ReplayOutcome.Completed, replay.Message);
        await Memory.FindAsync("ship");
        Assert.Contains("walrus", Bytes(), StringComparison.Ordinal);

        var first = await Memory.EraseTraceAsync(bad);
        var second = await Memory.EraseTraceAsync(alone);

        Assert.Equal((0, 1, null), (first.Procedures, first.Traces, first.Remainder));
        Assert.Equal((1, 1, null), (second.Procedures, second.Traces, second.Remainder));
        var bytes = Bytes();
        Assert.DoesNotContain(["zebra", "walrus", "penguin", "ostrich", "lemur"], bytes.Contains);
        var now = await Memory.GetAsync("ship");
        Assert.Equal((4, 2), (now.ActiveVersion, (await Memory.GetHistoryAsync("ship")).Entries.Count(e => e.Made is not null)));
        Assert.Equal(["shop.get", "shop.send"], now.Version.Steps.Select(s => s.Action));
        Assert.Equal("ok", _test.IntegrityCheck());
        Assert.NotEmpty((await Memory.FindAsync("ship the parcel")).Matches);
        await RecordAsync("order-5", "eve");
        Assert.Equal(5, (await Memory.GetAsync("ship")).ActiveVersion);
    }

    [Fact]
    public async Task What_was_made_of_a_version_goes_with_it()
    {
        var bad = await RecordAsync("order-zebra", "walrus");
        await Memory.SetSourceAsync("ship", "send", "to", Given.Value("\"walrus-street\""));

        await Memory.EraseTraceAsync(bad);

        Assert.DoesNotContain("walrus", Bytes(), StringComparison.Ordinal);
        await Assert.ThrowsAsync<ProcedureNotFoundException>(() => Memory.GetAsync("ship"));
    }

    [Fact]
    public async Task An_erased_procedure_is_not_learned_again_under_any_name_until_a_person_lets_it()
    {
        await RecordAsync("order-1", "ada");
        await Memory.EraseAsync("ship");

        var again = await RecordedAsync("order-2", "bob", name: "send parcel");
        var other = await RecordedAsync("order-2", "bob", name: "other skill", extra: "mail.tell");

        Assert.Null(again.Procedure);
        Assert.Contains("was erased on 2031-05-04", again.Message, StringComparison.Ordinal);
        Assert.NotNull(other.Procedure);
        var tombstone = Assert.Single(await Memory.ListTombstonesAsync());
        Assert.Equal(["shop.get", "shop.send"], tombstone.Actions);
        Assert.Equal(["shop.get", "shop.send"], Given.Value(_test.Rows("select actions from tombstones").Single()).EnumerateArray().Select(a => a.GetString()!));

        using (Memory.BeginSession(new MemoryScope("elsewhere")))
        {
            Assert.NotNull((await RecordedAsync("order-2", "bob")).Procedure);
            Assert.False(await Memory.RemoveTombstoneAsync(tombstone.Id));
        }

        Assert.True(await Memory.RemoveTombstoneAsync(tombstone.Id));
        Assert.NotNull((await RecordedAsync("order-3", "cleo")).Procedure);
        await Memory.EraseAsync("ship", mayBeLearnedAgain: true);
        Assert.Empty(await Memory.ListTombstonesAsync());
    }

    [Fact]
    public async Task A_procedure_that_stands_goes_on_learning_when_another_one_with_its_functions_was_erased()
    {
        await RecordAsync("order-1", "ada");
        await RecordAsync("order-1", "ada", name: "duplicate");
        await Memory.EraseAsync("duplicate");

        Assert.NotNull((await RecordedAsync("order-2", "bob")).Procedure);
        Assert.Null((await RecordedAsync("order-2", "bob", name: "duplicate")).Procedure);
    }

    [Fact]
    public async Task What_a_person_rejected_is_not_recorded_anew_until_that_is_revoked()
    {
        await RecordAsync("order-1", "ada");
        await Memory.RejectAsync("ship", 1, by: "Ada");

        var again = await RecordedAsync("order-2", "bob");

        Assert.Null(again.Procedure);
        Assert.Contains("rejected 'ship' version 1", again.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await Memory.GetAsync("ship")).ActiveVersion);
        Assert.NotNull((await RecordedAsync("order-2", "bob", extra: "shop.check")).Procedure);
        await Memory.EraseScopeAsync("default");
        Assert.Empty(await Memory.ListTombstonesAsync());
    }

    [Fact]
    public async Task Of_two_that_put_the_same_out_of_use_at_once_one_does()
    {
        var procedure = await Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")));
        var change = new ProcedureChange
        {
            ProcedureId = procedure.Id,
            ExpectedActive = 1,
            Retired = true,
            Note = new RevisionNote { Kind = RevisionKind.Forgotten, Reason = "nobody used it" },
            At = _test.Time.GetUtcNow(),
        };

        Assert.True(await Memory.Store.ChangeProcedureAsync(change));
        Assert.False(await Memory.Store.ChangeProcedureAsync(change));
        Assert.Single((await Memory.GetHistoryAsync("p")).Entries, e => e.Decision is not null);
    }

    [Fact]
    public async Task What_nobody_used_for_long_and_did_badly_is_forgotten_and_one_call_brings_it_back()
    {
        var executor = new ScriptedExecutor();
        foreach (var name in (string[])["good", "bad", "pinned", "inner", "undone"])
        {
            await Memory.StoreAsync(new() { Name = name, Steps = [Given.Step("t.read") with { Effect = StepEffect.Read }] });
        }

        await Memory.PinAsync("pinned", by: "Ada");
        for (var i = 0; i < 4; i++)
        {
            await Memory.ReplayAsync(executor, "good");
        }

        _test.Time.Advance(TimeSpan.FromDays(200));
        await Memory.StoreAsync(new() { Name = "outer", Undo = "undone", Steps = [new() { Action = "inner", Kind = StepKind.Procedure, Effect = StepEffect.Read }] });
        var policy = new ForgetPolicy { UnusedFor = TimeSpan.FromDays(100) };

        var before = _test.Dump();
        var would = await Memory.ForgetAsync(policy, dryRun: true);
        Assert.Equal(before, _test.Dump());
        var pass = await Memory.ReviseAsync(forget: policy);

        Assert.Equal(["bad"], would.Select(f => f.Name));
        Assert.Contains("not used for 200 days, and succeeded in 0 of 0", would[0].Reason, StringComparison.Ordinal);
        Assert.Equal("bad", Assert.Single(pass.Changes).Name);
        Assert.Equal(ReplayOutcome.Refused, (await Memory.ReplayAsync(executor, "bad")).Outcome);
        Assert.Empty(await Memory.ForgetAsync(policy));
        await Memory.ActivateVersionAsync("bad", 1);
        Assert.Equal(ReplayOutcome.Completed, (await Memory.ReplayAsync(executor, "bad")).Outcome);
        Assert.Equal([RevisionKind.Forgotten, RevisionKind.Activated], (await Memory.GetHistoryAsync("bad")).Entries.Where(e => e.Decision is not null).Select(e => e.Decision!.Note.Kind));
        await Assert.ThrowsAsync<ArgumentException>(() => Memory.ForgetAsync(new() { KeepFrom = 2 }));
    }

    private async Task<Guid> RecordAsync(string order, string customer, string? extra = null, string name = "ship", bool replace = false, string? notes = null, string[]? tags = null) =>
        (await RecordedAsync(order, customer, extra, name, replace, notes, tags)).TraceId;

    private async Task<RecordingResult> RecordedAsync(string order, string customer, string? extra = null, string name = "ship", bool replace = false, string? notes = null, string[]? tags = null)
    {
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        var recorder = await Memory.StartRecordingAsync(new() { Name = name, Description = notes is null ? "Ship the parcel" : $"Ship the parcel, {notes}", Request = $"Ship {order} to {customer}", Notes = notes, Tags = tags ?? [] });
        await StepAsync("shop.get", $$"""{"order":"{{order}}"}""", $$"""{"customer":"{{customer}}"}""");
        await StepAsync("shop.send", $$"""{"order":"{{order}}","to":"{{customer}}"}""", """{"ok":true}""");
        if (extra is not null)
        {
            await StepAsync(extra, $$"""{"to":"{{customer}}"}""", """{"ok":true}""");
        }

        var result = await recorder.FinalizeAsync();
        return replace ? await Memory.DistillTraceAsync(result.TraceId, replace: true) : result;

        Task StepAsync(string action, string arguments, string given) => recorder.RecordStepAsync(new TraceStep { Action = action, Arguments = Given.Value(arguments), Result = Given.Value(given), Notes = notes });
    }

    /// <summary>All bytes of the database and the files beside it.</summary>
    private string Bytes()
    {
        var text = new StringBuilder();
        foreach (var file in Directory.EnumerateFiles(Path.GetDirectoryName(_test.DatabasePath)!).Where(f => !f.EndsWith("-shm", StringComparison.Ordinal)))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            text.Append(reader.ReadToEnd());
        }

        return text.ToString();
    }
}
