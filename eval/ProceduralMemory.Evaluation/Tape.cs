using System.Text.Json;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Evaluation;

/// <summary>
/// The tool server of a replay: the target's recorded calls and what they returned. A call that is not recorded, or was made as often as recorded,
/// is an error. Arguments are compared as JSON values: members in any order, numbers by value.
/// </summary>
internal sealed class Tape(Episode target) : IStepExecutor
{
    private readonly bool[] _made = new bool[target.Steps.Count];
    private readonly List<int> _order = [];

    /// <summary>The first call that is not on the tape, if one was made.</summary>
    public (string Function, JsonElement Arguments, int Position)? FirstStray { get; private set; }

    /// <summary>Every recorded call made, none other, and the writes in recorded order.</summary>
    public bool IsComplete
    {
        get
        {
            var writes = _order.Where(i => target.Steps[i].Mutates is true).ToList();
            return FirstStray is null && _order.Count == target.Steps.Count && writes.SequenceEqual(writes.Order());
        }
    }

    /// <summary>Makes a call.</summary>
    /// <returns>The recorded result, or <see langword="null"/> when the call is an error.</returns>
    public JsonElement? Call(string function, JsonElement arguments)
    {
        for (var i = 0; i < target.Steps.Count; i++)
        {
            if (!_made[i] && target.Steps[i].Function == function && JsonElement.DeepEquals(target.Steps[i].Arguments, arguments))
            {
                _made[i] = true;
                _order.Add(i);
                return target.Steps[i].Result;
            }
        }

        FirstStray ??= (function, arguments.Clone(), _order.Count);
        return null;
    }

    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default) =>
        Task.FromResult<IReadOnlyList<ReplayProblem>>([]);

    public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default) => Task.FromResult(
        Call(call.Action, call.Arguments) is { } result
            ? new StepCallResult { Result = result }
            : new StepCallResult { Failure = new StepFailure("not_on_the_tape", $"The target made no call {call.Action} with these arguments.") });
}
