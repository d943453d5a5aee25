namespace ProceduralMemory.Extensions.AI;

/// <summary>Where in a tree of calls the current code runs. Set before a call goes on and restored after it; it flows into what the call awaits.</summary>
internal static class CallFrames
{
    private static readonly AsyncLocal<Frame?> Frames = new();

    /// <summary>Whether a call above this one is recorded by a memory, or is part of a replay: what it calls belongs to it.</summary>
    public static bool IsInside(ProcedureMemory memory) => Any(f => f.Kind is not FrameKind.Watched && (f.Memory is null || f.Memory == memory));

    /// <summary>The same, where a call that is recorded for its turn alone does not count: what somebody records outright inside of it is a recording of its own.</summary>
    public static bool IsInsideOutright(ProcedureMemory memory) => Any(f => f.Kind is FrameKind.Recorded && (f.Memory is null || f.Memory == memory));

    /// <summary>Enters a call that a memory records, or a call of a replay (<see langword="null"/>), which no memory records.</summary>
    /// <param name="memory">The memory, if any.</param>
    /// <param name="replay">Where the call is a replay: what is to learn how it goes.</param>
    /// <param name="kind">What is done with the call.</param>
    /// <returns>What <see cref="Leave"/> takes.</returns>
    public static Frame? Enter(ProcedureMemory? memory, ReplayWatch? replay = null, FrameKind kind = FrameKind.Recorded)
    {
        var outer = Frames.Value;
        Frames.Value = new Frame(memory, outer, replay, kind);
        return outer;
    }

    /// <summary>Who watches the replay that the current code is: several memories may record one call.</summary>
    public static IEnumerable<ReplayWatch> ReplayWatches()
    {
        for (var frame = Frames.Value; frame is not null && (frame.IsOver || frame.Replay is not null); frame = frame.Outer)
        {
            if (frame is { IsOver: false, Replay: { } watch })
            {
                yield return watch;
            }
        }
    }

    /// <summary>Leaves the call that was entered last. Code that it has started and that lives on is inside of it no more.</summary>
    /// <param name="outer">What <see cref="Enter"/> has returned.</param>
    public static void Leave(Frame? outer)
    {
        if (Frames.Value is { } left && left != outer)
        {
            left.IsOver = true;
        }

        Frames.Value = outer;
    }

    /// <summary>Leaves a call for a while, which goes on where a stream is read further: what it has started is inside of it still.</summary>
    /// <param name="outer">What <see cref="Enter"/> has returned.</param>
    public static void Suspend(Frame? outer) => Frames.Value = outer;

    private static bool Any(Func<Frame, bool> isMeant)
    {
        for (var frame = Frames.Value; frame is not null; frame = frame.Outer)
        {
            if (!frame.IsOver && isMeant(frame))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>A call that others are made inside of.</summary>
internal sealed class Frame(ProcedureMemory? memory, Frame? outer, ReplayWatch? replay, FrameKind kind)
{
    private volatile bool _isOver;

    public ProcedureMemory? Memory => memory;

    public Frame? Outer => outer;

    public ReplayWatch? Replay => replay;

    public FrameKind Kind => kind;

    /// <summary>Whether the call has returned.</summary>
    public bool IsOver
    {
        get => _isOver;
        set => _isOver = value;
    }
}

/// <summary>What is done with a call.</summary>
internal enum FrameKind
{
    /// <summary>It is a step of a recording that somebody began, or part of a replay.</summary>
    Recorded,

    /// <summary>It is recorded for the turn that it is made in, and for nobody else.</summary>
    OfTurn,

    /// <summary>It is recorded by nobody, and only looked at.</summary>
    Watched,
}
