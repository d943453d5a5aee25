using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace ProceduralMemory.Replay;

/// <summary>Names the process that runs a replay, so that another one on the same machine can tell whether it is still there.</summary>
internal static class ReplayOwner
{
    // Computed from the machine's uptime on some systems, and then not to the tick the same in every process.
    private static readonly TimeSpan StartTolerance = TimeSpan.FromSeconds(2);

    private static readonly string Machine = MachineOf();

    /// <summary>This process.</summary>
    public static string Current { get; } = NameOf(Environment.ProcessId, StartOf(Process.GetCurrentProcess())!.Value);

    /// <summary>Whether an execution has been left by its process: that has not spoken up in time, or is a process of this machine that has ended.</summary>
    public static bool HasLeft(Execution execution, DateTimeOffset now) => execution.LeaseUntil is not { } until || until <= now || IsGone(execution.Owner);

    private static bool IsGone(string? owner)
    {
        var parts = owner?.Split('/') ?? [];
        if (parts.Length != 3 || parts[0] != Machine
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks))
        {
            return false;
        }

        try
        {
            using var process = Process.GetProcessById(id);

            // The number may have been given to another process since.
            return process.HasExited || (StartOf(process) is { } start && (start - new DateTime(ticks, DateTimeKind.Utc)).Duration() > StartTolerance);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            return true;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    private static DateTime? StartOf(Process process)
    {
        try
        {
            return process.StartTime.ToUniversalTime();
        }
        catch (Exception exception) when (exception is Win32Exception or NotSupportedException)
        {
            return null;
        }
    }

    private static string NameOf(int processId, DateTime start) => string.Create(CultureInfo.InvariantCulture, $"{Machine}/{processId}/{start.Ticks}");

    /// <summary>Where the number of a process means anything: one machine since it was started, and on Linux one namespace of processes, since containers may share a name.</summary>
    private static string MachineOf() =>
        string.Join('+', new[] { Environment.MachineName, Read("/proc/sys/kernel/random/boot_id"), NamespaceOf() }.Where(p => p.Length > 0)).Replace('/', '_');

    private static string Read(string path)
    {
        try
        {
            return OperatingSystem.IsLinux() ? File.ReadAllText(path).Trim() : "";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static string NamespaceOf()
    {
        try
        {
            return OperatingSystem.IsLinux() ? new FileInfo("/proc/self/ns/pid").LinkTarget ?? "" : "";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
