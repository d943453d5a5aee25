using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>Says for every labelled argument leaf of every trace where its value comes from, one trace at a time, and compares with the labels.</summary>
internal sealed class DataflowEvaluation(IReadOnlyList<DataflowTrace> traces, bool redact)
{
    public async Task<DataflowResult> RunAsync(CancellationToken cancellationToken)
    {
        var result = new DataflowResult([.. traces.Select(t => t.Source).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);
        using var library = new Library(redact, errorsTeach: true);
        foreach (var trace in traces)
        {
            // The library takes one request for a recording, so it is given all that the users said, also what they said after a step.
            var request = string.Join("\n", trace.Users.Select(u => u.Text));
            var learned = await library.LearnAsync(trace.Id, [new Library.Lesson(request, trace.Steps)], cancellationToken);
            foreach (var label in trace.Labels.Where(l => l.Truth != Label.Skip))
            {
                var pointer = Values.FromLabelPath(label.Arg);
                var value = Values.At(trace.Steps[label.Step].Arguments, pointer) ?? throw new DataException($"Trace '{trace.Id}' has no argument {label.Arg} in step {label.Step}.");
                var ours = learned.Procedure is { } procedure
                    ? Templates.Locate(procedure, trace.Steps, label.Step, pointer)
                    : new Prediction(Prediction.Missing);
                result.Count(Library.Name, trace.Source, label, ours);
                result.Count(DataflowBaselines.EqualityFirst, trace.Source, label, DataflowBaselines.EarliestOutput(trace, label.Step, value));
                result.Count(DataflowBaselines.TextFirst, trace.Source, label, DataflowBaselines.TextThenEarliestOutput(trace, label.Step, value));
                if (!IsRight(label, ours))
                {
                    result.Failures.Add(Explain(trace, label, value, ours, learned.Fault));
                }
            }
        }

        return result;
    }

    /// <summary>A binding must lead to one of the true places; of the others the kind is all.</summary>
    public static bool IsRight(Label label, Prediction predicted) => predicted.Kind == label.Truth
        && (label.Truth != Label.Binding || label.From!.Any(f => f.Step == predicted.Step && Values.FromLabelPath(f.Path) == predicted.Pointer));

    private static Failure Explain(DataflowTrace trace, Label label, JsonElement value, Prediction predicted, string? fault)
    {
        var truth = label.Truth == Label.Binding
            ? "binding to " + string.Join(" or ", label.From!.Take(3).Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Step}{Values.FromLabelPath(f.Path)}")))
            : label.Truth;
        return new Failure(
            trace.Source,
            string.Create(CultureInfo.InvariantCulture, $"{trace.Id} step {label.Step} {trace.Steps[label.Step].Function} {label.Arg} = {Values.Shown(value)}"),
            [fault ?? $"predicted {predicted}", $"truth     {truth}"],
            Threw: fault is not null);
    }
}

/// <summary>Precision, recall and F1; zero where nothing was predicted or nothing was there.</summary>
internal readonly record struct Score(double Precision, double Recall)
{
    public double F1 => Precision + Recall > 0 ? 2 * Precision * Recall / (Precision + Recall) : 0;

    public static Score Of(int right, int predicted, int truth) => new(predicted == 0 ? 0 : (double)right / predicted, truth == 0 ? 0 : (double)right / truth);
}

/// <summary>The counts of the dataflow evaluation.</summary>
internal sealed class DataflowResult(IReadOnlyList<string> sources)
{
    private readonly Dictionary<(string System, string Source, string Kind), (int Right, int Predicted, int Truth)> _counts = [];

    public IReadOnlyList<string> Sources { get; } = sources;

    public IReadOnlyList<string> Systems { get; } = [Library.Name, DataflowBaselines.EqualityFirst, DataflowBaselines.TextFirst];

    public List<Failure> Failures { get; } = [];

    public void Count(string system, string source, Label label, Prediction predicted)
    {
        foreach (var kind in new[] { Label.Binding, Label.Input })
        {
            var (right, predictedCount, truth) = _counts.GetValueOrDefault((system, source, kind));
            _counts[(system, source, kind)] = (
                right + (label.Truth == kind && DataflowEvaluation.IsRight(label, predicted) ? 1 : 0),
                predictedCount + (predicted.Kind == kind ? 1 : 0),
                truth + (label.Truth == kind ? 1 : 0));
        }
    }

    public Score Of(string system, string source, string kind)
    {
        var (right, predicted, truth) = _counts.GetValueOrDefault((system, source, kind));
        return Score.Of(right, predicted, truth);
    }

    /// <summary>All sources as one.</summary>
    public Score All(string system, string kind)
    {
        var counts = Sources.Select(s => _counts.GetValueOrDefault((system, s, kind))).ToList();
        return Score.Of(counts.Sum(c => c.Right), counts.Sum(c => c.Predicted), counts.Sum(c => c.Truth));
    }

    /// <summary>The mean over the sources of one figure. The mean of F1 is not the F1 of the means, so each is asked for by itself.</summary>
    public double Macro(string system, string kind, Func<Score, double> figure) => Sources.Average(s => figure(Of(system, s, kind)));
}

/// <summary>Shows a dataflow result.</summary>
internal static class DataflowReport
{
    private static readonly string[] Kinds = [Label.Binding, Label.Input];

    public static void Print(IAnsiConsole console, DataflowResult result)
    {
        var table = new Table().Title("dataflow: binding precision/recall/F1, then input precision/recall/F1").ShowRowSeparators().AddColumn("system");
        foreach (var source in result.Sources.Append("macro").Append("all"))
        {
            table.AddColumn(Markup.Escape(source));
        }

        foreach (var system in result.Systems)
        {
            var cells = result.Sources.Select(s => Cell(k => f => f(result.Of(system, s, k))))
                .Append(Cell(k => f => result.Macro(system, k, f)))
                .Append(Cell(k => f => f(result.All(system, k))));
            table.AddRow([Markup.Escape(system), .. cells]);
        }

        console.Write(table);

        static string Cell(Func<string, Func<Func<Score, double>, double>> figures) =>
            string.Join("\n", Kinds.Select(k => string.Join('/', new Func<Score, double>[] { s => s.Precision, s => s.Recall, s => s.F1 }.Select(f => Figure.Rate(figures(k)(f))))));
    }

    public static JsonObject ToJson(DataflowResult result)
    {
        var json = new JsonObject();
        foreach (var system in result.Systems)
        {
            var sources = new JsonObject();
            foreach (var source in result.Sources)
            {
                sources[source] = Entry(k => f => f(result.Of(system, source, k)));
            }

            sources["macro"] = Entry(k => f => result.Macro(system, k, f));
            sources["all"] = Entry(k => f => f(result.All(system, k)));
            json[system] = sources;
        }

        return json;

        static JsonObject Entry(Func<string, Func<Func<Score, double>, double>> figures)
        {
            var entry = new JsonObject();
            foreach (var kind in Kinds)
            {
                var figure = figures(kind);
                entry[kind] = new JsonObject { ["precision"] = figure(s => s.Precision), ["recall"] = figure(s => s.Recall), ["f1"] = figure(s => s.F1) };
            }

            return entry;
        }
    }
}
