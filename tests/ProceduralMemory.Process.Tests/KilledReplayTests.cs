using ProceduralMemory.Evaluation.Crash;
using Spectre.Console;
using Xunit.Abstractions;

namespace ProceduralMemory.ProcessTests;

/// <summary>
/// Replays with effects on a real HTTP service, killed (SIGKILL) at random moments and resumed by other processes: the evaluation's commands <c>crash</c> and
/// <c>resume-race</c> with fewer rounds. The service counts its effects in this process, which is not killed.
/// </summary>
public sealed class KilledReplayTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Of_replays_killed_in_the_middle_no_effect_is_doubled_or_lost_and_every_unknown_outcome_is_reported()
    {
        const int Kills = 25;
        var seed = Seeds.Next();

        var result = await CrashEvaluation.RunAsync(Kills, seed);

        Show(console => CrashReport.Print(console, result));
        Assert.Empty(result.Faults);
        var resumed = result.Of(CrashMode.Resumed);
        var withKeys = result.Of(CrashMode.ResumedWithKeys);
        foreach (var tally in new[] { resumed, withKeys })
        {
            Assert.Equal(0, tally.Doubled);
            Assert.Equal(tally.Orders * ShopProcedure.Writes.Count, tally.Effects);
            Assert.Equal(tally.Orders, tally.CompletedAlone + tally.CompletedWithHost);
        }

        Assert.True(resumed.InTheMiddle >= Kills);
        Assert.Equal(resumed.Unknown, resumed.Reported);
        Assert.Equal(resumed.Unknown, resumed.Done + resumed.NotDone);
        Assert.Equal(result.Moments.Count, result.Moments.Distinct().Count());

        // Where the service knows the key of a call, nobody has to look.
        Assert.Equal(withKeys.Orders, withKeys.CompletedAlone);

        // What it is all for; and a sign that the kills came where they matter.
        Assert.True(resumed.Unknown > 0, "No kill came while a write was out: the moments are chosen badly.");
        Assert.True(result.Of(CrashMode.Naive).Doubled > 0, "Beginning anew doubled nothing: the moments are chosen badly.");
    }

    [Fact]
    public async Task Of_two_processes_that_resume_an_execution_at_once_exactly_one_does()
    {
        const int Rounds = 20;
        var seed = Seeds.Next();

        var result = await RaceEvaluation.RunAsync(Rounds, seed);

        Show(console => RaceReport.Print(console, result));
        Assert.Empty(result.Faults);
        Assert.Equal(Rounds, result.Rounds);
    }

    private void Show(Action<IAnsiConsole> print)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 200;
        print(console);
        output.WriteLine(text.ToString());
    }
}
