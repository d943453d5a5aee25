using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>
/// Sees to it that no version that needs it is replayed before a person approved it. Scopes that are read hold decisions that count: a rejection in any of them
/// stands, and else an approval in any of them.
/// </summary>
internal sealed class VersionApprovals(IProcedureStore store, ProceduralMemoryOptions options, IReplayApprover? approver, MemoryScope scope, ILogger logger)
{
    /// <summary>Looks up what was decided of the versions of a plan, and lets the plan know whose constants are confirmed by that. Writes and asks nothing.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="executor">Says what functions do.</param>
    /// <param name="problems">Takes what a person rejected.</param>
    /// <param name="cancellationToken">Cancels the look-up.</param>
    /// <returns>The versions that need an approval, and on which nobody has decided.</returns>
    public async Task<IReadOnlyList<ReviewedVersion>> ReviewAsync(ReplayPlan plan, IStepExecutor executor, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        var versions = ReviewedVersion.Of(plan, options, executor).Where(v => v.IsOfInterest).ToList();
        if (versions.Count == 0)
        {
            return [];
        }

        var standing = await store.ListVersionApprovalsAsync(scope.Read, [.. versions.Select(v => v.Procedure.Id)], standingOnly: true, cancellationToken).ConfigureAwait(false);
        var decided = standing.ToLookup(a => (a.ProcedureId, a.Version));
        var undecided = new List<ReviewedVersion>();
        foreach (var version in versions)
        {
            var decision = Standing(decided[(version.Procedure.Id, version.Procedure.Version.Number)]);
            if (version.NeedsApproval && decision is { State: ApprovalState.Rejected })
            {
                problems.Add(Rejected(version.Procedure, decision.By!, decision.Reason));
            }
            else if (version.NeedsApproval && decision is null)
            {
                undecided.Add(version);
            }

            version.Plan.ConfirmsConstants = version.NeedsApproval || decision is { State: ApprovalState.Approved };
        }

        return undecided;
    }

    /// <summary>Asks for what is undecided; where nobody approves it now, the question is kept.</summary>
    /// <param name="undecided">The versions.</param>
    /// <param name="plan">The plan that they are of.</param>
    /// <param name="request">What it is to be replayed with.</param>
    /// <param name="inputs">The inputs, bound.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>What stands in the way; empty when all is approved.</returns>
    public async Task<IReadOnlyList<ReplayProblem>> RequireAsync(
        IReadOnlyList<ReviewedVersion> undecided, ReplayPlan plan, ReplayRequest request, IReadOnlyDictionary<string, JsonElement> inputs, CancellationToken cancellationToken)
    {
        if (undecided.Count == 0)
        {
            return [];
        }

        var capture = new ValueCapture(options);
        var decision = await AskAsync(approver, Question(undecided, plan.Procedure, request, inputs, capture), logger, cancellationToken).ConfigureAwait(false);
        var at = options.TimeProvider.GetUtcNow();
        var reason = decision.Reason is { } given ? capture.Text(given) : null;

        // Who says no to the procedure that is asked for says nothing of what it replays.
        var concerned = decision.State is ApprovalState.Rejected && undecided[0].Plan == plan ? [undecided[0]] : undecided;
        await store.AddVersionApprovalsAsync(
            [.. concerned.Select(v => new VersionApproval
            {
                Scope = scope.Write,
                ProcedureId = v.Procedure.Id,
                ProcedureName = v.Procedure.Name,
                Version = v.Procedure.Version.Number,
                State = decision.State,
                By = decision.By,
                Reason = reason,
                At = at,
            })],
            cancellationToken).ConfigureAwait(false);
        return decision.State switch
        {
            ApprovalState.Approved => [],
            ApprovalState.Rejected => [.. concerned.Select(v => Rejected(v.Procedure, decision.By!, reason))],
            _ => [.. undecided.Select(Pending)],
        };
    }

    /// <summary>The decision that holds, of those that stand in the scopes that are read; <see langword="null"/> where nobody has decided.</summary>
    public static VersionApproval? Standing(IEnumerable<VersionApproval> approvals)
    {
        var all = approvals.ToList();
        return all.Find(a => a.State is ApprovalState.Rejected) ?? all.Find(a => a.State is ApprovalState.Approved);
    }

    /// <summary>Puts a question to the host's approver. Who cannot answer has not approved.</summary>
    public static async Task<ApprovalDecision> AskAsync(IReplayApprover? approver, ApprovalRequest question, ILogger logger, CancellationToken cancellationToken)
    {
        if (approver is null)
        {
            return ApprovalDecision.Pending;
        }

        try
        {
            return await approver.DecideAsync(question, cancellationToken).ConfigureAwait(false) ?? ApprovalDecision.Pending;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            Log.ApproverFailed(logger, question.ProcedureName, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return ApprovalDecision.Pending;
        }
    }

    /// <summary>What waits for an approval, as a sentence to put to the user.</summary>
    public static ReplayProblem Pending(ReviewedVersion version)
    {
        var (procedure, number) = (version.Procedure, version.Procedure.Version.Number);
        var steps = procedure.Version.Steps.SelectMany(s => s.WithInner()).Where(s => version.WriteSteps.Contains(s.Id)).Select(s => s.Action).Distinct().ToList();
        var constants = procedure.Version.Inputs.Where(i => i.Unconfirmed).Select(i => $"{i.Name} = {ProcedureText.Value(i.Default)}").ToList();
        return new ReplayProblem(ReplayProblemCodes.ApprovalPending, null, string.Create(
            CultureInfo.InvariantCulture,
            $"'{procedure.Name}' version {number} may change something ({Some(steps)}), and no person has approved it yet. {(constants.Count == 0 ? "" : $"Of its values nobody has confirmed {Some(constants)}. ")}A person approves it with {Call(nameof(ProcedureMemory.ApproveAsync), procedure)}."));
    }

    private static ReplayProblem Rejected(Procedure procedure, string by, string? reason) => new(ReplayProblemCodes.ApprovalRejected, null, string.Create(
        CultureInfo.InvariantCulture,
        $"'{procedure.Name}' version {procedure.Version.Number} was rejected by {by}{(reason is null ? "" : $": {reason.TrimEnd('.')}")}. A person can still approve it with {Call(nameof(ProcedureMemory.ApproveAsync), procedure)}."));

    private static string Call(string method, Procedure procedure) =>
        string.Create(CultureInfo.InvariantCulture, $"{method}({Json.String(procedure.Name).GetRawText()}, {procedure.Version.Number}, by: \"…\")");

    private static string Some(List<string> words) => string.Join(", ", words.Take(10)) + (words.Count > 10 ? FormattableString.Invariant($" and {words.Count - 10} more") : "");

    private static ApprovalRequest Question(IReadOnlyList<ReviewedVersion> undecided, Procedure procedure, ReplayRequest request, IReadOnlyDictionary<string, JsonElement> inputs, ValueCapture capture) => new()
    {
        // First, since it learns which values are secret: the request may name them.
        Inputs = RedactedInputs.Of(procedure.Version, inputs, capture),
        ProcedureName = procedure.Name,
        Version = procedure.Version.Number,
        Versions = [.. undecided.Select(v => new VersionToApprove { Procedure = v.Procedure, WriteSteps = v.WriteSteps })],
        Request = request.Request is { } words ? capture.Text(words) : null,
    };
}

/// <summary>Inputs for people to see.</summary>
internal static class RedactedInputs
{
    /// <summary>The inputs by name as a JSON object, without those that are secret; these are taken out of every text that is captured later.</summary>
    public static JsonElement Of(ProcedureVersion version, IReadOnlyDictionary<string, JsonElement> inputs, ValueCapture capture)
    {
        var secret = version.Inputs.Where(i => i.Secret).Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in secret.Where(inputs.ContainsKey))
        {
            capture.AddSecret(inputs[name]);
        }

        return capture.Arguments(
            "",
            Json.Build(writer =>
            {
                writer.WriteStartObject();
                foreach (var (name, value) in inputs)
                {
                    writer.WritePropertyName(name);
                    (secret.Contains(name) ? Json.String(SecretRedactor.Marker) : value).WriteTo(writer);
                }

                writer.WriteEndObject();
            }),
            out _);
    }
}
