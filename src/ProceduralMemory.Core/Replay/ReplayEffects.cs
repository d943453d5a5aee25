namespace ProceduralMemory.Replay;

/// <summary>What the steps of a plan do to the world, as the host declares it today.</summary>
internal static class ReplayEffects
{
    public static StepEffect Of(ProcedureStep step, ReplayPlan plan, ReplayContext context) => Of(step, plan, context.Options, context.Executor);

    public static StepEffect Of(ProcedureStep step, ReplayPlan plan, ProceduralMemoryOptions options, IStepExecutor executor) => step.Kind switch
    {
        StepKind.Loop => Together(step.Steps.Select(s => Of(s, plan, options, executor))),
        StepKind.Procedure => plan.Nested.TryGetValue(step.Id, out var inner) ? Together(inner.Procedure.Version.Steps.Select(s => Of(s, inner, options, executor))) : StepEffect.Unknown,
        _ => OfFunction(step, plan.Procedure.Version, options, executor),
    };

    private static StepEffect OfFunction(ProcedureStep step, ProcedureVersion version, ProceduralMemoryOptions options, IStepExecutor executor)
    {
        foreach (var (action, effect) in options.Effects)
        {
            if (string.Equals(action, step.Action, StringComparison.OrdinalIgnoreCase))
            {
                return effect;
            }
        }

        var function = executor.Describe(step.Action);
        return function is { Effect: not StepEffect.Unknown } ? function.Effect
            : function is null || version.Origin is ProcedureOrigin.User ? step.Effect
            : StepEffect.Unknown;
    }

    private static StepEffect Together(IEnumerable<StepEffect> effects) => effects.All(e => e is StepEffect.Read) ? StepEffect.Read : StepEffect.Write;
}
