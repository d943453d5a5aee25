using Microsoft.Extensions.AI;

namespace ProceduralMemory.Extensions.AI;

/// <summary>The functions among some tools, by the names that procedures have for them.</summary>
internal sealed class ToolSet
{
    private static readonly char[] OnTheWire = ['_', '-'];

    private readonly Dictionary<string, AIFunction> _exact = new(StringComparer.Ordinal);
    private readonly Dictionary<string, AIFunction> _functions = new(StringComparer.OrdinalIgnoreCase);

    public ToolSet(IEnumerable<AITool> tools)
    {
        foreach (var function in tools.OfType<AIFunction>())
        {
            _exact.TryAdd(function.Name, function);
            _functions.TryAdd(function.Name, function);
        }
    }

    /// <summary>The names of what a procedure may call.</summary>
    public IEnumerable<string> Names => _exact.Values.Where(f => FunctionActions.OursIn(f) is null).Select(f => f.Name);

    public IEnumerable<AIFunction> Functions => _exact.Values;

    public bool Has(string name) => _functions.ContainsKey(name);

    /// <summary>The function of exactly this name.</summary>
    public AIFunction? Exactly(string name) => _exact.GetValueOrDefault(name);

    /// <summary>
    /// The function of an action: the one of its name, else one whose name has other capitals. What Semantic Kernel recorded as <c>plugin.function</c> is offered by tool lists as <c>plugin_function</c> or
    /// <c>plugin-function</c>.
    /// </summary>
    public AIFunction? Find(string action)
    {
        if (_exact.TryGetValue(action, out var function) || _functions.TryGetValue(action, out function))
        {
            return function;
        }

        var at = action.IndexOf('.', StringComparison.Ordinal);
        if (at > 0)
        {
            foreach (var parting in OnTheWire)
            {
                if (_functions.TryGetValue(string.Concat(action.AsSpan(0, at), [parting], action.AsSpan(at + 1)), out function))
                {
                    return function;
                }
            }
        }

        return null;
    }

    /// <summary>Whether a replay may call a function: it is there, is none of this library's, and the host allows it.</summary>
    public bool CanBeReplayed(string action, FunctionReplayOptions options) =>
        Find(action) is { } function && FunctionActions.OursIn(function) is null && options.Allows(function.Name) && options.Allows(action);
}
