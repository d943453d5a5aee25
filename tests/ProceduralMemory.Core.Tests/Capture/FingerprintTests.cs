using System.Text.Json;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Capture;

public class FingerprintTests
{
    private readonly ValueCapture _capture = ValueCapture.ForRecording(new ProceduralMemoryOptions());

    [Fact]
    public void Within_a_recording_equal_secrets_have_equal_marks_and_others_have_others()
    {
        var first = Mark("hunter22!");

        Assert.Matches("^\\[redacted:[0-9a-f]{32}\\]$", first);
        Assert.Equal(first, Mark("hunter22!"));
        Assert.NotEqual(first, Mark("hunter33!"));
        Assert.Equal($"Bearer {first}", Result("""{"header":"Bearer hunter22!"}""").GetProperty("header").GetString());
    }

    [Fact]
    public void In_two_recordings_a_secret_has_two_marks() =>
        Assert.NotEqual(Mark("hunter22!"), ValueCapture.ForRecording(new ProceduralMemoryOptions()).Arguments("t.f", Given.Value("""{"password":"hunter22!"}"""), out _).GetProperty("password").GetString());

    [Fact]
    public void A_number_and_the_text_of_its_digits_are_two_secrets() =>
        Assert.NotEqual(Result("""{"pin":1234}""").GetProperty("pin").GetString(), Result("""{"pin":"1234"}""").GetProperty("pin").GetString());

    [Fact]
    public void Texts_that_outlive_the_recording_have_marks_that_tell_nothing()
    {
        Mark("hunter22!");

        Assert.Equal("with [redacted]", _capture.Plain.Text("with hunter22!"));
    }

    [Theory]
    [InlineData("""{"token":{"value":"hunter22!","ttl":60,"more":[true,null]}}""", """{"token":{"more":[true,null],"ttl":"*","value":"*"}}""")]
    [InlineData("""{"secrets":{"3f9a77c1b2":"hunter22!"}}""", """{"secrets":"*"}""")]
    [InlineData("""{"password":""}""", """{"password":"*"}""")]
    [InlineData("""{"password":null,"secret":true}""", """{"password":null,"secret":true}""")]
    [InlineData("""{"password":"[redacted]"}""", """{"password":"*"}""")]
    public void Of_a_secret_with_fields_the_fields_are_kept_and_of_one_with_keys_nothing(string value, string kept) =>
        Given.JsonEqual(kept, Given.Value(System.Text.RegularExpressions.Regex.Replace(Result(value).GetRawText(), @"\[redacted(:[0-9a-f]{32})?\]", "*")));

    [Fact]
    public void What_is_captured_again_stays_as_it_is()
    {
        var once = Result("""{"password":"hunter22!","note":"hunter22! is it","list":["hunter22!"]}""");

        Given.JsonEqual(once, Result(once.GetRawText()));
    }

    [Fact]
    public void Names_that_are_secrets_are_told_apart()
    {
        var key = "gh" + "p_" + new string('a', 35);

        var kept = Result($$"""{"uses":{"{{key}}1":1,"{{key}}2":2,"plain":3} }""").GetProperty("uses").EnumerateObject().Select(m => m.Name).ToList();

        Assert.Equal(3, kept.Distinct().Count());
        Assert.Contains("plain", kept);
        Assert.DoesNotContain(kept, n => n.Contains(key, StringComparison.Ordinal));
        Assert.Equal(["[redacted]", "[redacted] 2"], new ValueCapture(new ProceduralMemoryOptions()).Result("t.f", Given.Value($$"""{"{{key}}1":1,"{{key}}2":2}"""), out _)!.Value.EnumerateObject().Select(m => m.Name));
    }

    [Theory]
    [InlineData("[redacted]", true)]
    [InlineData("[redacted:0123456789abcdef0123456789abcdef]", true)]
    [InlineData("[redacted:0123]", false)]
    [InlineData("[redacted] ", false)]
    [InlineData("", false)]
    public void A_mark_is_known_in_both_forms(string text, bool isMarker) => Assert.Equal(isMarker, SecretRedactor.IsMarker(text));

    [Fact]
    public void A_redactor_that_only_redacts_gets_fingerprints_as_well()
    {
        var capture = ValueCapture.ForRecording(new ProceduralMemoryOptions { Redactor = new NoColours() });

        var kept = capture.Arguments("t.f", Given.Value("""{"a":"red","b":"a red car and a blue one","c":"[redacted] red","d":"redblue"}"""), out _);

        var (red, text) = (kept.GetProperty("a").GetString()!, kept.GetProperty("b").GetString()!);
        Assert.True(SecretRedactor.IsMarker(red) && red != SecretRedactor.Marker);
        Assert.StartsWith($"a {red} car and a [redacted:", text, StringComparison.Ordinal);
        Assert.Equal($"[redacted] {red}", kept.GetProperty("c").GetString());

        // Where two secrets meet, it cannot be told where the one ends.
        Assert.Equal("[redacted][redacted]", kept.GetProperty("d").GetString());
    }

    private string Mark(string secret) => _capture.Arguments("t.f", JsonSerializer.SerializeToElement(new { password = secret }), out _).GetProperty("password").GetString()!;

    private JsonElement Result(string json) => _capture.Result("t.f", Given.Value(json), out _)!.Value;

    private sealed class NoColours : IRedactor
    {
        public bool IsSecret(string action, string name) => false;

        public string Redact(string text) => text.Replace("red", "#", StringComparison.Ordinal).Replace("[#acted]", "[redacted]", StringComparison.Ordinal).Replace("#", SecretRedactor.Marker, StringComparison.Ordinal).Replace("blue", SecretRedactor.Marker, StringComparison.Ordinal);
    }
}
