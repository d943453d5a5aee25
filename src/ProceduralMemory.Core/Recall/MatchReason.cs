using System.Globalization;

namespace ProceduralMemory.Recall;

/// <summary>Says why a match stands where it stands.</summary>
internal static class MatchReason
{
    public static string Of(JudgedCandidate hit, JudgedCandidate? before)
    {
        var candidate = hit.Candidate;
        var parts = new List<string> { hit.Matched.Count == 0 ? "no word in common" : $"has {string.Join(", ", hit.Matched.Take(8))}" };
        if (hit.Ranked.Replaced > 0)
        {
            parts.Add("the request has another word where it says what it does");
        }

        if (hit.Ranked.Similarity is { } similarity)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"similarity {similarity:0.00}"));
        }

        var judged = candidate.Successes + candidate.Failures;
        parts.Add(judged == 0
            ? "never executed"
            : string.Create(CultureInfo.InvariantCulture, $"{candidate.Successes} of {judged} succeeded (at least {ExecutionStatistics.WilsonBound(candidate.Successes, judged):0.00})"));
        if (before is { } better)
        {
            parts.Add(better.Score - hit.Score > 0.02 ? $"fits less than '{better.Candidate.Name}'" : $"fits no better than '{better.Candidate.Name}', which is surer to succeed, or ran later");
        }

        return string.Join("; ", parts);
    }
}
