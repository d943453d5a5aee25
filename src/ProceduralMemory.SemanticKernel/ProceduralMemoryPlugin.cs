using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// What an agent calls: find a procedure, replay it, go on where a replay stopped, or record a new one. Six functions and no more, since each costs tokens on every request.
/// </summary>
/// <remarks>
/// <para>Stored names and descriptions reach the model's context. They are data from earlier turns; give agents with different trust different scopes.</para>
/// <para>No function approves anything or changes a scope: these are the host's.</para>
/// </remarks>
public sealed class ProceduralMemoryPlugin
{
    /// <summary>The name of the function that searches.</summary>
    public const string FindSimilarProcedure = MemoryFunctions.Find;

    /// <summary>The name of the function that replays.</summary>
    public const string ReplayProcedure = MemoryFunctions.Replay;

    /// <summary>The name of the function that goes on with a replay.</summary>
    public const string ResumeProcedure = MemoryFunctions.Resume;

    /// <summary>The name of the function that starts a recording.</summary>
    public const string StartRecording = "start_recording";

    /// <summary>The name of the function that records a step, or says how one went.</summary>
    public const string RecordStep = "record_step";

    /// <summary>The name of the function that ends a recording.</summary>
    public const string Finalize = "finalize";

    private readonly ProcedureMemory _memory;
    private readonly KernelReplayOptions _replay;
    private readonly PluginGuard _guard;
    private readonly ProcedureFunctions _functions;

    /// <summary>Creates the plugin. Add it with <c>kernel.Plugins.AddFromObject(plugin, "procedures")</c>.</summary>
    /// <param name="memory">The memory that it works on.</param>
    /// <param name="replay">Which functions a replay may call; <see langword="null"/> for every function that the kernel holds.</param>
    /// <param name="loggerFactory">Where it logs.</param>
    public ProceduralMemoryPlugin(ProcedureMemory memory, KernelReplayOptions? replay = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        _replay = replay ?? new KernelReplayOptions();
        _replay.Validate();
        _guard = new PluginGuard((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.SemanticKernel"));
        _functions = new ProcedureFunctions(memory, _guard);
    }

    /// <summary>Finds stored procedures for a request.</summary>
    [KernelFunction(FindSimilarProcedure)]
    [Description("Call this first for any task of several steps: finds stored procedures that did such a task before. A found one is run with replay_procedure, in a single call.")]
    [return: Description("status found (with procedures and their inputs) or nothing_fits")]
    public Task<PluginReply> FindAsync(
        Kernel kernel,
        [Description("The task in the user's words")] string request,
        [Description("How many to return at most")] int top = 3,
        CancellationToken cancellationToken = default) => _functions.FindAsync(
            Host(kernel),
            request,
            top,
            _memory.Learning is LearningMode.Off ? "Do the task yourself." : $"Do the task yourself. If it takes several steps, call {StartRecording} before the first and {Finalize} after the last.",
            cancellationToken);

    /// <summary>Replays a procedure.</summary>
    [KernelFunction(ReplayProcedure)]
    [Description("Runs all steps of a stored procedure in one call. The steps have real effects.")]
    [return: Description("status completed; failed or cancelled (with what is done and what is left); waiting or missing_inputs (for what the message asks); refused or approval_pending (for the user to settle); broke_off; planned; not_found, invalid or unavailable; and the result of each step")]
    public Task<PluginReply> ReplayAsync(
        Kernel kernel,
        [Description("The procedure's name")] string name,
        [Description("JSON object: a value for each input of the procedure")] object? inputs = null,
        [Description("JSON object, rarely needed: step id or action to an object of arguments to use instead")] object? adapt = null,
        [Description("JSON array of step ids to leave out")] object? skip = null,
        [Description("Go on after a failed step with those that do not need it")] bool continueOnFailure = false,
        [Description("Only show what would be done")] bool dryRun = false,
        CancellationToken cancellationToken = default) => _functions.ReplayAsync(Host(kernel), name, inputs, adapt, skip, continueOnFailure, dryRun, cancellationToken);

    /// <summary>Goes on with a replay that stopped.</summary>
    [KernelFunction(ResumeProcedure)]
    [Description("Goes on with a replay that stopped. Steps that are done are not called again. If you did a step yourself, say so in results.")]
    [return: Description("status as from replay_procedure")]
    public Task<PluginReply> ResumeAsync(
        Kernel kernel,
        [Description("The execution_id of the replay")] string executionId,
        [Description("JSON object: id of each step that you did yourself, to its result")] object? results = null,
        [Description("JSON object: inputs that it asks for again")] object? inputs = null,
        [Description("JSON array of step ids to leave out")] object? skip = null,
        [Description("JSON object: what of adapt it asks for again")] object? adapt = null,
        CancellationToken cancellationToken = default) => _functions.ResumeAsync(Host(kernel), executionId, results, inputs, skip, adapt, cancellationToken);

    /// <summary>Starts a recording.</summary>
    [KernelFunction(StartRecording)]
    [Description("Starts recording a task of several steps, so that it can be replayed later. Then do the task as usual, and call finalize after its last step.")]
    [return: Description("status recording, and similar procedures that exist already")]
    public Task<PluginReply> StartRecordingAsync(
        Kernel kernel,
        [Description("Short name of the skill without this task's values, such as refund_order")] string name,
        [Description("What the skill achieves, in a sentence")] string description,
        CancellationToken cancellationToken = default) => _guard.RunAsync(
            StartRecording,
            async () =>
            {
                if (_memory.Learning is LearningMode.Off)
                {
                    return new PluginReply { Status = ReplyStatus.Refused, Message = "The host has turned learning off: nothing is recorded.", Next = "Do the task without recording it." };
                }

                ModelArgument.Required(name, "name", "Name the skill without this task's values, such as refund_order.");

                // Before anything is begun: where the search fails, no recording is left behind that the model knows nothing of.
                var request = ModelText.Shortened(ModelCall.Current?.Request ?? KernelSessions.Find(_memory, kernel)?.Request);
                var similar = await _memory.FindAsync(string.Join(' ', request ?? "", name, description), new FindOptions { Top = 3, HasFunction = a => KernelActions.CanBeReplayed(kernel, a, _replay) }, cancellationToken).ConfigureAwait(false);
                var recorder = await _memory.StartRecordingAsync(
                    new Capture.RecordingDetails { Name = name, Description = description ?? "", Request = request }, KernelSessions.Get(_memory, kernel), cancellationToken).ConfigureAwait(false);
                return new RecordingReply
                {
                    Similar = similar.Matches.Count == 0 ? null : await _functions.SummariesAsync(Host(kernel), similar, cancellationToken).ConfigureAwait(false),
                    Status = ReplyStatus.Recording,
                    Message = ProcedureRecordingFilter.Covers(_memory, kernel)
                        ? $"Recording '{recorder.Name}'. Every function that you call from now on is recorded by itself."
                        : $"Recording '{recorder.Name}'. This kernel has no recording filter: record each step yourself with {RecordStep}. (Host: add one with kernel.UseProceduralMemory(memory), or builder.AddProceduralMemory(…).)",
                    Next = similar.Matches.Count > 0
                        ? $"{ReplayProcedure}, if one of the similar procedures does this task; else do the task, then {Finalize}."
                        : $"Do the task, then {Finalize}.",
                };
            },
            cancellationToken);

    /// <summary>Records a step, or says how a recorded one went.</summary>
    [KernelFunction(RecordStep)]
    [Description("While recording: notes how a function call went, or records a step that was no function call. Calls are recorded by themselves, so this is optional.")]
    [return: Description("status recorded")]
    public Task<PluginReply> RecordStepAsync(
        Kernel kernel,
        [Description("The function, as plugin.function, or in words what was done")] string action,
        [Description("JSON object with the arguments")] object? arguments = null,
        [Description("How it went")] string? outcome = null,
        [Description("False if it failed")] bool success = true,
        [Description("Remarks")] string? notes = null,
        CancellationToken cancellationToken = default) => _guard.RunAsync(
            RecordStep,
            async () =>
            {
                if (KernelSessions.Find(_memory, kernel)?.Recorder is not { } recorder)
                {
                    return NoRecording();
                }

                ModelArgument.Required(action, "action", "Give the function as plugin.function, or say in words what was done.");
                var isFunction = KernelActions.TryFind(kernel, action, out var function);
                var name = isFunction ? KernelActions.NameOf(function) : action.Trim();
                if (isFunction && KernelActions.IsOurs(function))
                {
                    throw new ModelArgumentException($"'{action}' belongs to the procedural memory and is no step of a task.");
                }

                if (isFunction && Capture.Exclusions.Excludes(_memory.Options, name))
                {
                    return new PluginReply { Status = ReplyStatus.Ok, Message = $"{name} is not recorded here, since the host keeps it out.", Next = Continue() };
                }

                var given = ModelArgument.Object(arguments, "arguments");
                var captured = isFunction
                    ? KernelJson.CaptureArguments(function, new KernelArguments(given.ToDictionary(a => a.Key, a => (object?)a.Value)), out _)
                    : ModelArgument.Element(arguments) is { ValueKind: JsonValueKind.Object } asGiven ? asGiven : Json.EmptyObject;
                var failure = success ? null : new StepFailure("reported", outcome ?? "The agent reported a failure.");
                if (await recorder.AnnotateStepAsync(name, arguments is null ? null : captured, outcome, notes, failure, cancellationToken).ConfigureAwait(false))
                {
                    return new PluginReply { Status = ReplyStatus.Recorded, Message = $"Noted with the recorded call of {name}{(success ? "" : ", which is left out of the procedure")}.", Next = Continue() };
                }

                if (isFunction && ProcedureRecordingFilter.Covers(_memory, kernel))
                {
                    // Every call that passes the filters is recorded by itself here, and of another nobody but the model knows: a step that nobody tried is none to replay.
                    throw new ModelArgumentException($"No such call of {name} was recorded, and what was not called is no step. Call the function itself: that is recorded without further ado. If it was called, then in a way that passes no filters, and such a call cannot be recorded here.");
                }

                await recorder.RecordStepAsync(
                    new TraceStep
                    {
                        Action = name,
                        Kind = isFunction ? StepKind.Function : StepKind.Manual,
                        Arguments = captured,
                        Parameters = isFunction ? KernelActions.ParametersOf(function) : null,
                        Status = success ? StepStatus.Success : StepStatus.Failed,
                        Failure = failure,
                        Outcome = outcome,
                        Notes = notes,
                    },
                    cancellationToken).ConfigureAwait(false);
                if (isFunction)
                {
                    return new PluginReply { Status = ReplyStatus.Recorded, Message = $"Step {name} is recorded.", Next = Continue() };
                }

                var near = NearNames.Of(action, KernelActions.All(kernel));
                return new PluginReply
                {
                    Status = ReplyStatus.Recorded,
                    Message = $"'{action}' is no function of this kernel{(near.Count > 0 ? $" (near names: {string.Join(", ", near)})" : "")}: the step is kept as manual and cannot be replayed.",
                    Next = Continue(),
                };
            },
            cancellationToken);

    /// <summary>Ends the recording and stores the procedure.</summary>
    [KernelFunction(Finalize)]
    [Description("Ends the recording and stores what was done as a procedure. Call it once the recorded task succeeded.")]
    [return: Description("status stored, with the procedure's inputs and steps; nothing_recorded; or conflict")]
    public Task<PluginReply> FinalizeRecordingAsync(
        Kernel kernel,
        [Description("Remarks for whoever replays it")] string? notes = null,
        [Description("After status conflict: another name")] string? name = null,
        [Description("After status conflict: true to replace the procedure of that name")] bool replace = false,
        CancellationToken cancellationToken = default) => _guard.RunAsync(
            Finalize,
            async () =>
            {
                var session = KernelSessions.Find(_memory, kernel);
                if (session?.Recorder is not { } recorder)
                {
                    return session?.Unsettled is { } unsettled
                        ? await SettleAsync(session, unsettled, name, replace, cancellationToken).ConfigureAwait(false)
                        : NoRecording();
                }

                if (CallFrames.IsInsideOutright(_memory))
                {
                    // It would wait for the call that it is inside of.
                    return new PluginReply { Status = ReplyStatus.Conflict, Message = "A recorded function cannot finalize the recording that it is part of. Finalize after it has returned." };
                }

                if (ModelCall.Current?.Usage is { } usage)
                {
                    recorder.ReportUsage(usage.ModelCalls, usage.InputTokens, usage.OutputTokens);
                }

                Capture.RecordingResult result;
                try
                {
                    result = await recorder.FinalizeAsync(notes, cancellationToken: cancellationToken).ConfigureAwait(false);
                }
                catch (RecordingStateException) when (recorder.IncompleteBecause is not null)
                {
                    // Nobody but the model is there to give it up, and a model cannot.
                    await recorder.AbandonAsync(cancellationToken).ConfigureAwait(false);
                    return new PluginReply { Status = ReplyStatus.Conflict, Message = $"The recording '{recorder.Name}' is incomplete, because {recorder.IncompleteBecause}. It is given up, and nothing is stored.", Next = $"Answer the user. To record such a task again, call {StartRecording} before its first step." };
                }

                return result.Conflict is null || (string.IsNullOrWhiteSpace(name) && !replace)
                    ? Reply(result)
                    : await SettleAsync(session, result, name, replace, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);

    /// <summary>Stores what met another procedure of its name, as the model decides.</summary>
    private async Task<PluginReply> SettleAsync(Capture.MemorySession session, Capture.RecordingResult unsettled, string? name, bool replace, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(name) && !replace)
        {
            return Reply(unsettled);
        }

        var result = await _memory.DistillTraceAsync(unsettled.TraceId, string.IsNullOrWhiteSpace(name) ? null : name, replace, cancellationToken).ConfigureAwait(false);
        session.Settle(result);
        return Reply(result);
    }

    private PluginReply Reply(Capture.RecordingResult result)
    {
        if (result.Conflict is { } conflict)
        {
            return new PluginReply
            {
                Status = ReplyStatus.Conflict,
                Message = conflict.FailedCall is null
                    ? $"There is a procedure '{conflict.ProcedureName}' that does something else: {conflict.Standing}. Recorded was: {conflict.Recorded}. {conflict.Difference} Nothing is stored yet, and nothing is lost."
                    : $"'{conflict.ProcedureName}' stays as it is: {conflict.Standing}. Recorded was: {conflict.Recorded}. {conflict.Difference}",
                Next = conflict.FailedCall is null
                    ? $"{Finalize} with another name; or with replace true, if '{conflict.ProcedureName}' is to do from now on what was recorded."
                    : $"Tell the user that {conflict.FailedCall} failed. What was recorded can be stored as a task of its own: {Finalize} with another name.",
            };
        }

        if (result.Unwanted is { } unwanted)
        {
            return new PluginReply { Status = ReplyStatus.Refused, Message = $"Nothing is stored. {unwanted}", Next = "Answer the user. Do not store it under another name." };
        }

        if (result.Procedure is not { } procedure)
        {
            return new PluginReply { Status = ReplyStatus.NothingRecorded, Message = "No new successful step was recorded, so there is nothing to store.", Next = "Answer the user." };
        }

        var version = procedure.Version;
        var unconfirmed = version.Inputs.Where(i => i.Unconfirmed).ToList();
        return new ProcedureReply
        {
            Status = ReplyStatus.Stored,
            Message = string.Create(CultureInfo.InvariantCulture, $"'{procedure.Name}' is stored as version {version.Number} with {version.Steps.Count} steps{(result.DroppedSteps > 0 ? $"; {result.DroppedSteps} failed or repeated calls were left out" : "")}. The next task of this kind takes one call of {ReplayProcedure}.")
                + result.Doubts
                + (unconfirmed.Count > 0 ? $" Where {string.Join(", ", unconfirmed.Select(u => $"'{u.Name}'"))} came from is not known after one recording: give {(unconfirmed.Count == 1 ? "it" : "them")} as input at each replay. A further recording may settle it." : "")
                + (result.Contradictions.Count > 0 ? $" What a person set stands, although: {string.Join("; ", result.Contradictions)}." : ""),
            Next = "Answer the user.",
            Name = procedure.Name,
            Version = version.Number,
            Inputs = Replies.Inputs(version.Inputs.Where(i => !i.Unconfirmed && !(i.Secret && _memory.FillsSecrets))),
            UnconfirmedConstants = unconfirmed.Count == 0 ? null : Replies.Inputs(unconfirmed),
            Steps = Replies.Steps(version.Steps),
        };
    }

    /// <summary>Replays a procedure by the function of its own.</summary>
    internal Task<PluginReply> ReplayLearnedAsync(Kernel kernel, Procedure procedure, string function, JsonElement inputs, CancellationToken cancellationToken) =>
        _functions.ReplayLearnedAsync(Host(kernel), procedure, function, inputs, cancellationToken);

    private KernelReplayHost Host(Kernel kernel) => new(_memory, kernel, _replay);

    private static string Continue() => $"Go on with the task, then {Finalize}.";

    private static PluginReply NoRecording() => new()
    {
        Status = ReplyStatus.Conflict,
        Message = "Nothing is being recorded.",
        Next = $"{StartRecording} before the first step of a task, if it is to be recorded.",
    };
}
