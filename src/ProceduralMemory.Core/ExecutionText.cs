using System.Globalization;

namespace ProceduralMemory;

/// <summary>An execution as text for people: what was done, what was not, and why.</summary>
internal static class ExecutionText
{
    private const int MaxValueLength = 120;

    // A loop over thousands of elements is not read by anybody.
    private const int MaxLines = 200;

    public static string Of(Execution execution)
    {
        var attempts = execution.Attempt > 1 ? Invariant($", {execution.Attempt} attempts") : "";
        var lines = new List<string>
        {
            Invariant($"{execution.ProcedureName} version {execution.Version}: {Json.Word(execution.Outcome)}{Took(execution.Duration)}{attempts}"),
            Invariant($"execution {execution.Id:D}, begun {execution.StartedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z"),
        };
        if (execution.Request is { } request)
        {
            lines.Add($"request: {Short(request)}");
        }

        if (execution.Inputs.EnumerateObject().Any())
        {
            lines.Add($"inputs: {Short(execution.Inputs.GetRawText())}");
        }

        if (execution.Message is { } message)
        {
            lines.Add(Short(message, 400));
        }

        lines.AddRange(Steps(execution, ""));
        return string.Join('\n', lines.Count <= MaxLines ? lines : [.. lines.Take(MaxLines), Invariant($"… {lines.Count - MaxLines} more lines; its data holds all")]);
    }

    private static IEnumerable<string> Steps(Execution execution, string indent)
    {
        foreach (var step in execution.Steps)
        {
            var effect = step.Effect is StepEffect.Unknown ? "" : $" [{(step.Effect is StepEffect.IdempotentWrite ? "idempotent write" : Json.Word(step.Effect))}]";
            var calls = step.Attempts > 1 ? Invariant($", {step.Attempts} calls") : "";
            var repaired = step.Repaired ? ", repaired: done by other means" : "";
            yield return Invariant($"{indent}{step.Ordinal + 1}. {step.StepId} ({step.Action}){effect}: {Status(step)}{Took(step.Duration)}{calls}{repaired}");
            if (step.Arguments is { } arguments && arguments.EnumerateObject().Any())
            {
                yield return $"{indent}   with {Short(arguments.GetRawText())}";
            }

            if (step.Failure is { } failure)
            {
                yield return $"{indent}   {Short($"{failure.ErrorType}: {failure.Message}")}";
            }
            else if (step.Omitted is { } omitted)
            {
                yield return $"{indent}   not kept: {Short(omitted)}";
            }
            else if (step.Result is { } result)
            {
                yield return $"{indent}   gave {Short(result.GetRawText())}{(step.Match is OutcomeMatch.Differs ? ", which is not as expected" : "")}";
            }

            foreach (var part in execution.Parts.Where(p => p.ParentStep == step.StepId))
            {
                yield return Invariant($"{indent}   {(part.ProcedureId == execution.ProcedureId ? Invariant($"element {part.ParentIndex}") : Invariant($"{part.ProcedureName} version {part.Version}"))}: {Json.Word(part.Outcome)}{Took(part.Duration)}");
                foreach (var line in Steps(part, indent + "     "))
                {
                    yield return line;
                }
            }
        }
    }

    /// <summary>The status in words: what stands as running in a journal that nobody writes any more is not known.</summary>
    private static string Status(ExecutionStep step) => step.Status is StepStatus.Running or StepStatus.Unknown ? "begun, and not known whether it was done" : Json.Word(step.Status);

    private static string Took(TimeSpan? duration) => duration is { } time ? Invariant($", {(time.TotalSeconds >= 1 ? Invariant($"{time.TotalSeconds:0.0} s") : Invariant($"{time.TotalMilliseconds:0.#} ms"))}") : "";

    private static string Short(string text, int length = MaxValueLength) => ProcedureText.Shortened(ProcedureText.OneLine(text), length);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
