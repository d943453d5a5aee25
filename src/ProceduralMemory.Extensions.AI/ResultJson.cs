using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace ProceduralMemory.Extensions.AI;

/// <summary>What functions give, as JSON: the same in every framework, so that what one recorded another replays.</summary>
internal static class ResultJson
{
    // Deeper than anything that is kept, so that depth is judged in one place.
    public const int MaxDepth = 512;

    // A text that is not valid UTF-16 cannot be written as JSON unchanged; this stands for it, and is refused where values are kept.
    private static readonly JsonElement InvalidText = JsonElement.Parse("\"\\ud800\""u8);

    // Functions bind with options that know no enum names and no numbers in text; both are what models write.
    private static readonly ConditionalWeakTable<JsonSerializerOptions, JsonSerializerOptions> Tolerant = [];

    /// <summary>A result as JSON. Text that holds an object or an array is taken for that.</summary>
    /// <param name="result">What the function returned.</param>
    /// <param name="options">How the function writes JSON: see <see cref="TolerantOf"/>.</param>
    /// <param name="lossy">Why the JSON is not the whole result, or <see langword="null"/>.</param>
    public static JsonElement? Capture(object? result, JsonSerializerOptions options, out string? lossy)
    {
        lossy = null;
        return result switch
        {
            null => null,
            string text => ParseStructured(text) ?? Text(text),
            JsonElement element => element.ValueKind is JsonValueKind.Undefined ? null : element,
            _ => Written(result, options, out lossy),
        };
    }

    /// <summary>A value as its type writes it; only its text where that cannot be.</summary>
    public static JsonElement Written(object value, JsonSerializerOptions options, out string? lossy)
    {
        lossy = null;
        try
        {
            return JsonSerializer.SerializeToElement(value, value.GetType(), options);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Converters and properties are the host's, and may throw anything.
            lossy = $"the result is a {value.GetType().Name}, which cannot be written as JSON; only its text is kept";
            return Text(value.ToString() ?? "");
        }
    }

    public static JsonElement Text(string text) => Json.IsWellFormed(text) ? JsonSerializer.SerializeToElement(text) : InvalidText;

    public static JsonElement? Parse(string text)
    {
        try
        {
            return JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static JsonElement? ParseStructured(string text)
    {
        var start = text.AsSpan().TrimStart();
        return start is ['{' or '[', ..] && Parse(text) is { } value ? value : null;
    }

    /// <summary>The options of a function, which also read numbers and enum names from text, and write types that they do not know by reflection.</summary>
    public static JsonSerializerOptions TolerantOf(JsonSerializerOptions own) => Tolerant.GetValue(own, static own =>
    {
        var options = new JsonSerializerOptions(own)
        {
            NumberHandling = own.NumberHandling | JsonNumberHandling.AllowReadingFromString,
            TypeInfoResolver = JsonTypeInfoResolver.Combine(own.TypeInfoResolver, new DefaultJsonTypeInfoResolver()),
        };
        if (!options.Converters.OfType<JsonStringEnumConverter>().Any())
        {
            options.Converters.Add(new JsonStringEnumConverter());
        }

        return options;
    });
}
