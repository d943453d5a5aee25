using System.Text.Json;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

/// <summary>Traces as a test writes them down: each call an action, its arguments and its result as JSON.</summary>
internal static class GivenTrace
{
    public static readonly ProceduralMemoryOptions Options = new();

    /// <summary>A call that the host declares nothing about.</summary>
    public static TraceStep Call(string action, string arguments = "{}", string? result = null, StepEffect effect = StepEffect.Unknown) => new()
    {
        Action = action,
        Arguments = Given.Value(arguments),
        Result = result is null ? null : Given.Value(result),
        Effect = effect,
    };

    public static TraceStep Read(string action, string arguments = "{}", string? result = null) => Call(action, arguments, result, StepEffect.Read);

    public static TraceStep Write(string action, string arguments = "{}", string? result = null) => Call(action, arguments, result, StepEffect.Write);

    public static Trace Of(params IReadOnlyList<TraceStep> calls) => new()
    {
        Id = Guid.CreateVersion7(DateTimeOffset.UnixEpoch),
        Scope = "default",
        Name = "skill",
        Status = TraceStatus.Completed,
        StartedAt = DateTimeOffset.UnixEpoch,
        Steps = [.. calls.Select((c, i) => c with { Ordinal = i, StartedAt = DateTimeOffset.UnixEpoch.AddSeconds(i) })],
    };

    public static Trace Asked(this Trace trace, string request) => trace with { Request = request };

    public static Trace Naming(this Trace trace, string inputs) => trace with { Inputs = Given.Value(inputs) };

    /// <summary>The alignment as text: a line for each step, with the arguments of the calls that stand for it in each trace, or a dash.</summary>
    public static IReadOnlyList<string> Align(params IReadOnlyList<Trace> traces)
    {
        var sorted = traces.Select(t => (Trace: t, Calls: TraceCleaner.CallsOf(t, Options))).ToList();
        sorted.Sort((a, b) => TraceOrder.Compare(a.Trace, a.Calls, b.Trace, b.Calls));
        return [.. TraceAligner.Align([.. sorted.Select(t => t.Trace)], [.. sorted.Select(t => (IReadOnlyList<TraceStep>)t.Calls)], Options).Select(c => $"{c.Key} {string.Join(" | ", c.Units.Select(Show))}")];
    }

    private static string Show(TraceUnit? unit) => unit is null ? "-" : unit.Call is { } call ? Values(call) : $"[{string.Join("; ", unit.Run!.Iterations.Select(i => string.Join(" ", i.Select(Values))))}]";

    private static string Values(TraceStep call) => string.Join(',', call.Arguments.EnumerateObject().Select(a => ValueExpression.AsText(a.Value)));
}
