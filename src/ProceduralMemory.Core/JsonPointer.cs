using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>JSON Pointer (RFC 6901): a path into a JSON value, such as <c>/customer/id</c> or <c>/items/0</c>.</summary>
internal static class JsonPointer
{
    /// <summary>Adds a member name or an array index to a pointer.</summary>
    public static string Append(string pointer, string token) =>
        $"{pointer}/{token.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";

    public static string Append(string pointer, int index) => string.Create(CultureInfo.InvariantCulture, $"{pointer}/{index}");

    /// <summary>Whether text is a pointer: empty, or starting with a slash, with every tilde part of an escape.</summary>
    public static bool IsValid(string pointer)
    {
        if (pointer.Length > 0 && pointer[0] != '/')
        {
            return false;
        }

        for (var i = pointer.IndexOf('~', StringComparison.Ordinal); i >= 0; i = pointer.IndexOf('~', i + 1))
        {
            if (i + 1 >= pointer.Length || pointer[i + 1] is not ('0' or '1'))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The names and indices that a pointer leads along.</summary>
    public static IEnumerable<string> Tokens(string pointer) => pointer.Length == 0
        ? []
        : pointer[1..].Split('/').Select(t => t.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal));

    public static bool TryResolve(JsonElement root, string pointer, out JsonElement value)
    {
        value = root;
        if (pointer.Length == 0)
        {
            return true;
        }

        foreach (var token in Tokens(pointer))
        {
            var found = value.ValueKind switch
            {
                JsonValueKind.Object => value.TryGetProperty(token, out value),
                JsonValueKind.Array => TryIndex(ref value, token),
                _ => false,
            };
            if (!found)
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryIndex(ref JsonElement array, string token)
    {
        // RFC 6901 allows no leading zeros and no signs.
        if ((token.Length > 1 && token[0] == '0') || !int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var index) || index >= array.GetArrayLength())
        {
            return false;
        }

        array = array[index];
        return true;
    }
}
