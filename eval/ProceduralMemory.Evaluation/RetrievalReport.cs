using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>Shows how well procedures are found.</summary>
internal static class RetrievalReport
{
    private static readonly double[] Coverages = [0.5, 0.8];
    private static readonly double[] Curve = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
    private static readonly double[] Thresholds = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

    public static JsonObject ToJson(RetrievalResult result)
    {
        var report = new JsonObject();
        foreach (var system in result.Systems)
        {
            var figures = new JsonObject();
            foreach (var corpus in result.Corpora)
            {
                figures[corpus] = Score(result.Of(system, corpus));
            }

            figures["macro"] = Score(result.Macro(system));
            figures["all"] = Score(result.Of(system, corpus: null));
            figures["selective"] = new JsonObject(Coverages.Select(c => KeyValuePair.Create(c.ToString(CultureInfo.InvariantCulture), (JsonNode?)result.PrecisionAt(system, c))));
            report[system] = figures;
        }

        return report;

        static JsonObject Score(RetrievalScore score) => new() { ["recall@1"] = score.RecallAt1, ["recall@5"] = score.RecallAt5, ["mrr@10"] = score.MrrAt10 };
    }

    public static void Print(IAnsiConsole console, RetrievalResult result)
    {
        var table = new Table().Title("retrieval: recall@1, recall@5 and mrr@10").AddColumn("system");
        foreach (var column in result.Corpora.Concat(["macro", "all"]))
        {
            table.AddColumn(column);
        }

        foreach (var system in result.Systems)
        {
            table.AddRow([Markup.Escape(system), .. result.Corpora.Select(c => result.Of(system, c)).Concat([result.Macro(system), result.Of(system, corpus: null)]).Select(Text)]);
        }

        console.Write(table);
        if (result.Note is { } note)
        {
            console.WriteLine(note);
        }

        var curve = new Table().Title("retrieval: precision of the first hit among the most confident part of all requests, those that nothing fits included").AddColumn("system");
        foreach (var coverage in Curve)
        {
            curve.AddColumn(coverage.ToString("0 %", CultureInfo.InvariantCulture));
        }

        foreach (var system in result.Systems)
        {
            curve.AddRow([Markup.Escape(system), .. Curve.Select(c => Figure.Rate(result.PrecisionAt(system, c)))]);
        }

        console.Write(curve);
        var thresholds = new Table().Title("retrieval: answering from a score on: requests answered, right among these, answered though nothing fits").AddColumn("system");
        foreach (var threshold in Thresholds)
        {
            thresholds.AddColumn(threshold.ToString("0.0", CultureInfo.InvariantCulture));
        }

        foreach (var system in result.Systems.Where(s => s is Library.Name or RetrievalEvaluation.Hybrid))
        {
            thresholds.AddRow([Markup.Escape(system), .. Thresholds.Select(t => result.AtThreshold(system, t)).Select(t => $"{Figure.Rate(t.Coverage)} {Figure.Rate(t.Precision)} {Figure.Rate(t.NothingFits)}")]);
        }

        console.Write(thresholds);
        foreach (var system in result.Systems.Where(s => s is Library.Name or RetrievalEvaluation.Hybrid))
        {
            var (offset, slope) = Calibration(result.FirstHits(system));
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"retrieval, {system}: a score s tells of a right first hit in the share p, with logit(p) = {offset:0.00} + {slope:0.00} logit(s); 0 and 1 where scores are what they say."));
        }

        static string Text(RetrievalScore score) => score.Requests == 0 ? "-" : $"{Figure.Rate(score.RecallAt1)} {Figure.Rate(score.RecallAt5)} {Figure.Rate(score.MrrAt10)}";
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<(int Budget, int Limit, RetrievalScore Score, double Answered)> pruned)
    {
        var table = new Table().Title("retrieval, ours: what bounds on the candidates cost").AddColumns("entries of the index", "candidates", "macro recall@1", "macro recall@5", "precision at 50 %");
        foreach (var (budget, limit, score, answered) in pruned)
        {
            table.AddRow(
                budget == int.MaxValue ? "all" : budget.ToString("n0", CultureInfo.InvariantCulture),
                limit.ToString("n0", CultureInfo.InvariantCulture),
                Figure.Rate(score.RecallAt1),
                Figure.Rate(score.RecallAt5),
                Figure.Rate(answered));
        }

        console.Write(table);
    }

    /// <summary>Logistic regression of whether a first hit is right on the logit of its score, by Newton's method.</summary>
    private static (double Offset, double Slope) Calibration(IEnumerable<(double Confidence, bool IsRight)> hits)
    {
        var points = hits.Where(h => h.Confidence is > 0 and < 1).Select(h => (X: Math.Log(h.Confidence / (1 - h.Confidence)), Y: h.IsRight ? 1.0 : 0.0)).ToList();
        var (offset, slope) = (0.0, 1.0);
        for (var round = 0; round < 50; round++)
        {
            var (g0, g1, h00, h01, h11) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
            foreach (var (x, y) in points)
            {
                var p = 1 / (1 + Math.Exp(-(offset + (slope * x))));
                g0 += y - p;
                g1 += (y - p) * x;
                h00 += p * (1 - p);
                h01 += p * (1 - p) * x;
                h11 += p * (1 - p) * x * x;
            }

            var determinant = (h00 * h11) - (h01 * h01);
            offset += ((h11 * g0) - (h01 * g1)) / determinant;
            slope += ((h00 * g1) - (h01 * g0)) / determinant;
        }

        return (offset, slope);
    }
}
