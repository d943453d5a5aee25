using System.Reflection;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;
using ProceduralMemory.Tests.Recall;

namespace ProceduralMemory.Tests;

/// <summary>What is cancelled, before it begins or in its midst, is done as a whole or not at all.</summary>
public sealed class CancellationTests : IDisposable
{
    private readonly MadeUpGenerator _generator = new();
    private readonly TestMemory _test;

    public CancellationTests() => _test = TestMemory.OnFile(o => o.EmbeddingGenerator = _generator);

    public void Dispose()
    {
        _test.Dispose();
        _generator.Dispose();
    }

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
        ["Explain"] = (w, t) => w.Memory.ExplainAsync("p", cancellationToken: t),
        ["Show"] = (w, t) => w.Memory.ShowAsync("p", cancellationToken: t),
        ["SetSource"] = (w, t) => w.Memory.SetSourceAsync("learned", "a", "x", JsonSerializer.SerializeToElement("$inputs.x"), t),
        ["DistillTrace"] = (w, t) => w.Memory.DistillTraceAsync(w.Unsettled, "settled", cancellationToken: t),
        ["DistillTraceInPlace"] = (w, t) => w.Memory.DistillTraceAsync(w.Unsettled, replace: true, cancellationToken: t),
        ["ListScopes"] = (w, t) => w.Memory.ListScopesAsync(t),
        ["ListVersions"] = (w, t) => w.Memory.ListVersionsAsync("p", t),
        ["ActivateVersion"] = (w, t) => w.Memory.ActivateVersionAsync("p", 2, t),
        ["Export"] = (w, t) => w.Memory.ExportAsync("p", cancellationToken: t),
        ["Import"] = (w, t) => w.Memory.ImportAsync("""{"format":1,"name":"new","steps":[{"action":"t.a"}]}""", t),
        ["Find"] = (w, t) => w.Memory.FindAsync("p", cancellationToken: t),
        ["FindByWords"] = (w, t) => w.Memory.FindAsync("p", new FindOptions { Strategy = FindStrategy.Words, Tags = ["x"] }, t),
        ["FindByOverlap"] = (w, t) => w.Memory.FindAsync("p", new FindOptions { Strategy = FindStrategy.KeywordOverlap }, t),
        ["Reembed"] = (w, t) => w.Memory.ReembedAsync(cancellationToken: t),
        ["ReembedAll"] = (w, t) => w.Memory.ReembedAsync(renewAll: true, cancellationToken: t),
        ["Replay"] = (w, t) => w.Memory.ReplayAsync(w.Executor, "p", Given.With(), t),
        ["Preview"] = (w, t) => w.Memory.PreviewAsync(w.Executor, "p", Given.With(), t),
        ["Approve"] = (w, t) => w.Memory.ApproveAsync("p", 1, "Ada", t),
        ["Reject"] = (w, t) => w.Memory.RejectAsync("p", 1, "Ada", "No.", t),
        ["RevokeApproval"] = (w, t) => w.Memory.RevokeApprovalAsync("q", 1, "Ada", t),
        ["ListPendingApprovals"] = (w, t) => w.Memory.ListPendingApprovalsAsync(t),
        ["ListApprovals"] = (w, t) => w.Memory.ListApprovalsAsync("q", t),
        ["ListCallApprovals"] = (w, t) => w.Memory.ListCallApprovalsAsync(w.Execution, t),
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
        var world = await WorldAsync(_test.Memory);

        await _test.RefusesAsync<OperationCanceledException>(() => Table[operation](world, new CancellationToken(canceled: true)));

        Assert.Empty(world.Executor.Calls);
        Assert.True(world.Recorder.IsActive);
        await Table[operation](world, CancellationToken.None);
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task An_operation_that_is_cancelled_at_any_of_its_accesses_to_the_store_is_done_as_a_whole_or_not_at_all(string operation)
    {
        var options = new ProceduralMemoryOptions { DatabasePath = _test.DatabasePath, TimeProvider = _test.Time, EmbeddingGenerator = _generator, Approval = ApprovalPolicy.Never };
        using var inner = new SqliteProcedureStore(options);
        var store = CountingStore.Around(inner);
        using var memory = new ProcedureMemory(options, store);
        var world = await WorldAsync(memory);
        var counting = (CountingStore)(object)store;

        for (var at = 1; ; at++)
        {
            using var cancellation = new CancellationTokenSource();
            counting.Before(at, cancellation.Cancel);
            var before = _test.Dump();
            var error = await Record.ExceptionAsync(() => Table[operation](world, cancellation.Token));
            if (error is null)
            {
                // Done, though it may have been cancelled after its last word was written; a replay may be done once more to be cancelled later.
                Assert.InRange(at, 2, int.MaxValue);
                if (operation != "Replay" || !cancellation.IsCancellationRequested)
                {
                    break;
                }

                continue;
            }

            Assert.IsAssignableFrom<OperationCanceledException>(error);
            Assert.Equal("ok", _test.IntegrityCheck());
            Assert.True(world.Recorder.IsActive);
            if (operation == "Replay")
            {
                // What it called has happened, and stays written down.
                Assert.DoesNotContain(await memory.ListExecutionsAsync(), e => e.Outcome is ReplayOutcome.Running);
            }
            else if (operation != "ReembedAll")
            {
                // Of vectors, what was made by then is kept.
                Assert.Equal(before, _test.Dump());
            }
        }
    }

    private static async Task<World> WorldAsync(ProcedureMemory memory)
    {
        await memory.StoreAsync(Given.Definition("p", Given.Step("t.a"), Given.Step("t.b")));
        await memory.StoreAsync(Given.Definition("q", Given.Step("t.a"), Given.Step("t.b")));
        await memory.ImportAsync("""{"format":1,"name":"p","steps":[{"action":"t.a"}]}""");
        await memory.RecordedAsync(new RecordingDetails { Name = "learned" }, ("t.a", """{"x":"y"}""", "1"));
        var unsettled = await memory.StartRecordingAsync(new RecordingDetails { Name = "learned" });
        await unsettled.CompleteStepAsync(unsettled.BeginStep("t.other", default)!, null);
        Assert.NotNull((await unsettled.FinalizeAsync()).Conflict);
        var execution = Guid.Empty;
        for (var i = 0; i < 3; i++)
        {
            execution = (await memory.ReplayAsync(new ScriptedExecutor().Fails("t.b"), "p", Given.With())).ExecutionId!.Value;
        }

        await memory.ApproveAsync("q", 1, "Ada");
        await memory.ReembedAsync();
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = "open" });
        await recorder.CompleteStepAsync(recorder.BeginStep("t.a", default)!, null);
        return new World(memory, recorder, execution, unsettled.TraceId, new ScriptedExecutor());
    }

    internal sealed record World(ProcedureMemory Memory, ProcedureRecorder Recorder, Guid Execution, Guid Unsettled, ScriptedExecutor Executor);
}

/// <summary>A store that lets something happen just before one of its operations.</summary>
#pragma warning disable CA1852 // DispatchProxy derives from it.
internal class CountingStore : DispatchProxy
{
    private SqliteProcedureStore _inner = null!;
    private int _left;
    private Action? _act;
#pragma warning restore CA1852

    public static IProcedureStore Around(SqliteProcedureStore inner)
    {
        var store = Create<ISearchedStore, CountingStore>();
        ((CountingStore)(object)store)._inner = inner;
        return store;
    }

    /// <param name="number">Before which operation, from 1.</param>
    /// <param name="act">What happens.</param>
    public void Before(int number, Action act) => (_left, _act) = (number, act);

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (--_left == 0)
        {
            _act?.Invoke();
        }

        try
        {
            return targetMethod!.Invoke(_inner, args);
        }
        catch (TargetInvocationException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerException!);
            throw;
        }
    }
}

/// <summary>What the SQLite store offers: procedures, and searching them.</summary>
internal interface ISearchedStore : IProcedureStore, IProcedureSearch;
