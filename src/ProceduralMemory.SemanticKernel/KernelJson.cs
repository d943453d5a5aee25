using System.Buffers;
using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Converts between what kernel functions take and give, and JSON. Connectors hand over arguments as text, as <see cref="JsonElement"/> or typed;
/// the same call gives the same JSON, and that JSON bound again gives the same call.
/// </summary>
internal static class KernelJson
{
    // Types that begin with a digit and are no numbers.
    private static readonly HashSet<Type> WrittenAsText = [typeof(DateTime), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan), typeof(Guid), typeof(Version)];

    private static readonly JsonElement True = JsonElement.Parse("true"u8);

    private static readonly JsonElement False = JsonElement.Parse("false"u8);

    private static readonly JsonElement Null = JsonElement.Parse("null"u8);

    /// <summary>The arguments that a function's parameters take, in their order; what else a caller put there (template variables, services) is not the call's.</summary>
    /// <param name="function">The function.</param>
    /// <param name="arguments">What it is called with.</param>
    /// <param name="omitted">Which arguments cannot be written as JSON, and are replaced by <see cref="TraceStep.OmittedMarker"/>; <see langword="null"/> when all can.</param>
    public static JsonElement CaptureArguments(KernelFunction function, KernelArguments arguments, out string? omitted)
    {
        omitted = null;
        var options = OptionsFor(function);
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var parameter in function.Metadata.Parameters)
            {
                if (arguments.TryGetValue(parameter.Name, out var value))
                {
                    writer.WritePropertyName(parameter.Name);

                    // As it stands: what is not valid in it is for the recorder to find and to say.
                    if (Capture(value, parameter, options) is { } captured)
                    {
                        writer.WriteRawValue(captured.GetRawText(), skipInputValidation: true);
                    }
                    else
                    {
                        writer.WriteStringValue(TraceStep.OmittedMarker);
                        omitted = $"{(omitted is null ? "" : omitted + "; ")}argument '{parameter.Name}': a {value!.GetType().Name} cannot be written as JSON";
                    }
                }
            }

            writer.WriteEndObject();
        }

        return JsonElement.Parse(buffer.WrittenSpan, new JsonDocumentOptions { MaxDepth = ResultJson.MaxDepth });
    }

    /// <summary>The arguments as typed values, ready for the function's binder to take without conversion.</summary>
    /// <exception cref="JsonException">A value is not of its parameter's type.</exception>
    public static KernelArguments BindArguments(KernelFunction function, JsonElement arguments)
    {
        var options = OptionsFor(function);
        var bound = new KernelArguments();
        foreach (var argument in arguments.EnumerateObject())
        {
            var parameter = function.Metadata.Parameters.FirstOrDefault(p => string.Equals(p.Name, argument.Name, StringComparison.OrdinalIgnoreCase));
            if (parameter is null)
            {
                bound[argument.Name] = argument.Value;
            }
            else if (argument.Value.ValueKind is not JsonValueKind.Null || !TakesNoNull(parameter))
            {
                bound[parameter.Name] = Bind(argument.Value, parameter, options);
            }
        }

        return bound;
    }

    /// <summary>A result as JSON.</summary>
    /// <param name="result">What the function returned.</param>
    /// <param name="function">The function.</param>
    /// <param name="lossy">Why the JSON is not the whole result, or <see langword="null"/>.</param>
    public static JsonElement? CaptureResult(object? result, KernelFunction function, out string? lossy)
    {
        if (result is KernelContent content)
        {
            lossy = null;
            return JsonSerializer.SerializeToElement(content.ToString());
        }

        return ResultJson.Capture(result, OptionsFor(function), out lossy);
    }

    /// <summary>An item of a streamed result as JSON. Text stays text, whatever it looks like: it may be a piece of more.</summary>
    public static JsonElement CaptureItem(object? item, KernelFunction function, out string? lossy)
    {
        lossy = null;
        return item switch
        {
            null => Null,
            string text => ResultJson.Text(text),
            StreamingKernelContent content => ResultJson.Text(content.ToString()),
            _ => ResultJson.Written(item, OptionsFor(function), out lossy),
        };
    }

    private static JsonElement? Capture(object? value, KernelParameterMetadata parameter, JsonSerializerOptions options)
    {
        switch (value)
        {
            case null:
                return Null;
            case JsonElement { ValueKind: JsonValueKind.String } text:
                return CaptureText(text.GetString()!, parameter, options);
            case JsonElement element:
                return Normalise(element, parameter.ParameterType, options);
            case JsonNode node:
                return Capture(JsonSerializer.SerializeToElement(node), parameter, options);
            case string text:
                return CaptureText(text, parameter, options);
        }

        try
        {
            return JsonSerializer.SerializeToElement(value, value.GetType(), options);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return null;
        }
    }

    private static JsonElement CaptureText(string text, KernelParameterMetadata parameter, JsonSerializerOptions options)
    {
        var type = Underlying(parameter.ParameterType);
        if (type == typeof(string) || (type is null && SchemaAllowsText(parameter)))
        {
            return ResultJson.Text(text);
        }

        // "2", "True", {"a":1}: JSON in text, or nearly so. What cannot be JSON is not tried: finding out costs an exception.
        var parsed = bool.TryParse(text, out var flag) ? (flag ? True : False) : LooksLikeJson(text, type) ? ResultJson.Parse(text) : null;
        if (type is null || type == typeof(object))
        {
            return parsed is { ValueKind: not JsonValueKind.String } structured && (type is null || structured.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
                ? structured
                : ResultJson.Text(text);
        }

        if (parsed is { } value && (type == typeof(JsonElement) || typeof(JsonNode).IsAssignableFrom(type) || CanBe(value, type, options)))
        {
            return Normalise(value, type, options);
        }

        // Dates, enums, ids: text in JSON as well.
        return Normalise(ResultJson.Text(text), type, options);
    }

    /// <summary>
    /// The value as its type writes it (members in order, defaults, numbers), where nothing of it gets lost on the way. Texts stay as the caller spelt them:
    /// that is how the user's request spells them too, and how they are found there.
    /// </summary>
    private static JsonElement Normalise(JsonElement value, Type? type, JsonSerializerOptions options)
    {
        // Whole numbers, decimals and flags already have one spelling, or get it when they are stored; of a binary fraction there are many.
        if (Underlying(type) is not { } known || known == typeof(object) || (known.IsPrimitive && known != typeof(double) && known != typeof(float)) || known == typeof(decimal) || known == typeof(JsonElement) || typeof(JsonNode).IsAssignableFrom(known))
        {
            return value;
        }

        try
        {
            var typed = value.Deserialize(known, options);
            var written = JsonSerializer.SerializeToElement(typed, known, options);
            return Holds(written, value) ? WithTextsOf(value, written) : value;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return value;
        }
    }

    /// <summary>Whether everything of a value is in another one. Scalars may be spelt differently: they were read by their type.</summary>
    private static bool Holds(JsonElement whole, JsonElement part) => (whole.ValueKind, part.ValueKind) switch
    {
        (JsonValueKind.Object, JsonValueKind.Object) => part.EnumerateObject().All(m => whole.TryGetProperty(m.Name, out var other) && Holds(other, m.Value)),
        (JsonValueKind.Array, JsonValueKind.Array) => whole.GetArrayLength() == part.GetArrayLength() && whole.EnumerateArray().Zip(part.EnumerateArray()).All(p => Holds(p.First, p.Second)),
        (JsonValueKind.Object or JsonValueKind.Array, _) or (_, JsonValueKind.Object or JsonValueKind.Array) => false,
        _ => true,
    };

    private static JsonElement WithTextsOf(JsonElement given, JsonElement written) =>
        written.ValueKind is JsonValueKind.String or JsonValueKind.Object or JsonValueKind.Array && Merge(given, written) is { } merged ? JsonSerializer.SerializeToElement(merged) : written;

    private static JsonNode? Merge(JsonElement given, JsonElement written)
    {
        switch (given.ValueKind, written.ValueKind)
        {
            case (JsonValueKind.Object, JsonValueKind.Object):
                var members = new JsonObject();
                foreach (var member in written.EnumerateObject())
                {
                    members[member.Name] = given.TryGetProperty(member.Name, out var other) ? Merge(other, member.Value) : Node(member.Value);
                }

                return members;
            case (JsonValueKind.Array, JsonValueKind.Array):
                return new JsonArray([.. given.EnumerateArray().Zip(written.EnumerateArray(), Merge)]);
            case (JsonValueKind.String, JsonValueKind.String):
                return Node(given);
            default:
                return Node(written);
        }
    }

    private static JsonNode? Node(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Object => JsonObject.Create(value),
        JsonValueKind.Array => JsonArray.Create(value),
        _ => JsonValue.Create(value),
    };

    private static object? Bind(JsonElement value, KernelParameterMetadata parameter, JsonSerializerOptions options)
    {
        if (parameter.ParameterType is not { } type || type == typeof(object))
        {
            return value.ValueKind is JsonValueKind.String ? value.GetString() : value;
        }

        if (type == typeof(string))
        {
            return value.ValueKind switch
            {
                JsonValueKind.String => value.GetString(),
                JsonValueKind.Null => null,
                _ => value.GetRawText(),
            };
        }

        try
        {
            return value.Deserialize(type, options);
        }
        catch (JsonException) when (value.ValueKind is JsonValueKind.String && ResultJson.Parse(value.GetString()!) is { } structured)
        {
            return structured.Deserialize(type, options);
        }
        catch (JsonException) when (value.ValueKind is JsonValueKind.String && TryConvert(value.GetString()!, type, out var converted))
        {
            return converted;
        }
    }

    /// <summary>As Semantic Kernel binds text in a live call: "4 May 2031" is a date to it, and none in JSON.</summary>
    private static bool TryConvert(string text, Type type, out object? value)
    {
        value = null;
        var converter = TypeDescriptor.GetConverter(type);
        if (!converter.CanConvertFrom(typeof(string)))
        {
            return false;
        }

        try
        {
            value = converter.ConvertFromInvariantString(text);
            return true;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>A null for a parameter whose type has none means: not given.</summary>
    private static bool TakesNoNull(KernelParameterMetadata parameter) => parameter.ParameterType is { IsValueType: true } type && Nullable.GetUnderlyingType(type) is null && type != typeof(JsonElement);

    private static bool SchemaAllowsText(KernelParameterMetadata parameter)
    {
        if (parameter.Schema is not { } schema || schema.RootElement.ValueKind is not JsonValueKind.Object || !schema.RootElement.TryGetProperty("type", out var type))
        {
            return true;
        }

        return type.ValueKind is JsonValueKind.Array ? type.EnumerateArray().Any(t => t.ValueEquals("string")) : type.ValueEquals("string");
    }

    private static bool CanBe(JsonElement value, Type type, JsonSerializerOptions options)
    {
        try
        {
            return value.Deserialize(type, options) is not null;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return false;
        }
    }

    private static bool LooksLikeJson(string text, Type? type) => text.AsSpan().Trim() is [var first, ..] && first switch
    {
        '{' or '[' or '"' or 'n' => true,
        '-' or (>= '0' and <= '9') => type is null || !WrittenAsText.Contains(type),
        _ => false,
    };

    private static Type? Underlying(Type? type) => type is null ? null : Nullable.GetUnderlyingType(type) ?? type;

    // A function that was made without options shows those of Microsoft.Extensions.AI, but Semantic Kernel binds it, and shows its results to the model,
    // with the plain defaults. And a function made of an AIFunction knows few types: whatever else it is given is written by reflection.
    private static JsonSerializerOptions OptionsFor(KernelFunction function) =>
        ResultJson.TolerantOf(ReferenceEquals(function.JsonSerializerOptions, AIJsonUtilities.DefaultOptions) ? JsonSerializerOptions.Default : function.JsonSerializerOptions);
}
