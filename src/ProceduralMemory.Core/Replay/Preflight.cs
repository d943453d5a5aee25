using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// Goes through a plan as the replay will, with the values that are known before it begins: inputs, constants and adapted parameters, but no results.
/// It collects the calls that would be made, and what can be seen to go wrong.
/// </summary>
internal sealed class Preflight
{
    private readonly ReplayRequest _request;
    private readonly ProceduralMemoryOptions _options;
    private readonly DriftCheck _drift;
    private readonly IReadOnlySet<string> _done;
    private readonly List<ReplayProblem> _problems;
    private readonly IStepExecutor _executor;
    private readonly List<PlannedCall> _calls = [];

    private Preflight(ReplayRequest request, ProceduralMemoryOptions options, IStepExecutor executor, DriftCheck drift, IReadOnlySet<string> done, List<ReplayProblem> problems)
    {
        _drift = drift;
        _done = done;
        _request = request;
        _options = options;
        _executor = executor;
        _problems = problems;
    }

    /// <summary>Looks a plan over.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="request">What it is to be replayed with.</param>
    /// <param name="inputs">The inputs, bound; those that are at fault have been reported, and are not among them.</param>
    /// <param name="options">The limits.</param>
    /// <param name="executor">Says what functions do.</param>
    /// <param name="drift">Is shown each call, and says under which names the arguments go.</param>
    /// <param name="done">The ids of the steps that are done already, where the replay is resumed: they are not called again.</param>
    /// <param name="problems">What is known to be wrong already; takes what is found.</param>
    /// <returns>Every call to a function that the replay may make, in order.</returns>
    public static IReadOnlyList<PlannedCall> Look(
        ReplayPlan plan, ReplayRequest request, IReadOnlyDictionary<string, JsonElement> inputs, ProceduralMemoryOptions options, IStepExecutor executor, DriftCheck drift, IReadOnlySet<string> done, List<ReplayProblem> problems)
    {
        var preflight = new Preflight(request, options, executor, drift, done, problems);
        var atFault = problems.Select(p => p.InputName).OfType<string>().ToHashSet(StringComparer.Ordinal);
        if (preflight.LookAtRequest(plan))
        {
            preflight.LookAtSteps(plan, inputs, atFault, "");
        }

        return preflight._calls;
    }

    /// <summary>Whether the adapted parameters can be read at all.</summary>
    private bool LookAtRequest(ReplayPlan plan)
    {
        var steps = plan.Procedure.Version.Steps.SelectMany(s => s.WithInner()).ToList();
        var ids = string.Join(", ", steps.Select(s => s.Id));
        foreach (var unknown in _request.Skip.Concat(_request.StepOverrides.Keys).Distinct().Where(id => !steps.Exists(s => s.Id == id)))
        {
            Add(ReplayProblemCodes.UnknownStep, unknown, $"'{plan.Procedure.Name}' has no step '{unknown}'. Its steps are: {ids}.");
        }

        var actions = plan.Actions();
        foreach (var unknown in _request.ActionOverrides.Keys.Where(a => !actions.Contains(a)))
        {
            Add(ReplayProblemCodes.UnknownStep, null, $"No step of '{plan.Procedure.Name}' calls '{unknown}'. It calls: {string.Join(", ", actions)}.");
        }

        var readable = true;
        foreach (var (name, values) in _request.StepOverrides.Concat(_request.ActionOverrides))
        {
            if (values.ValueKind is not JsonValueKind.Object)
            {
                Add(ReplayProblemCodes.InvalidInput, null, $"The adapted parameters for '{name}' are no JSON object. Give the arguments by name.");
            }
            else if (Json.Fault(values, _options.MaxValueDepth, isObjectOfValues: true) is { } fault)
            {
                Add(ReplayProblemCodes.InvalidInput, null, $"The adapted parameters for '{name}' cannot be used: {fault}.");
                readable = false;
            }
        }

        return readable;
    }

    /// <param name="plan">The procedure, or one that is replayed inside.</param>
    /// <param name="inputs">Its inputs whose values are known.</param>
    /// <param name="unknown">The inputs that are given, but whose values are made of results; or that are at fault, which has been said.</param>
    /// <param name="path">The steps it stands in, each with a slash after it.</param>
    private void LookAtSteps(ReplayPlan plan, IReadOnlyDictionary<string, JsonElement> inputs, HashSet<string> unknown, string path)
    {
        var inside = path.Length > 0;
        var given = inputs.ToDictionary(StringComparer.Ordinal);
        foreach (var name in unknown)
        {
            given[name] = Json.Null;
        }

        LookAtSteps(plan, plan.Procedure.Version.Steps, new TemplateResolver(given), given, unknown, path, inside);
    }

    private void LookAtSteps(
        ReplayPlan plan, IReadOnlyList<ProcedureStep> steps, TemplateResolver resolver, Dictionary<string, JsonElement> given, HashSet<string> unknown, string path, bool inside)
    {
        foreach (var step in steps.Where(s => inside || !(_request.Skip.Contains(s.Id) || _done.Contains(s.Id))))
        {
            var at = path + step.Id;
            var adapted = _request.Adapted(step, inside);
            LookForSkipped(step, adapted, inside);
            foreach (var argument in resolver.Used(step, adapted))
            {
                // A step that may not be needed may well lack what it would need.
                if (step.Condition is null)
                {
                    LookForMissingParts(at, argument, given, unknown, inside);
                }
            }

            if (step.Kind is StepKind.Manual)
            {
                Add(ReplayProblemCodes.ManualStep, at, $"Step '{at}' ({step.Action}) is done by hand. When it is done, or not needed, list {(inside ? $"'{path.Split('/')[0]}'" : "it")} in skip.");
            }
            else if (step.Kind is StepKind.Function)
            {
                _calls.Add(new PlannedCall(at, step.Action, _drift.Look(plan.Procedure, step, at, Given(step, adapted, resolver, unknown)), StepEffects.Of(step, plan.Procedure.Version, _options, _executor)));
            }
            else if (step.Kind is StepKind.Loop)
            {
                LookAtSteps(plan, step.Steps, resolver, given, unknown, $"{at}/", inside);
            }
            else if (plan.Nested.TryGetValue(step.Id, out var inner))
            {
                LookInside(inner, step, adapted, resolver, unknown, at);
            }
        }
    }

    /// <summary>The arguments of a call, each with its value where that is known by now.</summary>
    private static List<GivenArgument> Given(ProcedureStep step, AdaptedParameters adapted, TemplateResolver resolver, HashSet<string> unknown) =>
    [
        .. resolver.Used(step, adapted).Select(a => IsUnknown(a.Value, unknown) || !ValueExpression.References(a.Value).Any() || !resolver.TryResolve(a.Value, out var value)
            ? new GivenArgument(a.Name, a.Value)
            : new GivenArgument(a.Name, ValueExpression.Escape(value)) { IsPrivate = true }),
        .. adapted.All().Select(a => new GivenArgument(a.Name, ValueExpression.Escape(a.Value)) { IsAdapted = true, IsPrivate = true }),
    ];

    private static bool IsUnknown(JsonElement template, HashSet<string> unknown) =>
        ValueExpression.References(template).Any(r => r is StepReference or ItemReference || (r is InputReference input && unknown.Contains(input.Name)));

    private void LookForSkipped(ProcedureStep step, AdaptedParameters adapted, bool inside)
    {
        foreach (var needed in TemplateResolver.NeededSteps(step, adapted).Where(id => !inside && _request.Skip.Contains(id)))
        {
            Add(ReplayProblemCodes.NeedsSkippedStep, step.Id, $"Step '{step.Id}' needs the result of step '{needed}', which is to be skipped. Skip both, or give the argument as an adapted parameter.");
        }
    }

    private void LookForMissingParts(string at, JsonProperty argument, Dictionary<string, JsonElement> given, HashSet<string> unknown, bool inside)
    {
        foreach (var reference in ValueExpression.References(argument.Value).OfType<InputReference>().Where(r => !unknown.Contains(r.Name)))
        {
            var isGiven = given.TryGetValue(reference.Name, out var value);
            if (!JsonPointer.TryResolve(isGiven ? value : Json.Null, reference.Pointer, out _))
            {
                var why = isGiven ? $"({Json.Word(Json.TypeOf(value))}) has nothing at {reference.Pointer}" : "is not given";
                Add(
                    ReplayProblemCodes.InvalidInput,
                    at,
                    $"Step '{at}' needs {reference} for its argument '{argument.Name}', and the input '{reference.Name}' {why}. Give the input with that part, or give the argument as an adapted parameter.",
                    inside ? null : reference.Name);
            }
        }
    }

    private void LookInside(ReplayPlan inner, ProcedureStep step, AdaptedParameters adapted, TemplateResolver resolver, HashSet<string> unknown, string at)
    {
        var values = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        var unknownInside = new HashSet<string>(StringComparer.Ordinal);
        foreach (var argument in resolver.Used(step, adapted))
        {
            if (IsUnknown(argument.Value, unknown)
                || !resolver.TryResolve(argument.Value, out var value))
            {
                unknownInside.Add(argument.Name);
            }
            else
            {
                values[argument.Name] = value;
            }
        }

        foreach (var (name, value, _) in adapted.All())
        {
            values[name] = value;
        }

        var procedure = inner.Procedure;
        var problems = new List<ReplayProblem>();
        var bound = InputBinder.Bind(procedure.Name, [.. procedure.Version.Inputs.Where(i => !unknownInside.Contains(i.Name))], values, _options, _request.ConfirmConstants || inner.ConfirmsConstants, problems, inside: true);
        foreach (var problem in problems)
        {
            unknownInside.Add(problem.InputName!);
            Add(ReplayProblemCodes.NestedProcedure, at, problem.Code == ReplayProblemCodes.MissingInput
                ? $"Step '{at}' replays '{procedure.Name}' without its input '{problem.InputName}'. Give it as an adapted parameter of the step."
                : $"Step '{at}' replays '{procedure.Name}' with an input that it does not take. {problem.Message} Give it as an adapted parameter of the step.");
        }

        LookAtSteps(inner, bound, unknownInside, at + "/");
    }

    private void Add(string code, string? stepId, string message, string? inputName = null) => _problems.Add(new ReplayProblem(code, stepId, message, inputName));
}
