namespace ProceduralMemory.Extensions.AI;

/// <summary>Where in a tree of calls the current code runs. Set before a call goes on and restored after it; it flows into what the call awaits.</summary>
internal static class CallFrames
{
    private static readonly AsyncLocal<Frame?> Frames = new();

    /// <summary>Whether a call above this one is recorded by a memory, or is part of a replay: what it calls belongs to it.</summary>
    public static bool IsInside(ProcedureMemory memory)
    {
        for (var frame = Frames.Value; frame is not null; frame = frame.Outer)
        {
            if (frame.Memory is null || frame.Memory == memory)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Enters a call that a memory records, or a call of a replay (<see langword="null"/>), which no memory records.</summary>
    /// <param name="memory">The memory, if any.</param>
    /// <param name="replay">Where the call is a replay: what is to learn how it goes.</param>
    /// <returns>What <see cref="Leave"/> takes.</returns>
    public static Frame? Enter(ProcedureMemory? memory, ReplayWatch? replay = null)
    {
        var outer = Frames.Value;
        Frames.Value = new Frame(memory, outer, replay);
        return outer;
    }

    /// <summary>Who watches the replay that the current code is: several memories may record one call.</summary>
    public static IEnumerable<ReplayWatch> ReplayWatches()
    {
        for (var frame = Frames.Value; frame is { Replay: { } watch }; frame = frame.Outer)
        {
            yield return watch;
        }
    }

    public static void Leave(Frame? outer) => Frames.Value = outer;
}

/// <summary>A call that others are made inside of.</summary>
internal sealed record Frame(ProcedureMemory? Memory, Frame? Outer, ReplayWatch? Replay);
