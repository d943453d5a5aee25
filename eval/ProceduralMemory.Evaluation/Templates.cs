using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Evaluation;

/// <summary>
/// The one place that reads a learned procedure: where its templates say that a value comes from, and which position of a trace a template stands for.
/// </summary>
/// <remarks>
/// It assumes that
/// <list type="bullet">
/// <item>steps keep the order of the trace, and each stands for the last call of its function that no step after it stands for (<see cref="StepMap"/>);
/// an optional step may stand for none, and a loop is unrolled before (<see cref="Unrolled"/>);</item>
/// <item>an argument template has the shape of the argument down to the string that is an expression, and that string stands for the whole value below it;</item>
/// <item>every expression is of a type that <see cref="ValueExpression.Parse"/> knows, and tells what it refers to with
/// <see cref="ValueExpression.References()"/>. A conversion is undone in <see cref="ReadBack"/>.</item>
/// </list>
/// </remarks>
internal static class Templates
{
    /// <summary>Which call of a trace each step of a procedure stands for; -1 for none.</summary>
    public static int[] StepMap(ProcedureVersion procedure, IReadOnlyList<RecordedStep> trace)
    {
        // From the end, since of a call and its corrections the last is the one that is kept.
        var map = new int[procedure.Steps.Count];
        var end = trace.Count;
        for (var step = map.Length - 1; step >= 0; step--)
        {
            map[step] = Enumerable.Range(0, end).Reverse().FirstOrDefault(i => trace[i].Function == procedure.Steps[step].Action, -1);
            end = map[step] < 0 ? end : map[step];
        }

        return map;
    }

    /// <summary>The step that stands for a call; for one that is left out, that of the call which it repeats, or by which it was corrected.</summary>
    private static int StepFor(int[] map, IReadOnlyList<RecordedStep> trace, int call)
    {
        var same = Enumerable.Range(0, trace.Count).Where(i => trace[i].Function == trace[call].Function).ToList();
        var repeated = same.Where(i => i < call && JsonElement.DeepEquals(trace[i].Arguments, trace[call].Arguments)).Reverse();
        var corrected = trace[call].Result.ValueKind is JsonValueKind.String && trace[call].Result.GetString()!.StartsWith("Error", StringComparison.Ordinal) ? same.Where(i => i > call) : [];
        return new[] { call }.Concat(repeated).Concat(corrected).Select(i => Array.IndexOf(map, i)).FirstOrDefault(i => i >= 0, -1);
    }

    /// <summary>Where the procedure takes the value of one argument leaf of the trace from.</summary>
    /// <param name="procedure">What was learned from the trace.</param>
    /// <param name="trace">The trace.</param>
    /// <param name="step">The call.</param>
    /// <param name="pointer">The leaf in its arguments.</param>
    public static Prediction Locate(ProcedureVersion procedure, IReadOnlyList<RecordedStep> trace, int step, string pointer)
    {
        procedure = Unrolled.Of(procedure, trace);
        var map = StepMap(procedure, trace);
        if (StepFor(map, trace, step) is not (>= 0 and var index))
        {
            return new Prediction(Prediction.Missing);
        }

        var template = procedure.Steps[index].Arguments;
        var tokens = Values.Tokens(pointer).ToList();
        for (var i = 0; i <= tokens.Count; i++)
        {
            if (template.ValueKind is JsonValueKind.String)
            {
                return Of(ValueExpression.Parse(template.GetString()!), string.Concat(tokens.Skip(i).Select(t => Values.Append("", t))));
            }

            if (i < tokens.Count)
            {
                if (Values.Child(template, tokens[i]) is not { } child)
                {
                    return new Prediction(Prediction.Missing);
                }

                template = child;
            }
        }

        // A whole object or list whose parts come from several places is none of the three.
        return new Prediction(ValueExpression.References(template).Any() ? Prediction.Composed : Label.Constant, Template: template.GetRawText());

        Prediction Of(ValueExpression expression, string rest)
        {
            if (SourceIn(expression, leaf => PlaceOf(Choice.Of(leaf)!, procedure, map, trace, Values.At(trace[step].Arguments, pointer[..^rest.Length]))) is { } source)
            {
                var from = procedure.Steps.ToList().FindIndex(s => s.Id == source.StepId);
                return new Prediction(Label.Binding, from < 0 ? -1 : map[from], source.Pointer + rest, expression.ToString());
            }

            // A constant that waits to be confirmed is written as an input.
            var isInput = expression.References().OfType<InputReference>().Any(r => !procedure.Inputs.Any(i => i.Name == r.Name && i.Unconfirmed));
            return new Prediction(isInput ? Label.Input : Label.Constant, Template: expression.ToString());
        }
    }

    /// <summary>The first place in an earlier result that an expression takes a value from. An element that is chosen stands for the place where the trace has it.</summary>
    private static StepReference? SourceIn(ValueExpression expression, Func<ValueExpression, StepReference?> placeOf) => expression switch
    {
        ElementReference or OnlyElementReference => placeOf(expression),
        ConvertedValue converted => SourceIn(converted.Source, placeOf),
        InterpolatedText text => text.Parts.Select(p => SourceIn(p, placeOf)).FirstOrDefault(s => s is not null),
        _ => expression as StepReference,
    };

    /// <summary>Where in a list or an object of a trace the element stands that has a value where an expression takes it from; the name of a member is written as in the labels.</summary>
    private static StepReference? PlaceOf(Choice choice, ProcedureVersion procedure, int[] map, IReadOnlyList<RecordedStep> trace, JsonElement? value)
    {
        var from = procedure.Steps.ToList().FindIndex(s => s.Id == choice.StepId);
        if (from < 0 || map[from] < 0 || value is null || Values.At(trace[map[from]].Result, choice.ListPointer) is not { } list)
        {
            return null;
        }

        var element = Values.Elements(list).FirstOrDefault(e => choice.TakesName
            ? e.Token == AsText(value.Value)
            : Values.At(e.Value, choice.Pointer) is { } held && JsonElement.DeepEquals(held, value.Value));
        return element.Token is null ? null : new StepReference(choice.StepId, Values.Append(choice.ListPointer, element.Token) + choice.Inner);
    }

    /// <summary>An element of a list or an object that an expression chooses, and what it takes of it.</summary>
    private sealed record Choice(string StepId, string ListPointer, string Pointer, bool TakesName)
    {
        /// <summary>What leads from the element to what is taken of it.</summary>
        public string Inner => TakesName ? Values.Append("", Values.Key) : Pointer;

        public static Choice? Of(ValueExpression expression) => expression switch
        {
            ElementReference element => new Choice(element.StepId, element.ListPointer, element.Pointer, element.TakesName),
            OnlyElementReference only => new Choice(only.StepId, only.ListPointer, only.Pointer, only.TakesName),
            _ => null,
        };
    }

    /// <summary>The values that a target has for the inputs that a procedure declares: each at the first position where the procedure uses it.</summary>
    public static Supply SupplyFrom(ProcedureVersion procedure, Episode target)
    {
        procedure = Unrolled.Of(procedure, target.Steps);
        var map = StepMap(procedure, target.Steps);
        var uses = procedure.Steps
            .SelectMany((step, i) => map[i] < 0 ? [] : UsesIn(step.Arguments, "").Select(u => (Step: map[i], u.Pointer, u.Expression)))
            .ToList();
        var supplied = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        var problems = new List<string>();
        foreach (var input in procedure.Inputs.Where(i => !i.Unconfirmed))
        {
            var places = uses.Where(u => References(u.Expression, input.Name)).ToList();
            var whole = places.FindIndex(u => u.Expression.References().OfType<InputReference>().Any(r => r.Name == input.Name && r.Pointer.Length == 0));
            if (places.Count == 0 && (!input.Required || input.Default is not null))
            {
                // Used only by optional steps that the target did without.
            }
            else if (places.Count == 0)
            {
                problems.Add($"the input '{input.Name}' is used at no position of the target");
            }
            else if ((whole >= 0 ? Read(places[whole], input.Name) : Assemble(places, input.Name)) is { } value)
            {
                supplied[input.Name] = value;
            }
            else if (input.Required && input.Default is null)
            {
                problems.Add($"the input '{input.Name}' cannot be read at {places[Math.Max(whole, 0)].Step}{places[Math.Max(whole, 0)].Pointer}");
            }
        }

        return new Supply(supplied, problems);

        JsonElement? Read((int Step, string Pointer, ValueExpression Expression) use, string name) =>
            Values.At(target.Steps[use.Step].Arguments, use.Pointer) is { } value ? ReadBack(use.Expression, value, name, supplied, procedure, map, target) : null;

        // Only parts of the input are used: it is put together of them.
        JsonElement? Assemble(List<(int Step, string Pointer, ValueExpression Expression)> places, string name)
        {
            var root = new JsonObject();
            foreach (var use in places)
            {
                if (use.Expression is not InputReference part || Values.At(target.Steps[use.Step].Arguments, use.Pointer) is not { } value)
                {
                    return null;
                }

                Put(root, [.. Values.Tokens(part.Pointer)], value);
            }

            return JsonElement.Parse(root.ToJsonString());
        }
    }

    private static bool References(ValueExpression expression, string input) => expression.References().OfType<InputReference>().Any(r => r.Name == input);

    private static IEnumerable<(string Pointer, ValueExpression Expression)> UsesIn(JsonElement template, string pointer) =>
        Values.Walk(template, pointer).Where(p => p.Value.ValueKind is JsonValueKind.String).Select(p => (p.Pointer, ValueExpression.Parse(p.Value.GetString()!)));

    /// <summary>What an input must be for an expression to give a value; <see langword="null"/> when that cannot be told.</summary>
    private static JsonElement? ReadBack(
        ValueExpression expression, JsonElement value, string name, Dictionary<string, JsonElement> known, ProcedureVersion procedure, int[] map, Episode target)
    {
        switch (expression)
        {
            case InputReference:
                return value;
            case ConvertedValue converted:
                return Undo(converted.Conversion, value) is { } before ? ReadBack(converted.Source, before, name, known, procedure, map, target) : null;
            case ElementReference element:
                var choice = Choice.Of(element)!;
                return PlaceOf(choice, procedure, map, target.Steps, value) is { } place
                    && Values.At(target.Steps[map[procedure.Steps.ToList().FindIndex(s => s.Id == place.StepId)]].Result, place.Pointer[..^choice.Inner.Length] + element.FieldPointer) is { } field
                        ? ReadBack(element.Match, field, name, known, procedure, map, target)
                        : null;
        }

        if (expression is not InterpolatedText text || value.ValueKind is not JsonValueKind.String)
        {
            return null;
        }

        // The text around the input is matched as it stands; results of earlier steps and inputs already read are put in, others may be anything.
        var pattern = string.Concat(text.Parts.Select(part => part switch
        {
            LiteralText literal => Regex.Escape(literal.Text),
            InputReference { Pointer: "" } input when input.Name == name => "(?<value>.*)",
            InputReference input when known.TryGetValue(input.Name, out var given) && Values.At(given, input.Pointer) is { } other => Regex.Escape(AsText(other)),
            StepReference source when ResultOf(source) is { } result => Regex.Escape(AsText(result)),
            _ => ".*",
        }));
        var match = Regex.Match(value.GetString()!, $"^{pattern}$", RegexOptions.Singleline | RegexOptions.CultureInvariant);
        return match.Success && match.Groups["value"].Captures.Count > 0 ? JsonSerializer.SerializeToElement(match.Groups["value"].Captures[0].Value) : null;

        JsonElement? ResultOf(StepReference source) =>
            procedure.Steps.ToList().FindIndex(s => s.Id == source.StepId) is >= 0 and var from && map[from] >= 0 ? Values.At(target.Steps[map[from]].Result, source.Pointer) : null;
    }

    /// <summary>A value that a conversion makes the given one of.</summary>
    private static JsonElement? Undo(ValueConversion conversion, JsonElement value) => conversion.Name switch
    {
        "string" => Values.Parse(value.GetString()!),
        "number" => JsonSerializer.SerializeToElement(value.GetRawText()),
        "without" => JsonSerializer.SerializeToElement(conversion.Argument + value.GetString()),
        "date" => DateTime.TryParseExact(value.GetString(), conversion.Target, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var date)
            ? JsonSerializer.SerializeToElement(date.ToString(conversion.Argument, CultureInfo.InvariantCulture))
            : null,
        _ => value,
    };

    private static string AsText(JsonElement value) => value.ValueKind is JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static void Put(JsonNode node, List<string> path, JsonElement value)
    {
        for (var i = 0; i < path.Count; i++)
        {
            var last = i == path.Count - 1;
            JsonNode MakeChild() => last ? JsonNode.Parse(value.GetRawText())! : int.TryParse(path[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out _) ? new JsonArray() : new JsonObject();
            if (node is JsonArray array && int.TryParse(path[i], NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            {
                while (array.Count <= index)
                {
                    array.Add(null);
                }

                node = array[index] ??= MakeChild();
            }
            else if (node is JsonObject members)
            {
                node = members[path[i]] ??= MakeChild();
            }
        }
    }
}

/// <summary>Where a value is said to come from.</summary>
/// <param name="Kind">The word of the labels, or one of those below.</param>
/// <param name="Step">For a binding, the call whose result holds it.</param>
/// <param name="Pointer">For a binding, where in that result.</param>
/// <param name="Template">The expression, as the procedure writes it.</param>
internal sealed record Prediction(string Kind, int Step = -1, string Pointer = "", string? Template = null)
{
    /// <summary>The procedure has nothing at that position.</summary>
    public const string Missing = "missing";

    /// <summary>An object or a list whose parts come from several places.</summary>
    public const string Composed = "composed";

    public override string ToString() => Kind == Label.Binding
        ? string.Create(CultureInfo.InvariantCulture, $"binding to {Step}{Pointer}")
        : Template is null || Kind == Label.Constant ? Kind : $"{Kind}: {Template}";
}

/// <summary>What the evaluator supplies for a replay.</summary>
/// <param name="Inputs">Values by input name.</param>
/// <param name="Problems">Inputs that could not be read; with any of them the pair fails.</param>
internal sealed record Supply(IReadOnlyDictionary<string, JsonElement> Inputs, IReadOnlyList<string> Problems);
