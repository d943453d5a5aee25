using ProceduralMemory.Replay;

namespace ProceduralMemory;

/// <summary>The base of every error that this library raises on its own account. Messages name the value at fault and the mend; of what is stored they hold names at most.</summary>
public abstract class ProceduralMemoryException : Exception
{
    private protected ProceduralMemoryException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>No procedure of that name (or no such version of it) is visible in the scopes that were searched.</summary>
public sealed class ProcedureNotFoundException : ProceduralMemoryException
{
    /// <summary>Creates the exception; for stores.</summary>
    public ProcedureNotFoundException(string name, IReadOnlyList<string> nearNames, int? version = null, int? newestVersion = null)
        : base(Describe(name, nearNames, version, newestVersion))
    {
        Name = name;
        NearNames = nearNames;
        Version = version;
    }

    /// <summary>The name that was asked for.</summary>
    public string Name { get; }

    /// <summary>Names of stored procedures that look like <see cref="Name"/>, nearest first; may be empty.</summary>
    public IReadOnlyList<string> NearNames { get; }

    /// <summary>The version that was asked for, or <see langword="null"/> when none was named.</summary>
    public int? Version { get; }

    private static string Describe(string name, IReadOnlyList<string> nearNames, int? version, int? newest)
    {
        name = ProcedureText.Shortened(name, ProcedureValidator.MaxNameLength);
        if (version is not null)
        {
            var there = newest switch
            {
                null => "",
                1 => " It has version 1 only.",
                _ => FormattableString.Invariant($" It has the versions 1 to {newest}."),
            };
            return FormattableString.Invariant($"Procedure '{name}' has no version {version}.{there} {nameof(ProcedureMemory.ListVersionsAsync)} tells about them.");
        }

        var what = $"There is no procedure named '{name}'";
        return nearNames.Count > 0
            ? $"{what}. Did you mean {string.Join(" or ", nearNames.Select(n => $"'{n}'"))}?"
            : $"{what}. List the stored ones with ListAsync, or search with FindAsync.";
    }
}

/// <summary>No execution of that id is in the scope that is written to.</summary>
public sealed class ExecutionNotFoundException : ProceduralMemoryException
{
    internal ExecutionNotFoundException(Guid executionId)
        : base($"There is no execution {executionId:D} in this scope. List those that there are with {nameof(ProcedureMemory.ListExecutionsAsync)}; only who began a replay can resume it.") => ExecutionId = executionId;

    /// <summary>The id that was asked for.</summary>
    public Guid ExecutionId { get; }
}

/// <summary>What was asked for collides with what is stored: a name in use, a version that has moved on, a procedure without an active version.</summary>
public sealed class ProcedureConflictException : ProceduralMemoryException
{
    /// <summary>Creates the exception; for stores.</summary>
    public ProcedureConflictException(string name, string message)
        : base(message) => Name = name;

    /// <summary>The name of the procedure concerned.</summary>
    public string Name { get; }
}

/// <summary>A definition, an expression or an imported document is not valid. Nothing of it was stored.</summary>
public sealed class ProcedureFormatException : ProceduralMemoryException
{
    internal ProcedureFormatException(IReadOnlyList<FormatProblem> problems, Exception? inner = null)
        : base(string.Join(" ", problems.Select(p => p.Path.Length == 0 ? p.Message : $"At {p.Path}: {p.Message}")), inner) => Problems = problems;

    internal ProcedureFormatException(string path, string message, Exception? inner = null)
        : this([new FormatProblem(path, message)], inner)
    {
    }

    /// <summary>Everything that is wrong, each with where it stands.</summary>
    public IReadOnlyList<FormatProblem> Problems { get; }
}

/// <summary>One fault in a definition or document.</summary>
/// <param name="Path">Where it stands, for instance <c>steps[2].arguments</c>; empty when it concerns the whole.</param>
/// <param name="Message">What is wrong and how to mend it.</param>
public sealed record FormatProblem(string Path, string Message);

/// <summary>A recording was used in a state that does not allow it: begun twice, ended already, or broken by a storage fault.</summary>
public sealed class RecordingStateException : ProceduralMemoryException
{
    /// <summary>Creates the exception; for stores.</summary>
    public RecordingStateException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>An execution was resumed by another process, or has ended: who ran it until then writes nothing more to it, and calls nothing more.</summary>
public sealed class ExecutionLostException : ProceduralMemoryException
{
    /// <summary>Creates the exception; for stores.</summary>
    public ExecutionLostException(Guid executionId)
        : base($"Execution {executionId:D} was resumed elsewhere or has ended: nothing more is called for it here. Read how it stands with {nameof(ProcedureMemory.GetExecutionAsync)}.") => ExecutionId = executionId;

    /// <summary>The outermost execution.</summary>
    public Guid ExecutionId { get; }
}

/// <summary>A replay was refused, failed or was cancelled, and its caller asked for an exception with <see cref="ReplayResult.ThrowIfNotCompleted"/>.</summary>
public sealed class ReplayNotCompletedException : ProceduralMemoryException
{
    internal ReplayNotCompletedException(ReplayResult result)
        : base(result.Message) => Result = result;

    /// <summary>How the replay went: what is done, what failed, and what is left.</summary>
    public ReplayResult Result { get; }
}

/// <summary>A decision was given for which there is no question: nothing waits for an approval there, or nothing is approved that could be taken back.</summary>
public sealed class ApprovalNotFoundException : ProceduralMemoryException
{
    internal ApprovalNotFoundException(string message)
        : base(message)
    {
    }
}

/// <summary>What keeps a store from being used.</summary>
public enum StoreFault
{
    /// <summary>The file's schema is too new for this version of the library.</summary>
    TooNew,

    /// <summary>The file is damaged, or is no database at all.</summary>
    Corrupt,

    /// <summary>The file or its folder cannot be written.</summary>
    ReadOnly,

    /// <summary>The file cannot be opened: its folder is missing, or access is denied.</summary>
    Unreachable,

    /// <summary>Another writer held the lock for longer than <see cref="ProceduralMemoryOptions.BusyTimeout"/>.</summary>
    Busy,

    /// <summary>Any other fault that the database reported; see the inner exception.</summary>
    Failed,

    /// <summary>The file is the database of something else: it has tables, and none of them says that it is a memory's.</summary>
    Foreign,
}

/// <summary>The store cannot be used. Nothing of the operation was written.</summary>
public sealed class ProcedureStoreException : ProceduralMemoryException
{
    /// <summary>Creates the exception; for stores.</summary>
    public ProcedureStoreException(StoreFault fault, string message, Exception? inner = null)
        : base(message, inner) => Fault = fault;

    /// <summary>The kind of fault.</summary>
    public StoreFault Fault { get; }
}
