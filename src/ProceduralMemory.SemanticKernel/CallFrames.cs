using System.Runtime.CompilerServices;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Where in a tree of calls the current code runs. Set before a call goes on and restored after it; it flows into what the call awaits.</summary>
internal static class CallFrames
{
    private static readonly AsyncLocal<Frame?> Frames = new();
    private static readonly AsyncLocal<ModelCall?> Current = new();

    /// <summary>Whether a call above this one is recorded by a memory, or is part of a replay: what it calls belongs to it.</summary>
    public static bool IsInside(ProcedureMemory memory)
    {
        for (var frame = Frames.Value; frame is not null; frame = frame.Outer)
        {
            if (frame.Memory is null || frame.Memory == memory)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Enters a call that a memory records, or a call of a replay (<see langword="null"/>), which no memory records.</summary>
    /// <param name="memory">The memory, if any.</param>
    /// <param name="replay">Where the call is a replay: what is to learn how it goes.</param>
    /// <returns>What <see cref="Leave"/> takes.</returns>
    public static Frame? Enter(ProcedureMemory? memory, ReplayWatch? replay = null)
    {
        var outer = Frames.Value;
        Frames.Value = new Frame(memory, outer, replay);
        return outer;
    }

    /// <summary>Who watches the replay that the current code is: several memories may record one call.</summary>
    public static IEnumerable<ReplayWatch> ReplayWatches()
    {
        for (var frame = Frames.Value; frame is { Replay: { } watch }; frame = frame.Outer)
        {
            yield return watch;
        }
    }

    public static void Leave(Frame? outer) => Frames.Value = outer;

    /// <summary>The model's tool call that is being served.</summary>
    public static ModelCall? CurrentModelCall
    {
        get => Current.Value;
        set => Current.Value = value;
    }
}

/// <summary>A call that others are made inside of.</summary>
internal sealed record Frame(ProcedureMemory? Memory, Frame? Outer, ReplayWatch? Replay);

/// <summary>A tool call that a model asked for, as an auto-function-invocation filter sees it.</summary>
internal sealed class ModelCall(AutoFunctionInvocationContext context, TimeProvider time)
{
    // A longer request cannot be kept; what it is about stands at its beginning.
    private const int MaxRequestLength = 16_384;
    private const string CutMark = " … [cut]";

    private static readonly ConditionalWeakTable<ChatMessageContent, string> Groups = [];

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

    /// <summary>A request of any length within what can be kept: the rest is cut off, and a mark says so.</summary>
    public static string? Shortened(string? request)
    {
        if (request is null || request.Length <= MaxRequestLength)
        {
            return request;
        }

        var end = MaxRequestLength - CutMark.Length;
        return string.Concat(request.AsSpan(0, char.IsHighSurrogate(request[end - 1]) ? end - 1 : end), CutMark);
    }

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

            var answers = history.Skip(request).Where(m => m.Role == AuthorRole.Assistant).ToList();
            long? input = null;
            long? output = null;
            foreach (var answer in answers)
            {
                if (answer.Metadata?.TryGetValue("Usage", out var usage) is true && usage is not null)
                {
                    input = Sum(input, usage, "InputTokenCount");
                    output = Sum(output, usage, "OutputTokenCount");
                }
            }

            return new TraceUsage(answers.Count, input, output);
        }
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
