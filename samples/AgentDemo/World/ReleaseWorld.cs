using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AgentDemo.World;

/// <summary>What a release did to the world. Reading a configuration or asking for health changes nothing, so it is no effect.</summary>
public enum EffectKind
{
    /// <summary>An artifact file was written.</summary>
    Built,

    /// <summary>An artifact was copied to the store.</summary>
    Pushed,

    /// <summary>A server began to listen.</summary>
    Started,
}

/// <summary>One entry of the effect log.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Service">The service it happened to.</param>
/// <param name="Version">The version concerned.</param>
/// <param name="Target">The artifact id, digest or URL it produced.</param>
public sealed record Effect(EffectKind Kind, string Service, string Version, string Target);

/// <summary>A server of one released service.</summary>
/// <param name="ServiceId">Id of this start; another one each time.</param>
/// <param name="Service">The service it serves.</param>
/// <param name="Version">The version it serves.</param>
/// <param name="Url">Its address, without a slash at the end.</param>
/// <param name="Port">The port the system chose.</param>
public sealed record RunningService(string ServiceId, string Service, string Version, string Url, int Port);

/// <summary>
/// The small world the demo's agent acts on: folders of configurations, builds and stored artifacts, and the HTTP servers that are up.
/// Every effect is real and is logged when it has happened, so that a demo can check afterwards what was done rather than what was said.
/// </summary>
public sealed class ReleaseWorld : IAsyncDisposable
{
    private const string Production = "production";

    private static readonly (string Service, ServiceSettings Settings)[] InitialServices =
    [
        ("catalog", new("Product catalog", "team-shop", "1.0.0")),
        ("orders", new("Order desk", "team-checkout", "2.0.0")),
        ("billing", new("Invoices and payments", "team-finance", "3.0.0")),
        ("payments", new("Card payments", "team-finance", "4.0.0") { Environment = Production }),
    ];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly TimeProvider _time;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };
    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly Lock _lock = new();
    private readonly List<Effect> _effects = [];
    private readonly Dictionary<string, (RunningService Info, WebApplication App)> _running = new(StringComparer.Ordinal);

    /// <summary>Opens the world in a folder and writes the services' configuration files that are not there yet.</summary>
    /// <param name="root">The folder; made when missing. It stays when the world is disposed.</param>
    /// <param name="time">The clock of ids and time stamps.</param>
    public ReleaseWorld(string root, TimeProvider? time = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(root);
        _time = time ?? TimeProvider.System;
        Root = Path.GetFullPath(root);
        foreach (var folder in new[] { "configs", "validated", "builds", "store" })
        {
            Directory.CreateDirectory(Path.Combine(Root, folder));
        }

        foreach (var (service, settings) in InitialServices)
        {
            var file = PathOf($"configs/{service}.json");
            if (!File.Exists(file))
            {
                File.WriteAllText(file, JsonSerializer.Serialize(new { service, settings }, Indented));
            }
        }
    }

    /// <summary>The world's folder.</summary>
    public string Root { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time => _time;

    /// <summary>How many effects have happened: take it before a task, and hand it to <see cref="CountWrongOrDoubled"/> after.</summary>
    public int EffectCount
    {
        get
        {
            lock (_lock)
            {
                return _effects.Count;
            }
        }
    }

    /// <summary>A snapshot of the effect log, oldest first.</summary>
    public IReadOnlyList<Effect> Effects
    {
        get
        {
            lock (_lock)
            {
                return [.. _effects];
            }
        }
    }

    /// <summary>A new id; its prefix says what it is the id of.</summary>
    public string NewId(string prefix) => string.Create(CultureInfo.InvariantCulture, $"{prefix}-{Guid.CreateVersion7(_time.GetUtcNow()):N}");

    /// <summary>The file behind a name such as <c>builds/x.zip</c>: tools speak in these names, since a machine's paths are none of a model's business.</summary>
    public string PathOf(string name) => Path.Combine(Root, name.Replace('/', Path.DirectorySeparatorChar));

    /// <summary>Notes an effect; to be called once it has really happened.</summary>
    public void Log(EffectKind kind, string service, string version, string target)
    {
        lock (_lock)
        {
            _effects.Add(new Effect(kind, service, version, target));
        }
    }

    /// <summary>
    /// Counts the effects since an index of the log that should not be there: those on another service or version than asked for,
    /// and those that repeat one already had (each effect counts once at most).
    /// </summary>
    public int CountWrongOrDoubled(string expectedService, string expectedVersion, int sinceIndex)
    {
        var seen = new HashSet<(EffectKind, string, string)>();
        return Effects.Skip(sinceIndex).Count(e =>
            e.Service != expectedService || e.Version != expectedVersion || !seen.Add((e.Kind, e.Service, e.Version)));
    }

    /// <summary>Asks the running server of a service, over HTTP, which version it serves; null when there is none or it does not answer.</summary>
    public async Task<string?> VersionServedAsync(string service, CancellationToken cancellationToken = default)
    {
        RunningService? info;
        lock (_lock)
        {
            info = _running.TryGetValue(service, out var entry) ? entry.Info : null;
        }

        if (info is null)
        {
            return null;
        }

        try
        {
            return (await ReadHealthAsync(new Uri(info.Url), cancellationToken)).Version;
        }
        catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    /// <summary>Reads <c>/health</c> of a server.</summary>
    public async Task<HealthBody> ReadHealthAsync(Uri server, CancellationToken cancellationToken = default) =>
        await _http.GetFromJsonAsync<HealthBody>(new Uri(server, "/health"), cancellationToken)
        ?? throw new HttpRequestException("The health answer was empty.");

    /// <summary>
    /// Starts a server for a service. A server the service already had is stopped only after the new one listens:
    /// a start that fails leaves the old version up.
    /// </summary>
    /// <exception cref="IOException">The port is taken.</exception>
    public async Task<RunningService> StartAsync(string service, string version, string indexPage, int port = 0, CancellationToken cancellationToken = default)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            var app = BuildServer(new HealthBody(service, version, "ok"), indexPage, port);
            RunningService info;
            try
            {
                await app.StartAsync(cancellationToken);
                var address = new Uri(app.Urls.Single());
                info = new RunningService(NewId("svc"), service, version, address.GetLeftPart(UriPartial.Authority), address.Port);
            }
            catch
            {
                await app.DisposeAsync();
                throw;
            }

            WebApplication? previous;
            lock (_lock)
            {
                previous = _running.TryGetValue(service, out var entry) ? entry.App : null;
                _running[service] = (info, app);
                _effects.Add(new Effect(EffectKind.Started, service, version, info.Url));
            }

            if (previous is not null)
            {
                await StopAsync(previous);
            }

            return info;
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>Gives a service another name, as its owners do. What is up goes on under the new name until its successor listens.</summary>
    public void Rename(string service, string newName)
    {
        var file = PathOf($"configs/{service}.json");
        var config = JsonNode.Parse(File.ReadAllText(file))!;
        config["service"] = newName;
        File.WriteAllText(PathOf($"configs/{newName}.json"), config.ToJsonString(Indented));
        File.Delete(file);
        lock (_lock)
        {
            if (_running.Remove(service, out var entry))
            {
                _running[newName] = entry;
            }
        }
    }

    /// <summary>Lets a service listen on a port of its own from its next deployment on.</summary>
    public void Configure(string service, int port)
    {
        var file = PathOf($"configs/{service}.json");
        var config = JsonNode.Parse(File.ReadAllText(file))!;
        config["settings"]!["port"] = port;
        File.WriteAllText(file, config.ToJsonString(Indented));
    }

    /// <summary>Whether a service runs in production, by its configuration.</summary>
    public bool IsInProduction(string service) => InitialServices.Any(s => s.Service == service && s.Settings.Environment == Production);

    /// <summary>Stops every server. The files stay.</summary>
    public async ValueTask DisposeAsync()
    {
        List<WebApplication> apps;
        lock (_lock)
        {
            apps = [.. _running.Values.Select(r => r.App)];
            _running.Clear();
        }

        foreach (var app in apps)
        {
            await StopAsync(app);
        }

        _http.Dispose();
        _starting.Dispose();
    }

    private static WebApplication BuildServer(HealthBody health, string indexPage, int port)
    {
        // The empty builder reads no settings of the host process and has no log provider: nothing reaches the demo's console.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        builder.Services.AddSingleton<IHostLifetime, DetachedLifetime>();
        var app = builder.Build();
        app.Run(async context =>
        {
            switch (context.Request.Method, context.Request.Path.Value)
            {
                case ("GET", "/health"):
                    await context.Response.WriteAsJsonAsync(health, context.RequestAborted);
                    break;
                case ("GET", "/"):
                    context.Response.ContentType = "text/html; charset=utf-8";
                    await context.Response.WriteAsync(indexPage, context.RequestAborted);
                    break;
                default:
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    break;
            }
        });
        return app;
    }

    private static async Task StopAsync(WebApplication app)
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }

    /// <summary>Keeps a server from taking over Ctrl+C: the console belongs to the program, not to a service it released.</summary>
    private sealed class DetachedLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
