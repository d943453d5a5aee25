namespace ProceduralMemory.Replay;

/// <summary>One version of a plan, as approvals see it.</summary>
/// <param name="Plan">The version with what it replays.</param>
/// <param name="WriteSteps">The ids of its steps that need the version to be approved; empty where it needs no approval.</param>
internal sealed record ReviewedVersion(ReplayPlan Plan, IReadOnlyList<string> WriteSteps)
{
    public Procedure Procedure => Plan.Procedure;

    public bool NeedsApproval => WriteSteps.Count > 0;

    /// <summary>Whether an approval would tell anything: it lets the version through, or confirms constants of it.</summary>
    public bool IsOfInterest => NeedsApproval || Procedure.Version.Inputs.Any(i => i.Unconfirmed);

    /// <summary>Every version of a plan once, each before those that it replays.</summary>
    public static IReadOnlyList<ReviewedVersion> Of(ReplayPlan plan, ProceduralMemoryOptions options, IStepExecutor executor)
    {
        var reviewed = new Dictionary<ReplayPlan, ReviewedVersion>();
        var order = new List<ReplayPlan>();
        Review(plan);
        return [.. order.Select(p => reviewed[p])];

        ReviewedVersion Review(ReplayPlan current)
        {
            if (!reviewed.TryGetValue(current, out var known))
            {
                // Plans stand in no circle, so the place is taken before its parts are looked at.
                order.Add(current);
                var steps = current.Procedure.Version.Steps.SelectMany(s => s.WithInner()).Where(s => NeedsApproval(current, s)).Select(s => s.Id).ToList();
                known = reviewed[current] = new ReviewedVersion(current, steps);
            }

            return known;
        }

        bool NeedsApproval(ReplayPlan current, ProcedureStep step) => step.Kind switch
        {
            StepKind.Function => PolicyOf(step, current.Procedure.Version, options, executor) is ApprovalPolicy.FirstUse,

            // It chooses what the inner one is called with. One that is left out may come into the next replay, which nobody would be asked about again.
            StepKind.Procedure => current.Nested.TryGetValue(step.Id, out var inner) ? Review(inner).NeedsApproval : options.Approval is ApprovalPolicy.FirstUse,
            _ => false,
        };
    }

    /// <summary>The policy that holds for a step that calls a function.</summary>
    public static ApprovalPolicy PolicyOf(ProcedureStep step, ProcedureVersion version, ProceduralMemoryOptions options, IStepExecutor executor) =>
        ApprovalRules.Of(step.Action, StepEffects.Of(step, version, options, executor), executor.Describe(step.Action), options);
}
