using System.Text.Json.Serialization;

namespace ProceduralMemory;

/// <summary>Why a value in a step's arguments has the source that it has: what <c>ExplainAsync</c> shows.</summary>
public sealed record ArgumentSource
{
    /// <summary>The step.</summary>
    public required string StepId { get; init; }

    /// <summary>The value: a JSON Pointer into the step's arguments, such as <c>/order_id</c> or <c>/lines/0/sku</c>.</summary>
    public required string Argument { get; init; }

    /// <summary>Its template: an expression, or the constant itself as JSON.</summary>
    public required string Source { get; init; }

    /// <summary>What kind of source it is.</summary>
    public required SourceKind Kind { get; init; }

    /// <summary>What speaks for it, in short words, the weightiest first.</summary>
    public IReadOnlyList<string> Evidence { get; init; } = [];

    /// <summary>Other sources that no recording contradicts, the likeliest first.</summary>
    public IReadOnlyList<AlternativeSource> Alternatives { get; init; } = [];

    /// <summary>Whether a person set it (<c>SetSourceAsync</c>): recordings that contradict it are reported, not obeyed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsEdited { get; init; }
}

/// <summary>A source that an argument could have had as well.</summary>
/// <param name="Source">Its template: an expression, or the constant itself as JSON.</param>
/// <param name="Kind">What kind of source it is.</param>
/// <param name="Evidence">What speaks for it, in short words.</param>
public sealed record AlternativeSource(string Source, SourceKind Kind, IReadOnlyList<string> Evidence);

/// <summary>Kinds of sources of a value.</summary>
public enum SourceKind
{
    /// <summary>The same at every replay.</summary>
    Constant,

    /// <summary>A literal of one recording that a replay has to have confirmed.</summary>
    UnconfirmedConstant,

    /// <summary>An input.</summary>
    Input,

    /// <summary>The result of an earlier step.</summary>
    Binding,

    /// <summary>Text or values put together of several sources.</summary>
    Composed,
}
