using System.Diagnostics.Metrics;

namespace ProceduralMemory;

/// <summary>Metrics of turns, under the name that hosts listen to (<see cref="ProceduralMemoryTelemetry.Name"/>). What is saved may go down as well, so these are counters of both ways.</summary>
internal static class TurnTelemetry
{
    private static readonly Meter Meter = new(ProceduralMemoryTelemetry.Name);
    private static readonly Counter<long> Turns = Meter.CreateCounter<long>("procedural_memory.turn.count", "{turn}", "Turns in which procedures were offered to a model, or replayed.");
    private static readonly UpDownCounter<double> ModelCalls = Meter.CreateUpDownCounter<double>("procedural_memory.saved.model_calls", "{request}", "Requests to the model that procedures have saved.");
    private static readonly UpDownCounter<double> Tokens = Meter.CreateUpDownCounter<double>("procedural_memory.saved.tokens", "{token}", "Tokens that procedures have saved.");
    private static readonly UpDownCounter<double> Duration = Meter.CreateUpDownCounter<double>("procedural_memory.saved.duration", "s", "The time that procedures have saved.");

    public static void Ended(SavingsReport turn)
    {
        Turns.Add(1, new KeyValuePair<string, object?>("procedural_memory.replayed", turn.Replays > 0));
        Add(ModelCalls, turn.Saved.ModelCalls);
        Add(Tokens, turn.Saved.InputTokens, "input");
        Add(Tokens, turn.Saved.OutputTokens, "output");
        Add(Duration, turn.Saved.Duration.TotalSeconds);
    }

    private static void Add(UpDownCounter<double> counter, double value, string? type = null)
    {
        if (value != 0)
        {
            counter.Add(value, type is null ? default : new KeyValuePair<string, object?>("gen_ai.token.type", type));
        }
    }
}
