using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>
/// Takes secrets out of what a function declares of its parameters, and what no comparison reads. Names of parameters are kept, whatever they are; a default, an example or
/// a choice is a value, and is treated as one.
/// </summary>
internal sealed class SignatureCapture(string action, ValueCapture capture, IRedactor redactor)
{
    private static readonly HashSet<string> Texts = ["description", "title", "format", "pattern", "$ref"];

    private static readonly HashSet<string> Values = ["default", "enum", "const", "examples"];

    private static readonly HashSet<string> Rules =
    [
        "type", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    ];

    private static readonly HashSet<string> Schemas = ["items", "additionalProperties", "not"];

    private static readonly HashSet<string> SchemaLists = ["anyOf", "oneOf", "allOf", "prefixItems"];

    private static readonly HashSet<string> SchemaMaps = ["properties", "$defs", "definitions"];

    /// <summary>The form in which a signature is kept; <see langword="null"/> where it is none, or is too large or too deep. What is not known cannot be compared, and is in nobody's way.</summary>
    public static JsonElement? Capture(string action, JsonElement parameters, ValueCapture capture, ProceduralMemoryOptions options)
    {
        if (parameters.ValueKind is not JsonValueKind.Object || Json.LengthOf(parameters) > FunctionSignature.MaxBytes
            || Json.Fault(parameters, FunctionSignature.MaxDepth(options), uniqueNames: true) is not null)
        {
            return null;
        }

        var kept = Json.Build(writer => new SignatureCapture(action, capture, options.Redactor).Write(writer, parameters, isSecret: false));

        // What stands in place of secrets may be longer than they were.
        return Json.LengthOf(kept) <= FunctionSignature.MaxBytes ? kept : null;
    }

    private void Write(Utf8JsonWriter writer, JsonElement schema, bool isSecret)
    {
        if (schema.ValueKind is not JsonValueKind.Object)
        {
            // true and false are schemas, too; anything else is none.
            writer.WriteBooleanValue(schema.ValueKind is not JsonValueKind.False);
            return;
        }

        writer.WriteStartObject();
        foreach (var keyword in schema.EnumerateObject())
        {
            WriteKeyword(writer, keyword, isSecret);
        }

        writer.WriteEndObject();
    }

    private void WriteKeyword(Utf8JsonWriter writer, JsonProperty keyword, bool isSecret)
    {
        var (name, value) = (keyword.Name, keyword.Value);
        if (Texts.Contains(name) && value.ValueKind is JsonValueKind.String)
        {
            writer.WriteString(name, capture.Text(value.GetString()!));
        }
        else if (Rules.Contains(name))
        {
            writer.WritePropertyName(name);
            value.WriteTo(writer);
        }
        else if (Values.Contains(name) && !isSecret && capture.Result("", value, out _) is { } kept)
        {
            writer.WritePropertyName(name);
            kept.WriteTo(writer);
        }
        else if (Schemas.Contains(name) && value.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False)
        {
            writer.WritePropertyName(name);
            Write(writer, value, isSecret);
        }
        else if (SchemaLists.Contains(name) && value.ValueKind is JsonValueKind.Array)
        {
            writer.WriteStartArray(name);
            foreach (var schema in value.EnumerateArray())
            {
                Write(writer, schema, isSecret);
            }

            writer.WriteEndArray();
        }
        else if (SchemaMaps.Contains(name) && value.ValueKind is JsonValueKind.Object)
        {
            writer.WriteStartObject(name);
            foreach (var member in value.EnumerateObject())
            {
                writer.WritePropertyName(member.Name);
                Write(writer, member.Value, isSecret || redactor.IsSecret(action, member.Name));
            }

            writer.WriteEndObject();
        }
    }
}
