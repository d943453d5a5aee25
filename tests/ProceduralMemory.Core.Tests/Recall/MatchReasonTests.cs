using ProceduralMemory.Recall;

namespace ProceduralMemory.Tests.Recall;

/// <summary>What is said of the place of a match is what put it there.</summary>
public sealed class MatchReasonTests
{
    private static readonly DateTimeOffset Day = new(2031, 5, 4, 0, 0, 0, TimeSpan.Zero);

    private static readonly Standing Hit = new("hit", 0.7, 0.7, 2, 2, Day);

    public static TheoryData<string, FindOrder, string> Cases => new()
    {
        { "fits better", FindOrder.Score, "fits less than 'before'" },
        { "fits a little better", FindOrder.Score, "fits a little less than 'before'" },
        { "fits worse and is surer", FindOrder.Score, "fits better than 'before', which is surer to succeed" },
        { "fits the same and is surer", FindOrder.Score, "fits as well as 'before', which is surer to succeed" },
        { "fits the same and ran later", FindOrder.Score, "fits as well as 'before', which ran later" },
        { "is the same", FindOrder.Score, "fits as well as 'before'" },
        { "fits better and had a word replaced", FindOrder.Score, "has less in common with the request than 'before'" },
        { "was among the first", FindOrder.Score, "looked at after 'before' and all others that have the rarest words of the request" },
        { "fits worse and is surer", FindOrder.SuccessRate, "succeeds less often than 'before'" },
        { "fits better", FindOrder.SuccessRate, "succeeds no more often than 'before', which fits better" },
        { "fits the same and ran later", FindOrder.SuccessRate, "succeeds no more often than 'before', which ran later" },
        { "is the same", FindOrder.SuccessRate, "succeeds no more often than 'before', and fits no better" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_match_is_compared_with_the_one_before_it_by_what_the_order_goes_by(string before, FindOrder order, string says)
    {
        var (hit, standing) = (Hit, Hit with { Name = "before" });
        (hit, standing) = before switch
        {
            "fits better" => (hit, standing with { Fit = 0.8, Score = 0.8 }),
            "fits a little better" => (hit, standing with { Fit = 0.71, Score = 0.71 }),
            "fits worse and is surer" => (hit, standing with { Fit = 0.6, Score = 0.6, Successes = 90, Failures = 0 }),
            "fits the same and is surer" => (hit, standing with { Successes = 90, Failures = 0 }),
            "fits the same and ran later" => (hit, standing with { LastExecutedAt = Day.AddDays(1) }),
            "fits better and had a word replaced" => (hit, standing with { Fit = 0.8, Score = 0.4 }),
            "was among the first" => (hit with { IsFurther = true }, standing with { Fit = 0.6, Score = 0.6 }),
            _ => (hit, standing),
        };

        Assert.Equal($"has a, b; 2 of 4 succeeded (at least 0.15); {says}", MatchReason.Of(hit, standing, order, ["a", "b"]));
    }

    [Fact]
    public void The_first_is_compared_with_none() => Assert.Equal(
        "no word in common; the request has another word where it says what it does; similarity 0.50; never executed",
        MatchReason.Of(Hit with { Successes = 0, Failures = 0 }, null, FindOrder.Score, [], 0.5, replaced: true));
}
