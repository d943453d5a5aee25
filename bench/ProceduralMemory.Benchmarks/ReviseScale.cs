using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using Microsoft.SemanticKernel;
using ProceduralMemory.Persist;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Benchmarks;

/// <summary>
/// What the maintenance pass costs from a thousand procedures to a hundred thousand, with ten executions each: a first pass, which makes a candidate of every twentieth procedure, and a second one, which
/// changes nothing. The library stores and replays one procedure of each kind; the others are copies of their rows.
/// </summary>
internal sealed class ReviseScale(string path)
{
    private const int Executions = 10;
    private const int Improvable = 20;

    /// <summary>Of forty procedures one repeats a read in vain, one has a step that may fail and mostly does, and the others are in order.</summary>
    private static readonly string[] Kinds = ["in order", "repeats", "fails"];

    public static Command Command()
    {
        var sizes = new Option<string>("--sizes") { Description = "Numbers of procedures, rising.", DefaultValueFactory = _ => "1000,10000,100000" };
        var rounds = new Option<int>("--rounds") { Description = "Rounds at each size; the figures are medians.", DefaultValueFactory = _ => 5 };
        var command = new Command("revise", "Measures the maintenance pass at each of some sizes.") { sizes, rounds };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
            var folder = Directory.CreateTempSubdirectory("procedural-memory-revise-").FullName;
            try
            {
                // What is measured later is compiled by then.
                await new ReviseScale(Path.Combine(folder, "warm-up.db")).MeasureAsync(2_000, rounds: 8, cancellationToken);
                var rows = new List<(int Size, Pass First, Pass Second)>();
                foreach (var size in parsed.GetRequiredValue(sizes).Split(',').Select(s => int.Parse(s, CultureInfo.InvariantCulture)))
                {
                    var file = Path.Combine(folder, $"{size}.db");
                    var (first, second) = await new ReviseScale(file).MeasureAsync(size, parsed.GetValue(rounds), cancellationToken);
                    rows.Add((size, first, second));
                    SqliteConnection.ClearAllPools();
                    File.Delete(file);
                }

                Print("first", [.. rows.Select(r => (r.Size, r.First))]);
                Print("second", [.. rows.Select(r => (r.Size, r.Second))]);
            }
            finally
            {
                SqliteConnection.ClearAllPools();
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    private async Task<(Pass First, Pass Second)> MeasureAsync(int size, int rounds, CancellationToken cancellationToken)
    {
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = path, Approval = ApprovalPolicy.Never, ReviewAfterReplay = false });
        var started = Stopwatch.GetTimestamp();
        await StorePatternsAsync(memory, cancellationToken);
        Copy(size);
        await ((IProcedureSearch)memory.Store).SearchAsync(new SearchQuery { Scopes = ["default"] }, cancellationToken);
        using (var connection = Connect())
        {
            connection.Execute("pragma wal_checkpoint(truncate)");
        }

        Say($"{size}: {new FileInfo(path).Length / 1e6:0} MB, filled and indexed in {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
        var (first, second) = (new List<Pass>(), new List<Pass>());
        for (var round = 0; round < rounds; round++)
        {
            first.Add(await MeasureAsync(memory, size, size / Improvable, cancellationToken));
            second.Add(await MeasureAsync(memory, size, 0, cancellationToken));
            Say($"{size}: first {first[^1].Seconds:0.000} s, second {second[^1].Seconds:0.000} s");
            ForgetCandidates();
        }

        return (Pass.Median(first), Pass.Median(second));
    }

    private static async Task<Pass> MeasureAsync(ProcedureMemory memory, int size, int changes, CancellationToken cancellationToken)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        var (before, allocatedBefore) = (GC.GetTotalMemory(forceFullCollection: false), GC.GetTotalAllocatedBytes(precise: true));
        var (heap, working) = (before, Environment.WorkingSet);
        using var end = new ManualResetEventSlim();
        var watch = new Thread(() =>
        {
            do
            {
                heap = Math.Max(heap, GC.GetTotalMemory(forceFullCollection: false));
                working = Math.Max(working, Environment.WorkingSet);
            }
            while (!end.Wait(TimeSpan.FromMilliseconds(5)));
        });
        watch.Start();
        var processor = Environment.CpuUsage.TotalTime;
        var started = Stopwatch.GetTimestamp();
        var result = await memory.ReviseAsync(cancellationToken: cancellationToken);
        var elapsed = Stopwatch.GetElapsedTime(started);
        processor = Environment.CpuUsage.TotalTime - processor;
        end.Set();
        watch.Join();
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
        return result.Looked == size && result.Changes.Count == changes && result.Faults.Count == 0
            ? new Pass(elapsed.TotalSeconds, processor.TotalSeconds, allocated / 1e6, (heap - before) / 1e6, working / 1e6)
            : throw new InvalidOperationException($"What was measured is not what was meant: {result.Looked} looked at, {result.Changes.Count} changes for {changes}, {string.Join(' ', result.Faults.Take(3))}");
    }

    /// <summary>One procedure of each kind with its executions, by the library.</summary>
    private static async Task StorePatternsAsync(ProcedureMemory memory, CancellationToken cancellationToken)
    {
        foreach (var kind in Kinds)
        {
            var (called, fails) = (0, kind == "fails");
            var kernel = new Kernel();
            kernel.Plugins.AddFromFunctions("shop",
            [
                KernelFunctionFactory.CreateFromMethod((string order) => new { order, customer = "cus_10234", items = new[] { 4, 8, 15 } }, "get_order"),
                KernelFunctionFactory.CreateFromMethod((string customer) => new { customer, mail = "ada@example.test" }, "get_customer"),
                KernelFunctionFactory.CreateFromMethod((string customer) => fails && called++ % 4 != 0 ? throw new InvalidOperationException("No points today.") : new { customer, points = 7 }, "get_points"),
                KernelFunctionFactory.CreateFromMethod((string to, string order) => new { to, sent = true, about = order }, "tell"),
            ]);
            await memory.StoreAsync(
                new ProcedureDefinition
                {
                    Name = kind,
                    Description = "Tell the customer of an order how it stands",
                    Inputs = [new ProcedureInput { Name = "order", Type = JsonType.String }],
                    Steps =
                    [
                        Step("order", "get_order", """{"order":"$inputs.order"}"""),
                        Step("customer", "get_customer", """{"customer":"$steps.order.outputs#/customer"}"""),
                        kind == "repeats" ? Step("again", "get_order", """{"order":"$inputs.order"}""") : Step("points", "get_points", """{"customer":"$steps.order.outputs#/customer"}""") with { OnFailure = FailurePolicy.Continue },
                        Step("tell", "tell", """{"to":"$steps.customer.outputs#/mail","order":"$inputs.order"}""") with { Effect = StepEffect.Write },
                    ],
                },
                cancellationToken: cancellationToken);
            for (var i = 0; i < Executions; i++)
            {
                await memory.ReplayAsync(kernel, kind, ReplayRequest.For(new { order = $"W-{2378156 + i}" }), cancellationToken: cancellationToken);
            }
        }

        static ProcedureStep Step(string id, string function, string arguments) => new() { Id = id, Action = $"shop.{function}", Effect = StepEffect.Read, Arguments = JsonElement.Parse(arguments) };
    }

    /// <summary>
    /// Puts copies of the patterns' rows in their place. Each execution of one procedure lies among those of all the others, as it does where they are replayed in turn, and not beside its next one.
    /// </summary>
    private void Copy(int size)
    {
        using var connection = Connect();
        using var transaction = connection.BeginTransaction();
        connection.Execute(
            """
            create temp table pattern as
            select p.id as old, k.number as kind from procedures p join (select 0 as number, 'in order' as name union all select 1, 'repeats' union all select 2, 'fails') k on k.name = p.name;
            create temp table copy as
            with recursive n (number) as (select 0 union all select number + 1 from n where number + 1 < @Size)
            select n.number, p.old, printf('01a00000-0000-7000-8000-%012x', n.number) as id
            from n join pattern p on p.kind = case n.number % @Improvable when 0 then 1 + n.number / @Improvable % 2 else 0 end;
            create temp table run as
            select c.id as procedure_id, e.id as old, e.turn * @Size + c.number as place, printf('01a10000-0000-7000-8000-%012x', e.turn * @Size + c.number) as id
            from (select id, procedure_id, row_number() over (partition by procedure_id order by started_at, id) - 1 as turn from executions) e join copy c on c.old = e.procedure_id;
            """,
            new { Size = size, Improvable });
        CopyRows(connection, "procedures", "copy c on c.old = t.id", "c.number", ("id", "c.id"), ("name", "t.name || ' ' || c.number"));
        CopyRows(connection, "procedure_versions", "copy c on c.old = t.procedure_id", "c.number", ("procedure_id", "c.id"));
        CopyRows(connection, "step_statistics", "copy c on c.old = t.procedure_id", "c.number", ("procedure_id", "c.id"));
        CopyRows(connection, "executions", "run c on c.old = t.id", "c.place", ("id", "c.id"), ("root_id", "c.id"), ("procedure_id", "c.procedure_id"), ("started_at", StartedAt));
        CopyRows(connection, "execution_steps", "run c on c.old = t.execution_id", "c.place", ("execution_id", "c.id"));
        connection.Execute("update procedures set retired = 1 where id in (select old from pattern)");
        transaction.Commit();
    }

    private const string StartedAt = "strftime('%Y-%m-%dT%H:%M:%S', '2026-01-01', '+' || (c.place / 100) || ' seconds') || printf('.%07dZ', c.place % 100 * 100000)";

    /// <summary>Inserts copies of rows with other values in some columns.</summary>
    private static void CopyRows(SqliteConnection connection, string table, string join, string order, params (string Column, string Value)[] changed)
    {
        var columns = connection.Query<string>("select name from pragma_table_info(@Table)", new { Table = table }).ToList();
        var values = columns.Select(c => changed.Where(v => v.Column == c).Select(v => v.Value).SingleOrDefault() ?? $"t.{c}");
        connection.Execute($"insert into {table} ({string.Join(", ", columns)}) select {string.Join(", ", values)} from {table} t join {join} order by {order}");
    }

    /// <summary>Takes back what the first pass did.</summary>
    private void ForgetCandidates()
    {
        using var connection = Connect();
        connection.Execute(
            """
            delete from revisions;
            delete from step_statistics where version > 1;
            delete from procedure_versions where version > 1;
            pragma wal_checkpoint(truncate);
            """);
    }

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={path};Pooling=False;Default Timeout=60");
        connection.Open();
        return connection;
    }

    private static void Print(string name, IReadOnlyList<(int Size, Pass Pass)> rows)
    {
        Console.WriteLine();
        Console.WriteLine($"| procedures, {name} pass | s | processor, s | µs for each | times the row before | allocated, MB | times the row before | heap, at most more than before, MB | process, at most, MB |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        for (var i = 0; i < rows.Count; i++)
        {
            var (size, pass) = rows[i];
            var (time, memory) = i == 0 ? ("", "") : ($"{pass.Seconds / rows[i - 1].Pass.Seconds:0.0}", $"{pass.Allocated / rows[i - 1].Pass.Allocated:0.0}");
            Console.WriteLine($"| {size:#,##0} | {pass.Seconds:0.000} | {pass.Processor:0.000} | {pass.Seconds / size * 1e6:0} | {time} | {pass.Allocated:#,##0.0} | {memory} | {pass.Heap:0.0} | {pass.WorkingSet:0} |");
        }
    }

    private static void Say(string line) => Console.Error.WriteLine(line);

    /// <summary>One pass, in seconds and megabytes: the heap is the most that it held beyond what it held before, with what was not collected yet, and the working set the most of the process.</summary>
    private sealed record Pass(double Seconds, double Processor, double Allocated, double Heap, double WorkingSet)
    {
        public static Pass Median(IReadOnlyList<Pass> passes) =>
            new(Of(passes, p => p.Seconds), Of(passes, p => p.Processor), Of(passes, p => p.Allocated), Of(passes, p => p.Heap), Of(passes, p => p.WorkingSet));

        private static double Of(IReadOnlyList<Pass> passes, Func<Pass, double> value) => passes.Select(value).Order().ElementAt(passes.Count / 2);
    }
}
