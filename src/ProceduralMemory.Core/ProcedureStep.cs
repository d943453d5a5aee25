using System.Text.Json;
using System.Text.Json.Serialization;

namespace ProceduralMemory;

/// <summary>One action of a procedure, with templates for its arguments and what is expected of its outcome.</summary>
public sealed record ProcedureStep
{
    /// <summary>
    /// The name by which later steps refer to its result, <c>$steps.id.outputs</c>: letters, digits, <c>_</c> and <c>-</c>.
    /// Left empty in a definition, it is made from the action.
    /// </summary>
    public string Id { get; init; } = "";

    /// <summary>What is done: a function as <c>plugin.function</c>, the name of another procedure, or words for a person, as <see cref="Kind"/> says.</summary>
    public required string Action { get; init; }

    /// <summary>What <see cref="Action"/> names.</summary>
    public StepKind Kind { get; init; } = StepKind.Function;

    /// <summary>
    /// A JSON object of argument name to template. Strings may be expressions: see <see cref="ValueExpression"/>.
    /// For a step that replays a procedure these are that procedure's inputs.
    /// </summary>
    public JsonElement Arguments { get; init; } = Json.EmptyObject;

    /// <summary>For a <see cref="StepKind.Loop"/>, the list whose elements it goes through: an expression, such as <c>$steps.get_order.outputs#/items</c>.</summary>
    public string? ForEach { get; init; }

    /// <summary>For a <see cref="StepKind.Loop"/>, the steps that are done for each element, which they refer to as <c>$item</c>. Ids are unique in the whole procedure.</summary>
    public IReadOnlyList<ProcedureStep> Steps { get; init; } = [];

    /// <summary>When the step is needed; <see langword="null"/> for always. Where it is not, the step is skipped, with those that need its result.</summary>
    public StepCondition? Condition { get; init; }

    /// <summary>What is expected of the result; <see langword="null"/> for nothing.</summary>
    public Expectation? Expectation { get; init; }

    /// <summary>What a replay does when this step fails.</summary>
    public FailurePolicy OnFailure { get; init; } = FailurePolicy.Stop;

    /// <summary>How often and how the call is made again after an error that may pass; <see langword="null"/> for never.</summary>
    public StepRetry? Retry { get; init; }

    /// <summary>How long one call may take; <see langword="null"/> for as long as it takes.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>For a <see cref="StepKind.Procedure"/>, the version that is replayed; <see langword="null"/> for the active one.</summary>
    public int? Version { get; init; }

    /// <summary>What the step does to the world.</summary>
    public StepEffect Effect { get; init; } = StepEffect.Unknown;

    /// <summary>Remarks that revising left, for instance <c>slow</c>.</summary>
    public IReadOnlyList<string> Flags { get; init; } = [];

    /// <summary>Remarks for people and agents; never interpreted.</summary>
    public string? Notes { get; init; }

    /// <summary>Everything that the step refers to: in its arguments, its condition, the list of a loop and the steps in it.</summary>
    internal IEnumerable<ValueExpression> References() => ValueExpression.References(Arguments)
        .Concat(Condition is { } condition ? ValueExpression.Parse(condition.Value).References() : [])
        .Concat(ForEach is { } list ? ValueExpression.Parse(list).References() : [])
        .Concat(Steps.SelectMany(s => s.References()));

    /// <summary>The step with other ids for the steps that it refers to, and other names for the inputs.</summary>
    internal ProcedureStep WithRenamedSteps(Func<string, string> rename, Func<string, string>? renameInput = null)
    {
        return this with
        {
            Arguments = ValueExpression.RenameSteps(Arguments, rename, renameInput),
            Condition = Condition is { } condition ? condition with { Value = Renamed(condition.Value) } : null,
            ForEach = ForEach is { } list ? Renamed(list) : null,
            Steps = [.. Steps.Select(s => s.WithRenamedSteps(rename, renameInput))],
        };

        string Renamed(string expression) => ValueExpression.RenameSteps(Json.String(expression), rename, renameInput).GetString()!;
    }

    /// <summary>The step, and for a loop the steps in it.</summary>
    internal IEnumerable<ProcedureStep> WithInner() => (Steps ?? []).Where(s => s is not null).SelectMany(s => s.WithInner()).Prepend(this);
}

/// <summary>What a step's action names.</summary>
public enum StepKind
{
    /// <summary>A function of the host, as <c>plugin.function</c>.</summary>
    Function,

    /// <summary>Another procedure of the same scopes.</summary>
    Procedure,

    /// <summary>Something that no function does: a replay does not start until the step is listed as skipped, because somebody did it.</summary>
    Manual,

    /// <summary>Other steps, once for each element of a list. Its result is a list with an object for each element: the results of the steps by step id.</summary>
    Loop,
}

/// <summary>When a step is needed.</summary>
public sealed record StepCondition
{
    /// <summary>The value that decides: an expression, such as <c>$inputs.gift_wrap</c> or <c>$steps.get_order.outputs#/status</c>.</summary>
    public required string Value { get; init; }

    /// <summary>How it decides.</summary>
    public ConditionTest Test { get; init; }

    /// <summary>What it is compared with, for <see cref="ConditionTest.Equal"/> and <see cref="ConditionTest.NotEqual"/>.</summary>
    [JsonConverter(typeof(PresentValueConverter))]
    public JsonElement? Operand { get; init; }
}

/// <summary>How a condition decides.</summary>
public enum ConditionTest
{
    /// <summary>The value equals the operand.</summary>
    Equal,

    /// <summary>The value differs from the operand.</summary>
    NotEqual,

    /// <summary>There is a value, other than null, false, and empty text, lists and objects.</summary>
    Present,

    /// <summary>There is no such value.</summary>
    Absent,
}

/// <summary>What a replay does when a step fails.</summary>
public enum FailurePolicy
{
    /// <summary>It stops, and hands back what is left.</summary>
    Stop,

    /// <summary>It goes on with the steps that do not need this one's result. The replay has failed all the same.</summary>
    Continue,

    /// <summary>The step counts as skipped, and so do those that need its result: it may well fail. The replay goes on and can complete.</summary>
    Skip,
}

/// <summary>How a call is made again after an error that may pass: a broken connection, a service that is busy. A write is called again only where that does no harm.</summary>
public sealed record StepRetry
{
    /// <summary>How many more calls are made at most, from 1 to 100.</summary>
    public int MaxRetries { get; init; } = 3;

    /// <summary>How long it waits before the first of them; before each further one twice as long, with some chance added.</summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest that it waits before any of them.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>What a step does to the world. It is declared by the host, never learned.</summary>
public enum StepEffect
{
    /// <summary>Not declared: treated as <see cref="Write"/>.</summary>
    Unknown,

    /// <summary>Free to repeat.</summary>
    Read,

    /// <summary>Changes something: not to be repeated.</summary>
    Write,

    /// <summary>Changes something, and does no harm when it is repeated with the same arguments.</summary>
    IdempotentWrite,
}
