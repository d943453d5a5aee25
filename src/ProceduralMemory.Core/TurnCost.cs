using ProceduralMemory.Capture;

namespace ProceduralMemory;

/// <summary>What a turn has cost in which procedures were offered to a model, or replayed.</summary>
public sealed record TurnCost
{
    /// <summary>The identity of the turn.</summary>
    public required Guid Id { get; init; }

    /// <summary>The scope that it was in.</summary>
    public required string Scope { get; init; }

    /// <summary>When it began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The model requests and tokens of the turn, as far as they are known.</summary>
    public required TraceUsage Usage { get; init; }

    /// <summary>How many procedures were offered to the model as functions of their own.</summary>
    public int Offered { get; init; }

    /// <summary>What that added to each request to the model: the bytes of their names, descriptions and schemas.</summary>
    public long OfferedBytes { get; init; }

    /// <summary>The procedures that were replayed in it, and whether each replay had completed by its end.</summary>
    public IReadOnlyList<(Guid ProcedureId, bool IsCompleted)> Replays { get; init; } = [];
}

/// <summary>What tasks cost, or would have cost.</summary>
/// <param name="ModelCalls">Requests to the model.</param>
/// <param name="InputTokens">Tokens sent; 0 where no connector reported them.</param>
/// <param name="OutputTokens">Tokens received; 0 where no connector reported them.</param>
/// <param name="Duration">The time from request to answer.</param>
public sealed record Consumption(double ModelCalls, double InputTokens, double OutputTokens, TimeSpan Duration)
{
    /// <summary>Nothing.</summary>
    public static Consumption None { get; } = new(0, 0, 0, TimeSpan.Zero);
}

/// <summary>What procedures have saved over a time: the turns in which they were offered to a model, or replayed.</summary>
public sealed record SavingsReport
{
    /// <summary>The turns in which procedures were offered or replayed.</summary>
    public int Turns { get; init; }

    /// <summary>Those in which some were replayed.</summary>
    public int ReplayTurns { get; init; }

    /// <summary>The replays in them.</summary>
    public int Replays { get; init; }

    /// <summary>The replays that had completed by the end of their turn, those included that were handed over and gone on with.</summary>
    public int CompletedReplays { get; init; }

    /// <summary>The turns with replays of which no baseline is known, since their procedures were not recorded, or nobody knew what that cost. They count in <see cref="Used"/> and save nothing.</summary>
    public int TurnsWithoutBaseline { get; init; }

    /// <summary>What all these turns have cost.</summary>
    public Consumption Used { get; init; } = Consumption.None;

    /// <summary>What the tasks that were replayed cost when they were recorded. Of a turn whose replays did not all complete no more counts than the turn has cost.</summary>
    public Consumption Baseline { get; init; } = Consumption.None;

    /// <summary>
    /// <see cref="Baseline"/> less the cost of the turns with replays that have one, net of what was offered in vain: a turn in which procedures were offered and none was replayed counts with the tokens of the
    /// offers, estimated as a quarter of their bytes. What replays that failed, and hand-overs, have cost is in it, so it may be less than nothing.
    /// </summary>
    public Consumption Saved { get; init; } = Consumption.None;
}
