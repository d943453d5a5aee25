using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What a model is told of approvals, and that it can give none.</summary>
public sealed class ApprovalTests
{
    private static readonly ProcedureStep Refund = Given.Step("shop.refund", """{"customerId":"C-1","amount":1}""");

    [Fact]
    public async Task The_model_gets_a_plain_pending_state_to_put_to_its_user()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(shop.Plugin()), o => o.Approval = ApprovalPolicy.FirstUse);
        await agent.Memory.StoredAsync("p", Refund);

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"p"}""");

        Assert.Empty(shop.Calls);
        Assert.Equal(ReplyStatus.ApprovalPending, reply.Status);
        Assert.Equal("'p' was not started, and nothing was called. 'p' version 1 may change something (shop.refund), and no person has approved it yet. A person approves it with ApproveAsync(\"p\", 1, by: \"…\").", reply.Message);
        Assert.Contains("Tell the user", reply.Next, StringComparison.Ordinal);
        Assert.False(reply.Has("steps"));

        await agent.Memory.ApproveAsync("p", 1, "Ada");

        Assert.Equal(ReplyStatus.Completed, (await agent.AskAsync("And now?", Model.Calls("procedures-replay_procedure", """{"name":"p"}"""))).Replies[0].Status);
        Assert.Equal(["refund C-1 1"], shop.Calls);
    }

    [Fact]
    public async Task What_a_person_rejected_is_refused()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(shop.Plugin()), o => o.Approval = ApprovalPolicy.FirstUse);
        await agent.Memory.StoredAsync("p", Refund);
        await agent.Memory.RejectAsync("p", 1, "Grace", "It refunds too much.");

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"p"}""");

        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.Contains("'p' version 1 was rejected by Grace: It refunds too much.", reply.Message, StringComparison.Ordinal);
        Assert.Contains("Do not try to get around", reply.Next, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("loop")]
    [InlineData("nested")]
    public async Task A_call_that_waits_is_told_as_pending_wherever_it_stands(string where)
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(shop.Plugin()), o => o.Approval = ApprovalPolicy.Always);
        await agent.Memory.StoredAsync("plain", Refund);
        await agent.Memory.StoredAsync("nested", Refund with { Action = "plain", Kind = StepKind.Procedure, Arguments = Given.Value("{}") });
        var loop = new ProcedureStep { Id = "each", Action = "for each order", Kind = StepKind.Loop, ForEach = "$inputs.orders", Steps = [Refund] };
        await agent.Memory.StoreAsync(new ProcedureDefinition { Name = "loop", Inputs = [Given.Input("orders")], Steps = [loop] });

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", new JsonObject { ["name"] = where, ["inputs"] = new JsonObject { ["orders"] = new JsonArray("W-1") } }.ToJsonString());

        Assert.Equal(ReplyStatus.ApprovalPending, reply.Status);
        Assert.Contains("every such call needs a person's approval", reply.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
        Assert.Equal("refund", Assert.Single((await agent.Memory.ListPendingApprovalsAsync()).Calls).StepId);
    }

    [Fact]
    public async Task A_registered_approver_is_asked_and_that_of_the_options_goes_before_it()
    {
        foreach (var ofOptions in (bool[])[false, true])
        {
            var (registered, given) = (new AnsweringApprover("registered"), new AnsweringApprover("given"));
            var builder = Kernel.CreateBuilder().AddProceduralMemory(o => (o.DatabasePath, o.Approver) = (":memory:", ofOptions ? given : null));
            builder.Services.AddSingleton<IReplayApprover>(registered);
            builder.Plugins.Add(new Shop().Plugin());
            var kernel = builder.Build();
            await using var services = (IAsyncDisposable)kernel.Services;
            var memory = kernel.GetRequiredService<ProcedureMemory>();
            await memory.StoredAsync("p", Refund);

            Assert.Equal(ReplayOutcome.Completed, (await memory.ReplayAsync(kernel, "p")).Outcome);

            Assert.Equal(ofOptions ? "given" : "registered", Assert.Single(await memory.ListApprovalsAsync("p")).By);
            Assert.Equal(ofOptions ? (0, 1) : (1, 0), (registered.Asked.Count, given.Asked.Count));
        }
    }

    public static TheoryData<string, Func<AIFunction, AIFunction>> Marks => new()
    {
        { "marked", f => new ApprovalRequiredAIFunction(f) },
        { "marked, in a wrapper", f => new Renamed(new ApprovalRequiredAIFunction(f)) },
        { "a wrapper, marked", f => new ApprovalRequiredAIFunction(new Renamed(f)) },
        { "marked, as a function of a kernel, in a wrapper", f => new Renamed(new ApprovalRequiredAIFunction(f).AsKernelFunction()) },
    };

    [Theory]
    [MemberData(nameof(Marks), DisableDiscoveryEnumeration = true)]
    public async Task A_function_that_is_marked_as_requiring_approval_keeps_requiring_it(string name, Func<AIFunction, AIFunction> mark)
    {
        Assert.NotEmpty(name);
        var calls = new List<int>();
        var function = mark(AIFunctionFactory.Create((int x) => calls.Add(x), "go")).AsKernelFunction();
        using var memory = Given.Memory(o => o.FunctionApproval = new Dictionary<string, ApprovalPolicy> { ["risky.*"] = ApprovalPolicy.Never });
        var kernel = Given.Kernel(memory, KernelPluginFactory.CreateFromFunctions("risky", [function]));
        await memory.StoredAsync("p", Given.Step("risky.go", """{"x":1}""", effect: StepEffect.Read));

        Assert.True(new KernelStepExecutor(kernel).Describe("risky.go")!.RequiresApproval);
        var result = await memory.ReplayAsync(kernel, "p");

        Assert.Equal(FailureTypes.ApprovalPending, result.Steps[0].Failure!.ErrorType);
        Assert.Empty(calls);
    }

    [Fact]
    public void A_function_that_is_not_marked_does_not_require_it()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, KernelPluginFactory.CreateFromFunctions("mild", [AIFunctionFactory.Create((int x) => x, "go").AsKernelFunction()]), new Shop().Plugin());

        Assert.All((string[])["mild.go", "shop.refund"], action => Assert.False(new KernelStepExecutor(kernel).Describe(action)!.RequiresApproval));
    }

    [Fact]
    public async Task A_dry_run_calls_nothing_passes_no_filter_writes_nothing_and_is_no_step_of_a_recording()
    {
        var shop = new Shop();
        var (seen, autoSeen) = (new List<string>(), new List<string>());
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Plugins.Add(shop.Plugin());
                b.Services.AddSingleton<IFunctionInvocationFilter>(new Looking(seen));
                b.Services.AddSingleton<IAutoFunctionInvocationFilter>(new Looking(autoSeen));
            },
            o => o.Approval = ApprovalPolicy.FirstUse);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", """{"orderId":"W-1"}""", "order"), Given.Step("shop.refund", """{"customerId":"$steps.order.outputs#/CustomerId","amount":"$inputs.amount"}"""));
        await agent.Kernel.StartRecordingAsync();

        seen.Clear();
        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"p","inputs":{"amount":3},"dryRun":true}""");

        Assert.Equal(ReplyStatus.Planned, reply.Status);
        Assert.Contains("shop.refund(customerId: $steps.order.outputs#/CustomerId (result), amount: 3 (input)) [unknown effect, never timed]", reply["plan"].GetString()!, StringComparison.Ordinal);
        Assert.Contains("a person would be asked to approve:\n  'p' version 1, before its first use", reply["plan"].GetString()!, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
        Assert.Equal(["replay_procedure"], seen);
        Assert.Equal(["replay_procedure"], autoSeen);
        Assert.Empty(await agent.Memory.ListExecutionsAsync());
        Assert.Empty(await agent.Memory.ListApprovalsAsync("p"));
        await agent.Kernel.CallAsync("shop.get_order", ("orderId", "W-2"));
        await agent.Kernel.FinalizeAsync();
        Assert.Equal(["shop.get_order"], (await agent.Memory.GetAsync("learned_task")).Actions());
    }

    [Fact]
    public async Task The_host_previews_a_replay_through_a_kernel()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("p", Refund, Given.Step("shop.nothing"));

        var preview = await memory.PreviewAsync(kernel, "p");

        Assert.Equal(2, preview.Steps.Count);
        Assert.Equal([ReplayProblemCodes.MissingFunction], preview.Problems.Select(p => p.Code));
        Assert.Empty(shop.Calls);
    }

    /// <summary>The gate: whatever a model calls with whatever arguments, nothing is approved by it, and nothing that writes is called.</summary>
    [Fact]
    public async Task A_model_that_calls_every_function_that_we_expose_with_any_arguments_approves_nothing()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(
            b => b.Plugins.Add(shop.Plugin()),
            o => (o.Approval, o.AdminPluginName, o.FunctionApproval) = (ApprovalPolicy.FirstUse, "admin", new Dictionary<string, ApprovalPolicy> { ["shop.close"] = ApprovalPolicy.Always }));
        await agent.Memory.StoredAsync("p", Refund);
        await agent.Memory.StoredAsync("closing", Given.Step("shop.close", """{"why":"late"}"""));
        await agent.Memory.ReplayAsync(agent.Kernel, "p");
        var execution = (await agent.Memory.ReplayAsync(agent.Kernel, "closing")).ExecutionId!.Value;
        var functions = agent.Kernel.Plugins.Where(p => p.Name is "procedures" or "admin").SelectMany(p => p).ToList();
        Assert.Equal(20, functions.Count);

        string[] words = ["approve", "approved", "confirm", "confirmConstants", "by", "approver", "version", "executionId", "stepId", "argumentsHash", "policy", "approval", "scope", "reason", "revoke", "force", "yes", "dryRun", "name", "inputs", "adapt", "skip", "steps", "document", "names", "asNewVersion", "replace", "notes", "action", "arguments"];
        object?[] values = ["p", "closing", "close", "refund", "Ada", true, 1, "1", execution.ToString(), "approve", "Never", "always", null,
            Given.Value("""["p","closing"]"""), Given.Value("""{"approve":true,"by":"Ada","version":1,"ConfirmConstants":true}"""),
            Given.Value("""{"shop.refund":{"approved":true},"refund":{"by":"Ada"}}"""), Given.Value("""[{"action":"shop.refund","effect":"read","arguments":{"customerId":"C-9","amount":9}}]"""),
            Given.Value("""{"format":1,"name":"p","steps":[{"action":"shop.refund","effect":"read","arguments":{"customerId":"C-8","amount":8}}]}"""),
            Given.Value("""{"format":1,"name":"p","approval":"approved","approvals":[{"state":"approved","by":"Ada"}],"steps":[{"action":"shop.refund"}]}"""), "$approve(p, 1, by: Ada)"];
        var random = new Random(20260);
        for (var i = 0; i < 400; i++)
        {
            var function = functions[random.Next(functions.Count)];
            var arguments = new KernelArguments();

            // Names that the function declares, so that it gets to work, and others, which a model would try.
            foreach (var parameter in function.Metadata.Parameters.Where(p => p.IsRequired))
            {
                arguments[parameter.Name] = parameter.Name switch { "names" => values[13], "steps" => values[16], "document" => values[17], _ => "p" };
            }

            for (var more = random.Next(7); more > 0; more--)
            {
                arguments[words[random.Next(words.Length)]] = values[random.Next(values.Length)];
            }

            try
            {
                await function.InvokeAsync(agent.Kernel, arguments);
            }
            catch (Exception exception) when (exception is ArgumentException or KernelException or InvalidCastException or JsonException or FormatException or NotSupportedException)
            {
                // A value that the kernel cannot bind to a parameter of ours: not even called.
            }
        }

        Assert.Empty(shop.Calls);
        foreach (var procedure in await agent.Memory.ListAsync(includeRetired: true))
        {
            Assert.All(await agent.Memory.ListApprovalsAsync(procedure.Name), a => Assert.Equal((ApprovalState.Pending, null), (a.State, a.By)));
        }

        foreach (var made in await agent.Memory.ListExecutionsAsync(limit: 1000))
        {
            Assert.All(await agent.Memory.ListCallApprovalsAsync(made.Id), a => Assert.Contains(a.State, (ApprovalState[])[ApprovalState.Pending, ApprovalState.Superseded]));
        }

        // It did get through to what it called.
        Assert.True((await agent.Memory.ListVersionsAsync("p")).Count > 1);
        Assert.NotEmpty((await agent.Memory.ListPendingApprovalsAsync()).Versions);
    }

    private sealed class Renamed(AIFunction inner) : DelegatingAIFunction(inner)
    {
        public override string Name => "go";

        public override object? GetService(Type serviceType, object? serviceKey = null) => serviceType.IsInstanceOfType(this) ? this : null;
    }

    private sealed class Looking(List<string> seen) : IFunctionInvocationFilter, IAutoFunctionInvocationFilter
    {
        public Task OnFunctionInvocationAsync(Microsoft.SemanticKernel.FunctionInvocationContext context, Func<Microsoft.SemanticKernel.FunctionInvocationContext, Task> next)
        {
            seen.Add(context.Function.Name);
            return next(context);
        }

        public Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            seen.Add(context.Function.Name);
            return next(context);
        }
    }
}
