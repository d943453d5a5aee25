using System.Runtime.InteropServices;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>One step of a procedure and the call that stands for it in each trace.</summary>
/// <param name="Id">The step's id.</param>
/// <param name="Calls">The call in each of the aligned traces, in their order.</param>
internal sealed record AlignedStep(string Id, IReadOnlyList<TraceStep> Calls)
{
    public StepKind Kind => Calls[0].Kind;

    public string Action => Calls[0].Action;
}

/// <summary>
/// Which call of each trace stands for which step. Only traces that made the same calls in the same order as the one recorded now are distilled with it; the
/// others are left aside. They stand in an order that their content gives, so that when they were recorded makes no difference.
/// </summary>
internal sealed record TraceAlignment(IReadOnlyList<Trace> Traces, IReadOnlyList<AlignedStep> Steps)
{
    public static TraceAlignment Of(IReadOnlyList<Trace> traces, Trace recorded)
    {
        var calls = CallsOf(recorded);
        var aligned = traces
            .Select(t => (Trace: t, Calls: ReferenceEquals(t, recorded) ? calls : CallsOf(t)))
            .Where(t => t.Calls.Count == calls.Count && t.Calls.Zip(calls).All(p => p.First.Kind == p.Second.Kind && p.First.Action == p.Second.Action))
            .ToList();
        aligned.Sort((a, b) => CompareContent(a.Trace, a.Calls, b.Trace, b.Calls));
        var ids = new HashSet<string>(StringComparer.Ordinal);
        return new TraceAlignment(
            [.. aligned.Select(t => t.Trace)],
            [.. calls.Select((call, i) => new AlignedStep(ProcedureValidator.MakeStepId(call.Action, ids), [.. aligned.Select(t => t.Calls[i])]))]);
    }

    /// <summary>The calls of a trace that succeeded. Calls that the model asked for in one answer may begin in any order; they stand where the first of them began, in the order asked for.</summary>
    public static List<TraceStep> CallsOf(Trace trace)
    {
        var firstOfGroup = trace.Steps.Where(s => s.CallGroup is not null).GroupBy(s => s.CallGroup!).ToDictionary(g => g.Key, g => g.Min(s => s.Ordinal), StringComparer.Ordinal);
        return
        [
            .. trace.Steps
                .OrderBy(s => s.CallGroup is null ? s.Ordinal : firstOfGroup[s.CallGroup])
                .ThenBy(s => s.CallIndex)
                .ThenBy(s => s.Ordinal)
                .Where(s => s.Status is StepStatus.Success),
        ];
    }

    private static int CompareContent(Trace a, List<TraceStep> callsOfA, Trace b, List<TraceStep> callsOfB)
    {
        var order = string.CompareOrdinal(a.Request, b.Request);
        order = order != 0 ? order : Compare(a.Inputs, b.Inputs);
        for (var i = 0; order == 0 && i < callsOfA.Count; i++)
        {
            order = Compare(callsOfA[i].Arguments, callsOfB[i].Arguments);
            order = order != 0 ? order : Compare(callsOfA[i].Result ?? default, callsOfB[i].Result ?? default);
            order = order != 0 ? order : string.CompareOrdinal(callsOfA[i].Outcome, callsOfB[i].Outcome);
            order = order != 0 ? order : string.CompareOrdinal(callsOfA[i].Notes, callsOfB[i].Notes);
        }

        return order;
    }

    // Recorded values are in one form: equal values are equal bytes.
    private static int Compare(JsonElement a, JsonElement b) => Bytes(a).SequenceCompareTo(Bytes(b));

    private static ReadOnlySpan<byte> Bytes(JsonElement value) => value.ValueKind is JsonValueKind.Undefined ? [] : JsonMarshal.GetRawUtf8Value(value);
}
