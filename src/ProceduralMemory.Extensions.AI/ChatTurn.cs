using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Extensions.AI;

/// <summary>A turn of a chat client or an agent, with what its functions share.</summary>
internal sealed class ChatTurn : IDisposable
{
    private readonly Lazy<MemorySession> _session;

    public ChatTurn(ProcedureMemory memory, Turn turn, FunctionInvokingChatClient? invoker)
    {
        (Memory, Turn, Invoker) = (memory, turn, invoker);
        _session = new Lazy<MemorySession>(memory.CreateSession);
        turn.Offer = this;
    }

    public ProcedureMemory Memory { get; }

    public Turn Turn { get; }

    /// <summary>What invokes the functions of the turn; <see langword="null"/> when it is not known.</summary>
    public FunctionInvokingChatClient? Invoker { get; }

    /// <summary>What was answered so far.</summary>
    public AnswerTrail Answer { get; } = new();

    /// <summary>The functions whose calls are recorded. One that is called all the same was added where it is not seen, and its calls leave a hole.</summary>
    public ISet<string> Seen { get; } = new HashSet<string>(StringComparer.Ordinal) { MemoryFunctions.Find };

    /// <summary>The calls that are known from the messages of the request, by their ids.</summary>
    public ISet<string> Made { get; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Where the rest of a replay that stopped is watched, if the host has opened no session.</summary>
    public MemorySession Session => _session.Value;

    public MemorySession? OpenSession => _session.IsValueCreated ? _session.Value : null;

    /// <summary>The chat turn that the current code runs in; <see langword="null"/> when there is none.</summary>
    public static ChatTurn? Current(ProcedureMemory memory) => memory.CurrentTurn?.Offer as ChatTurn;

    /// <summary>Takes down what is answered. What cannot be read teaches nothing, and goes on all the same.</summary>
    public void Hear(Action<AnswerTrail> hear, ILogger logger)
    {
        try
        {
            hear(Answer);
        }
        catch (Exception exception)
        {
            Turn.DoNotLearn("Its answer could not be read.");
            Log.LearningFaulted(logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
        }
    }

    /// <summary>Gives the turn up, and what was begun in it.</summary>
    public async Task GiveUpAsync(ILogger logger)
    {
        await ForgetRepairsAsync(logger).ConfigureAwait(false);
        Dispose();
    }

    /// <summary>Ends the turn with what was answered. One whose calls are still to be made is not over, and is given up: the next request has its calls among its messages.</summary>
    public async Task EndAsync(TurnEnd end, ILogger logger)
    {
        try
        {
            if (end is TurnEnd.Answered && Answer.HasOpenCalls)
            {
                Turn.Dispose();
                return;
            }

            if (Answer.Called.FirstOrDefault(c => !Seen.Contains(c.Value) && !Made.Contains(c.Key)).Value is { } unseen)
            {
                Turn.DoNotLearn($"{unseen} was called, which is not among the tools of the request: calls of what the function invocation, a client in between or another provider of context adds are not recorded.");
            }

            Turn.ReportUsage(Answer.Usage);
            await TurnEnding.EndAsync(Turn, end, Memory, logger).ConfigureAwait(false);
        }
        finally
        {
            await ForgetRepairsAsync(logger).ConfigureAwait(false);
            Dispose();
        }
    }

    /// <summary>What was done after a replay stopped is known in this turn only.</summary>
    private async Task ForgetRepairsAsync(ILogger logger)
    {
        foreach (var repair in OpenSession?.Repairs ?? [])
        {
            try
            {
                await repair.AbandonAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                Log.CallFaulted(logger, repair.Name, repair.TraceId, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            }
        }
    }

    public void Dispose()
    {
        Turn.Dispose();
        OpenSession?.Dispose();
    }
}
