using System.Text.Json;
using static System.FormattableString;

namespace ProceduralMemory.Revise;

/// <summary>What differs between two versions of a procedure, input by input and step by step.</summary>
public sealed class VersionDiff
{
    private VersionDiff(int before, int after, IReadOnlyList<VersionDifference> differences) => (Before, After, Differences) = (before, after, differences);

    /// <summary>The number of the one version.</summary>
    public int Before { get; }

    /// <summary>The number of the other one.</summary>
    public int After { get; }

    /// <summary>The differences: of inputs, then of steps; first what is gone, then what changed or is new, in the order of the other version.</summary>
    public IReadOnlyList<VersionDifference> Differences { get; }

    /// <summary>Compares two versions.</summary>
    /// <param name="before">The one.</param>
    /// <param name="after">The other one.</param>
    public static VersionDiff Of(ProcedureVersion before, ProcedureVersion after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        return new VersionDiff(before.Number, after.Number,
        [
            .. Compare("input", before.Inputs.Select(i => (i.Name, Text(i))), after.Inputs.Select(i => (i.Name, Text(i)))),
            .. Compare("step", Steps(before.Steps), Steps(after.Steps)),
            .. before.Undo == after.Undo ? [] : (VersionDifference[])[new VersionDifference("undo", before.Undo, after.Undo)],
        ]);
    }

    /// <summary>The differences as text: a line with <c>-</c> for what was, one with <c>+</c> for what is. "no difference" where there is none.</summary>
    public override string ToString() => Differences.Count == 0
        ? Invariant($"version {Before} and version {After}: no difference")
        : string.Join('\n', Differences.SelectMany(Lines).Prepend(Invariant($"version {Before} and version {After}:")));

    private static IEnumerable<string> Lines(VersionDifference difference)
    {
        if (difference.Before is { } was)
        {
            yield return $"- {difference.Place}: {ProcedureText.OneLine(was)}";
        }

        if (difference.After is { } now)
        {
            yield return $"+ {difference.Place}: {ProcedureText.OneLine(now)}";
        }
    }

    private static IEnumerable<(string Key, string Text)> Steps(IReadOnlyList<ProcedureStep> steps) =>
        steps.SelectMany(s => Steps(s.Steps).Select(inner => (Key: $"{s.Id}/{inner.Key}", inner.Text)).Prepend((s.Id, JsonSerializer.Serialize(s with { Id = "", Steps = [] }, Json.Stored))));

    private static string Text(ProcedureInput input) => JsonSerializer.Serialize(input with { Name = "" }, Json.Stored);

    private static List<VersionDifference> Compare(string what, IEnumerable<(string Key, string Text)> before, IEnumerable<(string Key, string Text)> after)
    {
        var (was, now) = (before.ToList(), after.ToList());
        var known = was.ToDictionary(b => b.Key, b => b.Text, StringComparer.Ordinal);
        var stays = now.Select(n => n.Key).ToHashSet(StringComparer.Ordinal);
        var (orderBefore, orderAfter) = (string.Join(", ", was.Select(b => b.Key).Where(stays.Contains)), string.Join(", ", now.Select(n => n.Key).Where(known.ContainsKey)));
        return
        [
            .. orderBefore == orderAfter ? [] : (VersionDifference[])[new VersionDifference($"order of {what}s", orderBefore, orderAfter)],
            .. was.Where(b => !stays.Contains(b.Key)).Select(b => new VersionDifference($"{what} {b.Key}", b.Text, null)),
            .. now.Where(n => known.GetValueOrDefault(n.Key) != n.Text).Select(n => new VersionDifference($"{what} {n.Key}", known.GetValueOrDefault(n.Key), n.Text)),
        ];
    }
}

/// <summary>One difference between two versions.</summary>
/// <param name="Place">What differs: <c>input amount</c>, <c>step refund</c>, <c>undo</c>.</param>
/// <param name="Before">It as JSON in the one version; <see langword="null"/> where that has none.</param>
/// <param name="After">It as JSON in the other one; <see langword="null"/> where that has none.</param>
public sealed record VersionDifference(string Place, string? Before, string? After);
