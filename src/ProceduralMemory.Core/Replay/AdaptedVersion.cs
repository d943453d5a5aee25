using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>A version with its arguments under the names that its functions have for them today.</summary>
internal static class AdaptedVersion
{
    /// <summary>A step with some arguments under other names; the steps of a loop are not touched.</summary>
    public static ProcedureStep Rename(ProcedureStep step, IReadOnlyDictionary<string, string> renames) => renames.Count == 0 ? step : step with
    {
        Arguments = Json.Build(writer =>
        {
            writer.WriteStartObject();
            foreach (var argument in step.Arguments.EnumerateObject())
            {
                writer.WritePropertyName(renames.GetValueOrDefault(argument.Name, argument.Name));
                argument.Value.WriteTo(writer);
            }

            writer.WriteEndObject();
        }),
    };

    /// <summary>Steps with some arguments under other names, those of loops included.</summary>
    /// <param name="steps">The steps.</param>
    /// <param name="renamesOf">For a step, from the old name to the new one.</param>
    public static IReadOnlyList<ProcedureStep> Rename(IReadOnlyList<ProcedureStep> steps, Func<ProcedureStep, IReadOnlyDictionary<string, string>> renamesOf) =>
        [.. steps.Select(s => Rename(s.Steps.Count == 0 ? s : s with { Steps = Rename(s.Steps, renamesOf) }, renamesOf(s)))];

    /// <summary>
    /// Stores the active version of a procedure with every argument that has another name now under that name: a draft, for a person to look at. The same proposal is stored once.
    /// </summary>
    /// <param name="procedure">The procedure, at its active version.</param>
    /// <param name="today">What its functions declare.</param>
    /// <param name="store">Where it is stored.</param>
    /// <param name="options">The options.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The number of the draft.</returns>
    /// <exception cref="ProceduralMemoryException">It cannot be stored: the store is read-only, say, or the procedure changed meanwhile.</exception>
    public static async Task<int> ProposeAsync(Procedure procedure, FunctionsOfToday today, IProcedureStore store, ProceduralMemoryOptions options, CancellationToken cancellationToken)
    {
        var version = procedure.Version;
        var compared = version.Steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Function).ToDictionary(s => s.Id, s => (s.Action, Comparison: today.Compare(version, s)), StringComparer.Ordinal);
        var none = new Dictionary<string, string>();
        IReadOnlyDictionary<string, string> RenamesOf(string stepId) => compared.TryGetValue(stepId, out var step) ? step.Comparison.Renames : none;

        // Where another step of the function is in the way, what was recorded of it is still needed to see that.
        var settled = compared.Values.GroupBy(c => c.Action, StringComparer.OrdinalIgnoreCase)
            .Where(g => g.Any(c => c.Comparison.Renames.Count > 0) && g.All(c => c.Comparison.Kind is not DriftKind.Breaking))
            .Select(g => g.Key)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        var definition = ProcedureValidator.Check(
            new ProcedureDefinition
            {
                Name = procedure.Name,
                Description = procedure.Description,
                Notes = procedure.Notes,
                Inputs = version.Inputs,
                Steps = Rename(version.Steps, s => RenamesOf(s.Id)),
                Undo = version.Undo,
                Signatures = [.. version.Signatures.Select(s => settled.Contains(s.Action) && today.Of(s.Action)?.Parameters is { } parameters ? s with { Parameters = parameters } : s)],
            },
            options);
        var traces = await store.ListVersionTracesAsync(procedure.Id, version.Number, options.MaxTracesPerProcedure, cancellationToken).ConfigureAwait(false);
        var stored = await store.SaveVersionAsync(
            new NewVersion
            {
                Scope = procedure.Scope,
                Definition = SecretConstants.Remove(definition, options),
                Reason = VersionReason.Adapted,
                Origin = version.Origin,
                State = VersionState.Draft,
                OnlyOnce = true,
                ExpectedActive = procedure.ActiveVersion,
                Request = version.Request,
                Traces = [.. traces.Select(t => t.Id)],
                Sources = [.. version.Sources.Select(s => Rename(s, RenamesOf(s.StepId)))],
                At = options.TimeProvider.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);
        return stored.Version.Number;
    }

    private static ArgumentSource Rename(ArgumentSource source, IReadOnlyDictionary<string, string> renames)
    {
        if (renames.Count == 0 || source.Argument.Length == 0)
        {
            return source;
        }

        string[] path = [.. JsonPointer.Tokens(source.Argument)];
        path[0] = renames.GetValueOrDefault(path[0], path[0]);
        return source with { Argument = path.Aggregate("", JsonPointer.Append) };
    }
}
