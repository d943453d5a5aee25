using System.ComponentModel.DataAnnotations;

namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// Which functions a replay may call. A function is named as it is offered to the model, or as <c>plugin.function</c>; <c>plugin.*</c> means all of a plugin. Dots, hyphens and underscores between
/// the two are the same here, since what Semantic Kernel knows as <c>orders.refund</c> is offered as <c>orders_refund</c> or <c>orders-refund</c>.
/// </summary>
public sealed class FunctionReplayOptions
{
    /// <summary>The only functions that a replay may call; <see langword="null"/> for every function among the tools.</summary>
    /// <value>The default value is <see langword="null"/>.</value>
    public IReadOnlyCollection<string>? AllowedFunctions { get; set; }

    /// <summary>Functions that a replay may not call. They go before <see cref="AllowedFunctions"/>.</summary>
    /// <value>The default value is none.</value>
    [Required]
    public IReadOnlyCollection<string> DeniedFunctions { get; set; } = [];

    internal bool Allows(string function) => WhyNot(function) is null;

    /// <summary>Why a function may not be called, as the end of a sentence; <see langword="null"/> where it may.</summary>
    internal string? WhyNot(string function) => DeniedFunctions.FirstOrDefault(p => FunctionPattern.CoversOffered(p, function)) is { } pattern
        ? $"'{pattern}' is in {nameof(FunctionReplayOptions)}.{nameof(DeniedFunctions)}"
        : AllowedFunctions is null || AllowedFunctions.Any(p => FunctionPattern.CoversOffered(p, function)) ? null : $"it is not in {nameof(FunctionReplayOptions)}.{nameof(AllowedFunctions)}";

    internal void Validate()
    {
        var faults = (DeniedFunctions ?? []).Concat(AllowedFunctions ?? [])
            .Select(FunctionPattern.FaultOfOffered)
            .OfType<string>()
            .ToList();
        if (faults.Count > 0)
        {
            throw new ValidationException(string.Join(" ", faults));
        }
    }
}
