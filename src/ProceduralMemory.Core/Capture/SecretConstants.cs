using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>Turns secrets that stand in a written or imported procedure into inputs: a procedure never holds a secret.</summary>
internal static class SecretConstants
{
    /// <summary>The step's argument templates, with <c>$inputs.name</c> in place of every literal under a secret name.</summary>
    public static JsonElement Remove(ProcedureStep step, IRedactor redactor) => Json.Build(writer => Write(writer, step, redactor, step.Arguments));

    /// <summary>The inputs that <see cref="Remove"/> made necessary.</summary>
    public static IEnumerable<ProcedureInput> MissingInputs(IReadOnlyList<ProcedureStep> steps, IReadOnlyList<ProcedureInput> declared) => steps
        .SelectMany(s => ValueExpression.References(s.Arguments))
        .OfType<InputReference>()
        .Select(r => r.Name)
        .Distinct(StringComparer.Ordinal)
        .Where(name => !declared.Any(i => i.Name == name))
        .Select(name => new ProcedureInput { Name = name, Secret = true, Description = "A secret that stood in the procedure as a constant." })
        .ToList();

    private static void Write(Utf8JsonWriter writer, ProcedureStep step, IRedactor redactor, JsonElement template)
    {
        switch (template.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in template.EnumerateObject())
                {
                    writer.WritePropertyName(member.Name);
                    if (IsLiteral(member.Value) && redactor.IsSecret(step.Action, member.Name))
                    {
                        var name = string.Concat(member.Name.Select(c => char.IsLetterOrDigit(c) ? c : '_'));
                        writer.WriteStringValue(new InputReference(ValueExpression.IsName(name) ? name : "secret_" + name).ToString());
                    }
                    else
                    {
                        Write(writer, step, redactor, member.Value);
                    }
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in template.EnumerateArray())
                {
                    Write(writer, step, redactor, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                writer.WriteStringValue(redactor.Redact(template.GetString()!));
                break;
            default:
                template.WriteTo(writer);
                break;
        }
    }

    private static bool IsLiteral(JsonElement template) => template.ValueKind switch
    {
        JsonValueKind.String => template.GetString() is { Length: > 0 } text && ValueExpression.Parse(text) is LiteralText,
        JsonValueKind.Number => true,
        _ => false,
    };
}
