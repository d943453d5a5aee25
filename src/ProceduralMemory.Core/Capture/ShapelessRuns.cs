using System.Text;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Capture;

/// <summary>
/// Recognises secrets that have no sign of their own, by their length and by what characters they have: the secret keys of AWS and of Azure, and card numbers. What else is as long (a digest,
/// an id) is told from them by its alphabet, its issuer or its check digit.
/// </summary>
internal static partial class ShapelessRuns
{
    private const int LengthOfAwsKey = 40;
    private const int DigitsOfACard = 13;

    public static string Replace(string text, Func<string, string> mark)
    {
        var (run, digits) = Longest(text);
        if (run >= LengthOfAwsKey)
        {
            text = Base64().Replace(text, m => m.Length != LengthOfAwsKey || LooksRandom(m.ValueSpan) ? mark(m.Value) : m.Value);
        }

        return digits >= DigitsOfACard ? ReplaceCards(text, mark) : text;
    }

    /// <summary>Replaces card numbers. Digits beside one (a date, an amount, a check number) are no part of it, and do not hide it.</summary>
    private static string ReplaceCards(string text, Func<string, string> mark)
    {
        StringBuilder? built = null;
        var kept = 0;
        for (var match = Card().Match(text); match.Success;)
        {
            var length = CardLength(match.ValueSpan);
            if (length > 0)
            {
                (built ??= new StringBuilder()).Append(text, kept, match.Index - kept).Append(mark(text.Substring(match.Index, length)));
                kept = match.Index + length;
            }

            // What is none may begin with digits that are none of the card's.
            match = Card().Match(text, length > 0 ? kept : match.Index + 1);
        }

        return built is null ? text : built.Append(text, kept, text.Length - kept).ToString();
    }

    /// <summary>The longest run of base 64, and of digits with blanks or dashes between them: what is shorter than a secret is not looked at further.</summary>
    private static (int Run, int Digits) Longest(string text)
    {
        var (run, longest, digits, most) = (0, 0, 0, 0);
        foreach (var c in text)
        {
            run = char.IsAsciiLetterOrDigit(c) || c is '+' or '/' ? run + 1 : 0;
            longest = Math.Max(longest, run);
            digits = char.IsAsciiDigit(c) ? digits + 1 : c is ' ' or '-' ? digits : 0;
            most = Math.Max(most, digits);
        }

        return (longest, most);
    }

    /// <summary>Whether capitals, small letters and digits are mixed as chance mixes them. A digest in hexadecimal digits or a path is not.</summary>
    private static bool LooksRandom(ReadOnlySpan<char> run)
    {
        const int few = 3;
        var (capitals, small, digits, slashes) = (0, 0, 0, 0);
        var seen = new HashSet<char>();
        foreach (var c in run)
        {
            seen.Add(c);
            capitals += char.IsAsciiLetterUpper(c) ? 1 : 0;
            small += char.IsAsciiLetterLower(c) ? 1 : 0;
            digits += char.IsAsciiDigit(c) ? 1 : 0;
            slashes += c is '/' ? 1 : 0;
        }

        return capitals >= 2 * few && small >= 2 * few && digits >= few && slashes <= 2 * few && seen.Count >= LengthOfAwsKey / 2;
    }

    /// <summary>How much of what is written as cards are is a card number, by an issuer's beginning and length, and the check digit; 0 where none is.</summary>
    private static int CardLength(ReadOnlySpan<char> text)
    {
        Span<int> digits = stackalloc int[19];
        var count = 0;
        foreach (var c in text)
        {
            if (char.IsAsciiDigit(c))
            {
                digits[count++] = c - '0';
            }
        }

        if (IsIssued(digits[..count]) && HasCheckDigit(digits[..count]))
        {
            return text.Length;
        }

        // Four groups and the three digits of the card's back.
        const int fourGroups = 19;
        return text.Length > fourGroups && count == 19 && IsIssued(digits[..16]) && HasCheckDigit(digits[..16]) ? fourGroups : 0;
    }

    private static bool IsIssued(ReadOnlySpan<int> digits)
    {
        var four = (digits[0] * 1000) + (digits[1] * 100) + (digits[2] * 10) + digits[3];
        return digits.Length switch
        {
            13 => four / 1000 == 4,
            14 => four / 100 is 36 or 38 or 39 || four / 10 is >= 300 and <= 305,
            15 => four / 100 is 34 or 37,
            16 => four / 1000 == 4 || four / 100 is (>= 51 and <= 55) or 62 or 65 || four is (>= 2221 and <= 2720) or 6011 or (>= 3528 and <= 3589) || four / 10 is >= 644 and <= 649,
            19 => four / 1000 == 4 || four / 100 is 62 or 65,
            _ => false,
        };
    }

    // Luhn's: from the right every second digit counts twice.
    private static bool HasCheckDigit(ReadOnlySpan<int> digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var doubled = digits[^(i + 1)] * (1 + (i % 2));
            sum += doubled > 9 ? doubled - 9 : doubled;
        }

        return sum % 10 == 0 && digits.ContainsAnyExcept(0);
    }

    // 40 characters are an AWS secret. 64 bytes are a digest or a signature, unless they have the mark of a key of Azure, or stand after the name of one.
    [GeneratedRegex(
        @"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/]{76}(?:APIM|ACDb|\+(?:ABa|AMC|ASt))[A-Za-z0-9+/]{5}[AQgw]==|(?<=(?:AccountKey|SharedAccessKey)=)[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{40})(?![A-Za-z0-9+/=_-])",
        RegexOptions.CultureInvariant)]
    private static partial Regex Base64();

    // In one piece, or grouped as cards are. After a point, or before one, digits are those of a decimal.
    [GeneratedRegex(
        @"(?<![A-Za-z0-9]|[0-9]\.)(?:[0-9]{13,19}(?![A-Za-z0-9]|[.-][0-9])|(?:[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5})(?![A-Za-z0-9]|\.[0-9]))",
        RegexOptions.CultureInvariant)]
    private static partial Regex Card();
}
