using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>A procedure with the procedures that its steps replay, loaded and looked over before anything runs.</summary>
internal sealed class ReplayPlan
{
    private ReplayPlan(Procedure procedure, IReadOnlyDictionary<string, ReplayPlan> nested)
    {
        Procedure = procedure;
        Nested = nested;
    }

    public Procedure Procedure { get; }

    /// <summary>The plans of the steps that replay a procedure, by step id.</summary>
    public IReadOnlyDictionary<string, ReplayPlan> Nested { get; }

    public static async Task<ReplayPlan> CreateAsync(
        Procedure procedure, IReadOnlyList<string> scopes, IProcedureStore store, ProceduralMemoryOptions options, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        return await BuildAsync(procedure, [], "").ConfigureAwait(false);

        async Task<ReplayPlan> BuildAsync(Procedure current, List<Procedure> outer, string path)
        {
            var nested = new Dictionary<string, ReplayPlan>(StringComparer.Ordinal);
            List<Procedure> chain = [.. outer, current];
            foreach (var step in current.Version.Steps.Where(s => s.Kind is StepKind.Procedure))
            {
                var stepPath = path + step.Id;
                var inner = await store.GetProcedureAsync(scopes, step.Action, version: null, cancellationToken).ConfigureAwait(false);
                if (inner is null || inner.IsRetired || inner.ActiveVersion is null)
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.NestedProcedure, stepPath, inner is null
                        ? $"Step '{stepPath}' replays the procedure '{step.Action}', which does not exist. Record or import it, or skip the step."
                        : $"Step '{stepPath}' replays the procedure '{inner.Name}', which {(inner.IsRetired ? "is retired: it was merged into another one" : "has no active version")}. Activate a version of it, store the step anew, or skip it."));
                }
                else if (chain.Exists(p => p.Id == inner.Id))
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.ProcedureCycle, stepPath, $"Procedures replay each other in a circle: {string.Join(" → ", chain.Select(p => p.Name).Append(inner.Name))}. Change one of them, or skip step '{stepPath}'."));
                }
                else if (chain.Count >= options.MaxProcedureDepth)
                {
                    problems.Add(new ReplayProblem(ReplayProblemCodes.ProcedureCycle, stepPath, string.Create(CultureInfo.InvariantCulture, $"Procedures replay procedures deeper than {nameof(options.MaxProcedureDepth)} ({options.MaxProcedureDepth}) allows: {string.Join(" → ", chain.Select(p => p.Name).Append(inner.Name))}.")));
                }
                else
                {
                    nested[step.Id] = await BuildAsync(inner, chain, stepPath + "/").ConfigureAwait(false);
                }
            }

            return new ReplayPlan(current, nested);
        }
    }

    /// <summary>Every call to a function that a replay of this plan may make, in order.</summary>
    public IEnumerable<PlannedCall> Calls(ReplayRequest request, string path = "")
    {
        foreach (var step in Procedure.Version.Steps)
        {
            if (path.Length == 0 && request.Skip.Contains(step.Id))
            {
                continue;
            }

            if (step.Kind is StepKind.Function)
            {
                yield return new PlannedCall(path + step.Id, step.Action, ArgumentNames(step, request, path), step.Effect);
            }
            else if (Nested.TryGetValue(step.Id, out var inner))
            {
                foreach (var call in inner.Calls(request, $"{path}{step.Id}/"))
                {
                    yield return call;
                }
            }
        }
    }

    /// <summary>What is wrong with the request itself, and what of the plan cannot be replayed as it is.</summary>
    public IEnumerable<ReplayProblem> Problems(ReplayRequest request, ProceduralMemoryOptions options)
    {
        var steps = Procedure.Version.Steps;
        var ids = string.Join(", ", steps.Select(s => s.Id));
        foreach (var unknown in request.Skip.Concat(request.StepOverrides.Keys).Distinct().Where(id => !steps.Any(s => s.Id == id)))
        {
            yield return new ReplayProblem(ReplayProblemCodes.UnknownStep, unknown, $"'{Procedure.Name}' has no step '{unknown}'. Its steps are: {ids}.");
        }

        var actions = Actions().Distinct(StringComparer.Ordinal).ToList();
        foreach (var unknown in request.ActionOverrides.Keys.Where(a => !actions.Contains(a, StringComparer.Ordinal)))
        {
            yield return new ReplayProblem(ReplayProblemCodes.UnknownStep, null, $"No step of '{Procedure.Name}' calls '{unknown}'. It calls: {string.Join(", ", actions)}.");
        }

        foreach (var (name, _) in request.StepOverrides.Concat(request.ActionOverrides).Where(o => o.Value.ValueKind is not JsonValueKind.Object))
        {
            yield return new ReplayProblem(ReplayProblemCodes.InvalidInput, null, $"The adapted parameters for '{name}' are no JSON object. Give the arguments by name.");
        }

        // One level more than a value has: this is the object that holds the values.
        foreach (var (name, fault) in request.StepOverrides.Concat(request.ActionOverrides).Select(o => (o.Key, Json.Fault(o.Value, options.MaxValueDepth + 1))).Where(o => o.Item2 is not null))
        {
            yield return new ReplayProblem(ReplayProblemCodes.InvalidInput, null, $"The adapted parameters for '{name}' cannot be used: {fault}.");
        }

        foreach (var problem in StepProblems(request, ""))
        {
            yield return problem;
        }

        foreach (var step in steps.Where(s => !request.Skip.Contains(s.Id)))
        {
            foreach (var needed in TemplateResolver.NeededSteps(step, Override(request.StepOverrides, step.Id), Override(request.ActionOverrides, step.Action)).Where(request.Skip.Contains))
            {
                yield return new ReplayProblem(ReplayProblemCodes.NeedsSkippedStep, step.Id, $"Step '{step.Id}' needs the result of step '{needed}', which is to be skipped. Skip both, or give the argument as an adapted parameter.");
            }
        }
    }

    /// <summary>The adapted parameters for a step or an action, if they are an object.</summary>
    public static JsonElement? Override(IReadOnlyDictionary<string, JsonElement> overrides, string key) =>
        overrides.TryGetValue(key, out var value) && value.ValueKind is JsonValueKind.Object ? value : null;

    /// <summary>What of the steps, here and in the procedures replayed inside, cannot be done as it is.</summary>
    private IEnumerable<ReplayProblem> StepProblems(ReplayRequest request, string path)
    {
        foreach (var step in Procedure.Version.Steps.Where(s => path.Length > 0 || !request.Skip.Contains(s.Id)))
        {
            if (step.Kind is StepKind.Manual)
            {
                var outer = path.Split('/')[0];
                yield return new ReplayProblem(ReplayProblemCodes.ManualStep, path + step.Id, $"Step '{path}{step.Id}' ({step.Action}) is done by hand. When it is done, or not needed, list {(path.Length == 0 ? "it" : $"'{outer}'")} in skip.");
            }
            else if (Nested.TryGetValue(step.Id, out var inner))
            {
                var given = ArgumentNames(step, request, path);
                foreach (var input in inner.Procedure.Version.Inputs.Where(i => i.Required && i.Default is null && !given.Contains(i.Name)))
                {
                    yield return new ReplayProblem(ReplayProblemCodes.NestedProcedure, path + step.Id, $"Step '{path}{step.Id}' replays '{inner.Procedure.Name}' without its input '{input.Name}'. Give it as an adapted parameter of the step.");
                }

                foreach (var problem in inner.StepProblems(request, $"{path}{step.Id}/"))
                {
                    yield return problem;
                }
            }
        }
    }

    /// <summary>The arguments that a step gives, adapted parameters included.</summary>
    private static HashSet<string> ArgumentNames(ProcedureStep step, ReplayRequest request, string path) =>
        new[] { step.Arguments, (path.Length == 0 ? Override(request.StepOverrides, step.Id) : null) ?? Json.EmptyObject, Override(request.ActionOverrides, step.Action) ?? Json.EmptyObject }
            .SelectMany(a => a.EnumerateObject().Select(p => p.Name))
            .ToHashSet(StringComparer.Ordinal);

    private IEnumerable<string> Actions() => Procedure.Version.Steps.Select(s => s.Action).Concat(Nested.Values.SelectMany(n => n.Actions()));
}
