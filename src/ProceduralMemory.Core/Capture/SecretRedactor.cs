using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Capture;

/// <summary>
/// The default redactor. It goes by names: a field called <c>password</c>, <c>api_key</c>, <c>accessToken</c>, <c>Authorization</c> or
/// <c>connection_string</c> is secret, and so is what follows such a word and a colon or equals sign in a text. And it goes by shape: private keys, keys and tokens in the formats of known providers,
/// JSON web tokens, passwords in URLs and connection strings, and card numbers are secret wherever they stand.
/// </summary>
public sealed partial class SecretRedactor : IRedactor
{
    /// <summary>What stands in place of a secret.</summary>
    public const string Marker = "[redacted]";

    private static readonly HashSet<string> SecretWords = new(StringComparer.Ordinal)
    {
        "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "passcode", "passphrase", "passwd", "password", "passwords", "pin", "pwd", "secret", "secrets", "token",
    };

    private static readonly string[] SecretCompounds =
        ["accesskey", "accountkey", "apikey", "connectionstring", "encryptionkey", "privatekey", "sharedaccesssignature", "signingkey", "sshkey", "subscriptionkey"];

    // A page token opens nothing, and a later call needs it.
    private static readonly string[] HarmlessCompounds = ["continuationtoken", "nexttoken", "pagetoken", "synctoken", "tokencount", "tokenlimit", "tokentype", "tokenusage"];

    // Names repeat on every call; the cap keeps a host with endless made-up names from filling memory.
    private const int MaxCachedNames = 4096;
    private readonly ConcurrentDictionary<string, bool> _names = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public bool IsSecret(string action, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (_names.TryGetValue(name, out var known))
        {
            return known;
        }

        var words = Word().Matches(name).Select(m => m.Value.ToLowerInvariant()).ToList();
        var joined = string.Concat(words);
        var secret = !HarmlessCompounds.Any(c => joined.Contains(c, StringComparison.Ordinal))
            && (words.Any(SecretWords.Contains) || SecretWords.Contains(joined) || SecretCompounds.Any(c => joined.Contains(c, StringComparison.Ordinal)));
        if (_names.Count < MaxCachedNames)
        {
            _names.TryAdd(name, secret);
        }

        return secret;
    }

    /// <summary>Whether a text stands in place of a secret as a whole: <see cref="Marker"/>, or within a recording <c>[redacted:…]</c> with a fingerprint.</summary>
    /// <param name="text">The text.</param>
    public static bool IsMarker(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return RedactionMarker.Is(text);
    }

    /// <inheritdoc/>
    public string Redact(string text) => Redact(text, static _ => Marker);

    /// <inheritdoc/>
    public string Redact(string text, Func<string, string> mark)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(mark);
        var redacted = SecretShapes.Replace(text, mark);

        // Most strings are ids and words: they hold none of the characters that a secret needs before it.
        if (redacted.AsSpan().ContainsAny(':', '=', ' '))
        {
            redacted = Assignment().Replace(redacted, m => m.Groups["name"] is { Success: true } name && !IsSecret("", name.Value) ? m.Value : m.Groups["head"].Value + mark(m.Groups["secret"].Value));
        }

        if (redacted.Contains(" is ", StringComparison.OrdinalIgnoreCase) || redacted.Contains(" was ", StringComparison.OrdinalIgnoreCase))
        {
            redacted = Said().Replace(redacted, m => mark(m.Value));
        }

        return redacted == text ? text : redacted;
    }

    // Words of a name in camelCase, PascalCase, snake_case, kebab-case or with blanks: HTTPToken is HTTP and Token.
    [GeneratedRegex(@"\p{Lu}+(?=\p{Lu}\p{Ll})|\p{Lu}?\p{Ll}+|\p{Lu}+|\p{N}+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    // "my password is x1": as people say it. "The password is wrong" tells none.
    [GeneratedRegex(
        @"(?<=\b(?:password|passwd|passphrase|passcode|pin|pin code|api[_\- ]?key|secret key|access token) (?:is|was):? [""'`]?)(?!\[redacted[:\]])(?=[^\s]{0,100}[0-9!#$%&*@^])[^\s""'`,;]{4,200}",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Said();

    // "password: x", "api_key=x", "token": "x", "Authorization: Bearer x", "Bearer x"; a connection string by its own password part.
    [GeneratedRegex(
        """
        (?<head>
            \b (?<name>
                  \w* (?: password | passwd | passphrase | passcode | secret | api[_\-\ ]?key | access[_\-]?key | account[_\-]?key | private[_\-]?key | connection[_\-\ ]?string )
                | (?: \w+[_\-] )? (?: token | pwd | authorization | cookie )
            )
            ["'\\]* \s* [:=] \s* ["'\\]* (?> (?: (?: bearer | basic ) (?: \s+ | $ ) )? )
          | \b bearer \s+ (?= [A-Za-z0-9_\-.~+/]{12,} )
        )
        (?! \[redacted [:\]] )
        (?<secret> (?<=["']) [^"'\\]+ | [^\s"',;}\\]+ )
        """,
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Assignment();
}
