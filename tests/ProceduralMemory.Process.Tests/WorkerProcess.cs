using System.Diagnostics;
using System.Text;

namespace ProceduralMemory.ProcessTests;

/// <summary>A child process that runs ProceduralMemory.TestWorker. Disposing kills it, so that no test leaves one behind.</summary>
internal sealed class WorkerProcess : IAsyncDisposable
{
    private const int KilledOnUnix = 128 + 9;
    private const int KilledOnWindows = -1;

    // No test waits for this: it turns a hang into a failure. A worker that works through thousands of operations on a busy machine is no hang.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly CancellationTokenSource _guard = new(Patience);

    private WorkerProcess(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Starts a worker and waits until it says that it runs.</summary>
    public static async Task<WorkerProcess> StartAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(DotnetHost())
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "ProceduralMemory.TestWorker.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        var worker = new WorkerProcess(Process.Start(start)!);
        try
        {
            Assert.Equal("ready", await worker.ReadLineAsync());
            return worker;
        }
        catch
        {
            await worker.DisposeAsync();
            throw;
        }
    }

    /// <summary>The next line that the worker printed; <see langword="null"/> when it has ended and everything is read.</summary>
    public async Task<string?> ReadLineAsync() => await _process.StandardOutput.ReadLineAsync(_guard.Token);

    /// <summary>Reads acknowledgements into a ledger until the worker has ended, or, where a number is given, that many lines.</summary>
    public async Task ReadIntoAsync(Ledger ledger, int lines = int.MaxValue)
    {
        for (var read = 0; read < lines && await ReadLineAsync() is { } line; read++)
        {
            ledger.Add(line);
        }
    }

    /// <summary>Writes lines to the worker's input.</summary>
    public async Task TellAsync(params string[] lines)
    {
        await _process.StandardInput.WriteAsync(string.Concat(lines.Select(l => l + "\n")));
        await _process.StandardInput.FlushAsync(_guard.Token);
    }

    /// <summary>Tells the worker that nothing more will be said.</summary>
    public void CloseInput() => _process.StandardInput.Close();

    /// <summary>Ends the worker as <c>kill -9</c> does, in the middle of whatever it does, and waits until it is gone. What it printed can still be read.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(_guard.Token);
        Assert.True(_process.ExitCode is KilledOnUnix or KilledOnWindows, $"The worker was not killed: it had ended with {_process.ExitCode}:\n{await _errors}");
    }

    /// <summary>Waits for the worker's own end, which must be a good one.</summary>
    public async Task ExpectSuccessAsync()
    {
        await _process.WaitForExitAsync(_guard.Token);
        Assert.True(_process.ExitCode == 0, $"The worker ended with {_process.ExitCode}:\n{await _errors}");
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process.Dispose();
        _guard.Dispose();
    }

    private static string DotnetHost() =>
        Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet";
}
