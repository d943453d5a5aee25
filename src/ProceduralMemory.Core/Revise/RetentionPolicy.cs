namespace ProceduralMemory.Revise;

/// <summary>How long what happened is kept. What was counted of it (<see cref="ExecutionStatistics"/>) and what was learned from it stays.</summary>
public sealed record RetentionPolicy
{
    /// <summary>For how long executions are kept from their beginning; <see langword="null"/> for ever. Those that run, or wait for somebody, are kept in any case. What turns have cost and saved (<see cref="ProcedureMemory.GetSavingsAsync"/>) is kept as long.</summary>
    public TimeSpan? Executions { get; init; }

    /// <summary>For how long traces are kept from their end; <see langword="null"/> for ever. Those that a version in use, a candidate or a draft was distilled from are kept in any case: it is distilled anew from them.</summary>
    public TimeSpan? Traces { get; init; }

    /// <summary>How large the database may be, in bytes of its pages in use; <see langword="null"/> for no bound. Where it is larger, the oldest executions that have ended go, whatever <see cref="Executions"/> says.</summary>
    public long? MaxBytes { get; init; }

    internal void Validate()
    {
        ThrowIfNegative(Executions, nameof(Executions));
        ThrowIfNegative(Traces, nameof(Traces));
        if (MaxBytes is < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(MaxBytes), MaxBytes, "A size is not negative. Leave it out for no bound.");
        }

        static void ThrowIfNegative(TimeSpan? time, string name)
        {
            if (time < TimeSpan.Zero)
            {
                throw new ArgumentOutOfRangeException(name, time, "A time to keep something is not negative. Leave it out to keep it for ever.");
            }
        }
    }
}

/// <summary>What retention took away.</summary>
/// <param name="Executions">How many executions, each with its parts.</param>
/// <param name="Traces">How many traces.</param>
/// <param name="BytesInUse">How large the database is now, in bytes of its pages in use. The file itself gets smaller with <see cref="ProcedureMemory.CompactAsync"/>; without it, freed pages are used again.</param>
public sealed record RetentionResult(int Executions, int Traces, long BytesInUse);
