using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>The types that a JSON Schema allows.</summary>
internal readonly record struct SchemaTypes
{
    private static readonly JsonType[] Named = [JsonType.String, JsonType.Number, JsonType.Integer, JsonType.Boolean, JsonType.Object, JsonType.Array, JsonType.Null];

    private readonly int _flags;

    private SchemaTypes(int flags) => _flags = flags;

    private static SchemaTypes All { get; } = new(Named.Aggregate(0, (all, t) => all | Flag(t)));

    public bool IsEmpty => _flags == 0;

    /// <summary>What a schema allows; all types where it does not say.</summary>
    public static SchemaTypes Of(JsonElement schema)
    {
        if (schema.ValueKind is not JsonValueKind.Object)
        {
            return All;
        }

        if (schema.TryGetProperty("type", out var type))
        {
            return OrAll(type.ValueKind is JsonValueKind.Array ? type.EnumerateArray().Aggregate(0, (all, word) => all | Flags(word)) : Flags(type));
        }

        var branches = schema.TryGetProperty("anyOf", out var any) ? any : schema.TryGetProperty("oneOf", out var one) ? one : default;
        return branches.ValueKind is JsonValueKind.Array ? OrAll(branches.EnumerateArray().Aggregate(0, (all, branch) => all | Of(branch)._flags)) : All;
    }

    /// <summary>What is allowed here and not there.</summary>
    public SchemaTypes Without(SchemaTypes other) => new(_flags & ~other._flags);

    /// <summary>The same without null.</summary>
    public SchemaTypes WithoutNull() => new(_flags & ~Flag(JsonType.Null));

    /// <summary>The words of JSON Schema for a message.</summary>
    public override string ToString()
    {
        var flags = _flags;
        return flags == All._flags
            ? "any type"
            : string.Join(" or ", Named.Where(t => (flags & Flag(t)) == Flag(t) && !(t is JsonType.Integer && (flags & Flag(JsonType.Number)) == Flag(JsonType.Number))).Select(Json.Word));
    }

    private static SchemaTypes OrAll(int flags) => flags == 0 ? All : new(flags);

    private static int Flags(JsonElement word) => word.ValueKind is JsonValueKind.String ? Named.Where(t => word.ValueEquals(Json.Word(t))).Aggregate(0, (all, t) => all | Flag(t)) : 0;

    // Every integer is a number: what allows numbers allows integers.
    private static int Flag(JsonType type) => type is JsonType.Number ? (1 << (int)JsonType.Number) | (1 << (int)JsonType.Integer) : 1 << (int)type;
}
