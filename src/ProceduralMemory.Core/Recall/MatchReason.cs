using System.Globalization;

namespace ProceduralMemory.Recall;

/// <summary>Says why a match stands where it stands, by what the order goes by.</summary>
internal static class MatchReason
{
    // What is told with two digits is not told apart by less.
    private const double Alike = 0.02;
    private const double Same = 1e-6;

    /// <summary>The reason of a match.</summary>
    /// <param name="hit">The match.</param>
    /// <param name="before">The one before it; <see langword="null"/> for the first.</param>
    /// <param name="order">What the matches are ordered by.</param>
    /// <param name="matched">The words of the request that it has.</param>
    /// <param name="similarity">The cosine of its vector, where it has one.</param>
    /// <param name="replaced">Whether a word that says what kind of task it is was replaced.</param>
    public static string Of(Standing hit, Standing? before, FindOrder order, IReadOnlyList<string> matched, double? similarity = null, bool replaced = false)
    {
        var parts = new List<string> { matched.Count == 0 ? "no word in common" : $"has {string.Join(", ", matched.Take(8))}" };
        if (replaced)
        {
            parts.Add("the request has another word where it says what it does");
        }

        if (similarity is { } cosine)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"similarity {cosine:0.00}"));
        }

        var judged = hit.Successes + hit.Failures;
        parts.Add(judged == 0 ? "never executed" : string.Create(CultureInfo.InvariantCulture, $"{hit.Successes} of {judged} succeeded (at least {hit.SuccessBound:0.00})"));
        if (before is not null)
        {
            parts.Add(hit.IsFurther && !before.IsFurther
                ? $"looked at after '{before.Name}' and all others that have the rarest words of the request"
                : order is FindOrder.SuccessRate ? BesideBySuccess(hit, before) : BesideByFit(hit, before));
        }

        return string.Join("; ", parts);
    }

    private static string BesideByFit(Standing hit, Standing before)
    {
        var isSurer = before.SuccessBound > hit.SuccessBound + Same;
        var less = before.Fit - hit.Fit;
        if (less > Alike)
        {
            // The order does not ask for replaced words, the score does.
            return before.Score < hit.Score ? $"has less in common with the request than '{before.Name}'" : $"fits less than '{before.Name}'";
        }

        if (less < -Alike)
        {
            return $"fits better than '{before.Name}', which is surer to succeed";
        }

        return isSurer ? $"fits as well as '{before.Name}', which is surer to succeed"
            : less > Same ? $"fits a little less than '{before.Name}'"
            : before.LastExecutedAt > hit.LastExecutedAt || (before.LastExecutedAt is not null && hit.LastExecutedAt is null) ? $"fits as well as '{before.Name}', which ran later"
            : $"fits as well as '{before.Name}'";
    }

    private static string BesideBySuccess(Standing hit, Standing before) => before.SuccessRate > hit.SuccessRate + Same
        ? $"succeeds less often than '{before.Name}'"
        : before.Score > hit.Score + Same ? $"succeeds no more often than '{before.Name}', which fits better"
        : before.LastExecutedAt > hit.LastExecutedAt || (before.LastExecutedAt is not null && hit.LastExecutedAt is null) ? $"succeeds no more often than '{before.Name}', which ran later"
        : $"succeeds no more often than '{before.Name}', and fits no better";
}

/// <summary>What the place of a match among others depends on.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Fit">How well it fits, leaving replaced words aside.</param>
/// <param name="Score">Its score.</param>
/// <param name="Successes">Successes of its active version.</param>
/// <param name="Failures">Failures of its active version.</param>
/// <param name="LastExecutedAt">When its active version was last executed.</param>
/// <param name="IsFurther">Whether it is among those that a look further brought.</param>
internal sealed record Standing(string Name, double Fit, double Score, long Successes, long Failures, DateTimeOffset? LastExecutedAt, bool IsFurther = false)
{
    public double SuccessRate => Successes + Failures == 0 ? 0 : (double)Successes / (Successes + Failures);

    public double SuccessBound => ExecutionStatistics.WilsonInterval(Successes, Successes + Failures).Lower;
}
