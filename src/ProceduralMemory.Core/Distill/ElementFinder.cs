using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// Finds elements of lists that are chosen by a field and not by their place: of a list in an earlier result the one element whose field has a value that the procedure
/// knows, such as the item of the name that the request says.
/// </summary>
internal sealed class ElementFinder(TraceAlignment aligned, SourceFinder sources)
{
    private const int MaxPlaces = 8;
    private const int MaxFields = 32;
    private const int MaxFieldDepth = 2;
    private const double EnoughToChooseBy = 8;

    /// <summary>The lists that a place is in, the innermost first, with what leads from the element to the place.</summary>
    public IEnumerable<(string Pointer, JsonElement List, int Index, string Inner)> ListsAround(Place place, Position position)
    {
        if (aligned.Steps[place.Step].SeenFrom(position.Call.Rows[0], position.Call.Loop)?.Result is not { } value)
        {
            return [];
        }

        var found = new List<(string, JsonElement, int, string)>();
        var pointer = "";
        for (var i = 0; i < place.Tokens.Count; i++)
        {
            if (value.ValueKind is JsonValueKind.Array)
            {
                found.Add((pointer, value, int.Parse(place.Tokens[i], CultureInfo.InvariantCulture), place.Tokens.Skip(i + 1).Aggregate("", JsonPointer.Append)));
            }

            pointer = JsonPointer.Append(pointer, place.Tokens[i]);
            if (!JsonPointer.TryResolve(value, JsonPointer.Append("", place.Tokens[i]), out value))
            {
                break;
            }
        }

        found.Reverse();
        return found;
    }

    /// <summary>The choices that lead to a position's value in every trace, of the places given.</summary>
    public IReadOnlyList<Hypothesis> Find(Position position, IReadOnlyList<Place> places)
    {
        var found = new List<Hypothesis>();
        foreach (var place in places.Where(p => aligned.Steps[p.Step].Role is AlignedRole.Call).Take(MaxPlaces))
        {
            foreach (var (list, elements, index, rest) in ListsAround(place, position))
            {
                if (elements.GetArrayLength() < 2 || ElementsWith(place.Step, list, rest, position, elements[index]) is not { } chosen)
                {
                    continue;
                }

                if (Choose(position, place.Step, list, rest, chosen) is { } hypothesis && !found.Exists(h => h.Template == hypothesis.Template))
                {
                    found.Add(hypothesis);
                }
            }
        }

        return found;
    }

    private Hypothesis? Choose(Position position, int step, string list, string rest, List<(JsonElement List, JsonElement Element)> chosen)
    {
        var keys = FieldsOf(chosen[0].Element, "", MaxFieldDepth)
            .Take(MaxFields)
            .Where(f => f != rest)
            .Select(f => (Field: f, Values: ValuesOf(f, chosen)))
            .Where(f => f.Values is not null && !ValueMatch.AreEqual(f.Values, position.Values))
            .Select(f => (f.Field, Key: position.Beside(JsonPointer.Tokens(f.Field).LastOrDefault() ?? position.Name, f.Values!)))
            .Where(f => f.Key.Specificity >= EnoughToChooseBy && AreUnique(f.Field, chosen))
            .ToList();
        var stepId = aligned.Steps[step].Id;
        foreach (var (field, key) in keys)
        {
            // By what it says itself an element cannot be chosen.
            if (sources.Known(key) is { } known && !known.Template.StartsWith($"$steps.{stepId}.", StringComparison.Ordinal))
            {
                return Chosen(field, key.Name, known.Template, known.Evidence, () =>
                {
                    var match = known.Accept();
                    sources.Remember(match.First, match);
                    return match.Expression!;
                });
            }
        }

        // Several recordings show that it was the same kind of element every time. One that is chosen by an id was the same element, and will be another.
        return position.Traces > 1 && keys.Find(k => k.Key.IsEqual && !ValueKey.IsIdentifier(k.Key.Values[0], k.Key.Name)) is { Key: { } same } constant
            ? Chosen(constant.Field, same.Name, null, [Evidence.EqualInAll], () => new LiteralValue(same.Values[0]))
            : null;

        Hypothesis Chosen(string field, string name, string? match, IReadOnlyList<string> evidence, Func<ValueExpression> accept) => new(
            SourceKind.Binding,
            new ElementReference(stepId, list, field, match is null ? accept() : ValueExpression.Parse(match), rest).ToString(),
            [Evidence.ResultOf(stepId), Evidence.ChosenBy(name), .. evidence],
            () => new ValueSource(position, SourceKind.Binding, new ElementReference(stepId, list, field, accept(), rest)));
    }

    /// <summary>In each trace the list and its one element that holds the position's value; <see langword="null"/> where one has none or several.</summary>
    private List<(JsonElement List, JsonElement Element)>? ElementsWith(int step, string list, string rest, Position position, JsonElement first)
    {
        var chosen = new List<(JsonElement, JsonElement)>();
        for (var i = 0; i < position.Values.Count; i++)
        {
            if (aligned.Steps[step].SeenFrom(position.Call.Rows[i], position.Call.Loop)?.Result is not { } result || !JsonPointer.TryResolve(result, list, out var elements) || elements.ValueKind is not JsonValueKind.Array)
            {
                return null;
            }

            var value = position.Values[i];
            var holding = elements.EnumerateArray().Where(e => JsonPointer.TryResolve(e, rest, out var part) && JsonElement.DeepEquals(part, value)).Take(2).ToList();
            if (holding.Count != 1 || holding[0].ValueKind is not JsonValueKind.Object)
            {
                return null;
            }

            chosen.Add((elements, holding[0]));
        }

        return JsonElement.DeepEquals(chosen[0].Item2, first) ? chosen : null;
    }

    private static IEnumerable<string> FieldsOf(JsonElement element, string pointer, int depthLeft)
    {
        foreach (var member in element.EnumerateObject())
        {
            var field = JsonPointer.Append(pointer, member.Name);
            if (member.Value.ValueKind is JsonValueKind.String or JsonValueKind.Number)
            {
                yield return field;
            }
            else if (member.Value.ValueKind is JsonValueKind.Object && depthLeft > 1)
            {
                foreach (var inner in FieldsOf(member.Value, field, depthLeft - 1))
                {
                    yield return inner;
                }
            }
        }
    }

    private static List<JsonElement>? ValuesOf(string field, List<(JsonElement List, JsonElement Element)> chosen)
    {
        var values = new List<JsonElement>();
        foreach (var (_, element) in chosen)
        {
            if (!JsonPointer.TryResolve(element, field, out var value))
            {
                return null;
            }

            values.Add(value);
        }

        return values;
    }

    private static bool AreUnique(string field, List<(JsonElement List, JsonElement Element)> chosen) => chosen.TrueForAll(c =>
        JsonPointer.TryResolve(c.Element, field, out var wanted)
        && c.List.EnumerateArray().Count(e => JsonPointer.TryResolve(e, field, out var value) && JsonElement.DeepEquals(value, wanted)) == 1);
}
