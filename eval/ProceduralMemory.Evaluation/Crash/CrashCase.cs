using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>One order that one way works through, over as many kills as come.</summary>
internal sealed class CrashCase(CrashScene scene, CrashTally tally, string order)
{
    // Of each step that the journal has for done, how often it had been asked for then.
    private readonly Dictionary<string, int> _requestsWhenDone = new(StringComparer.Ordinal);
    private IReadOnlyList<string> _unknown = [];

    /// <summary>What is to be told a worker next.</summary>
    public WorkerCommand Next { get; private set; } = new(0, tally.Mode.Slot, tally.Mode.Procedure, order) { Scope = tally.Mode.IsNaive ? CrashMemory.NaiveScope : null };

    /// <summary>Whether it is at its end.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Looks what a kill left behind.</summary>
    /// <returns>Whether it came in the middle of the replay.</returns>
    public async Task<bool> LookAsync(WorkerHandle killed, WorkerReply? reply, CancellationToken cancellationToken)
    {
        if (tally.Mode.IsNaive)
        {
            return LookNaively(killed, reply);
        }

        if (await scene.ExecutionOfAsync(order, cancellationToken) is not { } execution)
        {
            tally.KilledBeforeBegin();
            foreach (var request in scene.Service.LogOf(order))
            {
                tally.Fault(FaultKind.NotInJournal, order, request.Step);
            }

            return false;
        }

        tally.Fault(EffectAudit.Of(execution, scene.Service, order));
        Remember(execution);
        Next = Next with { Execution = execution.Id };
        if (execution.Outcome is not ReplayOutcome.Running)
        {
            tally.KilledAfterEnd();
            if (execution.Outcome is ReplayOutcome.Completed)
            {
                tally.Completed(withHost: false);
                End(execution);
            }

            return false;
        }

        tally.KilledInTheMiddle(execution.Steps.FirstOrDefault(s => s.Status is StepStatus.Running)?.StepId);
        return true;
    }

    /// <summary>Takes up what a worker that was not killed answered, and has it go on until the end.</summary>
    public async Task SettleAsync(WorkerHandle resumer, WorkerReply? reply, CancellationToken cancellationToken)
    {
        if (tally.Mode.IsNaive)
        {
            CompletedOr(reply, withHost: false);
            IsOver = true;
            tally.Ended(scene.Service, order);
            return;
        }

        if (await scene.ExecutionOfAsync(order, cancellationToken) is not { } execution)
        {
            CompletedOr(reply, withHost: false);
            tally.Fault(FaultKind.NotCompleted, order, "no execution");
            IsOver = true;
            return;
        }

        var withHost = false;
        var reported = reply?.Problems.Where(p => p.Code == ReplayProblemCodes.OutcomeUnknown).Select(p => p.StepId!).ToList() ?? [];
        var expected = tally.Mode.Procedure == ShopProcedure.Plain ? _unknown : [];
        tally.FoundUnknown(_unknown.Count, reported.Count);
        foreach (var step in expected.Except(reported).Concat(reported.Except(expected)))
        {
            tally.Fault(FaultKind.NotReported, order, step);
        }

        tally.Fault(EffectAudit.Of(execution, scene.Service, order));
        if (reply is { Outcome: ReplayOutcome.Waiting })
        {
            withHost = true;
            Remember(execution);
            Next = scene.Settle(Next with { Execution = execution.Id }, reported);
            tally.HostFound(Next.Results.Count, Next.Repeat.Count);
            reply = await resumer.Send(Next)[0];
            execution = (await scene.ExecutionOfAsync(order, cancellationToken))!;
            tally.Fault(EffectAudit.Of(execution, scene.Service, order));
        }

        CompletedOr(reply, withHost);
        End(execution);
    }

    private bool LookNaively(WorkerHandle killed, WorkerReply? reply)
    {
        if (reply is not null)
        {
            tally.KilledAfterEnd();
            CompletedOr(reply, withHost: false);
            IsOver = true;
            tally.Ended(scene.Service, order);
            return false;
        }

        if (!scene.Service.LogOf(order).Any(r => r.Worker == killed.Id))
        {
            tally.KilledBeforeBegin();
            return false;
        }

        // Nobody wrote down what was out.
        tally.KilledInTheMiddle(step: null);
        return true;
    }

    private void CompletedOr(WorkerReply? reply, bool withHost)
    {
        if (reply is { Outcome: ReplayOutcome.Completed })
        {
            tally.Completed(withHost);
        }
        else
        {
            tally.Fault(FaultKind.NotCompleted, order, reply is null ? "the worker ended" : $"{reply.Outcome}: {reply.Message}");
        }
    }

    private void Remember(Execution execution)
    {
        _unknown = CrashScene.UnknownWrites(execution);
        foreach (var step in execution.Steps.Where(s => s.Status is StepStatus.Success))
        {
            _requestsWhenDone.TryAdd(step.StepId, Requests(step.StepId));
        }
    }

    private void End(Execution execution)
    {
        IsOver = true;
        tally.Ended(scene.Service, order);
        foreach (var (step, requests) in _requestsWhenDone.Where(d => Requests(d.Key) != d.Value))
        {
            tally.Fault(FaultKind.CalledAgain, order, step);
        }

        if (execution.Outcome is not ReplayOutcome.Completed || execution.Steps.Count(s => s.Status is StepStatus.Success) != ShopProcedure.Steps.Count)
        {
            tally.Fault(FaultKind.NotCompleted, order, "the journal");
        }
    }

    private int Requests(string step) => scene.Service.LogOf(order).Count(r => r.Step == step);
}
