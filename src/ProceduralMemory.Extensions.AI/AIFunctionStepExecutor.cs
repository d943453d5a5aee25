using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ProceduralMemory.Recall;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Extensions.AI;

/// <summary>
/// Makes the calls of a replay with the functions of a tool list. Steps name them as the tool list does; what Semantic Kernel recorded as <c>plugin.function</c> is found as <c>plugin_function</c>
/// and <c>plugin-function</c> too.
/// </summary>
/// <remarks>
/// Every call takes the way that it would take if the model had asked for it: through what is wrapped around the function, and through the function invocation of the chat client
/// (<see cref="FunctionInvokingChatClient.FunctionInvoker"/>) where it is given. A call that the function invocation does not let through is refused.
/// </remarks>
public sealed class AIFunctionStepExecutor : IStepExecutor
{
    private readonly ToolSet _tools;
    private readonly FunctionReplayOptions _options;
    private readonly FunctionInvokingChatClient? _invoker;
    private readonly IServiceProvider? _services;

    /// <summary>Creates an executor.</summary>
    /// <param name="tools">The tools; of two with the same name the first counts.</param>
    /// <param name="options">Which functions may be called; <see langword="null"/> for all.</param>
    /// <param name="invoker">The function invocation that the calls pass, as a live call does; <see langword="null"/> calls the functions themselves.</param>
    /// <param name="services">What functions are given as their services; <see langword="null"/> for those of the call that the replay is part of, if any.</param>
    public AIFunctionStepExecutor(IEnumerable<AITool> tools, FunctionReplayOptions? options = null, FunctionInvokingChatClient? invoker = null, IServiceProvider? services = null)
        : this(new ToolSet(tools ?? throw new ArgumentNullException(nameof(tools))), options ?? new FunctionReplayOptions(), invoker, services) => _options.Validate();

    internal AIFunctionStepExecutor(ToolSet tools, FunctionReplayOptions options, FunctionInvokingChatClient? invoker, IServiceProvider? services = null) =>
        (_tools, _options, _invoker, _services) = (tools, options, invoker, services);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(calls);
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<IReadOnlyList<ReplayProblem>>([.. calls.SelectMany(Check)]);
    }

    /// <inheritdoc/>
    public FunctionDescription? Describe(string action) => _tools.Find(action) is { } function ? FunctionActions.Describe(function) : null;

    /// <inheritdoc/>
    public async Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(call);
        if (_tools.Find(call.Action) is not { } function || WhyNot(call.Action, function) is not null)
        {
            return Refused(Check(new PlannedCall(call.StepId, call.Action, [], call.Effect)).FirstOrDefault()?.Message ?? $"'{call.Action}' may not be called.");
        }

        var live = FunctionInvokingChatClient.CurrentContext;
        var probe = new Probe(function);
        var context = ContextOf(call, probe, FunctionJson.BindArguments(function, call.Arguments, _services ?? live?.Arguments.Services), live);

        // What the call calls belongs to it. And code around functions looks at the ambient call for what it is about.
        var outer = CallFrames.Enter(memory: null);
        Invocation.Ambient = context;
        try
        {
            var value = await Invocation.Through(_invoker, context, cancellationToken).ConfigureAwait(false);
            var result = FunctionJson.CaptureResult(value, function, out _);

            // A host that answered in the function's place may have the answer to a read; a write whose function did not run has not happened.
            return probe.Reached || (call.Effect is StepEffect.Read && result is not null && !context.Terminate)
                ? new StepCallResult { Result = result, StopRequested = context.Terminate }
                : Refused($"The function invocation of the host answered in place of {call.Action}, and the function was not run{(result is { ValueKind: JsonValueKind.String } words ? $": {words.GetString()}" : ".")}");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            if (!probe.Reached)
            {
                return Refused($"The function invocation of the host did not let {call.Action} through: {exception.Message} Only the host can allow it.");
            }

            var result = StepCallResult.Of(exception) with { StopRequested = context.Terminate };
            return probe.Returned
                ? result with { Failure = new StepFailure(exception.GetType().Name, $"{call.Action} returned, and then the function invocation of the host threw: {exception.Message}"), MayPass = false, IsOutcomeUnknown = true }
                : result;
        }
        finally
        {
            CallFrames.Leave(outer);
            Invocation.Ambient = live;
        }
    }

    private static StepCallResult Refused(string message) => new() { Refused = true, Failure = new StepFailure(FailureTypes.Refused, message) };

    private static FunctionInvocationContext ContextOf(StepCall call, Probe probe, AIFunctionArguments arguments, FunctionInvocationContext? live)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"replay-{call.ExecutionId:N}-{call.StepId}");
        return new FunctionInvocationContext
        {
            Function = probe,
            Arguments = arguments,
            CallContent = new FunctionCallContent(id, probe.Name, new Dictionary<string, object?>(arguments)),
            Messages = live?.Messages ?? [],
            Options = live?.Options,
            Iteration = live?.Iteration ?? 0,
            FunctionCount = 1,
            IsStreaming = live?.IsStreaming ?? false,
        };
    }

    private string? WhyNot(string action, AIFunction function) =>
        FunctionActions.OursIn(function) is not null ? "it belongs to the procedural memory" : _options.WhyNot(function.Name) ?? _options.WhyNot(action);

    private IEnumerable<ReplayProblem> Check(PlannedCall call)
    {
        if (_tools.Find(call.Action) is not { } function)
        {
            var near = NearNames.Of(call.Action, _tools.Names);
            yield return new ReplayProblem(ReplayProblemCodes.MissingFunction, call.StepId, $"Step '{call.StepId}' calls {call.Action}, which is not among the tools{(near.Count > 0 ? $"; nearest {(near.Count == 1 ? "is" : "are")} {string.Join(", ", near)}" : "")}. Add the tool, or record the task anew.");
            yield break;
        }

        if (WhyNot(call.Action, function) is { } whyNot)
        {
            yield return new ReplayProblem(ReplayProblemCodes.NotAllowed, call.StepId, $"Step '{call.StepId}' calls {call.Action}, which may not be replayed: {whyNot}. Only the host can change that.");
            yield break;
        }

        if (FunctionActions.PropertiesOf(function) is not { } parameters)
        {
            yield break;
        }

        foreach (var unknown in call.ArgumentNames.Where(n => !parameters.Any(p => string.Equals(p.Name, n, StringComparison.OrdinalIgnoreCase))))
        {
            yield return new ReplayProblem(ReplayProblemCodes.ParameterMismatch, call.StepId, $"Step '{call.StepId}' gives {call.Action} the argument '{unknown}', which it does not take; it takes {(parameters.Count == 0 ? "none" : string.Join(", ", parameters.Select(p => p.Name)))}. Record the task anew, or store the procedure with the argument renamed.");
        }

        // The parameter that takes the key is the replay's to fill.
        var filledIn = FunctionActions.Describe(function).IdempotencyKeyParameter;
        foreach (var missing in FunctionActions.RequiredOf(function).Where(r => !string.Equals(r, filledIn, StringComparison.OrdinalIgnoreCase) && !call.ArgumentNames.Contains(r, StringComparer.OrdinalIgnoreCase)))
        {
            yield return new ReplayProblem(ReplayProblemCodes.ParameterMismatch, call.StepId, $"Step '{call.StepId}' does not give {call.Action} its required argument '{missing}'. Give it as an adapted parameter, or record the task anew.");
        }
    }

    /// <summary>Tells whether a call came through to its function, and whether that returned.</summary>
    private sealed class Probe(AIFunction function) : DelegatingAIFunction(function)
    {
        public bool Reached { get; private set; }

        public bool Returned { get; private set; }

        protected override async ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
        {
            Reached = true;
            var result = await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
            Returned = true;
            return result;
        }
    }

    /// <summary>Reaches what <see cref="FunctionInvokingChatClient"/> keeps for those who derive from it: how it makes a call, and the ambient call.</summary>
    private sealed class Invocation(IChatClient client) : FunctionInvokingChatClient(client)
    {
        // It is virtual, and called as such.
        private static readonly Func<FunctionInvokingChatClient, FunctionInvocationContext, CancellationToken, ValueTask<object?>> Invoke =
            typeof(FunctionInvokingChatClient).GetMethod(nameof(InvokeFunctionAsync), BindingFlags.Instance | BindingFlags.NonPublic)!
                .CreateDelegate<Func<FunctionInvokingChatClient, FunctionInvocationContext, CancellationToken, ValueTask<object?>>>();

        public static FunctionInvocationContext? Ambient
        {
            set => CurrentContext = value;
        }

        public static ValueTask<object?> Through(FunctionInvokingChatClient? invoker, FunctionInvocationContext context, CancellationToken cancellationToken) =>
            invoker is null ? context.Function.InvokeAsync(context.Arguments, cancellationToken) : Invoke(invoker, context, cancellationToken);
    }
}
