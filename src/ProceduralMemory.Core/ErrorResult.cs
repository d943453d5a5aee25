using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory;

/// <summary>
/// Errors that a tool returns instead of failing. Known are:
/// an object whose <c>error</c>, <c>errors</c> or <c>exception</c> says something (not null, false, 0, empty or "none");
/// one with <c>isError: true</c>;
/// one with <c>success: false</c>, <c>ok: false</c> or <c>status: "error"</c> beside a message;
/// and text that begins as errors do: <c>Error: …</c>, <c>ValueError: …</c>, <c>Error while …</c>, <c>Traceback (most recent call last)</c>.
/// Text that tells of a failure in its own words ("Email not found.") is not taken for one: it may as well be the answer.
/// </summary>
internal static partial class ErrorResult
{
    private const int LongestMessage = 500;

    private static readonly string[] ErrorMembers = ["error", "errors", "exception"];
    private static readonly string[] FlagMembers = ["isError", "is_error"];
    private static readonly string[] SuccessMembers = ["success", "ok", "succeeded"];
    private static readonly string[] MessageMembers = ["message", "msg", "reason", "detail", "details", "error_message", "errorMessage", "description"];

    /// <summary>What the error says, shortened; <see langword="null"/> where the result tells of none.</summary>
    public static string? MessageOf(JsonElement? result) => result switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString() is { } said && ErrorText().IsMatch(said) ? Shortened(said.Trim()) : null,
        { ValueKind: JsonValueKind.Object } envelope => InObject(envelope),
        _ => null,
    };

    private static string? InObject(JsonElement envelope)
    {
        foreach (var name in ErrorMembers)
        {
            if (envelope.TryGetProperty(name, out var error) && SaysSomething(error, isCount: name == "errors"))
            {
                return TextOf(error) ?? Message(envelope) ?? "The result tells of an error.";
            }
        }

        if (FlagMembers.Any(name => envelope.TryGetProperty(name, out var flag) && flag.ValueKind is JsonValueKind.True))
        {
            return Message(envelope) ?? (envelope.TryGetProperty("content", out var content) ? TextOf(content) : null) ?? "The result tells of an error.";
        }

        var denied = SuccessMembers.Any(name => envelope.TryGetProperty(name, out var flag) && flag.ValueKind is JsonValueKind.False)
            || (envelope.TryGetProperty("status", out var status) && status.ValueKind is JsonValueKind.String && string.Equals(status.GetString(), "error", StringComparison.OrdinalIgnoreCase));
        return denied ? Message(envelope) : null;
    }

    /// <summary>Whether a member named so holds an error. The number of <c>errors</c> is a count, and a fraction is a deviation: those are answers.</summary>
    private static bool SaysSomething(JsonElement error, bool isCount) => error.ValueKind switch
    {
        JsonValueKind.String => error.GetString() is { } text && !string.IsNullOrWhiteSpace(text) && !NoError().IsMatch(text),
        JsonValueKind.Object => error.EnumerateObject().Any(),
        JsonValueKind.Array => error.GetArrayLength() > 0,
        JsonValueKind.Number => !isCount && error.TryGetInt64(out var code) && code != 0,
        JsonValueKind.True => true,
        _ => false,
    };

    private static string? Message(JsonElement envelope)
    {
        foreach (var name in MessageMembers)
        {
            if (envelope.TryGetProperty(name, out var message) && TextOf(message) is { } text)
            {
                return text;
            }
        }

        return null;
    }

    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => string.IsNullOrWhiteSpace(value.GetString()) ? null : Shortened(value.GetString()!.Trim()),
        JsonValueKind.Object => Message(value) ?? (value.EnumerateObject().Any() ? Shortened(value.GetRawText()) : null),
        JsonValueKind.Array or JsonValueKind.Number => Shortened(value.GetRawText()),
        _ => null,
    };

    private static string Shortened(string text) => text.Length <= LongestMessage ? text : $"{text[..(char.IsHighSurrogate(text[LongestMessage - 1]) ? LongestMessage - 1 : LongestMessage)]}…";

    // "Error rate: 5 %" and "Errors: none" are answers, so after the word comes what ends a heading, or how the error came about.
    [GeneratedRegex(@"\A\s*(?:(?:(?:fatal |internal |server |unexpected )?error|[\w.]*(?-i:(?<=[a-z0-9])(?:Error|Exception))|exception)\s*(?:[:!\[(]|-\s|–|\z)|error (?:while|when|during|occurred|executing|invoking|calling|processing|parsing|code|\d{3}\b)|Traceback \(most recent call last\))", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ErrorText();

    [GeneratedRegex(@"\A\s*(?:none|no errors?|null|ok|false|0|n/a|-)\s*\.?\s*\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NoError();
}
