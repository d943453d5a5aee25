using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Recall;

namespace ProceduralMemory.Evaluation;

/// <summary>A stored task and one that is asked for, written by hand. They share an action or most words.</summary>
/// <param name="Id">Its domain and number.</param>
/// <param name="Stored">The procedure of the stored task.</param>
/// <param name="Asked">The request.</param>
/// <param name="Differs">In what the tasks differ, where the procedure does not do what is asked: action, object, qualifier or opposite.</param>
/// <param name="Same">What differs where it does: the values, or the words.</param>
/// <param name="Absent">Other stored procedures that do what is asked. They are left out where all are in one memory.</param>
internal sealed record TaskPair(string Id, StoredTask Stored, string Asked, string? Differs = null, string? Same = null, IReadOnlyList<string>? Absent = null)
{
    public bool Fits => Same is not null;
}

/// <summary>A procedure as it was recorded.</summary>
internal sealed record StoredTask(string Name, string Description, string Request, IReadOnlyList<string> Actions);

/// <summary>What a system would do with a pair: replay the procedure where it is alone in the memory, and replay some procedure where all are in it.</summary>
internal sealed record WouldReplay(string? Alone, double ScoreAlone, string? AmongAll, double ScoreAmongAll);

/// <summary>What the systems would replay for each pair.</summary>
internal sealed class WrongReplayResult(IReadOnlyList<TaskPair> pairs, IReadOnlyDictionary<string, IReadOnlyList<WouldReplay>> answers)
{
    public IReadOnlyList<string> Systems { get; } = [.. answers.Keys];

    public IReadOnlyList<string> Kinds { get; } = [.. pairs.Select(p => p.Differs).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>How many pairs there are of tasks that differ in something, or in anything.</summary>
    public int Pairs(string? kind = null) => pairs.Count(p => IsOf(p, kind));

    /// <summary>How many of them would be replayed wrongly, with the procedure alone in the memory.</summary>
    public int Wrong(string system, string? kind = null) => Answers(system).Count(a => IsOf(a.Pair, kind) && a.Would.Alone is not null);

    /// <summary>How many of them would replay some procedure, none of which does what is asked.</summary>
    public int WrongAmongAll(string system, string? kind = null) => Answers(system).Count(a => IsOf(a.Pair, kind) && a.Would.AmongAll is not null);

    /// <summary>The share of the tasks that are the same in which the procedure would be replayed, alone in the memory.</summary>
    public double Found(string system, string? same = null) => Answers(system).Where(a => IsSame(a.Pair, same)).Average(a => a.Would.Alone is not null ? 1.0 : 0.0);

    /// <summary>The share of the tasks that are the same in which the right procedure would be replayed, with all in the memory.</summary>
    public double FoundAmongAll(string system, string? same = null) => Answers(system).Where(a => IsSame(a.Pair, same)).Average(a => a.Would.AmongAll == a.Pair.Stored.Name ? 1.0 : 0.0);

    public IEnumerable<Failure> Failures => Answers(Library.Name)
        .Where(a => (a.Would.Alone is null) == a.Pair.Fits)
        .Select(a => new Failure(a.Pair.Differs is { } differs ? $"another {differs}" : $"same task, other {a.Pair.Same}", a.Pair.Id, [
            $"stored: {a.Pair.Stored.Name}: {a.Pair.Stored.Description} {a.Pair.Stored.Request} [{string.Join(", ", a.Pair.Stored.Actions)}]",
            $"asked:  {a.Pair.Asked} ({Figure.Ratio(a.Would.ScoreAlone)})",
        ]));

    private IEnumerable<(TaskPair Pair, WouldReplay Would)> Answers(string system) => pairs.Zip(answers[system]);

    private static bool IsOf(TaskPair pair, string? kind) => pair.Differs is { } differs && (kind is null || kind == differs);

    private static bool IsSame(TaskPair pair, string? same) => pair.Same is { } what && (same is null || same == what);
}

/// <summary>
/// Asks for tasks that sound like a stored one and are another. Whatever is found at the default threshold would be replayed, and that is what makes a search harmful.
/// </summary>
internal static class WrongReplayEvaluation
{
    public const string Seed = "seed keyword overlap";

    private const string Resource = "wrong-replay.jsonl";
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    public static async Task<WrongReplayResult> RunAsync(CancellationToken cancellationToken)
    {
        var pairs = Load();
        using var memory = new ProcedureMemory(new ProceduralMemoryOptions { DatabasePath = ":memory:", Redactor = new Library.NothingIsSecret() });
        foreach (var stored in pairs.Select(p => p.Stored).DistinctBy(s => s.Name, StringComparer.Ordinal))
        {
            await RecordAsync(memory, stored, "all", cancellationToken);
            await RecordAsync(memory, stored, stored.Name, cancellationToken);
        }

        return new WrongReplayResult(pairs, new Dictionary<string, IReadOnlyList<WouldReplay>>(StringComparer.Ordinal)
        {
            [Library.Name] = await AskAsync(memory, pairs, new FindOptions { Strategy = FindStrategy.Words }, cancellationToken),
            [Seed] = await AskAsync(memory, pairs, new FindOptions { Strategy = FindStrategy.KeywordOverlap, Order = FindOrder.SuccessRate }, cancellationToken),
        });
    }

    private static List<TaskPair> Load()
    {
        using var stream = typeof(WrongReplayEvaluation).Assembly.GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<TaskPair>(l, Options)!)];
    }

    private static async Task RecordAsync(ProcedureMemory memory, StoredTask stored, string scope, CancellationToken cancellationToken)
    {
        using var session = memory.BeginSession(new MemoryScope(scope));
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = stored.Name, Description = stored.Description, Request = stored.Request }, cancellationToken: cancellationToken);
        foreach (var action in stored.Actions)
        {
            await recorder.RecordStepAsync(new TraceStep { Action = action }, cancellationToken);
        }

        await recorder.FinalizeAsync(cancellationToken: cancellationToken);
    }

    private static async Task<IReadOnlyList<WouldReplay>> AskAsync(ProcedureMemory memory, List<TaskPair> pairs, FindOptions options, CancellationToken cancellationToken)
    {
        var answers = new List<WouldReplay>(pairs.Count);
        foreach (var pair in pairs)
        {
            var (alone, scoreAlone) = await FirstAsync(pair.Stored.Name, []);
            var (amongAll, scoreAmongAll) = await FirstAsync("all", pair.Absent ?? []);
            answers.Add(new WouldReplay(alone, scoreAlone, amongAll, scoreAmongAll));

            async Task<(string? Name, double Score)> FirstAsync(string scope, IReadOnlyList<string> absent)
            {
                using var session = memory.BeginSession(new MemoryScope(scope));
                var found = await memory.FindAsync(pair.Asked, options with { Top = 1 + absent.Count }, cancellationToken);
                var match = found.Matches.FirstOrDefault(m => !absent.Contains(m.Procedure.Name));
                return (match?.Procedure.Name, match?.Score ?? found.NearMisses.Select(m => m.Score).FirstOrDefault());
            }
        }

        return answers;
    }
}
