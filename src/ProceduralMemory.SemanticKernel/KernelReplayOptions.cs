using System.ComponentModel.DataAnnotations;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Which functions a replay may call.</summary>
public sealed class KernelReplayOptions
{
    /// <summary>The only functions that a replay may call, as <c>plugin.function</c> or <c>plugin.*</c>; <see langword="null"/> for every function that the kernel holds.</summary>
    /// <value>The default value is <see langword="null"/>.</value>
    public IReadOnlyCollection<string>? AllowedFunctions { get; set; }

    /// <summary>Functions that a replay may not call, as <c>plugin.function</c> or <c>plugin.*</c>. They go before <see cref="AllowedFunctions"/>.</summary>
    /// <value>The default value is none.</value>
    [Required]
    public IReadOnlyCollection<string> DeniedFunctions { get; set; } = [];

    /// <summary>
    /// Types of auto-function-invocation filters that guard nothing and cannot work outside a live turn of a chat, for instance because they need what the user said.
    /// A replay leaves them out. Any other filter that fails before the call makes the replay refuse the step.
    /// </summary>
    /// <value>The default value is none.</value>
    [Required]
    public IReadOnlyCollection<Type> LiveOnlyFilters { get; set; } = [];

    internal bool Allows(string action) => WhyNot(action) is null;

    /// <summary>Why a function may not be called, as the end of a sentence; <see langword="null"/> where it may.</summary>
    internal string? WhyNot(string action) => DeniedFunctions.FirstOrDefault(p => FunctionPattern.Covers(p, action)) is { } pattern
        ? $"'{pattern}' is in {nameof(KernelReplayOptions)}.{nameof(DeniedFunctions)}"
        : AllowedFunctions is null || AllowedFunctions.Any(p => FunctionPattern.Covers(p, action)) ? null : $"it is not in {nameof(KernelReplayOptions)}.{nameof(AllowedFunctions)}";

    internal IEnumerable<string> Faults() => (DeniedFunctions ?? []).Concat(AllowedFunctions ?? []).Select(FunctionPattern.Fault).OfType<string>();

    internal void Validate()
    {
        var faults = Faults().ToList();
        if (faults.Count > 0)
        {
            throw new ValidationException(string.Join(" ", faults));
        }
    }
}

/// <summary>Every knob of the memory in a kernel: those of <see cref="ProceduralMemoryOptions"/>, and these.</summary>
public sealed class ProceduralMemoryKernelOptions : ProceduralMemoryOptions
{
    /// <summary>The plugin name under which the model sees the functions. Function names are short, so this gives them their meaning.</summary>
    /// <value>The default value is <c>procedures</c>.</value>
    [Required]
    [RegularExpression("^[0-9A-Za-z_]{1,32}$", ErrorMessage = "PluginName has 1 to 32 ASCII letters, digits and underscores.")]
    public string PluginName { get; set; } = "procedures";

    /// <summary>The plugin name of the functions for an administrator's agent; <see langword="null"/> leaves them out, since every function costs tokens on every request.</summary>
    /// <value>The default value is <see langword="null"/>.</value>
    [RegularExpression("^[0-9A-Za-z_]{1,32}$", ErrorMessage = "AdminPluginName has 1 to 32 ASCII letters, digits and underscores.")]
    public string? AdminPluginName { get; set; }

    /// <summary>The plugin name under which the model sees the procedures that fit its task, each as a function of its own.</summary>
    /// <value>The default value is <c>learned</c>.</value>
    [Required]
    [RegularExpression("^[0-9A-Za-z_]{1,32}$", ErrorMessage = "LearnedPluginName has 1 to 32 ASCII letters, digits and underscores.")]
    public string LearnedPluginName { get; set; } = "learned";

    /// <summary>How many procedures are offered to the model as functions of their own in one turn, those that fit the request best. Each costs tokens. 0 offers none.</summary>
    /// <value>The default value is 3.</value>
    [Range(0, 32)]
    public int MaxLearnedFunctions { get; set; } = 3;

    /// <summary>Whether a generator of embeddings that is registered as a service is used where <see cref="ProceduralMemoryOptions.EmbeddingGenerator"/> is not set. It must be a singleton.</summary>
    /// <value>The default value is <see langword="true"/>. Turn it off where the generator is for something else, or costs too much.</value>
    public bool UseRegisteredEmbeddingGenerator { get; set; } = true;

    /// <summary>
    /// How often the maintenance pass runs (<see cref="ProcedureMemory.ReviseAsync"/>), in a host that runs services (<c>IHostedService</c>): an ASP.NET Core or worker application to whose services
    /// the memory was added. A kernel builder alone runs none.
    /// </summary>
    /// <value>The default value is <see langword="null"/>: never by itself. At least 1 second.</value>
    [Range(typeof(TimeSpan), "00:00:01", "49.00:00:00")]
    public TimeSpan? RevisionInterval { get; set; }

    /// <summary>What the maintenance pass keeps, and for how long.</summary>
    /// <value>The default value is <see langword="null"/>: everything.</value>
    public Revise.RetentionPolicy? Retention { get; set; }

    /// <summary>Which procedures the maintenance pass puts out of use; <see langword="null"/> for none.</summary>
    public Revise.ForgetPolicy? Forget { get; set; }

    /// <summary>Which functions a replay may call.</summary>
    /// <value>By default every function that the kernel holds.</value>
    [Required]
    public KernelReplayOptions Replay { get; set; } = new();

    /// <inheritdoc/>
    protected override IEnumerable<string> FurtherFaults() => (Replay?.Faults() ?? [])
        .Concat(string.Equals(LearnedPluginName, PluginName, StringComparison.OrdinalIgnoreCase) || string.Equals(LearnedPluginName, AdminPluginName, StringComparison.OrdinalIgnoreCase) ? [$"{nameof(LearnedPluginName)} is the name of another plugin of the memory, '{LearnedPluginName}'. Give it one of its own."] : []);
}
