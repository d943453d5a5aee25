using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>What the functions that a model calls need of the framework that they are called in.</summary>
internal interface IReplayHost
{
    /// <summary>What the user asked for, where it is known.</summary>
    string? Request { get; }

    /// <summary>The session that the call belongs to, if there is one.</summary>
    MemorySession? Session { get; }

    /// <summary>Whether the calls of functions are recorded by themselves, so that what is done after a replay stopped is seen.</summary>
    bool RecordsCalls { get; }

    /// <summary>Makes the calls of one replay.</summary>
    IStepExecutor CreateExecutor();

    /// <summary>Whether a replay may call a function.</summary>
    bool CanBeReplayed(string action);

    /// <summary>The session that the call belongs to; one is begun where there is none. <see langword="null"/> where none can be.</summary>
    MemorySession? GetSession();
}
