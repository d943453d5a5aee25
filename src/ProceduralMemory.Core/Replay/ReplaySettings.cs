using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Replay;

/// <summary>What is asked of a replay beside its inputs, as its journal keeps it for whoever resumes it.</summary>
internal sealed record ReplaySettings
{
    public bool ConfirmConstants { get; init; }

    public bool ContinueOnFailure { get; init; }

    public IReadOnlyList<string> Skip { get; init; } = [];

    public IReadOnlyDictionary<string, JsonElement> StepOverrides { get; init; } = new Dictionary<string, JsonElement>();

    public IReadOnlyDictionary<string, JsonElement> ActionOverrides { get; init; } = new Dictionary<string, JsonElement>();

    public IReadOnlyDictionary<string, StepPolicy> Policies { get; init; } = new Dictionary<string, StepPolicy>();

    /// <summary>Writes down what a request asks for, secrets taken out.</summary>
    public static JsonElement Capture(ReplayRequest request, ProcedureVersion version, ValueCapture capture)
    {
        if (request is { ConfirmConstants: false, ContinueOnFailure: false, Skip.Count: 0, StepOverrides.Count: 0, ActionOverrides.Count: 0, Policies.Count: 0 })
        {
            return Json.EmptyObject;
        }

        var actions = version.Steps.SelectMany(s => s.WithInner()).ToDictionary(s => s.Id, s => s.Action, StringComparer.Ordinal);
        var settings = new ReplaySettings
        {
            ConfirmConstants = request.ConfirmConstants,
            ContinueOnFailure = request.ContinueOnFailure,
            Skip = [.. request.Skip],
            StepOverrides = request.StepOverrides.ToDictionary(o => o.Key, o => capture.Arguments(actions.GetValueOrDefault(o.Key, ""), o.Value, out _), StringComparer.Ordinal),
            ActionOverrides = request.ActionOverrides.ToDictionary(o => o.Key, o => capture.Arguments(o.Key, o.Value, out _), StringComparer.Ordinal),
            Policies = request.Policies,
        };
        return JsonSerializer.SerializeToElement(settings, Json.Stored);
    }

    /// <summary>What is kept, with further steps to leave out.</summary>
    public static JsonElement WithSkip(JsonElement kept, IEnumerable<string> skip)
    {
        var settings = kept.Deserialize<ReplaySettings>(Json.Stored)!;
        return JsonSerializer.SerializeToElement(settings with { Skip = [.. settings.Skip.Union(skip, StringComparer.Ordinal)] }, Json.Stored);
    }

    /// <summary>The request of a replay that is resumed, from what its journal holds.</summary>
    /// <param name="past">What the journal holds, and what is added to it.</param>
    /// <param name="problems">Takes the adapted parameters that the journal does not hold, and that are not given again.</param>
    public static ReplayRequest Restore(ReplayPast past, List<ReplayProblem> problems)
    {
        var (execution, resume) = (past.Root, past.Request);
        var settings = execution.Settings!.Value.Deserialize<ReplaySettings>(Json.Stored)!;
        var inputs = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var input in execution.Inputs.EnumerateObject())
        {
            if (!ReplayPast.IsRedacted(input.Value))
            {
                inputs.Add(input.Name, input.Value);
            }
            else if (resume.Inputs.TryGetValue(input.Name, out var given))
            {
                inputs.Add(input.Name, given);
            }
        }

        var left = settings.StepOverrides.Where(o => !past.Done.Contains(o.Key) && !settings.Skip.Contains(o.Key) && !resume.Skip.Contains(o.Key));
        return new ReplayRequest
        {
            Inputs = inputs,
            ConfirmConstants = settings.ConfirmConstants,
            ContinueOnFailure = settings.ContinueOnFailure,
            Skip = [.. settings.Skip.Union(resume.Skip, StringComparer.Ordinal)],
            StepOverrides = GivenAgain(left, resume.StepOverrides, problems),
            ActionOverrides = GivenAgain(settings.ActionOverrides, resume.ActionOverrides, problems),
            Policies = settings.Policies,
            Version = execution.Version,
            Request = execution.Request,
            Progress = resume.Progress,
        };
    }

    /// <summary>The inputs that were given, that the journal does not hold, and that are not given again: no default stands for them.</summary>
    public static IEnumerable<string> NotGivenAgain(ReplayPast past) => past.Root.Inputs.EnumerateObject()
        .Where(i => ReplayPast.IsRedacted(i.Value) && !(past.Request.Inputs.TryGetValue(i.Name, out var given) && given.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null)))
        .Select(i => i.Name);

    /// <summary>Adapted parameters with the values that the journal does not hold as they are given again.</summary>
    private static Dictionary<string, JsonElement> GivenAgain(IEnumerable<KeyValuePair<string, JsonElement>> kept, IReadOnlyDictionary<string, JsonElement> again, List<ReplayProblem> problems)
    {
        var overrides = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (key, values) in kept)
        {
            overrides.Add(key, values.ValueKind is not JsonValueKind.Object || !ReplayPast.IsRedacted(values) ? values : Json.Build(writer =>
            {
                writer.WriteStartObject();
                foreach (var value in values.EnumerateObject())
                {
                    var isKept = !ReplayPast.IsRedacted(value.Value);
                    var given = value.Value;
                    if (!isKept && !(again.TryGetValue(key, out var members) && members.ValueKind is JsonValueKind.Object && members.TryGetProperty(value.Name, out given)))
                    {
                        problems.Add(new ReplayProblem(ReplayProblemCodes.MissingInput, null, $"The adapted parameter '{value.Name}' for '{key}' is secret or too large, and was not kept. Give it again."));
                        continue;
                    }

                    writer.WritePropertyName(value.Name);
                    given.WriteTo(writer);
                }

                writer.WriteEndObject();
            }));
        }

        return overrides;
    }

    /// <summary>What is kept of an element of a loop, so that a loop which goes on can tell whether its list is still the one it began with.</summary>
    /// <param name="element">Tells the element; <see langword="null"/> where that would give a secret away.</param>
    /// <param name="count">How many elements the list has.</param>
    public static JsonElement OfElement(string? element, int count) => Json.Build(writer =>
    {
        writer.WriteStartObject();
        if (element is not null)
        {
            writer.WriteString("element", element);
        }

        writer.WriteNumber("count", count);
        writer.WriteEndObject();
    });
}
