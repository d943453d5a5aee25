using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.SemanticKernel;
using ProceduralMemory.Capture;

namespace ProceduralMemory.SemanticKernel;

/// <summary>
/// Records the calls of kernel functions while a recording is active. Register the same instance as both kinds of filter: as
/// <see cref="IFunctionInvocationFilter"/> it records; as <see cref="IAutoFunctionInvocationFilter"/> it learns which request the calls serve, in which
/// order the model asked for them, and what that cost.
/// </summary>
/// <remarks>
/// A call inside a recorded call is not recorded: replaying the outer one makes it again. Functions without a plugin (prompts, ad-hoc functions) are
/// transparent. Of this library's own functions a replay is recorded as one step that replays the procedure; the others are invisible.
/// Recording never breaks a call: a fault of its own is logged once for a recording, which then cannot be finalized, and the call goes on.
/// </remarks>
public sealed class ProcedureRecordingFilter : IFunctionInvocationFilter, IAutoFunctionInvocationFilter
{
    private readonly ProcedureMemory _memory;
    private readonly ILogger _logger;
    private readonly ConditionalWeakTable<ProcedureRecorder, object> _faulted = [];

    /// <summary>Creates the filter.</summary>
    /// <param name="memory">The memory whose recordings it writes.</param>
    /// <param name="loggerFactory">Where it logs.</param>
    public ProcedureRecordingFilter(ProcedureMemory memory, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.SemanticKernel");
    }

    /// <inheritdoc/>
    public async Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);
        var outer = CallFrames.CurrentModelCall;
        CallFrames.CurrentModelCall = new ModelCall(context);
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            CallFrames.CurrentModelCall = outer;
        }
    }

    /// <inheritdoc/>
    public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);

        // The way of nearly every call: one read of a counter, and no state machine.
        return _memory.HasActiveRecordings && !CallFrames.IsInside(_memory) ? RecordAsync(context, next) : next(context);
    }

    private async Task RecordAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        if (Begin(context) is not var (recorder, call))
        {
            await next(context).ConfigureAwait(false);
            return;
        }

        var outer = CallFrames.Enter(_memory);
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            await CompleteAsync(recorder, call, static () => (null, null), new StepFailure(exception.GetType().Name, exception.Message)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            CallFrames.Leave(outer);
        }

        if (context.IsStreaming && StreamTap.TryWrap(context, _memory, (items, failure) => CompleteAsync(recorder, call, () => (StreamTap.ToJson(items), null), failure)))
        {
            // Nobody may ever read it: the recording does not wait for that.
            recorder.DetachStep(call);
            return;
        }

        await CompleteAsync(recorder, call, context).ConfigureAwait(false);
    }

    private (ProcedureRecorder Recorder, RecordedCall Call)? Begin(FunctionInvocationContext context)
    {
        var function = context.Function;
        if (string.IsNullOrEmpty(function.PluginName) || (KernelActions.IsOurs(function) && !KernelActions.IsReplay(function))
            || KernelSessions.Find(_memory, context.Kernel)?.Recorder is not { } recorder)
        {
            return null;
        }

        try
        {
            var arguments = KernelJson.CaptureArguments(function, context.Arguments, out var omitted);
            var action = KernelActions.NameOf(function);
            var kind = StepKind.Function;
            if (KernelActions.IsReplay(function))
            {
                kind = StepKind.Procedure;
                (action, arguments) = ComposedStep(arguments);
            }

            var model = CallFrames.CurrentModelCall;
            return recorder.BeginStep(action, arguments, kind, model?.Group, model?.Index ?? 0, omitted) is { } call ? (recorder, call) : null;
        }
        catch (Exception exception)
        {
            Fault(recorder, exception);
            return null;
        }
    }

    /// <summary>A replay as a step: the action is the procedure, the arguments are its inputs.</summary>
    private static (string Procedure, JsonElement Inputs) ComposedStep(JsonElement arguments)
    {
        var name = arguments.TryGetProperty("name", out var given) && given.ValueKind is JsonValueKind.String ? given.GetString()! : "";
        var inputs = arguments.TryGetProperty("inputs", out var inner) && inner.ValueKind is JsonValueKind.Object ? inner : default;
        return (string.IsNullOrWhiteSpace(name) ? ProceduralMemoryPlugin.ReplayProcedure : name.Trim(), inputs);
    }

    private Task CompleteAsync(ProcedureRecorder recorder, RecordedCall call, FunctionInvocationContext context)
    {
        if (KernelActions.IsReplay(context.Function) && context.Result.GetValue<object>() is PluginReply reply)
        {
            // The step's result is what a replay of the outer procedure will give for it, not the words for the model.
            var adapted = IsGiven("adapt") || IsGiven("skip");
            return CompleteAsync(recorder, call, () => ((reply as ReplayReply)?.StepResults, adapted ? "the adapted parameters and skipped steps of the replay" : null), reply.Status == ReplyStatus.Completed ? null : new StepFailure(FailureTypes.NestedProcedure, reply.Message));
        }

        return CompleteAsync(
            recorder,
            call,
            () =>
            {
                var result = KernelJson.CaptureResult(context.Result.GetValue<object>(), context.Function, out var lossy);
                return (result, lossy);
            },
            failure: null);

        bool IsGiven(string name) => context.Arguments.TryGetValue(name, out var given) && given is not null;
    }

    private async Task CompleteAsync(ProcedureRecorder recorder, RecordedCall call, Func<(JsonElement? Result, string? Lossy)> capture, StepFailure? failure)
    {
        JsonElement? result = null;
        string? lossy = null;
        try
        {
            (result, lossy) = capture();
        }
        catch (Exception exception)
        {
            lossy = $"the result could not be read ({exception.GetType().Name})";
        }

        try
        {
            // Not cancelled with the call: it was made, and whether it is remembered is not for its caller to decide.
            await recorder.CompleteStepAsync(call, result, failure, lossy, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Fault(recorder, exception);
        }
    }

    private void Fault(ProcedureRecorder recorder, Exception exception)
    {
        recorder.MarkIncomplete(exception);
        if (_faulted.TryAdd(recorder, recorder))
        {
            Log.RecordingFaulted(_logger, recorder.Name, recorder.TraceId, exception);
        }
    }
}

/// <summary>Watches a streamed result go by: the caller enumerates it as ever, and what it took is recorded when it stops.</summary>
internal static class StreamTap
{
    private static readonly MethodInfo ReadMethod = typeof(StreamTap).GetMethod(nameof(Read), BindingFlags.NonPublic | BindingFlags.Static)!;
    private static readonly MethodInfo WrapMethod = typeof(StreamTap).GetMethod(nameof(Wrap), BindingFlags.NonPublic | BindingFlags.Static)!;

    public static bool TryWrap(FunctionInvocationContext context, ProcedureMemory memory, Func<IReadOnlyList<object?>, StepFailure?, Task> completed)
    {
        var stream = context.Result.GetValue<object>();
        if (ElementOf(stream) is not { } element)
        {
            return false;
        }

        // The element type is known only now.
        var wrapped = WrapMethod.MakeGenericMethod(element).Invoke(null, [stream, memory, completed, CancellationToken.None]);
        context.Result = new FunctionResult(context.Result, wrapped);
        return true;
    }

    /// <summary>Reads a streamed result to its end, so that what streams has run.</summary>
    /// <returns>The items as one value, or <see langword="null"/> when the result is no stream.</returns>
    public static async Task<JsonElement?> DrainAsync(object? result, CancellationToken cancellationToken)
    {
        if (ElementOf(result) is not { } element)
        {
            return null;
        }

        return ToJson(await ((Task<List<object?>>)ReadMethod.MakeGenericMethod(element).Invoke(null, [result, cancellationToken])!).ConfigureAwait(false));
    }

    /// <summary>The items as one value: texts and chunks of content run together, anything else is an array.</summary>
    public static JsonElement ToJson(IReadOnlyList<object?> items) => items.All(i => i is string or StreamingKernelContent)
        ? JsonSerializer.SerializeToElement(string.Concat(items))
        : JsonSerializer.SerializeToElement(items);

    private static Type? ElementOf(object? stream) => stream?.GetType().GetInterfaces()
        .FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IAsyncEnumerable<>))?.GetGenericArguments()[0];

    private static async Task<List<object?>> Read<T>(IAsyncEnumerable<T> stream, CancellationToken cancellationToken)
    {
        var items = new List<object?>();
        await foreach (var item in stream.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            items.Add(item);
        }

        return items;
    }

    private static async IAsyncEnumerable<T> Wrap<T>(
        IAsyncEnumerable<T> stream, ProcedureMemory memory, Func<IReadOnlyList<object?>, StepFailure?, Task> completed, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = new List<object?>();
        var failure = new StepFailure("incomplete_stream", "The caller stopped before the end of the stream.");
        var enumerator = stream.GetAsyncEnumerator(cancellationToken);
        await using (enumerator.ConfigureAwait(false))
        {
            try
            {
                while (true)
                {
                    bool more;
                    // The body of a streamed function runs here, not in the call: what it calls belongs to it.
                    var outer = CallFrames.Enter(memory);
                    try
                    {
                        more = await enumerator.MoveNextAsync().ConfigureAwait(false);
                    }
                    catch (Exception exception)
                    {
                        failure = new StepFailure(exception.GetType().Name, exception.Message);
                        throw;
                    }
                    finally
                    {
                        CallFrames.Leave(outer);
                    }

                    if (!more)
                    {
                        failure = null;
                        break;
                    }

                    seen.Add(enumerator.Current);
                    yield return enumerator.Current;
                }
            }
            finally
            {
                await completed(seen, failure).ConfigureAwait(false);
            }
        }
    }
}
