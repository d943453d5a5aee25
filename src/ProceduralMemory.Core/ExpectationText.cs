using System.Text.Json;

namespace ProceduralMemory;

/// <summary>An expectation as text for people.</summary>
internal static class ExpectationText
{
    private const int MaxValueLength = 60;

    public static string Of(Expectation expectation)
    {
        var place = string.IsNullOrEmpty(expectation.At) ? "result" : expectation.At;
        return expectation.Kind switch
        {
            ExpectationKind.Exact => $"{place} = {Value(expectation.Value)}",
            ExpectationKind.Subset => $"{place} has {Value(expectation.Value)}",
            ExpectationKind.Shape => $"{place} is {ProcedureText.Shortened(Shape(expectation.Value), MaxValueLength)}",
            ExpectationKind.Range => $"{place} is {Replay.NumericRange.Parse(expectation.Value, out _)?.ToString() ?? Value(expectation.Value)}",
            ExpectationKind.Pattern => $"{place} matches {Value(expectation.Value)}",
            ExpectationKind.Contains => $"{place} contains {Value(expectation.Value)}",
            ExpectationKind.NoError => $"{place} is no error",
            ExpectationKind.Custom => $"{place} satisfies the judge '{expectation.Judge}'{(expectation.Value.ValueKind is JsonValueKind.Undefined ? "" : $" ({Value(expectation.Value)})")}",
            _ => $"{place}: {expectation.Kind}",
        };
    }

    private static string Value(JsonElement value) => value.ValueKind is JsonValueKind.Undefined ? "nothing" : ProcedureText.Shortened(value.GetRawText(), MaxValueLength);

    /// <summary>A shape in short: <c>{id: string, ok: true, items: [number]}</c>.</summary>
    private static string Shape(JsonElement schema)
    {
        if (schema.ValueKind is not JsonValueKind.Object)
        {
            return "anything";
        }

        if (schema.TryGetProperty("const", out var constant))
        {
            return constant.GetRawText();
        }

        if (schema.TryGetProperty("properties", out var properties) && properties.ValueKind is JsonValueKind.Object && properties.GetPropertyCount() > 0)
        {
            // No more of them than could be shown.
            return $"{{{string.Join(", ", properties.EnumerateObject().Take(MaxValueLength / 2).Select(p => $"{p.Name}: {Shape(p.Value)}"))}}}";
        }

        if (schema.TryGetProperty("items", out var items))
        {
            return $"[{Shape(items)}]";
        }

        return schema.TryGetProperty("type", out var type)
            ? type.ValueKind is JsonValueKind.Array ? string.Join(" or ", type.EnumerateArray().Select(t => t.GetString())) : type.GetString() ?? "anything"
            : "anything";
    }
}
