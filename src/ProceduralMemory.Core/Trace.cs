using System.Text.Json;

namespace ProceduralMemory;

/// <summary>What happened once: the ordered tool calls of one task. While it is being written it is called a recording.</summary>
public sealed record Trace
{
    /// <summary>The identity of the trace.</summary>
    public required Guid Id { get; init; }

    /// <summary>The isolation key under which it is stored.</summary>
    public required string Scope { get; init; }

    /// <summary>The name that the procedure is to have.</summary>
    public required string Name { get; init; }

    /// <summary>What the task achieves, in a sentence.</summary>
    public string Description { get; init; } = "";

    /// <summary>The user's request that the calls served, redacted; <see langword="null"/> when unknown.</summary>
    public string? Request { get; init; }

    /// <summary>The inputs that the caller knew by name, redacted: a JSON object of name to value. The procedure keeps the names.</summary>
    public JsonElement Inputs { get; init; } = Json.EmptyObject;

    /// <summary>Free labels, taken over by the procedure.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Remarks, taken over by the procedure.</summary>
    public string? Notes { get; init; }

    /// <summary>The execution whose failed step these calls did by other means; <see langword="null"/> for a task of its own. Such a trace is no recording that can be finalized.</summary>
    public Guid? RepairOf { get; init; }

    /// <summary>Whether it is being written, complete or given up.</summary>
    public required TraceStatus Status { get; init; }

    /// <summary>When the recording began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended (UTC).</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Model requests of the recorded task, where known.</summary>
    public int? ModelCalls { get; init; }

    /// <summary>Tokens sent to the model for the recorded task, where the connector reports them.</summary>
    public long? InputTokens { get; init; }

    /// <summary>Tokens received from the model for the recorded task, where the connector reports them.</summary>
    public long? OutputTokens { get; init; }

    /// <summary>The calls, in the order in which they were asked for.</summary>
    public IReadOnlyList<TraceStep> Steps { get; init; } = [];
}

/// <summary>How far a trace got.</summary>
public enum TraceStatus
{
    /// <summary>Being written; or left so by a process that ended, and then it can be resumed.</summary>
    Recording,

    /// <summary>Finalized.</summary>
    Completed,

    /// <summary>Given up. It is kept and teaches nothing.</summary>
    Abandoned,
}

/// <summary>One recorded call. Everything in it is redacted.</summary>
public sealed record TraceStep
{
    /// <summary>What stands in place of an argument that could not be kept. Whoever replays must give the value.</summary>
    public const string OmittedMarker = "[omitted]";

    /// <summary>Its place in the order in which calls began, from 0.</summary>
    public int Ordinal { get; init; }

    /// <summary>What <see cref="Action"/> names.</summary>
    public StepKind Kind { get; init; } = StepKind.Function;

    /// <summary>What was called: <c>plugin.function</c>, the name of a procedure, or words.</summary>
    public required string Action { get; init; }

    /// <summary>The arguments, a JSON object in canonical form.</summary>
    public JsonElement Arguments { get; init; } = Json.EmptyObject;

    /// <summary>The result as JSON; <see langword="null"/> when there is none or it could not be kept.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>What was left out of the arguments or the result and why, or <see langword="null"/> when nothing was.</summary>
    public string? Omitted { get; init; }

    /// <summary>What the function does to the world, as its host declares it; <see cref="ProceduralMemoryOptions.Effects"/> goes before it.</summary>
    public StepEffect Effect { get; init; } = StepEffect.Unknown;

    /// <summary>
    /// What the function declared of its parameters: a JSON Schema object with <c>properties</c> and <c>required</c>, redacted; <see langword="null"/> where that is not known.
    /// It is kept once for each function of a trace, as it was at the first call that told it, and not kept where it is larger than 64 KiB.
    /// </summary>
    public JsonElement? Parameters { get; init; }

    /// <summary><see cref="StepStatus.Success"/> or <see cref="StepStatus.Failed"/>.</summary>
    public StepStatus Status { get; init; } = StepStatus.Success;

    /// <summary>Why it failed.</summary>
    public StepFailure? Failure { get; init; }

    /// <summary>The outcome in the agent's words.</summary>
    public string? Outcome { get; init; }

    /// <summary>Remarks of the agent.</summary>
    public string? Notes { get; init; }

    /// <summary>Names the model's answer that asked for this call together with others; calls of one group were asked for at once.</summary>
    public string? CallGroup { get; init; }

    /// <summary>Its place among the calls of its group, from 0.</summary>
    public int CallIndex { get; init; }

    /// <summary>When the call began (UTC).</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }
}
