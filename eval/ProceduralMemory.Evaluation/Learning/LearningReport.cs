using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;
using Spectre.Console;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>Shows what learning is worth.</summary>
internal static class LearningReport
{
    private const int Parts = 10;

    public static string Name(LearningArm arm) => arm switch
    {
        LearningArm.NoMemory => "no memory",
        LearningArm.Off => "learning off",
        LearningArm.Seed => "seed's optimiser",
        _ => "learning on",
    };

    public static void Print(IAnsiConsole console, LearningResult result)
    {
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"learning: {result.Types} types, {result.Tasks} tasks, seed {result.Seed}"));
        var whole = new Table().Title("the whole run").AddColumns("memory", "done", "without help", "model calls a task", "seconds a task", "wrong effects", "wrong removals");
        foreach (var arm in result.Arms)
        {
            var records = arm.Records;
            whole.AddRow(
                Name(arm.Arm), Figure.Rate(records.Average(r => r.IsDone ? 1.0 : 0)), Figure.Rate(records.Average(r => r.Alone ? 1.0 : 0)), Figure.Ratio(records.Average(r => r.ModelCalls)), Figure.Ratio(records.Average(r => r.Duration.TotalSeconds)),
                Count(records.Sum(r => r.WrongEffects)), Count(arm.WrongRemovals));
        }

        console.Write(whole);
        PrintParts(console, result, "done, by tenths of the run", records => Figure.Rate(records.Average(r => r.IsDone ? 1.0 : 0)));
        PrintParts(console, result, "done by a replay without help, by tenths of the run", records => Figure.Rate(records.Average(r => r.Alone ? 1.0 : 0)));
        PrintParts(console, result, "seconds a task, by tenths of the run", records => Figure.Ratio(records.Average(r => r.Duration.TotalSeconds)));

        ToolEvent[] events = [ToolEvent.Slows, ToolEvent.Renames, ToolEvent.Breaks, ToolEvent.Outage];
        var recovery = new Table().Title("tasks of a type from its event until three in a row were done without help: median, worst, and how many types never came to that").AddColumn("memory").AddColumns([.. events.Select(e => e.ToString().ToLowerInvariant())]);
        foreach (var arm in result.Arms.Where(a => a.Arm is not LearningArm.NoMemory))
        {
            recovery.AddRow([Name(arm.Arm), .. events.Select(e => Describe([.. arm.Recoveries.Where(r => r.Event == e).Select(r => r.Tasks)]))]);
        }

        console.Write(recovery);
    }

    /// <summary>Draws success and duration over the run.</summary>
    public static void Draw(LearningResult result, string path)
    {
        var model = new PlotModel { Title = "Done by a replay without help, and seconds a task", TitleFontSize = 14, Background = OxyColors.White };
        model.Legends.Add(new Legend { LegendPosition = LegendPosition.BottomCenter, LegendPlacement = LegendPlacement.Outside, LegendOrientation = LegendOrientation.Horizontal });
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom, Title = "tasks", Minimum = 0, Maximum = result.Tasks });
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Key = "share", Title = "share of tasks", Minimum = 0, Maximum = 1, StartPosition = 0.54, EndPosition = 1, MajorGridlineStyle = LineStyle.Dot });
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Key = "seconds", Title = "seconds", Minimum = 0, StartPosition = 0, EndPosition = 0.46, MajorGridlineStyle = LineStyle.Dot });
        foreach (var arm in result.Arms)
        {
            var (share, seconds) = (Line(arm, "share", isInLegend: true), Line(arm, "seconds", isInLegend: false));
            var size = Math.Max(1, result.Tasks / 50);
            foreach (var part in arm.Records.Chunk(size))
            {
                var at = part[0].Task.Index + (size / 2.0);
                share.Points.Add(new DataPoint(at, part.Average(r => r.Alone ? 1.0 : 0)));
                seconds.Points.Add(new DataPoint(at, part.Average(r => r.Duration.TotalSeconds)));
            }

            model.Series.Add(share);
            model.Series.Add(seconds);
        }

        using var stream = File.Create(path);
        new SvgExporter { Width = 900, Height = 620, UseVerticalTextAlignmentWorkaround = true }.Export(model, stream);
    }

    private static LineSeries Line(ArmResult arm, string axis, bool isInLegend) => new()
    {
        Title = Name(arm.Arm),
        RenderInLegend = isInLegend,
        YAxisKey = axis,
        StrokeThickness = 1.8,
        Color = arm.Arm switch { LearningArm.NoMemory => OxyColors.Gray, LearningArm.Off => OxyColors.DarkOrange, LearningArm.Seed => OxyColors.Firebrick, _ => OxyColors.SeaGreen },
    };

    private static void PrintParts(IAnsiConsole console, LearningResult result, string title, Func<IReadOnlyList<TaskRecord>, string> figure)
    {
        var table = new Table().Title(title).AddColumn("memory").AddColumns([.. Enumerable.Range(1, Parts).Select(Count)]);
        foreach (var arm in result.Arms)
        {
            table.AddRow([Name(arm.Arm), .. arm.Records.Chunk(Math.Max(1, (result.Tasks + Parts - 1) / Parts)).Select(figure)]);
        }

        console.Write(table);
    }

    private static string Describe(List<int?> tasks)
    {
        var recovered = tasks.OfType<int>().Order().ToList();
        return recovered.Count == 0 ? $"never, {Count(tasks.Count)} types" : $"{Count(recovered[recovered.Count / 2])}, {Count(recovered[^1])}, {Count(tasks.Count - recovered.Count)} of {Count(tasks.Count)}";
    }

    private static string Count(int count) => count.ToString(CultureInfo.InvariantCulture);
}
