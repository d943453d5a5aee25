using System.Globalization;
using Spectre.Console;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>Shows what became of killed replays.</summary>
internal static class CrashReport
{
    private const int FaultsShown = 20;

    public static void Print(IAnsiConsole console, CrashResult result)
    {
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Seed {result.Seed}. A replay of {ShopProcedure.Steps.Count} steps, {ShopProcedure.Writes.Count} of them writes, takes {result.ReplayDuration.TotalMilliseconds:0} ms here. {result.Moments.Count} kills (SIGKILL), in ms after the first call:"));
        console.WriteLine(string.Join(' ', result.Moments.Select(m => m.TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture))));
        var table = new Table().Title("crash: replays that were killed").AddColumn("");
        foreach (var tally in result.Tallies)
        {
            table.AddColumn(new TableColumn(Markup.Escape(tally.Mode.Name)).RightAligned());
        }

        Row("kills in the middle of the replay", t => t.InTheMiddle);
        Row("  while a write was out", t => t.Mode.IsNaive ? null : t.InWrite);
        Row("  while a read was out", t => t.Mode.IsNaive ? null : t.InRead);
        Row("  between two calls", t => t.Mode.IsNaive ? null : t.Between);
        Row("kills before it had begun", t => t.BeforeBegin);
        Row("kills after its end", t => t.AfterEnd);
        table.AddEmptyRow();
        Row("writes whose outcome the journal did not know", t => t.Mode.IsNaive ? null : t.Unknown);
        Row("  reported: waiting, outcome_unknown", t => t.Mode.IsNaive ? null : t.Reported);
        Row("    really done, as the service says", t => t.Mode.IsNaive ? null : t.Done);
        Row("    really not done", t => t.Mode.IsNaive ? null : t.NotDone);
        Row("orders", t => t.Orders);
        Row("  completed without the host", t => t.CompletedAlone);
        Row("  completed once the host had looked", t => t.CompletedWithHost);
        table.AddEmptyRow();
        Row("effects to be had", t => t.Orders * ShopProcedure.Writes.Count);
        Row("effects counted by the service", t => t.Effects);
        Row("effects doubled", t => t.Doubled);
        Row("  in so many orders", t => t.OrdersDoubled);
        Row("effects silently lost", t => t.Of(FaultKind.Lost));
        Row("other breaches", t => t.Faults.Count - t.Of(FaultKind.Lost) - t.Of(FaultKind.Doubled));
        console.Write(table);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"It took {result.Duration.TotalSeconds:0} s. {(result.Faults.Count == 0 ? "No effect of a resumed replay is doubled, none is lost, and every unknown outcome is reported." : $"{result.Faults.Count} BREACHES:")}"));
        Print(console, result.Faults);

        void Row(string what, Func<CrashTally, int?> figure) =>
            table.AddRow([Markup.Escape(what), .. result.Tallies.Select(t => figure(t)?.ToString(CultureInfo.InvariantCulture) ?? "-")]);
    }

    public static void Print(IAnsiConsole console, IReadOnlyList<EffectFault> faults)
    {
        foreach (var fault in faults.Take(FaultsShown))
        {
            console.WriteLine($"  {fault}");
        }

        if (faults.Count > FaultsShown)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  and {faults.Count - FaultsShown} more"));
        }
    }
}
