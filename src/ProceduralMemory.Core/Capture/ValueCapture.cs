using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>
/// Brings values into the form in which they are stored: secrets taken out, numbers in one spelling, members of nested objects in ordinal
/// order, within the limits of size and depth. The same call gives the same bytes, however its arguments came.
/// </summary>
/// <remarks>
/// One instance serves one trace or execution: a secret that a name gave away is taken out of every text of the same value and of every later one.
/// </remarks>
internal sealed class ValueCapture(ProceduralMemoryOptions options)
{
    // A short secret ("1234") would be found in innocent texts as well.
    private const int MinimumTrackedLength = 8;

    private readonly Lock _gate = new();

    // Replaced as a whole, so that texts are redacted without the lock. Longest first: of two secrets one may begin with the other.
    private volatile string[] _secrets = [];

    /// <summary>How many secrets are known by now.</summary>
    public int SecretCount => _secrets.Length;

    /// <summary>Captures an object of arguments, member by member: one that cannot be kept is replaced by <see cref="TraceStep.OmittedMarker"/>.</summary>
    /// <param name="action">The action whose arguments these are.</param>
    /// <param name="arguments">A JSON object.</param>
    /// <param name="omitted">What was left out and why, or <see langword="null"/>.</param>
    public JsonElement Arguments(string action, JsonElement arguments, out string? omitted)
    {
        var faults = new List<string>();
        var captured = Redacted(writer =>
        {
            faults.Clear();
            writer.WriteStartObject();
            foreach (var argument in Members(action, arguments, faults))
            {
                writer.WritePropertyName(argument.Name);
                if (IsSecret(action, argument.Name, argument.Value))
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
    private List<JsonProperty> Members(string action, JsonElement value, List<string> faults)
    {
        var members = new OrderedDictionary<string, JsonProperty>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            try
            {
                if (members.TryGetValue(member.Name, out var overruled))
                {
                    // Not kept, but a secret all the same, which may stand elsewhere as well.
                    IsSecret(action, overruled.Name, overruled.Value);
                }

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
        return action.Length > 0 && IsSecret(action, IRedactor.WholeResult, result)
            ? Json.String(SecretRedactor.Marker)
            : Redacted(writer => Write(writer, action, result));
    }

    /// <summary>Learns a secret from whoever declares it one: its value is taken out of every later text.</summary>
    public void AddSecret(JsonElement value)
    {
        if (Fault(value) is null)
        {
            Remember(value);
        }
    }

    /// <summary>Redacts a text.</summary>
    public string Text(string text)
    {
        text = options.Redactor.Redact(text);
        foreach (var secret in _secrets)
        {
            text = text.Replace(secret, SecretRedactor.Marker, StringComparison.Ordinal);
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

    /// <summary>Builds a value, and builds it again where a secret turned up in it: what was written before that may hold it too.</summary>
    private JsonElement Redacted(Action<Utf8JsonWriter> write)
    {
        var known = _secrets;
        var built = Json.Build(write);
        return _secrets == known ? built : Json.Build(write);
    }

    private bool IsSecret(string action, string name, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined or JsonValueKind.True or JsonValueKind.False
            || !options.Redactor.IsSecret(action, name))
        {
            return false;
        }

        AddSecret(value);
        return true;
    }

    private void Remember(JsonElement secret)
    {
        switch (secret.ValueKind)
        {
            case JsonValueKind.String when secret.GetString() is { Length: >= MinimumTrackedLength } text && text != SecretRedactor.Marker:
                Remember(text);
                break;
            case JsonValueKind.Number when secret.GetRawText() is { Length: >= MinimumTrackedLength } number:
                Remember(number);
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

    private void Remember(string secret)
    {
        lock (_gate)
        {
            if (!_secrets.Contains(secret, StringComparer.Ordinal))
            {
                _secrets = [.. _secrets.Append(secret).OrderByDescending(s => s.Length)];
            }
        }
    }

    private void Write(Utf8JsonWriter writer, string action, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                var members = value.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal).ToList();
                for (var i = 0; i < members.Count; i++)
                {
                    var (name, inner) = (members[i].Name, members[i].Value);
                    var isSecret = IsSecret(action, name, inner);
                    if (i + 1 < members.Count && members[i + 1].Name == name)
                    {
                        // Of a name that stands there twice the last counts, as JSON readers take it.
                        continue;
                    }

                    writer.WritePropertyName(name);
                    if (isSecret)
                    {
                        writer.WriteStringValue(SecretRedactor.Marker);
                    }
                    else
                    {
                        Write(writer, action, inner);
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
