using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ProceduralMemory;

/// <summary>The one way in which this library reads and writes JSON.</summary>
internal static class Json
{
    /// <summary>How deep any document may nest, whatever the options say: the depth that System.Text.Json itself reads by default.</summary>
    public const int MaxDepth = 64;

    public static readonly JsonElement EmptyObject = JsonElement.Parse("{}"u8);

    public static readonly JsonElement Null = JsonElement.Parse("null"u8);

    /// <summary>For what is written by this library and read back by it: unknown members are those of a later, additive release.</summary>
    public static readonly JsonSerializerOptions Stored = Create(JsonUnmappedMemberHandling.Skip, indented: false);

    /// <summary>For documents that people write and edit: a misspelt member is an error, not a silence.</summary>
    public static readonly JsonSerializerOptions Exchanged = Create(JsonUnmappedMemberHandling.Disallow, indented: true);

    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static JsonElement Build(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
        {
            write(writer);
        }

        return JsonElement.Parse(buffer.WrittenSpan, new JsonDocumentOptions { MaxDepth = MaxDepth + 8 });
    }

    public static JsonElement String(string value) => JsonSerializer.SerializeToElement(value, Stored);

    /// <summary>Reads stored text; what is read has been checked when it was written.</summary>
    public static JsonElement Read(string text) => JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = MaxDepth + 8 });

    /// <summary>The value that an absent element stands for: a default <see cref="JsonElement"/> cannot be written.</summary>
    public static JsonElement OrEmptyObject(JsonElement value) => value.ValueKind is JsonValueKind.Undefined ? EmptyObject : value;

    /// <summary>Whether text is valid UTF-16: a lone surrogate cannot be stored and read back.</summary>
    public static bool IsWellFormed(string text)
    {
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out _, out var consumed) is not OperationStatus.Done)
            {
                return false;
            }

            rest = rest[consumed..];
        }

        return true;
    }

    /// <summary>Writes a number in one spelling, so that 2.0 and 2, 1e2 and 100 are the same text; what no decimal can hold exactly keeps its own.</summary>
    public static void WriteNumber(Utf8JsonWriter writer, JsonElement number)
    {
        if (number.TryGetInt64(out var integer))
        {
            writer.WriteNumberValue(integer);
            return;
        }

        var text = number.GetRawText();
        if (text.Length <= 28 && number.TryGetDecimal(out var value)
            && (double)value == number.GetDouble() && !(value == 0 && text.AsSpan().ContainsAnyInRange('1', '9')))
        {
            // Dividing by a one with 28 zeros strips trailing zeros from the decimal's scale.
            writer.WriteRawValue((value / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture));
            return;
        }

        writer.WriteRawValue(text);
    }

    public static JsonType TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => JsonType.String,
        JsonValueKind.Number => value.TryGetInt64(out _) || !value.GetRawText().AsSpan().ContainsAny('.', 'e', 'E') ? JsonType.Integer : JsonType.Number,
        JsonValueKind.True or JsonValueKind.False => JsonType.Boolean,
        JsonValueKind.Object => JsonType.Object,
        JsonValueKind.Array => JsonType.Array,
        JsonValueKind.Null or JsonValueKind.Undefined => JsonType.Null,
        _ => JsonType.Any,
    };

    /// <summary>The word for a type as JSON Schema spells it.</summary>
    public static string Word(JsonType type) => JsonNamingPolicy.CamelCase.ConvertName(type.ToString());

    private static JsonSerializerOptions Create(JsonUnmappedMemberHandling unmapped, bool indented)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            AllowDuplicateProperties = false,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            MaxDepth = MaxDepth + 16,
            NumberHandling = JsonNumberHandling.Strict,
            PropertyNameCaseInsensitive = false,
            UnmappedMemberHandling = unmapped,
            WriteIndented = indented,
        };
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
