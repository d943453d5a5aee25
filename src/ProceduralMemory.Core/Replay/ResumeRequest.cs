using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// What a replay is resumed with. What is done stays done; inputs, adapted parameters and steps to leave out are those of the replay, as its journal has them. What the journal does not hold,
/// since it is secret or too large, is given again.
/// A step inside another is named with the outer one before it: <c>deploy/push</c>; in a loop with the place of the element, from 0: <c>each_item[2]/refund</c>.
/// </summary>
public sealed record ResumeRequest
{
    /// <summary>The inputs whose values the journal does not hold, since they are secret or too large. Others are ignored: what is half done is not done with other values.</summary>
    public IReadOnlyDictionary<string, JsonElement> Inputs { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The adapted parameters for steps (<see cref="ReplayRequest.StepOverrides"/>) whose values the journal does not hold. Others are ignored.</summary>
    public IReadOnlyDictionary<string, JsonElement> StepOverrides { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The adapted parameters for actions (<see cref="ReplayRequest.ActionOverrides"/>) whose values the journal does not hold. Others are ignored.</summary>
    public IReadOnlyDictionary<string, JsonElement> ActionOverrides { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>
    /// The steps that were done by other means than their own call, with their results (JSON <see langword="null"/> where there is none): the step that failed, or one whose
    /// outcome is not known, of which it was found that it had its effect. They are kept as repaired.
    /// </summary>
    public IReadOnlyDictionary<string, JsonElement> Results { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>
    /// The steps whose outcome is not known, of which the host has found that they had no effect: they are called again. For the host, which knows; never set it from what a
    /// model says.
    /// </summary>
    public IReadOnlyCollection<string> Repeat { get; init; } = [];

    /// <summary>Further steps of the procedure to leave out, by id; also one whose outcome is not known, which is then not asked about.</summary>
    public IReadOnlyCollection<string> Skip { get; init; } = [];

    /// <summary>
    /// The trace of the calls by which steps of <see cref="Results"/> were done, where they were recorded. Inside a session the calls that follow a replay which stopped are recorded by themselves where the executor's
    /// shell does so; then it is set by itself, too.
    /// </summary>
    public Guid? RepairTraceId { get; init; }

    /// <summary>What the session that resumes has recorded or is recording.</summary>
    internal IReadOnlyList<Guid> SessionTraces { get; init; } = [];

    /// <summary>Whether calls were made in the session that are in none of the traces.</summary>
    internal bool AreCallsMissing { get; init; }

    /// <summary>Whether a model gave the values.</summary>
    internal bool IsFromModel { get; init; }

    /// <summary>Is told of every step when it has ended.</summary>
    public IProgress<StepOutcome>? Progress { get; init; }
}
