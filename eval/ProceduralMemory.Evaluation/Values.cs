using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Evaluation;

/// <summary>JSON values and places in them. Every place is written as a JSON Pointer (RFC 6901), whichever notation the data use.</summary>
internal static class Values
{
    public static readonly JsonElement Null = JsonElement.Parse("null");

    /// <summary>Text as the JSON that it is, or <see langword="null"/>.</summary>
    public static JsonElement? Parse(string text)
    {
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static string Append(string pointer, string token) => $"{pointer}/{token.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";

    public static string Append(string pointer, int index) => string.Create(CultureInfo.InvariantCulture, $"{pointer}/{index}");

    public static string Pointer(IEnumerable<JsonElement> segments) =>
        segments.Aggregate("", (pointer, segment) => segment.ValueKind is JsonValueKind.Number ? Append(pointer, segment.GetInt32()) : Append(pointer, segment.GetString()!));

    /// <summary>In a label's path, what stands for the name of the member before it.</summary>
    public const string Key = "@key";

    /// <summary>Reads the notation of the labels: <c>$.a.b[0]</c>, <c>$['a b']</c>, <c>$.a['@key']</c>.</summary>
    public static string FromLabelPath(string path)
    {
        var pointer = "";
        for (var i = 1; i < path.Length;)
        {
            string token;
            if (path[i] == '.')
            {
                var end = path.AsSpan(i + 1).IndexOfAny('.', '[') is >= 0 and var offset ? i + 1 + offset : path.Length;
                (token, i) = (path[(i + 1)..end], end);
            }
            else if (path[i] == '[' && i + 1 < path.Length && path[i + 1] == '\'')
            {
                var end = path.IndexOf("']", i, StringComparison.Ordinal);
                (token, i) = end < 0 ? throw new DataException($"The path '{path}' is malformed.") : (path[(i + 2)..end], end + 2);
            }
            else if (path[i] == '[')
            {
                var end = path.IndexOf(']', i);
                (token, i) = end < 0 ? throw new DataException($"The path '{path}' is malformed.") : (path[(i + 1)..end], end + 1);
            }
            else
            {
                throw new DataException($"The path '{path}' is malformed.");
            }

            pointer = Append(pointer, token);
        }

        return pointer;
    }

    public static IEnumerable<string> Tokens(string pointer) =>
        pointer.Length == 0 ? [] : pointer[1..].Split('/').Select(t => t.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal));

    /// <summary>The value at a place, or <see langword="null"/> when there is none.</summary>
    public static JsonElement? At(JsonElement root, string pointer)
    {
        var value = root;
        foreach (var token in Tokens(pointer))
        {
            if (Child(value, token) is not { } child)
            {
                return null;
            }

            value = child;
        }

        return value;
    }

    public static JsonElement? Child(JsonElement value, string token) => value.ValueKind switch
    {
        JsonValueKind.Object => value.TryGetProperty(token, out var member) ? member : null,
        JsonValueKind.Array => int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < value.GetArrayLength() ? value[index] : null,
        _ => null,
    };

    /// <summary>The elements of a list by their indices, or the members of an object by their names.</summary>
    public static IEnumerable<(string Token, JsonElement Value)> Elements(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Select(m => (m.Name, m.Value)),
        JsonValueKind.Array => value.EnumerateArray().Select((item, i) => (i.ToString(CultureInfo.InvariantCulture), item)),
        _ => [],
    };

    /// <summary>A value and everything in it, in document order.</summary>
    public static IEnumerable<(string Pointer, JsonElement Value)> Walk(JsonElement value, string pointer = "") => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().SelectMany(m => Walk(m.Value, Append(pointer, m.Name))).Prepend((pointer, value)),
        JsonValueKind.Array => value.EnumerateArray().SelectMany((item, i) => Walk(item, Append(pointer, i))).Prepend((pointer, value)),
        _ => [(pointer, value)],
    };

    /// <summary>A value with every text in it replaced.</summary>
    public static JsonElement Rewrite(JsonElement value, Func<string, string> replace) => value.ValueKind switch
    {
        JsonValueKind.Object => JsonSerializer.SerializeToElement(value.EnumerateObject().ToDictionary(m => m.Name, m => Rewrite(m.Value, replace), StringComparer.Ordinal)),
        JsonValueKind.Array => JsonSerializer.SerializeToElement(value.EnumerateArray().Select(i => Rewrite(i, replace)).ToList()),
        JsonValueKind.String => JsonSerializer.SerializeToElement(replace(value.GetString()!)),
        _ => value,
    };

    public static bool IsScalar(JsonElement value) => value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array);

    public static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => false,
    };

    /// <summary>How many values somebody must give for it: an object-valued one counts by its scalar leaves, a list as one.</summary>
    public static int AskedCount(JsonElement value) => value.ValueKind is JsonValueKind.Object ? value.EnumerateObject().Sum(m => AskedCount(m.Value)) : 1;

    public static string Shown(JsonElement? value)
    {
        var text = value is { ValueKind: not JsonValueKind.Undefined } present ? present.GetRawText() : "nothing";
        return text.Length <= 160 ? text : text[..160] + "…";
    }
}
