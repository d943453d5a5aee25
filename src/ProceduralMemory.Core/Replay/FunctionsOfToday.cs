using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Replay;

/// <summary>What the host declares of its functions today, each asked for once, and what that is beside what was recorded.</summary>
internal sealed class FunctionsOfToday(IStepExecutor executor, ProceduralMemoryOptions options)
{
    private readonly Dictionary<string, FunctionDescription?> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly ValueCapture _capture = new(options);

    /// <summary>What a function declares, its parameters in the form in which signatures are kept; <see langword="null"/> where the host says nothing of it.</summary>
    public FunctionDescription? Of(string action)
    {
        if (!_known.TryGetValue(action, out var description))
        {
            description = executor.Describe(action);
            _known[action] = description = description is { Parameters: { } parameters }
                ? description with { Parameters = SignatureCapture.Capture(action, parameters, _capture, options) }
                : description;
        }

        return description;
    }

    /// <summary>Whether calling a function is free: as the options say, else as the function itself declares. What declares nothing counts as writing.</summary>
    public bool OnlyReads(string action) => (StepEffects.Declared(action, options) ?? Of(action)?.Effect) is StepEffect.Read;

    /// <summary>Compares what a function declared when a step was recorded with what it declares.</summary>
    /// <param name="version">The version that the step is of.</param>
    /// <param name="step">The step.</param>
    /// <param name="arguments">The arguments that it gives.</param>
    public SignatureComparison Compare(ProcedureVersion version, ProcedureStep step, IReadOnlyList<GivenArgument> arguments) =>
        FunctionSignature.ParametersOf(version.Signatures, step.Action) is { } recorded && Of(step.Action) is { Parameters: { } today } now
            ? SignatureComparer.Compare(recorded, today, arguments, now.IdempotencyKeyParameter)
            : SignatureComparison.Same;

    /// <summary>The same for the arguments as they stand in the step, without inputs and without adapted parameters.</summary>
    public SignatureComparison Compare(ProcedureVersion version, ProcedureStep step) => Compare(version, step, [.. step.Arguments.EnumerateObject().Select(a => new GivenArgument(a.Name, a.Value))]);

    /// <summary>What a comparison says of a step, as a sentence or more.</summary>
    /// <param name="at">The step, with the steps that it stands in.</param>
    /// <param name="action">The function.</param>
    /// <param name="comparison">The comparison.</param>
    public static StepDrift Describe(string at, string action, SignatureComparison comparison) => new(
        at,
        action,
        comparison.Kind,
        $"Step '{at}' calls {action}, which has changed since it was recorded. {string.Join(" ", comparison.Changes.Where(c => comparison.Kind is not DriftKind.Breaking || c.Kind is DriftKind.Breaking or DriftKind.Renamed).Select(c => c.Message))}");
}
