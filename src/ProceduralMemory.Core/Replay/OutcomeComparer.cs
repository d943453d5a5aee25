using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>Compares results with expectations, and says where they differ.</summary>
internal static partial class OutcomeComparer
{
    /// <summary>The part of a result that an expectation looks at, or the answer where there is none to look at.</summary>
    /// <param name="expectation">The expectation.</param>
    /// <param name="result">The result; <see langword="null"/> where there is none.</param>
    /// <param name="part">The part.</param>
    public static OutcomeComparison? Find(Expectation expectation, JsonElement? result, out JsonElement part)
    {
        part = default;
        if (result is not { } whole)
        {
            return OutcomeComparison.CannotTell("there is no result to look at");
        }

        if (IsRedacted(expectation.Value))
        {
            return OutcomeComparison.CannotTell("what is expected is secret and was not stored, so it cannot be compared");
        }

        var at = expectation.At ?? "";
        if (JsonPointer.TryResolve(whole, at, out part))
        {
            return null;
        }

        // What a value has to be, a missing one is not. A sign that is not found tells nothing.
        return expectation.Kind is ExpectationKind.Contains or ExpectationKind.NoError or ExpectationKind.Custom
            ? OutcomeComparison.CannotTell(new OutcomeDifference { Pointer = at })
            : OutcomeComparison.Of([expectation.Kind is ExpectationKind.Exact or ExpectationKind.Subset
                ? new OutcomeDifference { Pointer = at, Expected = expectation.Value }
                : new OutcomeDifference { Pointer = at }]);
    }

    /// <summary>Compares by the value alone: every kind but those that the host decides (<see cref="ExpectationKind.NoError"/>, <see cref="ExpectationKind.Custom"/>).</summary>
    public static OutcomeComparison Compare(Expectation expectation, JsonElement? result)
    {
        if (Find(expectation, result, out var part) is { } answer)
        {
            return answer;
        }

        var (expected, at) = (expectation.Value, expectation.At ?? "");
        var differences = new DifferenceList(OutcomeComparison.MaxDifferences);
        switch (expectation.Kind)
        {
            case ExpectationKind.Exact:
                Exact(expected, part, at, differences);
                break;
            case ExpectationKind.Subset:
                Subset(expected, part, at, differences);
                break;
            case ExpectationKind.Shape:
                Shape(expected, part, at, differences);
                break;
            case ExpectationKind.Range:
                return Range(expected, part, at);
            case ExpectationKind.Pattern:
                return Pattern(expected, part, at);
            case ExpectationKind.Contains when expected.ValueKind is JsonValueKind.String:
                return TextOf(part).Contains(expected.GetString()!, StringComparison.OrdinalIgnoreCase)
                    ? OutcomeComparison.Matched
                    : OutcomeComparison.CannotTell("the expected words are not in the text, which may say the same in others");
            default:
                return OutcomeComparison.CannotTell("what is expected cannot be read");
        }

        return differences is { Found.Count: 0, LeftOut: { } place }
            ? OutcomeComparison.CannotTell($"what is expected of {(place.Length == 0 ? "the result" : ProcedureText.Shortened(place, 100))} is secret and was not stored, so not all of it could be compared")
            : OutcomeComparison.Of(differences.Found);
    }

    private static OutcomeComparison Range(JsonElement expected, JsonElement part, string at) => NumericRange.Parse(expected, out var fault) is { } range
        ? OutcomeComparison.Of(range.Holds(part) ? [] : [new OutcomeDifference { Pointer = at, Found = part, ExpectedWords = range.ToString() }])
        : OutcomeComparison.CannotTell(fault!);

    private static OutcomeComparison Pattern(JsonElement expected, JsonElement part, string at)
    {
        if (OutcomePattern.Parse(expected, out var fault) is not { } pattern)
        {
            return OutcomeComparison.CannotTell(fault!);
        }

        if (RedactionMarker.IsIn(expected))
        {
            // As an expression it would be a class of letters.
            return OutcomeComparison.CannotTell("the pattern held a secret that was not stored");
        }

        // Null has no text: whoever expects some did not get any.
        return (part.ValueKind is JsonValueKind.Null ? false : OutcomePattern.IsMatch(pattern, TextOf(part))) switch
        {
            true => OutcomeComparison.Matched,
            false => OutcomeComparison.Of([new OutcomeDifference { Pointer = at, Found = part, ExpectedWords = $"text that matches {expected.GetString()}" }]),
            null => OutcomeComparison.CannotTell("looking for the pattern in this text takes too long"),
        };
    }

    private static void Exact(JsonElement expected, JsonElement actual, string pointer, DifferenceList differences)
    {
        if (differences.IsFull || differences.LeavesOut(expected, pointer))
        {
            return;
        }

        if (expected.ValueKind is JsonValueKind.Object && actual.ValueKind is JsonValueKind.Object)
        {
            MembersOf(expected, actual, pointer, differences, Exact);
            var known = new MemberIndex(expected);
            foreach (var extra in actual.EnumerateObject().Where(m => !known.TryGet(m.Name, out _)))
            {
                differences.Add(new OutcomeDifference { Pointer = JsonPointer.Append(pointer, extra.Name), Found = extra.Value });
            }
        }
        else if (expected.ValueKind is JsonValueKind.Array && actual.ValueKind is JsonValueKind.Array && expected.GetArrayLength() == actual.GetArrayLength())
        {
            ElementsOf(expected, actual, pointer, differences, Exact);
        }
        else
        {
            Scalar(expected, actual, pointer, differences);
        }
    }

    private static void Subset(JsonElement expected, JsonElement actual, string pointer, DifferenceList differences)
    {
        if (differences.IsFull || differences.LeavesOut(expected, pointer))
        {
            return;
        }

        if (expected.ValueKind is JsonValueKind.Object && actual.ValueKind is JsonValueKind.Object)
        {
            MembersOf(expected, actual, pointer, differences, Subset);
        }
        else if (expected.ValueKind is JsonValueKind.Array && actual.ValueKind is JsonValueKind.Array)
        {
            if (FirstWithoutMatch(expected, actual, pointer, differences) is not { } missing)
            {
                return;
            }

            if (expected.GetArrayLength() == actual.GetArrayLength())
            {
                // As many as expected: what differs in each tells more than that one is missing.
                ElementsOf(expected, actual, pointer, differences, Subset);
            }
            else
            {
                differences.Add(new OutcomeDifference { Pointer = pointer, Found = actual, ExpectedWords = $"an element like {missing.GetRawText()}, in the order given" });
            }
        }
        else
        {
            Scalar(expected, actual, pointer, differences);
        }
    }

    /// <summary>
    /// The first expected element that no element of the list is left for, each taken in order. The earliest that fits is taken: a later one would leave fewer for the rest.
    /// </summary>
    private static JsonElement? FirstWithoutMatch(JsonElement expected, JsonElement actual, string pointer, DifferenceList differences)
    {
        var rest = actual.EnumerateArray();
        foreach (var wanted in expected.EnumerateArray())
        {
            var found = false;
            while (!found && rest.MoveNext())
            {
                var probe = new DifferenceList(1);
                Subset(wanted, rest.Current, "", probe);
                found = probe.Found.Count == 0;
                if (found)
                {
                    differences.LeftOut ??= probe.LeftOut is null ? null : pointer;
                }
            }

            if (!found)
            {
                return wanted;
            }
        }

        return null;
    }

    private static void MembersOf(JsonElement expected, JsonElement actual, string pointer, DifferenceList differences, Action<JsonElement, JsonElement, string, DifferenceList> compare)
    {
        var members = new MemberIndex(actual);
        foreach (var member in expected.EnumerateObject())
        {
            var at = JsonPointer.Append(pointer, member.Name);
            if (members.TryGet(member.Name, out var other))
            {
                compare(member.Value, other, at, differences);
            }
            else
            {
                differences.Add(new OutcomeDifference { Pointer = at, Expected = member.Value });
            }

            if (differences.IsFull)
            {
                return;
            }
        }
    }

    private static void ElementsOf(JsonElement expected, JsonElement actual, string pointer, DifferenceList differences, Action<JsonElement, JsonElement, string, DifferenceList> compare)
    {
        var index = 0;
        foreach (var (first, second) in expected.EnumerateArray().Zip(actual.EnumerateArray()))
        {
            compare(first, second, JsonPointer.Append(pointer, index++), differences);
            if (differences.IsFull)
            {
                return;
            }
        }
    }

    private static void Scalar(JsonElement expected, JsonElement actual, string pointer, DifferenceList differences)
    {
        var equal = expected.ValueKind == actual.ValueKind && expected.ValueKind switch
        {
            JsonValueKind.Number => JsonNumber.Compare(expected, actual) == 0,
            JsonValueKind.String => actual.ValueEquals(expected.GetString()),
            JsonValueKind.Object or JsonValueKind.Array => false,
            _ => true,
        };
        if (!equal)
        {
            differences.Add(new OutcomeDifference { Pointer = pointer, Found = actual, Expected = expected });
        }
    }

    private static void Shape(JsonElement schema, JsonElement value, string pointer, DifferenceList differences)
    {
        if (differences.IsFull || schema.ValueKind is not JsonValueKind.Object)
        {
            return;
        }

        if (schema.TryGetProperty("type", out var type) && !IsOfType(type, value))
        {
            differences.Add(new OutcomeDifference { Pointer = pointer, Found = value, ExpectedWords = type.ValueKind is JsonValueKind.String ? type.GetString() : type.GetRawText() });
            return;
        }

        if (schema.TryGetProperty("const", out var constant))
        {
            var before = differences.Found.Count;
            Exact(constant, value, pointer, differences);
            if (differences.Found.Count > before)
            {
                return;
            }
        }

        if (value.ValueKind is JsonValueKind.Object)
        {
            ShapeOfMembers(schema, value, pointer, differences);
        }
        else if (value.ValueKind is JsonValueKind.Array && schema.TryGetProperty("items", out var items))
        {
            var index = 0;
            foreach (var item in value.EnumerateArray())
            {
                Shape(items, item, JsonPointer.Append(pointer, index++), differences);
                if (differences.IsFull)
                {
                    return;
                }
            }
        }
    }

    private static void ShapeOfMembers(JsonElement schema, JsonElement value, string pointer, DifferenceList differences)
    {
        var members = new MemberIndex(value);
        if (schema.TryGetProperty("required", out var required) && required.ValueKind is JsonValueKind.Array)
        {
            foreach (var name in required.EnumerateArray().Where(n => n.ValueKind is JsonValueKind.String && !members.TryGet(n.GetString()!, out _)))
            {
                differences.Add(new OutcomeDifference { Pointer = JsonPointer.Append(pointer, name.GetString()!) });
            }
        }

        if (schema.TryGetProperty("properties", out var properties) && properties.ValueKind is JsonValueKind.Object)
        {
            foreach (var property in properties.EnumerateObject())
            {
                if (members.TryGet(property.Name, out var member))
                {
                    Shape(property.Value, member, JsonPointer.Append(pointer, property.Name), differences);
                }
            }
        }
    }

    /// <summary>The text of a value: a string as it is, anything else as JSON in one spelling.</summary>
    private static string TextOf(JsonElement value) => value.ValueKind is JsonValueKind.String ? value.GetString()! : Json.Build(value.WriteTo).GetRawText();

    private static bool IsRedacted(JsonElement value) => RedactionMarker.Is(value);

    private static bool HoldsRedacted(JsonElement value) => RedactionMarker.IsIn(value);

    private static bool IsOfType(JsonElement type, JsonElement value) => type.ValueKind switch
    {
        JsonValueKind.String => type.GetString() is var word && (word == TypeWord(value) || (word == "integer" && Json.TypeOf(value) is JsonType.Integer)),
        JsonValueKind.Array => type.EnumerateArray().Any(t => IsOfType(t, value)),
        _ => true,
    };

    /// <summary>The type of a value as a word; whole and broken numbers are one type, since a price is both.</summary>
    private static string TypeWord(JsonElement value) => Json.TypeOf(value) is var type && type is JsonType.Integer ? "number" : Json.Word(Json.TypeOf(value));

    /// <summary>Collects differences, up to as many as are told.</summary>
    private sealed class DifferenceList(int most)
    {
        public List<OutcomeDifference> Found { get; } = [];

        /// <summary>A place where nothing could be compared, since what was expected there was secret.</summary>
        public string? LeftOut { get; set; }

        public bool IsFull => Found.Count >= most;

        public bool LeavesOut(JsonElement expected, string pointer)
        {
            if (!HoldsRedacted(expected))
            {
                return false;
            }

            LeftOut ??= pointer;
            return true;
        }

        public void Add(OutcomeDifference difference)
        {
            if (!IsFull)
            {
                Found.Add(difference);
            }
        }
    }
}
