using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Capture;

public class SecretShapesTests
{
    private readonly SecretRedactor _redactor = new();

    public static TheoryData<string> Kinds => [.. MadeUpSecrets.Shapes.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_secret_of_a_known_format_is_known_by_its_shape(string kind)
    {
        var random = new Random(7);
        for (var i = 0; i < 200; i++)
        {
            var secret = MadeUpSecrets.Shapes[kind](random);
            foreach (var text in new[] { secret, $"use {secret}", $"use {secret}, please", $"\"{secret}\"", $"first line\n{secret}\nlast line", $"({secret})", $"value={secret}" })
            {
                var redacted = _redactor.Redact(text);
                Assert.All(MadeUpSecrets.PartsOf(kind, secret), part => Assert.DoesNotContain(part, redacted, StringComparison.Ordinal));
            }
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("W1234567")]
    [InlineData("ada.lovelace@example.com")]
    [InlineData("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    [InlineData("da39a3ee5e6b4b0d3255bfef95601890afd80709")]
    [InlineData("sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==")]
    [InlineData("z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==")]
    [InlineData("signature: z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==")]
    [InlineData("http://localhost:8080?email=joe@example.com")]
    [InlineData("http://localhost:8080#joe@example.com")]
    [InlineData("npm_package_devDependencies_eslint_plugin")]
    [InlineData("client_secret_rotation_policy_for_production_environment")]
    [InlineData("actions-cache-key-d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("3fa85f64-5717-4562-b3fc-2c963f66afa6")]
    [InlineData("2024-05-15T15:00:00-05:00")]
    [InlineData("1715800000000")]
    [InlineData("1715800000000000000")]
    [InlineData("credit_card_7815826")]
    [InlineData("+1 (555) 010-2234 or +44 20 7946 0958")]
    [InlineData("https://shop.example/orders/1234?page=2&sort=price#top")]
    [InlineData("https://example.com:8080/path@2")]
    [InlineData("Basic understanding of internationalization is expected")]
    [InlineData("a risk-based task-list for desk-research in 2024, asked for by MARKETING")]
    [InlineData("/usr/share/doc/Packages/Microsoft/Readme12")]
    [InlineData("4111111111111112")]
    [InlineData("order 4111 1111 1111 1112")]
    [InlineData("9999999999999995")]
    [InlineData("0.4111111111111111")]
    [InlineData("4111111111111111.5")]
    [InlineData("12.4111111111111111, 7.25")]
    [InlineData("v1.2.3-beta.4+build.20240515")]
    [InlineData("SKU-12345, SKIRT, ASKED, MONDAY, NOVEMBER, OK.")]
    [InlineData("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")]
    public void What_merely_looks_like_one_stays(string text) => Assert.Same(text, _redactor.Redact(text));

    [Theory]
    [InlineData("{0}{0}", "gh", "p_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", "[redacted]")]
    [InlineData("escaped\\n{0}\\n", "gh", "p_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", "escaped\\n[redacted]\\n")]
    [InlineData("q=%20{0}", "AK", "IAABCDEFGHIJKLMNOP", "q=%20[redacted]")]
    [InlineData("postgres://app:{0}@db/shop", "p@ss", "word!", "postgres://app:[redacted]@db/shop")]
    [InlineData("AccountKey={0}==", "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6", "+SfaPg", "AccountKey=[redacted]")]
    [InlineData("SharedAccessKey={0}==;x=1", "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6", "+SfaPg", "SharedAccessKey=[redacted];x=1")]
    [InlineData("key-1 is\\n{0}", "ke", "y-d41d8cd98f00b204e9800998ecf8427e", "key-1 is\\n[redacted]")]
    public void Only_the_secret_is_taken_out_and_all_of_it(string text, string begins, string ends, string expected) =>
        Assert.Equal(expected, _redactor.Redact(text.Replace("{0}", begins + ends, StringComparison.Ordinal)));

    [Theory]
    [InlineData("4111 1111 1111 1111 12/27", "[redacted] 12/27")]
    [InlineData("4111111111111111 12/27", "[redacted] 12/27")]
    [InlineData("4111111111111111 123", "[redacted] 123")]
    [InlineData("4111 1111 1111 1111 123", "[redacted] 123")]
    [InlineData("4111-1111-1111-1111", "[redacted]")]
    [InlineData("pay 2 4111111111111111", "pay 2 [redacted]")]
    [InlineData("1234 4111 1111 1111 1111", "1234 [redacted]")]
    [InlineData("4111111111111111,12,2027", "[redacted],12,2027")]
    [InlineData("1,4111111111111111", "1,[redacted]")]
    [InlineData("4111111111111111 5500000000000004", "[redacted] [redacted]")]
    [InlineData("3782 822463 10005 11/28", "[redacted] 11/28")]
    public void Digits_beside_a_card_number_do_not_hide_it(string text, string expected) => Assert.Equal(expected, _redactor.Redact(text));

    [Fact]
    public void Every_secret_of_a_text_is_given_to_whoever_marks_it()
    {
        var key = "gh" + "p_" + new string('a', 35) + "1";

        Assert.Equal($"<{key}> and password=<hunter2>", _redactor.Redact($"{key} and password=hunter2", secret => $"<{secret}>"));
    }

    [Fact]
    public void A_key_that_is_cut_off_is_one_all_the_same() =>
        Assert.Equal("it is [redacted]", _redactor.Redact("it is -----BEGIN" + " PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"));

    /// <summary>A megabyte of what makes patterns go back and forth. What they read twice is bounded: it ends.</summary>
    [Theory]
    [InlineData("eyJ")]
    [InlineData("eyJaaaaaaaa.")]
    [InlineData("-----BEGIN PRIVATE KEY-----")]
    [InlineData("-----BEGIN ")]
    [InlineData("://a:b")]
    [InlineData("://a:")]
    [InlineData("a://")]
    [InlineData("sk-")]
    [InlineData("sk-a-")]
    [InlineData("xoxb-1-")]
    [InlineData("SG.aaaaaaaaaaaaaaaaaaaa.")]
    [InlineData("AAAAaaaaaaa:")]
    [InlineData("Q~")]
    [InlineData("8Q~a")]
    [InlineData("Maaaaaaaaaaaaaaaaaaaaaaa.")]
    [InlineData("a.atlasv1.")]
    [InlineData("Basic ")]
    [InlineData("Basic aaaaaaaa")]
    [InlineData("4111 1111 ")]
    [InlineData("4111")]
    [InlineData("aB3/")]
    [InlineData("password")]
    [InlineData("a_token_")]
    [InlineData("token=")]
    [InlineData("[redacted:")]
    [InlineData("sig=&sig")]
    [InlineData("[")]
    [InlineData("=")]
    [InlineData(" ")]
    public void Long_texts_end(string piece)
    {
        var text = string.Concat(Enumerable.Repeat(piece, 1024 * 1024 / piece.Length));

        Assert.NotNull(_redactor.Redact(text));
    }
}
