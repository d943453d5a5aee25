using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

/// <summary>
/// The procedural memory of agents: record a task, keep it as a procedure, find it, replay it, and make it better. Safe for use from several threads;
/// several processes of one machine may share one database file.
/// </summary>
public sealed partial class ProcedureMemory : IDisposable
{
    private readonly ILogger _logger;
    private readonly SqliteProcedureStore? _ownedStore;
    private readonly ProcedureFinder? _finder;
    private readonly ProcedureVectors? _vectors;
    private readonly OutcomeJudging _judging;

    private readonly IReplayApprover? _approver;
    private readonly ITurnJudge? _turnJudge;
    private readonly IProcedureNamer? _namer;
    private readonly ISecretResolver? _resolver;
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
        : this(options, store, loggerFactory, registered: null)
    {
    }

    /// <summary>Creates a memory that takes a generator, an approver and a resolver of secrets from elsewhere where its options name none, and judges beside theirs: options may be those of several providers, each with its own.</summary>
    internal ProcedureMemory(
        ProceduralMemoryOptions options,
        IProcedureStore? store,
        ILoggerFactory? loggerFactory,
        IEmbeddingGenerator<string, Embedding<float>>? registered,
        IReplayApprover? registeredApprover = null,
        ISecretResolver? registeredResolver = null,
        Func<IEnumerable<IOutcomeJudge>>? judges = null,
        ITurnJudge? registeredTurnJudge = null,
        IProcedureNamer? registeredNamer = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Options = options;
        _approver = options.Approver ?? registeredApprover;
        _turnJudge = options.TurnJudge ?? registeredTurnJudge;
        _namer = options.ProcedureNamer ?? registeredNamer;
        _learning = (int)options.Learning;
        _resolver = options.SecretResolver ?? registeredResolver;
        if (store is null)
        {
            store = _ownedStore = new SqliteProcedureStore(options);
        }

        Store = store;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory");
        _judging = new OutcomeJudging(options, _logger, judges);
        if (store is IProcedureSearch search)
        {
            _vectors = (options.EmbeddingGenerator ?? registered) is { } generator ? new ProcedureVectors(options, generator, search, _logger) : null;
            _finder = new ProcedureFinder(search, _vectors);
        }
    }

    /// <summary>The options that the memory was created with.</summary>
    public ProceduralMemoryOptions Options { get; }

    /// <summary>Whether any session holds a recording, or the calls of a turn are kept: what a recording filter asks first, on every call.</summary>
    public bool HasActiveRecordings => Volatile.Read(ref _attachedRecordings) > 0;

    /// <summary>The innermost ambient session, or <see langword="null"/>.</summary>
    public MemorySession? CurrentSession => MemorySession.Current(this);

    internal IProcedureStore Store { get; }

    internal TimeProvider Time => Options.TimeProvider;

    /// <summary>Closes the database, where the memory opened it. What is asked of it afterwards is refused with <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _ownedStore?.Dispose();

    private MemoryScope CurrentScope() => ScopeOf(CurrentSession);

    private MemoryScope ScopeOf(MemorySession? session) =>
        session?.Scope ?? Options.Scope() ?? throw new InvalidOperationException($"{nameof(ProceduralMemoryOptions)}.{nameof(ProceduralMemoryOptions.Scope)} returned null. Return {nameof(MemoryScope)}.{nameof(MemoryScope.Default)} or a scope of your own.");

    private async Task<Procedure> GetInAsync(MemoryScope scope, string name, int? version, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (await Store.GetProcedureAsync(scope.Read, name, version, cancellationToken).ConfigureAwait(false) is { } procedure)
        {
            return procedure.SeenFrom(scope);
        }

        var names = await Store.ListNamesAsync(scope.Read, cancellationToken).ConfigureAwait(false);
        var exists = names.Any(n => NameKey(n) == NameKey(name.Trim()));
        if (!exists || version is null)
        {
            throw new ProcedureNotFoundException(name, exists ? [] : NearNames.Of(name, names));
        }

        var standing = await Store.GetProcedureAsync(scope.Read, name, version: null, cancellationToken).ConfigureAwait(false);
        var versions = standing is null ? [] : await Store.ListVersionsAsync(standing.Id, cancellationToken).ConfigureAwait(false);
        throw new ProcedureNotFoundException(name, [], version, versions.Count == 0 ? null : versions.Max(v => v.Number));
    }

    private Task<Procedure> GetWritableAsync(string name, int? version, CancellationToken cancellationToken) =>
        GetInAsync(new MemoryScope(CurrentScope().Write), name, version, cancellationToken);

    /// <summary>A name as stores compare it: regardless of ASCII case, and of that only.</summary>
    internal static string NameKey(string name) => string.Concat(name.Select(c => char.IsAsciiLetterUpper(c) ? char.ToLowerInvariant(c) : c));

    private static bool HasTags(Procedure procedure, IReadOnlyList<string> tags) => tags.All(t => procedure.Tags.Contains(t, StringComparer.OrdinalIgnoreCase));
}
