using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests.Replay;

/// <summary>A memory in which replays stop, and what is done by other means is recorded before they go on.</summary>
public abstract class StoppedReplays : IDisposable
{
    private protected TestMemory Test { get; } = TestMemory.OnFile();

    private protected ScriptedExecutor Executor { get; } = new();

    private protected ProcedureMemory Memory => Test.Memory;

    /// <summary>The trace of what was done since a replay stopped.</summary>
    private protected Guid? Repair { get; private set; }

    public void Dispose()
    {
        Test.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static (string Action, string Arguments, string Result) Call(string action, string arguments, string result) => (action, arguments, result);

    private protected static ProcedureStep Loop(params IReadOnlyList<ProcedureStep> steps) =>
        new() { Id = "each", Action = "for each", Kind = StepKind.Loop, ForEach = "$steps.list.outputs", Steps = steps };

    private protected static ProcedureStep Read(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Read };

    private protected static ProcedureStep Write(string action, string arguments = "{}") => Given.Step(action, arguments, action[2..]) with { Effect = StepEffect.Write };

    private protected Task<Procedure> StoreAsync(params IReadOnlyList<ProcedureStep> steps) => Memory.StoreAsync(Given.Definition("p", steps));

    private protected IEnumerable<string> Called() => Executor.Calls.Select(c => $"{c.Action} {c.Arguments.GetRawText()}");

    /// <summary>Records calls after a replay stopped, and lets it go on with them.</summary>
    private protected async Task<ReplayResult> ResumeAsync(ReplayResult stopped, params IReadOnlyList<(string Action, string Arguments, string Result)> calls)
    {
        await RepairAsync(stopped, calls);
        Executor.Calls.Clear();
        return await Memory.ResumeAsync(Executor, stopped.ExecutionId!.Value, new ResumeRequest { RepairTraceId = Repair });
    }

    private protected async Task RepairAsync(ReplayResult stopped, params IReadOnlyList<(string Action, string Arguments, string Result)> calls)
    {
        using var session = Memory.BeginSession();
        await Memory.StartRepairAsync(session, stopped, CancellationToken.None);
        var recorder = session.Repair!;
        foreach (var (action, arguments, result) in calls)
        {
            await recorder.CompleteStepAsync(recorder.BeginStep(action, Given.Value(arguments))!, Given.Value(result));
        }

        Repair = recorder.TraceId;
    }
}
