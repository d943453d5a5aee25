using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>Opens an ambient session: until it is disposed, recordings that are started in it, and calls that are awaited in it, belong to it alone.</summary>
    /// <param name="scope">Whose memory is used in it; <see langword="null"/> for what <see cref="ProceduralMemoryOptions.Scope"/> says.</param>
    /// <param name="request">The user's request that it serves, where it is known. A recording keeps it, redacted.</param>
    public MemorySession BeginSession(MemoryScope? scope = null, string? request = null) => MemorySession.BeginAmbient(this, scope, request);

    /// <summary>Creates a session that is not ambient, for an owner (such as a kernel) that keeps it and hands it to <see cref="StartRecordingAsync"/>.</summary>
    public MemorySession CreateSession() => MemorySession.CreateDetached(this);

    /// <summary>Starts a recording. It is in the database when this returns.</summary>
    /// <param name="details">What it is about.</param>
    /// <param name="session">The session that is to hold it; <see langword="null"/> for the ambient one, and where there is none the recording stands by itself: no filter sees it, and it is written through the recorder alone.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="RecordingStateException">The session holds a recording already.</exception>
    /// <exception cref="ProcedureFormatException">The details are not valid.</exception>
    public async Task<ProcedureRecorder> StartRecordingAsync(RecordingDetails details, MemorySession? session = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(details);
        cancellationToken.ThrowIfCancellationRequested();
        session ??= CurrentSession;
        var request = details.Request ?? session?.Request;
        ProcedureValidator.Check(details with { Request = request }, Options);
        var now = Time.GetUtcNow();
        // The inputs first: a secret among them is one in the texts too, and in the steps, with which the recorder goes on.
        var capture = ValueCapture.ForRecording(Options);
        var inputs = capture.Arguments("", Json.Build(w => WriteObject(w, details.Inputs)), out _);
        var trace = new Trace
        {
            Id = Guid.CreateVersion7(now),
            Scope = ScopeOf(session).Write,
            Name = details.Name.Trim(),
            Inputs = inputs,
            Description = capture.Plain.Text(details.Description),
            Request = request is null ? null : capture.Plain.Text(request),
            Tags = details.Tags,
            Notes = details.Notes is null ? null : capture.Plain.Text(details.Notes),
            Status = TraceStatus.Recording,
            StartedAt = now,
        };
        var recorder = new ProcedureRecorder(this, session, trace, nextOrdinal: 0, capture);
        session?.Attach(recorder);
        try
        {
            await Store.InsertTraceAsync(trace, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            session?.Detach(recorder);
            throw;
        }

        Log.RecordingStarted(_logger, trace.Name, trace.Id);
        return recorder;
    }

    /// <summary>Goes on with a recording that another process, or a closed session, left unfinished. One that is still written elsewhere can have only one recorder: the second to write a step is refused.</summary>
    /// <param name="traceId">The trace; see <see cref="ListTracesAsync"/>.</param>
    /// <param name="session">The session that is to hold it; see <see cref="StartRecordingAsync"/>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="RecordingStateException">There is no such recording in the scope, it has ended, or the session holds another.</exception>
    public async Task<ProcedureRecorder> ResumeRecordingAsync(Guid traceId, MemorySession? session = null, CancellationToken cancellationToken = default)
    {
        session ??= CurrentSession;
        var trace = await Store.GetTraceAsync([ScopeOf(session).Write], traceId, cancellationToken).ConfigureAwait(false);
        if (trace is not { Status: TraceStatus.Recording, RepairOf: null })
        {
            throw new RecordingStateException($"Trace {traceId:D} cannot be resumed: {(trace is null ? "there is none of that id in the scope" : "it has ended")}. List those that can with ListTracesAsync(TraceStatus.Recording).");
        }

        var recorder = new ProcedureRecorder(this, session, trace, trace.Steps.Count == 0 ? 0 : trace.Steps[^1].Ordinal + 1);
        session?.Attach(recorder);
        return recorder;
    }

    /// <summary>Lists traces without their steps, latest first.</summary>
    /// <param name="status">Only those of this status: <see cref="TraceStatus.Recording"/> for what a dead process left unfinished.</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IReadOnlyList<Trace>> ListTracesAsync(TraceStatus? status = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return Store.ListTracesAsync(CurrentScope().Read, status, limit, cancellationToken);
    }

    /// <summary>Reads a trace with its steps; <see langword="null"/> when the scope has none of that id.</summary>
    /// <param name="traceId">The trace.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<Trace?> GetTraceAsync(Guid traceId, CancellationToken cancellationToken = default) => Store.GetTraceAsync(CurrentScope().Read, traceId, cancellationToken);

    /// <summary>Begins to record what is done after a replay stopped, so that it can be kept as the repair of its failed step.</summary>
    internal async Task StartRepairAsync(MemorySession session, ReplayResult replay, CancellationToken cancellationToken)
    {
        if (replay.ExecutionId is { } executionId && session.RepairOf(executionId) is not null)
        {
            // It was not let go on: what was done for it so far counts still.
            return;
        }

        foreach (var spent in session.SpentRepairs())
        {
            await spent.AbandonAsync(cancellationToken).ConfigureAwait(false);
        }

        var now = Time.GetUtcNow();
        var trace = new Trace
        {
            Id = Guid.CreateVersion7(now),
            Scope = ScopeOf(session).Write,
            Name = replay.ProcedureName,
            RepairOf = replay.ExecutionId,
            Status = TraceStatus.Recording,
            StartedAt = now,
        };
        var mends = await CalledByAsync(session, replay, cancellationToken).ConfigureAwait(false);
        await Store.InsertTraceAsync(trace, cancellationToken).ConfigureAwait(false);
        session.AttachRepair(new ProcedureRecorder(this, session, trace, nextOrdinal: 0, replay.Capture) { Mends = mends });
    }

    /// <summary>The functions that a replay may call; <see langword="null"/> where that is not known, since it replays others.</summary>
    private async Task<IReadOnlySet<string>?> CalledByAsync(MemorySession session, ReplayResult replay, CancellationToken cancellationToken)
    {
        var procedure = await Store.GetProcedureAsync(ScopeOf(session).Read, replay.ProcedureName, replay.Version, cancellationToken).ConfigureAwait(false);
        var steps = procedure?.Version.Steps.SelectMany(s => s.WithInner()).ToList();
        return steps is null || steps.Exists(s => s.Kind is StepKind.Procedure) ? null : steps.Select(s => ReplayRepairs.Canonical(s.Action)).ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Adds to what a replay is resumed with what was recorded in the session since it stopped.</summary>
    /// <param name="session">The session that resumes it.</param>
    /// <param name="executionId">The execution.</param>
    /// <param name="request">What it is resumed with.</param>
    /// <param name="isInsideCall">Whether it is resumed from inside a call that is recorded: that is not waited for.</param>
    /// <param name="cancellationToken">Cancels the wait for calls in flight.</param>
    internal static async Task<ResumeRequest> WithCallsSinceAsync(MemorySession? session, Guid executionId, ResumeRequest request, bool isInsideCall, CancellationToken cancellationToken)
    {
        if (session is null)
        {
            return request;
        }

        var (repair, recorder) = (session.RepairOf(executionId), session.Recorder);
        if (repair is not null && !isInsideCall)
        {
            await repair.SettleCallsAsync(cancellationToken).ConfigureAwait(false);
        }

        return request with
        {
            RepairTraceId = request.RepairTraceId ?? (repair is { CallCount: > 0 } ? repair.TraceId : recorder?.TraceId),
            SessionTraces = [.. session.Repairs.Append(recorder).OfType<ProcedureRecorder>().Select(r => r.TraceId).Concat(session.Ended).Distinct()],
            AreCallsMissing = repair is { IsIncomplete: true } || recorder is { IsIncomplete: true },
        };
    }

    internal void RecordingAttached() => Interlocked.Increment(ref _attachedRecordings);

    internal void RecordingDetached() => Interlocked.Decrement(ref _attachedRecordings);

    private static void WriteObject(Utf8JsonWriter writer, IReadOnlyDictionary<string, JsonElement> members)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in members)
        {
            writer.WritePropertyName(name);
            value.WriteTo(writer);
        }

        writer.WriteEndObject();
    }
}
