using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Replay;

/// <summary>Makes shapes of results.</summary>
internal static partial class OutcomeComparer
{
    private const int MaxShapeDepth = 8;
    private const int MaxShapeProperties = 100;
    private const int MaxShapeItems = 20;

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
            var members = values.ConvertAll(v => new MemberIndex(v));
            var names = values[0].EnumerateObject()
                .Select(p => p.Name)
                .Distinct()
                .Where(n => members.TrueForAll(m => m.TryGet(n, out _)) && !(confirmed is not null && n.Any(char.IsAsciiDigit)))
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
            if (confirmed is { } effect && IsOutcome(name, values[0], effect) && values.TrueForAll(v => Json.AreEqual(v, values[0])))
            {
                writer.WritePropertyName("const");
                values[0].WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    }

    /// <summary>Whether a member tells how the call went: by its name, and by a value that is a flag or a short word.</summary>
    private static bool IsOutcome(string name, JsonElement value, StepEffect effect) =>
        effect is not StepEffect.Read
        && OutcomeName().IsMatch(name)
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False
            || (effect is not StepEffect.Unknown && value.ValueKind is JsonValueKind.String && value.GetString() is { Length: <= 32 } text && !text.Any(char.IsAsciiDigit) && !Capture.RedactionMarker.IsIn(text)));

    [GeneratedRegex("(?:^|_|(?<=[a-z])(?=[A-Z]))(?i:status|success|successful|succeeded|ok|outcome|completed|failed|valid|healthy|is_?error|result)$", RegexOptions.CultureInvariant)]
    private static partial Regex OutcomeName();
}
