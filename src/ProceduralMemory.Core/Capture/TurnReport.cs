namespace ProceduralMemory.Capture;

/// <summary>How a turn ended.</summary>
public enum TurnEnd
{
    /// <summary>The agent answered.</summary>
    Answered,

    /// <summary>An exception, or cancellation, ended it.</summary>
    Failed,

    /// <summary>Nobody read the answer to its end, or it never came.</summary>
    BrokenOff,
}

/// <summary>A turn that has ended, as judges and namers see it. All of it is redacted.</summary>
public sealed record TurnReport
{
    /// <summary>What the user asked for; <see langword="null"/> when unknown.</summary>
    public string? Request { get; init; }

    /// <summary>The calls, in the order in which they began, failed ones included.</summary>
    public IReadOnlyList<TraceStep> Calls { get; init; } = [];

    /// <summary>The calls that failed and that no later call of the same function made good.</summary>
    public IReadOnlyList<TraceStep> FailedCalls { get; init; } = [];

    /// <summary>What the turn cost, as far as it is known.</summary>
    public TraceUsage Usage { get; init; } = new(null, null, null);

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }
}

/// <summary>Says whether a turn was a task done well, so that it is worth learning.</summary>
public interface ITurnJudge
{
    /// <summary>Judges a turn that was answered and has as many calls as <see cref="ProceduralMemoryOptions.MinimumTurnCalls"/> asks for.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="cancellationToken">Cancels the judgement.</param>
    /// <returns>Whether it is learned; <see langword="null"/> leaves it to the rule that no failed call may be left standing.</returns>
    ValueTask<bool?> JudgeAsync(TurnReport turn, CancellationToken cancellationToken = default);
}

/// <summary>What became of a turn.</summary>
/// <param name="Request">What the user asked for, redacted; <see langword="null"/> when unknown, or when nothing was learned.</param>
/// <param name="Learned">What was learned; <see langword="null"/> when nothing was.</param>
/// <param name="Because">In a sentence: what was learned, or why nothing was.</param>
public sealed record TurnResult(string? Request, RecordingResult? Learned, string Because)
{
    /// <summary>The scope that the turn was in.</summary>
    public string Scope { get; init; } = "";
}
