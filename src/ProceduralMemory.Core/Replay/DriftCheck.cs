using System.Globalization;
using Microsoft.Extensions.Logging;
using ProceduralMemory.Persist;

namespace ProceduralMemory.Replay;

/// <summary>
/// Looks, in the course of the preflight, at what the functions of a replay have become since they were recorded. A rename is adapted by itself in a step that only reads. In
/// one that writes it is proposed as a version: a new name may well mean something else, and an amount that is in cents since is a hundredfold refund.
/// </summary>
internal sealed class DriftCheck(IStepExecutor executor, ProceduralMemoryOptions options)
{
    /// <summary>What is done about a rename in a step that only reads.</summary>
    public const string WhyAdapted = "It only reads, so the argument goes by its new name.";

    private static readonly Dictionary<string, string> None = [];

    private readonly FunctionsOfToday _today = new(executor, options);
    private readonly List<(Procedure Procedure, StepDrift Drift, bool IsRefused)> _found = [];
    private readonly Dictionary<(Guid Procedure, int Version, string StepId), IReadOnlyDictionary<string, string>> _renames = [];

    /// <summary>What was found, in the order of the steps.</summary>
    public IReadOnlyList<StepDrift> Found => [.. _found.Select(f => f.Drift)];

    /// <summary>Looks at one call that the replay would make.</summary>
    /// <param name="procedure">The procedure that the step is of.</param>
    /// <param name="step">The step.</param>
    /// <param name="at">The step, with the steps that it stands in.</param>
    /// <param name="arguments">The arguments that it gives.</param>
    /// <returns>The names of the arguments as the executor is to look them over: under their new names, and without what has been said of them here.</returns>
    public IReadOnlyCollection<string> Look(Procedure procedure, ProcedureStep step, string at, IReadOnlyList<GivenArgument> arguments)
    {
        var comparison = _today.Compare(procedure.Version, step, arguments);
        if (comparison.Kind is not DriftKind.Same)
        {
            var isRefused = comparison.Kind is DriftKind.Breaking || (comparison.Kind is DriftKind.Renamed && !_today.OnlyReads(step.Action));
            _found.Add((procedure, FunctionsOfToday.Describe(at, step.Action, comparison), isRefused));
            if (comparison.Renames.Count > 0)
            {
                _renames[(procedure.Id, procedure.Version.Number, step.Id)] = comparison.Renames;
            }
        }

        return comparison.NamesFor(arguments.Select(a => a.Name));
    }

    /// <summary>What stands in the way of the replay. For a step that writes and would have to be adapted, a version is proposed where the caller may write it.</summary>
    /// <param name="store">Where it is stored.</param>
    /// <param name="scope">Whose replay it is.</param>
    /// <param name="propose">Whether a version may be stored; a dry run writes nothing.</param>
    /// <param name="logger">Where it is logged that a proposal could not be stored.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    public async Task<IReadOnlyList<ReplayProblem>> RefuseAsync(IProcedureStore store, MemoryScope scope, bool propose, ILogger logger, CancellationToken cancellationToken)
    {
        // A procedure may stand there at several versions, where steps pin one: only the active one is proposed from.
        var proposals = new Dictionary<(Guid Procedure, int Version), int?>();
        var problems = new List<ReplayProblem>();
        for (var i = 0; i < _found.Count; i++)
        {
            var (procedure, drift, isRefused) = _found[i];
            if (drift.Kind is DriftKind.Renamed && isRefused)
            {
                if (!proposals.TryGetValue((procedure.Id, procedure.Version.Number), out var number))
                {
                    proposals[(procedure.Id, procedure.Version.Number)] = number = !propose ? null : await ProposeAsync(procedure, store, scope, logger, cancellationToken).ConfigureAwait(false);
                }

                drift = drift with { Message = $"{drift.Message} {WhyNotAdapted(procedure.Name, number)}", ProposedVersion = number };
                _found[i] = (procedure, drift, isRefused);
            }

            if (isRefused)
            {
                problems.Add(new ReplayProblem(ReplayProblemCodes.Drift, drift.StepId, drift.Message));
            }
        }

        return problems;
    }

    /// <summary>The plan with the arguments under their new names, and what that is in words.</summary>
    public (ReplayPlan Plan, string Message) Adapt(ReplayPlan plan)
    {
        if (_renames.Count == 0)
        {
            return (plan, "");
        }

        var adapted = plan.WithProcedures(procedure => procedure with
        {
            Version = procedure.Version with { Steps = AdaptedVersion.Rename(procedure.Version.Steps, s => _renames.GetValueOrDefault((procedure.Id, procedure.Version.Number, s.Id), None)) },
        });
        return (adapted, string.Concat(_found.Where(f => f.Drift.Kind is DriftKind.Renamed).Select(f => $" {f.Drift.Message} {WhyAdapted}")));
    }

    /// <summary>Why a step that writes is not adapted, and what to do.</summary>
    /// <param name="procedure">The procedure.</param>
    /// <param name="proposed">The version that has the new names, where one is stored.</param>
    public static string WhyNotAdapted(string procedure, int? proposed) => proposed is { } number
        ? string.Create(CultureInfo.InvariantCulture, $"The step writes, or does not say that it only reads, and a new name may mean something else: it is not adapted by itself. Version {number} of '{procedure}' has the new name; the host can look at it and activate it, if it means the same.")
        : $"The step writes, or does not say that it only reads, and a new name may mean something else: it is not adapted by itself. Store a version of '{procedure}' with the new name, if it means the same, or give the argument by that name as an adapted parameter.";

    private async Task<int?> ProposeAsync(Procedure procedure, IProcedureStore store, MemoryScope scope, ILogger logger, CancellationToken cancellationToken)
    {
        if (procedure.Scope != scope.Write || procedure.IsRetired || procedure.ActiveVersion != procedure.Version.Number)
        {
            return null;
        }

        try
        {
            return await AdaptedVersion.ProposeAsync(procedure, _today, store, options, cancellationToken).ConfigureAwait(false);
        }
        catch (ProceduralMemoryException exception)
        {
            // The replay is refused in any case, and says why: that there is no proposal is not worth another error.
            Log.ProposalFailed(logger, procedure.Name, procedure.Version.Number, LoggedFault.Describe(exception), LoggedFault.Of(exception));
            return null;
        }
    }
}
