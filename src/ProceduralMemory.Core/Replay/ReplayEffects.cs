namespace ProceduralMemory.Replay;

/// <summary>What the steps of a plan do to the world, as the host declares it today.</summary>
internal static class ReplayEffects
{
    public static StepEffect Of(ProcedureStep step, ReplayPlan plan, ReplayContext context) => Of(step, plan, context.Options, context.Executor);

    public static StepEffect Of(ProcedureStep step, ReplayPlan plan, ProceduralMemoryOptions options, IStepExecutor executor) => step.Kind switch
    {
        StepKind.Loop => Together(step.Steps.Select(s => Of(s, plan, options, executor))),
        StepKind.Procedure => plan.Nested.TryGetValue(step.Id, out var inner) ? Together(inner.Procedure.Version.Steps.Select(s => Of(s, inner, options, executor))) : StepEffect.Unknown,
        _ => StepEffects.Of(step, plan.Procedure.Version, options, executor),
    };

    private static StepEffect Together(IEnumerable<StepEffect> effects) => effects.All(e => e is StepEffect.Read) ? StepEffect.Read : StepEffect.Write;
}
