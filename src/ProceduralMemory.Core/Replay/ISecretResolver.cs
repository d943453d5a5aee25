using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// Fills in the secret inputs of a replay: a password, an API key. It is the host's, and reads them where the host keeps them, such as a vault; the model never sees them. It may be called from
/// several threads.
/// </summary>
public interface ISecretResolver
{
    /// <summary>Gives the value of a secret input that the caller of a replay did not give. What it gives is used for the replay, and is stored and logged as little as one that was given.</summary>
    /// <param name="request">Which secret, and what it is for.</param>
    /// <param name="cancellationToken">Cancels the question, with the replay.</param>
    /// <returns>The value; <see langword="null"/> where there is none, and the input is missing then. An exception refuses the replay before its first call; what it says is logged as the options of the log allow, and not told to the model.</returns>
    ValueTask<JsonElement?> ResolveAsync(SecretRequest request, CancellationToken cancellationToken = default);
}

/// <summary>A secret that a replay needs.</summary>
public sealed record SecretRequest
{
    /// <summary>The scope in whose name the replay is made: whose secret it is to be. The same name may stand for another secret in another scope.</summary>
    public required string Scope { get; init; }

    /// <summary>The procedure.</summary>
    public required string ProcedureName { get; init; }

    /// <summary>The version of it.</summary>
    public required int Version { get; init; }

    /// <summary>The input.</summary>
    public required string InputName { get; init; }

    /// <summary>What the value means, where that is known.</summary>
    public string? Description { get; init; }

    /// <summary>
    /// What the value goes to, also as an element of a list that a loop goes through; empty where it goes to nothing that is known. A procedure may have been written by somebody else: give a secret to
    /// functions that are meant to have it, and none where this is empty.
    /// </summary>
    public IReadOnlyList<SecretUse> Uses { get; init; } = [];
}

/// <summary>An argument that a secret is a part of, or a condition that it decides.</summary>
/// <param name="StepId">The step.</param>
/// <param name="Action">What it calls, as <c>plugin.function</c>, or the procedure that it replays.</param>
/// <param name="Argument">The argument; <see cref="Condition"/> where the value decides whether the step is done.</param>
public sealed record SecretUse(string StepId, string Action, string Argument)
{
    /// <summary>What stands in place of an argument where a secret decides whether a step is done: whether it was tells something of the secret.</summary>
    public const string Condition = "$condition";
}
