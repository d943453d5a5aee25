using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>Shows how often a task would be replayed for another one.</summary>
internal static class WrongReplayReport
{
    public static JsonObject ToJson(WrongReplayResult result) => new(result.Systems.Select(s => KeyValuePair.Create(s == WrongReplayEvaluation.Seed ? "seed" : s, (JsonNode?)new JsonObject
    {
        ["wrong"] = result.Wrong(s),
        ["wrong-among-all"] = result.WrongAmongAll(s),
        ["pairs"] = result.Pairs(),
        ["controls-found"] = result.Found(s),
        ["controls-found-among-all"] = result.FoundAmongAll(s),
    })));

    public static void Print(IAnsiConsole console, WrongReplayResult result)
    {
        Print(console, result, "its procedure alone in the memory", result.Wrong, result.Found);
        Print(console, result, "all procedures in one memory, none of which does it", result.WrongAmongAll, result.FoundAmongAll);
    }

    private static void Print(IAnsiConsole console, WrongReplayResult result, string title, Func<string, string?, int> wrong, Func<string, string?, double> found)
    {
        var table = new Table().Title($"wrong-replay: {title}: replayed wrongly, and controls found").AddColumn("system").AddColumn("wrong");
        foreach (var kind in result.Kinds)
        {
            table.AddColumn($"another {kind}");
        }

        table.AddColumn("controls found").AddColumn("with other values").AddColumn("in other words");
        foreach (var system in result.Systems)
        {
            table.AddRow([
                Markup.Escape(system),
                Of(wrong(system, null), result.Pairs()),
                .. result.Kinds.Select(k => Of(wrong(system, k), result.Pairs(k))),
                Figure.Rate(found(system, null)),
                Figure.Rate(found(system, "values")),
                Figure.Rate(found(system, "words")),
            ]);
        }

        console.Write(table);

        static string Of(int part, int whole) => string.Create(CultureInfo.InvariantCulture, $"{part} of {whole}");
    }
}
