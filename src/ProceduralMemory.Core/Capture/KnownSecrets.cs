using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Capture;

/// <summary>The secrets that turned up in one trace or execution: each is one wherever else it stands. Safe for use from several threads.</summary>
internal sealed partial class KnownSecrets
{
    // A short secret ("1234") would be found in innocent texts as well.
    private const int MinimumTrackedLength = 8;

    // Every text is searched for each of them.
    private const int MostFromTexts = 1000;

    private readonly Lock _gate = new();

    // Replaced as a whole, so that texts are redacted without the lock. Longest first: of two secrets one may begin with the other.
    private volatile string[] _secrets = [];

    /// <summary>All of them, the longest first.</summary>
    public IReadOnlyList<string> All => _secrets;

    /// <summary>Remembers a value, or every value in it.</summary>
    public void Add(JsonElement secret)
    {
        switch (secret.ValueKind)
        {
            case JsonValueKind.String when secret.GetString() is { } text && !RedactionMarker.Is(text):
                // "Bearer …": what comes after the word stands elsewhere without it.
                Add(AfterScheme(text) is { Length: >= MinimumTrackedLength } credential ? credential : text);
                break;
            case JsonValueKind.Number:
                Add(secret.GetRawText());
                break;
            case JsonValueKind.Object:
                foreach (var member in secret.EnumerateObject())
                {
                    Add(member.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in secret.EnumerateArray())
                {
                    Add(item);
                }

                break;
        }
    }

    /// <summary>Remembers what a word such as <c>token=</c> gave away in a text, where it looks like nothing else: it may stand elsewhere without the word.</summary>
    public void AddFromText(string secret)
    {
        const int tooLongForAWord = 12;
        if (_secrets.Length < MostFromTexts && secret.Length >= tooLongForAWord && secret.Any(char.IsAsciiDigit) && secret.Any(char.IsAsciiLetter) && !secret.Any(char.IsWhiteSpace) && Distill.ValueKey.DateOf(secret) is null && !RedactionMarker.IsIn(secret))
        {
            Add(secret);
        }
    }

    /// <summary>What comes after the word for the kind of credential, in the value of a header; <see langword="null"/> where there is no such word.</summary>
    public static string? AfterScheme(string text) => Scheme().Match(text) is { Success: true } match ? match.Groups["credential"].Value : null;

    [GeneratedRegex(@"^(?:Bearer|Basic|Token|ApiKey|Digest|Negotiate|SharedAccessSignature|Splunk|Key) +(?<credential>\S+)\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Scheme();

    private void Add(string secret)
    {
        if (secret.Length < MinimumTrackedLength)
        {
            return;
        }

        lock (_gate)
        {
            if (!_secrets.Contains(secret, StringComparer.Ordinal))
            {
                _secrets = [.. _secrets.Append(secret).OrderByDescending(s => s.Length)];
            }
        }
    }
}
