namespace ProceduralMemory;

/// <summary>
/// Declares what a function does to the world: <c>[KernelFunction, FunctionEffect(StepEffect.Read)]</c>. One that declares nothing counts as writing.
/// <see cref="ProceduralMemoryOptions.Effects"/> declares it for functions whose code is not the host's, and goes before the attribute.
/// </summary>
/// <param name="effect">What the function does.</param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FunctionEffectAttribute(StepEffect effect) : Attribute
{
    /// <summary>What the function does.</summary>
    public StepEffect Effect { get; } = effect;

    /// <summary>Whether the function takes <see cref="Replay.ReplayCall.Current"/>'s idempotency key and sees to it that a repeated call has no second effect.</summary>
    public bool UsesIdempotencyKey { get; init; }

    /// <summary>The parameter that takes the idempotency key of a replayed call, to the same end; a replay fills it, whatever was recorded for it.</summary>
    public string? IdempotencyKeyParameter { get; init; }
}
