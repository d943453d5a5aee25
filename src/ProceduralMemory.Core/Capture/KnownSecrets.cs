using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Capture;

/// <summary>The secrets that turned up in one trace or execution: each is one wherever else it stands. Safe for use from several threads.</summary>
internal sealed partial class KnownSecrets
{
    // A short secret ("1234") would be found in innocent texts as well.
    private const int MinimumTrackedLength = 8;

    // A word may be somebody's password, and is a word all the same: inside of others it means nothing.
    private const int ShortestLetters = 16;

    // Every text is searched for each of them. Of those after them only whole values are known.
    private const int MostSearched = 1000;

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, byte> _all = new(StringComparer.Ordinal);

    // Replaced as a whole, so that texts are redacted without the lock. Longest first: of two secrets one may begin with the other.
    private volatile string[] _searched = [];
    private volatile int _count;
    private int _fromTexts;

    /// <summary>How many there are.</summary>
    public int Count => _count;

    /// <summary>Marks all of them in a text.</summary>
    public string Replace(string text, Func<string, string> mark)
    {
        if (_count == 0 || text.Length < MinimumTrackedLength)
        {
            return text;
        }

        if (_all.ContainsKey(text))
        {
            return mark(text);
        }

        var searched = _searched;
        for (var i = FirstWithin(searched, text.Length); i < searched.Length; i++)
        {
            if (text.Contains(searched[i], StringComparison.Ordinal))
            {
                var secret = searched[i];
                text = RedactionMarker.Around(text, part => IsWord(secret) ? ReplaceWord(part, secret, mark) : part.Replace(secret, mark(secret), StringComparison.Ordinal));
            }
        }

        return text;
    }

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
        if (secret.Length >= tooLongForAWord && secret.Any(char.IsAsciiDigit) && secret.Any(char.IsAsciiLetter) && !secret.Any(char.IsWhiteSpace) && Distill.ValueKey.DateOf(secret) is null && !RedactionMarker.IsIn(secret))
        {
            Add(secret, isFromText: true);
        }
    }

    /// <summary>What comes after the word for the kind of credential, in the value of a header; <see langword="null"/> where there is no such word.</summary>
    public static string? AfterScheme(string text) => Scheme().Match(text) is { Success: true } match ? match.Groups["credential"].Value : null;

    [GeneratedRegex(@"^(?:Bearer|Basic|Token|ApiKey|Digest|Negotiate|SharedAccessSignature|Splunk|Key) +(?<credential>\S+)\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Scheme();

    private static bool IsWord(string secret) => secret.Length < ShortestLetters && secret.All(char.IsLetter);

    private static string ReplaceWord(string text, string word, Func<string, string> mark)
    {
        StringBuilder? built = null;
        var (kept, end) = (0, 0);
        for (var at = text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, end, StringComparison.Ordinal))
        {
            end = at + word.Length;
            if ((at == 0 || !IsOfWord(text[at - 1])) && (end == text.Length || !IsOfWord(text[end])))
            {
                (built ??= new StringBuilder()).Append(text, kept, at - kept).Append(mark(word));
                kept = end;
            }
        }

        return built is null ? text : built.Append(text, kept, text.Length - kept).ToString();

        static bool IsOfWord(char c) => char.IsLetterOrDigit(c) || c is '_';
    }

    /// <summary>Where those begin that are no longer than a text.</summary>
    private static int FirstWithin(string[] longestFirst, int length)
    {
        var (low, high) = (0, longestFirst.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = longestFirst[middle].Length > length ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private void Add(string secret, bool isFromText = false)
    {
        if (secret.Length < MinimumTrackedLength || !_all.TryAdd(secret, 0))
        {
            return;
        }

        lock (_gate)
        {
            // What a text holds, which anybody may have written, takes no place from what was declared.
            if (isFromText ? _fromTexts < MostSearched : _searched.Length - _fromTexts < MostSearched)
            {
                _fromTexts += isFromText ? 1 : 0;
                var at = FirstWithin(_searched, secret.Length);
                _searched = [.. _searched[..at], secret, .. _searched[at..]];
            }

            _count++;
        }
    }
}
