using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AgentDemo.World;
using Microsoft.SemanticKernel;
using ProceduralMemory;
using ProceduralMemory.Extensions.AI;
using ProceduralMemory.SemanticKernel;
using Spectre.Console;

namespace AgentDemo;

/// <summary>The acts in which a replay does not get through: it stops and is mended, and it is refused.</summary>
internal sealed partial class Demo
{
    private const string PortRequest = "Deploy version 3.1.0 of the billing service";
    private const string ProductionRequest = "Deploy version 4.2.0 of the payments service";

    /// <summary>A replay that stops half-way: the agent does one step in another way, and the replay goes on.</summary>
    /// <returns>What was not as claimed, or null.</returns>
    private async Task<string?> RunTakenPortAsync(DemoAgent agent, ReleaseWorld world, ProcedureMemory memory, CancellationToken cancellationToken)
    {
        Act("Act 4. A port is taken");
        using var squatter = new TcpListener(IPAddress.Loopback, 0);
        squatter.Start();
        var port = ((IPEndPoint)squatter.LocalEndpoint).Port;
        world.Configure("billing", port);
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"The service billing is configured for a port of its own, and another process listens there already.");
        var before = world.EffectCount;
        var outcome = await RunTaskAsync(agent, world, PortRequest, "billing", "3.1.0", cancellationToken);

        var (execution, repaired) = (await LatestAsync(memory, cancellationToken), false);
        if (execution is not null)
        {
            _console.MarkupLine("The journal has it all:");
            foreach (var line in execution.ToText().Split('\n'))
            {
                _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  [grey]{line}[/]");
            }

            repaired = execution is { Outcome: ReplayOutcome.Completed, Attempt: 2 } && execution.Steps.Any(s => s is { Repaired: true, Action: "release.start_service" });
        }

        var built = world.Effects.Skip(before).Count(e => e.Kind is EffectKind.Built);
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Artifacts built: {built}. Steps that the agent did itself: {execution?.Steps.Count(s => s.Repaired) ?? 0}.");
        return outcome.ServedVersion != "3.1.0" ? "the fourth task did not bring up billing 3.1.0"
            : built != 1 || outcome.WrongEffects > 0 ? "the fourth task had wrong or doubled effects"
            : _standIn is not null && !repaired ? "the replay of the fourth task was not mended and resumed"
            : null;
    }

    /// <summary>A gate of the host refuses a live call, and the same call of a replay.</summary>
    /// <returns>What was not as claimed, or null.</returns>
    private async Task<string?> RunIntoProductionAsync(DemoAgent agent, ReleaseWorld world, CancellationToken cancellationToken)
    {
        Act("Act 5. Into production");
        _console.MarkupLine("The service payments runs in production. A filter of the host lets no agent release there. First the agent without memory:");
        var before = world.EffectCount;
        using (var live = CreateAgent(world, approver: null))
        {
            await RunTaskAsync(live, world, ProductionRequest, "payments", "4.2.0", cancellationToken);
        }

        _console.MarkupLine("And the one that knows a procedure for it:");
        await RunTaskAsync(agent, world, ProductionRequest, "payments", "4.2.0", cancellationToken);
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Effects in production: {world.EffectCount - before}.");
        return world.EffectCount == before ? null : "something was released into production";
    }

    private static async Task<Execution?> LatestAsync(ProcedureMemory memory, CancellationToken cancellationToken) =>
        await memory.ListExecutionsAsync(limit: 1, cancellationToken: cancellationToken) is [var latest] ? await memory.GetExecutionAsync(latest.Id, cancellationToken) : null;

    /// <summary>The host's gate: no agent releases into production, whether a model asks for it or a procedure.</summary>
    private sealed class ProductionGate(ReleaseWorld world) : IFunctionInvocationFilter
    {
        public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next) =>
            context.Function.PluginName == ReleaseTools.PluginName && context.Arguments.TryGetValue("service", out var service) && world.IsInProduction($"{service}")
                ? throw new ReleaseException($"{service} runs in production, where only people release. Nothing was done.")
                : next(context);
    }

    /// <summary>Shows calls as they happen, and how a replay stands that has stopped.</summary>
    private sealed class ProgressFilter(IAnsiConsole console) : IFunctionInvocationFilter
    {
        private readonly AsyncLocal<int> _depth = new();

        public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
        {
            var indent = new string(' ', 2 + (2 * _depth.Value));
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{indent}[grey]→[/] {context.Function.PluginName}.{context.Function.Name}");
            _depth.Value++;
            try
            {
                await next(context);
            }
            catch (Exception exception)
            {
                console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{indent}  [red]{exception.Message}[/]");
                throw;
            }
            finally
            {
                _depth.Value--;
            }

            if (context.Result.ValueType == typeof(ReplayReply) && context.Result.GetValue<ReplayReply>() is { ExecutionId: not null, Steps: { } steps } reply && reply.Status != ReplyStatus.Completed)
            {
                var parts = steps.GroupBy(s => s.Status).Select(g => $"{g.Key}: {string.Join(", ", g.Select(s => s.Id))}");
                console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{indent}  [yellow]The replay stopped and is handed over.[/] {string.Join("; ", parts)}.");
            }
        }
    }
}
