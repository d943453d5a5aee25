using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Distill;

/// <summary>Traces written out by hand, and what is distilled from them.</summary>
internal static class Recorded
{
    private static readonly ProceduralMemoryOptions Options = new();

    /// <summary>A trace of calls that read, each an action with its arguments and its result.</summary>
    public static Trace Task(string? request, params IReadOnlyList<(string Action, string Arguments, string Result)> calls) => Task(request, "{}", StepEffect.Read, calls);

    /// <summary>The same of calls that write.</summary>
    public static Trace Writing(string? request, params IReadOnlyList<(string Action, string Arguments, string Result)> calls) => Task(request, "{}", StepEffect.Write, calls);

    /// <summary>A trace whose caller knew its inputs by name.</summary>
    public static Trace Named(string inputs, params IReadOnlyList<(string Action, string Arguments, string Result)> calls) => Task(null, inputs, StepEffect.Write, calls);

    public static Trace Task(string? request, string inputs, StepEffect effect, IReadOnlyList<(string Action, string Arguments, string Result)> calls)
    {
        var capture = ValueCapture.ForRecording(Options);
        return new Trace
        {
            Id = Guid.CreateVersion7(DateTimeOffset.UnixEpoch),
            Scope = "tests",
            Name = "task",
            Request = request,
            Inputs = capture.Arguments("", Given.Value(inputs), out _),
            Status = TraceStatus.Completed,
            StartedAt = DateTimeOffset.UnixEpoch,
            Steps =
            [
                .. calls.Select((call, i) => new TraceStep
                {
                    Ordinal = i,
                    Action = call.Action,
                    Arguments = capture.Arguments(call.Action, Given.Value(call.Arguments), out _),
                    Result = capture.Result(call.Action, Given.Value(call.Result), out _),
                    Effect = effect,
                }),
            ],
        };
    }

    public static DistilledTrace Distilled(params IReadOnlyList<Trace> traces) => ProcedureDistiller.Distill(traces, traces[^1], Options)!;

    /// <summary>The argument templates of the last step.</summary>
    public static JsonElement LastArguments(params IReadOnlyList<Trace> traces) => Distilled(traces).Definition.Steps[^1].Arguments;

    public static IEnumerable<string> InputNames(this DistilledTrace distilled) => distilled.Definition.Inputs.Select(i => i.Name);

    /// <summary>The source of one argument, and why.</summary>
    public static ArgumentSource SourceOf(this DistilledTrace distilled, string place) => distilled.Sources.Single(s => s.StepId + s.Argument == place);

    /// <summary>What a procedure calls when its inputs have these values and its steps return these results.</summary>
    public static List<JsonElement> Called(DistilledTrace distilled, IReadOnlyDictionary<string, JsonElement> inputs, IReadOnlyList<JsonElement> results)
    {
        var resolver = new TemplateResolver(inputs);
        var called = new List<JsonElement>();
        foreach (var (step, result) in distilled.Definition.Steps.Zip(results))
        {
            called.Add(resolver.Resolve(step, default).Arguments);
            resolver.Results[step.Id] = result;
        }

        return called;
    }

    /// <summary>The procedure as it would be stored.</summary>
    public static string Document(DistilledTrace distilled) => JsonSerializer.Serialize(new { distilled.Definition.Inputs, distilled.Definition.Steps, distilled.Sources }, Json.Stored);
}
