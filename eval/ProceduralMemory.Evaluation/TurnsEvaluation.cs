using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using ProceduralMemory.Capture;

namespace ProceduralMemory.Evaluation;

/// <summary>
/// Feeds the labelled tasks of a corpus to one memory as turns that nobody names, in random order, and asks how well they are grouped: which became one procedure, and what that is called.
/// </summary>
internal sealed partial class TurnsEvaluation(ReplayData replay, IReadOnlyList<DataflowTrace> traces, int seed)
{
    public const string Declared = "episodes, effects declared";
    public const string Undeclared = "episodes, undeclared";
    public const string DeclaredTraces = "traces, effects declared";
    public const string Traces = "traces, undeclared";

    /// <param name="isShort">Whether one corpus is enough: the one whose skills are told by what was asked, and whose host declares what it knows.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public async Task<TurnsResult> RunAsync(bool isShort, CancellationToken cancellationToken)
    {
        // A host declares functions, not calls: one that ever changed anything writes.
        var steps = replay.Episodes.Values.SelectMany(e => e.Steps).GroupBy(s => s.Function, StringComparer.OrdinalIgnoreCase);
        var effects = steps.ToDictionary(g => g.Key, g => g.Any(s => s.Mutates is true) ? StepEffect.Write : StepEffect.Read, StringComparer.OrdinalIgnoreCase);
        var episodes = replay.Episodes.Values.Select(e => new TurnTask(e.Id, e.Class, e.Task, e.Steps)).ToList();
        var labelled = traces.Select(t => new TurnTask(t.Id, t.Template, t.Task, t.Steps)).ToList();
        return isShort ? new TurnsResult([await RunAsync(DeclaredTraces, labelled, effects, cancellationToken)]) : new TurnsResult(
        [
            await RunAsync(Declared, episodes, effects, cancellationToken),
            await RunAsync(Undeclared, episodes, [], cancellationToken),
            await RunAsync(DeclaredTraces, labelled, effects, cancellationToken),
            await RunAsync(Traces, labelled, [], cancellationToken),
        ]);
    }

    private async Task<TurnsCorpus> RunAsync(string name, List<TurnTask> tasks, Dictionary<string, StepEffect> effects, CancellationToken cancellationToken)
    {
        var ordered = tasks.OrderBy(t => t.Id, StringComparer.Ordinal).ToArray();
        new Random(seed).Shuffle(ordered);
        var corpus = new TurnsCorpus(name);
        var folder = Directory.CreateTempSubdirectory("procmem-turns-");
        try
        {
            using var memory = Open(folder, "turns.db", effects);
            using var outright = Open(folder, "outright.db", effects);
            foreach (var task in ordered)
            {
                var started = Stopwatch.GetTimestamp();
                var result = await LearnAsync(memory, task, cancellationToken);
                var elapsed = Stopwatch.GetElapsedTime(started);
                if (result.Learned?.Procedure is not { } procedure)
                {
                    corpus.NotLearned(ReasonOf(result.Because));
                    continue;
                }

                corpus.Learned(task, procedure, elapsed, ValueIn(procedure.Name, task));
                started = Stopwatch.GetTimestamp();
                await RecordAsync(outright, task, procedure.Name, cancellationToken);
                corpus.RecordedOutright(Stopwatch.GetElapsedTime(started));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        return corpus;
    }

    private static ProcedureMemory Open(DirectoryInfo folder, string file, Dictionary<string, StepEffect> effects) => new(new ProceduralMemoryOptions
    {
        DatabasePath = Path.Combine(folder.FullName, file),
        Learning = LearningMode.Automatic,
        Effects = effects,
        Redactor = new Library.NothingIsSecret(),
    });

    private static async Task<TurnResult> LearnAsync(ProcedureMemory memory, TurnTask task, CancellationToken cancellationToken)
    {
        using var turn = memory.BeginTurn(task.Request);
        foreach (var step in task.Steps)
        {
            var call = turn.Recorder!.BeginStep(step.Function, step.Arguments)!;
            await turn.Recorder.CompleteStepAsync(call, ResultOf(step), cancellationToken: cancellationToken);
        }

        return await turn.EndAsync(TurnEnd.Answered, cancellationToken);
    }

    private static async Task RecordAsync(ProcedureMemory memory, TurnTask task, string name, CancellationToken cancellationToken)
    {
        var recorder = await memory.StartRecordingAsync(new RecordingDetails { Name = name, Request = task.Request }, cancellationToken: cancellationToken);
        foreach (var step in task.Steps)
        {
            await recorder.CompleteStepAsync(recorder.BeginStep(step.Function, step.Arguments)!, ResultOf(step), cancellationToken: cancellationToken);
        }

        await recorder.FinalizeAsync(cancellationToken: cancellationToken);
    }

    private static JsonElement? ResultOf(RecordedStep step) => step.Result.ValueKind is JsonValueKind.Null ? null : step.Result;

    private static string ReasonOf(string because) =>
        because.StartsWith("It had", StringComparison.Ordinal) ? "fewer than two calls succeeded"
        : because.EndsWith("failed and did not succeed afterwards.", StringComparison.Ordinal) ? "a call failed for good"
        : because.StartsWith("It resembles", StringComparison.Ordinal) ? "like a known one, and does something else"
        : because;

    /// <summary>What a name holds that is a value of its task: a digit, a whole argument, or the name of a person that the trace knows. A number behind a name that was taken is none.</summary>
    private static string? ValueIn(string name, TurnTask task)
    {
        var words = name.Split('_').ToList();
        if (words.Count > 1 && words[^1].All(char.IsAsciiDigit))
        {
            words.RemoveAt(words.Count - 1);
        }

        var padded = $" {string.Join(' ', words)} ";
        var functions = task.Steps.SelectMany(s => WordsOf(Splits().Replace(s.Function, " "))).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return words.Find(w => w.Any(char.IsAsciiDigit))
            ?? words.Find(PersonsOf(task).Contains)
            ?? task.Steps.SelectMany(s => TextsOf(s.Arguments)).Select(WordsOf).Where(w => w.Length > 0 && !w.All(functions.Contains)).Select(w => string.Join(' ', w))
                .FirstOrDefault(v => padded.Contains($" {v} ", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>The names of persons: of mail addresses, of ids of users, of fields that hold names, and as they present themselves.</summary>
    private static HashSet<string> PersonsOf(TurnTask task)
    {
        var values = task.Steps.SelectMany(s => NamedTexts(s.Arguments, "").Concat(NamedTexts(s.Result, ""))).ToList();
        var texts = values.Select(v => v.Text).Append(task.Request).ToList();
        var persons = texts.SelectMany(t => Address().Matches(t).Concat(UserId().Matches(t)).Concat(Presented().Matches(t)).SelectMany(m => WordsOf(m.Groups[1].Value)))
            .Concat(values.Where(v => PersonField().IsMatch(v.Name) && PersonName().IsMatch(v.Text)).SelectMany(v => WordsOf(v.Text)));
        return persons.Where(w => w.Length > 1 && w.All(char.IsLetter)).ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    private static string[] WordsOf(string text) => [.. NoWord().Split(text).Where(w => w.Length > 0)];

    private static IEnumerable<string> TextsOf(JsonElement value) => NamedTexts(value, "").Select(v => v.Text);

    private static IEnumerable<(string Name, string Text)> NamedTexts(JsonElement value, string name) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().SelectMany(m => NamedTexts(m.Value, m.Name)),
        JsonValueKind.Array => value.EnumerateArray().SelectMany(v => NamedTexts(v, name)),
        JsonValueKind.String => [(name, value.GetString()!)],
        _ => [],
    };

    [GeneratedRegex(@"\b([\p{L}._-]+)\d*@[\w-]+\.", RegexOptions.CultureInvariant)]
    private static partial Regex Address();

    [GeneratedRegex(@"\b(\p{Ll}{2,}_\p{Ll}{2,})_\d{3,}\b", RegexOptions.CultureInvariant)]
    private static partial Regex UserId();

    [GeneratedRegex(@"(?:[Nn]ame is|[Yy]ou are|I am|I'm) ((?:\p{Lu}\p{Ll}+ ?){2})", RegexOptions.CultureInvariant)]
    private static partial Regex Presented();

    [GeneratedRegex("(?:customer|first|last|full|user|passenger|contact|assigned|participant).*name|^name_?to|assigned_to", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex PersonField();

    [GeneratedRegex(@"^\p{Lu}\p{Ll}+(?: \p{Lu}\p{Ll}+){0,2}$", RegexOptions.CultureInvariant)]
    private static partial Regex PersonName();

    [GeneratedRegex(@"[^\p{L}\p{N}]+", RegexOptions.CultureInvariant)]
    private static partial Regex NoWord();

    [GeneratedRegex(@"(?<=\p{Ll})(?=\p{Lu})|[^\p{L}\p{N}]+", RegexOptions.CultureInvariant)]
    private static partial Regex Splits();
}

/// <summary>A task that was done, and the skill that it shows.</summary>
internal sealed record TurnTask(string Id, string Skill, string Request, IReadOnlyList<RecordedStep> Steps)
{
    public string Functions => string.Join(" > ", Steps.Select(s => s.Function));
}

/// <summary>What came of the tasks of a corpus.</summary>
internal sealed class TurnsCorpus(string name)
{
    private readonly List<(TurnTask Task, Guid Procedure)> _learned = [];
    private readonly Dictionary<Guid, (string Name, int Versions)> _procedures = [];
    private readonly Dictionary<string, int> _reasons = new(StringComparer.Ordinal);
    private readonly HashSet<string> _leaks = new(StringComparer.Ordinal);
    private TimeSpan _turns;
    private TimeSpan _outright;

    public string Name => name;

    public int Turns => _learned.Count + _reasons.Values.Sum();

    public int LearnedTurns => _learned.Count;

    public IReadOnlyDictionary<string, int> Reasons => _reasons;

    public int Skills => _learned.Select(l => l.Task.Skill).Distinct(StringComparer.Ordinal).Count();

    public int Procedures => _procedures.Count;

    /// <summary>The share of the tasks whose procedure has their own skill as that of most of its tasks.</summary>
    public double Purity => (double)_learned.GroupBy(l => l.Procedure).Sum(g => g.GroupBy(l => l.Task.Skill, StringComparer.Ordinal).Max(s => s.Count())) / Math.Max(1, _learned.Count);

    /// <summary>How many procedures the tasks of one skill went to, as a mean over the skills.</summary>
    public double PerSkill => Skills == 0 ? 0 : _learned.GroupBy(l => l.Task.Skill, StringComparer.Ordinal).Average(g => g.Select(l => l.Procedure).Distinct().Count());

    public double VersionsPerProcedure => _procedures.Count == 0 ? 0 : _procedures.Values.Average(p => p.Versions);

    /// <summary>Names that need no number behind them to be told apart.</summary>
    public int DistinctNames => _procedures.Values.Select(p => p.Name.TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9').TrimEnd('_')).Distinct(StringComparer.OrdinalIgnoreCase).Count();

    /// <summary>Names with a value of the task that they were made of.</summary>
    public int NamesWithValues => _leaks.Count;

    /// <summary>What of them the values are.</summary>
    public IEnumerable<string> Leaks => _leaks;

    public double MillisecondsPerTurn => _turns.TotalMilliseconds / Math.Max(1, _learned.Count);

    public double TimesOutright => _outright > TimeSpan.Zero ? _turns / _outright : 0;

    public void NotLearned(string because) => _reasons[because] = _reasons.GetValueOrDefault(because) + 1;

    public void Learned(TurnTask task, Procedure procedure, TimeSpan elapsed, string? valueInName)
    {
        if (!_procedures.ContainsKey(procedure.Id) && valueInName is not null)
        {
            _leaks.Add($"{procedure.Name}: {valueInName}");
        }

        _learned.Add((task, procedure.Id));
        _procedures[procedure.Id] = (procedure.Name, procedure.Version.Number);
        _turns += elapsed;
    }

    public void RecordedOutright(TimeSpan elapsed) => _outright += elapsed;

    /// <summary>The procedures with most tasks of other skills, and the skills in most procedures.</summary>
    public IEnumerable<Failure> Failures
    {
        get
        {
            foreach (var mixed in _learned.GroupBy(l => l.Procedure).Select(g => (g.Key, Skills: g.GroupBy(l => l.Task.Skill, StringComparer.Ordinal).OrderByDescending(s => s.Count()).ToList())).Where(g => g.Skills.Count > 1).OrderByDescending(g => g.Skills.Skip(1).Sum(s => s.Count())))
            {
                yield return new Failure($"{name}, mixed up", _procedures[mixed.Key].Name, [.. mixed.Skills.Select(s => Shown(s.Count(), s.Key, s.First().Task))]);
            }

            foreach (var split in _learned.GroupBy(l => l.Task.Skill, StringComparer.Ordinal).Select(g => (g.Key, Procedures: g.GroupBy(l => l.Procedure).OrderByDescending(p => p.Count()).ToList())).Where(g => g.Procedures.Count > 1).OrderByDescending(g => g.Procedures.Count))
            {
                yield return new Failure($"{name}, split up", split.Key, [.. split.Procedures.Select(p => Shown(p.Count(), _procedures[p.Key].Name, p.First().Task))]);
            }

            foreach (var leak in _leaks)
            {
                yield return new Failure($"{name}, value in a name", leak, []);
            }

            static string Shown(int count, string what, TurnTask first) => string.Create(CultureInfo.InvariantCulture, $"{count} of {what}: {first.Functions} | {first.Request[..Math.Min(120, first.Request.Length)].ReplaceLineEndings(" ")}");
        }
    }
}

/// <summary>What came of all.</summary>
internal sealed record TurnsResult(IReadOnlyList<TurnsCorpus> Corpora)
{
    public List<Failure> Failures => [.. Corpora.SelectMany(c => c.Failures)];
}
