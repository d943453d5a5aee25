using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace ProceduralMemory;

/// <summary>The one way in which this library reads and writes JSON.</summary>
internal static class Json
{
    /// <summary>How deep any document may nest, whatever the options say: the depth that System.Text.Json itself reads by default.</summary>
    public const int MaxDepth = 64;

    /// <summary>How deep a value may nest that is built of others, each within its own limit.</summary>
    public const int MaxBuiltDepth = MaxDepth + 8;

    public static readonly JsonElement EmptyObject = JsonElement.Parse("{}"u8);

    public static readonly JsonElement Null = JsonElement.Parse("null"u8);

    /// <summary>For what is written by this library and read back by it: unknown members are those of a later, additive release.</summary>
    public static readonly JsonSerializerOptions Stored = Create(JsonUnmappedMemberHandling.Skip, indented: false);

    /// <summary>For documents that people write and edit: a misspelt member is an error, not a silence.</summary>
    public static readonly JsonSerializerOptions Exchanged = Create(JsonUnmappedMemberHandling.Disallow, indented: true);

    // Values are built on every recorded call and every replayed step.
    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer)? ThreadWriter;

    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static JsonElement Build(Action<Utf8JsonWriter> write)
    {
        // Taken out while it is used: a value may be built in the course of building another.
        var (buffer, writer) = ThreadWriter ?? NewWriter();
        ThreadWriter = null;
        write(writer);
        writer.Flush();
        var built = JsonElement.Parse(buffer.WrittenSpan, new JsonDocumentOptions { MaxDepth = MaxBuiltDepth });
        if (buffer.Capacity <= 64 * 1024)
        {
            buffer.ResetWrittenCount();
            writer.Reset();
            ThreadWriter = (buffer, writer);
        }

        return built;
    }

    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer) NewWriter()
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        return (buffer, new Utf8JsonWriter(buffer, WriterOptions));
    }

    public static JsonElement String(string value) => JsonSerializer.SerializeToElement(value, Stored);

    /// <summary>Reads stored text; what is read has been checked when it was written.</summary>
    public static JsonElement Read(string text) => JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = MaxBuiltDepth });

    /// <summary>The value that an absent element stands for: a default <see cref="JsonElement"/> cannot be written.</summary>
    public static JsonElement OrEmptyObject(JsonElement value) => value.ValueKind is JsonValueKind.Undefined ? EmptyObject : value;

    /// <summary>Whether text is valid UTF-16: a lone surrogate cannot be stored and read back.</summary>
    public static bool IsWellFormed(string text)
    {
        for (var rest = text.AsSpan(); rest.IndexOfAnyInRange('\uD800', '\uDFFF') is >= 0 and var at; rest = rest[(at + 2)..])
        {
            if (at + 1 >= rest.Length || !char.IsSurrogatePair(rest[at], rest[at + 1]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes a number in one spelling, so that 2.0 and 2, 1e2 and 100 are the same text. The value never changes: what would be long written out keeps its own spelling.</summary>
    public static void WriteNumber(Utf8JsonWriter writer, JsonElement number)
    {
        if (number.TryGetInt64(out var integer))
        {
            writer.WriteNumberValue(integer);
        }
        else
        {
            var text = number.GetRawText();
            writer.WriteRawValue(Plain(text) ?? text);
        }
    }

    /// <summary>Why a value cannot be kept as it is, or <see langword="null"/>: it nests too deep, or holds text (a name or a string) that is not valid UTF-16.</summary>
    /// <param name="value">The value.</param>
    /// <param name="maxDepth">How deep a value may nest.</param>
    /// <param name="isObjectOfValues">Whether this is the object that holds the values, which is one level more than they have.</param>
    /// <param name="uniqueNames">Whether a name that stands twice in one object is a fault as well.</param>
    public static string? Fault(JsonElement value, int maxDepth, bool isObjectOfValues = false, bool uniqueNames = false)
    {
        try
        {
            return Walk(value, isObjectOfValues ? maxDepth + 1 : maxDepth);
        }
        catch (InvalidOperationException)
        {
            // What System.Text.Json raises for an escaped lone surrogate.
            return "it holds text that is not valid UTF-16";
        }

        string? Walk(JsonElement part, int depthLeft)
        {
            switch (part.ValueKind)
            {
                case JsonValueKind.Object or JsonValueKind.Array when depthLeft == 0:
                    return string.Create(CultureInfo.InvariantCulture, $"it nests deeper than {nameof(ProceduralMemoryOptions.MaxValueDepth)} ({maxDepth}) allows");
                case JsonValueKind.Object:
                    return Members(part, depthLeft);
                case JsonValueKind.Array:
                    return part.EnumerateArray().Select(i => Walk(i, depthLeft - 1)).FirstOrDefault(f => f is not null);
                case JsonValueKind.String:
                    _ = part.GetString();
                    return null;
                default:
                    return null;
            }
        }

        string? Members(JsonElement part, int depthLeft)
        {
            var names = uniqueNames ? new HashSet<string>(StringComparer.Ordinal) : null;
            foreach (var member in part.EnumerateObject())
            {
                var name = member.Name;
                if (names?.Add(name) is false)
                {
                    return $"the member '{name}' stands there twice";
                }

                if (Walk(member.Value, depthLeft - 1) is { } fault)
                {
                    return fault;
                }
            }

            return null;
        }
    }

    /// <summary>The length of a value in bytes of UTF-8, as it came.</summary>
    public static int LengthOf(JsonElement value) => value.ValueKind is JsonValueKind.Undefined ? 0 : JsonMarshal.GetRawUtf8Value(value).Length;

    public static JsonType TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => JsonType.String,
        JsonValueKind.Number => value.TryGetInt64(out _) || !(Plain(value.GetRawText()) ?? value.GetRawText()).AsSpan().ContainsAny('.', 'e', 'E') ? JsonType.Integer : JsonType.Number,
        JsonValueKind.True or JsonValueKind.False => JsonType.Boolean,
        JsonValueKind.Object => JsonType.Object,
        JsonValueKind.Array => JsonType.Array,
        JsonValueKind.Null or JsonValueKind.Undefined => JsonType.Null,
        _ => JsonType.Any,
    };

    /// <summary>The word for a type as JSON Schema spells it.</summary>
    public static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    /// <summary>A JSON number without exponent, leading or trailing zeros, or <see langword="null"/> where that would be long. Done on the digits: any numeric type would round.</summary>
    private static string? Plain(string number)
    {
        const int longest = 32;
        var negative = number[0] == '-';
        var mantissa = negative ? number[1..] : number;
        var exponent = 0;
        if (mantissa.AsSpan().IndexOfAny('e', 'E') is >= 0 and var at)
        {
            if (!int.TryParse(mantissa.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
            {
                exponent = int.MaxValue / 2;
            }

            mantissa = mantissa[..at];
        }

        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        var digits = point < 0 ? mantissa : mantissa.Remove(point, 1);
        long scale = exponent - (point < 0 ? 0L : mantissa.Length - point - 1);
        digits = digits.TrimStart('0');
        var significant = digits.TrimEnd('0');
        scale += digits.Length - significant.Length;
        if (significant.Length == 0)
        {
            return "0";
        }

        if (significant.Length + Math.Abs(scale) > longest)
        {
            return null;
        }

        var plain = scale >= 0
            ? significant + new string('0', (int)scale)
            : -scale < significant.Length
                ? significant.Insert(significant.Length + (int)scale, ".")
                : "0." + new string('0', (int)-scale - significant.Length) + significant;
        return negative ? "-" + plain : plain;
    }

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
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOutEmptyLists } },
            UnmappedMemberHandling = unmapped,
            WriteIndented = indented,
        };
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>Whether two values are equal as JSON: the order of members and the spelling of numbers do not matter.</summary>
    public static bool AreEqual(JsonElement first, JsonElement second)
    {
        try
        {
            return JsonElement.DeepEquals(first, second);
        }
        catch (ArgumentOutOfRangeException)
        {
            // A number whose exponent has no room in the platform's comparison, such as 1e9999999999.
            return AreEqualByParts(first, second);
        }
    }

    private static bool AreEqualByParts(JsonElement first, JsonElement second) => first.ValueKind == second.ValueKind && first.ValueKind switch
    {
        JsonValueKind.Number => JsonNumber.Compare(first, second) == 0,
        JsonValueKind.Array => first.GetArrayLength() == second.GetArrayLength() && first.EnumerateArray().Zip(second.EnumerateArray()).All(p => AreEqualByParts(p.First, p.Second)),
        JsonValueKind.Object => first.GetPropertyCount() == second.GetPropertyCount()
            && first.EnumerateObject().All(m => second.TryGetProperty(m.Name, out var other) && AreEqualByParts(m.Value, other)),
        _ => JsonElement.DeepEquals(first, second),
    };

    /// <summary>Every list of the documents is empty where it is absent.</summary>
    private static void LeaveOutEmptyLists(JsonTypeInfo type)
    {
        foreach (var property in type.Properties.Where(p => typeof(System.Collections.ICollection).IsAssignableFrom(p.PropertyType) || (p.PropertyType.IsGenericType && p.PropertyType.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))))
        {
            property.ShouldSerialize = static (_, value) => value is not (null or System.Collections.ICollection { Count: 0 });
        }
    }
}

/// <summary>Reads an optional JSON value so that <c>null</c> is a value, and only an absent member is none.</summary>
internal sealed class PresentValueConverter : JsonConverter<JsonElement?>
{
    public override bool HandleNull => true;

    public override JsonElement? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => JsonElement.ParseValue(ref reader);

    public override void Write(Utf8JsonWriter writer, JsonElement? value, JsonSerializerOptions options) => (value ?? Json.Null).WriteTo(writer);
}
