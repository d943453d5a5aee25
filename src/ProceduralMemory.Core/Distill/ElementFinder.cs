using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>A list, or an object whose names of members are data, that a place is in.</summary>
/// <param name="Pointer">Where it is in the result.</param>
/// <param name="Value">The list or the object.</param>
/// <param name="Element">The element or member that the place is in.</param>
/// <param name="Inner">What leads from that to the place.</param>
/// <param name="TakesName">Whether the place is the member's name.</param>
internal sealed record Surrounding(string Pointer, JsonElement Value, JsonElement Element, string Inner, bool TakesName)
{
    public bool IsObject => Value.ValueKind is JsonValueKind.Object;

    public bool IsSeveral => IsObject ? Value.EnumerateObject().Skip(1).Any() : Value.GetArrayLength() > 1;

    /// <summary>The elements of a list, or the members of an object with their names.</summary>
    public static IEnumerable<(string? Name, JsonElement Value)> ElementsOf(JsonElement value) => value.ValueKind is JsonValueKind.Object
        ? value.EnumerateObject().Select(m => ((string?)m.Name, m.Value))
        : value.EnumerateArray().Select(e => ((string?)null, e));
}

/// <summary>
/// Finds elements of lists, and members of objects, that are chosen by a field and not by their place or name: in an earlier result the one element whose field has a
/// value that the procedure knows, such as the item of the name that the request says.
/// </summary>
internal sealed class ElementFinder(TraceAlignment aligned, SourceFinder sources)
{
    private const int MaxPlaces = 8;
    private const int MaxFields = 32;
    private const int MaxFieldDepth = 2;
    // In bits: a word of three letters is enough, since the request has to say it, and no other element may.
    private const double EnoughToChooseBy = 7;

    /// <summary>The lists, and the objects with data for names, that a place is in, the innermost first.</summary>
    public IReadOnlyList<Surrounding> Around(Place place, Position position)
    {
        if (aligned.Steps[place.Step].SeenFrom(position.Call.Rows[0], position.Call.Loop)?.Result is not { } value)
        {
            return [];
        }

        // What a loop gave is an object by the ids of its steps.
        var named = aligned.Steps[place.Step].Role is AlignedRole.Call;
        var found = new List<Surrounding>();
        var pointer = "";
        for (var i = 0; i < place.Tokens.Count; i++)
        {
            if (!JsonPointer.TryResolve(value, JsonPointer.Append("", place.Tokens[i]), out var element))
            {
                break;
            }

            var isName = place.IsName && i == place.Tokens.Count - 1;
            if (value.ValueKind is JsonValueKind.Array || (named && (MemberNames.AreData(value) || (isName && position is { Traces: > 1, IsEqual: false }))))
            {
                found.Add(new Surrounding(pointer, value, element, place.Tokens.Skip(i + 1).Aggregate("", JsonPointer.Append), isName));
            }

            pointer = JsonPointer.Append(pointer, place.Tokens[i]);
            value = element;
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
            var all = Around(place, position);
            foreach (var around in all.Where(a => a.IsSeveral && a.TakesName == place.IsName && !(a.IsObject && IsUnderAnId(a, all, position))))
            {
                if (ElementsWith(place.Step, around, position) is { } chosen
                    && Choose(position, place.Step, around, chosen) is { } hypothesis
                    && !found.Exists(h => h.Template == hypothesis.Template))
                {
                    found.Add(hypothesis);
                }
            }
        }

        return found;
    }

    /// <summary>Whether the way to an object leads through the name of a member that will be another the next time, as far as one recording tells.</summary>
    private static bool IsUnderAnId(Surrounding around, IReadOnlyList<Surrounding> all, Position position) =>
        position.Traces == 1 && all.Any(a => a.IsObject && a.Pointer.Length < around.Pointer.Length);

    private Hypothesis? Choose(Position position, int step, Surrounding around, List<(JsonElement List, JsonElement Element)> chosen)
    {
        var keys = FieldsOf(chosen[0].Element, "", MaxFieldDepth)
            .Take(MaxFields)
            .Where(f => around.TakesName || f != around.Inner)
            .Select(f => (Field: f, Values: ValuesOf(f, chosen)))
            .Where(f => f.Values is not null && !f.Values.Exists(Withheld.Is) && !ValueMatch.AreEqual(f.Values, position.Values))
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
            Reference(field, match is null ? accept() : ValueExpression.Parse(match)).ToString()!,
            [Evidence.ResultOf(stepId), .. around.TakesName ? [Evidence.NameOfMember] : Array.Empty<string>(), Evidence.ChosenBy(name), .. evidence],
            () => new ValueSource(position, SourceKind.Binding, Reference(field, accept())));

        ValueExpression Reference(string field, ValueExpression match)
        {
            var reference = new ElementReference(stepId, around.Pointer, field, match, around.Inner, around.TakesName);
            return around.TakesName && position.Values[0].ValueKind is JsonValueKind.Number ? new ConvertedValue(reference, ValueConversion.ToNumber) : reference;
        }
    }

    /// <summary>In each trace the list or object and its one element that holds the position's value, or has it for a name; <see langword="null"/> where one has none or several.</summary>
    private List<(JsonElement List, JsonElement Element)>? ElementsWith(int step, Surrounding around, Position position)
    {
        var chosen = new List<(JsonElement, JsonElement)>();
        for (var i = 0; i < position.Values.Count; i++)
        {
            var value = position.Values[i];
            if (aligned.Steps[step].SeenFrom(position.Call.Rows[i], position.Call.Loop)?.Result is not { } result
                || !JsonPointer.TryResolve(result, around.Pointer, out var elements)
                || elements.ValueKind != around.Value.ValueKind
                || (around.TakesName && value.ValueKind != position.Values[0].ValueKind))
            {
                return null;
            }

            var wanted = ValueExpression.AsText(value);
            var holding = Surrounding.ElementsOf(elements)
                .Where(e => around.TakesName ? e.Name == wanted : JsonPointer.TryResolve(e.Value, around.Inner, out var part) && Json.AreEqual(part, value))
                .Take(2)
                .ToList();
            if (holding.Count != 1 || holding[0].Value.ValueKind is not JsonValueKind.Object)
            {
                return null;
            }

            chosen.Add((elements, holding[0].Value));
        }

        return Json.AreEqual(chosen[0].Item2, around.Element) ? chosen : null;
    }

    private static IEnumerable<string> FieldsOf(JsonElement element, string pointer, int depthLeft)
    {
        foreach (var member in element.EnumerateObject().Where(m => !RedactionMarker.IsIn(m)))
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
        && Surrounding.ElementsOf(c.List).Count(e => JsonPointer.TryResolve(e.Value, field, out var value) && Json.AreEqual(value, wanted)) == 1);
}
