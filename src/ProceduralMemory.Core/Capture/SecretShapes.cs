using System.Buffers;
using System.Text.RegularExpressions;

namespace ProceduralMemory.Capture;

/// <summary>
/// Recognises secrets by their shape alone, wherever they stand: private keys, the keys and tokens of providers whose formats are known, JSON web tokens, passwords in URLs, and card numbers.
/// The cost is linear in the length of the text: what a pattern reads before it can fail is bounded, or is not read again.
/// </summary>
/// <remarks>
/// The formats are those that the providers document for secret scanning. What has no shape of its own (a password, 32 hexadecimal digits) is known by its name alone.
/// </remarks>
internal static partial class SecretShapes
{
    // A card number of 13 digits. No token is as short.
    private const int Shortest = 13;
    private const int ShortestOfDiscord = 58;

    // One of these stands in whatever a pattern matches. Looking for all of them at once takes about as long as looking for one, and most texts have none.
    private static readonly SearchValues<string> BlockSigns = SearchValues.Create(["-----BEGIN", "PuTTY-User-Key-File-"], StringComparison.Ordinal);
    private static readonly SearchValues<string> UrlSigns = SearchValues.Create(["://", "sig="], StringComparison.Ordinal);
    private static readonly SearchValues<string> TokenSigns = SearchValues.Create(
        [
            "eyJ",
            "AKIA", "ASIA", "ABIA", "ACCA", "LTAI", "AKID", "AKCp", "AAAA", "AGE-SECRET-KEY-", "AIza", "ya29.", "GOCSPX-", "1//0", "Q~", "JQQJ99", "AZDO", "EAA", "ATATT", "ATCTT",
            "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "GR1348941",
            "xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-",
            "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "sk-", "SG.", "npm_", "pypi-", "rubygems_", "dckr_pat_", "oy2", ":AA", "hf_", "r8_", "gsk_", "xai-", "pplx-",
            "shpat_", "shpca_", "shppa_", "shpss_", "dop_v1_", "doo_v1_", "dor_v1_", "dapi", "glsa_", "glc_", "lin_api_", "ntn_", "secret_", "dp.pt.", "dp.st.", "PMAK-", "NRAK-", "sq0", "key-", "-us", "pat-na", "pat-eu",
            "hvs.", "hvb.", "hvr.", "atlasv1", "sbp_", "pscale_", "pul-", "figd_", "sntrys_", "sntryu_", "sl.", "CFPAT-", "tfp_", "rzp_live_", "HRKU-", "FLWSECK", "fo1_", "aio_",
            .. "0123456789abcdef".Select(c => $"SK{c}"),
        ],
        StringComparison.Ordinal);

    /// <summary>Replaces every secret in a text; the same instance where there is none.</summary>
    public static string Replace(string text, Func<string, string> mark)
    {
        if (text.Length < Shortest)
        {
            return text;
        }

        if (text.AsSpan().ContainsAny(BlockSigns))
        {
            text = Blocks().Replace(text, m => mark(m.Value));
        }

        if (text.AsSpan().ContainsAny(UrlSigns))
        {
            text = InUrl().Replace(text, m => mark(m.Value));
        }

        if (text.AsSpan().ContainsAny(TokenSigns))
        {
            text = Tokens().Replace(text, m => mark(m.Value));
        }

        if (text.Contains("asic ", StringComparison.Ordinal) || text.Contains("ASIC ", StringComparison.Ordinal))
        {
            text = BasicCredentials().Replace(text, m => IsUserAndPassword(m.Value) ? mark(m.Value) : m.Value);
        }

        if (text.Length >= ShortestOfDiscord && text.Contains('.', StringComparison.Ordinal))
        {
            text = Discord().Replace(text, m => mark(m.Value));
        }

        return ShapelessRuns.Replace(text, mark);
    }

    /// <summary>Whether base 64 stands for a user's name, a colon and a password. "Basic understanding" does not.</summary>
    private static bool IsUserAndPassword(string base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '='), bytes, out var length) && bytes.AsSpan(0, length).Contains((byte)':');
    }

    // A key without its end is cut off, and a secret all the same.
    [GeneratedRegex(@"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)|PuTTY-User-Key-File-.*\z", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Blocks();

    // postgres://user:password@host, where it is no port with a query or a fragment after it; and the signature of a shared access. In the address of a webhook, the part that nobody else knows.
    [GeneratedRegex(
        """
          (?<= :// [^\s/@:"'<>]{0,256} : ) (?! \[redacted | [0-9]{2,5} \? [A-Za-z0-9_.\[\]-]{1,64} = | (?: 80 | 443 | [0-9]{4,5} ) \# ) [^\s/"'<>]{1,256} (?= @ )
        | (?<= [?&;]sig= ) [A-Za-z0-9%/+_=-]{20,}
        | (?<= hooks\.slack\.com/[a-z]{1,20}/ ) [A-Za-z0-9/+_-]{20,}
        | (?<= /api/webhooks/[0-9]{10,24}/ ) [A-Za-z0-9_-]{40,}
        | (?<= webhook\.office\.com/webhookb2/ ) [A-Za-z0-9@/_-]{40,}
        """,
        RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex InUrl();

    // A beginning that words have as well stands at the beginning of one; in escaped text, after the escape.
    [GeneratedRegex(
        """
          gh[pousr]_[A-Za-z0-9_]{30,} | github_pat_[A-Za-z0-9_]{30,}
        | gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_.-]{18,} | GR1348941[A-Za-z0-9_-]{20,}
        | xox[aboprs]-[A-Za-z0-9-]{10,} | xoxe[.-][A-Za-z0-9.-]{20,} | xapp-[0-9]-[A-Za-z0-9-]{20,}
        | [sr]k_(?:live|test)_[A-Za-z0-9_]{16,} | whsec_[A-Za-z0-9+/=]{24,} | rzp_live_[A-Za-z0-9]{14,} | FLWSECK(?:_TEST)?-[A-Za-z0-9-]{12,}
        | AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_.-]{20,} | GOCSPX-[A-Za-z0-9_-]{20,}
        | npm_[A-Za-z0-9]{36}(?![A-Za-z0-9_]) | pypi-[A-Za-z0-9_-]{50,} | rubygems_[0-9a-z_]{40,} | dckr_pat_[A-Za-z0-9_-]{20,}
        | (?:hf_|r8_|gsk_|pplx-)[A-Za-z0-9_-]{30,} | xai-[A-Za-z0-9_-]{60,}
        | shp(?:at|ca|pa|ss)_[0-9A-Za-z_]{30,} | do[opr]_v1_[0-9a-z_]{60,} | gl(?:sa|c)_[A-Za-z0-9_+/=]{30,} | lin_api_[A-Za-z0-9_]{30,}
        | dp\.[ps]t\.[A-Za-z0-9.]{40,} | PMAK-[0-9a-f]{20,}-[0-9a-f]{30,} | NRAK-[A-Z0-9]{25,} | sq0[a-z]{3}-[A-Za-z0-9_-]{20,} | pat-(?:na|eu)[0-9]-[0-9A-Fa-f-]{36}
        | hv[sbr]\.[A-Za-z0-9_-]{24,} | sbp_[0-9a-f]{40,} | pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{30,} | pul-[0-9a-f]{40} | figd_[A-Za-z0-9_-]{38,} | sntry[su]_[A-Za-z0-9_+/=]{40,}
        | CFPAT-[A-Za-z0-9_-]{40,} | tfp_[A-Za-z0-9_.-]{40,} | HRKU-[A-Za-z0-9_-]{30,} | fo1_[A-Za-z0-9_-]{40,} | aio_[A-Za-z0-9]{28}
        | AT[AC]TT[A-Za-z0-9_=-]{40,} | AGE-SECRET-KEY-1[A-Z0-9]{50,}
        | (?: (?<! [A-Za-z0-9] ) | (?<= \\[nrt] | %[0-9A-Fa-f]{2} ) )
          (?:
              (?<! [A-Za-z0-9_-] ) eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,3}
            | (?: A[KS]IA | ABIA | ACCA )[A-Z2-7]{16}(?![A-Za-z0-9]) | LTAI[A-Za-z0-9]{16,24}(?![A-Za-z0-9]) | AKID[A-Za-z0-9]{32}(?![A-Za-z0-9]) | AKCp[0-9][A-Za-z0-9]{40,}
            | (?= [A-Za-z0-9_-]{0,60}[0-9] ) (?= [A-Za-z0-9_-]{0,60}[A-Z] ) sk-(?:[A-Za-z0-9]{1,12}-){0,2}[A-Za-z0-9_-]{20,}
            | sk-[0-9a-f]{32,}
            | SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,80}
            | SK[0-9a-f]{32}(?![A-Za-z0-9]) | (?<! [_-] ) key-[0-9a-f]{32}(?![A-Za-z0-9]) | (?<! [_-] ) (?:ntn_|secret_)[A-Za-z0-9_]{40,} | [0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9]) | dapi[0-9a-f]{32}(?:-[0-9])?(?![A-Za-z0-9])
            | 1//0[A-Za-z0-9_-]{30,} | EAA[A-Za-z0-9_-]{57,} | AAAA[A-Za-z0-9_-]{7}:[A-Za-z0-9_-]{100,} | sl\.[A-Za-z0-9_-]{60,} | oy2[a-z0-9]{43}(?![A-Za-z0-9])
            | [0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])
            | [A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}
            | [A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}
            | [A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26} | [A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}
          )
        """,
        RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Tokens();

    // An id in base 64, a time and a digest; nothing in it is always the same.
    [GeneratedRegex(@"(?<![A-Za-z0-9_-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![A-Za-z0-9_-])", RegexOptions.CultureInvariant)]
    private static partial Regex Discord();

    [GeneratedRegex(@"(?<=\b[Bb](?:asic|ASIC) {1,4})[A-Za-z0-9+/]{8,}={0,2}", RegexOptions.CultureInvariant)]
    private static partial Regex BasicCredentials();
}
