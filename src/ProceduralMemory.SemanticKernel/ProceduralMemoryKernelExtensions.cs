using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using ProceduralMemory;
using ProceduralMemory.Capture;
using ProceduralMemory.Distill;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;
using ProceduralMemory.SemanticKernel;

namespace Microsoft.SemanticKernel;

/// <summary>Adds procedural memory to kernels.</summary>
public static class ProceduralMemoryKernelExtensions
{
    /// <summary>Adds procedural memory in a SQLite file: the plugin that the model calls, and the filter that records.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="databasePath">The file, or <c>:memory:</c>.</param>
    /// <returns>The builder.</returns>
    public static IKernelBuilder AddProceduralMemory(this IKernelBuilder builder, string databasePath)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(databasePath);
        return builder.AddProceduralMemory(options => options.DatabasePath = databasePath);
    }

    /// <summary>Adds procedural memory: the plugin that the model calls, and the filter that records.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="configure">Sets the options; they are validated at once.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public static IKernelBuilder AddProceduralMemory(this IKernelBuilder builder, Action<ProceduralMemoryKernelOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddProceduralMemory(configure);
        return builder;
    }

    /// <summary>Adds procedural memory in a SQLite file to services, for every kernel that is built from them.</summary>
    /// <param name="services">The services.</param>
    /// <param name="databasePath">The file, or <c>:memory:</c>.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddProceduralMemory(this IServiceCollection services, string databasePath)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(databasePath);
        return services.AddProceduralMemory(options => options.DatabasePath = databasePath);
    }

    /// <summary>
    /// Adds procedural memory to services, for every kernel that is built from them: the plugin that the model calls, and the filter that records.
    /// Turns of the chat services that are registered by then are learned from (<see cref="ProceduralMemoryOptions.Learning"/>), and the procedures that fit are offered to their models.
    /// A registered <see cref="IProcedureStore"/> takes the place of the SQLite file, a registered generator of embeddings makes procedures be found by meaning as well as by words, and registered judges
    /// (<see cref="IOutcomeJudge"/>, as singletons) are asked beside those of the options; a registered <see cref="IReplayApprover"/> is asked for approvals, a registered <see cref="ITurnJudge"/> whether
    /// turns were tasks done well, and a registered <see cref="IProcedureNamer"/> for names. Adding it a second time covers the chat services that were registered in between, and changes nothing else.
    /// Where there can be no SQLite file at the path, because its folder is missing, building a kernel says so.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; they are validated at once.</param>
    /// <returns>The services.</returns>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public static IServiceCollection AddProceduralMemory(this IServiceCollection services, Action<ProceduralMemoryKernelOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        if (services.Any(d => d.ServiceType == typeof(ProceduralMemoryKernelOptions)))
        {
            // A second plugin of the same name would make every kernel fail to build.
            ChatServices.Cover(services);
            return services;
        }

        var options = new ProceduralMemoryKernelOptions();
        configure(options);
        options.Validate();
        services.AddSingleton(options);
        services.TryAddSingleton(provider => CreateMemory(options, provider));
        services.TryAddSingleton(provider => new ProcedureRecordingFilter(provider.GetRequiredService<ProcedureMemory>(), provider.GetService<ILoggerFactory>(), seesTurns: true));
        services.AddSingleton<IFunctionInvocationFilter>(provider => provider.GetRequiredService<ProcedureRecordingFilter>());
        services.AddSingleton<IAutoFunctionInvocationFilter>(provider => provider.GetRequiredService<ProcedureRecordingFilter>());
        services.TryAddSingleton(provider => new ProceduralMemoryPlugin(provider.GetRequiredService<ProcedureMemory>(), options.Replay, provider.GetService<ILoggerFactory>()));
        services.AddSingleton(provider => KernelPluginFactory.CreateFromObject(provider.GetRequiredService<ProceduralMemoryPlugin>(), options.PluginName));
        if (options.MaxLearnedFunctions > 0)
        {
            services.AddSingleton<KernelPlugin>(provider => new LearnedPlugin(provider.GetRequiredService<ProcedureMemory>(), provider.GetRequiredService<ProceduralMemoryPlugin>(), options.LearnedPluginName));
        }

        ChatServices.Cover(services);
        if (options.AdminPluginName is { } adminName)
        {
            services.AddSingleton(provider => KernelPluginFactory.CreateFromObject(
                new ProcedureAdminPlugin(provider.GetRequiredService<ProcedureMemory>(), provider.GetService<ILoggerFactory>()), adminName));
        }

        if (options.RevisionInterval is not null)
        {
            services.AddSingleton<IHostedService>(provider => new RevisionService(provider.GetRequiredService<ProcedureMemory>(), options, provider.GetService<ILoggerFactory>()));
        }

        return services;
    }

    /// <summary>Adds procedural memory to a kernel that is built already: the plugin that the model calls, and the filter that records, unless the kernel has that of this memory.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="memory">The memory; the caller disposes it.</param>
    /// <param name="pluginName">The plugin name under which the model sees the functions.</param>
    /// <param name="replay">Which functions a replay may call; <see langword="null"/> for every function that the kernel holds.</param>
    /// <param name="loggerFactory">Where it logs; <see langword="null"/> for the kernel's own.</param>
    /// <returns>The kernel.</returns>
    /// <exception cref="ArgumentException">The kernel has a plugin of that name, as when it was given a memory before.</exception>
    public static Kernel UseProceduralMemory(this Kernel kernel, ProcedureMemory memory, string pluginName = "procedures", KernelReplayOptions? replay = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        if (kernel.Plugins.TryGetPlugin(pluginName, out _))
        {
            throw new ArgumentException($"This kernel has a plugin named '{pluginName}' already. Call {nameof(UseProceduralMemory)} once for each kernel; for a second memory give another {nameof(pluginName)}.", nameof(pluginName));
        }

        loggerFactory ??= kernel.LoggerFactory;
        kernel.Plugins.AddFromObject(new ProceduralMemoryPlugin(memory, replay, loggerFactory), pluginName);

        // One filter sees every call for the memory, whatever its functions are called.
        var filter = kernel.FunctionInvocationFilters.OfType<ProcedureRecordingFilter>().FirstOrDefault(f => f.Memory == memory);
        if (filter is null)
        {
            filter = new ProcedureRecordingFilter(memory, loggerFactory);
            kernel.FunctionInvocationFilters.Add(filter);
        }

        if (!kernel.AutoFunctionInvocationFilters.OfType<ProcedureRecordingFilter>().Any(f => f.Memory == memory))
        {
            kernel.AutoFunctionInvocationFilters.Add(filter);
        }

        return kernel;
    }

    /// <summary>
    /// Replays a procedure through a kernel: its steps call the kernel's functions through all of its filters, without a model. Where it stops halfway inside a session (<see cref="ProcedureMemory.BeginSession"/>), and the kernel has the
    /// recording filter, the calls that follow in the session are recorded until the replay goes on: steps that they do are not called again, and procedures learn from them.
    /// </summary>
    /// <param name="memory">The memory.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="name">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none.</param>
    /// <param name="options">Which functions may be called; <see langword="null"/> for every function that the kernel holds.</param>
    /// <param name="cancellationToken">Cancels the replay.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public static async Task<ReplayResult> ReplayAsync(
        this ProcedureMemory memory, Kernel kernel, string name, ReplayRequest? request = null, KernelReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(memory);
        var result = await memory.ReplayAsync(new KernelStepExecutor(kernel, options), name, request, cancellationToken).ConfigureAwait(false);
        await BeginRepairAsync(memory, kernel, result).ConfigureAwait(false);
        return result;
    }

    /// <summary>Goes on with a replay that stopped, or whose process died: see <see cref="ProcedureMemory.ResumeAsync"/>.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="executionId">The execution.</param>
    /// <param name="request">What is added; <see langword="null"/> for nothing.</param>
    /// <param name="options">Which functions may be called; <see langword="null"/> for every function that the kernel holds.</param>
    /// <param name="cancellationToken">Cancels the replay.</param>
    /// <exception cref="ExecutionNotFoundException">The scope has no execution of that id.</exception>
    public static async Task<ReplayResult> ResumeAsync(
        this ProcedureMemory memory, Kernel kernel, Guid executionId, ResumeRequest? request = null, KernelReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(memory);
        var session = KernelSessions.Find(memory, kernel);
        var repair = session?.RepairOf(executionId);
        request = await ProcedureMemory.WithCallsSinceAsync(session, executionId, request ?? new ResumeRequest(), RepairRecording.IsInsideCall(memory, session), cancellationToken).ConfigureAwait(false);
        var result = await memory.ResumeAsync(new KernelStepExecutor(kernel, options), executionId, request, cancellationToken).ConfigureAwait(false);
        await RepairRecording.EndAsync(RepairRecording.IsInsideCall(memory, session) ? null : repair, result, f => LogRepairFault(kernel, executionId, f)).ConfigureAwait(false);
        await BeginRepairAsync(memory, kernel, result).ConfigureAwait(false);
        return result;
    }

    /// <summary>
    /// Says of every active procedure whether it could be replayed through a kernel: missing functions, functions that declare something else than when they were recorded,
    /// procedures that steps replay and that are missing. Nothing is called. For a health check, and for continuous integration.
    /// </summary>
    /// <param name="memory">The memory.</param>
    /// <param name="kernel">The kernel, with the plugins that the agent has.</param>
    /// <param name="options">Which functions may be called; <see langword="null"/> for every function that the kernel holds.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    public static Task<CheckReport> CheckAsync(this ProcedureMemory memory, Kernel kernel, KernelReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(memory);
        return memory.CheckAsync(new KernelStepExecutor(kernel, options), cancellationToken);
    }

    /// <summary>Says what a replay through a kernel would do: a dry run, for which nothing is called, written or asked, and no filter runs.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="name">The procedure.</param>
    /// <param name="request">Inputs and adaptations; <see langword="null"/> for none.</param>
    /// <param name="options">Which functions may be called; <see langword="null"/> for every function that the kernel holds.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public static Task<ReplayPreview> PreviewAsync(
        this ProcedureMemory memory, Kernel kernel, string name, ReplayRequest? request = null, KernelReplayOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(memory);
        return memory.PreviewAsync(new KernelStepExecutor(kernel, options), name, request, cancellationToken);
    }

    private static Task BeginRepairAsync(ProcedureMemory memory, Kernel kernel, ReplayResult result) => ProcedureRecordingFilter.Covers(memory, kernel)
        ? RepairRecording.BeginAsync(memory, () => memory.CurrentSession, result, f => LogRepairFault(kernel, result.ExecutionId, f), CancellationToken.None)
        : Task.CompletedTask;

    private static void LogRepairFault(Kernel kernel, Guid? executionId, ProceduralMemoryException fault) =>
        ProceduralMemory.SemanticKernel.Log.RepairFaulted(kernel.LoggerFactory.CreateLogger("ProceduralMemory.SemanticKernel"), executionId, LoggedFault.Describe(fault), LoggedFault.Of(fault));

    private static ProcedureMemory CreateMemory(ProceduralMemoryKernelOptions options, IServiceProvider provider)
    {
        var store = provider.GetService<IProcedureStore>();

        // A memory looks at its file when it is first used, and then it is a model that would be told, in general words. Here the host still hears of it.
        if (store is null && options.DatabaseFault() is { } fault)
        {
            throw new ProcedureStoreException(StoreFault.Unreachable, fault);
        }

        var generator = options.UseRegisteredEmbeddingGenerator ? provider.GetService<IEmbeddingGenerator<string, Embedding<float>>>() : null;
        return new ProcedureMemory(
            options,
            store,
            provider.GetService<ILoggerFactory>(),
            generator,
            provider.GetService<IReplayApprover>(),
            provider.GetService<ISecretResolver>(),
            provider.GetServices<IOutcomeJudge>,
            provider.GetService<ITurnJudge>(),
            provider.GetService<IProcedureNamer>());
    }
}
