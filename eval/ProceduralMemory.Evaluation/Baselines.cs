using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Evaluation;

/// <summary>The dataflow baselines: simple rules that know nothing of the library.</summary>
internal static partial class DataflowBaselines
{
    public const string EqualityFirst = "exact equality, earliest output";
    public const string TextFirst = "text first, then earliest output";

    /// <summary>A scalar that an earlier result holds (the earliest, in document order) is bound to it; else one that the users named before the step is an input; else it is a constant.</summary>
    public static Prediction EarliestOutput(DataflowTrace trace, int step, JsonElement value) =>
        Output(trace, step, value) ?? Text(trace, step, value) ?? new Prediction(Label.Constant);

    /// <summary>The same two rules, the text before the results.</summary>
    public static Prediction TextThenEarliestOutput(DataflowTrace trace, int step, JsonElement value) =>
        Text(trace, step, value) ?? Output(trace, step, value) ?? new Prediction(Label.Constant);

    private static Prediction? Output(DataflowTrace trace, int step, JsonElement value)
    {
        if (!Values.IsScalar(value))
        {
            return null;
        }

        for (var i = 0; i < step; i++)
        {
            foreach (var (pointer, found) in Values.Walk(trace.Steps[i].Result))
            {
                if (Values.IsScalar(found) && JsonElement.DeepEquals(found, value))
                {
                    return new Prediction(Label.Binding, i, pointer);
                }
            }
        }

        return null;
    }

    private static Prediction? Text(DataflowTrace trace, int step, JsonElement value) =>
        trace.Users.Where(u => u.BeforeStep <= step).Any(u => Names(u.Text, value)) ? new Prediction(Label.Input) : null;

    /// <summary>A number is named by an equal number, with or without thousands separators; a text by the same letters in any case, no letter or digit beside them.</summary>
    private static bool Names(string text, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => Number().EnumerateMatches(text) is var matches && AnyEqual(text, matches, value.GetDouble()),
        JsonValueKind.String => value.GetString() is var wanted && !string.IsNullOrWhiteSpace(wanted)
            && Regex.IsMatch(text, $"(?<![A-Za-z0-9]){Regex.Escape(wanted)}(?![A-Za-z0-9])", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant),
        _ => false,
    };

    private static bool AnyEqual(string text, Regex.ValueMatchEnumerator matches, double wanted)
    {
        foreach (var match in matches)
        {
            var digits = text.Substring(match.Index, match.Length).Replace(",", "", StringComparison.Ordinal);
            if (double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number == wanted)
            {
                return true;
            }
        }

        return false;
    }

    [GeneratedRegex(@"(?<![A-Za-z0-9.])-?[0-9][0-9,]*(?:\.[0-9]+)?(?![A-Za-z0-9])", RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}

/// <summary>Where a baseline takes an argument, or a part of one, from.</summary>
internal abstract record Source
{
    /// <summary>A fixed value.</summary>
    public sealed record Constant(JsonElement Value) : Source;

    /// <summary>An input.</summary>
    public sealed record Input(string Name) : Source;

    /// <summary>A place in an earlier result.</summary>
    public sealed record Output(int Step, string Pointer) : Source;

    /// <summary>An object, member by member.</summary>
    public sealed record Members(IReadOnlyList<KeyValuePair<string, Source>> Parts) : Source;

    /// <summary>A list, element by element.</summary>
    public sealed record Elements(IReadOnlyList<Source> Parts) : Source;
}

/// <summary>What a baseline learned: for each step a function and its arguments, and for each input the position where a target is asked for it.</summary>
internal sealed record BaselineProcedure(IReadOnlyList<(string Function, Source.Members Arguments)> Steps, IReadOnlyDictionary<string, (int Step, string Pointer)> Asked)
{
    /// <summary>Replays it on a tape.</summary>
    /// <returns>Whether it made every recorded call and none other.</returns>
    public bool Replay(Episode target, Func<string, JsonElement?> input)
    {
        var tape = Tape.Of(target);
        var results = new List<JsonElement>();
        foreach (var (function, arguments) in Steps)
        {
            if (Resolve(arguments, input, results) is not { } values || tape.Call(function, values) is not { } result)
            {
                return false;
            }

            results.Add(result);
        }

        return tape.IsComplete;
    }

    private static JsonElement? Resolve(Source source, Func<string, JsonElement?> input, List<JsonElement> results)
    {
        switch (source)
        {
            case Source.Constant constant:
                return constant.Value;
            case Source.Input named:
                return input(named.Name);
            case Source.Output output:
                return Values.At(results[output.Step], output.Pointer);
            case Source.Members members:
                var resolved = members.Parts.Select(p => (p.Key, Value: Resolve(p.Value, input, results))).ToList();
                return resolved.Exists(p => p.Value is null) ? null : JsonSerializer.SerializeToElement(resolved.ToDictionary(p => p.Key, p => p.Value!.Value));
            case Source.Elements elements:
                var items = elements.Parts.Select(p => Resolve(p, input, results)).ToList();
                return items.Exists(v => v is null) ? null : JsonSerializer.SerializeToElement(items.Select(v => v!.Value));
            default:
                throw new InvalidOperationException($"'{source}' is no source.");
        }
    }
}

/// <summary>The replay baselines: simple learners that know nothing of the library.</summary>
/// <remarks>
/// The README of the data names them and prints their figures, but does not define them: these definitions were reconstructed by trying variants against
/// the printed figures of the public half. <see cref="Seed"/> and <see cref="Diff"/> do not come out as printed there; <c>--check</c> shows by how much.
/// On the tape <see cref="Seed"/> can only give zero: a pair whose first recording equals the target is what the data call trivial.
/// </remarks>
internal static class ReplayBaselines
{
    public const string Seed = "seed replay, recorded parameters";
    public const string SeedAdapted = "seed adapt_params, all inputs by name";
    public const string Equality = "equality: inputs, then latest output";
    public const string Diff = "diff of traces";
    public const string AskEverything = "ask for everything";
    public const string Oracle = "oracle schema";

    private static readonly Dictionary<string, (int Step, string Pointer)> NothingAsked = [];

    /// <summary>The first recording as it is.</summary>
    public static BaselineProcedure LearnSeed(IReadOnlyList<Episode> learn) =>
        new([.. learn[0].Steps.Select(s => (s.Function, Of(s.Arguments, m => new Source.Constant(m.Value))))], NothingAsked);

    /// <summary>The first recording, with every argument that has the name of an input replaced by it: what the seed's adapt_params can do at best.</summary>
    public static BaselineProcedure LearnSeedAdapted(IReadOnlyList<Episode> learn, Episode target) => new(
        [.. learn[0].Steps.Select(s => (s.Function, Of(s.Arguments, m => target.Inputs.TryGetProperty(m.Name, out _) ? new Source.Input(m.Name) : new Source.Constant(m.Value))))],
        NothingAsked);

    /// <summary>
    /// Of what is consistent with all recordings, the first of: an input of equal value; an equal value in a result, the latest result first; a constant;
    /// the same for each part. A value that any two may share (null, a flag, 0, 1, an empty text) stays a constant as long as that is consistent.
    /// </summary>
    public static BaselineProcedure LearnEquality(IReadOnlyList<Episode> learn)
    {
        return new([.. learn[0].Steps.Select((s, i) => (s.Function, Of(s.Arguments, m => Explain([.. learn.Select(e => Member(e, i, m.Name))], i))))], NothingAsked);

        Source Explain(List<JsonElement> values, int step)
        {
            var constant = AllEqual(values) && (Values.IsScalar(values[0]) || Values.IsEmpty(values[0])) ? new Source.Constant(values[0]) : null;
            if (constant is not null && IsTrivial(values[0]))
            {
                return constant;
            }

            foreach (var input in learn[0].Inputs.EnumerateObject())
            {
                if (learn.Zip(values).All(p => p.First.Inputs.TryGetProperty(input.Name, out var known) && JsonElement.DeepEquals(known, p.Second)))
                {
                    return new Source.Input(input.Name);
                }
            }

            return LatestOutput(learn, values, step, JsonElement.DeepEquals) ?? constant ?? Parts(values, v => Explain(v, step)) ?? new Source.Constant(values[0]);
        }
    }

    /// <summary>
    /// What is the same in all recordings is a constant; what all have at the same place of an earlier result is bound to it, the latest result first;
    /// the rest is asked for, once where it is equal in every recording. Objects, and lists of objects, are taken apart; a list of scalars is one value.
    /// Values are equal when their JSON texts are: 5 is not 5.0.
    /// </summary>
    public static BaselineProcedure LearnDiff(IReadOnlyList<Episode> learn)
    {
        var asked = new List<(string Name, List<JsonElement> Values, int Step, string Pointer)>();
        var steps = learn[0].Steps.Select((s, i) => (s.Function, Of(s.Arguments, m => Explain([.. learn.Select(e => Member(e, i, m.Name))], i, Values.Append("", m.Name))))).ToList();
        return new(steps, asked.ToDictionary(a => a.Name, a => (a.Step, a.Pointer), StringComparer.Ordinal));

        Source Explain(List<JsonElement> values, int step, string pointer)
        {
            if (values.TrueForAll(v => SameText(v, values[0])))
            {
                return new Source.Constant(values[0]);
            }

            return LatestOutput(learn, values, step, SameText)
                ?? PartsAt(values, step, pointer)
                ?? new Source.Input(Ask(values, step, pointer));
        }

        Source? PartsAt(List<JsonElement> values, int step, string pointer)
        {
            if (values[0].ValueKind is JsonValueKind.Array && (Values.IsEmpty(values[0]) || values[0][0].ValueKind is not JsonValueKind.Object))
            {
                return null;
            }

            return Parts(values, (v, token) => Explain(v, step, Values.Append(pointer, token)));
        }

        string Ask(List<JsonElement> values, int step, string pointer)
        {
            var index = asked.FindIndex(a => a.Values.Zip(values).All(p => SameText(p.First, p.Second)));
            if (index < 0)
            {
                index = asked.Count;
                asked.Add((index.ToString(CultureInfo.InvariantCulture), values, step, pointer));
            }

            return asked[index].Name;
        }
    }

    /// <summary>Every argument is an input of its own.</summary>
    public static BaselineProcedure LearnAskEverything(IReadOnlyList<Episode> learn)
    {
        var asked = new Dictionary<string, (int, string)>(StringComparer.Ordinal);
        var steps = learn[0].Steps.Select((s, i) => (s.Function, Of(s.Arguments, m =>
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{i}.{m.Name}");
            asked[name] = (i, Values.Append("", m.Name));
            return new Source.Input(name);
        }))).ToList();
        return new(steps, asked);
    }

    /// <summary>What the schema of the class says. It has seen the target, so it is no learner: it shows that the harness can be satisfied.</summary>
    public static BaselineProcedure LearnOracle(IReadOnlyList<Episode> learn, Schema schema)
    {
        var asked = new Dictionary<string, (int, string)>(StringComparer.Ordinal);
        foreach (var position in schema.Positions.Where(p => p.Kind == "input"))
        {
            asked.TryAdd(position.Slot!, (position.Step, Values.Pointer(position.Arg)));
        }

        var positions = schema.Positions.ToDictionary(p => (p.Step, Values.Pointer(p.Arg)));
        return new([.. learn[0].Steps.Select((s, i) => (s.Function, Of(s.Arguments, m => At(m.Value, i, Values.Append("", m.Name)))))], asked);

        Source At(JsonElement value, int step, string pointer)
        {
            if (positions.TryGetValue((step, pointer), out var position))
            {
                return position.Kind switch
                {
                    "input" => new Source.Input(position.Slot!),
                    "binding" => new Source.Output(position.FromStep!.Value, Values.Pointer(position.Path!)),
                    _ => new Source.Constant(value),
                };
            }

            return Parts([value], (v, token) => At(v[0], step, Values.Append(pointer, token))) ?? new Source.Constant(value);
        }
    }

    private static Source.Members Of(JsonElement arguments, Func<JsonProperty, Source> source) =>
        new Source.Members([.. arguments.EnumerateObject().Select(m => KeyValuePair.Create(m.Name, source(m)))]);

    private static JsonElement Member(Episode episode, int step, string name) =>
        step < episode.Steps.Count && episode.Steps[step].Arguments.TryGetProperty(name, out var value) ? value : Values.Null;

    private static bool AllEqual(List<JsonElement> values) => values.TrueForAll(v => JsonElement.DeepEquals(v, values[0]));

    private static bool IsTrivial(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.True or JsonValueKind.False => true,
        JsonValueKind.String => value.ValueEquals(""),
        JsonValueKind.Number => value.GetDouble() is 0 or 1,
        _ => false,
    };

    private static Source.Output? LatestOutput(IReadOnlyList<Episode> learn, List<JsonElement> values, int step, Func<JsonElement, JsonElement, bool> equal)
    {
        for (var i = step - 1; i >= 0; i--)
        {
            foreach (var (pointer, found) in Values.Walk(learn[0].Steps[i].Result))
            {
                if (equal(found, values[0]) && learn.Zip(values).Skip(1).All(p => Values.At(p.First.Steps[i].Result, pointer) is { } other && equal(other, p.Second)))
                {
                    return new Source.Output(i, pointer);
                }
            }
        }

        return null;
    }

    private static Source? Parts(List<JsonElement> values, Func<List<JsonElement>, Source> explain) => Parts(values, (v, _) => explain(v));

    /// <summary>The parts of objects with the same members, or of lists of one length; <see langword="null"/> where the values have no such parts.</summary>
    private static Source? Parts(List<JsonElement> values, Func<List<JsonElement>, string, Source> explain)
    {
        var first = values[0];
        if (values.Exists(v => v.ValueKind != first.ValueKind) || Values.IsEmpty(first))
        {
            return null;
        }

        if (first.ValueKind is JsonValueKind.Object)
        {
            var names = first.EnumerateObject().Select(m => m.Name).ToList();
            return values.TrueForAll(v => v.EnumerateObject().Count() == names.Count && names.TrueForAll(n => v.TryGetProperty(n, out _)))
                ? new Source.Members([.. names.Select(n => KeyValuePair.Create(n, explain([.. values.Select(v => v.GetProperty(n))], n)))])
                : null;
        }

        return first.ValueKind is JsonValueKind.Array && values.TrueForAll(v => v.GetArrayLength() == first.GetArrayLength())
            ? new Source.Elements([.. Enumerable.Range(0, first.GetArrayLength()).Select(i => explain([.. values.Select(v => v[i])], i.ToString(CultureInfo.InvariantCulture)))])
            : null;
    }

    /// <summary>Equal down to the spelling of numbers.</summary>
    private static bool SameText(JsonElement first, JsonElement second) => (first.ValueKind, second.ValueKind) switch
    {
        (JsonValueKind.Number, JsonValueKind.Number) => first.GetRawText() == second.GetRawText(),
        (JsonValueKind.Array, JsonValueKind.Array) => first.GetArrayLength() == second.GetArrayLength() && first.EnumerateArray().Zip(second.EnumerateArray()).All(p => SameText(p.First, p.Second)),
        (JsonValueKind.Object, JsonValueKind.Object) => first.EnumerateObject().Count() == second.EnumerateObject().Count()
            && first.EnumerateObject().All(m => second.TryGetProperty(m.Name, out var other) && SameText(m.Value, other)),
        _ => JsonElement.DeepEquals(first, second),
    };
}
