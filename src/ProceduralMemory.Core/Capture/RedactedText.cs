using System.Text;

namespace ProceduralMemory.Capture;

/// <summary>Finds out what a redactor took out of a text, from the text and what it made of it.</summary>
internal static class RedactedText
{
    /// <summary>The redacted text with other markers; as it is where it cannot be told what stood in their place.</summary>
    public static string Marked(string text, string redacted, Func<string, string> mark)
    {
        ArgumentNullException.ThrowIfNull(mark);
        var kept = redacted.Split(SecretRedactor.Marker);
        if (ReferenceEquals(text, redacted) || kept.Length == 1 || kept.AsSpan(1, kept.Length - 2).Contains("") || !text.StartsWith(kept[0], StringComparison.Ordinal))
        {
            return redacted;
        }

        var built = new StringBuilder(kept[0]);
        var at = kept[0].Length;
        for (var i = 1; i < kept.Length; i++)
        {
            // At least one character stood there. The last part ends the text; any other is the next that reads so.
            var end = i == kept.Length - 1
                ? text.EndsWith(kept[i], StringComparison.Ordinal) ? text.Length - kept[i].Length : -1
                : at < text.Length ? text.IndexOf(kept[i], at + 1, StringComparison.Ordinal) : -1;
            if (end <= at)
            {
                return redacted;
            }

            var secret = text[at..end];
            built.Append(secret == SecretRedactor.Marker ? secret : mark(secret)).Append(kept[i]);
            at = end + kept[i].Length;
        }

        return built.ToString();
    }
}
