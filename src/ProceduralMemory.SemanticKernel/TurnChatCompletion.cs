using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ProceduralMemory.Capture;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Bounds the turns of a kernel's chats: what the user asks for, up to the answer. Before the model is called, the procedures that fit are offered to it; when it has answered, the turn is learned
/// from. It is put around a chat service, and looks like that one otherwise.
/// </summary>
internal class TurnChatCompletion(IChatCompletionService inner, ProcedureMemory memory, ProceduralMemoryKernelOptions options, ILogger logger) : IChatCompletionService
{
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, object?> Attributes => inner.Attributes;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ChatMessageContent>> GetChatMessageContentsAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, CancellationToken cancellationToken = default)
    {
        if (!IsTurn(kernel))
        {
            return await inner.GetChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken).ConfigureAwait(false);
        }

        if (await KernelTurn.OfAsync(memory, kernel, chatHistory, logger).ConfigureAwait(false) is not { } turn)
        {
            return await inner.GetChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken).ConfigureAwait(false);
        }

        using (turn.Enter())
        {
            try
            {
                executionSettings = await turn.OfferAsync(executionSettings, options, cancellationToken).ConfigureAwait(false);
                var answers = await inner.GetChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken).ConfigureAwait(false);
                turn.Answered(answers);
                return answers;
            }
            catch
            {
                turn.Failed();
                throw;
            }
            finally
            {
                await turn.EndAsync().ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<StreamingChatMessageContent> GetStreamingChatMessageContentsAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, CancellationToken cancellationToken = default) => IsTurn(kernel)
        ? StreamAsync(chatHistory, executionSettings, kernel, cancellationToken)
        : inner.GetStreamingChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken);

    // Without a kernel there are no functions; inside a call, and inside a turn, a chat is part of that.
    private bool IsTurn([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] Kernel? kernel) => kernel is not null && memory.CurrentTurn is null && !CallFrames.IsInside(memory);

    private async IAsyncEnumerable<StreamingChatMessageContent> StreamAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings, Kernel kernel, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var turn = await KernelTurn.OfAsync(memory, kernel, chatHistory, logger).ConfigureAwait(false);
        try
        {
            if (turn is not null)
            {
                using var entered = turn.Enter();
                executionSettings = await turn.OfferAsync(executionSettings, options, cancellationToken).ConfigureAwait(false);
            }

            var parts = inner.GetStreamingChatMessageContentsAsync(chatHistory, executionSettings, kernel, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (parts.ConfigureAwait(false))
            {
                while (true)
                {
                    // What a stream has set is gone by its next part.
                    using (turn?.Enter())
                    {
                        try
                        {
                            if (!await parts.MoveNextAsync().ConfigureAwait(false))
                            {
                                break;
                            }
                        }
                        catch
                        {
                            turn?.Failed();
                            throw;
                        }
                    }

                    turn?.Saw(parts.Current);
                    yield return parts.Current;
                }
            }

            turn?.Finished();
        }
        finally
        {
            if (turn is not null)
            {
                await turn.EndAsync().ConfigureAwait(false);
            }
        }
    }
}

/// <summary>The same around a service that this library's registration has created, and that is disposed with it.</summary>
internal sealed class OwningTurnChatCompletion(IChatCompletionService inner, ProcedureMemory memory, ProceduralMemoryKernelOptions options, ILogger logger)
    : TurnChatCompletion(inner, memory, options, logger), IDisposable, IAsyncDisposable
{
    private readonly IChatCompletionService _inner = inner;

    public void Dispose() => (_inner as IDisposable)?.Dispose();

    public async ValueTask DisposeAsync()
    {
        if (_inner is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync().ConfigureAwait(false);
        }
        else
        {
            Dispose();
        }
    }
}
