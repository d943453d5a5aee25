using System.Globalization;
using static System.FormattableString;

namespace ProceduralMemory.Revise;

/// <summary>What was learned and when: versions and decisions in the order of time.</summary>
public sealed class ProcedureHistory
{
    private readonly bool _isOutOfUse;

    internal ProcedureHistory(Procedure procedure, IReadOnlyList<ProcedureVersion> versions, IReadOnlyList<Revision> revisions, IReadOnlyList<Procedure> merged)
    {
        Merged = merged;
        ProcedureName = procedure.Name;
        _isOutOfUse = procedure.IsRetired;
        var byNumber = versions.ToDictionary(v => v.Number);
        Entries =
        [
            .. versions.Select(v => new HistoryEntry(v.CreatedAt, v.Number, v, null, v.Parent is { } parent && byNumber.TryGetValue(parent, out var before) ? VersionDiff.Of(before, v) : null))
                .Concat(revisions.Select(r => new HistoryEntry(r.At, r.Version, null, r, null)))
                .OrderBy(e => e.At),
        ];
    }

    /// <summary>The procedure.</summary>
    public string ProcedureName { get; }

    /// <summary>Versions as they were made, and decisions about them, oldest first.</summary>
    public IReadOnlyList<HistoryEntry> Entries { get; }

    /// <summary>The procedures that were merged into it, as they stand: their statistics are their own, and are not added to those of the one that was kept.</summary>
    public IReadOnlyList<Procedure> Merged { get; }

    /// <summary>The history as text for people: each version with what made it, what it changed, and how it has done; each decision with its reason.</summary>
    public override string ToString() => string.Join('\n', Entries.SelectMany(Lines).Prepend(_isOutOfUse ? $"{ProcedureName} (out of use: none of its versions is replayed)" : ProcedureName)
        .Concat(Merged.Select(m => Invariant($"merged into it: {m.Name}, {m.Statistics.Successes} of {m.Statistics.Successes + m.Statistics.Failures} executions succeeded{Mean(m.Statistics)}"))));

    private static string Mean(ExecutionStatistics statistics) => statistics.MeanDuration is { } duration ? Invariant($", {duration.TotalMilliseconds:0} ms on average") : "";

    private static IEnumerable<string> Lines(HistoryEntry entry)
    {
        var at = entry.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        if (entry.Decision is { } decision)
        {
            yield return $"{at}  {Json.Word(decision.Note.Kind)}{(decision.Version is { } number ? Invariant($" (version {number})") : "")}: {ProcedureText.OneLine(decision.Note.Reason)}{(decision.Note.By is { } by ? $", by {by}" : "")}";
            yield break;
        }

        var version = entry.Made!;
        var statistics = version.Statistics;
        yield return Invariant($"{at}  version {version.Number} ({Json.Word(version.State)}), {Json.Word(version.Reason)} by {Json.Word(version.Origin)}: {version.Steps.Count} steps; {statistics.Successes} of {statistics.Successes + statistics.Failures} executions succeeded{Mean(statistics)}");
        if (entry.Changes is { Differences.Count: > 0 } changes)
        {
            yield return $"                  changed: {string.Join(", ", changes.Differences.Select(d => d.Before is null ? $"{d.Place} is new" : d.After is null ? $"{d.Place} is gone" : d.Place))}";
        }
    }
}

/// <summary>A version that was made, or a decision.</summary>
/// <param name="At">When (UTC).</param>
/// <param name="Version">The version that was made, or that the decision is about.</param>
/// <param name="Made">The version that was made, with its statistics by now; <see langword="null"/> for a decision.</param>
/// <param name="Decision">The decision; <see langword="null"/> for a version.</param>
/// <param name="Changes">What the version changed against the one that it was made from; <see langword="null"/> for a first one.</param>
public sealed record HistoryEntry(DateTimeOffset At, int? Version, ProcedureVersion? Made, Revision? Decision, VersionDiff? Changes);
