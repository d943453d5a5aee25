using System.ComponentModel;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Functions change after a task was recorded: a replay sees it before its first call, through a real kernel.</summary>
public sealed class DriftTests : IDisposable
{
    private readonly Dictionary<string, StepEffect> _effects = [];
    private readonly List<string> _calls = [];
    private readonly ProcedureMemory _memory;

    public DriftTests() => _memory = Given.Memory(o => o.Effects = _effects);

    public enum Cabin
    {
        Economy,
        First,
    }

    private enum FewerCabins
    {
        Economy,
    }

    public void Dispose() => _memory.Dispose();

    /// <summary>What the function that was recorded as <c>find(string orderId, int limit, Cabin cabin, string note)</c> is today.</summary>
    public static TheoryData<string, Delegate, DriftKind, string> Changes => new()
    {
        { "the same", (string orderId, int limit, Cabin cabin, string? note = null) => orderId, DriftKind.Same, "" },
        { "optional parameter added", (string orderId, int limit, Cabin cabin, string? note = null, string lang = "en") => orderId, DriftKind.Compatible, "It takes 'lang' since, which may be left out." },
        { "description changed", ([Description("The number")] string orderId, int limit, Cabin cabin, string? note = null) => orderId, DriftKind.Compatible, "It describes 'orderId' otherwise." },
        { "type widened", (string orderId, double limit, Cabin cabin, string? note = null) => orderId, DriftKind.Compatible, "It takes number for 'limit' now, where it took integer." },
        { "unused parameter removed", (string orderId, int limit, Cabin cabin) => orderId, DriftKind.Compatible, "It no longer takes 'note', which the step does not give." },
        { "renamed", (string order_id, int limit, Cabin cabin, string? note = null) => order_id, DriftKind.Renamed, "'orderId' has the name 'order_id' now." },
        { "two renames that may be", (string orderIdOld, string orderIdNew, int limit, Cabin cabin, string? note = null) => orderIdOld, DriftKind.Breaking, "may call it 'orderIdNew' or 'orderIdOld' now" },
        { "needed parameter removed", (int limit, Cabin cabin, string? note = null) => "x", DriftKind.Breaking, "It no longer takes 'orderId', which the step gives." },
        { "required parameter added", (string orderId, int limit, Cabin cabin, string currency, string? note = null) => orderId, DriftKind.Breaking, "It needs 'currency' (string) now" },
        { "type changed to no choice", (string orderId, int limit, bool cabin, string? note = null) => orderId, DriftKind.Breaking, "It takes boolean for 'cabin' now" },
        { "type changed", (int orderId, int limit, Cabin cabin, string? note = null) => "x", DriftKind.Breaking, "It takes integer for 'orderId' now, where it took string." },
        { "enum without the constant", (string orderId, int limit, FewerCabins cabin, string? note = null) => orderId, DriftKind.Breaking, "It no longer takes \"First\" for 'cabin' that the step gives; it takes \"Economy\"." },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Each_kind_of_change_is_told_before_the_first_step(string change, Delegate today, DriftKind kind, string says)
    {
        await RecordAsync(Find(StepEffect.Read, (string orderId, int limit, Cabin cabin, string? note = null) => orderId), ("orderId", "W-1"), ("limit", 3), ("cabin", Cabin.First));
        var kernel = Kernel(Find(StepEffect.Read, today));

        var replay = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        if (kind is DriftKind.Same)
        {
            Assert.Empty(replay.Drift);
        }
        else
        {
            var drift = Assert.Single(replay.Drift);
            Assert.True(("find", "shop.find", kind) == (drift.StepId, drift.Action, drift.Kind), $"{change}: {drift}");
            Assert.Contains(says, drift.Message, StringComparison.Ordinal);
        }

        if (kind is DriftKind.Breaking)
        {
            // Said once, and not by the executor as well.
            var problem = Assert.Single(replay.Problems);
            Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.Drift, "find"), (replay.Outcome, problem.Code, problem.StepId));
            Assert.Empty(_calls);
        }
        else
        {
            Assert.True(replay.Outcome is ReplayOutcome.Completed, replay.Message);
            Assert.Single(_calls);
        }

        Assert.Equal(kind is DriftKind.Renamed, replay.Message.Contains("It only reads, so the argument goes by its new name.", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(StepEffect.Write)]
    [InlineData(StepEffect.IdempotentWrite)]
    [InlineData(StepEffect.Unknown)]
    public async Task A_rename_in_a_step_that_writes_is_proposed_as_a_draft_and_nothing_is_called(StepEffect effect)
    {
        await RecordAsync(Plugin(("refund", effect, (string orderId, int amount) => orderId)), ("orderId", "W-1"), ("amount", 7));
        var kernel = Kernel(Plugin(("refund", effect, (string orderId, int amount_cents) => orderId)));

        var replay = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());
        var again = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.Equal((ReplayOutcome.Refused, 2), (replay.Outcome, Assert.Single(replay.Drift).ProposedVersion));
        Assert.Equal(ReplayProblemCodes.Drift, Assert.Single(replay.Problems).Code);
        Assert.Contains("'amount' has the name 'amount_cents' now.", replay.Message, StringComparison.Ordinal);
        Assert.Contains("Version 2 of 'learned_task' has the new name; the host can look at it and activate it", replay.Message, StringComparison.Ordinal);
        Assert.Empty(_calls);

        // Proposed once, as a draft; the active version is as it was.
        Assert.Equal(2, Assert.Single(again.Drift).ProposedVersion);
        var versions = await _memory.ListVersionsAsync("learned_task");
        Assert.Equal([(VersionReason.Recorded, VersionState.Active), (VersionReason.Adapted, VersionState.Draft)], versions.Select(v => (v.Reason, v.State)));
        Assert.Equal(["orderId", "amount_cents"], versions[1].Steps[0].Arguments.EnumerateObject().Select(a => a.Name).OrderDescending());
        Assert.Contains(versions[1].Sources, s => s.Argument == "/amount_cents");

        await _memory.ActivateVersionAsync("learned_task", 2);
        var adapted = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());
        Assert.True(adapted.Outcome is ReplayOutcome.Completed, adapted.Message);
        Assert.Empty(adapted.Drift);
        Assert.Equal(["amount_cents=7, orderId=W-1"], _calls);

        // It still knows what it was recorded from: retention keeps that, and the next recording is distilled together with it.
        Assert.Equal(0, (await _memory.ApplyRetentionAsync(new() { Traces = TimeSpan.Zero })).Traces);
        Assert.Single(await _memory.ListTracesAsync());
    }

    [Fact]
    public async Task What_a_function_declares_today_decides_whether_its_step_is_adapted_and_not_what_it_declared()
    {
        await RecordAsync(Given.Plugin("shop", ("find", [FunctionEffect(StepEffect.Read)] (string orderId) => orderId)), ("orderId", "W-1"));
        var writing = Kernel(Given.Plugin("shop", ("find", [FunctionEffect(StepEffect.Write)] (string order_id) => order_id)));
        var reading = Kernel(Given.Plugin("shop", ("find", [FunctionEffect(StepEffect.Read)] (string order_id) => order_id)));

        Assert.Equal(ReplayOutcome.Refused, (await _memory.ReplayAsync(writing, "learned_task", Given.Confirmed())).Outcome);
        Assert.Empty(_calls);
        Assert.Equal(ReplayOutcome.Completed, (await _memory.ReplayAsync(reading, "learned_task", Given.Confirmed())).Outcome);

        // What the host says goes before what the function says of itself.
        _effects["SHOP.find"] = StepEffect.Write;
        Assert.Equal(ReplayOutcome.Refused, (await _memory.ReplayAsync(reading, "learned_task", Given.Confirmed())).Outcome);
        Assert.Equal(["order_id=W-1"], _calls);
    }

    [Theory]
    [InlineData(StepEffect.Read)]
    [InlineData(StepEffect.Write)]
    public async Task An_adapted_parameter_by_the_new_name_is_taken_and_one_by_the_old_name_is_asked_for_by_the_new(StepEffect effect)
    {
        await RecordAsync(Find(effect, (string orderId, int amount) => orderId), ("orderId", "W-1"), ("amount", 7));
        var kernel = Kernel(Find(effect, (string orderId, int amount_cents) => orderId));

        var byNewName = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed() with { StepOverrides = Given.With(("find", """{"amount_cents":700}""")).Inputs });
        var byAction = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed() with { ActionOverrides = Given.With(("shop.find", """{"amount_cents":900}""")).Inputs });
        var byOldName = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed() with { StepOverrides = Given.With(("find", """{"amount":700}""")).Inputs });

        Assert.Equal((ReplayOutcome.Completed, ReplayOutcome.Completed, ReplayOutcome.Refused), (byNewName.Outcome, byAction.Outcome, byOldName.Outcome));
        Given.JsonEqual("""{"orderId":"W-1","amount_cents":700}""", byNewName.Steps[0].Arguments);
        Assert.Equal(ArgumentOrigin.StepOverride, byNewName.Steps[0].ArgumentOrigins["amount_cents"]);
        Assert.Equal(["amount_cents=700, orderId=W-1", "amount_cents=900, orderId=W-1"], _calls);
        Assert.Contains("Its name is 'amount_cents' now: give it by that name.", Assert.Single(byOldName.Problems).Message, StringComparison.Ordinal);
        Assert.Single(await _memory.ListVersionsAsync("learned_task"));
    }

    [Fact]
    public async Task Steps_of_loops_and_of_procedures_inside_are_adapted_and_what_they_gave_is_bound_as_before()
    {
        var before = Plugin(("list", StepEffect.Read, () => new[] { "a", "b" }), ("get", StepEffect.Read, (string itemId) => $"<{itemId}>"), ("say", StepEffect.Read, (string text) => text));
        var today = Plugin(("list", StepEffect.Read, () => new[] { "a", "b" }), ("get", StepEffect.Read, (string item_id) => $"<{item_id}>"), ("say", StepEffect.Read, (string text) => text));
        await _memory.StoreAsync(new ProcedureDefinition
        {
            Name = "inner",
            Inputs = [Given.Input("id", JsonType.String)],
            Steps = [Given.Step("shop.get", """{"itemId":"$inputs.id"}""")],
            Signatures = Signatures(before),
        });
        await _memory.StoreAsync(new ProcedureDefinition
        {
            Name = "outer",
            Steps =
            [
                Given.Step("shop.list"),
                new() { Id = "each", Action = "get each", Kind = StepKind.Loop, ForEach = "$steps.list.outputs", Steps = [Given.Step("shop.get", """{"itemId":"$item"}""")] },
                new() { Id = "again", Action = "inner", Kind = StepKind.Procedure, Arguments = Given.Value("""{"id":"$steps.list.outputs#/0"}""") },
                Given.Step("shop.say", """{"text":"{$steps.again.outputs#/get}!"}"""),
            ],
            Signatures = Signatures(before),
        });

        var replay = await _memory.ReplayAsync(Kernel(today), "outer");

        Assert.True(replay.Outcome is ReplayOutcome.Completed, replay.Message);
        Assert.Equal([("each/get", DriftKind.Renamed), ("again/get", DriftKind.Renamed)], replay.Drift.Select(d => (d.StepId, d.Kind)));
        Given.JsonEqual("""[{"get":"<a>"},{"get":"<b>"}]""", replay.Steps[1].Result);
        Given.JsonEqual("\"<a>!\"", replay.Steps[3].Result);
    }

    [Fact]
    public async Task Of_a_procedure_that_stands_there_at_two_versions_only_the_one_that_was_recorded_before_is_adapted()
    {
        var before = Plugin(("get", StepEffect.Read, (string itemId) => itemId), ("find", StepEffect.Read, (string itemId) => itemId));
        var today = Plugin(("get", StepEffect.Read, (string item_id) => $"got {item_id}"), ("find", StepEffect.Read, (string itemId) => $"found {itemId}"));
        foreach (var action in new[] { "shop.get", "shop.find" })
        {
            await _memory.StoreAsync(new ProcedureDefinition { Name = "inner", Steps = [Given.Step(action, """{"itemId":"a"}""", "step")], Signatures = Signatures(before) }, asNewVersion: true);
        }

        await _memory.StoreAsync(new ProcedureDefinition
        {
            Name = "outer",
            Steps = [.. new[] { 1, 2 }.Select(v => new ProcedureStep { Id = $"v{v}", Action = "inner", Kind = StepKind.Procedure, Version = v })],
        });

        var replay = await _memory.ReplayAsync(Kernel(today), "outer");

        Assert.True(replay.Outcome is ReplayOutcome.Completed, replay.Message);
        Assert.Equal("v1/step", Assert.Single(replay.Drift).StepId);
        Assert.Equal(["item_id=a", "itemId=a"], _calls);
    }

    [Fact]
    public async Task A_procedure_of_a_scope_that_the_caller_does_not_write_gets_no_proposal()
    {
        var shared = new MemoryScope("team");
        using (_memory.BeginSession(shared))
        {
            await _memory.StoreAsync(new ProcedureDefinition
            {
                Name = "refund",
                Steps = [Given.Step("shop.refund", """{"amount":7}""")],
                Signatures = Signatures(Plugin(("refund", StepEffect.Write, (int amount) => amount))),
            });
        }

        using (_memory.BeginSession(new MemoryScope("user:ada", "team")))
        {
            var replay = await _memory.ReplayAsync(Kernel(Plugin(("refund", StepEffect.Write, (int amount_cents) => amount_cents))), "refund");

            Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
            Assert.Null(Assert.Single(replay.Drift).ProposedVersion);
            Assert.Contains("Store a version of 'refund' with the new name", replay.Message, StringComparison.Ordinal);
        }

        using (_memory.BeginSession(shared))
        {
            Assert.Single(await _memory.ListVersionsAsync("refund"));
        }

        using (_memory.BeginSession(new MemoryScope("user:ada")))
        {
            Assert.Empty(await _memory.ListAsync(includeRetired: true));
        }
    }

    [Fact]
    public async Task A_proposal_that_somebody_went_back_from_is_named_again_and_not_stored_again()
    {
        await RecordAsync(Find(StepEffect.Write, (int amount) => "x"), ("amount", 7));
        var kernel = Kernel(Find(StepEffect.Write, (int amount_cents) => "x"));
        Assert.Equal(2, Assert.Single((await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed())).Drift).ProposedVersion);
        await _memory.ActivateVersionAsync("learned_task", 2);
        await _memory.ActivateVersionAsync("learned_task", 1);

        var replay = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.Equal(2, Assert.Single(replay.Drift).ProposedVersion);
        Assert.Equal(2, (await _memory.ListVersionsAsync("learned_task")).Count);

        // Another change is another proposal; and an earlier version that is asked for by its number gets none.
        var other = Kernel(Find(StepEffect.Write, (int amount_total) => "x"));
        Assert.Equal(3, Assert.Single((await _memory.ReplayAsync(other, "learned_task", Given.Confirmed())).Drift).ProposedVersion);
        Assert.Null(Assert.Single((await _memory.ReplayAsync(other, "learned_task", Given.Confirmed() with { Version = 2 })).Drift).ProposedVersion);
    }

    [Fact]
    public async Task A_proposal_that_cannot_be_stored_is_none_and_the_replay_is_refused_all_the_same()
    {
        var options = new ProceduralMemoryOptions { DatabasePath = ":memory:" };
        using var inner = new SqliteProcedureStore(options);
        var readOnly = false;
        using var log = new LogBook();
        using var memory = new ProcedureMemory(options, FaultyStore.Around(inner, o => readOnly && o == nameof(IProcedureStore.SaveVersionAsync) ? new ProcedureStoreException(StoreFault.ReadOnly, "It is read-only.") : null), log);
        await memory.StoreAsync(new ProcedureDefinition { Name = "p", Steps = [Given.Step("shop.find", """{"amount":7}""")], Signatures = Signatures(Find(StepEffect.Write, (int amount) => "x")) });
        readOnly = true;

        var replay = await memory.ReplayAsync(Kernel(Find(StepEffect.Write, (int amount_cents) => "x"), memory), "p");

        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Null(Assert.Single(replay.Drift).ProposedVersion);
        Assert.Contains(log.Entries, e => e.Message.Contains("could not be proposed from version 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_step_that_is_left_out_is_not_looked_at()
    {
        await RecordAsync(Find(StepEffect.Write, (int amount) => "x"), ("amount", 7));

        var replay = await _memory.ReplayAsync(Kernel(Find(StepEffect.Write, (string other) => "x")), "learned_task", Given.Confirmed() with { Skip = ["find"] });

        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.Empty(replay.Drift);
    }

    [Fact]
    public async Task What_a_person_wrote_for_a_parameter_that_is_gone_does_not_come_back_with_a_new_recording()
    {
        await _memory.StoreAsync(new ProcedureDefinition
        {
            Name = "learned_task",
            Steps = [Given.Step("shop.find", """{"remark":"x","limit":3}""")],
            Signatures = Signatures(Find(StepEffect.Read, (string remark, int limit) => "x")),
        });
        var today = Find(StepEffect.Read, (int limit) => "x");

        await RecordAsync(today, ("limit", 3));
        var replay = await _memory.ReplayAsync(Kernel(today), "learned_task", Given.Confirmed());

        Assert.True((replay.Outcome, replay.Version) == (ReplayOutcome.Completed, 2), replay.Message);
        Assert.Equal(["limit=3"], _calls);
    }

    [Fact]
    public async Task A_version_of_which_no_signature_is_known_is_replayed_as_ever()
    {
        await _memory.StoredAsync("p", Given.Step("shop.find", """{"orderId":"W-1"}"""));

        var replay = await _memory.ReplayAsync(Kernel(Find(StepEffect.Read, (string orderId, string lang = "en") => orderId)), "p");

        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.Empty(replay.Drift);
    }

    [Fact]
    public async Task A_model_is_told_of_the_drift_and_given_no_way_to_approve_it()
    {
        await RecordAsync(Find(StepEffect.Write, (string orderId, int amount) => orderId), ("orderId", "W-1"), ("amount", 7));
        var kernel = Kernel(Find(StepEffect.Write, (string orderId, int amount_cents) => orderId));

        var reply = await kernel.AskMemoryAsync(ProceduralMemoryPlugin.ReplayProcedure, ("name", "learned_task"), ("inputs", """{"orderId":"W-1","amount":7}"""));

        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.Contains("'amount' has the name 'amount_cents' now.", reply.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await _memory.GetAsync("learned_task")).ActiveVersion);
    }

    [Fact]
    public async Task A_task_that_is_recorded_anew_with_a_changed_function_is_learned_as_it_is_now()
    {
        await RecordAsync(Find(StepEffect.Read, (string orderId, int limit) => orderId), ("orderId", "W-1"), ("limit", 7));
        var today = Find(StepEffect.Read, (string customer, int limit) => customer);
        var kernel = Kernel(today);
        Assert.Equal(ReplayOutcome.Refused, (await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed())).Outcome);

        await RecordAsync(today, ("customer", "C-1"), ("limit", 7));
        var replay = await _memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.True((replay.Outcome, replay.Version) == (ReplayOutcome.Completed, 2), replay.Message);
        Assert.Empty(replay.Drift);
        Given.JsonEqual("""{"customer":"C-1","limit":7}""", replay.Steps[0].Arguments);
    }

    [Fact]
    public async Task A_check_reports_missing_functions_and_drift_of_all_active_procedures_and_calls_nothing()
    {
        var before = Plugin(("find", StepEffect.Read, (string orderId) => "f"), ("refund", StepEffect.Write, (int amount) => "r"), ("gone", StepEffect.Read, () => "g"), ("kept", StepEffect.Read, () => "k"));
        var today = Plugin(("find", StepEffect.Read, (string order_id) => "f"), ("refund", StepEffect.Write, (int amount_cents) => "r"), ("kept", StepEffect.Read, (string lang = "en") => "k"));
        await StoreAsync("well", Given.Step("shop.kept"));
        await StoreAsync("adapted", Given.Step("shop.find", """{"orderId":"W-1"}"""));
        await StoreAsync("renamed in a write", Given.Step("shop.refund", """{"amount":7}"""));
        await StoreAsync("missing", Given.Step("shop.gone"));
        await StoreAsync("nested", new ProcedureStep { Id = "inner", Action = "nowhere", Kind = StepKind.Procedure });
        await _memory.ImportAsync("""{"format":4,"name":"a draft","steps":[{"action":"none.at_all"}]}""");

        var healthy = await _memory.CheckAsync(Kernel(Plugin(("find", StepEffect.Read, (string orderId) => "f"))));
        var report = await _memory.CheckAsync(Kernel(today));

        Assert.False(healthy.IsHealthy);
        Assert.False(report.IsHealthy);
        Assert.Equal(5, report.ProcedureCount);
        Assert.Equal(
            [("adapted", true, ""), ("missing", false, "missing_function"), ("nested", false, "nested_procedure"), ("renamed in a write", false, "drift"), ("well", true, "")],
            report.Findings.Select(f => (f.ProcedureName, f.IsHealthy, string.Join(",", f.Problems.Select(p => p.Code)))));
        Assert.Equal([DriftKind.Renamed, DriftKind.Renamed, DriftKind.Compatible], report.Findings.SelectMany(f => f.Drift).Select(d => d.Kind));
        Assert.Empty(_calls);
        Assert.Single(await _memory.ListVersionsAsync("renamed in a write"));

        var lines = report.ToString().Split('\n');
        Assert.Equal("5 active procedures checked: 3 cannot be replayed.", lines[0]);
        Assert.Equal("FAIL missing, version 1, scope default", lines[1]);
        Assert.Equal("FAIL renamed in a write, version 1, scope default", lines[5]);
        Assert.StartsWith("     - Step 'refund' calls shop.refund, which has changed since it was recorded. 'amount' has the name 'amount_cents' now. The step writes", lines[6], StringComparison.Ordinal);
        Assert.Contains("note adapted, version 1, scope default", lines);

        Task StoreAsync(string name, ProcedureStep step) => _memory.StoreAsync(new ProcedureDefinition { Name = name, Steps = [step], Signatures = Signatures(before) });
    }

    [Fact]
    public async Task A_check_through_the_kernel_that_recorded_finds_nothing()
    {
        var plugin = Find(StepEffect.Read, (string orderId, int limit = 3) => orderId);
        await RecordAsync(plugin, ("orderId", "W-1"));

        var report = await _memory.CheckAsync(Kernel(plugin));

        Assert.True(report.IsHealthy);
        Assert.Empty(report.Findings);
        Assert.Equal("1 active procedure checked: all can be replayed.", report.ToString());
    }

    private static IReadOnlyList<FunctionSignature> Signatures(KernelPlugin plugin) =>
        [.. plugin.Select(f => new FunctionSignature($"{f.PluginName}.{f.Name}", KernelActions.ParametersOf(f)!.Value))];

    /// <summary>A plugin whose functions do to the world what the host says that they do.</summary>
    private KernelPlugin Plugin(params (string Name, StepEffect Effect, Delegate Body)[] functions)
    {
        foreach (var (name, effect, _) in functions)
        {
            _effects[$"shop.{name}"] = effect;
        }

        return Given.Plugin("shop", [.. functions.Select(f => (f.Name, f.Body))]);
    }

    private KernelPlugin Find(StepEffect effect, Delegate body) => Plugin(("find", effect, body));

    /// <summary>A kernel that writes down what is called in it.</summary>
    private Kernel Kernel(KernelPlugin plugin, ProcedureMemory? memory = null)
    {
        var kernel = Given.Kernel(memory ?? _memory, plugin);
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = (context, next) =>
            {
                if (context.Function.PluginName == "shop")
                {
                    _calls.Add(string.Join(", ", context.Arguments.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}={a.Value}")));
                }

                return next(context);
            },
        });
        return kernel;
    }

    /// <summary>Records a call of the only function of a plugin.</summary>
    private async Task RecordAsync(KernelPlugin plugin, params (string Name, object? Value)[] arguments)
    {
        var kernel = Kernel(plugin);
        await kernel.RecordedAsync(_memory, () => kernel.CallAsync($"shop.{plugin.Single().Name}", arguments));
        _calls.Clear();
    }
}
