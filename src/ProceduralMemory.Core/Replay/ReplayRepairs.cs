using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>A call that was recorded since a replay stopped.</summary>
/// <param name="Step">The call.</param>
/// <param name="Trace">The trace that holds it.</param>
/// <param name="IsElsewhere">Whether it was recorded for something else, such as another replay that stopped: it may have done a step of this one all the same, but that is not taken for granted.</param>
internal sealed record CallSince(TraceStep Step, Trace Trace, bool IsElsewhere);

/// <summary>
/// What was done since a replay stopped, in calls that were recorded. A step whose call was made is not called again. Each call is made for one step. Which one is told by its arguments, or by there being no other step
/// left that could call its function; it is not guessed.
/// </summary>
internal sealed class ReplayRepairs
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, CallSince> _steps = new(StringComparer.Ordinal);
    private readonly bool _areCallsMissing;

    // What no step has taken; and of these, those that are spoken for by a result that was told, though it is not known for sure by which.
    private readonly List<CallSince> _left;
    private readonly HashSet<CallSince> _spokenFor = new(ReferenceEqualityComparer.Instance);

    private ReplayRepairs(List<CallSince> calls, bool areCallsMissing) => (_left, _areCallsMissing) = (calls, areCallsMissing);

    /// <summary>By path, the steps that were begun, and were done by a call since.</summary>
    public IReadOnlyDictionary<string, CallSince> Steps => _steps;

    /// <summary>Finds the steps that were done.</summary>
    /// <param name="tree">The execution and its parts.</param>
    /// <param name="procedure">What it executes.</param>
    /// <param name="resume">What it is resumed with.</param>
    /// <param name="calls">The calls that were recorded since.</param>
    /// <param name="options">What tells a result that is an error.</param>
    /// <param name="keyOf">The parameter of a function that takes the idempotency key, or <see langword="null"/>.</param>
    /// <param name="problems">Takes what has to be asked.</param>
    public static ReplayRepairs Of(
        IReadOnlyList<Execution> tree, Procedure procedure, ResumeRequest resume, IReadOnlyList<CallSince> calls, ProceduralMemoryOptions options, Func<string, string?> keyOf, List<ReplayProblem> problems)
    {
        var done = calls.Where(c => c.Step.Status is StepStatus.Success && c.Step.StartedAt >= tree[0].StartedAt && (c.Step.Result is not { } result || options.ErrorOf(c.Step.Action, result) is null));
        var repairs = new ReplayRepairs([.. done], resume.AreCallsMissing);
        var rows = RowsOf(tree, resume);
        repairs.LeaveOutUsed(tree, keyOf);
        repairs.LeaveOutTold(tree[0], procedure, rows, resume, keyOf);
        foreach (var open in rows.Where(r => r.IsOpen).GroupBy(r => Canonical(r.Row.Action), StringComparer.OrdinalIgnoreCase))
        {
            repairs.Settle([.. open], procedure, tree[0], resume, keyOf(open.First().Row.Action), problems);
        }

        return repairs;
    }

    /// <summary>The name of a function as recordings have it, where a step has it as it goes over the wire.</summary>
    public static string Canonical(string action)
    {
        var at = action.IndexOf('-', StringComparison.Ordinal);
        return at < 0 || action.Contains('.', StringComparison.Ordinal) ? action : string.Concat(action.AsSpan(0, at), ".", action.AsSpan(at + 1));
    }

    /// <summary>Takes the call by which a write was done, where its arguments tell that.</summary>
    /// <param name="action">The function.</param>
    /// <param name="arguments">What the step would be called with, as it is written down.</param>
    /// <param name="key">The parameter that takes the idempotency key, or <see langword="null"/>.</param>
    /// <returns>The call, where it is certain; and whether the step may have been done, but that is not certain.</returns>
    public (CallSince? Call, bool IsUnsure) Take(string action, JsonElement arguments, string? key)
    {
        lock (_gate)
        {
            var calls = _left.Where(c => IsOf(c, action)).ToList();
            if (!ReplayPast.IsRedacted(arguments) && calls.Find(c => !c.IsElsewhere && !_spokenFor.Contains(c) && AreEqual(c.Step.Arguments, arguments, key)) is { } call)
            {
                _left.Remove(call);
                return (call, false);
            }

            return (null, _areCallsMissing || calls.Exists(c => _spokenFor.Contains(c) ? AreEqual(c.Step.Arguments, arguments, key) : MayBeEqual(c.Step.Arguments, arguments, key)));
        }
    }

    private void Settle(List<OpenRow> open, Procedure procedure, Execution root, ResumeRequest resume, string? key, List<ReplayProblem> problems)
    {
        var since = open.Min(r => r.Row.StartedAt) ?? root.StartedAt;
        var calls = _left.Where(c => IsOf(c, open[0].Row.Action) && c.Step.StartedAt >= since).ToList();
        foreach (var row in open.ToList())
        {
            if (row.Row.Arguments is { } arguments && !ReplayPast.IsRedacted(arguments) && calls.FindLast(c => !c.IsElsewhere && !_spokenFor.Contains(c) && AreEqual(c.Step.Arguments, arguments, key)) is { } call)
            {
                TakeFor(row, call);
            }
        }

        calls.RemoveAll(c => _spokenFor.Contains(c) && !open.Exists(r => r.Row.Arguments is { } arguments && AreEqual(c.Step.Arguments, arguments, key)));

        // Of a step inside another one it is not known what else stands there.
        if (open is [{ Path: var path } only] && calls is [{ IsElsewhere: false } last] && !_spokenFor.Contains(last)
            && !path.Contains('/', StringComparison.Ordinal) && !_areCallsMissing && !HasOtherStep(procedure, root, resume, only.Row))
        {
            TakeFor(only, last);
        }

        var unsure = open.Where(r => r.Row.Effect is not StepEffect.Read).Select(r => r.Path).ToList();
        if (unsure.Count > 0 && (calls.Count > 0 || _areCallsMissing))
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

    /// <summary>Whether a step that was not begun yet may call the same function: of a procedure that is replayed inside it is not known here what it calls.</summary>
    private static bool HasOtherStep(Procedure procedure, Execution root, ResumeRequest resume, ExecutionStep row)
    {
        var begun = root.Steps.Where(s => s.Status is not StepStatus.Pending && s.StepId != row.StepId).Select(s => s.StepId).ToHashSet(StringComparer.Ordinal);
        var ended = root.Steps.Where(s => s.Status is StepStatus.Success or StepStatus.Skipped).Select(s => s.StepId).ToHashSet(StringComparer.Ordinal);
        return procedure.Version.Steps
            .Where(s => s.Id != row.StepId && !(s.Kind is StepKind.Function ? begun : ended).Contains(s.Id) && !resume.Skip.Contains(s.Id) && !resume.Results.ContainsKey(s.Id))
            .SelectMany(s => s.WithInner())
            .Any(s => s.Kind is StepKind.Procedure || (s.Kind is StepKind.Function && IsSame(s.Action, row.Action)));
    }

    /// <summary>Leaves out the calls by which an earlier attempt knew steps to be done, and those that the replay itself made, where a recording around it has them.</summary>
    private void LeaveOutUsed(IReadOnlyList<Execution> tree, Func<string, string?> keyOf)
    {
        foreach (var row in tree.SelectMany(e => e.Steps).Where(s => s.Status is StepStatus.Success))
        {
            var arguments = row.Arguments ?? Json.EmptyObject;
            var same = _left.Where(c => IsOf(c, row.Action) && (row.Repaired ? c.Trace.Id == row.RepairTraceId : c.Trace.RepairOf is null)).ToList();
            var used = same.Find(c => AreEqual(c.Step.Arguments, arguments, keyOf(row.Action)) && AreEqual(c.Step.Result, row.Result));
            if (used is null && row.Repaired)
            {
                used = same.Find(c => AreEqual(c.Step.Arguments, arguments, keyOf(row.Action)));
                _ = used is null && SpeakFor(same, row.Result);
            }

            if (used is not null)
            {
                _left.Remove(used);
            }
        }
    }

    /// <summary>Leaves out the calls by which those steps were done whose results are told now, as far as that is known.</summary>
    private void LeaveOutTold(Execution root, Procedure procedure, IReadOnlyList<OpenRow> rows, ResumeRequest resume, Func<string, string?> keyOf)
    {
        foreach (var (path, result) in resume.Results)
        {
            var row = rows.FirstOrDefault(r => r.Path == path)?.Row;
            var action = row?.Action ?? (root.Steps.Any(s => s.StepId == path) ? null : procedure.Version.Steps.FirstOrDefault(s => s.Id == path)?.Action);
            if (row is null && path.Contains('/', StringComparison.Ordinal))
            {
                // What it calls, and with what, is known only when it is come to.
                _spokenFor.UnionWith(_left);
            }
            else if (row?.Arguments is { } arguments && _left.Find(c => IsOf(c, row.Action) && AreEqual(c.Step.Arguments, arguments, keyOf(row.Action))) is { } used)
            {
                _left.Remove(used);
            }
            else if (action is not null)
            {
                SpeakFor([.. _left.Where(c => IsOf(c, action))], result);
            }
        }
    }

    /// <summary>One of some calls is spoken for: whoever needs one with its arguments has to ask.</summary>
    private bool SpeakFor(IReadOnlyList<CallSince> calls, JsonElement? result)
    {
        var free = calls.Where(c => !_spokenFor.Contains(c)).ToList();
        return (free.Find(c => AreEqual(c.Step.Result, result)) ?? free.FirstOrDefault()) is { } call && _spokenFor.Add(call);
    }

    private static bool IsOf(CallSince call, string action) => IsSame(call.Step.Action, action);

    private static bool IsSame(string one, string other) => string.Equals(Canonical(one), Canonical(other), StringComparison.OrdinalIgnoreCase);

    private static bool AreEqual(JsonElement? first, JsonElement? second) => Json.AreEqual(first ?? Json.Null, second ?? Json.Null);

    /// <summary>Whether arguments are the same. Who leaves one out gives none, and the key is each caller's own.</summary>
    private static bool AreEqual(JsonElement first, JsonElement second, string? key)
    {
        return Given(first, second) && Given(second, first);

        bool Given(JsonElement these, JsonElement those) => these.EnumerateObject()
            .Where(a => a.Name != key && a.Value.ValueKind is not JsonValueKind.Null)
            .All(a => those.TryGetProperty(a.Name, out var other) && Json.AreEqual(a.Value, other));
    }

    /// <summary>Whether arguments may have come to the same: none is known to differ.</summary>
    private static bool MayBeEqual(JsonElement first, JsonElement second, string? key) => first.EnumerateObject()
        .Where(a => a.Name != key)
        .All(a => !second.TryGetProperty(a.Name, out var other) || Json.AreEqual(a.Value, other) || ReplayPast.IsRedacted(a.Value) || ReplayPast.IsRedacted(other));

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
                var isTold = resume.Results.ContainsKey(at);
                if (parts.Count == 0 || isTold)
                {
                    rows.Add(new OpenRow(at, row, IsOpen: !isTold && !resume.Repeat.Contains(at)));
                }

                foreach (var part in isTold ? [] : parts.Where(p => p.Outcome is not ReplayOutcome.Completed))
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
    /// <param name="IsOpen">Whether it is to be called, unless it was done meanwhile.</param>
    private sealed record OpenRow(string Path, ExecutionStep Row, bool IsOpen);
}
