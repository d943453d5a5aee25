using System.Globalization;
using Microsoft.Extensions.Logging;

namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// Runs what a model asked for, so that nothing throws at it: what it can mend is told with the mend, and what it cannot is told without details,
/// which go to the log. Messages of this library's own exceptions hold no stored content; those of the store may hold paths, and stay here.
/// </summary>
internal sealed class PluginGuard(ILogger logger)
{
    /// <summary>Takes down a fault beside what was asked for.</summary>
    public void Fault(string function, Exception exception) => Log.PluginFaulted(logger, function, LoggedFault.Describe(exception), LoggedFault.Of(exception));

    public async Task<PluginReply> RunAsync(string function, Func<Task<PluginReply>> body, CancellationToken cancellationToken)
    {
        try
        {
            return await body().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (ProcedureNotFoundException exception)
        {
            return new PluginReply { Status = ReplyStatus.NotFound, Message = exception.Message, Next = MemoryFunctions.Find };
        }
        catch (ExecutionNotFoundException exception)
        {
            return new PluginReply { Status = ReplyStatus.NotFound, Message = exception.Message, Next = "Give the execution_id of a replay that stopped in this conversation." };
        }
        catch (ProcedureConflictException exception)
        {
            return new PluginReply { Status = ReplyStatus.Conflict, Message = exception.Message };
        }
        catch (RecordingStateException exception)
        {
            return new PluginReply { Status = ReplyStatus.Conflict, Message = exception.Message };
        }
        catch (Exception exception) when (exception is ProcedureFormatException or ModelArgumentException)
        {
            return new PluginReply { Status = ReplyStatus.Invalid, Message = exception.Message };
        }
        catch (ReplayBrokeOffException exception)
        {
            Fault(function, exception.InnerException!);
            return new ReplayReply
            {
                Status = ReplyStatus.BrokeOff,
                Message = "The replay broke off: the procedural memory cannot be used right now. Steps of it may have been done, and how far it came is not known.",
                Next = $"Do not do any of it again, neither with this nor with other functions. Tell the user, with the execution_id. When the memory can be used again, {MemoryFunctions.Resume} goes on without repeating what is done.",
                ExecutionId = exception.ExecutionId.ToString("D", CultureInfo.InvariantCulture),
            };
        }
        catch (Exception exception)
        {
            Fault(function, exception);
            return new PluginReply { Status = ReplyStatus.Unavailable, Message = "The procedural memory cannot be used right now.", Next = "Do the task with the other functions." };
        }
    }
}

/// <summary>Something failed that is no part of a replay, once the replay may have called something.</summary>
internal sealed class ReplayBrokeOffException(Guid executionId, Exception exception) : Exception("The replay broke off.", exception)
{
    public Guid ExecutionId { get; } = executionId;
}
