using System.Globalization;
using System.Text.Json;
using CsCheck;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests.Capture;

public class ValueCaptureTests
{
    private static readonly string[] SecretNames = ["password", "apiKey", "API_KEY", "access_token", "Authorization", "connectionString", "client-secret", "pin"];

    [Fact]
    public void The_canonical_form_of_a_canonical_form_is_itself() => Given.AnyValue.Sample(
        value => Assert.Equal(Canonical(value), Canonical(Given.Value(Canonical(value)))), iter: 2000, print: v => v.GetRawText());

    [Fact]
    public void The_canonical_form_is_the_same_value() => Given.AnyValue.Sample(
        value => Given.JsonEqual(value, Given.Value(Canonical(value))), iter: 2000, print: v => v.GetRawText());

    [Fact]
    public void No_number_changes_its_value() => Given.AnyNumber.Sample(
        number => Given.JsonEqual(number, Given.Value(Canonical(Given.Value(number)))), iter: 20_000);

    [Theory]
    [InlineData("2", "2.0", "2.00", "2e0", "0.2e1", "20E-1", "2.0e+0")]
    [InlineData("100", "1e2", "1E+2", "100.0", "10.0e1")]
    [InlineData("-1.5", "-1.50", "-15e-1", "-0.15E1")]
    [InlineData("0", "0.0", "-0", "0e5", "-0.0")]
    [InlineData("0.1", "1e-1", "0.10")]
    [InlineData("9223372036854775807", "9223372036854775807.0")]
    [InlineData("123456789012345678901234", "123456789012345678901234.0")]
    public void Numbers_that_are_equal_have_one_spelling(string canonical, params string[] spellings) =>
        Assert.All(spellings.Append(canonical), s => Assert.Equal(canonical, Canonical(Given.Value(s))));

    [Theory]
    [InlineData("1e400")]
    [InlineData("123456789012345678901234567890123456789")]
    [InlineData("0.1000000000000000055511151231257827")]
    [InlineData("1e-300")]
    [InlineData("1.2345678901234567890123e-9")]
    [InlineData("79228162514264337593543950336")]
    public void A_number_that_no_decimal_holds_keeps_its_value(string number) => Given.JsonEqual(number, Given.Value(Canonical(Given.Value(number))));

    [Fact]
    public void Equal_values_have_one_form_whatever_the_order_of_members_and_the_spelling_of_numbers_and_text() =>
        TwoSpellings(3).Sample(pair => Assert.Equal(Canonical(Given.Value(pair.First)), Canonical(Given.Value(pair.Second))), iter: 2000);

    [Fact]
    public void A_result_of_many_secrets_ends_and_each_is_known_wherever_it_stands_alone()
    {
        var capture = Capture(o => o.MaxValueBytes = 4 * 1024 * 1024);
        var rows = string.Join(',', Enumerable.Range(0, 30_000).Select(i => string.Create(CultureInfo.InvariantCulture, $$"""{"token":"tk-{{i:x8}}-ab","n":"row"}""")));

        var kept = capture.Result("t.f", Given.Value($"[{rows}]"), out _)!.Value.GetRawText();

        Assert.DoesNotContain("tk-", kept, StringComparison.Ordinal);
        Assert.Equal(30_000, capture.SecretCount);
        Assert.Equal("[redacted]", capture.Text("tk-0000752f-ab"));
        Assert.Equal("with [redacted] in it", capture.Text("with tk-00000001-ab in it"));
    }

    [Theory]
    [InlineData("dashboard", "[redacted]")]
    [InlineData("see dashboard, please", "see [redacted], please")]
    [InlineData("all dashboards and mydashboard", "all dashboards and mydashboard")]
    [InlineData("dashboards dashboard dashboard_1", "dashboards [redacted] dashboard_1")]
    public void A_secret_that_is_a_word_is_one_as_a_word_only(string text, string expected)
    {
        var capture = Capture();
        capture.Result("t.f", Given.Value("""{"pin":"dashboard"}"""), out _);

        Assert.Equal(expected, capture.Text(text));
    }

    [Fact]
    public void Arguments_keep_the_order_in_which_they_came() =>
        Assert.Equal("""{"z":1,"a":{"b":2,"y":3}}""", Capture().Arguments("t.f", Given.Value("""{"z":1.0,"a":{"y":3,"b":2}}"""), out _).GetRawText());

    [Theory]
    [InlineData(1024, null)]
    [InlineData(1025, "1025 bytes are more than MaxValueBytes (1024) allows")]
    public void A_value_beyond_the_size_limit_is_left_out_and_that_is_said(int bytes, string? fault)
    {
        var capture = Capture(o => o.MaxValueBytes = 1024);
        var text = JsonSerializer.Serialize(new string('x', bytes - 2));

        var result = capture.Result("t.f", Given.Value(text), out var omittedResult);
        var arguments = capture.Arguments("t.f", Given.Value($$"""{"small":1,"big":{{text}}}"""), out var omittedArgument);

        Assert.Equal(fault is null, result is not null);
        Assert.Equal(fault is null ? null : $"result: {fault}", omittedResult);
        Assert.Equal(fault is null ? null : $"argument 'big': {fault}", omittedArgument);
        Given.JsonEqual($$"""{"small":1,"big":{{(fault is null ? text : "\"[omitted]\"")}}}""", arguments);
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public void A_value_beyond_the_depth_limit_is_left_out_and_that_is_said(int depth, bool kept)
    {
        var capture = Capture(o => o.MaxValueDepth = 3);

        Assert.Equal(kept, capture.Result("t.f", Given.Value(Given.Deep(depth)), out var omitted) is not null);
        Assert.Equal(kept ? null : "result: it nests deeper than MaxValueDepth (3) allows", omitted);
        Assert.Equal(kept, capture.Result("t.f", Given.Value(new string('[', depth) + new string(']', depth)), out _) is not null);
    }

    [Theory]
    [InlineData("""{"v":"\ud800"}""")]
    [InlineData("""{"v":["a",{"b":"x\udc00y"}]}""")]
    [InlineData("""{"v":{"\ud800":1}}""")]
    public void A_value_with_half_a_surrogate_pair_is_left_out_and_that_is_said(string arguments)
    {
        Given.JsonEqual("""{"v":"[omitted]"}""", Capture().Arguments("t.f", Given.Value(arguments), out var omitted));
        Assert.Equal("argument 'v': it holds text that is not valid UTF-16", omitted);
    }

    [Fact]
    public void A_planted_secret_appears_nowhere_whatever_stands_around_it() => PlantedSecret.Sample(
        planted =>
        {
            var capture = Capture();

            var arguments = capture.Arguments("t.f", Given.Value($$"""{"before":1,"outer":{{planted.Json}}}"""), out _);
            var result = capture.Result("t.f", Given.Value(planted.Json), out _);

            Assert.DoesNotContain(planted.Secret, arguments.GetRawText(), StringComparison.Ordinal);
            Assert.DoesNotContain(planted.Secret, result!.Value.GetRawText(), StringComparison.Ordinal);
            Assert.Equal("Used [redacted].", capture.Text($"Used {planted.Secret}."));
        },
        iter: 2000);

    [Theory]
    [InlineData("""{"password":"hunter2"}""", """{"password":"[redacted]"}""")]
    [InlineData("""{"password":["one","two"]}""", """{"password":"[redacted]"}""")]
    [InlineData("""{"credentials":{"user":"ann","key":"k"}}""", """{"credentials":"[redacted]"}""")]
    [InlineData("""{"pin":1234}""", """{"pin":"[redacted]"}""")]
    [InlineData("""{"password":null}""", """{"password":null}""")]
    [InlineData("""{"secret":true,"token":false}""", """{"secret":true,"token":false}""")]
    [InlineData("""{"page_token":"abc","max_tokens":7}""", """{"page_token":"abc","max_tokens":7}""")]
    [InlineData("""{"log":"login with password=hunter2 ok"}""", """{"log":"login with password=[redacted] ok"}""")]
    public void A_value_under_a_secret_name_is_redacted_as_a_whole(string arguments, string expected)
    {
        Given.JsonEqual(expected, Capture().Arguments("t.f", Given.Value(arguments), out var omitted));
        Given.JsonEqual(expected, Capture().Result("t.f", Given.Value(arguments), out _));
        Assert.Null(omitted);
    }

    [Fact]
    public void A_secret_that_a_name_gave_away_is_taken_out_of_later_texts_results_and_errors()
    {
        var capture = Capture();
        capture.Arguments("crm.login", Given.Value("""{"password":"correct horse"}"""), out _);

        Given.JsonEqual("""{"echo":["-[redacted]-"]}""", capture.Result("crm.echo", Given.Value("""{"echo":["-correct horse-"]}"""), out _));
        Assert.Equal("'[redacted]' was wrong", capture.Failure(new StepFailure("Denied", "'correct horse' was wrong"))!.Message);
    }

    [Theory]
    [InlineData("""{"note":"the password is hunter22","password":"hunter22"}""", """{"note":"the password is [redacted]","password":"[redacted]"}""")]
    [InlineData("""{"a":{"echo":["hunter22"]},"b":{"token":{"value":"hunter22"}}}""", """{"a":{"echo":["[redacted]"]},"b":{"token":"[redacted]"}}""")]
    [InlineData("""{"a":{"note":"hunter22","password":"hunter22","password":"x"}}""", """{"a":{"note":"[redacted]","password":"[redacted]"}}""")]
    [InlineData("""{"note":"hunter22","password":"hunter22","password":null}""", """{"note":"[redacted]","password":null}""")]
    [InlineData("""{"note":"hunter22-and-more, hunter22","secret":"hunter22","token":"hunter22-and-more"}""", """{"note":"[redacted], [redacted]","secret":"[redacted]","token":"[redacted]"}""")]
    public void A_secret_is_taken_out_of_what_stands_before_its_name_as_well(string value, string expected)
    {
        Given.JsonEqual(expected, Capture().Arguments("t.f", Given.Value(value), out _));
        Given.JsonEqual(expected, Capture().Result("t.f", Given.Value(value), out _));
    }

    [Fact]
    public void What_was_left_out_is_said_once_though_a_value_with_a_secret_is_looked_at_twice()
    {
        Capture(o => o.MaxValueDepth = 1).Arguments("t.f", Given.Value("""{"deep":[[]],"password":"hunter22"}"""), out var omitted);

        Assert.Equal("argument 'deep': it nests deeper than MaxValueDepth (1) allows", omitted);
    }

    [Fact]
    public void A_secret_that_is_not_valid_text_is_redacted_all_the_same() =>
        Given.JsonEqual("""{"password":"[redacted]"}""", Capture().Arguments("t.f", Given.Value("""{"password":"\ud800"}"""), out _));

    [Theory]
    [InlineData("\"sk-0123456789\"")]
    [InlineData("""{"value":"sk-0123456789"}""")]
    public void A_result_without_a_name_is_secret_where_the_host_says_so_of_its_action(string result)
    {
        var capture = Capture(o => o.Redactor = new KeysOf("vault.read"));

        Given.JsonEqual("\"[redacted]\"", capture.Result("vault.read", Given.Value(result), out _));
        Given.JsonEqual("""{"header":"key [redacted]"}""", capture.Arguments("web.call", Given.Value("""{"header":"key sk-0123456789"}"""), out _));
        Given.JsonEqual("\"plain text\"", capture.Result("web.call", Given.Text("plain text"), out _));
    }

    [Fact]
    public void A_secret_too_short_to_be_told_from_other_text_is_not_searched_for()
    {
        var capture = Capture();
        capture.Arguments("t.f", Given.Value("""{"password":"the"}"""), out _);

        Assert.Equal("the end", capture.Text("the end"));
    }

    [Fact]
    public void What_counts_as_secret_is_the_hosts_to_decide()
    {
        var capture = Capture(o => o.Redactor = new OnlyColours());

        Given.JsonEqual("""{"colour":"[redacted]","password":"plain"}""", capture.Arguments("t.f", Given.Value("""{"colour":"red","password":"plain"}"""), out _));
    }

    private static Gen<(string Secret, string Json)> PlantedSecret =>
        from secret in Gen.Char.AlphaNumeric.Array[8, 20].Select(c => "Zq" + new string(c))
        from name in Gen.OneOf(SecretNames)
        from shape in Gen.OneOf("\"{0}\"", "[\"{0}\"]", "[\"other\",[\"{0}\"]]", "{{\"value\":\"{0}\"}}", "{{\"inner\":{{\"deep\":[\"{0}\"]}}}}")
        from around in Gen.Select(Given.AnyText, Given.AnyValue, Gen.Bool).Array[0, 5]
        select (secret, around.Aggregate(
            $$"""{"{{name}}":{{string.Format(CultureInfo.InvariantCulture, shape, secret)}}}""",
            (json, layer) => layer.Item3 ? $"[{layer.Item2.GetRawText()},{json}]" : $"{{{JsonSerializer.Serialize("_" + layer.Item1)}:{json},\"zz\":{layer.Item2.GetRawText()}}}"));

    /// <summary>One value written in two ways.</summary>
    private static Gen<(string First, string Second)> TwoSpellings(int depth)
    {
        var number =
            from digits in Gen.Long[-999_999_999_999, 999_999_999_999]
            from zeros in Gen.Int[0, 4]
            from shift in Gen.Int[-6, 6]
            select (
                string.Create(CultureInfo.InvariantCulture, $"{digits}{(shift < 0 ? "E-" : "e")}{Math.Abs(shift)}"),
                string.Create(CultureInfo.InvariantCulture, $"{digits}{(digits == 0 ? "" : new string('0', zeros))}e{(digits == 0 ? shift : shift - zeros)}"));
        var text = Given.AnyText.Select(t => (JsonSerializer.Serialize(t), $"\"{string.Concat(t.Select(c => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")))}\""));
        var leaf = Gen.OneOf(number, text);
        if (depth == 0)
        {
            return leaf;
        }

        var inner = TwoSpellings(depth - 1);
        var array = inner.Array[0, 3].Select(i => ($"[{string.Join(',', i.Select(p => p.First))}]", $"[ {string.Join(" ,\n", i.Select(p => p.Second))} ]"));
        var members = Gen.Select(Given.AnyText, inner).Array[0, 4].Select(m => m.DistinctBy(p => p.Item1).ToArray());
        var @object = members.Select(m => (
            $"{{{string.Join(',', m.Select(p => $"{JsonSerializer.Serialize(p.Item1)}:{p.Item2.First}"))}}}",
            $"{{{string.Join(',', m.Reverse().Select(p => $"{JsonSerializer.Serialize(p.Item1)}:{p.Item2.Second}"))}}}"));
        return Gen.OneOf(leaf, array, @object);
    }

    private static string Canonical(JsonElement value) => Capture().Result("t.f", value, out _)!.Value.GetRawText();

    private static ValueCapture Capture(Action<ProceduralMemoryOptions>? configure = null)
    {
        var options = new ProceduralMemoryOptions();
        configure?.Invoke(options);
        return new ValueCapture(options);
    }

    private sealed class KeysOf(string keyAction) : IRedactor
    {
        public bool IsSecret(string action, string name) => action == keyAction && name == IRedactor.WholeResult;

        public string Redact(string text) => text;
    }

    private sealed class OnlyColours : IRedactor
    {
        public bool IsSecret(string action, string name) => name == "colour";

        public string Redact(string text) => text;
    }
}
