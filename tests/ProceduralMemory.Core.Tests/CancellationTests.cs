using ProceduralMemory.Capture;

namespace ProceduralMemory.Tests;

/// <summary>What was cancelled before it began does nothing.</summary>
public sealed class CancellationTests : IDisposable
{
    private readonly TestMemory _test = TestMemory.OnFile();

    public void Dispose() => _test.Dispose();

    public static TheoryData<string> Operations => new(Table.Keys);

    private static Dictionary<string, Func<World, CancellationToken, Task>> Table { get; } = new()
    {
        ["StartRecording"] = (w, t) => w.Memory.StartRecordingAsync(new RecordingDetails { Name = "n" }, cancellationToken: t),
        ["ResumeRecording"] = (w, t) => w.Memory.ResumeRecordingAsync(w.Recorder.TraceId, cancellationToken: t),
        ["ListTraces"] = (w, t) => w.Memory.ListTracesAsync(cancellationToken: t),
        ["GetTrace"] = (w, t) => w.Memory.GetTraceAsync(w.Recorder.TraceId, t),
        ["Store"] = (w, t) => w.Memory.StoreAsync(Given.Definition("new", Given.Step("t.a")), cancellationToken: t),
        ["StoreNewVersion"] = (w, t) => w.Memory.StoreAsync(Given.Definition("p", Given.Step("t.a")), asNewVersion: true, cancellationToken: t),
        ["Get"] = (w, t) => w.Memory.GetAsync("p", cancellationToken: t),
        ["List"] = (w, t) => w.Memory.ListAsync(cancellationToken: t),
        ["ListScopes"] = (w, t) => w.Memory.ListScopesAsync(t),
        ["ListVersions"] = (w, t) => w.Memory.ListVersionsAsync("p", t),
        ["ActivateVersion"] = (w, t) => w.Memory.ActivateVersionAsync("p", 2, t),
        ["Export"] = (w, t) => w.Memory.ExportAsync("p", cancellationToken: t),
        ["Import"] = (w, t) => w.Memory.ImportAsync("""{"format":1,"name":"new","steps":[{"action":"t.a"}]}""", t),
        ["Find"] = (w, t) => w.Memory.FindAsync("p", cancellationToken: t),
        ["Replay"] = (w, t) => w.Memory.ReplayAsync(w.Executor, "p", Given.With(), t),
        ["GetExecution"] = (w, t) => w.Memory.GetExecutionAsync(w.Execution, t),
        ["ListExecutions"] = (w, t) => w.Memory.ListExecutionsAsync(cancellationToken: t),
        ["ListExecutionsOfOne"] = (w, t) => w.Memory.ListExecutionsAsync("p", cancellationToken: t),
        ["Optimize"] = (w, t) => w.Memory.OptimizeAsync("p", cancellationToken: t),
        ["ListSimilar"] = (w, t) => w.Memory.ListSimilarAsync(cancellationToken: t),
        ["Merge"] = (w, t) => w.Memory.MergeAsync(["p", "q"], t),
        ["RecordStep"] = (w, t) => w.Recorder.RecordStepAsync(new TraceStep { Action = "t.b" }, t),
        ["AnnotateStep"] = (w, t) => w.Recorder.AnnotateStepAsync("t.a", null, "o", "n", cancellationToken: t),
        ["Finalize"] = (w, t) => w.Recorder.FinalizeAsync(cancellationToken: t),
        ["Abandon"] = (w, t) => w.Recorder.AbandonAsync(t),
    };

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_cancelled_operation_leaves_everything_as_it_was_and_works_afterwards(string operation)
    {
        var memory = _test.Memory;
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b")));
        await memory.StoreAsync(Given.Definition("q", Given.Step("t.a"), Given.Step("t.b")));
        await memory.ImportAsync("""{"format":1,"name":"p","steps":[{"action":"t.a"}]}""");
        var execution = Guid.Empty;
        for (var i = 0; i < 3; i++)
        {
            execution = (await memory.ReplayAsync(new ScriptedExecutor().Fails("t.b"), "p", Given.With())).ExecutionId!.Value;
        }

        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "open" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);
        var world = new World(memory, recorder, execution, new ScriptedExecutor());

        await _test.RefusesAsync<OperationCanceledException>(() => Table[operation](world, new CancellationToken(canceled: true)));

        Assert.Empty(world.Executor.Calls);
        Assert.True(recorder.IsActive);
        await Table[operation](world, CancellationToken.None);
    }

    internal sealed record World(ProcedureMemory Memory, ProcedureRecorder Recorder, Guid Execution, ScriptedExecutor Executor);
}
