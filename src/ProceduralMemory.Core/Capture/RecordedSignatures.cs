using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Capture;

/// <summary>What the functions of one recording declare of their parameters: which of it is stored already, and what is to be stored with the next step. Safe for use from several threads.</summary>
internal sealed class RecordedSignatures
{
    private readonly Lock _gate = new();
    private readonly ValueCapture _capture;
    private readonly ProceduralMemoryOptions _options;
    private readonly HashSet<string> _stored;
    private int _bytes;

    public RecordedSignatures(ValueCapture capture, ProceduralMemoryOptions options, Trace trace)
    {
        _capture = capture;
        _options = options;

        // Of a recording that is resumed, what was stored before.
        _stored = trace.Steps.Where(s => s.Parameters is not null).Select(s => s.Action).ToHashSet(StringComparer.OrdinalIgnoreCase);
        _bytes = trace.Steps.Where(s => s.Parameters is not null).DistinctBy(s => s.Action, StringComparer.OrdinalIgnoreCase).Sum(s => Json.LengthOf(s.Parameters!.Value));
    }

    /// <summary>Whether a trace shows calls that its functions do not take any more, by what they declared in a later one: together they would teach a call that is of neither time.</summary>
    /// <param name="earlier">The trace.</param>
    /// <param name="trace">The later one.</param>
    public static bool AreOutdated(Trace earlier, Trace trace)
    {
        var now = trace.Steps.Where(s => s.Parameters is not null).DistinctBy(s => s.Action, StringComparer.OrdinalIgnoreCase).ToDictionary(s => s.Action, s => s.Parameters!.Value, StringComparer.OrdinalIgnoreCase);
        return earlier.Steps.Any(s => s.Parameters is { } before && now.TryGetValue(s.Action, out var today)
            && SignatureComparer.Compare(before, today, [.. s.Arguments.EnumerateObject().Select(a => new GivenArgument(a.Name, ValueExpression.Escape(a.Value)))]).Kind is DriftKind.Renamed or DriftKind.Breaking);
    }

    /// <summary>What is to be stored with a step; <see langword="null"/> where its function declares nothing, or it is stored already, or there is too much of it.</summary>
    public JsonElement? New(TraceStep step)
    {
        if (step is not { Kind: StepKind.Function, Parameters: { } parameters })
        {
            return null;
        }

        lock (_gate)
        {
            if (_stored.Contains(step.Action))
            {
                return null;
            }
        }

        // Two calls at once may both bring it: the store keeps it once.
        var kept = SignatureCapture.Capture(step.Action, parameters, _capture, _options);
        lock (_gate)
        {
            return kept is { } found && _bytes + Json.LengthOf(found) <= FunctionSignature.MaxBytesTogether ? kept : null;
        }
    }

    /// <summary>Says that a step is stored, with what it brought.</summary>
    public void Stored(TraceStep step)
    {
        if (step.Parameters is { } stored)
        {
            lock (_gate)
            {
                _bytes += _stored.Add(step.Action) ? Json.LengthOf(stored) : 0;
            }
        }
    }
}
