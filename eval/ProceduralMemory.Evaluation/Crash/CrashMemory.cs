using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>The memory as every process of the run opens it.</summary>
internal static class CrashMemory
{
    /// <summary>Where replays go on that are begun anew after a kill, so that nobody takes them for ones to be resumed.</summary>
    public const string NaiveScope = "naive";

    public static ProcedureMemory Open(string database) => new(new ProceduralMemoryOptions { DatabasePath = database, Approval = ApprovalPolicy.Never });
}
