using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>Takes secrets out of an expectation. What is expected of a secret is not kept, but for its type; where it stood, nothing is compared.</summary>
internal static class ExpectationSecrets
{
    public static Expectation Remove(string action, Expectation expectation, ValueCapture capture, IRedactor redactor)
    {
        var value = expectation.Value;
        var isSecret = JsonPointer.Tokens(expectation.At ?? "").Any(name => redactor.IsSecret(action, name)) || redactor.IsSecret(action, IRedactor.WholeResult);
        if (value.ValueKind is not JsonValueKind.Undefined)
        {
            value = expectation.Kind is ExpectationKind.Shape
                ? Json.Build(writer => WriteShape(writer, value, isSecret))
                : Redacted(value, isSecret);
        }

        return expectation with { Value = value, Description = expectation.Description is { } text ? capture.Text(text) : null };

        JsonElement Redacted(JsonElement part, bool secret)
        {
            if (secret && part.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null))
            {
                capture.AddSecret(part);
                return Json.String(SecretRedactor.Marker);
            }

            return capture.Result(action, part, out _) ?? Json.String(SecretRedactor.Marker);
        }

        void WriteShape(Utf8JsonWriter writer, JsonElement schema, bool secret)
        {
            if (schema.ValueKind is not JsonValueKind.Object)
            {
                schema.WriteTo(writer);
                return;
            }

            writer.WriteStartObject();
            foreach (var member in schema.EnumerateObject())
            {
                writer.WritePropertyName(member.Name);
                switch (member.Name)
                {
                    case "type" or "required":
                        member.Value.WriteTo(writer);
                        break;
                    case "items":
                        WriteShape(writer, member.Value, secret);
                        break;
                    case "properties" when member.Value.ValueKind is JsonValueKind.Object:
                        writer.WriteStartObject();
                        foreach (var property in member.Value.EnumerateObject())
                        {
                            writer.WritePropertyName(property.Name);
                            WriteShape(writer, property.Value, secret || redactor.IsSecret(action, property.Name));
                        }

                        writer.WriteEndObject();
                        break;
                    case "const" or "default" or "examples":
                        Redacted(member.Value, secret).WriteTo(writer);
                        break;
                    default:
                        Redacted(member.Value, secret: false).WriteTo(writer);
                        break;
                }
            }

            writer.WriteEndObject();
        }
    }
}
