using System.Text.Json;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Distill;

/// <summary>What of the standing version stays when further traces are distilled: what a person set, and what was learned since of its steps.</summary>
internal static class StandingVersion
{
    /// <summary>Takes over what stands; pure.</summary>
    /// <param name="distilled">What the traces teach.</param>
    /// <param name="standing">The version that it is to follow.</param>
    /// <param name="options">The limits of a procedure.</param>
    /// <returns>The procedure, and where the traces say something else than a person did.</returns>
    public static (DistilledTrace Distilled, IReadOnlyList<string> Contradictions) Keep(DistilledTrace distilled, ProcedureVersion standing, ProceduralMemoryOptions options)
    {
        standing = WithoutClaims(standing);
        var contradictions = new List<string>();
        var definition = distilled.Definition;
        var (before, idNow) = SameSteps(standing, definition);
        var version = new ProcedureVersion
        {
            Number = standing.Number,
            Reason = standing.Reason,
            State = standing.State,
            Origin = standing.Origin,
            CreatedAt = standing.CreatedAt,
            Inputs = definition.Inputs,
            Steps = [.. definition.Steps.Select(s => WithStanding(s, before))],
            Sources = distilled.Sources,
        };
        foreach (var (step, argument, set) in SetByPerson(standing))
        {
            var source = ValueExpression.RenameSteps(set, id => idNow.GetValueOrDefault(id, id));
            if (!idNow.TryGetValue(step.Id, out var stepId))
            {
                contradictions.Add($"{step.Id}{argument} is set to {Shown(source)}, and the recordings have no such step");
                continue;
            }

            if (!IsTaken(definition, step.Action, JsonPointer.Tokens(argument).First()))
            {
                contradictions.Add($"{stepId}{argument} is set to {Shown(source)}, and {step.Action} takes no such argument any more");
                continue;
            }

            var place = argument;
            if (!JsonPointer.TryResolve(version.Steps.SelectMany(s => s.WithInner()).First(s => s.Id == stepId).Arguments, argument, out var learned))
            {
                contradictions.Add($"{stepId}{argument} is set to {Shown(source)}, and the recordings have no such argument");

                // Where the recordings have another value around it, the whole of it stands as it was.
                place = JsonPointer.Append("", JsonPointer.Tokens(argument).First());
                source = ValueExpression.RenameSteps(step.Arguments.GetProperty(JsonPointer.Tokens(argument).First()), id => idNow.GetValueOrDefault(id, id));
            }
            else if (!Json.AreEqual(learned, source) && !IsInputOfItsOwn(source, definition) && !IsWhatWasGiven(source, learned, definition)
                && !version.Sources.Where(s => s.StepId == stepId && s.Argument == argument).SelectMany(s => s.Alternatives).Any(a => a.Source == Text(source)))
            {
                contradictions.Add($"{stepId}{argument} is set to {Shown(source)}, and the recordings say {Shown(learned)}");
            }

            // Also where the recordings say the same: the next one may not.
            if (Set(version, standing, stepId, place, source) is var corrected && IsValid(corrected, definition, options))
            {
                version = corrected;
            }
            else
            {
                contradictions.Add($"{stepId}{argument} cannot stay {Shown(source)}, which refers to what the recordings do not have");
            }
        }

        return (distilled with { Definition = definition with { Inputs = version.Inputs, Steps = version.Steps }, Sources = version.Sources }, contradictions);
    }

    /// <summary>A version to make another one from. Nobody here vouched for what a document from elsewhere declares of its steps, and the other version is no import any more.</summary>
    public static ProcedureVersion WithoutClaims(ProcedureVersion standing)
    {
        return standing.Origin is ProcedureOrigin.Import ? standing with { Steps = WithoutEffects(standing.Steps) } : standing;

        static IReadOnlyList<ProcedureStep> WithoutEffects(IReadOnlyList<ProcedureStep> steps) =>
            [.. steps.Select(s => s with { Effect = StepEffect.Unknown, Steps = WithoutEffects(s.Steps) })];
    }

    /// <summary>The standing steps by the ids that the same steps have now, and those ids by the standing ones. Who writes a procedure chooses the ids: steps of one action in one order are the same.</summary>
    private static (Dictionary<string, ProcedureStep> Before, Dictionary<string, string> IdNow) SameSteps(ProcedureVersion standing, ProcedureDefinition definition)
    {
        var left = standing.Steps.SelectMany(s => s.WithInner()).ToList();
        var (before, idNow) = (new Dictionary<string, ProcedureStep>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));
        var steps = definition.Steps.SelectMany(s => s.WithInner()).ToList();
        foreach (var step in steps)
        {
            Match(step, left.Find(s => s.Id == step.Id && IsSame(s, step)));
        }

        foreach (var step in steps.Where(s => !before.ContainsKey(s.Id)))
        {
            Match(step, left.Find(s => IsSame(s, step)));
        }

        return (before, idNow);

        void Match(ProcedureStep step, ProcedureStep? earlier)
        {
            if (earlier is not null)
            {
                left.Remove(earlier);
                before.Add(step.Id, earlier);
                idNow.Add(earlier.Id, step.Id);
            }
        }

        static bool IsSame(ProcedureStep earlier, ProcedureStep step) =>
            earlier.Kind == step.Kind && (step.Kind is StepKind.Loop || string.Equals(earlier.Action, step.Action, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>The version with what a person set. An input that a person declared keeps what the person said of it.</summary>
    private static ProcedureVersion Set(ProcedureVersion version, ProcedureVersion standing, string stepId, string argument, JsonElement source)
    {
        var named = ValueExpression.References(source).OfType<InputReference>().Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
        version = version with { Inputs = [.. version.Inputs.Where(i => !named.Contains(i.Name)), .. standing.Inputs.Where(i => named.Contains(i.Name))] };
        var (inputs, steps, sources) = SourceEditor.Set(version, stepId, argument, source);
        return version with { Inputs = inputs, Steps = steps, Sources = sources };
    }

    /// <summary>Whether a source is an input that the recordings know nothing of: it can have been anything.</summary>
    private static bool IsInputOfItsOwn(JsonElement source, ProcedureDefinition learned) =>
        source.ValueKind is JsonValueKind.String && ValueExpression.Parse(source.GetString()!) is InputReference { Pointer: "" } input && !learned.Inputs.Any(i => i.Name == input.Name);

    /// <summary>Whether a source is the constant that every recording had, where they would have it asked for.</summary>
    private static bool IsWhatWasGiven(JsonElement source, JsonElement learned, ProcedureDefinition definition) =>
        learned.ValueKind is JsonValueKind.String && ValueExpression.Parse(learned.GetString()!) is InputReference { Pointer: "" } input
        && definition.Inputs.First(i => i.Name == input.Name).Examples is [var only] && Json.AreEqual(ValueExpression.Escape(only), source);

    /// <summary>Whether a function takes an argument, by what it declared when it was recorded last; one of which nothing is known takes any.</summary>
    private static bool IsTaken(ProcedureDefinition definition, string action, string argument) =>
        FunctionSignature.ParametersOf(definition.Signatures, action) is not { } schema || !schema.TryGetProperty("properties", out var parameters) || parameters.ValueKind is not JsonValueKind.Object
        || parameters.EnumerateObject().Any(p => string.Equals(p.Name, argument, StringComparison.OrdinalIgnoreCase));

    private static bool IsValid(ProcedureVersion version, ProcedureDefinition definition, ProceduralMemoryOptions options)
    {
        try
        {
            ProcedureValidator.Check(definition with { Inputs = version.Inputs, Steps = version.Steps }, options);
            return true;
        }
        catch (ProcedureFormatException)
        {
            return false;
        }
    }

    /// <summary>A person wrote all of a version that was stored or imported, and of another what was corrected in it.</summary>
    private static IEnumerable<(ProcedureStep Step, string Argument, JsonElement Source)> SetByPerson(ProcedureVersion standing)
    {
        var steps = standing.Steps.SelectMany(s => s.WithInner());
        if (standing.Reason is VersionReason.Stored or VersionReason.Imported)
        {
            return steps.SelectMany(s => s.Arguments.EnumerateObject().Select(a => (s, JsonPointer.Append("", a.Name), a.Value)));
        }

        return standing.Sources
            .Where(e => e.IsEdited)
            .Join(steps, e => e.StepId, s => s.Id, (e, s) => (s, e.Argument, JsonPointer.TryResolve(s.Arguments, e.Argument, out var source) ? source : (JsonElement?)null))
            .Where(e => e.Item3 is not null)
            .Select(e => (e.s, e.Argument, e.Item3!.Value));
    }

    private static ProcedureStep WithStanding(ProcedureStep step, Dictionary<string, ProcedureStep> before) =>
        (before.TryGetValue(step.Id, out var earlier)
            ? step with
            {
                OnFailure = earlier.OnFailure,
                Retry = earlier.Retry,
                Timeout = earlier.Timeout,
                Version = earlier.Version,
                Flags = earlier.Flags,
                Notes = step.Notes ?? earlier.Notes,
                Effect = step.Effect is StepEffect.Unknown ? earlier.Effect : step.Effect,
                Expectation = earlier.Expectation?.Strength is ExpectationStrength.Asserted ? earlier.Expectation : step.Expectation,
            }
            : step) with
        { Steps = [.. step.Steps.Select(s => WithStanding(s, before))] };

    private static string Text(JsonElement source) => source.ValueKind is JsonValueKind.String ? source.GetString()! : source.GetRawText();

    private static string Shown(JsonElement source) => Text(source) is { Length: > 60 } text ? text[..60] + "…" : Text(source);
}
