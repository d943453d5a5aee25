using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProceduralMemory.Extensions.AI;

/// <summary>The functions of a memory that a model calls, as tools.</summary>
public static class ProceduralMemoryTools
{
    /// <summary>
    /// The functions by which a model itself finds a procedure (<c>find_similar_procedure</c>), replays it (<c>replay_procedure</c>) and goes on where a replay stopped (<c>resume_procedure</c>).
    /// <c>UseProceduralMemory</c> offers procedures without them.
    /// </summary>
    /// <param name="memory">The memory.</param>
    /// <param name="tools">The tools that a replay may use.</param>
    /// <param name="options">Which of them; <see langword="null"/> for all.</param>
    /// <param name="loggerFactory">Where faults are logged.</param>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public static IReadOnlyList<AIFunction> AsAITools(this ProcedureMemory memory, IEnumerable<AITool> tools, FunctionReplayOptions? options = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(tools);
        options ??= new FunctionReplayOptions();
        options.Validate();
        var functions = new ProcedureFunctions(memory, new PluginGuard((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.Extensions.AI")));
        var host = new ToolReplayHost(memory, [.. tools], options, turn: null);
        return [MemoryToolFunctions.Find(functions, host), MemoryToolFunctions.Replay(functions, host), MemoryToolFunctions.Resume(functions, host)];
    }

    /// <summary>
    /// Tools whose calls are recorded for the turn that they are made in (<see cref="ProcedureMemory.CurrentTurn"/>), and for what is recorded outright in the current session. For a host with a loop of
    /// its own, which begins and ends its turns itself; <c>UseProceduralMemory</c> does all of it.
    /// </summary>
    /// <param name="tools">The tools; those that are no functions stay as they are.</param>
    /// <param name="memory">The memory.</param>
    /// <param name="loggerFactory">Where faults are logged.</param>
    public static IReadOnlyList<AITool> RecordedBy(this IEnumerable<AITool> tools, ProcedureMemory memory, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(tools);
        ArgumentNullException.ThrowIfNull(memory);
        List<AITool> all = [.. tools];
        return RecordingAIFunction.Wrap(all, new CallRecording(memory, (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.Extensions.AI")), new ToolSet(all), turn: null);
    }
}
