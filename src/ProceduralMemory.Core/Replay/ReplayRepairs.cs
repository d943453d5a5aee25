using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>A call that was recorded since a replay stopped.</summary>
/// <param name="Step">The call.</param>
/// <param name="TraceId">The trace that holds it.</param>
/// <param name="IsElsewhere">Whether it was recorded for another replay that stopped: then it may be for this one, too, but that is not taken for granted.</param>
internal sealed record CallSince(TraceStep Step, Guid TraceId, bool IsElsewhere);

/// <summary>
/// What was done since a replay stopped, in calls that were recorded. A step whose call was made is not called again. Each call is made for one step. Which one is told by its arguments, or by there being no other step of its
/// function left; it is not guessed.
/// </summary>
internal sealed class ReplayRepairs
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, CallSince> _steps = new(StringComparer.Ordinal);
    private readonly List<CallSince> _left;

    private ReplayRepairs(List<CallSince> calls) => _left = calls;

    /// <summary>By path, the steps that were begun, and were done by a call since.</summary>
    public IReadOnlyDictionary<string, CallSince> Steps => _steps;

    /// <summary>Finds the steps that were done.</summary>
    /// <param name="tree">The execution and its parts.</param>
    /// <param name="procedure">What it executes.</param>
    /// <param name="resume">What it is resumed with.</param>
    /// <param name="calls">The calls that were recorded since.</param>
    /// <param name="keyOf">The parameter of a function that takes the idempotency key, or <see langword="null"/>.</param>
    /// <param name="problems">Takes what has to be asked.</param>
    public static ReplayRepairs Of(IReadOnlyList<Execution> tree, Procedure procedure, ResumeRequest resume, IReadOnlyList<CallSince> calls, Func<string, string?> keyOf, List<ReplayProblem> problems)
    {
        var repairs = new ReplayRepairs([.. calls.Where(c => c.Step.Status is StepStatus.Success && c.Step.StartedAt >= tree[0].StartedAt)]);
        var rows = RowsOf(tree, resume);
        repairs.LeaveOutUsed(tree, procedure, rows, resume, keyOf);
        foreach (var open in rows.Where(r => r.IsOpen).GroupBy(r => r.Row.Action, StringComparer.OrdinalIgnoreCase))
        {
            repairs.Settle([.. open], procedure, tree[0], resume, keyOf(open.Key), problems);
        }

        return repairs;
    }

    /// <summary>Takes the call by which a step was done, where its arguments tell that.</summary>
    /// <param name="action">The function.</param>
    /// <param name="arguments">What the step would be called with, as it is written down.</param>
    /// <param name="key">The parameter that takes the idempotency key, or <see langword="null"/>.</param>
    /// <returns>The call; and whether it is certain that it was the same one, of which nothing was taken out.</returns>
    public (CallSince Call, bool IsCertain)? Take(string action, JsonElement arguments, string? key)
    {
        lock (_gate)
        {
            if (_left.Find(c => IsOf(c, action) && AreEqual(c.Step.Arguments, arguments, key)) is not { } call)
            {
                return null;
            }

            var isCertain = !call.IsElsewhere && !ReplayPast.IsRedacted(arguments);
            if (isCertain)
            {
                _left.Remove(call);
            }

            return (call, isCertain);
        }
    }

    private void Settle(List<OpenRow> open, Procedure procedure, Execution root, ResumeRequest resume, string? key, List<ReplayProblem> problems)
    {
        var since = open.Min(r => r.Row.StartedAt) ?? root.StartedAt;
        var calls = _left.Where(c => IsOf(c, open[0].Row.Action) && c.Step.StartedAt >= since).ToList();
        calls.RemoveAll(c => c.IsElsewhere && !open.Exists(r => r.Row.Arguments is { } arguments && AreEqual(c.Step.Arguments, arguments, key)));
        foreach (var row in open.ToList())
        {
            if (row.Row.Arguments is { } arguments && !ReplayPast.IsRedacted(arguments) && calls.FindLast(c => !c.IsElsewhere && AreEqual(c.Step.Arguments, arguments, key)) is { } call)
            {
                TakeFor(row, call);
            }
        }

        // Of a step inside another one it is not known what else stands there.
        if (open is [{ Path: var path } only] && calls is [{ IsElsewhere: false } last] && !path.Contains('/', StringComparison.Ordinal) && !resume.AreCallsMissing && !HasOtherStep(procedure, root, resume, only.Row))
        {
            TakeFor(only, last);
        }

        var unsure = open.Where(r => r.Row.Effect is not StepEffect.Read).Select(r => r.Path).ToList();
        if (unsure.Count > 0 && (calls.Count > 0 || (resume.AreCallsMissing && open.Exists(r => r.Row.Attempts > 0))))
        {
            var steps = unsure.Count == 1 ? $"Step '{unsure[0]}' calls" : $"Steps {InputBinder.Quoted(unsure)} all call";
            var why = calls.Count == 0
                ? "and not every call that was made since the replay stopped was recorded: whether it was made by other means is not known"
                : "which was called since the replay stopped: for which of its steps is not known";
            problems.Add(new ReplayProblem(ReplayProblemCodes.OutcomeUnknown, unsure[0], $"{steps} {open[0].Row.Action}, {why}. Resume with the result of each of them that is done, and leave out what is not needed. One that is not done the host can have repeated."));
        }

        void TakeFor(OpenRow row, CallSince call)
        {
            _steps.Add(row.Path, call);
            _left.Remove(call);
            calls.Remove(call);
            open.Remove(row);
        }
    }

    /// <summary>Whether a step that was not begun yet calls the same function.</summary>
    private static bool HasOtherStep(Procedure procedure, Execution root, ResumeRequest resume, ExecutionStep row)
    {
        var begun = root.Steps.Where(s => s.Status is not StepStatus.Pending && s.StepId != row.StepId).Select(s => s.StepId).ToHashSet(StringComparer.Ordinal);
        var ended = root.Steps.Where(s => s.Status is StepStatus.Success or StepStatus.Skipped).Select(s => s.StepId).ToHashSet(StringComparer.Ordinal);
        return procedure.Version.Steps
            .Where(s => s.Id != row.StepId && !(s.Steps.Count > 0 ? ended : begun).Contains(s.Id) && !resume.Skip.Contains(s.Id) && !resume.Results.ContainsKey(s.Id))
            .SelectMany(s => s.WithInner())
            .Any(s => s.Kind is StepKind.Function && string.Equals(s.Action, row.Action, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Leaves out the calls by which steps were done of which that is known already: what an earlier attempt took, what is told now, and what the replay itself had recorded.</summary>
    private void LeaveOutUsed(IReadOnlyList<Execution> tree, Procedure procedure, IReadOnlyList<OpenRow> rows, ResumeRequest resume, Func<string, string?> keyOf)
    {
        var traces = _left.Select(c => c.TraceId).ToHashSet();
        var told = rows.Where(r => r.Told is not null).Select(r => (r.Row.Action, r.Row.Arguments, Result: r.Told, IsCertain: true))
            .Concat(procedure.Version.Steps.Where(s => resume.Results.ContainsKey(s.Id) && !tree[0].Steps.Any(r => r.StepId == s.Id)).Select(s => (s.Action, Arguments: (JsonElement?)null, Result: (JsonElement?)resume.Results[s.Id], IsCertain: true)));
        var done = tree.SelectMany(e => e.Steps).Where(s => s.Status is StepStatus.Success)
            .Select(s => (s.Action, s.Arguments, s.Result, IsCertain: s.Repaired && s.RepairTraceId is { } id && traces.Contains(id)));
        foreach (var (action, arguments, result, isCertain) in done.Concat(told).ToList())
        {
            var same = _left.Where(c => IsOf(c, action)).ToList();
            var used = same.Find(c => arguments is { } given && AreEqual(c.Step.Arguments, given, keyOf(action)) && AreEqual(c.Step.Result, result))
                ?? (isCertain ? same.Find(c => arguments is { } given && AreEqual(c.Step.Arguments, given, keyOf(action))) ?? same.Find(c => AreEqual(c.Step.Result, result)) ?? same.FirstOrDefault() : null);
            if (used is not null)
            {
                _left.Remove(used);
            }
        }
    }

    private static bool IsOf(CallSince call, string action) => string.Equals(call.Step.Action, action, StringComparison.OrdinalIgnoreCase);

    private static bool AreEqual(JsonElement? first, JsonElement? second) => Json.AreEqual(first ?? Json.Null, second ?? Json.Null);

    /// <summary>Whether arguments are the same. Who leaves one out gives none, and the key is each caller's own.</summary>
    private static bool AreEqual(JsonElement first, JsonElement second, string? key)
    {
        return Given(first, second) && Given(second, first);

        bool Given(JsonElement these, JsonElement those) => these.EnumerateObject()
            .Where(a => a.Name != key && a.Value.ValueKind is not JsonValueKind.Null)
            .All(a => those.TryGetProperty(a.Name, out var other) && Json.AreEqual(a.Value, other));
    }

    /// <summary>The calls of a tree that were begun and are not done, with where they stand. What stands in a step that is done or left out is no matter any more.</summary>
    private static List<OpenRow> RowsOf(IReadOnlyList<Execution> tree, ResumeRequest resume)
    {
        var inside = tree.Where(e => e.ParentId is not null).GroupBy(e => (e.ParentId, e.ParentStep, e.ParentIndex)).Select(g => g.Last()).ToLookup(e => (e.ParentId!.Value, e.ParentStep!));
        var rows = new List<OpenRow>();
        Add(tree[0], "", isOutermost: true);
        return rows;

        void Add(Execution execution, string path, bool isOutermost)
        {
            foreach (var row in execution.Steps.Where(s => s.Status is StepStatus.Failed or StepStatus.Unknown or StepStatus.Running && !(isOutermost && resume.Skip.Contains(s.StepId))))
            {
                var (at, parts) = (path + row.StepId, inside[(execution.Id, row.StepId)].ToList());
                var told = resume.Results.TryGetValue(at, out var result) ? result : (JsonElement?)null;
                if (parts.Count == 0 || told is not null)
                {
                    rows.Add(new OpenRow(at, row, told, IsOpen: told is null && !resume.Repeat.Contains(at)));
                }

                foreach (var part in told is null ? parts.Where(p => p.Outcome is not ReplayOutcome.Completed) : [])
                {
                    // No procedure replays itself: what is of the same one as what it stands in is a round of a loop.
                    var isRound = part.ProcedureId == execution.ProcedureId;
                    Add(part, isRound ? string.Create(CultureInfo.InvariantCulture, $"{at}[{part.ParentIndex}]/") : at + "/", isOutermost && isRound);
                }
            }
        }
    }

    /// <param name="Path">The step, with those that it stands in before it.</param>
    /// <param name="Row">What is written of it.</param>
    /// <param name="Told">The result that is told now.</param>
    /// <param name="IsOpen">Whether it is to be called, unless it was done meanwhile.</param>
    private sealed record OpenRow(string Path, ExecutionStep Row, JsonElement? Told, bool IsOpen);
}
