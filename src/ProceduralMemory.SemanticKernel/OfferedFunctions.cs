using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Which functions a turn offers to its model, by its settings.</summary>
internal sealed class OfferedFunctions
{
    private readonly PromptExecutionSettings? _settings;
    private readonly FunctionChoiceBehaviorConfiguration? _bounds;
    private readonly HashSet<string>? _actions;

    private OfferedFunctions(PromptExecutionSettings? settings, bool areOpen, FunctionChoiceBehaviorConfiguration? bounds)
    {
        (_settings, AreOpen, _bounds) = (settings, areOpen, bounds);
        _actions = bounds?.Functions?.Select(KernelActions.NameOf).ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Whether the model chooses by itself among some functions, so that one more may be put beside them.</summary>
    public bool AreOpen { get; }

    public static OfferedFunctions Of(PromptExecutionSettings? settings, ChatHistory history, Kernel kernel)
    {
        if (settings?.FunctionChoiceBehavior is null)
        {
            // Connectors had settings of their own before; they take whatever the kernel holds.
            return new OfferedFunctions(settings, areOpen: settings?.GetType().GetProperty("ToolCallBehavior")?.GetValue(settings)?.GetType().Name == "KernelFunctions", bounds: null);
        }

        if (settings.FunctionChoiceBehavior is not AutoFunctionChoiceBehavior auto)
        {
            return new OfferedFunctions(settings, areOpen: false, bounds: null);
        }

        if (auto.Functions is not null && settings.Clone().GetType() != settings.GetType())
        {
            // Settings whose copy is no copy of them: what else they say would be lost.
            return new OfferedFunctions(settings, areOpen: false, bounds: null);
        }

        var configuration = auto.GetConfiguration(new FunctionChoiceBehaviorConfigurationContext(history) { Kernel = kernel });
        return new OfferedFunctions(settings, areOpen: configuration.Functions is { Count: > 0 }, auto.Functions is null ? null : configuration);
    }

    /// <summary>Whether the turn offers a function, or sets no bounds.</summary>
    public bool Has(string action) => _actions is null || _actions.Contains(action);

    /// <summary>The settings with further functions beside those that they name.</summary>
    public PromptExecutionSettings? With(IReadOnlyList<KernelFunction> functions)
    {
        if (_bounds is null)
        {
            // The kernel's plugins are asked for what they hold.
            return _settings;
        }

        var settings = _settings!.Clone();
        settings.FunctionChoiceBehavior = FunctionChoiceBehavior.Auto([.. _bounds.Functions!, .. functions], _bounds.AutoInvoke, _bounds.Options);
        return settings;
    }
}
