namespace ProceduralMemory.Capture;

/// <content>How a recording ends: finalized, given up, or found to have ended elsewhere.</content>
public sealed partial class ProcedureRecorder
{
    // A filter finds the recording by the session that the call is made in.
    private const string NoSession =
        $"Nothing is stored, since no call was recorded: no session was open when the recording started, so no filter saw one. Start it, and make the calls, inside a session: using (memory.{nameof(ProcedureMemory.BeginSession)}()) {{ … }}. Or record each step with {nameof(RecordStepAsync)}.";

    // Until it has one by what was done in it.
    private const string TurnName = "turn";

    /// <summary>
    /// Ends the recording and makes a procedure of its successful steps, all in one transaction. Waits for calls in flight, so it must not be awaited inside of one.
    /// A recording without a successful step gives no procedure and is abandoned.
    /// </summary>
    /// <param name="notes">Remarks for the procedure.</param>
    /// <param name="tags">Labels to add to those given at the start.</param>
    /// <param name="cancellationToken">Cancels before the write; the recording then goes on.</param>
    /// <exception cref="RecordingStateException">The recording has ended, here or in another process; or it is incomplete (<see cref="IsIncomplete"/>), because a step could not be stored or its steps make no valid procedure: then abandon it.</exception>
    /// <exception cref="ProcedureFormatException">The notes or tags are not valid; the recording then goes on.</exception>
    public async Task<RecordingResult> FinalizeAsync(string? notes = null, IReadOnlyList<string>? tags = null, CancellationToken cancellationToken = default)
    {
        ThrowIfOfTurn();
        notes = notes is null ? null : _capture.Plain.Text(notes);
        ProcedureValidator.CheckEnding(notes, [.. _tags.Union(tags ?? [], StringComparer.OrdinalIgnoreCase)], _memory.Options);
        await CloseForFinalizingAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var result = await EndAsync(() => _memory.CompleteRecordingAsync(this, notes, tags, Usage(), cancellationToken)).ConfigureAwait(false);
            _session?.Settle(result);
            return result is { Procedure: null, Conflict: null, Unwanted: null, DroppedSteps: 0 } && _session is null
                ? result with { Message = NoSession }
                : result;
        }
        catch (ProcedureFormatException exception) when (tags is not { Count: > 0 } || exception.Problems.Any(p => p.Path != "tags"))
        {
            // What is recorded does not change any more, so that no repetition would end otherwise. Tags that came with this call can be left away.
            MarkIncomplete($"its steps make no valid procedure: {exception.Message.TrimEnd('.')}", exception);
            ThrowIfIncomplete();
            throw;
        }
    }

    /// <summary>Gives the recording up. Its trace is kept, and teaches nothing. Calls in flight are left out and not waited for: one of them may never return, or may be what calls this.</summary>
    /// <param name="cancellationToken">Cancels before the write; the recording then goes on.</param>
    /// <exception cref="RecordingStateException">The recording has ended, here or in another process.</exception>
    public async Task AbandonAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfOfTurn();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            ThrowIfNotActive();
            _state = RecorderState.Abandoning;
        }

        await EndAsync(async () =>
        {
            await _memory.Store.EndTraceAsync(TraceId, TraceStatus.Abandoned, _memory.Time.GetUtcNow(), Usage(), cancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    /// <summary>Takes the calls of a turn, of which nothing is written before it has ended.</summary>
    internal static ProcedureRecorder ForTurn(ProcedureMemory memory, MemoryScope scope)
    {
        var now = memory.Time.GetUtcNow();
        return new ProcedureRecorder(memory, new Trace { Id = Guid.CreateVersion7(now), Scope = scope.Write, Name = TurnName, Status = TraceStatus.Recording, StartedAt = now });
    }

    /// <summary>Ends the recording of a turn. Calls in flight are not waited for: who went on without them did not need them, or was not let wait.</summary>
    /// <returns>What was recorded, and why it is not the whole turn; <see langword="null"/> where it is.</returns>
    internal (Trace Turn, string? Fault) TakeTurn()
    {
        lock (_gate)
        {
            _state = RecorderState.Ended;
            return (
                _turn! with { Steps = [.. _turnSteps.OrderBy(s => s.Ordinal)], ModelCalls = _modelCalls, InputTokens = _inputTokens, OutputTokens = _outputTokens },
                _fault is { } fault ? $"It could not be recorded as a whole, because {fault.Reason}." : _inFlight > 0 ? "It was answered while a call was still running." : null);
        }
    }

    /// <summary>A text of the recorded task with everything taken out that is known to be secret by now.</summary>
    internal string Redacted(string text) => _capture.Plain.Text(text);

    /// <summary>Waits for calls in flight, so that what they gave can be read. The recording goes on meanwhile, and calls that begin are waited for as well.</summary>
    internal async Task SettleCallsAsync(CancellationToken cancellationToken)
    {
        Task idle;
        lock (_gate)
        {
            idle = WhenIdle();
        }

        await idle.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends a recording that makes no procedure of its own. Waits for calls in flight. One that lacks a call is given up: nobody is to learn from it.</summary>
    internal async Task CompleteRepairAsync(CancellationToken cancellationToken)
    {
        if (CallCount == 0 || IsIncomplete)
        {
            await AbandonAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        await CloseForFinalizingAsync(cancellationToken).ConfigureAwait(false);
        await EndAsync(async () =>
        {
            await _memory.Store.EndTraceAsync(TraceId, TraceStatus.Completed, _memory.Time.GetUtcNow(), Usage(), cancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    private void ThrowIfOfTurn()
    {
        if (_turn is not null)
        {
            throw new InvalidOperationException($"This takes the calls of a turn, and ends with it. End the turn ({nameof(Turn)}.{nameof(Turn.EndAsync)}), or see to it that nothing is learned from it ({nameof(Turn)}.{nameof(Turn.DoNotLearn)}).");
        }
    }

    private TraceUsage Usage()
    {
        lock (_gate)
        {
            return new TraceUsage(_modelCalls, _inputTokens, _outputTokens);
        }
    }

    /// <summary>Closes the recording for new steps, waits for those in flight, and sees that none is missing.</summary>
    private async Task CloseForFinalizingAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Task idle;
        lock (_gate)
        {
            ThrowIfNotActive();
            _state = RecorderState.Finalizing;
            idle = WhenIdle();
        }

        try
        {
            await idle.WaitAsync(cancellationToken).ConfigureAwait(false);
            ThrowIfIncomplete();
        }
        catch
        {
            Settle(ended: false);
            throw;
        }
    }

    /// <summary>Ends a closed recording with a write to the store; where that fails, the recording goes on.</summary>
    private async Task<T> EndAsync<T>(Func<Task<T>> write)
    {
        var ended = false;
        try
        {
            var result = await write().ConfigureAwait(false);
            ended = true;
            return result;
        }
        catch (RecordingStateException)
        {
            // The trace has ended elsewhere, as in another process: it will never be this recorder's to end.
            ended = true;
            throw;
        }
        finally
        {
            Settle(ended);
        }
    }

    private void Settle(bool ended)
    {
        lock (_gate)
        {
            _state = ended ? RecorderState.Ended : RecorderState.Active;
            if (!ended && _turnedAway)
            {
                _fault ??= new Fault("a call was made while it was about to end, and it did not end", null);
            }
        }

        if (ended)
        {
            _session?.Detach(this);
        }
    }

    // Under the lock.
    private Task WhenIdle() => _inFlight == 0 ? Task.CompletedTask : (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private bool IsGivenUp()
    {
        lock (_gate)
        {
            return _state is RecorderState.Abandoning or RecorderState.Ended;
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            LeaveLocked();
        }
    }

    // Under the lock: outside of it this could be a later wait, with calls in flight. What waits goes on elsewhere.
    private void LeaveLocked()
    {
        if (--_inFlight == 0)
        {
            _idle?.TrySetResult();
            _idle = null;
        }
    }
}
