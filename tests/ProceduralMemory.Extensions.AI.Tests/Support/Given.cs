using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI.Tests;

internal static class Given
{
    /// <summary>A memory that learns from turns and replays without approval.</summary>
    public static ProcedureMemory Memory(Action<ProceduralMemoryOptions>? configure = null, ConcurrentQueue<TurnResult>? ended = null)
    {
        var options = new ProceduralMemoryOptions
        {
            DatabasePath = ":memory:",
            Learning = LearningMode.Automatic,
            Approval = ApprovalPolicy.Never,
            TurnEnded = (result, _) =>
            {
                ended?.Enqueue(result);
                return Task.CompletedTask;
            },
        };
        configure?.Invoke(options);
        return new ProcedureMemory(options);
    }

    public static IChatClient WithMemory(this IChatClient client, ProcedureMemory memory, Action<ProceduralMemoryChatOptions>? configure = null) =>
        client.AsBuilder().UseProceduralMemory(memory, configure).UseFunctionInvocation().Build();

    /// <summary>Asks, streaming or not, and gives the text of the answer.</summary>
    public static async Task<string> AskAsync(this IChatClient client, IEnumerable<ChatMessage> messages, ChatOptions? options, bool streaming, CancellationToken cancellationToken = default)
    {
        if (!streaming)
        {
            return (await client.GetResponseAsync(messages, options, cancellationToken)).Text;
        }

        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(messages, options, cancellationToken))
        {
            updates.Add(update);
        }

        return updates.ToChatResponse().Text;
    }

    public static Task<string> AskAsync(this IChatClient client, string request, ChatOptions? options, bool streaming = false, CancellationToken cancellationToken = default) =>
        client.AskAsync([new ChatMessage(ChatRole.User, request)], options, streaming, cancellationToken);
}
