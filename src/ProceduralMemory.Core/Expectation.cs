using System.Text.Json;

namespace ProceduralMemory;

/// <summary>What is expected of a step's result. Comparing gives one of three answers: see <see cref="OutcomeMatch"/>.</summary>
public sealed record Expectation
{
    /// <summary>How the result is compared.</summary>
    public required ExpectationKind Kind { get; init; }

    /// <summary>
    /// What it is compared with: the value itself (<see cref="ExpectationKind.Exact"/>), a JSON Schema made of <c>type</c>, <c>properties</c>,
    /// <c>required</c>, <c>items</c> and <c>const</c> (<see cref="ExpectationKind.Shape"/>), or a string (<see cref="ExpectationKind.Contains"/>).
    /// </summary>
    public required JsonElement Value { get; init; }

    /// <summary>How much weight it has.</summary>
    public ExpectationStrength Strength { get; init; } = ExpectationStrength.Asserted;

    /// <summary>The expected outcome in words, as the agent or a person put it; never compared.</summary>
    public string? Description { get; init; }
}

/// <summary>How a result is compared with an expectation.</summary>
public enum ExpectationKind
{
    /// <summary>Equal as JSON: property order and the spelling of numbers do not matter.</summary>
    Exact,

    /// <summary>Same types at the same places; more properties than expected are fine.</summary>
    Shape,

    /// <summary>The result's text holds the expected text, regardless of case. Where it does not, the answer is that one cannot tell: words may say the same differently.</summary>
    Contains,
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
