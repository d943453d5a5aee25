using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// What a replay is given. For each argument of a step the first of these decides: an override for the step, one for its action,
/// the step's own template (inputs, earlier results, constants).
/// </summary>
public sealed record ReplayRequest
{
    /// <summary>The inputs by name. A value whose text is plainly of the declared type, such as <c>"7"</c> for an integer, is taken for it; names that the procedure does not declare are ignored, and the result's message says so.</summary>
    public IReadOnlyDictionary<string, JsonElement> Inputs { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Whether unconfirmed constants (<see cref="ProcedureInput.Unconfirmed"/>) are confirmed for this replay: each has its recorded value where none is given. For the host, which knows them; never set it from what a model says.</summary>
    public bool ConfirmConstants { get; init; }

    /// <summary>Adapted parameters: by step id, an object of argument name to the value to call with. Values are data, never expressions.</summary>
    public IReadOnlyDictionary<string, JsonElement> StepOverrides { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Adapted parameters: by action, an object of argument name to the value to call with, for every step of that action, nested procedures included.</summary>
    public IReadOnlyDictionary<string, JsonElement> ActionOverrides { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The ids of steps to leave out.</summary>
    public IReadOnlyCollection<string> Skip { get; init; } = [];

    /// <summary>Whether to go on after a failed step with those that do not need its result. The default is to stop.</summary>
    public bool ContinueOnFailure { get; init; }

    /// <summary>The version to replay; <see langword="null"/> for the active one.</summary>
    public int? Version { get; init; }

    /// <summary>What is done when a step fails, by step id, in place of what the step itself says. A step id is that of the procedure that is asked for.</summary>
    public IReadOnlyDictionary<string, StepPolicy> Policies { get; init; } = new Dictionary<string, StepPolicy>();

    /// <summary>The user's request that led to the replay; it is kept with the execution, redacted.</summary>
    public string? Request { get; init; }

    /// <summary>Whether a model gave the values.</summary>
    internal bool IsFromModel { get; init; }

    /// <summary>Is told of every step when it has ended. What it raises is logged, and changes nothing.</summary>
    public IProgress<StepOutcome>? Progress { get; init; }

    /// <summary>A request with the properties of an object as inputs: <c>ReplayRequest.For(new { order_id = "W123", amount = 7 })</c>.</summary>
    /// <param name="inputs">An object, a dictionary, or a JSON object.</param>
    /// <exception cref="ArgumentException">It is written as something else than a JSON object.</exception>
    public static ReplayRequest For(object inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var json = JsonSerializer.SerializeToElement(inputs, inputs.GetType());
        return json.ValueKind is JsonValueKind.Object
            ? new ReplayRequest { Inputs = json.EnumerateObject().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal) }
            : throw new ArgumentException($"Inputs are the properties of an object; a {inputs.GetType().Name} has none.", nameof(inputs));
    }

    /// <summary>The adapted parameters for a step. Ids are those of the procedure that is asked for: in one that is replayed inside they mean nothing.</summary>
    internal AdaptedParameters Adapted(ProcedureStep step, bool inside) => new(inside ? null : ObjectAt(StepOverrides, step.Id), ObjectAt(ActionOverrides, step.Action));

    private static JsonElement? ObjectAt(IReadOnlyDictionary<string, JsonElement> overrides, string key) =>
        overrides.TryGetValue(key, out var value) && value.ValueKind is JsonValueKind.Object ? value : null;
}

/// <summary>How a step is called, and what is done when it fails. What is <see langword="null"/> stays as the step itself has it.</summary>
public sealed record StepPolicy
{
    /// <summary>What the replay does when it fails.</summary>
    public FailurePolicy? OnFailure { get; init; }

    /// <summary>How its call is made again after an error that may pass.</summary>
    public StepRetry? Retry { get; init; }

    /// <summary>How long one call may take.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>What a step is called with in place of its templates. What is given for the step goes before what is given for its action.</summary>
internal readonly record struct AdaptedParameters(JsonElement? OfStep, JsonElement? OfAction)
{
    public bool Have(string argument) => OfStep?.TryGetProperty(argument, out _) is true || OfAction?.TryGetProperty(argument, out _) is true;

    public IEnumerable<(string Name, JsonElement Value, ArgumentOrigin Origin)> All()
    {
        var ofStep = OfStep;
        return Members(OfAction, ArgumentOrigin.ActionOverride).Where(a => ofStep?.TryGetProperty(a.Name, out _) is not true).Concat(Members(OfStep, ArgumentOrigin.StepOverride));
    }

    private static IEnumerable<(string Name, JsonElement Value, ArgumentOrigin Origin)> Members(JsonElement? values, ArgumentOrigin origin) =>
        values is { } given ? given.EnumerateObject().Select(m => (m.Name, m.Value, origin)) : [];
}
