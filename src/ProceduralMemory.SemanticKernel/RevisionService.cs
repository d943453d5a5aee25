using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Runs the maintenance pass from time to time, in a host that runs services.</summary>
internal sealed class RevisionService(ProcedureMemory memory, ProceduralMemoryKernelOptions options, ILoggerFactory? loggerFactory = null) : BackgroundService
{
    private readonly ILogger _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.SemanticKernel");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.RevisionInterval!.Value, options.TimeProvider);
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            try
            {
                var result = await memory.ReviseAsync(options.Retention, options.Forget, cancellationToken: stoppingToken).ConfigureAwait(false);
                Log.Revised(_logger, result.Looked, result.Changes.Count, result.Faults.Count);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The next pass may do better; a host is not to fall over it.
                Log.RevisionFailed(_logger, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                // Whatever a pass ends of that is stopped: what it had done is done, and the next one does the rest.
                return;
            }
        }
    }
}
