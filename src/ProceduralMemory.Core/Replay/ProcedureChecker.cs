using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Looks over all active procedures as a replay would look one over, without inputs and without calling anything.</summary>
internal sealed class ProcedureChecker(IProcedureStore store, ProceduralMemoryOptions options, MemoryScope scope, IStepExecutor executor)
{
    // Documents are large; what a part holds is let go before the next one.
    private const int PageSize = 200;

    private readonly FunctionsOfToday _today = new(executor, options);

    public async Task<CheckReport> CheckAsync(CancellationToken cancellationToken)
    {
        var findings = new List<ProcedureCheck>();
        var count = 0;
        Guid? after = null;
        IReadOnlyList<Procedure> page;
        do
        {
            page = await store.ListActiveProceduresAsync(scope.Read, after, PageSize, cancellationToken).ConfigureAwait(false);
            foreach (var procedure in page)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var check = await CheckAsync(procedure, cancellationToken).ConfigureAwait(false);
                if (check.Problems.Count + check.Drift.Count > 0)
                {
                    findings.Add(check);
                }
            }

            count += page.Count;
            after = page.Count > 0 ? page[^1].Id : after;
        }
        while (page.Count == PageSize);

        return new CheckReport { ProcedureCount = count, Findings = [.. findings.OrderBy(f => f.ProcedureName, StringComparer.OrdinalIgnoreCase).ThenBy(f => f.Scope, StringComparer.Ordinal)] };
    }

    private async Task<ProcedureCheck> CheckAsync(Procedure procedure, CancellationToken cancellationToken)
    {
        var problems = new List<ReplayProblem>();
        var drifts = new List<StepDrift>();
        var calls = new List<PlannedCall>();
        var steps = procedure.Version.Steps.SelectMany(s => s.WithInner()).ToList();
        foreach (var step in steps.Where(s => s.Kind is StepKind.Function))
        {
            var comparison = _today.Compare(procedure.Version, step);
            if (comparison.Kind is not DriftKind.Same)
            {
                Note(procedure, step, comparison, problems, drifts);
            }

            calls.Add(new PlannedCall(step.Id, step.Action, comparison.NamesFor(step.Arguments.EnumerateObject().Select(a => a.Name)), step.Effect));
        }

        problems.AddRange(await executor.CheckAsync(calls, cancellationToken).ConfigureAwait(false));
        if (steps.Exists(s => s.Kind is StepKind.Procedure))
        {
            // What is inside is an active procedure, too, and is looked at as one: here it matters that it is there.
            await ReplayPlan.CreateAsync(procedure, [], scope.Read, store, options, begun: null, problems, cancellationToken).ConfigureAwait(false);
        }

        return new ProcedureCheck { Scope = procedure.Scope, ProcedureName = procedure.Name, Version = procedure.Version.Number, Problems = problems, Drift = drifts };
    }

    private void Note(Procedure procedure, ProcedureStep step, SignatureComparison comparison, List<ReplayProblem> problems, List<StepDrift> drifts)
    {
        var drift = FunctionsOfToday.Describe(step.Id, step.Action, comparison);
        var isRefused = drift.Kind is DriftKind.Breaking;
        if (drift.Kind is DriftKind.Renamed)
        {
            isRefused = !_today.OnlyReads(step.Action);
            drift = drift with { Message = $"{drift.Message} {(isRefused ? DriftCheck.WhyNotAdapted(procedure.Name, proposed: null) : DriftCheck.WhyAdapted)}" };
        }

        drifts.Add(drift);
        if (isRefused)
        {
            problems.Add(new ReplayProblem(ReplayProblemCodes.Drift, step.Id, drift.Message));
        }
    }
}
