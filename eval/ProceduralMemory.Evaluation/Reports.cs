using System.Globalization;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>A wrong answer of ours.</summary>
/// <param name="Group">The source, or the backend with mode and shots.</param>
/// <param name="Where">The leaf or the pair.</param>
/// <param name="Lines">What was predicted and what is true.</param>
/// <param name="Threw">Whether the library threw while learning.</param>
internal sealed record Failure(string Group, string Where, IReadOnlyList<string> Lines, bool Threw = false);

/// <summary>How figures are written.</summary>
internal static class Figure
{
    /// <summary>A rate with three places, without the zero before the point.</summary>
    public static string Rate(double value) => value.ToString(value < 0.9995 ? ".000" : "0.000", CultureInfo.InvariantCulture);

    public static string Ratio(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}

/// <summary>Shows wrong answers of ours.</summary>
internal static class FailureReport
{
    public static void Print(IAnsiConsole console, string evaluation, IReadOnlyList<Failure> failures, int count)
    {
        if (failures.Count(f => f.Threw) is > 0 and var threw)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{evaluation}: {threw} of the {failures.Count} failures of {Library.Name} are exceptions of the library while learning, such as: {failures.First(f => f.Threw).Lines[0]}"));
        }

        if (count <= 0)
        {
            return;
        }

        foreach (var group in failures.GroupBy(f => f.Group, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{evaluation}, {group.Key}: {Math.Min(count, group.Count())} of {group.Count()} failures of {Library.Name}"));
            foreach (var failure in group.Take(count))
            {
                console.WriteLine($"  {failure.Where}");
                foreach (var line in failure.Lines)
                {
                    console.WriteLine($"    {line}");
                }
            }
        }
    }
}

/// <summary>Compares the baselines with the figures that the README of the public data prints. On other data, such as the sealed half, they differ, and that says nothing.</summary>
internal sealed class ReadmeCheck
{
    private const double Tolerance = 0.005;

    private readonly List<(string What, double Printed, double Found)> _figures = [];

    public void Add(DataflowResult result)
    {
        Dataflow(DataflowBaselines.EqualityFirst, "nestful", (k, f) => f(result.Of(DataflowBaselines.EqualityFirst, "nestful", k)), .889, .966, .926, .982);
        Dataflow(DataflowBaselines.TextFirst, "nestful", (k, f) => f(result.Of(DataflowBaselines.TextFirst, "nestful", k)), .970, .931, .950, .993);
        Dataflow(DataflowBaselines.EqualityFirst, "all six", (k, f) => f(result.All(DataflowBaselines.EqualityFirst, k)), .870, .988, .925, .969);

        void Dataflow(string system, string source, Func<string, Func<Score, double>, double> figure, double precision, double recall, double f1, double inputF1)
        {
            _figures.Add(($"dataflow, {source}: {system}, binding precision", precision, figure(Label.Binding, s => s.Precision)));
            _figures.Add(($"dataflow, {source}: {system}, binding recall", recall, figure(Label.Binding, s => s.Recall)));
            _figures.Add(($"dataflow, {source}: {system}, binding F1", f1, figure(Label.Binding, s => s.F1)));
            _figures.Add(($"dataflow, {source}: {system}, input F1", inputF1, figure(Label.Input, s => s.F1)));
        }
    }

    public void Add(RetrievalResult result)
    {
        _figures.Add(($"retrieval, macro recall@1: {RetrievalEvaluation.Seed}", .447, result.Macro(RetrievalEvaluation.Seed).RecallAt1));
        _figures.Add(($"retrieval, macro recall@1: {RetrievalEvaluation.Description}", .575, result.Macro(RetrievalEvaluation.Description).RecallAt1));
        _figures.Add(($"retrieval, macro recall@1: {RetrievalEvaluation.DescriptionAndTools}", .600, result.Macro(RetrievalEvaluation.DescriptionAndTools).RecallAt1));
        All(RetrievalEvaluation.Seed, .571, .665, .641);
        All(RetrievalEvaluation.Description, .693, .804, .767);
        All(RetrievalEvaluation.DescriptionAndTools, .688, .815, .770);

        void All(string system, double first, double five, double mrr)
        {
            var score = result.Of(system, corpus: null);
            _figures.Add(($"retrieval, all, recall@1: {system}", first, score.RecallAt1));
            _figures.Add(($"retrieval, all, recall@5: {system}", five, score.RecallAt5));
            _figures.Add(($"retrieval, all, mrr@10: {system}", mrr, score.MrrAt10));
        }
    }

    public void Add(ReplayEvaluationResult result)
    {
        Named(ReplayBaselines.Seed, .037, .021, .040, .047);
        Named(ReplayBaselines.SeedAdapted, .534, .093, .538, .605);
        Named(ReplayBaselines.Equality, .948, .958, .991, .997);
        Named(ReplayBaselines.Oracle, 1, 1, 1, 1);
        _figures.Add(($"replay, tau-retail named 1-shot: {ReplayBaselines.Equality}", .791, result.Of(ReplayBaselines.Equality, "tau-retail", ReplayEvaluation.Named, 1)?.Rate ?? 0));
        TracesOnly(ReplayBaselines.Diff, 2, .746, .87);
        TracesOnly(ReplayBaselines.Diff, 3, .879, .95);
        TracesOnly(ReplayBaselines.AskEverything, 2, 1, 1.68);
        TracesOnly(ReplayBaselines.AskEverything, 3, 1, null);
        TracesOnly(ReplayBaselines.Oracle, 2, 1, 1);
        TracesOnly(ReplayBaselines.Oracle, 3, 1, null);

        void Named(string system, double one, double binding, double two, double three)
        {
            _figures.Add(($"replay, named 1-shot: {system}", one, Rate(system, ReplayEvaluation.Named, 1)));
            _figures.Add(($"replay, named 1-shot, needing a binding: {system}", binding, Rate(system, ReplayEvaluation.NamedBinding, 1)));
            _figures.Add(($"replay, named 2-shot: {system}", two, Rate(system, ReplayEvaluation.Named, 2)));
            _figures.Add(($"replay, named 3-shot: {system}", three, Rate(system, ReplayEvaluation.Named, 3)));
        }

        void TracesOnly(string system, int shots, double rate, double? asked)
        {
            _figures.Add((string.Create(CultureInfo.InvariantCulture, $"replay, traces-only {shots}-shot: {system}"), rate, Rate(system, ReplayEvaluation.TracesOnly, shots)));
            if (asked is { } ratio)
            {
                _figures.Add((string.Create(CultureInfo.InvariantCulture, $"replay, traces-only {shots}-shot, asked/slots: {system}"), ratio, result.All(system, ReplayEvaluation.TracesOnly, shots)?.AskedPerSlot ?? 0));
            }
        }

        double Rate(string system, string mode, int shots) => result.All(system, mode, shots)?.Rate ?? 0;
    }

    public void Print(IAnsiConsole console)
    {
        var table = new Table().Title("baselines beside the README of the public data").AddColumn("figure").AddColumn("printed there").AddColumn("here").AddColumn("within 0.005");
        foreach (var (what, printed, found) in _figures)
        {
            table.AddRow(Markup.Escape(what), Figure.Rate(printed), Figure.Rate(found), Math.Abs(printed - found) <= Tolerance ? "yes" : "NO");
        }

        console.Write(table);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_figures.Count(f => Math.Abs(f.Printed - f.Found) <= Tolerance)} of {_figures.Count} figures are as printed there."));
    }
}

/// <summary>
/// Tells of a collapse of ours. The floors lie far under what is reached, so that a change which wins here and loses there passes: the tables are for
/// judging it, and this is for noticing that nothing works any more.
/// </summary>
internal sealed class CollapseGuard
{
    private readonly List<(string What, double Found, double Floor)> _figures = [];

    public IReadOnlyList<string> Collapses =>
        [.. _figures.Where(f => f.Found < f.Floor).Select(f => $"{f.What} of {Library.Name} is {Figure.Rate(f.Found)}; below {Figure.Rate(f.Floor)} something is broken. See --errors N for what it gets wrong.")];

    public void Add(DataflowResult result) => _figures.Add(("dataflow, nestful, binding F1", result.Of(Library.Name, "nestful", Label.Binding).F1, .9));

    public void Add(RetrievalResult result) => _figures.Add(("retrieval, macro recall@1", result.Macro(Library.Name).RecallAt1, .5));

    public void Add(WrongReplayResult result)
    {
        _figures.Add(("wrong-replay, share of the pairs that are not replayed", 1 - ((double)result.Wrong(Library.Name) / result.Pairs()), .4));
        _figures.Add(("wrong-replay, controls found", result.Found(Library.Name), .5));
    }

    public void Add(RedactionResult result) => _figures.Add(("redaction, share of harmless values that stay", 1 - ((double)result.FalsePositives / Math.Max(1, result.Sample.Count)), .99));

    public void Add(TurnsResult result)
    {
        foreach (var corpus in result.Corpora)
        {
            // A little below what is reached: .68, .83, .86 and .86; and 1.06, 1.01, 1.14 and 1.18 procedures per skill.
            _figures.Add(($"turns, {corpus.Name}, purity", corpus.Purity, corpus.Name is TurnsEvaluation.Declared ? .62 : .78));
            _figures.Add(($"turns, {corpus.Name}, skills per procedures that they went to", corpus.PerSkill > 0 ? 1 / corpus.PerSkill : 0, .8));
            _figures.Add(($"turns, {corpus.Name}, share of the names without a value of their task", 1 - ((double)corpus.NamesWithValues / Math.Max(1, corpus.Procedures)), 1));
            _figures.Add(($"turns, {corpus.Name}, time of recording outright per time of learning a turn", corpus.TimesOutright > 0 ? 1 / corpus.TimesOutright : 0, .08));
        }
    }

    public void Add(ReplayEvaluationResult result) => _figures.Add(("replay, named 1-shot over all, rate", result.All(Library.Name, ReplayEvaluation.Named, 1)?.Rate ?? 0, .9));
}
