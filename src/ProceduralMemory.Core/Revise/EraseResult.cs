namespace ProceduralMemory.Revise;

/// <summary>What was erased.</summary>
/// <param name="Procedures">How many procedures, with all their versions.</param>
/// <param name="Traces">How many traces.</param>
/// <param name="Executions">How many executions, parts of others included.</param>
/// <param name="Remainder">
/// Why bytes of it may still be in the database's files, and what to do; <see langword="null"/> where none are. What was erased can be neither found nor read either way.
/// </param>
public sealed record EraseResult(int Procedures, int Traces, int Executions, string? Remainder);
