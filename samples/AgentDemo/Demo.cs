using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using AgentDemo.Model;
using AgentDemo.World;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using ProceduralMemory;
using ProceduralMemory.SemanticKernel;
using Spectre.Console;

namespace AgentDemo;

/// <summary>The acts of the demo, and the table that ends it.</summary>
internal sealed partial class Demo : IAsyncDisposable
{
    private const string FirstRequest = "Deploy version 1.4.0 of the catalog service";
    private const string SecondRequest = "Deploy version 2.1.0 of the orders service";
    private const string ThirdRequest = "Deploy version 2.2.0 of the orders-api service";
    private const string Question = "What is a canary release?";
    private const string MemoryInstructions = DemoAgent.DefaultInstructions
        + " Before a task of several steps, look for a stored procedure, and replay it if one fits; else record the task while you do it.";

    private readonly IAnsiConsole _console;
    private readonly string? _database;
    private readonly string _workFolder;
    private readonly ChatCompletionsServer? _standIn;
    private readonly Uri _endpoint;
    private readonly string _model;
    private readonly string? _apiKey;

    private Demo(IAnsiConsole console, string? database, string workFolder, ChatCompletionsServer? standIn, Uri endpoint, string model, string? apiKey)
    {
        _console = console;
        _database = database;
        _workFolder = workFolder;
        _standIn = standIn;
        _endpoint = endpoint;
        _model = model;
        _apiKey = apiKey;
    }

    /// <param name="console">Where it is shown.</param>
    /// <param name="database">The memory's file; <see langword="null"/> for a demo without memory.</param>
    /// <param name="fresh">Whether the file is deleted first.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    public static async Task<Demo> StartAsync(IAnsiConsole console, string? database, bool fresh, CancellationToken cancellationToken)
    {
        if (database is not null)
        {
            database = Path.GetFullPath(database);
            await PrepareAsync(database, fresh, cancellationToken);
        }

        var key = Environment.GetEnvironmentVariable("OPENAI_API_KEY");
        var address = Environment.GetEnvironmentVariable("OPENAI_BASE_URL");
        ChatCompletionsServer? standIn = null;
        Uri endpoint;
        string model;
        if (string.IsNullOrEmpty(key) && string.IsNullOrEmpty(address))
        {
            standIn = new ChatCompletionsServer(StandInPolicy.Decide);
            await standIn.StartAsync(cancellationToken);
            endpoint = standIn.Endpoint;
            model = "stand-in";
            console.MarkupLine("[yellow]No OPENAI_API_KEY is set: the model is a stand-in[/], a small policy behind an OpenAI-compatible server on this machine.");
            console.MarkupLine("The connector, the kernel, the tools and the memory are real. Set OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL for a real model.");
        }
        else
        {
            address = string.IsNullOrEmpty(address) ? "https://api.openai.com/v1" : address;
            endpoint = Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                ? uri
                : throw new InvalidOperationException($"OPENAI_BASE_URL is '{address}', which is no http or https address. Set it to one such as http://localhost:11434/v1.");
            model = Environment.GetEnvironmentVariable("OPENAI_MODEL") is { Length: > 0 } named ? named : "gpt-4.1-mini";
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"The model is {model} at {endpoint.Authority}.");
        }

        if (database is not null)
        {
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"The memory is the file {database}");
        }

        return new Demo(console, database, Directory.CreateTempSubdirectory("agent-demo-").FullName, standIn, endpoint, model, key);
    }

    /// <summary>All acts.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var world = new ReleaseWorld(Path.Combine(_workFolder, "with-memory"));
        using var agent = CreateAgent(world, new ConsoleApprover(_console, isAttended: false));
        var memory = agent.Kernel.GetRequiredService<ProcedureMemory>();

        Act("Act 1. A first deployment");
        var knownBefore = (await memory.ListAsync(cancellationToken: cancellationToken)).Count > 0;
        if (knownBefore)
        {
            _console.MarkupLine("[grey]An earlier run has learned this already; --fresh starts over.[/]");
        }

        var first = await RunTaskAsync(agent, world, FirstRequest, "catalog", "1.4.0", cancellationToken);
        var learned = await memory.ListAsync(cancellationToken: cancellationToken);
        foreach (var procedure in learned)
        {
            _console.MarkupLine("What is learned:");
            _console.Write(ProcedureView.Of(procedure));
        }

        Act("Act 2. Another service, another version");
        var second = await RunTaskAsync(agent, world, SecondRequest, "orders", "2.1.0", cancellationToken);
        await ShowMacroAsync(agent, world, memory, learned, cancellationToken);

        Act("Act 3. The service has another name since");
        world.Rename("orders", "orders-api");
        _console.MarkupLine("The service orders was renamed: its configuration is that of orders-api now. No recording has ever seen this name.");
        var third = await RunTaskAsync(agent, world, ThirdRequest, "orders-api", "2.2.0", cancellationToken);
        await ShowInputsAsync(memory, cancellationToken);

        var mended = await RunTakenPortAsync(agent, world, memory, cancellationToken);
        var guarded = await RunIntoProductionAsync(agent, world, cancellationToken);

        Act("Act 6. Something that no procedure fits");
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"User: {Question}");
        var before = world.EffectCount;
        var question = await AskAsync(agent, Question, cancellationToken);
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Agent: {question.Answer}");
        var untouched = world.EffectCount == before;

        Act("The second task again, without memory");
        var without = await RunSecondTaskWithoutMemoryAsync(cancellationToken);

        Act("The same tasks, side by side");
        WriteTable([(knownBefore ? "first task, known" : "first task", first), ("second, with memory", second), ("third, with memory", third), ("second, --no-memory", without)]);
        WriteCostOfTools();

        var untold = await RunUntoldAsync(cancellationToken);
        return Judge(first, second, third, without, untouched, mended, guarded, untold);
    }

    /// <summary>The second task without memory, and nothing else.</summary>
    public async Task<int> RunWithoutMemoryAsync(CancellationToken cancellationToken)
    {
        Act("The second task, without memory");
        var without = await RunSecondTaskWithoutMemoryAsync(cancellationToken);
        WriteTable([("second, --no-memory", without)]);
        return without.ServedVersion == "2.1.0" ? 0 : 1;
    }

    /// <summary>A conversation with the agent.</summary>
    public async Task<int> ChatAsync(CancellationToken cancellationToken)
    {
        await using var world = new ReleaseWorld(Path.Combine(_workFolder, "chat"));
        using var agent = CreateAgent(world, new ConsoleApprover(_console, isAttended: true));
        _console.MarkupLine("Say what to deploy, such as \"Deploy version 1.4.0 of the catalog service\"; there are catalog, orders and billing. An empty line, exit or quit ends the talk.");
        while (!cancellationToken.IsCancellationRequested)
        {
            _console.Markup("[bold]You:[/] ");
            var line = Console.ReadLine();
            if (line is null || Console.IsInputRedirected)
            {
                // Nobody pressed Enter here.
                _console.WriteLine();
            }

            if (string.IsNullOrWhiteSpace(line) || line.Trim().ToUpperInvariant() is "EXIT" or "QUIT")
            {
                break;
            }

            var run = await AskAsync(agent, line, cancellationToken);
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[bold]Agent:[/] {run.Answer}");
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{run.ModelCalls} model calls, {run.ToolCalls.Count} tool calls[/]");
        }

        return 0;
    }

    public async ValueTask DisposeAsync()
    {
        if (_standIn is not null)
        {
            await _standIn.DisposeAsync();
        }

        Directory.Delete(_workFolder, recursive: true);
    }

    private static async Task PrepareAsync(string database, bool fresh, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(database)!);
        if (!fresh || !File.Exists(database))
        {
            return;
        }

        // Whatever the option names is deleted: so only what is a memory's own.
        try
        {
            using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = database, ReadOnly = true });
            await memory.ListScopesAsync(cancellationToken);
        }
        catch (ProcedureStoreException exception) when (exception.Fault is StoreFault.TooNew or StoreFault.ReadOnly)
        {
            // Of another schema, or without tables: nobody else's.
        }
        catch (ProcedureStoreException exception) when (exception.Fault is StoreFault.Foreign or StoreFault.Corrupt)
        {
            var what = exception.Fault is StoreFault.Foreign ? "is a database of something else" : "is no SQLite database, or is damaged";
            throw new InvalidOperationException($"'{database}' {what}, so --fresh does not delete it. Name another file with --database.", exception);
        }

        foreach (var suffix in (string[])["", "-wal", "-shm"])
        {
            File.Delete(database + suffix);
        }
    }

    /// <param name="world">What it works on.</param>
    /// <param name="approver">Who approves replays; <see langword="null"/> for an agent without memory.</param>
    private DemoAgent CreateAgent(ReleaseWorld world, ConsoleApprover? approver) => new(
        _endpoint,
        _model,
        _apiKey,
        world,
        builder =>
        {
            if (approver is not null)
            {
                builder.AddProceduralMemory(options =>
                {
                    options.DatabasePath = _database ?? throw new InvalidOperationException("This demo was started without a database.");
                    options.Approver = approver;

                    // These acts show what a model that is told of procedures records and replays outright. What is learned of turns, and offered by itself, is the last act's.
                    options.Learning = LearningMode.Explicit;
                    options.MaxLearnedFunctions = 0;
                });
            }

            // The innermost: what is shown as called was let through.
            builder.Services.AddSingleton<IFunctionInvocationFilter>(new ProductionGate(world));
            builder.Services.AddSingleton<IFunctionInvocationFilter>(new ProgressFilter(_console));
        },
        approver is null ? null : MemoryInstructions);

    /// <summary>Asks the agent; a model that does not answer is one line for whoever looks on, with what they can change.</summary>
    private async Task<DemoRun> AskAsync(DemoAgent agent, string request, CancellationToken cancellationToken)
    {
        try
        {
            return await agent.RunAsync(request, cancellationToken: cancellationToken);
        }
        catch (Exception exception) when (exception is HttpOperationException or HttpRequestException)
        {
            var address = _endpoint.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
            throw new InvalidOperationException($"The model {_model} at {address} did not answer: {exception.Message.ReplaceLineEndings(" ")} See OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL.", exception);
        }
    }

    private async Task<Outcome> RunTaskAsync(DemoAgent agent, ReleaseWorld world, string request, string service, string version, CancellationToken cancellationToken)
    {
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"User: {request}");
        var before = world.EffectCount;
        var run = await AskAsync(agent, request, cancellationToken);
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Agent: {run.Answer}");
        var served = await world.VersionServedAsync(service, cancellationToken);
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"Asked over HTTP, {service} says that it runs version [bold]{served ?? "none"}[/].");
        return new Outcome(run, served, world.CountWrongOrDoubled(service, version, before));
    }

    private async Task<Outcome> RunSecondTaskWithoutMemoryAsync(CancellationToken cancellationToken)
    {
        await using var world = new ReleaseWorld(Path.Combine(_workFolder, "without-memory"));
        using var agent = CreateAgent(world, approver: null);
        return await RunTaskAsync(agent, world, SecondRequest, "orders", "2.1.0", cancellationToken);
    }

    /// <summary>What a macro does with the second task: it repeats the recorded calls with the recorded arguments.</summary>
    private async Task ShowMacroAsync(DemoAgent agent, ReleaseWorld world, ProcedureMemory memory, IReadOnlyList<Procedure> learned, CancellationToken cancellationToken)
    {
        if (learned is not [{ Version.TraceId: { } traceId }, ..] || await memory.GetTraceAsync(traceId, cancellationToken) is not { } trace)
        {
            return;
        }

        _console.MarkupLine("Beside it, what replaying the recorded parameters does with the same request (the macro that procedural memory is not):");
        var before = world.EffectCount;
        var executor = new KernelStepExecutor(agent.Kernel);
        foreach (var step in trace.Steps.Where(s => s.Status is StepStatus.Success))
        {
            var result = await executor.ExecuteAsync(new(traceId, "macro", step.Action, step.Arguments, StepEffect.Unknown), cancellationToken);
            if (result.Failure is { } failure)
            {
                _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  [red]it fails at {step.Action}: {failure.Message}[/]");
                break;
            }
        }

        foreach (var effect in world.Effects.Skip(before).Where(e => e.Kind is EffectKind.Started))
        {
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  [red]it started {effect.Service} {effect.Version}, asked for orders 2.1.0[/]");
        }

        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  {world.CountWrongOrDoubled("orders", "2.1.0", before)} wrong effects.");
    }

    /// <summary>What the replay was given, as the memory has written it down: what the request says, and nothing of earlier runs.</summary>
    private async Task ShowInputsAsync(ProcedureMemory memory, CancellationToken cancellationToken)
    {
        if (await memory.ListExecutionsAsync(cancellationToken: cancellationToken) is [var replay, ..])
        {
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"It was replayed with {string.Join(" and ", replay.Inputs.EnumerateObject().Select(i => $"{i.Name} = {i.Value}"))}.");
        }
    }

    private void Act(string title)
    {
        _console.WriteLine();
        _console.Write(new Rule($"[bold]{Markup.Escape(title)}[/]") { Justification = Justify.Left });
    }

    private void WriteTable(IReadOnlyList<(string Title, Outcome Outcome)> columns)
    {
        var table = new Table().AddColumn("");
        foreach (var (title, _) in columns)
        {
            table.AddColumn(new TableColumn(Markup.Escape(title)).RightAligned());
        }

        AddRow("model calls", o => Number(o.Run.ModelCalls));
        AddRow("bytes sent to the model", o => Number(o.Run.RequestBytes));
        AddRow("tool calls", o => Number(o.Run.ToolCalls.Count));
        AddRow("wrong or doubled effects", o => Number(o.WrongEffects));
        if (_standIn is null)
        {
            // Of a stand-in these would be figures about nothing.
            AddRow("tokens sent", o => o.Run.InputTokens is { } tokens ? Number(tokens) : "-");
            AddRow("tokens received", o => o.Run.OutputTokens is { } tokens ? Number(tokens) : "-");
            AddRow("seconds", o => o.Run.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture));
        }

        AddRow("version served", o => o.ServedVersion ?? "none");
        _console.Write(table);

        void AddRow(string name, Func<Outcome, string> value) => table.AddRow([name, .. columns.Select(c => Markup.Escape(value(c.Outcome)))]);

        static string Number(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);
    }

    /// <summary>What advertising the memory costs: the size of its functions in a request, as they went over the wire.</summary>
    private void WriteCostOfTools()
    {
        var tools = _standIn?.Requests.Select(r => r["tools"] as JsonArray ?? []).Select(t => t.Where(f => f?["function"]?["name"]?.GetValue<string>().StartsWith("procedures-", StringComparison.Ordinal) is true).ToList()).FirstOrDefault(t => t.Count > 0);
        if (tools is not null)
        {
            var bytes = tools.Sum(t => Encoding.UTF8.GetByteCount(t!.ToJsonString(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping })));
            _console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The {tools.Count} functions of the memory add {bytes:#,0} bytes to each request."));
        }
    }

    /// <summary>The exit code: 0 when the demo showed what it claims. A real model may take more calls than the stand-in, and is judged by its effects alone.</summary>
    private int Judge(Outcome first, Outcome second, Outcome third, Outcome without, bool untouched, string? mended, string? guarded, string? untold)
    {
        string?[] faults =
        [
            mended,
            guarded,
            untold,
            first.ServedVersion == "1.4.0" ? null : "the first task did not bring up catalog 1.4.0",
            second.ServedVersion == "2.1.0" ? null : "the second task did not bring up orders 2.1.0",
            second.WrongEffects == 0 ? null : "the second task had wrong or doubled effects",
            third.ServedVersion == "2.2.0" ? null : "the third task did not bring up orders-api 2.2.0",
            third.WrongEffects == 0 ? null : "the third task had wrong or doubled effects",
            untouched ? null : "the question had effects",
            _standIn is null || second.Run.ModelCalls <= 3 ? null : "the second task took more than 3 model calls",
            _standIn is null || third.Run.ModelCalls <= 3 ? null : "the third task took more than 3 model calls",
            _standIn is null || without.Run.ModelCalls >= 6 ? null : "the second task without memory took fewer than 6 model calls",
        ];
        foreach (var fault in faults.OfType<string>())
        {
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[red]The demo failed: {fault}.[/]");
        }

        return faults.Any(f => f is not null) ? 1 : 0;
    }

    private sealed record Outcome(DemoRun Run, string? ServedVersion, int WrongEffects);
}
