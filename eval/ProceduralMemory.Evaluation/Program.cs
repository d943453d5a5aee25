using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using ProceduralMemory.Evaluation;
using ProceduralMemory.Evaluation.Crash;
using ProceduralMemory.Evaluation.Learning;
using Spectre.Console;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (Console.IsOutputRedirected)
{
    // A file or a pipe has no width of its own; the tables are wide.
    AnsiConsole.Profile.Width = 200;
}

var what = new Argument<string>("what") { Description = "What to measure: retrieval, wrong-replay, dataflow, replay, redaction, turns or all." };
what.AcceptOnlyFromAmong("retrieval", "wrong-replay", "dataflow", "replay", "redaction", "turns", "all");
var data = new Option<DirectoryInfo?>("--data") { Description = "The folder of the evaluation data. The default is ../shared/data, seen from the current directory or from the repository.", HelpName = "DIR" };
var json = new Option<bool>("--json") { Description = "Print nothing but one JSON object on standard output." };
var errors = new Option<int>("--errors") { Description = "Then print the first N failures of ours for each source, with what was predicted and the truth. With --json they go to standard error.", HelpName = "N" };
var check = new Option<bool>("--check") { Description = "Then compare the baselines with the figures that the README of the public data prints." };
var redact = new Option<bool>("--redact") { Description = "Record with the library's default redactor. Without it nothing is redacted: the data hold no real secrets, and the flow of values is what is measured." };
var guard = new Option<bool>("--guard") { Description = "Then exit with 3 where ours has collapsed: far below what it is known to reach." };
var prune = new Option<bool>("--prune") { Description = "Then show what bounds on the candidates cost in quality (retrieval)." };
var seed = new Option<int>("--seed") { Description = "What decides the order of the turns (turns).", DefaultValueFactory = _ => 1, HelpName = "N" };
var command = new RootCommand("Measures the library and simple baselines on real traces.") { what, data, json, errors, check, guard, redact, prune, seed };
command.Subcommands.Add(CrashCommands.Crash());
command.Subcommands.Add(CrashCommands.ResumeRace());
command.Subcommands.Add(CrashCommands.RunWorker());
command.Subcommands.Add(LearningCommand.Make());

command.SetAction(async (parsed, cancellationToken) =>
{
    var asked = parsed.GetRequiredValue(what);
    var asJson = parsed.GetValue(json);
    var asides = asJson ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }) : AnsiConsole.Console;
    try
    {
        var failures = parsed.GetValue(errors);
        var checks = new ReadmeCheck();
        var floors = new CollapseGuard();
        var report = new JsonObject();
        // What is asked with a stored task that is another comes with this program, and needs no data.
        var folder = asked is "wrong-replay" ? null! : DataFolder.Find(parsed.GetValue(data));
        if (asked is "retrieval" or "all")
        {
            var retrieval = new RetrievalEvaluation(folder.LoadRetrieval());
            var result = await retrieval.RunAsync(cancellationToken);
            report["retrieval"] = RetrievalReport.ToJson(result);
            if (!asJson)
            {
                RetrievalReport.Print(AnsiConsole.Console, result);
            }

            if (parsed.GetValue(prune))
            {
                RetrievalReport.Print(asides, await retrieval.PruneAsync(cancellationToken));
            }

            FailureReport.Print(asides, "retrieval", result.Failures, failures);
            checks.Add(result);
            floors.Add(result);
        }

        if (asked is "wrong-replay" or "all")
        {
            var result = await WrongReplayEvaluation.RunAsync(cancellationToken);
            report["wrong-replay"] = WrongReplayReport.ToJson(result);
            if (!asJson)
            {
                WrongReplayReport.Print(AnsiConsole.Console, result);
            }

            FailureReport.Print(asides, "wrong-replay", [.. result.Failures], failures);
            floors.Add(result);
        }

        if (asked is "dataflow" or "all")
        {
            var result = await new DataflowEvaluation(folder.LoadTraces(), parsed.GetValue(redact)).RunAsync(cancellationToken);
            report["dataflow"] = DataflowReport.ToJson(result);
            if (!asJson)
            {
                DataflowReport.Print(AnsiConsole.Console, result);
            }

            FailureReport.Print(asides, "dataflow", result.Failures, failures);
            checks.Add(result);
            floors.Add(result);
        }

        if (asked is "replay" or "all")
        {
            var result = await new ReplayEvaluation(folder.LoadReplay(), parsed.GetValue(redact)).RunAsync(cancellationToken);
            report["replay"] = ReplayReport.ToJson(result);
            if (!asJson)
            {
                ReplayReport.Print(AnsiConsole.Console, result);
            }

            FailureReport.Print(asides, "replay", result.Failures, failures);
            checks.Add(result);
            floors.Add(result);
        }

        if (asked is "redaction" or "all")
        {
            var result = RedactionEvaluation.Run(folder.LoadTraces(), folder.LoadReplay());
            report["redaction"] = RedactionEvaluation.ToJson(result);
            if (!asJson)
            {
                RedactionEvaluation.Print(AnsiConsole.Console, result);
            }

            FailureReport.Print(asides, "redaction", RedactionEvaluation.Failures(result), failures);
            floors.Add(result);
        }

        if (asked is "turns" or "all")
        {
            var result = await new TurnsEvaluation(folder.LoadReplay(), folder.LoadTraces(), parsed.GetValue(seed)).RunAsync(isShort: asked is "all", cancellationToken);
            report["turns"] = TurnsReport.ToJson(result);
            if (!asJson)
            {
                TurnsReport.Print(AnsiConsole.Console, result);
            }

            FailureReport.Print(asides, "turns", result.Failures, failures);
            floors.Add(result);
        }

        if (asJson)
        {
            await Console.Out.WriteLineAsync(report.ToJsonString());
        }

        if (parsed.GetValue(check))
        {
            checks.Print(asides);
        }

        if (parsed.GetValue(guard) && floors.Collapses is { Count: > 0 } collapses)
        {
            foreach (var collapse in collapses)
            {
                await Console.Error.WriteLineAsync(collapse);
            }

            return 3;
        }

        return 0;
    }
    catch (DataException exception)
    {
        await Console.Error.WriteLineAsync(exception.Message);
        return 1;
    }
});

return await command.Parse(args).InvokeAsync();
