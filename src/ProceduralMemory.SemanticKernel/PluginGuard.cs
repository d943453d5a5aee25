using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Runs what a model asked for, so that nothing throws at it: what it can mend is told with the mend, and what it cannot is told without details,
/// which go to the log. Messages of this library's own exceptions hold no stored content; those of the store may hold paths, and stay here.
/// </summary>
internal sealed class PluginGuard(ILogger logger)
{
    public async Task<PluginReply> RunAsync(string function, Func<Task<PluginReply>> body, CancellationToken cancellationToken)
    {
        try
        {
            return await body().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (ProcedureNotFoundException exception)
        {
            return new PluginReply { Status = ReplyStatus.NotFound, Message = exception.Message, Next = ProceduralMemoryPlugin.FindSimilarProcedure };
        }
        catch (ProcedureConflictException exception)
        {
            return new PluginReply { Status = ReplyStatus.Conflict, Message = exception.Message };
        }
        catch (RecordingStateException exception)
        {
            return new PluginReply { Status = ReplyStatus.Conflict, Message = exception.Message };
        }
        catch (Exception exception) when (exception is ProcedureFormatException or ArgumentException)
        {
            return new PluginReply { Status = ReplyStatus.Invalid, Message = exception.Message };
        }
        catch (Exception exception)
        {
            Log.PluginFaulted(logger, function, exception);
            return new PluginReply { Status = ReplyStatus.Unavailable, Message = "The procedural memory cannot be used right now.", Next = "Do the task with the other functions." };
        }
    }
}

/// <summary>Reads what models write where an object or a list is wanted: the JSON itself, or its text.</summary>
internal static class ModelArgument
{
    /// <exception cref="ArgumentException">It is no JSON object.</exception>
    public static Dictionary<string, JsonElement> Object(object? argument, string name)
    {
        var value = Element(argument);
        return value.ValueKind switch
        {
            JsonValueKind.Undefined or JsonValueKind.Null => [],
            JsonValueKind.Object => value.EnumerateObject().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal),
            _ => throw new ArgumentException($"'{name}' must be a JSON object, such as {{\"order_id\": \"W123\"}}."),
        };
    }

    /// <exception cref="ArgumentException">It is no list of strings.</exception>
    public static IReadOnlyList<string> Strings(object? argument, string name)
    {
        var value = Element(argument);
        return value.ValueKind switch
        {
            JsonValueKind.Undefined or JsonValueKind.Null => [],
            JsonValueKind.Array when value.EnumerateArray().All(i => i.ValueKind is JsonValueKind.String) => [.. value.EnumerateArray().Select(i => i.GetString()!)],
            JsonValueKind.String => value.GetString()!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            _ => throw new ArgumentException($"'{name}' must be a JSON array of strings."),
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
                return Element(text.GetString());
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
                    return parsed.ValueKind is JsonValueKind.String ? Element(parsed.GetString()) : parsed;
                }
                catch (JsonException exception)
                {
                    throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"This is no valid JSON (at byte {exception.BytePositionInLine ?? 0} of line {(exception.LineNumber ?? 0) + 1}): an object such as {{\"order_id\": \"W123\"}} is wanted."), exception);
                }

            default:
                return JsonSerializer.SerializeToElement(argument, argument.GetType());
        }
    }
}
