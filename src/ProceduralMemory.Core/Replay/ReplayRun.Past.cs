using System.Text.Json;

namespace ProceduralMemory.Replay;

internal sealed partial class ReplayRun
{
    /// <summary>Takes up what was written of this execution before: what is done stays done, and what is not is made ready.</summary>
    /// <returns>What must be known first; nothing is called before.</returns>
    private List<ReplayProblem> Restore()
    {
        var problems = new List<ReplayProblem>();
        if (_context.Past is not { } past)
        {
            return problems;
        }

        var rows = (_past?.Steps ?? []).ToDictionary(s => s.StepId, StringComparer.Ordinal);
        var notKept = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < _steps.Count; i++)
        {
            var row = rows.GetValueOrDefault(_steps[i].Id);
            if (row is not null)
            {
                _starts[i] = new StepStart(row.StartedAt ?? _context.Time.GetUtcNow(), null, new Dictionary<string, ArgumentOrigin>(), [], PolicyOf(_steps[i]), null) { Journalled = row.Arguments };
            }

            if (row is { Status: StepStatus.Success })
            {
                Done(i, row);
                if (row.Omitted is not null || row.Result is { } result && ReplayPast.IsRedacted(result))
                {
                    notKept.Add(row.StepId);
                }
            }

            if (past.Request.Results.TryGetValue(_frame.Path + _steps[i].Id, out var told) && (row is not { Status: StepStatus.Success } || notKept.Remove(_steps[i].Id)))
            {
                Told(i, row, told);
            }
            else if (row is not null && row.Status is not (StepStatus.Success or StepStatus.Skipped or StepStatus.Pending))
            {
                MakeReady(i, row, past.Request, problems);
            }
        }

        RepeatWhatIsNotKept(notKept, problems);
        return problems;
    }

    private void Done(int index, ExecutionStep row)
    {
        _outcomes[index] = _outcomes[index] with
        {
            Status = StepStatus.Success,
            Arguments = row.Arguments,
            Result = row.Result,
            Omitted = row.Omitted,
            Match = row.Match,
            Attempts = row.Attempts,
            IdempotencyKey = row.IdempotencyKey,
            Repaired = row.Repaired,
            DoneBefore = true,
            Duration = row.Duration ?? TimeSpan.Zero,
        };
        _resolver.Results[row.StepId] = row.Result;
    }

    /// <summary>A step that was done by other means; or that was done, and its result was not kept.</summary>
    private void Told(int index, ExecutionStep? row, JsonElement told) => End(
        index,
        _outcomes[index] with
        {
            Status = StepStatus.Success,
            Result = told.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? null : told,
            Omitted = null,
            Repaired = row?.Status is not StepStatus.Success || row.Repaired,
            Attempts = row?.Attempts ?? 0,
            IdempotencyKey = row?.IdempotencyKey,
            Failure = row?.Failure,
        });

    /// <summary>A step that was begun, and is not known to be done.</summary>
    private void MakeReady(int index, ExecutionStep row, ResumeRequest request, List<ReplayProblem> problems)
    {
        var step = _steps[index];
        var ready = _outcomes[index] with { Attempts = row.Attempts };
        if (step.Kind is not StepKind.Function)
        {
            // What stands in it has a journal of its own.
            _outcomes[index] = ready;
            return;
        }

        // A call that returned, if otherwise than expected, has had its effect as far as anybody knows.
        var isUnknown = row.Status is StepStatus.Running or StepStatus.Unknown || row.Failure?.ErrorType is FailureTypes.UnexpectedOutcome or FailureTypes.TooLarge;
        if (!isUnknown)
        {
            _outcomes[index] = ready;
        }
        else if (IsRepeatable(step, _context.Executor.Describe(step.Action)) || request.Repeat.Contains(_frame.Path + step.Id))
        {
            _outcomes[index] = ready with { IdempotencyKey = row.IdempotencyKey };
        }
        else
        {
            End(index, ready with { Status = StepStatus.Unknown, IdempotencyKey = row.IdempotencyKey, Arguments = row.Arguments, Result = row.Result, Failure = row.Failure ?? new StepFailure(FailureTypes.OutcomeUnknown, "Its process ended in the middle of the call: whether it had its effect is not known.") });
            problems.Add(UnknownOutcome(step));
        }
    }

    /// <summary>What a step that is left needs, and the journal does not hold, is read again; where that would write, it has to be told.</summary>
    private void RepeatWhatIsNotKept(HashSet<string> notKept, List<ReplayProblem> problems)
    {
        for (var again = notKept.Count > 0; again;)
        {
            again = false;
            foreach (var step in _steps.Where((_, i) => _outcomes[i].Status is StepStatus.Pending).ToList())
            {
                foreach (var source in NotKept(step, notKept).ToList())
                {
                    notKept.Remove(source);
                    var index = _outcomes.ToList().FindIndex(o => o.StepId == source);
                    if (_outcomes[index].Effect is StepEffect.Read)
                    {
                        _resolver.Results.Remove(source);
                        _outcomes[index] = Pending(_steps[index]) with { Effect = _outcomes[index].Effect, Attempts = _outcomes[index].Attempts };
                        again = true;
                    }
                    else
                    {
                        problems.Add(new ReplayProblem(
                            ReplayProblemCodes.RedactedResult,
                            _frame.Path + source,
                            $"Step '{_frame.Path}{step.Id}' needs what step '{_frame.Path}{source}' ({_steps[index].Action}) returned. That is secret or too large and was not kept, and the call is not one to be repeated. Resume with its result."));
                    }
                }
            }
        }
    }

    /// <summary>The steps whose results a step needs where they were not kept.</summary>
    private IEnumerable<string> NotKept(ProcedureStep step, HashSet<string> notKept) => step.References()
        .OfType<StepReference>()
        .Where(r => notKept.Contains(r.StepId) && IsNotKept(r))
        .Select(r => r.StepId)
        .Distinct(StringComparer.Ordinal);

    private bool IsNotKept(StepReference reference)
    {
        if (_outcomes.First(o => o.StepId == reference.StepId).Omitted is not null)
        {
            return true;
        }

        try
        {
            return ReplayPast.IsRedacted(reference.Evaluate(_resolver));
        }
        catch (UnresolvedBindingException)
        {
            // A place that the result never had.
            return false;
        }
    }

    /// <summary>The step from whose result something that was not kept came into these arguments after all, or <see langword="null"/>.</summary>
    private string? RedactedSource(ProcedureStep step, JsonElement arguments) => ReplayPast.IsRedacted(arguments)
        ? step.References().OfType<StepReference>().Select(r => r.StepId).FirstOrDefault(id => _resolver.Results.TryGetValue(id, out var result) && result is { } value && ReplayPast.IsRedacted(value))
        : null;
}
