using System.Globalization;
using System.Numerics;
using System.Text.Json;
using CsCheck;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>What holds of comparing for every value.</summary>
public sealed class ExpectationLawsTests
{
    [Fact]
    public void A_value_is_exactly_itself_has_its_own_shape_and_holds_itself() => Check.Sample(
        Given.AnyValue,
        value =>
        {
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Exact, value, value));
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Subset, value, value));
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Shape, OutcomeComparer.ShapeOf(value), value));
        },
        iter: 2000,
        print: v => v.GetRawText());

    [Fact]
    public void The_order_of_members_does_not_matter() => Check.Sample(
        Given.AnyValue,
        value =>
        {
            var turned = Turned(value);
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Exact, value, turned));
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Exact, turned, value));
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Subset, value, turned));
        },
        iter: 1000,
        print: v => v.GetRawText());

    [Fact]
    public void Two_values_are_equal_where_each_holds_the_other_and_only_there() => Check.Sample(
        Gen.Select(Given.AnyValue, Given.AnyValue, Gen.Int[0, 1000]),
        t =>
        {
            var (first, other, pick) = t;
            var second = (pick % 3) switch { 0 => other, 1 => Turned(first), _ => Without(first, pick) };
            var exact = Match(ExpectationKind.Exact, first, second);
            Assert.Equal(exact, Match(ExpectationKind.Exact, second, first));
            Assert.Equal(exact is OutcomeMatch.Matched, Match(ExpectationKind.Subset, first, second) is OutcomeMatch.Matched && Match(ExpectationKind.Subset, second, first) is OutcomeMatch.Matched);
        },
        iter: 2000,
        print: p => p.ToString());

    [Fact]
    public void Expecting_less_never_turns_a_match_into_a_difference() => Check.Sample(
        Gen.Select(Given.AnyValue, Gen.Int[0, 1000], Gen.Int[0, 1000]),
        t =>
        {
            var (value, first, second) = t;

            // Less than the value itself matches, and so does less than that.
            var less = Without(value, first);
            var least = Without(less, second);
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Subset, less, value));
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Subset, least, value));
            Assert.Equal(OutcomeMatch.Matched, Match(ExpectationKind.Subset, least, less));
        },
        iter: 2000,
        print: t => t.ToString());

    [Fact]
    public void Numbers_are_compared_as_exactly_as_they_are_written() => Check.Sample(
        Gen.Select(Given.AnyNumber, Given.AnyNumber, Gen.Bool),
        t =>
        {
            var (first, other, sameAgain) = t;
            var second = !sameAgain ? other : first.AsSpan().ContainsAny('e', 'E') ? first : $"{first}{(first.Contains('.', StringComparison.Ordinal) ? "0" : ".0")}e0";
            var order = Math.Sign(Exact(first).CompareTo(Exact(second)));
            Assert.Equal(order, Math.Sign(JsonNumber.Compare(Given.Value(first), Given.Value(second))));
            Assert.Equal(order >= 0, Match(ExpectationKind.Range, Given.Value($$"""{"minimum":{{second}}}"""), Given.Value(first)) is OutcomeMatch.Matched);
            Assert.Equal(order < 0, Match(ExpectationKind.Range, Given.Value($$"""{"exclusiveMaximum":{{second}}}"""), Given.Value(first)) is OutcomeMatch.Matched);
        },
        iter: 5000);

    [Fact]
    public void Whatever_a_pattern_is_it_is_refused_or_it_answers() => Check.Sample(
        Gen.Select(Gen.OneOf("a", "(", ")", "(?:", "(?=", "(?<n>", "[", "[^", "]", "*", "+", "?", "{2}", "{1,9}", "{,", "|", "^", "$", ".", "\\", "\\1", "\\d", "\\p{L}", "\\b", "é", "😀", "\uffff", "(?i)", "-", "\n").Array[0, 12].Select(string.Concat), Given.AnyValue),
        t =>
        {
            var (pattern, value) = t;
            var expectation = new Expectation { Kind = ExpectationKind.Pattern, Value = Given.Text(pattern) };
            var refused = ExpectationRules.Faults(expectation).Count > 0;
            var match = OutcomeComparer.Compare(expectation, value).Match;
            Assert.Equal(refused, match is OutcomeMatch.CannotTell);
        },
        iter: 5000,
        print: t => t.ToString());

    private static OutcomeMatch Match(ExpectationKind kind, JsonElement expected, JsonElement actual) =>
        OutcomeComparer.Compare(new Expectation { Kind = kind, Value = expected }, actual).Match;

    /// <summary>A number as a fraction over a common power of ten: the slow way that cannot be wrong.</summary>
    private static BigInteger Exact(string number)
    {
        const int scale = 100;
        var parts = number.Split('e', 'E');
        var exponent = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0;
        var mantissa = parts[0].Split('.');
        var fraction = mantissa.Length > 1 ? mantissa[1] : "";
        return BigInteger.Parse(mantissa[0] + fraction, CultureInfo.InvariantCulture)
            * BigInteger.Pow(10, scale + exponent - fraction.Length);
    }

    /// <summary>The value with the members of every object the other way round.</summary>
    private static JsonElement Turned(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => JsonElement.Parse($"{{{string.Join(',', value.EnumerateObject().Reverse().Select(m => $"{JsonSerializer.Serialize(m.Name)}:{Turned(m.Value).GetRawText()}"))}}}"),
        JsonValueKind.Array => JsonElement.Parse($"[{string.Join(',', value.EnumerateArray().Select(i => Turned(i).GetRawText()))}]"),
        _ => value,
    };

    /// <summary>The value without the member or element that a number picks, at whatever depth; a scalar as it is.</summary>
    private static JsonElement Without(JsonElement value, int pick)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object when value.EnumerateObject().Any():
                var members = value.EnumerateObject().ToList();
                var at = pick % members.Count;
                var inner = Without(members[at].Value, pick / members.Count);
                var dropped = pick % 2 == 0 || members[at].Value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array);
                return JsonElement.Parse($"{{{string.Join(',', members.Where((_, i) => i != at || !dropped).Select(m => $"{JsonSerializer.Serialize(m.Name)}:{(m.Name == members[at].Name ? inner : m.Value).GetRawText()}"))}}}");
            case JsonValueKind.Array when value.GetArrayLength() > 0:
                return JsonElement.Parse($"[{string.Join(',', value.EnumerateArray().Where((_, i) => i != pick % value.GetArrayLength()).Select(i => i.GetRawText()))}]");
            default:
                return value;
        }
    }
}
