using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>The task that the workers record: each step knows its place, takes the order named in the request, and what the step before gave.</summary>
public static class Work
{
    private const string Asked = "Please work through order ";

    /// <summary>
    /// How long a worker waits for the others' writes. SQLite lets whoever asks at the right moment go first: of several that write without a pause, on a machine that has no
    /// time for them, one may have no luck for longer than the default.
    /// </summary>
    public static TimeSpan BusyTimeout { get; } = TimeSpan.FromMinutes(2);

    /// <summary>The memory of a worker. Nobody is there to approve anything, and what is called does nothing.</summary>
    /// <remarks>Replays here fail on purpose, and a version whose first five do would be stopped.</remarks>
    public static ProcedureMemory Open(string database) => new(new ProceduralMemoryOptions { DatabasePath = database, Approval = ApprovalPolicy.Never, ReviewAfterReplay = false, BusyTimeout = BusyTimeout });

    /// <summary>How many steps the task of a name has: recordings of one name are of one task, for one of another task would be refused as a conflict.</summary>
    public static int StepsOf(string name) => 2 + (name[^1] - '0');

    public static async Task<ProcedureRecorder> StartAsync(ProcedureMemory memory, string name, string order)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails
        {
            Name = name,
            Description = $"Work through an order of {name}",
            Request = Asked + order,
        });
        Acknowledgements.Started(recorder.TraceId, name);
        return recorder;
    }

    public static async Task RecordStepAsync(ProcedureRecorder recorder, int number, string order, int payload = 0)
    {
        await recorder.RecordStepAsync(Step(number, order, payload));
        Acknowledgements.Step(recorder.TraceId, number);
    }

    public static TraceStep Step(int number, string order, int payload = 0) => new()
    {
        Action = string.Create(CultureInfo.InvariantCulture, $"work.step_{number}"),
        Arguments = JsonSerializer.SerializeToElement(new { number, order, previous = number == 0 ? null : Item(order, number - 1) }),
        Result = JsonSerializer.SerializeToElement(new { item = Item(order, number), payload = new string('x', payload) }),
        Duration = TimeSpan.FromMilliseconds(number + 1),
    };

    /// <summary>The order that a recording is about.</summary>
    public static string OrderOf(Trace trace) => trace.Request![Asked.Length..];

    public static async Task FinalizeAsync(ProcedureRecorder recorder)
    {
        var result = await recorder.FinalizeAsync();
        Acknowledgements.Finalized(recorder.TraceId, result.Procedure!);
    }

    /// <summary>Records the whole task.</summary>
    public static async Task<string> RecordAsync(ProcedureMemory memory, string name, string order)
    {
        var recorder = await StartAsync(memory, name, order);
        for (var number = 0; number < StepsOf(name); number++)
        {
            await RecordStepAsync(recorder, number, order);
        }

        await FinalizeAsync(recorder);
        return name;
    }

    /// <summary>Asks for a replay. A name that was recorded once so far has numbers of steps that nobody confirmed.</summary>
    public static ReplayRequest RequestFor(string order) => new()
    {
        ConfirmConstants = true,
        Inputs = new Dictionary<string, JsonElement> { ["order"] = JsonSerializer.SerializeToElement(order) },
    };

    /// <summary>What a step of the task gives in a replay.</summary>
    public static string Answer(StepCall call) => JsonSerializer.Serialize(new
    {
        item = Item(call.Arguments.GetProperty("order").GetString()!, call.Arguments.GetProperty("number").GetInt32()),
        payload = "",
    });

    public static string Item(string order, int number) => string.Create(CultureInfo.InvariantCulture, $"item-{order}-{number}");
}
