namespace ProceduralMemory.Distill;

/// <summary>
/// Makes a procedure of traces. Failed calls are left out. Each value of each argument gets the likeliest of the sources that agree with every trace
/// (<see cref="SourceFinder"/>). Outcomes become expectations. The same traces give the same procedure, in whatever order they come.
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
        var recorded = TraceAlignment.CallsOf(trace);
        if (recorded is [] or [{ Kind: StepKind.Procedure }])
        {
            return null;
        }

        var aligned = TraceAlignment.Of(traces, trace);
        var (templates, inputs, sources) = new ArgumentDistiller(aligned, options).Distill();
        var distilled = new List<ProcedureStep>();
        var statistics = new Dictionary<string, StepStatistics>(StringComparer.Ordinal);
        var duration = TimeSpan.Zero;
        var endedAt = trace.StartedAt;
        for (var i = 0; i < recorded.Count; i++)
        {
            var step = aligned.Steps[i];
            distilled.Add(new ProcedureStep
            {
                Id = step.Id,
                Kind = step.Kind,
                Action = step.Action,
                Arguments = templates[i],
                Effect = ArgumentDistiller.EffectOf(step, options),
                Expectation = Expectations.Of(step.Calls),
                Notes = step.Calls.Select(c => c.Notes).FirstOrDefault(n => n is not null),
            });
            var ended = recorded[i].StartedAt + recorded[i].Duration;
            endedAt = ended > endedAt ? ended : endedAt;
            duration += recorded[i].Duration;
            statistics[step.Id] = new StepStatistics().With(failed: false, recorded[i].Duration, ended);
        }

        return new DistilledTrace(
            new ProcedureDefinition { Name = trace.Name, Description = trace.Description, Tags = trace.Tags, Notes = trace.Notes, Inputs = inputs, Steps = distilled },
            ExecutionStatistics.None.With(ExecutionVerdict.Success, duration, endedAt),
            statistics,
            trace.Steps.Count - recorded.Count)
        {
            Sources = sources,
        };
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
