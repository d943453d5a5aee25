using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.TestWorker;

/// <summary>Functions that live in a delegate: a call gives what the delegate gives, and fails when it throws.</summary>
public sealed class AnsweringExecutor(Func<StepCall, string> answerAsJson) : IStepExecutor
{
    private readonly List<StepCall> _calls = [];

    /// <summary>The calls made so far, in order.</summary>
    public IReadOnlyList<StepCall> Calls => _calls;

    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) => Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

    public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        _calls.Add(call);
        var answer = answerAsJson(call);
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(new StepCallResult { Result = JsonElement.Parse(answer) });
    }
}
