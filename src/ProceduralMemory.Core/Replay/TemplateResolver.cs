using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>Puts values into argument templates.</summary>
/// <param name="inputs">The inputs, bound.</param>
/// <param name="item">In a loop, the element that it is at.</param>
/// <param name="around">In a loop, what is known around it.</param>
/// <param name="constants">The inputs that hold a confirmed constant.</param>
internal sealed class TemplateResolver(IReadOnlyDictionary<string, JsonElement> inputs, JsonElement item = default, TemplateResolver? around = null, IReadOnlySet<string>? constants = null) : IExpressionContext
{
    /// <summary>Results by step id; a step without one has no entry, a step that returned nothing has <see langword="null"/>.</summary>
    public Dictionary<string, JsonElement?> Results { get; } = new(StringComparer.Ordinal);

    /// <summary>In a loop, what is known around it.</summary>
    public TemplateResolver? Around => around;

    /// <summary>Resolves the arguments of a step.</summary>
    /// <exception cref="UnresolvedBindingException">A path leads nowhere, or what is put together cannot be one value.</exception>
    public (JsonElement Arguments, Dictionary<string, ArgumentOrigin> Origins) Resolve(ProcedureStep step, AdaptedParameters adapted)
    {
        var origins = new Dictionary<string, ArgumentOrigin>(StringComparer.Ordinal);
        var arguments = Build(writer =>
        {
            writer.WriteStartObject();
            foreach (var argument in Used(step, adapted))
            {
                origins[argument.Name] = OriginOf(argument.Value);
                writer.WritePropertyName(argument.Name);
                Write(writer, argument.Value);
            }

            foreach (var (name, value, origin) in adapted.All())
            {
                origins[name] = origin;
                writer.WritePropertyName(name);
                value.WriteTo(writer);
            }

            writer.WriteEndObject();
        });
        return (arguments, origins);
    }

    /// <summary>Whether a step has a result, here or around the loop.</summary>
    public bool HasResult(string stepId) => Results.ContainsKey(stepId) || around?.HasResult(stepId) is true;

    /// <summary>Whether a step is needed. What is not there counts as null.</summary>
    public bool Holds(StepCondition condition)
    {
        var value = TryResolve(Json.String(condition.Value), out var found) ? found : Json.Null;
        return condition.Test switch
        {
            ConditionTest.Equal => Json.AreEqual(value, condition.Operand ?? Json.Null),
            ConditionTest.NotEqual => !Json.AreEqual(value, condition.Operand ?? Json.Null),
            ConditionTest.Present => IsPresent(value),
            _ => !IsPresent(value),
        };
    }

    /// <summary>The value of one template, if every path in it leads somewhere.</summary>
    public bool TryResolve(JsonElement template, out JsonElement value)
    {
        try
        {
            value = Build(writer => Write(writer, template));
            return true;
        }
        catch (UnresolvedBindingException)
        {
            value = default;
            return false;
        }
    }

    /// <summary>The arguments whose templates count: neither adapted nor left out. An optional input that was not given leaves its argument out, so that the function's own default holds.</summary>
    public IEnumerable<JsonProperty> Used(ProcedureStep step, AdaptedParameters adapted) =>
        step.Arguments.EnumerateObject().Where(a => !adapted.Have(a.Name) && !IsAbsentInput(a.Value));

    /// <summary>The steps whose results a step needs, adapted parameters taken into account. A condition needs none: what is not there does not hold.</summary>
    public static IEnumerable<string> NeededSteps(ProcedureStep step, AdaptedParameters adapted) => step.Arguments.EnumerateObject()
        .Where(a => !adapted.Have(a.Name))
        .SelectMany(a => ValueExpression.References(a.Value))
        .Concat(step.ForEach is { } list ? ValueExpression.Parse(list).References() : [])
        .OfType<StepReference>()
        .Select(r => r.StepId)
        .Distinct(StringComparer.Ordinal);

    private static JsonElement Build(Action<Utf8JsonWriter> write)
    {
        try
        {
            return Json.Build(write);
        }
        catch (JsonException)
        {
            // Templates and values are checked one by one; how deep they are together is seen here.
            throw new UnresolvedBindingException(FormattableString.Invariant($"With the values in place the arguments nest deeper than {Json.MaxBuiltDepth} levels. Bind a part of the value, or give the argument as an adapted parameter."));
        }
    }

    private static bool IsPresent(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null or JsonValueKind.False => false,
        JsonValueKind.String => value.GetString()!.Length > 0,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };

    /// <summary>Where the value of a template comes from.</summary>
    public ArgumentOrigin OriginOf(JsonElement template)
    {
        var references = ValueExpression.References(template).ToList();
        return (references.Exists(r => r is InputReference input && constants?.Contains(input.Name) is not true), references.Exists(r => r is StepReference or ItemReference)) switch
        {
            (true, true) => ArgumentOrigin.InputAndStep,
            (true, false) => ArgumentOrigin.Input,
            (false, true) => ArgumentOrigin.Step,
            _ => ArgumentOrigin.Constant,
        };
    }

    private bool IsAbsentInput(JsonElement template) =>
        template.ValueKind is JsonValueKind.String && ValueExpression.Parse(template.GetString()!) is InputReference input && !inputs.ContainsKey(input.Name);

    private void Write(Utf8JsonWriter writer, JsonElement template)
    {
        switch (template.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in template.EnumerateObject())
                {
                    writer.WritePropertyName(member.Name);
                    Write(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in template.EnumerateArray())
                {
                    Write(writer, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                ValueExpression.Parse(template.GetString()!).Evaluate(this).WriteTo(writer);
                break;
            default:
                template.WriteTo(writer);
                break;
        }
    }

    JsonElement IExpressionContext.Input(string name) => inputs.TryGetValue(name, out var value) ? value : Json.Null;

    JsonElement IExpressionContext.Output(string stepId) =>
        Results.TryGetValue(stepId, out var result) ? result ?? Json.Null : ((IExpressionContext?)around)?.Output(stepId) ?? Json.Null;

    JsonElement IExpressionContext.Item => item;
}

/// <summary>Takes the inputs that a caller gives for those that a procedure declares.</summary>
internal static class InputBinder
{
    private const int MaxDescriptionLength = 200;

    public static Dictionary<string, JsonElement> Bind(
        string procedureName,
        IReadOnlyList<ProcedureInput> declared,
        IReadOnlyDictionary<string, JsonElement> given,
        ProceduralMemoryOptions options,
        bool confirmConstants,
        List<ReplayProblem> problems,
        bool inside = false)
    {
        // A name that is not declared is most likely one of the missing ones, misspelt. Inside, the names are the recording's and not the caller's.
        var undeclared = inside ? [] : Undeclared(declared, given);
        var misspelt = undeclared.Count == 0 ? "" : $" You gave {Quoted(undeclared)}, which it does not declare.";
        var bound = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var input in declared)
        {
            if (!given.TryGetValue(input.Name, out var value) || value.ValueKind is JsonValueKind.Undefined
                || (value.ValueKind is JsonValueKind.Null && input.Type is not (JsonType.Null or JsonType.Any)))
            {
                if (input is { Unconfirmed: true, Default: not null } && !confirmConstants)
                {
                    // The value itself is for people: a model that is told it gives it, wherever it came from.
                    problems.Add(new ReplayProblem(
                        ReplayProblemCodes.UnconfirmedConstant,
                        null,
                        $"'{procedureName}' was recorded once, and the value that stood for '{input.Name}'{(input.Description is null ? "" : $" ({ModelText.Line(input.Description, MaxDescriptionLength)})")} came from neither the request nor an earlier result. Give the input '{input.Name}', be it the same value.{misspelt}",
                        input.Name));
                }
                else if (input.Default is { } standing)
                {
                    bound[input.Name] = standing;
                }
                else if (input.Required)
                {
                    problems.Add(new ReplayProblem(
                        ReplayProblemCodes.MissingInput,
                        null,
                        $"'{procedureName}' needs the input '{input.Name}' ({Json.Word(input.Type)}){(input.Description is null ? "" : $": {ModelText.Line(input.Description, MaxDescriptionLength)}")}.{misspelt}",
                        input.Name));
                }

                continue;
            }

            if (Json.LengthOf(value) > options.MaxValueBytes)
            {
                problems.Add(new ReplayProblem(ReplayProblemCodes.InvalidInput, null, string.Create(CultureInfo.InvariantCulture, $"The input '{input.Name}' is larger than {nameof(options.MaxValueBytes)} ({options.MaxValueBytes} bytes) allows."), input.Name));
            }
            else if (Json.Fault(value, options.MaxValueDepth) is { } fault)
            {
                problems.Add(new ReplayProblem(ReplayProblemCodes.InvalidInput, null, $"The input '{input.Name}' cannot be used: {fault}.", input.Name));
            }
            else if (Convert(value, input.Type) is { } converted)
            {
                bound[input.Name] = converted;
            }
            else
            {
                problems.Add(new ReplayProblem(ReplayProblemCodes.InvalidInput, null, $"The input '{input.Name}' must be of type {Json.Word(input.Type)}; {Json.Word(Json.TypeOf(value))} was given{Shown(input, value, options, inside)}. Give a value of that type.", input.Name));
            }
        }

        return bound;
    }

    /// <summary>The names that are given and not declared.</summary>
    public static IReadOnlyList<string> Undeclared(IReadOnlyList<ProcedureInput> declared, IReadOnlyDictionary<string, JsonElement> given) =>
        [.. given.Keys.Where(name => !declared.Any(i => i.Name == name)).Order(StringComparer.Ordinal)];

    /// <summary>Names for a message; they may come from a model, so neither all of them nor the whole of each.</summary>
    public static string Quoted(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(5).Select(n => $"'{(n.Length > 64 ? n[..64] + "…" : n)}'")) + (names.Count > 5 ? FormattableString.Invariant($" and {names.Count - 5} more") : "");

    /// <summary>The value at fault for a message; nothing of what is or may hold a secret, and inside a procedure that may be any value.</summary>
    private static string Shown(ProcedureInput input, JsonElement value, ProceduralMemoryOptions options, bool inside)
    {
        if (inside || input.Secret || options.Redactor.IsSecret("", input.Name) || value.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
        {
            return "";
        }

        return $", {Shortened(value.ValueKind is JsonValueKind.String ? Json.String(options.Redactor.Redact(value.GetString()!)) : value)}";
    }

    private static string Shortened(JsonElement value) => value.GetRawText() is { Length: > 100 } text ? text[..100] + "…" : value.GetRawText();

    /// <summary>The value as the type, where that is the same value: models write numbers as text, and text as numbers.</summary>
    private static JsonElement? Convert(JsonElement value, JsonType type)
    {
        var actual = Json.TypeOf(value);
        if (type is JsonType.Integer && actual is JsonType.Integer)
        {
            // 7.0 is the integer 7, and a function that takes one wants it written so.
            return Json.Build(writer => Json.WriteNumber(writer, value));
        }

        if (type is JsonType.Any || actual == type || (type is JsonType.Number && actual is JsonType.Integer))
        {
            return value;
        }

        if (type is JsonType.String)
        {
            return actual is JsonType.Integer or JsonType.Number or JsonType.Boolean ? Json.String(value.GetRawText()) : null;
        }

        if (actual is not JsonType.String)
        {
            return null;
        }

        try
        {
            var parsed = JsonElement.Parse(value.GetString()!.Trim(), new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Json.TypeOf(parsed) is JsonType.String ? null : Convert(parsed, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
