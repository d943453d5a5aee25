using System.Text.Json;
using CsCheck;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

public sealed class ProcedureDistillerTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public async Task What_the_request_names_is_an_input_what_a_result_gave_is_bound_and_the_rest_is_to_be_confirmed()
    {
        var procedure = await Memory.RecordedAsync(
            new RecordingDetails { Name = "cancel", Request = "Please cancel order W1234567." },
            ("orders.get", """{"order_id":"W1234567"}""", """{"id":"W1234567","customer":{"id":"C-7788"},"lines":[{"sku":"SKU-1"},{"sku":"SKU-2"}]}"""),
            ("orders.cancel", """{"order_id":"W1234567","customer":"C-7788","sku":"SKU-2","notify":true,"reason":"requested","limit":5}""", "\"done\""));

        Given.JsonEqual("""{"order_id":"$inputs.order_id"}""", procedure.Version.Steps[0].Arguments);
        Given.JsonEqual(
            """{"order_id":"$inputs.order_id","customer":"$steps.get.outputs#/customer/id","sku":"$steps.get.outputs#/lines/1/sku","notify":true,"reason":"$inputs.reason","limit":"$inputs.limit"}""",
            procedure.Version.Steps[1].Arguments);
        Assert.Equal([("order_id", false), ("reason", true), ("limit", true)], procedure.Version.Inputs.Select(i => (i.Name, i.Unconfirmed)));
        var input = procedure.Version.Inputs[0];
        Assert.Equal(("order_id", JsonType.String, true, false), (input.Name, input.Type, input.Required, input.Secret));
        Given.JsonEqual("\"W1234567\"", Assert.Single(input.Examples));
    }

    [Theory]
    [InlineData("refund 1250 for W1", "1250", JsonType.Number)]
    [InlineData("refund 12.50 for W1", "12.50", JsonType.Number)]
    [InlineData("refund twelve for W1", "\"twelve\"", JsonType.String)]
    public async Task An_input_has_the_type_of_the_value_that_was_seen(string request, string value, JsonType type)
    {
        var procedure = await Memory.RecordedAsync(new RecordingDetails { Name = "p", Request = request }, ("t.a", $$"""{"amount":{{value}}}""", "1"), ("t.b", $$"""{"amount":{{value}},"order":"W1"}""", "1"));

        Assert.Equal([("amount", type), ("order", JsonType.String)], procedure.Version.Inputs.Select(i => (i.Name, i.Type)));
        Given.JsonEqual("""{"amount":"$inputs.amount","order":"$inputs.order"}""", procedure.Version.Steps[1].Arguments);
    }

    [Theory]
    [InlineData("Deploy 1.4.0 now", "\"1.4.0\"", true)]
    [InlineData("Deploy 1.4.0.", "\"1.4.0\"", true)]
    [InlineData("Deploy (1.4.0), please", "\"1.4.0\"", true)]
    [InlineData("Deploy 11.4.0", "\"1.4.0\"", false)]
    [InlineData("Deploy 1.4.0-rc1", "\"1.4.0\"", false)]
    [InlineData("Deploy v1.4.0", "\"1.4.0\"", false)]
    [InlineData("In 2012", "12", false)]
    [InlineData("Give me 12 of them", "12", true)]
    [InlineData("Give me 12.5 of them", "12", false)]
    [InlineData("Give me 1,250 of them", "1", false)]
    [InlineData("Apples, pears", "\"Apples\"", true)]
    [InlineData("apples", "\"APPLES\"", true)]
    [InlineData("pineapples and apples", "\"apples\"", true)]
    [InlineData("pineapples", "\"apples\"", false)]
    [InlineData("order_id", "\"order\"", false)]
    [InlineData("true enough", "true", false)]
    [InlineData("nothing", "\"\"", false)]
    [InlineData("nothing here", "\" \"", false)]
    [InlineData(null, "\"x\"", false)]
    public void A_request_names_a_value_as_a_whole_word(string? request, string value, bool named) => Assert.Equal(named, RequestText.Mentions(request, Given.Value(value)));

    [Fact]
    public async Task A_result_of_a_failed_call_is_no_source()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, Given.Text("X-1000"), new StepFailure("E", "m"));
        await recorder.CompleteStepAsync(recorder.BeginStep("t.b", Given.Value("""{"id":"X-1000"}"""))!, null);

        Assert.True(Assert.Single((await recorder.FinalizeAsync()).Procedure!.Version.Inputs).Unconfirmed);
    }

    [Fact]
    public async Task One_value_is_one_input_and_inputs_of_one_name_are_told_apart()
    {
        var procedure = await Memory.RecordedAsync(
            new RecordingDetails { Name = "p", Request = "move from Berlin to Paris" },
            ("t.from", """{"city":"Berlin"}""", "1"),
            ("t.to", """{"city":"Paris"}""", "1"),
            ("t.mail", """{"text":"Berlin","2nd":"Paris"}""", "1"),
            ("t.note", """{"2nd":5}""", "1"));

        Assert.Equal(["city", "city_2", "input_2nd"], procedure.Version.Inputs.Select(i => i.Name));
        Given.JsonEqual("""{"text":"$inputs.city","2nd":"$inputs.city_2"}""", procedure.Version.Steps[2].Arguments);
    }

    [Fact]
    public async Task What_was_left_out_of_a_recording_is_an_input_that_every_replay_must_give()
    {
        using var test = TestMemory.InMemory(o => o.MaxValueBytes = 1024);
        var procedure = await test.Memory.RecordedAsync(new RecordingDetails { Name = "p" }, ("t.put", $$"""{"body":"{{new string('x', 2000)}}","password":"hunter2"}""", "1"));

        Assert.Equal([("body", false, true), ("password", true, true)], procedure.Version.Inputs.Select(i => (i.Name, i.Secret, i.Required)));
        Assert.All(procedure.Version.Inputs, i => Assert.Empty(i.Examples));
        Given.JsonEqual("""{"body":"$inputs.body","password":"$inputs.password"}""", procedure.Version.Steps[0].Arguments);
    }

    [Theory]
    [InlineData("""{"id":1,"name":"x","tags":["a"],"ratio":null}""", """{"type":"object","properties":{"id":{"type":"number"},"name":{"type":"string"},"ratio":{},"tags":{"type":"array","items":{"type":"string"}}},"required":["id","name","ratio","tags"]}""")]
    [InlineData("[]", """{"type":"array"}""")]
    [InlineData("""[1,"a"]""", """{"type":"array","items":{}}""")]
    [InlineData("""[{"a":1,"b":1},{"a":2.5}]""", """{"type":"array","items":{"type":"object","properties":{"a":{"type":"number"}},"required":["a"]}}""")]
    [InlineData("null", "{}")]
    [InlineData("true", """{"type":"boolean"}""")]
    public async Task The_shape_of_a_result_is_expected_but_not_asserted(string result, string shape)
    {
        var expectation = (await Memory.RecordedAsync(new RecordingDetails { Name = "p" }, ("t.a", "{}", result))).Version.Steps[0].Expectation!;

        Assert.Equal((ExpectationKind.Shape, ExpectationStrength.Observed), (expectation.Kind, expectation.Strength));
        Given.JsonEqual(shape, expectation.Value);
    }

    [Fact]
    public async Task Where_no_result_came_the_agents_words_are_expected()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.a", Outcome = "shipped" });
        await recorder.RecordStepAsync(new TraceStep { Action = "t.b" });
        var steps = (await recorder.FinalizeAsync()).Procedure!.Version.Steps;

        Assert.Equal((ExpectationKind.Contains, ExpectationStrength.Observed, "shipped"), (steps[0].Expectation!.Kind, steps[0].Expectation!.Strength, steps[0].Expectation!.Value.GetString()));
        Assert.Null(steps[1].Expectation);
    }

    [Theory]
    [InlineData("orders.get_order", "get_order")]
    [InlineData("get_order", "get_order")]
    [InlineData("Send the mail!", "Send_the_mail")]
    [InlineData("t.2fast", "step_2fast")]
    [InlineData("...", "step")]
    [InlineData("---", "step")]
    [InlineData("t.größe", "größe")]
    [InlineData("😀", "step")]
    public void A_step_id_is_made_from_the_action(string action, string id)
    {
        var taken = new HashSet<string>();

        Assert.Equal(id, ProcedureValidator.MakeStepId(action, taken));
        Assert.Equal(id + "_2", ProcedureValidator.MakeStepId(action, taken));
        Assert.True(ValueExpression.IsName(id));
    }

    [Fact]
    public async Task The_statistics_begin_with_the_recording_and_count_the_time_of_its_successful_calls_alone()
    {
        var recorder = await Memory.StartRecordingAsync(new RecordingDetails { Name = "p" });
        foreach (var (action, ms, fails) in new[] { ("t.a", 100, false), ("t.b", 1000, true), ("t.b", 30, false) })
        {
            var call = recorder.BeginStep(action, default)!;
            _test.Time.Advance(TimeSpan.FromMilliseconds(ms));
            await recorder.CompleteStepAsync(call, null, fails ? new StepFailure("E", "m") : null);
            _test.Time.Advance(TimeSpan.FromMinutes(5));
        }

        var version = (await recorder.FinalizeAsync()).Procedure!.Version;

        Assert.Equal((1L, 1L, 0L, 1L), (version.Statistics.Executions, version.Statistics.Successes, version.Statistics.Failures, version.Statistics.Completed));
        Assert.Equal(TimeSpan.FromMilliseconds(130), version.Statistics.TotalDuration);
        Assert.Equal((1L, 0L, TimeSpan.FromMilliseconds(30)), (version.StepStatistics["b"].Runs, version.StepStatistics["b"].Failures, version.StepStatistics["b"].TotalDuration));
    }

    [Fact]
    public async Task Whatever_was_recorded_as_a_constant_is_replayed_exactly() => await Given.AnyObject.SampleAsync(
        async arguments =>
        {
            using var scope = Memory.BeginSession(new MemoryScope(Guid.CreateVersion7(_test.Time.GetUtcNow()).ToString()));
            await Memory.RecordedAsync(new RecordingDetails { Name = "constant" }, ("t.a", arguments.GetRawText(), "null"));
            var executor = new ScriptedExecutor();

            var result = await Memory.ReplayAsync(executor, "constant", Given.With() with { ConfirmConstants = true });

            Assert.Equal(ReplayOutcome.Completed, result.Outcome);
            Given.JsonEqual(arguments, Assert.Single(executor.Calls).Arguments);
        },
        iter: 200,
        threads: 1,
        print: a => a.GetRawText());

    [Fact]
    public async Task A_value_that_flowed_from_result_to_argument_flows_again_from_any_place_in_the_result() => await Gen.Select(Given.AnyText, Given.AnyText, Given.AnyValue).SampleAsync(
        async (outer, inner, noise) =>
        {
            string Result(string id) => $$"""{{{JsonSerializer.Serialize("_" + outer)}}:[{{noise.GetRawText()}},{{{JsonSerializer.Serialize(inner)}}:"{{id}}"}]}""";
            using var scope = Memory.BeginSession(new MemoryScope(Guid.CreateVersion7(_test.Time.GetUtcNow()).ToString()));
            await Memory.RecordedAsync(new RecordingDetails { Name = "flow" }, ("t.a", "{}", Result("ID-000001")), ("t.b", """{"id":"ID-000001"}""", "null"));
            var executor = new ScriptedExecutor().Returns("t.a", Result("ID-000002"));

            await Memory.ReplayAsync(executor, "flow", Given.With());

            Assert.Equal("ID-000002", executor.Calls[1].Arguments.GetProperty("id").GetString());
        },
        iter: 200,
        threads: 1);
}
