using System.ComponentModel;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ProceduralMemory.Extensions.AI;

/// <summary>The functions that search, replay and go on with a replay, as tools.</summary>
internal static class MemoryToolFunctions
{
    // As models read it: nothing is escaped that need not be.
    private static readonly JsonSerializerOptions ForModels = new(JsonSerializerOptions.Default) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static AIFunction Find(ProcedureFunctions functions, IReplayHost host) => Function(
        MemoryFunctions.Find,
        "Call this first for any task of several steps: finds stored procedures that did such a task before. A found one is run with replay_procedure, in a single call. Answers with status found (with procedures and their inputs) or nothing_fits.",
        async (
            [Description("The task in the user's words")] string request,
            [Description("How many to return at most")] int top = 3,
            CancellationToken cancellationToken = default) => Told(await functions.FindAsync(host, request, top, "Do the task yourself.", cancellationToken).ConfigureAwait(false)));

    public static AIFunction Replay(ProcedureFunctions functions, IReplayHost host) => Function(
        MemoryFunctions.Replay,
        "Runs all steps of a stored procedure in one call. The steps have real effects. Answers with a status (completed; failed or cancelled, with what is done and what is left; waiting or missing_inputs; refused or approval_pending, for the user to settle), with the result of each step.",
        async (
            [Description("The procedure's name")] string name,
            [Description("JSON object: a value for each input of the procedure")] JsonElement? inputs = null,
            [Description("JSON object, rarely needed: step id or action to an object of arguments to use instead")] JsonElement? adapt = null,
            [Description("JSON array of step ids to leave out")] JsonElement? skip = null,
            [Description("Go on after a failed step with those that do not need it")] bool continueOnFailure = false,
            [Description("Only show what would be done")] bool dryRun = false,
            CancellationToken cancellationToken = default) => Told(await functions.ReplayAsync(host, name, inputs, adapt, skip, continueOnFailure, dryRun, cancellationToken).ConfigureAwait(false)));

    public static AIFunction Resume(ProcedureFunctions functions, IReplayHost host) => Function(
        MemoryFunctions.Resume,
        "Goes on with a replay that stopped. Steps that are done are not called again. If you did a step yourself, say so in results.",
        async (
            [Description("The execution_id of the replay")] string executionId,
            [Description("JSON object: id of each step that you did yourself, to its result")] JsonElement? results = null,
            [Description("JSON object: inputs that it asks for again")] JsonElement? inputs = null,
            [Description("JSON array of step ids to leave out")] JsonElement? skip = null,
            [Description("JSON object: what of adapt it asks for again")] JsonElement? adapt = null,
            CancellationToken cancellationToken = default) => Told(await functions.ResumeAsync(host, executionId, results, inputs, skip, adapt, cancellationToken).ConfigureAwait(false)));

    /// <summary>A reply as a model reads it: as text, since chat clients write JSON with indents, which cost tokens.</summary>
    public static string Told(PluginReply reply) => JsonSerializer.Serialize(reply, reply.GetType(), ForModels);

    private static MemoryToolFunction Function(string name, string description, Delegate body) =>
        new(AIFunctionFactory.Create(body, new AIFunctionFactoryOptions { Name = name, Description = description, MarshalResult = static (result, _, _) => ValueTask.FromResult(result) }));

    private sealed class MemoryToolFunction(AIFunction function) : DelegatingAIFunction(function), IMemoryFunction
    {
        public bool Replays => Name is MemoryFunctions.Replay or MemoryFunctions.Resume;

        public bool Resumes => Name == MemoryFunctions.Resume;

        public (string Action, JsonElement Inputs) StepOf(JsonElement arguments, out bool adapted)
        {
            adapted = IsGiven("adapt") || IsGiven("skip");
            if (Resumes)
            {
                return (Name, Json.EmptyObject);
            }

            var name = arguments.TryGetProperty("name", out var given) && given.ValueKind is JsonValueKind.String && Json.Fault(given, Json.MaxDepth) is null ? given.GetString()!.Trim() : "";
            var inputs = arguments.TryGetProperty("inputs", out var inner) && inner.ValueKind is JsonValueKind.Object ? inner : Json.EmptyObject;

            // What no procedure can be called is not found, and not kept either.
            return (name.Length is 0 or > ProcedureValidator.MaxNameLength ? Name : name, inputs);

            bool IsGiven(string argument) => arguments.TryGetProperty(argument, out var value) && value.ValueKind is not JsonValueKind.Null;
        }
    }
}
