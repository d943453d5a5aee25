using System.Text.Json;
using CsCheck;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

public class SecretFlowTests
{
    private const string Token = "tk-93bd0c1fe58a";

    [Fact]
    public void A_session_token_that_the_login_gave_comes_from_the_login_and_only_the_password_has_to_be_given()
    {
        var distilled = Recorded.Distilled(LoggedIn("hunter22!", Token));

        Given.JsonEqual("""{"token":"$steps.login.outputs#/token","customer":"$inputs.customer"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["password"], distilled.Definition.Inputs.Where(i => i.Secret).Select(i => i.Name));
        Assert.Equal([Evidence.ResultOf("login"), Evidence.SameName], distilled.SourceOf("get/token").Evidence);
    }

    [Fact]
    public void Recordings_with_other_tokens_agree_on_where_the_token_comes_from()
    {
        var distilled = Recorded.Distilled(LoggedIn("hunter22!", "tk-first-0001"), LoggedIn("hunter22!", "tk-other-0002"), LoggedIn("secret-33!", "tk-third-0003"));

        Given.JsonEqual("""{"token":"$steps.login.outputs#/token","customer":"$inputs.customer"}""", distilled.Definition.Steps[1].Arguments);
    }

    [Theory]
    [InlineData("Bearer tk-93bd0c1fe58a", "Bearer {$steps.login.outputs#/token}")]
    [InlineData("session=tk-93bd0c1fe58a; path=/", "session={$steps.login.outputs#/token}; path=/")]
    public void A_token_inside_a_text_is_put_into_the_text_again(string header, string template)
    {
        var arguments = Recorded.LastArguments(Recorded.Task(
            null,
            ("auth.login", """{"user":"ada"}""", $$"""{"token":"{{Token}}"}"""),
            ("web.get", $$"""{"header":"{{header}}"}""", """{"ok":true}""")));

        Given.JsonEqual($$"""{"header":"{{template}}"}""", arguments);
    }

    [Fact]
    public void The_token_in_a_header_is_the_one_that_the_login_gave()
    {
        var arguments = Recorded.LastArguments(Recorded.Task(
            null,
            ("auth.login", """{"user":"ada"}""", $$"""{"token":"{{Token}}"}"""),
            ("web.get", $$"""{"authorization":"Bearer {{Token}}","headers":{"Authorization":"bearer {{Token}}"} }""", """{"ok":true}""")));

        Given.JsonEqual("""{"authorization":"Bearer {$steps.login.outputs#/token}","headers":{"Authorization":"bearer {$steps.login.outputs#/token}"}}""", arguments);
    }

    [Fact]
    public void Of_two_secrets_in_a_text_of_which_a_step_gave_one_the_text_as_a_whole_has_to_be_given()
    {
        var distilled = Recorded.Distilled(Recorded.Task(
            null,
            ("auth.login", """{"user":"ada"}""", $$"""{"token":"{{Token}}"}"""),
            ("web.get", $$"""{"header":"token={{Token}} password=hunter22!"}""", """{"ok":true}""")));

        Given.JsonEqual("""{"header":"$inputs.header"}""", distilled.Definition.Steps[1].Arguments);
        Assert.True(distilled.Definition.Inputs.Single(i => i.Name == "header").Secret);
    }

    [Fact]
    public void Keys_that_a_step_gave_together_are_told_apart()
    {
        var distilled = Recorded.Distilled(Recorded.Task(
            null,
            ("sts.assume", """{"role":"reader"}""", """{"credentials":{"access_key":"AK-aaa-111","session_token":"ST-bbb-222"}}"""),
            ("s3.list", """{"access_key":"AK-aaa-111","session_token":"ST-bbb-222","credentials":{"access_key":"AK-aaa-111","session_token":"ST-bbb-222"}}""", """{"ok":true}""")));

        Given.JsonEqual(
            """
            {"access_key":"$steps.assume.outputs#/credentials/access_key","session_token":"$steps.assume.outputs#/credentials/session_token",
             "credentials":"$steps.assume.outputs#/credentials"}
            """,
            distilled.Definition.Steps[1].Arguments);
        Assert.DoesNotContain(distilled.Definition.Inputs, i => i.Secret);
    }

    [Fact]
    public void Credentials_that_no_step_gave_are_one_input()
    {
        var distilled = Recorded.Distilled(Recorded.Task(null, ("s3.list", """{"credentials":{"access_key":"AK-aaa-111","secret":"ST-bbb-222"}}""", """{"ok":true}""")));

        Given.JsonEqual("""{"credentials":"$inputs.credentials"}""", distilled.Definition.Steps[0].Arguments);
    }

    [Fact]
    public void One_password_for_two_calls_is_one_input_and_two_passwords_are_two()
    {
        var same = Recorded.Distilled(Recorded.Task(null, ("a.open", """{"password":"hunter22!"}""", "{}"), ("b.open", """{"passphrase":"hunter22!"}""", "{}")));
        var other = Recorded.Distilled(Recorded.Task(null, ("a.open", """{"user":"ada","password":"hunter22!"}""", "{}"), ("a.open", """{"user":"bob","password":"hunter33!"}""", "{}")));

        Assert.Equal(["password"], same.InputNames());
        Assert.Equal(2, other.Definition.Inputs.Count(i => i.Secret));
    }

    [Fact]
    public void Recordings_of_before_there_were_fingerprints_ask_for_every_secret_as_they_did()
    {
        var distilled = Recorded.Distilled(Plain(LoggedIn("hunter22!", Token)));

        Given.JsonEqual("""{"token":"$inputs.token","customer":"$inputs.customer"}""", distilled.Definition.Steps[1].Arguments);
        Assert.Equal(["password", "token"], distilled.Definition.Inputs.Where(i => i.Secret).Select(i => i.Name));
    }

    [Fact]
    public void An_old_recording_does_not_stand_against_what_a_new_one_shows()
    {
        foreach (var traces in new[] { new[] { Plain(LoggedIn("hunter22!", Token)), LoggedIn("hunter22!", "tk-other-0002") }, [LoggedIn("hunter22!", "tk-other-0002"), Plain(LoggedIn("hunter22!", Token))] })
        {
            Given.JsonEqual("""{"token":"$steps.login.outputs#/token","customer":"$inputs.customer"}""", Recorded.Distilled(traces).Definition.Steps[1].Arguments);
        }
    }

    [Fact]
    public void A_session_of_a_list_is_chosen_by_its_name_and_never_by_its_token()
    {
        var arguments = Recorded.LastArguments(Recorded.Task(
            "use the session called nightly",
            ("auth.sessions", "{}", """{"sessions":[{"name":"daily","token":"tk-aaaa-1111"},{"name":"nightly","token":"tk-bbbb-2222"}]}"""),
            ("job.run", """{"token":"tk-bbbb-2222"}""", "{}")));

        Given.JsonEqual("""{"token":"$steps.sessions.outputs$.sessions[?@.name==$inputs.name].token"}""", arguments);
    }

    [Fact]
    public void Every_round_of_a_loop_takes_the_token_of_its_element()
    {
        var distilled = Recorded.Distilled(Recorded.Task(
            null,
            ("auth.sessions", "{}", """{"sessions":[{"token":"tk-aaaa-1111"},{"token":"tk-bbbb-2222"},{"token":"tk-cccc-3333"}]}"""),
            ("auth.close", """{"token":"tk-aaaa-1111"}""", "{}"),
            ("auth.close", """{"token":"tk-bbbb-2222"}""", "{}"),
            ("auth.close", """{"token":"tk-cccc-3333"}""", "{}")));

        var loop = distilled.Definition.Steps[^1];
        Assert.Equal((StepKind.Loop, "$steps.sessions.outputs#/sessions"), (loop.Kind, loop.ForEach));
        Given.JsonEqual("""{"token":"$item#/token"}""", loop.Steps.Single().Arguments);
        Assert.Empty(distilled.Definition.Inputs);
    }

    [Fact]
    public void No_version_holds_a_mark_of_any_form() => Gen.Select(Gen.Int[1, 3], Gen.Int[0, 10_000]).Sample((recordings, seed) =>
    {
        var traces = Enumerable.Range(0, recordings).Select(i => Anything(new Random(seed + i))).ToArray();

        Assert.DoesNotContain("[redacted", Recorded.Document(Recorded.Distilled(traces)), StringComparison.Ordinal);
    });

    /// <summary>Calls that take and give secrets in every place: whole, in texts, in lists, in objects, under names that tell and under others, as names of members.</summary>
    private static Trace Anything(Random random)
    {
        string[] secrets = ["tk-93bd0c1fe58a", "hunter22!", "ghp_" + new string('a', 20) + new string('7', 16), "1234"];
        string Secret() => secrets[random.Next(secrets.Length)];
        string Value() => random.Next(6) switch
        {
            0 => $"\"{Secret()}\"",
            1 => $"\"Bearer {Secret()} for {Secret()}\"",
            2 => $"[\"{Secret()}\",\"plain\"]",
            3 => $$"""{"token":"{{Secret()}}","id":"W1"}""",
            4 => $$"""{"{{Secret()}}":{"id":"W2"},"status":"token={{Secret()}}"}""",
            _ => "\"plain\"",
        };
        var calls = Enumerable.Range(0, 3).Select(i => ($"t.f{i}", $$"""{"token":"{{Secret()}}","value":{{Value()}},"other":{{Value()}}}""", $$"""{"session":{"token":"{{Secret()}}"},"status":{{Value()}},"list":[{{Value()}},{{Value()}}]}"""));
        return Recorded.Task("do it", $$"""{"password":"{{secrets[1]}}"}""", random.Next(2) == 0 ? StepEffect.Read : StepEffect.Write, [.. calls]);
    }

    private static Trace LoggedIn(string password, string token) => Recorded.Task(
        "Log in and look up customer C-77",
        ("auth.login", $$"""{"user":"ada","password":"{{password}}"}""", $$"""{"token":"{{token}}","expires":3600}"""),
        ("crm.get", $$"""{"token":"{{token}}","customer":"C-77"}""", """{"name":"Grace"}"""));

    private static Trace Plain(Trace trace) => trace with
    {
        Steps = [.. trace.Steps.Select(s => s with { Arguments = RedactionMarker.Plain(s.Arguments), Result = s.Result is { } result ? RedactionMarker.Plain(result) : (JsonElement?)null })],
    };
}
