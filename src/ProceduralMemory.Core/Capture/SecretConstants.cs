using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>Takes secrets out of a written or imported procedure: each becomes an input that every replay must be given.</summary>
internal sealed class SecretConstants
{
    private readonly IRedactor _redactor;
    private readonly ValueCapture _capture;
    private readonly List<(string Name, string Secret)> _inputs = [];
    private readonly HashSet<string> _taken;

    private SecretConstants(IRedactor redactor, ValueCapture capture, IReadOnlyList<ProcedureInput> declared)
    {
        _redactor = redactor;
        _capture = capture;
        _taken = declared.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The definition without secrets.</summary>
    public static ProcedureDefinition Remove(ProcedureDefinition definition, ProceduralMemoryOptions options)
    {
        var redactor = options.Redactor;
        var capture = new ValueCapture(options);
        var constants = new SecretConstants(redactor, capture, definition.Inputs);
        foreach (var value in definition.Inputs.Where(IsSecret).SelectMany(Values))
        {
            capture.AddSecret(value);
        }

        // What came before a secret that a name gave away may hold it too, and after the walk it is known. The names are the same in every walk: the second finds no more.
        List<ProcedureInput> inputs;
        List<ProcedureStep> steps;
        int known;
        do
        {
            known = capture.SecretCount;
            inputs = [.. definition.Inputs.Select(WithoutValues)];
            steps = [.. definition.Steps.Select(WithoutConstants)];
        }
        while (capture.SecretCount > known);

        inputs.AddRange(constants._inputs.Select(i => new ProcedureInput { Name = i.Name, Secret = true, Description = "A secret that stood in the procedure as a constant." }));
        return definition with { Description = capture.Text(definition.Description), Notes = TextOf(definition.Notes), Inputs = inputs, Steps = steps, Signatures = [.. definition.Signatures.Select(Kept).OfType<FunctionSignature>()] };

        FunctionSignature? Kept(FunctionSignature signature) =>
            SignatureCapture.Capture(signature.Action, signature.Parameters, capture, options) is { } parameters ? signature with { Parameters = parameters } : null;

        bool IsSecret(ProcedureInput input) => input.Secret || redactor.IsSecret("", input.Name);

        ProcedureInput WithoutValues(ProcedureInput input) => IsSecret(input)
            ? input with { Secret = true, Description = TextOf(input.Description), Default = null, Examples = [], AllowedValues = [] }
            : input with
            {
                Description = TextOf(input.Description),
                Default = input.Default is { } value ? capture.Result("", value, out _) : null,
                AllowedValues = [.. (input.AllowedValues ?? []).Select(v => capture.Result("", v, out _) ?? Json.Null)],
                Examples = [.. (input.Examples ?? []).Select(e => capture.Result("", e, out _) ?? Json.Null)],
            };

        ProcedureStep WithoutConstants(ProcedureStep step) => step with
        {
            Steps = [.. step.Steps.Select(WithoutConstants)],
            Condition = step.Condition is { Operand: { } operand } condition ? condition with { Operand = capture.Result(step.Action, operand, out _) ?? Json.Null } : step.Condition,
            Arguments = Json.Build(writer => constants.Write(writer, step, step.Arguments, "value", underSecretName: false)),
            Action = step.Kind is StepKind.Manual ? capture.Text(step.Action) : step.Action,
            Notes = TextOf(step.Notes),
            Expectation = step.Expectation is { } expectation ? ExpectationSecrets.Remove(step.Action, expectation, capture, redactor) : null,
        };

        string? TextOf(string? text) => text is null ? null : capture.Text(text);
    }

    /// <summary>What is given for an input as its default and as examples.</summary>
    private static IEnumerable<JsonElement> Values(ProcedureInput input) => input.Default is { } value ? (input.Examples ?? []).Prepend(value) : input.Examples ?? [];

    private void Write(Utf8JsonWriter writer, ProcedureStep step, JsonElement template, string name, bool underSecretName)
    {
        if (underSecretName && IsValue(template) && !ValueExpression.References(template).Any())
        {
            _capture.AddSecret(template);
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
                var holdsSecret = Literals(ValueExpression.Parse(template.GetString()!)).Any(text => _capture.Text(text) != text);
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
        if (_inputs.Find(i => i.Secret == text) is { Name: { } known })
        {
            return new InputReference(known);
        }

        var name = ExpressionName.Make(member.Replace('-', '_'), "secret", _taken.Add);
        _inputs.Add((name, text));
        return new InputReference(name);
    }
}
