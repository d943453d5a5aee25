using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>Inputs that the caller of a recording knew by name, and those whose values were not kept.</summary>
internal sealed partial class SourceFinder
{
    /// <summary>
    /// The sources of a value that was not kept, the likeliest first. A secret that an earlier step gave comes from there, since within a recording equal secrets have equal marks; only one that no step
    /// gave has to be given.
    /// </summary>
    public IReadOnlyList<Hypothesis> FindWithheld(Position position)
    {
        if (position.Values.Any(Distill.Withheld.IsComparable))
        {
            // What is always left out of a call, or new, has to be given, and then it is told by its name which input it is.
            if (Find(position).Where(h => !h.IsNewInput).ToList() is { Count: > 0 } found)
            {
                return found;
            }

            if (!position.IsSometimesAbsent && Compose(position) is { Count: > 0 } composed)
            {
                return composed;
            }
        }

        return [Withheld(position)];
    }

    /// <summary>The input for a value that was not kept, and that nothing else gives: where it cannot be compared, the name of the input, or else the argument of the action, tells which.</summary>
    public Hypothesis Withheld(Position position)
    {
        if (NamingRow(position) is { } row && _aligned.Traces[row.Trace].Inputs.EnumerateObject().Where(i => Distill.Withheld.Is(i.Value) && !Distill.Withheld.AreDifferent(i.Value, position.Values[row.Index]) && FieldName.Similarity(i.Name, position.Name) >= 1).Select(i => i.Name).FirstOrDefault() is { } name)
        {
            return new Hypothesis(SourceKind.Input, $"$inputs.{name}", [Evidence.Named, Evidence.Withheld], () =>
            {
                UseNamed(name, position);
                return new ValueSource(position, SourceKind.Input, new InputReference(name));
            });
        }

        var known = _withheld.Find(s => s.First.Description == position.Description && Distill.Withheld.IsSecret(s.First.Values[0]) == Distill.Withheld.IsSecret(position.Values[0]) && !(s.SeenFrom(position) is { } seen && seen.Zip(position.Values).Any(p => Distill.Withheld.AreDifferent(p.First, p.Second))));
        return known is not null
            ? Shared(position, known, known.Expression, Evidence.Withheld)
            : new Hypothesis(SourceKind.Input, $"$inputs.{_inputs.FreeName(position.Label)}", [Evidence.Withheld], () =>
            {
                if (!position.IsPerTrace)
                {
                    // Every round had another secret: one input cannot give them.
                    UnexplainedLoops.Add(position.Call.Loop);
                }

                _withheld.Add(new ValueSource(position, SourceKind.Input, _inputs.Declare(position)));
                return _withheld[^1];
            })
            {
                IsNewInput = true,
            };
    }

    /// <summary>Whether the caller named the value.</summary>
    public bool IsNamedByCaller(Position position) => Named(position).Count > 0;

    /// <summary>Named inputs that have the value in every trace that names inputs, the likeliest first: of the same name, then not yet used, then used last.</summary>
    private List<Hypothesis> Named(Position position)
    {
        if (NamingRow(position) is not { } row)
        {
            return [];
        }

        var found = new List<(Place Place, ValueExpression Expression, double Similarity, int LastUse)>();
        var places = _named[row.Trace].Find(position.Values[row.Index]);
        if (places.Count == 0)
        {
            // Values that tell nothing are not looked up; there the name alone says it.
            places = [.. _aligned.Traces[row.Trace].Inputs.EnumerateObject().Where(i => ValueKey.Of(i.Value) is null && FieldName.Similarity(i.Name, position.Name) >= 1).Select(i => new Place(-1, [i.Name], i.Value))];
        }

        foreach (var place in places)
        {
            var name = place.Tokens[0];
            var values = NamedValues(place, position, orOwn: true)!;
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

    /// <summary>Takes up an input that the caller named.</summary>
    public void UseNamed(string name, Position position) =>
        _inputs.UseNamed(name, [.. _aligned.Traces.Where(t => t.Inputs.TryGetProperty(name, out _)).Select(t => t.Inputs.GetProperty(name))], position);

    /// <summary>The first of a position's traces that names inputs. What one trace does not show of the names, another cannot add.</summary>
    private (int Trace, int Index)? NamingRow(Position position) => NamingRow(position.Call);

    private (int Trace, int Index)? NamingRow(AlignedStep step)
    {
        for (var i = 0; i < step.Rows.Count; i++)
        {
            if (_aligned.Traces[step.Rows[i].Trace].Inputs.EnumerateObject().Any())
            {
                return (step.Rows[i].Trace, i);
            }
        }

        return null;
    }

    /// <summary>What an input, or a part of one, was in each row of a position. A trace that names none does not contradict; there the values of the position are taken.</summary>
    private List<JsonElement>? NamedValues(Place place, Position position, bool orOwn = false)
    {
        var values = new List<JsonElement>();
        for (var i = 0; i < position.Values.Count; i++)
        {
            var inputs = _aligned.Traces[position.Call.Rows[i].Trace].Inputs;
            if (JsonPointer.TryResolve(inputs, place.Pointer, out var value))
            {
                values.Add(value);
            }
            else if (orOwn)
            {
                values.Add(inputs.EnumerateObject().Any() ? Json.Null : position.Values[i]);
            }
            else
            {
                return null;
            }
        }

        return values;
    }
}
