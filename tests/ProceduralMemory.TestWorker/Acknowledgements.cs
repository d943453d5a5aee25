using System.Globalization;
using System.Text;
using ProceduralMemory.Replay;
using ProceduralMemory.Revise;

namespace ProceduralMemory.TestWorker;

/// <summary>
/// What the worker tells its parent, a line each, and only after the call that it tells of has returned. A line is far shorter than a pipe's atomic write
/// and is flushed at once, so that a killed worker leaves whole lines behind.
/// </summary>
internal static class Acknowledgements
{
    private static readonly StreamWriter Output = new(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true, NewLine = "\n" };

    /// <summary>The worker runs, and has touched nothing yet.</summary>
    public static void Ready() => Print($"ready");

    public static void Started(Guid traceId, string name) => Print($"ack started {traceId} {name}");

    public static void Step(Guid traceId, int ordinal) => Print($"ack step {traceId} {ordinal}");

    public static void Finalized(Guid traceId, Procedure procedure) => Print($"ack finalized {traceId} {procedure.Name} {procedure.Version.Number} {procedure.Version.Steps.Count}");

    public static void Replayed(ReplayResult result) => Print($"ack replayed {result.ExecutionId} {result.ProcedureName} {result.Version} {result.Outcome}");

    public static void Cancelled(Guid executionId, string name) => Print($"ack cancelled {executionId} {name}");

    /// <summary>What was called in an execution, in order: the ids of the steps.</summary>
    public static void Called(Guid executionId, IEnumerable<string> steps) => Print($"ack called {executionId} {string.Join(' ', steps)}");

    public static void Stored(Procedure procedure) => Print($"ack stored {procedure.Name} {procedure.Version.Number}");

    /// <summary>A replay was refused, and nothing was written.</summary>
    public static void Refused(string name) => Print($"ack refused {name}");

    /// <summary>A maintenance pass has ended.</summary>
    public static void Revised(ReviseResult result)
    {
        foreach (var fault in result.Faults)
        {
            Print($"fault {fault}");
        }

        Print($"ack revised {result.Looked} {result.Changes.Count}");
    }

    public static void Listed(int count) => Print($"ack listed {count}");

    public static void Found(int count) => Print($"ack found {count}");

    public static void Done(int operations, TimeSpan elapsed) => Print($"done {operations} {elapsed.TotalMilliseconds:F0}");

    private static void Print(FormattableString line) => Output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
