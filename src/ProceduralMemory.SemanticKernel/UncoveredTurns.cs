using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// The turns of chat services that nothing was put around, since they were registered after the memory. Their calls are seen, and their ends are not: a turn has ended when its conversation holds an
/// answer, or a further request, and that is noticed at the next call that a model asks for in any conversation.
/// </summary>
internal sealed class UncoveredTurns(ProcedureMemory memory, ILogger logger)
{
    private readonly ConditionalWeakTable<ChatHistory, Open> _open = [];
    private readonly Lock _gate = new();
    private bool _isTold;

    /// <summary>The turn that a call of a model belongs to; <see langword="null"/> where it is seen otherwise.</summary>
    public async Task<Turn?> OfAsync(AutoFunctionInvocationContext context)
    {
        if (memory.Learning is not (LearningMode.Propose or LearningMode.Automatic) || memory.CurrentTurn is not null || CallFrames.IsInside(memory))
        {
            return null;
        }

        var history = context.ChatHistory;
        var request = RequestOf(history);
        Turn turn;
        List<Open> ended;
        lock (_gate)
        {
            if (!_isTold)
            {
                _isTold = true;
                Log.ServiceNotCovered(logger);
            }

            var over = _open.Where(o => o.Value.HasEnded(o.Key)).ToList();
            over.ForEach(o => _open.Remove(o.Key));
            ended = [.. over.Select(o => o.Value)];
            if (!_open.TryGetValue(history, out var open))
            {
                // Its end is seen late, so its time is not that of the task.
                open = new Open(memory.BeginTurn(request?.Content, hasExactEnd: false), request);
                _open.Add(history, open);
            }

            turn = open.Turn;
        }

        foreach (var one in ended)
        {
            await TurnEnding.EndAsync(one.Turn, TurnEnd.Answered, memory, logger).ConfigureAwait(false);
            one.Turn.Dispose();
        }

        return turn;
    }

    private static ChatMessageContent? RequestOf(ChatHistory history) => history.LastOrDefault(m => m.Role == AuthorRole.User);

    private sealed record Open(Turn Turn, ChatMessageContent? Request)
    {
        public bool HasEnded(ChatHistory history)
        {
            try
            {
                return RequestOf(history) != Request || (history is [.., { } last] && last.Role == AuthorRole.Assistant && !last.Items.Any(i => i is FunctionCallContent));
            }
            catch (Exception exception) when (exception is InvalidOperationException or ArgumentException or IndexOutOfRangeException)
            {
                // Its host changes it in this moment. It is looked at again with the next call.
                return false;
            }
        }
    }
}
