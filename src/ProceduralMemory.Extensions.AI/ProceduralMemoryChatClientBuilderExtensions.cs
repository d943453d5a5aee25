using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ProceduralMemory;
using ProceduralMemory.Extensions.AI;

namespace Microsoft.Extensions.AI;

/// <summary>Adds procedural memory to chat clients.</summary>
public static class ProceduralMemoryChatClientBuilderExtensions
{
    /// <summary>
    /// Gives the chat client a procedural memory: see <see cref="ProceduralMemoryChatClient"/>. Call it before <c>UseFunctionInvocation</c>:
    /// <c>client.AsBuilder().UseProceduralMemory(memory).UseFunctionInvocation().Build()</c>.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="memory">The memory; the caller disposes it.</param>
    /// <param name="configure">Sets the options; they are validated at once.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public static ChatClientBuilder UseProceduralMemory(this ChatClientBuilder builder, ProcedureMemory memory, Action<ProceduralMemoryChatOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(memory);
        var options = ProceduralMemoryChatOptions.Configured(configure);
        return builder.Use((inner, services) => new ProceduralMemoryChatClient(inner, memory, options, services.GetService<ILoggerFactory>()));
    }

    /// <summary>Gives the chat client the procedural memory that is registered as a service: a <see cref="ProcedureMemory"/>.</summary>
    /// <param name="builder">The builder, which is built with the services.</param>
    /// <returns>The builder.</returns>
    public static ChatClientBuilder UseProceduralMemory(this ChatClientBuilder builder) => builder.UseProceduralMemory(static _ => { });

    /// <summary>Gives the chat client the procedural memory that is registered as a service: a <see cref="ProcedureMemory"/>.</summary>
    /// <param name="builder">The builder, which is built with the services.</param>
    /// <param name="configure">Sets the options; they are validated at once.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    public static ChatClientBuilder UseProceduralMemory(this ChatClientBuilder builder, Action<ProceduralMemoryChatOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var options = ProceduralMemoryChatOptions.Configured(configure);
        return builder.Use((inner, services) => new ProceduralMemoryChatClient(
            inner,
            services.GetService<ProcedureMemory>() ?? throw new InvalidOperationException($"No {nameof(ProcedureMemory)} is registered. Register one as a singleton, build the chat client with the services, or call {nameof(UseProceduralMemory)} with a memory."),
            options,
            services.GetService<ILoggerFactory>()));
    }
}
