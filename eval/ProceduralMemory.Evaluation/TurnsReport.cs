using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>Shows what was learned of turns that nobody named.</summary>
internal static class TurnsReport
{
    public static JsonObject ToJson(TurnsResult result) => new(result.Corpora.Select(c => KeyValuePair.Create(c.Name, (JsonNode?)new JsonObject
    {
        ["turns"] = c.Turns,
        ["learned"] = c.LearnedTurns,
        ["not-learned"] = new JsonObject(c.Reasons.Select(r => KeyValuePair.Create(r.Key, (JsonNode?)r.Value))),
        ["skills"] = c.Skills,
        ["procedures"] = c.Procedures,
        ["purity"] = c.Purity,
        ["procedures-per-skill"] = c.PerSkill,
        ["versions-per-procedure"] = c.VersionsPerProcedure,
        ["distinct-names"] = c.DistinctNames,
        ["names-with-values"] = c.NamesWithValues,
        ["milliseconds-per-turn"] = c.MillisecondsPerTurn,
        ["times-outright"] = c.TimesOutright,
    })));

    public static void Print(IAnsiConsole console, TurnsResult result)
    {
        var learned = new Table().Title("turns: learned, and why not").AddColumn("corpus").AddColumn("turns").AddColumn("learned");
        var reasons = result.Corpora.SelectMany(c => c.Reasons.Keys).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        reasons.ForEach(r => learned.AddColumn(Markup.Escape(r)));
        var grouped = new Table().Title("turns: grouped and named without a word from anybody").AddColumn("corpus").AddColumn("skills").AddColumn("procedures").AddColumn("purity").AddColumn("procedures per skill").AddColumn("versions per procedure")
            .AddColumn("distinct names").AddColumn("names with a value").AddColumn("ms per turn").AddColumn("times recording outright");
        foreach (var corpus in result.Corpora)
        {
            learned.AddRow([Markup.Escape(corpus.Name), Of(corpus.Turns), Of(corpus.LearnedTurns), .. reasons.Select(r => Of(corpus.Reasons.GetValueOrDefault(r)))]);
            grouped.AddRow(Markup.Escape(corpus.Name), Of(corpus.Skills), Of(corpus.Procedures), Figure.Rate(corpus.Purity), Figure.Ratio(corpus.PerSkill), Figure.Ratio(corpus.VersionsPerProcedure), Of(corpus.DistinctNames), Of(corpus.NamesWithValues), Figure.Ratio(corpus.MillisecondsPerTurn), Figure.Ratio(corpus.TimesOutright));
        }

        console.Write(learned);
        console.Write(grouped);

        static string Of(int count) => count.ToString(CultureInfo.InvariantCulture);
    }
}
