using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Looks over what a replay would do, and runs it when nothing stands in its way.</summary>
internal sealed class ProcedureReplayer(IProcedureStore store, ProceduralMemoryOptions options, MemoryScope scope, IStepExecutor executor, IReplayApprover? approver, ILogger logger)
{
    private readonly VersionApprovals _approvals = new(store, options, approver, scope, logger);

    public async Task<ReplayResult> ReplayAsync(Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
    {
        var (plan, inputs, undecided, problems) = await LookOverAsync(procedure, request, cancellationToken).ConfigureAwait(false);
        if (problems.Count == 0)
        {
            // Last: nobody is asked about what could not be replayed anyway.
            problems.AddRange(await _approvals.RequireAsync(undecided, plan, request, inputs, cancellationToken).ConfigureAwait(false));
        }

        if (problems.Count > 0)
        {
            return new ReplayResult
            {
                ProcedureName = procedure.Name,
                Version = procedure.Version.Number,
                Outcome = ReplayOutcome.Refused,
                Message = $"'{procedure.Name}' was not started, and nothing was called. {string.Join(" ", problems.Select(p => p.Message))}",
                Problems = problems,
                Steps = [.. procedure.Version.Steps.Select(ReplayRun.Pending)],
            };
        }

        var context = new ReplayContext(store, options, executor, approver, logger, scope.Write, request);
        var result = await new ReplayRun(context, plan, RunFrame.Of(procedure.Version, inputs, request.Inputs)).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        var undeclared = InputBinder.Undeclared(procedure.Version.Inputs, request.Inputs);
        return undeclared.Count == 0
            ? result
            : result with { Message = $"{result.Message} You gave {InputBinder.Quoted(undeclared)}, which it does not declare: that was ignored." };
    }

    /// <summary>What <see cref="ReplayAsync"/> would do. Nothing is called, written or asked.</summary>
    public async Task<ReplayPreview> PreviewAsync(Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
    {
        var (plan, inputs, undecided, problems) = await LookOverAsync(procedure, request, cancellationToken).ConfigureAwait(false);
        var capture = new ValueCapture(options);
        var builder = new PreviewBuilder(request, options, executor, capture);

        // What cannot be read was refused, and has been said.
        var readable = !request.StepOverrides.Values.Concat(request.ActionOverrides.Values).Any(v => Json.Fault(v, options.MaxValueDepth, isObjectOfValues: true) is not null);
        var steps = readable ? builder.Steps(plan, inputs, expand: plan.CallCount <= options.MaxReplayCalls) : [];
        return new ReplayPreview
        {
            ProcedureName = procedure.Name,
            Version = procedure.Version.Number,
            Steps = steps,
            Approvals = [.. undecided.Select(v => new PlannedApproval(ApprovalPolicy.FirstUse, v.Procedure.Name, v.Procedure.Version.Number)), .. builder.CallApprovals],
            Problems = [.. problems.Select(p => p with { Message = capture.Text(p.Message) })],
            EstimatedDuration = readable ? PreviewBuilder.Duration(steps) : null,
        };
    }

    private async Task<(ReplayPlan Plan, IReadOnlyDictionary<string, JsonElement> Inputs, IReadOnlyList<ReviewedVersion> Undecided, List<ReplayProblem> Problems)> LookOverAsync(
        Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
    {
        var problems = new List<ReplayProblem>();
        if (procedure.IsRetired || (procedure.ActiveVersion is null && request.Version is null))
        {
            problems.Add(new ReplayProblem(ReplayProblemCodes.NotActive, null, procedure.IsRetired
                ? $"'{procedure.Name}' is retired: it was merged into another procedure. Search for the task instead, or activate a version of this one."
                : $"'{procedure.Name}' has no active version: it is a draft that nobody has activated yet."));
        }
        else if ((request.Version ?? procedure.ActiveVersion) is { } wanted && wanted != procedure.Version.Number)
        {
            problems.Add(new ReplayProblem(ReplayProblemCodes.NotActive, null, string.Create(
                CultureInfo.InvariantCulture,
                $"'{procedure.Name}' was given at version {procedure.Version.Number}, and version {wanted} is {(request.Version is null ? "the active one" : "asked for")}. To replay version {procedure.Version.Number}, ask for it by its number, or activate it.")));
        }

        var plan = await ReplayPlan.CreateAsync(procedure, request.Skip, scope.Read, store, options, problems, cancellationToken).ConfigureAwait(false);
        var undecided = await _approvals.ReviewAsync(plan, executor, problems, cancellationToken).ConfigureAwait(false);
        var inputs = InputBinder.Bind(procedure.Name, procedure.Version.Inputs, request.Inputs, options, request.ConfirmConstants || plan.ConfirmsConstants, problems);
        if (plan.CallCount <= options.MaxReplayCalls)
        {
            var calls = Preflight.Look(plan, request, inputs, options, executor, problems);
            problems.AddRange(await executor.CheckAsync(calls, cancellationToken).ConfigureAwait(false));
        }

        return (plan, inputs, undecided, problems);
    }
}
