using System.Text.Json;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Distill;

/// <summary>What of the standing version stays when further traces are distilled: what a person set, and what was learned since of its steps.</summary>
internal static class StandingVersion
{
    /// <summary>Takes over what stands; pure.</summary>
    /// <param name="distilled">What the traces teach.</param>
    /// <param name="standing">The version that it is to follow.</param>
    /// <returns>The procedure, and where the traces say something else than a person did.</returns>
    public static (DistilledTrace Distilled, IReadOnlyList<string> Contradictions) Keep(DistilledTrace distilled, ProcedureVersion standing)
    {
        var contradictions = new List<string>();
        var definition = distilled.Definition;
        var before = standing.Steps.SelectMany(s => s.WithInner()).ToDictionary(s => s.Id, StringComparer.Ordinal);
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
        foreach (var (step, argument, source) in SetByPerson(standing))
        {
            if (version.Steps.SelectMany(s => s.WithInner()).FirstOrDefault(s => s.Id == step.Id && s.Action == step.Action) is not { } now
                || !JsonPointer.TryResolve(now.Arguments, argument, out var learned))
            {
                contradictions.Add($"{step.Id}{argument} is set to {Shown(source)}, and the recordings have no such argument");
                continue;
            }

            if (JsonElement.DeepEquals(learned, source))
            {
                continue;
            }

            var alternatives = version.Sources.Where(s => s.StepId == step.Id && s.Argument == argument).SelectMany(s => s.Alternatives);
            if (!alternatives.Any(a => a.Source == Text(source)))
            {
                contradictions.Add($"{step.Id}{argument} is set to {Shown(source)}, and the recordings say {Shown(learned)}");
            }

            // An input that a person declared keeps what the person said of it.
            var named = ValueExpression.References(source).OfType<InputReference>().Select(r => r.Name).ToHashSet(StringComparer.Ordinal);
            version = version with { Inputs = [.. version.Inputs.Where(i => !named.Contains(i.Name)), .. standing.Inputs.Where(i => named.Contains(i.Name))] };
            var (inputs, steps, sources) = SourceEditor.Set(version, step.Id, argument, source);
            version = version with { Inputs = inputs, Steps = steps, Sources = sources };
        }

        return (distilled with { Definition = definition with { Inputs = version.Inputs, Steps = version.Steps }, Sources = version.Sources }, contradictions);
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
        (before.TryGetValue(step.Id, out var earlier) && earlier.Action == step.Action && earlier.Kind == step.Kind
            ? step with
            {
                OnFailure = earlier.OnFailure,
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
