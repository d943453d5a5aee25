using CsCheck;
using ProceduralMemory.Revise;

namespace ProceduralMemory.Tests.Revise;

/// <summary>What holds of optimising whatever the procedure and its history: generated procedures of up to nine steps that need each other in any way.</summary>
public sealed class OptimizerLawsTests
{
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(5);

    private static Gen<Case> AnyCase =>
        from count in Gen.Int[1, 9]
        from shapes in Gen.Select(Gen.Int[-1, count - 1].Array[0, 2], Gen.Enum<FailurePolicy>(), Gen.Bool, Gen.Int[0, 2]).Array[count]
        from runs in Gen.Select(Gen.Int[0, 6], Gen.Int[0, 6], Gen.Int[0, 9000]).Array[count]
        select new Case([.. shapes.Select((s, i) => new Shape([.. s.Item1.Where(n => n >= 0 && n < i).Distinct()], s.Item2, s.Item3, s.Item4))], runs);

    [Fact]
    public void No_step_goes_that_another_needs_and_what_is_left_is_a_valid_procedure() => AnyCase.Sample(
        c =>
        {
            var (version, steps, _) = Propose(c);
            var left = steps.Select(s => s.Id).ToHashSet(StringComparer.Ordinal);

            Assert.All(steps.SelectMany(s => s.References()).OfType<StepReference>(), r => Assert.Contains(r.StepId, left));
            Assert.NotEmpty(steps);
            ProcedureValidator.Check(Given.Definition("p", [.. steps]), new ProceduralMemoryOptions());

            // In the order in which they stood.
            Assert.Equal(version.Steps.Select(s => s.Id).Where(left.Contains), steps.Select(s => s.Id));
        },
        iter: 2000);

    [Fact]
    public void What_goes_may_fail_and_mostly_did_or_repeats_a_read_and_every_change_says_why() => AnyCase.Sample(
        c =>
        {
            var (version, steps, changes) = Propose(c);
            var repeats = ProcedureOptimizer.LikelyRepeats(version.Steps, s => s.Effect is StepEffect.Read);
            foreach (var gone in version.Steps.Where(s => steps.All(l => l.Id != s.Id)))
            {
                var statistics = version.StepStatistics[gone.Id];
                Assert.True(repeats.ContainsKey(gone.Id) || (gone.OnFailure is FailurePolicy.Continue && statistics.Failures > statistics.Successes), gone.Id);
                Assert.Contains(changes, change => change.StepId == gone.Id && change.Kind is StepChangeKind.Removed && change.Reason.Length > 0);
            }
        },
        iter: 2000);

    [Fact]
    public void What_is_optimised_needs_no_further_change() => AnyCase.Sample(
        c =>
        {
            var (version, steps, _) = Propose(c);
            var again = version with { Steps = steps };

            // That a read is repeated in vain is for executions of the new version to tell.
            var (second, changes) = ProcedureOptimizer.Propose(again, new Dictionary<string, ProcedureStep>(), new Dictionary<string, string>(), Slow);

            Assert.Equal(steps.Select(s => s.Id), second.Select(s => s.Id));
            Assert.Empty(changes);
        },
        iter: 2000);

    private static (ProcedureVersion Version, IReadOnlyList<ProcedureStep> Steps, IReadOnlyList<StepChange> Changes) Propose(Case c)
    {
        var steps = c.Steps.Select((s, i) => new ProcedureStep
        {
            Id = $"s{i}",
            Action = $"t.{s.Action}",
            Arguments = Given.Value($"{{{string.Join(',', s.Needs.Select(n => $"\"a{n}\":\"$steps.s{n}.outputs\""))}}}"),
            OnFailure = s.OnFailure,
            Effect = s.Reads ? StepEffect.Read : StepEffect.Write,
        }).ToList();
        var version = new ProcedureVersion
        {
            Number = 1,
            Reason = VersionReason.Stored,
            State = VersionState.Active,
            Origin = ProcedureOrigin.User,
            Steps = steps,
            CreatedAt = DateTimeOffset.UnixEpoch,
            StepStatistics = steps.Select((s, i) => (s.Id, Run: c.Runs[i])).ToDictionary(
                r => r.Id,
                r => new StepStatistics { Runs = r.Run.Successes + r.Run.Failures, Failures = r.Run.Failures, TotalDuration = TimeSpan.FromMilliseconds((long)r.Run.Ms * r.Run.Successes) },
                StringComparer.Ordinal),
        };
        var (left, changes) = ProcedureOptimizer.Propose(version, new Dictionary<string, ProcedureStep>(), ProcedureOptimizer.LikelyRepeats(steps, s => s.Effect is StepEffect.Read), Slow);
        return (version, left, changes);
    }

    internal sealed record Shape(int[] Needs, FailurePolicy OnFailure, bool Reads, int Action);

    internal sealed record Case(Shape[] Steps, (int Successes, int Failures, int Ms)[] Runs)
    {
        public override string ToString() => string.Join("; ", Steps.Zip(Runs).Select((s, i) => $"s{i}: t.{s.First.Action} needs [{string.Join(',', s.First.Needs)}] {s.First.OnFailure} {(s.First.Reads ? "reads" : "writes")} {s.Second}"));
    }
}
