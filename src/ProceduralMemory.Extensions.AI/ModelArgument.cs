using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Reads what models write where an object or a list is wanted: the JSON itself, or its text.</summary>
internal static class ModelArgument
{
    /// <exception cref="ModelArgumentException">It is empty.</exception>
    public static string Required(string? argument, string name, string mend) =>
        string.IsNullOrWhiteSpace(argument) ? throw new ModelArgumentException($"'{name}' is empty. {mend}") : argument;

    /// <exception cref="ModelArgumentException">It is no JSON object, or has a member twice.</exception>
    public static Dictionary<string, JsonElement> Object(object? argument, string name)
    {
        var value = Element(argument);
        return value.ValueKind switch
        {
            JsonValueKind.Undefined or JsonValueKind.Null => [],
            JsonValueKind.Object => Members(value, name),
            _ => throw new ModelArgumentException($"'{name}' must be a JSON object, such as {{\"order_id\": \"W123\"}}."),
        };
    }

    private static Dictionary<string, JsonElement> Members(JsonElement value, string name)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            var key = Text(() => member.Name);
            if (!members.TryAdd(key, member.Value))
            {
                throw new ModelArgumentException($"'{name}' has the member '{key}' twice. Give each member once.");
            }
        }

        return members;
    }

    /// <summary>Reads a text or a name of JSON: half of a surrogate pair can be written there, and not be read.</summary>
    private static string Text(Func<string?> read)
    {
        try
        {
            return read()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new ModelArgumentException("A text among the arguments is not valid UTF-16: it holds half of a surrogate pair. Give it without that.", exception);
        }
    }

    /// <exception cref="ModelArgumentException">It is no list of strings.</exception>
    public static IReadOnlyList<string> Strings(object? argument, string name)
    {
        var value = Element(argument);
        return value.ValueKind switch
        {
            JsonValueKind.Undefined or JsonValueKind.Null => [],
            JsonValueKind.Array when value.EnumerateArray().All(i => i.ValueKind is JsonValueKind.String) => [.. value.EnumerateArray().Select(i => Text(i.GetString))],
            JsonValueKind.String => Text(value.GetString).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            _ => throw new ModelArgumentException($"'{name}' must be a JSON array of strings."),
        };
    }

    /// <summary>Any value as JSON: text that holds an object or an array is taken for that.</summary>
    public static JsonElement Element(object? argument)
    {
        switch (argument)
        {
            case null:
                return default;
            case JsonElement { ValueKind: JsonValueKind.String } text:
                return Element(Text(text.GetString));
            case JsonElement element:
                return element;
            case string text:
                var trimmed = text.Trim();
                if (trimmed.Length == 0)
                {
                    return default;
                }

                if (trimmed[0] is not ('{' or '[' or '"'))
                {
                    return JsonSerializer.SerializeToElement(text);
                }

                try
                {
                    // Text may be encoded twice: a string that holds the JSON.
                    var parsed = JsonElement.Parse(trimmed, new JsonDocumentOptions { AllowDuplicateProperties = false });
                    return parsed.ValueKind is JsonValueKind.String ? Element(Text(parsed.GetString)) : parsed;
                }
                catch (JsonException exception)
                {
                    throw new ModelArgumentException(string.Create(CultureInfo.InvariantCulture, $"This is no valid JSON (at byte {exception.BytePositionInLine ?? 0} of line {(exception.LineNumber ?? 0) + 1}): an object such as {{\"order_id\": \"W123\"}} is wanted."), exception);
                }

            default:
                return JsonSerializer.SerializeToElement(argument, argument.GetType());
        }
    }
}

/// <summary>An argument of a model makes no sense. The message is written for the model; that of any other exception may hold anything.</summary>
internal sealed class ModelArgumentException(string message, Exception? inner = null) : Exception(message, inner);
