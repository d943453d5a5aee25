using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>Short ways to say what a test starts from, and what it looks at.</summary>
internal static class Given
{
    public const string ShopName = "shop";

    public static ProcedureMemory Memory(Action<ProceduralMemoryOptions>? configure = null)
    {
        var options = new ProceduralMemoryOptions { DatabasePath = ":memory:", Approval = ApprovalPolicy.Never };
        configure?.Invoke(options);
        return new ProcedureMemory(options);
    }

    /// <summary>A kernel with these plugins that uses the memory.</summary>
    public static Kernel Kernel(ProcedureMemory memory, params KernelPlugin[] plugins)
    {
        var kernel = new Kernel();
        foreach (var plugin in plugins)
        {
            kernel.Plugins.Add(plugin);
        }

        return kernel.UseProceduralMemory(memory);
    }

    /// <summary>A kernel with these plugins that has the memory's functions, and no filter that records.</summary>
    public static Kernel KernelWithoutFilter(ProcedureMemory memory, params KernelPlugin[] plugins)
    {
        var kernel = new Kernel();
        foreach (var plugin in plugins)
        {
            kernel.Plugins.Add(plugin);
        }

        kernel.Plugins.AddFromObject(new ProceduralMemoryPlugin(memory), "procedures");
        return kernel;
    }

    public static KernelPlugin Plugin(string name, params (string Name, Delegate Body)[] functions) =>
        KernelPluginFactory.CreateFromFunctions(name, functions.Select(f => KernelFunctionFactory.CreateFromMethod(f.Body, f.Name)));

    public static KernelPlugin Plugin(this Shop shop) => KernelPluginFactory.CreateFromObject(shop, ShopName);

    public static JsonElement Value(string json) => JsonElement.Parse(json);

    public static ProcedureStep Step(string action, string arguments = "{}", string id = "", StepEffect effect = StepEffect.Unknown) =>
        new() { Id = id, Action = action, Arguments = Value(arguments), Effect = effect };

    public static ProcedureInput Input(string name, JsonType type = JsonType.Any) => new() { Name = name, Type = type };

    public static Task<Procedure> StoredAsync(this ProcedureMemory memory, string name, params ProcedureStep[] steps) =>
        memory.StoreAsync(new ProcedureDefinition { Name = name, Description = $"The task {name}.", Inputs = InputsOf(steps), Steps = steps });

    /// <summary>A replay request with inputs given as JSON.</summary>
    public static ReplayRequest With(params (string Name, string Json)[] inputs) => new() { Inputs = inputs.ToDictionary(i => i.Name, i => Value(i.Json)) };

    /// <summary>A replay with the recorded values: the host confirms that what came from nowhere in the only recording is the same every time.</summary>
    public static ReplayRequest Confirmed(params (string Name, string Json)[] inputs) => With(inputs) with { ConfirmConstants = true };

    public static Task<FunctionResult> CallAsync(this Kernel kernel, string action, params (string Name, object? Value)[] arguments) =>
        kernel.InvokeAsync(action.Split('.')[0], action.Split('.')[1], new KernelArguments(arguments.ToDictionary(a => a.Name, a => a.Value)));

    /// <summary>A call of one of the memory's own functions by the host.</summary>
    public static async Task<PluginReply> AskMemoryAsync(this Kernel kernel, string function, params (string Name, object? Value)[] arguments) =>
        (await kernel.CallAsync($"procedures.{function}", arguments)).GetValue<PluginReply>()!;

    public static Task<PluginReply> StartRecordingAsync(this Kernel kernel, string name = "learned_task") =>
        kernel.AskMemoryAsync(ProceduralMemoryPlugin.StartRecording, ("name", name), ("description", "Does the task."));

    public static async Task<ProcedureReply> FinalizeAsync(this Kernel kernel) => Assert.IsType<ProcedureReply>(await kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize));

    /// <summary>The latest trace with its steps.</summary>
    public static async Task<Trace> LatestTraceAsync(this ProcedureMemory memory) =>
        (await memory.GetTraceAsync((await memory.ListTracesAsync(limit: 1)).Single().Id))!;

    /// <summary>Records what is done, and gives the trace.</summary>
    public static async Task<Trace> RecordedAsync(this Kernel kernel, ProcedureMemory memory, Func<Task> act)
    {
        Assert.Equal(ReplyStatus.Recording, (await kernel.StartRecordingAsync()).Status);
        await act();
        await kernel.AskMemoryAsync(ProceduralMemoryPlugin.Finalize);
        return await memory.LatestTraceAsync();
    }

    public static IEnumerable<string> Actions(this Trace trace) => trace.Steps.Select(s => s.Action);

    public static IEnumerable<string> Actions(this Procedure procedure) => procedure.Version.Steps.Select(s => s.Action);

    /// <summary>The arguments of every step with the recorded value in place of each unconfirmed constant: what <see cref="Confirmed"/> calls with.</summary>
    public static IEnumerable<JsonElement> ConfirmedArguments(this Procedure procedure)
    {
        var recorded = procedure.Version.Inputs.Where(i => i.Unconfirmed).ToDictionary(i => $"$inputs.{i.Name}", i => i.Default!.Value);
        return procedure.Version.Steps.Select(s => JsonSerializer.SerializeToElement(s.Arguments.EnumerateObject().ToDictionary(
            a => a.Name,
            a => a.Value.ValueKind is JsonValueKind.String && recorded.TryGetValue(a.Value.GetString()!, out var value) ? value : a.Value)));
    }

    /// <summary>What the SQLite store itself raises for a folder that is not there; its message names the folder.</summary>
    public static async Task<(ProcedureStoreException Fault, string Folder)> FaultWithPathAsync()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"no-such-folder-{Guid.CreateVersion7():N}");
        using var memory = new ProcedureMemory(Path.Combine(folder, "procedures.db"));
        var fault = await Assert.ThrowsAsync<ProcedureStoreException>(() => memory.ListAsync());
        Assert.Contains(folder, fault.Message, StringComparison.Ordinal);
        return (fault, folder);
    }

    public static void JsonEqual(string expected, JsonElement? actual)
    {
        Assert.NotNull(actual);
        Assert.True(JsonElement.DeepEquals(Value(expected), actual.Value), $"Expected {expected}\nActual   {actual.Value.GetRawText()}");
    }

    private static List<ProcedureInput> InputsOf(IEnumerable<ProcedureStep> steps) =>
        [.. steps.SelectMany(s => ValueExpression.References(s.Arguments)).OfType<InputReference>().Select(r => r.Name).Distinct().Select(n => Input(n))];
}

/// <summary>A person who approves everything, or whatever the test says; it remembers what it was asked.</summary>
internal sealed class AnsweringApprover(string by, Func<ApprovalRequest, ApprovalDecision>? decide = null) : IReplayApprover
{
    public ConcurrentQueue<ApprovalRequest> Asked { get; } = new();

    public Task<ApprovalDecision> DecideAsync(ApprovalRequest request, CancellationToken cancellationToken = default)
    {
        Asked.Enqueue(request);
        return Task.FromResult(decide?.Invoke(request) ?? ApprovalDecision.Approved(by));
    }
}

/// <summary>What the agents of these tests work with. It remembers what was done to it.</summary>
internal sealed class Shop
{
    private readonly ConcurrentQueue<string> _calls = new();

    public IReadOnlyList<string> Calls => [.. _calls];

    [KernelFunction("get_order")]
    public Order GetOrder(string orderId)
    {
        _calls.Enqueue($"get_order {orderId}");
        return new Order(orderId, "C-7788", 1249.90m);
    }

    [KernelFunction("refund")]
    public string Refund(string customerId, decimal amount, string? reason = null)
    {
        _calls.Enqueue(FormattableString.Invariant($"refund {customerId} {amount}{(reason is null ? "" : $" {reason}")}"));
        return $"Receipt for {customerId}";
    }

    [KernelFunction("close")]
    public string Close(string why)
    {
        _calls.Enqueue($"close {why}");
        throw new InvalidOperationException("The shop never closes.");
    }
}

internal sealed record Order(string Id, string CustomerId, decimal Total);

/// <summary>Keeps what is logged.</summary>
internal sealed class LogBook : ILoggerFactory
{
    private readonly ConcurrentQueue<LogEntry> _entries = new();

    public IReadOnlyList<LogEntry> Entries => [.. _entries];

    public IReadOnlyList<LogEntry> Errors => [.. _entries.Where(e => e.Level >= LogLevel.Error)];

    public ILogger CreateLogger(string categoryName) => new Writer(this, categoryName);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    public sealed record LogEntry(string Category, LogLevel Level, string Message, Exception? Exception);

    private sealed class Writer(LogBook book, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            book._entries.Enqueue(new LogEntry(category, logLevel, formatter(state, exception), exception));
    }
}
