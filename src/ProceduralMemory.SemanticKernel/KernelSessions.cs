using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Finds the session that a call through a kernel belongs to: the ambient one, else the kernel's own. A kernel has one for each scope that is written,
/// since it may serve several tenants.
/// </summary>
internal static class KernelSessions
{
    // Kernel.Data is copied to clones, so a kernel and the clones made of it afterwards share their sessions. One key for each memory.
    private static readonly ConditionalWeakTable<ProcedureMemory, string> Keys = [];
    private static readonly ConditionalWeakTable<Kernel, Lock> Gates = [];
    private static int KeyCount;

    public static MemorySession? Find(ProcedureMemory memory, Kernel kernel) =>
        memory.CurrentSession ?? (OwnedBy(kernel, memory) is { } own ? own.GetValueOrDefault(ScopeInForce(memory)) : null);

    public static MemorySession Get(ProcedureMemory memory, Kernel kernel)
    {
        if (memory.CurrentSession is { } ambient)
        {
            return ambient;
        }

        var own = OwnedBy(kernel, memory, create: true)!;
        return own.GetOrAdd(ScopeInForce(memory), static (_, owner) => owner.CreateSession(), memory);
    }

    /// <summary>What is being recorded in the kernel's own sessions, whatever their scope.</summary>
    public static IEnumerable<ProcedureRecorder> Recorders(ProcedureMemory memory, Kernel kernel) =>
        OwnedBy(kernel, memory)?.Values.SelectMany(s => s.Repairs.Append(s.Recorder)).OfType<ProcedureRecorder>() ?? [];

    /// <summary>Guards <see cref="Kernel.Data"/>, a plain dictionary, wherever this library uses it.</summary>
    public static Lock GateOf(Kernel kernel) => Gates.GetValue(kernel, static _ => new Lock());

    private static ConcurrentDictionary<string, MemorySession>? OwnedBy(Kernel kernel, ProcedureMemory memory, bool create = false)
    {
        var key = Keys.GetValue(memory, static _ => $"ProceduralMemory.Sessions.{Interlocked.Increment(ref KeyCount)}");
        lock (GateOf(kernel))
        {
            if (kernel.Data.TryGetValue(key, out var known) && known is ConcurrentDictionary<string, MemorySession> own)
            {
                return own;
            }

            if (!create)
            {
                return null;
            }

            own = new ConcurrentDictionary<string, MemorySession>(StringComparer.Ordinal);
            kernel.Data[key] = own;
            return own;
        }
    }

    // Without a scope nothing can be started: the memory says so where a recording is begun.
    private static string ScopeInForce(ProcedureMemory memory) => memory.Options.Scope()?.Write ?? "";
}
