using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Converts between what an <see cref="AIFunction"/> takes and gives, and JSON. What it takes is told by its schema alone.</summary>
internal static class FunctionJson
{
    private static readonly JsonElement Null = JsonElement.Parse("null"u8);

    /// <summary>The arguments that a function's parameters take, in their order.</summary>
    /// <param name="function">The function.</param>
    /// <param name="arguments">What it is called with.</param>
    /// <param name="omitted">Which arguments cannot be written as JSON, and are replaced by <see cref="TraceStep.OmittedMarker"/>; <see langword="null"/> when all can.</param>
    public static JsonElement CaptureArguments(AIFunction function, IEnumerable<KeyValuePair<string, object?>> arguments, out string? omitted)
    {
        omitted = null;
        var given = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in arguments)
        {
            given[name] = value;
        }

        // What else a caller puts there is not the call's; but a function that does not say what it takes takes anything.
        var names = FunctionActions.PropertiesOf(function) is { } properties ? properties.Select(p => p.Name) : given.Keys;
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var name in names)
            {
                if (given.TryGetValue(name, out var value))
                {
                    writer.WritePropertyName(name);

                    // As it stands: what is not valid in it is for the recorder to find and to say.
                    if (Capture(value, function, name) is { } captured)
                    {
                        writer.WriteRawValue(captured.GetRawText(), skipInputValidation: true);
                    }
                    else
                    {
                        writer.WriteStringValue(TraceStep.OmittedMarker);
                        omitted = $"{(omitted is null ? "" : omitted + "; ")}argument '{name}': a {value!.GetType().Name} cannot be written as JSON";
                    }
                }
            }

            writer.WriteEndObject();
        }

        return JsonElement.Parse(buffer.WrittenSpan, new JsonDocumentOptions { MaxDepth = ResultJson.MaxDepth });
    }

    /// <summary>The arguments of a function that is not known.</summary>
    public static JsonElement CaptureArguments(IDictionary<string, object?> arguments) => ResultJson.Written(arguments, ResultJson.TolerantOf(AIJsonUtilities.DefaultOptions), out _);

    /// <summary>The arguments as a function invocation would hand them over if a model had written them.</summary>
    public static AIFunctionArguments BindArguments(AIFunction function, JsonElement arguments, IServiceProvider? services)
    {
        var properties = FunctionActions.PropertiesOf(function);
        var bound = new AIFunctionArguments { Services = services };
        foreach (var argument in arguments.EnumerateObject())
        {
            var property = properties?.Cast<JsonProperty?>().FirstOrDefault(p => string.Equals(p!.Value.Name, argument.Name, StringComparison.OrdinalIgnoreCase));

            // A null for a parameter that has none means: not given.
            if (argument.Value.ValueKind is not JsonValueKind.Null || property is null || Allows(property.Value.Value, "null"))
            {
                bound[property?.Name ?? argument.Name] = argument.Value;
            }
        }

        return bound;
    }

    /// <summary>A result as JSON.</summary>
    /// <param name="result">What the function returned.</param>
    /// <param name="function">The function; <see langword="null"/> where it is not known.</param>
    /// <param name="lossy">Why the JSON is not the whole result, or <see langword="null"/>.</param>
    public static JsonElement? CaptureResult(object? result, AIFunction? function, out string? lossy)
    {
        // Text that a function returns comes as a JSON string, or as content.
        object? told = result switch
        {
            JsonElement { ValueKind: JsonValueKind.String } text when ResultJson.ParseStructured(TextOf(text)) is { } structured => structured,
            TextContent content => content.Text,
            _ => result,
        };
        return ResultJson.Capture(told, ResultJson.TolerantOf(function?.JsonSerializerOptions ?? AIJsonUtilities.DefaultOptions), out lossy);
    }

    private static JsonElement? Capture(object? value, AIFunction function, string name)
    {
        switch (value)
        {
            case null:
                return Null;
            case JsonElement { ValueKind: JsonValueKind.Undefined }:
                return Null;
            case JsonElement { ValueKind: JsonValueKind.String } element:
                return CaptureText(TextOf(element), function, name) ?? element;
            case JsonElement element:
                return element;
            case string text:
                return CaptureText(text, function, name) ?? ResultJson.Text(text);
            case JsonNode node:
                return Capture(JsonSerializer.SerializeToElement(node), function, name);
        }

        try
        {
            return JsonSerializer.SerializeToElement(value, value.GetType(), ResultJson.TolerantOf(function.JsonSerializerOptions));
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>What a text stands for, where the parameter takes no text: <c>"2"</c>, <c>"{…}"</c>.</summary>
    private static JsonElement? CaptureText(string text, AIFunction function, string name) =>
        FunctionActions.PropertiesOf(function)?.Cast<JsonProperty?>().FirstOrDefault(p => p!.Value.Name == name) is { } property
        && !Allows(property.Value, "string")
        && ResultJson.Parse(bool.TryParse(text, out var flag) ? (flag ? "true" : "false") : text) is { ValueKind: not JsonValueKind.String } parsed
            ? parsed
            : null;

    // Half of a surrogate pair can be written in JSON, and not be read.
    private static string TextOf(JsonElement text) => Json.Fault(text, Json.MaxDepth) is null ? text.GetString()! : "";

    /// <summary>Whether a schema takes values of a type; one that says nothing of types takes all.</summary>
    private static bool Allows(JsonElement schema, string type) =>
        schema.ValueKind is not JsonValueKind.Object || !schema.TryGetProperty("type", out var types)
        || (types.ValueKind is JsonValueKind.Array ? types.EnumerateArray().Any(t => t.ValueEquals(type)) : types.ValueKind is not JsonValueKind.String || types.ValueEquals(type));
}
