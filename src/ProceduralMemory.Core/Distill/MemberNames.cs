using System.Text.Json;

namespace ProceduralMemory.Distill;

/// <summary>Whether the names of an object's members are data, as where it holds things by their ids, and not names of fields.</summary>
internal static class MemberNames
{
    private const int EnoughToTell = 100;
    private const int DigitsOfAnId = 3;

    /// <summary>Whether all of an object's names are data; of a large one the first hundred tell.</summary>
    public static bool AreData(JsonElement value) => value.ValueKind is JsonValueKind.Object && value.EnumerateObject().Any() && value.EnumerateObject().Take(EnoughToTell).All(m => IsData(m.Name));

    /// <summary>Whether a name looks like an id or a date. <c>address2</c> and <c>line_1</c> are fields, though they have a digit.</summary>
    public static bool IsData(string name) =>
        ValueKey.DateOf(name) is not null
        || (ValueKey.IsIdentifier(Json.String(name), "") && name.Count(char.IsAsciiDigit) is 0 or >= DigitsOfAnId);
}
