using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Looks over what a replay would do, and runs it when nothing stands in its way.</summary>
internal sealed class ProcedureReplayer(
    IProcedureStore store, ProceduralMemoryOptions options, MemoryScope scope, IStepExecutor executor, OutcomeJudging judging, IReplayApprover? approver, SecretInputs secrets, ILogger logger)
{
    private readonly VersionApprovals _approvals = new(store, options, approver, scope, logger);

    public async Task<ReplayResult> ReplayAsync(Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
    {
        var problems = WhyNotActive(procedure, request);
        if (request.IsFromModel)
        {
            problems.AddRange(secrets.WhyNotTaken(procedure, request.Inputs, request.StepOverrides, request.ActionOverrides));
        }

        request = await secrets.FillAsync(procedure, request, problems, cancellationToken).ConfigureAwait(false);
        var look = await LookAsync(procedure, request, past: null, propose: true, problems, cancellationToken).ConfigureAwait(false);
        await ApproveAsync(look, request, problems, cancellationToken).ConfigureAwait(false);
        if (problems.Count > 0)
        {
            secrets.SayOnce(problems, procedure.Version);
            return Refused(procedure, problems, "was not started, and nothing was called") with { Drift = look.Drift.Found };
        }

        var context = new ReplayContext(store, options, executor, judging, approver, logger, scope.Write, request);
        var result = await RunAsync(context, look, request, past: null, cancellationToken).ConfigureAwait(false);
        var undeclared = InputBinder.Undeclared(procedure.Version.Inputs, request.Inputs);
        return undeclared.Count == 0
            ? result
            : result with { Message = $"{result.Message} You gave {InputBinder.Quoted(undeclared)}, which it does not declare: that was ignored." };
    }

    /// <summary>What <see cref="ReplayAsync"/> would do. Nothing is called, written or asked.</summary>
    public async Task<ReplayPreview> PreviewAsync(Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
    {
        var problems = WhyNotActive(procedure, request);
        var look = await LookAsync(procedure, request, past: null, propose: false, problems, cancellationToken).ConfigureAwait(false);

        // Nobody is asked for a preview; the replay itself would ask the host.
        problems.RemoveAll(p => p.Code == ReplayProblemCodes.MissingInput && secrets.Fills(procedure.Version, p.InputName));
        var capture = new ValueCapture(options);
        var builder = new PreviewBuilder(request, options, executor, capture);

        // What cannot be read was refused, and has been said.
        var readable = !request.StepOverrides.Values.Concat(request.ActionOverrides.Values).Any(v => Json.Fault(v, options.MaxValueDepth, isObjectOfValues: true) is not null);
        var (plan, _) = look.Drift.Adapt(look.Plan);
        var steps = readable ? builder.Steps(plan, look.Inputs, expand: plan.CallCount <= options.MaxReplayCalls) : [];
        return new ReplayPreview
        {
            ProcedureName = procedure.Name,
            Version = procedure.Version.Number,
            Steps = steps,
            Approvals = [.. look.Undecided.Select(v => new PlannedApproval(ApprovalPolicy.FirstUse, v.Procedure.Name, v.Procedure.Version.Number)), .. builder.CallApprovals],
            Problems = [.. problems.Select(p => p with { Message = capture.Text(p.Message) })],
            EstimatedDuration = readable ? PreviewBuilder.Duration(steps) : null,
        };
    }

    /// <summary>Whether a replay takes the unconfirmed constants of a procedure as they are: a person approves the version, and sees them, or has approved it.</summary>
    public async Task<bool> ConfirmsConstantsAsync(Procedure procedure, CancellationToken cancellationToken)
    {
        var plan = await ReplayPlan.CreateAsync(procedure, [], scope.Read, store, options, begun: null, [], cancellationToken).ConfigureAwait(false);
        await _approvals.ReviewAsync(plan, executor, [], cancellationToken).ConfigureAwait(false);
        return plan.ConfirmsConstants;
    }

    /// <summary>Goes on with an execution that stopped, or whose process died.</summary>
    public async Task<ReplayResult> ResumeAsync(IReadOnlyList<Execution> tree, Procedure procedure, ResumeRequest resume, CancellationToken cancellationToken)
    {
        var root = tree[0];
        var problems = new List<ReplayProblem>();
        if (WhyNotResumable(root) is { } why)
        {
            return NotResumed(root, procedure, [new ReplayProblem(ReplayProblemCodes.NotResumable, null, why)], "was not resumed");
        }

        (resume, var calls) = await CallsSinceAsync(root, resume, cancellationToken).ConfigureAwait(false);
        var repairs = ReplayRepairs.Of(tree, procedure, resume, calls, options, action => executor.Describe(action)?.IdempotencyKeyParameter, problems);
        var past = new ReplayPast(tree, resume, repairs);
        var request = ReplaySettings.Restore(past, problems);
        LookAtResume(procedure, resume, problems);
        if (resume.IsFromModel)
        {
            problems.AddRange(secrets.WhyNotTaken(procedure, resume.Inputs, resume.StepOverrides, resume.ActionOverrides));
        }

        request = await secrets.FillAsync(procedure, request, problems, cancellationToken).ConfigureAwait(false);
        var look = await LookAsync(procedure, request, past, propose: true, problems, cancellationToken).ConfigureAwait(false);
        problems.AddRange(ReplaySettings.NotGivenAgain(past)
            .Where(name => !problems.Exists(p => p.InputName == name) && !(secrets.Fills(procedure.Version, name) && request.Inputs.ContainsKey(name)))
            .Select(name => secrets.Told(new ReplayProblem(ReplayProblemCodes.MissingInput, null, $"The input '{name}' is secret or too large, and was not kept. Give it again.", name), procedure.Version))
            .ToList());
        await ApproveAsync(look, request, problems, cancellationToken).ConfigureAwait(false);
        if (problems.Count > 0)
        {
            secrets.SayOnce(problems, procedure.Version);
            return NotResumed(root, procedure, problems, "was not resumed, and nothing was called") with { Drift = look.Drift.Found };
        }

        // What is left out now stays so, should it be resumed once more.
        var claimed = resume.Skip.Count == 0 ? root : root with { Settings = ReplaySettings.WithSkip(root.Settings!.Value, resume.Skip) };
        var claim = await store.ClaimExecutionAsync(claimed, ReplayOwner.Current, options.TimeProvider.GetUtcNow() + options.ReplayLease, cancellationToken).ConfigureAwait(false);
        if (claim is null)
        {
            return NotResumed(root, procedure, [new ReplayProblem(ReplayProblemCodes.NotResumable, null, $"Execution {root.Id:D} was resumed elsewhere in this moment. Read how it stands with GetExecutionAsync.")], "was not resumed");
        }

        var context = new ReplayContext(store, options, executor, judging, approver, logger, root.Scope, request) { Claim = claim, Past = past };
        context.NextLease();
        return await RunAsync(context, look, request, root, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The calls that were recorded since the replay stopped: for this execution, in whatever session, around the whole of it, or for something else in the session that resumes it.</summary>
    private async Task<(ResumeRequest Request, IReadOnlyList<CallSince> Calls)> CallsSinceAsync(Execution root, ResumeRequest resume, CancellationToken cancellationToken)
    {
        var traces = (await store.ListRepairsAsync([scope.Write], root.Id, cancellationToken).ConfigureAwait(false)).ToList();
        foreach (var id in resume.SessionTraces.Cast<Guid?>().Append(resume.RepairTraceId).OfType<Guid>().Distinct().Where(id => !traces.Exists(t => t.Id == id)))
        {
            if (await store.GetTraceAsync([scope.Write], id, cancellationToken).ConfigureAwait(false) is { } trace)
            {
                traces.Add(trace);
            }
        }

        // The host may name any recording of its own for what it tells, and that is not looked at further; but not the repair of another execution.
        var named = traces.Find(t => t.Id == resume.RepairTraceId);
        if (named is not null && !IsOwn(named) && !resume.SessionTraces.Contains(named.Id))
        {
            traces.Remove(named);
        }

        return (
            resume with
            {
                RepairTraceId = named is { RepairOf: { } other } && other != root.Id ? null : resume.RepairTraceId,

                // One that was given up although it has calls lacks others.
                AreCallsMissing = resume.AreCallsMissing || traces.Exists(t => t is { Status: TraceStatus.Abandoned, Steps.Count: > 0 } && t.RepairOf == root.Id),
            },
            [.. traces.SelectMany(t => t.Steps.Select(c => new CallSince(c, t, IsElsewhere: !IsOwn(t))))]);

        bool IsOwn(Trace trace) => trace.RepairOf == root.Id || Contains(trace, root);
    }

    /// <summary>Whether a recording has the replay as one of its steps.</summary>
    private static bool Contains(Trace trace, Execution root) => trace.RepairOf is null && trace.Steps.Any(s =>
        s.Kind is StepKind.Procedure && string.Equals(s.Action, root.ProcedureName, StringComparison.OrdinalIgnoreCase) && s.StartedAt <= root.StartedAt && root.StartedAt <= s.StartedAt + s.Duration);

    private string? WhyNotResumable(Execution execution) => execution switch
    {
        { Outcome: ReplayOutcome.Completed } => $"Execution {execution.Id:D} has completed: there is nothing left to do. Its results are in its steps.",
        { Settings: null } => $"Execution {execution.Id:D} was written by an earlier version of this library, which did not keep what resuming needs. Look at its steps, and do the rest by hand.",
        { Outcome: ReplayOutcome.Running } when !ReplayOwner.HasLeft(execution, options.TimeProvider.GetUtcNow()) => $"Execution {execution.Id:D} is being run. Wait for it to end; if its process dies, it can be resumed at once on the same machine, and on another after {execution.LeaseUntil:u}.",
        _ => null,
    };

    private static void LookAtResume(Procedure procedure, ResumeRequest resume, List<ReplayProblem> problems)
    {
        // Of a step inside another one the outer one is looked at: what stands in it is known only when it is come to.
        var steps = procedure.Version.Steps.SelectMany(s => s.WithInner()).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var named in resume.Results.Keys.Concat(resume.Repeat).Concat(resume.Skip).Distinct(StringComparer.Ordinal).Where(n => !steps.Contains(n.Split('/', '[')[0])))
        {
            problems.Add(new ReplayProblem(ReplayProblemCodes.UnknownStep, null, $"'{procedure.Name}' has no step {InputBinder.Quoted([named])}. Its steps are: {string.Join(", ", procedure.Version.Steps.Select(s => s.Id))}."));
        }
    }

    private static List<ReplayProblem> WhyNotActive(Procedure procedure, ReplayRequest request)
    {
        if (procedure.IsRetired || (procedure.ActiveVersion is null && request.Version is null))
        {
            return [new ReplayProblem(ReplayProblemCodes.NotActive, null, procedure.IsRetired
                ? $"'{procedure.Name}' is retired. Search for the task instead: another procedure may do it. A person can activate a version of this one."
                : $"'{procedure.Name}' has no active version: it is a draft that nobody has activated yet.")];
        }

        if (procedure.QuarantinedAt is not null && (request.Version ?? procedure.ActiveVersion) == procedure.ActiveVersion)
        {
            return [new ReplayProblem(ReplayProblemCodes.Quarantined, null, $"'{procedure.Name}' is in quarantine: {procedure.QuarantineReason}. A person can release it, or activate another version. Do the task otherwise meanwhile.")];
        }

        return (request.Version ?? procedure.ActiveVersion) is { } wanted && wanted != procedure.Version.Number
            ? [new ReplayProblem(ReplayProblemCodes.NotActive, null, string.Create(
                CultureInfo.InvariantCulture,
                $"'{procedure.Name}' was given at version {procedure.Version.Number}, and version {wanted} is {(request.Version is null ? "the active one" : "asked for")}. To replay version {procedure.Version.Number}, ask for it by its number, or activate it."))]
            : [];
    }

    private async Task<Look> LookAsync(
        Procedure procedure, ReplayRequest request, ReplayPast? past, bool propose, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        ReplayPolicies.Check(request.Policies, procedure, problems);
        var plan = await ReplayPlan.CreateAsync(procedure, request.Skip, scope.Read, store, options, past?.Versions, problems, cancellationToken).ConfigureAwait(false);
        var undecided = await _approvals.ReviewAsync(plan, executor, problems, cancellationToken).ConfigureAwait(false);
        var inputs = InputBinder.Bind(procedure.Name, procedure.Version.Inputs, request.Inputs, options, request.ConfirmConstants || plan.ConfirmsConstants, problems);
        var drift = new DriftCheck(executor, options);
        if (plan.CallCount <= options.MaxReplayCalls)
        {
            var calls = Preflight.Look(plan, request, inputs, options, executor, drift, past?.Done ?? new HashSet<string>(), problems);
            problems.AddRange(await drift.RefuseAsync(store, scope, propose, logger, cancellationToken).ConfigureAwait(false));
            problems.AddRange(await executor.CheckAsync(calls, cancellationToken).ConfigureAwait(false));
        }

        for (var i = 0; i < problems.Count; i++)
        {
            problems[i] = secrets.Told(problems[i], procedure.Version);
        }

        return new Look(plan, inputs, undecided, drift);
    }

    /// <summary>Asks for the approvals that are missing. Last: nobody is asked about what could not be replayed anyway.</summary>
    private async Task ApproveAsync(Look look, ReplayRequest request, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        if (problems.Count == 0)
        {
            problems.AddRange(await _approvals.RequireAsync(look.Undecided, look.Plan, request, look.Inputs, cancellationToken).ConfigureAwait(false));
        }
    }

    private async Task<ReplayResult> RunAsync(ReplayContext context, Look look, ReplayRequest request, Execution? past, CancellationToken cancellationToken)
    {
        var (plan, adapted) = look.Drift.Adapt(look.Plan);
        var procedure = plan.Procedure;
        using var limit = new CancellationTokenSource(options.MaxReplayDuration, options.TimeProvider);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        var lease = new ReplayLease(context);
        await using var _ = lease.ConfigureAwait(false);
        var run = new ReplayRun(context, plan, RunFrame.Of(procedure.Version, look.Inputs, request.Inputs), past);
        try
        {
            var result = await run.ExecuteAsync(both.Token).ConfigureAwait(false);
            return result with { Drift = look.Drift.Found, Message = result.Message + adapted, Capture = context.Capture };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && limit.IsCancellationRequested)
        {
            return run.Cancelled(string.Create(CultureInfo.InvariantCulture, $"'{procedure.Name}' took longer than {nameof(options.MaxReplayDuration)} ({options.MaxReplayDuration:c}) allows, and was cancelled. What is done stays done; it can be resumed."));
        }
        catch (OperationCanceledException exception) when (cancellationToken.IsCancellationRequested)
        {
            // The caller knows its own token, and not the one that both cancel.
            throw new OperationCanceledException(exception.Message, exception, cancellationToken);
        }
    }

    private static ReplayResult Refused(Procedure procedure, IReadOnlyList<ReplayProblem> problems, string what) => new()
    {
        ProcedureName = procedure.Name,
        Version = procedure.Version.Number,
        Outcome = ReplayOutcome.Refused,
        Message = $"'{procedure.Name}' {what}. {string.Join(" ", problems.Select(p => p.Message))}",
        Problems = problems,
        Steps = [.. procedure.Version.Steps.Select(ReplayRun.Pending)],
        IsTurnedAway = true,
    };

    /// <summary>An execution that stays as its journal has it.</summary>
    private static ReplayResult NotResumed(Execution root, Procedure procedure, IReadOnlyList<ReplayProblem> problems, string what)
    {
        var rows = root.Steps.ToDictionary(s => s.StepId, StringComparer.Ordinal);
        return Refused(procedure, problems, what) with
        {
            ExecutionId = root.Id,
            Steps = [.. procedure.Version.Steps.Select(s => rows.TryGetValue(s.Id, out var row) ? ReplayPast.OutcomeOf(row) : ReplayRun.Pending(s))],
        };
    }

    /// <summary>What is known of a replay before it begins.</summary>
    private sealed record Look(ReplayPlan Plan, IReadOnlyDictionary<string, JsonElement> Inputs, IReadOnlyList<ReviewedVersion> Undecided, DriftCheck Drift);
}
