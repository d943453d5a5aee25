using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.SemanticKernel.ChatCompletion;

namespace ProceduralMemory.SemanticKernel;

/// <summary>Puts <see cref="TurnChatCompletion"/> around the chat services of a collection, each in its place, with its key and its lifetime.</summary>
internal static class ChatServices
{
    private static readonly ConditionalWeakTable<ServiceDescriptor, object> Covered = [];

    /// <summary>Covers those that are registered and not covered yet.</summary>
    public static void Cover(IServiceCollection services)
    {
        for (var i = 0; i < services.Count; i++)
        {
            if (services[i].ServiceType == typeof(IChatCompletionService) && !Covered.TryGetValue(services[i], out _))
            {
                services[i] = Around(services[i]);
                Covered.Add(services[i], services[i]);
            }
        }
    }

    private static ServiceDescriptor Around(ServiceDescriptor registered) => registered.IsKeyedService
        ? ServiceDescriptor.DescribeKeyed(
            typeof(IChatCompletionService),
            registered.ServiceKey,
            (provider, key) => Wrap(
                provider,
                registered.KeyedImplementationInstance,
                () => registered.KeyedImplementationFactory?.Invoke(provider, key) ?? ActivatorUtilities.CreateInstance(provider, registered.KeyedImplementationType!)),
            registered.Lifetime)
        : ServiceDescriptor.Describe(
            typeof(IChatCompletionService),
            provider => Wrap(
                provider,
                registered.ImplementationInstance,
                () => registered.ImplementationFactory?.Invoke(provider) ?? ActivatorUtilities.CreateInstance(provider, registered.ImplementationType!)),
            registered.Lifetime);

    /// <summary>What the container did not create, it does not dispose either.</summary>
    private static TurnChatCompletion Wrap(IServiceProvider provider, object? instance, Func<object> create)
    {
        var memory = provider.GetRequiredService<ProcedureMemory>();
        var options = provider.GetRequiredService<ProceduralMemoryKernelOptions>();
        var logger = (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger("ProceduralMemory.SemanticKernel");
        var service = (IChatCompletionService)(instance ?? create());

        // Of what cannot be disposed the container is to keep nothing.
        return instance is null && service is IDisposable or IAsyncDisposable
            ? new OwningTurnChatCompletion(service, memory, options, logger)
            : new TurnChatCompletion(service, memory, options, logger);
    }
}
