using ProceduralMemory.Recall;

namespace ProceduralMemory;

/// <summary>The values that recordings showed stay in the scope in which they were seen: a procedure that several scopes read tells the others how it goes, and not with what it once went.</summary>
internal static class SeenValues
{
    public static ProcedureVersion WithoutExamples(this ProcedureVersion version) => version.Inputs.All(i => i.Examples.Count == 0) ? version : version with { Inputs = [.. version.Inputs.Select(i => i with { Examples = [] })] };

    /// <summary>A procedure as a scope sees it.</summary>
    public static Procedure SeenFrom(this Procedure procedure, MemoryScope scope) => procedure.Scope == scope.Write ? procedure : procedure with { Version = procedure.Version.WithoutExamples() };

    /// <summary>What was found as a scope sees it.</summary>
    public static FindResult SeenFrom(this FindResult found, MemoryScope scope) => found with
    {
        Matches = [.. found.Matches.Select(m => m with { Procedure = m.Procedure.SeenFrom(scope) })],
        NearMisses = [.. found.NearMisses.Select(m => m with { Procedure = m.Procedure.SeenFrom(scope) })],
    };
}
