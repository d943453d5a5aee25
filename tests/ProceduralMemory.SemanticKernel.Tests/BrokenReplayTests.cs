using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>
/// A replay that breaks off inside a recording is finished by hand. What it had done by then belongs to the task as much as what was done by hand:
/// a procedure without it would be one with its beginning cut off.
/// </summary>
public sealed class BrokenReplayTests
{
    [Fact]
    public async Task What_a_replay_had_done_when_it_broke_off_is_learned_together_with_what_was_done_by_hand()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(shop.Plugin());
        await agent.Memory.StoredAsync(
            "close_account",
            Given.Step("shop.get_order", """{"orderId":"$inputs.order"}""", "look_up"),
            Given.Step("shop.close", """{"why":"$inputs.order"}""", "close"),
            Given.Step("shop.refund", """{"customerId":"$steps.look_up.outputs#/CustomerId","amount":5}""", "refund"));

        var conversation = await agent.AskAsync(
            "Close the account of order W-7.",
            Model.StartsRecording("close_it"),
            Model.Replays("close_account", """{"order":"W-7"}"""),
            Model.Calls("shop-refund", """{"customerId":"C-7788","amount":5}"""),
            Model.Finalizes());

        Assert.Equal([ReplyStatus.Recording, ReplyStatus.Failed, ReplyStatus.Stored], conversation.Replies.Where(r => r.Tool.StartsWith("procedures", StringComparison.Ordinal)).Select(r => r.Status));
        var trace = await agent.Memory.LatestTraceAsync();
        Assert.Equal(
            [(StepKind.Procedure, "close_account", StepStatus.Failed), (StepKind.Function, "shop.get_order", StepStatus.Success), (StepKind.Function, "shop.refund", StepStatus.Success)],
            trace.Steps.Select(s => (s.Kind, s.Action, s.Status)));
        Assert.Equal("""{"orderId":"W-7"}""", trace.Steps[1].Arguments.GetRawText());
        Assert.Equal("C-7788", trace.Steps[1].Result!.Value.GetProperty("CustomerId").GetString());

        // Learned as if it had been done by hand from the beginning: with the input, and the binding to its result.
        var learned = (await agent.Memory.GetAsync("close_it")).Version;
        Assert.Equal(["shop.get_order", "shop.refund"], learned.Steps.Select(s => s.Action));
        Given.JsonEqual("""{"orderId":"$inputs.orderId"}""", learned.Steps[0].Arguments);
        Assert.Equal("$steps.get_order.outputs#/CustomerId", learned.Steps[1].Arguments.GetProperty("customerId").GetString());
    }

    [Fact]
    public async Task The_steps_keep_the_time_that_they_took()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        using var memory = Given.Memory(o => o.TimeProvider = time);
        var kernel = Given.Kernel(memory, new Shop().Plugin(), Given.Plugin("t", ("work", () => time.Advance(TimeSpan.FromSeconds(3)))));
        await memory.StoredAsync("p", Given.Step("t.work"), Given.Step("shop.close", """{"why":"x"}"""));

        var trace = await kernel.RecordedAsync(memory, () => kernel.AskMemoryAsync("replay_procedure", ("name", "p")));

        Assert.Equal(("t.work", TimeSpan.FromSeconds(3)), (trace.Steps[1].Action, trace.Steps[1].Duration));
    }

    [Fact]
    public async Task Of_a_procedure_inside_of_it_that_was_completed_one_step_is_learned_and_of_a_broken_one_what_it_had_done()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        await agent.Memory.StoredAsync("whole", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));
        await agent.Memory.StoredAsync("broken", Given.Step("shop.get_order", """{"orderId":"W-2"}"""), Given.Step("shop.close", """{"why":"x"}"""));
        await agent.Memory.StoredAsync("outer", Given.Step("whole") with { Kind = StepKind.Procedure }, Given.Step("broken") with { Kind = StepKind.Procedure });

        await agent.AskAsync("Do it.", Model.StartsRecording(), Model.Replays("outer"), Model.Finalizes());

        Assert.Equal(
            [("outer", StepStatus.Failed), ("whole", StepStatus.Success), ("shop.get_order", StepStatus.Success)],
            (await agent.Memory.LatestTraceAsync()).Steps.Select(s => (s.Action, s.Status)));
        Assert.Equal([StepKind.Procedure, StepKind.Function], (await agent.Memory.GetAsync("learned_task")).Version.Steps.Select(s => s.Kind));
    }

    [Theory]
    [InlineData("shop.close")]
    [InlineData("shop.refund")]
    public async Task A_secret_input_of_the_replay_is_recorded_nowhere_whatever_its_argument_is_called(string second)
    {
        using var database = new DatabaseFile();
        await using (var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), o => o.DatabasePath = database.Path))
        {
            await agent.Memory.StoreAsync(new ProcedureDefinition
            {
                Name = "p",
                Inputs = [new ProcedureInput { Name = "answer", Secret = true }],
                Steps = [Given.Step("shop.get_order", """{"orderId":"$inputs.answer"}"""), Given.Step(second, second == "shop.close" ? """{"why":"$inputs.answer"}""" : """{"customerId":"$inputs.answer","amount":1}""")],
            });

            await agent.AskAsync(
                "Do it.",
                Model.StartsRecording(),
                Model.Replays("p", """{"answer":"correct-horse"}"""),
                Model.Calls("shop-refund", """{"customerId":"correct-horse","amount":2}"""),
                Model.Finalizes());

            var trace = await agent.Memory.LatestTraceAsync();
            Assert.Equal(second == "shop.close" ? ["p", "shop.get_order", "shop.refund"] : ["p", "shop.refund"], trace.Actions());
            Assert.Equal(["answer"], trace.Steps[0].Arguments.EnumerateObject().Select(a => a.Name));
            Assert.Contains((await agent.Memory.GetAsync("learned_task")).Version.Inputs, i => i.Secret);
        }

        Assert.DoesNotContain("correct-horse", database.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replay_that_is_turned_away_before_its_first_step_leaves_none_of_its_inputs()
    {
        using var database = new DatabaseFile();
        await using (var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), o => o.DatabasePath = database.Path))
        {
            await agent.Memory.StoreAsync(new ProcedureDefinition
            {
                Name = "p",
                Inputs = [new ProcedureInput { Name = "answer", Secret = true }, Given.Input("order")],
                Steps = [Given.Step("shop.refund", """{"customerId":"$inputs.answer","reason":"$inputs.order","amount":1}""")],
            });

            await agent.AskAsync(
                "Do it.", Model.StartsRecording(), Model.Replays("p", """{"answer":"correct-horse"}"""), Model.Calls("shop-get_order", """{"orderId":"W-1"}"""), Model.Finalizes());

            Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
        }

        Assert.DoesNotContain("correct-horse", database.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_that_is_secret_as_a_whole_is_recorded_nowhere_either()
    {
        using var database = new DatabaseFile();
        await using (var agent = await TestAgent.StartAsync(
            b => b.Plugins.Add(Given.Plugin("bank", ("otp", () => "QWERTY-4711"), ("close", () => "closed"))),
            o => (o.DatabasePath, o.Redactor) = (database.Path, new WholeResultRedactor("bank.otp"))))
        {
            await agent.Memory.StoredAsync("p", Given.Step("bank.otp"), Given.Step("bank.close"));

            await agent.AskAsync("Do it.", Model.StartsRecording(), Model.Replays("p"), Model.Finalizes());

            Given.JsonEqual($$"""{"otp":"{{SecretRedactor.Marker}}","close":"closed"}""", (await agent.Memory.LatestTraceAsync()).Steps.Single().Result);
        }

        Assert.DoesNotContain("QWERTY-4711", database.Text(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Words_that_a_filter_puts_in_place_of_the_answer_do_not_hide_what_the_replay_did(bool breaks)
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        kernel.FunctionInvocationFilters.Add(AroundReplay(context => context.Result = new FunctionResult(context.Function, "Shortened.")));
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), breaks ? Given.Step("shop.close", """{"why":"x"}""") : Given.Step("shop.refund", """{"customerId":"C-1","amount":1}"""));

        var trace = await kernel.RecordedAsync(memory, () => kernel.CallAsync("procedures.replay_procedure", ("name", "p")));

        Assert.Equal(
            breaks ? [("p", StepStatus.Failed), ("shop.get_order", StepStatus.Success)] : [("p", StepStatus.Success)],
            trace.Steps.Select(s => (s.Action, s.Status)));
    }

    [Fact]
    public async Task After_a_filter_that_throws_once_the_replay_is_done_nothing_is_learned()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        kernel.FunctionInvocationFilters.Add(AroundReplay(_ => throw new TimeoutException("Too slow.")));
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.refund", """{"customerId":"C-1","amount":1}"""));
        await kernel.StartRecordingAsync();

        await Assert.ThrowsAsync<TimeoutException>(() => kernel.CallAsync("procedures.replay_procedure", ("name", "p")));
        await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));

        Assert.Equal(ReplyStatus.Conflict, (await kernel.AskMemoryAsync("finalize")).Status);
    }

    [Fact]
    public async Task After_a_filter_that_replays_again_nothing_is_learned()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = async (context, next) =>
            {
                await next(context);
                await (KernelActions.IsReplay(context.Function) ? next(context) : Task.CompletedTask);
            },
        });
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));
        await kernel.StartRecordingAsync();

        await kernel.AskMemoryAsync("replay_procedure", ("name", "p"));

        Assert.Equal(ReplyStatus.Conflict, (await kernel.AskMemoryAsync("finalize")).Status);
    }

    [Fact]
    public async Task A_filter_that_answers_in_place_of_the_replay_makes_no_step_of_it()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = (context, next) =>
            {
                if (!KernelActions.IsReplay(context.Function))
                {
                    return next(context);
                }

                context.Result = new FunctionResult(context.Function, "Not today.");
                return Task.CompletedTask;
            },
        });
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        await kernel.RecordedAsync(memory, async () =>
        {
            await kernel.CallAsync("procedures.replay_procedure", ("name", "p"));
            await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));
        });

        Assert.Equal(["shop.get_order"], (await memory.GetAsync("learned_task")).Actions());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_streamed_replay_is_recorded_as_it_went(bool readsToTheEnd)
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.close", """{"why":"x"}"""));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await foreach (var _ in kernel.InvokeStreamingAsync("procedures", "replay_procedure", new KernelArguments { ["name"] = "p" }))
            {
                if (!readsToTheEnd)
                {
                    break;
                }
            }
        });

        Assert.Equal([("p", StepStatus.Failed), ("shop.get_order", StepStatus.Success)], trace.Steps.Select(s => (s.Action, s.Status)));
    }

    [Fact]
    public async Task A_replay_that_was_refused_in_the_midst_leaves_its_done_steps_too()
    {
        var gate = new Filters { OnFunction = (context, next) => context.Function.Name == "refund" ? throw new UnauthorizedAccessException("Not the refund.") : next(context) };
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(new Shop().Plugin());
            b.Services.AddSingleton<IFunctionInvocationFilter>(gate);
        });
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.refund", """{"customerId":"C-1","amount":1}"""));

        await agent.AskAsync("Do it.", Model.StartsRecording(), Model.Replays("p"), Model.Finalizes());

        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task Asked_for_together_with_other_calls_its_steps_stand_in_its_place()
    {
        await using var agent = await TestAgent.StartAsync(new Shop().Plugin());
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("shop.close", """{"why":"x"}"""));

        await agent.AskAsync(
            "Do them.",
            Model.StartsRecording(),
            Model.Calls(("procedures-replay_procedure", """{"name":"p"}"""), ("shop-refund", """{"customerId":"C-1","amount":1}""")),
            Model.Finalizes());

        Assert.Equal(["shop.get_order", "shop.refund"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task Where_it_is_not_known_how_far_a_replay_came_nothing_is_learned()
    {
        using var log = new LogBook();
        var writes = 0;
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(new Shop().Plugin());
            b.Services.AddSingleton<ILoggerFactory>(log);
            b.Services.AddSingleton(FaultyStore.Around(
                new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }),
                operation => operation == nameof(IProcedureStore.WriteExecutionAsync) && ++writes == 2 ? new ProcedureStoreException(StoreFault.Busy, "Busy.") : null));
        });
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var conversation = await agent.AskAsync(
            "Do it.", Model.StartsRecording(), Model.Replays("p"), Model.Calls("shop-refund", """{"customerId":"C-1","amount":1}"""), Model.Finalizes());

        Assert.Equal(ReplyStatus.Conflict, conversation.Replies[^1].Status);
        Assert.Contains("is incomplete", conversation.Replies[^1].Message, StringComparison.Ordinal);
        Assert.Equal(["p"], (await agent.Memory.ListAsync()).Select(p => p.Name));
    }

    [Fact]
    public async Task Where_the_memory_fails_in_the_middle_of_a_replay_the_model_is_told_not_to_do_it_again()
    {
        var shop = new Shop();
        var writes = 0;
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(shop.Plugin());
            b.Services.AddSingleton(FaultyStore.Around(
                new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }),
                operation => operation == nameof(IProcedureStore.WriteExecutionAsync) && ++writes is 2 or 3 ? new ProcedureStoreException(StoreFault.Busy, "Busy.") : null));
        });
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", """{"customerId":"C-1","amount":5}"""), Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"p"}""");

        Assert.Equal(["refund C-1 5"], shop.Calls);
        Assert.Equal(ReplyStatus.BrokeOff, reply.Status);
        Assert.Contains("how far it came is not known", reply.Message, StringComparison.Ordinal);
        Assert.StartsWith("Do not do any of it again", reply.Next, StringComparison.Ordinal);
        Assert.NotNull(await agent.Memory.GetExecutionAsync(Guid.Parse(reply["execution_id"].GetString()!)));
    }

    [Fact]
    public async Task Where_the_memory_fails_before_anything_was_called_the_model_does_the_task_otherwise()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(shop.Plugin());
            b.Services.AddSingleton(FaultyStore.Around(
                new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }),
                operation => operation == nameof(IProcedureStore.WriteExecutionAsync) ? new ProcedureStoreException(StoreFault.Busy, "Busy.") : null));
        });
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", """{"customerId":"C-1","amount":5}"""));

        Assert.Equal(ReplyStatus.Unavailable, (await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"p"}""")).Status);
        Assert.Empty(shop.Calls);
    }

    [Fact]
    public async Task A_replay_that_took_too_long_is_no_refusal_and_can_be_resumed()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        using var memory = Given.Memory(o => (o.TimeProvider, o.MaxReplayDuration) = (time, TimeSpan.FromMinutes(5)));
        var shop = new Shop();
        var kernel = Given.Kernel(memory, shop.Plugin(), Given.Plugin("t", ("work", () => time.Advance(TimeSpan.FromMinutes(6)))));
        await memory.StoredAsync("p", Given.Step("t.work"), Given.Step("shop.get_order", """{"orderId":"W-1"}"""));

        var late = (ReplayReply)await kernel.AskMemoryAsync("replay_procedure", ("name", "p"));
        var resumed = await kernel.AskMemoryAsync("resume_procedure", ("executionId", late.ExecutionId));

        Assert.Equal((ReplyStatus.Cancelled, ReplyStatus.Completed), (late.Status, resumed.Status));
        Assert.Contains(ProceduralMemoryPlugin.ResumeProcedure, late.Next, StringComparison.Ordinal);
        Assert.Equal(["success", "pending"], late.Steps!.Select(s => s.Status));
        Assert.Equal(["get_order W-1"], shop.Calls);
    }

    [Fact]
    public async Task A_replay_that_is_cancelled_inside_a_recording_leaves_one_that_cannot_be_finalized()
    {
        using var memory = Given.Memory();
        using var cancellation = new CancellationTokenSource();
        var kernel = Given.Kernel(memory, new Shop().Plugin(), Given.Plugin("t", ("cancel", () => cancellation.Cancel())));
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}"""), Given.Step("t.cancel"), Given.Step("shop.get_order", """{"orderId":"W-2"}"""));
        await kernel.StartRecordingAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => kernel.InvokeAsync("procedures", "replay_procedure", new KernelArguments { ["name"] = "p" }, cancellation.Token));
        await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));

        Assert.Equal(ReplyStatus.Conflict, (await kernel.AskMemoryAsync("finalize")).Status);
        Assert.Equal(["p"], (await memory.ListAsync()).Select(p => p.Name));
    }

    [Fact]
    public async Task A_gate_that_refuses_the_replay_itself_harms_no_recording()
    {
        var gate = new Filters { OnFunction = (context, next) => context.Function.Name == "replay_procedure" ? throw new UnauthorizedAccessException("No replays.") : next(context) };
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()), afterwards: b => b.Services.AddSingleton<IFunctionInvocationFilter>(gate));
        await agent.Memory.StoredAsync("p", Given.Step("shop.close", """{"why":"x"}"""));

        var conversation = await agent.AskAsync("Do it.", Model.StartsRecording(), Model.Replays("p"), Model.Calls("shop-get_order", """{"orderId":"W-1"}"""), Model.Finalizes());

        Assert.Equal(ReplyStatus.Stored, conversation.Replies[^1].Status);
    }

    [Fact]
    public async Task A_member_given_twice_is_the_models_to_mend_and_harms_no_recording()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        await memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"$inputs.a"}"""));
        await kernel.StartRecordingAsync();

        var reply = await kernel.AskMemoryAsync("replay_procedure", ("name", "p"), ("inputs", Given.Value("""{"a":"1","a":"2"}""")));
        await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));

        Assert.Equal((ReplyStatus.Invalid, "'inputs' has the member 'a' twice. Give each member once."), (reply.Status, reply.Message));
        Assert.Equal(ReplyStatus.Stored, (await kernel.AskMemoryAsync("finalize")).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_name_that_no_procedure_can_have_harms_no_recording_and_is_not_kept(bool isGiant)
    {
        using var file = new DatabaseFile();
        using var memory = new ProcedureMemory(file.Path);
        var kernel = Given.Kernel(memory, new Shop().Plugin());
        await kernel.StartRecordingAsync();

        var reply = await kernel.AskMemoryAsync("replay_procedure", ("name", isGiant ? new string('x', 5_000_000) : "half \ud83d pair"));
        await kernel.CallAsync("shop.get_order", ("orderId", "W-2"));

        Assert.Equal(ReplyStatus.NotFound, reply.Status);
        Assert.InRange(reply.Message!.Length, 1, 1000);
        Assert.Equal(ReplyStatus.Stored, (await kernel.AskMemoryAsync("finalize")).Status);
        Assert.Equal(["replay_procedure", "shop.get_order"], (await memory.LatestTraceAsync()).Actions());
        Assert.InRange(file.Text().Length, 1, 1_000_000);
    }

    private static Filters AroundReplay(Action<FunctionInvocationContext> afterwards) => new()
    {
        OnFunction = async (context, next) =>
        {
            await next(context);
            if (KernelActions.IsReplay(context.Function))
            {
                afterwards(context);
            }
        },
    };

    /// <summary>Holds the results of an action for secret.</summary>
    private sealed class WholeResultRedactor(string secretAction) : IRedactor
    {
        private readonly SecretRedactor _names = new();

        public bool IsSecret(string action, string name) => (action == secretAction && name == IRedactor.WholeResult) || _names.IsSecret(action, name);

        public string Redact(string text) => _names.Redact(text);
    }

    /// <summary>A database in a folder of its own, and all that stands in it.</summary>
    private sealed class DatabaseFile : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("procedures");

        public string Path => System.IO.Path.Combine(_folder.FullName, "procedures.db");

        public string Text() => string.Concat(_folder.GetFiles().Select(f => System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(f.FullName))));

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
