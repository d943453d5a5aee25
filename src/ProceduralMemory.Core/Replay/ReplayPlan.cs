using System.Globalization;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>A procedure with the procedures that its steps replay. Each of them is loaded once, however often it is replayed: plans share their parts.</summary>
internal sealed class ReplayPlan
{
    private ReplayPlan(Procedure procedure, IReadOnlyList<ProcedureStep> steps, IReadOnlyDictionary<string, ReplayPlan> nested)
    {
        Procedure = procedure;
        Nested = nested;
        Height = 1 + nested.Values.Select(n => n.Height).DefaultIfEmpty().Max();
        CallCount = steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is not StepKind.Loop).Aggregate(0L, (sum, step) => Math.Min(int.MaxValue, sum + (nested.GetValueOrDefault(step.Id)?.CallCount ?? 1)));
    }

    public Procedure Procedure { get; }

    /// <summary>The plans of the steps that replay a procedure, by step id; without those that are skipped or that cannot be replayed.</summary>
    public IReadOnlyDictionary<string, ReplayPlan> Nested { get; }

    /// <summary>Whether a person has seen the unconfirmed constants of the version and approved them with it; or would have before it runs, since it does not run otherwise.</summary>
    public bool ConfirmsConstants { get; set; }

    /// <summary>How many calls a replay makes, those of the procedures inside included and a loop counted once; at most <see cref="int.MaxValue"/> are counted.</summary>
    public long CallCount { get; }

    /// <summary>How many procedures stand inside each other, this one included.</summary>
    private int Height { get; }

    /// <summary>Loads a procedure and what its steps replay.</summary>
    /// <param name="procedure">The procedure.</param>
    /// <param name="skip">The ids of its steps that are left out: what only they replay is not looked at.</param>
    /// <param name="scopes">Where the others are looked for, nearest first.</param>
    /// <param name="store">Where they are kept.</param>
    /// <param name="options">How deep and how long a plan may be.</param>
    /// <param name="problems">Takes what stands in the way. A plan with problems is not to be run.</param>
    /// <param name="cancellationToken">Cancels the loading.</param>
    public static async Task<ReplayPlan> CreateAsync(
        Procedure procedure, IReadOnlyCollection<string> skip, IReadOnlyList<string> scopes, IProcedureStore store, ProceduralMemoryOptions options, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        var loaded = new Dictionary<string, Procedure?>(StringComparer.Ordinal);
        var plans = new Dictionary<Guid, ReplayPlan>();
        var plan = await BuildAsync(procedure, [], "").ConfigureAwait(false);
        if (plan.CallCount > options.MaxReplayCalls)
        {
            problems.Add(new ReplayProblem(ReplayProblemCodes.TooManyCalls, null, string.Create(CultureInfo.InvariantCulture, $"A replay of '{procedure.Name}' makes at least {plan.CallCount} calls, those of the procedures inside included; {nameof(options.MaxReplayCalls)} allows {options.MaxReplayCalls}. Skip steps that replay procedures, or replay those one by one.")));
        }

        return plan;

        async Task<ReplayPlan> BuildAsync(Procedure current, List<Procedure> outer, string path)
        {
            var nested = new Dictionary<string, ReplayPlan>(StringComparer.Ordinal);
            List<Procedure> chain = [.. outer, current];
            var steps = current.Version.Steps.Where(s => path.Length > 0 || !skip.Contains(s.Id)).ToList();
            foreach (var step in steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Procedure))
            {
                var stepPath = path + step.Id;
                var inner = await LoadAsync(step.Action).ConfigureAwait(false);
                if (inner is not { CanBeReplayed: true })
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.NestedProcedure, stepPath, inner is null
                        ? $"Step '{stepPath}' replays the procedure '{step.Action}', which does not exist. Record or import it, or skip the step."
                        : $"Step '{stepPath}' replays the procedure '{inner.Name}', which {(inner.IsRetired ? "is retired: it was merged into another one" : "has no active version")}. Activate a version of it, store the step anew, or skip it."));
                }
                else if (chain.Exists(p => p.Id == inner.Id))
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.ProcedureCycle, stepPath, $"Procedures replay each other in a circle: {string.Join(" → ", chain.Select(p => p.Name).Append(inner.Name))}. Change one of them, or skip step '{stepPath}'."));
                }
                else if (chain.Count + (plans.GetValueOrDefault(inner.Id)?.Height ?? 1) > options.MaxProcedureDepth)
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.ProcedureCycle, stepPath, string.Create(CultureInfo.InvariantCulture, $"Procedures replay procedures deeper than {nameof(options.MaxProcedureDepth)} ({options.MaxProcedureDepth}) allows: {string.Join(" → ", chain.Select(p => p.Name).Append(inner.Name))}.")));
                }
                else
                {
                    // What a plan holds does not depend on what it stands in, unless there is a problem, and then none is run.
                    if (!plans.TryGetValue(inner.Id, out var plan))
                    {
                        plan = plans[inner.Id] = await BuildAsync(inner, chain, stepPath + "/").ConfigureAwait(false);
                    }

                    nested[step.Id] = plan;
                }
            }

            return new ReplayPlan(current, steps, nested);
        }

        async Task<Procedure?> LoadAsync(string name)
        {
            if (!loaded.TryGetValue(name, out var found))
            {
                found = loaded[name] = await store.GetProcedureAsync(scopes, name, version: null, cancellationToken).ConfigureAwait(false);
            }

            return found;
        }
    }

    /// <summary>The actions that are called anywhere in it.</summary>
    public IReadOnlyCollection<string> Actions()
    {
        var actions = new OrderedDictionary<string, bool>(StringComparer.Ordinal);
        var seen = new HashSet<ReplayPlan>();
        Visit(this);
        return actions.Keys;

        void Visit(ReplayPlan plan)
        {
            if (!seen.Add(plan))
            {
                return;
            }

            foreach (var step in plan.Procedure.Version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is not StepKind.Loop))
            {
                actions[step.Action] = true;
            }

            foreach (var nested in plan.Nested.Values)
            {
                Visit(nested);
            }
        }
    }
}
