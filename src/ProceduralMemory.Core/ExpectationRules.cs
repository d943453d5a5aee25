using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

/// <summary>What is wrong with an expectation that comes in from outside, with the mend. Size, depth and text of its value have been checked.</summary>
internal static class ExpectationRules
{
    public const int MaxPointerLength = 1_000;

    private static readonly string[] TypeWords = ["string", "number", "integer", "boolean", "object", "array", "null"];

    // What describes and asserts nothing may stand in a schema. Other words would not be compared, and what seems to be checked is not to go unchecked.
    private static readonly string[] Annotations =
        ["title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment"];

    /// <summary>What to say where the value is missing that the kind compares with; <see langword="null"/> where it is not, or there need be none.</summary>
    public static string? MissingValue(Expectation expectation) =>
        expectation.Value.ValueKind is JsonValueKind.Undefined && Enum.IsDefined(expectation.Kind) && expectation.Kind is not (ExpectationKind.NoError or ExpectationKind.Custom)
            ? $"The value is missing that an expectation of kind '{Word(expectation.Kind)}' compares with. Give it as 'value', or take the kind 'noError', which needs none."
            : null;

    /// <summary>What else is wrong.</summary>
    public static List<string> Faults(Expectation expectation)
    {
        var faults = new List<string>();
        if (expectation.At is { } at && (at.Length > MaxPointerLength || !Json.IsWellFormed(at) || !JsonPointer.IsValid(at)))
        {
            faults.Add(at.Length > MaxPointerLength
                ? string.Create(CultureInfo.InvariantCulture, $"The pointer 'at' has {at.Length} characters; {MaxPointerLength} are the most.")
                : $"'{ProcedureText.Shortened(ProcedureText.OneLine(at), 60)}' as 'at' is no JSON Pointer. Write it as /order/status, with ~1 for a slash and ~0 for a tilde in a name, or leave it out for the whole result.");
        }

        if (expectation.Judge is not null && expectation.Kind is not ExpectationKind.Custom)
        {
            faults.Add($"Only an expectation of kind 'custom' has a judge, and this one is of kind '{Word(expectation.Kind)}'. Set its kind, or leave the judge out.");
        }

        if (KindFault(expectation) is { } fault)
        {
            faults.Add(fault);
        }

        return faults;
    }

    private static string? KindFault(Expectation expectation)
    {
        var value = expectation.Value;
        var fault = (string?)null;
        switch (expectation.Kind)
        {
            case ExpectationKind.NoError:
                return value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? null : "An expectation of kind 'noError' takes no value. Leave it out, or take the kind that compares with it.";
            case ExpectationKind.Custom:
                return string.IsNullOrWhiteSpace(expectation.Judge) || expectation.Judge.Length > ProcedureValidator.MaxNameLength || !Json.IsWellFormed(expectation.Judge) || expectation.Judge.Any(char.IsControl)
                    ? string.Create(CultureInfo.InvariantCulture, $"An expectation of kind 'custom' names its judge in 'judge', in at most {ProcedureValidator.MaxNameLength} characters without control characters.")
                    : null;
            case var kind when !Enum.IsDefined(kind):
                return $"{(int)kind} is no kind of expectation. Take one of {string.Join(", ", Enum.GetValues<ExpectationKind>().Select(Word))}.";
            case var _ when value.ValueKind is JsonValueKind.Undefined:
                return null; // Told by itself: it is about another path.
            case ExpectationKind.Contains when value.ValueKind is not JsonValueKind.String:
                return "An expectation of kind 'contains' takes a string.";
            case ExpectationKind.Shape:
                return ShapeFault(value, "");
            case ExpectationKind.Range:
                NumericRange.Parse(value, out fault);
                return fault;
            case ExpectationKind.Pattern:
                OutcomePattern.Parse(value, out fault);
                return fault;
            default:
                return null;
        }
    }

    private static string? ShapeFault(JsonElement schema, string pointer)
    {
        var place = pointer.Length == 0 ? "" : $" at {ProcedureText.Shortened(pointer, 100)}";
        if (pointer.Length > 0 && schema.ValueKind is JsonValueKind.True)
        {
            return null;
        }

        if (schema.ValueKind is not JsonValueKind.Object)
        {
            return $"An expectation of kind 'shape' takes a JSON Schema object with type, properties, required, items and const; there is {Json.Word(Json.TypeOf(schema))}{place}.";
        }

        foreach (var member in schema.EnumerateObject())
        {
            var fault = member.Name switch
            {
                "const" => null,
                "type" => IsType(member.Value) ? null : $"'type'{place} is one of {string.Join(", ", TypeWords)}, or a list of them.",
                "required" => member.Value.ValueKind is JsonValueKind.Array && member.Value.EnumerateArray().All(n => n.ValueKind is JsonValueKind.String)
                    ? null
                    : $"'required'{place} is a list of names.",
                "properties" => member.Value.ValueKind is JsonValueKind.Object
                    ? member.Value.EnumerateObject().Select(p => ShapeFault(p.Value, JsonPointer.Append(JsonPointer.Append(pointer, "properties"), p.Name))).FirstOrDefault(f => f is not null)
                    : $"'properties'{place} is an object of schemas.",
                "items" => ShapeFault(member.Value, JsonPointer.Append(pointer, "items")),
                var word => Annotations.Contains(word)
                    ? null
                    : $"'{ProcedureText.Shortened(ProcedureText.OneLine(word), 40)}'{place} is not compared. A shape has type, properties, required, items and const; for a number's bounds take the kind 'range', for text the kind 'pattern'.",
            };
            if (fault is not null)
            {
                return fault;
            }
        }

        return null;
    }

    private static bool IsType(JsonElement type) => type.ValueKind is JsonValueKind.Array
        ? type.GetArrayLength() > 0 && type.EnumerateArray().All(t => t.ValueKind is JsonValueKind.String && TypeWords.Contains(t.GetString()))
        : type.ValueKind is JsonValueKind.String && TypeWords.Contains(type.GetString());

    private static string Word(ExpectationKind kind) => JsonNamingPolicy.CamelCase.ConvertName(kind.ToString());
}
