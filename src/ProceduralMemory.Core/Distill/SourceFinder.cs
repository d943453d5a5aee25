using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// Finds the sources of a position that agree with every trace, the likeliest first. A value comes from where it first stood: what the caller named, then what the
/// request says, then arguments and results in the order in which they came; of two values that an argument gave and a result merely repeats, it is the
/// argument's. What is left is put together of such values, is the same in every trace, or has to be given.
/// </summary>
internal sealed partial class SourceFinder
{
    // In bits: a value that tells less than this more than the number of values it was found among is equal by chance.
    private const double EnoughToBind = 1.5;
    private const double EnoughToShare = 8;
    private const double EnoughToTakeByName = 4;
    private const double WorthOfAName = 5;
    private const int MaxPlacesTried = 16;
    private const int WordsOfProse = 4;
    private const int RecordingsThatShowAPlace = 3;

    private readonly TraceAlignment _aligned;
    private readonly InputRegistry _inputs;
    private readonly ParameterSchemas _schemas;
    // By trace: a value is looked up as it was in the first trace that has the position.
    private readonly Dictionary<int, ValueIndex> _named = [];
    private readonly Dictionary<int, ValueIndex> _results = [];
    private readonly Dictionary<string, List<ValueSource>> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _lastUseOfName = new(StringComparer.Ordinal);
    private readonly ElementFinder _elements;
    private readonly TextComposer _texts;
    private readonly List<ValueSource> _withheld = [];
    private int _uses;

    public SourceFinder(TraceAlignment aligned, InputRegistry inputs, ParameterSchemas schemas)
    {
        (_aligned, _inputs, _schemas) = (aligned, inputs, schemas);
        _elements = new ElementFinder(aligned, this);
        _texts = new TextComposer(this);
        foreach (var step in aligned.Steps)
        {
            Want(step.Calls[0].Arguments, IndexOf(_results, step.Rows[0].Trace));
            if (NamingRow(step) is { } row)
            {
                Want(step.Calls[row.Index].Arguments, IndexOf(_named, row.Trace));
            }
        }

        foreach (var (trace, index) in _named)
        {
            index.Add(-1, aligned.Traces[trace].Inputs);
        }

        static ValueIndex IndexOf(Dictionary<int, ValueIndex> indexes, int trace) => indexes.TryGetValue(trace, out var index) ? index : indexes[trace] = new ValueIndex();

        static void Want(JsonElement arguments, ValueIndex index)
        {
            index.Want(arguments);
            TextComposer.Want(arguments, index);
        }
    }

    /// <summary>Whether the caller of some recording named its inputs: then what it did not name is none.</summary>
    public bool IsNamed => _named.Count > 0;

    /// <summary>The loops in which a value is different from round to round and comes from nowhere: they cannot be replayed as loops.</summary>
    public HashSet<int> UnexplainedLoops { get; } = [];

    /// <summary>Makes a step's results known to those after it.</summary>
    public void AddResult(int step)
    {
        foreach (var (trace, index) in _results)
        {
            if (_aligned.Steps[step].FirstIn(trace)?.Result is { } result)
            {
                index.Add(step, result);
            }
        }
    }

    /// <summary>Remembers what a position takes its value from, for others with the same value.</summary>
    public void Remember(Position position, ValueSource source)
    {
        if (ReferenceEquals(source.First, position) && !position.Values.Any(v => Distill.Withheld.Is(v) && !Distill.Withheld.IsComparable(v)))
        {
            foreach (var key in KeysOf(position))
            {
                (_known.TryGetValue(key, out var sources) ? sources : _known[key] = []).Add(source);
            }
        }

        if (source.Expression is InputReference input)
        {
            _lastUseOfName[input.Name] = ++_uses;
        }
    }

    /// <summary>The sources of a whole value, the likeliest first; none when it is to be taken apart, composed, constant or an input.</summary>
    public IReadOnlyList<Hypothesis> Find(Position position)
    {
        var found = new List<Hypothesis>();
        found.AddRange(Named(position));
        if (position.IsSometimesAbsent)
        {
            // Whether it is given at all has to be said, so it can come from nowhere but an input.
            return found.Count > 0 ? found : [NewInput(position, Evidence.SometimesAbsent)];
        }

        if (position.IsTrivial)
        {
            return found.Count > 0 && found[0].Evidence.Contains(Evidence.SameName) ? found : [];
        }

        var earlier = Candidates(position).ToList();
        // What a result merely repeats is not from there, even where it is too common a value to say from which argument it is.
        var heldSince = earlier.Where(e => ReferenceEquals(e.Expression, e.Source.Expression)).Select(e => e.Source.First.Step).DefaultIfEmpty(int.MaxValue).Min();
        var results = Results(position).Where(r => r.Place.Step < heldSince).ToList();
        var shared = earlier.Where(e => IsSameThing(position, e.Source.First)).Take(1).ToList();
        if (!IsNamed && IsInEveryRequest(position) && !IsWording(position))
        {
            found.Add(shared is [{ Source.Kind: SourceKind.Input } known] ? Shared(position, known.Source, known.Expression, InRequest) : NewInput(position, InRequest));
        }

        // Equal values go before converted ones.
        if (shared is [var first] && (ReferenceEquals(first.Expression, first.Source.Expression) || results is not [{ Expression: StepReference or OnlyElementReference or ItemReference }, ..]))
        {
            found.Add(Shared(position, first.Source, first.Expression));
        }

        IReadOnlyList<Hypothesis> elements = position.Traces > 1 && (position.IsInList || position.IsEqual)
            ? []
            : [.. _elements.Find(position, ResultsOf(position).Find(position.Values[0])), .. _elements.Find(position, ResultsOf(position).FindNames(position.Values[0]))];
        var byPlace = results.Select(r => r.Hypothesis).ToList();
        found.AddRange(results.Count == 0 || results[0].IsOneOfSeveral ? [.. elements, .. byPlace] : [.. byPlace, .. elements]);
        if (found.Count == 0 && !IsNamed && IsInEveryRequest(position, inOtherWords: true) && !IsWording(position))
        {
            found.Add(NewInput(position, InRequest));
        }

        return found;
    }

    /// <summary>The sources of a text that is put together of others.</summary>
    public IReadOnlyList<Hypothesis> Compose(Position position) => _texts.Compose(position);

    /// <summary>What a position that has no other source can be, the likelier first: the same at every replay, or an input.</summary>
    public IReadOnlyList<Hypothesis> Rest(Position position)
    {
        if (!position.IsEqual)
        {
            return [NewInput(position, Evidence.Differs)];
        }

        var constant = new Hypothesis(
            SourceKind.Constant,
            TemplateText.Of(position.Values[0]),
            position.Traces > 1 ? [Evidence.EqualInAll] : [Evidence.InNoOtherPlace],
            () => new ValueSource(position, SourceKind.Constant, null));
        // What names one thing was that thing's every time; the next time it will be another's.
        if (position.Traces > 1 && !IsNamed && !position.IsTrivial && !IsWording(position))
        {
            if (ValueKey.IsIdentifier(position.Values[0], position.Name) && _schemas.Of(position) is not { AllowedValues.Count: > 0 })
            {
                return [NewInput(position, Evidence.Identifier), constant];
            }

            if (IsInSomeRequest(position))
            {
                return [NewInput(position, Evidence.InSomeRequest), constant];
            }
        }

        return [constant];
    }

    /// <summary>A source that is known for the field by which an element is chosen: an input, or an earlier result.</summary>
    public Hypothesis? Known(Position field)
    {
        if (Named(field) is [var named, ..])
        {
            return named;
        }

        foreach (var (source, expression) in Candidates(field))
        {
            if (expression is InputReference or StepReference or ItemReference && source.Kind is not SourceKind.UnconfirmedConstant)
            {
                return Shared(field, source, expression);
            }
        }

        return !IsNamed && IsInEveryRequest(field) ? NewInput(field, InRequest) : null;
    }

    /// <summary>Everything that has the key of a piece of text, with its value in every trace: named inputs, what positions take, results.</summary>
    public IEnumerable<(ValueExpression Expression, IReadOnlyList<JsonElement> Values, Func<ValueExpression> Accept)> Pieces(Position position, string piece)
    {
        foreach (var place in NamingRow(position) is { Index: 0 } row ? _named[row.Trace].Find(piece) : [])
        {
            if (NamedValues(place, position) is { } values && new InputReference(place.Tokens[0], place.Tokens.Skip(1).Aggregate("", JsonPointer.Append)) is var input && ValueExpression.IsName(input.Name))
            {
                yield return (input, values, () => { UseNamed(input.Name, position); return input; });
            }
        }

        if (ValueKey.OfText(piece) is { } key && _known.TryGetValue(key, out var sources))
        {
            foreach (var source in sources.Where(s => s.Kind is SourceKind.Input or SourceKind.Binding && s.Expression is InputReference or StepReference or ElementReference or OnlyElementReference or ItemReference))
            {
                if (source.SeenFrom(position) is { } values)
                {
                    yield return (source.Expression!, values, () => source.Expression!);
                }
            }
        }

        foreach (var place in ResultsOf(position).Find(piece).Where(p => !p.IsInLaterElement))
        {
            if (ValuesAt(place, position) is { } values && ValueKey.Specificity(values[0]) - Math.Log2(1 + ResultsOf(position).Values) >= EnoughToBind + WorthOfAName)
            {
                var result = ReferenceTo(place);
                yield return (result, values, () => result);
            }
        }
    }

    /// <summary>Whether every request names the value of its trace.</summary>
    /// <param name="position">The position.</param>
    /// <param name="inOtherWords">Whether another spelling counts, such as "August 15" for a date.</param>
    public bool IsInEveryRequest(Position position, bool inOtherWords = false) =>
        position.IsPerTrace && position.Call.Rows.Zip(position.Values).All(p => RequestText.MentionsAll(_aligned.Traces[p.First.Trace].Request, p.Second, inOtherWords));

    private bool IsInSomeRequest(Position position) => position.Call.Rows.Zip(position.Values).Any(p => RequestText.MentionsAll(_aligned.Traces[p.First.Trace].Request, p.Second));

    private string InRequest => Evidence.InRequest(_aligned.Traces.Count);

    public Hypothesis NewInput(Position position, string evidence) => new(
        SourceKind.Input, $"$inputs.{_inputs.FreeName(position.Label)}", [evidence], () =>
        {
            if (!position.IsPerTrace)
            {
                UnexplainedLoops.Add(position.Call.Loop);
            }

            return new ValueSource(position, SourceKind.Input, _inputs.Declare(position));
        })
    {
        IsNewInput = true,
    };

    private static IEnumerable<string> KeysOf(Position position) => position.Values.Select(ValueKey.Of).OfType<string>().Distinct(StringComparer.Ordinal);

    private ValueIndex ResultsOf(Position position) => _results[position.Call.Rows[0].Trace];

    private ValueExpression ReferenceTo(Place place) => _aligned.Steps[place.Step] is { Role: AlignedRole.Item } ? new ItemReference(place.Pointer) : new StepReference(_aligned.Steps[place.Step].Id, place.Pointer);

    private IEnumerable<(ValueSource Source, ValueExpression? Expression)> Candidates(Position position)
    {
        // A source of other traces than these is known by the values that it had there.
        foreach (var source in KeysOf(position).SelectMany(k => _known.TryGetValue(k, out var known) ? known : []).Distinct())
        {
            if (source.SeenFrom(position) is not { } values)
            {
                continue;
            }

            if (source.Expression is null || source.Kind is SourceKind.UnconfirmedConstant)
            {
                if (ValueMatch.AreEqual(values, position.Values))
                {
                    yield return (source, source.Expression);
                }
            }
            else if (ValueMatch.Between(source.Expression, values, position.Values) is { } expression)
            {
                yield return (source, expression);
            }
        }
    }

    /// <summary>How much the values of a position tell: one of a few that a function takes no more than which of them it is.</summary>
    private double SpecificityOf(Position position) => _schemas.Of(position) is { AllowedValues.Count: > 0 and var allowed }
        ? Math.Min(position.Specificity, Math.Log2(allowed) * (position.IsEqual ? 1 : position.Values.Count))
        : position.Specificity;

    /// <summary>Whether two positions of equal values have them from one source; values that tell little may be those of different things.</summary>
    private bool IsSameThing(Position position, Position earlier) => SpecificityOf(position) >= EnoughToShare || FieldName.Similarity(earlier.Name, position.Name) >= 1;

    /// <summary>Whether a text that is the same in all recordings is how the task is worded: a sentence, not something that somebody fills in.</summary>
    private static bool IsWording(Position position)
    {
        if (position.Traces == 1 || !position.IsEqual || position.Values[0].ValueKind is not JsonValueKind.String)
        {
            return false;
        }

        var text = position.Values[0].GetString()!.Trim();
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        return words >= WordsOfProse || (words > 1 && text[^1] is '.' or '!' or '?');
    }

    private static Hypothesis Shared(Position position, ValueSource source, ValueExpression? expression, params string[] evidence) => new(
        source.Kind,
        expression?.ToString() ?? TemplateText.Of(source.First.Values[0]),
        [.. evidence, Evidence.SameAs(source.First)],
        () =>
        {
            if (!ReferenceEquals(expression, source.Expression))
            {
                return new ValueSource(position, source.Kind, expression);
            }

            source.Widen(position);
            return source;
        });

    /// <summary>
    /// Places in earlier results that have the values in every trace, and names of members that are the only ones. Those that depend on an order of a list or on an id come
    /// last; then those of earlier steps go first, and of one step values before names, those of a more similar name, then those less deep, then in the order of the document.
    /// </summary>
    private List<(Place Place, bool IsOneOfSeveral, ValueExpression Expression, Hypothesis Hypothesis)> Results(Position position)
    {
        var found = new List<(Place Place, WayTo Way, ValueExpression Expression, double Similarity)>();
        var tried = 0;
        var specificity = SpecificityOf(position);
        var places = ResultsOf(position).Find(position.Values[0]).Concat(ResultsOf(position).FindNames(position.Values[0]));
        foreach (var place in places.Where(p => !IsElementOfLoop(p, position.Call)).OrderBy(p => p.IsInLaterElement).ThenBy(p => p.Step))
        {
            if (++tried > MaxPlacesTried && found.Count > 0)
            {
                break;
            }

            var similarity = FieldName.Similarity(position.Name, place.Field);
            if (WaysTo(place, position).FirstOrDefault(w => w.Matches(position) is not null) is { } way
                && specificity + (WorthOfAName * similarity) - Math.Log2(1 + ResultsOf(position).Values) >= EnoughToBind
                && !IsChance(way.Seen, position))
            {
                found.Add((place, way, way.Matches(position)!, similarity));
            }
        }

        return
        [
            .. found
                .OrderBy(f => f.Way.Seen.IsInLaterElement || f.Way.IsUnderAnId)
                .ThenBy(f => f.Expression is not (StepReference or OnlyElementReference or ItemReference))
                .ThenBy(f => f.Place.Step)
                .ThenBy(f => f.Place.IsName)
                .ThenByDescending(f => f.Similarity)
                .ThenBy(f => f.Place.Tokens.Count)
                .Select(f => (f.Place, f.Way.IsOneOfSeveral, f.Expression, new Hypothesis(
                    f.Expression is InterpolatedText ? SourceKind.Composed : SourceKind.Binding,
                    f.Expression.ToString()!,
                    EvidenceOf(f.Way, f.Place.IsName, f.Similarity, position.Traces),
                    () => new ValueSource(position, f.Expression is InterpolatedText ? SourceKind.Composed : SourceKind.Binding, f.Expression)))),
        ];
    }

    /// <summary>How a place can be referred to, the better way first: under the only member of an object whose names are data, whatever its name; else by the names and indices.</summary>
    private IEnumerable<WayTo> WaysTo(Place place, Position position)
    {
        var around = _elements.Around(place, position);
        List<Surrounding> objects = [.. around.Where(a => a.IsObject)];
        if (objects is [{ IsSeveral: false } only] && only.TakesName == place.IsName
            && ValuesIn(place.Step, position, result => JsonPointer.TryResolve(result, only.Pointer, out var members) && members.ValueKind is JsonValueKind.Object ? OnlyIn(members, only) : null) is { } values)
        {
            var depth = JsonPointer.Tokens(only.Pointer).Count();
            yield return new WayTo(
                new OnlyElementReference(_aligned.Steps[place.Step].Id, only.Pointer, only.Inner, only.TakesName),
                values,
                // It is as good as the first element of a list.
                place with { Tokens = [.. place.Tokens.Take(depth), "0", .. place.Tokens.Skip(depth + 1)], IsName = false },
                position.Traces == 1 && around.Any(a => !a.IsObject && a.IsSeveral))
            {
                IsOnly = true,
            };
        }

        if (!place.IsName && ValuesAt(place, position) is { } fixedly)
        {
            yield return new WayTo(ReferenceTo(place), fixedly, place, place.IsInLaterElement || (position.Traces == 1 && around.Any(a => a.IsSeveral))) { IsUnderAnId = objects.Count > 0 };
        }

        static JsonElement? OnlyIn(JsonElement members, Surrounding only) => members.EnumerateObject().Take(2).ToList() is [var member]
            ? only.TakesName ? Json.String(member.Name) : JsonPointer.TryResolve(member.Value, only.Inner, out var value) ? value : null
            : null;
    }

    /// <summary>A way to refer to a place.</summary>
    /// <param name="Reference">The reference.</param>
    /// <param name="Values">What every row of the position sees there.</param>
    /// <param name="Seen">The place, as it depends on the order of lists.</param>
    /// <param name="IsOneOfSeveral">
    /// Whether it is an element of a list, or a member of an object, by chance, as far as can be told: it is not the first; or there are others, and no second trace has it at
    /// the same place.
    /// </param>
    private sealed record WayTo(ValueExpression Reference, IReadOnlyList<JsonElement> Values, Place Seen, bool IsOneOfSeveral)
    {
        /// <summary>Whether it leads to the only member of an object.</summary>
        public bool IsOnly { get; init; }

        /// <summary>Whether it leads through the name of a member that is data.</summary>
        public bool IsUnderAnId { get; init; }

        public ValueExpression? Matches(Position position) => ValueMatch.Between(Reference, Values, position.Values);
    }

    /// <summary>
    /// Whether that recordings agree on a later element of a list shows nothing: two may agree by chance, and equal values were the same element every time. Nor is a
    /// list put together of elements by their places, for then the next one would have as many.
    /// </summary>
    private static bool IsChance(Place place, Position position) => position.Traces > 1
        && ((place.IsInLaterElement && (position.IsEqual || position.Traces < RecordingsThatShowAPlace)) || (position.IsInList && place.IsInList));

    private List<string> EvidenceOf(WayTo way, bool isName, double similarity, int traces)
    {
        var place = way.Seen;
        var evidence = new List<string> { _aligned.Steps[place.Step].Role is AlignedRole.Item ? Evidence.ElementOfLoop : Evidence.ResultOf(_aligned.Steps[place.Step].Id) };
        if (isName)
        {
            evidence.Add(Evidence.NameOfMember);
        }

        if (similarity >= 1)
        {
            evidence.Add(Evidence.SameName);
        }

        if (traces > 1)
        {
            evidence.Add(Evidence.InAll(traces));
        }

        if (way.IsOnly)
        {
            evidence.Add(Evidence.OnlyMember);
        }
        else if (way.IsUnderAnId)
        {
            evidence.Add(Evidence.UnderAnId);
        }
        else if (place.IsInLaterElement)
        {
            evidence.Add(Evidence.ByPlaceInList);
        }

        return evidence;
    }

    /// <summary>Whether a place is in the list that the loop goes through, where a step of the loop means the element that it is at.</summary>
    private bool IsElementOfLoop(Place place, AlignedStep step) => step.Loop != AlignedStep.NoLoop
        && _aligned.Steps.Any(s => s.Role is AlignedRole.Loop && s.Loop == step.Loop && s.Source == place.Step && place.Pointer.StartsWith(s.Shape!.Pointer + "/", StringComparison.Ordinal));

    /// <summary>What every row of a position sees at a place of a result; <see langword="null"/> where one sees nothing there.</summary>
    private List<JsonElement>? ValuesAt(Place place, Position position) => ValuesIn(place.Step, position, result => JsonPointer.TryResolve(result, place.Pointer, out var value) ? value : null);

    private List<JsonElement>? ValuesIn(int step, Position position, Func<JsonElement, JsonElement?> find)
    {
        var values = new List<JsonElement>();
        foreach (var row in position.Call.Rows)
        {
            if (_aligned.Steps[step].SeenFrom(row, position.Call.Loop)?.Result is not { } result || find(result) is not { } value)
            {
                return null;
            }

            values.Add(value);
        }

        return values;
    }
}
