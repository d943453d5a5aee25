using System.Globalization;
using System.Text;
using System.Text.Json;
using CsCheck;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;
using ProceduralMemory.Capture;
using ProceduralMemory.Replay;

namespace ProceduralMemory.Tests;

/// <summary>A memory on a database of its own that is gone afterwards, in a world whose time stands still until it is moved.</summary>
internal sealed class TestMemory : IDisposable
{
    private readonly DirectoryInfo? _folder;
    private readonly Action<ProceduralMemoryOptions>? _configure;
    private readonly List<ProcedureMemory> _opened = [];

    private TestMemory(DirectoryInfo? folder, Action<ProceduralMemoryOptions>? configure, bool isMade = true)
    {
        _folder = folder;
        _configure = configure;
        DatabasePath = folder is null ? ":memory:" : Path.Combine(folder.FullName, "procedures.db");
        if (folder is not null && isMade)
        {
            File.WriteAllBytes(DatabasePath, Empty.Value);
        }

        Memory = Open();
    }

    public string DatabasePath { get; }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2031, 5, 4, 3, 2, 1, TimeSpan.Zero));

    public ProcedureMemory Memory { get; }

    // Migrating a new file takes longer than most tests do with it.
    private static readonly Lazy<byte[]> Empty = new(MakeEmpty);

    public static TestMemory InMemory(Action<ProceduralMemoryOptions>? configure = null) => new(null, configure);

    public static TestMemory OnFile(Action<ProceduralMemoryOptions>? configure = null) => new(Directory.CreateTempSubdirectory("procedural-memory-"), configure);

    /// <summary>The same where there is no file yet.</summary>
    public static TestMemory OnMissingFile(Action<ProceduralMemoryOptions>? configure = null) => new(Directory.CreateTempSubdirectory("procedural-memory-"), configure, isMade: false);

    private static byte[] MakeEmpty()
    {
        var folder = Directory.CreateTempSubdirectory("procedural-memory-");
        try
        {
            var file = Path.Combine(folder.FullName, "empty.db");
            using (var memory = new ProcedureMemory(file))
            {
                // Reads are done when they return.
                Assert.True(memory.ListScopesAsync().IsCompletedSuccessfully);
            }

            return File.ReadAllBytes(file);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Another memory on the same file, as another process would have it.</summary>
    public ProcedureMemory Open(Action<ProceduralMemoryOptions>? configure = null)
    {
        var options = new ProceduralMemoryOptions { DatabasePath = DatabasePath, TimeProvider = Time, Approval = ApprovalPolicy.Never };
        _configure?.Invoke(options);
        configure?.Invoke(options);
        var memory = new ProcedureMemory(options);
        _opened.Add(memory);
        return memory;
    }

    /// <summary>Every row of every table as text: what "the store is unchanged" is measured by.</summary>
    public string Dump()
    {
        using var connection = Connect();
        var text = new StringBuilder();
        foreach (var table in Query(connection, "select name from sqlite_schema where type = 'table' order by name"))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"== {table}");
            text.AppendJoin('\n', Query(connection, $"select * from \"{table}\"").Order(StringComparer.Ordinal)).AppendLine();
        }

        return text.ToString();
    }

    public string IntegrityCheck()
    {
        using var connection = Connect();
        return string.Join('\n', Query(connection, "pragma integrity_check").Concat(Query(connection, "pragma foreign_key_check")));
    }

    public void Execute(string sql) => Rows(sql);

    /// <summary>The rows that a statement gives, as text.</summary>
    public IReadOnlyList<string> Rows(string sql)
    {
        using var connection = Connect();
        return Query(connection, sql);
    }

    /// <summary>The act is refused with an error of that type, and nothing at all has happened to the store.</summary>
    public async Task<T> RefusesAsync<T>(Func<Task> act)
        where T : Exception
    {
        var before = Dump();
        var refusal = await Assert.ThrowsAnyAsync<T>(act);
        Assert.Equal(before, Dump());
        Assert.Equal("ok", IntegrityCheck());
        return refusal;
    }

    public void Dispose()
    {
        _opened.ForEach(m => m.Dispose());
        _folder?.Delete(recursive: true);
    }

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = DatabasePath, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    private static List<string> Query(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The statements are this file's own.
        command.CommandText = sql;
#pragma warning restore CA2100
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
        {
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "∅" : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture))));
        }

        return rows;
    }
}

/// <summary>Makes calls as a test says, and remembers them. What is not scripted gives <c>{"ok":true}</c>.</summary>
internal sealed class ScriptedExecutor : IStepExecutor
{
    private readonly Dictionary<string, Func<StepCall, CancellationToken, StepCallResult>> _script = [];
    private readonly Dictionary<string, FunctionDescription> _descriptions = [];

    public List<StepCall> Calls { get; } = [];

    public List<PlannedCall> Planned { get; } = [];

    public List<ReplayProblem> Problems { get; } = [];

    public ScriptedExecutor On(string action, Func<StepCall, CancellationToken, StepCallResult> act)
    {
        _script[action] = act;
        return this;
    }

    public ScriptedExecutor Returns(string action, string json) => On(action, (_, _) => new StepCallResult { Result = Given.Value(json) });

    public ScriptedExecutor ReturnsNothing(string action) => On(action, (_, _) => new StepCallResult());

    public ScriptedExecutor Fails(string action, string message = "It broke.") => On(action, (_, _) => new StepCallResult { Failure = new StepFailure("TestFailure", message) });

    public ScriptedExecutor Describes(string action, FunctionDescription description)
    {
        _descriptions[action] = description;
        return this;
    }

    public ScriptedExecutor Declares(string action, StepEffect effect) => Describes(action, new FunctionDescription { Effect = effect });

    public FunctionDescription? Describe(string action) => _descriptions.GetValueOrDefault(action);

    public Task<IReadOnlyList<ReplayProblem>> CheckAsync(IReadOnlyList<PlannedCall> calls, CancellationToken cancellationToken = default)
    {
        Planned.AddRange(calls);
        return Task.FromResult<IReadOnlyList<ReplayProblem>>(Problems);
    }

    public Task<StepCallResult> ExecuteAsync(StepCall call, CancellationToken cancellationToken = default)
    {
        Calls.Add(call);
        return Task.FromResult(_script.TryGetValue(call.Action, out var act) ? act(call, cancellationToken) : new StepCallResult { Result = Given.Value("""{"ok":true}""") });
    }
}

/// <summary>Decides as a test says, and remembers what it was asked.</summary>
internal sealed class ScriptedApprover(Func<ApprovalRequest, ApprovalDecision> decide) : IReplayApprover
{
    public ScriptedApprover(ApprovalDecision decision)
        : this(_ => decision)
    {
    }

    public List<ApprovalRequest> Asked { get; } = [];

    public Task<ApprovalDecision> DecideAsync(ApprovalRequest request, CancellationToken cancellationToken = default)
    {
        Asked.Add(request);
        return Task.FromResult(decide(request));
    }
}

/// <summary>Short ways to say what a test starts from.</summary>
internal static class Given
{
    private static readonly string[] Fragments =
    [
        "$", "{", "}", "{$", "{$}", "$$", "$inputs.a", "$steps.a.outputs", "{$inputs.a}", "%", "%7D", "%25", "~", "~0", "~1", "/", "#", "\"", "\\", "\n", "\u0000", " ", "a", "Z", "7", "é", "\u0301", "😀", "\uffff", "<", "&", "'", "+",
    ];

    /// <summary>Well-formed text full of what means something to expressions, pointers and JSON.</summary>
    public static Gen<string> AnyText { get; } = Gen.OneOf(Fragments).Array[0, 8].Select(string.Concat);

    public static Gen<string> AnyName { get; } = Gen.Select(Gen.OneOf('a', 'Z', '_', 'é', 'ß'), Gen.OneOf('a', 'Z', '_', '-', '0', '9', 'é').Array[0, 6], (first, rest) => first + string.Concat(rest));

    public static Gen<string> AnyPointer { get; } = AnyText.Array[0, 4].Select(tokens => tokens.Aggregate("", JsonPointer.Append));

    private static readonly ValueCapture Capture = new(new ProceduralMemoryOptions());

    /// <summary>JSON numbers in every spelling, far beyond what a double or a decimal holds. None is by chance the number of a card, which is a secret.</summary>
    public static Gen<string> AnyNumber { get; } = AnyDigits().Where(n => Capture.Result("t.f", Value(n), out _)!.Value.ValueKind is JsonValueKind.Number);

    private static Gen<string> AnyDigits() =>
        from sign in Gen.OneOf("", "-")
        from whole in Gen.Frequency((1, Gen.Const("0")), (3, Digits(1, 25).Select(d => "1" + d)), (3, Digits(0, 2).Select(d => "7" + d)))
        from fraction in Gen.Frequency((1, Gen.Const("")), (2, Digits(1, 25).Select(d => "." + d)))
        from exponent in Gen.Frequency((2, Gen.Const("")), (2, Gen.Select(Gen.OneOf("e", "E", "e+", "e-", "E-"), Gen.Int[0, 40], (e, n) => string.Create(CultureInfo.InvariantCulture, $"{e}{n}"))))
        select sign + whole + fraction + exponent;

    /// <summary>Deep JSON values. No name in them is secret.</summary>
    public static Gen<JsonElement> AnyValue { get; } = AnyJson(4).Select(json => JsonElement.Parse(json));

    public static Gen<JsonElement> AnyObject { get; } = ObjectOf(AnyJson(3)).Select(json => JsonElement.Parse(json));

    public static JsonElement Value(string json) => JsonElement.Parse(json);

    public static JsonElement Text(string text) => JsonSerializer.SerializeToElement(text);

    public static ProcedureStep Step(string action, string arguments = "{}", string id = "") => new() { Id = id, Action = action, Arguments = Value(arguments) };

    public static ProcedureStep Nested(string procedure, string arguments = "{}", string id = "") => Step(procedure, arguments, id) with { Kind = StepKind.Procedure };

    public static ProcedureInput Input(string name, JsonType type = JsonType.Any) => new() { Name = name, Type = type };

    public static ProcedureDefinition Definition(string name, params IReadOnlyList<ProcedureStep> steps) => new() { Name = name, Steps = steps };

    public static ProcedureDefinition Taking(this ProcedureDefinition definition, params IReadOnlyList<ProcedureInput> inputs) => definition with { Inputs = inputs };

    /// <summary>A replay request with inputs given as JSON texts.</summary>
    public static ReplayRequest With(params IReadOnlyList<(string Name, string Json)> inputs) => new() { Inputs = Values(inputs) };

    public static Dictionary<string, JsonElement> Values(params IReadOnlyList<(string Name, string Json)> values) => values.ToDictionary(v => v.Name, v => Value(v.Json));

    /// <summary>An object that nests so deep.</summary>
    public static string Deep(int depth) => string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "1" + new string('}', depth);

    /// <summary>Records steps that all succeed, each an action with its arguments and its result.</summary>
    public static async Task<Procedure> RecordedAsync(this ProcedureMemory memory, RecordingDetails details, params (string Action, string Arguments, string Result)[] calls)
    {
        var recorder = await memory.StartRecordingAsync(details);
        foreach (var (action, arguments, result) in calls)
        {
            await recorder.CompleteStepAsync(recorder.BeginStep(action, Value(arguments))!, Value(result));
        }

        return (await recorder.FinalizeAsync()).Procedure!;
    }

    public static void JsonEqual(string expected, JsonElement? actual)
    {
        Assert.NotNull(actual);
        JsonEqual(Value(expected), actual.Value);
    }

    public static void JsonEqual(JsonElement expected, JsonElement actual) =>
        Assert.True(JsonElement.DeepEquals(expected, actual), $"Expected {expected.GetRawText()}\nActual   {actual.GetRawText()}");

    private static Gen<string> Digits(int least, int most) => Gen.Int[0, 9].Array[least, most].Select(digits => string.Concat(digits));

    private static Gen<string> AnyJson(int depth)
    {
        var leaf = Gen.Frequency((4, AnyText.Select(Quoted)), (4, AnyNumber), (1, Gen.OneOf("true", "false", "null")));
        if (depth == 0)
        {
            return leaf;
        }

        var inner = AnyJson(depth - 1);
        return Gen.Frequency((1, leaf), (2, ObjectOf(inner)), (1, inner.Array[0, 4].Select(items => $"[{string.Join(',', items)}]")));
    }

    private static Gen<string> ObjectOf(Gen<string> inner) => Gen.Select(AnyText, inner).Array[0, 4]
        .Select(members => $"{{{string.Join(',', members.DistinctBy(m => m.Item1).Select(m => $"{Quoted(m.Item1)}:{m.Item2}"))}}}");

    private static string Quoted(string text) => JsonSerializer.Serialize(text);
}
