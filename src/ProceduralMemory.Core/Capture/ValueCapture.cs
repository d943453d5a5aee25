using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>
/// Brings values into the form in which they are stored: secrets taken out, numbers in one spelling, members of nested objects in ordinal
/// order, within the limits of size and depth. The same call gives the same bytes, however its arguments came.
/// </summary>
/// <remarks>
/// One instance serves one trace or execution: a secret that a name gave away is then taken out of every later text of it too.
/// </remarks>
internal sealed class ValueCapture(ProceduralMemoryOptions options)
{
    // A short secret ("1234") would be found in innocent texts as well.
    private const int MinimumTrackedLength = 8;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _seenSecrets = new(StringComparer.Ordinal);
    private volatile bool _hasSecrets;

    /// <summary>Captures an object of arguments, member by member: one that cannot be kept is replaced by <see cref="TraceStep.OmittedMarker"/>.</summary>
    /// <param name="action">The action whose arguments these are.</param>
    /// <param name="arguments">A JSON object.</param>
    /// <param name="omitted">What was left out and why, or <see langword="null"/>.</param>
    public JsonElement Arguments(string action, JsonElement arguments, out string? omitted)
    {
        var faults = new List<string>();
        var captured = Json.Build(writer =>
        {
            writer.WriteStartObject();
            foreach (var argument in Members(arguments, faults))
            {
                writer.WritePropertyName(argument.Name);
                if (IsSecret(action, argument))
                {
                    writer.WriteStringValue(SecretRedactor.Marker);
                }
                else if (Fault(argument.Value) is { } fault)
                {
                    writer.WriteStringValue(TraceStep.OmittedMarker);
                    faults.Add($"argument '{argument.Name}': {fault}");
                }
                else
                {
                    Write(writer, action, argument.Value);
                }
            }

            writer.WriteEndObject();
        });
        omitted = faults.Count == 0 ? null : string.Join("; ", faults);
        return captured;
    }

    /// <summary>The members of an object: of a name that stands there twice the last, as JSON readers take it, and none whose name is no valid text.</summary>
    private static List<JsonProperty> Members(JsonElement value, List<string> faults)
    {
        var members = new OrderedDictionary<string, JsonProperty>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            try
            {
                members[member.Name] = member;
            }
            catch (InvalidOperationException)
            {
                faults.Add("an argument whose name is not valid UTF-16");
            }
        }

        return [.. members.Values];
    }

    /// <summary>Captures a result.</summary>
    /// <param name="action">The action whose result this is.</param>
    /// <param name="result">Any JSON value.</param>
    /// <param name="omitted">Why it was left out, or <see langword="null"/>.</param>
    public JsonElement? Result(string action, JsonElement result, out string? omitted)
    {
        if (Fault(result) is { } fault)
        {
            omitted = $"result: {fault}";
            return null;
        }

        omitted = null;
        return Json.Build(writer => Write(writer, action, result));
    }

    /// <summary>Learns a secret from whoever declares it one: its value is taken out of every later text.</summary>
    public void AddSecret(JsonElement value) => Remember(value);

    /// <summary>Redacts a text.</summary>
    public string Text(string text)
    {
        text = options.Redactor.Redact(text);
        if (!_hasSecrets)
        {
            return text;
        }

        lock (_gate)
        {
            foreach (var secret in _seenSecrets)
            {
                text = text.Replace(secret, SecretRedactor.Marker, StringComparison.Ordinal);
            }
        }

        return text;
    }

    /// <summary>Redacts an error.</summary>
    public StepFailure? Failure(StepFailure? failure) => failure is null ? null : failure with { Message = Text(failure.Message) };

    /// <summary>Why a value cannot be kept, or <see langword="null"/>. Asked before it is written, so that nothing is written by halves.</summary>
    private string? Fault(JsonElement value)
    {
        // The raw text of what was parsed is at hand: a giant is not walked to find that it is one.
        return Json.LengthOf(value) is var length && length > options.MaxValueBytes
            ? FormattableString.Invariant($"{length} bytes are more than {nameof(options.MaxValueBytes)} ({options.MaxValueBytes}) allows")
            : Json.Fault(value, options.MaxValueDepth);
    }

    private bool IsSecret(string action, JsonProperty member)
    {
        if (member.Value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined or JsonValueKind.True or JsonValueKind.False
            || !options.Redactor.IsSecret(action, member.Name))
        {
            return false;
        }

        Remember(member.Value);
        return true;
    }

    private void Remember(JsonElement secret)
    {
        switch (secret.ValueKind)
        {
            case JsonValueKind.String when secret.GetString() is { Length: >= MinimumTrackedLength } text && text != SecretRedactor.Marker:
                AddSecret(text);
                break;
            case JsonValueKind.Number when secret.GetRawText() is { Length: >= MinimumTrackedLength } number:
                AddSecret(number);
                break;
            case JsonValueKind.Object:
                foreach (var member in secret.EnumerateObject())
                {
                    Remember(member.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in secret.EnumerateArray())
                {
                    Remember(item);
                }

                break;
        }
    }

    private void AddSecret(string secret)
    {
        lock (_gate)
        {
            _seenSecrets.Add(secret);
            _hasSecrets = true;
        }
    }

    private void Write(Utf8JsonWriter writer, string action, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in value.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    if (IsSecret(action, member))
                    {
                        writer.WriteStringValue(SecretRedactor.Marker);
                    }
                    else
                    {
                        Write(writer, action, member.Value);
                    }
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    Write(writer, action, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                writer.WriteStringValue(Text(value.GetString()!));
                break;
            case JsonValueKind.Number:
                Json.WriteNumber(writer, value);
                break;
            case JsonValueKind.Undefined:
                writer.WriteNullValue();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }
}
