using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ProceduralMemory.Extensions.AI;

/// <summary>A procedure as a function of its own: a call of it does the whole task.</summary>
internal sealed class LearnedAIFunction(LearnedFunction learned, ProcedureFunctions functions, IReplayHost host) : AIFunction, IMemoryFunction
{
    /// <summary>What the names of all of them begin with, as those of a plugin would.</summary>
    public const string Plugin = "learned";

    public override string Name { get; } = NameOf(learned);

    public override string Description => learned.Description;

    public override JsonElement JsonSchema => learned.Schema;

    public bool Replays => true;

    public bool Resumes => false;

    public static string NameOf(LearnedFunction learned) => $"{Plugin}-{learned.Name}";

    public (string Action, JsonElement Inputs) StepOf(JsonElement arguments, out bool adapted)
    {
        adapted = false;
        return (learned.Procedure.Name, arguments);
    }

    protected override async ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        var inputs = FunctionJson.CaptureArguments(this, arguments, out _);
        return MemoryToolFunctions.Told(await functions.ReplayLearnedAsync(host, learned.Procedure, Name, inputs, cancellationToken).ConfigureAwait(false));
    }
}
