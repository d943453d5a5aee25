using System.Globalization;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>Looks over what a replay would do, and runs it when nothing stands in its way.</summary>
internal sealed class ProcedureReplayer(IProcedureStore store, ProceduralMemoryOptions options, MemoryScope scope, IStepExecutor executor, IReplayApprover? approver, ILogger logger)
{
    public async Task<ReplayResult> ReplayAsync(Procedure procedure, ReplayRequest request, CancellationToken cancellationToken)
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
        var approvals = new VersionApprovals(store, options, approver, scope, logger);
        var undecided = await approvals.ReviewAsync(plan, executor, problems, cancellationToken).ConfigureAwait(false);
        var inputs = InputBinder.Bind(procedure.Name, procedure.Version.Inputs, request.Inputs, options, request.ConfirmConstants || plan.ConfirmsConstants, problems);
        if (plan.CallCount <= options.MaxReplayCalls)
        {
            var calls = Preflight.Look(plan, request, inputs, options, executor, problems);
            problems.AddRange(await executor.CheckAsync(calls, cancellationToken).ConfigureAwait(false));
        }

        if (problems.Count == 0)
        {
            // Last: nobody is asked about what could not be replayed anyway.
            problems.AddRange(await approvals.RequireAsync(undecided, plan, request, inputs, cancellationToken).ConfigureAwait(false));
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
}
