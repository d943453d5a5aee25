using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.SemanticKernel;

namespace ProceduralMemory.SemanticKernel;

/// <summary>How functions of a kernel are named in procedures: <c>plugin.function</c>. Neither name can hold a dot, so the pair is never ambiguous.</summary>
internal static class KernelActions
{
    // Asked on every recorded call.
    private static readonly ConditionalWeakTable<KernelFunction, object> Effects = [];

    public static string NameOf(KernelFunction function) => $"{function.PluginName}.{function.Name}";

    /// <summary>The function of an action; a name as it goes over the wire (<c>plugin-function</c>) is understood as well, since models repeat what they were shown.</summary>
    public static bool TryFind(Kernel kernel, string action, out KernelFunction function)
    {
        var parting = action.IndexOf('.', StringComparison.Ordinal);
        if (parting < 0)
        {
            parting = action.IndexOf('-', StringComparison.Ordinal);
        }

        function = null!;
        return parting > 0 && kernel.Plugins.TryGetFunction(action[..parting], action[(parting + 1)..], out function!);
    }

    /// <summary>What a function declares to do to the world.</summary>
    public static StepEffect EffectOf(KernelFunction function) =>
        ((FunctionEffectAttribute)Effects.GetValue(function, static f => f.UnderlyingMethod?.GetCustomAttribute<FunctionEffectAttribute>() ?? new(StepEffect.Unknown))).Effect;

    public static IEnumerable<string> All(Kernel kernel) => kernel.Plugins.SelectMany(p => p).Where(f => !IsOurs(f)).Select(NameOf);

    /// <summary>Whether a function belongs to this library, under whatever plugin name the host chose.</summary>
    public static bool IsOurs(KernelFunction function) =>
        function.UnderlyingMethod?.DeclaringType is { } type && (type == typeof(ProceduralMemoryPlugin) || type == typeof(ProcedureAdminPlugin));

    /// <summary>Whether a function replays, under whatever name the host chose: it is told by its method.</summary>
    public static bool IsReplay(KernelFunction function) =>
        function.UnderlyingMethod is { Name: nameof(ProceduralMemoryPlugin.ReplayAsync) } method && method.DeclaringType == typeof(ProceduralMemoryPlugin);
}
