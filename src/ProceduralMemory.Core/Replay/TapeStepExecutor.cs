using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// Replays on a tape instead of on tools: the recorded calls of a task and what they returned. For tests of a procedure, without tools and without a model.
/// A call that is not on the tape, or was made as often as recorded, fails. Arguments are compared as JSON: members in any order, numbers by value.
/// </summary>
/// <remarks>One instance serves one replay after the other, each on the rest of the tape. Safe for use from several threads.</remarks>
public sealed class TapeStepExecutor : IStepExecutor
{
    /// <summary>The <see cref="StepFailure.ErrorType"/> of a call that is not on the tape.</summary>
    public const string NotOnTape = "not_on_tape";

    private readonly Lock _gate = new();
    private readonly List<TraceStep> _tape;
    private readonly bool[] _made;
    private readonly List<int> _order = [];
    private readonly List<StepCall> _strays = [];

    /// <summary>Makes a tape of recorded calls. Failed ones are not on it.</summary>
    /// <param name="calls">The calls in the order in which they were made, such as the <see cref="Trace.Steps"/> of a trace.</param>
    public TapeStepExecutor(IEnumerable<TraceStep> calls)
    {
        ArgumentNullException.ThrowIfNull(calls);
        _tape = [.. calls.Where(c => c.Status is StepStatus.Success)];
        _made = new bool[_tape.Count];
    }

    /// <summary>The calls that were made and are not on the tape, in order.</summary>
    public IReadOnlyList<StepCall> Strays
    {
        get
        {
            lock (_gate)
            {
                return [.. _strays];
            }
        }
    }

    /// <summary>The recorded calls that have not been made.</summary>
    public IReadOnlyList<TraceStep> Missing
    {
        get
        {
            lock (_gate)
            {
                return [.. _tape.Where((_, i) => !_made[i])];
            }
        }
    }

    /// <summary>Whether every recorded call was made and no other, and those whose <see cref="TraceStep.Effect"/> is not <see cref="StepEffect.Read"/> in the recorded order.</summary>
    public bool IsComplete
    {
        get
        {
            lock (_gate)
            {
                var writes = _order.Where(i => _tape[i].Effect is not StepEffect.Read).ToList();
                return _strays.Count == 0 && _order.Count == _tape.Count && writes.SequenceEqual(writes.Order());
            }
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<IReadOnlyList<ReplayProblem>>([]);
    }

    /// <inheritdoc/>
    public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            for (var i = 0; i < _tape.Count; i++)
            {
                if (!_made[i] && string.Equals(_tape[i].Action, call.Action, StringComparison.OrdinalIgnoreCase) && Json.AreEqual(_tape[i].Arguments, call.Arguments))
                {
                    _made[i] = true;
                    _order.Add(i);
                    return Task.FromResult(new StepCallResult { Result = _tape[i].Result });
                }
            }

            _strays.Add(call);
            var of = _tape.Where((t, i) => !_made[i] && string.Equals(t.Action, call.Action, StringComparison.OrdinalIgnoreCase)).Select(t => t.Arguments.GetRawText()).ToList();
            var expected = of.Count == 0 ? "no further call of it is" : string.Create(CultureInfo.InvariantCulture, $"{of.Count} with other arguments are, such as {of[0]}");
            return Task.FromResult(new StepCallResult { Failure = new StepFailure(NotOnTape, $"The call {call.Action}({call.Arguments.GetRawText()}) is not on the tape; {expected}.") });
        }
    }
}
