using System.Text.Json;
using System.Text.Json.Serialization;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>The words that stand as <c>status</c> in replies to a model.</summary>
public static class ReplyStatus
{
    /// <summary>Procedures that fit were found.</summary>
    public const string Found = "found";

    /// <summary>Nothing fits.</summary>
    public const string NothingFits = "nothing_fits";

    /// <summary>Done.</summary>
    public const string Completed = "completed";

    /// <summary>A step failed; the reply says what is done and what is left.</summary>
    public const string Failed = "failed";

    /// <summary>The replay took longer than it may; the reply says what is done and what is left.</summary>
    public const string Cancelled = "cancelled";

    /// <summary>The memory failed in the middle of a replay: steps may have been done, and how far it came is not known. It is not to be done again, but told to the user.</summary>
    public const string BrokeOff = "broke_off";

    /// <summary>Not let through, by the host or because functions or steps do not fit.</summary>
    public const string Refused = "refused";

    /// <summary>A person must approve something first; the message says what, and is for the user. Nothing that a model can call approves it.</summary>
    public const string ApprovalPending = "approval_pending";

    /// <summary>What a replay would do, of which nothing was done.</summary>
    public const string Planned = "planned";

    /// <summary>Inputs are missing or of another type.</summary>
    public const string MissingInputs = "missing_inputs";

    /// <summary>A replay stopped to ask something.</summary>
    public const string Waiting = "waiting";

    /// <summary>A recording is in progress.</summary>
    public const string Recording = "recording";

    /// <summary>The step is recorded.</summary>
    public const string Recorded = "recorded";

    /// <summary>The procedure is stored.</summary>
    public const string Stored = "stored";

    /// <summary>Nothing was recorded, so nothing is stored.</summary>
    public const string NothingRecorded = "nothing_recorded";

    /// <summary>There is no procedure of that name.</summary>
    public const string NotFound = "not_found";

    /// <summary>It collides with what is there.</summary>
    public const string Conflict = "conflict";

    /// <summary>An argument is not valid.</summary>
    public const string Invalid = "invalid";

    /// <summary>The memory cannot be used now.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>Done, for functions that have no word of their own.</summary>
    public const string Ok = "ok";
}

/// <summary>What every function answers a model: a word, a sentence, and what to do next. Members that have no value are left out of the JSON.</summary>
[JsonDerivedType(typeof(FindReply))]
[JsonDerivedType(typeof(ReplayReply))]
[JsonDerivedType(typeof(RecordingReply))]
[JsonDerivedType(typeof(ProcedureReply))]
[JsonDerivedType(typeof(ListReply))]
public class PluginReply
{
    /// <summary>One of <see cref="ReplyStatus"/>.</summary>
    [JsonPropertyName("status")]
    [JsonPropertyOrder(-3)]
    public required string Status { get; init; }

    /// <summary>What happened, in a sentence.</summary>
    [JsonPropertyName("message")]
    [JsonPropertyOrder(-2)]
    public required string Message { get; init; }

    /// <summary>The next sensible action.</summary>
    [JsonPropertyName("next")]
    [JsonPropertyOrder(-1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Next { get; init; }
}

/// <summary>The answer of <c>find_similar_procedure</c>.</summary>
public sealed class FindReply : PluginReply
{
    /// <summary>The procedures that fit, best first.</summary>
    [JsonPropertyName("procedures")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ProcedureSummary>? Procedures { get; init; }

    /// <summary>Names of procedures that came close.</summary>
    [JsonPropertyName("near_misses")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? NearMisses { get; init; }
}

/// <summary>A procedure as a model sees it before it replays it.</summary>
public sealed class ProcedureSummary
{
    /// <summary>The name to replay it by.</summary>
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    /// <summary>What it achieves.</summary>
    [JsonPropertyName("description")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }

    /// <summary>How well it fits, from 0 to 1.</summary>
    [JsonPropertyName("score")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Score { get; init; }

    /// <summary>Its success, such as <c>9 of 10</c>.</summary>
    [JsonPropertyName("succeeded")]
    public required string Succeeded { get; init; }

    /// <summary>The inputs that a replay takes.</summary>
    [JsonPropertyName("inputs")]
    public required IReadOnlyList<InputSummary> Inputs { get; init; }

    /// <summary>What it calls, in order.</summary>
    [JsonPropertyName("steps")]
    public required IReadOnlyList<string> Steps { get; init; }
}

/// <summary>An input as a model sees it.</summary>
public sealed class InputSummary
{
    /// <summary>Its name.</summary>
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    /// <summary>Its JSON type.</summary>
    [JsonPropertyName("type")]
    public required string Type { get; init; }

    /// <summary>How a value is written, such as <c>date</c>.</summary>
    [JsonPropertyName("format")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Format { get; init; }

    /// <summary>The values that the function takes.</summary>
    [JsonPropertyName("enum")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<JsonElement>? AllowedValues { get; init; }

    /// <summary>Whether it must be given.</summary>
    [JsonPropertyName("required")]
    public required bool Required { get; init; }

    /// <summary>What it means.</summary>
    [JsonPropertyName("description")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Description { get; init; }
}

/// <summary>The answer of <c>replay_procedure</c>.</summary>
public sealed class ReplayReply : PluginReply
{
    /// <summary>The execution in the log.</summary>
    [JsonPropertyName("execution_id")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ExecutionId { get; init; }

    /// <summary>The inputs that are missing.</summary>
    [JsonPropertyName("missing")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<InputSummary>? Missing { get; init; }

    /// <summary>Every step and how it went.</summary>
    [JsonPropertyName("steps")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<StepReply>? Steps { get; init; }

    /// <summary>Of a dry run, what would be done, as text.</summary>
    [JsonPropertyName("plan")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Plan { get; init; }

    /// <summary>The whole of it, for the recording of a replay as a step.</summary>
    [JsonIgnore]
    internal ReplayResult? Replay { get; init; }
}

/// <summary>A step of a replay as a model sees it.</summary>
public sealed class StepReply
{
    /// <summary>Its id.</summary>
    [JsonPropertyName("id")]
    public required string Id { get; init; }

    /// <summary>What it called.</summary>
    [JsonPropertyName("action")]
    public required string Action { get; init; }

    /// <summary><c>success</c>, <c>failed</c>, <c>skipped</c>, <c>pending</c> or <c>unknown</c> (called, and nobody knows whether it was done).</summary>
    [JsonPropertyName("status")]
    public required string Status { get; init; }

    /// <summary>What it returned.</summary>
    [JsonPropertyName("result")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Result { get; init; }

    /// <summary>Of a step that is left, what it is to be called with; an expression stands where a result is missing.</summary>
    [JsonPropertyName("arguments")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Arguments { get; init; }

    /// <summary>Why it failed or was skipped, how its outcome differs from what was expected, or why its result is not shown.</summary>
    [JsonPropertyName("note")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Note { get; init; }
}

/// <summary>The answer of <c>start_recording</c>.</summary>
public sealed class RecordingReply : PluginReply
{
    /// <summary>Procedures that may do the task already, best first.</summary>
    [JsonPropertyName("similar")]
    [JsonPropertyOrder(-4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ProcedureSummary>? Similar { get; init; }
}

/// <summary>The answer of <c>finalize</c>, and of the functions that show a procedure.</summary>
public sealed class ProcedureReply : PluginReply
{
    /// <summary>The procedure's name.</summary>
    [JsonPropertyName("name")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    /// <summary>The version.</summary>
    [JsonPropertyName("version")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Version { get; init; }

    /// <summary>The inputs that a replay takes.</summary>
    [JsonPropertyName("inputs")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<InputSummary>? Inputs { get; init; }

    /// <summary>The literals of which nobody knows yet where they come from: each must be given as an input of that name, or confirmed by the host.</summary>
    [JsonPropertyName("unconfirmed_constants")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<InputSummary>? UnconfirmedConstants { get; init; }

    /// <summary>The steps, each with the source of its arguments.</summary>
    [JsonPropertyName("steps")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<LearnedStep>? Steps { get; init; }
}

/// <summary>A step of a stored procedure as a model sees it.</summary>
public sealed class LearnedStep
{
    /// <summary>Its id.</summary>
    [JsonPropertyName("id")]
    public required string Id { get; init; }

    /// <summary>What it calls.</summary>
    [JsonPropertyName("action")]
    public required string Action { get; init; }

    /// <summary>Its argument templates.</summary>
    [JsonPropertyName("arguments")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Arguments { get; init; }

    /// <summary>Of a loop, the list that it goes through.</summary>
    [JsonPropertyName("for_each")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ForEach { get; init; }

    /// <summary>Of a loop, its steps.</summary>
    [JsonPropertyName("steps")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<LearnedStep>? Steps { get; init; }

    /// <summary>When it is needed; without one always.</summary>
    [JsonPropertyName("condition")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Condition { get; init; }
}

/// <summary>An answer that lists things.</summary>
public sealed class ListReply : PluginReply
{
    /// <summary>The things, one compact object each.</summary>
    [JsonPropertyName("items")]
    public required IReadOnlyList<JsonElement> Items { get; init; }
}
