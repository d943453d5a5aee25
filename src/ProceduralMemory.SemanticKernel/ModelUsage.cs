using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;

namespace ProceduralMemory.SemanticKernel;

/// <summary>What answers of a model have cost, as connectors report it.</summary>
internal static class ModelUsage
{
    /// <summary>The cost of some answers.</summary>
    public static TraceUsage Of(IReadOnlyCollection<ChatMessageContent> answers) => Of(answers.Count, answers.Select(a => a.Metadata?.GetValueOrDefault("Usage")));

    /// <summary>The cost of some answers, of which the reports are at hand.</summary>
    public static TraceUsage Of(IReadOnlyCollection<object> reports) => Of(reports.Count, reports);

    private static TraceUsage Of(int answers, IEnumerable<object?> reports)
    {
        long? input = null;
        long? output = null;

        // A client may put the total of all its answers on each of them: the same object is counted once.
        foreach (var report in reports.OfType<object>().Distinct(ReferenceEqualityComparer.Instance))
        {
            input = Sum(input, report!, "InputTokenCount");
            output = Sum(output, report!, "OutputTokenCount");
        }

        return new TraceUsage(answers, input, output);
    }

    // Connectors report usage in types of their own (OpenAI's ChatTokenUsage, Microsoft.Extensions.AI's UsageDetails) that agree on these names.
    private static long? Sum(long? sum, object usage, string name) =>
        usage.GetType().GetProperty(name)?.GetValue(usage) switch
        {
            int count => (sum ?? 0) + count,
            long count => (sum ?? 0) + count,
            _ => sum,
        };
}
