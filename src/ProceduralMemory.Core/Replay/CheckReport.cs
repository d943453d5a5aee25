using System.Globalization;
using System.Text;

namespace ProceduralMemory.Replay;

/// <summary>Whether the active procedures of a memory can still be replayed through a host: for a health check, and for continuous integration. <see cref="ToString"/> is the report for a log.</summary>
public sealed record CheckReport
{
    /// <summary>How many active procedures were looked at.</summary>
    public required int ProcedureCount { get; init; }

    /// <summary>Those of which there is something to say, by name.</summary>
    public IReadOnlyList<ProcedureCheck> Findings { get; init; } = [];

    /// <summary>Whether nothing stands in the way of any of them. What does no harm, and what a replay adapts by itself, is among the findings all the same.</summary>
    public bool IsHealthy => Findings.All(f => f.IsHealthy);

    /// <summary>The report as lines of text: a summary, then each procedure with <c>FAIL</c> where a replay would be refused, and <c>note</c> otherwise.</summary>
    public override string ToString()
    {
        var failing = Findings.Count(f => !f.IsHealthy);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{ProcedureCount} active {(ProcedureCount == 1 ? "procedure" : "procedures")} checked: {(failing == 0 ? "all can be replayed" : $"{failing} cannot be replayed")}.");
        foreach (var finding in Findings.OrderBy(f => f.IsHealthy))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{(finding.IsHealthy ? "note" : "FAIL")} {OneLine(finding.ProcedureName)}, version {finding.Version}, scope {OneLine(finding.Scope)}");
            foreach (var message in finding.Problems.Select(p => p.Message).Union(finding.Drift.Select(d => d.Message), StringComparer.Ordinal))
            {
                text.Append("\n     - ").Append(OneLine(message));
            }
        }

        return text.ToString();
    }

    // Names are data: none begins a line of its own in a log.
    private static string OneLine(string text) => string.Concat(text.Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? ' ' : c));
}

/// <summary>What there is to say of one procedure.</summary>
public sealed record ProcedureCheck
{
    /// <summary>Its scope.</summary>
    public required string Scope { get; init; }

    /// <summary>Its name.</summary>
    public required string ProcedureName { get; init; }

    /// <summary>Its active version.</summary>
    public required int Version { get; init; }

    /// <summary>What would make a replay be refused, whatever inputs it is given: missing functions, breaking drift, missing procedures.</summary>
    public IReadOnlyList<ReplayProblem> Problems { get; init; } = [];

    /// <summary>The steps whose functions declare something else than when they were recorded, those that are no problem included.</summary>
    public IReadOnlyList<StepDrift> Drift { get; init; } = [];

    /// <summary>Whether nothing stands in the way of a replay.</summary>
    public bool IsHealthy => Problems.Count == 0;
}
