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

    /// <summary>The request of a replay that is resumed, from what its journal holds.</summary>
    public static ReplayRequest Restore(Execution execution, ResumeRequest resume)
    {
        var settings = execution.Settings!.Value.Deserialize<ReplaySettings>(Json.Stored)!;
        var inputs = execution.Inputs.EnumerateObject()
            .Where(i => !ReplayPast.IsRedacted(i.Value))
            .ToDictionary(i => i.Name, i => i.Value, StringComparer.Ordinal);
        foreach (var (name, value) in resume.Inputs)
        {
            inputs.TryAdd(name, value);
        }

        return new ReplayRequest
        {
            Inputs = inputs,
            ConfirmConstants = settings.ConfirmConstants,
            ContinueOnFailure = settings.ContinueOnFailure,
            Skip = [.. settings.Skip.Union(resume.Skip, StringComparer.Ordinal)],
            StepOverrides = settings.StepOverrides,
            ActionOverrides = settings.ActionOverrides,
            Policies = settings.Policies,
            Version = execution.Version,
            Request = execution.Request,
            Progress = resume.Progress,
        };
    }
}
