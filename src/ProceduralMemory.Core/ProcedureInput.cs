using System.Text.Json;
using System.Text.Json.Serialization;

namespace ProceduralMemory;

/// <summary>A typed parameter of a procedure.</summary>
public sealed record ProcedureInput
{
    /// <summary>The name by which expressions refer to it, <c>$inputs.name</c>: letters, digits, <c>_</c> and <c>-</c>, not starting with a digit.</summary>
    public required string Name { get; init; }

    /// <summary>The JSON type that a value must have.</summary>
    public JsonType Type { get; init; } = JsonType.Any;

    /// <summary>How a value is written, such as <c>date</c> or <c>email</c>, as the function's parameters declare it; for whoever fills it in.</summary>
    public string? Format { get; init; }

    /// <summary>The values that the function takes, as its parameters declare them; empty where that is open. For whoever fills it in: the function itself refuses others.</summary>
    public IReadOnlyList<JsonElement> AllowedValues { get; init; } = [];

    /// <summary>What the value means, for whoever fills it in.</summary>
    public string? Description { get; init; }

    /// <summary>Whether a replay without it is refused. An input with a <see cref="Default"/> is never missing.</summary>
    public bool Required { get; init; } = true;

    /// <summary>The value taken when none is given; <see langword="null"/> for none. Never a secret.</summary>
    [JsonConverter(typeof(PresentValueConverter))]
    public JsonElement? Default { get; init; }

    /// <summary>
    /// Whether this is an unconfirmed constant: a value of a writing step that stood neither in the request nor in an earlier result of the only recording. It may
    /// well be an input, so a replay is refused until the value is given, or <see cref="Default"/>, the recorded one, is confirmed
    /// (<c>ConfirmConstants</c>, <c>SetSourceAsync</c>). A further recording settles it too.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Unconfirmed { get; init; }

    /// <summary>Values seen in recordings, redacted; for people, not for matching.</summary>
    public IReadOnlyList<JsonElement> Examples { get; init; } = [];

    /// <summary>Whether values are secret: they are never stored, logged or shown.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Secret { get; init; }
}

/// <summary>The types of JSON, with <see cref="Integer"/> beside <see cref="Number"/> as in JSON Schema.</summary>
public enum JsonType
{
    /// <summary>Any value.</summary>
    Any,

    /// <summary>A string.</summary>
    String,

    /// <summary>A number without a fraction.</summary>
    Integer,

    /// <summary>Any number.</summary>
    Number,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Boolean,

    /// <summary>An object.</summary>
    Object,

    /// <summary>An array.</summary>
    Array,

    /// <summary><c>null</c>.</summary>
    Null,
}
