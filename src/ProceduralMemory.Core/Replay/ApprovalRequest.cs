using System.Globalization;
using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// What a person is asked to approve: versions of procedures, before anything is called, or one call. Everything in it that was recorded, imported or given is data
/// from models, tools and documents, redacted: show it as such.
/// </summary>
public sealed record ApprovalRequest
{
    /// <summary>The procedure that somebody wants to replay.</summary>
    public required string ProcedureName { get; init; }

    /// <summary>Its version.</summary>
    public required int Version { get; init; }

    /// <summary>The versions to approve, that of the procedure itself first where it is one of them; empty where a call is to be approved.</summary>
    public IReadOnlyList<VersionToApprove> Versions { get; init; } = [];

    /// <summary>The call to approve; <see langword="null"/> where versions are.</summary>
    public CallToApprove? Call { get; init; }

    /// <summary>The inputs that the replay was given or takes by default, a JSON object, redacted. Other inputs may be given the next time: approving versions approves them with any.</summary>
    public JsonElement Inputs { get; init; } = Json.EmptyObject;

    /// <summary>The user's request that led to the replay, redacted.</summary>
    public string? Request { get; init; }

    /// <summary>The question as text: every step of the versions with its arguments, the steps that may write, and the unconfirmed constants.</summary>
    public string ToText() => ApprovalText.Of(this);

    /// <inheritdoc/>
    public override string ToString() => ToText();
}

/// <summary>A version to approve. Approving it confirms its unconfirmed constants.</summary>
public sealed record VersionToApprove
{
    /// <summary>The procedure, shown at that version.</summary>
    public required Procedure Procedure { get; init; }

    /// <summary>The ids of the steps for which the approval is asked: those that may write, and those that replay a procedure that may.</summary>
    public required IReadOnlyList<string> WriteSteps { get; init; }

    /// <summary>The literals of its only recording of which nobody knows where they came from, each with its value as <see cref="ProcedureInput.Default"/>.</summary>
    public IReadOnlyList<ProcedureInput> UnconfirmedConstants => [.. Procedure.Version.Inputs.Where(i => i.Unconfirmed)];
}

/// <summary>A call to approve.</summary>
/// <param name="ExecutionId">The execution.</param>
/// <param name="StepId">The step.</param>
/// <param name="Action">The function, as <c>plugin.function</c>.</param>
/// <param name="Effect">What it does to the world.</param>
/// <param name="Arguments">The arguments by name, redacted.</param>
/// <param name="ArgumentsHash">SHA-256 of the arguments, in hexadecimal.</param>
public sealed record CallToApprove(Guid ExecutionId, string StepId, string Action, StepEffect Effect, JsonElement Arguments, string ArgumentsHash);

/// <summary>A question for approval as text. What somebody decides by is never left out in silence.</summary>
internal static class ApprovalText
{
    private const int MaxValueLength = 2000;

    public static string Of(ApprovalRequest request)
    {
        var lines = new List<string>();
        if (request.Call is { } call)
        {
            lines.Add(Invariant($"'{request.ProcedureName}' version {request.Version}, step '{call.StepId}', calls {call.Action} [{ProcedureText.Effect(call.Effect)}] with"));
            lines.AddRange(call.Arguments.EnumerateObject().Select(a => $"  {a.Name}: {ProcedureText.Value(a.Value, MaxValueLength)}"));
        }
        else
        {
            lines.Add(Invariant($"'{request.ProcedureName}' version {request.Version} is to be replayed, with the inputs {ProcedureText.Value(request.Inputs, MaxValueLength)}"));
        }

        if (request.Request is { } words)
        {
            lines.Add($"for the request \"{ProcedureText.Shortened(words, MaxValueLength)}\"");
        }

        foreach (var version in request.Versions)
        {
            lines.AddRange(Of(version));
        }

        return string.Join('\n', lines.Select(ProcedureText.Plain));
    }

    private static IEnumerable<string> Of(VersionToApprove asked)
    {
        var version = asked.Procedure.Version;
        yield return Invariant($"{asked.Procedure.Name} version {version.Number}{(asked.Procedure.Description.Length > 0 ? $": {asked.Procedure.Description}" : "")}");
        foreach (var line in ProcedureText.Steps(version.Steps, "", asked.UnconfirmedConstants, MaxValueLength, step => asked.WriteSteps.Contains(step.Id) ? " [may write]" : ""))
        {
            yield return line;
        }

        if (asked.UnconfirmedConstants.Count > 0)
        {
            yield return "  recorded once, and from nowhere known; approving confirms them for every replay:";
            foreach (var constant in asked.UnconfirmedConstants)
            {
                yield return $"    {constant.Name} = {ProcedureText.Value(constant.Default, MaxValueLength)}{(constant.Description is { } where ? $" ({where})" : "")}";
            }
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
