using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel;

/// <summary>How functions of a kernel are named in procedures: <c>plugin.function</c>. Neither name can hold a dot, so the pair is never ambiguous.</summary>
internal static class KernelActions
{
    // Of functions around functions; a circle of them has no end.
    private const int MostWrappers = 16;

    // Asked on every recorded call.
    private static readonly ConditionalWeakTable<KernelFunction, object> Effects = [];
    private static readonly ConditionalWeakTable<KernelFunction, KnownParameters> Parameters = [];

    // Asked for every step of a replay. A function never changes; a plugin that is replaced has others.
    private static readonly ConditionalWeakTable<KernelFunction, FunctionDescription> Descriptions = [];

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

    /// <summary>What a function declares of its parameters; <see langword="null"/> where that cannot be told.</summary>
    public static JsonElement? ParametersOf(KernelFunction function) => Parameters.GetValue(function, static f => new KnownParameters(TryRead(f))).Schema;

    /// <summary>What a function declares.</summary>
    public static FunctionDescription Describe(KernelFunction function) => Descriptions.GetValue(function, DescribeAnew);

    /// <summary>
    /// Whether Microsoft.Extensions.AI has the function marked as one that a person must approve. <c>AsKernelFunction</c> puts a function around the marked one that
    /// says nothing of it (its <see cref="AITool.GetService(Type, object)"/> knows itself only), so what is inside is looked at as well.
    /// </summary>
    public static bool RequiresApproval(AIFunction function)
    {
        AIFunction? current = function;
        for (var depth = 0; depth < MostWrappers && current is not null; depth++, current = Inside(current))
        {
            if (current.GetService<ApprovalRequiredAIFunction>() is not null)
            {
                return true;
            }
        }

        return false;

        static AIFunction? Inside(AIFunction function)
        {
            for (var type = function.GetType(); type is not null && type != typeof(AIFunction); type = type.BaseType)
            {
                var field = Array.Find(type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly), f => typeof(AIFunction).IsAssignableFrom(f.FieldType));
                if (field?.GetValue(function) is AIFunction inside && inside != function)
                {
                    return inside;
                }
            }

            return null;
        }
    }

    private static FunctionDescription DescribeAnew(KernelFunction function)
    {
        var declared = function.UnderlyingMethod?.GetCustomAttribute<FunctionEffectAttribute>();
        return new FunctionDescription
        {
            Effect = declared?.Effect ?? StepEffect.Unknown,
            UsesAmbientIdempotencyKey = declared?.UsesIdempotencyKey ?? false,
            IdempotencyKeyParameter = declared?.IdempotencyKeyParameter,
            RequiresApproval = RequiresApproval(function),
            Parameters = ParametersOf(function),
        };
    }

    private static JsonElement? TryRead(KernelFunction function)
    {
        try
        {
            return Read(function);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Types and defaults are the host's, and may throw anything. The call is recorded all the same, and its inputs are described by what was recorded.
            return null;
        }
    }

    private static JsonElement Read(KernelFunction function)
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
        function.UnderlyingMethod?.DeclaringType is { } type && (type == typeof(ProceduralMemoryPlugin) || type == typeof(ProcedureAdminPlugin) || type == typeof(LearnedCall));

    /// <summary>Whether a function replays: the one that is told the procedure's name, or one of a procedure's own.</summary>
    public static bool IsReplay(KernelFunction function) => LearnedPlugin.IsLearned(function) || IsReplayByName(function);

    /// <summary>Whether a function replays what it is told the name of, under whatever name the host chose: it is told by its method.</summary>
    public static bool IsReplayByName(KernelFunction function) =>
        function.UnderlyingMethod is { Name: nameof(ProceduralMemoryPlugin.ReplayAsync) } method && method.DeclaringType == typeof(ProceduralMemoryPlugin);

    /// <summary>Whether a function goes on with a replay.</summary>
    public static bool IsResume(KernelFunction function) =>
        function.UnderlyingMethod is { Name: nameof(ProceduralMemoryPlugin.ResumeAsync) } method && method.DeclaringType == typeof(ProceduralMemoryPlugin);

    private sealed record KnownParameters(JsonElement? Schema);
}
