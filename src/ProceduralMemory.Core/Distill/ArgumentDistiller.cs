using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>Makes templates of the arguments of aligned steps. A value has one source, or is taken apart and its parts have theirs.</summary>
internal sealed class ArgumentDistiller
{
    private const int MaxAlternatives = 4;

    // What is larger is data, not a call's parameters: it has one source as a whole.
    public const int MaxParts = 100;

    private readonly TraceAlignment _aligned;
    private readonly ProceduralMemoryOptions _options;
    private readonly InputRegistry _inputs;
    private readonly SourceFinder _finder;

    public ArgumentDistiller(TraceAlignment aligned, ProceduralMemoryOptions options, ParameterSchemas schemas)
    {
        (_aligned, _options) = (aligned, options);
        _inputs = new InputRegistry(aligned.Traces.SelectMany(t => t.Inputs.EnumerateObject()).Select(i => i.Name), schemas, options);
        _finder = new SourceFinder(aligned, _inputs, schemas);
    }

    /// <summary>The inputs that the steps need, known when <see cref="Distill"/> is done.</summary>
    public InputRegistry Inputs => _inputs;

    /// <summary>The loops that are none, since a value in them comes from nowhere and differs from round to round.</summary>
    public IReadOnlySet<int> UnexplainedLoops => _finder.UnexplainedLoops;

    /// <summary>The templates of all steps, for a loop what it goes through, and why each value has the source that it has.</summary>
    public (IReadOnlyList<JsonElement> Templates, IReadOnlyDictionary<int, string> Lists, IReadOnlyList<ArgumentSource> Sources) Distill()
    {
        var steps = new List<Members>();
        var lists = new Dictionary<int, string>();
        for (var i = 0; i < _aligned.Steps.Count; i++)
        {
            var step = _aligned.Steps[i];
            if (step.Role is AlignedRole.Item)
            {
                lists.Add(step.Loop, ListOf(step).ToString()!);
            }

            var all = new Position(i, step, "", "", [.. step.Calls.Select(c => c.Arguments)]);
            steps.Add(new Members([.. NamesIn(all).Select(n => (n, Explain(all.Child(n))))]));
            _finder.AddResult(i);
        }

        // Written last: a constant may turn out to be in doubt when a later step has it as well.
        return ([.. steps.Select(s => Json.Build(s.Write))], lists, [.. steps.SelectMany(s => s.Decisions()).Select(Describe)]);
    }

    /// <summary>Takes up an input that the caller named for what a loop goes through, or a condition asks.</summary>
    public void UseNamed(string name, AlignedStep step) => _finder.UseNamed(name, new Position(-1, step, "", name, []));

    private ValueExpression ListOf(AlignedStep item)
    {
        var loop = _aligned.Steps.First(s => s.Role is AlignedRole.Loop && s.Loop == item.Loop);
        if (!loop.Shape!.IsInput)
        {
            return new StepReference(_aligned.Steps[loop.Source].Id, loop.Shape.Pointer);
        }

        UseNamed(loop.Shape.Source, loop);
        return new InputReference(loop.Shape.Source, loop.Shape.Pointer);
    }

    private Node Explain(Position position)
    {
        if (position.Values.Any(Withheld.Is))
        {
            return Take(position, _finder.FindWithheld(position));
        }

        // What the caller named goes before what the whole is found to be.
        var isNamedInParts = _finder.IsNamed && PartsOf(position) is { } named && named.TrueForAll(p => _finder.IsNamedByCaller(p.Position));
        if (!(isNamedInParts && !_finder.IsNamedByCaller(position)) && _finder.Find(position) is { Count: > 0 } found)
        {
            return Take(position, found);
        }

        if (_finder.Compose(position) is { Count: > 0 } composed)
        {
            return Take(position, composed);
        }

        if (position.Values.All(Withheld.IsWhole) && !HasComparableSource(position))
        {
            // Credentials of which no step gave any part are one thing to give, and not as many as they have fields.
            return Take(position, [_finder.Withheld(position)]);
        }

        if (PartsOf(position) is { } parts && (position.Values[0].ValueKind is JsonValueKind.Object || parts.Exists(p => HasSource(p.Position))))
        {
            return position.Values[0].ValueKind is JsonValueKind.Object
                ? new Members([.. parts.Select(p => (p.Name, Explain(p.Position)))])
                : new Elements([.. parts.Select(p => Explain(p.Position))]);
        }

        // A constant that holds what was not kept would be sent as the mark that stands for it.
        return Take(position, position.Values.Any(Withheld.IsIn) ? [_finder.Withheld(position)] : _finder.Rest(position));
    }

    /// <summary>Whether anything in a value comes from somewhere, or has to be given because it was not kept. Where two recordings show that nothing does, a list is one value, which may be longer or shorter the next time.</summary>
    private bool HasSource(Position position) =>
        position.Values.Any(Withheld.Is)
        || _finder.Find(position).Any(h => position.Traces == 1 || !h.IsNewInput)
        || _finder.Compose(position).Count > 0
        || (PartsOf(position) is { } parts && parts.Exists(p => HasSource(p.Position)));

    /// <summary>Whether anything in a value was not kept, and comes from somewhere all the same.</summary>
    private bool HasComparableSource(Position position) => position.Values.Any(Withheld.Is)
        ? _finder.FindWithheld(position).Any(h => !h.IsNewInput)
        : PartsOf(position) is { } parts && parts.Exists(p => HasComparableSource(p.Position));

    /// <summary>The members or elements of a value that has the same ones in every trace; <see langword="null"/> where it is to be taken as a whole, as what has very many is.</summary>
    private static List<(string Name, Position Position)>? PartsOf(Position position)
    {
        var first = position.Values[0];
        if (position.Values.Any(v => v.ValueKind != first.ValueKind))
        {
            return null;
        }

        if (first.ValueKind is JsonValueKind.Object)
        {
            var names = NamesIn(position);
            return names.Count is > 0 and <= MaxParts && position.Values.All(v => v.EnumerateObject().Count() == names.Count) ? names.ConvertAll(n => (n, position.Child(n))) : null;
        }

        return first.ValueKind is JsonValueKind.Array && first.GetArrayLength() is > 0 and <= MaxParts and var length && position.Values.All(v => v.GetArrayLength() == length)
            ? [.. Enumerable.Range(0, length).Select(i => ("", position.Child(i)))]
            : null;
    }

    private static List<string> NamesIn(Position position) => [.. position.Values.SelectMany(v => v.EnumerateObject()).Select(m => m.Name).Distinct(StringComparer.Ordinal)];

    private Leaf Take(Position position, IReadOnlyList<Hypothesis> found)
    {
        var source = found[0].Accept();
        if (source.Kind is SourceKind.Constant && MustBeConfirmed(position))
        {
            source.Doubt(_inputs.Declare(position, unconfirmed: true));
        }

        _finder.Remember(position, source);
        return new Leaf(new Decision(position, source, found[0].Evidence, [.. found.Skip(1).Take(MaxAlternatives).Select(h => new AlternativeSource(h.Template, h.Kind, h.Evidence))]));
    }

    /// <summary>Whether a constant may as well be an input: one recording has it, from nowhere, in a step that may change something. A flag or an empty value is a way of calling.</summary>
    private bool MustBeConfirmed(Position position) =>
        position.Traces == 1 && position.Call.Kind is not StepKind.Manual && StepEffects.Of(position.Call.Calls, _options) is not StepEffect.Read && !ValueKey.IsTrivial(position.Values[0]);

    private static ArgumentSource Describe(Decision decision) => new()
    {
        StepId = decision.Position.Call.Id,
        Argument = decision.Position.Pointer,
        Source = decision.Source.Expression?.ToString() ?? TemplateText.Of(decision.Position.Values[0]),
        Kind = decision.Source.Kind,
        Evidence = decision.Evidence,
        Alternatives = decision.Alternatives,
    };

    private abstract record Node
    {
        public abstract void Write(Utf8JsonWriter writer);

        public abstract IEnumerable<Decision> Decisions();
    }

    private sealed record Leaf(Decision Decision) : Node
    {
        public override void Write(Utf8JsonWriter writer)
        {
            if (Decision.Source.Expression is { } expression)
            {
                writer.WriteStringValue(expression.ToString());
            }
            else
            {
                ValueExpression.WriteEscaped(writer, Decision.Position.Values[0]);
            }
        }

        public override IEnumerable<Decision> Decisions() => [Decision];
    }

    private sealed record Members(IReadOnlyList<(string Name, Node Node)> Nodes) : Node
    {
        public override void Write(Utf8JsonWriter writer)
        {
            writer.WriteStartObject();
            foreach (var (name, node) in Nodes)
            {
                writer.WritePropertyName(name);
                node.Write(writer);
            }

            writer.WriteEndObject();
        }

        public override IEnumerable<Decision> Decisions() => Nodes.SelectMany(n => n.Node.Decisions());
    }

    private sealed record Elements(IReadOnlyList<Node> Nodes) : Node
    {
        public override void Write(Utf8JsonWriter writer)
        {
            writer.WriteStartArray();
            foreach (var node in Nodes)
            {
                node.Write(writer);
            }

            writer.WriteEndArray();
        }

        public override IEnumerable<Decision> Decisions() => Nodes.SelectMany(n => n.Decisions());
    }
}
