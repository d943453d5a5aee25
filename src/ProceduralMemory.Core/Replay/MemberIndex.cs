using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>Finds the members of an object by name. <see cref="JsonElement"/> looks through all of them each time, which of a large object takes too long.</summary>
internal readonly struct MemberIndex
{
    private const int SmallObject = 16;

    private readonly JsonElement _object;
    private readonly Dictionary<string, JsonElement>? _members;

    public MemberIndex(JsonElement value)
    {
        _object = value;
        if (value.GetPropertyCount() > SmallObject)
        {
            _members = new(StringComparer.Ordinal);
            foreach (var member in value.EnumerateObject())
            {
                // Of a name that stands there twice the last counts, as JSON readers take it.
                _members[member.Name] = member.Value;
            }
        }
    }

    public bool TryGet(string name, out JsonElement value) => _members is null ? _object.TryGetProperty(name, out value) : _members.TryGetValue(name, out value);
}
