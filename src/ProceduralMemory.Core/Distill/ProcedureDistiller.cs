using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Distill;

/// <summary>
/// Makes a procedure of a trace. Failed calls are left out. Each value of each argument gets a source, by equality:
/// the user's request, regardless of case (then it is an input), the result of an earlier step (a binding), else it is a constant.
/// Outcomes become expectations. The same trace gives the same procedure.
/// </summary>
internal static class ProcedureDistiller
{
    /// <summary>Distils the traces of one procedure.</summary>
    /// <param name="traces">All of them, with their steps by ordinal; the order does not matter.</param>
    /// <param name="trace">The one of them that was recorded now.</param>
    /// <param name="standing">The version that it may change: what a person set in it stands, and so do its flags and policies. <see langword="null"/> for none.</param>
    /// <param name="options">The options.</param>
    /// <returns>The procedure and the statistics of the recording itself, or <see langword="null"/> when there is nothing to learn: no step succeeded, or all that was done is to replay one procedure.</returns>
    public static DistilledTrace? Distill(IReadOnlyList<Trace> traces, Trace trace, ProcedureVersion? standing, ProceduralMemoryOptions options)
    {
        var steps = InRequestOrder(trace.Steps).Where(s => s.Status is StepStatus.Success).ToList();
        if (steps is [] or [{ Kind: StepKind.Procedure }])
        {
            return null;
        }

        var ids = new HashSet<string>(StringComparer.Ordinal);
        var inputs = new InputCollector();
        var results = new ResultIndex();
        var distilled = new List<ProcedureStep>();
        var statistics = new Dictionary<string, StepStatistics>(StringComparer.Ordinal);
        var duration = TimeSpan.Zero;
        var endedAt = trace.StartedAt;
        foreach (var step in steps)
        {
            var id = ProcedureValidator.MakeStepId(step.Action, ids);
            distilled.Add(new ProcedureStep
            {
                Id = id,
                Kind = step.Kind,
                Action = step.Action,
                Arguments = Generalise(step, trace.Request, inputs, results),
                Expectation = ExpectationOf(step),
                Notes = step.Notes,
            });
            if (step.Result is { } result)
            {
                results.Add(id, result);
            }

            endedAt = step.StartedAt + step.Duration > endedAt ? step.StartedAt + step.Duration : endedAt;
            duration += step.Duration;
            statistics[id] = new StepStatistics().With(failed: false, step.Duration, step.StartedAt + step.Duration);
        }

        return new DistilledTrace(
            new ProcedureDefinition { Name = trace.Name, Description = trace.Description, Tags = trace.Tags, Notes = trace.Notes, Inputs = inputs.Inputs, Steps = distilled },
            ExecutionStatistics.None.With(ExecutionVerdict.Success, duration, endedAt),
            statistics,
            trace.Steps.Count - steps.Count);
    }

    /// <summary>Calls that the model asked for in one answer may begin in any order; they stand where the first of them began, in the order asked for.</summary>
    private static IEnumerable<TraceStep> InRequestOrder(IReadOnlyList<TraceStep> steps)
    {
        var firstOfGroup = steps.Where(s => s.CallGroup is not null).GroupBy(s => s.CallGroup!).ToDictionary(g => g.Key, g => g.Min(s => s.Ordinal), StringComparer.Ordinal);
        return steps
            .OrderBy(s => s.CallGroup is null ? s.Ordinal : firstOfGroup[s.CallGroup])
            .ThenBy(s => s.CallIndex)
            .ThenBy(s => s.Ordinal);
    }

    private static JsonElement Generalise(TraceStep step, string? request, InputCollector inputs, ResultIndex results) => Json.Build(writer =>
    {
        writer.WriteStartObject();
        foreach (var argument in step.Arguments.EnumerateObject())
        {
            writer.WritePropertyName(argument.Name);
            WriteSource(argument.Value, argument.Name);
        }

        writer.WriteEndObject();

        void WriteSource(JsonElement value, string name)
        {
            if (IsWithheld(value))
            {
                // Its value was never kept, so whoever replays must give it.
                var secret = value.GetString() != TraceStep.OmittedMarker;
                writer.WriteStringValue(inputs.Add(name, value, $"{step.Action}, argument {name}", secret).ToString());
            }
            else if (RequestText.Mentions(request, value))
            {
                writer.WriteStringValue(inputs.Add(name, value, $"{step.Action}, argument {name}", secret: false).ToString());
            }
            else if (results.Find(value) is { } source)
            {
                writer.WriteStringValue(source.ToString());
            }
            else if (value.ValueKind is JsonValueKind.Object)
            {
                writer.WriteStartObject();
                foreach (var member in value.EnumerateObject())
                {
                    writer.WritePropertyName(member.Name);
                    WriteSource(member.Value, member.Name);
                }

                writer.WriteEndObject();
            }
            else if (value.ValueKind is JsonValueKind.Array)
            {
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    WriteSource(item, name);
                }

                writer.WriteEndArray();
            }
            else
            {
                ValueExpression.WriteEscaped(writer, value);
            }
        }
    });

    private static bool IsWithheld(JsonElement value) =>
        value.ValueKind is JsonValueKind.String && value.GetString() is { } text && (text == TraceStep.OmittedMarker || text.Contains(SecretRedactor.Marker, StringComparison.Ordinal));

    private static Expectation? ExpectationOf(TraceStep step)
    {
        if (step.Result is { } result)
        {
            return new Expectation
            {
                Kind = ExpectationKind.Shape,
                Value = OutcomeComparer.ShapeOf(result),
                Strength = ExpectationStrength.Observed,
                Description = step.Outcome,
            };
        }

        return string.IsNullOrWhiteSpace(step.Outcome)
            ? null
            : new Expectation { Kind = ExpectationKind.Contains, Value = Json.String(step.Outcome), Strength = ExpectationStrength.Observed, Description = step.Outcome };
    }
}

/// <summary>What a trace taught.</summary>
/// <param name="Definition">The procedure.</param>
/// <param name="Statistics">The recording as the first execution: a success, with the time that its own calls took, without the model's.</param>
/// <param name="StepStatistics">The same by step id.</param>
/// <param name="DroppedSteps">How many calls are not in the procedure.</param>
internal sealed record DistilledTrace(
    ProcedureDefinition Definition,
    ExecutionStatistics Statistics,
    IReadOnlyDictionary<string, StepStatistics> StepStatistics,
    int DroppedSteps)
{
    /// <summary>Why the arguments have the sources that they have.</summary>
    public IReadOnlyList<ArgumentSource> Sources { get; init; } = [];
}
