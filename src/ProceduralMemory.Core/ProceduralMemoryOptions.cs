using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Replay;

namespace ProceduralMemory;

/// <summary>Every knob of the core. A host sets them before the memory is built; they are validated once, then.</summary>
public class ProceduralMemoryOptions
{
    /// <summary>The SQLite file, or <c>:memory:</c> for a database that lives as long as its store. Its folder must exist.</summary>
    /// <value>The default value is <c>procedures.db</c> in the current directory.</value>
    [Required]
    public string DatabasePath { get; set; } = "procedures.db";

    /// <summary>
    /// Opens the file for reading only: recording, storing and replaying (which keeps a log) are then refused with <see cref="ProcedureStoreException"/>, before any call is made.
    /// </summary>
    /// <remarks>
    /// A file that this process can only read, itself or its folder, and that has no <c>-wal</c> beside it, is taken not to change while it is read. Anywhere else SQLite
    /// may put a <c>-wal</c> and a <c>-shm</c> file beside it, as every reader does that may.
    /// </remarks>
    /// <value>The default value is <see langword="false"/>.</value>
    public bool ReadOnly { get; set; }

    /// <summary>How long a write waits for another process that is writing.</summary>
    /// <value>The default value is 10 seconds; at least 1 second.</value>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether a commit reaches the disk before it is acknowledged, so that it survives a power cut. A killed process loses nothing either way.</summary>
    /// <value>The default value is <see langword="false"/>: SQLite's <c>synchronous = NORMAL</c> in WAL mode.</value>
    public bool FlushEveryCommit { get; set; }

    /// <summary>Says whose memory is used, each time it is used. A session's own scope goes before it.</summary>
    /// <value>The default value gives <see cref="MemoryScope.Default"/>.</value>
    [Required]
    public Func<MemoryScope> Scope { get; set; } = static () => MemoryScope.Default;

    /// <summary>Takes secrets out of everything before it is stored or logged.</summary>
    /// <value>The default value is <see cref="SecretRedactor"/>, which goes by the names of parameters and fields, and by the shape of keys, tokens and card numbers.</value>
    [Required]
    public IRedactor Redactor { get; set; } = new SecretRedactor();

    /// <summary>What is learned of an agent's turns when the memory begins; <see cref="ProcedureMemory.Learning"/> switches it at run time.</summary>
    /// <value>The default value is <see cref="LearningMode.Propose"/>.</value>
    [EnumDataType(typeof(LearningMode))]
    public LearningMode Learning { get; set; } = LearningMode.Propose;

    /// <summary>How many calls that succeed a turn needs to be a task worth learning.</summary>
    /// <value>The default value is 2.</value>
    [Range(1, 10_000)]
    public int MinimumTurnCalls { get; set; } = 2;

    /// <summary>Says whether a turn was a task done well; <see langword="null"/> for the rule that no failed call may be left standing.</summary>
    /// <value>The default value is <see langword="null"/>. <c>AddProceduralMemory</c> takes the one that is registered as a service, if any.</value>
    public ITurnJudge? TurnJudge { get; set; }

    /// <summary>Names what a turn taught; <see langword="null"/> for names made of the request's words.</summary>
    /// <value>The default value is <see langword="null"/>. <c>AddProceduralMemory</c> takes the one that is registered as a service, if any.</value>
    public IProcedureNamer? ProcedureNamer { get; set; }

    /// <summary>
    /// Is told by the adapters of chat frameworks what became of every turn whose calls were recorded, before the agent's answer goes on, from several threads at once and with a token that is never cancelled. What it
    /// throws is logged, and the answer goes on. Nothing is learned from chats that it holds itself.
    /// </summary>
    /// <value>The default value is <see langword="null"/>.</value>
    public Func<TurnResult, CancellationToken, Task>? TurnEnded { get; set; }

    /// <summary>
    /// Functions that are never recorded, by their name, <c>plugin.function</c> or <c>plugin.*</c>, regardless of case: it is as if they were not called. Dots, hyphens and underscores between plugin and
    /// function are the same: <c>vault.*</c> means <c>vault_get</c> too. What another function calls inside one is a call of its own.
    /// </summary>
    /// <value>The default value is none.</value>
    [Required]
    public IReadOnlyCollection<string> ExcludedFunctions { get; set; } = [];

    /// <summary>
    /// Parameters whose values are kept neither in recordings nor in the log of replays, by name, or by <c>function/name</c>, <c>plugin.function/name</c> or <c>plugin.*/name</c> for some functions only, regardless of case and of what parts plugin and function.
    /// <see cref="TraceStep.OmittedMarker"/> stands in place of the value, and whoever replays must give it. An input of a task is excluded by its name.
    /// </summary>
    /// <value>The default value is none.</value>
    [Required]
    public IReadOnlyCollection<string> ExcludedParameters { get; set; } = [];

    /// <summary>What fills in the secret inputs of a replay that its caller did not give; <see langword="null"/> where they are missing then. Where it is set, a model cannot give them.</summary>
    /// <value>The default value is <see langword="null"/>. <c>AddProceduralMemory</c> takes the one that is registered as a service, if any.</value>
    public ISecretResolver? SecretResolver { get; set; }

    /// <summary>What functions do to the world, by action (<c>plugin.function</c>, or <c>plugin.*</c> for all others of a plugin, regardless of case). It decides whether a literal of one recording has to be confirmed, and is never learned.</summary>
    /// <value>The default value is empty: a function that declares nothing counts as writing.</value>
    [Required]
    public IReadOnlyDictionary<string, StepEffect> Effects { get; set; } = new Dictionary<string, StepEffect>(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Recognises results that tell of an error instead of failing: given the action and the result, it says what the error is, or <see langword="null"/> for an answer.
    /// Such a call teaches nothing, and in a replay it fails the step.
    /// </summary>
    /// <value>
    /// The default value knows objects with a telling <c>error</c>, <c>errors</c>, <c>exception</c> or <c>isError: true</c>, with <c>success: false</c>, <c>ok: false</c> or
    /// <c>status: "error"</c> beside a message, and text that begins as errors do (<c>Error: …</c>).
    /// </value>
    [Required]
    public Func<string, JsonElement, string?> ErrorOf { get; set; } = static (_, result) => ErrorResult.MessageOf(result);

    /// <summary>
    /// The host's own ways to say whether a result is as expected, which expectations of <see cref="ExpectationKind.Custom"/> ask for by name. Names are unique, regardless
    /// of case. An expectation whose judge is not here is stored all the same, since another host may have it; here it cannot be told.
    /// </summary>
    /// <value>The default value is none. <c>AddProceduralMemory</c> also takes those that are registered as services; of the same name, these here go before them.</value>
    [Required]
    public IReadOnlyList<IOutcomeJudge> OutcomeJudges { get; set; } = [];

    /// <summary>How long a replay waits for a judge. What is not judged by then cannot be told.</summary>
    /// <value>The default value is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan OutcomeJudgeTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// What functions declare of their parameters, by action: a JSON Schema object with <c>properties</c> and <c>required</c>, or <see langword="null"/>. Inputs have their type,
    /// description, format, values and default from it; one that a recording contradicts is out of date and counts for nothing.
    /// </summary>
    /// <value>The default value knows none. Of functions that a kernel's filter has recorded, their own metadata are taken, as they were then.</value>
    [Required]
    public Func<string, JsonElement?> ParametersOf { get; set; } = static _ => null;

    /// <summary>How many recordings of a procedure are distilled together at most; of more, the latest.</summary>
    /// <value>The default value is 20.</value>
    [Range(1, 1000)]
    public int MaxTracesPerProcedure { get; set; } = 20;

    /// <summary>The largest argument, result or input that is kept, in bytes of UTF-8 JSON. A larger one is refused, or left out of a recording and said so.</summary>
    /// <value>The default value is 1 MiB (1,048,576).</value>
    [Range(1024, 64 * 1024 * 1024)]
    public int MaxValueBytes { get; set; } = 1024 * 1024;

    /// <summary>The deepest nesting of an argument, result or input that is kept.</summary>
    /// <value>The default value is 32; at most 64, which is what System.Text.Json reads.</value>
    [Range(1, Json.MaxDepth)]
    public int MaxValueDepth { get; set; } = 32;

    /// <summary>The most steps that a procedure may have, and the most calls, failed ones included, that a recording may have. A longer recording cannot be finalized.</summary>
    /// <value>The default value is 500.</value>
    [Range(1, 10_000)]
    public int MaxSteps { get; set; } = 500;

    /// <summary>How deep procedures may replay procedures.</summary>
    /// <value>The default value is 8.</value>
    [Range(1, 64)]
    public int MaxProcedureDepth { get; set; } = 8;

    /// <summary>How many calls one replay may make, those of the procedures inside included. A longer one is refused before its first call.</summary>
    /// <value>The default value is 10,000.</value>
    [Range(1, 1_000_000)]
    public int MaxReplayCalls { get; set; } = 10_000;

    /// <summary>How long one replay may take, those of the procedures inside included and each attempt counted by itself. One that takes longer is cancelled, and can be resumed.</summary>
    /// <value>The default value is 1 hour.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "30.00:00:00")]
    public TimeSpan MaxReplayDuration { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The largest result of a call that a replay goes on with, in bytes of UTF-8 JSON. The step of a larger one fails.</summary>
    /// <value>The default value is 16 MiB (16,777,216). What is larger than <see cref="MaxValueBytes"/> is used, but not kept.</value>
    [Range(1024, 256 * 1024 * 1024)]
    public int MaxReplayResultBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>
    /// How many steps of a replay that need nothing of each other may run at once. Reads run beside reads; what writes waits for all that comes before it, and all that
    /// comes after it waits for it, unless <see cref="AllowParallelWrites"/> is set.
    /// </summary>
    /// <value>The default value is 1: one step after the other.</value>
    [Range(1, 256)]
    public int MaxParallelSteps { get; set; } = 1;

    /// <summary>Whether steps that write may run beside others too, so that only what they need of each other decides their order.</summary>
    /// <value>The default value is <see langword="false"/>.</value>
    public bool AllowParallelWrites { get; set; }

    /// <summary>
    /// How long a process that has written nothing about its replay is taken to be running it still; it speaks up in time for as long as it lives. After that another may
    /// resume the replay. A process of the same machine that has ended is recognised at once.
    /// </summary>
    /// <value>The default value is 1 minute; at least 1 second.</value>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ReplayLease { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// The score from 0 to 1 below which a found procedure does not fit; <see langword="null"/> for <see cref="Recall.FindStrategy.Ranked"/>'s own, which was chosen on
    /// real requests (see docs/recall.md), and for <see cref="Recall.FindStrategy.KeywordOverlap"/> about a third of the request's words.
    /// </summary>
    /// <value>The default value is <see langword="null"/>.</value>
    [Range(0d, 1d)]
    public double? MinimumScore { get; set; }

    /// <summary>
    /// What makes vectors of texts, so that requests are found by their meaning beside their words; <see langword="null"/> for words alone. It is called with requests and
    /// with the descriptions and action names of procedures, all redacted, and never while something is stored. The memory does not dispose it.
    /// </summary>
    /// <value>The default value is <see langword="null"/>. <c>AddProceduralMemory</c> takes the generator that is registered as a service, if any.</value>
    public IEmbeddingGenerator<string, Embedding<float>>? EmbeddingGenerator { get; set; }

    /// <summary>The name under which vectors are kept; those of another name are not used. To be set where the generator does not name its model, or changes without changing its name.</summary>
    /// <value>The default value is <see langword="null"/>: the model that the generator names, else its type.</value>
    public string? EmbeddingModel { get; set; }

    /// <summary>How long a search waits for the generator before it goes by words alone.</summary>
    /// <value>The default value is 5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan EmbeddingTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How many counted executions <see cref="ProcedureMemory.OptimizeAsync"/> needs before it changes a procedure.</summary>
    /// <value>The default value is 3.</value>
    [Range(1, 1_000_000)]
    public int MinimumExecutionsToOptimize { get; set; } = 3;

    /// <summary>
    /// Whether the evidence decides between versions, and stops a procedure that fails more often than not, as soon as a replay has told something. Otherwise it decides in
    /// <see cref="ProcedureMemory.ReviseAsync"/> and <see cref="ProcedureMemory.ReviewVersionsAsync(string, CancellationToken)"/> alone.
    /// </summary>
    /// <value>The default value is <see langword="true"/>.</value>
    public bool ReviewAfterReplay { get; set; } = true;

    /// <summary>
    /// The share of replays that a candidate gets while it competes with the active version, from 0 to 1. 0 gives it none: candidates are promoted by persons only.
    /// </summary>
    /// <value>The default value is 0.2: every fifth replay. One that may change something gets none unless <see cref="AllowCandidatesWithWrites"/> is set.</value>
    [Range(0d, 1d)]
    public double CandidateShare { get; set; } = 0.2;

    /// <summary>Whether candidates that may change something get their share of replays, once a person has approved them, and can be promoted by their evidence.</summary>
    /// <value>The default value is <see langword="false"/>: a person activates them.</value>
    public bool AllowCandidatesWithWrites { get; set; }

    /// <summary>How many judged executions a candidate needs before it can take the place of a version that works.</summary>
    /// <value>The default value is 5.</value>
    [Range(1, 1_000_000)]
    public int MinimumTrials { get; set; } = 5;

    /// <summary>The mean duration from which a step is flagged as slow.</summary>
    /// <value>The default value is 5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan SlowStepThreshold { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// When a person must have approved a replay. It is asked of steps that write; one of unknown effect counts as writing. A version that only reads is replayed freely.
    /// Approval enters through <see cref="Approver"/> or through <see cref="ProcedureMemory.ApproveAsync"/>, and through nothing that a model can call.
    /// </summary>
    /// <value>The default value is <see cref="ApprovalPolicy.FirstUse"/>.</value>
    [EnumDataType(typeof(ApprovalPolicy))]
    public ApprovalPolicy Approval { get; set; } = ApprovalPolicy.FirstUse;

    /// <summary>
    /// The policy for some functions, by <c>plugin.function</c> or <c>plugin.*</c>, regardless of case; the most specific goes before <see cref="Approval"/>, and it holds
    /// whatever the function does to the world. A function that its host marks as requiring approval requires it all the same.
    /// </summary>
    /// <value>The default value is empty.</value>
    [Required]
    public IReadOnlyDictionary<string, ApprovalPolicy> FunctionApproval { get; set; } = new Dictionary<string, ApprovalPolicy>(StringComparer.OrdinalIgnoreCase);

    /// <summary>What puts a question for approval to a person at once; <see langword="null"/> where the replay is refused instead, until somebody approves.</summary>
    /// <value>The default value is <see langword="null"/>. <c>AddProceduralMemory</c> takes the one that is registered as a service, if any.</value>
    public IReplayApprover? Approver { get; set; }

    /// <summary>How long the approval of a single call holds (<see cref="ApprovalPolicy.Always"/>) while it is not used.</summary>
    /// <value>The default value is 1 hour.</value>
    [Range(typeof(TimeSpan), "00:00:01", "365.00:00:00")]
    public TimeSpan ApprovalLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Whether the spans of calls hold what was sent and returned, secrets taken out as in the journal (<c>gen_ai.tool.call.arguments</c> and <c>gen_ai.tool.call.result</c>). Whoever reads the
    /// traces reads it then.
    /// </summary>
    /// <value>The default value is <see langword="false"/>: spans hold names, ids and outcomes.</value>
    public bool ContentInTelemetry { get; set; }

    /// <summary>Where time comes from.</summary>
    /// <value>The default value is <see cref="TimeProvider.System"/>.</value>
    [Required]
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ValidationException">Some are out of range; the message lists all of them.</exception>
    public void Validate()
    {
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(this, new ValidationContext(this), results, validateAllProperties: true);
        var faults = results.Select(r => r.ErrorMessage).Concat(JudgeFaults()).Concat(ApprovalRules.Faults(FunctionApproval)).Concat(Exclusions.Faults(this)).Concat(FurtherFaults()).ToList();
        if (faults.Count > 0)
        {
            throw new ValidationException($"The options of the procedural memory are not valid: {string.Join(" ", faults)}");
        }
    }

    /// <summary>Why no database can be at <see cref="DatabasePath"/>, with the mend; <see langword="null"/> where one can.</summary>
    internal string? DatabaseFault()
    {
        if (DatabasePath == ":memory:")
        {
            return null;
        }

        var path = Path.GetFullPath(DatabasePath);
        if (Directory.Exists(path))
        {
            return $"'{path}' is a folder. Name a file in it as {nameof(DatabasePath)}.";
        }

        return Path.GetDirectoryName(path) is { } folder && !Directory.Exists(folder)
            ? $"The folder '{folder}' of the database does not exist. Create it, or name another {nameof(DatabasePath)}."
            : null;
    }

    private IEnumerable<string> JudgeFaults()
    {
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var judge in OutcomeJudges ?? [])
        {
            if (string.IsNullOrWhiteSpace(judge?.Name))
            {
                yield return $"{nameof(OutcomeJudges)} holds a judge without a name: expectations ask for it by name.";
            }
            else if (!names.Add(judge.Name))
            {
                yield return $"{nameof(OutcomeJudges)} holds two judges named '{judge.Name}'. Rename one of them.";
            }
        }
    }

    /// <summary>What is wrong with the options that a derived class adds, beside what their attributes say.</summary>
    protected virtual IEnumerable<string> FurtherFaults() => [];
}
