namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// What a call of <c>replay_procedure</c> did, told by the function itself to the filters that record the call: a filter in between may throw, put words of
/// its own in place of the answer, or call twice, and what was done is done all the same.
/// </summary>
internal sealed class ReplayWatch
{
    private readonly Lock _gate = new();
    private int _runs;

    /// <summary>The last answer of the function; <see langword="null"/> when it gave none.</summary>
    public PluginReply? Reply { get; private set; }

    /// <summary>Whether it may have called anything.</summary>
    public bool MayHaveActed
    {
        get
        {
            lock (_gate)
            {
                return _runs > 0;
            }
        }
    }

    /// <summary>The only replay that called anything; <see langword="null"/> where there was none, or several, or one of which nobody knows how far it came.</summary>
    public ReplayReply? Run
    {
        get
        {
            lock (_gate)
            {
                return _runs == 1 ? field : null;
            }
        }

        private set;
    }

    /// <summary>Runs the function, and tells all who record this call.</summary>
    public static async Task<PluginReply> WatchedAsync(Func<Task<PluginReply>> function)
    {
        var watches = CallFrames.ReplayWatches().ToList();
        watches.ForEach(w => w.Begin());
        var reply = await function().ConfigureAwait(false);
        watches.ForEach(w => w.End(reply));
        return reply;
    }

    private void Begin()
    {
        lock (_gate)
        {
            _runs++;
        }
    }

    private void End(PluginReply reply)
    {
        lock (_gate)
        {
            Reply = reply;
            if (reply is ReplayReply { Replay.ExecutionId: not null } run)
            {
                Run = run;
            }
            else if (reply.Status is not (ReplyStatus.Unavailable or ReplyStatus.BrokeOff))
            {
                // Turned away before its first step.
                _runs--;
            }
        }
    }
}
