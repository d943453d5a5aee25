using ProceduralMemory.Distill;
using static ProceduralMemory.Tests.Distill.GivenTrace;

namespace ProceduralMemory.Tests.Distill;

public sealed class SkillMatchTests
{
    private static readonly Trace Cancel = Of(Read("shop.get_user"), Read("shop.get_order"), Write("shop.cancel"));

    [Fact]
    public void Traces_of_the_same_actions_are_of_one_skill_also_with_a_step_more_or_less()
    {
        Assert.Null(SkillMatch.Compare([Cancel], Cancel, Options));
        Assert.Null(SkillMatch.Compare([Cancel], Of(Read("shop.get_user"), Read("shop.get_order"), Write("shop.cancel"), Write("shop.mail")), Options));
        Assert.Null(SkillMatch.Compare([Cancel], Of(Read("shop.get_order"), Read("shop.get_user")), Options));
        Assert.Null(SkillMatch.Compare([Cancel], Of(Call("shop.get_user", "{}", "\"Error: try again\""), Read("shop.get_user"), Read("shop.get_order"), Write("shop.cancel")), Options));
    }

    [Fact]
    public void Little_in_common_is_another_skill()
    {
        var difference = SkillMatch.Compare([Cancel], Of(Read("shop.get_order"), Write("shop.refund"), Write("shop.mail")), Options)!;

        Assert.Equal("They have 1 of 3 steps in common.", difference);
    }

    [Fact]
    public void Half_of_the_steps_is_enough_where_the_others_only_read()
    {
        Assert.Null(SkillMatch.Compare([Of(Read("shop.get_order"), Read("shop.get_user"))], Of(Read("shop.get_order")), Options));
        Assert.Equal("They have 1 of 2 steps in common.", SkillMatch.Compare([Of(Call("shop.get_order"), Call("shop.refund"))], Of(Call("shop.get_order")), Options));
        Assert.Null(SkillMatch.Compare([Of(Call("shop.get_order"))], Of(Call("shop.get_order"), Call("shop.refund")), Options));
    }

    [Fact]
    public void Writes_in_another_order_are_another_skill()
    {
        var difference = SkillMatch.Compare([Of(Call("t.a"), Call("t.b"), Call("t.c"), Call("t.d"))], Of(Call("t.a"), Call("t.c"), Call("t.b"), Call("t.d")), Options)!;

        Assert.Matches("^The order of t.[bc] is another, which matters unless it is declared to read.$", difference);
    }

    [Fact]
    public void It_is_enough_to_be_of_the_same_skill_as_one_of_several() =>
        Assert.Null(SkillMatch.Compare([Of(Call("t.x"), Call("t.y")), Cancel], Of(Read("shop.get_order"), Write("shop.cancel")), Options));

    [Fact]
    public void A_version_that_no_trace_tells_of_is_compared_by_its_steps_its_loops_and_its_conditions()
    {
        var version = new ProcedureVersion
        {
            Number = 1,
            Reason = VersionReason.Imported,
            State = VersionState.Active,
            Origin = ProcedureOrigin.Import,
            CreatedAt = DateTimeOffset.UnixEpoch,
            Steps =
            [
                Given.Step("shop.get_order"),
                new ProcedureStep { Action = "for each item", Kind = StepKind.Loop, ForEach = "$steps.get_order.outputs#/items", Steps = [Given.Step("shop.refund"), Given.Step("shop.note")] },
                Given.Step("shop.escalate") with { Condition = new StepCondition { Value = "$inputs.vip", Test = ConditionTest.Present } },
                Given.Step("shop.mail"),
            ],
        };

        Assert.Null(SkillMatch.Compare(version, Of(Call("shop.get_order"), Call("shop.mail")), Options));
        Assert.Null(SkillMatch.Compare(version, Of(Call("shop.get_order"), Call("shop.refund"), Call("shop.note"), Call("shop.refund"), Call("shop.note"), Call("shop.mail")), Options));
        Assert.NotNull(SkillMatch.Compare(version, Of(Call("shop.cancel"), Call("shop.audit"), Call("shop.mail")), Options));
    }
}
