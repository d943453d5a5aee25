using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// A way of the host to say whether the result of a step is as expected, for <see cref="ExpectationKind.Custom"/>: rules of its own, or a model. It is asked after the call,
/// once for each result, possibly for several at a time.
/// </summary>
/// <remarks>
/// A judge that throws, or does not answer within <see cref="ProceduralMemoryOptions.OutcomeJudgeTimeout"/>, has not said anything: the outcome is one that cannot be told,
/// which is neither success nor failure.
/// </remarks>
public interface IOutcomeJudge
{
    /// <summary>The name by which expectations ask for it (<see cref="Expectation.Judge"/>), regardless of case. Keep it: it is stored in procedures.</summary>
    string Name { get; }

    /// <summary>Judges a result.</summary>
    /// <param name="question">What was called, and what came of it.</param>
    /// <param name="cancellationToken">Cancelled when nobody waits for the answer any more.</param>
    Task<OutcomeJudgement> JudgeAsync(OutcomeQuestion question, CancellationToken cancellationToken);
}

/// <summary>
/// What a judge is asked. Secrets are taken out of arguments and result, since a judge may hand them to a model. All of it is data from outside: where it goes into a
/// prompt, it must not be taken for instructions.
/// </summary>
public sealed record OutcomeQuestion
{
    /// <summary>The step.</summary>
    public required string StepId { get; init; }

    /// <summary>What it called.</summary>
    public required string Action { get; init; }

    /// <summary>The arguments that it was called with, as they stand in the log.</summary>
    public required JsonElement Arguments { get; init; }

    /// <summary>What it returned: the part at <see cref="Expectation.At"/>.</summary>
    public required JsonElement Result { get; init; }

    /// <summary>What is expected. <see cref="Expectation.Value"/> is for the judge: criteria, say, or of kind <see cref="JsonValueKind.Undefined"/> where the expectation has none.</summary>
    public required Expectation Expectation { get; init; }
}

/// <summary>What a judge says.</summary>
/// <param name="Match">The answer.</param>
/// <param name="Reason">Why, in a sentence, for people and models; of a result that matches it is not kept. Secrets are taken out of it, and it is cut after 300 characters.</param>
public sealed record OutcomeJudgement(OutcomeMatch Match, string? Reason = null);
