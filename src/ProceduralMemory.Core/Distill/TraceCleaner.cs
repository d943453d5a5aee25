using System.Runtime.InteropServices;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>
/// The calls of a trace that are part of what it teaches. Left out are calls that failed, also those that only say so in their result (<see cref="ErrorResult"/>),
/// whether corrected afterwards or not; and reads that repeat an earlier one (same action, arguments and result) with nothing but reads between them.
/// Time and memory grow with the number of calls and the bytes of their arguments and results.
/// </summary>
internal static class TraceCleaner
{
    /// <summary>The calls that are kept, in the order in which they were asked for.</summary>
    public static List<TraceStep> CallsOf(Trace trace, ProceduralMemoryOptions options)
    {
        var kept = new List<TraceStep>();
        var readsSinceWrite = new List<TraceStep>();
        foreach (var call in InRequestOrder(trace.Steps).Where(s => Succeeded(s, options)))
        {
            if (StepEffects.Of(call, options) is not StepEffect.Read)
            {
                // What declares nothing counts as a write: what was read before it may read otherwise after it.
                readsSinceWrite.Clear();
            }
            else if (readsSinceWrite.Exists(r => IsRepeat(r, call)))
            {
                continue;
            }
            else
            {
                readsSinceWrite.Add(call);
            }

            kept.Add(call);
        }

        return kept;
    }

    /// <summary>The last failed call of each action that no later call of the same action made good, in the order in which they were asked for.</summary>
    public static List<TraceStep> FailuresOf(Trace trace, ProceduralMemoryOptions options)
    {
        var failures = new List<TraceStep>();
        foreach (var call in InRequestOrder(trace.Steps))
        {
            failures.RemoveAll(f => CallKind.Of(f) == CallKind.Of(call));
            if (!Succeeded(call, options))
            {
                failures.Add(call);
            }
        }

        return failures;
    }

    private static bool Succeeded(TraceStep call, ProceduralMemoryOptions options) =>
        call.Status is StepStatus.Success && (call.Result is not { } result || options.ErrorOf(call.Action, result) is null);

    /// <summary>Calls that the model asked for in one answer may begin in any order; they stand where the first of them began, in the order asked for.</summary>
    private static IEnumerable<TraceStep> InRequestOrder(IReadOnlyList<TraceStep> steps)
    {
        var firstOfGroup = steps.Where(s => s.CallGroup is not null).GroupBy(s => s.CallGroup!).ToDictionary(g => g.Key, g => g.Min(s => s.Ordinal), StringComparer.Ordinal);
        return steps
            .OrderBy(s => s.CallGroup is null ? s.Ordinal : firstOfGroup[s.CallGroup])
            .ThenBy(s => s.CallIndex)
            .ThenBy(s => s.Ordinal);
    }

    private static bool IsRepeat(TraceStep earlier, TraceStep call) =>
        earlier.Kind == call.Kind
        && earlier.Action == call.Action
        && call.Result is { } result && earlier.Result is { } before
        && JsonBytes.Of(earlier.Arguments).SequenceEqual(JsonBytes.Of(call.Arguments))
        && JsonBytes.Of(before).SequenceEqual(JsonBytes.Of(result));
}

/// <summary>The bytes of recorded values. They are in one form, so equal values are equal bytes.</summary>
internal static class JsonBytes
{
    public static ReadOnlySpan<byte> Of(JsonElement value) => value.ValueKind is JsonValueKind.Undefined ? [] : JsonMarshal.GetRawUtf8Value(value);

    /// <summary>FNV-1a: the same in every process, unlike the hash codes of the base library.</summary>
    public static ulong Hash(JsonElement value)
    {
        var hash = 14695981039346656037UL;
        foreach (var b in Of(value))
        {
            hash = (hash ^ b) * 1099511628211UL;
        }

        return hash;
    }
}
