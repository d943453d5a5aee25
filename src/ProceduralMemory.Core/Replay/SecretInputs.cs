using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace ProceduralMemory.Replay;

/// <summary>The secret inputs of a replay: asked of the host where nobody gave them, and not taken from a model where the host fills them.</summary>
internal sealed class SecretInputs(ISecretResolver? resolver, string scope, ILogger logger)
{
    /// <summary>The request with the secrets that the host gives.</summary>
    /// <param name="procedure">The procedure.</param>
    /// <param name="request">What the caller gave.</param>
    /// <param name="problems">Takes why it cannot be replayed. Where there are some already, nobody is asked: it is not replayed.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    public async Task<ReplayRequest> FillAsync(Procedure procedure, ReplayRequest request, List<ReplayProblem> problems, CancellationToken cancellationToken)
    {
        if (resolver is null || problems.Count > 0)
        {
            return request;
        }

        var inputs = request.Inputs.ToDictionary(StringComparer.Ordinal);
        foreach (var input in NotGiven(procedure.Version, request))
        {
            try
            {
                if (await resolver.ResolveAsync(RequestFor(procedure, input), cancellationToken).ConfigureAwait(false) is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } value)
                {
                    // A document that the host disposes would take the value with it.
                    inputs[input.Name] = value.Clone();
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw;
            }
            catch (Exception exception)
            {
                Log.SecretNotResolved(logger, procedure.Name, input.Name, LoggedFault.Describe(exception), LoggedFault.Of(exception));
                problems.Add(new ReplayProblem(ReplayProblemCodes.SecretUnavailable, null, $"The host fills in the secret input '{input.Name}' of '{procedure.Name}', and could not now. Try again later, or tell the user.", input.Name));
            }
        }

        return request with { Inputs = inputs };
    }

    /// <summary>Why values that a model gave are not taken: it is not to know them, and a text that it read may have told it others.</summary>
    public IEnumerable<ReplayProblem> WhyNotTaken(
        Procedure procedure, IReadOnlyDictionary<string, JsonElement> inputs, IReadOnlyDictionary<string, JsonElement> ofSteps, IReadOnlyDictionary<string, JsonElement> ofActions)
    {
        if (resolver is null)
        {
            yield break;
        }

        foreach (var input in procedure.Version.Inputs.Where(i => i.Secret && inputs.ContainsKey(i.Name)))
        {
            yield return new ReplayProblem(ReplayProblemCodes.SecretNotTaken, null, $"'{input.Name}' is secret, and the host fills it in: leave it out.", input.Name);
        }

        foreach (var use in procedure.Version.Inputs.Where(i => i.Secret).SelectMany(i => UsesOf(procedure.Version, i.Name)).Where(u => u.Argument != SecretUse.Condition).Where(u => Has(ofSteps, u.StepId, u.Argument) || Has(ofActions, u.Action, u.Argument)).Distinct())
        {
            yield return new ReplayProblem(ReplayProblemCodes.SecretNotTaken, use.StepId, $"The argument '{use.Argument}' of step '{use.StepId}' is secret, and the host fills it in: do not adapt it.");
        }

        static bool Has(IReadOnlyDictionary<string, JsonElement> adapted, string key, string argument) => adapted.TryGetValue(key, out var values) && values.ValueKind is JsonValueKind.Object && values.TryGetProperty(argument, out _);
    }

    /// <summary>What is missing, said so that no model asks anybody for it.</summary>
    public ReplayProblem Told(ReplayProblem problem, ProcedureVersion version) =>
        resolver is not null && problem is { Code: ReplayProblemCodes.MissingInput, InputName: { } name } && version.Inputs.Any(i => i.Secret && i.Name == name)
            ? problem with { Message = $"The input '{name}' is secret. The host fills it in, and has no value for it: tell the user, and ask nobody for the value." }
            : problem;

    /// <summary>Where the host was not asked, or could not answer, that is said, and not also that the secrets are missing.</summary>
    public void SayOnce(List<ReplayProblem> problems, ProcedureVersion version)
    {
        if (problems.Exists(p => p.Code is ReplayProblemCodes.SecretNotTaken or ReplayProblemCodes.SecretUnavailable))
        {
            problems.RemoveAll(p => p.Code == ReplayProblemCodes.MissingInput && Fills(version, p.InputName));
        }
    }

    /// <summary>Whether an input is one that the host is asked for.</summary>
    public bool Fills(ProcedureVersion version, string? name) => resolver is not null && version.Inputs.Any(i => i.Secret && i.Name == name);

    private static IEnumerable<ProcedureInput> NotGiven(ProcedureVersion version, ReplayRequest request) =>
        version.Inputs.Where(i => i.Secret && !(request.Inputs.TryGetValue(i.Name, out var value) && value.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null)));

    private SecretRequest RequestFor(Procedure procedure, ProcedureInput input) => new()
    {
        Scope = scope,
        ProcedureName = procedure.Name,
        Version = procedure.Version.Number,
        InputName = input.Name,
        Description = input.Description,
        Uses = [.. UsesOf(procedure.Version, input.Name)],
    };

    private static IEnumerable<SecretUse> UsesOf(ProcedureVersion version, string input) => UsesOf(version.Steps, input, isItem: false);

    /// <param name="steps">The steps.</param>
    /// <param name="input">The input.</param>
    /// <param name="isItem">Whether the loop that the steps are in goes through the input: its elements are parts of the secret.</param>
    private static IEnumerable<SecretUse> UsesOf(IReadOnlyList<ProcedureStep> steps, string input, bool isItem)
    {
        foreach (var step in steps)
        {
            if (step.Condition is { } condition && Refers(ValueExpression.Parse(condition.Value).References()))
            {
                yield return new SecretUse(step.Id, step.Action, SecretUse.Condition);
            }

            foreach (var argument in step.Arguments.EnumerateObject().Where(a => Refers(ValueExpression.References(a.Value))))
            {
                yield return new SecretUse(step.Id, step.Action, argument.Name);
            }

            foreach (var inner in UsesOf(step.Steps, input, step.ForEach is { } list && Refers(ValueExpression.Parse(list).References())))
            {
                yield return inner;
            }
        }

        bool Refers(IEnumerable<ValueExpression> references) => references.Any(r => r is InputReference { Name: var name } ? name == input : isItem && r is ItemReference);
    }
}
