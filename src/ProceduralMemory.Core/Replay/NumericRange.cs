using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>Bounds of a number, in the words of JSON Schema.</summary>
internal sealed class NumericRange
{
    private static readonly string[] Lower = ["minimum", "exclusiveMinimum"];
    private static readonly string[] Upper = ["maximum", "exclusiveMaximum"];

    private readonly List<(string Word, JsonElement Bound)> _bounds = [];

    private NumericRange()
    {
    }

    /// <summary>Reads bounds.</summary>
    /// <param name="value">An object, such as <c>{"minimum": 1, "exclusiveMaximum": 10}</c>.</param>
    /// <param name="fault">What is wrong with it, with the mend.</param>
    /// <returns><see langword="null"/> where something is wrong with it.</returns>
    public static NumericRange? Parse(JsonElement value, out string? fault)
    {
        var range = new NumericRange();
        fault = value.ValueKind is JsonValueKind.Object ? range.Read(value) : "An expectation of kind 'range' takes an object of bounds, such as {\"minimum\": 1, \"maximum\": 10}.";
        return fault is null ? range : null;
    }

    public bool Holds(JsonElement value) => value.ValueKind is JsonValueKind.Number && _bounds.TrueForAll(b => IsWithin(b.Word, JsonNumber.Compare(value, b.Bound)));

    /// <summary>The bounds in words.</summary>
    public override string ToString() => $"a number {string.Join(" and ", _bounds.OrderByDescending(b => Lower.Contains(b.Word)).Select(b => $"{Sign(b.Word)} {ProcedureText.Shortened(b.Bound.GetRawText(), 24)}"))}";

    private string? Read(JsonElement value)
    {
        foreach (var member in value.EnumerateObject())
        {
            if (!Lower.Contains(member.Name) && !Upper.Contains(member.Name))
            {
                return $"A range has no '{ProcedureText.Shortened(member.Name, 40)}'. Its bounds are minimum, maximum, exclusiveMinimum and exclusiveMaximum.";
            }

            if (member.Value.ValueKind is not JsonValueKind.Number)
            {
                return $"The bound '{member.Name}' is {Json.Word(Json.TypeOf(member.Value))}, not a number. Write it without quotes, and leave it out where there is none.";
            }

            _bounds.Add((member.Name, member.Value));
        }

        if (_bounds.Count == 0)
        {
            return "The range has no bound, so every number is in it. Give minimum, maximum, exclusiveMinimum or exclusiveMaximum.";
        }

        return Contradiction() is var (low, high)
            ? $"No number is {Sign(low.Word)} {low.Bound.GetRawText()} and {Sign(high.Word)} {high.Bound.GetRawText()}. Exchange '{low.Word}' and '{high.Word}', or mend one of them."
            : null;
    }

    private ((string Word, JsonElement Bound) Low, (string Word, JsonElement Bound) High)? Contradiction()
    {
        foreach (var low in _bounds.Where(b => Lower.Contains(b.Word)))
        {
            foreach (var high in _bounds.Where(b => Upper.Contains(b.Word)))
            {
                if (JsonNumber.Compare(low.Bound, high.Bound) is var order && (order > 0 || (order == 0 && (low.Word != Lower[0] || high.Word != Upper[0]))))
                {
                    return (low, high);
                }
            }
        }

        return null;
    }

    private static bool IsWithin(string word, int order) => word switch
    {
        "minimum" => order >= 0,
        "exclusiveMinimum" => order > 0,
        "maximum" => order <= 0,
        _ => order < 0,
    };

    private static string Sign(string word) => word switch
    {
        "minimum" => "≥",
        "exclusiveMinimum" => ">",
        "maximum" => "≤",
        _ => "<",
    };
}
