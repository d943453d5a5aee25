using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>Takes secrets out of a written or imported procedure: each becomes an input that every replay must be given.</summary>
internal sealed class SecretConstants
{
    private readonly IRedactor _redactor;
    private readonly List<(string Name, string Secret)> _inputs = [];
    private readonly HashSet<string> _taken;

    private SecretConstants(IRedactor redactor, IReadOnlyList<ProcedureInput> declared)
    {
        _redactor = redactor;
        _taken = declared.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The definition without secrets.</summary>
    public static ProcedureDefinition Remove(ProcedureDefinition definition, ProceduralMemoryOptions options)
    {
        var redactor = options.Redactor;
        var capture = new ValueCapture(options);
        var constants = new SecretConstants(redactor, definition.Inputs);
        var steps = definition.Steps.Select(Clean).ToList();

        ProcedureStep Clean(ProcedureStep s) => s with
        {
            Steps = [.. s.Steps.Select(Clean)],
            Condition = s.Condition is { Operand: { } operand } condition ? condition with { Operand = capture.Result(s.Action, operand, out _) ?? Json.Null } : s.Condition,
            Arguments = Json.Build(writer => constants.Write(writer, s, s.Arguments, "value", underSecretName: false)),
            Action = s.Kind is StepKind.Manual ? redactor.Redact(s.Action) : s.Action,
            Notes = TextOf(s.Notes),
            Expectation = s.Expectation is { } expectation ? WithoutSecrets(s.Action, expectation) : null,
        };

        var inputs = definition.Inputs.Select(i => redactor.IsSecret("", i.Name) || i.Secret
            ? i with { Secret = true, Description = TextOf(i.Description), Default = null, Examples = [] }
            : i with
            {
                Description = TextOf(i.Description),
                Default = i.Default is { } value ? capture.Result("", value, out _) : null,
                Examples = [.. (i.Examples ?? []).Select(e => capture.Result("", e, out _) ?? Json.Null)],
            }).ToList();
        inputs.AddRange(constants._inputs.Select(i => new ProcedureInput { Name = i.Name, Secret = true, Description = "A secret that stood in the procedure as a constant." }));
        return definition with { Description = redactor.Redact(definition.Description), Notes = TextOf(definition.Notes), Inputs = inputs, Steps = steps };

        string? TextOf(string? text) => text is null ? null : redactor.Redact(text);

        // A shape holds names and types, and no values.
        Expectation WithoutSecrets(string action, Expectation expectation) => expectation with
        {
            Value = expectation.Kind is ExpectationKind.Shape ? expectation.Value : capture.Result(action, expectation.Value, out _) ?? Json.Null,
            Description = TextOf(expectation.Description),
        };
    }

    private void Write(Utf8JsonWriter writer, ProcedureStep step, JsonElement template, string name, bool underSecretName)
    {
        if (underSecretName && IsValue(template) && !ValueExpression.References(template).Any())
        {
            writer.WriteStringValue(InputFor(name, template).ToString());
            return;
        }

        switch (template.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in template.EnumerateObject())
                {
                    writer.WritePropertyName(member.Name);
                    Write(writer, step, member.Value, member.Name, underSecretName || _redactor.IsSecret(step.Action, member.Name));
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in template.EnumerateArray())
                {
                    Write(writer, step, item, name, underSecretName);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                // A secret within a text: the text as a whole must be given. What stands in for a value ({$inputs.key}) is none.
                var holdsSecret = Literals(ValueExpression.Parse(template.GetString()!)).Any(text => _redactor.Redact(text) != text);
                writer.WriteStringValue(holdsSecret ? InputFor(name, template).ToString() : template.GetString());
                break;
            default:
                template.WriteTo(writer);
                break;
        }
    }

    private static bool IsValue(JsonElement template) => template.ValueKind switch
    {
        JsonValueKind.String => template.GetString()!.Length > 0,
        JsonValueKind.Object => template.EnumerateObject().Any(),
        JsonValueKind.Array => template.GetArrayLength() > 0,
        JsonValueKind.Number => true,
        _ => false,
    };

    private static IEnumerable<string> Literals(ValueExpression expression) => expression switch
    {
        LiteralText literal => [literal.Text],
        InterpolatedText text => text.Parts.OfType<LiteralText>().Select(p => p.Text),
        _ => [],
    };

    /// <summary>The input for a secret: the same for the same secret, another for another one of the same name.</summary>
    private InputReference InputFor(string member, JsonElement secret)
    {
        var text = secret.GetRawText();
        var stem = string.Concat(member.Select(c => char.IsLetterOrDigit(c) ? c : '_'));
        stem = ValueExpression.IsName(stem) ? stem : "secret_" + stem;
        if (_inputs.Find(i => i.Secret == text) is { Name: { } known })
        {
            return new InputReference(known);
        }

        var name = stem;
        for (var n = 2; !_taken.Add(name); n++)
        {
            name = string.Create(CultureInfo.InvariantCulture, $"{stem}_{n}");
        }

        _inputs.Add((name, text));
        return new InputReference(name);
    }
}
