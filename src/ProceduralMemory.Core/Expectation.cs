using System.Text.Json;
using System.Text.Json.Serialization;

namespace ProceduralMemory;

/// <summary>What is expected of a step's result. Comparing gives one of three answers: see <see cref="OutcomeMatch"/>.</summary>
public sealed record Expectation
{
    /// <summary>How the result is compared.</summary>
    public required ExpectationKind Kind { get; init; }

    /// <summary>
    /// The part of the result that is looked at, as a JSON Pointer (RFC 6901) such as <c>/order/status</c>; <see langword="null"/> for the whole result. Where the result
    /// has no such part, it differs; kinds that only look for signs (<see cref="ExpectationKind.Contains"/>, <see cref="ExpectationKind.NoError"/>,
    /// <see cref="ExpectationKind.Custom"/>) cannot tell then.
    /// </summary>
    public string? At { get; init; }

    /// <summary>
    /// What it is compared with, as <see cref="Kind"/> says. Every kind needs it but <see cref="ExpectationKind.NoError"/>, which takes none, and
    /// <see cref="ExpectationKind.Custom"/>, which hands on what there is.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public JsonElement Value { get; init; }

    /// <summary>For <see cref="ExpectationKind.Custom"/>, the name of the judge: see <see cref="ProceduralMemoryOptions.OutcomeJudges"/>.</summary>
    public string? Judge { get; init; }

    /// <summary>How much weight it has.</summary>
    public ExpectationStrength Strength { get; init; } = ExpectationStrength.Asserted;

    /// <summary>The expected outcome in words, as the agent or a person put it; never compared.</summary>
    public string? Description { get; init; }
}

/// <summary>How a result is compared with an expectation.</summary>
public enum ExpectationKind
{
    /// <summary>Equal as JSON to the value: property order and the spelling of numbers do not matter.</summary>
    Exact,

    /// <summary>
    /// Same types at the same places; more properties than expected are fine. The value is a JSON Schema made of <c>type</c>, <c>properties</c>, <c>required</c>,
    /// <c>items</c> and <c>const</c>.
    /// </summary>
    Shape,

    /// <summary>The result's text holds the expected text, regardless of case. Where it does not, the answer is that one cannot tell: words may say the same differently.</summary>
    Contains,

    /// <summary>
    /// What the value names is there and equal, at any depth; the result may have more. Of a list, each expected element must be matched by an element of its own, in
    /// the same order; others may stand before, between and after.
    /// </summary>
    Subset,

    /// <summary>
    /// A number within bounds. The value is an object of numbers in the words of JSON Schema: <c>minimum</c>, <c>maximum</c>, <c>exclusiveMinimum</c>,
    /// <c>exclusiveMaximum</c>. Text that looks like a number is none.
    /// </summary>
    Range,

    /// <summary>
    /// Text in which the regular expression that is the value finds a match (anchor it with <c>^</c> and <c>$</c> for the whole text); of what is no text, its JSON, and
    /// never <c>null</c>. It is a .NET expression without backtracking, so it takes time in proportion to the text; look-arounds, backreferences and atomic groups are not
    /// there.
    /// </summary>
    Pattern,

    /// <summary>It does not look like an error, as <see cref="ProceduralMemoryOptions.ErrorOf"/> recognises them. The result of a function as a whole is looked at so anyway.</summary>
    NoError,

    /// <summary>What a judge of the host says: <see cref="Expectation.Judge"/> names it. Where this host has no such judge, one cannot tell.</summary>
    Custom,
}

/// <summary>How much weight an expectation has.</summary>
public enum ExpectationStrength
{
    /// <summary>Seen in one recording: a result that differs is reported, and the replay goes on.</summary>
    Observed,

    /// <summary>Confirmed by a second recording: a result that differs fails the step.</summary>
    Confirmed,

    /// <summary>Set by a person or by code: a result that differs fails the step.</summary>
    Asserted,
}

/// <summary>What comparing a result with an expectation says.</summary>
public enum OutcomeMatch
{
    /// <summary>The result is as expected.</summary>
    Matched,

    /// <summary>The result is not as expected.</summary>
    Differs,

    /// <summary>There is not enough to compare. Counted neither as success nor as failure.</summary>
    CannotTell,
}
