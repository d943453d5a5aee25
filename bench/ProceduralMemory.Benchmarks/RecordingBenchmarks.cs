using System.Text.Json;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Dapper;
using Microsoft.Data.Sqlite;
using Microsoft.SemanticKernel;
using ProceduralMemory.SemanticKernel;

namespace ProceduralMemory.Benchmarks;

/// <summary>What the recording filter adds to a call: with no recording active, against a filter that does nothing; with one, against the least that any recording must do.</summary>
[MemoryDiagnoser]
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public class RecordingBenchmarks
{
    private readonly KernelArguments _arguments = new() { ["orderId"] = "W-2378156", ["quantity"] = "2", ["express"] = "True" };
    // The most that the library lets a recording have; a full one is given up, and another begun.
    private const int CallsOfARecording = 10_000;

    /// <summary>Why the figures are void, where they are. A fault in a cleanup is printed by the runner, and no more.</summary>
    internal static string? Fault { get; private set; }

    private string _folder = "";
    private ProcedureMemory _memory = null!;
    private ProcedureMemory _idleMemory = null!;
    private KernelFunction _function = null!;
    private Kernel _empty = null!;
    private Kernel _idle = null!;
    private Kernel _recording = null!;
    private Kernel _byHand = null!;
    private int _recordedCalls;
    private int _callsByHand;

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("procedural-memory-bench-").FullName;
        _function = KernelFunctionFactory.CreateFromMethod(
            (string orderId, int quantity, bool express) => new { order_id = orderId, total = quantity * 19.5, express }, "place_order", "Places an order.");
        var plugin = KernelPluginFactory.CreateFromFunctions("shop", [_function]);
        _function = plugin["place_order"];

        _empty = WithFilter(plugin, new EmptyFilter());
        _byHand = WithFilter(plugin, new HandWrittenFilter(Path.Combine(_folder, "by-hand.db")));

        _idleMemory = new ProcedureMemory(Path.Combine(_folder, "idle.db"));
        _idle = new Kernel { Plugins = { plugin } }.UseProceduralMemory(_idleMemory);

        _memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = Path.Combine(_folder, "recording.db"), MaxSteps = CallsOfARecording });
        _recording = new Kernel { Plugins = { plugin } }.UseProceduralMemory(_memory);
        _recording.Plugins.AddFromObject(new ProcedureAdminPlugin(_memory), "procedure_admin");
        (_recordedCalls, _callsByHand) = (0, 0);
        await StartAsync();
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _memory.Dispose();
        _idleMemory.Dispose();
        try
        {
            // A recording that takes no more calls is fast, and tells nothing.
            CheckRows("recording.db", _recordedCalls);
            CheckRows("by-hand.db", _callsByHand);
        }
        finally
        {
            SqliteConnection.ClearAllPools();
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Benchmark(Baseline = true, Description = "an empty filter")]
    [BenchmarkCategory("no recording active")]
    public Task<FunctionResult> EmptyFilterAsync() => _empty.InvokeAsync(_function, _arguments);

    [Benchmark(Description = "the recording filter")]
    [BenchmarkCategory("no recording active")]
    public Task<FunctionResult> IdleFilterAsync() => _idle.InvokeAsync(_function, _arguments);

    [Benchmark(Baseline = true, Description = "by hand: canonical JSON, one Dapper insert")]
    [BenchmarkCategory("recording")]
    public Task<FunctionResult> HandWrittenAsync()
    {
        _callsByHand++;
        return _byHand.InvokeAsync(_function, _arguments);
    }

    [Benchmark(Description = "the recording filter")]
    [BenchmarkCategory("recording")]
    public Task<FunctionResult> RecordingFilterAsync() => _recordedCalls++ > 0 && _recordedCalls % CallsOfARecording == 1
        ? CallInNewRecordingAsync()
        : _recording.InvokeAsync(_function, _arguments);

    private async Task<FunctionResult> CallInNewRecordingAsync()
    {
        await _recording.InvokeAsync("procedure_admin", "abandon_recording");
        await StartAsync();
        return await _recording.InvokeAsync(_function, _arguments);
    }

    private Task<FunctionResult> StartAsync() =>
        _recording.InvokeAsync("procedures", "start_recording", new() { ["name"] = "bench", ["description"] = "A recording that goes on." });

    private void CheckRows(string file, int calls)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path.Combine(_folder, file) }.ConnectionString);
        connection.Open();
        if (calls > 0 && connection.ExecuteScalar<int>("select count(*) from trace_steps") is var rows && rows != calls)
        {
            Fault = $"Of {calls} calls {rows} are in {file}: what was measured is no recording.";
            throw new InvalidOperationException(Fault);
        }
    }

    private static Kernel WithFilter(KernelPlugin plugin, IFunctionInvocationFilter filter)
    {
        var kernel = new Kernel { Plugins = { plugin } };
        kernel.FunctionInvocationFilters.Add(filter);
        return kernel;
    }

    private sealed class EmptyFilter : IFunctionInvocationFilter
    {
        public Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next) => next(context);
    }

    /// <summary>The least that recording a call durably takes: arguments and result as JSON with sorted names and numbers in one spelling, and one insert into the same table, in the same mode.</summary>
    private sealed class HandWrittenFilter : IFunctionInvocationFilter
    {
        private readonly string _connectionString;
        private int _ordinal;

        public HandWrittenFilter(string path)
        {
            _connectionString = new SqliteConnectionStringBuilder { DataSource = path, ForeignKeys = true }.ConnectionString;
            using var connection = new SqliteConnection(_connectionString);
            connection.Open();
            connection.Execute(
                """
                pragma journal_mode = wal;
                create table traces (id text not null primary key);
                create table trace_steps (
                    trace_id text not null references traces (id), ordinal integer not null, kind text not null, action text not null,
                    arguments text not null check (json_valid(arguments)), result text check (result is null or json_valid(result)), omitted text,
                    status text not null, error_type text, error text, outcome text, notes text, call_group text, call_index integer not null,
                    started_at text not null, duration_us integer not null, primary key (trace_id, ordinal)) strict, without rowid;
                insert into traces values ('0198c0de-0000-7000-8000-000000000000');
                """);
        }

        public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
        {
            var startedAt = TimeProvider.System.GetUtcNow();
            var started = TimeProvider.System.GetTimestamp();
            var arguments = new SortedDictionary<string, object?>(StringComparer.Ordinal);
            foreach (var parameter in context.Function.Metadata.Parameters)
            {
                var text = (string)context.Arguments[parameter.Name]!;
                arguments[parameter.Name] = parameter.ParameterType == typeof(string) ? text
                    : parameter.ParameterType == typeof(bool) ? bool.Parse(text)
                    : JsonSerializer.Deserialize(text, parameter.ParameterType!);
            }

            var argumentsJson = JsonSerializer.Serialize(arguments);
            await next(context);
            var result = context.Result.GetValue<object>();
            var resultJson = result is null ? null : Canonical(JsonSerializer.SerializeToElement(result, result.GetType()));
            using var connection = new SqliteConnection(_connectionString);
            connection.Open();
            connection.Execute("pragma synchronous = normal");
            connection.Execute(
                """
                insert into trace_steps (trace_id, ordinal, kind, action, arguments, result, omitted, status, error_type, error, outcome, notes,
                                         call_group, call_index, started_at, duration_us)
                values (@TraceId, @Ordinal, @Kind, @Action, @Arguments, @Result, null, @Status, null, null, null, null, null, 0, @StartedAt, @DurationUs)
                """,
                new
                {
                    TraceId = "0198c0de-0000-7000-8000-000000000000",
                    Ordinal = _ordinal++,
                    Kind = "function",
                    Action = $"{context.Function.PluginName}.{context.Function.Name}",
                    Arguments = argumentsJson,
                    Result = resultJson,
                    Status = "success",
                    StartedAt = startedAt.UtcDateTime.ToString("O"),
                    DurationUs = (long)TimeProvider.System.GetElapsedTime(started).TotalMicroseconds,
                });
        }

        private static string Canonical(JsonElement value) =>
            JsonSerializer.Serialize(value.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal).ToDictionary(p => p.Name, p => p.Value));
    }
}
