using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using AgentDemo.Model;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>A replay skips no gate that a live call has: what a filter of the host refuses when the model asks, it refuses in a replay.</summary>
public sealed class GateTests
{
    private const string Order = """{"orderId":"W-1"}""";
    private const string Refund = """{"customerId":"C-1","amount":1}""";

    public enum Refusal
    {
        FunctionFilterAnswers,
        FunctionFilterStaysSilent,
        FunctionFilterThrows,
        AutoFilterAnswers,
        AutoFilterStaysSilent,
        AutoFilterThrows,
        AutoFilterTerminates,
    }

    public static TheoryData<Refusal, bool> Refusals
    {
        get
        {
            var data = new TheoryData<Refusal, bool>();
            foreach (var refusal in Enum.GetValues<Refusal>())
            {
                data.Add(refusal, false);
                data.Add(refusal, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task What_a_filter_refuses_live_it_refuses_in_a_replay(Refusal refusal, bool registeredAfterOurs)
    {
        var shop = new Shop();
        await using var agent = await AgentAsync(shop, Gate(refusal), registeredAfterOurs);
        await agent.Memory.StoredAsync("refund_order", Given.Step("shop.get_order", Order), Given.Step("shop.refund", Refund), Given.Step("shop.get_order", Order));

        // Live: the model asks, and the function is not run. A filter that throws an error of its own in an auto filter ends the conversation.
        await Record.ExceptionAsync(() => agent.AskAsync("Refund.", Model.Calls("shop-get_order", Order), Model.Calls("shop-refund", Refund)));
        Assert.Equal(["get_order W-1"], shop.Calls);

        // Replayed by the host and by the model: the step before it is done, the function is not run, and nothing follows.
        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "refund_order");
        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"refund_order"}""");

        Assert.Equal(["get_order W-1", "get_order W-1", "get_order W-1"], shop.Calls);
        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal([StepStatus.Success, StepStatus.Failed, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(FailureTypes.Refused, replay.Steps[1].Failure!.ErrorType);
        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.Contains("Do not try to get around the refusal", reply.Next, StringComparison.Ordinal);
        Assert.Equal(["success", "failed", "pending"], reply["steps"].EnumerateArray().Select(s => s.GetProperty("status").GetString()));
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task A_refused_replay_is_logged_and_does_not_count_in_the_statistics(Refusal refusal, bool registeredAfterOurs)
    {
        await using var agent = await AgentAsync(new Shop(), Gate(refusal), registeredAfterOurs);
        await agent.Memory.StoredAsync("refund_order", Given.Step("shop.refund", Refund));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "refund_order");

        Assert.Null(replay.Verdict);
        var version = (await agent.Memory.GetAsync("refund_order")).Version;
        Assert.Equal(0, version.Statistics.Executions);
        Assert.Empty(version.StepStatistics);
        Assert.Equal(ReplayOutcome.Refused, (await agent.Memory.GetExecutionAsync(replay.ExecutionId!.Value))!.Outcome);
    }

    [Fact]
    public async Task A_replay_inside_a_procedure_that_broke_off_behind_a_filter_which_hides_it_is_not_said_to_have_not_run()
    {
        var faults = false;
        using var memory = Given.Memory(o => o.Redactor = new FaultyRedactor(() => faults));
        var shop = new Shop();
        var kernel = Given.Kernel(memory, shop.Plugin());
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = async (context, next) =>
            {
                try
                {
                    await next(context);
                }
                catch (InvalidOperationException) when (KernelActions.IsReplay(context.Function))
                {
                    context.Result = new FunctionResult(context.Function, "Sorry.");
                }
            },
        });
        await memory.StoredAsync("inner", Given.Step("shop.refund", """{"customerId":"C-1","amount":1}"""), Given.Step("shop.get_order", """{"orderId":"boom"}"""));
        await memory.StoredAsync("outer", Given.Step("inner") with { Kind = StepKind.Procedure });
        faults = true;

        var replay = await memory.ReplayAsync(kernel, "outer");

        Assert.Equal(ReplayOutcome.Failed, replay.Outcome);
        Assert.Contains("how far it came is not known", replay.Message, StringComparison.Ordinal);
        Assert.Equal(["refund C-1 1"], shop.Calls);
    }

    [Fact]
    public async Task The_words_of_a_refusal_reach_the_model()
    {
        await using var agent = await AgentAsync(new Shop(), Gate(Refusal.AutoFilterAnswers), registeredAfterOurs: false);
        await agent.Memory.StoredAsync("refund_order", Given.Step("shop.refund", Refund));

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"refund_order"}""");

        Assert.Contains("Refunds need a second pair of eyes.", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_filter_that_asks_to_end_the_turn_after_a_step_keeps_the_following_ones_from_running()
    {
        var shop = new Shop();
        var gate = new Filters
        {
            OnAuto = async (context, next) =>
            {
                await next(context);
                context.Terminate = context.Function.Name == "refund";
            }
        };
        await using var agent = await AgentAsync(shop, gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", Order), Given.Step("shop.refund", Refund), Given.Step("shop.get_order", Order));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal([StepStatus.Success, StepStatus.Success, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(["get_order W-1", "refund C-1 1"], shop.Calls);
    }

    [Fact]
    public async Task A_filter_that_asks_to_end_the_turn_after_the_last_step_has_nothing_to_stop()
    {
        var gate = new Filters
        {
            OnAuto = async (context, next) =>
            {
                await next(context);
                context.Terminate = true;
            }
        };
        await using var agent = await AgentAsync(new Shop(), gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", Order));

        Assert.Equal(ReplayOutcome.Completed, (await agent.Memory.ReplayAsync(agent.Kernel, "p")).Outcome);
    }

    [Fact]
    public async Task A_step_passes_each_filter_once_in_the_order_of_a_live_call()
    {
        var log = new ConcurrentQueue<string>();
        Filters Logging(string name) => new()
        {
            OnAuto = async (context, next) =>
            {
                log.Enqueue($"> auto {name} {context.Function.Name}");
                await next(context);
                log.Enqueue($"< auto {name} {context.Function.Name}");
            },
            OnFunction = async (context, next) =>
            {
                log.Enqueue($"> function {name} {context.Function.Name}");
                await next(context);
                log.Enqueue($"< function {name} {context.Function.Name}");
            },
        };
        await using var agent = await TestAgent.StartAsync(
            b =>
            {
                b.Plugins.Add(Given.Plugin("t", ("a", () => log.Enqueue("a runs")), ("b", () => log.Enqueue("b runs"))));
                Register(b, Logging("first"));
                Register(b, Logging("second"));
            },
            afterwards: b => Register(b, Logging("third")));
        await agent.Memory.StoredAsync("p", Given.Step("t.a"), Given.Step("t.b"));

        await agent.AskAsync("Do a and b.", Model.Calls("t-a"), Model.Calls("t-b"));
        var live = log.ToArray();
        log.Clear();
        await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal(["> auto first a", "> auto second a", "> auto third a", "> function first a", "> function second a", "> function third a", "a runs"], live.Take(7));
        Assert.Equal(live, log);
    }

    [Fact]
    public async Task An_auto_filter_sees_a_replayed_call_as_if_the_model_had_just_asked_for_it()
    {
        var seen = new ConcurrentQueue<AutoFunctionInvocationContext>();
        var gate = new Filters
        {
            OnAuto = (context, next) =>
            {
                if (context.Function.PluginName == "shop")
                {
                    seen.Enqueue(context);
                }

                return next(context);
            }
        };
        await using var agent = await AgentAsync(new Shop(), gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", Order), Given.Step("shop.refund", Refund));

        await agent.Memory.ReplayAsync(agent.Kernel, "p");

        var context = seen.First();
        Assert.Equal("get_order", context.Function.Name);
        Assert.Equal("W-1", context.Arguments!["orderId"]);
        var asked = context.ChatHistory.Last();
        Assert.Same(context.ChatMessageContent, asked);
        Assert.Equal(AuthorRole.Assistant, asked.Role);
        var call = Assert.Single(asked.Items.OfType<FunctionCallContent>());
        Assert.Equal(("shop", "get_order", context.ToolCallId), (call.PluginName, call.FunctionName, call.Id));
        Assert.Equal("W-1", call.Arguments!["orderId"]);
        Assert.Equal((1, 0), (context.FunctionCount, context.FunctionSequenceIndex));
        Assert.Equal([0, 1], seen.Select(c => c.RequestSequenceIndex));
        Assert.Equal(2, seen.Select(c => c.ToolCallId).Distinct().Count());
        Assert.Equal([1, 1], seen.Select(c => c.ChatHistory.Count));
    }

    [Fact]
    public async Task An_auto_filter_sees_the_conversation_that_a_replay_is_part_of_and_cannot_change_it()
    {
        var seen = new ConcurrentQueue<string>();
        var gate = new Filters
        {
            OnAuto = (context, next) =>
            {
                if (context.Function.Name == "get_order")
                {
                    seen.Enqueue(string.Join(", ", context.ChatHistory.Select(m => m.Role.Label.ToLowerInvariant())));
                    seen.Enqueue(context.ChatHistory.First().Content!);
                    context.ChatHistory.Clear();
                }

                return next(context);
            }
        };
        await using var agent = await AgentAsync(new Shop(), gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", Order));

        var conversation = await agent.AskAsync("Do p, please.", Model.Replays("p"));

        Assert.Equal(["user, assistant, assistant", "Do p, please."], seen);
        Assert.Equal((ReplyStatus.Completed, "Done."), (conversation.Replies.Single().Status, conversation.Answer));
        Assert.Equal(0, agent.RefusedRequests);
    }

    [Theory]
    [InlineData(StepEffect.Read, ReplayOutcome.Completed)]
    [InlineData(StepEffect.Unknown, ReplayOutcome.Refused)]
    [InlineData(StepEffect.Write, ReplayOutcome.Refused)]
    public async Task A_filter_may_answer_a_read_from_its_cache_but_a_write_that_did_not_run_has_not_happened(StepEffect effect, ReplayOutcome outcome)
    {
        var shop = new Shop();
        var cache = new Filters
        {
            OnFunction = (context, next) =>
            {
                if (context.Function.Name != "get_order")
                {
                    return next(context);
                }

                context.Result = new FunctionResult(context.Function, "{\"customer\":\"C-cached\"}");
                return Task.CompletedTask;
            }
        };
        await using var agent = await AgentAsync(shop, cache, registeredAfterOurs: false);
        await agent.Memory.StoredAsync(
            "p",
            Given.Step("shop.get_order", Order, "look_up", effect),
            Given.Step("shop.refund", """{"customerId":"$steps.look_up.outputs#/customer","amount":1}"""));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal(outcome, replay.Outcome);
        Assert.Equal(outcome is ReplayOutcome.Completed ? ["refund C-cached 1"] : [], shop.Calls);
    }

    [Fact]
    public async Task A_filter_that_changes_the_arguments_or_the_result_of_a_live_call_does_so_in_a_replay()
    {
        var shop = new Shop();
        var gate = new Filters
        {
            OnFunction = (context, next) =>
            {
                if (context.Function.Name == "refund")
                {
                    context.Arguments["reason"] = "checked";
                }

                return next(context);
            },
            OnAuto = async (context, next) =>
            {
                await next(context);
                if (context.Function.Name == "refund")
                {
                    context.Result = new FunctionResult(context.Result, "R-changed");
                }
            },
        };
        await using var agent = await AgentAsync(shop, gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", Refund));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal(["refund C-1 1 checked"], shop.Calls);
        Given.JsonEqual("\"R-changed\"", replay.Steps[0].Result);
    }

    [Fact]
    public async Task A_filter_that_calls_the_function_itself_instead_of_going_on_has_let_it_through()
    {
        var shop = new Shop();
        var gate = new Filters { OnAuto = async (context, _) => context.Result = await context.Function.InvokeAsync(context.Kernel, context.Arguments) };
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        kernel.AutoFunctionInvocationFilters.Add(gate);
        await memory.StoredAsync("p", Given.Step("shop.refund", Refund), Given.Step("shop.get_order", Order));

        var replay = await memory.ReplayAsync(kernel, "p");

        // To call the refund refused would invite to do it again.
        Assert.Equal((ReplayOutcome.Completed, ""), (replay.Outcome, replay.Steps[0].Failure?.Message ?? ""));
        Given.JsonEqual("\"Receipt for C-1\"", replay.Steps[0].Result);
        Assert.Equal(["refund C-1 1", "get_order W-1"], shop.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_filter_that_asks_to_end_the_turn_before_a_step_keeps_it_and_the_following_from_running(bool goesOn)
    {
        var shop = new Shop();
        var gate = new Filters
        {
            OnAuto = (context, next) =>
            {
                context.Terminate = context.Function.Name == "refund";
                return context.Terminate && !goesOn ? Task.CompletedTask : next(context);
            }
        };
        await using var agent = await AgentAsync(shop, gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.get_order", Order), Given.Step("shop.refund", Refund), Given.Step("shop.get_order", Order));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal([StepStatus.Success, StepStatus.Failed, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(["get_order W-1"], shop.Calls);
    }

    [Fact]
    public async Task A_filter_that_asks_to_end_the_turn_and_throws_ends_a_replay_that_would_go_on_after_failures()
    {
        var shop = new Shop();
        var gate = new Filters
        {
            OnAuto = async (context, next) =>
            {
                await next(context);
                if (context.Function.Name == "refund")
                {
                    context.Terminate = true;
                    throw new InvalidOperationException("That was the last one.");
                }
            }
        };
        await using var agent = await AgentAsync(shop, gate, registeredAfterOurs: false);
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", Refund), Given.Step("shop.get_order", Order));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p", new ReplayRequest { ContinueOnFailure = true });

        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal([StepStatus.Unknown, StepStatus.Pending], replay.Steps.Select(s => s.Status));
        Assert.Equal(["refund C-1 1"], shop.Calls);
    }

    [Fact]
    public async Task A_filter_may_try_a_function_again()
    {
        var tries = 0;
        var gate = new Filters
        {
            OnFunction = async (context, next) =>
            {
                try
                {
                    await next(context);
                }
                catch (IOException)
                {
                    await next(context);
                }
            }
        };
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(Given.Plugin("t", ("shaky", () => ++tries == 1 ? throw new IOException("Lost the line.") : "there")));
            Register(b, gate);
        });
        await agent.Memory.StoredAsync("p", Given.Step("t.shaky"));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal((ReplayOutcome.Completed, 2), (replay.Outcome, tries));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_filter_that_throws_after_the_function_has_run_makes_no_refusal_and_the_call_is_not_made_again(bool auto)
    {
        var shop = new Shop();
        var gate = new Filters();
        if (auto)
        {
            gate.OnAuto = async (context, next) =>
            {
                await next(context);
                throw new InvalidOperationException("The audit log is full.");
            };
        }
        else
        {
            gate.OnFunction = async (context, next) =>
            {
                await next(context);
                throw new InvalidOperationException("The audit log is full.");
            };
        }

        await using var agent = await AgentAsync(shop, gate, registeredAfterOurs: true);
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", Refund));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");
        var resumed = await agent.Memory.ResumeAsync(agent.Kernel, replay.ExecutionId!.Value);

        // The refund has happened: to call it refused, or failed without an effect, would invite to do it again.
        Assert.Equal(["refund C-1 1"], shop.Calls);
        Assert.Equal((ReplayOutcome.Failed, StepStatus.Unknown), (replay.Outcome, replay.Steps[0].Status));
        Assert.Equal(new StepFailure(nameof(InvalidOperationException), "shop.refund returned, and then a filter threw: The audit log is full."), replay.Steps[0].Failure);
        Assert.Equal((ReplayOutcome.Waiting, ReplayProblemCodes.OutcomeUnknown), (resumed.Outcome, resumed.Problems.Single().Code));
    }

    [Fact]
    public async Task What_a_filter_throws_after_the_function_has_run_is_no_error_that_may_pass()
    {
        var shop = new Shop();
        var gate = new Filters
        {
            OnFunction = async (context, next) =>
            {
                await next(context);
                throw new HttpRequestException(HttpRequestError.ConnectionError, "The audit service is not there.");
            },
        };
        await using var agent = await AgentAsync(shop, gate, registeredAfterOurs: true);
        await agent.Memory.StoredAsync("p", Given.Step("shop.refund", Refund) with { Retry = new StepRetry { Delay = TimeSpan.Zero } });

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        Assert.Equal(["refund C-1 1"], shop.Calls);
        Assert.Equal(StepStatus.Unknown, replay.Steps[0].Status);
    }

    [Fact]
    public async Task Words_that_a_filter_puts_in_place_of_an_error_do_not_hide_that_the_call_broke_off()
    {
        var busy = true;
        var gate = new Filters
        {
            OnFunction = async (context, next) =>
            {
                try
                {
                    await next(context);
                }
                catch (TimeoutException)
                {
                    throw new InvalidOperationException("The shop is busy.");
                }
            },
        };
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(Given.Plugin("t", ("pay", () => busy ? throw new TimeoutException("No answer.") : "paid")));
            Register(b, gate);
        });
        await agent.Memory.StoredAsync("p", Given.Step("t.pay"));

        var step = (await agent.Memory.ReplayAsync(agent.Kernel, "p")).Steps.Single();

        Assert.Equal((StepStatus.Unknown, "The shop is busy."), (step.Status, step.Failure!.Message));
    }

    [Fact]
    public async Task A_call_that_a_replayed_function_makes_passes_the_filters_in_its_turn()
    {
        var seen = new ConcurrentQueue<string>();
        var gate = new Filters
        {
            OnFunction = (context, next) =>
            {
                seen.Enqueue(context.Function.Name);
                return context.Function.Name == "inner" ? throw new UnauthorizedAccessException("Not the inner one.") : next(context);
            }
        };
        await using var agent = await TestAgent.StartAsync(b =>
        {
            b.Plugins.Add(Given.Plugin("t", ("inner", () => seen.Enqueue("inner runs")), ("outer", (Kernel kernel) => kernel.CallAsync("t.inner"))));
            Register(b, gate);
        });
        await agent.Memory.StoredAsync("p", Given.Step("t.outer"));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p");

        // The outer function did run: it failed, and was not refused.
        Assert.Equal(["outer", "inner"], seen);
        Assert.Equal((ReplayOutcome.Failed, "Not the inner one."), (replay.Outcome, replay.Steps[0].Failure!.Message));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_filter_that_asks_another_function_first_decides_as_it_does_live(bool auto, bool allows)
    {
        var shop = new Shop();
        var gate = new Filters();
        async Task<bool> IsRefusedAsync(KernelFunction function, Kernel kernel) =>
            function.Name == "refund" && !(await kernel.CallAsync("policy.allows", ("function", function.Name))).GetValue<bool>();
        if (auto)
        {
            gate.OnAuto = async (context, next) =>
            {
                if (await IsRefusedAsync(context.Function, context.Kernel))
                {
                    context.Result = new FunctionResult(context.Function, "The policy forbids it.");
                    return;
                }

                await next(context);
            };
        }
        else
        {
            gate.OnFunction = async (context, next) =>
            {
                if (await IsRefusedAsync(context.Function, context.Kernel))
                {
                    context.Result = new FunctionResult(context.Function, "The policy forbids it.");
                    return;
                }

                await next(context);
            };
        }

        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin(), Given.Plugin("policy", ("allows", (string function) => allows)));
        kernel.FunctionInvocationFilters.Add(gate);
        kernel.AutoFunctionInvocationFilters.Add(gate);
        await memory.StoredAsync("p", Given.Step("shop.refund", Refund), Given.Step("shop.get_order", Order));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal(allows ? ["refund C-1 1", "get_order W-1"] : [], shop.Calls);
        Assert.Equal(allows ? ReplayOutcome.Completed : ReplayOutcome.Refused, replay.Outcome);
        Assert.Equal(!allows, replay.Message.Contains("The policy forbids it.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Filters_of_a_kernel_that_was_built_already_gate_a_replay_too()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        kernel.AutoFunctionInvocationFilters.Add(Gate(Refusal.AutoFilterStaysSilent));
        await memory.StoredAsync("p", Given.Step("shop.refund", Refund));

        Assert.Equal(ReplayOutcome.Refused, (await memory.ReplayAsync(kernel, "p")).Outcome);
        Assert.Empty(shop.Calls);
        Assert.Equal((1, 2), (kernel.FunctionInvocationFilters.Count, kernel.AutoFunctionInvocationFilters.Count));
    }

    [Fact]
    public async Task Calls_that_are_made_at_once_do_not_share_the_data_of_a_kernel_which_is_a_plain_dictionary()
    {
        using var memory = Given.Memory(o => o.MaxParallelSteps = 2);
        var (first, second) = (new TaskCompletionSource<IDictionary<string, object?>>(), new TaskCompletionSource<IDictionary<string, object?>>());
        var read = KernelPluginFactory.CreateFromFunctions("t", [
            KernelFunctionFactory.CreateFromMethod([FunctionEffect(StepEffect.Read)] async (Kernel k) => await MeetAsync(k, "a", first, second), "a"),
            KernelFunctionFactory.CreateFromMethod([FunctionEffect(StepEffect.Read)] async (Kernel k) => await MeetAsync(k, "b", second, first), "b"),
            KernelFunctionFactory.CreateFromMethod((Kernel k) => $"{k.Data["a"]} {k.Data["b"]}", "both"),
        ]);
        var kernel = Given.Kernel(memory, read);
        await memory.StoredAsync("p", Given.Step("t.a"), Given.Step("t.b"), Given.Step("t.both"));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal(ReplayOutcome.Completed, replay.Outcome);
        Assert.NotSame(await first.Task, await second.Task);
        Assert.Equal("was here was here", replay.Steps[2].Result!.Value.GetString());
        Assert.Equal(("was here", "was here"), (kernel.Data["a"], kernel.Data["b"]));

        static async Task MeetAsync(Kernel kernel, string name, TaskCompletionSource<IDictionary<string, object?>> own, TaskCompletionSource<IDictionary<string, object?>> other)
        {
            own.SetResult(kernel.Data);
            await other.Task;
            kernel.Data[name] = "was here";
        }
    }

    [Fact]
    public async Task What_a_filter_around_a_procedure_puts_into_the_data_is_there_for_the_calls_in_it()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("read", (Kernel k) => (string?)k.Data["ticket"])));
        kernel.FunctionInvocationFilters.Add(new Filters
        {
            OnFunction = (context, next) =>
            {
                if (KernelActions.IsReplay(context.Function))
                {
                    context.Kernel.Data["ticket"] = "T-1";
                }

                return next(context);
            },
        });
        await memory.StoredAsync("inner", Given.Step("t.read"));
        await memory.StoredAsync("p", Given.Step("inner") with { Kind = StepKind.Procedure });

        Assert.Equal("T-1", (await memory.ReplayAsync(kernel, "p")).Steps[0].Nested!.Steps[0].Result!.Value.GetString());
    }

    [Fact]
    public async Task What_a_function_puts_into_the_kernels_data_in_a_replay_is_there_afterwards()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin(
            "t",
            ("write", (Kernel k) =>
            {
                k.Data["seen"] = "by the function";
                k.Data["known"] = "changed";
            }
        ),
            ("read", (Kernel k) => (string?)k.Data["seen"])));
        kernel.Data["known"] = "before";
        await memory.StoredAsync("p", Given.Step("t.write"), Given.Step("t.read"));

        var replay = await memory.ReplayAsync(kernel, "p");

        Assert.Equal(("by the function", "changed"), (kernel.Data["seen"], kernel.Data["known"]));
        Given.JsonEqual("\"by the function\"", replay.Steps[1].Result);
    }

    [Fact]
    public async Task What_a_function_takes_out_of_the_kernels_data_in_a_replay_is_gone_afterwards()
    {
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, Given.Plugin("t", ("forget", (Kernel k) => k.Data.Remove("permit"))));
        kernel.Data["permit"] = "for one use";
        await memory.StoredAsync("p", Given.Step("t.forget"));

        await memory.ReplayAsync(kernel, "p");

        Assert.False(kernel.Data.ContainsKey("permit"));
    }

    [Theory]
    [InlineData("shop.refund", ReplayOutcome.Refused)]
    [InlineData("SHOP.Refund", ReplayOutcome.Refused)]
    [InlineData("shop.*", ReplayOutcome.Refused)]
    [InlineData("shop.refun", ReplayOutcome.Completed)]
    [InlineData("sho.*", ReplayOutcome.Completed)]
    [InlineData("other.*", ReplayOutcome.Completed)]
    public async Task A_denied_function_is_refused_before_the_first_step(string denied, ReplayOutcome outcome)
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("p", Given.Step("shop.refund", Refund), Given.Step("shop.refund", Refund));

        var replay = await memory.ReplayAsync(kernel, "p", options: new KernelReplayOptions { DeniedFunctions = [denied] });

        Assert.Equal(outcome, replay.Outcome);
        Assert.Equal(outcome is ReplayOutcome.Completed ? 2 : 0, shop.Calls.Count);
        Assert.All(replay.Problems, p => Assert.Equal(ReplayProblemCodes.NotAllowed, p.Code));
    }

    [Fact]
    public async Task Only_functions_on_the_list_of_allowed_ones_may_be_replayed_and_denial_goes_first()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        await memory.StoredAsync("look_up", Given.Step("shop.get_order", Order));
        await memory.StoredAsync("refund", Given.Step("shop.get_order", Order), Given.Step("shop.refund", Refund));
        Task<ReplayResult> Replay(string name, KernelReplayOptions options) => memory.ReplayAsync(kernel, name, options: options);

        Assert.Equal(ReplayOutcome.Completed, (await Replay("look_up", new() { AllowedFunctions = ["shop.get_order"] })).Outcome);
        Assert.Equal(ReplayOutcome.Refused, (await Replay("look_up", new() { AllowedFunctions = [] })).Outcome);
        Assert.Equal(ReplayOutcome.Refused, (await Replay("look_up", new() { AllowedFunctions = ["shop.*"], DeniedFunctions = ["shop.get_order"] })).Outcome);
        var refused = await Replay("refund", new() { AllowedFunctions = ["shop.get_order"] });
        Assert.Equal((ReplayOutcome.Refused, "refund"), (refused.Outcome, Assert.Single(refused.Problems).StepId));
        Assert.Null(refused.ExecutionId);
        Assert.Equal(["get_order W-1"], shop.Calls);
    }

    [Fact]
    public async Task The_list_holds_for_replays_of_the_model_and_for_procedures_inside_procedures()
    {
        var shop = new Shop();
        await using var agent = await TestAgent.StartAsync(b => b.Plugins.Add(shop.Plugin()), o => o.Replay.DeniedFunctions = ["shop.refund"]);
        await agent.Memory.StoredAsync("inner", Given.Step("shop.refund", Refund));
        await agent.Memory.StoredAsync("outer", Given.Step("shop.get_order", Order), Given.Step("inner") with { Kind = StepKind.Procedure });

        var reply = await agent.ModelCallsAsync("procedures-replay_procedure", """{"name":"outer"}""");

        Assert.Equal(ReplyStatus.Refused, reply.Status);
        Assert.Contains("shop.refund", reply.Message, StringComparison.Ordinal);
        Assert.Empty(shop.Calls);
    }

    [Theory]
    [InlineData(true, ReplayOutcome.Completed)]
    [InlineData(false, ReplayOutcome.Refused)]
    public async Task A_filter_that_cannot_work_outside_a_live_turn_is_left_out_where_the_host_says_so_and_refuses_otherwise(bool liveOnly, ReplayOutcome outcome)
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        using var log = new LogBook();
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton<ILoggerFactory>(log);
        builder.Plugins.Add(shop.Plugin());
        var kernel = builder.Build().UseProceduralMemory(memory);
        kernel.AutoFunctionInvocationFilters.Add(new NeedsLiveTurn());
        await memory.StoredAsync("p", Given.Step("shop.get_order", Order));

        var replay = await memory.ReplayAsync(kernel, "p", options: new() { LiveOnlyFilters = liveOnly ? [typeof(NeedsLiveTurn)] : [] });

        Assert.Equal(outcome, replay.Outcome);
        Assert.Equal(liveOnly ? ["get_order W-1"] : [], shop.Calls);

        // How it is mended is for the host to read: a model can only plead for it.
        Assert.DoesNotContain(nameof(KernelReplayOptions.LiveOnlyFilters), replay.Message, StringComparison.Ordinal);
        Assert.Equal(!liveOnly, replay.Message.Contains("Only the host can allow it.", StringComparison.Ordinal));
        Assert.Equal(liveOnly ? 0 : 1, log.Entries.Count(e => e.Level is LogLevel.Warning && e.Message.Contains(nameof(KernelReplayOptions.LiveOnlyFilters), StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Leaving_out_one_filter_leaves_the_others_in_place()
    {
        var shop = new Shop();
        using var memory = Given.Memory();
        var kernel = Given.Kernel(memory, shop.Plugin());
        kernel.AutoFunctionInvocationFilters.Add(new NeedsLiveTurn());
        kernel.AutoFunctionInvocationFilters.Add(Gate(Refusal.AutoFilterAnswers));
        await memory.StoredAsync("p", Given.Step("shop.refund", Refund));

        var replay = await memory.ReplayAsync(kernel, "p", options: new() { LiveOnlyFilters = [typeof(NeedsLiveTurn)] });

        Assert.Equal(ReplayOutcome.Refused, replay.Outcome);
        Assert.Empty(shop.Calls);
    }

    [Theory]
    [InlineData("")]
    [InlineData("shop")]
    [InlineData("shop.")]
    [InlineData("*")]
    [InlineData("shop-refund")]
    [InlineData("shop.re*")]
    [InlineData("shop.refund ")]
    public void A_pattern_that_names_no_functions_is_refused_at_once(string pattern)
    {
        Assert.Contains($"'{pattern}'", Assert.Throws<ValidationException>(() => new KernelStepExecutor(new Kernel(), new() { AllowedFunctions = [pattern] })).Message, StringComparison.Ordinal);
        Assert.Throws<ValidationException>(() => new KernelStepExecutor(new Kernel(), new() { DeniedFunctions = [pattern] }));
    }

    [Theory]
    [InlineData("find_similar_procedure", """{"request":"x"}""")]
    [InlineData("replay_procedure", """{"name":"p"}""")]
    [InlineData("start_recording", """{"name":"x","description":"x"}""")]
    [InlineData("record_step", """{"action":"x"}""")]
    [InlineData("finalize", "{}")]
    [InlineData("list_procedures", "{}")]
    public async Task A_procedure_cannot_call_the_memorys_own_functions_under_whatever_name(string function, string arguments)
    {
        var plugin = function == "list_procedures" ? "curator" : "skills";
        await using var agent = await TestAgent.StartAsync(options: o => (o.PluginName, o.AdminPluginName, o.Replay.AllowedFunctions) = ("skills", "curator", ["skills.*", "curator.*"]));
        await agent.Memory.StoredAsync("p", Given.Step($"{plugin}.{function}", arguments));

        var replay = await agent.Memory.ReplayAsync(agent.Kernel, "p", options: new() { AllowedFunctions = ["skills.*", "curator.*"] });

        Assert.Equal((ReplayOutcome.Refused, ReplayProblemCodes.NotAllowed), (replay.Outcome, Assert.Single(replay.Problems).Code));
        Assert.Empty(await agent.Memory.ListExecutionsAsync());
    }

    /// <summary>A filter that reads what only a live turn has.</summary>
    private sealed class NeedsLiveTurn : IAutoFunctionInvocationFilter
    {
        public Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            Assert.NotNull(context.ChatHistory.First(m => m.Role == AuthorRole.User).Content);
            return next(context);
        }
    }

    private static Task<TestAgent> AgentAsync(Shop shop, Filters gate, bool registeredAfterOurs) => TestAgent.StartAsync(
        b =>
        {
            b.Plugins.Add(shop.Plugin());
            if (!registeredAfterOurs)
            {
                Register(b, gate);
            }
        },
        afterwards: b =>
        {
            if (registeredAfterOurs)
            {
                Register(b, gate);
            }
        });

    private static void Register(IKernelBuilder builder, Filters filters)
    {
        builder.Services.AddSingleton<IFunctionInvocationFilter>(filters);
        builder.Services.AddSingleton<IAutoFunctionInvocationFilter>(filters);
    }

    /// <summary>A gate of the host that lets no refund through.</summary>
    private static Filters Gate(Refusal refusal)
    {
        const string Words = "Refunds need a second pair of eyes.";
        var filters = new Filters();
        if (refusal is Refusal.FunctionFilterAnswers or Refusal.FunctionFilterStaysSilent or Refusal.FunctionFilterThrows)
        {
            filters.OnFunction = (context, next) =>
            {
                if (context.Function.Name != "refund")
                {
                    return next(context);
                }

                if (refusal is Refusal.FunctionFilterAnswers)
                {
                    context.Result = new FunctionResult(context.Function, Words);
                }

                return refusal is Refusal.FunctionFilterThrows ? throw new UnauthorizedAccessException(Words) : Task.CompletedTask;
            };
        }
        else
        {
            filters.OnAuto = (context, next) =>
            {
                if (context.Function.Name != "refund")
                {
                    return next(context);
                }

                if (refusal is Refusal.AutoFilterAnswers)
                {
                    context.Result = new FunctionResult(context.Function, Words);
                }

                context.Terminate = refusal is Refusal.AutoFilterTerminates;
                return refusal is Refusal.AutoFilterThrows ? throw new UnauthorizedAccessException(Words) : Task.CompletedTask;
            };
        }

        return filters;
    }

    private sealed class FaultyRedactor(Func<bool> faults) : Capture.IRedactor
    {
        public bool IsSecret(string action, string name) => false;

        public string Redact(string text) => faults() && text == "boom" ? throw new InvalidOperationException("The redactor is broken.") : text;
    }
}
