using System.Runtime.CompilerServices;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// Gives an agent of Microsoft Agent Framework a procedural memory: each run, with the calls that are made in it, is a turn that is learned from; and procedures that fit the request are offered as
/// functions of their own, and named in the instructions. One provider serves any number of sessions at once.
/// </summary>
/// <remarks>
/// <para><c>new ChatClientAgent(chatClient, new ChatClientAgentOptions { ChatOptions = new() { Tools = tools }, AIContextProviders = [new ProceduralMemoryContextProvider(memory)] })</c> is all that is
/// needed. Put it after other providers, so that it sees their tools.</para>
/// <para>Where the chat client of the agent has <c>UseProceduralMemory</c> around its function invocation already, that begins the turns and offers the functions, and this names them only.</para>
/// <para>A run inside a recorded call of a function, such as that of an agent which is a tool, belongs to that call. A streamed run is learned from once it is read to its end; of one that is not,
/// <see cref="ProceduralMemoryOptions.TurnEnded"/> hears nothing. Of what a run costs it sees the number of the model's answers, and no tokens: those are seen in the pipeline of the chat client.
/// It never fails a run.</para>
/// </remarks>
public sealed class ProceduralMemoryContextProvider : AIContextProvider
{
    private readonly ChatMemory _memory;

    // A session runs one request at a time.
    private readonly ConditionalWeakTable<AgentSession, ChatTurn> _turns = [];

    // Those in which there was a replay: the service may keep the messages that would tell.
    private readonly ConditionalWeakTable<AgentSession, object> _replayed = [];

    /// <summary>Creates the provider.</summary>
    /// <param name="memory">The memory; the caller disposes it.</param>
    /// <param name="options">How it is used; <see langword="null"/> for the defaults.</param>
    /// <param name="loggerFactory">Where faults are logged.</param>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public ProceduralMemoryContextProvider(ProcedureMemory memory, ProceduralMemoryChatOptions? options = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = new ChatMemory(memory, options ?? new ProceduralMemoryChatOptions(), loggerFactory);
    }

    /// <inheritdoc/>
    protected override async ValueTask<AIContext> InvokingCoreAsync(InvokingContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        try
        {
            return await ProvideAsync(context, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            Log.TurnFaulted(_memory.Logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return context.AIContext;
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask InvokedCoreAsync(InvokedContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Session is not { } session || !_turns.TryGetValue(session, out var turn))
        {
            return;
        }

        foreach (var message in context.ResponseMessages ?? [])
        {
            turn.Answer.Add(message);
        }

        // An agent that keeps its history after every answer of the model tells of each: of those that ask for calls as well.
        if (context.InvokeException is null && turn.Answer.HasOpenCalls)
        {
            foreach (var result in context.RequestMessages.SelectMany(m => m.Contents).OfType<FunctionResultContent>())
            {
                turn.Answer.Close(result.CallId);
            }

            if (turn.Answer.HasOpenCalls)
            {
                return;
            }
        }

        if (turn.Answer.Called.Values.Any(ChatMemory.IsOurs))
        {
            _replayed.TryAdd(session, session);
        }

        _turns.Remove(session);
        await turn.EndAsync(context.InvokeException is null ? TurnEnd.Answered : TurnEnd.Failed, _memory.Logger).ConfigureAwait(false);
    }

    private async Task<AIContext> ProvideAsync(InvokingContext context, CancellationToken cancellationToken)
    {
        var (memory, given) = (_memory.Memory, context.AIContext);
        if (context.Session is { } ran && _turns.TryGetValue(ran, out var stale))
        {
            // The last run of the session was given up, or waits for calls that are among the messages now.
            _turns.Remove(ran);
            await stale.GiveUpAsync(_memory.Logger).ConfigureAwait(false);
        }

        var outer = memory.CurrentTurn;
        if (CallFrames.IsInside(memory) || outer?.Offer is not null)
        {
            return given;
        }

        List<ChatMessage> messages = [.. given.Messages ?? []];
        var invoker = context.Agent.GetService<FunctionInvokingChatClient>();
        List<AITool> offered = [.. given.Tools ?? []];
        List<AITool> all = [.. offered, .. invoker?.AdditionalTools ?? []];
        var tools = new ToolSet(all);
        var client = context.Agent.GetService<ProceduralMemoryChatClient>(memory);
        if (client?.Invoker is not null)
        {
            var named = await _memory.SelectAsync(ChatMemory.RequestOf(messages), tools, cancellationToken).ConfigureAwait(false);
            return With(given, messages, given.Tools, named);
        }

        // Without a session nobody could tell which run has ended.
        var turn = outer is null && context.Session is not null ? await _memory.BeginAsync(messages, tools, invoker).ConfigureAwait(false) : null;
        if (invoker is null || all.Count == 0)
        {
            Keep(context.Session, turn);
            return With(given, messages, given.Tools, []);
        }

        try
        {
            var recorded = _memory.Recorded(offered, tools, turn);
            var learned = await _memory.SelectAsync((turn?.Turn ?? outer)?.Request ?? ChatMemory.RequestOf(messages), tools, cancellationToken).ConfigureAwait(false);
            _memory.Offer(recorded, learned, all, turn, _memory.MayResume(messages, isKept: context.Session is { } session && _replayed.TryGetValue(session, out _)));
            Keep(context.Session, turn);
            return With(given, messages, recorded, learned);
        }
        catch
        {
            turn?.Dispose();
            throw;
        }
    }

    private void Keep(AgentSession? session, ChatTurn? turn)
    {
        if (session is not null && turn is not null)
        {
            _turns.AddOrUpdate(session, turn);
        }
    }

    private static AIContext With(AIContext given, List<ChatMessage> messages, IEnumerable<AITool>? tools, IReadOnlyList<LearnedFunction> learned)
    {
        var listed = ChatMemory.Listed(learned);
        return new AIContext
        {
            Instructions = given.Instructions is null || listed is null ? listed ?? given.Instructions : $"{given.Instructions}\n{listed}",
            Messages = messages,
            Tools = tools,
        };
    }
}
