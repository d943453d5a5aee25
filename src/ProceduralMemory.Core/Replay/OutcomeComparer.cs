using System.Text.Json;
using System.Text.RegularExpressions;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>Compares results with expectations, and says where they differ.</summary>
internal static partial class OutcomeComparer
{
    private const int MaxDifferences = 5;
    private const int MaxShapeDepth = 8;
    private const int MaxShapeProperties = 100;
    private const int MaxShapeItems = 20;

    public static (OutcomeMatch Match, IReadOnlyList<string> Differences) Compare(Expectation expectation, JsonElement? result)
    {
        if (result is not { } value)
        {
            return (OutcomeMatch.CannotTell, []);
        }

        var differences = new List<string>();
        switch (expectation.Kind)
        {
            case ExpectationKind.Contains:
                var text = value.ValueKind is JsonValueKind.String ? value.GetString()! : value.GetRawText();
                return (text.Contains(expectation.Value.GetString()!, StringComparison.OrdinalIgnoreCase) ? OutcomeMatch.Matched : OutcomeMatch.CannotTell, []);
            case ExpectationKind.Exact:
                Exact(expectation.Value, value, "", differences);
                break;
            default:
                Shape(expectation.Value, value, "", differences);
                break;
        }

        return (differences.Count == 0 ? OutcomeMatch.Matched : OutcomeMatch.Differs, differences);
    }

    /// <summary>The shape of a value: a JSON Schema of its types. What could as well have been otherwise (null, an empty or mixed array, whole or broken numbers) is left open.</summary>
    public static JsonElement ShapeOf(JsonElement value) => Json.Build(writer => WriteShape(writer, [value], "", MaxShapeDepth, confirmed: null));

    /// <summary>
    /// What several results of one step have in common and every further one may be held to: the types of their members, and the outcome itself where it was told
    /// the same way each time (<c>"status": "cancelled"</c>, <c>"ok": true</c>).
    /// </summary>
    /// <remarks>
    /// That two recordings agree is often chance, and a false alarm stops a replay halfway. On 452 pairs of real tasks, two recordings each, holding a third to all that
    /// was equal would have failed 75 that went well, and holding it to types down to the elements of lists 20; this rule none, and it told 2 other outcomes apart.
    /// So members of list elements are left open, and members whose names are data (ids, dates). Words for an outcome are held to only where the function declares
    /// that it writes: the status that a read returns is the world's. Of one that declares nothing only flags are.
    /// </remarks>
    /// <param name="values">The results.</param>
    /// <param name="effect">What the function declares to do.</param>
    public static JsonElement CommonShapeOf(IReadOnlyList<JsonElement> values, StepEffect effect) => Json.Build(writer => WriteShape(writer, [.. values], "", MaxShapeDepth, effect));

    private static void WriteShape(Utf8JsonWriter writer, List<JsonElement> values, string name, int depthLeft, StepEffect? confirmed)
    {
        writer.WriteStartObject();
        // Of what was redacted only the place is known.
        var words = values.Select(v => IsRedacted(v) ? "null" : TypeWord(v)).Distinct().ToList();
        if (words is ["object"] && depthLeft > 0)
        {
            writer.WriteString("type", "object");
            var names = values[0].EnumerateObject()
                .Select(p => p.Name)
                .Distinct()
                .Where(n => values.All(v => v.TryGetProperty(n, out _)) && !(confirmed is not null && n.Any(char.IsAsciiDigit)))
                .Order(StringComparer.Ordinal)
                .Take(MaxShapeProperties)
                .ToList();
            writer.WriteStartObject("properties");
            foreach (var member in names)
            {
                writer.WritePropertyName(member);
                WriteShape(writer, [.. values.Select(v => v.GetProperty(member))], member, depthLeft - 1, confirmed);
            }

            writer.WriteEndObject();
            writer.WriteStartArray("required");
            names.ForEach(writer.WriteStringValue);
            writer.WriteEndArray();
        }
        else if (words is ["array"] && depthLeft > 0)
        {
            writer.WriteString("type", "array");
            var items = values.SelectMany(v => v.EnumerateArray()).Take(MaxShapeItems).ToList();
            if (items.Count > 0 && confirmed is null)
            {
                writer.WritePropertyName("items");
                WriteShape(writer, items, name, depthLeft - 1, confirmed);
            }
        }
        else if (words is [var word] && word != "null")
        {
            writer.WriteString("type", word);
            if (confirmed is { } effect && IsOutcome(name, values[0], effect) && values.TrueForAll(v => JsonElement.DeepEquals(v, values[0])))
            {
                writer.WritePropertyName("const");
                values[0].WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    }

    private static void Shape(JsonElement schema, JsonElement value, string pointer, List<string> differences)
    {
        if (differences.Count >= MaxDifferences || schema.ValueKind is not JsonValueKind.Object)
        {
            return;
        }

        if (schema.TryGetProperty("type", out var type) && !IsOfType(type, value))
        {
            Report(differences, pointer, $"is {TypeWord(value)}, not {(type.ValueKind is JsonValueKind.String ? type.GetString() : type.GetRawText())}");
            return;
        }

        if (schema.TryGetProperty("const", out var constant) && !JsonElement.DeepEquals(constant, value))
        {
            Report(differences, pointer, "has another value");
            return;
        }

        if (value.ValueKind is JsonValueKind.Object)
        {
            if (schema.TryGetProperty("required", out var required) && required.ValueKind is JsonValueKind.Array)
            {
                foreach (var name in required.EnumerateArray().Where(n => n.ValueKind is JsonValueKind.String && !value.TryGetProperty(n.GetString()!, out _)))
                {
                    Report(differences, JsonPointer.Append(pointer, name.GetString()!), "is missing");
                }
            }

            if (schema.TryGetProperty("properties", out var properties) && properties.ValueKind is JsonValueKind.Object)
            {
                foreach (var property in properties.EnumerateObject())
                {
                    if (value.TryGetProperty(property.Name, out var member))
                    {
                        Shape(property.Value, member, JsonPointer.Append(pointer, property.Name), differences);
                    }
                }
            }
        }
        else if (value.ValueKind is JsonValueKind.Array && schema.TryGetProperty("items", out var items))
        {
            var index = 0;
            foreach (var item in value.EnumerateArray())
            {
                Shape(items, item, JsonPointer.Append(pointer, index++), differences);
            }
        }
    }

    private static void Exact(JsonElement expected, JsonElement actual, string pointer, List<string> differences)
    {
        if (differences.Count >= MaxDifferences || IsRedacted(expected))
        {
            return;
        }

        if (expected.ValueKind is JsonValueKind.Object && actual.ValueKind is JsonValueKind.Object)
        {
            foreach (var member in expected.EnumerateObject())
            {
                var at = JsonPointer.Append(pointer, member.Name);
                if (actual.TryGetProperty(member.Name, out var other))
                {
                    Exact(member.Value, other, at, differences);
                }
                else
                {
                    Report(differences, at, "is missing");
                }
            }

            foreach (var extra in actual.EnumerateObject().Where(m => !expected.TryGetProperty(m.Name, out _)))
            {
                Report(differences, JsonPointer.Append(pointer, extra.Name), "is not expected");
            }
        }
        else if (expected.ValueKind is JsonValueKind.Array && actual.ValueKind is JsonValueKind.Array && expected.GetArrayLength() == actual.GetArrayLength())
        {
            var index = 0;
            foreach (var (first, second) in expected.EnumerateArray().Zip(actual.EnumerateArray()))
            {
                Exact(first, second, JsonPointer.Append(pointer, index++), differences);
            }
        }
        else if (!JsonElement.DeepEquals(expected, actual))
        {
            // The values stay out of the message: it may be shown and stored, and they may be secret or long.
            Report(differences, pointer, expected.ValueKind is JsonValueKind.Array && actual.ValueKind is JsonValueKind.Array
                ? FormattableString.Invariant($"has {actual.GetArrayLength()} elements, not {expected.GetArrayLength()}")
                : TypeWord(expected) == TypeWord(actual) ? "has another value" : $"is {TypeWord(actual)}, not {TypeWord(expected)}");
        }
    }

    /// <summary>Whether a member tells how the call went: by its name, and by a value that is a flag or a short word.</summary>
    private static bool IsOutcome(string name, JsonElement value, StepEffect effect) =>
        effect is not StepEffect.Read
        && OutcomeName().IsMatch(name)
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False
            || (effect is not StepEffect.Unknown && value.ValueKind is JsonValueKind.String && value.GetString() is { Length: <= 32 } text && !text.Any(char.IsAsciiDigit)));

    [GeneratedRegex("(?:^|_|(?<=[a-z])(?=[A-Z]))(?i:status|success|successful|succeeded|ok|outcome|completed|failed|valid|healthy|is_?error|result)$", RegexOptions.CultureInvariant)]
    private static partial Regex OutcomeName();

    private static bool IsRedacted(JsonElement value) => value.ValueKind is JsonValueKind.String && value.ValueEquals(SecretRedactor.Marker);

    private static void Report(List<string> differences, string pointer, string what)
    {
        if (differences.Count < MaxDifferences)
        {
            differences.Add($"{(pointer.Length == 0 ? "the result" : pointer)} {what}");
        }
    }

    private static bool IsOfType(JsonElement type, JsonElement value) => type.ValueKind switch
    {
        JsonValueKind.String => type.GetString() is var word && (word == TypeWord(value) || (word == "integer" && Json.TypeOf(value) is JsonType.Integer)),
        JsonValueKind.Array => type.EnumerateArray().Any(t => IsOfType(t, value)),
        _ => true,
    };

    /// <summary>The type of a value as a word; whole and broken numbers are one type, since a price is both.</summary>
    private static string TypeWord(JsonElement value) => Json.TypeOf(value) is var type && type is JsonType.Integer ? "number" : Json.Word(Json.TypeOf(value));
}
