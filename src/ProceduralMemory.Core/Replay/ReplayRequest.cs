using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// What a replay is given. For each argument of a step the first of these decides: an override for the step, one for its action,
/// the step's own template (inputs, earlier results, constants).
/// </summary>
public sealed record ReplayRequest
{
    /// <summary>The inputs by name. A value whose text is plainly of the declared type, such as <c>"7"</c> for an integer, is taken for it; names that the procedure does not declare are ignored.</summary>
    public IReadOnlyDictionary<string, JsonElement> Inputs { get; init; } = new Dictionary<string, JsonElement>();

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

    /// <summary>The user's request that led to the replay; it is kept with the execution, redacted.</summary>
    public string? Request { get; init; }

    /// <summary>Is told of every step when it has ended.</summary>
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
}
