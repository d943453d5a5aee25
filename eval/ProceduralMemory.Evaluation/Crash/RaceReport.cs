using System.Globalization;
using Spectre.Console;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>Shows who won.</summary>
internal static class RaceReport
{
    public static void Print(IAnsiConsole console, RaceResult result)
    {
        var table = new Table().Title("resume-race: two processes resume the same execution at once").AddColumn("").AddColumn(new TableColumn("").RightAligned()).HideHeaders();
        Row("executions stopped by a kill and resumed twice at once", result.Rounds);
        Row("  stopped in a write, of which the host said how it had ended", result.Settled);
        Row("exactly one won, the other was refused (not_resumable)", result.Rounds - result.Of(FaultKind.NotOneWinner));
        Row("  won by one process", result.FirstWon);
        Row("  won by the other", result.SecondWon);
        Row("  the loser had found it free too, and lost the claim itself", result.LostAtClaim);
        Row("effects doubled", result.Of(FaultKind.Doubled));
        Row("effects silently lost", result.Of(FaultKind.Lost));
        Row("other breaches", result.Faults.Count - result.Of(FaultKind.Doubled) - result.Of(FaultKind.Lost) - result.Of(FaultKind.NotOneWinner));
        console.Write(table);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Seed {result.Seed}; {result.Kills} kills; it took {result.Duration.TotalSeconds:0} s. {(result.Faults.Count == 0 ? "Exactly one won each time." : $"{result.Faults.Count} BREACHES:")}"));
        CrashReport.Print(console, result.Faults);

        void Row(string what, int figure) => table.AddRow(Markup.Escape(what), figure.ToString(CultureInfo.InvariantCulture));
    }
}
