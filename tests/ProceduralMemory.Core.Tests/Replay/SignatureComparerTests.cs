using System.Text.Json;
using CsCheck;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What a change of a function's parameters means for a step that was recorded before it.</summary>
public sealed class SignatureComparerTests
{
    // What is declared stands as name: schema, with a ! behind the names that are required.
    [Theory]
    [InlineData("the same", """{"order!":{"type":"string"}}""", """{"order!":{"type":"string"}}""", """{"order":"W-1"}""", DriftKind.Same, "")]
    [InlineData("another order of the parameters", """{"a":{"type":"string"},"b":{"type":"string"}}""", """{"b":{"type":"string"},"a":{"type":"string"}}""", "{}", DriftKind.Same, "")]
    [InlineData("another case of a name", """{"order!":{"type":"string"}}""", """{"Order!":{"type":"string"}}""", """{"order":"W-1"}""", DriftKind.Same, "")]
    [InlineData("an optional parameter more", """{"order!":{"type":"string"}}""", """{"order!":{"type":"string"},"lang":{"type":"string"}}""", """{"order":"W-1"}""", DriftKind.Compatible, "It takes 'lang' since, which may be left out.")]
    [InlineData("a required parameter more that has a default", """{"order!":{}}""", """{"order!":{},"lang!":{"type":"string","default":"en"}}""", """{"order":"W-1"}""", DriftKind.Compatible, "'lang'")]
    [InlineData("a required parameter more that the step gives", """{"order!":{}}""", """{"order!":{},"lang!":{"type":"string"}}""", """{"order":"W-1","lang":"en"}""", DriftKind.Compatible, "It takes 'lang' since, which is given.")]
    [InlineData("a required parameter more", """{"order!":{}}""", """{"order!":{},"currency!":{"type":"string"}}""", """{"order":"W-1"}""", DriftKind.Breaking, "It needs 'currency' (string) now, which was not there when the task was recorded, and the step does not give it. Give it as an adapted parameter, or record the task anew.")]
    [InlineData("an optional parameter that is required now", """{"lang":{}}""", """{"lang!":{}}""", "{}", DriftKind.Breaking, "It needs 'lang' (any type) now, which could be left out")]
    [InlineData("an optional parameter that is required now, and given", """{"lang":{}}""", """{"lang!":{}}""", """{"lang":"en"}""", DriftKind.Same, "")]
    [InlineData("a required parameter that is optional now", """{"lang!":{}}""", """{"lang":{}}""", """{"lang":"en"}""", DriftKind.Same, "")]
    [InlineData("a parameter less that the step does not give", """{"order":{},"lang":{}}""", """{"order":{}}""", """{"order":"W-1"}""", DriftKind.Compatible, "It no longer takes 'lang', which the step does not give.")]
    [InlineData("a parameter less that the step gives", """{"order":{},"lang":{}}""", """{"order":{}}""", """{"order":"W-1","lang":"en"}""", DriftKind.Breaking, "It no longer takes 'lang', which the step gives. Record the task anew, or store a version without it.")]
    [InlineData("another description", """{"a":{"description":"x"}}""", """{"a":{"description":"y"}}""", """{"a":1}""", DriftKind.Compatible, "It describes 'a' otherwise.")]
    [InlineData("a description whose secret was taken out", """{"a":{"description":"[redacted]"}}""", """{"a":{"description":"hunter2"}}""", """{"a":1}""", DriftKind.Same, "")]
    [InlineData("another default of what the step leaves to it", """{"dry_run":{"default":true}}""", """{"dry_run":{"default":false}}""", "{}", DriftKind.Compatible, "It has another default for 'dry_run' now, which the step leaves to it.")]
    [InlineData("other rules", """{"a":{"type":"string","maxLength":9}}""", """{"a":{"type":"string","maxLength":8,"format":"date"}}""", """{"a":"x"}""", DriftKind.Compatible, "It has other rules for 'a' now (format, maxLength).")]
    [InlineData("a wider type", """{"a":{"type":"integer"}}""", """{"a":{"type":"number"}}""", """{"a":1}""", DriftKind.Compatible, "It takes number for 'a' now, where it took integer.")]
    [InlineData("null as well", """{"a":{"type":"string"}}""", """{"a":{"type":["string","null"]}}""", """{"a":"x"}""", DriftKind.Compatible, "It takes string or null for 'a' now, where it took string.")]
    [InlineData("any type", """{"a":{"type":"string"}}""", """{"a":{}}""", """{"a":"x"}""", DriftKind.Compatible, "any type")]
    [InlineData("a narrower type", """{"a":{"type":"number"}}""", """{"a":{"type":"integer"}}""", """{"a":"$inputs.a"}""", DriftKind.Breaking, "It takes integer for 'a' now, where it took number. Give another value as an adapted parameter, or record the task anew.")]
    [InlineData("a type where any was taken", """{"a":{}}""", """{"a":{"type":"string"}}""", """{"a":"x"}""", DriftKind.Breaking, "It takes string for 'a' now, where it took any type.")]
    [InlineData("another type", """{"a":{"type":"integer"}}""", """{"a":{"type":"string"}}""", """{"a":"$steps.get.outputs"}""", DriftKind.Breaking, "It takes string for 'a' now, where it took integer.")]
    [InlineData("another type of what the step does not give", """{"a":{"type":"integer"}}""", """{"a":{"type":"string"}}""", "{}", DriftKind.Compatible, "It takes string for 'a' now")]
    [InlineData("a branch less", """{"a":{"anyOf":[{"type":"string"},{"type":"integer"}]}}""", """{"a":{"anyOf":[{"type":"string"}]}}""", """{"a":"x"}""", DriftKind.Breaking, "It takes string for 'a' now")]
    [InlineData("no null any more", """{"a":{"type":["string","null"]}}""", """{"a":{"type":"string"}}""", """{"a":"$inputs.a"}""", DriftKind.Compatible, "It no longer takes null for 'a'.")]
    [InlineData("no null any more, where the step gives it", """{"a":{"type":["string","null"]}}""", """{"a":{"type":"string"}}""", """{"a":null}""", DriftKind.Breaking, "It no longer takes null for 'a', which the step gives.")]
    [InlineData("a choice less that is the step's", """{"class":{"enum":["eco","first"]}}""", """{"class":{"enum":["eco"]}}""", """{"class":"first"}""", DriftKind.Breaking, "It no longer takes \"first\" for 'class' that the step gives; it takes \"eco\".")]
    [InlineData("a choice less that is not the step's", """{"class":{"enum":["eco","first"]}}""", """{"class":{"enum":["eco"]}}""", """{"class":"eco"}""", DriftKind.Compatible, "It takes only \"eco\" for 'class' now.")]
    [InlineData("a choice less, where the value is not known yet", """{"class":{"enum":["eco","first"]}}""", """{"class":{"enum":["eco"]}}""", """{"class":"$inputs.class"}""", DriftKind.Compatible, "It takes only \"eco\" for 'class' now.")]
    [InlineData("choices where there were none, without the step's", """{"class":{"type":"string"}}""", """{"class":{"type":"string","enum":["eco"]}}""", """{"class":"first"}""", DriftKind.Breaking, "It no longer takes \"first\"")]
    [InlineData("a constant that looks like an expression", """{"class":{"enum":["$inputs.a","b"]}}""", """{"class":{"enum":["b"]}}""", """{"class":"$$$inputs.a"}""", DriftKind.Breaking, "It no longer takes \"$inputs.a\"")]
    [InlineData("a choice more", """{"class":{"enum":["eco"]}}""", """{"class":{"enum":["eco","first"]}}""", """{"class":"eco"}""", DriftKind.Compatible, "It takes further values for 'class' now.")]
    [InlineData("any choice", """{"class":{"enum":["eco"]}}""", """{"class":{}}""", """{"class":"eco"}""", DriftKind.Compatible, "It takes any value for 'class' now")]
    [InlineData("a value that was no choice before either", """{"class":{"enum":["eco"]}}""", """{"class":{"enum":["eco","first"]}}""", """{"class":"none"}""", DriftKind.Compatible, "further values")]
    [InlineData("a member less that the step gives", """{"to":{"properties":{"city":{},"zip":{}}}}""", """{"to":{"properties":{"city":{}}}}""", """{"to":{"city":"Rome","zip":"$inputs.zip"}}""", DriftKind.Breaking, "It no longer takes 'zip' of 'to', which the step gives.")]
    [InlineData("a member less of what an earlier step gives", """{"to":{"properties":{"city":{},"zip":{}}}}""", """{"to":{"properties":{"city":{}}}}""", """{"to":"$steps.a.outputs"}""", DriftKind.Compatible, "It no longer takes 'zip' of 'to'.")]
    [InlineData("a needed member more", """{"to":{"properties":{"city":{}}}}""", """{"to":{"properties":{"city":{},"zip":{}},"required":["zip"]}}""", """{"to":{"city":"Rome"}}""", DriftKind.Breaking, "It needs 'zip' of 'to' now.")]
    [InlineData("another type of a member of an element", """{"lines":{"items":{"properties":{"sku":{"type":"string"}}}}}""", """{"lines":{"items":{"properties":{"sku":{"type":"integer"}}}}}""", """{"lines":[{"sku":"a"},{"sku":"b"}]}""", DriftKind.Breaking, "It takes integer for 'sku' of an element of 'lines' now, where it took string.")]
    [InlineData("another spelling", """{"orderId!":{"type":"string"},"orderName!":{"type":"string"}}""", """{"order_id!":{"type":"string"},"order_name!":{"type":"string"}}""", """{"orderId":"W-1","orderName":"x"}""", DriftKind.Renamed, "'orderId' has the name 'order_id' now.")]
    [InlineData("a name that says more", """{"amount!":{"type":"integer"}}""", """{"amount_cents!":{"type":"integer"}}""", """{"amount":7}""", DriftKind.Renamed, "'amount' has the name 'amount_cents' now.")]
    [InlineData("a name that says less", """{"order_id!":{"type":"string"}}""", """{"id!":{"type":"string"}}""", """{"order_id":"W-1"}""", DriftKind.Renamed, "'order_id' has the name 'id' now.")]
    [InlineData("a name written out", """{"cust_id!":{"type":"integer"}}""", """{"customer_id!":{"type":"integer"}}""", """{"cust_id":7}""", DriftKind.Renamed, "'cust_id' has the name 'customer_id' now.")]
    [InlineData("a name and an optional parameter more", """{"order!":{"type":"string"}}""", """{"order_id!":{"type":"string"},"lang":{"type":"string"}}""", """{"order":"W-1"}""", DriftKind.Renamed, "'lang' since")]
    [InlineData("a like name of another type", """{"amount!":{"type":"integer"}}""", """{"amount_cents!":{"type":"string"}}""", """{"amount":7}""", DriftKind.Breaking, "It no longer takes 'amount', which the step gives.")]
    [InlineData("another name of the same type", """{"amount!":{"type":"integer"}}""", """{"weight!":{"type":"integer"}}""", """{"amount":7}""", DriftKind.Breaking, "It no longer takes 'amount', which the step gives.")]
    [InlineData("a word more and another less", """{"customer_id!":{"type":"string"}}""", """{"customer_name!":{"type":"string"}}""", """{"customer_id":"C-1"}""", DriftKind.Breaking, "It no longer takes 'customer_id', which the step gives.")]
    [InlineData("another number", """{"line1!":{"type":"string"}}""", """{"line2!":{"type":"string"}}""", """{"line1":"x"}""", DriftKind.Breaking, "It no longer takes 'line1'")]
    [InlineData("two names that it may be", """{"amount!":{"type":"integer"}}""", """{"amount_cents!":{"type":"integer"},"amount_total!":{"type":"integer"}}""", """{"amount":7}""", DriftKind.Breaking, "It no longer takes 'amount', and may call it 'amount_cents' or 'amount_total' now: which of them is not guessed.")]
    [InlineData("one name that two may be", """{"from_city":{"type":"string"},"to_city":{"type":"string"}}""", """{"city":{"type":"string"}}""", """{"from_city":"Rome"}""", DriftKind.Breaking, "It no longer takes 'from_city'")]
    [InlineData("a new name whose choices lack the step's", """{"mode":{"enum":["a","b"]}}""", """{"mode_name":{"enum":["b"]}}""", """{"mode":"a"}""", DriftKind.Breaking, "It no longer takes \"a\" for 'mode_name'")]
    [InlineData("a new name that the step gives as well", """{"amount":{}}""", """{"amount_cents":{}}""", """{"amount":7,"amount_cents":8}""", DriftKind.Breaking, "It no longer takes 'amount'")]
    public void A_change_is_what_it_means_for_the_step(string change, string recorded, string today, string arguments, DriftKind kind, string says)
    {
        var comparison = Compare(recorded, today, arguments);

        Assert.True(kind == comparison.Kind, $"{change}: {comparison.Kind}, {Said(comparison)}");
        Assert.Contains(says, Said(comparison), StringComparison.Ordinal);
        Assert.Equal(kind is DriftKind.Same, Said(comparison).Length == 0);
    }

    [Fact]
    public void What_the_caller_gives_by_the_new_name_is_no_guess_and_by_the_old_name_is_asked_for_by_the_new_one()
    {
        var (recorded, today) = (Schema("""{"amount!":{"type":"integer"}}"""), Schema("""{"amount_cents!":{"type":"integer"}}"""));

        var byNewName = SignatureComparer.Compare(recorded, today, [new("amount", Given.Value("7")), new("amount_cents", Given.Value("700")) { IsAdapted = true }]);
        var byOldName = SignatureComparer.Compare(recorded, today, [new("amount", Given.Value("7")) { IsAdapted = true }]);

        Assert.Equal((DriftKind.Compatible, "amount_cents"), (byNewName.Kind, byNewName.Renames["amount"]));
        Assert.Equal(DriftKind.Breaking, byOldName.Kind);
        Assert.Contains("Its name is 'amount_cents' now: give it by that name.", Said(byOldName), StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_the_caller_gives_is_meant_for_the_function_as_it_is() =>
        Assert.Equal(DriftKind.Compatible, SignatureComparer.Compare(Schema("""{"a":{"type":"integer"}}"""), Schema("""{"a":{"type":"string"}}"""), [new("a", Given.Value("\"x\"")) { IsAdapted = true }]).Kind);

    [Fact]
    public void A_value_made_of_inputs_is_not_told()
    {
        var comparison = SignatureComparer.Compare(Schema("""{"key":{"enum":["hunter2","b"]}}"""), Schema("""{"key":{"enum":["b"]}}"""), [new("key", Given.Value("\"hunter2\"")) { IsPrivate = true }]);

        Assert.Equal(DriftKind.Breaking, comparison.Kind);
        Assert.DoesNotContain("hunter2", Said(comparison), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_replay_fills_in_itself_is_not_missed() =>
        Assert.Equal(DriftKind.Compatible, SignatureComparer.Compare(Schema("{}"), Schema("""{"key!":{"type":"string"}}"""), [], filledIn: "key").Kind);

    [Theory]
    [InlineData("{}", """{"properties":{"a":{}},"required":["a"]}""")]
    [InlineData("[]", """{"properties":{"a":{}},"required":["a"]}""")]
    [InlineData("""{"properties":{"a":{}}}""", "{}")]
    [InlineData("""{"properties":{"a":{}}}""", "null")]
    [InlineData("""{"properties":[]}""", """{"properties":{"a":{}},"required":["a"]}""")]
    public void Of_what_is_not_known_nothing_is_said(string recorded, string today) =>
        Assert.Equal(DriftKind.Same, SignatureComparer.Compare(Given.Value(recorded), Given.Value(today), [new("a", Json.Null)]).Kind);

    [Fact]
    public void Every_signature_is_the_same_as_itself() =>
        Gen.Select(AnySignature, AnyArguments).Sample((signature, arguments) => Assert.Equal(DriftKind.Same, SignatureComparer.Compare(signature.ToSchema(), signature.ToSchema(), arguments).Kind));

    [Fact]
    public void Optional_parameters_more_never_break_a_step() =>
        Gen.Select(AnySignature, AnySignature, AnyArguments).Sample((signature, more, arguments) =>
        {
            var wider = new Signature([.. signature.Parameters.Concat(more.Parameters.Select(p => p with { IsRequired = false })).DistinctBy(p => p.Name, StringComparer.OrdinalIgnoreCase)]);

            Assert.True(SignatureComparer.Compare(signature.ToSchema(), wider.ToSchema(), arguments).Kind is DriftKind.Same or DriftKind.Compatible);
        });

    [Fact]
    public void The_order_of_parameters_and_of_arguments_means_nothing() =>
        Gen.Select(AnySignature, AnySignature, AnyArguments, Gen.Int).Sample((recorded, today, arguments, seed) =>
        {
            var random = new Random(seed);
            Signature Shuffled(Signature signature) => new([.. signature.Parameters.OrderBy(_ => random.Next())]);

            var comparison = SignatureComparer.Compare(recorded.ToSchema(), today.ToSchema(), arguments);
            var shuffled = SignatureComparer.Compare(Shuffled(recorded).ToSchema(), Shuffled(today).ToSchema(), [.. arguments.OrderBy(_ => random.Next())]);

            Assert.Equal(comparison.Changes.Order(Comparer<SignatureChange>.Create((a, b) => string.CompareOrdinal(a.Message, b.Message))), shuffled.Changes.Order(Comparer<SignatureChange>.Create((a, b) => string.CompareOrdinal(a.Message, b.Message))));
            Assert.Equal(comparison.Renames.OrderBy(r => r.Key, StringComparer.Ordinal), shuffled.Renames.OrderBy(r => r.Key, StringComparer.Ordinal));
        });

    [Fact]
    public void A_step_that_is_not_broken_gives_what_is_needed_and_nothing_that_is_not_taken() =>
        Gen.Select(AnySignature, AnySignature).Sample((recorded, today) =>
        {
            // What a step gives that was recorded: all that is required, and some of the rest.
            List<GivenArgument> arguments = [.. recorded.Parameters.Where(p => p.IsRequired || p.Name.Length % 2 == 0).Select(p => new GivenArgument(p.Name, Given.Value("\"$inputs.x\"")))];

            var comparison = SignatureComparer.Compare(recorded.ToSchema(), today.ToSchema(), arguments);

            if (comparison.Kind is not DriftKind.Breaking)
            {
                var names = arguments.Select(a => comparison.Renames.GetValueOrDefault(a.Name, a.Name)).ToList();
                Assert.All(names, n => Assert.Contains(today.Parameters, p => string.Equals(p.Name, n, StringComparison.OrdinalIgnoreCase)));
                Assert.All(today.Parameters.Where(p => p.IsRequired), p => Assert.Contains(names, n => string.Equals(p.Name, n, StringComparison.OrdinalIgnoreCase)));
                Assert.Equal(names.Count, names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
            }
        });

    [Fact]
    public void No_schema_and_no_argument_makes_it_fail() =>
        Gen.Select(Given.AnyObject, Given.AnyObject, Given.AnyObject, Given.AnyObject).Sample((a, b, inner, arguments) =>
        {
            // Nonsense in the places where schemas stand.
            JsonElement Nonsense(JsonElement of) => JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement> { ["properties"] = of, ["required"] = inner });
            _ = SignatureComparer.Compare(Nonsense(a), Nonsense(b), [.. arguments.EnumerateObject().Concat(a.EnumerateObject()).Select(m => new GivenArgument(m.Name, ValueExpression.Escape(m.Value)))]).Kind;
        });

    private static readonly Gen<Parameter> AnyParameter = Gen.Select(
        Gen.OneOf("a", "order", "orderId", "order_id", "order_number", "amount", "amount_cents", "id", "A", "lang"),
        Gen.OneOf("string", "integer", "number", "any"),
        Gen.Bool,
        (name, type, required) => new Parameter(name, type, required));

    private static readonly Gen<Signature> AnySignature = AnyParameter.Array[0, 6].Select(p => new Signature([.. p.DistinctBy(q => q.Name, StringComparer.OrdinalIgnoreCase)]));

    private static readonly Gen<GivenArgument[]> AnyArguments = Gen.Select(AnyParameter, Given.AnyValue, Gen.Bool).Array[0, 4].Select(all => all
        .DistinctBy(a => a.Item1.Name, StringComparer.OrdinalIgnoreCase)
        .Select(a => new GivenArgument(a.Item1.Name, ValueExpression.Escape(a.Item2)) { IsAdapted = a.Item3 })
        .ToArray());

    private static SignatureComparison Compare(string recorded, string today, string arguments) =>
        SignatureComparer.Compare(Schema(recorded), Schema(today), [.. Given.Value(arguments).EnumerateObject().Select(a => new GivenArgument(a.Name, a.Value))]);

    private static JsonElement Schema(string parameters)
    {
        var all = Given.Value(parameters).EnumerateObject().ToList();
        return JsonSerializer.SerializeToElement(new
        {
            properties = all.ToDictionary(p => p.Name.TrimEnd('!'), p => p.Value),
            required = all.Where(p => p.Name.EndsWith('!')).Select(p => p.Name.TrimEnd('!')),
        });
    }

    private static string Said(SignatureComparison comparison) => string.Join(" ", comparison.Changes.Select(c => c.Message));

    private sealed record Parameter(string Name, string Type, bool IsRequired);

    private sealed record Signature(IReadOnlyList<Parameter> Parameters)
    {
        public JsonElement ToSchema() => JsonSerializer.SerializeToElement(new
        {
            properties = Parameters.ToDictionary(p => p.Name, p => p.Type == "any" ? [] : new Dictionary<string, string> { ["type"] = p.Type }),
            required = Parameters.Where(p => p.IsRequired).Select(p => p.Name),
        });
    }
}
