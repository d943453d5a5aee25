using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory;

/// <summary>
/// The procedural memory of agents: record a task, keep it as a procedure, find it, replay it, and make it better. Safe for use from several threads;
/// several processes of one machine may share one database file.
/// </summary>
public sealed class ProcedureMemory : IDisposable
{
    private readonly ILogger _logger;
    private readonly SqliteProcedureStore? _ownedStore;
    private int _attachedRecordings;

    /// <summary>Creates a memory in a SQLite file, with the default options.</summary>
    /// <param name="databasePath">The file, or <c>:memory:</c>.</param>
    public ProcedureMemory(string databasePath)
        : this(new ProceduralMemoryOptions { DatabasePath = databasePath })
    {
    }

    /// <summary>Creates a memory.</summary>
    /// <param name="options">The options; they are validated here, and are not to be changed afterwards.</param>
    /// <param name="store">Where it is kept; <see langword="null"/> for the SQLite file of the options.</param>
    /// <param name="loggerFactory">Where it logs.</param>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public ProcedureMemory(ProceduralMemoryOptions options, IProcedureStore? store = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Options = options;
        if (store is null)
        {
            store = _ownedStore = new SqliteProcedureStore(options);
        }

        Store = store;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory");
    }

    /// <summary>The options that the memory was created with.</summary>
    public ProceduralMemoryOptions Options { get; }

    /// <summary>Whether any session holds a recording: what a recording filter asks first, on every call.</summary>
    public bool HasActiveRecordings => Volatile.Read(ref _attachedRecordings) > 0;

    /// <summary>The innermost ambient session, or <see langword="null"/>.</summary>
    public MemorySession? CurrentSession => MemorySession.Current(this);

    internal IProcedureStore Store { get; }

    internal TimeProvider Time => Options.TimeProvider;

    // ---- Capture -------------------------------------------------------------------------------------------------------------------

    /// <summary>Opens an ambient session: until it is disposed, recordings that are started in it, and calls that are awaited in it, belong to it alone.</summary>
    /// <param name="scope">Whose memory is used in it; <see langword="null"/> for what <see cref="ProceduralMemoryOptions.Scope"/> says.</param>
    /// <param name="request">The user's request that it serves, where it is known. A recording keeps it, redacted.</param>
    public MemorySession BeginSession(MemoryScope? scope = null, string? request = null) => MemorySession.BeginAmbient(this, scope, request);

    /// <summary>Creates a session that is not ambient, for an owner (such as a kernel) that keeps it and hands it to <see cref="StartRecordingAsync"/>.</summary>
    public MemorySession CreateSession() => MemorySession.CreateDetached(this);

    /// <summary>Starts a recording. It is in the database when this returns.</summary>
    /// <param name="details">What it is about.</param>
    /// <param name="session">The session that is to hold it; <see langword="null"/> for the ambient one, and where there is none the recording stands by itself and is written through the recorder alone.</param>
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
        var trace = new Trace
        {
            Id = Guid.CreateVersion7(now),
            Scope = ScopeOf(session).Write,
            Name = details.Name.Trim(),
            Description = Options.Redactor.Redact(details.Description),
            Request = request is null ? null : Options.Redactor.Redact(request),
            Tags = details.Tags,
            Notes = details.Notes is null ? null : Options.Redactor.Redact(details.Notes),
            Status = TraceStatus.Recording,
            StartedAt = now,
        };
        var recorder = new ProcedureRecorder(this, session, trace, nextOrdinal: 0);
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

    /// <summary>Goes on with a recording that another process, or a closed session, left unfinished.</summary>
    /// <param name="traceId">The trace; see <see cref="ListTracesAsync"/>.</param>
    /// <param name="session">The session that is to hold it; see <see cref="StartRecordingAsync"/>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="RecordingStateException">There is no such recording in the scope, it has ended, or the session holds another.</exception>
    public async Task<ProcedureRecorder> ResumeRecordingAsync(Guid traceId, MemorySession? session = null, CancellationToken cancellationToken = default)
    {
        session ??= CurrentSession;
        var trace = await Store.GetTraceAsync([ScopeOf(session).Write], traceId, cancellationToken).ConfigureAwait(false);
        if (trace is not { Status: TraceStatus.Recording })
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

    // ---- Persist -------------------------------------------------------------------------------------------------------------------

    /// <summary>Stores a procedure that was not recorded.</summary>
    /// <param name="definition">The procedure.</param>
    /// <param name="asNewVersion">Whether a procedure of that name gets a new active version; otherwise a name in use is refused.</param>
    /// <param name="origin">Who wrote it.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The procedure as stored.</returns>
    /// <exception cref="ProcedureFormatException">The definition is not valid.</exception>
    /// <exception cref="ProcedureConflictException">The name is in use.</exception>
    public Task<Procedure> StoreAsync(ProcedureDefinition definition, bool asNewVersion = false, ProcedureOrigin origin = ProcedureOrigin.User, CancellationToken cancellationToken = default)
    {
        var valid = SecretConstants.Remove(ProcedureValidator.Check(definition, Options), Options);
        return Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = CurrentScope().Write,
                Definition = valid,
                Reason = VersionReason.Stored,
                Origin = origin,
                Activate = true,
                MustBeNew = !asNewVersion,
                At = Time.GetUtcNow(),
            },
            cancellationToken);
    }

    /// <summary>Reads a procedure.</summary>
    /// <param name="name">Its name, regardless of ASCII case.</param>
    /// <param name="version">The version to show; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is none; the message names near ones.</exception>
    public async Task<Procedure> GetAsync(string name, int? version = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return await GetInAsync(CurrentScope(), name, version, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lists the procedures of the scopes that are read, by name.</summary>
    /// <param name="tags">Labels that a procedure must all have, regardless of case.</param>
    /// <param name="includeRetired">Whether those out of use are listed as well.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<IReadOnlyList<Procedure>> ListAsync(IReadOnlyList<string>? tags = null, bool includeRetired = false, CancellationToken cancellationToken = default) =>
        [.. (await ListVisibleAsync(CurrentScope(), includeRetired, cancellationToken).ConfigureAwait(false)).Where(p => HasTags(p, tags ?? []))];

    /// <summary>Lists the scopes that the store holds, for the host's own tools: it is the one question that does not stay within a scope.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IReadOnlyList<string>> ListScopesAsync(CancellationToken cancellationToken = default) => Store.ListScopesAsync(cancellationToken);

    /// <summary>Lists all versions of a procedure, oldest first.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public async Task<IReadOnlyList<ProcedureVersion>> ListVersionsAsync(string name, CancellationToken cancellationToken = default)
    {
        var procedure = await GetAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        return await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a version the one that is replayed: an import after review, or an earlier version to go back to. A retired procedure comes back into use.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="version">The version.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<Procedure> ActivateVersionAsync(string name, int version, CancellationToken cancellationToken = default)
    {
        var procedure = await GetWritableAsync(name, version, cancellationToken).ConfigureAwait(false);
        await Store.ActivateVersionAsync(procedure.Id, version, Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
        return await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes one version of a procedure as a readable JSON document: <c>{ "format": 1, "name", "description", "tags", "notes", "version", "inputs", "steps" }</c>.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<string> ExportAsync(string name, int? version = null, CancellationToken cancellationToken = default)
    {
        var procedure = await GetAsync(name, version, cancellationToken).ConfigureAwait(false);
        var document = new ExportDocument
        {
            Format = VersionDocument.CurrentFormat,
            Name = procedure.Name,
            Description = procedure.Description,
            Tags = procedure.Tags,
            Notes = procedure.Notes,
            Version = procedure.Version.Number,
            Inputs = procedure.Version.Inputs,
            Steps = procedure.Version.Steps,
        };
        return JsonSerializer.Serialize(document, Json.Exchanged);
    }

    /// <summary>Reads a document that <see cref="ExportAsync"/> wrote. It becomes a draft with origin <see cref="ProcedureOrigin.Import"/>, as a further version where the name is in use, and is not replayed until it is activated, unless a replay names that version.</summary>
    /// <param name="json">The document.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The procedure at its new draft.</returns>
    /// <exception cref="ProcedureFormatException">It is no such document, is of a newer format, or describes no valid procedure. Nothing is stored.</exception>
    public Task<Procedure> ImportAsync(string json, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(json);
        ExportDocument document;
        try
        {
            RequireKnownFormat(json);
            document = JsonSerializer.Deserialize<ExportDocument>(json, Json.Exchanged) ?? throw new JsonException("It is null.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new ProcedureFormatException((exception as JsonException)?.Path ?? "", $"The document cannot be read as a procedure: {exception.Message}", exception);
        }

        var definition = ProcedureValidator.Check(
            new ProcedureDefinition
            {
                Name = document.Name,
                Description = document.Description ?? "",
                Tags = document.Tags ?? [],
                Notes = document.Notes,
                Inputs = document.Inputs ?? [],
                Steps = document.Steps,
            },
            Options);
        return Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = CurrentScope().Write,
                Definition = SecretConstants.Remove(definition, Options),
                Reason = VersionReason.Imported,
                Origin = ProcedureOrigin.Import,
                Activate = false,
                At = Time.GetUtcNow(),
            },
            cancellationToken);
    }

    // ---- Recall --------------------------------------------------------------------------------------------------------------------

    /// <summary>Finds procedures for a request. The answer may be that nothing fits.</summary>
    /// <param name="request">What is to be done, in the user's words.</param>
    /// <param name="options">How to search.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ArgumentException">The request is empty, or an option is out of range.</exception>
    public async Task<FindResult> FindAsync(string request, FindOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(request);
        options ??= new FindOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Top, 1, nameof(options));
        var threshold = options.MinimumScore ?? Options.MinimumScore;
        if (threshold is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(options), threshold, "The minimum score goes from 0 to 1.");
        }

        var words = KeywordOverlap.Words(request);
        var scored = (await ListVisibleAsync(CurrentScope(), includeRetired: false, cancellationToken).ConfigureAwait(false))
            .Where(p => p.ActiveVersion is not null && HasTags(p, options.Tags))
            .Select(p => KeywordOverlap.Score(p, words))
            .Where(m => m.MatchedWords.Count > 0)
            .OrderByDescending(m => m.Score)
            .ToList();
        var matches = scored.Where(m => m.Score >= threshold);
        matches = options.Order is FindOrder.SuccessRate
            ? matches.OrderByDescending(m => m.Procedure.Version.Statistics.SuccessRate ?? 0).ThenByDescending(m => m.Score).ThenByDescending(m => m.Procedure.Version.Statistics.LastExecutedAt)
            : matches.OrderByDescending(m => m.Score).ThenByDescending(m => m.Procedure.Version.Statistics.SuccessRate ?? 0).ThenByDescending(m => m.Procedure.Version.Statistics.LastExecutedAt);
        return new FindResult([.. matches.Take(options.Top)], [.. scored.Where(m => m.Score < threshold).Take(3)], threshold);
    }

    // ---- Replay --------------------------------------------------------------------------------------------------------------------

    /// <summary>Replays a procedure: its steps are called one after the other through the executor, without a model. How it went is the result, whether it completed or not.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="request">Inputs and adaptations.</param>
    /// <param name="executor">Makes the calls.</param>
    /// <param name="cancellationToken">Cancels the replay between and within steps; the execution is then in the log as cancelled.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    /// <exception cref="ProcedureStoreException">What happens cannot be written down; nothing more is called then.</exception>
    public async Task<ReplayResult> ReplayAsync(string name, ReplayRequest request, IStepExecutor executor, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(executor);
        return await ReplayProcedureAsync(await GetInAsync(CurrentScope(), name, request.Version, cancellationToken).ConfigureAwait(false), request, executor, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Replays a procedure that <see cref="GetAsync"/> gave, at the version that it gave, without reading it again.</summary>
    /// <param name="procedure">The procedure.</param>
    /// <param name="request">Inputs and adaptations. A draft is replayed only where <see cref="ReplayRequest.Version"/> names a version.</param>
    /// <param name="executor">Makes the calls.</param>
    /// <param name="cancellationToken">Cancels the replay between and within steps; the execution is then in the log as cancelled.</param>
    /// <exception cref="ProcedureStoreException">What happens cannot be written down; nothing more is called then.</exception>
    public async Task<ReplayResult> ReplayProcedureAsync(Procedure procedure, ReplayRequest request, IStepExecutor executor, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(procedure);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(executor);
        var result = await new ProcedureReplayer(Store, Options, CurrentScope(), executor).ReplayAsync(procedure, request, cancellationToken).ConfigureAwait(false);
        Log.ReplayEnded(_logger, result.ProcedureName, result.Version, result.Outcome, result.ExecutionId);
        return result;
    }

    /// <summary>Reads an execution with its steps; <see langword="null"/> when the scope has none of that id.</summary>
    /// <param name="executionId">The execution.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<Execution?> GetExecutionAsync(Guid executionId, CancellationToken cancellationToken = default) => Store.GetExecutionAsync(CurrentScope().Read, executionId, cancellationToken);

    /// <summary>Lists executions without their steps, latest first.</summary>
    /// <param name="procedureName">Those of one procedure only.</param>
    /// <param name="outcome">Those that ended so only.</param>
    /// <param name="since">Those that began at or after this time only.</param>
    /// <param name="limit">The most to return.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no procedure of that name.</exception>
    public async Task<IReadOnlyList<Execution>> ListExecutionsAsync(
        string? procedureName = null, ReplayOutcome? outcome = null, DateTimeOffset? since = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        var scope = CurrentScope();
        var procedureId = procedureName is null ? (Guid?)null : (await GetInAsync(scope, procedureName, version: null, cancellationToken).ConfigureAwait(false)).Id;
        return await Store.ListExecutionsAsync(scope.Read, new ExecutionQuery { ProcedureId = procedureId, Outcome = outcome, Since = since, Limit = limit }, cancellationToken).ConfigureAwait(false);
    }

    // ---- Revise --------------------------------------------------------------------------------------------------------------------

    /// <summary>
    /// Improves the active version from its statistics: steps that fail more than they succeed are replaced or, where no other step needs them, removed;
    /// slow steps are flagged. A change is a new active version; the earlier one is kept, and <see cref="ActivateVersionAsync"/> goes back to it.
    /// </summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="replacements">Steps to put in place of failing ones, by step id.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    /// <exception cref="ProcedureConflictException">It has no active version, or that changed meanwhile.</exception>
    /// <exception cref="ProcedureFormatException">A replacement is no valid step there.</exception>
    public async Task<OptimizeResult> OptimizeAsync(string name, IReadOnlyDictionary<string, ProcedureStep>? replacements = null, CancellationToken cancellationToken = default)
    {
        var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
        if (procedure.IsRetired || procedure.ActiveVersion is null)
        {
            throw new ProcedureConflictException(procedure.Name, $"'{procedure.Name}' {(procedure.IsRetired ? "is retired" : "has no active version to optimise")}. Activate one first.");
        }

        var executions = procedure.Version.Statistics.Executions;
        if (executions < Options.MinimumExecutionsToOptimize)
        {
            return new OptimizeResult(procedure, [], string.Create(CultureInfo.InvariantCulture, $"'{procedure.Name}' version {procedure.Version.Number} has {executions} executions; {Options.MinimumExecutionsToOptimize} are needed before it is changed."));
        }

        var (steps, changes) = ProcedureOptimizer.Propose(procedure.Version, replacements ?? new Dictionary<string, ProcedureStep>(), Options.SlowStepThreshold);
        if (changes.Count == 0)
        {
            return new OptimizeResult(procedure, [], $"'{procedure.Name}' needs no change: no step fails more than it succeeds, and none is newly slow.");
        }

        var definition = ProcedureValidator.Check(
            new ProcedureDefinition
            {
                Name = procedure.Name,
                Description = procedure.Description,
                Notes = procedure.Notes,
                Inputs = ProcedureOptimizer.UsedInputs(procedure.Version.Inputs, steps),
                Steps = steps,
            },
            Options);
        var improved = await Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = procedure.Scope,
                Definition = SecretConstants.Remove(definition, Options),
                Reason = VersionReason.Optimized,
                Origin = procedure.Version.Origin,
                Activate = true,
                ExpectedActive = procedure.ActiveVersion,
                Request = procedure.Version.Request,
                At = Time.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);
        return new OptimizeResult(improved, changes, $"'{procedure.Name}' is now version {improved.Version.Number.ToString(CultureInfo.InvariantCulture)}: {string.Join("; ", changes.Select(c => $"{c.StepId} {c.Kind.ToString().ToLowerInvariant()}, because {c.Reason}"))}.");
    }

    /// <summary>Finds procedures of the written scope that do the same: the same actions in the same order, described in mostly the same words.</summary>
    /// <param name="minimumSimilarity">The share of common words (Jaccard) from which descriptions are alike, from 0 to 1.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Groups of at least two, the most efficient procedure first.</returns>
    public async Task<IReadOnlyList<IReadOnlyList<Procedure>>> ListSimilarAsync(double minimumSimilarity = 0.5, CancellationToken cancellationToken = default)
    {
        if (minimumSimilarity is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(minimumSimilarity), minimumSimilarity, "The similarity goes from 0 to 1.");
        }

        var all = await Store.ListProceduresAsync([CurrentScope().Write], includeRetired: false, cancellationToken).ConfigureAwait(false);
        return ProcedureMerger.SimilarGroups([.. all.Where(p => p.ActiveVersion is not null)], minimumSimilarity);
    }

    /// <summary>Keeps the most efficient of some procedures (the best success rate, then the shortest mean duration) and retires the others in its favour. Nothing is deleted.</summary>
    /// <param name="names">At least two procedures of the scope that is written.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ArgumentException">There are fewer than two.</exception>
    /// <exception cref="ProcedureNotFoundException">One does not exist.</exception>
    /// <exception cref="ProcedureConflictException">One is retired or has no active version, or together they have too many tags.</exception>
    public async Task<MergeResult> MergeAsync(IReadOnlyList<string> names, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(names);
        var procedures = new List<Procedure>();
        foreach (var name in names)
        {
            var procedure = await GetWritableAsync(name, version: null, cancellationToken).ConfigureAwait(false);
            if (procedure.IsRetired || procedure.ActiveVersion is null)
            {
                throw new ProcedureConflictException(procedure.Name, $"'{procedure.Name}' is {(procedure.IsRetired ? "retired" : "a draft")}. Activate a version of it before merging.");
            }

            if (!procedures.Exists(p => p.Id == procedure.Id))
            {
                procedures.Add(procedure);
            }
        }

        if (procedures.Count < 2)
        {
            throw new ArgumentException("A merge takes at least two different procedures.", nameof(names));
        }

        var ordered = ProcedureMerger.ByEfficiency(procedures);
        var tags = ordered.SelectMany(p => p.Tags).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        if (tags.Count > ProcedureValidator.MaxTags)
        {
            throw new ProcedureConflictException(ordered[0].Name, string.Create(CultureInfo.InvariantCulture, $"Together these procedures have {tags.Count} tags; {ProcedureValidator.MaxTags} are the most. Merge fewer at a time."));
        }

        await Store.MergeAsync(ordered[0].Id, [.. ordered.Skip(1).Select(p => p.Id)], tags, Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
        return new MergeResult(await GetWritableAsync(ordered[0].Name, version: null, cancellationToken).ConfigureAwait(false), [.. ordered.Skip(1).Select(p => p.Name)]);
    }

    /// <summary>Closes the database, where the memory opened it.</summary>
    public void Dispose() => _ownedStore?.Dispose();

    // ---- shared by the above -------------------------------------------------------------------------------------------------------

    internal void RecordingAttached() => Interlocked.Increment(ref _attachedRecordings);

    internal void RecordingDetached() => Interlocked.Decrement(ref _attachedRecordings);

    internal async Task<RecordingResult> CompleteRecordingAsync(ProcedureRecorder recorder, string? notes, IReadOnlyList<string>? tags, TraceUsage usage, CancellationToken cancellationToken)
    {
        var trace = await Store.GetTraceAsync([recorder.Scope], recorder.TraceId, cancellationToken).ConfigureAwait(false)
            ?? throw new RecordingStateException($"The trace of the recording '{recorder.Name}' is gone from the database.");
        trace = trace with { Notes = notes ?? trace.Notes, Tags = [.. trace.Tags.Union(tags ?? [], StringComparer.OrdinalIgnoreCase)] };
        if (ProcedureDistiller.Distill(trace) is not { } distilled)
        {
            await Store.EndTraceAsync(trace.Id, TraceStatus.Abandoned, Time.GetUtcNow(), usage, cancellationToken).ConfigureAwait(false);
            Log.RecordingEmpty(_logger, trace.Name, trace.Id);
            return new RecordingResult(trace.Id, null, trace.Steps.Count);
        }

        var procedure = await Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = trace.Scope,
                Definition = ProcedureValidator.Check(distilled.Definition, Options),
                Reason = VersionReason.Recorded,
                Origin = ProcedureOrigin.Agent,
                Activate = true,
                Request = trace.Request,
                TraceId = trace.Id,
                Usage = usage,
                Statistics = distilled.Statistics,
                StepStatistics = distilled.StepStatistics,
                At = Time.GetUtcNow(),
            },
            cancellationToken).ConfigureAwait(false);
        Log.RecordingFinalized(_logger, procedure.Name, procedure.Version.Number, procedure.Version.Steps.Count, trace.Id);
        return new RecordingResult(trace.Id, procedure, distilled.DroppedSteps);
    }

    private MemoryScope CurrentScope() => ScopeOf(CurrentSession);

    private MemoryScope ScopeOf(MemorySession? session) =>
        session?.Scope ?? Options.Scope() ?? throw new InvalidOperationException($"{nameof(ProceduralMemoryOptions)}.{nameof(ProceduralMemoryOptions.Scope)} returned null. Return {nameof(MemoryScope)}.{nameof(MemoryScope.Default)} or a scope of your own.");

    private async Task<Procedure> GetInAsync(MemoryScope scope, string name, int? version, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (await Store.GetProcedureAsync(scope.Read, name, version, cancellationToken).ConfigureAwait(false) is { } procedure)
        {
            return procedure;
        }

        var names = await Store.ListNamesAsync(scope.Read, cancellationToken).ConfigureAwait(false);
        var exists = names.Any(n => NameKey(n) == NameKey(name.Trim()));
        throw new ProcedureNotFoundException(name, exists ? [] : NearNames.Of(name, names), exists ? version : null);
    }

    private Task<Procedure> GetWritableAsync(string name, int? version, CancellationToken cancellationToken) =>
        GetInAsync(new MemoryScope(CurrentScope().Write), name, version, cancellationToken);

    /// <summary>What is visible: of a name that several scopes have, the nearest.</summary>
    private async Task<IReadOnlyList<Procedure>> ListVisibleAsync(MemoryScope scope, bool includeRetired, CancellationToken cancellationToken)
    {
        var all = await Store.ListProceduresAsync(scope.Read, includeRetired, cancellationToken).ConfigureAwait(false);
        return scope.Read.Count == 1
            ? all
            : [.. all.GroupBy(p => NameKey(p.Name), StringComparer.Ordinal).Select(g => g.MinBy(p => scope.Read.TakeWhile(s => s != p.Scope).Count())!)];
    }

    /// <summary>A name as stores compare it: regardless of ASCII case, and of that only.</summary>
    private static string NameKey(string name) => string.Concat(name.Select(c => char.IsAsciiLetterUpper(c) ? char.ToLowerInvariant(c) : c));

    private static bool HasTags(Procedure procedure, IReadOnlyList<string> tags) => tags.All(t => procedure.Tags.Contains(t, StringComparer.OrdinalIgnoreCase));

    private static void RequireKnownFormat(string json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = Json.Exchanged.MaxDepth });
        if (document.RootElement.ValueKind is not JsonValueKind.Object || !document.RootElement.TryGetProperty("format", out var format)
            || format.ValueKind is not JsonValueKind.Number || !format.TryGetInt32(out var number))
        {
            throw new ProcedureFormatException("format", "The document has no number 'format'. Give a document that ExportAsync wrote.");
        }

        if (number is < 1 or > VersionDocument.CurrentFormat)
        {
            throw new ProcedureFormatException("format", string.Create(CultureInfo.InvariantCulture, $"The document has format {number}; this library reads 1 to {VersionDocument.CurrentFormat}. Update the ProceduralMemory packages."));
        }
    }
}
