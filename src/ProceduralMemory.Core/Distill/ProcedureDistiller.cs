using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// Makes a procedure of traces. They are cleaned (<see cref="TraceCleaner"/>) and aligned (<see cref="TraceAligner"/>): calls made for each element of a list become a loop, steps
/// that some did without get a condition (<see cref="ConditionFinder"/>). Each value of each argument gets the likeliest of the sources that agree with every trace
/// (<see cref="SourceFinder"/>). Outcomes become expectations. The same traces give the same procedure, in whatever order they come.
/// </summary>
internal static class ProcedureDistiller
{
    /// <summary>Distils the traces of one procedure.</summary>
    /// <param name="traces">All of them, with their steps by ordinal; the order does not matter.</param>
    /// <param name="trace">The one of them that was recorded now.</param>
    /// <param name="options">The options.</param>
    /// <returns>The procedure and the statistics of the recording itself, or <see langword="null"/> when there is nothing to learn: no step succeeded, or all that was done is to replay one procedure.</returns>
    public static DistilledTrace? Distill(IReadOnlyList<Trace> traces, Trace trace, ProceduralMemoryOptions options)
    {
        if (TeachesNothing(trace, options))
        {
            return null;
        }

        var alignment = TraceAlignment.Of(traces, options);
        var signatures = SignaturesOf(traces, trace);
        var schemas = new ParameterSchemas(action => options.ParametersOf(action) ?? FunctionSignature.ParametersOf(signatures, action));
        var noLoops = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            var aligned = alignment(noLoops);
            var arguments = new ArgumentDistiller(aligned, options, schemas);
            var (templates, lists, sources) = arguments.Distill();
            if (arguments.UnexplainedLoops.Count > 0)
            {
                // The calls are made one by one, each with what it needs.
                noLoops.UnionWith(aligned.Steps.Where(s => s.Shape is not null && arguments.UnexplainedLoops.Contains(s.Loop)).Select(s => s.Shape!.Key));
                continue;
            }

            var conditions = new ConditionFinder(aligned, arguments.Inputs, arguments.UseNamed);
            var steps = StepsOf(aligned, templates, lists, conditions, options);
            var (statistics, whole) = StatisticsOf(aligned, trace);
            return new DistilledTrace(
                new ProcedureDefinition { Name = trace.Name, Description = trace.Description, Tags = trace.Tags, Notes = trace.Notes, Inputs = arguments.Inputs.Inputs, Steps = steps, Signatures = FunctionSignature.Of(steps, signatures) },
                whole,
                statistics,
                trace.Steps.Count - TraceCleaner.CallsOf(trace, options).Count)
            {
                Sources = sources,
            };
        }
    }

    /// <summary>Whether no call of a trace succeeded, or all that was done is to replay one procedure.</summary>
    public static bool TeachesNothing(Trace trace, ProceduralMemoryOptions options) => TraceCleaner.CallsOf(trace, options) is [] or [{ Kind: StepKind.Procedure }];

    /// <summary>What functions declared: in the recording of now, else in the latest that tells it.</summary>
    private static List<FunctionSignature> SignaturesOf(IReadOnlyList<Trace> traces, Trace trace) =>
    [
        .. traces.OrderByDescending(t => ReferenceEquals(t, trace)).ThenByDescending(t => t.StartedAt).ThenByDescending(t => t.Id)
            .SelectMany(t => t.Steps)
            .Where(s => s is { Kind: StepKind.Function, Parameters: not null })
            .DistinctBy(s => s.Action, StringComparer.OrdinalIgnoreCase)
            .Select(s => new FunctionSignature(s.Action, s.Parameters!.Value)),
    ];

    private static List<ProcedureStep> StepsOf(
        TraceAlignment aligned, IReadOnlyList<JsonElement> templates, IReadOnlyDictionary<int, string> lists, ConditionFinder conditions, ProceduralMemoryOptions options)
    {
        var (steps, body) = (new List<ProcedureStep>(), new List<ProcedureStep>());
        for (var i = 0; i < aligned.Steps.Count; i++)
        {
            var step = aligned.Steps[i];
            switch (step.Role)
            {
                case AlignedRole.Call:
                    (step.Loop == AlignedStep.NoLoop ? steps : body).Add(new ProcedureStep
                    {
                        Id = step.Id,
                        Kind = step.Kind,
                        Action = step.Action,
                        Arguments = templates[i],
                        // What a loop does is needed where the loop is.
                        Condition = step.Loop == AlignedStep.NoLoop ? conditions.Of(i) : null,
                        Effect = StepEffects.Of(step.Calls, options),
                        Expectation = Expectations.Of(step.Calls, StepEffects.Of(step.Calls, options)),
                        Notes = step.Calls.Select(c => c.Notes).FirstOrDefault(n => n is not null),
                    });
                    break;
                case AlignedRole.Loop:
                    steps.Add(new ProcedureStep
                    {
                        Id = step.Id,
                        Kind = StepKind.Loop,
                        Action = step.Action,
                        ForEach = lists[step.Loop],
                        Steps = body,
                        Condition = conditions.Of(i),
                    });
                    body = [];
                    break;
            }
        }

        return steps;
    }

    /// <summary>The recording as the first execution of the steps that it did.</summary>
    private static (IReadOnlyDictionary<string, StepStatistics> Steps, ExecutionStatistics Whole) StatisticsOf(TraceAlignment aligned, Trace trace)
    {
        var recorded = aligned.Traces.ToList().FindIndex(t => ReferenceEquals(t, trace));
        var statistics = new Dictionary<string, StepStatistics>(StringComparer.Ordinal);
        var (whole, endedAt) = (TimeSpan.Zero, trace.StartedAt);
        foreach (var step in aligned.Steps.Where(s => s.Role is AlignedRole.Call))
        {
            foreach (var (_, call) in step.Rows.Zip(step.Calls).Where(p => p.First.Trace == recorded))
            {
                var ended = call.StartedAt + call.Duration;
                endedAt = ended > endedAt ? ended : endedAt;
                whole += call.Duration;
                statistics[step.Id] = statistics.GetValueOrDefault(step.Id, new StepStatistics()).With(failed: false, call.Duration, ended);
            }
        }

        return (statistics, ExecutionStatistics.None.With(ExecutionVerdict.Success, whole, endedAt));
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
