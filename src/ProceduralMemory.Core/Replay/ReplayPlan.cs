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

    private ReplayPlan(ReplayPlan other, Procedure procedure, IReadOnlyDictionary<string, ReplayPlan> nested) => (Procedure, Nested, CallCount, Height, ConfirmsConstants) = (procedure, nested, other.CallCount, other.Height, other.ConfirmsConstants);

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
    /// <param name="begun">The versions of the procedures inside that a replay which is resumed has begun, by step: it goes on with these.</param>
    /// <param name="problems">Takes what stands in the way. A plan with problems is not to be run.</param>
    /// <param name="cancellationToken">Cancels the loading.</param>
    public static async Task<ReplayPlan> CreateAsync(
        Procedure procedure, IReadOnlyCollection<string> skip, IReadOnlyList<string> scopes, IProcedureStore store, ProceduralMemoryOptions options, IReadOnlyDictionary<string, int>? begun, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        var loaded = new Dictionary<(string, int?), Procedure?>();
        var plans = new Dictionary<(Guid, int), ReplayPlan>();
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
                var version = begun is not null && begun.TryGetValue(stepPath, out var known) ? known : step.Version;
                var inner = await LoadAsync(step.Action, version).ConfigureAwait(false);
                if (inner is null || (version is null ? !inner.CanBeReplayed : inner.IsRetired))
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.NestedProcedure, stepPath, inner is null
                        ? version is { } pinned
                            ? string.Create(CultureInfo.InvariantCulture, $"Step '{stepPath}' replays version {pinned} of the procedure '{step.Action}', which does not exist. Store the step with another version or without one, or skip it.")
                            : $"Step '{stepPath}' replays the procedure '{step.Action}', which does not exist. Record or import it, or skip the step."
                        : $"Step '{stepPath}' replays the procedure '{inner.Name}', which {(inner.IsRetired ? "is retired" : inner.QuarantinedAt is not null ? "is in quarantine" : "has no active version")}. Activate a version of it, store the step anew, or skip it."));
                }
                else if (chain.Exists(p => p.Id == inner.Id))
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.ProcedureCycle, stepPath, $"Procedures replay each other in a circle: {string.Join(" → ", chain.Select(p => p.Name).Append(inner.Name))}. Change one of them, or skip step '{stepPath}'."));
                }
                else if (chain.Count + (plans.GetValueOrDefault((inner.Id, inner.Version.Number))?.Height ?? 1) > options.MaxProcedureDepth)
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.ProcedureCycle, stepPath, string.Create(CultureInfo.InvariantCulture, $"Procedures replay procedures deeper than {nameof(options.MaxProcedureDepth)} ({options.MaxProcedureDepth}) allows: {string.Join(" → ", chain.Select(p => p.Name).Append(inner.Name))}.")));
                }
                else
                {
                    // What a plan holds does not depend on what it stands in, unless there is a problem, and then none is run.
                    // But where something inside was begun, what it stands in says with which version it goes on.
                    var hasBegun = begun?.Keys.Any(k => k.StartsWith(stepPath + "/", StringComparison.Ordinal)) is true;
                    if (hasBegun || !plans.TryGetValue((inner.Id, inner.Version.Number), out var plan))
                    {
                        plan = await BuildAsync(inner, chain, stepPath + "/").ConfigureAwait(false);
                        if (!hasBegun)
                        {
                            plans[(inner.Id, inner.Version.Number)] = plan;
                        }
                    }

                    nested[step.Id] = plan;
                }
            }

            return new ReplayPlan(current, steps, nested);
        }

        async Task<Procedure?> LoadAsync(string name, int? version)
        {
            if (!loaded.TryGetValue((name, version), out var found))
            {
                found = loaded[(name, version)] = await store.GetProcedureAsync(scopes, name, version, cancellationToken).ConfigureAwait(false);
            }

            return found;
        }
    }

    /// <summary>The same plan with its procedures changed; none gets more or fewer steps.</summary>
    public ReplayPlan WithProcedures(Func<Procedure, Procedure> change)
    {
        var changed = new Dictionary<ReplayPlan, ReplayPlan>();
        return Of(this);

        ReplayPlan Of(ReplayPlan plan) => changed.TryGetValue(plan, out var known)
            ? known
            : changed[plan] = new ReplayPlan(plan, change(plan.Procedure), plan.Nested.ToDictionary(n => n.Key, n => Of(n.Value), StringComparer.Ordinal));
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
