using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace ProceduralMemory.Extensions.AI.Tests;

/// <summary>A model in this process, for many turns. It lets others run before each answer.</summary>
/// <param name="answer">The contents of the answer to the messages since the user's latest words, which stand first.</param>
internal sealed class InProcessModel(Func<IReadOnlyList<ChatMessage>, IEnumerable<AIContent>> answer) : IChatClient
{
    private int _id;

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, [.. answer(Since(messages))]) { MessageId = NextId() }) { ResponseId = NextId() };
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var id = NextId();
        foreach (var content in answer(Since(messages)))
        {
            await Task.Yield();
            yield return new ChatResponseUpdate(ChatRole.Assistant, [content]) { MessageId = id, ResponseId = id };
        }
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
    }

    private static List<ChatMessage> Since(IEnumerable<ChatMessage> messages)
    {
        List<ChatMessage> all = [.. messages];
        return all[all.FindLastIndex(m => m.Role == ChatRole.User)..];
    }

    private string NextId() => $"m{Interlocked.Increment(ref _id)}";
}
