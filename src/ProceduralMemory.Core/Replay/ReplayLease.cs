using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Says in time that this process runs a replay still, also while a call takes long and nothing else is written.</summary>
internal sealed class ReplayLease : IAsyncDisposable
{
    private readonly ReplayContext _context;
    private readonly ITimer _timer;
    private Task _renewal = Task.CompletedTask;

    public ReplayLease(ReplayContext context)
    {
        _context = context;
        var period = context.Options.ReplayLease / 3;
        _timer = context.Time.CreateTimer(static lease => ((ReplayLease)lease!).Tick(), this, period, period);
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync().ConfigureAwait(false);
        await _renewal.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Tick()
    {
        if (_renewal.IsCompleted && _context.LeaseIfDue() is { } until)
        {
            _renewal = RenewAsync(until);
        }
    }

    private async Task RenewAsync(DateTimeOffset until)
    {
        try
        {
            await _context.Store.WriteExecutionAsync(new JournalEntry { Claim = _context.Claim, ExecutionId = _context.Claim.RootId, LeaseUntil = until }).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is ProcedureStoreException or ExecutionLostException or ObjectDisposedException)
        {
            // The next entry of the journal meets the same, and there it is told. Nothing hangs on a renewal alone: who has lost an execution writes nothing more to it.
        }
    }
}
