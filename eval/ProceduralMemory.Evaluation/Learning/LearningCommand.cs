using System.CommandLine;
using Spectre.Console;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>The command that simulates what learning is worth.</summary>
internal static class LearningCommand
{
    private const int BreachExitCode = 3;

    public static Command Make()
    {
        var tasks = new Option<int>("--tasks") { Description = "How many tasks there are.", DefaultValueFactory = _ => 5000, HelpName = "N" };
        var types = new Option<int>("--types") { Description = "Of how many types they are.", DefaultValueFactory = _ => LearningEvaluation.Types, HelpName = "N" };
        var seed = new Option<int>("--seed") { Description = "What decides everything that happens by chance.", DefaultValueFactory = _ => 1, HelpName = "N" };
        var chart = new Option<FileInfo?>("--chart") { Description = "Draw the run into this SVG file.", HelpName = "FILE" };
        foreach (var count in (Option<int>[])[tasks, types])
        {
            count.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < 1)
                {
                    result.AddError($"{count.Name} takes a number from 1.");
                }
            });
        }

        var command = new Command("learning", "Simulates tasks whose tools fail, slow down, rename a parameter or break, and compares memories that learn from it with such that do not. Exits with 3 when the library removed a step that a task needs.") { tasks, types, seed, chart };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var result = await LearningEvaluation.RunAsync(parsed.GetValue(types), parsed.GetValue(tasks), parsed.GetValue(seed), new Told(), cancellationToken);
            LearningReport.Print(AnsiConsole.Console, result);
            if (parsed.GetValue(chart) is { } file)
            {
                LearningReport.Draw(result, file.FullName);
            }

            return result.Arms.Single(a => a.Arm is LearningArm.On).WrongRemovals == 0 ? 0 : BreachExitCode;
        });
        return command;
    }

    private sealed class Told : IProgress<string>
    {
        public void Report(string value) => Console.Error.WriteLine($"{value} …");
    }
}
