using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dapper;
using Microsoft.Data.Sqlite;
using ProceduralMemory.Persist;
using ProceduralMemory.Persist.Sqlite;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Benchmarks;

/// <summary>
/// What searching costs from a thousand procedures to a million. A file of a million takes minutes to build and seconds to open, so this is a plain program: one file
/// that grows, and at each size a warm-up and then the median and the 95th percentile of many different requests.
/// </summary>
internal sealed class RecallScale(int dimensions, int queries, string folder) : IDisposable
{
    private const string Scope = "default";
    private const int Warmup = 40;
    private const double WarmupSeconds = 10;
    private const int Inserts = 100;

    private readonly RecallCorpus _corpus = new();
    private readonly WordSums _vectors = new(dimensions);
    private readonly string _path = Path.Combine(folder, "recall.db");
    private int _procedures;
    private int _further;
    private long _indexBytes;
    private long _vectorBytes;

    public static Command Command()
    {
        var sizes = new Option<string>("--sizes") { Description = "Numbers of procedures, rising.", DefaultValueFactory = _ => "1000,10000,100000,1000000" };
        var dimensions = new Option<int>("--dimensions") { Description = "Numbers in a vector.", DefaultValueFactory = _ => 384 };
        var queries = new Option<int>("--queries") { Description = "Requests at each size.", DefaultValueFactory = _ => 300 };
        var keep = new Option<DirectoryInfo?>("--keep") { Description = "A folder in which the file is made and left; one that is there already is taken as it is. The default is a temporary one." };
        var command = new Command("recall", "Measures searching at each of some sizes.") { sizes, dimensions, queries, keep };
        command.SetAction(async (parsed, _) =>
        {
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
            var kept = parsed.GetValue(keep);
            var folder = kept?.FullName ?? Directory.CreateTempSubdirectory("procedural-memory-recall-").FullName;
            try
            {
                using var scale = new RecallScale(parsed.GetValue(dimensions), parsed.GetValue(queries), folder);
                await scale.RunAsync([.. parsed.GetRequiredValue(sizes).Split(',').Select(s => int.Parse(s, CultureInfo.InvariantCulture)).Order()]);
            }
            finally
            {
                SqliteConnection.ClearAllPools();
                if (kept is null)
                {
                    Directory.Delete(folder, recursive: true);
                }
            }
        });
        return command;
    }

    public void Dispose() => _vectors.Dispose();

    private async Task RunAsync(IReadOnlyList<int> sizes)
    {
        var rows = new List<Row>();
        foreach (var size in sizes)
        {
            rows.Add(await MeasureAsync(size));
        }

        Print(rows);
    }

    private async Task<Row> MeasureAsync(int size)
    {
        var row = new Row { Procedures = size };
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _path });
        var store = (IProcedureSearch)memory.Store;

        // The first call makes the file, so that there are tables to fill.
        await memory.ListScopesAsync();
        var started = Stopwatch.GetTimestamp();
        WithoutQueueing(() => Fill(size));
        row.Filling = Stopwatch.GetElapsedTime(started);
        Say($"{size}: filled in {row.Filling.TotalSeconds:0.0} s");
        var used = UsedBytes();
        Queue(size);

        started = Stopwatch.GetTimestamp();
        await store.SearchAsync(new SearchQuery { Scopes = [Scope] });
        row.Indexing = Stopwatch.GetElapsedTime(started);
        row.IndexBytes = _indexBytes += UsedBytes() - used;
        used = UsedBytes();
        Say($"{size}: indexed in {row.Indexing.TotalSeconds:0.0} s");

        started = Stopwatch.GetTimestamp();
        await WriteVectorsAsync(store);
        row.WritingVectors = Stopwatch.GetElapsedTime(started);
        Say($"{size}: vectors written in {row.WritingVectors.TotalSeconds:0.0} s");
        row.VectorBytes = _vectorBytes += UsedBytes() - used;
        using (var connection = Connect())
        {
            row.WordsBytes = connection.ExecuteScalar<long>("select sum(length(block)) from search_index_data");
            connection.Execute("pragma wal_checkpoint(truncate)");
        }

        row.FileBytes = new FileInfo(_path).Length;
        using (var first = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _path }))
        {
            started = Stopwatch.GetTimestamp();
            await first.FindAsync(_corpus.Request(0, size), Words);
            row.FirstWords = Stopwatch.GetElapsedTime(started);
        }

        row.Words = await QueryAsync(memory, Words, size);
        Say($"{size}: by words {row.Words.Median:0.00} ms, {row.Words.P95:0.00} ms, processor {row.Words.Processor:0.00} ms");
        await ScanAsync(store, row);
        Say($"{size}: scan {row.Scan.Median:0.00} ms, {row.ScanBandwidth:0.0} GB/s beside {row.SumBandwidth:0.0} GB/s; {row.BytesPerProcedure:0} bytes each; read in {row.ReadingVectors.TotalSeconds:0.0} s");
        using (var hybrid = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = _path, EmbeddingGenerator = _vectors }))
        {
            row.Hybrid = await QueryAsync(hybrid, new FindOptions { Top = 5 }, size);
        }

        Collect();
        Say($"{size}: hybrid {row.Hybrid.Median:0.00} ms, {row.Hybrid.P95:0.00} ms, processor {row.Hybrid.Processor:0.00} ms");
        row.Storing = await StoreAsync(memory);
        row.StoringUnindexed = await StoreUnindexedAsync(memory);
        await store.SearchAsync(new SearchQuery { Scopes = [Scope] });
        Say($"{size}: storing {row.Storing.Median:0.00} ms, {row.Storing.Mean:0.00} ms in the mean, without the index {row.StoringUnindexed.Median:0.00} ms");
        return row;
    }

    private static FindOptions Words { get; } = new() { Strategy = FindStrategy.Words, Top = 5 };

    /// <summary>Rows as the library would write them, in large transactions. Triggers queue them for the index, which is the library's to make.</summary>
    private void Fill(int size)
    {
        const int Batch = 50_000;
        var at = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using var connection = Connect();
        _procedures = Math.Max(_procedures, connection.ExecuteScalar<int>("select count(*) from procedures where created_at < '2026-06'"));
        _further = Math.Max(_further, connection.ExecuteScalar<int>("select count(*) from procedures where created_at >= '2026-06'"));
        while (_procedures < size)
        {
            using var transaction = connection.BeginTransaction();
            using var procedures = Prepare(connection, "insert into procedures (id, scope, name, description, tags, origin, active_version, created_at, updated_at) values (@0, 'default', @1, @2, '[]', 'user', 1, @3, @3)", 4);
            using var versions = Prepare(connection, "insert into procedure_versions (procedure_id, version, reason, state, origin, document, created_at, executions, successes, failures) values (@0, 1, 'stored', 'active', 'user', @1, @2, @3, @4, @5)", 6);
            for (var i = 0; i < Batch && _procedures < size; i++, _procedures++)
            {
                var made = _corpus.Procedure(_procedures);
                var id = Guid.CreateVersion7(at.AddMilliseconds(_procedures)).ToString("D");
                var time = at.AddMilliseconds(_procedures).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
                Run(procedures, id, made.Name, made.Description, time);
                var definition = Definition(made);
                var document = JsonSerializer.Serialize(new VersionDocument { Inputs = definition.Inputs, Steps = definition.Steps }, Json.Stored);
                Run(versions, id, document, time, (long)(_procedures % 20), (long)(_procedures % 20 * 3 / 4), (long)((_procedures % 20) - (_procedures % 20 * 3 / 4)));
            }

            transaction.Commit();
        }

        static SqliteCommand Prepare(SqliteConnection connection, string sql, int parameters)
        {
            var command = connection.CreateCommand();
            command.CommandText = sql;
            for (var i = 0; i < parameters; i++)
            {
                command.Parameters.Add(new SqliteParameter($"@{i}", null));
            }

            return command;
        }

        static void Run(SqliteCommand command, params ReadOnlySpan<object> values)
        {
            for (var i = 0; i < values.Length; i++)
            {
                command.Parameters[i].Value = values[i];
            }

            command.ExecuteNonQuery();
        }
    }

    private async Task WriteVectorsAsync(IProcedureSearch store)
    {
        const int Batch = 5_000;
        using var connection = Connect();
        var after = 0L;
        while (true)
        {
            var texts = connection.Query<(long Id, string ProcedureId, long Change, string Text)>(
                """
                select id, procedure_id, change, vector_text from search_documents d
                where id > @After and not exists (select 1 from procedure_vectors v where v.procedure_id = d.procedure_id)
                order by id limit @Batch
                """,
                new { After = after, Batch }).AsList();
            if (texts.Count == 0)
            {
                return;
            }

            after = texts[^1].Id;
            await store.WriteVectorsAsync(WordSums.Model, [.. texts.Select(t => new ProcedureVector(Guid.ParseExact(t.ProcedureId, "D"), t.Change, _vectors.Of(t.Text)))]);
        }
    }

    /// <summary>The time of each request, without what the generator of vectors takes.</summary>
    private async Task<Times> QueryAsync(ProcedureMemory memory, FindOptions options, int size)
    {
        var times = new List<double>(queries);
        var processor = new List<double>(queries);
        var found = 0;
        var warmedUp = Stopwatch.GetTimestamp() + (long)(WarmupSeconds * Stopwatch.Frequency);
        for (var i = -1; Stopwatch.GetTimestamp() < warmedUp; i--)
        {
            // Code is compiled better once it has run often; that takes some thousand requests.
            await memory.FindAsync(_corpus.Request(queries - i, size), options);
        }

        for (var i = 0; i < queries; i++)
        {
            var request = _corpus.Request(i, size);
            var made = _vectors.Ticks;
            var used = Environment.CpuUsage.TotalTime;
            var started = Stopwatch.GetTimestamp();
            var result = await memory.FindAsync(request, options);
            var elapsed = Stopwatch.GetTimestamp() - started - (_vectors.Ticks - made);
            found += result.Matches.Count;
            times.Add(elapsed * 1000.0 / Stopwatch.Frequency);
            processor.Add((Environment.CpuUsage.TotalTime - used).TotalMilliseconds);

            if (result.Notes.Count > 0 || result.UsedVectors != (options.Strategy is FindStrategy.Ranked))
            {
                throw new InvalidOperationException($"What was measured is not what was meant: {string.Join(' ', result.Notes)}");
            }
        }

        return found > 0 ? new Times(times) { Processor = new Times(processor).Median } : throw new InvalidOperationException("Nothing was found, so nothing was measured.");
    }

    /// <summary>The scan alone, beside what the machine needs to read as many numbers and add them up.</summary>
    private async Task ScanAsync(IProcedureSearch store, Row row)
    {
        var before = Collect();
        var started = Stopwatch.GetTimestamp();
        var vectors = new ScopeVectors();
        await vectors.RefreshAsync(store, Scope, WordSums.Model, CancellationToken.None);
        row.ReadingVectors = Stopwatch.GetElapsedTime(started);
        row.BytesPerProcedure = (double)(Collect() - before) / vectors.Count;
        var bytes = (double)vectors.Count * dimensions * sizeof(float);
        var repeats = (int)Math.Clamp(8e9 / bytes, 30, 400);

        // The baseline reads blocks of the same size, in turn with the scan: what else runs on the machine then slows both alike.
        var blocks = Enumerable.Range(0, (vectors.Count + 1023) / 1024).Select(_ => new float[1024 * dimensions]).ToList();
        blocks.ForEach(b => b.AsSpan().Fill(0.5f));
        var requests = Enumerable.Range(0, repeats + Warmup).Select(i => _vectors.Of(_corpus.Request(i, row.Procedures))).ToList();
        var (scans, sums) = (new List<double>(repeats), new List<double>(repeats));
        for (var i = -Warmup; i < repeats; i++)
        {
            started = Stopwatch.GetTimestamp();
            GC.KeepAlive(vectors.Nearest(requests[i + Warmup], 100, isWanted: null, out _, CancellationToken.None));
            var scanned = Stopwatch.GetTimestamp();
            GC.KeepAlive(blocks.Sum(b => TensorPrimitives.Sum<float>(b)));
            var summed = Stopwatch.GetTimestamp();
            if (i >= 0)
            {
                scans.Add(Stopwatch.GetElapsedTime(started, scanned).TotalMilliseconds);
                sums.Add(Stopwatch.GetElapsedTime(scanned, summed).TotalMilliseconds);
            }
        }

        GC.KeepAlive(vectors);
        row.Scan = new Times(scans);
        row.ScanBandwidth = bytes / row.Scan.Median / 1e6;
        row.SumBandwidth = (double)blocks.Count * 1024 * dimensions * sizeof(float) / new Times(sums).Median / 1e6;
    }

    private async Task<Times> StoreAsync(ProcedureMemory memory)
    {
        var times = new List<double>(Inserts);
        for (var i = -10; i < Inserts; i++)
        {
            var definition = Definition(_corpus.Procedure(int.MaxValue - _further++));
            var started = Stopwatch.GetTimestamp();
            await memory.StoreAsync(definition);
            if (i >= 0)
            {
                times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }
        }

        return new Times(times);
    }

    /// <summary>The same with nothing queued for the index; then it is queued.</summary>
    private async Task<Times> StoreUnindexedAsync(ProcedureMemory memory)
    {
        var times = default(Times);
        await WithoutQueueingAsync(async () => times = await StoreAsync(memory));
        Queue(2 * Inserts);
        return times!;
    }

    private void WithoutQueueing(Action action)
    {
        var triggers = DropTriggers();
        action();
        CreateTriggers(triggers);
    }

    private async Task WithoutQueueingAsync(Func<Task> action)
    {
        var triggers = DropTriggers();
        await action();
        CreateTriggers(triggers);
    }

    private List<string> DropTriggers()
    {
        using var connection = Connect();
        var triggers = connection.Query<(string Name, string Sql)>("select name, sql from sqlite_schema where type = 'trigger' and name like 'search_queue%'").AsList();
        triggers.ForEach(t => connection.Execute($"drop trigger {t.Name}"));
        return [.. triggers.Select(t => t.Sql)];
    }

    private void CreateTriggers(List<string> triggers)
    {
        using var connection = Connect();
        triggers.ForEach(t => connection.Execute(t));
    }

    /// <summary>Queues the newest procedures that the index lacks.</summary>
    private void Queue(int newest)
    {
        using var connection = Connect();
        connection.Execute(
            """
            insert or ignore into search_queue (procedure_id)
            select id from (select id from procedures order by rowid desc limit @Newest) p where not exists (select 1 from search_documents d where d.procedure_id = p.id)
            """,
            new { Newest = newest });
    }

    /// <summary>The pages of the file that hold something.</summary>
    private long UsedBytes()
    {
        using var connection = Connect();
        return connection.ExecuteScalar<long>("select (page_count - freelist_count) * page_size from pragma_page_count, pragma_freelist_count, pragma_page_size");
    }

    private static ProcedureDefinition Definition(GeneratedProcedure made) => new()
    {
        Name = made.Name,
        Description = made.Description,
        Inputs = [.. made.Inputs.Select(i => new ProcedureInput { Name = i, Type = JsonType.String })],
        Steps = [.. made.Actions.Select((a, i) => new ProcedureStep { Id = $"s{i}", Action = a, Arguments = JsonSerializer.SerializeToElement(new Dictionary<string, string> { ["value"] = $"$inputs.{made.Inputs[i % made.Inputs.Count]}" }) })],
    };

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false }.ConnectionString);
        connection.Open();
        connection.Execute("pragma synchronous = normal");
        return connection;
    }

    private static long Collect()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static void Say(string text) => Console.Error.WriteLine(text);

    private void Print(List<Row> rows)
    {
        var machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30);
        using var connection = new SqliteConnection("Data Source=:memory:");
        connection.Open();
        Console.WriteLine($"{Environment.ProcessorCount} cores ({RuntimeInformation.ProcessArchitecture}, vectors of {(System.Runtime.Intrinsics.Vector512.IsHardwareAccelerated ? 512 : System.Runtime.Intrinsics.Vector256.IsHardwareAccelerated ? 256 : 128)} bits), {machine:0} GiB of memory, {RuntimeInformation.FrameworkDescription}, SQLite {connection.ServerVersion}; {dimensions} dimensions, {queries} requests at each size.");
        Console.WriteLine();
        Table("| procedures | by words: median / p95 / processor, ms | hybrid: median / p95 / processor, ms | first search, ms | vectors read at first, s |", rows.Select(r =>
            $"| {r.Procedures:n0} | {r.Words.Median:0.0} / {r.Words.P95:0.0} / {r.Words.Processor:0.0} | {r.Hybrid.Median:0.0} / {r.Hybrid.P95:0.0} / {r.Hybrid.Processor:0.0} | {r.FirstWords.TotalMilliseconds:0} | {r.ReadingVectors.TotalSeconds:0.00} |"));
        Table("| procedures | scan of the vectors, ms | GB/s | plain sum of as many numbers, GB/s | bytes of memory for each procedure |", rows.Select(r =>
            $"| {r.Procedures:n0} | {r.Scan.Median:0.00} | {r.ScanBandwidth:0.0} | {r.SumBandwidth:0.0} | {r.BytesPerProcedure:n0} |"));
        Table("| procedures | index on disk, MB | of it words, MB | index for each, bytes | vectors on disk, MB | file, MB | rows written, s | indexed, s | vectors written, s |", rows.Select(r =>
            $"| {r.Procedures:n0} | {r.IndexBytes / 1e6:n1} | {r.WordsBytes / 1e6:n1} | {r.IndexBytes / r.Procedures:n0} | {r.VectorBytes / 1e6:n1} | {r.FileBytes / 1e6:n1} | {r.Filling.TotalSeconds:0.0} | {r.Indexing.TotalSeconds:0.0} | {r.WritingVectors.TotalSeconds:0.0} |"));
        Table("| procedures | one `StoreAsync`: median / mean / p95, ms | of it indexing: median / mean, ms |", rows.Select(r =>
            $"| {r.Procedures:n0} | {r.Storing.Median:0.00} / {r.Storing.Mean:0.00} / {r.Storing.P95:0.00} | {r.Storing.Median - r.StoringUnindexed.Median:0.00} / {r.Storing.Mean - r.StoringUnindexed.Mean:0.00} |"));

        static void Table(string header, IEnumerable<string> lines)
        {
            Console.WriteLine(header);
            Console.WriteLine($"|{string.Concat(Enumerable.Repeat("---|", header.Count(c => c == '|') - 1))}");
            foreach (var line in lines)
            {
                Console.WriteLine(line);
            }

            Console.WriteLine();
        }
    }

    /// <summary>Milliseconds.</summary>
    private sealed record Times
    {
        public Times(List<double> each)
        {
            each.Sort();
            Median = each[each.Count / 2];
            P95 = each[(int)(each.Count * 0.95)];
            Mean = each.Average();
        }

        public double Median { get; }

        /// <summary>The median of the processor's time, which other programs on the machine do not lengthen as much.</summary>
        public double Processor { get; init; }

        public double P95 { get; }

        public double Mean { get; }
    }

    private sealed class Row
    {
        public int Procedures { get; init; }

        public TimeSpan Filling { get; set; }

        public TimeSpan Indexing { get; set; }

        public TimeSpan WritingVectors { get; set; }

        public TimeSpan ReadingVectors { get; set; }

        public TimeSpan FirstWords { get; set; }

        public Times Words { get; set; } = null!;

        public Times Hybrid { get; set; } = null!;

        public Times Scan { get; set; } = null!;

        public Times Storing { get; set; } = null!;

        public Times StoringUnindexed { get; set; } = null!;

        public double ScanBandwidth { get; set; }

        public double SumBandwidth { get; set; }

        public double BytesPerProcedure { get; set; }

        public long IndexBytes { get; set; }

        public long WordsBytes { get; set; }

        public long VectorBytes { get; set; }

        public long FileBytes { get; set; }
    }
}
