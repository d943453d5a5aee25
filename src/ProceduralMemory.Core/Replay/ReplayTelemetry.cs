using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace ProceduralMemory.Replay;

/// <summary>
/// Spans and metrics of replays, under the name that hosts listen to. Names follow OpenTelemetry's semantic conventions for generative AI where they have one
/// (<c>execute_tool</c>, <c>gen_ai.tool.name</c>, <c>error.type</c>); nothing of what was sent or returned is in them, unless the host wants it
/// (<see cref="ProceduralMemoryOptions.ContentInTelemetry"/>).
/// </summary>
internal static class ReplayTelemetry
{
    private static readonly ActivitySource Source = new(ProceduralMemoryTelemetry.Name);
    private static readonly Meter Meter = new(ProceduralMemoryTelemetry.Name);
    private static readonly Histogram<double> ReplayDuration = Meter.CreateHistogram<double>("procedural_memory.replay.duration", "s", "How long replays take.");
    private static readonly Histogram<double> StepDuration = Meter.CreateHistogram<double>("procedural_memory.step.duration", "s", "How long the steps of replays take.");

    public static Activity? StartReplay(Procedure procedure, Guid execution, bool isOutermost)
    {
        var activity = Source.StartActivity(isOutermost ? "replay" : "replay_part");
        if (activity is { IsAllDataRequested: true })
        {
            activity.DisplayName = $"{activity.OperationName} {procedure.Name}";
            activity.SetTag("procedural_memory.procedure.name", procedure.Name);
            activity.SetTag("procedural_memory.procedure.version", procedure.Version.Number);
            activity.SetTag("procedural_memory.execution.id", execution.ToString("D"));
        }

        return activity;
    }

    public static void EndReplay(Activity? activity, Procedure procedure, ReplayOutcome outcome, TimeSpan duration, bool isOutermost)
    {
        var word = Json.Word(outcome);
        activity?.SetTag("procedural_memory.outcome", word);
        if (outcome is ReplayOutcome.Failed)
        {
            activity?.SetStatus(ActivityStatusCode.Error);
        }

        if (isOutermost)
        {
            ReplayDuration.Record(duration.TotalSeconds, new("procedural_memory.procedure.name", procedure.Name), new("procedural_memory.outcome", word));
        }
    }

    public static Activity? StartStep(ProcedureStep step, Guid execution, string path)
    {
        var activity = step.Kind is StepKind.Function ? Source.StartActivity("execute_tool", ActivityKind.Internal) : null;
        if (activity is { IsAllDataRequested: true })
        {
            activity.DisplayName = $"execute_tool {step.Action}";
            activity.SetTag("gen_ai.operation.name", "execute_tool");
            activity.SetTag("gen_ai.tool.name", step.Action);
            activity.SetTag("procedural_memory.step.id", path + step.Id);
            activity.SetTag("procedural_memory.execution.id", execution.ToString("D"));
        }

        return activity;
    }

    /// <summary>Adds what was sent or returned, secrets taken out.</summary>
    public static void AddContent(Activity? activity, string name, System.Text.Json.JsonElement? content)
    {
        if (activity is { IsAllDataRequested: true } && content is { } value)
        {
            activity.SetTag(name, value.GetRawText());
        }
    }

    public static void EndStep(Activity? activity, ProcedureStep step, StepOutcome outcome)
    {
        var status = Json.Word(outcome.Status);
        activity?.SetTag("procedural_memory.step.status", status);
        activity?.SetTag("procedural_memory.step.attempts", outcome.Attempts);
        if (outcome.Failure is { } failure && outcome.Status is StepStatus.Failed or StepStatus.Unknown)
        {
            activity?.SetTag("error.type", failure.ErrorType);
            activity?.SetStatus(ActivityStatusCode.Error);
        }

        if (step.Kind is StepKind.Function)
        {
            StepDuration.Record(outcome.Duration.TotalSeconds, new("gen_ai.tool.name", step.Action), new("procedural_memory.step.status", status));
        }
    }
}
