using System.Text.Json;

namespace ProceduralMemory;

/// <summary>What a function declared of its parameters when a call of it was recorded. A replay compares it with what the function declares then.</summary>
/// <param name="Action">The function, as <c>plugin.function</c>.</param>
/// <param name="Parameters">Its parameters: a JSON Schema object with <c>properties</c> and <c>required</c>, without secrets.</param>
public sealed record FunctionSignature(string Action, JsonElement Parameters)
{
    /// <summary>The largest signature that is kept of one function, in bytes of UTF-8 JSON.</summary>
    internal const int MaxBytes = 64 * 1024;

    /// <summary>The most that the signatures of one recording or one version have together, in bytes of UTF-8 JSON.</summary>
    internal const int MaxBytesTogether = 1024 * 1024;

    /// <summary>How deep a signature may nest: a schema says of each level of a value what its members are, one level further down.</summary>
    internal static int MaxDepth(ProceduralMemoryOptions options) => Math.Min((2 * options.MaxValueDepth) + 1, Json.MaxDepth);

    /// <summary>The signatures of the functions that some steps call, each once and by name: of several of one function the first.</summary>
    internal static IReadOnlyList<FunctionSignature> Of(IReadOnlyList<ProcedureStep> steps, IEnumerable<FunctionSignature> known)
    {
        var called = steps.SelectMany(s => s.WithInner()).Where(s => s.Kind is StepKind.Function).Select(s => s.Action).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return [.. known.Where(s => called.Contains(s.Action)).DistinctBy(s => s.Action, StringComparer.OrdinalIgnoreCase).OrderBy(s => s.Action, StringComparer.OrdinalIgnoreCase)];
    }

    /// <summary>What some signatures say of a function; <see langword="null"/> where they say nothing.</summary>
    internal static JsonElement? ParametersOf(IReadOnlyList<FunctionSignature> signatures, string action) =>
        signatures.FirstOrDefault(s => string.Equals(s.Action, action, StringComparison.OrdinalIgnoreCase))?.Parameters;
}
