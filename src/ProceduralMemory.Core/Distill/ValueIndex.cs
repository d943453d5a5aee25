using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>A place in a result that holds a value.</summary>
/// <param name="Step">The step whose result it is; -1 for the named inputs of the recording.</param>
/// <param name="Tokens">The names and indices that lead to it.</param>
/// <param name="Value">The value.</param>
/// <param name="IsName">Whether the value is the name of the member that they lead to, and not what stands there.</param>
internal sealed record Place(int Step, IReadOnlyList<string> Tokens, JsonElement Value, bool IsName = false)
{
    public string Pointer => Tokens.Aggregate("", JsonPointer.Append);

    /// <summary>The name of the field that holds it, or of the list or object around it.</summary>
    public string Field => Tokens.SkipLast(IsName ? 1 : 0).LastOrDefault(t => !IsIndex(t)) ?? "";

    /// <summary>Whether the way leads through an element of a list that is not the first: such a place depends on how long and how ordered the list happened to be.</summary>
    public bool IsInLaterElement => Tokens.Any(t => IsIndex(t) && t != "0");

    /// <summary>Whether the way leads through an element of a list.</summary>
    public bool IsInList => Tokens.Any(IsIndex);

    // The tokens of a pointer do not tell an index from a name made of digits; what they are is asked of the value where it matters.
    private static bool IsIndex(string token) => token.All(char.IsAsciiDigit);
}

/// <summary>
/// Where the values that arguments have stand in the results of one trace, as values or as names of members. Only those are kept, so that a large result takes time but no memory.
/// Bounded: of a result the first <see cref="MaxValuesPerResult"/> values in document order are looked at, and of a value the first
/// <see cref="MaxPlacesPerValue"/> places are kept, those of earlier steps first.
/// </summary>
internal sealed class ValueIndex
{
    public const int MaxValuesPerResult = 200_000;
    public const int MaxPlacesPerValue = 64;

    private readonly Dictionary<string, List<Place>> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Place>> _names = new(StringComparer.Ordinal);
    private readonly HashSet<int> _lengths = [];

    /// <summary>How many values the results held: the more there are, the likelier it is that one of them equals an argument by chance.</summary>
    public int Values { get; private set; }

    /// <summary>Says that a value is looked for, with all its parts.</summary>
    public void Want(JsonElement value)
    {
        if (ValueKey.Of(value) is not { } key)
        {
            return;
        }

        _places.TryAdd(key, []);
        if (value.ValueKind is JsonValueKind.String or JsonValueKind.Number)
        {
            _names.TryAdd(ValueExpression.AsText(value), []);
        }
        else if (value.ValueKind is JsonValueKind.Object)
        {
            _lengths.Add(Json.LengthOf(value));
            foreach (var member in value.EnumerateObject())
            {
                Want(member.Value);
            }
        }
        else if (value.ValueKind is JsonValueKind.Array)
        {
            _lengths.Add(Json.LengthOf(value));
            foreach (var item in value.EnumerateArray())
            {
                Want(item);
            }
        }
    }

    /// <summary>Says that a text is looked for.</summary>
    public void Want(string text)
    {
        if (ValueKey.OfText(text) is { } key)
        {
            _places.TryAdd(key, []);
        }
    }

    /// <summary>Looks through a result.</summary>
    public void Add(int step, JsonElement result)
    {
        var left = MaxValuesPerResult;
        var way = new List<string>();
        Visit(result);
        Values += MaxValuesPerResult - left;

        void Visit(JsonElement value)
        {
            if (left <= 0)
            {
                return;
            }

            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    Note(value);
                    foreach (var member in value.EnumerateObject().Where(m => !RedactionMarker.IsIn(m)))
                    {
                        way.Add(member.Name);
                        if (left > 0 && _names.TryGetValue(way[^1], out var names) && names.Count < MaxPlacesPerValue)
                        {
                            names.Add(new Place(step, [.. way], Json.String(way[^1]), IsName: true));
                        }

                        Visit(member.Value);
                        way.RemoveAt(way.Count - 1);
                    }

                    break;
                case JsonValueKind.Array:
                    Note(value);
                    var index = 0;
                    foreach (var item in value.EnumerateArray())
                    {
                        way.Add(index++.ToString(CultureInfo.InvariantCulture));
                        Visit(item);
                        way.RemoveAt(way.Count - 1);
                    }

                    break;
                default:
                    left--;
                    Note(value);
                    break;
            }
        }

        void Note(JsonElement value)
        {
            // The text of a list or an object is long, and mostly of a length that nobody asks for.
            if (value.ValueKind is JsonValueKind.Object or JsonValueKind.Array && !_lengths.Contains(Json.LengthOf(value)))
            {
                return;
            }

            if (ValueKey.Of(value) is { } key && _places.TryGetValue(key, out var places) && places.Count < MaxPlacesPerValue)
            {
                places.Add(new Place(step, [.. way], value));
            }
        }
    }

    public IReadOnlyList<Place> Find(JsonElement value) => ValueKey.Of(value) is { } key && _places.TryGetValue(key, out var places) ? places : [];

    /// <summary>The members of objects whose name is the value, or a number's text.</summary>
    public IReadOnlyList<Place> FindNames(JsonElement value) =>
        value.ValueKind is JsonValueKind.String or JsonValueKind.Number && _names.TryGetValue(ValueExpression.AsText(value), out var places) ? places : [];

    public IReadOnlyList<Place> Find(string text) => ValueKey.OfText(text) is { } key && _places.TryGetValue(key, out var places) ? places : [];
}
