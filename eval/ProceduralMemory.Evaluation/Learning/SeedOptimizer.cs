using ProceduralMemory.Persist;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>
/// The optimiser of the seed design, as a baseline: after three executions each step with more failures than successes is removed, and the result is the active version at once. It asks neither what a step is there for, nor whether
/// the new version does better.
/// </summary>
internal static class SeedOptimizer
{
    private const int MinimumExecutions = 3;

    public static async Task OptimizeAsync(ProcedureMemory memory, string name, CancellationToken cancellationToken)
    {
        var procedure = await memory.GetAsync(name, cancellationToken: cancellationToken);
        var version = procedure.Version;
        if (version.Statistics.Executions < MinimumExecutions)
        {
            return;
        }

        var kept = version.Steps.Where(s => version.StepStatistics.GetValueOrDefault(s.Id) is not { } statistics || statistics.Failures <= statistics.Runs - statistics.Failures).ToList();
        if (kept.Count == version.Steps.Count || kept.Count == 0)
        {
            return;
        }

        try
        {
            await memory.StoreAsync(
                new ProcedureDefinition { Name = name, Description = procedure.Description, Inputs = version.Inputs, Steps = kept, Signatures = version.Signatures }, asNewVersion: true, cancellationToken: cancellationToken);
        }
        catch (ProcedureFormatException)
        {
            // A later step takes a value from the removed one. The seed would store it, and no replay could run it.
        }
    }
}
