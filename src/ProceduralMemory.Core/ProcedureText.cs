using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>A procedure as text for people, short enough for one screen.</summary>
internal static class ProcedureText
{
    public const int MaxLines = 30;
    private const int MaxValueLength = 60;

    public static string Of(Procedure procedure)
    {
        var version = procedure.Version;
        var (statistics, all) = (version.Statistics, procedure.Statistics);
        var whole = all.Executions == statistics.Executions ? "" : Invariant($", {all.Successes} of {all.Successes + all.Failures} over all versions");
        var head = new List<string>
        {
            Invariant($"{procedure.Name}: version {version.Number} ({Word(version.State)}, {Word(version.Reason)} by {Word(version.Origin)}), {statistics.Successes} of {statistics.Successes + statistics.Failures} executions succeeded{whole}{(procedure.IsRetired ? "; out of use" : "")}"),
        };
        if (procedure.Description.Length > 0)
        {
            head.Add(Shortened(OneLine(procedure.Description), 160));
        }

        var inputs = version.Inputs.Select(Input).ToList();
        var steps = Steps(version.Steps, "", [.. version.Inputs.Where(i => i.Unconfirmed)]).ToList();
        var room = MaxLines - head.Count - 2;
        if (inputs.Count + steps.Count > room)
        {
            // Steps are what the text is for, so inputs give way first.
            var most = Math.Max(1, room - steps.Count);
            inputs = Cut(inputs, most, "inputs");
            steps = Cut(steps, room - inputs.Count, "steps");
        }

        return string.Join('\n', [.. head, inputs.Count == 0 ? "inputs: none" : "inputs:", .. inputs, "steps:", .. steps]);
    }

    private static List<string> Cut(List<string> lines, int most, string what) => lines.Count <= most
        ? lines
        : [.. lines.Take(most - 1), Invariant($"  … {lines.Count - most + 1} more {what}; an export shows all")];

    private static string Input(ProcedureInput input)
    {
        var parts = new List<string> { input.Type is JsonType.Any ? "any value" : Json.Word(input.Type) };
        if (input.Unconfirmed)
        {
            parts.Add($"unconfirmed constant {Value(input.Default)}: give it, or confirm it");
        }
        else if (input.Default is not null)
        {
            parts.Add($"default {Value(input.Default)}");
        }
        else if (!input.Required)
        {
            parts.Add("optional");
        }

        if (input.Format is { } format)
        {
            parts.Add(OneLine(format));
        }

        if (input.AllowedValues.Count > 0)
        {
            parts.Add(Shortened($"one of {string.Join(", ", input.AllowedValues.Select(v => v.GetRawText()))}", MaxValueLength));
        }

        if (input.Secret)
        {
            parts.Add("secret");
        }

        if (input is { Unconfirmed: false, Examples: [var example, ..] })
        {
            parts.Add($"such as {Value(example)}");
        }

        return $"  {input.Name}: {string.Join(", ", parts)}";
    }

    /// <summary>The steps, one a line.</summary>
    /// <param name="steps">The steps.</param>
    /// <param name="indent">What each line begins with, after two blanks.</param>
    /// <param name="unconfirmed">The unconfirmed constants, which stand in place of the inputs that they are.</param>
    /// <param name="most">How much of a value is shown, in characters.</param>
    /// <param name="remark">What stands behind a step; <see langword="null"/> for what it declares to do.</param>
    public static IEnumerable<string> Steps(
        IReadOnlyList<ProcedureStep> steps, string indent, IReadOnlyList<ProcedureInput> unconfirmed, int most = MaxValueLength, Func<ProcedureStep, string>? remark = null)
    {
        remark ??= step => step.Effect is StepEffect.Unknown ? "" : $" [{Effect(step.Effect)}]";
        foreach (var step in steps)
        {
            var condition = step.Condition is { } when ? $" if {Condition(when, most)}" : "";

            // What recordings showed, mostly types, every recorded step has.
            var expected = step.Expectation is { Strength: ExpectationStrength.Asserted } expectation ? $", expected: {ExpectationText.Of(expectation)}" : "";
            if (step.Kind is StepKind.Loop)
            {
                yield return OneLine($"  {indent}{step.Id}:{condition} for each $item of {step.ForEach}{expected}");
                foreach (var line in Steps(step.Steps, indent + "  ", unconfirmed, most, remark))
                {
                    yield return line;
                }

                continue;
            }

            var arguments = step.Arguments.EnumerateObject().Select(a => $"{a.Name}: {Source(a.Value, unconfirmed, most)}");
            yield return OneLine($"  {indent}{step.Id}:{condition} {step.Action}({string.Join(", ", arguments)}){remark(step)}{expected}");
        }
    }

    /// <summary>An effect in words.</summary>
    public static string Effect(StepEffect effect) => effect is StepEffect.IdempotentWrite ? "idempotent write" : Word(effect);

    /// <summary>A condition in words.</summary>
    public static string Condition(StepCondition condition, int most = MaxValueLength) => condition.Test switch
    {
        ConditionTest.Equal => $"{condition.Value} = {Value(condition.Operand, most)}",
        ConditionTest.NotEqual => $"{condition.Value} ≠ {Value(condition.Operand, most)}",
        ConditionTest.Present => $"there is {condition.Value}",
        _ => $"there is no {condition.Value}",
    };

    /// <summary>An expression as it is; the constant behind one that is not confirmed; a constant as JSON.</summary>
    public static string Source(JsonElement template, IReadOnlyList<ProcedureInput> unconfirmed, int most = MaxValueLength)
    {
        if (template.ValueKind is not JsonValueKind.String)
        {
            return Shortened(template.GetRawText(), most);
        }

        var expression = ValueExpression.Parse(template.GetString()!);
        if (expression is LiteralText literal)
        {
            return Value(Json.String(literal.Text), most);
        }

        return expression is InputReference { Pointer: "" } input && unconfirmed.FirstOrDefault(u => u.Name == input.Name) is { } constant
            ? $"{Value(constant.Default, most)}?"
            : OneLine(expression is InterpolatedText ? $"\"{expression}\"" : expression.ToString()!);
    }

    /// <summary>A value as JSON, or its beginning.</summary>
    public static string Value(JsonElement? value, int most = MaxValueLength) => value is { } present ? Shortened(present.GetRawText(), most) : "null";

    // Recorded text is data: it must not break the layout that tells it apart.
    public static string OneLine(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));

    /// <summary>A line for whoever decides by it: what would not be seen, or would be seen elsewhere (marks that turn the direction of writing, say), is spelt out.</summary>
    public static string Plain(string line) => string.Concat(line.Select(c =>
        char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator ? Invariant($"\\u{(int)c:x4}") : c.ToString()));

    /// <summary>A text as it is, or its beginning.</summary>
    public static string Shortened(string text, int most) => text.Length <= most ? text : $"{text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)]}…";

    private static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
