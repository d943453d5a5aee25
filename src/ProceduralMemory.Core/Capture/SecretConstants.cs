using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>Turns secrets that stand in a written or imported procedure into inputs: a procedure never holds a secret.</summary>
internal static class SecretConstants
{
    /// <summary>The step's argument templates, with <c>$inputs.name</c> in place of every literal under a secret name.</summary>
    public static JsonElement Remove(ProcedureStep step, IRedactor redactor) => Json.Build(writer => Write(writer, step, redactor, step.Arguments, "value"));

    /// <summary>The inputs that <see cref="Remove"/> made necessary.</summary>
    public static IEnumerable<ProcedureInput> MissingInputs(IReadOnlyList<ProcedureStep> steps, IReadOnlyList<ProcedureInput> declared) => steps
        .SelectMany(s => ValueExpression.References(s.Arguments))
        .OfType<InputReference>()
        .Select(r => r.Name)
        .Distinct(StringComparer.Ordinal)
        .Where(name => !declared.Any(i => i.Name == name))
        .Select(name => new ProcedureInput { Name = name, Secret = true, Description = "A secret that stood in the procedure as a constant." })
        .ToList();

    private static void Write(Utf8JsonWriter writer, ProcedureStep step, IRedactor redactor, JsonElement template, string name)
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
                        writer.WriteStringValue(InputFor(member.Name).ToString());
                    }
                    else
                    {
                        Write(writer, step, redactor, member.Value, member.Name);
                    }
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in template.EnumerateArray())
                {
                    Write(writer, step, redactor, item, name);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                // A secret within a text: the text as a whole must be given. What stands in for a value ({$inputs.key}) is none.
                var holdsSecret = Literals(ValueExpression.Parse(template.GetString()!)).Any(text => redactor.Redact(text) != text);
                writer.WriteStringValue(holdsSecret ? InputFor(name).ToString() : template.GetString());
                break;
            default:
                template.WriteTo(writer);
                break;
        }
    }

    private static IEnumerable<string> Literals(ValueExpression expression) => expression switch
    {
        LiteralText literal => [literal.Text],
        InterpolatedText text => text.Parts.OfType<LiteralText>().Select(p => p.Text),
        _ => [],
    };

    private static InputReference InputFor(string member)
    {
        var name = string.Concat(member.Select(c => char.IsLetterOrDigit(c) ? c : '_'));
        return new InputReference(ValueExpression.IsName(name) ? name : "secret_" + name);
    }

    private static bool IsLiteral(JsonElement template) => template.ValueKind switch
    {
        JsonValueKind.String => template.GetString() is { Length: > 0 } text && ValueExpression.Parse(text) is LiteralText,
        JsonValueKind.Number => true,
        _ => false,
    };
}
