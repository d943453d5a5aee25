using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>What functions of Microsoft.Extensions.AI declare. In procedures they go by their name.</summary>
internal static class FunctionActions
{
    // Asked on every recorded call, and for every step of a replay. A function never changes.
    private static readonly ConditionalWeakTable<AIFunction, KnownFunction> Known = [];

    /// <summary>What a function declares. What is wrapped around it (recording, approval) tells the same.</summary>
    public static FunctionDescription Describe(AIFunction function) => Of(function).Description;

    /// <summary>The parameters that the schema of a function names; <see langword="null"/> where it says nothing of them.</summary>
    public static IReadOnlyList<JsonProperty>? PropertiesOf(AIFunction function) => Of(function).Properties;

    /// <summary>The parameters that a call must give.</summary>
    public static IReadOnlyList<string> RequiredOf(AIFunction function) => Of(function).Required;

    /// <summary>This library's own function, looked for through what is wrapped around it; <see langword="null"/> for any other.</summary>
    public static IMemoryFunction? OursIn(AITool tool) => tool.GetService<IMemoryFunction>();

    private static KnownFunction Of(AIFunction function) => Known.GetValue(function, static f =>
    {
        var declared = f.UnderlyingMethod?.GetCustomAttribute<FunctionEffectAttribute>();
        var description = new FunctionDescription
        {
            Effect = declared?.Effect ?? StepEffect.Unknown,
            UsesAmbientIdempotencyKey = declared?.UsesIdempotencyKey ?? false,
            IdempotencyKeyParameter = declared?.IdempotencyKeyParameter,
            RequiresApproval = f.GetService<ApprovalRequiredAIFunction>() is not null,
            Parameters = ParametersOf(f),
        };
        return description.Parameters is { } parameters
            ? new KnownFunction(description, [.. parameters.GetProperty("properties").EnumerateObject()], [.. parameters.GetProperty("required").EnumerateArray().Select(r => r.GetString()!)])
            : new KnownFunction(description, null, []);
    });

    private static JsonElement? ParametersOf(AIFunction function)
    {
        try
        {
            if (function.JsonSchema is not { ValueKind: JsonValueKind.Object } schema || !schema.TryGetProperty("properties", out var properties) || properties.ValueKind is not JsonValueKind.Object)
            {
                return null;
            }

            var required = schema.TryGetProperty("required", out var names) && names.ValueKind is JsonValueKind.Array ? names.EnumerateArray().Where(n => n.ValueKind is JsonValueKind.String) : [];
            return JsonSerializer.SerializeToElement(new { properties, required });
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Schemas are the host's, and may throw anything. The call is recorded all the same, and its inputs are described by what was recorded.
            return null;
        }
    }

    private sealed record KnownFunction(FunctionDescription Description, IReadOnlyList<JsonProperty>? Properties, IReadOnlyList<string> Required);
}

/// <summary>A function of this library: it is no step of a task by itself.</summary>
internal interface IMemoryFunction
{
    /// <summary>Whether it replays or goes on with a replay; any other is not recorded at all.</summary>
    bool Replays { get; }

    /// <summary>Whether it goes on with a replay that was begun by another call.</summary>
    bool Resumes { get; }

    /// <summary>A call as a step: the procedure and its inputs.</summary>
    /// <param name="arguments">The arguments of the call.</param>
    /// <param name="adapted">Whether the call has adapted parameters or leaves out steps.</param>
    (string Action, JsonElement Inputs) StepOf(JsonElement arguments, out bool adapted);
}
