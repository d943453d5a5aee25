namespace ProceduralMemory.Extensions.AI;

/// <summary>The names of the functions that a model calls, in every framework.</summary>
internal static class MemoryFunctions
{
    public const string Find = "find_similar_procedure";

    public const string Replay = "replay_procedure";

    public const string Resume = "resume_procedure";
}
