using System.Globalization;
using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>What is learned from recordings through a kernel, replayed with values that no recording had.</summary>
public sealed class LearnedSkillTests : IDisposable
{
    private readonly Store _store = new();
    private readonly ProcedureMemory _memory = Given.Memory();
    private readonly Kernel _kernel;

    public LearnedSkillTests() => _kernel = Given.Kernel(_memory, KernelPluginFactory.CreateFromObject(_store, "store"));

    public void Dispose() => _memory.Dispose();

    [Fact]
    public async Task A_loop_over_the_items_of_an_order()
    {
        await RecordAsync("return all", "Return everything of order W1", async () =>
        {
            await Call("get_order", ("orderId", "W1"));
            await Call("return_item", ("orderId", "W1"), ("itemId", "W1-lamp"));
            await Call("return_item", ("orderId", "W1"), ("itemId", "W1-desk"));
        });
        await RecordAsync("return all", "Return everything of order W3", async () =>
        {
            await Call("get_order", ("orderId", "W3"));
            await Call("return_item", ("orderId", "W3"), ("itemId", "W3-rug"));
            await Call("return_item", ("orderId", "W3"), ("itemId", "W3-sofa"));
            await Call("return_item", ("orderId", "W3"), ("itemId", "W3-vase"));
        });

        await ReplayAsync("return all", """{"orderId":"W4"}""");

        Assert.Equal(["get_order W4", "return_item W4 W4-cup"], _store.Calls);
    }

    [Fact]
    public async Task A_step_that_only_some_tasks_need()
    {
        foreach (var (order, open) in new[] { ("W1", true), ("W2", false), ("W3", true), ("W5", false) })
        {
            await RecordAsync("cancel", $"Cancel order {order}", async () =>
            {
                await Call("get_order", ("orderId", order));
                if (open)
                {
                    await Call("stop_parcel", ("orderId", order));
                }

                await Call("cancel_order", ("orderId", order));
            });
        }

        await ReplayAsync("cancel", """{"orderId":"W4"}""");
        Assert.Equal(["get_order W4", "cancel_order W4"], _store.Calls);
        _store.Forget();
        await ReplayAsync("cancel", """{"orderId":"W6"}""");
        Assert.Equal(["get_order W6", "stop_parcel W6", "cancel_order W6"], _store.Calls);
    }

    [Fact]
    public async Task A_call_that_was_corrected()
    {
        await RecordAsync("cancel", "Cancel order #W1", async () =>
        {
            await Call("get_order", ("orderId", "#W1"));
            await Call("get_order", ("orderId", "W1"));
            await Call("cancel_order", ("orderId", "W1"));
        });

        var version = (await _memory.GetAsync("cancel")).Version;
        await ReplayAsync("cancel", $$"""{"{{version.Inputs.Single().Name}}":"W2"}""");

        Assert.Equal(["get_order W2", "cancel_order W2"], _store.Calls);
    }

    [Fact]
    public async Task An_item_that_is_chosen_by_its_name()
    {
        await RecordAsync("return item", "Return the desk of order W1", async () =>
        {
            await Call("get_order", ("orderId", "W1"));
            await Call("return_item", ("orderId", "W1"), ("itemId", "W1-desk"));
        });
        await RecordAsync("return item", "Return the rug of order W3", async () =>
        {
            await Call("get_order", ("orderId", "W3"));
            await Call("return_item", ("orderId", "W3"), ("itemId", "W3-rug"));
        });

        var version = (await _memory.GetAsync("return item")).Version;
        var name = version.Inputs.Single(i => i.Name != "orderId").Name;
        await ReplayAsync("return item", $$"""{"orderId":"W7","{{name}}":"desk"}""");

        Assert.Equal(["get_order W7", "return_item W7 W7-desk"], _store.Calls);
    }

    [Fact]
    public async Task A_variant_that_is_chosen_by_its_color_where_the_product_has_them_by_their_ids()
    {
        await RecordAsync("exchange", "Exchange it for the black one of P-lamp", async () =>
        {
            await Call("get_product", ("productId", "P-lamp"));
            await Call("exchange", ("variantId", 1656367028L), ("price", 12));
        });
        await RecordAsync("exchange", "Exchange it for the green one of P-desk", async () =>
        {
            await Call("get_product", ("productId", "P-desk"));
            await Call("exchange", ("variantId", 7700000001L), ("price", 31));
        });

        Assert.Contains(
            "exchange: store.exchange(variantId: $steps.get_product.outputs$.variants[?@.color==$inputs.color]~|number, price: $steps.get_product.outputs$.variants[?@.color==$inputs.color].price)",
            await _memory.ShowAsync("exchange"),
            StringComparison.Ordinal);
        Assert.Contains("name of a member", (await _memory.ExplainAsync("exchange")).Single(a => a.Argument == "/variantId").Evidence);
        await ReplayAsync("exchange", """{"productId":"P-rug","color":"blue"}""");
        Assert.Equal(["get_product P-rug", "exchange 8800000002 52"], _store.Calls);

        // Two are grey, and none is pink: nothing is guessed, and nothing called.
        foreach (var (color, says) in new[] { ("grey", "ambiguous: 2 members"), ("pink", "none of the 4 members") })
        {
            _store.Forget();
            var result = await _memory.ReplayAsync(_kernel, "exchange", ReplayRequest.For(Given.Value($$"""{"productId":"P-rug","color":"{{color}}"}""")));

            Assert.Equal(ReplayOutcome.Failed, result.Outcome);
            Assert.Contains(says, result.Message, StringComparison.Ordinal);
            Assert.Equal(["get_product P-rug"], _store.Calls);
        }
    }

    [Fact]
    public async Task The_name_of_the_only_member_and_what_is_inside_of_it()
    {
        await RecordAsync("pay", "Pay order W1", async () =>
        {
            await Call("get_wallet", ("orderId", "W1"));
            await Call("pay", ("orderId", "W1"), ("method", "card_1110001"), ("holder", "H-1110001"));
        });

        await ReplayAsync("pay", """{"orderId":"W4"}""");
        Assert.Equal(["get_wallet W4", "pay W4 card_4440004 H-4440004"], _store.Calls);

        _store.Forget();
        var result = await _memory.ReplayAsync(_kernel, "pay", ReplayRequest.For(Given.Value("""{"orderId":"W7"}""")));
        Assert.Equal(ReplayOutcome.Failed, result.Outcome);
        Assert.Contains("step 'get_wallet' returned 2 members there, and only one was expected", result.Message, StringComparison.Ordinal);
        Assert.Equal(["get_wallet W7"], _store.Calls);
    }

    [Fact]
    public async Task A_value_inside_a_text()
    {
        await RecordAsync("notify", "Tell ada@example.org about order W1", async () =>
        {
            await Call("get_order", ("orderId", "W1"));
            await Call("send_mail", ("to", "ada@example.org"), ("subject", "Your order W1 is cancelled."));
        });
        await RecordAsync("notify", "Tell bob@example.org about order W3", async () =>
        {
            await Call("get_order", ("orderId", "W3"));
            await Call("send_mail", ("to", "bob@example.org"), ("subject", "Your order W3 is cancelled."));
        });

        await ReplayAsync("notify", """{"orderId":"W4","to":"eve@example.org"}""");

        Assert.Equal(["get_order W4", "send_mail eve@example.org: Your order W4 is cancelled."], _store.Calls);
    }

    [Fact]
    public async Task Short_values_of_results_flow_too()
    {
        await RecordAsync("refund", "Refund order W1", async () =>
        {
            await Call("get_order", ("orderId", "W1"));
            await Call("refund", ("orderId", "W1"), ("total", 43));
        });

        await ReplayAsync("refund", """{"orderId":"W4"}""");

        Assert.Equal(["get_order W4", "refund W4 9"], _store.Calls);
    }

    [Fact]
    public async Task A_task_of_another_kind_under_the_same_name_is_stored_nowhere_until_the_model_decides()
    {
        await RecordAsync("cancel", "Cancel order W1", async () =>
        {
            await Call("get_order", ("orderId", "W1"));
            await Call("cancel_order", ("orderId", "W1"));
        });
        await _kernel.StartRecordingAsync("cancel");
        await Call("send_mail", ("to", "ada@example.org"), ("subject", "Hello"));

        var conflict = await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize);

        Assert.Equal(ReplyStatus.Conflict, conflict.Status);
        Assert.Contains("store.get_order → store.cancel_order", conflict.Message, StringComparison.Ordinal);
        Assert.Contains("Recorded was: store.send_mail", conflict.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await _memory.GetAsync("cancel")).Version.Number);

        var stored = Assert.IsType<ProcedureReply>(await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize, ("name", "greet")));
        Assert.Equal(("greet", 1), (stored.Name, stored.Version));
        Assert.Equal(["to", "subject"], stored.UnconfirmedConstants!.Select(c => c.Name));
        Assert.Equal(ReplyStatus.Conflict, (await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize)).Status);
    }

    [Fact]
    public async Task A_replacement_is_a_new_version_that_the_earlier_recordings_do_not_teach()
    {
        await RecordAsync("cancel", "Cancel order W1", async () => await Call("cancel_order", ("orderId", "W1")));
        await _kernel.StartRecordingAsync("cancel");
        await Call("send_mail", ("to", "ada@example.org"), ("subject", "Hello"));

        var stored = Assert.IsType<ProcedureReply>(await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize, ("replace", true)));

        Assert.Equal(("cancel", 2), (stored.Name, stored.Version));
        Assert.Equal(["store.send_mail"], (await _memory.GetAsync("cancel")).Actions());
        Assert.Equal(["store.cancel_order"], (await _memory.GetAsync("cancel", 1)).Actions());
    }

    [Fact]
    public async Task A_function_declares_its_effect()
    {
        await RecordAsync("look", "Look", async () => await Call("find_customer", ("city", "Paris")));

        var step = Assert.Single((await _memory.GetAsync("look")).Version.Steps);

        Assert.Equal(StepEffect.Read, step.Effect);
        Given.JsonEqual("""{"city":"Paris"}""", step.Arguments);
    }

    [Fact]
    public async Task An_input_has_the_type_the_format_the_values_and_the_default_that_the_function_declares()
    {
        await RecordAsync("book", "Leave on 2031-05-04", async () => await Call("book", ("day", new DateOnly(2031, 5, 4)), ("speed", "Fast"), ("seats", 2), ("apiKey", "sk-2031-0504")));
        await _kernel.StartRecordingAsync("book");
        await Call("book", ("day", new DateOnly(2031, 6, 7)), ("speed", "Slow"), ("seats", 3), ("apiKey", "sk-2031-0607"));

        var stored = Assert.IsType<ProcedureReply>(await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize));

        var inputs = stored.Inputs!.ToDictionary(i => i.Name);
        Assert.Equal(("string", "date", true), (inputs["day"].Type, inputs["day"].Format, inputs["day"].Required));
        Assert.Contains("When it leaves", inputs["day"].Description, StringComparison.Ordinal);
        Assert.Equal(["Slow", "Fast"], inputs["speed"].AllowedValues!.Select(v => v.GetString()));
        Assert.Equal(("integer", false), (inputs["seats"].Type, inputs["seats"].Required));
        Assert.True(inputs["apiKey"].Required);
        Assert.Equal("date", Assert.IsType<ReplayReply>(await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.ReplayProcedure, ("name", "book"))).Missing!.First(i => i.Name == "day").Format);

        await ReplayAsync("book", """{"day":"2031-08-09","speed":"Slow","apiKey":"sk-2031-0809"}""");
        Assert.Equal("book 2031-08-09 Slow 1", _store.Calls[^1]);
    }

    [Theory]
    [InlineData("""{"return_item":{"itemId":"W3-rug"}}""")]
    [InlineData("""{"store.return_item":{"itemId":"W3-rug"}}""")]
    public async Task A_step_of_a_loop_is_adapted_by_its_id_or_by_its_action(string adapt)
    {
        await RecordAsync("return all", "Return everything of order W1", async () =>
        {
            await Call("get_order", ("orderId", "W1"));
            await Call("return_item", ("orderId", "W1"), ("itemId", "W1-lamp"));
            await Call("return_item", ("orderId", "W1"), ("itemId", "W1-desk"));
        });

        var reply = await _kernel.AskMemoryAsync(ProceduralMemoryPlugin.ReplayProcedure, ("name", "return all"), ("inputs", """{"orderId":"W4"}"""), ("adapt", adapt));

        Assert.True(reply.Status == ReplyStatus.Completed, reply.Message);
        Assert.Equal(["get_order W4", "return_item W4 W3-rug"], _store.Calls);
    }

    private async Task RecordAsync(string name, string request, Func<Task> task)
    {
        using (_memory.BeginSession(request: request))
        {
            var recorder = await _memory.StartRecordingAsync(new RecordingDetails { Name = name });
            await task();
            var result = await recorder.FinalizeAsync();
            Assert.True(result.Procedure is not null, result.Conflict?.Difference);
        }

        _store.Forget();
    }

    private async Task ReplayAsync(string name, string inputs)
    {
        var result = await _memory.ReplayAsync(_kernel, name, ReplayRequest.For(Given.Value(inputs)));
        Assert.True(result.Outcome is ReplayOutcome.Completed, $"{result.Message}\n{await _memory.ShowAsync(name)}");
    }

    private Task<FunctionResult> Call(string function, params (string, object?)[] arguments) => _kernel.CallAsync($"store.{function}", arguments);

    private enum Speed
    {
        Slow,
        Fast,
    }

    private sealed class Store
    {
        private static readonly Dictionary<string, (string Status, int Total, string[] Items)> Orders = new()
        {
            ["W1"] = ("open", 43, ["lamp", "desk"]),
            ["W2"] = ("shipped", 61, ["rug", "desk"]),
            ["W3"] = ("open", 17, ["rug", "sofa", "vase"]),
            ["W4"] = ("shipped", 9, ["cup"]),
            ["W5"] = ("shipped", 28, ["cup", "vase"]),
            ["W6"] = ("open", 5, ["pen"]),
            ["W7"] = ("open", 77, ["pen", "cup", "desk"]),
        };

        private readonly List<string> _calls = [];

        public IReadOnlyList<string> Calls => [.. _calls];

        public void Forget() => _calls.Clear();

        [KernelFunction("get_order"), FunctionEffect(StepEffect.Read)]
        public JsonElement GetOrder(string orderId)
        {
            _calls.Add($"get_order {orderId}");
            return Orders.TryGetValue(orderId, out var order)
                ? JsonSerializer.SerializeToElement(new { order.Status, Total = order.Total, Count = order.Items.Length, Items = order.Items.Select(i => new { Name = i, ItemId = $"{orderId}-{i}" }) }, JsonSerializerOptions.Web)
                : JsonSerializer.SerializeToElement(new { error = $"There is no order {orderId}." });
        }

        [KernelFunction("get_product"), FunctionEffect(StepEffect.Read)]
        public JsonElement GetProduct(string productId)
        {
            _calls.Add($"get_product {productId}");
            return Given.Value(productId switch
            {
                "P-lamp" => """{"variants":{"1008292230":{"color":"silver","price":10},"1656367028":{"color":"black","price":12}}}""",
                "P-desk" => """{"variants":{"7700000001":{"color":"green","price":31},"7700000002":{"color":"black","price":32},"7700000003":{"color":"white","price":33}}}""",
                _ => """{"variants":{"8800000001":{"color":"grey","price":51},"8800000002":{"color":"blue","price":52},"8800000003":{"color":"grey","price":53},"8800000004":{"color":"black","price":54}}}""",
            });
        }

        [KernelFunction("exchange")]
        public string Exchange(long variantId, int price) => Done(string.Create(CultureInfo.InvariantCulture, $"exchange {variantId} {price}"));

        [KernelFunction("get_wallet"), FunctionEffect(StepEffect.Read)]
        public JsonElement GetWallet(string orderId)
        {
            _calls.Add($"get_wallet {orderId}");
            return Given.Value(orderId switch
            {
                "W1" => """{"methods":{"card_1110001":{"holder":"H-1110001"}}}""",
                "W7" => """{"methods":{"card_7770007":{"holder":"H-7770007"},"card_7770008":{"holder":"H-7770007"}}}""",
                _ => """{"methods":{"card_4440004":{"holder":"H-4440004"}}}""",
            });
        }

        [KernelFunction("pay")]
        public string Pay(string orderId, string method, string holder) => Done($"pay {orderId} {method} {holder}");

        [KernelFunction("find_customer"), FunctionEffect(StepEffect.Read)]
        public string FindCustomer(string city) => Done($"find_customer {city}");

        [KernelFunction("return_item")]
        public string ReturnItem(string orderId, string itemId) => Done($"return_item {orderId} {itemId}");

        [KernelFunction("stop_parcel")]
        public string StopParcel(string orderId) => Done($"stop_parcel {orderId}");

        [KernelFunction("cancel_order")]
        public string CancelOrder(string orderId) => Done($"cancel_order {orderId}");

        [KernelFunction("refund")]
        public string Refund(string orderId, int total) => Done(string.Create(CultureInfo.InvariantCulture, $"refund {orderId} {total}"));

        [KernelFunction("book")]
        public string Book([System.ComponentModel.Description("When it leaves")] DateOnly day, Speed speed, string apiKey = "sk-of-the-house", int seats = 1) =>
            Done(string.Create(CultureInfo.InvariantCulture, $"book {day:yyyy-MM-dd} {speed} {seats}{(apiKey.Length == 0 ? " without key" : "")}"));

        [KernelFunction("send_mail")]
        public string SendMail(string to, string subject) => Done($"send_mail {to}: {subject}");

        private string Done(string call)
        {
            _calls.Add(call);
            return "done";
        }
    }
}
