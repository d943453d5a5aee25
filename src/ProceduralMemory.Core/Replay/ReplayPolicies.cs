using System.Globalization;

namespace ProceduralMemory.Replay;

/// <summary>What is wrong with how steps are to be called.</summary>
internal static class ReplayPolicies
{
    public const int MaxRetries = 100;

    public static readonly TimeSpan MaxTime = TimeSpan.FromDays(1);

    /// <summary>The faults of a retry, as ends of sentences with the member at fault.</summary>
    public static IEnumerable<(string Member, string Fault)> Faults(StepRetry? retry, TimeSpan? timeout)
    {
        if (retry is { MaxRetries: < 1 or > MaxRetries })
        {
            yield return ("retry.maxRetries", string.Create(CultureInfo.InvariantCulture, $"{retry.MaxRetries} is not between 1 and {MaxRetries}. Leave retry out for none."));
        }

        if (retry is not null && (retry.Delay < TimeSpan.Zero || retry.Delay > MaxTime))
        {
            yield return ("retry.delay", string.Create(CultureInfo.InvariantCulture, $"{retry.Delay:c} is not between 0 and {MaxTime:c}."));
        }

        if (retry is not null && (retry.MaxDelay < retry.Delay || retry.MaxDelay > MaxTime))
        {
            yield return ("retry.maxDelay", string.Create(CultureInfo.InvariantCulture, $"{retry.MaxDelay:c} is not between the delay ({retry.Delay:c}) and {MaxTime:c}."));
        }

        if (timeout is { } time && (time <= TimeSpan.Zero || time > MaxTime))
        {
            yield return ("timeout", string.Create(CultureInfo.InvariantCulture, $"{time:c} is not more than 0 and at most {MaxTime:c}."));
        }
    }

    /// <summary>Looks over the policies of a request.</summary>
    public static void Check(IReadOnlyDictionary<string, StepPolicy> policies, Procedure procedure, List<ReplayProblem> problems)
    {
        if (policies.Count == 0)
        {
            return;
        }

        var ids = procedure.Version.Steps.SelectMany(s => s.WithInner()).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var (id, policy) in policies)
        {
            if (!ids.Contains(id))
            {
                problems.Add(new ReplayProblem(ReplayProblemCodes.UnknownStep, null, $"'{procedure.Name}' has no step {InputBinder.Quoted([id])}, for which a policy is given. Its steps are: {string.Join(", ", ids)}."));
            }

            problems.AddRange(Faults(policy.Retry, policy.Timeout).Select(f => new ReplayProblem(ReplayProblemCodes.InvalidInput, id, $"The policy for step {InputBinder.Quoted([id])} cannot be used: {f.Member}: {f.Fault}")));
        }
    }
}
