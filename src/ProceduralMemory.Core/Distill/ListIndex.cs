using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>A list that a trace knows before a call.</summary>
/// <param name="Call">Whose result it is in; -1 for the inputs that the caller named.</param>
/// <param name="Source">The action, or the name of the input.</param>
/// <param name="Pointer">Where it is in it.</param>
/// <param name="List">The list.</param>
internal sealed record ListPlace(int Call, string Source, string Pointer, JsonElement List)
{
    /// <summary>Its elements with their parts.</summary>
    public LoopFinder.ElementLeaves Elements { get; } = new(List);
}

/// <summary>
/// The lists in a trace's inputs and results, by length. Only those as long as some group of calls could be are noted, and of one length and source the first few;
/// a list inside of another list's element is reached by its place, which says little, and is not taken.
/// </summary>
internal sealed class ListIndex
{
    private const int MaxListsPerSource = 32;
    private const int MaxDepth = 8;
    private const int MaxMembersPerSource = 5_000;

    private readonly Dictionary<int, List<ListPlace>> _byLength = [];

    public ListIndex(JsonElement inputs, IReadOnlyList<TraceStep> calls)
    {
        foreach (var input in inputs.EnumerateObject())
        {
            Add(-1, input.Name, input.Value, calls.Count);
        }

        for (var i = 0; i < calls.Count; i++)
        {
            if (calls[i].Result is { } result)
            {
                Add(i, calls[i].Action, result, calls.Count);
            }
        }
    }

    /// <summary>The lists of a length, in the order in which they came to be known.</summary>
    public IReadOnlyList<ListPlace> OfLength(int length) => _byLength.TryGetValue(length, out var places) ? places : [];

    private void Add(int call, string source, JsonElement root, int longest)
    {
        var (noted, members) = (0, 0);
        Visit(root, "", 0);

        void Visit(JsonElement value, string pointer, int depth)
        {
            if (value.ValueKind is JsonValueKind.Array && value.GetArrayLength() is > 0 and var length && length <= longest && noted < MaxListsPerSource)
            {
                noted++;
                (_byLength.TryGetValue(length, out var places) ? places : _byLength[length] = []).Add(new ListPlace(call, source, pointer, value));
            }
            else if (value.ValueKind is JsonValueKind.Object && depth < MaxDepth)
            {
                foreach (var member in value.EnumerateObject())
                {
                    if (++members > MaxMembersPerSource)
                    {
                        return;
                    }

                    Visit(member.Value, JsonPointer.Append(pointer, member.Name), depth + 1);
                }
            }
        }
    }
}

/// <summary>The parts of values that can be compared: texts, numbers and short lists of them.</summary>
internal static class Leaves
{
    /// <summary>The leaves of a value with where they are, in the order of the document.</summary>
    public static IEnumerable<(string Pointer, JsonElement Value)> Of(JsonElement value, int depth, int most) => Visit(value, "", depth).Take(most);

    private static IEnumerable<(string Pointer, JsonElement Value)> Visit(JsonElement value, string pointer, int depthLeft)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object when depthLeft > 0:
                foreach (var member in value.EnumerateObject())
                {
                    foreach (var leaf in Visit(member.Value, JsonPointer.Append(pointer, member.Name), depthLeft - 1))
                    {
                        yield return leaf;
                    }
                }

                break;
            case JsonValueKind.Array when depthLeft > 0:
                var index = 0;
                foreach (var item in value.EnumerateArray())
                {
                    foreach (var leaf in Visit(item, JsonPointer.Append(pointer, index++), depthLeft - 1))
                    {
                        yield return leaf;
                    }
                }

                break;
            case JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.Undefined:
                break;
            default:
                yield return (pointer, value);
                break;
        }
    }
}
