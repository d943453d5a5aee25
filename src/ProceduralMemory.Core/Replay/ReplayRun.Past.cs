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

            if (_past is { Outcome: ReplayOutcome.Completed } && row is { Status: StepStatus.Skipped })
            {
                StaySkipped(i, row);
            }
            else if (row is { Status: StepStatus.Success })
            {
                Done(i, row);
                if (!ReplayPast.IsKept(row))
                {
                    notKept.Add(row.StepId);
                }
            }

            if (past.Request.Results.TryGetValue(_frame.Path + _steps[i].Id, out var told) && (row is { Status: StepStatus.Success } ? notKept.Remove(_steps[i].Id) : _past is not { Outcome: ReplayOutcome.Completed }))
            {
                Told(i, row, told, omitted: null);
            }
            else if (row is not { Status: StepStatus.Success } && past.Repairs.Steps.TryGetValue(_frame.Path + _steps[i].Id, out var call))
            {
                var isKept = ReplayPast.IsKept(call.Step);
                Told(i, row, call.Step.Result ?? Json.Null, isKept ? null : call.Step.Omitted ?? "result: it is secret", call.Trace.Id);
                if (!isKept)
                {
                    notKept.Add(_steps[i].Id);
                }
            }
            else if (row is { Status: StepStatus.Skipped, Attempts: > 0 } && !IsLeftOut(_steps[i]))
            {
                StaySkipped(i, row);
            }
            else if (row is not null && row.Status is not (StepStatus.Success or StepStatus.Skipped or StepStatus.Pending))
            {
                MakeReady(i, row, past.Request, problems);
            }
        }

        if (_past is not { Outcome: ReplayOutcome.Completed })
        {
            RepeatWhatIsNotKept(notKept, problems);
        }

        return problems;
    }

    private void Done(int index, ExecutionStep row)
    {
        _outcomes[index] = ReplayPast.OutcomeOf(row) with { Effect = _outcomes[index].Effect, Failure = null };
        _resolver.Results[row.StepId] = row.Result;
    }

    /// <summary>A step that was done by other means; or that was done, and its result was not kept.</summary>
    private void Told(int index, ExecutionStep? row, JsonElement told, string? omitted, Guid? repairTraceId = null) => End(
        index,
        _outcomes[index] with
        {
            Status = StepStatus.Success,
            Result = told.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? null : told,
            Omitted = omitted,
            Repaired = row?.Status is not StepStatus.Success || row.Repaired,
            RepairTraceId = repairTraceId ?? row?.RepairTraceId ?? _context.Past!.Request.RepairTraceId,
            Attempts = row?.Attempts ?? 0,
            IdempotencyKey = row?.IdempotencyKey,
            Failure = row?.Failure,
        });

    /// <summary>A step that failed and was counted as skipped: the replay has gone on without it, and it may have had its effect.</summary>
    private void StaySkipped(int index, ExecutionStep row) => _outcomes[index] = ReplayPast.OutcomeOf(row) with { Effect = _outcomes[index].Effect };

    /// <summary>A step that was begun, and is not known to be done.</summary>
    private void MakeReady(int index, ExecutionStep row, ResumeRequest request, List<ReplayProblem> problems)
    {
        var step = _steps[index];
        var ready = _outcomes[index] with { Attempts = row.Attempts, IdempotencyKey = row.IdempotencyKey };
        if (step.Kind is not StepKind.Function || IsLeftOut(step))
        {
            // What stands in it has a journal of its own; and of what is left out nobody has to know how it ended.
            _outcomes[index] = ready;
            return;
        }

        // A call that returned, if otherwise than expected, has had its effect as far as anybody knows.
        var isUnknown = row.Status is StepStatus.Running or StepStatus.Unknown || row.Failure?.ErrorType is FailureTypes.UnexpectedOutcome or FailureTypes.TooLarge;
        if (!isUnknown || IsRepeatable(step, _context.Executor.Describe(step.Action)) || request.Repeat.Contains(_frame.Path + step.Id))
        {
            _outcomes[index] = ready;
        }
        else
        {
            End(index, ready with { Status = StepStatus.Unknown, Arguments = row.Arguments, Result = row.Result, Failure = row.Failure ?? new StepFailure(FailureTypes.OutcomeUnknown, "Its process ended in the middle of the call: whether it had its effect is not known.") });
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
                        _ended.Remove(index);
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

        return IsRedacted(reference);
    }

    /// <summary>Whether a write was done since the replay stopped, by a call with the same arguments; or has to be asked about for that.</summary>
    private bool IsDoneSince(int index, StepStart start, RunProgress progress)
    {
        var step = _steps[index];
        if (step.Kind is not StepKind.Function || _outcomes[index].Effect is StepEffect.Read || _context.Past is not { } past || past.Request.Repeat.Contains(_frame.Path + step.Id))
        {
            return false;
        }

        var (call, isUnsure) = past.Repairs.Take(step.Action, start.Journalled!.Value, start.Function?.IdempotencyKeyParameter);
        if (call is not null && ReplayPast.IsKept(call.Step))
        {
            _starts[index] = start;
            Told(index, row: null, call.Step.Result ?? Json.Null, omitted: null, call.Trace.Id);
            return true;
        }

        if (call is not null)
        {
            progress.End = Waiting(new ReplayProblem(ReplayProblemCodes.RedactedResult, _frame.Path + step.Id, $"Step '{_frame.Path}{step.Id}' ({step.Action}) was done since the replay stopped, and what it returned is not kept. Resume with its result."));
        }
        else if (isUnsure)
        {
            progress.End = Waiting(new ReplayProblem(
                ReplayProblemCodes.OutcomeUnknown,
                _frame.Path + step.Id,
                $"Whether step '{_frame.Path}{step.Id}' was done since the replay stopped is not known: {step.Action} may have been called with these arguments. If it is done, resume with its result; if not, the host can have it repeated."));
        }

        return call is not null || isUnsure;
    }

    private RunEnd Waiting(ReplayProblem problem) => new(ReplayOutcome.Waiting, $"'{_plan.Procedure.Name}' waits. {problem.Message}", [problem]);

    /// <summary>What is needed to decide whether a step is called, and was not kept; or <see langword="null"/>.</summary>
    private ReplayProblem? WhatIsNotKept(StepCondition? condition, ProcedureStep step) =>
        _context.Past is null || condition is null || IsLeftOut(step) ? null
        : ValueExpression.Parse(condition.Value).References().FirstOrDefault(r => r is StepReference or ItemReference && IsRedacted(r)) is { } missing ? AskFor(step, missing) : null;

    /// <summary>What is needed for a call, and was not kept; or <see langword="null"/>. A marker is never sent in its place.</summary>
    private ReplayProblem? WhatIsNotKept(ProcedureStep step, JsonElement? arguments)
    {
        var used = _resolver.Used(step, Adapted(step)).Select(a => a.Value);

        // Of a marker that is converted, or put into a text, nothing need be left that tells it.
        var references = (arguments is { } sent && !ReplayPast.IsRedacted(sent) ? used.Where(IsConverted) : used).SelectMany(ValueExpression.References).ToList();
        if (arguments is null && step.ForEach is { } list)
        {
            references.AddRange(ValueExpression.Parse(list).References());
        }

        return references.Find(r => r is StepReference or ItemReference && IsRedacted(r)) is { } missing ? AskFor(step, missing) : null;
    }

    private ReplayProblem AskFor(ProcedureStep step, ValueExpression missing)
    {
        var source = missing is StepReference result ? PathOf(result.StepId) : ListOf(_frame) ?? _frame.Path + step.Id;
        return new ReplayProblem(ReplayProblemCodes.RedactedResult, source, $"Step '{_frame.Path}{step.Id}' needs what step '{source}' returned, of which a part is not kept. Give its result again.");
    }

    /// <summary>Where a loop does not go through the list any more that it began with, what to do about it: what is half done is not done with other elements.</summary>
    private ReplayProblem? ChangedList(ProcedureStep step, IReadOnlyList<JsonElement> elements)
    {
        if (step.Kind is not StepKind.Loop || EffectOf(step) is StepEffect.Read || !IsChanged(step, elements))
        {
            return null;
        }

        // What was read now is not what is needed, and must not stand as it.
        foreach (var index in ValueExpression.Parse(step.ForEach!).References().OfType<StepReference>().Select(r => _outcomes.ToList().FindIndex(o => o.StepId == r.StepId)).Where(i => i >= 0))
        {
            End(index, _outcomes[index] with { Result = null, Omitted = "result: it is not the list that the loop began with" });
        }

        var source = ListOf(step) ?? _frame.Path + step.Id;
        return new ReplayProblem(ReplayProblemCodes.RedactedResult, source, $"The loop '{_frame.Path}{step.Id}' has begun with other elements than {step.ForEach} has now, and is not to go on with these. Resume with the list as it was then: it is not kept.");
    }

    private bool IsChanged(ProcedureStep loop, IReadOnlyList<JsonElement> elements) => _context.Past!.ElementsOf(_journal.Id, loop.Id).Any(known =>
        known.Count != elements.Count || (known.Element is not null && _journal.Fingerprint(ListAction(loop), elements[known.Index]) is { } now && now != known.Element));

    /// <summary>Whether what stands in a step only reads, and is to be read again as a whole: of what it gave before not all is kept, or it was given for other elements.</summary>
    private bool IsReadAnew(ProcedureStep step, IReadOnlyList<JsonElement> elements) => _context.Past is { } past && EffectOf(step) is StepEffect.Read
        && (past.PartsOf(_journal.Id, step.Id).Any(p => !past.IsKept(p)) || (step.Kind is StepKind.Loop && IsChanged(step, elements)));

    /// <summary>What gave the list of a loop.</summary>
    private string ListAction(ProcedureStep loop) =>
        ValueExpression.Parse(loop.ForEach!).References().OfType<StepReference>().Select(r => _plan.Procedure.Version.Steps.SelectMany(s => s.WithInner()).FirstOrDefault(s => s.Id == r.StepId)?.Action).FirstOrDefault() ?? "";

    /// <summary>The step that the list of a loop comes from, or <see langword="null"/>.</summary>
    private string? ListOf(ProcedureStep loop) => ValueExpression.Parse(loop.ForEach!).References().OfType<StepReference>().Select(r => PathOf(r.StepId)).FirstOrDefault();

    private string? ListOf(RunFrame frame) => _plan.Procedure.Version.Steps.SelectMany(s => s.WithInner()).FirstOrDefault(s => s.Id == frame.Parent?.StepId && s.ForEach is not null) is { } loop ? ListOf(loop) : null;

    /// <summary>A step whose result is known here or around the loop, with the steps that it stands in before it.</summary>
    private string PathOf(string stepId)
    {
        var path = _frame.Path;
        for (var resolver = _resolver; !resolver.Results.ContainsKey(stepId) && resolver.Around is { } around; resolver = around)
        {
            path = path[..(path.TrimEnd('/').LastIndexOf('/') + 1)];
        }

        return path + stepId;
    }

    /// <summary>Whether what is referred to holds a marker, or would lie in what one stands for.</summary>
    private bool IsRedacted(ValueExpression reference)
    {
        try
        {
            return ReplayPast.IsRedacted(reference.Evaluate(_resolver));
        }
        catch (UnresolvedBindingException)
        {
            var around = reference switch
            {
                StepReference { Pointer.Length: > 0 } result => result with { Pointer = Outer(result.Pointer) },
                ItemReference { Pointer.Length: > 0 } item => item with { Pointer = Outer(item.Pointer) },
                _ => (ValueExpression?)null,
            };

            // Else a place that the result never had.
            return around is not null && IsRedacted(around) && IsText(around);
        }

        static string Outer(string pointer) => pointer[..pointer.LastIndexOf('/')];

        bool IsText(ValueExpression place)
        {
            try
            {
                return place.Evaluate(_resolver).ValueKind is JsonValueKind.String;
            }
            catch (UnresolvedBindingException)
            {
                return true;
            }
        }
    }

    private static bool IsConverted(JsonElement template) => template.ValueKind switch
    {
        JsonValueKind.Object => template.EnumerateObject().Any(m => IsConverted(m.Value)),
        JsonValueKind.Array => template.EnumerateArray().Any(IsConverted),
        JsonValueKind.String => ValueExpression.Parse(template.GetString()!) is ConvertedValue or InterpolatedText,
        _ => false,
    };
}
