using System.Globalization;
using System.Text;

namespace ProceduralMemory.Tests.Capture;

/// <summary>
/// Secrets in the formats of known providers. Their values are made up when a test runs, from a seed: none stands in the source, where a scanner would find it. None opens anything.
/// </summary>
internal static class MadeUpSecrets
{
    private const string Digits = "0123456789";
    private const string Hex = "0123456789abcdef";
    private const string Small = "abcdefghijklmnopqrstuvwxyz";
    private const string Capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    private const string Letters = Capitals + Small + Digits;
    private const string Url = Letters + "-_";
    private const string Base64 = Letters + "+/";

    /// <summary>What has a shape of its own, by what it is.</summary>
    public static IReadOnlyDictionary<string, Func<Random, string>> Shapes { get; } = new Dictionary<string, Func<Random, string>>
    {
        ["AWS access key"] = r => "AK" + "IA" + Of(r, Capitals + "234567", 16),
        ["AWS temporary key"] = r => "AS" + "IA" + Of(r, Capitals + "234567", 16),
        ["AWS secret key"] = r => Mixed(r, Base64, 40),
        ["GitHub token"] = r => "gh" + "p_" + Of(r, Letters, 36),
        ["GitHub OAuth token"] = r => "gh" + "o_" + Of(r, Letters, 36),
        ["GitHub app token"] = r => "gh" + "s_" + Of(r, Letters, 36),
        ["GitHub fine-grained token"] = r => "github" + "_pat_" + Of(r, Letters, 22) + "_" + Of(r, Letters, 59),
        ["GitLab token"] = r => "gl" + "pat-" + Of(r, Url, 20),
        ["GitLab runner token"] = r => "gl" + "rt-" + Of(r, Url, 20),
        ["Slack bot token"] = r => "xo" + "xb-" + Of(r, Digits, 12) + "-" + Of(r, Digits, 12) + "-" + Of(r, Letters, 24),
        ["Slack user token"] = r => "xo" + "xp-" + Of(r, Digits, 12) + "-" + Of(r, Digits, 12) + "-" + Of(r, Hex, 32),
        ["Slack app token"] = r => "xa" + "pp-1-A" + Of(r, Capitals + Digits, 10) + "-" + Of(r, Digits, 13) + "-" + Of(r, Hex, 64),
        ["Slack webhook"] = r => "https://hooks.slack" + ".com/services/T" + Of(r, Capitals + Digits, 8) + "/B" + Of(r, Capitals + Digits, 10) + "/" + Of(r, Letters, 24),
        ["Discord webhook"] = r => "https://discord" + ".com/api/webhooks/" + Of(r, Digits, 18) + "/" + Of(r, Url, 68),
        ["Discord bot token"] = r => "M" + Of(r, Letters, 23) + "." + Of(r, Letters, 6) + "." + Of(r, Url, 37) + "a",
        ["Stripe key"] = r => "sk_" + "live_" + Of(r, Letters, 24),
        ["Stripe restricted key"] = r => "rk_" + "live_" + Of(r, Letters, 24),
        ["Stripe test key"] = r => "sk_" + "test_" + Of(r, Letters, 99),
        ["Stripe webhook secret"] = r => "wh" + "sec_" + Of(r, Letters, 32),
        ["Google API key"] = r => "AI" + "za" + Of(r, Url, 35),
        ["Google OAuth token"] = r => "ya" + "29." + Of(r, Url, 60),
        ["Google client secret"] = r => "GOC" + "SPX-" + Of(r, Url, 28),
        ["Google refresh token"] = r => "1/" + "/0" + Of(r, Url, 60),
        ["Azure storage key"] = r => Mixed(r, Base64, 76) + "+A" + "St" + Of(r, Letters, 5) + "A==",
        ["Azure storage connection string"] = r => $"DefaultEndpointsProtocol=https;AccountName=store{Of(r, Digits, 3)};Account" + $"Key={Mixed(r, Base64, 86)}==;EndpointSuffix=core.windows.net",
        ["Azure shared access signature"] = r => $"https://store{Of(r, Digits, 3)}.blob.core.windows.net/c?sv=2024-11-04&sig=" + Of(r, Letters, 43) + "%3D",
        ["Azure client secret"] = r => Of(r, Letters, 3) + "8" + "Q~" + Of(r, Letters + "_~.-", 33) + "a",
        ["Azure AI key"] = r => Of(r, Letters, 52) + "JQQ" + "J99" + Of(r, Letters, 26),
        ["Azure DevOps token"] = r => Of(r, Letters, 76) + "AZ" + "DO" + Of(r, Letters, 4),
        ["Service bus connection string"] = r => "Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=Root;Shared" + $"AccessKey={Mixed(r, Base64, 43)}=",
        ["OpenAI key"] = r => "s" + "k-" + "Ab1" + Of(r, Letters, 45),
        ["OpenAI project key"] = r => "s" + "k-proj-" + "Ab1" + Of(r, Url, 100),
        ["Anthropic key"] = r => "s" + "k-ant-api03-" + "Ab1" + Of(r, Url, 92),
        ["SendGrid key"] = r => "S" + "G." + Of(r, Url, 22) + "." + Of(r, Url, 43),
        ["Twilio key"] = r => "S" + "K" + Of(r, Hex, 32),
        ["Mailgun key"] = r => "ke" + "y-" + Of(r, Hex, 32),
        ["Mailchimp key"] = r => Of(r, Hex, 32) + "-u" + "s" + (r.Next(20) + 1).ToString(CultureInfo.InvariantCulture),
        ["npm token"] = r => "np" + "m_" + Of(r, Letters, 36),
        ["PyPI token"] = r => "py" + "pi-AgEIcHlwaS5vcmc" + Of(r, Url, 70),
        ["NuGet key"] = r => "oy" + "2" + Of(r, Small + Digits, 43),
        ["RubyGems key"] = r => "ruby" + "gems_" + Of(r, Hex, 48),
        ["Docker token"] = r => "dckr" + "_pat_" + Of(r, Url, 27),
        ["Telegram bot token"] = r => "7" + Of(r, Digits, 9) + ":A" + "A" + Of(r, Url, 32) + "a",
        ["Hugging Face token"] = r => "h" + "f_" + Of(r, Capitals + Small, 34),
        ["Shopify token"] = r => "shp" + "at_" + Of(r, Hex, 32),
        ["DigitalOcean token"] = r => "dop" + "_v1_" + Of(r, Hex, 64),
        ["Databricks token"] = r => "da" + "pi" + Of(r, Hex, 32),
        ["Grafana token"] = r => "gl" + "sa_" + Of(r, Letters, 32) + "_" + Of(r, Hex, 8),
        ["Linear key"] = r => "lin" + "_api_" + Of(r, Letters, 40),
        ["Vault token"] = r => "hv" + "s." + Of(r, Url, 90),
        ["Terraform token"] = r => Of(r, Letters, 14) + ".atlas" + "v1." + Of(r, Url, 67),
        ["Postman key"] = r => "PM" + "AK-" + Of(r, Hex, 24) + "-" + Of(r, Hex, 34),
        ["Square token"] = r => "sq" + "0csp-" + Of(r, Url, 43),
        ["Facebook token"] = r => "EA" + "A" + Of(r, Letters, 120),
        ["Atlassian token"] = r => "AT" + "ATT3xFfGF0" + Of(r, Url, 150),
        ["Alibaba access key"] = r => "LT" + "AI" + Of(r, Letters, 20),
        ["Private key"] = r => Pem(r, "RSA PRIVATE KEY"),
        ["OpenSSH key"] = r => Pem(r, "OPENSSH PRIVATE KEY"),
        ["JSON web token"] = r => "ey" + "JhbGciOiJIUzI1NiJ9.ey" + Of(r, Url, 80) + "." + Of(r, Url, 43),
        ["Database URL"] = r => "postgres://app:" + Of(r, Letters + "!#$%", 16) + "@db.internal:5432/shop",
        ["Basic credentials"] = r => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("ada:" + Of(r, Letters, 14))),
        ["Bearer token"] = r => "Bearer " + Of(r, Url, 40),
        ["SQL connection string"] = r => "Server=db;Database=shop;User Id=sa;Pass" + "word=" + Of(r, Letters + "!#$%", 16),
        ["Card number"] = r => Card(r, "4", 16),
        ["Mastercard number in groups"] = r => string.Join(' ', Card(r, "5" + (1 + r.Next(5)).ToString(CultureInfo.InvariantCulture), 16).Chunk(4).Select(c => new string(c))),
        ["Amex number"] = r => Card(r, "37", 15),
    };

    /// <summary>What only a name tells, by the name: a password has no shape.</summary>
    public static IReadOnlyList<(string Name, Func<Random, string> Make)> Named { get; } =
    [
        ("password", r => Of(r, Letters, 12)), ("api_key", r => Of(r, Hex, 32)), ("clientSecret", r => Of(r, Letters, 28)), ("auth_token", r => Of(r, Hex, 32)), ("passphrase", r => Of(r, Small, 9) + "-" + Of(r, Small, 9)),
    ];

    /// <summary>So many secrets of every kind in turn, each with what must be found nowhere of it.</summary>
    public static IEnumerable<(string Kind, string Text)> Shaped(int count, int seed)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(i => Shapes.ElementAt(i % Shapes.Count)).Select(s => (s.Key, s.Value(random))).ToList();
    }

    /// <summary>The parts of a secret that are secret: of an address or a connection string not the names of servers and users; of a key each line.</summary>
    public static IEnumerable<string> PartsOf(string kind, string text) => kind switch
    {
        "Private key" or "OpenSSH key" => text.Split('\n')[1..^1],
        "Database URL" => [text.Split("app:")[1].Split("@db")[0]],
        "SQL connection string" => [text.Split("word=")[1]],
        "Azure storage connection string" => [text.Split("Key=")[1].Split(";Endpoint")[0]],
        "Service bus connection string" => [text.Split("AccessKey=")[1]],
        "Azure shared access signature" => [text.Split("sig=")[1]],
        "Slack webhook" => [text.Split('/')[^1]],
        "Discord webhook" => [text.Split('/')[^1]],
        "Basic credentials" or "Bearer token" => [text.Split(' ')[1]],
        _ => [text],
    };

    private static string Of(Random random, string alphabet, int length) => new([.. Enumerable.Range(0, length).Select(_ => alphabet[random.Next(alphabet.Length)])]);

    /// <summary>As chance mixes letters and digits nearly always, and always here.</summary>
    private static string Mixed(Random random, string alphabet, int length) => "Qw7Zx9Kb3Ty" + Of(random, Letters, 3) + Of(random, alphabet, length - 15) + "a";

    private static string Pem(Random random, string what) =>
        $"-----BEGIN {what}-----\n{string.Join('\n', Enumerable.Range(0, 6).Select(_ => Of(random, Base64, 64)))}\n-----END {what}-----";

    private static string Card(Random random, string issuer, int length)
    {
        var digits = issuer + Of(random, Digits, length - issuer.Length - 1);
        var sum = digits.Reverse().Select((c, i) => (c - '0') * (i % 2 == 0 ? 2 : 1)).Sum(d => d > 9 ? d - 9 : d);
        return digits + ((10 - (sum % 10)) % 10).ToString(CultureInfo.InvariantCulture);
    }
}
