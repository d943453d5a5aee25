using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Capture;

public class SecretRedactorTests
{
    private readonly SecretRedactor _redactor = new();

    [Theory]
    [InlineData("password")]
    [InlineData("Password")]
    [InlineData("PASSWORD")]
    [InlineData("userPassword")]
    [InlineData("user_password")]
    [InlineData("password2")]
    [InlineData("new password")]
    [InlineData("passwd")]
    [InlineData("db_pwd")]
    [InlineData("passPhrase")]
    [InlineData("passCode")]
    [InlineData("api_key")]
    [InlineData("apiKey")]
    [InlineData("APIKey")]
    [InlineData("apikey")]
    [InlineData("X-Api-Key")]
    [InlineData("api_keys")]
    [InlineData("accessToken")]
    [InlineData("access_token")]
    [InlineData("refresh-token")]
    [InlineData("HTTPToken")]
    [InlineData("token")]
    [InlineData("clientSecret")]
    [InlineData("secret_key")]
    [InlineData("Authorization")]
    [InlineData("Set-Cookie")]
    [InlineData("credentials")]
    [InlineData("connection_string")]
    [InlineData("ConnectionString")]
    [InlineData("private_key")]
    [InlineData("sshKey")]
    [InlineData("account-key")]
    [InlineData("encryptionKey")]
    [InlineData("sharedAccessSignature")]
    [InlineData("pin")]
    [InlineData("card_pin")]
    public void A_name_is_secret(string name) => Assert.True(_redactor.IsSecret("any.action", name));

    [Theory]
    [InlineData("")]
    [InlineData("key")]
    [InlineData("primary_key")]
    [InlineData("keyboard")]
    [InlineData("order_id")]
    [InlineData("author")]
    [InlineData("authorize")]
    [InlineData("secretary")]
    [InlineData("passenger")]
    [InlineData("compass")]
    [InlineData("shipping")]
    [InlineData("pinned")]
    [InlineData("opinion")]
    [InlineData("tokenizer")]
    [InlineData("max_tokens")]
    [InlineData("token_count")]
    [InlineData("tokenLimit")]
    [InlineData("token_type")]
    [InlineData("page_token")]
    [InlineData("nextPageToken")]
    [InlineData("nextToken")]
    [InlineData("continuation_token")]
    [InlineData("syncToken")]
    public void A_name_is_harmless(string name) => Assert.False(_redactor.IsSecret("any.action", name));

    [Theory]
    [InlineData("password: hunter2", "password: [redacted]")]
    [InlineData("Password=hunter2", "Password=[redacted]")]
    [InlineData("db_password = hunter2, then", "db_password = [redacted], then")]
    [InlineData("api_key=abc123 next", "api_key=[redacted] next")]
    [InlineData("x-api-key: abc123", "x-api-key: [redacted]")]
    [InlineData("""{"token":"abc def","id":7}""", """{"token":"[redacted]","id":7}""")]
    [InlineData("""{\"token\":\"abc\"}""", """{\"token\":\"[redacted]\"}""")]
    [InlineData("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.xyz", "Authorization: Bearer [redacted]")]
    [InlineData("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted]")]
    [InlineData("sent bearer eyJhbGciOiJIUzI1NiJ9 twice", "sent bearer [redacted] twice")]
    [InlineData("Server=db;Password=p4ss;Timeout=5", "Server=db;Password=[redacted];Timeout=5")]
    [InlineData("https://x.test/?access_token=abc&page=2", "https://x.test/?access_token=[redacted]")]
    [InlineData("password: [redacted]", "password: [redacted]")]
    [InlineData("password=one password=two", "password=[redacted] password=[redacted]")]
    [InlineData("Log in as ada, my password is hunter2 and go on", "Log in as ada, my password is [redacted] and go on")]
    [InlineData("the PIN is '1234'", "the PIN is '[redacted]'")]
    [InlineData("the password is wrong", "the password is wrong")]
    [InlineData("password: [redacted:0123456789abcdef0123456789abcdef]", "password: [redacted:0123456789abcdef0123456789abcdef]")]
    public void A_secret_is_taken_out_of_a_text_and_once_is_enough(string text, string expected)
    {
        var once = _redactor.Redact(text);

        Assert.Equal(expected, once);
        Assert.Equal(once, _redactor.Redact(once));
    }

    [Theory]
    [InlineData("Order W123: shipped to Ann, total = 12.50")]
    [InlineData("Reset the password of user 7: done")]
    [InlineData("The bearer of this letter")]
    [InlineData("tokens: 512, max_tokens = 1024")]
    [InlineData("https://x.test/items?page_token=abc123")]
    [InlineData("next_token: abc123")]
    [InlineData("secretary: Ann, passenger = Bob")]
    [InlineData("")]
    public void A_harmless_text_is_the_same_instance(string text) => Assert.Same(text, _redactor.Redact(text));

    [Fact]
    public void A_long_text_is_redacted_without_running_away()
    {
        var filler = string.Concat(Enumerable.Repeat("pass_word_token-api_ ", 50_000));

        Assert.EndsWith("password: [redacted]", _redactor.Redact(filler + "password: hunter2"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_full_of_names_changes_no_answer()
    {
        for (var i = 0; i < 5000; i++)
        {
            Assert.False(_redactor.IsSecret("", FormattableString.Invariant($"field{i}")));
        }

        Assert.True(_redactor.IsSecret("", "late_password"));
        Assert.False(_redactor.IsSecret("", "late_field"));
    }
}
