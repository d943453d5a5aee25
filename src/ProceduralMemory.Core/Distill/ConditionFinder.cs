using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>
/// Finds when an optional step is needed: what an input that the caller named, or the result of a step that is never left out, was in the traces that did it and never in those
/// that did not. Flags go before what is there or not, and that before words such as a status; inputs before results; what lies near before what lies deep. An id, a name or a
/// text that happens to separate the traces decides nothing. Where nothing does, the step gets an input of its own.
/// </summary>
internal sealed class ConditionFinder(TraceAlignment aligned, InputRegistry inputs, Action<string, AlignedStep> useNamed)
{
    private const int MaxFields = 500;
    private const int MaxDepth = 6;
    private const int LongestWord = 32;
    private const int MostWords = 3;

    private static readonly string[] StateNames = ["status", "state", "type", "kind", "mode", "tier", "level", "category", "class", "plan", "priority", "severity", "result", "outcome", "stage", "phase"];

    private readonly Dictionary<string, StepCondition> _known = new(StringComparer.Ordinal);

    /// <summary>The condition of a step; <see langword="null"/> for one that is never left out.</summary>
    public StepCondition? Of(int at)
    {
        var step = aligned.Steps[at];
        if (step.Traces == aligned.Traces.Count)
        {
            return null;
        }

        var with = new bool[aligned.Traces.Count];
        foreach (var row in step.Rows)
        {
            with[row.Trace] = true;
        }

        // Steps that are always done together are needed together.
        var key = string.Concat(with.Select(w => w ? '1' : '0'));
        return _known.TryGetValue(key, out var condition) ? condition : _known[key] = FromInputs(step, with) ?? FromResults(at, with) ?? OwnInput(step, with);
    }

    private StepCondition? FromInputs(AlignedStep step, bool[] with)
    {
        if (aligned.Traces.Any(t => !t.Inputs.EnumerateObject().Any()))
        {
            return null;
        }

        var names = aligned.Traces.SelectMany(t => t.Inputs.EnumerateObject()).Select(i => i.Name).Distinct(StringComparer.Ordinal).Where(ValueExpression.IsName).Order(StringComparer.Ordinal);
        var best = names
            .Select(name => (Name: name, Decision: Decide(name, [.. aligned.Traces.Select(t => t.Inputs.TryGetProperty(name, out var value) ? value : (JsonElement?)null)], with)))
            .Where(c => c.Decision is not null)
            .OrderBy(c => c.Decision!.Value.Rank)
            .Select(c => (c.Name, Decision: c.Decision!.Value))
            .FirstOrDefault();
        if (best.Name is null)
        {
            return null;
        }

        useNamed(best.Name, step);
        return best.Decision.When(new InputReference(best.Name));
    }

    private StepCondition? FromResults(int at, bool[] with)
    {
        var found = new List<(int Rank, int Depth, int Step, string Pointer, Decision Decision)>();
        for (var i = 0; i < at; i++)
        {
            var earlier = aligned.Steps[i];
            if (earlier.Role is not AlignedRole.Call || earlier.Loop != AlignedStep.NoLoop || earlier.Traces < aligned.Traces.Count || earlier.Calls.Any(c => c.Result is null))
            {
                continue;
            }

            foreach (var pointer in earlier.Calls.SelectMany(c => FieldsOf(c.Result!.Value, "", MaxDepth).Take(MaxFields)).Distinct(StringComparer.Ordinal).Take(MaxFields))
            {
                var values = earlier.Calls.Select(c => JsonPointer.TryResolve(c.Result!.Value, pointer, out var value) ? value : (JsonElement?)null).ToList();
                // An expression that leads nowhere ends a replay.
                if (values.TrueForAll(v => v is not null) && Decide(JsonPointer.Tokens(pointer).LastOrDefault() ?? "", values, with) is { } decision)
                {
                    found.Add((decision.Rank, JsonPointer.Tokens(pointer).Count(), i, pointer, decision));
                }
            }
        }

        return found.Count == 0
            ? null
            : found.OrderBy(f => f.Rank).ThenBy(f => f.Depth).ThenByDescending(f => f.Step).ThenBy(f => f.Pointer, StringComparer.Ordinal).First() is var best
                ? best.Decision.When(new StepReference(aligned.Steps[best.Step].Id, best.Pointer))
                : null;
    }

    /// <summary>A flag of the step's own. Its default is what most traces did; where as many did as did not, the step is left out.</summary>
    private StepCondition OwnInput(AlignedStep step, bool[] with) => new()
    {
        Value = inputs.DeclareFlag(step.Id, $"Whether {step.Action} is needed", with.Count(w => w) * 2 > with.Length).ToString(),
        Test = ConditionTest.Present,
    };

    /// <summary>How values separate the traces that did a step from those that did not, or <see langword="null"/>.</summary>
    private static Decision? Decide(string name, IReadOnlyList<JsonElement?> values, bool[] with)
    {
        var present = values.Select(v => v is { } value && IsPresent(value)).ToList();
        var flags = values.All(v => v is { ValueKind: JsonValueKind.True or JsonValueKind.False });
        if (present.Zip(with).All(p => p.First == p.Second))
        {
            return new Decision(flags ? 0 : 1, ConditionTest.Present, null);
        }

        if (present.Zip(with).All(p => p.First != p.Second))
        {
            return new Decision(flags ? 0 : 1, ConditionTest.Absent, null);
        }

        return Word(ConditionTest.Equal, did: true) ?? Word(ConditionTest.NotEqual, did: false);

        // All traces of one side have the same word, and none of the other has it.
        Decision? Word(ConditionTest test, bool did)
        {
            var side = values.Where((_, t) => with[t] == did).ToList();
            return side[0] is { } word && IsWord(word)
                && side.TrueForAll(v => v is { } value && Json.AreEqual(value, word))
                && values.Where((_, t) => with[t] != did).All(v => v is { } value && value.ValueKind == word.ValueKind && !Json.AreEqual(value, word))
                && (side.Count > 1 || word.ValueKind is JsonValueKind.Number || StateNames.Any(s => FieldName.Similarity(name, s) > 0))
                ? new Decision(2, test, word)
                : null;
        }
    }

    /// <summary>What <see cref="ConditionTest.Present"/> means.</summary>
    private static bool IsPresent(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False or JsonValueKind.Undefined => false,
        JsonValueKind.String => value.GetString()!.Length > 0,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };

    /// <summary>Whether a value is one of a few: a word or two without digits, or zero.</summary>
    private static bool IsWord(JsonElement value) => value.ValueKind is JsonValueKind.String
        ? value.GetString() is { Length: > 0 and <= LongestWord } text && text.All(c => char.IsLetter(c) || c is ' ' or '_' or '-' or '(' or ')') && text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length is > 0 and <= MostWords
        : value.ValueKind is JsonValueKind.Number && value.TryGetInt64(out var number) && number == 0;

    /// <summary>The fields of an object and of those in it, and lists as a whole; the elements of lists have no place of their own.</summary>
    private static IEnumerable<string> FieldsOf(JsonElement value, string pointer, int depthLeft)
    {
        yield return pointer;
        if (value.ValueKind is JsonValueKind.Object && depthLeft > 0)
        {
            foreach (var member in value.EnumerateObject().Where(m => !RedactionMarker.IsIn(m)))
            {
                foreach (var field in FieldsOf(member.Value, JsonPointer.Append(pointer, member.Name), depthLeft - 1))
                {
                    yield return field;
                }
            }
        }
    }

    private readonly record struct Decision(int Rank, ConditionTest Test, JsonElement? Operand)
    {
        public StepCondition When(ValueExpression value) => new() { Value = value.ToString()!, Test = Test, Operand = Operand };
    }
}
