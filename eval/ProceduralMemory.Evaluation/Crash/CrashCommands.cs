using System.CommandLine;
using Spectre.Console;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>The commands that kill processes.</summary>
internal static class CrashCommands
{
    /// <summary>The command of the processes that are killed.</summary>
    public const string Worker = "crash-worker";

    private const int BreachExitCode = 3;

    public static Command Crash()
    {
        var kills = Count("--kills", 300, "How many kills are to come in the middle of a replay.");
        var seed = Seed();
        var command = new Command("crash", "Kills processes (SIGKILL) at random moments of replays that have effects on a real HTTP service, resumes them in other processes, and compares the service's counter with what was to be done. Exits with 3 when an effect is doubled, lost or not reported.") { kills, seed };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var result = await CrashEvaluation.RunAsync(parsed.GetValue(kills), parsed.GetValue(seed), cancellationToken);
            CrashReport.Print(AnsiConsole.Console, result);
            return result.Faults.Count == 0 ? 0 : BreachExitCode;
        });
        return command;
    }

    public static Command ResumeRace()
    {
        var rounds = Count("--rounds", 200, "How many executions are resumed by two processes at once.");
        var seed = Seed();
        var command = new Command("resume-race", "Stops executions by kills, and lets two processes resume each of them at once. Exits with 3 when not exactly one does.") { rounds, seed };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var result = await RaceEvaluation.RunAsync(parsed.GetValue(rounds), parsed.GetValue(seed), cancellationToken);
            RaceReport.Print(AnsiConsole.Console, result);
            return result.Faults.Count == 0 ? 0 : BreachExitCode;
        });
        return command;
    }

    public static Command RunWorker()
    {
        var database = new Option<string>("--database") { Required = true };
        var service = new Option<Uri>("--service") { Required = true, CustomParser = result => new Uri(result.Tokens[0].Value) };
        var id = new Option<string>("--id") { Required = true };
        var slots = new Option<int>("--slots") { Required = true };
        var command = new Command(Worker, "What is killed.") { database, service, id, slots };
        command.Hidden = true;
        command.SetAction((parsed, cancellationToken) => CrashWorker.RunAsync(parsed.GetRequiredValue(database), parsed.GetRequiredValue(service), parsed.GetRequiredValue(id), parsed.GetValue(slots), cancellationToken));
        return command;
    }

    private static Option<int> Count(string name, int standing, string description)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => standing, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
            {
                result.AddError($"{name} is at least 1.");
            }
        });
        return option;
    }

    private static Option<int> Seed() => new("--seed") { Description = "Chooses the moments; what the scheduler does is not repeated.", DefaultValueFactory = _ => 1, HelpName = "N" };
}
