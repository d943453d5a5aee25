using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>A group of calls that is made once for each element of a list.</summary>
/// <param name="Source">The action whose result holds the list, or the name of the caller's input that is the list.</param>
/// <param name="IsInput">Whether the list is an input.</param>
/// <param name="Pointer">Where the list is in it.</param>
/// <param name="Body">What is called for each element, in order.</param>
internal sealed record LoopShape(string Source, bool IsInput, string Pointer, IReadOnlyList<CallKind> Body)
{
    /// <summary>Where the calls have a part of the element that they are made for.</summary>
    public required IReadOnlyList<ItemUse> Uses { get; init; }

    public string Key => $"for each of {(IsInput ? "input" : "result")} {Source}#{Pointer}: {string.Join(", ", Body)}";
}

/// <summary>What is called.</summary>
internal readonly record struct CallKind(StepKind Kind, string Action)
{
    public static CallKind Of(TraceStep call) => new(call.Kind, call.Action);

    public override string ToString() => Kind is StepKind.Function ? Action : $"{Kind}:{Action}";
}

/// <summary>An argument that is a part of the loop's element.</summary>
/// <param name="Call">Which of the calls made for each element.</param>
/// <param name="Argument">A JSON Pointer into its arguments.</param>
/// <param name="Field">A JSON Pointer into the element.</param>
internal readonly record struct ItemUse(int Call, string Argument, string Field);

/// <summary>How a loop went in one trace.</summary>
/// <param name="Shape">The loop.</param>
/// <param name="Source">The call whose result holds the list, or <see langword="null"/> where it is an input.</param>
/// <param name="List">The list.</param>
/// <param name="Start">Its first call's place among the calls of the trace.</param>
internal sealed record LoopRun(LoopShape Shape, TraceStep? Source, JsonElement List, int Start)
{
    /// <summary>For each element the calls that were made for it.</summary>
    public required IReadOnlyList<IReadOnlyList<TraceStep>> Iterations { get; init; }

    public int Length => Iterations.Count * Shape.Body.Count;
}
