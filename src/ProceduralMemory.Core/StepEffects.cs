using ProceduralMemory.Replay;

namespace ProceduralMemory;

/// <summary>What calls do to the world: the host's word, never a stored one where the host has one.</summary>
internal static class StepEffects
{
    /// <summary>As the options say, else as the host declared it when the call was recorded.</summary>
    public static StepEffect Of(TraceStep call, ProceduralMemoryOptions options) => Declared(call.Action, options) ?? call.Effect;

    /// <summary>As the options say, else as all the calls were declared when they were recorded; unknown where they differ.</summary>
    public static StepEffect Of(IReadOnlyList<TraceStep> calls, ProceduralMemoryOptions options) => calls.Count == 0
        ? StepEffect.Unknown
        : Declared(calls[0].Action, options) ?? (calls.All(c => c.Effect == calls[0].Effect) ? calls[0].Effect : StepEffect.Unknown);

    /// <summary>
    /// What a step of a replay does: as the options say, else as the executor describes its function today. The step's own word counts where a person wrote the
    /// version, or where the executor says nothing of the function and the version was recorded here. A document from elsewhere has no say: that it only reads is
    /// what one that does harm would claim.
    /// </summary>
    /// <param name="step">The step; of a loop or a procedure it says nothing of the steps inside.</param>
    /// <param name="version">The version that it is a step of.</param>
    /// <param name="options">What the host declares.</param>
    /// <param name="executor">What makes the call.</param>
    public static StepEffect Of(ProcedureStep step, ProcedureVersion version, ProceduralMemoryOptions options, IStepExecutor executor)
    {
        var description = step.Kind is StepKind.Function ? executor.Describe(step.Action) : null;
        var declared = step.Kind is StepKind.Function ? Declared(step.Action, options) : null;
        return declared
            ?? (description is { Effect: not StepEffect.Unknown } ? description.Effect
                : version.Origin is ProcedureOrigin.User || (description is null && version.Origin is ProcedureOrigin.Agent) ? step.Effect
                : StepEffect.Unknown);
    }

    /// <summary>Whether a call may change something: it does unless it is known to read only.</summary>
    public static bool Writes(StepEffect effect) => effect is not StepEffect.Read;

    public static StepEffect? Declared(string action, ProceduralMemoryOptions options)
    {
        if (options.Effects.TryGetValue(action, out var effect))
        {
            return effect;
        }

        // The host's dictionary may compare case; the names of functions do not. What is said of one function goes before what is said of its plugin.
        StepEffect? ofPlugin = null;
        foreach (var (name, declared) in options.Effects)
        {
            if (string.Equals(name, action, StringComparison.OrdinalIgnoreCase))
            {
                return declared;
            }

            ofPlugin = ofPlugin is null && FunctionPattern.Covers(name, action) ? declared : ofPlugin;
        }

        return ofPlugin;
    }
}
