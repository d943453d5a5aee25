using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

public sealed class UnconfirmedConstantTests : IDisposable
{
    private readonly TestMemory _world = TestMemory.InMemory(o => o.ParametersOf = action => action switch
    {
        "shop.refund" => Given.Value("""{"properties":{"notify":{},"to":{"properties":{"by":{}}}}}"""),
        "shop.notify" => Given.Value("""{"properties":{"ticket":{}}}"""),
        _ => null,
    });

    private ProcedureMemory Memory => _world.Memory;

    public void Dispose() => _world.Dispose();

    [Fact]
    public async Task A_literal_that_nobody_can_place_is_not_written_again_before_somebody_says_so()
    {
        await Record("W1", "damaged");
        var shop = new ScriptedExecutor();

        var result = await Memory.ReplayAsync(shop, "refund", Given.With(("order", "\"W2\"")));

        var problem = Assert.Single(result.Problems);
        Assert.Equal((ReplayProblemCodes.UnconfirmedConstant, "reason"), (problem.Code, problem.InputName));
        Assert.Contains("the value that stood for 'reason'", problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("damaged", problem.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task It_is_given_as_an_input()
    {
        await Record("W1", "damaged");
        var shop = new ScriptedExecutor();

        var result = await Memory.ReplayAsync(shop, "refund", Given.With(("order", "\"W2\""), ("reason", "\"late\"")));

        Given.JsonEqual("""{"order":"W2","reason":"late"}""", shop.Calls.Single().Arguments);
        Assert.Equal(ArgumentOrigin.Input, result.Steps[0].ArgumentOrigins["reason"]);
    }

    [Fact]
    public async Task It_is_confirmed_by_the_host_for_one_replay()
    {
        await Record("W1", "damaged");
        var shop = new ScriptedExecutor();

        var result = await Memory.ReplayAsync(shop, "refund", Given.With(("order", "\"W2\"")) with { ConfirmConstants = true });

        Given.JsonEqual("""{"order":"W2","reason":"damaged"}""", shop.Calls.Single().Arguments);
        Assert.Equal(ArgumentOrigin.Constant, result.Steps[0].ArgumentOrigins["reason"]);
    }

    [Theory]
    [InlineData("\"damaged\"", "damaged")]
    [InlineData("\"$inputs.why\"", null)]
    public async Task It_is_settled_for_good_by_a_person(string source, string? constant)
    {
        await Record("W1", "damaged");

        var edited = await Memory.SetSourceAsync("refund", "refund", "reason", Given.Value(source));

        Assert.Equal((2, VersionReason.Edited, ProcedureOrigin.User), (edited.Version.Number, edited.Version.Reason, edited.Version.Origin));
        Assert.Equal(constant is null ? ["order", "why"] : ["order"], edited.Version.Inputs.Select(i => i.Name));
        Assert.DoesNotContain(edited.Version.Inputs, i => i.Unconfirmed);
        var result = await Memory.ReplayAsync(new ScriptedExecutor(), "refund", Given.With(("order", "\"W2\""), ("why", "\"late\"")));
        Given.JsonEqual($$"""{"order":"W2","reason":"{{constant ?? "late"}}"}""", result.Steps[0].Arguments);
    }

    [Fact]
    public async Task What_a_person_set_stands_against_further_recordings_and_the_contradiction_is_told()
    {
        await Record("W1", "damaged");
        await Memory.SetSourceAsync("refund", "refund", "reason", Given.Value("\"damaged\""));

        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "refund", Request = "Refund order W2" });
        await recorder.RecordStepAsync(Refund("W2", "late"));
        var result = await recorder.FinalizeAsync();

        Assert.Equal(3, result.Procedure!.Version.Number);
        Given.JsonEqual("""{"order":"$inputs.order","reason":"damaged"}""", result.Procedure.Version.Steps[0].Arguments);
        Assert.Contains("reason", Assert.Single(result.Contradictions), StringComparison.Ordinal);
        Assert.Contains(await Memory.ExplainAsync("refund"), s => s is { Argument: "/reason", IsEdited: true });
    }

    [Fact]
    public async Task It_stands_also_where_a_recording_in_between_agreed_with_it()
    {
        await Record("W1", "damaged");
        await Memory.SetSourceAsync("refund", "refund", "reason", Given.Value("\"damaged\""));

        Assert.Empty((await Finalize(Refund("W2", "damaged"))).Contradictions);
        var result = await Finalize(Refund("W3", "late"));

        Given.JsonEqual("""{"order":"$inputs.order","reason":"damaged"}""", result.Procedure!.Version.Steps[0].Arguments);
        Assert.Single(result.Contradictions);
    }

    [Fact]
    public async Task An_input_that_a_person_made_of_it_is_contradicted_by_no_value()
    {
        await Record("W1", "damaged");
        await Memory.SetSourceAsync("refund", "refund", "reason", Given.Value("\"$inputs.why\""));

        var result = await Finalize(Refund("W2", "late"));

        Assert.Empty(result.Contradictions);
        Given.JsonEqual("""{"order":"$inputs.order","reason":"$inputs.why"}""", result.Procedure!.Version.Steps[0].Arguments);
        Assert.Equal(["order", "why"], result.Procedure.Version.Inputs.Select(i => i.Name));
    }

    [Fact]
    public async Task An_argument_that_a_person_added_stays_though_no_recording_has_it()
    {
        await Record("W1", "damaged");
        await Memory.SetSourceAsync("refund", "refund", "notify", Given.Value("true"));

        var result = await Finalize(Refund("W2", "damaged"));

        Given.JsonEqual("""{"order":"$inputs.order","reason":"damaged","notify":true}""", result.Procedure!.Version.Steps[0].Arguments);
        Assert.Contains("no such argument", Assert.Single(result.Contradictions), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_part_that_a_person_set_stays_where_a_recording_has_another_value_around_it()
    {
        await Finalize(Send("W1", """{"city":"Berlin","by":"post"}"""));
        await Memory.SetSourceAsync("refund", "refund", "/to/by", Given.Value("\"courier\""));

        var result = await Finalize(Send("W2", """{"box":"77"}"""));

        Given.JsonEqual("\"courier\"", result.Procedure!.Version.Steps[0].Arguments.GetProperty("to").GetProperty("by"));
        Assert.Single(result.Contradictions);
        // And once more: it is still the person's.
        Given.JsonEqual("\"courier\"", (await Finalize(Send("W3", """{"box":"78"}"""))).Procedure!.Version.Steps[0].Arguments.GetProperty("to").GetProperty("by"));

        static TraceStep Send(string order, string to) => new() { Action = "shop.refund", Arguments = Given.Value($$"""{"order":"{{order}}","to":{{to}}}"""), Result = Given.Value("1") };
    }

    [Fact]
    public async Task What_was_stored_under_ids_of_its_own_stands_against_recordings()
    {
        await Memory.StoreAsync(Given.Definition(
            "refund",
            Given.Step("shop.find", """{"name":"$inputs.who"}""", "customer"),
            Given.Step("shop.refund", """{"to":"$steps.customer.outputs#/backup","note":"For {$steps.customer.outputs#/name}","reason":"damaged"}""", "pay")).Taking(Given.Input("who", JsonType.String)));

        var result = await Finalize(
            new TraceStep { Action = "shop.find", Effect = StepEffect.Read, Arguments = Given.Value("""{"name":"Ann Lee"}"""), Result = Given.Value("""{"id":"c-100200","backup":"c-300400","name":"Ann Lee"}""") },
            new TraceStep { Action = "shop.refund", Arguments = Given.Value("""{"to":"c-100200","note":"For Ann Lee","reason":"damaged"}"""), Result = Given.Value("""{"ok":true}""") });

        var steps = result.Procedure!.Version.Steps;
        Given.JsonEqual("""{"name":"$inputs.who"}""", steps[0].Arguments);
        Given.JsonEqual("""{"to":"$steps.find.outputs#/backup","note":"For {$steps.find.outputs#/name}","reason":"damaged"}""", steps[1].Arguments);
        Assert.Contains("refund/to is set to", Assert.Single(result.Contradictions), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_correction_that_refers_to_what_the_recordings_do_not_have_is_told_and_no_recording_is_lost_over_it()
    {
        await Finalize(Return("W1", "W1-lamp-1"));
        await Memory.SetSourceAsync("refund", "notify", "ticket", Given.Value("\"$steps.return.outputs#/ticket\""));

        // What was one call is the body of a loop now, and what it gives is no single value.
        var result = await Finalize(Return("W2", "W2-desk-1", "W2-vase-2"));

        Assert.Equal([StepKind.Function, StepKind.Loop, StepKind.Function], result.Procedure!.Version.Steps.Select(s => s.Kind));
        Assert.Contains(result.Contradictions, c => c.Contains("cannot stay $steps.return.outputs#/ticket", StringComparison.Ordinal));

        static TraceStep[] Return(string order, params string[] items) =>
        [
            new() { Action = "shop.get", Effect = StepEffect.Read, Arguments = Given.Value($$"""{"order":"{{order}}"}"""), Result = Given.Value($$"""{"items":[{{string.Join(',', items.Select(i => $"\"{i}\""))}}]}""") },
            .. items.Select(i => new TraceStep { Action = "shop.return", Arguments = Given.Value($$"""{"item":"{{i}}"}"""), Result = Given.Value($$"""{"ticket":"T-{{i}}"}""") }),
            new() { Action = "shop.notify", Arguments = Given.Value($$"""{"order":"{{order}}"}"""), Result = Given.Value("1") },
        ];
    }

    [Fact]
    public async Task A_further_recording_settles_it_as_an_input_or_as_a_constant()
    {
        await Record("W1", "damaged");
        var same = await Record("W2", "damaged");
        Given.JsonEqual("\"damaged\"", same.Version.Steps[0].Arguments.GetProperty("reason"));

        var other = await Record("W3", "late");
        var input = Assert.Single(other.Version.Inputs, i => i.Name == "reason");
        Assert.False(input.Unconfirmed);
        Assert.Null(input.Default);
    }

    [Fact]
    public async Task A_function_that_only_reads_may_be_called_with_what_was_recorded()
    {
        using var world = TestMemory.InMemory(o => o.Effects = new Dictionary<string, StepEffect> { ["Shop.Refund"] = StepEffect.Read });
        var recorder = await world.Memory.StartRecordingAsync(new RecordingDetails { Name = "refund", Request = "Refund order W1" });
        await recorder.RecordStepAsync(Refund("W1", "damaged"));

        var version = (await recorder.FinalizeAsync()).Procedure!.Version;

        Assert.Equal(["order"], version.Inputs.Select(i => i.Name));
        Assert.Equal(StepEffect.Read, version.Steps[0].Effect);
    }

    [Theory]
    [InlineData("nothing", "reason", "\"x\"", "no step 'nothing'")]
    [InlineData("refund", "/reason/deep", "\"x\"", "no place")]
    [InlineData("refund", "reasn", "\"x\"", "Step 'refund' has no argument 'reasn'. Its arguments are: reason, order, notify, to. Only what its function is known to take can be added: declare it with ParametersOf, or store a new version.")]
    [InlineData("refund", "/Reason", "\"x\"", "Step 'refund' has no argument '/Reason'. Its arguments are: reason, order, notify, to.")]
    [InlineData("refund", "carrier", "\"x\"", "Its arguments are: order, reason, notify, to.")]
    [InlineData("refund", "reason", "\"$steps.later.outputs\"", "no earlier step")]
    [InlineData("refund", "reason", "\"$inputs.\"", "malformed")]
    public async Task A_correction_that_cannot_be_is_refused(string step, string argument, string source, string says)
    {
        await Record("W1", "damaged");

        var refusal = await _world.RefusesAsync<ProcedureFormatException>(() => Memory.SetSourceAsync("refund", step, argument, Given.Value(source)));

        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_argument_that_another_step_of_the_action_has_can_be_added_and_one_inside_a_value_cannot()
    {
        await Memory.StoreAsync(Given.Definition("two", Given.Step("shop.send", """{"to":{"city":"Paris"},"carrier":"post"}""", "first"), Given.Step("shop.send", """{"to":{"city":"Rome"}}""", "second"), Given.Step("shop.close", id: "close")));

        var edited = await Memory.SetSourceAsync("two", "second", "carrier", Given.Value("\"rail\""));

        Given.JsonEqual("""{"to":{"city":"Rome"},"carrier":"rail"}""", edited.Version.Steps[1].Arguments);
        Assert.Contains("no place '/to/citi'", (await _world.RefusesAsync<ProcedureFormatException>(() => Memory.SetSourceAsync("two", "first", "/to/citi", Given.Value("1")))).Message, StringComparison.Ordinal);
        Assert.Contains("'close' has no argument 'carrier'. None is known of it.", (await _world.RefusesAsync<ProcedureFormatException>(() => Memory.SetSourceAsync("two", "close", "carrier", Given.Value("1")))).Message, StringComparison.Ordinal);
    }

    private async Task<Procedure> Record(string order, string reason)
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "refund", Request = $"Refund order {order}" });
        await recorder.RecordStepAsync(Refund(order, reason));
        return (await recorder.FinalizeAsync()).Procedure!;
    }

    private async Task<RecordingResult> Finalize(params IReadOnlyList<TraceStep> calls)
    {
        var order = calls.Select(c => c.Arguments.TryGetProperty("order", out var given) ? given.GetString() : null).FirstOrDefault(o => o is not null);
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "refund", Request = $"Refund order {order}" });
        foreach (var call in calls)
        {
            await recorder.RecordStepAsync(call);
        }

        return await recorder.FinalizeAsync();
    }

    private static TraceStep Refund(string order, string reason) =>
        new() { Action = "shop.refund", Arguments = Given.Value($$"""{"order":"{{order}}","reason":"{{reason}}"}"""), Result = Given.Value("""{"ok":true}""") };
}
