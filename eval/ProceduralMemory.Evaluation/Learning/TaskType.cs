using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ProceduralMemory.Evaluation.Learning;

/// <summary>What happens to a tool of a task type, at one moment of the run.</summary>
internal enum ToolEvent
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It takes forty times as long.</summary>
    Slows,

    /// <summary>A parameter has another name.</summary>
    Renames,

    /// <summary>It fails from then on; another tool does the same.</summary>
    Breaks,

    /// <summary>It fails for a twentieth of the run, and nothing else does the same.</summary>
    Outage,
}

/// <summary>A kind of task: an order is looked up, its customer is checked, and its amount is refunded, or reported where nothing is to be changed. Each type has tools of its own.</summary>
/// <param name="Number">From 0.</param>
/// <param name="Event">What happens to one of its tools.</param>
/// <param name="HitsWrite">Whether it happens to the last tool; else to the one that looks up the order.</param>
/// <param name="Writes">Whether the last call changes something.</param>
/// <param name="BlockedShare">How many of its customers must not be served: the check says so, and the task is to end there. 0 for no check.</param>
/// <param name="HasNoise">Whether agents make a call that nobody needs and that fails more often than not.</param>
/// <param name="Repeats">Whether agents look the order up twice.</param>
internal sealed record TaskType(int Number, ToolEvent Event, bool HitsWrite, bool Writes, double BlockedShare, bool HasNoise, bool Repeats)
{
    public const string Find = "find";
    public const string Search = "search";
    public const string Check = "check";
    public const string Log = "log";
    public const string Apply = "apply";
    public const string Post = "post";

    public string Name => string.Create(CultureInfo.InvariantCulture, $"task {Number:00}");

    /// <summary>The tool that the event hits.</summary>
    public string HitTool => HitsWrite ? Apply : Find;

    public string Action(string tool) => string.Create(CultureInfo.InvariantCulture, $"desk{Number:00}.{tool}");

    /// <summary>The calls of an agent that makes no mistake, by the tools of the beginning.</summary>
    public IEnumerable<string> Calls()
    {
        yield return Find;
        if (BlockedShare > 0)
        {
            yield return Check;
        }

        if (HasNoise)
        {
            yield return Log;
        }

        if (Repeats)
        {
            yield return Find;
        }

        yield return Apply;
    }

    /// <summary>The types of a run: events in turn, and the rest by chance that is the same in every run.</summary>
    public static IReadOnlyList<TaskType> Make(int count) =>
    [
        .. Enumerable.Range(0, count).Select(n => new TaskType(
            n,
            (ToolEvent)(n % 5),
            HitsWrite: Chance.Of(0, "hits write", n) < 0.5,
            Writes: Chance.Of(0, "writes", n) < 0.5,
            BlockedShare: Chance.Of(0, "blocked", n) switch { < 0.4 => 0, < 0.8 => 0.1, _ => 0.6 },
            HasNoise: Chance.Of(0, "noise", n) < 0.3,
            Repeats: Chance.Of(0, "repeats", n) < 0.3)),
    ];

    /// <summary>Whether a person has said of the needless call that it may fail.</summary>
    public bool NoiseMayFail => HasNoise && Number % 2 == 0;
}

/// <summary>One task.</summary>
/// <param name="Index">Its place in the run, from 0.</param>
/// <param name="Type">Its type.</param>
/// <param name="Order">The order that the request names.</param>
/// <param name="Customer">The order's customer.</param>
/// <param name="Total">The order's amount.</param>
/// <param name="IsBlocked">Whether the customer must not be served.</param>
internal sealed record SimulatedTask(int Index, TaskType Type, string Order, string Customer, int Total, bool IsBlocked);

/// <summary>Chance that is the same in every run.</summary>
internal static class Chance
{
    /// <summary>A number from 0 to 1 that only the seed and the names decide.</summary>
    public static double Of(int seed, string what, int number) =>
        (BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed} {what} {number}")))) >> 11) * (1.0 / (1UL << 53));
}
