using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// Gives a chat client a procedural memory: each request, with the calls that are made for it up to its answer, is a turn that is learned from; and procedures that fit a request are offered to the model
/// as functions of their own.
/// </summary>
/// <remarks>
/// <para>Its place is around the function invocation: <c>builder.UseProceduralMemory(memory).UseFunctionInvocation()</c>. Where the host makes the calls itself, or this stands inside of the function
/// invocation, calls are learned from as soon as they are among the messages of a request, and procedures are not offered as functions: use <see cref="ProceduralMemoryTools"/> then.</para>
/// <para>A call of a chat client inside a recorded call of a function belongs to that call. Requests may overlap; their turns do not mix.</para>
/// <para>A stream is learned from once it is read to its end.</para>
/// <para>What is done by hand after a replay stopped is taken up by <c>resume_procedure</c> in the same request; in later ones where the host opens a session around the conversation
/// (<see cref="ProcedureMemory.BeginSession"/>).</para>
/// </remarks>
public sealed class ProceduralMemoryChatClient : DelegatingChatClient
{
    private readonly ChatMemory _memory;
    private int _hasWarned;

    /// <summary>Creates the client.</summary>
    /// <param name="innerClient">The client that answers; with the function invocation in it.</param>
    /// <param name="memory">The memory; the caller disposes it.</param>
    /// <param name="options">How it is used; <see langword="null"/> for the defaults.</param>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public ProceduralMemoryChatClient(IChatClient innerClient, ProcedureMemory memory, ProceduralMemoryChatOptions? options = null)
        : this(innerClient, memory, options ?? new ProceduralMemoryChatOptions(), loggerFactory: null)
    {
    }

    internal ProceduralMemoryChatClient(IChatClient innerClient, ProcedureMemory memory, ProceduralMemoryChatOptions options, ILoggerFactory? loggerFactory)
        : base(innerClient)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = new ChatMemory(memory, options, loggerFactory);
    }

    /// <inheritdoc/>
    public override async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var asked = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        var (turn, prepared) = await PrepareAsync(asked, options, cancellationToken).ConfigureAwait(false);
        if (turn is null)
        {
            return await base.GetResponseAsync(asked, prepared, cancellationToken).ConfigureAwait(false);
        }

        var end = TurnEnd.Failed;
        try
        {
            using var entered = turn.Turn.Enter();
            var response = await base.GetResponseAsync(asked, prepared, cancellationToken).ConfigureAwait(false);
            turn.Hear(a => a.Add(response), _memory.Logger);
            end = TurnEnd.Answered;
            return response;
        }
        finally
        {
            await turn.EndAsync(end, _memory.Logger).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var asked = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        var (turn, prepared) = await PrepareAsync(asked, options, cancellationToken).ConfigureAwait(false);
        var end = TurnEnd.BrokenOff;
        IAsyncEnumerator<ChatResponseUpdate>? updates = null;
        try
        {
            while (true)
            {
                // The parts of a stream run as their reader calls for them: each enters the turn anew.
                using (turn?.Turn.Enter())
                {
                    try
                    {
                        updates ??= base.GetStreamingResponseAsync(asked, prepared, cancellationToken).GetAsyncEnumerator(cancellationToken);
                        if (!await updates.MoveNextAsync().ConfigureAwait(false))
                        {
                            end = TurnEnd.Answered;
                            break;
                        }
                    }
                    catch
                    {
                        end = TurnEnd.Failed;
                        throw;
                    }
                }

                var update = updates.Current;
                turn?.Hear(a => a.Add(update), _memory.Logger);
                yield return update;
            }
        }
        finally
        {
            try
            {
                using var entered = turn?.Turn.Enter();
                if (updates is not null)
                {
                    await updates.DisposeAsync().ConfigureAwait(false);
                }
            }
            finally
            {
                await (turn?.EndAsync(end, _memory.Logger) ?? Task.CompletedTask).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceType == typeof(ProceduralMemoryChatClient) && serviceKey is ProcedureMemory memory && memory == _memory.Memory ? this : base.GetService(serviceType, serviceKey);

    /// <summary>What invokes the functions; <see langword="null"/> where it stands around this client, or where there is none.</summary>
    internal FunctionInvokingChatClient? Invoker => InnerClient.GetService<FunctionInvokingChatClient>();

    /// <summary>Begins a turn, where this is not part of another one, and adds to the tools. What goes wrong at that is not the caller's: the request goes on as it is.</summary>
    private async Task<(ChatTurn? Turn, ChatOptions? Options)> PrepareAsync(IReadOnlyList<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        ChatTurn? turn = null;
        try
        {
            var memory = _memory.Memory;
            var outer = memory.CurrentTurn;
            if (CallFrames.IsInside(memory) || outer?.Offer is not null)
            {
                return (null, options);
            }

            var invoker = Invoker;
            List<AITool> all = [.. options?.Tools ?? [], .. invoker?.AdditionalTools ?? []];
            var tools = new ToolSet(all);
            if (invoker is null && tools.Functions.Any() && Interlocked.Exchange(ref _hasWarned, 1) == 0)
            {
                Log.InsideOfInvocation(_memory.Logger);
            }

            // A turn that code of the host has begun is recorded, and is the host's to end.
            turn = outer is null ? await _memory.BeginAsync(messages, tools, invoker).ConfigureAwait(false) : null;
            if ((turn is null && outer is null) || invoker is null || all.Count == 0 || options?.ToolMode is NoneChatToolMode)
            {
                return (turn, options);
            }

            var prepared = options?.Clone() ?? new ChatOptions();
            var offered = _memory.Recorded(prepared.Tools ?? [], tools, turn);
            var learned = await _memory.SelectAsync((turn?.Turn ?? outer)?.Request, tools, cancellationToken).ConfigureAwait(false);
            _memory.Offer(offered, learned, all, turn, _memory.MayResume(messages, isKept: options?.ConversationId is not null));
            prepared.Tools = offered;
            return (turn, prepared);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            turn?.Dispose();
            throw;
        }
        catch (Exception exception)
        {
            turn?.Turn.DoNotLearn("Its tools could not be prepared, so that its calls were not recorded.");
            Log.TurnFaulted(_memory.Logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return (turn, options);
        }
    }
}
