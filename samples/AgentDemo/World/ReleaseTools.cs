using System.ComponentModel;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.SemanticKernel;

namespace AgentDemo.World;

/// <summary>What a service's configuration file sets.</summary>
public sealed record ServiceSettings(
    [property: JsonPropertyName("title")] string Title,
    [property: JsonPropertyName("owner")] string Owner,
    [property: JsonPropertyName("minimum_version")] string MinimumVersion)
{
    /// <summary>The port that the service listens on; <see langword="null"/> for any that is free.</summary>
    [JsonPropertyName("port")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Port { get; init; }

    /// <summary>Where it runs, if that is anything special: <c>production</c>.</summary>
    [JsonPropertyName("environment")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Environment { get; init; }
}

/// <summary>A configuration that was read and found valid for one version.</summary>
public sealed record ValidatedConfig(
    [property: JsonPropertyName("config_id")] string ConfigId,
    [property: JsonPropertyName("service")] string Service,
    [property: JsonPropertyName("version")] string Version,
    [property: JsonPropertyName("valid")] bool Valid,
    [property: JsonPropertyName("settings")] ServiceSettings Settings);

/// <summary>An artifact file that was written.</summary>
public sealed record BuiltArtifact(
    [property: JsonPropertyName("artifact_id")] string ArtifactId,
    [property: JsonPropertyName("file")] string File,
    [property: JsonPropertyName("sha256")] string Sha256,
    [property: JsonPropertyName("size_bytes")] long SizeBytes);

/// <summary>An artifact that lies in the store.</summary>
public sealed record PushedArtifact(
    [property: JsonPropertyName("location")] string Location,
    [property: JsonPropertyName("pushed_at")] DateTimeOffset PushedAt,
    [property: JsonPropertyName("digest")] string Digest);

/// <summary>A service that listens.</summary>
public sealed record StartedService(
    [property: JsonPropertyName("service_id")] string ServiceId,
    [property: JsonPropertyName("url")] string Url,
    [property: JsonPropertyName("port")] int Port);

/// <summary>The outcome of a health check.</summary>
public sealed record HealthCheck(
    [property: JsonPropertyName("healthy")] bool Healthy,
    [property: JsonPropertyName("version")] string Version,
    [property: JsonPropertyName("status")] string Status);

/// <summary>The body a released service answers on <c>/health</c>.</summary>
public sealed record HealthBody(
    [property: JsonPropertyName("service")] string Service,
    [property: JsonPropertyName("version")] string Version,
    [property: JsonPropertyName("status")] string Status);

/// <summary>A release tool could not do what was asked. The message is written for the model: it names no path and no stack.</summary>
public sealed class ReleaseException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// The tools of the demo's agent: they take a service from its configuration to a listening HTTP server, on this machine and for real.
/// Each tool wants something only the one before it gives (a config id, a digest, a location, a URL), and all of these differ on every run:
/// a recording that stored values instead of where they came from could not be replayed.
/// </summary>
public sealed partial class ReleaseTools(ReleaseWorld world)
{
    /// <summary>The name to register the plugin under.</summary>
    public const string PluginName = "release";

    /// <summary>Reads and validates the configuration file of a service.</summary>
    [KernelFunction("validate_config")]
    [Description("Reads and validates the configuration of a service for a version. The first step of a deployment.")]
    public async Task<ValidatedConfig> ValidateConfigAsync(
        [Description("Name of the service, for example catalog")] string service,
        [Description("Version to be deployed, as major.minor.patch")] string version,
        CancellationToken cancellationToken = default)
    {
        var wanted = ParseVersion(version);
        var file = ServiceName().IsMatch(service) ? world.PathOf($"configs/{service}.json") : null;
        if (file is null || !File.Exists(file))
        {
            throw new ReleaseException($"There is no configuration for a service '{service}'.");
        }

        ConfigFile config;
        try
        {
            config = JsonSerializer.Deserialize<ConfigFile>(await File.ReadAllTextAsync(file, cancellationToken))!;
        }
        catch (JsonException e)
        {
            throw new ReleaseException($"The configuration of '{service}' is not valid JSON.", e);
        }

        if (config?.Service != service || config.Settings is not { MinimumVersion: not null } settings || string.IsNullOrWhiteSpace(settings.Title))
        {
            throw new ReleaseException($"The configuration of '{service}' is incomplete: it must have the service's own name, a title and a minimum version.");
        }

        if (wanted < ParseVersion(settings.MinimumVersion))
        {
            throw new ReleaseException($"The configuration of '{service}' needs version {settings.MinimumVersion} or later; {version} was asked for.");
        }

        var validated = new ValidatedConfig(world.NewId("cfg"), service, version, true, settings);
        await File.WriteAllTextAsync(world.PathOf($"validated/{validated.ConfigId}.json"), JsonSerializer.Serialize(validated), cancellationToken);
        return validated;
    }

    /// <summary>Builds the artifact of a service.</summary>
    [KernelFunction("build_artifact")]
    [Description("Builds the deployable artifact of a service from its validated configuration.")]
    public async Task<BuiltArtifact> BuildArtifactAsync(
        [Description("Name of the service")] string service,
        [Description("Version to build, as major.minor.patch")] string version,
        [Description("The config_id that validate_config returned")] string config_id,
        CancellationToken cancellationToken = default)
    {
        var config = await ReadValidatedAsync(config_id, cancellationToken);
        if (config.Service != service || config.Version != version)
        {
            throw new ReleaseException($"Configuration {config_id} was validated for {config.Service} {config.Version}, not for {service} {version}.");
        }

        var artifactId = world.NewId("art");
        var name = $"builds/{artifactId}.zip";
        var path = world.PathOf(name);
        await using (var file = File.Create(path))
        await using (var zip = new ZipArchive(file, ZipArchiveMode.Create))
        {
            await WriteEntryAsync(zip, "manifest.json", JsonSerializer.Serialize(new Manifest(service, version, artifactId, config.Settings.Port)), cancellationToken);
            await WriteEntryAsync(zip, "index.html", IndexPage(config.Settings.Title, service, version), cancellationToken);
        }

        var result = new BuiltArtifact(artifactId, name, await DigestAsync(path, cancellationToken), new FileInfo(path).Length);
        world.Log(EffectKind.Built, service, version, artifactId);
        return result;
    }

    /// <summary>Copies an artifact to the store.</summary>
    [KernelFunction("push_artifact")]
    [Description("Copies a built artifact to the artifact store, after verifying its digest.")]
    public async Task<PushedArtifact> PushArtifactAsync(
        [Description("The artifact_id that build_artifact returned")] string artifact_id,
        [Description("The sha256 that build_artifact returned")] string sha256,
        CancellationToken cancellationToken = default)
    {
        var path = ArtifactId().IsMatch(artifact_id) ? world.PathOf($"builds/{artifact_id}.zip") : null;
        if (path is null || !File.Exists(path))
        {
            throw new ReleaseException($"There is no built artifact '{artifact_id}'.");
        }

        var digest = await DigestAsync(path, cancellationToken);
        if (!string.Equals(digest, sha256, StringComparison.OrdinalIgnoreCase))
        {
            throw new ReleaseException($"The digest of artifact {artifact_id} does not match: the file has {digest}, the request says {sha256}. Nothing was pushed.");
        }

        var location = $"store/{digest}.zip";
        File.Copy(path, world.PathOf(location), overwrite: true);
        var (manifest, _) = await UnpackAsync(path, cancellationToken);
        world.Log(EffectKind.Pushed, manifest.Service, manifest.Version, digest);
        return new PushedArtifact(location, world.Time.GetUtcNow(), digest);
    }

    /// <summary>Starts a server from a stored artifact.</summary>
    [KernelFunction("start_service")]
    [Description("Starts a service from an artifact in the store; an earlier start of the same service is replaced.")]
    public async Task<StartedService> StartServiceAsync(
        [Description("Name of the service")] string service,
        [Description("The location that push_artifact returned")] string location,
        [Description("Another port than the configured one, or 0 for any that is free; only where that is taken")] int? port = null,
        CancellationToken cancellationToken = default)
    {
        var path = StoreLocation().IsMatch(location) ? world.PathOf(location) : null;
        if (path is null || !File.Exists(path))
        {
            throw new ReleaseException($"There is nothing in the artifact store at '{location}'.");
        }

        var (manifest, indexPage) = await UnpackAsync(path, cancellationToken);
        if (manifest.Service != service)
        {
            throw new ReleaseException($"The artifact at '{location}' is one of service '{manifest.Service}', not of '{service}'.");
        }

        var wanted = port ?? manifest.Port ?? 0;
        if (wanted is < 0 or > 65535)
        {
            throw new ReleaseException(string.Create(CultureInfo.InvariantCulture, $"{wanted} is no port: give one up to 65535, or 0 for any that is free."));
        }

        RunningService running;
        try
        {
            running = await world.StartAsync(service, manifest.Version, indexPage, wanted, cancellationToken);
        }
        catch (IOException)
        {
            // Not passed on as the cause: an I/O error leaves open whether anything was done, and nothing was.
            throw new ReleaseException(string.Create(CultureInfo.InvariantCulture, $"Port {wanted} is taken by another process, so nothing was started. Give another port, or 0 for any that is free."));
        }

        return new StartedService(running.ServiceId, running.Url, running.Port);
    }

    /// <summary>Asks a started service for its health.</summary>
    [KernelFunction("check_health")]
    [Description("Asks a started service for its health and compares the version it serves. The last step of a deployment.")]
    public async Task<HealthCheck> CheckHealthAsync(
        [Description("The url that start_service returned")] string url,
        [Description("The version the service is expected to serve")] string expected_version,
        CancellationToken cancellationToken = default)
    {
        // A model's word decides this address: it must not turn the tool into a probe of other machines.
        if (!Uri.TryCreate(url, UriKind.Absolute, out var server) || server.Scheme != Uri.UriSchemeHttp || !server.IsLoopback)
        {
            throw new ReleaseException($"'{url}' is not the address of a service on this machine.");
        }

        try
        {
            var health = await world.ReadHealthAsync(server, cancellationToken);
            return new HealthCheck(health.Status == "ok" && health.Version == expected_version, health.Version, health.Status);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException || (e is TaskCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new ReleaseException($"No healthy answer from {url}/health.", e);
        }
    }

    private static Version ParseVersion(string version) =>
        VersionNumber().IsMatch(version) && Version.TryParse(version, out var parsed)
            ? parsed
            : throw new ReleaseException($"'{version}' is not a version of the form major.minor.patch.");

    private async Task<ValidatedConfig> ReadValidatedAsync(string configId, CancellationToken cancellationToken)
    {
        var path = ConfigId().IsMatch(configId) ? world.PathOf($"validated/{configId}.json") : null;
        if (path is null || !File.Exists(path))
        {
            throw new ReleaseException($"There is no validated configuration '{configId}'.");
        }

        return JsonSerializer.Deserialize<ValidatedConfig>(await File.ReadAllTextAsync(path, cancellationToken))!;
    }

    private static async Task WriteEntryAsync(ZipArchive zip, string name, string text, CancellationToken cancellationToken)
    {
        await using var stream = await zip.CreateEntry(name).OpenAsync(cancellationToken);
        await using var writer = new StreamWriter(stream);
        await writer.WriteAsync(text.AsMemory(), cancellationToken);
    }

    private static async Task<(Manifest Manifest, string IndexPage)> UnpackAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var zip = await ZipFile.OpenReadAsync(path, cancellationToken);
            var manifest = JsonSerializer.Deserialize<Manifest>(await ReadEntryAsync(zip, "manifest.json", cancellationToken));
            return (manifest!, await ReadEntryAsync(zip, "index.html", cancellationToken));
        }
        catch (Exception e) when (e is InvalidDataException or JsonException)
        {
            throw new ReleaseException("The artifact is damaged: it has no readable manifest and index page.", e);
        }
    }

    private static async Task<string> ReadEntryAsync(ZipArchive zip, string name, CancellationToken cancellationToken)
    {
        var entry = zip.GetEntry(name) ?? throw new InvalidDataException($"No {name}.");
        using var reader = new StreamReader(await entry.OpenAsync(cancellationToken));
        return await reader.ReadToEndAsync(cancellationToken);
    }

    private static async Task<string> DigestAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
    }

    private static string IndexPage(string title, string service, string version) => string.Create(
        CultureInfo.InvariantCulture,
        $"<!doctype html><html lang=\"en\"><title>{WebUtility.HtmlEncode(title)}</title><h1>{WebUtility.HtmlEncode(title)}</h1><p>{service} {version}</p></html>");

    // Names become file names, so only what these patterns admit is ever looked up.
    [GeneratedRegex(@"\A[a-z][a-z0-9-]{0,62}\z")]
    private static partial Regex ServiceName();

    [GeneratedRegex(@"\A[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}\z")]
    private static partial Regex VersionNumber();

    [GeneratedRegex(@"\Acfg-[0-9a-f]{32}\z")]
    private static partial Regex ConfigId();

    [GeneratedRegex(@"\Aart-[0-9a-f]{32}\z")]
    private static partial Regex ArtifactId();

    [GeneratedRegex(@"\Astore/[0-9a-f]{64}\.zip\z")]
    private static partial Regex StoreLocation();

    private sealed record ConfigFile(
        [property: JsonPropertyName("service")] string? Service,
        [property: JsonPropertyName("settings")] ServiceSettings? Settings);

    private sealed record Manifest(
        [property: JsonPropertyName("service")] string Service,
        [property: JsonPropertyName("version")] string Version,
        [property: JsonPropertyName("build_id")] string BuildId,
        [property: JsonPropertyName("port")] int? Port = null);
}
