using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>Goes through a plan with what is known before its replay, and tells of each step what it would be. It calls and writes nothing.</summary>
internal sealed class PreviewBuilder(ReplayRequest request, ProceduralMemoryOptions options, IStepExecutor executor, ValueCapture capture)
{
    private readonly List<PlannedApproval> _callApprovals = [];

    /// <summary>The single calls that a person would be asked about, known once the steps are.</summary>
    public IReadOnlyList<PlannedApproval> CallApprovals => _callApprovals;

    /// <summary>The steps of the plan.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="inputs">Its inputs whose values are known.</param>
    /// <param name="expand">Whether the procedures inside are gone into.</param>
    public IReadOnlyList<PreviewStep> Steps(ReplayPlan plan, IReadOnlyDictionary<string, JsonElement> inputs, bool expand)
    {
        // First, since it learns which values are secret: they may stand anywhere.
        RedactedInputs.Of(plan.Procedure.Version, inputs, capture);
        return Steps(plan.Procedure.Version.Steps, new Level(plan, inputs, request.Inputs, SecretInputs(plan), "", expand));
    }

    /// <summary>How long steps take together; <see langword="null"/> where that is not known.</summary>
    public static TimeSpan? Duration(IReadOnlyList<PreviewStep> steps) =>
        steps.Where(s => s.Skipped is null).Aggregate((TimeSpan?)TimeSpan.Zero, (sum, step) => sum + step.EstimatedDuration);

    private List<PreviewStep> Steps(IReadOnlyList<ProcedureStep> steps, Level level) => [.. steps.Select(s => Step(s, level))];

    private PreviewStep Step(ProcedureStep step, Level level)
    {
        var version = level.Plan.Procedure.Version;
        var adapted = request.Adapted(step, level.IsInside);
        var at = level.Path + step.Id;
        var skipped = Skipped(step, level);
        var approval = step.Kind is StepKind.Function && skipped is null ? ReviewedVersion.PolicyOf(step, version, options, executor) : ApprovalPolicy.Never;
        if (approval is ApprovalPolicy.Always)
        {
            _callApprovals.Add(new PlannedApproval(approval, level.Plan.Procedure.Name, version.Number, at, step.Action));
        }

        return new PreviewStep
        {
            StepId = at,
            Action = step.Action,
            Kind = step.Kind,
            Arguments = step.Kind is StepKind.Loop ? [] : Arguments(step, adapted, level),
            Effect = StepEffects.Of(step, version, options, executor),
            Approval = approval,
            Condition = step.Condition is { } condition ? ProcedureText.Condition(condition) : null,
            Skipped = skipped,
            ForEach = step.ForEach,
            EstimatedDuration = version.StepStatistics.GetValueOrDefault(step.Id)?.MeanDuration,
            Steps = skipped is not null ? []
                : step.Kind is StepKind.Loop ? Steps(step.Steps, level with { Path = at + "/" })
                : step.Kind is StepKind.Procedure && level.Expand && level.Plan.Nested.TryGetValue(step.Id, out var inner) ? Inside(inner, step, adapted, level, at)
                : [],
        };
    }

    private string? Skipped(ProcedureStep step, Level level) =>
        !level.IsInside && request.Skip.Contains(step.Id) ? "left out on request"
        : step.Condition is { } condition && level.Knows(Json.String(condition.Value)) && !level.Resolver.Holds(condition) ? "not needed: its condition does not hold"
        : null;

    private List<PreviewArgument> Arguments(ProcedureStep step, AdaptedParameters adapted, Level level)
    {
        var shown = new List<(string Name, JsonElement Value, bool IsKnown, ArgumentOrigin Origin)>();
        foreach (var argument in level.Resolver.Used(step, adapted))
        {
            var value = argument.Value;
            var isKnown = level.Knows(value) && level.Resolver.TryResolve(value, out value);
            shown.Add((argument.Name, level.IsMadeOfSecret(argument.Value) ? Json.String(SecretRedactor.Marker) : isKnown ? value : argument.Value, isKnown, level.Resolver.OriginOf(argument.Value)));
        }

        shown.AddRange(adapted.All().Select(a => (a.Name, a.Value, true, a.Origin)));
        var redacted = capture.Arguments(
            step.Action,
            Json.Build(writer =>
            {
                writer.WriteStartObject();
                foreach (var (name, value, _, _) in shown)
                {
                    writer.WritePropertyName(name);

                    // Put together of values within their limits, it may itself be beyond all.
                    (Json.Fault(value, Json.MaxDepth) is null ? value : Json.String(TraceStep.OmittedMarker)).WriteTo(writer);
                }

                writer.WriteEndObject();
            }),
            out _);
        return [.. shown.Select(a => new PreviewArgument(a.Name, redacted.TryGetProperty(a.Name, out var value) ? value : Json.String(TraceStep.OmittedMarker), a.IsKnown, a.Origin))];
    }

    private List<PreviewStep> Inside(ReplayPlan inner, ProcedureStep step, AdaptedParameters adapted, Level outer, string at)
    {
        var given = adapted.All().ToDictionary(a => a.Name, a => a.Value, StringComparer.Ordinal);
        var secret = SecretInputs(inner);
        var open = new HashSet<string>(StringComparer.Ordinal);
        foreach (var argument in outer.Resolver.Used(step, adapted))
        {
            if (outer.IsMadeOfSecret(argument.Value))
            {
                secret.Add(argument.Name);
            }

            if (outer.Knows(argument.Value) && outer.Resolver.TryResolve(argument.Value, out var value))
            {
                given[argument.Name] = value;
            }
            else
            {
                open.Add(argument.Name);
            }
        }

        // What is wrong with the inputs has been said when the plan was looked over.
        var version = inner.Procedure.Version;
        var inputs = InputBinder.Bind(
            inner.Procedure.Name, [.. version.Inputs.Where(i => !open.Contains(i.Name))], given, options, request.ConfirmConstants || inner.ConfirmsConstants, [], inside: true);
        foreach (var name in secret.Where(inputs.ContainsKey))
        {
            capture.AddSecret(inputs[name]);
        }

        return Steps(version.Steps, new Level(inner, inputs, given, secret, at + "/", Expand: true) { Open = open, IsInside = true });
    }

    private static HashSet<string> SecretInputs(ReplayPlan plan) => plan.Procedure.Version.Inputs.Where(i => i.Secret).Select(i => i.Name).ToHashSet(StringComparer.Ordinal);

    /// <summary>What is known of one procedure of the plan.</summary>
    private sealed record Level(ReplayPlan Plan, IReadOnlyDictionary<string, JsonElement> Inputs, IReadOnlyDictionary<string, JsonElement> Given, HashSet<string> Secret, string Path, bool Expand)
    {
        private TemplateResolver? _resolver;

        /// <summary>The inputs that are given, with values that only the replay knows.</summary>
        public HashSet<string> Open { get; init; } = [];

        public bool IsInside { get; init; }

        public TemplateResolver Resolver => _resolver ??= new TemplateResolver(
            Inputs.Concat(Open.Select(name => KeyValuePair.Create(name, Json.Null))).ToDictionary(StringComparer.Ordinal),
            constants: Plan.Procedure.Version.Inputs.Where(i => i.Unconfirmed && !Given.ContainsKey(i.Name)).Select(i => i.Name).ToHashSet(StringComparer.Ordinal));

        public bool Knows(JsonElement template) => ValueExpression.References(template).All(r => r is InputReference input && !Open.Contains(input.Name));

        public bool IsMadeOfSecret(JsonElement template) => ValueExpression.References(template).Any(r => r is InputReference input && Secret.Contains(input.Name));
    }
}
