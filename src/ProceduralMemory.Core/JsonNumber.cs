using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory;

/// <summary>Compares JSON numbers by their digits: any numeric type would round some of them, or have no room for them.</summary>
internal static class JsonNumber
{
    // Beyond this, exponents are all the same: no number that long is ever written out.
    private const long MaxExponent = 1L << 60;

    /// <summary>Less than zero where the first number is smaller, zero where both are equal however they are spelled.</summary>
    public static int Compare(JsonElement first, JsonElement second)
    {
        if (first.TryGetInt64(out var left) && second.TryGetInt64(out var right))
        {
            return left.CompareTo(right);
        }

        var (one, other) = (Parse(first.GetRawText()), Parse(second.GetRawText()));
        if (one.Sign != other.Sign)
        {
            return one.Sign.CompareTo(other.Sign);
        }

        var byMagnitude = one.Exponent != other.Exponent ? one.Exponent.CompareTo(other.Exponent) : string.CompareOrdinal(one.Digits, other.Digits);
        return one.Sign * byMagnitude;
    }

    /// <summary>A number as <c>0.digits × 10^exponent</c>, its digits without zeros at either end; zero has no digits.</summary>
    private static (int Sign, string Digits, long Exponent) Parse(string number)
    {
        var mantissa = number.AsSpan().TrimStart('-');
        long exponent = 0;
        if (mantissa.IndexOfAny('e', 'E') is >= 0 and var at)
        {
            exponent = ExponentOf(mantissa[(at + 1)..]);
            mantissa = mantissa[..at];
        }

        var point = mantissa.IndexOf('.');
        var whole = point < 0 ? mantissa : mantissa[..point];
        var digits = point < 0 ? mantissa.ToString() : string.Concat(whole, mantissa[(point + 1)..]);
        var significant = digits.TrimStart('0');
        return significant.Length == 0
            ? (0, "", 0)
            : (number[0] == '-' ? -1 : 1, significant.TrimEnd('0'), exponent + whole.Length - (digits.Length - significant.Length));
    }

    private static long ExponentOf(ReadOnlySpan<char> text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent)
            ? Math.Clamp(exponent, -MaxExponent, MaxExponent)
            : text[0] == '-' ? -MaxExponent : MaxExponent;
}
