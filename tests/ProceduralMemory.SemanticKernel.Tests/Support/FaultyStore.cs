using System.Reflection;
using System.Runtime.ExceptionServices;
using ProceduralMemory.Persist;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>A store some of whose operations fail.</summary>
#pragma warning disable CA1852 // DispatchProxy derives from it.
internal class FaultyStore : DispatchProxy
{
    private IProcedureStore _inner = null!;
    private Func<string, Exception?> _fault = null!;
#pragma warning restore CA1852

    /// <param name="inner">The store that does what does not fail.</param>
    /// <param name="fault">The operation's name to what it fails with.</param>
    public static IProcedureStore Around(IProcedureStore inner, Func<string, Exception?> fault)
    {
        var store = Create<IProcedureStore, FaultyStore>();
        (((FaultyStore)(object)store)._inner, ((FaultyStore)(object)store)._fault) = (inner, fault);
        return store;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (_fault(targetMethod!.Name) is { } fault)
        {
            throw fault;
        }

        try
        {
            return targetMethod.Invoke(_inner, args);
        }
        catch (TargetInvocationException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerException!);
            throw;
        }
    }
}
