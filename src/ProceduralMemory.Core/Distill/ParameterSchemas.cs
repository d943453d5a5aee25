using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>What the host declares of the parameters of functions, as JSON Schema. It says what may be given for an input, and never where a value comes from.</summary>
/// <param name="parametersOf">The schema of an action's arguments, where one is known.</param>
internal sealed class ParameterSchemas(Func<string, JsonElement?> parametersOf)
{
    private const int MaxAllowedValues = 50;

    private readonly Dictionary<string, JsonElement?> _known = new(StringComparer.Ordinal);

    /// <summary>What is declared of the value at a place in a step's arguments.</summary>
    public ParameterSchema? Of(Position position)
    {
        if (position.Call.Role is not AlignedRole.Call || position.Call.Kind is not StepKind.Function || position.Pointer.Length == 0)
        {
            return null;
        }

        var action = position.Call.Action;
        var at = _known.TryGetValue(action, out var known) ? known : _known[action] = parametersOf(action);
        var isRequired = false;
        foreach (var token in JsonPointer.Tokens(position.Pointer))
        {
            if (at is not { ValueKind: JsonValueKind.Object } schema)
            {
                return null;
            }

            isRequired = schema.TryGetProperty("required", out var required) && required.ValueKind is JsonValueKind.Array
                && required.EnumerateArray().Any(n => n.ValueKind is JsonValueKind.String && n.ValueEquals(token));
            at = schema.TryGetProperty("properties", out var members) && members.ValueKind is JsonValueKind.Object && members.TryGetProperty(token, out var member)
                ? member
                : position.IsInList && schema.TryGetProperty("items", out var items) ? items : null;
        }

        return at is { ValueKind: JsonValueKind.Object } found ? Read(found, isRequired) : null;
    }

    private static ParameterSchema Read(JsonElement schema, bool isRequired)
    {
        List<JsonElement> allowed = schema.TryGetProperty("enum", out var values) && values.ValueKind is JsonValueKind.Array && values.GetArrayLength() is > 0 and <= MaxAllowedValues
            ? [.. values.EnumerateArray().Where(v => v.ValueKind is not JsonValueKind.Null)]
            : [];
        return new ParameterSchema(
            TypeOf(schema),
            Text(schema, "description"),
            Text(schema, "format"),
            allowed,
            !isRequired && schema.TryGetProperty("default", out var standing) && standing.ValueKind is not JsonValueKind.Null ? standing : null);
    }

    private static string? Text(JsonElement schema, string name) =>
        schema.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String && value.GetString() is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

    /// <summary>The one type that a value has when it is not null.</summary>
    private static JsonType TypeOf(JsonElement schema)
    {
        if (!schema.TryGetProperty("type", out var type))
        {
            return JsonType.Any;
        }

        List<JsonElement> words = type.ValueKind is JsonValueKind.Array ? [.. type.EnumerateArray().Where(t => t.ValueKind is JsonValueKind.String && !t.ValueEquals("null"))] : [type];
        return words is [{ ValueKind: JsonValueKind.String } word]
            ? Enum.GetValues<JsonType>().FirstOrDefault(t => t is not (JsonType.Any or JsonType.Null) && word.ValueEquals(Json.Word(t)))
            : JsonType.Any;
    }
}

/// <summary>What is declared of one parameter, or of a part of it.</summary>
/// <param name="Type">Its type; any where none or several are declared.</param>
/// <param name="Description">What it means.</param>
/// <param name="Format">How it is written, such as <c>date</c>.</param>
/// <param name="AllowedValues">The values that it can have; empty where that is open.</param>
/// <param name="Default">What the function takes where none is given.</param>
internal sealed record ParameterSchema(JsonType Type, string? Description, string? Format, IReadOnlyList<JsonElement> AllowedValues, JsonElement? Default)
{
    /// <summary>Whether it allows a value. What was recorded counts for more than what is declared, so one that it does not allow says that it is out of date.</summary>
    public bool Allows(JsonElement value) =>
        (Type is JsonType.Any || Json.TypeOf(value) == Type || (Type is JsonType.Number && Json.TypeOf(value) is JsonType.Integer))
        && (AllowedValues.Count == 0 || AllowedValues.Any(a => Json.AreEqual(a, value)));
}
