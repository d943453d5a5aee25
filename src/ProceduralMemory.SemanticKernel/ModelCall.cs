using System.Runtime.CompilerServices;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;

namespace ProceduralMemory.SemanticKernel;

/// <summary>A tool call that a model asked for, as an auto-function-invocation filter sees it.</summary>
internal sealed class ModelCall(AutoFunctionInvocationContext context, TimeProvider time)
{
    private static readonly AsyncLocal<ModelCall?> Ambient = new();

    private static readonly ConditionalWeakTable<ChatMessageContent, string> Groups = [];

    /// <summary>The model's tool call that is being served.</summary>
    public static ModelCall? Current
    {
        get => Ambient.Value;
        set => Ambient.Value = value;
    }

    public KernelFunction Function => context.Function;

    public ChatHistory History => context.ChatHistory;

    public PromptExecutionSettings? ExecutionSettings => context.ExecutionSettings;

    public bool IsStreaming => context.IsStreaming;

    public int Index => context.FunctionSequenceIndex;

    public int RequestIndex => context.RequestSequenceIndex;

    /// <summary>A name for the model's answer, where it asks for several calls; a single call needs none.</summary>
    public string? Group => context.FunctionCount > 1
        ? Groups.GetValue(context.ChatMessageContent, _ => Guid.CreateVersion7(time.GetUtcNow()).ToString("D"))
        : null;

    /// <summary>What the user asked for: the latest text of theirs.</summary>
    public string? Request => context.ChatHistory.LastOrDefault(m => m.Role == AuthorRole.User)?.Content;

    /// <summary>The functions that the turn offers to the model, by their action names; <see langword="null"/> where it sets no bounds.</summary>
    public HashSet<string>? OfferedActions() => context.ExecutionSettings?.FunctionChoiceBehavior?
        .GetConfiguration(new FunctionChoiceBehaviorConfigurationContext(context.ChatHistory) { Kernel = context.Kernel, RequestSequenceIndex = context.RequestSequenceIndex })
        .Functions?.Select(KernelActions.NameOf).ToHashSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>What the turn has cost so far: the model's answers since the user's request, with the tokens that the connector reports.</summary>
    public TraceUsage Usage
    {
        get
        {
            var history = context.ChatHistory;
            var request = 0;
            for (var i = history.Count - 1; i >= 0 && request == 0; i--)
            {
                request = history[i].Role == AuthorRole.User ? i : 0;
            }

            return ModelUsage.Of([.. history.Skip(request).Where(m => m.Role == AuthorRole.Assistant)]);
        }
    }
}
