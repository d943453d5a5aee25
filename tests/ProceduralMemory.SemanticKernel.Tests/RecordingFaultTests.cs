using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Recording never breaks the agent: what goes wrong with it is logged once, and the calls go on.</summary>
public sealed class RecordingFaultTests
{
    [Fact]
    public async Task The_result_of_a_call_and_the_exception_of_another_pass_unchanged_when_steps_cannot_be_stored()
    {
        var order = new Order("W-1", "C-1", 1);
        var error = new InvalidOperationException("The shop never closes.");
        using var log = new LogBook();
        await using var agent = await AgentAsync(log, operation => operation == nameof(IProcedureStore.AppendTraceStepAsync) ? new IOException("The disk is full.") : null, Given.Plugin("t", ("give", () => order), ("fail", (Action)(() => throw error))));
        var kernel = agent.Kernel;

        await kernel.StartRecordingAsync();
        Assert.Same(order, (await kernel.CallAsync("t.give")).GetValue<Order>());
        Assert.Same(error, await Assert.ThrowsAsync<InvalidOperationException>(() => kernel.CallAsync("t.fail")));
        Assert.Same(order, (await kernel.CallAsync("t.give")).GetValue<Order>());
    }

    [Fact]
    public async Task A_recording_with_a_hole_in_it_is_logged_once_and_cannot_be_finalized()
    {
        var (fault, folder) = await Given.FaultWithPathAsync();
        using var log = new LogBook();
        var shop = new Shop();
        var appended = 0;
        await using var agent = await AgentAsync(log, operation => operation == nameof(IProcedureStore.AppendTraceStepAsync) && ++appended == 2 ? fault : null, shop.Plugin());

        var conversation = await agent.AskAsync(
            "Go.",
            Model.StartsRecording(),
            Model.Calls("shop-get_order", """{"orderId":"W-1"}"""),
            Model.Calls("shop-get_order", """{"orderId":"W-2"}"""),
            Model.Calls("shop-get_order", """{"orderId":"W-3"}"""),
            Model.Finalizes());

        // The store is well again at the third call: a trace without the second would teach a procedure without it.
        Assert.Equal(["get_order W-1", "get_order W-2", "get_order W-3"], shop.Calls);
        Assert.Equal("Done.", conversation.Answer);
        var reply = conversation.Replies[^1];
        Assert.Equal(ReplyStatus.Conflict, reply.Status);
        Assert.Contains("is incomplete", reply.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(folder, reply.Text, StringComparison.Ordinal);
        Assert.Empty(await agent.Memory.ListAsync());
        var entry = Assert.Single(log.Errors);
        Assert.Same(fault, entry.Exception);
        Assert.Contains("'learned_task'", entry.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_recording_with_a_hole_in_it_the_model_can_record_the_task_again()
    {
        using var log = new LogBook();
        var appended = 0;
        await using var agent = await AgentAsync(log, operation => operation == nameof(IProcedureStore.AppendTraceStepAsync) && ++appended == 1 ? new IOException("The disk is full.") : null, new Shop().Plugin());

        var conversation = await agent.AskAsync(
            "Go.",
            Model.StartsRecording("first"),
            Model.Calls("shop-get_order", """{"orderId":"W-1"}"""),
            Model.Finalizes(),
            Model.StartsRecording("second"),
            Model.Calls("shop-get_order", """{"orderId":"W-2"}"""),
            Model.Finalizes());

        Assert.Equal(
            [ReplyStatus.Recording, ReplyStatus.Conflict, ReplyStatus.Recording, ReplyStatus.Stored],
            conversation.Replies.Where(r => r.Tool.StartsWith("procedures-", StringComparison.Ordinal)).Select(r => r.Status));
    }

    [Fact]
    public async Task A_recording_that_grew_too_long_does_not_hold_up_the_model_and_breaks_no_call()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(shop.Plugin()), o => o.MaxSteps = 1);

        var conversation = await agent.AskAsync(
            "Go.",
            Model.StartsRecording("first"),
            Model.Calls("shop-get_order", """{"orderId":"W-1"}"""),
            Model.Calls("shop-get_order", """{"orderId":"W-2"}"""),
            Model.Finalizes(),
            Model.StartsRecording("second"),
            Model.Calls("shop-get_order", """{"orderId":"W-3"}"""),
            Model.Finalizes());

        Assert.Equal(["get_order W-1", "get_order W-2", "get_order W-3"], shop.Calls);
        var replies = conversation.Replies.Where(r => r.Tool.StartsWith("procedures-", StringComparison.Ordinal)).ToList();
        Assert.Equal([ReplyStatus.Recording, ReplyStatus.Conflict, ReplyStatus.Recording, ReplyStatus.Stored], replies.Select(r => r.Status));
        Assert.Contains("MaxSteps (1)", replies[1].Message, StringComparison.Ordinal);
        Assert.Contains("given up", replies[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recording_that_makes_no_valid_procedure_is_given_up_and_the_model_is_told_why()
    {
        var tags = Enumerable.Range(0, 60).Select(i => $"tag{i}").ToList();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()));
        await agent.Memory.StoreAsync(new ProcedureDefinition { Name = "tagged", Tags = [.. tags.Take(30)], Steps = [new ProcedureStep { Action = "shop.get_order" }] });
        using var session = agent.Memory.BeginSession();
        var recorder = await agent.Memory.StartRecordingAsync(new RecordingDetails { Name = "tagged", Tags = [.. tags.Skip(30)] });
        await agent.Kernel.CallAsync("shop.get_order", ("orderId", "W-1"));

        var reply = await agent.Kernel.AskMemoryAsync("finalize");

        Assert.Equal(ReplyStatus.Conflict, reply.Status);
        Assert.Contains("60 tags", reply.Message, StringComparison.Ordinal);
        Assert.Contains("given up", reply.Message, StringComparison.Ordinal);
        Assert.Null(session.Recorder);
        Assert.Equal(TraceStatus.Abandoned, (await agent.Memory.GetTraceAsync(recorder.TraceId))!.Status);
    }

    [Fact]
    public async Task Notes_that_are_too_long_are_for_the_model_to_shorten()
    {
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(new Shop().Plugin()));
        await agent.Kernel.StartRecordingAsync();
        await agent.Kernel.CallAsync("shop.get_order", ("orderId", "W-1"));

        Assert.Equal(ReplyStatus.Invalid, (await agent.Kernel.AskMemoryAsync("finalize", ("notes", new string('n', 20_000)))).Status);
        Assert.Equal(ReplyStatus.Stored, (await agent.Kernel.AskMemoryAsync("finalize", ("notes", "short"))).Status);
    }

    [Fact]
    public async Task A_redactor_that_throws_breaks_no_call()
    {
        using var log = new LogBook();
        var redactor = new BrokenRedactor();
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Plugins.Add(new Shop().Plugin());
                b.Services.AddSingleton<ILoggerFactory>(log);
            },
            o => o.Redactor = redactor);
        await agent.Kernel.StartRecordingAsync();

        redactor.IsBroken = true;
        Assert.Equal("C-7788", (await agent.Kernel.CallAsync("shop.get_order", ("orderId", "W-1"))).GetValue<Order>()!.CustomerId);
        Assert.Equal("C-7788", (await agent.Kernel.CallAsync("shop.get_order", ("orderId", "W-2"))).GetValue<Order>()!.CustomerId);

        Assert.Single(log.Errors);
        Assert.Contains("is incomplete", (await agent.Kernel.AskMemoryAsync("finalize")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_that_throws_when_it_is_read_is_left_out_and_breaks_no_call()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("give", () => new Prickly())));

        var trace = await kernel.RecordedAsync(memory, async () => Assert.IsType<Prickly>((await kernel.CallAsync("t.give")).GetValue<object>()));

        Assert.Equal(StepStatus.Success, trace.Steps.Single().Status);
        Assert.NotNull(trace.Steps.Single().Omitted);
    }

    [Fact]
    public async Task An_argument_that_throws_when_it_is_read_breaks_no_call()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("take", (Prickly value) => "taken")));
        await kernel.StartRecordingAsync();

        Assert.Equal("taken", (await kernel.CallAsync("t.take", ("value", new Prickly()))).GetValue<string>());
    }

    [Fact]
    public async Task A_stream_goes_by_though_its_step_cannot_be_stored()
    {
        using var log = new LogBook();
        await using var agent = await AgentAsync(log, operation => operation == nameof(IProcedureStore.AppendTraceStepAsync) ? new IOException("The disk is full.") : null, Given.Plugin("t", ("count", CountAsync)));
        await agent.Kernel.StartRecordingAsync();

        var taken = new List<int>();
        await foreach (var item in agent.Kernel.InvokeStreamingAsync<int>("t", "count"))
        {
            taken.Add(item);
        }

        Assert.Equal([1, 2], taken);
        Assert.Single(log.Errors);

        static async IAsyncEnumerable<int> CountAsync()
        {
            yield return 1;
            await Task.Yield();
            yield return 2;
        }
    }

    [Fact]
    public async Task A_call_that_is_cancelled_is_recorded_as_failed_and_its_cancellation_passes()
    {
        using var memory = Given.Memory();
        using var cancellation = new CancellationTokenSource();
        var kernel = Given.Kernel(memory, new Shop().Plugin(), Given.Plugin("t", ("wait", async (CancellationToken token) =>
        {
            await cancellation.CancelAsync();
            token.ThrowIfCancellationRequested();
        }
        )));

        var trace = await kernel.RecordedAsync(memory, async () =>
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => kernel.InvokeAsync("t", "wait", cancellationToken: cancellation.Token));
            await kernel.CallAsync("shop.get_order", ("orderId", "W-1"));
        });

        Assert.Equal([StepStatus.Failed, StepStatus.Success], trace.Steps.Select(s => s.Status));
    }

    private static Task<TestAgent> AgentAsync(LogBook log, Func<string, Exception?> fault, KernelPlugin plugin) => TestAgent.StartAsync(b =>
    {
        b.Plugins.Add(plugin);
        b.Services.AddSingleton<ILoggerFactory>(log);
        b.Services.AddSingleton(FaultyStore.Around(new SqliteProcedureStore(new ProceduralMemoryOptions { DatabasePath = ":memory:" }), fault));
    });

    public sealed class Prickly
    {
        public string Fine => "fine";

        public string Value => throw new NotImplementedException("Do not look at me.");

        public override string ToString() => throw new NotImplementedException("Do not look at me.");
    }

    private sealed class BrokenRedactor : IRedactor
    {
        private readonly SecretRedactor _inner = new();

        public bool IsBroken { get; set; }

        public bool IsSecret(string action, string name) => IsBroken ? throw new JsonException("No idea.") : _inner.IsSecret(action, name);

        public string Redact(string text) => IsBroken ? throw new JsonException("No idea.") : _inner.Redact(text);
    }
}
