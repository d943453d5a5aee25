using System.Globalization;
using System.Text.Json;
using CsCheck;
using ProceduralMemory.Distill;

namespace ProceduralMemory.Tests.Distill;

/// <summary>What holds for every flow of values through any tools.</summary>
public sealed class DistillingLawsTests
{
    /// <summary>Where an argument of a random task truly comes from.</summary>
    private enum Origin
    {
        Input,
        Result,
        Constant,
        Text,
    }

    /// <summary>A random task: for each step the true origins of its arguments. An origin names an input, or an earlier step and a field of its result.</summary>
    private sealed record Plan(IReadOnlyList<IReadOnlyList<(Origin Origin, int Number, int Field)>> Steps)
    {
        private const int Fields = 3;

        /// <summary>The task done with fresh values: each seed makes other ones.</summary>
        public (Trace Trace, List<JsonElement> Arguments, List<JsonElement> Results) Do(int seed, bool renamed = false)
        {
            var (calls, arguments, results) = (new List<(string, string, string)>(), new List<JsonElement>(), new List<JsonElement>());
            for (var i = 0; i < Steps.Count; i++)
            {
                var members = Steps[i].Select((a, n) => $"\"a{n}\":{JsonSerializer.Serialize(ValueOf(a, i, seed))}");
                var fields = Enumerable.Range(0, Fields).Select(f => $"\"f{f}\":{JsonSerializer.Serialize(ResultOf(i, f, seed))}");
                calls.Add(($"t.s{i}", $"{{{string.Join(',', members)}}}", $"{{\"noise\":[{seed},true],\"data\":{{{string.Join(',', fields)}}}}}"));
                arguments.Add(Given.Value(calls[i].Item2));
                results.Add(Given.Value(calls[i].Item3));
            }

            var trace = Recorded.Task(null, calls);
            return (renamed ? trace with { Id = Guid.CreateVersion7(DateTimeOffset.UnixEpoch.AddDays(seed + 1)), StartedAt = DateTimeOffset.UnixEpoch.AddDays(seed + 1) } : trace, arguments, results);
        }

        private static string ValueOf((Origin Origin, int Number, int Field) argument, int step, int seed) => argument.Origin switch
        {
            Origin.Result when step > 0 => ResultOf(argument.Number % step, argument.Field, seed),
            Origin.Text when step > 0 => $"about {ResultOf(argument.Number % step, argument.Field, seed)}, please",
            Origin.Constant => Word("constant", argument.Number, 0),
            _ => Word("input", argument.Number, seed),
        };

        private static string ResultOf(int step, int field, int seed) => Word("result", (step * Fields) + field, seed);

        // Letters, digits and length vary with the seed, and no two origins share a value.
        private static string Word(string kind, int number, int seed) => string.Create(CultureInfo.InvariantCulture, $"{kind[0]}{number}x{((seed * 7919L) + 104729) * 31337 % 1_000_003}");
    }

    private static readonly Gen<Plan> AnyPlan = Gen.Select(Gen.Enum<Origin>(), Gen.Int[0, 5], Gen.Int[0, 2]).Array[0, 4].Array[1, 6].Select(steps => new Plan([.. steps.Select(s => s.ToList())]));

    [Fact]
    public void Distilled_from_two_or_more_recordings_a_procedure_makes_the_true_calls_on_fresh_values() => Gen.Select(AnyPlan, Gen.Int[2, 4]).Sample(
        (plan, count) =>
        {
            var distilled = Recorded.Distilled([.. Enumerable.Range(1, count).Select(n => plan.Do(n).Trace)]);
            var fresh = plan.Do(99);

            AssertCalls(fresh.Arguments, Recorded.Called(distilled, InputsOf(distilled, fresh.Arguments), fresh.Results));
        },
        iter: 300);

    [Fact]
    public void The_order_of_the_recordings_their_ids_and_their_times_make_no_difference() => Gen.Select(AnyPlan, Gen.Shuffle(new[] { 1, 2, 3 })).Sample(
        (plan, order) => Assert.Equal(
            Recorded.Document(Recorded.Distilled([plan.Do(1).Trace, plan.Do(2).Trace, plan.Do(3).Trace])),
            Recorded.Document(Recorded.Distilled([.. order.Select(n => plan.Do(n, renamed: true).Trace)]))),
        iter: 200);

    [Fact]
    public void The_order_of_the_recordings_makes_no_difference_to_loops_and_optional_steps_either() => Gen.Select(Gen.Int[0, 3].Array[3], Gen.Bool.Array[3], Gen.Shuffle(new[] { 0, 1, 2 })).Sample(
        (items, wrapped, order) =>
        {
            var traces = items.Zip(wrapped).Select((t, n) => Ship(n, t.First, t.Second)).ToList();

            Assert.Equal(Recorded.Document(Recorded.Distilled(traces)), Recorded.Document(Recorded.Distilled([.. order.Select(n => traces[n])])));
        },
        iter: 100);

    private static Trace Ship(int seed, int items, bool wrapped)
    {
        List<string> ids = [.. Enumerable.Range(0, items).Select(i => string.Create(CultureInfo.InvariantCulture, $"I-{seed}{i}0071"))];
        List<(string, string, string)> calls = [("t.get", $$"""{"order":"W-{{seed}}0045"}""", $$"""{"gift":{{(wrapped ? "true" : "false")}},"items":[{{string.Join(',', ids.Select(i => $"\"{i}\""))}}]}""")];
        calls.AddRange(ids.Select(i => ("t.ship", $$"""{"item":"{{i}}"}""", "1")));
        if (wrapped)
        {
            calls.Add(("t.wrap", $$"""{"order":"W-{{seed}}0045"}""", "1"));
        }

        return Recorded.Writing(null, calls);
    }

    [Fact]
    public void A_further_recording_never_makes_the_procedure_wrong_for_the_earlier_ones() => Gen.Select(AnyPlan, Gen.Int[1, 4]).Sample(
        (plan, count) =>
        {
            var done = Enumerable.Range(1, count).Select(n => plan.Do(n)).ToList();
            var distilled = Recorded.Distilled([.. done.Select(d => d.Trace)]);

            Assert.All(done, d => AssertCalls(d.Arguments, Recorded.Called(distilled, InputsOf(distilled, d.Arguments), d.Results)));
        },
        iter: 200);

    /// <summary>What a task gives for each input: the value at the first place that takes it whole.</summary>
    private static Dictionary<string, JsonElement> InputsOf(DistilledTrace distilled, List<JsonElement> arguments)
    {
        var inputs = new Dictionary<string, JsonElement>();
        foreach (var (step, i) in distilled.Definition.Steps.Select((s, i) => (s, i)))
        {
            foreach (var argument in step.Arguments.EnumerateObject())
            {
                if (ValueExpression.Parse(argument.Value.GetString()!) is InputReference { Pointer: "" } input)
                {
                    inputs.TryAdd(input.Name, arguments[i].GetProperty(argument.Name));
                }
            }
        }

        return inputs;
    }

    private static void AssertCalls(List<JsonElement> expected, List<JsonElement> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (wanted, made) in expected.Zip(actual))
        {
            Given.JsonEqual(wanted, made);
        }
    }
}
