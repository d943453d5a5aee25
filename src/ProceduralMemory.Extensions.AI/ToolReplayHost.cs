using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>Replays with the tools of a chat client or an agent.</summary>
/// <param name="memory">The memory.</param>
/// <param name="tools">The tools that a replay may use.</param>
/// <param name="options">Which of them.</param>
/// <param name="turn">The turn; <see langword="null"/> for the ambient one.</param>
internal sealed class ToolReplayHost(ProcedureMemory memory, IReadOnlyCollection<AITool> tools, FunctionReplayOptions options, ChatTurn? turn) : IReplayHost
{
    private readonly ToolSet _known = new(tools);

    public string? Request => Current?.Turn.Request ?? memory.CurrentTurn?.Request ?? memory.CurrentSession?.Request;

    public MemorySession? Session => memory.CurrentSession ?? Current?.OpenSession;

    // Only a turn wraps the functions that record.
    public bool RecordsCalls => Current is not null;

    private ChatTurn? Current => turn ?? ChatTurn.Current(memory);

    public bool CanBeReplayed(string action) => _known.CanBeReplayed(action, options);

    public MemorySession? GetSession() => memory.CurrentSession ?? Current?.Session;

    public IStepExecutor CreateExecutor() => new AIFunctionStepExecutor(ToolsOfNow(), options, Current?.Invoker);

    /// <summary>The tools as the model's call found them: what was put around a function since, such as the function middleware of an agent, is put around its replayed calls as well.</summary>
    private ToolSet ToolsOfNow()
    {
        if (FunctionInvokingChatClient.CurrentContext?.Options?.Tools is not { Count: > 0 } offered)
        {
            return _known;
        }

        var now = new ToolSet(offered);
        return new ToolSet(_known.Functions.Select(f => now.Exactly(f.Name) ?? f));
    }
}
