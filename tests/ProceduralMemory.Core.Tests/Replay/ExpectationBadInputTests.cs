using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>Expectations that cannot be right are refused when they come in, with the mend; those that got in are no danger.</summary>
public sealed class ExpectationBadInputTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.InMemory();

    private ProcedureMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Theory]
    [InlineData("""{"kind":"contains","value":1}""", "takes a string")]
    [InlineData("""{"kind":"shape","value":"object"}""", "JSON Schema")]
    [InlineData("""{"kind":"shape","value":[]}""", "JSON Schema")]
    [InlineData("""{"kind":"shape","value":{"type":"text"}}""", "'type' is one of string, number")]
    [InlineData("""{"kind":"shape","value":{"type":[]}}""", "'type' is one of")]
    [InlineData("""{"kind":"shape","value":{"required":"id"}}""", "'required' is a list of names")]
    [InlineData("""{"kind":"shape","value":{"properties":[]}}""", "'properties' is an object")]
    [InlineData("""{"kind":"shape","value":{"properties":{"a":{"minLength":2}}}}""", "'minLength' at /properties/a is not compared")]
    [InlineData("""{"kind":"shape","value":{"items":{"items":false}}}""", "boolean at /items/items")]
    [InlineData("""{"kind":"range","value":5}""", "takes an object of bounds")]
    [InlineData("""{"kind":"range","value":{}}""", "no bound")]
    [InlineData("""{"kind":"range","value":{"min":1}}""", "no 'min'")]
    [InlineData("""{"kind":"range","value":{"minimum":"NaN"}}""", "'minimum' is string")]
    [InlineData("""{"kind":"range","value":{"minimum":null}}""", "'minimum' is null")]
    [InlineData("""{"kind":"range","value":{"minimum":10,"maximum":1}}""", "Exchange 'minimum' and 'maximum'")]
    [InlineData("""{"kind":"range","value":{"exclusiveMinimum":1.0,"maximum":1}}""", "No number is > 1.0 and ≤ 1.")]
    [InlineData("""{"kind":"range","value":{"minimum":1e400,"exclusiveMaximum":9e399}}""", "No number is")]
    [InlineData("""{"kind":"pattern","value":7}""", "regular expression as a string")]
    [InlineData("""{"kind":"pattern","value":""}""", "regular expression as a string")]
    [InlineData("""{"kind":"pattern","value":"order (\\d+"}""", "no regular expression: Invalid pattern")]
    [InlineData("""{"kind":"pattern","value":"(?=ok)"}""", "look-around")]
    [InlineData("""{"kind":"pattern","value":"(a)\\1"}""", "backreference")]
    [InlineData("""{"kind":"pattern","value":"((a{1,900}){1,900}){1,900}b"}""", "repeats so much")]
    [InlineData("""{"kind":"noError","value":"x"}""", "takes no value")]
    [InlineData("""{"kind":"custom"}""", "names its judge")]
    [InlineData("""{"kind":"custom","judge":" "}""", "names its judge")]
    [InlineData("""{"kind":"custom","judge":"a\u0007b"}""", "names its judge")]
    [InlineData("""{"kind":"exact","value":1,"judge":"polite"}""", "Only an expectation of kind 'custom'")]
    [InlineData("""{"kind":"exact"}""", "'exact' compares with. Give it as 'value'")]
    [InlineData("""{"kind":"subset"}""", "'subset' compares with. Give it as 'value'")]
    [InlineData("""{"kind":"exact","value":1,"at":"status"}""", "Write it as /order/status")]
    [InlineData("""{"kind":"exact","value":1,"at":"/a~2"}""", "~1 for a slash")]
    public async Task An_expectation_that_cannot_be_compared_is_refused_with_the_mend(string expectation, string says)
    {
        var imported = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.ImportAsync($$"""{"format":4,"name":"p","steps":[{"action":"t.a","expectation":{{expectation}} }]}"""));
        var stored = await _test.RefusesAsync<ProcedureFormatException>(() => Memory.StoreAsync(Given.Definition("p", Given.Step("t.a") with { Expectation = Read(expectation) })));

        Assert.All([imported, stored], error =>
        {
            Assert.StartsWith("steps[0].expectation", Assert.Single(error.Problems).Path, StringComparison.Ordinal);
            Assert.Contains(says, error.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_kind_that_is_none_is_refused()
    {
        var error = await _test.RefusesAsync<ProcedureFormatException>(() => StoreAsync(new Expectation { Kind = (ExpectationKind)99, Value = Given.Value("1") }));

        Assert.Contains("99 is no kind of expectation. Take one of exact, shape", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pattern_a_pointer_and_a_value_have_a_longest_length()
    {
        await StoreAsync(new Expectation { Kind = ExpectationKind.Pattern, Value = Given.Text(new string('a', 1_000)) });
        await StoreAsync(new Expectation { Kind = ExpectationKind.NoError, At = "/" + new string('a', 999) });

        Assert.Contains("1001 characters; 1000 are the most", (await _test.RefusesAsync<ProcedureFormatException>(() => StoreAsync(new Expectation { Kind = ExpectationKind.Pattern, Value = Given.Text(new string('a', 1_001)) }))).Message, StringComparison.Ordinal);
        Assert.Contains("1001 characters; 1000 are the most", (await _test.RefusesAsync<ProcedureFormatException>(() => StoreAsync(new Expectation { Kind = ExpectationKind.NoError, At = "/" + new string('a', 1_000) }))).Message, StringComparison.Ordinal);
        Assert.Contains("MaxValueBytes", (await _test.RefusesAsync<ProcedureFormatException>(() => StoreAsync(new Expectation { Kind = ExpectationKind.Exact, Value = Given.Text(new string('a', 1024 * 1024)) }))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("^(a|a)*b$")]
    [InlineData("(a*)*(a*)*(a*)*b")]
    [InlineData("(.*)*(.*)*(.*)*x")]
    [InlineData("(a?){99}a{99}b")]
    [InlineData(".*[ab]{500}c")]
    public async Task A_pattern_that_would_take_for_ever_elsewhere_answers_on_a_megabyte(string pattern)
    {
        var text = new string('a', 1_000_000) + "!";

        var step = await ReplayAsync(new Expectation { Kind = ExpectationKind.Pattern, Value = Given.Text(pattern), Strength = ExpectationStrength.Observed }, JsonSerializer.Serialize(text));

        Assert.NotEqual(OutcomeMatch.Matched, step.Match);
        Assert.True(Assert.Single(step.Differences).Length < 400);
    }

    public static TheoryData<ExpectationKind> Comparing => [ExpectationKind.Exact, ExpectationKind.Subset, ExpectationKind.Shape];

    [Theory]
    [MemberData(nameof(Comparing))]
    public async Task Results_of_a_megabyte_are_compared_however_their_members_are_ordered(ExpectationKind kind)
    {
        var names = Enumerable.Range(0, 60_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"m{i}")).ToList();
        var result = $"{{{string.Join(',', names.AsEnumerable().Reverse().Select(n => $"\"{n}\":1"))}}}";
        var other = result.Replace("\"m59999\":1", "\"m59999\":true", StringComparison.Ordinal);
        var value = Given.Value($"{{{string.Join(',', names.Select(n => $"\"{n}\":1"))}}}");
        var expectation = new Expectation
        {
            Kind = kind,
            Value = kind is ExpectationKind.Shape ? Given.Value($"{{\"properties\":{{{string.Join(',', names.Skip(20_000).Select(n => $"\"{n}\":{{\"const\":1}}"))}}}}}") : value,
        };

        Assert.Equal(OutcomeMatch.Matched, (await ReplayAsync(expectation, result)).Match);
        Assert.StartsWith("/m59999 is true", Assert.Single((await ReplayAsync(expectation, other)).Differences), StringComparison.Ordinal);
    }

    [Fact]
    public void The_shape_of_a_megabyte_of_members_is_made_and_holds()
    {
        var value = Given.Value($"{{{string.Join(',', Enumerable.Range(0, 60_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"\"m{i}\":1")))}}}");

        var shape = OutcomeComparer.ShapeOf(value);

        Assert.Equal(OutcomeMatch.Matched, OutcomeComparer.Compare(new Expectation { Kind = ExpectationKind.Shape, Value = shape }, value).Match);
        Assert.Equal(100, shape.GetProperty("required").GetArrayLength());
    }

    [Fact]
    public async Task What_is_told_of_endless_values_and_names_is_short()
    {
        var name = new string('n', 10_000);
        var value = new string('v', 10_000);

        var step = await ReplayAsync(new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value($$"""{"{{name}}":"{{value}}","b":"x"}""") }, $$"""{"{{name}}":"{{value}}!","b":"{{value}}","c":{} }""");

        Assert.Equal(3, step.Differences.Count);
        Assert.All(step.Differences, d => Assert.InRange(d.Length, 1, 320));
    }

    [Fact]
    public async Task Secrets_stand_neither_in_what_is_stored_nor_in_what_is_told()
    {
        const string secret = "hunter2-hunter2";
        var step = Given.Step("t.a", "{}", "a");
        await Memory.StoreAsync(Given.Definition(
            "p",
            step with { Id = "exact", OnFailure = FailurePolicy.Continue, Expectation = new Expectation { Kind = ExpectationKind.Exact, Value = Given.Value($$"""{"password":"{{secret}}","note":"fine"}""") } },
            step with { Id = "at", OnFailure = FailurePolicy.Continue, Expectation = new Expectation { Kind = ExpectationKind.Exact, At = "/password", Value = Given.Text(secret) } },
            step with { Id = "shape", OnFailure = FailurePolicy.Continue, Expectation = new Expectation { Kind = ExpectationKind.Shape, Value = Given.Value($$"""{"properties":{"password":{"type":"string","const":"{{secret}}"},"note":{"const":"fine"} } }""") } },
            step with { Id = "pattern", OnFailure = FailurePolicy.Continue, Expectation = new Expectation { Kind = ExpectationKind.Pattern, At = "/note", Value = Given.Text($"^password: {secret}$") } },
            step with { Id = "subset", OnFailure = FailurePolicy.Continue, Expectation = new Expectation { Kind = ExpectationKind.Subset, Value = Given.Value($$"""{"note":"{{secret}}"}""") } }));
        var executor = new ScriptedExecutor().Returns("t.a", $$"""{"password":"{{secret}}!","note":"it is {{secret}}!"}""");

        var result = await Memory.ReplayAsync(executor, "p", Given.With());

        Assert.DoesNotContain("hunter2", _test.Dump(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", await Memory.ExportAsync("p"), StringComparison.Ordinal);
        Assert.All(result.Steps, s => Assert.DoesNotContain("hunter2", $"{string.Join(' ', s.Differences)} {s.Failure?.Message}", StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", result.Message, StringComparison.Ordinal);
        Assert.Equal(
            [OutcomeMatch.Differs, OutcomeMatch.CannotTell, OutcomeMatch.Differs, OutcomeMatch.CannotTell, OutcomeMatch.CannotTell],
            result.Steps.Select(s => s.Match!.Value));
    }

    [Fact]
    public async Task What_a_redactor_calls_secret_as_a_whole_is_not_told_either()
    {
        using var test = TestMemory.InMemory(o => o.Redactor = new WholeResults());
        await test.Memory.StoreAsync(Given.Definition("p", Given.Step("t.key") with { Expectation = new Expectation { Kind = ExpectationKind.Range, Value = Given.Value("""{"minimum":77777777}""") } }));
        await test.Memory.StoreAsync(Given.Definition("q", Given.Step("t.key") with { Expectation = new Expectation { Kind = ExpectationKind.Shape, Value = Given.Value("""{"type":"string"}""") } }));
        var executor = new ScriptedExecutor().Returns("t.key", "66666666");

        var range = (await test.Memory.ReplayAsync(executor, "p", Given.With())).Steps[0];
        var shape = (await test.Memory.ReplayAsync(executor, "q", Given.With())).Steps[0];

        Assert.Equal(OutcomeMatch.CannotTell, range.Match);
        Assert.Equal("the result is not as expected (secret, so not shown)", Assert.Single(shape.Differences));
        Assert.DoesNotContain("77777777", test.Dump(), StringComparison.Ordinal);
    }

    private static Expectation Read(string json) => JsonSerializer.Deserialize<Expectation>(json, Json.Exchanged)!;

    private Task<Procedure> StoreAsync(Expectation expectation) =>
        Memory.StoreAsync(Given.Definition(Guid.CreateVersion7().ToString("N"), Given.Step("t.a") with { Expectation = expectation }));

    private async Task<StepOutcome> ReplayAsync(Expectation expectation, string result)
    {
        var procedure = await StoreAsync(expectation);
        return (await Memory.ReplayAsync(new ScriptedExecutor().Returns("t.a", result), procedure.Name, Given.With())).Steps[0];
    }

    private sealed class WholeResults : IRedactor
    {
        public bool IsSecret(string action, string name) => action == "t.key" && name == IRedactor.WholeResult;

        public string Redact(string text) => text;
    }
}
