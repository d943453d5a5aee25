using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>A value in the arguments of a step.</summary>
/// <param name="Step">Which step, from 0.</param>
/// <param name="Call">The step.</param>
/// <param name="Pointer">Where in its arguments.</param>
/// <param name="Name">The name of the argument, or of the field that holds it.</param>
/// <param name="Values">What stood there in each trace; JSON null where a trace had nothing there.</param>
internal sealed record Position(int Step, AlignedStep Call, string Pointer, string Name, IReadOnlyList<JsonElement> Values)
{
    private const int MaxLabelLength = 60;

    /// <summary>Whether it is in an element of a list.</summary>
    public bool IsInList { get; private init; }

    /// <summary>Whether it is an argument that some trace did without.</summary>
    public bool IsSometimesAbsent { get; private init; }

    public bool IsEqual { get; } = Values.All(v => Json.AreEqual(v, Values[0]));

    /// <summary>In how many traces it is.</summary>
    public int Traces => Call.Traces;

    /// <summary>Whether it has one value in each trace, also where it is in a loop.</summary>
    public bool IsPerTrace => IsEqual || Call.Loop == AlignedStep.NoLoop || Call.Rows.Zip(Values).GroupBy(p => p.First.Trace, p => p.Second).All(g => g.All(v => Json.AreEqual(v, g.First())));

    public bool IsTrivial => IsEqual && ValueKey.IsTrivial(Values[0]);

    /// <summary>How much its values tell, over all traces: see <see cref="ValueKey.Specificity"/>.</summary>
    public double Specificity { get; } = Values.Select(v => (Text: v.GetRawText(), Value: v)).DistinctBy(v => v.Text, StringComparer.Ordinal).Sum(v => ValueKey.Specificity(v.Value));

    /// <summary>Whether it is one value, or a list of them.</summary>
    public bool IsScalarOrListOfScalars => Values.All(v => v.ValueKind switch
    {
        JsonValueKind.Object => false,
        JsonValueKind.Array => v.EnumerateArray().All(i => i.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)),
        _ => true,
    });

    public string Place => $"{Call.Id}{Pointer}";

    /// <summary>What it is called where people and models read it: a member whose name is no plain one, as where the members of an object are data, goes by the name of what it is in.</summary>
    public string Label { get; init; } = IsPlain(Name) ? Name : "argument";

    public string Description => $"{Call.Action}, argument {Label}";

    /// <summary>Other values that the same position depends on.</summary>
    public Position Beside(string name, IReadOnlyList<JsonElement> values) => new(Step, Call, Pointer, name, values);

    private Position Child(string token, string name, Func<JsonElement, JsonElement> child) => new(Step, Call, JsonPointer.Append(Pointer, token), name, [.. Values.Select(child)]) { IsInList = IsInList, Label = IsPlain(name) ? name : Label };

    private static bool IsPlain(string name) => name.Length is > 0 and <= MaxLabelLength && name.All(c => char.IsLetterOrDigit(c) || c is '_' or '-' or '.' or '$' or '@');

    public Position Child(string member) => Child(member, member, v => v.TryGetProperty(member, out var value) ? value : Json.Null) with
    {
        IsSometimesAbsent = !Values.All(v => v.TryGetProperty(member, out _)),
    };

    public Position Child(int index) => Child(index.ToString(CultureInfo.InvariantCulture), Name, v => v[index]) with { IsInList = true };
}

/// <summary>Where the value of one position, or of several that share it, comes from.</summary>
/// <param name="first">The first position that has it.</param>
/// <param name="kind">What kind of source it is.</param>
/// <param name="expression">The expression; <see langword="null"/> for a constant.</param>
internal sealed class ValueSource(Position first, SourceKind kind, ValueExpression? expression)
{
    private Dictionary<Row, JsonElement>? _byRow;

    /// <summary>The first position that has it; of several in different traces, the one that is in most.</summary>
    public Position First { get; private set; } = first;

    public SourceKind Kind { get; private set; } = kind;

    /// <summary>The expression; <see langword="null"/> for a constant.</summary>
    public ValueExpression? Expression { get; private set; } = expression;

    /// <summary>
    /// What the rows of a position see of it; <see langword="null"/> where they do not. An input that some of the traces had no use for may have been anything there:
    /// what the position has.
    /// </summary>
    public IReadOnlyList<JsonElement>? SeenFrom(Position position)
    {
        if (Expression is null || Kind is SourceKind.UnconfirmedConstant)
        {
            return [.. position.Values.Select(_ => First.Values[0])];
        }

        var inside = First.Call.Loop != AlignedStep.NoLoop && First.Call.Loop == position.Call.Loop;
        if (First.Call.Loop != AlignedStep.NoLoop && !inside && (Expression is not InputReference || !First.IsPerTrace))
        {
            return null;
        }

        if (_byRow is null)
        {
            // By trace as well, for what is the same in all its rounds.
            _byRow = [];
            foreach (var (row, value) in First.Call.Rows.Zip(First.Values))
            {
                _byRow.TryAdd(row, value);
                _byRow.TryAdd(new Row(row.Trace), value);
            }
        }

        var (values, missing) = (new List<JsonElement>(), 0);
        for (var i = 0; i < position.Values.Count; i++)
        {
            var row = position.Call.Rows[i];
            if (_byRow.TryGetValue(inside ? row : new Row(row.Trace), out var value))
            {
                values.Add(value);
            }
            else if (Expression is InputReference)
            {
                missing++;
                values.Add(position.Values[i]);
            }
            else
            {
                return null;
            }
        }

        return missing == 0 || (missing < values.Count && Contains(position, First)) ? values : null;
    }

    /// <summary>Takes note of a position in more traces that shares it.</summary>
    public void Widen(Position position)
    {
        if (position.Traces > First.Traces && position.IsPerTrace && Expression is InputReference)
        {
            (First, _byRow) = (position, null);
        }
    }

    private static bool Contains(Position position, Position other) => other.Call.Rows.Select(r => r.Trace).ToHashSet().IsSubsetOf(position.Call.Rows.Select(r => r.Trace));

    /// <summary>Says that the constant has to be confirmed.</summary>
    public void Doubt(InputReference input) => (Kind, Expression) = (SourceKind.UnconfirmedConstant, input);
}

/// <summary>A source that no trace contradicts.</summary>
/// <param name="Kind">What kind of source it is.</param>
/// <param name="Template">How it is written.</param>
/// <param name="Evidence">What speaks for it, the weightiest first.</param>
/// <param name="Accept">Makes it the source of its position: declares the inputs that it needs.</param>
internal sealed record Hypothesis(SourceKind Kind, string Template, IReadOnlyList<string> Evidence, Func<ValueSource> Accept)
{
    /// <summary>Whether it is an input that nothing else has: any value can be one.</summary>
    public bool IsNewInput { get; init; }
}

/// <summary>Where a position's value comes from, and why.</summary>
internal sealed record Decision(Position Position, ValueSource Source, IReadOnlyList<string> Evidence, IReadOnlyList<AlternativeSource> Alternatives);

/// <summary>Constants as <see cref="ArgumentSource.Source"/> shows them.</summary>
internal static class TemplateText
{
    /// <summary>The template of a constant: text as it stands in the template, other values as their JSON.</summary>
    public static string Of(JsonElement constant) => ValueExpression.AsText(constant.ValueKind is JsonValueKind.Null ? Json.String("null") : ValueExpression.Escape(constant));
}
