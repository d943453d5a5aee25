using System.Globalization;

namespace ProceduralMemory.ProcessTests;

/// <summary>A new seed for every run; <c>PROCEDURAL_MEMORY_SEED</c> repeats the choices of an earlier one, though not what the scheduler did.</summary>
internal static class Seeds
{
    public static int Next() => Environment.GetEnvironmentVariable("PROCEDURAL_MEMORY_SEED") is { Length: > 0 } text
        ? int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture)
        : (int)(TimeProvider.System.GetUtcNow().Ticks % 1_000_000_000);
}
