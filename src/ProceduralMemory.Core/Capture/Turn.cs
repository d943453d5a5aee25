using System.Collections.Concurrent;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Capture;

/// <summary>
/// A request of the user with the calls that the agent makes up to its answer: what is learned from without anybody asking for it. Its calls are kept in memory, redacted, and written only where
/// the turn teaches something. Adapters of chat frameworks begin and end turns; code of a host needs them only for a framework of its own.
/// </summary>
/// <remarks>
/// A turn is ambient in what is awaited after <see cref="Enter"/>. A stream that runs in parts (<c>IAsyncEnumerable</c>) loses that between its parts: enter again before each.
/// Safe for use from several threads.
/// </remarks>
public sealed class Turn : IDisposable
{
    private static readonly AsyncLocal<TurnFrame?> Frames = new();

    private readonly ProcedureMemory _memory;
    private readonly long _started;
    private string? _whyNot;
    private int _isEnded;
    private int _isDetached;
    private TraceUsage _usage = new(null, null, null);
    private readonly DateTimeOffset _startedAt;
    private readonly ConcurrentDictionary<Guid, (Guid ProcedureId, bool IsCompleted)> _replays = [];
    private (int Count, long Bytes) _offered;

    internal Turn(ProcedureMemory memory, MemoryScope scope, string? request, ProcedureRecorder? recorder, string? whyNot)
    {
        _memory = memory;
        _started = memory.Time.GetTimestamp();
        _startedAt = memory.Time.GetUtcNow();
        Scope = scope;
        Request = request;
        Recorder = recorder;
        _whyNot = whyNot;
        if (recorder is not null)
        {
            memory.RecordingAttached();
        }
    }

    /// <summary>For a turn that nobody ends, such as that of a stream which is never read: it must not count as recording for ever.</summary>
    ~Turn() => Detach();

    /// <summary>Whose memory learns from it, and is used in it.</summary>
    public MemoryScope Scope { get; }

    /// <summary>What the user asked for, as it was said; <see langword="null"/> when unknown.</summary>
    public string? Request { get; }

    /// <summary>Whether its calls are recorded, to be learned from.</summary>
    public bool IsLearning => Recorder is not null && Volatile.Read(ref _whyNot) is null;

    /// <summary>
    /// Takes its calls (<see cref="ProcedureRecorder.BeginStep"/> and <see cref="ProcedureRecorder.CompleteStepAsync"/>, or <see cref="ProcedureRecorder.RecordStepAsync"/>), and ends with the turn, not by itself;
    /// <see langword="null"/> where nothing is to be learned.
    /// </summary>
    public ProcedureRecorder? Recorder { get; }

    /// <summary>What was learned of turns when it began.</summary>
    internal LearningMode Mode { get; init; }

    /// <summary>Whether its end is seen as soon as it ends, so that its time is its own.</summary>
    internal bool HasExactEnd { get; init; } = true;

    /// <summary>What an adapter keeps with the turn, such as the procedures that it offers.</summary>
    internal object? Offer { get; set; }

    /// <summary>Sees to it that nothing is learned from this turn.</summary>
    public void DoNotLearn() => DoNotLearn("It was not to be learned.");

    internal void DoNotLearn(string because) => Interlocked.CompareExchange(ref _whyNot, because, null);

    /// <summary>Tells what the turn has cost so far. Later values replace earlier ones.</summary>
    /// <param name="usage">The cost.</param>
    public void ReportUsage(TraceUsage usage)
    {
        ArgumentNullException.ThrowIfNull(usage);
        _usage = usage;
        Recorder?.ReportUsage(usage.ModelCalls, usage.InputTokens, usage.OutputTokens);
    }

    /// <summary>Tells what was offered to the model in this turn beside what it has anyway.</summary>
    /// <param name="count">How many procedures.</param>
    /// <param name="bytes">What they add to each request: the bytes of their names, descriptions and schemas.</param>
    internal void ReportOffer(int count, long bytes) => _offered = (count, bytes);

    /// <summary>Takes down how a replay in this turn has gone by now.</summary>
    internal void Replayed(Procedure procedure, ReplayResult result)
    {
        // What was refused before it began, for want of an input say, is no replay.
        if (result.ExecutionId is { } execution)
        {
            _replays[execution] = (procedure.Id, result.Outcome is ReplayOutcome.Completed);
        }
    }

    /// <summary>Makes the turn ambient for what the caller does and awaits until the returned object is disposed: see <see cref="ProcedureMemory.CurrentTurn"/>.</summary>
    public IDisposable Enter() => new TurnFrame(this, Frames.Value);

    /// <summary>Ends the turn, and learns from it where it was a task done well. Only the first call does anything.</summary>
    /// <param name="end">How it ended.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>What became of it.</returns>
    /// <exception cref="ProceduralMemoryException">What it teaches cannot be stored.</exception>
    public async Task<TurnResult> EndAsync(TurnEnd end, CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _isEnded, 1) != 0)
        {
            return new TurnResult(null, null, "It has ended before.") { Scope = Scope.Write };
        }

        Detach();
        var duration = _memory.Time.GetElapsedTime(_started);
        try
        {
            var result = Recorder is null
                ? new TurnResult(null, null, _whyNot ?? "Nothing is learned from turns.")
                : await LearnAsync(Recorder, end, duration, cancellationToken).ConfigureAwait(false);
            if (Recorder is not null && result.Learned is null)
            {
                _memory.LogNothingLearned(result.Because);
            }

            return result with { Scope = Scope.Write };
        }
        finally
        {
            if (HasExactEnd && (_offered.Count > 0 || !_replays.IsEmpty))
            {
                await _memory.KeepCostAsync(
                    new TurnCost
                    {
                        Id = Guid.CreateVersion7(_startedAt),
                        Scope = Scope.Write,
                        StartedAt = _startedAt,
                        Duration = duration,
                        Usage = _usage,
                        Offered = _offered.Count,
                        OfferedBytes = _offered.Bytes,
                        Replays = [.. _replays.Values],
                    },
                    cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<TurnResult> LearnAsync(ProcedureRecorder recorder, TurnEnd end, TimeSpan duration, CancellationToken cancellationToken)
    {
        var (trace, fault) = recorder.TakeTurn();
        var whyNot = Volatile.Read(ref _whyNot) ?? (end is TurnEnd.Answered ? fault : "It was not answered.");
        return whyNot is not null
            ? new TurnResult(null, null, whyNot)
            : await _memory.LearnAsync(trace, () => Request is null ? null : ModelText.Shortened(recorder.Redacted(Request)), Mode, duration, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives the turn up, where it has not ended: nothing is learned from it.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref _isEnded, 1);
        Detach();
        GC.SuppressFinalize(this);
    }

    /// <summary>The innermost turn of a memory that the current code runs in.</summary>
    internal static Turn? Current(ProcedureMemory memory)
    {
        for (var frame = Frames.Value; frame is not null; frame = frame.Outer)
        {
            if (frame.Turn._memory == memory && Volatile.Read(ref frame.Turn._isEnded) == 0)
            {
                return frame.Turn;
            }
        }

        return null;
    }

    private void Detach()
    {
        if (Interlocked.Exchange(ref _isDetached, 1) == 0 && Recorder is not null)
        {
            _memory.RecordingDetached();
        }
    }

    private sealed class TurnFrame : IDisposable
    {
        public TurnFrame(Turn turn, TurnFrame? outer)
        {
            (Turn, Outer) = (turn, outer);
            Frames.Value = this;
        }

        public Turn Turn { get; }

        public TurnFrame? Outer { get; }

        public void Dispose()
        {
            if (Frames.Value == this)
            {
                Frames.Value = Outer;
            }
        }
    }
}
