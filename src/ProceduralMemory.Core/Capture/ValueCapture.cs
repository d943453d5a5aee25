using System.Text.Json;

namespace ProceduralMemory.Capture;

/// <summary>
/// Brings values into the form in which they are stored: secrets taken out, numbers in one spelling, members of nested objects in ordinal
/// order, within the limits of size and depth. The same call gives the same bytes, however its arguments came.
/// </summary>
/// <remarks>
/// One instance serves one trace or execution: a secret that a name gave away is taken out of every text of the same value and of every later one.
/// </remarks>
internal sealed class ValueCapture
{
    // A name is not looked at unless it is as long as secrets are, or no plain word: a password that happens to be a word, and a field's name, does not rename the field.
    private const int ShortestSecretName = 16;
    private const int ShortestSecretNameNoWord = 8;

    // What is shorter is no card number.
    private const int ShortestSecretNumber = 13;

    private readonly ProceduralMemoryOptions _options;
    private readonly KnownSecrets _secrets;
    private readonly SecretFingerprints? _fingerprints;

    /// <summary>A capture whose markers do not tell one secret from another.</summary>
    public ValueCapture(ProceduralMemoryOptions options)
        : this(options, new KnownSecrets(), fingerprints: null)
    {
    }

    private ValueCapture(ProceduralMemoryOptions options, KnownSecrets secrets, SecretFingerprints? fingerprints)
    {
        _options = options;
        _secrets = secrets;
        _fingerprints = fingerprints;
        Plain = fingerprints is null ? this : new ValueCapture(options, secrets, fingerprints: null);
    }

    /// <summary>The same with the same secrets, whose markers have no fingerprints: for texts that are kept longer than the values of the recording.</summary>
    public ValueCapture Plain { get; }

    /// <summary>How many secrets are known by now.</summary>
    public int SecretCount => _secrets.Count;

    /// <summary>A capture for one recording: its markers have fingerprints, so that it shows where a secret went.</summary>
    public static ValueCapture ForRecording(ProceduralMemoryOptions options) => new(options, new KnownSecrets(), new SecretFingerprints());

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
            HashSet<string>? taken = null;
            writer.WriteStartObject();
            foreach (var argument in Members(action, arguments, faults))
            {
                WriteName(writer, argument.Name, ref taken);
                if (IsSecret(action, argument.Name, argument.Value))
                {
                    WriteSecret(writer, argument.Value);
                }
                else if (_options.Excludes(action, argument.Name))
                {
                    writer.WriteStringValue(TraceStep.OmittedMarker);
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
            ? Json.Build(writer => WriteSecret(writer, result))
            : Redacted(writer => Write(writer, action, result));
    }

    /// <summary>A value as it may be shown to a model: with the secrets in it marked, and otherwise as it is; <see langword="null"/> where that cannot be told.</summary>
    /// <param name="action">The action that it is of.</param>
    /// <param name="value">Any JSON value.</param>
    public JsonElement? Shown(string action, JsonElement value)
    {
        if (Fault(value) is not null)
        {
            return null;
        }

        var shown = action.Length > 0 && IsSecret(action, IRedactor.WholeResult, value) ? MarkerOf(value) : Redacted(writer => Write(writer, action, value));

        // Nothing else is changed: neither the order of members nor the spelling of numbers.
        return JsonElement.DeepEquals(shown, value) ? value : shown;
    }

    /// <summary>Arguments of a call that is left to do, as they may be shown to a model. What is yet to be put in place of an expression is no secret.</summary>
    /// <param name="action">The action.</param>
    /// <param name="arguments">A JSON object of values and templates.</param>
    public JsonElement ShownArguments(string action, JsonElement arguments) => Json.Build(writer => WriteShown(writer, action, name: null, arguments));

    private void WriteShown(Utf8JsonWriter writer, string action, string? name, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Object && (name is null || ValueExpression.References(value).Any()))
        {
            writer.WriteStartObject();
            foreach (var member in value.EnumerateObject())
            {
                writer.WritePropertyName(member.Name);
                WriteShown(writer, action, member.Name, member.Value);
            }

            writer.WriteEndObject();
        }
        else if (value.ValueKind is JsonValueKind.Array && ValueExpression.References(value).Any())
        {
            writer.WriteStartArray();
            foreach (var item in value.EnumerateArray())
            {
                WriteShown(writer, action, name ?? "", item);
            }

            writer.WriteEndArray();
        }
        else if (ValueExpression.MayRefer(value))
        {
            value.WriteTo(writer);
        }
        else if (name is { Length: > 0 } && IsSecret(action, name, value))
        {
            MarkerOf(value).WriteTo(writer);
        }
        else
        {
            (Shown("", value) ?? Json.String(TraceStep.OmittedMarker)).WriteTo(writer);
        }
    }

    /// <summary>Learns a secret from whoever declares it one: its value is taken out of every later text.</summary>
    public void AddSecret(JsonElement value)
    {
        if (Fault(value) is null)
        {
            _secrets.Add(value);
        }
    }

    /// <summary>What stands for a secret.</summary>
    public JsonElement MarkerOf(JsonElement secret) => _fingerprints is null || Fault(secret) is not null ? Json.String(SecretRedactor.Marker) : RedactionMarker.Is(secret) ? secret : Json.String(_fingerprints.MarkerOf(secret));

    /// <summary>Redacts a text.</summary>
    public string Text(string text)
    {
        // What is known goes first: a marker in a text is left alone, and a part of a secret is none.
        text = _secrets.Replace(text, Mark);

        return _options.Redactor.Redact(text, secret =>
        {
            _secrets.AddFromText(secret);
            return Mark(secret);
        });
    }

    private string Mark(string secret) => _fingerprints?.MarkerOf(secret) ?? SecretRedactor.Marker;

    /// <summary>Redacts an error.</summary>
    public StepFailure? Failure(StepFailure? failure) => failure is null ? null : failure with { Message = Text(failure.Message) };

    /// <summary>Why a value cannot be kept, or <see langword="null"/>. Asked before it is written, so that nothing is written by halves.</summary>
    private string? Fault(JsonElement value)
    {
        // The raw text of what was parsed is at hand: a giant is not walked to find that it is one.
        return Json.LengthOf(value) is var length && length > _options.MaxValueBytes
            ? FormattableString.Invariant($"{length} bytes are more than {nameof(_options.MaxValueBytes)} ({_options.MaxValueBytes}) allows")
            : Json.Fault(value, _options.MaxValueDepth);
    }

    /// <summary>Builds a value, and builds it again where a secret turned up in it: what was written before that may hold it too.</summary>
    private JsonElement Redacted(Action<Utf8JsonWriter> write)
    {
        var known = _secrets.Count;
        var built = Json.Build(write);
        return _secrets.Count == known ? built : Json.Build(write);
    }

    private bool IsSecret(string action, string name, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined or JsonValueKind.True or JsonValueKind.False
            || !_options.Redactor.IsSecret(action, name))
        {
            return false;
        }

        AddSecret(value);
        return true;
    }

    /// <summary>
    /// Writes what stands for a secret. Of one with parts, such as the keys that a login gives, a recording keeps which parts there are: what a later call takes is one of them.
    /// </summary>
    private void WriteSecret(Utf8JsonWriter writer, JsonElement secret)
    {
        if (_fingerprints is null || !HasNamedParts(secret))
        {
            MarkerOf(secret).WriteTo(writer);
            return;
        }

        switch (secret.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in secret.EnumerateObject().GroupBy(m => m.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Key);
                    WriteSecret(writer, member.Last().Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in secret.EnumerateArray())
                {
                    WriteSecret(writer, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.String when KnownSecrets.AfterScheme(secret.GetString()!) is { } credential && !RedactionMarker.IsIn(credential):
                // The token of a header is the one that a login gave.
                writer.WriteStringValue(secret.GetString()![..^credential.Length] + Mark(credential));
                break;
            case JsonValueKind.String when RedactionMarker.IsIn(secret) && KnownSecrets.AfterScheme(secret.GetString()!) is not null:
                secret.WriteTo(writer);
                break;
            case JsonValueKind.String or JsonValueKind.Number:
                MarkerOf(secret).WriteTo(writer);
                break;
            default:
                secret.WriteTo(writer);
                break;
        }
    }

    /// <summary>Whether the names in a secret are those of fields: where they are data, they may be the secret.</summary>
    private bool HasNamedParts(JsonElement secret) => Fault(secret) is null && NamesAreFields(secret);

    private bool NamesAreFields(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().All(m => m.Name.Length <= 2 * ShortestSecretName && ValueExpression.IsName(m.Name) && !Distill.MemberNames.IsData(m.Name) && Text(m.Name) == m.Name && NamesAreFields(m.Value)),
        JsonValueKind.Array => value.EnumerateArray().All(NamesAreFields),
        _ => true,
    };

    /// <summary>Writes the name of a member, which may be a secret as well: what is looked up by a key has the keys for names.</summary>
    private void WriteName(Utf8JsonWriter writer, string name, ref HashSet<string>? taken)
    {
        var kept = name;
        var isLookedAt = name.Length >= ShortestSecretName || (name.Length >= ShortestSecretNameNoWord && name.AsSpan().ContainsAnyExceptInRange('a', 'z'));
        if (!isLookedAt || !RedactionMarker.IsIn(kept = Text(name)))
        {
            writer.WritePropertyName(name);
            return;
        }

        // Two keys may have one marker, and no object has a name twice.
        var unique = kept;
        for (var i = 2; !(taken ??= new HashSet<string>(StringComparer.Ordinal)).Add(unique); i++)
        {
            unique = FormattableString.Invariant($"{kept} {i}");
        }

        writer.WritePropertyName(unique);
    }

    private void Write(Utf8JsonWriter writer, string action, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                HashSet<string>? taken = null;
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

                    WriteName(writer, name, ref taken);
                    if (isSecret)
                    {
                        WriteSecret(writer, inner);
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
                WriteNumber(writer, value);
                break;
            case JsonValueKind.Undefined:
                writer.WriteNullValue();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    private void WriteNumber(Utf8JsonWriter writer, JsonElement value)
    {
        // In whatever way it is spelt; what is short in any spelling is looked at no further.
        if (Json.LengthOf(value) >= ShortestSecretNumber || value.GetRawText().AsSpan().ContainsAny('e', 'E'))
        {
            var kept = Json.Build(w => Json.WriteNumber(w, value));
            var text = kept.GetRawText();
            (Text(text) == text ? kept : MarkerOf(value)).WriteTo(writer);
            return;
        }

        Json.WriteNumber(writer, value);
    }
}
