using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using Microsoft.SemanticKernel;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Benchmarks;

/// <summary>
/// What a replay costs for each step: with its journal in a file and in memory, one alone and several at once, against invoking the same functions, and against invoking
/// them with one commit a step written by hand. All are measured in turn, round by round, so that what else the machine does falls on all alike; each figure is a median.
/// </summary>
internal sealed class ReplayScale : IDisposable
{
    private const int Steps = 10;
    private const int AtOnce = 8;

    // Until the runtime has compiled for speed what runs often.
    private const int WarmUp = 150;

    private readonly string _folder;
    private readonly Kernel _kernel = new();
    private readonly KernelFunction _function;
    private readonly ProcedureMemory _file;
    private readonly ProcedureMemory _inMemory;
    private readonly List<SqliteConnection> _byHand = [];
    private readonly ReplayRequest _request = ReplayRequest.For(new { order = "W-2378156" });

    private ReplayScale(string folder)
    {
        _folder = folder;
        _kernel.Plugins.AddFromFunctions("shop", [KernelFunctionFactory.CreateFromMethod((string order, int step) => new { order, next = step + 1 }, "advance", "Advances an order.")]);
        _function = _kernel.Plugins["shop"]["advance"];
        _file = Memory(Path.Combine(folder, "replay.db"));
        _inMemory = Memory(":memory:");
    }

    public static Command Command()
    {
        var rounds = new Option<int>("--rounds") { Description = "Rounds; in each everything is measured once.", DefaultValueFactory = _ => 60 };
        var command = new Command("replay", "Measures the cost of a replayed step, and steps that run at once.") { rounds };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
            var folder = Directory.CreateTempSubdirectory("procedural-memory-replay-").FullName;
            try
            {
                using var scale = new ReplayScale(folder);
                await scale.StoreAsync(cancellationToken);
                await scale.CompareAsync(parsed.GetValue(rounds), cancellationToken);
                await ReadAtOnceAsync(cancellationToken);
            }
            finally
            {
                SqliteConnection.ClearAllPools();
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    public void Dispose()
    {
        _file.Dispose();
        _inMemory.Dispose();
        _byHand.ForEach(c => c.Dispose());
    }

    private static ProcedureMemory Memory(string database) => new(new ProceduralMemoryOptions { DatabasePath = database, Approval = ApprovalPolicy.Never });

    private async Task StoreAsync(CancellationToken cancellationToken)
    {
        var steps = Enumerable.Range(0, Steps).Select(i => new ProcedureStep
        {
            Id = $"s{i}",
            Action = "shop.advance",
            Arguments = JsonElement.Parse(i == 0 ? """{"order":"$inputs.order","step":0}""" : $$"""{"order":"$inputs.order","step":"$steps.s{{i - 1}}.outputs#/next"}"""),
        });
        var definition = new ProcedureDefinition { Name = "advance", Inputs = [new ProcedureInput { Name = "order", Type = JsonType.String }], Steps = [.. steps] };
        await _file.StoreAsync(definition, cancellationToken: cancellationToken);
        await _inMemory.StoreAsync(definition, cancellationToken: cancellationToken);

        for (var i = 0; i < AtOnce; i++)
        {
            // As the library opens its file: a write-ahead log, commits that have reached the disk, and SQLite's own waiting for the lock.
            var connection = new SqliteConnection($"Data Source={Path.Combine(_folder, "by-hand.db")};Default Timeout=60;Pooling=False");
            await connection.OpenAsync(cancellationToken);
            await connection.ExecuteAsync("pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 60000; create table if not exists steps (id text not null, step integer not null, arguments text not null, result text not null, primary key (id, step)) strict, without rowid;");
            _byHand.Add(connection);
        }
    }

    private async Task CompareAsync(int rounds, CancellationToken cancellationToken)
    {
        (string Name, int Count, Func<int, Task> Run)[] subjects =
        [
            ("`kernel.InvokeAsync`", 1, _ => DirectAsync()),
            ("the same and one commit a step by hand, file", 1, ByHandAsync),
            ($"the same, {AtOnce} at once", AtOnce, ByHandAsync),
            ("replay, in memory", 1, _ => ReplayAsync(_inMemory)),
            ($"replay, in memory, {AtOnce} at once", AtOnce, _ => ReplayAsync(_inMemory)),
            ("replay, file", 1, _ => ReplayAsync(_file)),
            ($"replay, file, {AtOnce} at once", AtOnce, _ => ReplayAsync(_file)),
        ];
        var times = subjects.Select(_ => new List<double>()).ToList();
        for (var round = -WarmUp; round < rounds; round++)
        {
            for (var s = 0; s < subjects.Length; s++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (_, count, run) = subjects[s];
                var started = Stopwatch.GetTimestamp();
                await Task.WhenAll(Enumerable.Range(0, count).Select(i => Task.Run(() => run(i), cancellationToken)));
                if (round >= 0)
                {
                    times[s].Add(Stopwatch.GetElapsedTime(started).TotalMicroseconds / (count * Steps));
                }
            }
        }

        var direct = Median(times[0]);
        Console.WriteLine("| for each step | median, µs | times `kernel.InvokeAsync` | beyond one commit a step by hand, µs |");
        Console.WriteLine("|---|---|---|---|");
        for (var s = 0; s < subjects.Length; s++)
        {
            var median = Median(times[s]);
            var beyond = s < 5 ? "" : $"{median - Median(times[s == 5 ? 1 : 2]):0}";
            Console.WriteLine($"| {subjects[s].Name} | {median:0.0} | {median / direct:0} | {beyond} |");
        }
    }

    private async Task DirectAsync()
    {
        for (var i = 0; i < Steps; i++)
        {
            await _kernel.InvokeAsync(_function, new KernelArguments { ["order"] = "W-2378156", ["step"] = i });
        }
    }

    private async Task ByHandAsync(int connection)
    {
        var id = Guid.CreateVersion7().ToString();
        for (var i = 0; i < Steps; i++)
        {
            var arguments = new KernelArguments { ["order"] = "W-2378156", ["step"] = i };
            var result = await _kernel.InvokeAsync(_function, arguments);
            await _byHand[connection].ExecuteAsync(
                "insert into steps (id, step, arguments, result) values (@Id, @Step, @Arguments, @Result)",
                new { Id = id, Step = i, Arguments = JsonSerializer.Serialize(new Dictionary<string, object?>(arguments)), Result = JsonSerializer.Serialize(result.GetValue<object>()) });
        }
    }

    private async Task ReplayAsync(ProcedureMemory memory) => (await memory.ReplayAsync(_kernel, "advance", _request)).ThrowIfNotCompleted();

    /// <summary>Ten reads of 100 ms that need nothing of each other.</summary>
    private static async Task ReadAtOnceAsync(CancellationToken cancellationToken)
    {
        Console.WriteLine();
        Console.WriteLine("| MaxParallelSteps | ten reads of 100 ms each, ms |");
        Console.WriteLine("|---|---|");
        foreach (var bound in (int[])[1, 4, 10])
        {
            using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:", MaxParallelSteps = bound });
            var kernel = new Kernel();
            kernel.Plugins.AddFromFunctions("slow", [KernelFunctionFactory.CreateFromMethod([FunctionEffect(StepEffect.Read)] async (int n) =>
            {
                await Task.Delay(100, cancellationToken);
                return n;
            }, "read")]);
            await memory.StoreAsync(new() { Name = "read_all", Steps = [.. Enumerable.Range(0, 10).Select(i => new ProcedureStep { Id = $"s{i}", Action = "slow.read", Arguments = JsonElement.Parse($$"""{"n":{{i}}}""") })] }, cancellationToken: cancellationToken);
            var times = new List<double>();
            for (var i = 0; i < 5; i++)
            {
                var started = Stopwatch.GetTimestamp();
                (await memory.ReplayAsync(kernel, "read_all", cancellationToken: cancellationToken)).ThrowIfNotCompleted();
                times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }

            Console.WriteLine($"| {bound} | {Median(times):0} |");
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
