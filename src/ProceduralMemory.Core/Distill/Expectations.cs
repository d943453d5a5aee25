using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Distill;

/// <summary>What a step's result is expected to be, from the results that were recorded.</summary>
internal static class Expectations
{
    /// <summary>
    /// From one call its shape alone, and what differs is reported only; from several what they have in common, and what differs fails the step.
    /// A result that is text or was not kept leaves the agent's own words, which cannot fail anything.
    /// </summary>
    /// <param name="calls">The calls that stand for the step, from one or several traces, in an order that does not depend on how they came.</param>
    /// <param name="effect">What the function declares to do: what a read returned is the state of the world and no outcome.</param>
    public static Expectation? Of(IReadOnlyList<TraceStep> calls, StepEffect effect)
    {
        var words = calls.Select(c => c.Outcome).FirstOrDefault(o => !string.IsNullOrWhiteSpace(o));
        var results = calls.Where(c => c.Result is not null).Select(c => RedactionMarker.Plain(c.Result!.Value)).ToList();
        if (results.Count == calls.Count && results.Count > 0)
        {
            return new Expectation
            {
                Kind = ExpectationKind.Shape,
                Value = results.Count == 1 ? OutcomeComparer.ShapeOf(results[0]) : OutcomeComparer.CommonShapeOf(results, effect),
                Strength = results.Count == 1 ? ExpectationStrength.Observed : ExpectationStrength.Confirmed,
                Description = words,
            };
        }

        return words is null
            ? null
            : new Expectation { Kind = ExpectationKind.Contains, Value = Json.String(words), Strength = ExpectationStrength.Observed, Description = words };
    }
}
