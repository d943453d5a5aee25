using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Persist.Sqlite;

/// <summary>
/// The store on one SQLite file: WAL, foreign keys, numbered migrations. Several threads and several processes of one machine may share the file;
/// it must not lie on a network file system, where SQLite's locks do not hold.
/// </summary>
public sealed partial class SqliteProcedureStore : IProcedureStore, IDisposable
{
    private readonly SqliteDatabase _database;

    /// <summary>Creates the store. The file is opened, and created or migrated, by the first operation.</summary>
    /// <param name="options">Where the file is and how it is opened.</param>
    public SqliteProcedureStore(ProceduralMemoryOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _database = new SqliteDatabase(options);
    }

    /// <summary>Closes the pooled connections, so that the file can be moved or deleted.</summary>
    public void Dispose() => _database.Dispose();

    // Dapper maps what SQLite itself knows (integers as long, text as string), so rows are made of these and converted here, in one place.
    internal static string Text(Guid id) => id.ToString("D", CultureInfo.InvariantCulture);

    private static string? Text(Guid? id) => id is { } value ? Text(value) : null;

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    private static string? Text(DateTimeOffset? time) => time is { } value ? Text(value) : null;

    private static string Text<TEnum>(TEnum value)
        where TEnum : struct, Enum => EnumNames<TEnum>.Texts[value];

    private static string? Text<TEnum>(TEnum? value)
        where TEnum : struct, Enum => value is { } present ? Text(present) : null;

    private static string? Text(JsonElement? value) => value?.GetRawText();

    private static string Text(IReadOnlyList<string> tags) => JsonSerializer.Serialize(tags, Json.Stored);

    private static long Microseconds(TimeSpan duration) => duration.Ticks / TimeSpan.TicksPerMicrosecond;

    private static Guid ToId(string text) => Guid.ParseExact(text, "D");

    private static Guid? ToIdOrNull(string? text) => text is null ? null : ToId(text);

    private static DateTimeOffset ToTime(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);

    private static DateTimeOffset? ToTimeOrNull(string? text) => text is null ? null : ToTime(text);

    private static TimeSpan ToDuration(long microseconds) => TimeSpan.FromTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    private static TimeSpan? ToDurationOrNull(long? microseconds) => microseconds is { } value ? ToDuration(value) : null;

    private static JsonElement? ToValueOrNull(string? json) => json is null ? null : Json.Read(json);

    private static List<string> ToTags(string json) => JsonSerializer.Deserialize<List<string>>(json, Json.Stored)!;

    private static TEnum ToEnum<TEnum>(string text)
        where TEnum : struct, Enum => EnumNames<TEnum>.Values[text];

    private static StepFailure? ToFailure(string? type, string? message) => type is null ? null : new StepFailure(type, message ?? "");

    /// <summary>The spelling of enum values in columns: as in the JSON documents, camelCase.</summary>
    private static class EnumNames<TEnum>
        where TEnum : struct, Enum
    {
        public static readonly Dictionary<TEnum, string> Texts = Enum.GetValues<TEnum>().ToDictionary(v => v, v => JsonNamingPolicy.CamelCase.ConvertName(v.ToString()));

        public static readonly Dictionary<string, TEnum> Values = Texts.ToDictionary(p => p.Value, p => p.Key, StringComparer.Ordinal);
    }
}
