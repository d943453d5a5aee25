namespace ProceduralMemory.Evaluation.Crash;

/// <summary>What must not be.</summary>
internal enum FaultKind
{
    /// <summary>An effect was had twice.</summary>
    Doubled,

    /// <summary>The journal has a write for done that the service never counted, or the execution completed without it.</summary>
    Lost,

    /// <summary>The service counted an effect that the journal does not know to have begun.</summary>
    NotInJournal,

    /// <summary>The journal has another result than the service gave.</summary>
    OtherResult,

    /// <summary>That the outcome of a write is not known was not reported; or it was said of one whose outcome is.</summary>
    NotReported,

    /// <summary>A step that was done was called again.</summary>
    CalledAgain,

    /// <summary>The execution did not complete where it had to.</summary>
    NotCompleted,

    /// <summary>Not exactly one of two that resumed at once did so.</summary>
    NotOneWinner,
}

/// <summary>One fault.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Order">Of which order.</param>
/// <param name="What">The step, or what was said.</param>
internal sealed record EffectFault(FaultKind Kind, string Order, string What)
{
    public override string ToString() => $"{Kind}: {Order}, {What}";
}

/// <summary>Compares a journal with the service's counter.</summary>
internal static class EffectAudit
{
    /// <summary>The faults of an execution as it stands, at any moment at which no call is out.</summary>
    public static IEnumerable<EffectFault> Of(Execution execution, ShopService service, string order)
    {
        var steps = execution.Steps.ToDictionary(s => s.StepId, StringComparer.Ordinal);
        foreach (var write in ShopProcedure.Writes)
        {
            var count = service.CountOf(order, write);
            var step = steps.GetValueOrDefault(write);
            if (count > 1)
            {
                yield return new EffectFault(FaultKind.Doubled, order, write);
            }

            if (count > 0 && step is null or { Status: StepStatus.Pending or StepStatus.Skipped or StepStatus.Failed })
            {
                yield return new EffectFault(FaultKind.NotInJournal, order, write);
            }

            if (step is { Status: StepStatus.Success } ? count == 0 : execution.Outcome is ReplayOutcome.Completed)
            {
                yield return new EffectFault(FaultKind.Lost, order, write);
            }

            if (count > 0 && step is { Status: StepStatus.Success, Result: { } result } && result.GetRawText() != service.AnswerOf(order, write).GetRawText())
            {
                yield return new EffectFault(FaultKind.OtherResult, order, write);
            }
        }
    }
}
