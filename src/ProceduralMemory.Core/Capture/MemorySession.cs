namespace ProceduralMemory.Capture;

/// <summary>
/// One agent's conversation or task: it holds at most one recording, and may have a scope of its own. While a session is open
/// (<c>using memory.BeginSession(…)</c>) it is ambient: it flows with the calls that are awaited inside it, so that two agents in one process do not mix.
/// </summary>
public sealed class MemorySession : IDisposable
{
    // Of a replay that stopped longer ago nobody is likely to go on.
    private const int MaxRepairs = 4;
    private const int MaxEnded = 8;

    private static readonly AsyncLocal<MemorySession?> Ambient = new();

    private readonly ProcedureMemory _memory;
    private readonly MemorySession? _outer;
    private readonly bool _isAmbient;
    private readonly List<ProcedureRecorder> _repairs = [];
    private readonly List<Guid> _ended = [];
    private ProcedureRecorder? _recorder;
    private volatile bool _isClosed;

    private MemorySession(ProcedureMemory memory, MemoryScope? scope, string? request, bool ambient)
    {
        _memory = memory;
        Scope = scope;
        Request = request;
        _isAmbient = ambient;
        if (ambient)
        {
            _outer = Ambient.Value;
            Ambient.Value = this;
        }
    }

    /// <summary>For a session that nobody closes, such as that of a kernel which is dropped: its recording must not count as active for ever.</summary>
    ~MemorySession() => Close();

    /// <summary>The scope of this session; <see langword="null"/> leaves it to <see cref="ProceduralMemoryOptions.Scope"/>.</summary>
    public MemoryScope? Scope { get; }

    /// <summary>The user's request that the session serves, where the host knows it. A recording keeps it, redacted.</summary>
    public string? Request { get; set; }

    /// <summary>The recording in progress; <see langword="null"/> when there is none.</summary>
    public ProcedureRecorder? Recorder => Volatile.Read(ref _recorder);

    /// <summary>What records the calls after the latest replay that stopped, by which its rest may be done; <see langword="null"/> when none did.</summary>
    internal ProcedureRecorder? Repair
    {
        get
        {
            lock (_repairs)
            {
                return _repairs.Count == 0 ? null : _repairs[^1];
            }
        }
    }

    /// <summary>What records the calls after replays that stopped, the latest last.</summary>
    internal IReadOnlyList<ProcedureRecorder> Repairs
    {
        get
        {
            lock (_repairs)
            {
                return [.. _repairs];
            }
        }
    }

    /// <summary>The latest traces whose recording ended in this session.</summary>
    internal IReadOnlyList<Guid> Ended
    {
        get
        {
            lock (_repairs)
            {
                return [.. _ended];
            }
        }
    }

    /// <summary>What the last recording gave, where it met a procedure of its name that does something else: <see cref="ProcedureMemory.DistillTraceAsync"/> settles it.</summary>
    public RecordingResult? Unsettled { get; private set; }

    /// <summary>Takes down what became of <see cref="Unsettled"/>.</summary>
    internal void Settle(RecordingResult result) => Unsettled = result.Conflict is null ? null : result;

    /// <summary>Closes the session. A recording in progress stays in the database as it is, and can be resumed with <see cref="ProcedureMemory.ResumeRecordingAsync"/>.</summary>
    public void Dispose()
    {
        if (_isAmbient && Ambient.Value == this)
        {
            Ambient.Value = _outer;
        }

        Close();
        GC.SuppressFinalize(this);
    }

    internal static MemorySession BeginAmbient(ProcedureMemory memory, MemoryScope? scope, string? request) => new(memory, scope, request, ambient: true);

    /// <summary>A session that is kept by its owner, such as a kernel, instead of flowing with calls.</summary>
    internal static MemorySession CreateDetached(ProcedureMemory memory) => new(memory, scope: null, request: null, ambient: false);

    /// <summary>The innermost open session of a memory. One that was closed elsewhere may still be ambient here.</summary>
    internal static MemorySession? Current(ProcedureMemory memory)
    {
        var session = Ambient.Value;
        while (session is not null && (session._memory != memory || session._isClosed))
        {
            session = session._outer;
        }

        return session;
    }

    /// <exception cref="RecordingStateException">The session is closed, or holds a recording already.</exception>
    internal void Attach(ProcedureRecorder recorder)
    {
        ThrowIfClosed();
        if (Interlocked.CompareExchange(ref _recorder, recorder, null) is { } other)
        {
            throw new RecordingStateException(
                $"This session is already recording '{other.Name}'. Finalize or abandon that recording first, or record inside a session of its own: using (memory.BeginSession()) {{ … }}.");
        }

        Unsettled = null;
        _memory.RecordingAttached();
        if (_isClosed)
        {
            // Closed in between: nobody would ever detach it.
            Detach(recorder);
            ThrowIfClosed();
        }
    }

    /// <summary>What recorded the calls after that execution stopped; <see langword="null"/> where there is none. It goes on recording.</summary>
    internal ProcedureRecorder? RepairOf(Guid executionId)
    {
        lock (_repairs)
        {
            if (_repairs.Find(r => r.RepairOf == executionId) is { } repair)
            {
                _repairs.Remove(repair);
                _repairs.Add(repair);
                return repair;
            }

            return null;
        }
    }

    /// <summary>The repairs that are not worth keeping when another one begins: those without a call, and the oldest of many.</summary>
    internal IReadOnlyList<ProcedureRecorder> SpentRepairs()
    {
        lock (_repairs)
        {
            var used = _repairs.Where(r => r.CallCount > 0).TakeLast(MaxRepairs - 1).ToList();
            return [.. _repairs.Except(used)];
        }
    }

    /// <summary>Begins to record what is done after a replay that stopped.</summary>
    internal void AttachRepair(ProcedureRecorder recorder)
    {
        lock (_repairs)
        {
            _repairs.Add(recorder);
        }

        _memory.RecordingAttached();
        if (_isClosed)
        {
            Detach(recorder);
        }
    }

    internal void Detach(ProcedureRecorder recorder)
    {
        if (Interlocked.CompareExchange(ref _recorder, null, recorder) == recorder || IsRemoved())
        {
            lock (_repairs)
            {
                _ended.Add(recorder.TraceId);
                _ended.RemoveRange(0, Math.Max(0, _ended.Count - MaxEnded));
            }

            _memory.RecordingDetached();
        }

        bool IsRemoved()
        {
            lock (_repairs)
            {
                return _repairs.Remove(recorder);
            }
        }
    }

    private void Close()
    {
        _isClosed = true;
        if (Interlocked.Exchange(ref _recorder, null) is not null)
        {
            _memory.RecordingDetached();
        }

        lock (_repairs)
        {
            _repairs.ForEach(_ => _memory.RecordingDetached());
            _repairs.Clear();
        }
    }

    private void ThrowIfClosed()
    {
        if (_isClosed)
        {
            throw new RecordingStateException("This session is closed, and holds no recording any more. Open another one with BeginSession.");
        }
    }
}
