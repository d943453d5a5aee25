using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Capture;

/// <summary>
/// What stands in place of a secret, in its two forms: <c>[redacted]</c>, and within one recording <c>[redacted:…]</c> with a fingerprint, by which equal secrets are told from others.
/// </summary>
internal static partial class RedactionMarker
{
    private const string Beginning = "[redacted";

    public static string With(string fingerprint) => $"{Beginning}:{fingerprint}]";

    /// <summary>Whether a text is a marker as a whole.</summary>
    public static bool Is(string text) => text.StartsWith(Beginning, StringComparison.Ordinal) && Marker().Match(text) is { Success: true, Index: 0 } match && match.Length == text.Length;

    /// <summary>Whether a value is a marker as a whole.</summary>
    public static bool Is(JsonElement value) => value.ValueKind is JsonValueKind.String && Is(value.GetString()!);

    /// <summary>Whether a marker stands in a text.</summary>
    public static bool IsIn(string text) => text.Contains(Beginning, StringComparison.Ordinal) && Marker().IsMatch(text);

    /// <summary>Whether a value is a text with a marker in it.</summary>
    public static bool IsIn(JsonElement value) => value.ValueKind is JsonValueKind.String && IsIn(value.GetString()!);

    /// <summary>Whether every marker in a text has a fingerprint, and there is one: then it is known which secret it stands for.</summary>
    public static bool HasFingerprint(JsonElement value) => IsIn(value) && Marker().Matches(value.GetString()!).All(m => m.Length > SecretRedactor.Marker.Length);

    /// <summary>Where the markers of a text are.</summary>
    public static IReadOnlyList<(int Start, int Length)> In(string text) => text.Contains(Beginning, StringComparison.Ordinal) ? [.. Marker().Matches(text).Select(m => (m.Index, m.Length))] : [];

    /// <summary>Whether a member's name holds a marker: it is one place in one recording, and no path can go by it.</summary>
    public static bool IsIn(JsonProperty member) => IsIn(member.Name);

    /// <summary>A value with every marker in its plain form, and without the members whose names hold one: what is kept longer than a recording holds no fingerprints.</summary>
    public static JsonElement Plain(JsonElement value) => value.ValueKind is not JsonValueKind.Undefined && JsonMarshal.GetRawUtf8Value(value).IndexOf("[redacted"u8) >= 0 ? Json.Build(writer => WritePlain(writer, value)) : value;

    private static void WritePlain(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in value.EnumerateObject().Where(m => !IsIn(m)))
                {
                    writer.WritePropertyName(member.Name);
                    WritePlain(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    WritePlain(writer, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                writer.WriteStringValue(Marker().Replace(value.GetString()!, SecretRedactor.Marker));
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    /// <summary>Replaces in a text what is not part of a marker.</summary>
    public static string Around(string text, Func<string, string> replace)
    {
        var markers = In(text);
        if (markers.Count == 0)
        {
            return replace(text);
        }

        var built = new System.Text.StringBuilder();
        var at = 0;
        foreach (var (start, length) in markers)
        {
            built.Append(replace(text[at..start])).Append(text, start, length);
            at = start + length;
        }

        return built.Append(replace(text[at..])).ToString();
    }

    [GeneratedRegex(@"\[redacted(?::[0-9a-f]{32})?\]", RegexOptions.CultureInvariant)]
    private static partial Regex Marker();
}
