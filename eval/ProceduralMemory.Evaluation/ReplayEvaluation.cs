using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using ProceduralMemory.Replay;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>Learns from one to three episodes and replays on the tape of another one, with the inputs that its caller knew by name, or with traces only.</summary>
internal sealed class ReplayEvaluation(ReplayData data, bool redact)
{
    public const string Named = "named";
    public const string NamedBinding = "named-binding";
    public const string TracesOnly = "traces-only";

    public async Task<ReplayEvaluationResult> RunAsync(CancellationToken cancellationToken)
    {
        var pairs = data.Pairs.Where(p => !p.Trivial).ToList();
        var result = new ReplayEvaluationResult([.. pairs.Select(p => p.Backend).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);
        using var library = new Library(redact);
        foreach (var pair in pairs)
        {
            var learn = pair.Learn.Select(Episode).ToList();
            var target = Episode(pair.Target);
            var schema = data.Schemas[pair.Class];

            CountNamed(result, pair, Library.Name, await ReplayNamedAsync(library, pair, learn, target, result.Failures, cancellationToken));
            CountNamed(result, pair, ReplayBaselines.Seed, ByName(ReplayBaselines.LearnSeed(learn), target));
            CountNamed(result, pair, ReplayBaselines.SeedAdapted, ByName(ReplayBaselines.LearnSeedAdapted(learn, target), target));
            CountNamed(result, pair, ReplayBaselines.Equality, ByName(ReplayBaselines.LearnEquality(learn), target));
            CountNamed(result, pair, ReplayBaselines.Oracle, ByName(ReplayBaselines.LearnOracle(learn, schema), target));

            if (pair.Shots > 1)
            {
                var (ok, asked) = await ReplayTracesOnlyAsync(library, pair, learn, target, result.Failures, cancellationToken);
                result.Count(Library.Name, pair.Backend, TracesOnly, pair.Shots, ok, asked, schema.Slots);
                CountAsking(result, pair, ReplayBaselines.Diff, ReplayBaselines.LearnDiff(learn), target, schema);
                CountAsking(result, pair, ReplayBaselines.AskEverything, ReplayBaselines.LearnAskEverything(learn), target, schema);
                CountAsking(result, pair, ReplayBaselines.Oracle, ReplayBaselines.LearnOracle(learn, schema), target, schema);
            }
        }

        return result;
    }

    private Episode Episode(string id) => data.Episodes.TryGetValue(id, out var episode) ? episode : throw new DataException($"There is no episode '{id}'.");

    private static async Task<bool> ReplayNamedAsync(Library library, Pair pair, List<Episode> learn, Episode target, List<Failure> failures, CancellationToken cancellationToken)
    {
        var scope = "named " + pair.Id;
        var learned = await library.LearnAsync(scope, learn.Select(e => new Library.Lesson(e.Task, e.Steps, e.Inputs)), cancellationToken);
        if (learned.Procedure is not { } procedure)
        {
            failures.Add(new Failure(Group(Named, pair), pair.Id, [learned.Fault!], Threw: true));
            return false;
        }

        var inputs = target.Inputs.EnumerateObject().ToDictionary(i => i.Name, i => i.Value, StringComparer.Ordinal);
        return await ReplayAsync(library, scope, Named, pair, procedure, inputs, target, failures, cancellationToken);
    }

    private static async Task<(bool Ok, int Asked)> ReplayTracesOnlyAsync(Library library, Pair pair, List<Episode> learn, Episode target, List<Failure> failures, CancellationToken cancellationToken)
    {
        var scope = "traces " + pair.Id;
        var learned = await library.LearnAsync(scope, learn.Select(e => new Library.Lesson(e.Task, e.Steps)), cancellationToken);
        if (learned.Procedure is not { } procedure)
        {
            failures.Add(new Failure(Group(TracesOnly, pair), pair.Id, [learned.Fault!], Threw: true));
            return (false, 0);
        }

        var supply = Templates.SupplyFrom(procedure, target);
        // An input that could not be read counts as one value asked for.
        var asked = procedure.Inputs.Where(i => !i.Unconfirmed).Sum(i => supply.Inputs.TryGetValue(i.Name, out var value) ? Values.AskedCount(value) : 1);
        if (supply.Problems.Count > 0)
        {
            failures.Add(new Failure(Group(TracesOnly, pair), pair.Id, supply.Problems));
            return (false, asked);
        }

        return (await ReplayAsync(library, scope, TracesOnly, pair, procedure, supply.Inputs, target, failures, cancellationToken), asked);
    }

    private static async Task<bool> ReplayAsync(
        Library library, string scope, string mode, Pair pair, ProcedureVersion procedure, IReadOnlyDictionary<string, JsonElement> inputs, Episode target, List<Failure> failures, CancellationToken cancellationToken)
    {
        var tape = Tape.Of(target);
        var replay = await library.ReplayAsync(scope, inputs, tape, cancellationToken);
        if (replay.Outcome is ReplayOutcome.Completed && tape.IsComplete)
        {
            return true;
        }

        failures.Add(new Failure(Group(mode, pair), pair.Id, Explain(replay, tape, procedure, target)));
        return false;
    }

    /// <summary>What stood in the way: the first call that the target did not make, argument by argument, or what the library said.</summary>
    private static List<string> Explain(ReplayResult replay, TapeStepExecutor tape, ProcedureVersion procedure, Episode target)
    {
        if (tape.Strays is not [{ } stray, ..])
        {
            return [replay.Message];
        }

        var lines = new List<string>();
        procedure = Unrolled.Of(procedure, target.Steps);
        var map = Templates.StepMap(procedure, target.Steps);
        var index = replay.Steps.ToList().FindIndex(s => s.Status is StepStatus.Failed);
        var at = index >= 0 && index < map.Length && map[index] >= 0 ? map[index] : target.Steps.Count - tape.Missing.Count;
        if (at >= target.Steps.Count || target.Steps[at].Function != stray.Action)
        {
            return [$"called {stray.Action} {Values.Shown(stray.Arguments)}, which the target does not at that point"];
        }

        var truth = target.Steps[at].Arguments;
        foreach (var name in truth.EnumerateObject().Select(m => m.Name).Union(stray.Arguments.EnumerateObject().Select(m => m.Name), StringComparer.Ordinal))
        {
            var (wanted, sent) = (Values.Child(truth, name), Values.Child(stray.Arguments, name));
            if (wanted is null || sent is null || !JsonElement.DeepEquals(wanted.Value, sent.Value))
            {
                var template = index >= 0 && index < procedure.Steps.Count ? Values.Child(procedure.Steps[index].Arguments, name) : null;
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"step {at} {stray.Action}, {name}: template {Values.Shown(template)} gave {Values.Shown(sent)}, the target has {Values.Shown(wanted)}"));
            }
        }

        return lines.Count > 0 ? lines : [$"step {at} {stray.Action} was called more often than recorded"];
    }

    private static string Group(string mode, Pair pair) => string.Create(CultureInfo.InvariantCulture, $"{pair.Backend}, {mode}, {pair.Shots}-shot");

    private static void CountNamed(ReplayEvaluationResult result, Pair pair, string system, bool ok)
    {
        result.Count(system, pair.Backend, Named, pair.Shots, ok);
        if (pair.HasBinding)
        {
            result.Count(system, pair.Backend, NamedBinding, pair.Shots, ok);
        }
    }

    private static bool ByName(BaselineProcedure procedure, Episode target) =>
        procedure.Replay(target, name => target.Inputs.TryGetProperty(name, out var value) ? value : null);

    private static void CountAsking(ReplayEvaluationResult result, Pair pair, string system, BaselineProcedure procedure, Episode target, Schema schema)
    {
        var supplied = procedure.Asked.ToDictionary(a => a.Key, a => Values.At(target.Steps[a.Value.Step].Arguments, a.Value.Pointer), StringComparer.Ordinal);
        var ok = supplied.Values.All(v => v is not null) && procedure.Replay(target, name => supplied[name]);
        result.Count(system, pair.Backend, TracesOnly, pair.Shots, ok, supplied.Values.Sum(v => v is { } value ? Values.AskedCount(value) : 1), schema.Slots);
    }
}

/// <summary>How many pairs of one kind there are, how many went well, and what was asked for beside what is truly needed.</summary>
internal readonly record struct ReplayCount(double Pairs, double Ok, double Asked, double Slots)
{
    public double Rate => Pairs > 0 ? Ok / Pairs : 0;

    public double AskedPerSlot => Slots > 0 ? Asked / Slots : 0;

    public static ReplayCount operator +(ReplayCount first, ReplayCount second) =>
        new(first.Pairs + second.Pairs, first.Ok + second.Ok, first.Asked + second.Asked, first.Slots + second.Slots);
}

/// <summary>The counts of the replay evaluation.</summary>
internal sealed class ReplayEvaluationResult(IReadOnlyList<string> backends)
{
    private readonly Dictionary<(string System, string Backend, string Mode, int Shots), ReplayCount> _counts = [];

    public IReadOnlyList<string> Backends { get; } = backends;

    public IReadOnlyList<string> Systems { get; } =
        [Library.Name, ReplayBaselines.Seed, ReplayBaselines.SeedAdapted, ReplayBaselines.Equality, ReplayBaselines.Diff, ReplayBaselines.AskEverything, ReplayBaselines.Oracle];

    public List<Failure> Failures { get; } = [];

    public void Count(string system, string backend, string mode, int shots, bool ok, int asked = 0, int slots = 0)
    {
        var key = (system, backend, mode, shots);
        _counts[key] = _counts.GetValueOrDefault(key) + new ReplayCount(1, ok ? 1 : 0, asked, slots);
    }

    /// <summary>The count of a backend; <see langword="null"/> where the system does not take part or there are no pairs.</summary>
    public ReplayCount? Of(string system, string backend, string mode, int shots) => _counts.TryGetValue((system, backend, mode, shots), out var count) ? count : null;

    public ReplayCount? All(string system, string mode, int shots) =>
        Counts(system, mode, shots) is { Count: > 0 } counts ? counts.Aggregate((a, b) => a + b) : null;

    /// <summary>The mean over the backends that have pairs, written so that ok/pairs and asked/slots are the means: each backend counts as one pair and one slot.</summary>
    public ReplayCount? Macro(string system, string mode, int shots) =>
        Counts(system, mode, shots) is { Count: > 0 } counts ? counts.Select(c => new ReplayCount(1, c.Rate, c.AskedPerSlot, c.Slots > 0 ? 1 : 0)).Aggregate((a, b) => a + b) : null;

    public ReplayCount? Group(string system, string group, string mode, int shots) => group switch
    {
        "macro" => Macro(system, mode, shots),
        "all" => All(system, mode, shots),
        _ => Of(system, group, mode, shots),
    };

    private List<ReplayCount> Counts(string system, string mode, int shots) => [.. Backends.Select(b => Of(system, b, mode, shots)).Where(c => c is not null).Select(c => c!.Value)];
}

/// <summary>Shows a replay result.</summary>
internal static class ReplayReport
{
    private static readonly (string Mode, int[] Shots, string Title)[] Modes =
    [
        (ReplayEvaluation.Named, [1, 2, 3], "replay, named: success after 1, 2 and 3 recordings"),
        (ReplayEvaluation.NamedBinding, [1, 2, 3], "replay, named, pairs that need a binding: success after 1, 2 and 3 recordings"),
        (ReplayEvaluation.TracesOnly, [2, 3], "replay, traces-only: success (inputs asked for per input needed) after 2 and 3 recordings"),
    ];

    public static void Print(IAnsiConsole console, ReplayEvaluationResult result)
    {
        foreach (var (mode, shots, title) in Modes)
        {
            var table = new Table().Title(title).AddColumn("system");
            var groups = result.Backends.Append("macro").Append("all").ToList();
            groups.ForEach(g => table.AddColumn(Markup.Escape(g)));
            foreach (var system in result.Systems.Where(s => shots.Any(n => result.All(s, mode, n) is not null)))
            {
                table.AddRow([Markup.Escape(system), .. groups.Select(g => string.Join("  ", shots.Select(n => Cell(result.Group(system, g, mode, n)))))]);
            }

            console.Write(table);
        }

        static string Cell(ReplayCount? count) => count is not { } c ? "-" : c.Slots > 0 ? $"{Figure.Rate(c.Rate)} ({Figure.Ratio(c.AskedPerSlot)})" : Figure.Rate(c.Rate);
    }

    public static JsonObject ToJson(ReplayEvaluationResult result)
    {
        var json = new JsonObject();
        foreach (var system in result.Systems)
        {
            var groups = new JsonObject();
            foreach (var group in result.Backends.Append("macro").Append("all"))
            {
                var modes = new JsonObject();
                foreach (var (mode, shots, _) in Modes)
                {
                    var counts = new JsonObject();
                    foreach (var n in shots)
                    {
                        if (result.Group(system, group, mode, n) is { } count)
                        {
                            counts[n.ToString(CultureInfo.InvariantCulture)] = Entry(count, mode == ReplayEvaluation.TracesOnly);
                        }
                    }

                    if (counts.Count > 0)
                    {
                        modes[mode] = counts;
                    }
                }

                groups[group] = modes;
            }

            json[system] = groups;
        }

        return json;

        static JsonObject Entry(ReplayCount count, bool asking)
        {
            var entry = new JsonObject { ["pairs"] = count.Pairs, ["ok"] = count.Ok };
            if (asking)
            {
                entry["asked"] = count.Asked;
                entry["slots"] = count.Slots;
            }

            return entry;
        }
    }
}
