using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// The plugin of the procedures that fit the request of the current turn, each as a typed function of its own. Outside of a turn it is empty: which procedures there are is nothing that every
/// conversation of a kernel shares. What was offered once is still found by its name, since a model may ask for it after the turn's services have returned.
/// </summary>
internal sealed class LearnedPlugin : KernelPlugin
{
    // Of the functions that were offered and may still be called, far more than conversations that go on at once.
    private const int MostKnown = 1024;

    private static readonly ConditionalWeakTable<KernelFunction, LearnedCall> Calls = [];

    private readonly ProcedureMemory _memory;
    private readonly ProceduralMemoryPlugin _plugin;
    private readonly ConcurrentDictionary<string, Known> _known = new(StringComparer.OrdinalIgnoreCase);

    public LearnedPlugin(ProcedureMemory memory, ProceduralMemoryPlugin plugin, string name)
        : base(name, "Tasks that were done before, each in one call.")
    {
        _memory = memory;
        _plugin = plugin;
    }

    /// <inheritdoc/>
    public override int FunctionCount => Offered.Count;

    private IReadOnlyList<KernelFunction> Offered => _memory.CurrentTurn?.Offer as IReadOnlyList<KernelFunction> ?? [];

    /// <summary>The name of the procedure that a function replays; <see langword="null"/> for any other function.</summary>
    public static string? ProcedureOf(KernelFunction function) => Calls.TryGetValue(function, out var call) ? call.Name : null;

    /// <summary>Whether a function is one of these, under whatever name the host chose.</summary>
    public static bool IsLearned(KernelFunction function) => function.UnderlyingMethod?.DeclaringType == typeof(LearnedCall);

    /// <summary>Whether these are procedures of a memory.</summary>
    public bool IsOf(ProcedureMemory memory) => _memory == memory;

    /// <inheritdoc/>
    public override IEnumerator<KernelFunction> GetEnumerator() => Offered.GetEnumerator();

    /// <inheritdoc/>
    public override bool TryGetFunction(string name, [NotNullWhen(true)] out KernelFunction? function)
    {
        ArgumentNullException.ThrowIfNull(name);
        function = Offered.FirstOrDefault(f => string.Equals(f.Name, name, StringComparison.OrdinalIgnoreCase)) ?? _known.GetValueOrDefault(name)?.Function;
        return function is not null;
    }

    /// <summary>The kernel's function for a procedure; the same instance as long as the procedure is the same.</summary>
    public KernelFunction FunctionOf(LearnedFunction learned)
    {
        var version = (learned.Procedure.Id, learned.Procedure.Version.Number, learned.Description, learned.Schema.GetRawText());
        if (_known.TryGetValue(learned.Name, out var known) && known.Version == version)
        {
            return known.Function;
        }

        if (_known.Count >= MostKnown)
        {
            _known.Clear();
        }

        var function = Create(learned);
        _known[learned.Name] = new Known(version, function);
        return function;
    }

    private KernelFunction Create(LearnedFunction learned)
    {
        var call = new LearnedCall(_plugin, learned.Procedure, learned.Name);
        var required = learned.Schema.GetProperty("required").EnumerateArray().Select(r => r.GetString()).ToHashSet(StringComparer.Ordinal);
        var function = KernelFunctionFactory.CreateFromMethod(call.ReplayAsync, new KernelFunctionFromMethodOptions
        {
            FunctionName = learned.Name,
            Description = learned.Description,
            Parameters =
            [
                .. learned.Schema.GetProperty("properties").EnumerateObject().Select(p => new KernelParameterMetadata(p.Name)
                {
                    Description = p.Value.TryGetProperty("description", out var description) ? description.GetString() : null,
                    IsRequired = required.Contains(p.Name),
                    Schema = KernelJsonSchema.Parse(p.Value.GetRawText()),
                }),
            ],
            ReturnParameter = new KernelReturnParameterMetadata { Description = "status as from replay_procedure, and the result of each step" },
        }).Clone(Name);
        Calls.Add(function, call);
        return function;
    }

    private sealed record Known((Guid Id, int Version, string Description, string Schema) Version, KernelFunction Function);
}

/// <summary>A call of a procedure by the function of its own.</summary>
internal sealed class LearnedCall(ProceduralMemoryPlugin plugin, Procedure procedure, string function)
{
    public string Name => procedure.Name;

    /// <summary>Replays the procedure as it is now, with the arguments as its inputs.</summary>
    public Task<PluginReply> ReplayAsync(Kernel kernel, KernelArguments arguments, CancellationToken cancellationToken) =>
        plugin.ReplayLearnedAsync(kernel, procedure, function, InputsOf(arguments), cancellationToken);

    /// <summary>The arguments as JSON: connectors hand numbers, lists and objects over as text.</summary>
    public JsonElement InputsOf(KernelArguments arguments) => JsonSerializer.SerializeToElement(procedure.Version.Inputs
        .Where(i => !i.Secret && arguments.TryGetValue(i.Name, out var given) && given is not null)
        .ToDictionary(i => i.Name, i => ValueOf(arguments[i.Name]!, i.Type)));

    private static JsonElement ValueOf(object given, JsonType type)
    {
        var value = given is JsonElement element ? element : JsonSerializer.SerializeToElement(given, given.GetType());
        if (value.ValueKind is not JsonValueKind.String || type is JsonType.String or JsonType.Any)
        {
            return value;
        }

        try
        {
            return JsonElement.Parse(value.GetString()!);
        }
        catch (JsonException)
        {
            // The replay says what it is and what it should be.
            return value;
        }
    }
}
