using Microsoft.SemanticKernel;

namespace ProceduralMemory.SemanticKernel.Tests;

/// <summary>The filters of a host, written where a test uses them. What is not given lets everything through.</summary>
internal sealed class Filters : IFunctionInvocationFilter, IAutoFunctionInvocationFilter
{
    public Func<FunctionInvocationContext, Func<FunctionInvocationContext, Task>, Task> OnFunction { get; set; } = (context, next) => next(context);

    public Func<AutoFunctionInvocationContext, Func<AutoFunctionInvocationContext, Task>, Task> OnAuto { get; set; } = (context, next) => next(context);

    public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next) => OnFunction(context, next);

    public Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next) => OnAuto(context, next);
}
