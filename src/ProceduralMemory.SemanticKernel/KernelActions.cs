using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel;

/// <summary>How functions of a kernel are named in procedures: <c>plugin.function</c>. Neither name can hold a dot, so the pair is never ambiguous.</summary>
internal static class KernelActions
{
    // Asked on every recorded call.
    private static readonly ConditionalWeakTable<KernelFunction, object> Effects = [];

    public static string NameOf(KernelFunction function) => $"{function.PluginName}.{function.Name}";

    /// <summary>The function of an action; a name as it goes over the wire (<c>plugin-function</c>) is understood as well, since models repeat what they were shown.</summary>
    public static bool TryFind(Kernel kernel, string action, out KernelFunction function)
    {
        var parting = action.IndexOf('.', StringComparison.Ordinal);
        if (parting < 0)
        {
            parting = action.IndexOf('-', StringComparison.Ordinal);
        }

        function = null!;
        return parting > 0 && kernel.Plugins.TryGetFunction(action[..parting], action[(parting + 1)..], out function!);
    }

    /// <summary>Whether a replay through this kernel may call a function: it is there, is none of this library's, and the host allows it.</summary>
    public static bool CanBeReplayed(Kernel kernel, string action, KernelReplayOptions options) =>
        TryFind(kernel, action, out var function) && !IsOurs(function) && options.Allows(NameOf(function));

    /// <summary>What a function declares to do to the world.</summary>
    public static StepEffect EffectOf(KernelFunction function) =>
        ((FunctionEffectAttribute)Effects.GetValue(function, static f => f.UnderlyingMethod?.GetCustomAttribute<FunctionEffectAttribute>() ?? new(StepEffect.Unknown))).Effect;

    /// <summary>Lets a memory know what a function declares of its parameters: an input that is for one of them is described by it.</summary>
    public static void NoteParameters(ProcedureMemory memory, KernelFunction function)
    {
        var action = NameOf(function);
        if (!memory.RecordedParameters.ContainsKey(action))
        {
            JsonElement parameters = default;
            try
            {
                parameters = ParametersOf(function);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                // Types and defaults are the host's, and may throw anything. The call is recorded all the same, and its inputs are described by what was recorded.
            }

            memory.RecordedParameters.TryAdd(action, parameters);
        }
    }

    /// <summary>What a function declares.</summary>
    public static FunctionDescription Describe(KernelFunction function)
    {
        JsonElement? parameters = null;
        try
        {
            parameters = ParametersOf(function);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Types and defaults are the host's, and may throw anything: its parameters are not known then.
        }

        var declared = function.UnderlyingMethod?.GetCustomAttribute<FunctionEffectAttribute>();
        return new FunctionDescription
        {
            Effect = declared?.Effect ?? StepEffect.Unknown,
            UsesAmbientIdempotencyKey = declared?.UsesIdempotencyKey ?? false,
            IdempotencyKeyParameter = declared?.IdempotencyKeyParameter,
            Parameters = parameters,
        };
    }

    private static JsonElement ParametersOf(KernelFunction function)
    {
        var properties = new JsonObject();
        foreach (var parameter in function.Metadata.Parameters)
        {
            var schema = parameter.Schema is { RootElement: { ValueKind: JsonValueKind.Object } declared } ? JsonObject.Create(declared)! : [];
            if (!schema.ContainsKey("description") && !string.IsNullOrWhiteSpace(parameter.Description))
            {
                schema["description"] = parameter.Description;
            }

            // As a call with it would be recorded: defaults are kept as text or as values, and schemas have them or not.
            if (parameter.DefaultValue is { } standing)
            {
                var captured = KernelJson.CaptureArguments(function, new KernelArguments { [parameter.Name] = standing }, out var omitted);
                schema.Remove("default");
                if (omitted is null)
                {
                    schema["default"] = JsonNode.Parse(captured.GetProperty(parameter.Name).GetRawText());
                }
            }

            properties[parameter.Name] = schema;
        }

        var required = function.Metadata.Parameters.Where(p => p.IsRequired).Select(p => p.Name);
        return JsonSerializer.SerializeToElement(new { properties, required });
    }

    public static IEnumerable<string> All(Kernel kernel) => kernel.Plugins.SelectMany(p => p).Where(f => !IsOurs(f)).Select(NameOf);

    /// <summary>Whether a function belongs to this library, under whatever plugin name the host chose.</summary>
    public static bool IsOurs(KernelFunction function) =>
        function.UnderlyingMethod?.DeclaringType is { } type && (type == typeof(ProceduralMemoryPlugin) || type == typeof(ProcedureAdminPlugin));

    /// <summary>Whether a function replays, under whatever name the host chose: it is told by its method.</summary>
    public static bool IsReplay(KernelFunction function) =>
        function.UnderlyingMethod is { Name: nameof(ProceduralMemoryPlugin.ReplayAsync) } method && method.DeclaringType == typeof(ProceduralMemoryPlugin);
}
