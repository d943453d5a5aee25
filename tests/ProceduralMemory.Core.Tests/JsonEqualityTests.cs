using CsCheck;

namespace ProceduralMemory.Tests;

public sealed class JsonEqualityTests
{
    [Theory]
    [InlineData("""{"a":[1,{"b":null}],"c":"x"}""", """{"c":"x","a":[1.0,{"b":null}]}""", true)]
    [InlineData("1e9999999999", "10e9999999998", true)]
    [InlineData("1e9999999999", "1e9999999998", false)]
    [InlineData("1e-9999999999", "0", false)]
    [InlineData("0e9999999999", "0", true)]
    [InlineData("""{"a":[1e9999999999,true]}""", """{"a":[1e9999999999,true]}""", true)]
    [InlineData("""{"a":[1e9999999999,true]}""", """{"a":[1e9999999999,false]}""", false)]
    [InlineData("""{"a":1e9999999999}""", """{"b":1e9999999999}""", false)]
    [InlineData("""{"a":1e9999999999}""", """{"a":1e9999999999,"b":1}""", false)]
    [InlineData("1e9999999999", "\"1e9999999999\"", false)]
    public void Values_are_equal_as_json_however_they_are_spelled(string first, string second, bool equal)
    {
        Assert.Equal(equal, Json.AreEqual(Given.Value(first), Given.Value(second)));
        Assert.Equal(equal, Json.AreEqual(Given.Value(second), Given.Value(first)));
    }

    [Fact]
    public void A_number_equals_itself_with_its_point_moved_and_no_other_power_of_ten() =>
        Gen.Select(Gen.Long[1, long.MaxValue / 10], Gen.OneOf(Gen.Long[-400, 400], Gen.Long[-9_999_999_999, 9_999_999_999])).Sample((digits, exponent) =>
        {
            var number = FormattableString.Invariant($"{digits}e{exponent}");
            var moved = FormattableString.Invariant($"{digits}0.0E{exponent - 1}");
            var other = FormattableString.Invariant($"{digits}e{exponent + 1}");
            Assert.True(Json.AreEqual(Given.Value(number), Given.Value(moved)));
            Assert.False(Json.AreEqual(Given.Value(number), Given.Value(other)));
        });
}
