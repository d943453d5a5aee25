using System.Text.Json;
using System.Text.Json.Nodes;
using ProceduralMemory.Capture;
using Spectre.Console;

namespace ProceduralMemory.Evaluation;

/// <summary>
/// How many harmless values of real traces the default redactor takes for secrets. The traces are of public benchmarks and hold no real secrets; what they call a password or a token by name is counted by
/// itself, since there it is right about the name.
/// </summary>
internal static class RedactionEvaluation
{
    private const int Values = 1000;

    public static RedactionResult Run(IReadOnlyList<DataflowTrace> traces, ReplayData replay)
    {
        var redactor = new SecretRedactor();
        var values = new OrderedDictionary<string, (string Name, bool ByName)>(StringComparer.Ordinal);
        foreach (var step in traces.SelectMany(t => t.Steps).Concat(replay.Episodes.Values.OrderBy(e => e.Id, StringComparer.Ordinal).SelectMany(e => e.Steps)))
        {
            Visit(step.Function, "", step.Arguments, byName: false);
            Visit(step.Function, "", step.Result, byName: false);
        }

        // Evenly over all of them, so that no source has more than its share.
        var all = values.Select(v => new HarmlessValue(v.Key, v.Value.Name, v.Value.ByName ? "by name" : redactor.Redact(v.Key) == v.Key ? null : "by shape or words")).ToList();
        var sample = Enumerable.Range(0, Math.Min(Values, all.Count)).Select(i => all[(int)((long)i * all.Count / Math.Min(Values, all.Count))]).ToList();
        return new RedactionResult(sample, all);

        void Visit(string action, string name, JsonElement value, bool byName)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (var member in value.EnumerateObject())
                    {
                        Visit(action, member.Name, member.Value, byName || redactor.IsSecret(action, member.Name));
                    }

                    break;
                case JsonValueKind.Array:
                    foreach (var item in value.EnumerateArray())
                    {
                        Visit(action, name, item, byName);
                    }

                    break;
                case JsonValueKind.String when value.GetString() is { Length: > 0 } text:
                    values.TryAdd(text, (name, byName));
                    break;
            }
        }
    }

    public static JsonObject ToJson(RedactionResult result) => new()
    {
        ["values"] = result.Sample.Count,
        ["redacted-by-name"] = result.Sample.Count(v => v.Taken is "by name"),
        ["redacted-by-shape-or-words"] = result.FalsePositives,
        ["all-values"] = result.All.Count,
        ["all-redacted-by-name"] = result.All.Count(v => v.Taken is "by name"),
        ["all-redacted-by-shape-or-words"] = result.All.Count(v => v.Taken is "by shape or words"),
    };

    public static void Print(IAnsiConsole console, RedactionResult result)
    {
        var table = new Table().Title("redaction: harmless values of the traces that are taken for secrets").AddColumn("values").AddColumn("distinct").AddColumn("by shape or words").AddColumn("by name");
        foreach (var (what, values) in new[] { ("a sample", result.Sample), ("all", result.All) })
        {
            table.AddRow(what, values.Count.ToString(System.Globalization.CultureInfo.InvariantCulture), Count(values, "by shape or words"), Count(values, "by name"));
        }

        console.Write(table);

        static string Count(IReadOnlyList<HarmlessValue> values, string how) => values.Count(v => v.Taken == how).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    public static IReadOnlyList<Failure> Failures(RedactionResult result) =>
        [.. result.All.Where(v => v.Taken is not null).Select(v => new Failure(v.Taken!, v.Name, [v.Text.Length > 160 ? v.Text[..160] + "…" : v.Text]))];
}

/// <summary>A string of the traces.</summary>
/// <param name="Text">The string.</param>
/// <param name="Name">The field that first had it.</param>
/// <param name="Taken">How it is taken for a secret; <see langword="null"/> where it is not.</param>
internal sealed record HarmlessValue(string Text, string Name, string? Taken);

/// <summary>What was taken for a secret.</summary>
/// <param name="Sample">A thousand of the values, evenly over all.</param>
/// <param name="All">All distinct values.</param>
internal sealed record RedactionResult(IReadOnlyList<HarmlessValue> Sample, IReadOnlyList<HarmlessValue> All)
{
    /// <summary>How many of the sample nothing but their text gave away, and wrongly.</summary>
    public int FalsePositives => Sample.Count(v => v.Taken is "by shape or words");
}
