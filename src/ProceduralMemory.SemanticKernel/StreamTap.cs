using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.SemanticKernel;
using ProceduralMemory.Extensions.AI;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Watches a streamed result go by: the caller enumerates it as ever, and what it took is recorded when it stops.</summary>
internal static class StreamTap
{
    /// <summary>The type of the failure of a stream that was not read to its end.</summary>
    public const string IncompleteStream = CallRecording.IncompleteStream;

    private static readonly MethodInfo ReadMethod = typeof(StreamTap).GetMethod(nameof(Read), BindingFlags.NonPublic | BindingFlags.Static)!;
    private static readonly MethodInfo WrapMethod = typeof(StreamTap).GetMethod(nameof(Wrap), BindingFlags.NonPublic | BindingFlags.Static)!;

    public static bool TryWrap(FunctionInvocationContext context, ProcedureMemory memory, ReplayWatch? replay, FrameKind kind, Func<StreamedItems, StepFailure?, Task> completed)
    {
        var stream = context.Result.GetValue<object>();
        if (ElementOf(stream) is not { } element)
        {
            return false;
        }

        // The element type is known only now.
        var wrapped = WrapMethod.MakeGenericMethod(element).Invoke(null, [stream, context.Function, memory, replay, kind, completed, CancellationToken.None]);
        context.Result = new FunctionResult(context.Result, wrapped);
        return true;
    }

    /// <summary>Reads a streamed result to its end, so that what streams has run.</summary>
    /// <returns>The items as one value, or <see langword="null"/> when the result is no stream.</returns>
    public static async Task<JsonElement?> DrainAsync(object? result, KernelFunction function, CancellationToken cancellationToken)
    {
        if (ElementOf(result) is not { } element)
        {
            return null;
        }

        // As a whole, like any other result: later steps may need all of it.
        var items = new StreamedItems(function, maxBytes: int.MaxValue);
        await ((Task)ReadMethod.MakeGenericMethod(element).Invoke(null, [result, items, cancellationToken])!).ConfigureAwait(false);
        return items.ToJson(out _);
    }

    private static Type? ElementOf(object? stream) => stream?.GetType().GetInterfaces()
        .FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IAsyncEnumerable<>))?.GetGenericArguments()[0];

    private static async Task Read<T>(IAsyncEnumerable<T> stream, StreamedItems items, CancellationToken cancellationToken)
    {
        await foreach (var item in stream.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            items.Add(item);
        }
    }

    private static async IAsyncEnumerable<T> Wrap<T>(
        IAsyncEnumerable<T> stream, KernelFunction function, ProcedureMemory memory, ReplayWatch? replay, FrameKind kind, Func<StreamedItems, StepFailure?, Task> completed, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = new StreamedItems(function, memory.Options.MaxValueBytes);
        var failure = new StepFailure(IncompleteStream, "The caller stopped before the end of the stream.");
        var enumerator = stream.GetAsyncEnumerator(cancellationToken);
        await using (enumerator.ConfigureAwait(false))
        {
            try
            {
                while (true)
                {
                    bool more;
                    // The body of a streamed function runs here, not in the call: what it calls belongs to it.
                    var outer = CallFrames.Enter(memory, replay, kind);
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
                        CallFrames.Suspend(outer);
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

/// <summary>What came of a stream, taken down item by item as JSON, and no further than it can be kept.</summary>
internal sealed class StreamedItems(KernelFunction function, int maxBytes)
{
    private readonly List<JsonElement> _items = [];
    private bool _isText = true;
    private long _bytes;
    private string? _lossy;

    public void Add(object? item)
    {
        if (_bytes > maxBytes)
        {
            return;
        }

        // Texts and chunks of content run together; anything else becomes an array.
        _isText &= item is string or StreamingKernelContent;
        var json = KernelJson.CaptureItem(item, function, out var lossy);
        _lossy ??= lossy;
        _bytes += json.GetRawText().Length;
        if (_bytes > maxBytes)
        {
            _items.Clear();
        }
        else
        {
            _items.Add(json);
        }
    }

    /// <summary>The items as one value; <see langword="null"/> when there were more than can be kept.</summary>
    public JsonElement? ToJson(out string? lossy)
    {
        if (_bytes > maxBytes)
        {
            lossy = string.Create(CultureInfo.InvariantCulture, $"result: the stream has more bytes than {nameof(ProceduralMemoryOptions.MaxValueBytes)} ({maxBytes}) allows");
            return null;
        }

        lossy = _lossy;
        return _isText ? JsonSerializer.SerializeToElement(string.Concat(_items.Select(i => i.GetString()))) : JsonSerializer.SerializeToElement(_items);
    }
}
