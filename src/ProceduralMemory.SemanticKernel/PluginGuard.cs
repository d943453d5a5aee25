using Microsoft.Extensions.Logging;

namespace ProceduralMemory.SemanticKernel;

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
            return new PluginReply { Status = ReplyStatus.NotFound, Message = exception.Message, Next = ProceduralMemoryPlugin.FindSimilarProcedure };
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
        catch (Exception exception)
        {
            Fault(function, exception);
            return new PluginReply { Status = ReplyStatus.Unavailable, Message = "The procedural memory cannot be used right now.", Next = "Do the task with the other functions." };
        }
    }
}
