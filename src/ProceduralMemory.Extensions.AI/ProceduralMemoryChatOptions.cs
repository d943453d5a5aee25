using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Logging;

namespace ProceduralMemory.Extensions.AI;

/// <summary>How a chat client or an agent uses the memory.</summary>
public sealed class ProceduralMemoryChatOptions
{
    /// <summary>How many procedures are offered to the model as functions of their own in one turn, those that fit the request best. Each costs tokens. 0 offers none.</summary>
    /// <value>The default value is 3.</value>
    [Range(0, 32)]
    public int MaxLearnedFunctions { get; set; } = 3;

    /// <summary>Which functions a replay may call.</summary>
    /// <value>By default every function among the tools.</value>
    [Required]
    public FunctionReplayOptions Replay { get; set; } = new();

    /// <summary>Where faults are logged; <see langword="null"/> for the logging of the services that the chat client is built with, if any.</summary>
    public ILoggerFactory? LoggerFactory { get; set; }

    internal static ProceduralMemoryChatOptions Configured(Action<ProceduralMemoryChatOptions>? configure)
    {
        var options = new ProceduralMemoryChatOptions();
        configure?.Invoke(options);
        options.Validate();
        return options;
    }

    internal void Validate()
    {
        Validator.ValidateObject(this, new ValidationContext(this), validateAllProperties: true);
        Replay.Validate();
    }
}
