namespace ProceduralMemory;

/// <summary>What is learned of an agent's turns. A turn is a request of the user with the calls that the agent makes up to its answer.</summary>
public enum LearningMode
{
    /// <summary>Nothing is learned: neither turns nor the functions that a model calls record anything. Code of the host still can.</summary>
    Off,

    /// <summary>What a model, or code of the host, records outright: <c>start_recording</c> and <c>finalize</c>.</summary>
    Explicit,

    /// <summary>Turns as well. What only reads becomes active; what may write becomes a draft, or a candidate beside an active version, for a person to review.</summary>
    Propose,

    /// <summary>Turns as well, and what they teach becomes active. A replay that writes still needs what <see cref="ProceduralMemoryOptions.Approval"/> says.</summary>
    Automatic,
}
