using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>Inputs that the caller of a recording knew by name, and those whose values were not kept.</summary>
internal sealed partial class SourceFinder
{
    /// <summary>The input for a value that was not kept. It cannot be compared, so the name of the input, or else the argument of the action, tells.</summary>
    public Hypothesis Withheld(Position position)
    {
        if (IsNamed && _aligned.Traces[_namedTrace].Inputs.EnumerateObject().Where(i => Distill.Withheld.Is(i.Value) && FieldName.Similarity(i.Name, position.Name) >= 1).Select(i => i.Name).FirstOrDefault() is { } name)
        {
            return new Hypothesis(SourceKind.Input, $"$inputs.{name}", [Evidence.Named, Evidence.Withheld], () =>
            {
                UseNamed(name, position);
                return new ValueSource(position, SourceKind.Input, new InputReference(name));
            });
        }

        var known = _withheld.Find(s => s.First.Description == position.Description && Distill.Withheld.IsSecret(s.First.Values[0]) == Distill.Withheld.IsSecret(position.Values[0]));
        return known is not null
            ? Shared(position, known, known.Expression, Evidence.Withheld)
            : new Hypothesis(SourceKind.Input, $"$inputs.{_inputs.FreeName(position.Name)}", [Evidence.Withheld], () =>
            {
                _withheld.Add(new ValueSource(position, SourceKind.Input, _inputs.Declare(position)));
                return _withheld[^1];
            });
    }

    /// <summary>Whether the caller named the value.</summary>
    public bool IsNamedByCaller(Position position) => Named(position).Count > 0;

    /// <summary>Named inputs that have the value in every trace that names inputs, the likeliest first: of the same name, then not yet used, then used last.</summary>
    private List<Hypothesis> Named(Position position)
    {
        if (!IsNamed)
        {
            return [];
        }

        var found = new List<(Place Place, ValueExpression Expression, double Similarity, int LastUse)>();
        var places = _named.Find(position.Values[_namedTrace]);
        if (places.Count == 0)
        {
            // Values that tell nothing are not looked up; there the name alone says it.
            places = [.. _aligned.Traces[_namedTrace].Inputs.EnumerateObject().Where(i => ValueKey.Of(i.Value) is null && FieldName.Similarity(i.Name, position.Name) >= 1).Select(i => new Place(-1, [i.Name], i.Value))];
        }

        foreach (var place in places)
        {
            var name = place.Tokens[0];
            var values = NamedValues(place, position.Values)!;
            var pointer = place.Tokens.Skip(1).Aggregate("", JsonPointer.Append);
            if (ValueExpression.IsName(name) && ValueMatch.Between(new InputReference(name, pointer), values, position.Values) is { } expression)
            {
                found.Add((place, expression, FieldName.Similarity(position.Name, place.Field), _lastUseOfName.GetValueOrDefault(name)));
            }
        }

        // A short value that was called otherwise is equal by chance.
        return
        [
            .. found
                .Where(f => f.Similarity >= 1 || position.Specificity + (WorthOfAName * f.Similarity) >= EnoughToTakeByName)
                .OrderBy(f => f.Expression is not InputReference)
                .ThenByDescending(f => f.Similarity)
                .ThenBy(f => f.LastUse > 0)
                .ThenByDescending(f => f.LastUse)
                .Select(f => new Hypothesis(
                    SourceKind.Input,
                    f.Expression.ToString()!,
                    f.Similarity >= 1 ? [Evidence.Named, Evidence.SameName] : [Evidence.Named],
                    () =>
                    {
                        UseNamed(f.Place.Tokens[0], position);
                        return new ValueSource(position, f.Expression is InterpolatedText ? SourceKind.Composed : SourceKind.Input, f.Expression);
                    })),
        ];
    }

    private void UseNamed(string name, Position position) =>
        _inputs.UseNamed(name, [.. _aligned.Traces.Where(t => t.Inputs.TryGetProperty(name, out _)).Select(t => t.Inputs.GetProperty(name))], position);

    /// <summary>What an input, or a part of one, was in each trace. A trace that names none does not contradict; there the values of the position are taken.</summary>
    private List<JsonElement>? NamedValues(Place place, IReadOnlyList<JsonElement>? otherwise = null)
    {
        var values = new List<JsonElement>();
        for (var i = 0; i < _aligned.Traces.Count; i++)
        {
            if (JsonPointer.TryResolve(_aligned.Traces[i].Inputs, place.Pointer, out var value))
            {
                values.Add(value);
            }
            else if (otherwise is not null)
            {
                values.Add(_aligned.Traces[i].Inputs.EnumerateObject().Any() ? Json.Null : otherwise[i]);
            }
            else
            {
                return null;
            }
        }

        return values;
    }
}
