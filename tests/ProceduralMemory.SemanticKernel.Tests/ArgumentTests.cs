using System.Collections;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using CsCheck;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>
/// The same call is recorded with the same bytes, whether its arguments come as CLR values (from code), as text (from the OpenAI connector) or as
/// JSON (from Microsoft.Extensions.AI, and from the connector with RetainArgumentTypes); and what was recorded calls the function with equal values.
/// </summary>
public sealed class ArgumentTests
{
    private static readonly Dictionary<string, Case> Cases = new Case[]
    {
        Of("int", 42, "42"),
        Of("int, negative", -7, "-7"),
        Of("int, greatest", int.MaxValue, "2147483647"),
        Of("long beyond a double", 9007199254740993L, "9007199254740993"),
        Of("double", 0.1, "0.1"),
        Of("double, great", 1e300, "1E+300"),
        Of("double, great, as a model writes it", 1e300, "1E+300", wire: "1e300"),
        Of("double, tiny with all its digits", 9.0170000000000009E-14, "9.017000000000001E-14", wire: "9.0170000000000009E-14"),
        Of("float", 0.1f, "0.1"),
        Of("double, whole", 3d, "3", wire: "3.0"),
        Of("decimal", 49.9m, "49.9"),
        Of("decimal with its zeros", 12.50m, "12.5", wire: "12.50"),
        Of("bool, true", true, "true"),
        Of("bool, false", false, "false"),
        Of("string", "plain text", "\"plain text\""),
        Of("string, empty", "", "\"\""),
        Of("string like a number", "042", "\"042\""),
        Of("string like a flag", "true", "\"true\""),
        Of("string like null", "null", "\"null\""),
        Of("string like an object", """{"a":1}""", """
            "{\"a\":1}"
            """),
        Of("string like an expression", "$inputs.a and {$steps.b.outputs}", "\"$inputs.a and {$steps.b.outputs}\""),
        Of("string beyond ASCII", "größer + <b> 😀", """
            "größer + <b> \uD83D\uDE00"
            """, wire: "\"größer + <b> 😀\""),
        Of("string with lines", "one\ntwo\t\"three\" \\", """
            "one\ntwo\t\"three\" \\"
            """),
        Of("char", 'x', "\"x\""),
        Of("enum", Colour.DarkGreen, "\"DarkGreen\""),
        Of("enum of flags", Days.Monday | Days.Friday, "\"Monday, Friday\""),
        Of<int?>("nullable, given", 5, "5"),
        Of<int?>("nullable, null", null, "null"),
        Of<Colour?>("nullable enum, given", Colour.Red, "\"Red\""),
        Of<Colour?>("nullable enum, null", null, "null"),
        Of<DateTime?>("nullable date, given", new DateTime(2031, 5, 4, 3, 2, 1, DateTimeKind.Unspecified), "\"2031-05-04T03:02:01\""),
        Of<string?>("string, null", null, "null"),
        Of("DateTime, UTC", new DateTime(2031, 5, 4, 3, 2, 1, DateTimeKind.Utc), "\"2031-05-04T03:02:01Z\""),
        Of("DateTime, unspecified", new DateTime(2031, 5, 4, 3, 2, 1, DateTimeKind.Unspecified), "\"2031-05-04T03:02:01\""),
        Of("DateTimeOffset", new DateTimeOffset(2031, 5, 4, 3, 2, 1, TimeSpan.FromHours(2)), "\"2031-05-04T03:02:01+02:00\""),
        Of("DateOnly", new DateOnly(2031, 5, 4), "\"2031-05-04\""),
        Of("TimeOnly", new TimeOnly(13, 37), "\"13:37:00\"", wire: "\"13:37:00\""),
        Of("TimeSpan", TimeSpan.FromMinutes(90), "\"01:30:00\""),
        Of("Guid", new Guid("0197c5d0-0000-7000-8000-000000000001"), "\"0197c5d0-0000-7000-8000-000000000001\""),
        Of("Uri", new Uri("https://example.com/a?b=c&d=%20"), "\"https://example.com/a?b=c&d=%20\""),
        Of<string[]>("string[]", ["a", "2", "true"], """["a","2","true"]"""),
        Of<string[]>("string[], empty", [], "[]"),
        Of<int[]>("int[]", [1, 2, 3], "[1,2,3]"),
        Of<byte[]>("byte[]", [1, 2, 255], "\"AQL/\""),
        Of<List<Line>>("List<record>", [new("P-1", 2), new("P-2", 1)], """[{"Count":2,"Product":"P-1"},{"Count":1,"Product":"P-2"}]""", wire: """[{"Product":"P-1","Count":2},{"Count":1,"Product":"P-2"}]"""),
        Of("record", new Line("P-1", 2), """{"Count":2,"Product":"P-1"}""", wire: """{"Product":"P-1","Count":2}"""),
        Of("record with an enum and a record in it", new Parcel(Colour.Red, new Line("P-1", 2), [Colour.DarkGreen]), """{"Colour":"Red","Contents":{"Count":2,"Product":"P-1"},"Ribbons":["DarkGreen"]}"""),
        Of("record with a null in it", new Note("text", null), """{"Author":null,"Text":"text"}"""),
        Of("record with names of its own", new Renamed(new DateOnly(2031, 5, 4)), """{"due_on":"2031-05-04"}"""),
        Of("Dictionary", new Dictionary<string, int> { ["a"] = 1, ["b c"] = 2 }, """{"a":1,"b c":2}"""),
        Of("Dictionary of records", new Dictionary<string, Line> { ["x"] = new("P-1", 2) }, """{"x":{"Count":2,"Product":"P-1"}}"""),
        Of("JsonElement, object", Given.Value("""{"b":[1,"2",null]}"""), """{"b":[1,"2",null]}"""),
        Of("JsonElement, number", Given.Value("7"), "7"),
        Of<JsonNode>("JsonNode", JsonNode.Parse("""{"b":[1,"2"]}""")!, """{"b":[1,"2"]}"""),
        Of<JsonObject>("JsonObject", new JsonObject { ["b"] = 1 }, """{"b":1}"""),
    }.ToDictionary(c => c.Name);

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(CaseNames))]
    public async Task The_same_call_is_recorded_with_the_same_bytes_however_its_argument_came(string name)
    {
        var @case = Cases[name];
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, @case.Plugin(new ConcurrentQueue<object?>()));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            foreach (var form in new[] { @case.Typed, @case.AsText, @case.AsElement, @case.AsNode })
            {
                // Semantic Kernel's own binder cannot bind every type from text and from JSON: then the call fails, and what was asked for is recorded all the same.
                await Record.ExceptionAsync(() => kernel.CallAsync("t.take", ("value", form)));
            }
        });

        Assert.All(trace.Steps, s => Assert.Equal($$"""{"value":{{@case.Recorded}}}""", s.Arguments.GetRawText()));
        Assert.Equal(4, trace.Steps.Count);
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public async Task What_was_recorded_calls_the_function_with_the_same_value(string name)
    {
        var @case = Cases[name];
        var seen = new ConcurrentQueue<object?>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, @case.Plugin(seen));
        await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.take", ("value", @case.Typed)));
        seen.Clear();

        var replay = await memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[0].Failure?.Message ?? ""));
        AssertSame(@case.Typed, Assert.Single(seen));
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public async Task What_was_recorded_from_the_wire_calls_the_function_with_the_value_that_was_meant(string name)
    {
        var @case = Cases[name];
        var seen = new ConcurrentQueue<object?>();
        using var memory = Given.Memory();
        var kernel = Given.KernelWithoutFilter(memory, @case.Plugin(seen));

        // By hand: Semantic Kernel's own binder cannot bind some of these from text or JSON, while what a model means by them is plain.
        await kernel.StartRecordingAsync();
        await kernel.AskMemoryAsync(ProceduralMemoryPlugin.RecordStep, ("action", "t.take"), ("arguments", $$"""{"value":{{@case.Wire}}}"""));
        await kernel.FinalizeAsync();
        var replay = await memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[0].Failure?.Message ?? ""));
        AssertSame(@case.Typed, Assert.Single(seen));
    }

    public static TheoryData<string, Delegate, string, string> Spellings => new()
    {
        { "2031-05-04T03:02", (DateTime value) => value.ToString("O", CultureInfo.InvariantCulture), "2031-06-05T04:03", "2031-06-05T04:03:00.0000000" },
        { "4 May 2031", (DateTime value) => value.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), "5 June 2031", "2031-06-05" },
        { "2031-05-04T03:02Z", (DateTimeOffset value) => value.ToString("u", CultureInfo.InvariantCulture), "2031-06-05T04:03Z", "2031-06-05 04:03:00Z" },
        { "1:30", (TimeSpan value) => value.ToString("c", CultureInfo.InvariantCulture), "2:45", "02:45:00" },
        { "darkgreen", (Colour value) => value.ToString(), "red", "Red" },
        { "0197C5D0-00AB-7000-8000-000000000001", (Guid value) => value.ToString("D"), "0197C5D0-00AB-7000-8000-000000000002", "0197c5d0-00ab-7000-8000-000000000002" },
    };

    [Theory]
    [MemberData(nameof(Spellings))]
    public async Task A_value_that_the_model_spells_as_the_request_does_becomes_an_input_that_takes_such_spellings(string spelt, Delegate take, string other, string taken)
    {
        await using var agent = await TestAgent.StartAsync(Given.Plugin("t", ("take", take)));

        var conversation = await agent.AskAsync(
            $"Take {spelt}, please.", Model.StartsRecording(), Model.Calls("t-take", JsonSerializer.Serialize(new { value = spelt })), Model.Finalizes());

        Assert.Equal(spelt, (await agent.Memory.LatestTraceAsync()).Steps.Single().Arguments.GetProperty("value").GetString());
        Assert.Equal(ReplyStatus.Stored, conversation.Replies[^1].Status);
        Assert.Equal("$inputs.value", (await agent.Memory.GetAsync("learned_task")).Version.Steps.Single().Arguments.GetProperty("value").GetString());
        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "learned_task", Given.With(("value", JsonSerializer.Serialize(other))));
        Given.JsonEqual(JsonSerializer.Serialize(taken), replay.Steps[0].Result);
    }

    [Fact]
    public async Task A_decimal_that_the_request_spells_with_its_zeros_becomes_an_input()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());

        await agent.AskAsync("Refund 12.50 to C-1.", Model.StartsRecording(), Model.Calls("shop-refund", """{"customerId":"C-1","amount":12.50}"""), Model.Finalizes());

        Given.JsonEqual("""{"customerId":"$inputs.customerId","amount":"$inputs.amount"}""", (await agent.Memory.GetAsync("learned_task")).Version.Steps.Single().Arguments);
    }

    [Fact]
    public async Task A_date_inside_of_an_object_keeps_its_spelling_too()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (Stay value) => value.Nights)));

        var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.take", ("value", """{"Nights":2,"From":"2031-05-04T15:00","Rooms":["darkgreen"]}""")));

        Given.JsonEqual("""{"value":{"From":"2031-05-04T15:00","Nights":2,"Rooms":["darkgreen"]}}""", trace.Steps.Single().Arguments);
    }

    [Fact]
    public async Task A_converter_of_the_host_that_throws_anything_breaks_no_call_and_no_recording()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (Moody value) => new Moody())));

        var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.take", ("value", new Moody())));

        Assert.Equal((StepStatus.Success, TraceStatus.Completed), (trace.Steps.Single().Status, trace.Status));
        Assert.Contains("argument 'value'", trace.Steps.Single().Omitted, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_connector_gives_the_same_recording_whether_it_retains_the_types_of_arguments_or_not(bool retain)
    {
#pragma warning disable SKEXP0001 // The switch is experimental; what it switches is what this test is about.
        var choice = new FunctionChoiceBehaviorOptions { RetainArgumentTypes = retain };
#pragma warning restore SKEXP0001
        var seen = new ConcurrentQueue<object?>();
        await using var agent = await TestAgent.StartAsync(
            Given.Plugin("t", ("take", (int n, double x, bool yes, string text, string[] tags, Line line, DateTime at, Guid id, long? none = null, string more = "more") => seen.Enqueue((n, x, yes, text, string.Join(',', tags), line, at, id, none, more)))),
            functionChoice: choice);
        const string Arguments = """{"n":2,"x":0.50,"yes":true,"text":"2","tags":["a","b"],"line":{"Product":"P-1","Count":3},"at":"2031-05-04T03:02:01Z","id":"0197c5d0-0000-7000-8000-000000000001","none":null}""";

        await agent.AskAsync("Take it.", Model.StartsRecording(), Model.Calls("t-take", Arguments), Model.Finalizes());

        Assert.Equal(
            """{"n":2,"x":0.5,"yes":true,"text":"2","tags":["a","b"],"line":{"Count":3,"Product":"P-1"},"at":"2031-05-04T03:02:01Z","id":"0197c5d0-0000-7000-8000-000000000001","none":null}""",
            (await agent.Memory.LatestTraceAsync()).Steps.Single().Arguments.GetRawText());
        Assert.Equal(ReplayOutcome.Completed, (await agent.Memory.ReplayAsync(agent.Kernel, "learned_task", Given.Confirmed())).Outcome);
        Assert.Equal(2, seen.Count);
        Assert.Single(seen.Distinct());
    }

    [Fact]
    public async Task An_argument_that_was_left_out_is_not_recorded_and_its_default_holds_in_the_replay()
    {
        var seen = new ConcurrentQueue<(int, int, Colour, string?)>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (int a, int b = 5, Colour c = Colour.DarkGreen, string? d = null) => seen.Enqueue((a, b, c, d)))));

        var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.take", ("a", 1)));
        await memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.Equal("""{"a":1}""", trace.Steps.Single().Arguments.GetRawText());
        Assert.Equal(2, seen.Count);
        Assert.All(seen, s => Assert.Equal((1, 5, Colour.DarkGreen, (string?)null), s));
    }

    [Fact]
    public async Task A_null_for_a_parameter_that_takes_none_means_that_it_was_not_given()
    {
        var seen = new ConcurrentQueue<int>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (int a = 5) => seen.Enqueue(a))));
        await memory.StoredAsync("p", Given.Step("t.take", """{"a":null}"""));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.Equal([5], seen);
    }

    [Fact]
    public async Task Only_parameters_are_recorded_under_their_own_names_in_their_own_order()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (Kernel k, CancellationToken c, KernelArguments all, int first, int second) => first + second)));

        var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.take", ("SECOND", 2), ("extra", "x"), ("First", 1), ("kernel", kernel)));

        Assert.Equal("""{"first":1,"second":2}""", trace.Steps.Single().Arguments.GetRawText());
    }

    [Fact]
    public async Task A_function_with_options_of_its_own_is_recorded_and_called_by_these()
    {
        var seen = new ConcurrentQueue<object?>();
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = JsonSerializerOptions.Default.TypeInfoResolver, Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) } };
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, KernelPluginFactory.CreateFromFunctions("t", [KernelFunctionFactory.CreateFromMethod((Parcel value) => seen.Enqueue(value), options, "take")]));
        var parcel = new Parcel(Colour.DarkGreen, new Line("P-1", 2), []);

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await kernel.CallAsync("t.take", ("value", parcel));
            await kernel.CallAsync("t.take", ("value", """{"colour":"dark-green","contents":{"product":"P-1","count":2},"ribbons":[]}"""));
        });
        await memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.All(trace.Steps, s => Assert.Equal("""{"value":{"colour":"dark-green","contents":{"count":2,"product":"P-1"},"ribbons":[]}}""", s.Arguments.GetRawText()));
        Assert.Equal(4, seen.Count);
        Assert.All(seen, s => AssertSame(parcel, s));
    }

    [Fact]
    public async Task A_function_that_has_only_a_schema_is_recorded_by_its_schema_and_given_json()
    {
        var tool = new SchemaOnlyTool("""
            {"type":"object","properties":{
                "count":{"type":"integer"},"share":{"type":"number"},"yes":{"type":"boolean"},"text":{"type":"string"},"maybe":{"type":["string","null"]},
                "lines":{"type":"array"},"address":{"type":"object"},"anything":{}}}
            """);
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, KernelPluginFactory.CreateFromFunctions("t", [tool.AsKernelFunction()]));
        const string Wire = """{"count":2,"share":0.5,"yes":true,"text":"2","maybe":"[1]","lines":[1,"2"],"address":{"zip":"0815"},"anything":"7"}""";
        var elements = Given.Value(Wire).EnumerateObject().ToList();

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await kernel.CallAsync("t.tool", [.. elements.Select(e => (e.Name, (object?)e.Value.ToString()))]);
            await kernel.CallAsync("t.tool", [.. elements.Select(e => (e.Name, (object?)e.Value))]);
            await kernel.CallAsync("t.tool", ("count", 2), ("share", 0.5), ("yes", true), ("text", "2"), ("maybe", "[1]"), ("lines", new object[] { 1, "2" }), ("address", new Dictionary<string, string> { ["zip"] = "0815" }), ("anything", "7"));
        });
        tool.Seen.Clear();
        var replay = await memory.ReplayAsync(kernel, "learned_task", Given.Confirmed());

        Assert.All(trace.Steps, s => Assert.Equal(Wire, s.Arguments.GetRawText()));
        Assert.Equal(3, trace.Steps.Count);
        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.All(tool.Seen, seen =>
        {
            Assert.Equal("2", seen["text"]?.ToString());
            Assert.Equal(JsonValueKind.Number, Assert.IsType<JsonElement>(seen["count"]).ValueKind);
            Assert.Equal(JsonValueKind.True, Assert.IsType<JsonElement>(seen["yes"]).ValueKind);
            Assert.Equal("0815", Assert.IsType<JsonElement>(seen["address"]).GetProperty("zip").GetString());
            Assert.Equal(2, Assert.IsType<JsonElement>(seen["lines"]).GetArrayLength());
        });
        Assert.Equal(3, tool.Seen.Count);
    }

    [Fact]
    public async Task A_value_that_cannot_be_written_as_json_is_said_to_be_missing_and_does_not_break_the_call()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("read", (Stream value) => value.Length)));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            using var stream = new MemoryStream([1, 2, 3]);
            Assert.Equal(3, (await kernel.CallAsync("t.read", ("value", stream))).GetValue<long>());
        });

        Assert.Equal(StepStatus.Success, trace.Steps.Single().Status);
        Assert.NotNull(trace.Steps.Single().Omitted);
    }

    [Theory]
    [InlineData("")]
    [InlineData("de-DE")]
    [InlineData("tr-TR")]
    public async Task Any_payload_is_recorded_alike_from_values_and_from_json_and_replayed_as_it_was_in_any_culture(string culture)
    {
        var before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(culture);
        try
        {
            await Payload.Any.SampleAsync(
                async payload =>
                {
                    var seen = new ConcurrentQueue<(Payload, int, long, double, decimal, bool, string, DateTimeOffset, Colour)>();
                    // Of its own, so that each payload is the only one that was recorded.
                    using var memory = Given.Memory();
                    var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (Payload payload, int i, long l, double d, decimal m, bool b, string s, DateTimeOffset at, Colour colour) => seen.Enqueue((payload, i, l, d, m, b, s, at, colour)))));
                    kernel.Culture = CultureInfo.CurrentCulture;
                    var byHand = Given.KernelWithoutFilter(memory, kernel.Plugins["t"]);
                    (string, object?)[] typed = [("payload", payload), ("i", payload.Whole), ("l", payload.Long), ("d", payload.Double), ("m", payload.Decimal), ("b", payload.Flag), ("s", payload.Text), ("at", payload.At), ("colour", payload.Colour)];
                    (string, object?)[] wire = [.. typed.Select(t => (t.Item1, (object?)JsonSerializer.SerializeToElement(t.Item2, WireOptions)))];

                    var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.take", typed));
                    await byHand.StartRecordingAsync("from_the_wire");
                    await byHand.AskMemoryAsync(ProceduralMemoryPlugin.RecordStep, ("action", "t.take"), ("arguments", JsonSerializer.Serialize(wire.ToDictionary(w => w.Item1, w => w.Item2))));
                    await byHand.FinalizeAsync();
                    var fromWire = await memory.LatestTraceAsync();
                    Assert.Equal(trace.Steps.Single().Arguments.GetRawText(), fromWire.Steps.Single().Arguments.GetRawText());

                    foreach (var name in new[] { "learned_task", "from_the_wire" })
                    {
                        var replay = await memory.ReplayAsync(kernel, name, Given.Confirmed());
                        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[0].Failure?.Message ?? ""));
                    }

                    Assert.Equal(3, seen.Count);
                    Assert.All(seen, s =>
                    {
                        AssertSame(payload, s.Item1);
                        Assert.Equal((payload.Whole, payload.Long, payload.Double, payload.Decimal, payload.Flag, payload.Text, payload.At, payload.Colour), (s.Item2, s.Item3, s.Item4, s.Item5, s.Item6, s.Item7, s.Item8, s.Item9));
                    });
                },
                iter: 60,
                threads: 1);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static readonly JsonSerializerOptions WireOptions = new() { Converters = { new JsonStringEnumConverter() } };

    private static Case Of<T>(string name, T value, string recorded, string? wire = null) => new(name, value, recorded, wire ?? recorded, seen => (T value) => seen.Enqueue(value));

    /// <summary>Equal by value, whatever compares by reference.</summary>
    private static void AssertSame(object? expected, object? actual)
    {
        switch (expected, actual)
        {
            case (JsonElement e, JsonElement a):
                Assert.True(JsonElement.DeepEquals(e, a), $"{e} is not {a}");
                break;
            case (JsonNode e, JsonNode a):
                Assert.True(JsonNode.DeepEquals(e, a), $"{e} is not {a}");
                break;
            case (Payload e, Payload a):
                Assert.Equal(e with { Lines = Payload.NoLines, Weights = Payload.NoWeights }, a with { Lines = Payload.NoLines, Weights = Payload.NoWeights });
                Assert.Equal(e.Lines, a.Lines);
                Assert.Equal(e.Weights.OrderBy(w => w.Key, StringComparer.Ordinal), a.Weights.OrderBy(w => w.Key, StringComparer.Ordinal));
                break;
            case (Parcel e, Parcel a):
                Assert.Equal((e.Colour, e.Contents), (a.Colour, a.Contents));
                Assert.Equal(e.Ribbons, a.Ribbons);
                break;
            case (DateTime e, DateTime a):
                Assert.Equal((e, e.Kind), (a, a.Kind));
                break;
            case (IEnumerable e and not string, IEnumerable a):
                Assert.Equal(e.Cast<object?>(), a.Cast<object?>());
                break;
            default:
                Assert.Equal(expected, actual);
                break;
        }
    }

    public enum Colour
    {
        Red,
        DarkGreen,
    }

    [Flags]
    public enum Days
    {
        None = 0,
        Monday = 1,
        Friday = 16,
    }

    public sealed record Line(string Product, int Count);

    public sealed record Parcel(Colour Colour, Line Contents, Colour[] Ribbons);

    public sealed record Stay(int Nights, DateTime From, string[] Rooms);

    [JsonConverter(typeof(MoodyConverter))]
    public sealed record Moody;

    public sealed class MoodyConverter : JsonConverter<Moody>
    {
        public override Moody Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new KeyNotFoundException("No idea.");

        public override void Write(Utf8JsonWriter writer, Moody value, JsonSerializerOptions options) => throw new KeyNotFoundException("No idea.");
    }

    public sealed record Note(string Text, string? Author);

    public sealed record Renamed([property: JsonPropertyName("due_on")] DateOnly Due);

    public sealed record Payload(int Whole, long Long, double Double, decimal Decimal, bool Flag, string Text, string? Maybe, int? MaybeWhole, DateTimeOffset At, DateOnly Day, TimeSpan Span, Guid Id, Colour Colour, List<Line> Lines, Dictionary<string, double> Weights)
    {
        public static readonly List<Line> NoLines = [];

        public static readonly Dictionary<string, double> NoWeights = [];

        // One number in some hundred of so many digits could be that of a card, and is taken out.
        private static readonly Gen<double> AnyDouble = Gen.Double.Where(d => double.IsFinite(d) && Math.Abs(d) is < 1e12 or >= 1e19);

        private static readonly Gen<long> AnyLong = Gen.Long.Where(l => l.ToString(System.Globalization.CultureInfo.InvariantCulture) is var text && new Capture.SecretRedactor().Redact(text) == text);

        private static readonly Gen<string> AnyText = Gen.OneOf("", "$", "{$", "$inputs.a", "7", "true", "null", "{}", "é", "😀", "\"", "\\", "\n", "<", "+", "a", " ").Array[0, 4].Select(string.Concat);

        public static Gen<Payload> Any { get; } =
            from numbers in Gen.Select(Gen.Int, AnyLong, AnyDouble, Gen.Decimal[-1_000_000m, 1_000_000m])
            from flag in Gen.Bool
            from texts in Gen.Select(AnyText, AnyText.Null(), Gen.Int.Nullable())
            from seconds in Gen.Int[0, 2_000_000_000]
            from hours in Gen.Int[-12, 12]
            from id in Gen.Guid
            from colour in Gen.OneOf(Colour.Red, Colour.DarkGreen)
            from lines in Gen.Select(AnyText, Gen.Int, (product, count) => new Line(product, count)).List[0, 3]
            from weights in Gen.Select(AnyText, AnyDouble).Array[0, 3]
            let at = new DateTimeOffset(DateTime.UnixEpoch.AddSeconds(seconds).Ticks, TimeSpan.FromHours(hours))
            select new Payload(
                numbers.Item1, numbers.Item2, numbers.Item3, numbers.Item4, flag, texts.Item1, texts.Item2, texts.Item3, at, DateOnly.FromDateTime(at.DateTime), TimeSpan.FromSeconds(seconds), id, colour, lines,
                weights.DistinctBy(w => w.Item1).ToDictionary(w => w.Item1, w => w.Item2));
    }

    private sealed record Case(string Name, object? Typed, string Recorded, string Wire, Func<ConcurrentQueue<object?>, Delegate> Function)
    {
        public JsonElement AsElement => Given.Value(Wire);

        public JsonNode? AsNode => JsonNode.Parse(Wire);

        /// <summary>As the OpenAI connector hands it over: strings as they are, all else as its JSON, null as null.</summary>
        public string? AsText => AsElement.ValueKind is JsonValueKind.Null ? null : AsElement.ToString();

        /// <summary>A function that takes a value of the type; it does not mind where Semantic Kernel cannot bind it.</summary>
        public KernelPlugin Plugin(ConcurrentQueue<object?> seen) => Given.Plugin("t", ("take", Function(seen)));
    }

    /// <summary>A tool as MCP clients give it: a schema, and no types.</summary>
    private sealed class SchemaOnlyTool(string schema) : AIFunction
    {
        public ConcurrentQueue<IReadOnlyDictionary<string, object?>> Seen { get; } = new();

        public override string Name => "tool";

        public override JsonElement JsonSchema { get; } = Given.Value(schema);

        protected override ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
        {
            Seen.Enqueue(arguments.ToDictionary());
            return new ValueTask<object?>((object?)null);
        }
    }
}
