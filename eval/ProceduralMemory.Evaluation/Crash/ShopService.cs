using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ProceduralMemory.Evaluation.Crash;

/// <summary>
/// The service whose effects are counted, in a process that is not killed. It takes part of its time before an effect and part of it after, and does what it was asked for
/// whether or not anybody waits for the answer, as services do.
/// </summary>
internal sealed class ShopService : IAsyncDisposable
{
    public const string KeyHeader = "Idempotency-Key";
    public const string WorkerHeader = "X-Worker";

    /// <summary>Orders that begin so are for getting warm: they are answered at once.</summary>
    public const string WarmUp = "warm-up-";

    private const int LeastMilliseconds = 5, MostMilliseconds = 15;

    private readonly WebApplication _app;
    private readonly Random _latency;
    private readonly ConcurrentDictionary<string, ConcurrentQueue<ShopRequest>> _log = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Order, string Step), ConcurrentQueue<string>> _given = new();
    private readonly ConcurrentDictionary<string, Lazy<string>> _byKey = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _connections = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, bool>> _connectionsOfWorkers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Turnstile> _gates = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Turnstile> _asked = new(StringComparer.Ordinal);
    private int _numbers;

    private ShopService(int seed)
    {
        _latency = new Random(seed);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            // The connections of workers that wait for their turn stay open.
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromHours(1);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Use(next => async connection =>
            {
                var ended = _connections[connection.ConnectionId] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                try
                {
                    await next(connection);
                }
                finally
                {
                    ended.SetResult();
                }
            }));
        });
        builder.Services.AddSingleton<IHostLifetime, DetachedLifetime>();
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    /// <summary>Its address.</summary>
    public Uri Address { get; private set; } = null!;

    public static async Task<ShopService> StartAsync(int seed, CancellationToken cancellationToken)
    {
        var service = new ShopService(seed);
        await service._app.StartAsync(cancellationToken);
        service.Address = new Uri(service._app.Urls.Single());
        return service;
    }

    /// <summary>Where a step of an order is done.</summary>
    public static Uri PathOf(string order, string step, string given) => new($"/orders/{Uri.EscapeDataString(order)}/{Uri.EscapeDataString(step)}?given={Uri.EscapeDataString(given)}", UriKind.Relative);

    /// <summary>The requests for an order, in the order in which they came.</summary>
    public IReadOnlyList<ShopRequest> LogOf(string order) => _log.TryGetValue(order, out var requests) ? [.. requests] : [];

    /// <summary>How often a step of an order had its effect. What a step that only reads gave is counted alike.</summary>
    public int CountOf(string order, string step) => _given.TryGetValue((order, step), out var values) ? values.Count : 0;

    /// <summary>What was answered, or would have been, the first time that a step had its effect.</summary>
    public JsonElement AnswerOf(string order, string step) => JsonSerializer.SerializeToElement(new { value = _given[(order, step)].First() });

    /// <summary>Waits until a worker has asked so many times.</summary>
    public Task AskedAsync(string worker, int times) => _asked.GetOrAdd(worker, static _ => new Turnstile()).PassedAsync(times);

    /// <summary>Waits until nothing more can come of a worker: it has ended, and what it had sent is dealt with.</summary>
    public Task GoneAsync(string worker) => Task.WhenAll((_connectionsOfWorkers.GetValueOrDefault(worker)?.Keys ?? []).Select(c => _connections[c].Task));

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var worker = context.Request.Headers[WorkerHeader].ToString();
        _connectionsOfWorkers.GetOrAdd(worker, static _ => new(StringComparer.Ordinal)).TryAdd(context.Connection.Id, true);
        switch ((context.Request.Path.Value ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            case ["hello"]:
                break;
            case ["gate", var gate]:
                // Two are let go at once: whoever comes first waits for the other.
                var both = _gates.GetOrAdd(gate, static _ => new Turnstile());
                both.Pass();
                await both.PassedAsync(2);
                break;
            case ["orders", var order, var step] when ShopProcedure.Steps.Contains(step):
                await AnswerAsync(context, worker, order, step);
                break;
            default:
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                break;
        }
    }

    private async Task AnswerAsync(HttpContext context, string worker, string order, string step)
    {
        var (given, key) = (context.Request.Query["given"].ToString(), context.Request.Headers[KeyHeader].ToString());
        _log.GetOrAdd(order, static _ => new()).Enqueue(new ShopRequest(step, worker, key));
        _asked.GetOrAdd(worker, static _ => new Turnstile()).Pass();
        if (ShopProcedure.Before(step) is { } before ? !_given.TryGetValue((order, before), out var values) || !values.Contains(given) : given != ShopProcedure.Nothing)
        {
            context.Response.StatusCode = StatusCodes.Status409Conflict;
            return;
        }

        // The token of the request is not looked at: who has gone away has asked all the same.
        var (first, second) = LatencyOf(order);
        await Task.Delay(first, CancellationToken.None);
        var value = key.Length == 0 ? Effect(order, step) : _byKey.GetOrAdd(key, _ => new(() => Effect(order, step))).Value;
        await Task.Delay(second, CancellationToken.None);
        await context.Response.WriteAsJsonAsync(new { value }, CancellationToken.None);
    }

    private string Effect(string order, string step)
    {
        var value = string.Create(CultureInfo.InvariantCulture, $"{step}-{Interlocked.Increment(ref _numbers)}");
        _given.GetOrAdd((order, step), static _ => new()).Enqueue(value);
        return value;
    }

    /// <summary>How long it takes before and after the effect, in ms.</summary>
    private (int Before, int After) LatencyOf(string order)
    {
        if (order.StartsWith(WarmUp, StringComparison.Ordinal))
        {
            return (0, 0);
        }

        lock (_latency)
        {
            var whole = _latency.Next(LeastMilliseconds, MostMilliseconds + 1);
            var before = _latency.Next(whole + 1);
            return (before, whole - before);
        }
    }

    /// <summary>Counts who comes, and tells whoever waits for a number.</summary>
    private sealed class Turnstile
    {
        private readonly List<(int Times, TaskCompletionSource Passed)> _waiting = [];
        private int _count;

        public void Pass()
        {
            lock (_waiting)
            {
                _count++;
                _waiting.FindAll(w => w.Times <= _count).ForEach(w => w.Passed.TrySetResult());
            }
        }

        public Task PassedAsync(int times)
        {
            lock (_waiting)
            {
                var passed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting.Add((times, passed));
                if (times <= _count)
                {
                    passed.SetResult();
                }

                return passed.Task;
            }
        }
    }

    /// <summary>Keeps the server from taking over Ctrl+C: the console belongs to the program.</summary>
    private sealed class DetachedLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

/// <summary>A request as the service's own log has it.</summary>
/// <param name="Step">The step of the order that was asked for.</param>
/// <param name="Worker">The process that asked.</param>
/// <param name="Key">The idempotency key; empty where none came.</param>
internal sealed record ShopRequest(string Step, string Worker, string Key);
