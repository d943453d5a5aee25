using System.Globalization;
using AgentDemo.World;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using ProceduralMemory;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;
using ProceduralMemory.SemanticKernel;
using Spectre.Console;

namespace AgentDemo;

/// <summary>The act in which nobody speaks of procedures: neither the prompt nor the user.</summary>
internal sealed partial class Demo
{
    // What the other acts have learned is not found from here.
    private const string TurnScope = "demo:turns";

    private static readonly (string Request, string Service, string Version)[] TurnTasks =
    [
        ("Deploy version 1.5.0 of the catalog service", "catalog", "1.5.0"),
        ("Please deploy the orders service in version 2.3.0", "orders", "2.3.0"),
        ("The billing service is to be deployed in version 3.2.0", "billing", "3.2.0"),
    ];

    /// <summary>Three tasks of one kind by an agent that is told nothing, with a memory and without.</summary>
    /// <returns>What was not as claimed, or null.</returns>
    private async Task<string?> RunUntoldAsync(CancellationToken cancellationToken)
    {
        Act("Act 7. An agent that is told nothing");
        _console.MarkupLine("Its kernel has the same tools and AddProceduralMemory with its defaults, in a scope of its own: of the acts before it knows nothing. This is all that it is told:");
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  [grey]{DemoAgent.DefaultInstructions}[/]");
        var (requests, bytes) = (_standIn?.RequestCount ?? 0, _standIn?.RequestBytes ?? 0);
        var (with, knownBefore) = await RunTurnTasksAsync(withMemory: true, cancellationToken);
        _console.MarkupLine("The same tasks, the same model, without AddProceduralMemory:");
        var (without, _) = await RunTurnTasksAsync(withMemory: false, cancellationToken);

        Act("What it took");
        WriteTurnTable(with, without, knownBefore);
        (requests, bytes) = (_standIn?.RequestCount - requests ?? 0, _standIn?.RequestBytes - bytes ?? 0);
        if (_standIn is not null)
        {
            _console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The model's server counted {requests:#,0} requests and {bytes:#,0} bytes in this act."));
            WriteBalance(with, without);
        }

        TurnOutcome[] all = [.. with, .. without];
        return all.Any(o => o.Served != o.Version) ? "a task of the agent that is told nothing did not bring up the version asked for"
            : all.Any(o => o.WrongEffects > 0) ? "the agent that is told nothing had wrong or doubled effects"
            : _standIn is null ? null
            : with.Skip(knownBefore ? 0 : 1).Any(o => o.LearnedCalls != 1) ? "a task whose kind was learned did not take the learned function"
            : with.Zip(without).Skip(knownBefore ? 0 : 1).Any(o => o.First.Run.ModelCalls >= o.Second.Run.ModelCalls) ? "the learned function saved no model calls"
            : all.Sum(o => o.Run.ModelCalls) != requests || all.Sum(o => o.Run.RequestBytes) != bytes ? "the table of the last act is not what the model's server counted"
            : null;
    }

    private async Task<(IReadOnlyList<TurnOutcome> Outcomes, bool KnownBefore)> RunTurnTasksAsync(bool withMemory, CancellationToken cancellationToken)
    {
        await using var world = new ReleaseWorld(Path.Combine(_workFolder, withMemory ? "turns" : "turns-without-memory"));
        var (learnedCalls, turns) = (new LearnedCallCounter(), new List<TurnResult>());
        using var agent = CreateUntoldAgent(world, withMemory, learnedCalls, turns);
        var memory = withMemory ? agent.Kernel.GetRequiredService<ProcedureMemory>() : null;
        var knownBefore = false;
        foreach (var procedure in memory is null ? [] : await memory.ListAsync(cancellationToken: cancellationToken))
        {
            knownBefore |= procedure.ActiveVersion is not null && await IsApprovedAsync(memory!, procedure, cancellationToken);
        }

        if (knownBefore)
        {
            _console.MarkupLine("[grey]What an earlier run learned was reviewed then: even the first task takes the learned function; --fresh starts over.[/]");
        }

        var outcomes = new List<TurnOutcome>();
        var since = world.Time.GetUtcNow();
        foreach (var (request, service, version) in TurnTasks)
        {
            var (effects, calls) = (world.EffectCount, learnedCalls.Count);
            var (run, served, wrong) = await RunTaskAsync(agent, world, request, service, version, cancellationToken);
            outcomes.Add(new TurnOutcome(run, version, served, learnedCalls.Count - calls, world.EffectCount - effects, wrong));
            foreach (var turn in turns)
            {
                _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{(turn.Learned is null ? "Nothing is learned of this turn" : "Learned of this turn")}: {turn.Because}");
            }

            turns.Clear();
            if (memory is not null && served == version && wrong == 0)
            {
                await ReviewAsync(memory, cancellationToken);
            }
        }

        if (memory is not null)
        {
            var savings = await memory.GetSavingsAsync(since, cancellationToken: cancellationToken);
            _console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The memory's own account of these turns: {savings.ReplayTurns} with replays, {savings.Saved.ModelCalls:#,0} model calls saved."));
        }

        return (outcomes, knownBefore);
    }

    /// <summary>What a person does once for what turns have taught and what may write: looks at it, and accepts it.</summary>
    private async Task ReviewAsync(ProcedureMemory memory, CancellationToken cancellationToken)
    {
        foreach (var procedure in await memory.ListAsync(cancellationToken: cancellationToken))
        {
            if (await IsApprovedAsync(memory, procedure, cancellationToken))
            {
                continue;
            }

            _console.MarkupLine("[yellow]It may write, so it waits for a person's review before it is offered to the model:[/]");
            _console.Write(ProcedureView.Of(procedure));
            await memory.AcceptAsync(procedure.Name, procedure.Version.Number, ConsoleApprover.Unattended, cancellationToken);
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Accepted by [bold]{ConsoleApprover.Unattended}[/], so approved and active: nobody is asked in this run.");
        }
    }

    private static async Task<bool> IsApprovedAsync(ProcedureMemory memory, Procedure procedure, CancellationToken cancellationToken) =>
        (await memory.ListApprovalsAsync(procedure.Name, cancellationToken)).LastOrDefault(a => a.Version == procedure.Version.Number) is { State: ApprovalState.Approved };

    /// <summary>An agent with the instructions that it has without a memory, too.</summary>
    private DemoAgent CreateUntoldAgent(ReleaseWorld world, bool withMemory, LearnedCallCounter learnedCalls, List<TurnResult> turns) => new(
        _endpoint,
        _model,
        _apiKey,
        world,
        builder =>
        {
            if (withMemory)
            {
                builder.AddProceduralMemory(options =>
                {
                    options.DatabasePath = _database ?? throw new InvalidOperationException("This demo was started without a database.");
                    options.Scope = () => new MemoryScope(TurnScope);
                    options.TurnEnded = (turn, _) =>
                    {
                        turns.Add(turn);
                        return Task.CompletedTask;
                    };
                });
            }

            builder.Services.AddSingleton<IFunctionInvocationFilter>(learnedCalls);
            builder.Services.AddSingleton<IFunctionInvocationFilter>(new ProductionGate(world));
            builder.Services.AddSingleton<IFunctionInvocationFilter>(new ProgressFilter(_console));
        });

    private void WriteTurnTable(IReadOnlyList<TurnOutcome> with, IReadOnlyList<TurnOutcome> without, bool knownBefore)
    {
        var table = new Table().AddColumn("");
        foreach (var (outcomes, title) in new[] { (with, "with"), (without, "without") })
        {
            for (var task = 1; task <= outcomes.Count; task++)
            {
                table.AddColumn(new TableColumn(string.Create(CultureInfo.InvariantCulture, $"{title}:\ntask {task}{(task == 1 && knownBefore && outcomes == with ? ",\nknown" : "")}")).RightAligned());
            }

            table.AddColumn(new TableColumn($"{title}:\nsum").RightAligned());
        }

        AddRow("model calls", o => o.Run.ModelCalls, "#,0");
        AddRow("bytes sent to the model", o => o.Run.RequestBytes, "#,0");
        if (_standIn is null)
        {
            // Of a stand-in these would be figures about nothing.
            AddRow("tokens sent", o => o.Run.InputTokens, "#,0");
            AddRow("tokens received", o => o.Run.OutputTokens, "#,0");
            AddRow("seconds", o => o.Run.Elapsed.TotalSeconds, "0.0");
        }

        AddRow("calls of a learned function", o => o.LearnedCalls, "#,0");
        AddRow("tool calls", o => o.Run.ToolCalls.Count, "#,0");
        AddRow("seconds of tool calls", o => o.Run.ToolCalls.Sum(c => c.Elapsed.TotalSeconds), "0.000");
        AddRow("effects", o => o.Effects, "#,0");
        AddRow("wrong or doubled effects", o => o.WrongEffects, "#,0");
        table.AddRow(["version served", .. with.Select(o => o.Served ?? "none"), "", .. without.Select(o => o.Served ?? "none"), ""]);
        _console.Write(table);

        void AddRow(string name, Func<TurnOutcome, double?> value, string format)
        {
            table.AddRow([name, .. Cells(with), .. Cells(without)]);

            // What was not measured of one task has no sum.
            IEnumerable<string> Cells(IReadOnlyList<TurnOutcome> outcomes) => outcomes.Select(value)
                .Append(outcomes.All(o => value(o) is not null) ? outcomes.Sum(value) : null)
                .Select(v => v?.ToString(format, CultureInfo.InvariantCulture) ?? "-");
        }
    }

    /// <summary>What the memory has cost where a task was done by hand, and saved where a learned function did it.</summary>
    private void WriteBalance(IReadOnlyList<TurnOutcome> with, IReadOnlyList<TurnOutcome> without)
    {
        foreach (var tasks in with.Zip(without).GroupBy(t => t.First.LearnedCalls > 0))
        {
            var (calls, bytes) = (tasks.Average(t => t.First.Run.ModelCalls - t.Second.Run.ModelCalls), tasks.Average(t => t.First.Run.RequestBytes - t.Second.Run.RequestBytes));
            var how = tasks.Key ? "the learned function" : "hand";
            _console.WriteLine($"Compared with no memory, a task by {how} takes {Difference(calls, "model calls")} and {Difference(bytes, "bytes")}{(tasks.Key ? "" : ", since the functions of the memory stand in each request")}.");
        }

        static string Difference(double difference, string what) => difference == 0 ? $"as many {what}" : string.Create(CultureInfo.InvariantCulture, $"{Math.Abs(difference):#,0} {(difference < 0 ? "fewer" : "more")} {what}");
    }

    private sealed record TurnOutcome(DemoRun Run, string Version, string? Served, int LearnedCalls, int Effects, int WrongEffects);

    /// <summary>Counts the calls of procedures by functions of their own.</summary>
    private sealed class LearnedCallCounter : IFunctionInvocationFilter
    {
        private static readonly string Plugin = new ProceduralMemoryKernelOptions().LearnedPluginName;
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
        {
            if (context.Function.PluginName == Plugin)
            {
                Interlocked.Increment(ref _count);
            }

            return next(context);
        }
    }
}
