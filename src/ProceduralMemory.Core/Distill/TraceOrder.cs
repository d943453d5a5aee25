using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>An order of traces that their content gives, so that when they were recorded, under which ids, and in which order they are read makes no difference.</summary>
internal static class TraceOrder
{
    public static int Compare(Trace a, IReadOnlyList<TraceStep> callsOfA, Trace b, IReadOnlyList<TraceStep> callsOfB)
    {
        var order = callsOfA.Count.CompareTo(callsOfB.Count);
        order = order != 0 ? order : string.CompareOrdinal(a.Request, b.Request);
        order = order != 0 ? order : Compare(a.Inputs, b.Inputs);
        for (var i = 0; order == 0 && i < callsOfA.Count; i++)
        {
            order = Compare(callsOfA[i], callsOfB[i]);
        }

        return order;
    }

    private static int Compare(TraceStep a, TraceStep b)
    {
        var order = a.Kind.CompareTo(b.Kind);
        order = order != 0 ? order : string.CompareOrdinal(a.Action, b.Action);
        order = order != 0 ? order : Compare(a.Arguments, b.Arguments);
        order = order != 0 ? order : Compare(a.Result ?? default, b.Result ?? default);
        order = order != 0 ? order : string.CompareOrdinal(a.Outcome, b.Outcome);
        order = order != 0 ? order : string.CompareOrdinal(a.Notes, b.Notes);
        return order != 0 ? order : a.Effect.CompareTo(b.Effect);
    }

    // The fingerprints of secrets are made anew for every recording, and are no content.
    private static int Compare(JsonElement a, JsonElement b) => JsonBytes.Of(RedactionMarker.Plain(a)).SequenceCompareTo(JsonBytes.Of(RedactionMarker.Plain(b)));
}
