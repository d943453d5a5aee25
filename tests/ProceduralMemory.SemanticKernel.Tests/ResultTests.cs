using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What a function returns is recorded as JSON, and its caller has it as ever.</summary>
public sealed class ResultTests
{
    private static readonly Dictionary<string, (Delegate Function, string? Recorded)> Cases = new()
    {
        ["text"] = (() => "done", "\"done\""),
        ["empty text"] = (() => "", "\"\""),
        ["text that holds an object"] = (() => """ {"b": 1, "a": [2.0]} """, """{"a":[2],"b":1}"""),
        ["text that holds an array"] = (() => """[1,"2"]""", """[1,"2"]"""),
        ["text that begins like an array and is none"] = (() => "[draft] hello", "\"[draft] hello\""),
        ["text that holds a number"] = (() => "42", "\"42\""),
        ["text that holds a flag"] = (() => "true", "\"true\""),
        ["number"] = (() => 42, "42"),
        ["decimal"] = (() => 12.50m, "12.5"),
        ["flag"] = (() => true, "true"),
        ["enum"] = (() => DayOfWeek.Friday, "\"Friday\""),
        ["date"] = (() => new DateOnly(2031, 5, 4), "\"2031-05-04\""),
        ["record, with the names that the model is shown"] = (() => new Order("W-1", "C-1", 12.50m), """{"CustomerId":"C-1","Id":"W-1","Total":12.5}"""),
        ["list of records"] = (() => new List<Order> { new("W-1", "C-1", 1) }, """[{"CustomerId":"C-1","Id":"W-1","Total":1}]"""),
        ["object of an interface's type"] = (() => (IReadOnlyDictionary<string, int>)new Dictionary<string, int> { ["a"] = 1 }, """{"a":1}"""),
        ["JsonElement"] = (() => Given.Value("""{"a":1}"""), """{"a":1}"""),
        ["task of a record"] = (() => Task.FromResult(new Order("W-1", "C-1", 1)), """{"CustomerId":"C-1","Id":"W-1","Total":1}"""),
        ["content"] = (() => new TextContent("hello"), "\"hello\""),
        ["chat message"] = (() => new ChatMessageContent(AuthorRole.Assistant, "hello"), "\"hello\""),
        ["null"] = (() => (string?)null, null),
        ["nothing"] = (() => { }, null),
        ["task without a result"] = (() => Task.CompletedTask, null),
    };

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(CaseNames))]
    public async Task A_result_is_recorded_as_json(string name)
    {
        var (function, recorded) = Cases[name];
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("give", function)));

        var step = (await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.give"))).Steps.Single();

        Assert.Equal((StepStatus.Success, recorded, (string?)null), (step.Status, step.Result?.GetRawText(), step.Omitted));
    }

    [Theory]
    [MemberData(nameof(CaseNames))]
    public async Task A_replay_gives_the_result_that_was_recorded(string name)
    {
        var (function, recorded) = Cases[name];
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("give", function)));
        await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.give"));

        var step = (await memory.ReplayAsync(kernel, "learned_task")).Steps.Single();

        Assert.Equal(StepStatus.Success, step.Status);
        Assert.NotEqual(OutcomeMatch.Differs, step.Match);
        if (recorded is null)
        {
            Assert.Null(step.Result);
        }
        else
        {
            Given.JsonEqual(recorded, step.Result);
        }
    }

    [Fact]
    public async Task A_result_that_cannot_be_written_as_json_is_kept_as_text_and_marked()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("open", () => new MemoryStream([1, 2, 3]))));

        var trace = await kernel.RecordedAsync(memory, async () => Assert.Equal(3, (await kernel.CallAsync("t.open")).GetValue<Stream>()!.Length));

        var step = trace.Steps.Single();
        Assert.Equal(StepStatus.Success, step.Status);
        Assert.Equal(JsonValueKind.String, step.Result!.Value.ValueKind);
        Assert.Contains("MemoryStream", step.Omitted, StringComparison.Ordinal);
        Assert.Equal(["t.open"], (await memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task A_result_beyond_the_limit_is_left_out_and_the_step_stays()
    {
        using var memory = Given.Memory(o => o.MaxValueBytes = 1024);
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("give", () => new string('x', 2000))));

        var trace = await kernel.RecordedAsync(memory, async () => Assert.Equal(2000, (await kernel.CallAsync("t.give")).GetValue<string>()!.Length));

        var step = trace.Steps.Single();
        Assert.Equal((StepStatus.Success, (JsonElement?)null), (step.Status, step.Result));
        Assert.Contains(nameof(ProceduralMemoryOptions.MaxValueBytes), step.Omitted, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_that_a_filter_puts_in_place_of_the_functions_is_the_one_recorded()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("give", () => "raw")));
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = async (context, next) =>
            {
                await next(context);
                if (context.Function.Name == "give")
                {
                    context.Result = new FunctionResult(context.Result, "polished");
                }
            }
        });

        var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("t.give"));

        Given.JsonEqual("\"polished\"", trace.Steps.Single().Result);
    }

    [Fact]
    public async Task A_stream_is_recorded_as_it_goes_by_and_nothing_of_it_is_taken_ahead()
    {
        var given = 0;
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("count", CountAsync)));
        var taken = new List<int>();

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await foreach (var item in kernel.InvokeStreamingAsync<int>("t", "count", new() { ["to"] = 3 }))
            {
                taken.Add(item);
                Assert.Equal(taken.Count, given);
            }
        });

        Assert.Equal([1, 2, 3], taken);
        var step = trace.Steps.Single();
        Assert.Equal((StepStatus.Success, "[1,2,3]", """{"to":3}"""), (step.Status, step.Result!.Value.GetRawText(), step.Arguments.GetRawText()));

        async IAsyncEnumerable<int> CountAsync(int to, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            for (var i = 1; i <= to; i++)
            {
                await Task.Yield();
                given++;
                yield return i;
            }
        }
    }

    [Fact]
    public async Task A_stream_of_text_is_recorded_as_one_text()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("tell", () => Stream("Once ", "upon ", "a time"))));

        var trace = await kernel.RecordedAsync(memory, () => DrainAsync(kernel.InvokeStreamingAsync<string>("t", "tell")));

        Given.JsonEqual("\"Once upon a time\"", trace.Steps.Single().Result);
    }

    [Fact]
    public async Task A_stream_of_records_is_recorded_with_the_names_that_a_single_record_has()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("orders", () => Stream(new Order("W-1", "C-1", 1), new Order("W-2", "C-2", 2)))));

        var trace = await kernel.RecordedAsync(memory, () => DrainAsync(kernel.InvokeStreamingAsync<Order>("t", "orders")));

        Given.JsonEqual("""[{"Id":"W-1","CustomerId":"C-1","Total":1},{"Id":"W-2","CustomerId":"C-2","Total":2}]""", trace.Steps.Single().Result);
    }

    [Fact]
    public async Task A_stream_is_written_down_by_the_options_of_its_function_as_a_single_item_would_be()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = JsonSerializerOptions.Default.TypeInfoResolver };
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, KernelPluginFactory.CreateFromFunctions("t", [KernelFunctionFactory.CreateFromMethod(() => Items(new Order("W-1", "C-1", 1)), options, "list")]));

        var trace = await kernel.RecordedAsync(memory, () => ReadAsync<Order>(kernel, "list"));
        var replay = await memory.ReplayAsync(kernel, "learned_task");

        const string Listed = """[{"id":"W-1","customerId":"C-1","total":1}]""";
        Given.JsonEqual(Listed, trace.Steps.Single().Result);
        Given.JsonEqual(Listed, replay.Steps[0].Result);
    }

    [Fact]
    public async Task An_item_of_a_stream_that_cannot_be_written_as_json_is_kept_as_text_and_marked()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("list", () => Items(typeof(string), typeof(int)))));

        var trace = await kernel.RecordedAsync(memory, () => ReadAsync<Type>(kernel, "list"));

        Given.JsonEqual("""["System.String","System.Int32"]""", trace.Steps.Single().Result);
        Assert.Contains("only its text is kept", trace.Steps.Single().Omitted, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_beyond_the_limit_goes_by_and_its_result_is_left_out()
    {
        using var memory = Given.Memory(o => o.MaxValueBytes = 2_000);
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("list", () => Items(Enumerable.Repeat("ten chars.", 1_000).ToArray()))));

        var taken = 0;
        var trace = await kernel.RecordedAsync(memory, async () => taken = await ReadAsync<string>(kernel, "list"));

        Assert.Equal((1_000, StepStatus.Success), (taken, trace.Steps.Single().Status));
        Assert.Null(trace.Steps.Single().Result);
        Assert.Contains(nameof(ProceduralMemoryOptions.MaxValueBytes), trace.Steps.Single().Omitted, StringComparison.Ordinal);
    }

    private static async IAsyncEnumerable<T> Items<T>(params T[] items)
    {
        foreach (var item in items)
        {
            await Task.Yield();
            yield return item;
        }
    }

    private static async Task<int> ReadAsync<T>(Kernel kernel, string function)
    {
        var count = 0;
        await foreach (var _ in kernel.InvokeStreamingAsync<T>("t", function))
        {
            count++;
        }

        return count;
    }

    [Fact]
    public async Task A_stream_that_its_caller_leaves_early_is_recorded_as_failed()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("tell", () => Stream("Once ", "upon ", "a time")), ("other", () => "other")));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await foreach (var piece in kernel.InvokeStreamingAsync<string>("t", "tell"))
            {
                Assert.Equal("Once ", piece);
                break;
            }

            await kernel.CallAsync("t.other");
        });

        Assert.Equal((StepStatus.Failed, "incomplete_stream"), (trace.Steps[0].Status, trace.Steps[0].Failure!.ErrorType));
        Assert.Equal(["t.other"], (await memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_does_not_keep_the_recording_from_its_end()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("tell", () => Stream("Once ", "upon ")), ("other", () => "other")));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await using var unread = kernel.InvokeStreamingAsync<string>("t", "tell").GetAsyncEnumerator();
            Assert.True(await unread.MoveNextAsync());
            await kernel.CallAsync("t.other");
            Assert.Equal(["t.other"], (await kernel.FinalizeAsync()).Steps!.Select(s => s.Action));

            // Whoever reads on after the end still gets it all.
            Assert.True(await unread.MoveNextAsync());
            Assert.Equal("upon ", unread.Current);
        });

        Assert.Equal(["t.other"], trace.Actions());
    }

    [Fact]
    public async Task A_stream_that_breaks_gives_its_items_and_its_error_and_is_recorded_as_failed()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("tell", BreakAsync)));
        var taken = new List<string>();

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            var error = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            {
                await foreach (var piece in kernel.InvokeStreamingAsync<string>("t", "tell"))
                {
                    taken.Add(piece);
                }
            });
            Assert.Equal("The ink is dry.", error.Message);
        });

        Assert.Equal(["Once "], taken);
        Assert.Equal(new StepFailure(nameof(InvalidOperationException), "The ink is dry."), trace.Steps.Single().Failure);

        async IAsyncEnumerable<string> BreakAsync()
        {
            await Task.Yield();
            yield return "Once ";
            throw new InvalidOperationException("The ink is dry.");
        }
    }

    [Fact]
    public async Task Calls_that_a_streaming_function_makes_belong_to_it_and_those_between_its_items_do_not()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("inner", () => "inner"), ("between", () => "between"), ("tell", TellAsync)));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await foreach (var piece in kernel.InvokeStreamingAsync<string>("t", "tell"))
            {
                await kernel.CallAsync("t.between");
            }
        });

        Assert.Equal(["t.between", "t.between", "t.tell"], trace.Actions().Order());

        static async IAsyncEnumerable<string> TellAsync(Kernel kernel)
        {
            yield return (await kernel.CallAsync("t.inner")).GetValue<string>()!;
            yield return (await kernel.CallAsync("t.inner")).GetValue<string>()!;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_step_that_was_streamed_gives_a_replay_the_result_that_was_recorded(bool numbers)
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("numbers", () => Stream(1001, 1002)), ("words", () => Stream("one ", "two"))));
        var trace = await kernel.RecordedAsync(memory, () => numbers
            ? DrainAsync(kernel.InvokeStreamingAsync<int>("t", "numbers"))
            : DrainAsync(kernel.InvokeStreamingAsync<string>("t", "words")));

        var replay = await memory.ReplayAsync(kernel, "learned_task");

        Assert.Equal((ReplayOutcome.Completed, OutcomeMatch.Matched), (replay.Outcome, replay.Steps[0].Match));
        Given.JsonEqual(trace.Steps.Single().Result!.Value.GetRawText(), replay.Steps[0].Result);
    }

    [Fact]
    public async Task A_stream_that_breaks_in_a_replay_fails_its_step_and_a_call_that_it_makes_passes_the_filters()
    {
        var seen = new List<string>();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("inner", () => "inner"), ("tell", TellAsync), ("after", () => "after")));
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = (context, next) =>
            {
                seen.Add(context.Function.Name);
                return next(context);
            }
        });
        await memory.StoredAsync("p", Given.Step("t.tell"), Given.Step("t.after"));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal((ReplayOutcome.Failed, new StepFailure(nameof(InvalidOperationException), "The ink is dry.")), (replay.Outcome, replay.Steps[0].Failure));
        Assert.Equal(["tell", "inner"], seen);

        static async IAsyncEnumerable<string> TellAsync(Kernel kernel)
        {
            yield return (await kernel.CallAsync("t.inner")).GetValue<string>()!;
            throw new InvalidOperationException("The ink is dry.");
        }
    }

    private static async IAsyncEnumerable<T> Stream<T>(params T[] items)
    {
        foreach (var item in items)
        {
            await Task.Yield();
            yield return item;
        }
    }

    private static async Task DrainAsync<T>(IAsyncEnumerable<T> stream)
    {
        await foreach (var item in stream)
        {
            Assert.NotNull(item);
        }
    }
}
