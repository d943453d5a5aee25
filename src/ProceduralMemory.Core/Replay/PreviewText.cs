using System.Globalization;

namespace ProceduralMemory.Replay;

/// <summary>A preview as text.</summary>
internal static class PreviewText
{
    private const int MaxLines = 200;
    private const int MaxValueLength = 200;

    public static string Of(ReplayPreview preview)
    {
        var steps = Steps(preview.Steps, "  ").ToList();
        List<string> lines =
        [
            Invariant($"Dry run of '{preview.ProcedureName}' version {preview.Version}: nothing was called."),
            $"steps, {(preview.EstimatedDuration is { } duration ? $"about {Words(duration)}" : "of unknown duration")}:",
            .. steps.Take(MaxLines),
        ];
        if (steps.Count > MaxLines)
        {
            lines.Add(Invariant($"  … {steps.Count - MaxLines} more"));
        }

        if (preview.Approvals.Count > 0)
        {
            lines.Add("a person would be asked to approve:");
            lines.AddRange(preview.Approvals.Take(MaxLines).Select(a => a.StepId is null
                ? Invariant($"  '{a.ProcedureName}' version {a.Version}, before its first use")
                : $"  every call of {a.Action} in step '{a.StepId}'"));
        }

        if (preview.Problems.Count > 0)
        {
            lines.Add("it would be refused:");
            lines.AddRange(preview.Problems.Take(MaxLines).Select(p => $"  {p.Message}"));
        }

        return string.Join('\n', lines.Select(ProcedureText.Plain));
    }

    private static IEnumerable<string> Steps(IReadOnlyList<PreviewStep> steps, string indent)
    {
        foreach (var step in steps)
        {
            var condition = step.Condition is { } when ? $" if {when}" : "";
            var what = step.Kind switch
            {
                StepKind.Loop => $"for each $item of {step.ForEach}",
                StepKind.Procedure => $"replays {step.Action}({Arguments(step)})",
                StepKind.Manual => $"by hand: {step.Action}",
                _ => $"{step.Action}({Arguments(step)})",
            };
            yield return $"{indent}{step.StepId}:{condition} {what} [{Remarks(step)}]";
            foreach (var line in Steps(step.Steps, indent + "  "))
            {
                yield return line;
            }
        }
    }

    private static string Remarks(PreviewStep step)
    {
        if (step.Skipped is { } reason)
        {
            return reason;
        }

        var effect = step.Kind is not StepKind.Function ? null : step.Effect is StepEffect.Unknown ? "unknown effect" : ProcedureText.Effect(step.Effect);
        var approval = step.Approval is ApprovalPolicy.Always ? "approved call by call" : null;
        return string.Join(", ", new[] { effect, approval, step.EstimatedDuration is { } duration ? $"about {Words(duration)}" : "never timed" }.OfType<string>());
    }

    private static string Arguments(PreviewStep step) => string.Join(", ", step.Arguments.Select(a =>
        $"{a.Name}: {(a.IsKnown ? ProcedureText.Value(a.Value, MaxValueLength) : ProcedureText.Source(a.Value, [], MaxValueLength))} ({Word(a.Origin)})"));

    private static string Word(ArgumentOrigin origin) => origin switch
    {
        ArgumentOrigin.Constant => "constant",
        ArgumentOrigin.Input => "input",
        ArgumentOrigin.Step => "result",
        ArgumentOrigin.InputAndStep => "input and result",
        _ => "adapted",
    };

    private static string Words(TimeSpan duration) => duration < TimeSpan.FromSeconds(1)
        ? Invariant($"{Math.Ceiling(duration.TotalMilliseconds)} ms")
        : Invariant($"{Math.Round(duration.TotalSeconds, 1)} s");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
