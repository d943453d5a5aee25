using ProceduralMemory.Capture;

namespace ProceduralMemory.Distill;

/// <summary>Names what a turn taught, in place of the default, which goes by the words of the request.</summary>
public interface IProcedureNamer
{
    /// <summary>Names the procedure that is about to be made of a turn.</summary>
    /// <param name="turn">The turn, redacted. What it holds beside words of the task, such as ids and names of people, does not belong into a name.</param>
    /// <param name="cancellationToken">Cancels the naming.</param>
    /// <returns>Its name and description; <see langword="null"/> for the default. A name that another skill has gets a number behind it.</returns>
    ValueTask<ProcedureNaming?> NameAsync(TurnReport turn, CancellationToken cancellationToken = default);
}

/// <summary>How a procedure is called.</summary>
/// <param name="Name">Its name, at most 128 characters.</param>
/// <param name="Description">What it achieves, in a sentence.</param>
public sealed record ProcedureNaming(string Name, string Description);
